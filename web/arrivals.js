// When the frames of a microphone were handed over, from when the page gets to see them. Pure: time is an
// argument, in µs.

// The quickest of so many pieces shows how much later than the microphone the page is: others had to wait.
const LOOKED_AT = 50;

// The audio clock lost or gained time if the quickest is off by more than this; less is followed by this
// share a piece, which no ear notices.
const STEP_US = 20_000;
const FOLLOWED = 0.02;

/** Frames of a microphone against our clock. */
export class Arrivals {
	#usPerFrame;
	/** @type {number[]} */
	#offsets = [];
	#offset = 0;

	/** @param {number} rate */
	constructor(rate) {
		this.#usPerFrame = 1e6 / rate;
	}

	/**
	 * What ends before frame `end` came at `atUs`. Returns true if times step from here on.
	 * @param {number} end
	 * @param {number} atUs
	 */
	came(end, atUs) {
		const isFirst = this.#offsets.length === 0;
		this.#offsets = [...this.#offsets, atUs - end * this.#usPerFrame].slice(-LOOKED_AT);
		const off = Math.min(...this.#offsets) - this.#offset;
		const steps = isFirst || Math.abs(off) > STEP_US;
		this.#offset += steps ? off : off * FOLLOWED;
		return steps;
	}

	/**
	 * When frame `frame` was heard, or would have been seen if it had come alone and at once.
	 * @param {number} frame
	 */
	usAt(frame) {
		return this.#offset + frame * this.#usPerFrame;
	}
}
