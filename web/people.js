// Who is in the room: who speaks, how loud each is for this listener alone, and what this listener says
// of itself. Fetched once a server lets people speak.

import {$, memory, setText} from './page.js';
import {MAX_VOLUME_PERCENT, people as read, wish} from './wire-room.js';

const USUAL_PERCENT = 100;
const PERCENT_STEP = 5;

// What a person does within this time goes out as one wish.
const GATHERED_MS = 100;

// A shorter press of Talk is a tap, which holds until the next.
const TAP_MS = 350;

const LEVEL_EVERY_MS = 50;

/** How a microphone is used (Mode of talk.js): what to do, and what it says while it is on. */
const MODES = {
	push: {label: 'Hold to talk', how: 'Hold to talk, or tap once to begin and once to end.', on: 'You are heard.'},
	open: {
		label: 'Open microphone',
		how: 'Tap once: then you are heard whenever you speak, until you tap again.',
		on: 'You are heard whenever you speak.',
	},
};

/** How loud people are, by session and number, and what those who come again get, by their name. */
const volumes = {session: null, byPerson: new Map(), byName: new Map()};

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
	<div id="talk-mode" role="radiogroup" aria-label="When you are heard">${Object.entries(MODES)
		.map(
			([mode, {label}]) => `
		<label><input type="radio" name="talk-mode" value="${mode}">${label}</label>`,
		)
		.join('')}
	</div>
	<ul id="room" aria-labelledby="people-title"></ul>`;
const style = document.createElement('link');
style.rel = 'stylesheet';
style.href = 'people.css';
document.head.append(style);
document.querySelector('form').before(panel);

/** Shows who is there, and lets this listener talk, until what is returned is called. */
export function showPeople(listener) {
	const room = new Room(listener);
	return () => room.leave();
}

class Room {
	#listener;
	#welcome = null;
	#rows = new Map();
	#wish = {};
	#gathering = 0;
	#microphone = null;
	#isOpening = false;
	#mode = memory.get('talkMode') === 'open' ? 'open' : 'push';
	#isWanted = false;
	#isMuted = false;
	#isDeaf = false;
	#pressedAt = null;
	#wasWanted = false;
	#levelTimer = 0;
	#trouble = '';
	#hasLeft = false;

	constructor(listener) {
		this.#listener = listener;
		const talk = $('talk');
		talk.hidden = !navigator.mediaDevices;
		$('talk-mode').hidden = talk.hidden;
		for (const radio of $('talk-mode').querySelectorAll('input')) {
			radio.checked = radio.value === this.#mode;
			radio.onchange = () => this.#setMode(radio.value);
		}
		talk.onpointerdown = (event) => {
			if (event.button !== 0) return;
			talk.setPointerCapture(event.pointerId);
			this.#press();
		};
		talk.onpointerup = () => this.#release();
		talk.onpointercancel = () => this.#release(true);
		talk.onkeydown = (event) => {
			if (![' ', 'Enter'].includes(event.key)) return;
			event.preventDefault();
			if (!event.repeat) this.#press();
		};
		talk.onkeyup = (event) => {
			if (![' ', 'Enter'].includes(event.key)) return;
			event.preventDefault();
			this.#release();
		};
		talk.onblur = () => this.#release(true);
		talk.oncontextmenu = (event) => event.preventDefault();
		// Screen readers click without pressing anything.
		talk.onclick = (event) => {
			if (event.detail === 0) this.#want(!this.#isWanted);
		};
		$('mute').onclick = () => this.#mute(!this.#isMuted);
		$('deafen').onclick = () => this.#deafen(!this.#isDeaf);
		listener.onRoom = () => this.#show();
		this.#showState();
		this.#show();
	}

	leave() {
		this.#hasLeft = true;
		panel.hidden = true;
		$('room').replaceChildren();
		clearTimeout(this.#gathering);
		this.#closeMicrophone();
	}

	#show() {
		const {welcome, people} = this.#listener;
		panel.hidden = welcome.person === null;
		if (welcome !== this.#welcome) this.#welcomed(welcome);
		if (people) this.#showPeople(read(people));
		this.#showState();
	}

	/** A server that was started anew knows nothing of what was wished, and numbers people anew. */
	#welcomed(welcome) {
		this.#welcome = welcome;
		if (welcome.session !== volumes.session) {
			volumes.session = welcome.session;
			volumes.byPerson.clear();
		}
		this.#ask({muted: this.#isMuted, deaf: this.#isDeaf, volumes: Object.fromEntries(volumes.byPerson)});
	}

	#ask(changes) {
		this.#wish = {...this.#wish, ...changes, volumes: {...this.#wish.volumes, ...changes.volumes}};
		this.#gathering ||= setTimeout(() => {
			this.#gathering = 0;
			// Else it is said in full to the next welcome.
			if (this.#welcome.person !== null) this.#listener.send(wish(this.#wish));
			this.#wish = {};
		}, GATHERED_MS);
	}

	#showPeople({you, people}) {
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
			this.#showPerson(row, person, person.person === you);
		});
		if (document.activeElement !== focused && panel.contains(focused)) focused.focus({preventScroll: true});
	}

	#arrived({person, name}, isYou) {
		const item = document.createElement('li');
		item.dataset.person = person;
		item.innerHTML = `<span class="who"><span class="name"></span><small></small></span>${
			isYou
				? ''
				: `
			<input type="range" min="0" max="${MAX_VOLUME_PERCENT}" step="${PERCENT_STEP}"><output></output>`
		}`;
		const [called, state, volume, output] = ['.name', 'small', 'input', 'output'].map((what) =>
			item.querySelector(what),
		);
		const row = {item, name, called, state, volume, output};
		this.#rows.set(person, row);
		if (isYou) return row;
		const known = volumes.byPerson.get(person) ?? volumes.byName.get(name);
		this.#showVolume(row, known ?? USUAL_PERCENT);
		if (known !== undefined && !volumes.byPerson.has(person)) this.#turn(person, row, known);
		volume.oninput = () => this.#turn(person, row, Number(volume.value));
		return row;
	}

	#turn(person, row, percent) {
		this.#showVolume(row, percent);
		volumes.byPerson.set(person, percent);
		if (row.name) volumes.byName.set(row.name, percent);
		this.#ask({volumes: {[person]: percent}});
	}

	#showVolume({volume, output}, percent) {
		volume.value = percent;
		output.value = `${percent} %`;
	}

	#showPerson(row, {person, name, canTalk, isMuted, isDeaf, isSpeaking}, isYou) {
		const {item, called, state, volume} = row;
		const shown = name || `Listener ${person}`;
		row.name = name;
		setText(called, isYou ? `${shown} (you)` : shown);
		setText(state, stateOf({canTalk, isMuted, isDeaf, isSpeaking}));
		item.toggleAttribute('data-speaking', isSpeaking);
		if (volume?.getAttribute('aria-label') !== `Volume of ${shown}`)
			volume?.setAttribute('aria-label', `Volume of ${shown}`);
	}

	/** Another way to talk begins switched off. */
	#setMode(mode) {
		this.#mode = mode;
		memory.set('talkMode', mode);
		this.#microphone?.setMode(mode);
		this.#pressedAt = null;
		this.#want(false);
	}

	#press() {
		if (this.#mode === 'open') {
			this.#want(!this.#isWanted);
			return;
		}
		if (this.#pressedAt !== null) return;
		this.#pressedAt = performance.now();
		this.#wasWanted = this.#isWanted;
		this.#want(true);
	}

	/** `isOver`: the press was taken away, so it cannot have been a tap. */
	#release(isOver = false) {
		if (this.#pressedAt === null) return;
		const isTap = !isOver && performance.now() - this.#pressedAt < TAP_MS;
		this.#pressedAt = null;
		if (!isTap || this.#wasWanted) this.#want(false);
	}

	#want(isWanted) {
		this.#isWanted = isWanted;
		if (isWanted && !this.#microphone) this.#openMicrophone();
		this.#microphone?.setWanted(isWanted);
		this.#showState();
	}

	async #openMicrophone() {
		if (this.#isOpening) return;
		this.#isOpening = true;
		this.#trouble = '';
		let whyNot = () => 'What talking needs did not come from the server. Try again.';
		try {
			const talking = await import('./talk.js');
			({whyNot} = talking);
			const microphone = await talking.openMicrophone(this.#listener, () => this.#ended());
			this.#microphone = microphone;
			if (this.#hasLeft) this.#closeMicrophone();
			else this.#opened(microphone);
		} catch (error) {
			this.#trouble = whyNot(error);
			this.#isWanted = false;
		}
		this.#isOpening = false;
		this.#showState();
	}

	#opened(microphone) {
		microphone.setMode(this.#mode);
		microphone.setMuted(this.#isMuted);
		microphone.setWanted(this.#isWanted);
		this.#levelTimer = setInterval(
			() => $('talk').style.setProperty('--heard', microphone.level.toFixed(3)),
			LEVEL_EVERY_MS,
		);
	}

	#closeMicrophone() {
		clearInterval(this.#levelTimer);
		$('talk').style.removeProperty('--heard');
		this.#microphone?.close();
		this.#microphone = null;
	}

	#ended() {
		this.#closeMicrophone();
		this.#trouble = 'The microphone is gone. Tap Talk when it is back.';
		this.#isWanted = false;
		this.#showState();
	}

	#mute(isMuted) {
		this.#isMuted = isMuted;
		this.#microphone?.setMuted(isMuted);
		this.#ask({muted: isMuted});
		this.#showState();
	}

	#deafen(isDeaf) {
		this.#isDeaf = isDeaf;
		this.#listener.player.setDeaf(isDeaf);
		this.#ask({deaf: isDeaf});
		this.#showState();
	}

	#showState() {
		$('talk').setAttribute('aria-pressed', this.#isWanted);
		$('mute').hidden = !this.#microphone;
		$('mute').setAttribute('aria-pressed', this.#isMuted);
		$('deafen').setAttribute('aria-pressed', this.#isDeaf);
		const says = $('talk-says');
		says.toggleAttribute('data-trouble', this.#trouble !== '' || this.#listener.isSilenced);
		setText(says, this.#sentence());
	}

	#sentence() {
		if (!navigator.mediaDevices) {
			return (
				'Here you can only listen: browsers give microphones to encrypted pages alone. On the PC that plays, '
				+ `http://localhost:${location.port || 80} lets you talk; elsewhere auralync-client does.`
			);
		}
		if (this.#listener.isSilenced) return 'Whoever runs the server has muted you: nobody hears you.';
		if (this.#trouble) return this.#trouble;
		if (!this.#isWanted) return MODES[this.#mode].how;
		if (!this.#microphone) return 'Allow this page to use the microphone.';
		if (this.#isMuted) return 'You are muted: nobody hears you.';
		if (this.#microphone.refusal) return `You only listen: ${this.#microphone.refusal}.`;
		if (!this.#microphone.mayTalk) return 'One moment: the server has not agreed to this microphone.';
		return MODES[this.#mode].on;
	}
}

function stateOf({canTalk, isMuted, isDeaf, isSpeaking}) {
	if (isSpeaking) return 'speaking';
	if (isDeaf) return 'hears nothing';
	if (!canTalk) return 'listens';
	return isMuted ? 'muted' : 'can talk';
}
