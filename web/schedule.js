// Which sample is heard when. Pure: times are arguments, in µs of the server's clock.
//
// A sample is heard at its capture time + the playout delay. Small errors are steered away by the pace;
// large ones are jumped over behind a crossfade. docs/design/clocks.md.

import {CardClock} from './clock.js';
import {Jitter} from './jitter.js';
import {Interpolator, REACH} from './resample.js';

// Beyond this an error is jumped over: steering it away would take longer than anyone should wait.
const JUMP_ABOVE_US = 4_000;
const CROSSFADE_MS = 10;

// Fades around what is missing, or this share of the delay where that is less.
const LONGEST_FADE_MS = 5;
const FADE_SHARE = 1 / 64;

// Being in step soon matters more at first.
const AT_FIRST = {settleUs: 1e6, most: 1e-3, slewPerS: 1e-3};
const LATER = {settleUs: 4e6, most: 200e-6, slewPerS: 100e-6};
const AT_FIRST_US = 3e6;

// Sound that waits: twice the delay and this much, so that a new delay finds its sound.
const SPARE_MS = 2_000;

// The server's stamps are noisy by some tens of µs; they are averaged over this long.
const STAMPS_US = 8e6;

/** A stream by position, turned into blocks for an output. */
export class Schedule {
	#stream;
	#captured;
	#jitter;
	#interpolator;
	#outRate;
	#delayMs;
	/** @type {{delayMs: number, fromUs: number} | null} */
	#nextDelay = null;
	/** @type {Page.Course | null} */
	#state = null;
	#fade;
	counts = {lost: 0, late: 0, jumps: 0};

