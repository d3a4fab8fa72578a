// Coming into a private room, and what is sealed there (docs/keys.md), by the programs' own code (web/secure).
// Fetched where a room is private.

import {memory} from './page.js';
import {SHUT} from './refusal.js';
import {HEADER, json, Kind, MAX_JSON, MAX_SERVER_FRAME, TYPED, Violation, whole} from './wire.js';

// What the module says of a link that is for another server.
const OTHER_SERVER = -2;

// The text of a key of 32 bytes.
const KEY_TEXT = /^[\w-]{43}$/;
const MOST_EPOCHS = 256;

// What may be said openly to who has not come in: that they wait, and why they do not come in.
const OPENLY = ['waiting', 'not_let_in', 'wrong_key', 'stopping', 'replaced', 'violation', 'removed'];

// A sealed frame is longer by this at most: a counter and a tag.
const SEALS = 24;

/** A room is not entered; the message says why. */
class Shut extends Error {}

/** What lets into private rooms. */
export async function load() {
	const response = await fetch(new URL('secure.wasm', import.meta.url));
	return compile(await response.arrayBuffer());
}

/**
 * As `load`, of these bytes.
 * @param {BufferSource} bytes
 */
export async function compile(bytes) {
	const module = await WebAssembly.compile(bytes);
	return {
		/**
		 * Begins with what stands behind the # of a link.
		 * @param {string} fragment
		 */
		async come(fragment) {
			const {exports} = await WebAssembly.instantiate(module);
			return new Inside(/** @type {Page.SecureExports} */ (/** @type {unknown} */ (exports)), fragment);
		},
		/**
		 * The sentence that says why a room is not entered; null for another error.
		 * @param {unknown} error
		 */
		whyNot: (error) => (error instanceof Shut ? error.message : null),
	};
}

/** 32 bytes that nobody can foresee. */
export const drawn = () => crypto.getRandomValues(new Uint8Array(32));

/** Who this page is: a private key, made once and kept where the browser keeps anything. */
export function identity() {
	const kept = memory.get('key');
	if (typeof kept === 'string' && /^[\da-f]{64}$/.test(kept))
		return Uint8Array.from({length: 32}, (_, n) => parseInt(kept.slice(2 * n, 2 * n + 2), 16));
	ownKey ??= drawn();
	memory.set('key', Array.from(ownKey, (byte) => byte.toString(16).padStart(2, '0')).join(''));
	return ownKey;
}

/** @type {Uint8Array | null} */
let ownKey = null;

/** @param {string} text */
const bytesOf = (text) => new TextEncoder().encode(text);

/** @param {ArrayBuffer} frame @param {number} at */
const from = (frame, at) => new Uint8Array(frame).subarray(at);

/**
 * A frame of what follows its length.
 * @param {Uint8Array[]} parts
 */
function framed(...parts) {
	const length = parts.reduce((sum, part) => sum + part.length, 0);
	const bytes = new Uint8Array(4 + length);
	new DataView(bytes.buffer).setUint32(0, TYPED + length);
	let at = 4;
	for (const part of parts) {
		bytes.set(part, at);
		at += part.length;
	}
	return bytes.buffer;
}

const forged = () => new Violation("somebody without the room's keys sent it");

/** A place in a private room. */
export class Inside {
	#exports;
	/** What stands behind the # of the link that lets in from now on. */
	fragment;
	/** Whether all that is said is sealed by now. */
	isIn = false;

	/** @param {Page.SecureExports} exports @param {string} fragment */
	constructor(exports, fragment) {
		this.#exports = exports;
		this.fragment = fragment;
		if (this.#run('link', [bytesOf(fragment)]) < 0) throw new Shut(SHUT.half);
	}

	/**
	 * What the module makes of these bytes stands at its place: how many, or below 0 why it refuses them.
	 * @param {Page.SecureCall} call
	 * @param {Uint8Array[]} parts
	 * @param {number[]} more
	 */
	#run(call, parts, ...more) {
		const {memory: its, place, room} = this.#exports;
		const length = parts.reduce((sum, part) => sum + part.length, 0);
		if (length > room()) return -1;
		const there = new Uint8Array(its.buffer, place(), length);
		let at = 0;
		for (const part of parts) {
			there.set(part, at);
			at += part.length;
		}
		return this.#exports[call](length, ...more);
	}

	/** @param {number} length */
	#made(length) {
		return new Uint8Array(this.#exports.memory.buffer, this.#exports.place(), length).slice();
	}

