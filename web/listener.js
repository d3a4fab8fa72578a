// A place at the server: connects, keeps the clock, hands sound to the player, and comes back by itself.

import {BURST, BURST_SPACING_US, ServerClock} from './clock.js';
import {Player} from './player.js';
import {endOf, fullMeans, whyRefused} from './refusal.js';
import * as wire from './wire.js';

// Between two attempts: at first, then growing, at most; a full server is left alone for longer.
const RETRY_MS = 250;
const RETRY_GROWS = 1.6;
const MOST_RETRY_MS = 3_000;
const FULL_RETRY_MS = 10_000;
const RETRY_RANDOM_MS = 250;

// A connection that says nothing for so long is dead: servers send silence too.
const SILENT_MS = 3_000;

const TICK_MS = 1_000;

// Pings that may wait for an answer: while sound comes by datagram the WebSocket may stand still, and more would come
// all at once, which the server takes for a flood.
const MOST_UNANSWERED = 10;

// Sound does not wait longer than this for what decodes Opus.
const OPUS_WITHIN_MS = 1_000;

// By then the first sound is out, and nothing has to share the network with it.
const OPUS_AFTER_MS = 2_000;
const CHANNEL_AFTER_MS = 300;

// What is asked for, best first: as the server likes, less of the network, or the best sound.
/** @type {{[data in Page.Data]: string[]}} */
const CODECS = {auto: ['auto', 's16', 'opus'], less: ['opus', 's16'], more: ['s16', 'opus']};

// The close codes of a full server, and of one that asks to leave.
const TRY_LATER = 1013;
const REMOVED = 4001;

// Changes of a list of people that wait for somebody to read them.
const MOST_CHANGES = 1_000;

const nowUs = () => Math.round(performance.now() * 1e3);

/** @type {{[state in Page.State]: Page.State}} */
export const State = {
	joining: 'joining',
	playing: 'playing',
	lost: 'lost',
	full: 'full',
	refused: 'refused',
	replaced: 'replaced',
};

/**
 * Makes Opus decoders, once that is here.
 * @type {Page.MakeDecoder | null}
 */
let opus = null;
/** @type {Promise<void> | null} */
let fetching = null;

/**
 * What stands for a WebSocket (by-fetch.js), once none has opened.
 * @type {typeof import('./by-fetch.js') | null}
 */
let byFetch = null;

/** Whether there is something new that stands for a WebSocket: iPhones open none where the certificate is the server's. */
async function hasStandIn() {
	if (byFetch || location.protocol !== 'https:') return false;
	byFetch = await import('./by-fetch.js').catch(() => null);
	return byFetch !== null;
}

function fetchOpus() {
	fetching ??= import('./opus.js')
		.then(({load}) => load())
		.then(
			(make) => {
				opus = make;
			},
			() => {
				fetching = null;
			},
		);
	return fetching;
}

export class Listener {
	#url;
	#id;
	#name;
	/** @type {Wire.Talk | undefined} */
	#talk;
	/** @type {Page.Data} */
	#data;
	#onChange;
	#onRoom;
	/** @type {Page.Socket | null} */
	#socket = null;
	#isWelcome = false;
	/** Whether the last attempt ended before its WebSocket was open. */
	#wasRefused = false;
	#heardAt = 0;
	#retryMs = RETRY_MS;
	/** @type {Page.Timer} */
	#retryTimer;
	#ticking;
	#burstLeft = 0;
	#unanswered = 0;
	/** @type {Page.Timer} */
	#pingTimer;
	#left = false;
	/**
	 * The way for datagrams (channel.js), once that is here.
	 * @type {Page.Channel | null}
	 */
	#channel = null;
	player;
	clock = new ServerClock();
	state = State.joining;
	/**
	 * The server's last welcome, and its last list of people.
	 * @type {Wire.Welcome | null}
	 */
	welcome = null;
	/** @type {Wire.People | null} */
	people = null;
	/** Whether whoever runs the server lets nobody hear this listener; told anew after every welcome. */
	isSilenced = false;
	/** What went wrong, in a plain sentence; empty if nothing did. */
	trouble = '';

	/**
	 * Make it while a tap is handled: only then do browsers let sound out. `onChange` is called when what can
	 * be said of it changes, `onRoom` when something is known of who is there, and of who may be heard.
	 * @param {Page.Wishes} wishes
	 * @param {() => void} onChange
	 * @param {() => void} onRoom
	 */
	constructor(wishes, onChange, onRoom = () => {}) {
		this.#url = wishes.url;
		this.#id = wishes.id;
		this.#name = wishes.name;
		this.#data = wishes.lessData ? 'less' : 'auto';
		this.#onChange = onChange;
		this.#onRoom = onRoom;
		this.player = new Player(wishes, onChange);
		this.#ticking = setInterval(() => this.#tick(), TICK_MS);
		this.#connect();
	}

