// A place at the server: connects, keeps the clock, hands sound to the player, and comes back by itself.

import {BURST, BURST_SPACING_US, ServerClock} from './clock.js';
import {codecsFor, fetched, fetchOpus, fetchOpusSoon, fetchSecure, hasStandIn} from './fetched.js';
import {Player} from './player.js';
import {endOf, fullMeans, isPrivate, NOT_LOADED, noticeOf, SHUT, WAITING, whyRefused} from './refusal.js';
import * as wire from './wire.js';

// Between two attempts: at first, then growing, at most; a full server is left alone for longer.
const RETRY_MS = 250;
const RETRY_GROWS = 1.6;
const MOST_RETRY_MS = 3_000;
const FULL_RETRY_MS = 10_000;
const RETRY_RANDOM_MS = 250;

// A connection that says nothing for so long is dead: servers send silence too.
const SILENT_MS = 3_000;

// A private room's server says nothing while its host is asked who comes in: two minutes, and the way there.
const WAITING_MS = 130_000;

const TICK_MS = 1_000;

// Pings that may wait for an answer: while sound comes by datagram the WebSocket may stand still, and more would come
// all at once, which the server takes for a flood.
const MOST_UNANSWERED = 10;

// By then the first sound is out, and nothing has to share the network with it.
const OPUS_AFTER_MS = 2_000;
const CHANNEL_AFTER_MS = 300;

// A private room says so at once. Where that has not come by then, a link leads to an open room.
const CONFIG_WITHIN_MS = 2_000;

