// What the ear's stage (ear.js) is made of: values that glide, and filters of the second order by
// R. Bristow-Johnson's formulae.

// A change takes so long: no click, and no wait.
const GLIDE_S = 0.03;

/** What has become so small is nothing; below it processors become slow. */
export const NOTHING = 1e-30;

/** A value that moves to its target in even steps. */
export class Ramp {
	#step = 0;
	#left = 0;
	/** @param {number} value @param {number} rate */
	constructor(value, rate) {
		this.value = value;
		this.target = value;
		this.steps = Math.max(1, Math.round(GLIDE_S * rate));
	}

	/** @param {number} target */
	aim(target) {
		if (target === this.target) return;
		this.target = target;
		this.#left = this.steps;
		this.#step = (target - this.value) / this.steps;
	}

	/** Is there at once. */
	arrive() {
		this.value = this.target;
		this.#left = 0;
	}

	/** @param {number} value */
	restsAt(value) {
		return this.#left === 0 && this.value === value;
	}

	get moves() {
		return this.#left > 0;
	}

	next() {
		if (this.#left > 0) {
			this.#left -= 1;
			this.value = this.#left === 0 ? this.target : this.value + this.#step;
		}
		return this.value;
	}
}

/** A filter of the second order, and what it remembers of one channel. */
export class Biquad {
	#one = 0;
	#two = 0;
	#b0 = 0;
	#b1 = 0;
	#b2 = 0;
	#a1 = 0;
	#a2 = 0;
	/** @param {Page.Coefficients} coefficients */
	constructor(coefficients) {
		this.become(coefficients);
	}

	/** @param {Page.Coefficients} coefficients */
	become(coefficients) {
		[this.#b0, this.#b1, this.#b2, this.#a1, this.#a2] = coefficients;
	}

	/** @param {number} sample */
	next(sample) {
		const out = this.#b0 * sample + this.#one;
		this.#one = this.#b1 * sample - this.#a1 * out + this.#two;
		this.#two = this.#b2 * sample - this.#a2 * out;
		return out;
	}

	calm() {
		if (Math.abs(this.#one) < NOTHING) this.#one = 0;
		if (Math.abs(this.#two) < NOTHING) this.#two = 0;
	}

	/** @param {number} size */
	isBelow(size) {
		return Math.abs(this.#one) < size && Math.abs(this.#two) < size;
	}

	forget() {
		this.#one = 0;
		this.#two = 0;
	}
}

/** @param {number[]} b @param {number[]} a @returns {Page.Coefficients} */
export const scaled = (b, a) => [b[0] / a[0], b[1] / a[0], b[2] / a[0], a[1] / a[0], a[2] / a[0]];

/** @param {number} hz @param {number} rate */
const turn = (hz, rate) => 2 * Math.PI * Math.min(hz / rate, 0.45);

/**
 * A shelf below `hz`, where `side` is 1, or above, where it is −1 (R. Bristow-Johnson's formulae).
 * @param {number} hz @param {number} db @param {number} rate @param {number} side
 */
export function shelf(hz, db, rate, side) {
	const cos = side * Math.cos(turn(hz, rate));
	const a = 10 ** (db / 40);
	const bend = 2 * Math.sqrt(a) * Math.sin(turn(hz, rate)) * Math.SQRT1_2;
	const [more, less] = [a + 1, a - 1];
	return scaled(
		[a * (more - less * cos + bend), side * 2 * a * (less - more * cos), a * (more - less * cos - bend)],
		[more + less * cos + bend, side * -2 * (less + more * cos), more + less * cos - bend],
	);
}

/** @param {number} hz @param {number} q @param {number} rate */
export function band(hz, q, rate) {
	const [sin, cos] = [Math.sin(turn(hz, rate)), Math.cos(turn(hz, rate))];
	const alpha = sin / (2 * q);
	return scaled([alpha, 0, -alpha], [1 + alpha, -2 * cos, 1 - alpha]);
}

/** @param {number} hz @param {number} rate */
export function highPass(hz, rate) {
	const [sin, cos] = [Math.sin(turn(hz, rate)), Math.cos(turn(hz, rate))];
	const alpha = sin * Math.SQRT1_2;
	const half = (1 + cos) / 2;
	return scaled([half, -2 * half, half], [1 + alpha, -2 * cos, 1 - alpha]);
}
