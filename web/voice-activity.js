// Whether somebody speaks: blocks of a microphone's sound in, open or closed out. Pure: time passes by blocks
// of 10 ms. The rules and their reasons are those of src/recv/talk/voice_activity.rs, and a test holds both to the
// same decisions.

// Where the vowels are, and where the hissing sounds are, in Hz.
const BANDS_HZ = [
	[200, 4_000],
	[4_000, 8_000],
];

// What stands out of the noise by this ratio of powers is a voice; while there is one, what does by the second.
const OPENS_AT = 4.5;
const STAYS_AT = 3.2;

// Nothing softer opens, in mean square.
const SOFTEST = 3.2e-7;

// So many blocks of a pause belong to each block of voice, up to so many.
const HANGOVER_PER_BLOCK = 5;
const LONGEST_HANGOVER = 40;

// The noise is the least power of so many stretches of so many blocks, smoothed.
const STRETCHES = 8;
const STRETCH = 25;
const SMOOTHING = 0.3;

/** Tells a voice from noise. */
export class VoiceActivity {
	#bands;
	#isOpen = false;
	/** Blocks that a pause may last yet. */
	#patience = 0;

	/** @param {number} rateHz */
	constructor(rateHz) {
		this.#bands = BANDS_HZ.map(([from, to]) => new Band(from, to, rateHz));
	}

	/**
	 * Takes the next 10 ms; whether there is a voice, or a pause that belongs to it.
	 * @param {Samples} block
	 */
	hear(block) {
		const ratio = this.#patience > 0 ? STAYS_AT : OPENS_AT;
		// Each band has to hear every block.
		const standsOut = this.#bands.map((band) => band.standsOut(block, ratio));
		if (standsOut.includes(true)) {
			this.#isOpen = true;
			this.#patience = Math.min(LONGEST_HANGOVER, this.#patience + HANGOVER_PER_BLOCK);
		} else {
			this.#patience = Math.max(0, this.#patience - 1);
			this.#isOpen &&= this.#patience > 0;
		}
		return this.#isOpen;
	}
}

/** A band and its noise. */
class Band {
	#filters;
	/** @type {number | null} */
	#smoothed = null;
	/** @type {number[]} */
	#least = [];
	#leastNow = Infinity;
	#blocks = 0;

	/** @param {number} fromHz @param {number} toHz @param {number} rateHz */
	constructor(fromHz, toHz, rateHz) {
		// Two of either kind in a row: 24 dB an octave.
		const [high, low] = [() => filter(highPass, fromHz, rateHz), () => filter(lowPass, toHz, rateHz)];
		this.#filters = [high(), high(), low(), low()];
	}

	/**
	 * Whether the block's power in this band is more than `ratio` times the noise's.
	 * @param {Samples} block
	 * @param {number} ratio
	 */
	standsOut(block, ratio) {
		const power = this.#power(block);
		this.#smoothed = this.#smoothed === null ? power : this.#smoothed + (power - this.#smoothed) * SMOOTHING;
		this.#leastNow = Math.min(this.#leastNow, this.#smoothed);
		const noise = Math.min(this.#leastNow, ...this.#least);
		this.#blocks += 1;
		if (this.#blocks === STRETCH) {
			this.#least = [...this.#least, this.#leastNow].slice(-STRETCHES);
			this.#leastNow = Infinity;
			this.#blocks = 0;
		}
		return power > Math.max(noise * ratio, SOFTEST);
	}

	/** @param {Samples} block */
	#power(block) {
		let sum = 0;
		for (const sample of block) {
			let filtered = Number.isFinite(sample) ? sample : 0;
			for (const pass of this.#filters) filtered = pass(filtered);
			sum += filtered * filtered;
		}
		return sum / Math.max(1, block.length);
	}
}

/** @type {Page.Shape} */
const lowPass = (cos) => [(1 - cos) / 2, 1 - cos, (1 - cos) / 2];
/** @type {Page.Shape} */
const highPass = (cos) => [(1 + cos) / 2, -1 - cos, (1 + cos) / 2];

/**
 * A Butterworth filter of second order, in transposed direct form II.
 * @param {Page.Shape} kind
 * @param {number} hz
 * @param {number} rateHz
 * @returns {(sample: number) => number}
 */
function filter(kind, hz, rateHz) {
	const turn = 2 * Math.PI * Math.min(0.45, hz / rateHz);
	const alpha = Math.sin(turn) / Math.SQRT2;
	const a0 = 1 + alpha;
	const [b0, b1, b2] = kind(Math.cos(turn)).map((b) => b / a0);
	const [a1, a2] = [(-2 * Math.cos(turn)) / a0, (1 - alpha) / a0];
	let [one, two] = [0, 0];
	return (sample) => {
		const out = b0 * sample + one;
		one = b1 * sample - a1 * out + two;
		two = b2 * sample - a2 * out;
		return out;
	};
}