// The close code of a full server.
const TRY_LATER = 1013;

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
	shut: 'shut',
	waiting: 'waiting',
};

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
	#link;
	/** @type {Page.Timer} */
	#configTimer;
	#hasConfig = false;
	/**
	 * What opens and seals, where this is a private room.
	 * @type {Page.Inside | null}
	 */
	inside = null;
	/**
	 * What opens datagrams: that of the last welcome, to which they belong.
	 * @type {Page.Inside | null}
	 */
	#opensDatagrams = null;
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
		this.#link = wishes.link;
		this.#onChange = onChange;
		this.#onRoom = onRoom;
		this.player = new Player(wishes, onChange);
		this.#ticking = setInterval(() => this.#tick(), TICK_MS);
		if (wishes.link?.fragment) fetchSecure().catch(() => null);
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
		if (this.#isWelcome) this.#say(bytes);
		return this.#isWelcome;
	}

	/** @param {ArrayBuffer} bytes */
	#say(bytes) {
		this.#socket?.send(this.inside ? this.inside.seal(bytes) : bytes);
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

	/**
	 * A datagram as it was before it was sealed; null where that cannot be opened.
	 * @param {ArrayBuffer} bytes
	 */
	openDatagram(bytes) {
		return this.#opensDatagrams ? this.#opensDatagrams.openDatagram(bytes) : bytes;
	}

	/** What is known of the way for datagrams; null before there is one. */
	get way() {
		return this.#channel?.figures() ?? null;
	}

	/** Until it is here, and where it cannot be, all sound comes by WebSocket. */
	async #fetchChannel() {
		const found = this.welcome?.mayOffer ? await import('./channel.js').catch(() => null) : null;
		if (!found || this.#left) return;
		this.#channel ??= new found.Channel(this, (audio) => this.player.audio(audio));
	}

	/** The page or the network is awake again: no need to wait. */
	wake() {
		this.player.wake();
		if (this.state === State.lost || this.state === State.refused) this.#connect();
	}

	#connect() {
		clearTimeout(this.#retryTimer);
		if (this.#link?.isHalf) {
			this.#fail(State.shut, SHUT.half);
			return;
		}
		this.#drop();
		if (this.state === State.waiting) this.#change(State.joining, '');
		const isClosed = this.#link?.fragment ? null : isPrivate(this.#url);
		const socket = fetched.byFetch ? new fetched.byFetch.Stream(this.#url) : new WebSocket(this.#url);
		socket.binaryType = 'arraybuffer';
		this.#socket = socket;
		this.#heardAt = performance.now();
		socket.onopen = () => {
			socket.onclose = (/** @type {Page.Closed} */ {code, reason}) => this.#lost(code, reason);
			this.#greet(socket, isClosed);
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

	/** @param {Page.Socket} socket @param {Promise<boolean | null> | null} asked whether the room is private */
	async #greet(socket, asked) {
		// With a link nothing is said before the room has shown that it is private, without before it is known not to be.
		if (!asked) {
			this.#configTimer = setTimeout(() => this.#fail(State.shut, SHUT.open), CONFIG_WITHIN_MS);
			return;
		}
		const [isClosed, hello] = await Promise.all([asked, this.#hello()]);
		if (this.#socket !== socket) return;
		if (isClosed === false) socket.send(hello);
		else if (isClosed) this.#fail(State.shut, SHUT.noLink);
		else this.#lost(0);
	}

	async #hello() {
		// A secure page decodes by itself; elsewhere the first sound comes before a decoder does.
		const mayWait = this.#data === 'less' || window.AudioDecoder;
		if (mayWait && !fetched.opus) await fetchOpusSoon();
		return wire.hello({id: this.#id, name: this.#name, codecs: codecsFor(this.#data), talk: this.#talk});
	}

	/**
	 * The room is private: asks to come in, if there is a link.
	 * @param {ArrayBuffer} config
	 */
	async #enter(config) {
		const socket = this.#socket;
		const fragment = this.#link?.fragment;
		if (!fragment) {
			this.#fail(State.shut, SHUT.noLink);
			return;
		}
		const secure = await fetchSecure().catch(() => null);
		const hello = await this.#hello();
		if (this.#socket !== socket || !socket) return;
		if (!secure) {
			this.#fail(State.refused, NOT_LOADED);
			this.#retry(FULL_RETRY_MS);
			return;
		}
		try {
			const inside = await secure.come(fragment);
			if (this.#socket !== socket) return;
			socket.send(inside.enter(config, hello));
			this.inside = inside;
		} catch (error) {
			const why = secure.whyNot(error);
			if (why) this.#fail(State.shut, why);
			else this.#broken(error);
		}
	}

	/**
	 * What the server has said, as it would have come openly; null for what is not for here.
	 * @param {ArrayBuffer} data
	 */
	#opened(data) {
		const {inside} = this;
		if (!inside) {
			const isOpen = !this.#hasConfig && !this.#link?.fragment;
			if (this.#isWelcome || this.#hasConfig || !wire.isConfig(data)) return isOpen ? data : null;
			this.#hasConfig = true;
			clearTimeout(this.#configTimer);
			this.#enter(data);
			return null;
		}
		const opened = inside.isIn ? inside.open(data) : inside.answered(data);
		if (this.#link && inside.fragment !== this.#link.fragment) this.#link.keep(inside.fragment);
		return opened;
	}

	/**
	 * The server broke the protocol.
	 * @param {unknown} error
	 */
	#broken(error) {
		if (!(error instanceof wire.Violation)) throw error;
		this.#fail(
			State.lost,
			`What answers here does not speak AuraLync as this page does (${error.message}). Reload the page.`,
		);
		this.#retry(FULL_RETRY_MS);
	}

	/** Lets go of the connection without hearing of its end. */
	#drop() {
		clearTimeout(this.#pingTimer);
		clearTimeout(this.#configTimer);
		this.#isWelcome = false;
		this.#hasConfig = false;
		this.inside = null;
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
			const opened = this.#opened(data);
			const message = opened && wire.read(opened);
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
			this.#broken(error);
		}
		if (this.state !== State.playing && this.#socket && this.player.isPlaying) {
			this.#change(State.playing, '');
			setTimeout(fetchOpus, OPUS_AFTER_MS);
			setTimeout(() => this.#fetchChannel(), CHANNEL_AFTER_MS);
		}
	}

	/** @param {Wire.Welcome} welcome */
	#welcomed(welcome) {
		if (welcome.codec === 'opus' && !fetched.opus)
			throw new wire.Violation('the server chose a codec that was not offered');
		if (welcome.session !== this.welcome?.session) this.clock = new ServerClock();
		this.welcome = welcome;
		this.#retryMs = RETRY_MS;
		this.#wasRefused = false;
		this.people = null;
		this.isSilenced = false;
		this.#isWelcome = true;
		if (this.state === State.waiting) this.#change(State.joining, '');
		this.#opensDatagrams = this.inside;
		this.player.begin(welcome, this.clock, fetched.opus);
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
			this.#say(wire.ping(nowUs()));
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
		if (reason === 'waiting' && this.inside?.isIn === false) this.#change(State.waiting, WAITING);
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
		const notice = noticeOf(code, reason, this.state === State.waiting);
		if (notice) this.#noticed(notice);
		else if (code === TRY_LATER) {
			this.#fail(State.full, fullMeans(reason));
			this.#retry(FULL_RETRY_MS);
		} else {
			const isGone = 'The server is gone. Sound comes back when it does.';
			this.#fail(State.lost, this.welcome ? isGone : 'The server does not answer. Trying again.');
			this.#retry();
		}
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
		const believedMs = this.state === State.waiting ? WAITING_MS : SILENT_MS;
		if (this.#socket && performance.now() - this.#heardAt > believedMs) this.#lost(0);
	}

	/** @param {Page.State} state @param {string} trouble */
	#change(state, trouble) {
		if (state === this.state && trouble === this.trouble) return;
		this.state = state;
		this.trouble = trouble;
		this.#onChange();
	}
}
