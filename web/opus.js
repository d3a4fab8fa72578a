// Opus into samples: by the browser itself on secure pages, elsewhere by the programs' own decoder
// (web/opus). Fetched on secure pages at once, elsewhere after the first sound.

import {Violation} from './wire.js';

const RATE = 48_000;
const MAX_PACKET = 1275;

// What is missing is made up this far, in these steps; beyond it is silence. In frames.
const LONGEST_CONCEALED = 4_800;
const STEPS = [960, 480, 240, 120];

/**
 * How to make decoders: `make(channels, give)` is one that `take`s audio messages in order, and calls
 * `give(message, channels)` for each with its samples, at once or soon.
 * @returns {Promise<Page.MakeDecoder>}
 */
export async function load() {
	const config = {codec: 'opus', sampleRate: RATE, numberOfChannels: 2};
	const support = await globalThis.AudioDecoder?.isConfigSupported(config).catch(() => null);
	if (support?.supported) return (channels, give) => new BrowserDecoder(channels, give);
	const response = await fetch(new URL('opus.wasm', import.meta.url));
	return compile(await response.arrayBuffer());
}

/**
 * As `load`, with the programs' own decoder.
 * @param {BufferSource} bytes
 * @returns {Promise<Page.MakeDecoder>}
 */
export async function compile(bytes) {
	const module = await WebAssembly.compile(bytes);
	const {exports} = await WebAssembly.instantiate(module);
	const ours = /** @type {Page.OpusExports} */ (/** @type {unknown} */ (exports));
	return (channels, give) => new OurDecoder(ours, channels, give);
}

/** @param {Wire.Audio} message */
function checked({payload}) {
	if (payload.byteLength > MAX_PACKET) throw new Violation('an Opus packet is too long');
	return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
}

/** The programs' decoder. There is one stream at a time. */
class OurDecoder {
	#exports;
	#channels;
	#give;
	/** @type {number | null} */
	#next = null;

	/** @param {Page.OpusExports} exports @param {number} channels @param {Page.Give} give */
	constructor(exports, channels, give) {
		this.#exports = exports;
		this.#channels = channels;
		this.#give = give;
		exports.begin(channels);
	}

	/** @param {Wire.Audio} message */
	take(message) {
		const {position, frames, broken} = message;
		const packet = checked(message);
		const {begin, decode, memory, packet: place} = this.#exports;
		const gap = this.#next === null || broken ? 0 : Math.max(0, position - this.#next);
		if (broken || gap > LONGEST_CONCEALED) begin(this.#channels);
		else if (gap > 0) this.#conceal(message, position - gap, gap);
		this.#next = position + frames;
		new Uint8Array(memory.buffer, place(), packet.length).set(packet);
		const decoded = decode(packet.length);
		if (decoded < 0) this.#conceal(message, position, frames);
		else if (decoded === frames) this.#give(message, this.#sound(frames));
		else throw new Violation(`an Opus packet holds ${decoded} frames instead of ${frames}`);
	}

	/**
	 * Makes up `frames` frames from `from` on, near `message`.
	 * @param {Wire.Audio} message
	 * @param {number} from
	 * @param {number} frames
	 */
	#conceal({position, capturedUs}, from, frames) {
		for (let at = from; at < from + frames; ) {
			const step = STEPS.find((fits) => fits <= from + frames - at);
			if (!step || this.#exports.conceal(step) !== step) return;
			const atUs = capturedUs + ((at - position) * 1e6) / RATE;
			this.#give({position: at, capturedUs: atUs, broken: false}, this.#sound(step));
			at += step;
		}
	}

	/** @param {number} frames */
	#sound(frames) {
		const {memory, sound} = this.#exports;
		const channels = this.#channels;
		const samples = new Float32Array(memory.buffer, sound(), frames * channels);
		return Array.from({length: channels}, (_, channel) =>
			Float32Array.from({length: frames}, (__, frame) => samples[frame * channels + channel]),
		);
	}

	close() {}
}

/** The browser's own. What is missing stays missing: it makes nothing up. */
class BrowserDecoder {
	/** @type {AudioDecoder | null} */
	#decoder = null;
	/** @type {Wire.Audio[]} */
	#waiting = [];
	#channels;
	#give;

	/** @param {number} channels @param {Page.Give} give */
	constructor(channels, give) {
		this.#channels = channels;
		this.#give = give;
	}

	/** @param {Wire.Audio} message */
	take(message) {
		const data = checked(message);
		const decoder = message.broken || this.#decoder?.state !== 'configured' ? this.#begin() : this.#decoder;
		this.#waiting.push(message);
		decoder.decode(new EncodedAudioChunk({type: 'key', timestamp: message.position * (1e6 / RATE), data}));
	}

	#begin() {
		this.close();
		const decoder = new AudioDecoder({
			// Each packet comes out as one piece, in order.
			output: (sound) => {
				const message = this.#decoder === decoder ? this.#waiting.shift() : null;
				if (message?.frames === sound.numberOfFrames) this.#give(message, planes(sound, this.#channels));
				sound.close();
			},
			// It is closed then, and the next packet gets a new one.
			error: () => {},
		});
		decoder.configure({codec: 'opus', sampleRate: RATE, numberOfChannels: this.#channels});
		this.#decoder = decoder;
		return decoder;
	}

	close() {
		if (this.#decoder?.state === 'configured') this.#decoder.close();
		this.#decoder = null;
		this.#waiting = [];
	}
}

/** @param {AudioData} sound @param {number} channels */
function planes(sound, channels) {
	return Array.from({length: channels}, (_, channel) => {
		const plane = new Float32Array(sound.numberOfFrames);
		sound.copyTo(plane, {planeIndex: Math.min(channel, sound.numberOfChannels - 1), format: 'f32-planar'});
		return plane;
	});
}
