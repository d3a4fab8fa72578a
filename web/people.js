// Who is in the room: who speaks, how loud each is for this listener alone, and what this listener says
// of itself. Fetched once a server lets people speak.

import {$, memory, setText} from './page.js';
import {MODES, shown, Talking, Volumes, Wishes} from './room.js';
import {MAX_VOLUME_PERCENT, people as read, wish} from './wire-room.js';

const PERCENT_STEP = 5;

// What a person does within this time goes out as one wish.
const GATHERED_MS = 100;

const LEVEL_EVERY_MS = 50;

// Keys that press a button.
const PRESSING = [' ', 'Enter'];

const ONLY_LISTENS =
	'Here you can only listen: browsers give microphones to encrypted pages alone. On the PC that plays, '
	+ `http://localhost:${location.port || 80} lets you talk; elsewhere auralync-client does.`;

const ONLY_LISTENS_HERE = 'Here you can only listen.';

/** Kept from one stay in the room to the next. */
const volumes = new Volumes();

const radios = Object.entries(MODES).map(
	([mode, {label}]) => `<label><input type="radio" name="talk-mode" value="${mode}">${label}</label>`,
);
const panel = document.createElement('section');
panel.id = 'people';
panel.className = 'panel';
panel.hidden = true;
panel.setAttribute('aria-labelledby', 'people-title');
panel.innerHTML = `
	<h2 id="people-title">In the room</h2>
	<div class="talking">
		<button type="button" id="talk" aria-pressed="false" aria-describedby="talk-says">Talk</button>
		<button type="button" id="mute" aria-pressed="false" hidden>Mute</button>
		<button type="button" id="deafen" aria-pressed="false">Deafen</button>
	</div>
	<p id="talk-says" role="status"></p>
	<div id="talk-mode" role="radiogroup" aria-label="When you are heard">${radios.join('')}</div>
	<ul id="room" aria-labelledby="people-title"></ul>
	<p id="elsewhere" hidden></p>`;
const style = document.createElement('link');
style.rel = 'stylesheet';
style.href = 'people.css';
document.head.append(style);
document.querySelector('form')?.before(panel);

/** Who is there, on the page, and what lets this listener talk. */
export class Room {
	#listener;
	/** @type {Wire.Welcome | null} */
	#welcome = null;
	/** @type {Map<number, Page.Row>} */
	#rows = new Map();
	#talking = new Talking(memory.get('talkMode'));
	#wishes = new Wishes();
	/** @type {Page.Timer} */
	#gathering;
	/** @type {Page.Microphone | null} */
	#microphone = null;
	#isOpening = false;
	/** @type {Page.Timer} */
	#levelTimer;
	#hasLeft = false;
	/** What those read who have no microphone here. */
	#noMicrophone = ONLY_LISTENS;

	/** @param {Page.Listener} listener */
	constructor(listener) {
		this.#listener = listener;
		this.#followTalk($('talk'));
		for (const radio of $('talk-mode').querySelectorAll('input')) {
			radio.checked = radio.value === this.#talking.mode;
			radio.onchange = () => this.#setMode(radio.value);
		}
		$('mute').onclick = () => this.#mute(!this.#talking.isMuted);
		$('deafen').onclick = () => this.#deafen(!this.#talking.isDeaf);
		this.#showState();
		this.show();
		if (!navigator.mediaDevices) this.#offerSecurePage();
	}

	/** Whoever wants to talk finds the way to where they can. */
	async #offerSecurePage() {
		const offer = await import('./secure-page.js').catch(() => null);
		const way = await offer?.wayToTalk();
		if (!way || this.#hasLeft) return;
		$('talk-securely')?.remove();
		$('talk-says').after(way);
		this.#noMicrophone = ONLY_LISTENS_HERE;
		this.#showState();
	}