	/**
	 * The server learns the new name from a new connection; sound goes on meanwhile.
	 * @param {string} name
	 */
	rename(name) {
		if (name === this.#name) return;
		this.#name = name;
		this.#rejoin();
	}

	/**
	 * Joins anew with a microphone that sounds like `talk` (hello), or without.
	 * @param {Wire.Talk | undefined} talk
	 */
	setMicrophone(talk) {
		this.#talk = talk;
		this.#rejoin();
	}

	/**
	 * Joins anew with Opus, or without. Nobody else ever changes what a listener gets.
	 * @param {boolean} isWanted
	 */
	setLessData(isWanted) {
		this.#data = isWanted ? 'less' : 'more';
		this.#rejoin();
	}

	#rejoin() {
		if (this.#socket?.readyState === WebSocket.OPEN) this.#connect();
	}

	/**
	 * Whether a frame could be sent.
	 * @param {ArrayBuffer} bytes
	 */
	send(bytes) {
		if (this.#isWelcome) this.#socket?.send(bytes);
		return this.#isWelcome;
	}

	leave() {
		this.#left = true;
		clearInterval(this.#ticking);
		clearTimeout(this.#retryTimer);
		this.#drop();
		this.#channel?.leave();
		this.player.close();
	}

	/** Something came by datagram: the server is there. */
	heard() {
		this.#heardAt = performance.now();
	}

	/** What is known of the way for datagrams; null before there is one. */
	get way() {
		return this.#channel?.figures() ?? null;
	}

	/** Until it is here, and where it cannot be, all sound comes by WebSocket. */
	async #fetchChannel() {
		const fetched = this.welcome?.mayOffer ? await import('./channel.js').catch(() => null) : null;
		if (!fetched || this.#left) return;
		this.#channel ??= new fetched.Channel(this, (audio) => this.player.audio(audio));
	}

	/** The page or the network is awake again: no need to wait. */
	wake() {
		this.player.wake();
		if (this.state === State.lost || this.state === State.refused) this.#connect();
	}

	#connect() {
		clearTimeout(this.#retryTimer);
		this.#drop();
		const socket = byFetch ? new byFetch.Stream(this.#url) : new WebSocket(this.#url);
		socket.binaryType = 'arraybuffer';
		this.#socket = socket;
		this.#heardAt = performance.now();
		socket.onopen = () => {
			socket.onclose = (/** @type {Page.Closed} */ {code, reason}) => this.#lost(code, reason);
			this.#greet(socket);
		};
		socket.onmessage = (/** @type {{data: ArrayBuffer}} */ {data}) => this.#take(data);
		socket.onclose = () => this.#refused(socket);
	}

	/**
	 * The WebSocket did not even open: whoever answers there may say why.
	 * @param {Page.Socket} socket
	 */
	async #refused(socket) {
		const why = await whyRefused(this.#url);
		if (this.#socket !== socket) return;
		const isBlocked = Boolean(why && !why.refuses && this.#wasRefused) && !(await hasStandIn());
		if (this.#socket !== socket) return;
		// A server that has just been started answers as it should, and the next attempt succeeds.
		if (why && (why.refuses || isBlocked)) {
			this.#fail(State.refused, why.says);
			this.#retry(FULL_RETRY_MS);
		} else {
			this.#lost(0);
		}
		this.#wasRefused = true;
	}

	/** @param {Page.Socket} socket */
	async #greet(socket) {
		// A secure page decodes by itself; elsewhere the first sound comes before a decoder does.
		const mayWait = this.#data === 'less' || window.AudioDecoder;
		if (mayWait && !opus)
			await Promise.race([
				fetchOpus(),
				new Promise((wake) => {
					setTimeout(wake, OPUS_WITHIN_MS);
				}),
			]);
		if (this.#socket !== socket) return;
		const codecs = CODECS[this.#data].filter((codec) => codec !== 'opus' || opus);
		socket.send(wire.hello({id: this.#id, name: this.#name, codecs, talk: this.#talk}));
	}

	/** Lets go of the connection without hearing of its end. */
	#drop() {
		clearTimeout(this.#pingTimer);
		this.#isWelcome = false;
		if (!this.#socket) return;
		this.#socket.onclose = null;
		this.#socket.onmessage = null;
		this.#socket.close();
		this.#socket = null;
	}

	/** @param {ArrayBuffer} data */
	#take(data) {
		const now = nowUs();
		this.#heardAt = performance.now();
		try {
			const message = wire.read(data);
			switch (message?.kind) {
				case 'welcome':
					this.#welcomed(message);
					break;
				case 'audio':
					if (this.#isWelcome) this.#channel ? this.#channel.frame(message) : this.player.audio(message);
					break;
				case 'answer':
					this.#channel?.answer(message.bytes);
					break;
				case 'pong':
					this.#unanswered = 0;
					if (this.clock.pong(message, now) === 'stepped') this.#burst();
					break;
				case 'notice':
					this.#noticed(message);
					break;
				case 'people':
					this.people = message;
					this.#onRoom();
					break;
				case 'changes':
					// A list comes at least every few seconds as long as anything changes.
					if (!this.people || this.people.changes.length >= MOST_CHANGES) break;
					this.people.changes.push(message.bytes);
					this.#onRoom();
					break;
				default:
			}
		} catch (error) {
			if (!(error instanceof wire.Violation)) throw error;
			this.#fail(
				State.lost,
				`What answers here does not speak AuraLync as this page does (${error.message}). Reload the page.`,
			);
			this.#retry(FULL_RETRY_MS);
		}
		if (this.state !== State.playing && this.#socket && this.player.isPlaying) {
			this.#change(State.playing, '');
			setTimeout(fetchOpus, OPUS_AFTER_MS);
			setTimeout(() => this.#fetchChannel(), CHANNEL_AFTER_MS);
		}
	}

	/** @param {Wire.Welcome} welcome */
	#welcomed(welcome) {
		if (welcome.codec === 'opus' && !opus) throw new wire.Violation('the server chose a codec that was not offered');
		if (welcome.session !== this.welcome?.session) this.clock = new ServerClock();
		this.welcome = welcome;
		this.#retryMs = RETRY_MS;
		this.#wasRefused = false;
		this.people = null;
		this.isSilenced = false;
		this.#isWelcome = true;
		this.player.begin(welcome, this.clock, opus);
		this.#channel?.welcomed(welcome);
		this.#unanswered = 0;
		this.#burst();
		this.#onChange();
		this.#onRoom();
	}

	#burst() {
		this.#burstLeft = BURST;
		clearTimeout(this.#pingTimer);
		this.#ping();
	}

	#ping() {
		if (this.#socket?.readyState !== WebSocket.OPEN) return;
		if (this.#unanswered < MOST_UNANSWERED) {
			this.#socket.send(wire.ping(nowUs()));
			this.#unanswered += 1;
		}
		this.#burstLeft -= 1;
		// Listeners that came at once must not go on pinging at once.
		const pauseMs =
			this.#burstLeft > 0 ? BURST_SPACING_US / 1e3 : (this.welcome?.pingMs ?? TICK_MS) * (0.75 + Math.random() / 2);
		this.#pingTimer = setTimeout(() => this.#ping(), pauseMs);
	}

	/** @param {Wire.Notice} notice */
	#noticed({reason, text, playoutDelayMs = 0, fromUs = 0}) {
		if (reason === 'playout_delay') this.player.setDelay(playoutDelayMs, fromUs);
		if (reason === 'muted' || reason === 'unmuted') {
			this.isSilenced = reason === 'muted';
			this.#onRoom();
		}
		if (reason === 'may_not_talk' && this.welcome) Object.assign(this.welcome, {longestTalk: 0, refusal: text});
		const end = endOf({reason, text});
		if (!end) return;
		this.#fail(end.state, end.says);
		if (end.comesBack) this.#retry();
	}

	/** @param {number} code @param {string} reason */
	#lost(code, reason = '') {
		if (code === TRY_LATER) {
			this.#fail(State.full, fullMeans(reason));
			this.#retry(FULL_RETRY_MS);
			return;
		}
		// Before the welcome there are no notices.
		if (code === REMOVED) {
			this.#noticed({kind: 'notice', reason: 'removed', text: reason});
			return;
		}
		this.#fail(
			State.lost,
			this.welcome ? 'The server is gone. Sound comes back when it does.' : 'The server does not answer. Trying again.',
		);
		this.#retry();
	}

	/** @param {Page.State} state @param {string} trouble */
	#fail(state, trouble) {
		this.#drop();
		this.#change(state, trouble);
	}

	/** @param {number} pauseMs */
	#retry(pauseMs = this.#retryMs) {
		if (this.#left) return;
		this.#retryMs = Math.min(MOST_RETRY_MS, this.#retryMs * RETRY_GROWS);
		clearTimeout(this.#retryTimer);
		this.#retryTimer = setTimeout(() => this.#connect(), pauseMs + Math.random() * RETRY_RANDOM_MS);
	}

	#tick() {
		if (this.#socket && performance.now() - this.#heardAt > SILENT_MS) this.#lost(0);
	}

	/** @param {Page.State} state @param {string} trouble */
	#change(state, trouble) {
		if (state === this.state && trouble === this.trouble) return;
		this.state = state;
		this.trouble = trouble;
		this.#onChange();
	}
}