	/**
	 * `stream` is what welcome says; the output takes `outRate` frames per second.
	 * @param {Page.Stream} stream
	 * @param {number} outRate
	 */
	constructor(stream, outRate) {
		this.#stream = stream;
		this.#outRate = outRate;
		this.#delayMs = stream.playoutDelayMs;
		this.#captured = new CardClock(stream.positionRate, STAMPS_US);
		this.#jitter = new Jitter(stream.channels, Math.ceil((stream.positionRate * (2 * this.#delayMs + SPARE_MS)) / 1e3));
		this.#interpolator = new Interpolator(outRate / stream.positionRate);
		const fadeMs = Math.min(LONGEST_FADE_MS, Math.max(1, this.#delayMs * FADE_SHARE));
		this.#fade = Math.max(1, Math.round((stream.positionRate * fadeMs) / 1e3));
	}

	/**
	 * Takes decoded frames that were captured at `capturedUs`.
	 * @param {number} position
	 * @param {number} capturedUs
	 * @param {boolean} broken
	 * @param {Channels} channels
	 */
	insert(position, capturedUs, broken, channels) {
		const belongs = position - this.#stream.algorithmicDelay;
		if (broken) this.#captured.reset();
		this.#captured.stamp(position, capturedUs);
		if (belongs < 0) return;
		if (this.#state && belongs + channels[0].length < this.#state.out) this.counts.late += channels[0].length;
		this.#jitter.insert(belongs, channels);
	}

	/** @param {number} delayMs @param {number} fromUs */
	setDelay(delayMs, fromUs) {
		this.#nextDelay = {delayMs, fromUs};
	}

	get delayMs() {
		return this.#delayMs;
	}

	/** How long after its capture the sound is heard, by what is known here; null before there is any. */
	get heardAfterMs() {
		return this.#state && this.#delayMs + this.#state.laterMs - this.#state.errorUs / 1e3;
	}

	get bufferedMs() {
		const from = this.#state?.out;
		const end = this.#jitter.end;
		return from === undefined || end === null ? 0 : Math.max(0, ((end - from) / this.#stream.positionRate) * 1e3);
	}

	/**
	 * When the newest sound will be due, `laterMs` after the playout delay; null before any.
	 * @param {number} laterMs
	 */
	newestDueUs(laterMs) {
		const {end} = this.#jitter;
		if (end === null || !this.#captured.known) return null;
		return this.#captured.usAt(end - this.#fade - REACH) + (this.#delayMs + laterMs) * 1e3;
	}

	/**
	 * When the sound at a position is due, `laterMs` after the playout delay, and how long after its capture; null
	 * before any.
	 * @param {number} laterMs
	 */
	due(laterMs) {
		const {end} = this.#jitter;
		if (end === null || !this.#captured.known) return null;
		const delayUs = (this.#delayMs + laterMs) * 1e3;
		// So much more has to be there than is played.
		const needed = end - this.#fade - REACH;
		return {position: end + this.#stream.algorithmicDelay, atUs: this.#captured.usAt(needed) + delayUs, delayUs};
	}

	restart() {
		this.#state = null;
	}

	/**
	 * The next `frames` frames, one Float32Array per channel, of which the first is heard at `atUs` and
	 * the others every `frameUs`, all `laterMs` later than the playout delay says. Null if they are not
	 * all there yet; with `now`, what is missing is silence, and null only before the first sound.
	 * @param {number} frames
	 * @param {number} atUs
	 * @param {number} frameUs
	 * @param {number} laterMs
	 * @param {boolean} now
	 * @returns {Channels | null}
	 */
	block(frames, atUs, frameUs, laterMs, now) {
		if (!this.#captured.known) return null;
		const wantedAt = () => this.#captured.frameAt(atUs - (this.#delayMs + laterMs) * 1e3);
		let wanted = wantedAt();
		if (this.#nextDelay && this.#captured.usAt(this.#state?.out ?? wanted) >= this.#nextDelay.fromUs) {
			this.#delayMs = this.#nextDelay.delayMs;
			this.#nextDelay = null;
			wanted = wantedAt();
		}
		const pace = frameUs / this.#captured.usPerFrame;
		const needed = frames * pace * 1.001 + REACH + this.#fade + 2;
		const errorUs = this.#state ? (this.#state.out - wanted) * this.#captured.usPerFrame : 0;
		const jumps = Math.abs(errorUs) > JUMP_ABOVE_US;
		// A jump forward waits for its sound.
		const from = Math.floor(this.#state && !jumps ? this.#state.out : wanted);
		if (this.#jitter.available(from) < needed && !(now && this.#state)) return null;
		this.#state ??= this.#begin(wanted);
		const state = this.#state;
		state.laterMs = laterMs;
		const blockUs = frames * frameUs;
		let tail = null;
		if (jumps) {
			tail = this.#render(state, Math.min(frames, Math.round((this.#outRate * CROSSFADE_MS) / 1e3)), pace);
			Object.assign(state, {out: wanted, errorUs: 0, gate: this.#jitter.available(from) > needed ? 1 : 0});
			this.counts.jumps += 1;
		} else {
			state.errorUs = errorUs;
			steer(state, errorUs, blockUs);
		}
		const step = pace * (1 - state.correction);
		const missing = this.#missing(state.out, frames * step);
		this.counts.lost += missing;
		const block = this.#render(state, frames, step);
		if (tail) crossfade(tail, block);
		state.playedUs += blockUs;
		return block;
	}

	/**
	 * How much faster than nominal the stream is played, in parts per million.
	 * @param {number} frameUs
	 */
	ppm(frameUs) {
		const pace = (frameUs / this.#captured.usPerFrame) * (this.#outRate / this.#stream.positionRate);
		return (pace * (1 - (this.#state?.correction ?? 0)) - 1) * 1e6;
	}

	/** @param {number} out @returns {Page.Course} */
	#begin(out) {
		return {out, gate: 0, correction: 0, playedUs: 0, errorUs: 0, laterMs: 0};
	}

	/** @param {number} from @param {number} frames */
	#missing(from, frames) {
		const there = this.#jitter.available(Math.floor(from));
		return Math.max(0, Math.round(frames - there));
	}

	/** @param {Page.Course} state @param {number} frames @param {number} step */
	#render(state, frames, step) {
		const first = Math.floor(state.out) - REACH + 1;
		const length = Math.ceil(frames * step) + 2 * REACH + 1;
		const input = Array.from({length: this.#stream.channels}, () => new Float32Array(length));
		const missing = this.#jitter.read(first, input);
		// The gate closes before what is missing and opens after it.
		const from = Math.floor(state.out);
		const closes = missing > 0 || this.#jitter.available(from) < frames * step + REACH + this.#fade;
		const block = input.map((samples) => {
			const out = new Float32Array(frames);
			this.#interpolator.fill(out, samples, state.out - first, step);
			return out;
		});
		if (closes || state.gate < 1) {
			const change = step / this.#fade;
			for (let n = 0; n < frames; n += 1) {
				const open = this.#jitter.available(Math.floor(state.out + n * step) - REACH) > this.#fade + 2 * REACH;
				state.gate = Math.min(1, Math.max(0, state.gate + (open ? change : -change)));
				for (const out of block) out[n] *= state.gate;
			}
		}
		state.out += frames * step;
		return block;
	}
}

/**
 * Turns an error of the place into a correction of the pace, gently.
 * @param {Page.Course} state
 * @param {number} errorUs
 * @param {number} blockUs
 */
function steer(state, errorUs, blockUs) {
	const {settleUs, most, slewPerS} = state.playedUs < AT_FIRST_US ? AT_FIRST : LATER;
	const wanted = clamp(errorUs / settleUs, most);
	state.correction += clamp(wanted - state.correction, (slewPerS * blockUs) / 1e6);
}

/** @param {number} value @param {number} most */
function clamp(value, most) {
	return Math.min(most, Math.max(-most, value));
}

/**
 * After a jump the old sound goes as the new one comes.
 * @param {Channels} old
 * @param {Channels} fresh
 */
function crossfade(old, fresh) {
	fresh.forEach((out, channel) => {
		const tail = old[channel];
		for (let n = 0; n < tail.length; n += 1) out[n] += (tail[n] - out[n]) * (1 - n / tail.length);
	});
}