	/**
	 * Presses and releases of the button by finger, mouse, key and screen reader.
	 * @param {HTMLButtonElement} talk
	 */
	#followTalk(talk) {
		talk.hidden = !navigator.mediaDevices;
		$('talk-mode').hidden = talk.hidden;
		talk.onpointerdown = (event) => {
			if (event.button !== 0) return;
			talk.setPointerCapture(event.pointerId);
			this.#press();
		};
		talk.onpointerup = () => this.#release();
		talk.onpointercancel = () => this.#release(true);
		talk.onkeydown = (event) => {
			if (!PRESSING.includes(event.key)) return;
			event.preventDefault();
			if (!event.repeat) this.#press();
		};
		talk.onkeyup = (event) => {
			if (!PRESSING.includes(event.key)) return;
			event.preventDefault();
			this.#release();
		};
		talk.onblur = () => this.#release(true);
		talk.oncontextmenu = (event) => event.preventDefault();
		talk.onclick = (event) => {
			// Screen readers click without pressing anything.
			if (event.detail !== 0) return;
			this.#talking.toggle();
			this.#follow();
		};
	}

	leave() {
		this.#hasLeft = true;
		panel.hidden = true;
		$('room').replaceChildren();
		clearTimeout(this.#gathering);
		this.#closeMicrophone();
	}

	/** Shows what the listener knows by now. */
	show() {
		const {welcome, people} = this.#listener;
		if (!welcome) return;
		panel.hidden = welcome.person === null;
		if (welcome !== this.#welcome) this.#welcomed(welcome);
		if (people) this.#showPeople(read(people));
		this.#showState();
	}

	/**
	 * A server that was started anew knows nothing of what was wished.
	 * @param {Wire.Welcome} welcome
	 */
	#welcomed(welcome) {
		this.#welcome = welcome;
		volumes.welcomed(welcome.session);
		this.#ask({muted: this.#talking.isMuted, deaf: this.#talking.isDeaf, volumes: volumes.all});
	}

	/** @param {Wire.Wish} changes */
	#ask(changes) {
		this.#wishes.add(changes);
		this.#gathering ||= setTimeout(() => {
			this.#gathering = undefined;
			const wishes = this.#wishes.take();
			// Else it is said in full to the next welcome.
			if (this.#welcome && this.#welcome.person !== null) this.#listener.send(wish(wishes));
		}, GATHERED_MS);
	}

	/** @param {Wire.Known} known */
	#showPeople({you, people, elsewhere}) {
		$('elsewhere').hidden = elsewhere === 0;
		setText($('elsewhere'), `and ${elsewhere} more at other places`);
		const list = $('room');
		const here = new Set(people.map(({person}) => person));
		for (const [person, row] of this.#rows) {
			if (here.has(person)) continue;
			row.item.remove();
			this.#rows.delete(person);
		}
		const focused = document.activeElement;
		people.forEach((person, n) => {
			const row = this.#rows.get(person.person) ?? this.#arrived(person, person.person === you);
			if (list.children[n] !== row.item) list.insertBefore(row.item, list.children[n] ?? null);
			showPerson(row, person, person.person === you);
		});
		const isMoved = document.activeElement !== focused && panel.contains(focused);
		if (isMoved && focused instanceof HTMLElement) focused.focus({preventScroll: true});
	}

	/** @param {Wire.Person} person @param {boolean} isYou */
	#arrived({person, name}, isYou) {
		const row = makeRow(person, name, isYou);
		this.#rows.set(person, row);
		if (!row.turns) return row;
		const {volume} = row.turns;
		const {percent, isNews} = volumes.of({person, name});
		showVolume(row, percent);
		if (isNews) this.#turn(person, row, percent);
		volume.oninput = () => this.#turn(person, row, Number(volume.value));
		return row;
	}

	/** @param {number} person @param {Page.Row} row @param {number} percent */
	#turn(person, row, percent) {
		showVolume(row, percent);
		volumes.turn({person, name: row.name}, percent);
		this.#ask({volumes: {[person]: percent}});
	}

	/** @param {string} mode */
	#setMode(mode) {
		this.#talking.setMode(mode);
		memory.set('talkMode', this.#talking.mode);
		this.#follow();
	}

	#press() {
		this.#talking.press(performance.now());
		this.#follow();
	}

	/** @param {boolean} isOver */
	#release(isOver = false) {
		this.#talking.release(performance.now(), isOver);
		this.#follow();
	}

	/** @param {boolean} isMuted */
	#mute(isMuted) {
		this.#talking.isMuted = isMuted;
		this.#ask({muted: isMuted});
		this.#follow();
	}

	/** @param {boolean} isDeaf */
	#deafen(isDeaf) {
		this.#talking.isDeaf = isDeaf;
		this.#listener.player.setDeaf(isDeaf);
		this.#ask({deaf: isDeaf});
		this.#follow();
	}

	/** Does what the buttons say by now. */
	#follow() {
		const {mode, isWanted, isMuted} = this.#talking;
		if (isWanted && !this.#microphone) this.#openMicrophone();
		this.#microphone?.setMode(mode);
		this.#microphone?.setMuted(isMuted);
		this.#microphone?.setWanted(isWanted);
		this.#showState();
	}

	async #openMicrophone() {
		if (this.#isOpening) return;
		this.#isOpening = true;
		/** @type {(error: unknown) => string} */
		let whyNot = () => 'What talking needs did not come from the server. Try again.';
		try {
			const talking = await import('./talk.js');
			({whyNot} = talking);
			const microphone = await talking.openMicrophone(this.#listener, () => this.#ended());
			this.#microphone = microphone;
			if (this.#hasLeft) this.#closeMicrophone();
			else this.#levelTimer = setInterval(() => showLevel(microphone.level), LEVEL_EVERY_MS);
		} catch (error) {
			this.#talking.failed(whyNot(error));
		}
		this.#isOpening = false;
		if (!this.#hasLeft) this.#follow();
	}

	#closeMicrophone() {
		clearInterval(this.#levelTimer);
		$('talk').style.removeProperty('--heard');
		this.#microphone?.close();
		this.#microphone = null;
	}

	#ended() {
		this.#closeMicrophone();
		this.#talking.failed('The microphone is gone. Tap Talk when it is back.');
		this.#showState();
	}

	#showState() {
		const {isWanted, isMuted, isDeaf, trouble} = this.#talking;
		const {isSilenced} = this.#listener;
		$('talk').setAttribute('aria-pressed', String(isWanted));
		$('mute').hidden = !this.#microphone;
		$('mute').setAttribute('aria-pressed', String(isMuted));
		$('deafen').setAttribute('aria-pressed', String(isDeaf));
		const says = $('talk-says');
		says.toggleAttribute('data-trouble', trouble !== '' || isSilenced);
		setText(says, navigator.mediaDevices ? this.#talking.says(isSilenced, this.#microphone) : this.#noMicrophone);
	}
}

/** @param {number} person @param {string} name @param {boolean} isYou @returns {Page.Row} */
function makeRow(person, name, isYou) {
	const [item, who] = [document.createElement('li'), document.createElement('span')];
	const [called, does] = [document.createElement('span'), document.createElement('small')];
	item.dataset.person = String(person);
	who.className = 'who';
	called.className = 'name';
	who.append(called, does);
	item.append(who);
	if (isYou) return {item, name, called, does, turns: null};
	const [volume, output] = [document.createElement('input'), document.createElement('output')];
	Object.assign(volume, {type: 'range', min: '0', max: String(MAX_VOLUME_PERCENT), step: String(PERCENT_STEP)});
	item.append(volume, output);
	return {item, name, called, does, turns: {volume, output}};
}

/** @param {Page.Row} row @param {number} percent */
function showVolume({turns}, percent) {
	if (!turns) return;
	turns.volume.value = String(percent);
	turns.output.value = `${percent} %`;
}

/** @param {Page.Row} row @param {Wire.Person} person @param {boolean} isYou */
function showPerson(row, person, isYou) {
	const {called, does} = shown(person);
	row.name = person.name;
	setText(row.called, isYou ? `${called} (you)` : called);
	setText(row.does, does);
	row.item.toggleAttribute('data-speaking', person.isSpeaking);
	const label = `Volume of ${called}`;
	if (row.turns?.volume.getAttribute('aria-label') !== label) row.turns?.volume.setAttribute('aria-label', label);
}

/** @param {number} level */
function showLevel(level) {
	$('talk').style.setProperty('--heard', level.toFixed(3));
}