	/**
	 * The frame that asks to come in, for a config and a hello; `own` is who the page is, `random` is for this alone.
	 * @param {ArrayBuffer} config
	 * @param {ArrayBuffer} hello
	 */
	enter(config, hello, own = identity(), random = drawn()) {
		const {auralync} = json(config, MAX_JSON, 4);
		const key = auralync?.room?.key;
		if (typeof key !== 'string' || !KEY_TEXT.test(key)) throw new Violation('a config without a key');
		const said = from(config, 4);
		const made = this.#run('enter', [bytesOf(key), own, random, said, from(hello, HEADER)], said.length);
		if (made === OTHER_SERVER) throw new Shut(SHUT.otherServer);
		if (made < 0) throw new Violation('a config that nobody can answer');
		this.isIn = false;
		return framed(Uint8Array.of(Kind.enter), this.#made(made));
	}

	/**
	 * What the server says to who has asked to come in: the frame of the welcome in its answer, or of a notice. Null
	 * for a notice that only means something to who is in.
	 * @param {ArrayBuffer} frame
	 */
	answered(frame) {
		const kind = frame.byteLength > HEADER ? new DataView(frame).getUint8(4) : 0;
		if (kind === Kind.notice) return OPENLY.includes(json(frame).reason) ? frame : null;
		if (kind !== Kind.entered) throw new Violation('something else than an answer came before the room was entered');
		return this.#entered(frame);
	}

	/** @param {ArrayBuffer} answer */
	#entered(answer) {
		const made = answer.byteLength > 2 * MAX_JSON ? -1 : this.#run('entered', [from(answer, HEADER)]);
		if (made < 0) throw new Violation("somebody else than the room's server answered");
		const welcome = framed(Uint8Array.of(Kind.welcome), this.#made(made));
		const {room} = json(welcome);
		if (this.#take('own', room?.own) < 0) throw new Violation('a welcome without keys');
		this.#learn(room);
		this.isIn = true;
		return welcome;
	}

	/** @param {'own' | 'epoch' | 'secret'} call @param {unknown} text @param {number[]} more */
	#take(call, text, ...more) {
		return typeof text === 'string' ? this.#run(call, [bytesOf(text)], ...more) : -1;
	}

	/** @param {Wire.Json} said */
	#learn({epochs, since, secret}) {
		const told = Object.entries(epochs ?? {});
		if (told.length > MOST_EPOCHS) throw new Violation('too many keys');
		for (const [number, text] of told)
			if (this.#take('epoch', text, whole(Number(number), 0, 255, 'an epoch')) < 0)
				throw new Violation('a key is wrong');
		if (since !== undefined) this.#run('since', [], whole(since, 0, 255, 'an epoch'));
		if (secret === undefined) return;
		const made = this.#take('secret', secret);
		if (made < 0) throw new Violation('a key is wrong');
		this.fragment = new TextDecoder().decode(this.#made(made));
	}

	/**
	 * What is to be said, as it goes out.
	 * @param {ArrayBuffer} frame
	 */
	seal(frame) {
		const made = this.#run('seal', [from(frame, 4)]);
		if (made < 0) throw new Violation('what was to be said cannot be sealed');
		return framed(Uint8Array.of(Kind.private), this.#made(made));
	}

	/**
	 * What the server has said, as it would have come openly; null where that was for this alone.
	 * @param {ArrayBuffer} frame
	 */
	open(frame) {
		const kind = frame.byteLength > HEADER ? new DataView(frame).getUint8(4) : 0;
		if (frame.byteLength > MAX_SERVER_FRAME + 4 + SEALS) throw new Violation('a frame has a wrong length');
		const call = kind === Kind.private ? 'open' : kind === Kind.sealed ? 'sound' : null;
		if (!call) throw new Violation('something came openly in a private room');
		const made = this.#run(call, [from(frame, HEADER)]);
		if (made < 1) throw forged();
		if (call === 'sound') return framed(Uint8Array.of(Kind.audio), this.#made(made));
		const opened = framed(this.#made(made));
		if (opened.byteLength < HEADER || new DataView(opened).getUint8(4) !== Kind.epochs) return opened;
		this.#learn(json(opened));
		return null;
	}

	/**
	 * A datagram as it was before it was sealed; null where it is sealed wrongly, or came before.
	 * @param {ArrayBuffer} datagram
	 */
	openDatagram(datagram) {
		const made = this.#run('datagram', [from(datagram, 0)]);
		return made < 0 ? null : this.#made(made).buffer;
	}

	/**
	 * A text as a QR code: the rows of it, each of so many squares, 1 where one is dark.
	 * @param {string} text
	 */
	code(text) {
		const made = this.#run('code', [bytesOf(text)]);
		const squares = this.#made(Math.max(0, made));
		const size = Math.sqrt(squares.length);
		return Array.from({length: size}, (_, row) => squares.subarray(row * size, (row + 1) * size));
	}
}
