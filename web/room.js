// What this listener wants of the room: to be heard, and to hear people louder or softer. Pure: time is an
// argument, in ms.

const USUAL_PERCENT = 100;

// A shorter press of Talk is a tap, which holds until the next.
const TAP_MS = 350;

/** How a microphone is used (Mode of talk.js): what to do, and what it says while it is on. */
export const MODES = {
	push: {label: 'Hold to talk', how: 'Hold to talk, or tap once to begin and once to end.', on: 'You are heard.'},
	open: {
		label: 'Open microphone',
		how: 'Tap once: then you are heard whenever you speak, until you tap again.',
		on: 'You are heard whenever you speak.',
	},
};

/** What the buttons say: whether this listener wants to be heard, and to hear. */
export class Talking {
	/** @type {Page.TalkMode} */
	mode = 'push';
	isWanted = false;
	isMuted = false;
	isDeaf = false;
	/** Why nobody hears the microphone although that was wanted, in a sentence; empty if that is not so. */
	trouble = '';
	/** @type {number | null} */
	#pressedMs = null;
	#wasWanted = false;

	/**
	 * `mode` as it is remembered, which may be anything.
	 * @param {unknown} mode
	 */
	constructor(mode) {
		this.setMode(mode);
	}

	/**
	 * Another way to talk begins switched off.
	 * @param {unknown} mode
	 */
	setMode(mode) {
		this.mode = mode === 'open' ? 'open' : 'push';
		this.#pressedMs = null;
		this.isWanted = false;
	}

	/** @param {number} nowMs */
	press(nowMs) {
		if (this.mode === 'open') {
			this.toggle();
			return;
		}
		if (this.#pressedMs !== null) return;
		this.#pressedMs = nowMs;
		this.#wasWanted = this.isWanted;
		this.#want(true);
	}

	/**
	 * `isOver`: the press was taken away, so it cannot have been a tap.
	 * @param {number} nowMs
	 * @param {boolean} isOver
	 */
	release(nowMs, isOver = false) {
		if (this.#pressedMs === null) return;
		const isTap = !isOver && nowMs - this.#pressedMs < TAP_MS;
		this.#pressedMs = null;
		if (!isTap || this.#wasWanted) this.#want(false);
	}

	/** A click without a press: one begins, the next ends. */
	toggle() {
		this.#want(!this.isWanted);
	}

	/**
	 * The microphone did not open, or is gone.
	 * @param {string} trouble
	 */
	failed(trouble) {
		this.trouble = trouble;
		this.isWanted = false;
	}

	/** @param {boolean} isWanted */
	#want(isWanted) {
		this.isWanted = isWanted;
		if (isWanted) this.trouble = '';
	}

	/**
	 * How it is, in a sentence; `microphone` is the open one, or null.
	 * @param {boolean} isSilenced
	 * @param {{refusal: string, mayTalk: boolean} | null} microphone
	 */
	says(isSilenced, microphone) {
		if (isSilenced) return 'Whoever runs the server has muted you: nobody hears you.';
		if (this.trouble) return this.trouble;
		if (!this.isWanted) return MODES[this.mode].how;
		if (!microphone) return 'Allow this page to use the microphone.';
		if (this.isMuted) return 'You are muted: nobody hears you.';
		if (microphone.refusal) return `You only listen: ${microphone.refusal}.`;
		if (!microphone.mayTalk) return 'One moment: the server has not agreed to this microphone.';
		return MODES[this.mode].on;
	}
}

/** How loud people are for this listener alone: by number while a server runs, by name after that. */
export class Volumes {
	/** @type {string | null} */
	#session = null;
	/** @type {Map<number, number>} */
	#byPerson = new Map();
	/** @type {Map<string, number>} */
	#byName = new Map();

	/**
	 * A server that was started anew numbers people anew.
	 * @param {string} session
	 */
	welcomed(session) {
		if (session === this.#session) return;
		this.#session = session;
		this.#byPerson.clear();
	}

	/**
	 * The percent of somebody who came, and whether the server does not know of them yet.
	 * @param {{person: number, name: string}} person
	 */
	of({person, name}) {
		const given = this.#byPerson.get(person);
		const before = given ?? this.#byName.get(name);
		return {percent: before ?? USUAL_PERCENT, isNews: given === undefined && before !== undefined};
	}

	/** @param {{person: number, name: string}} person @param {number} percent */
	turn({person, name}, percent) {
		this.#byPerson.set(person, percent);
		if (name) this.#byName.set(name, percent);
	}

	/**
	 * Person → percent, of all that were turned.
	 * @returns {{[person: string]: number}}
	 */
	get all() {
		return Object.fromEntries(this.#byPerson);
	}
}

/** Wishes that gather until they go out as one: of each kind, and of each person's volume, the last. */
export class Wishes {
	/** @type {Wire.Wish} */
	#gathered = {};

	/** @param {Wire.Wish} changes */
	add(changes) {
		this.#gathered = {...this.#gathered, ...changes, volumes: {...this.#gathered.volumes, ...changes.volumes}};
	}

	/** What has gathered, which is nothing from then on. */
	take() {
		const gathered = this.#gathered;
		this.#gathered = {};
		return gathered;
	}
}

/**
 * How a person is called, and what they are doing, in words.
 * @param {Wire.Person} person
 */
export function shown({person, name, canTalk, isMuted, isDeaf, isSpeaking}) {
	const called = name || `Listener ${person}`;
	if (isSpeaking) return {called, does: 'speaking'};
	if (isDeaf) return {called, does: 'hears nothing'};
	if (!canTalk) return {called, does: 'listens'};
	return {called, does: isMuted ? 'muted' : 'can talk'};
}
