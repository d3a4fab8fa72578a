// Sound between the samples: windowed-sinc interpolation at any place and pace. Pure.

/** Frames on either side of a place that its value depends on. */
export const REACH = 24;

// Places between two samples that have a row of their own; between those, rows are mixed.
const PHASES = 512;

const TAPS = 2 * REACH;

// Trade between the stop band (some 80 dB) and the width of the roll-off.
const KAISER_BETA = 8;

/** An interpolator that keeps what is below `cutoff` × half the input's rate. */
export class Interpolator {
	#rows;

	/** @param {number} cutoff */
	constructor(cutoff) {
		this.#rows = Array.from({length: PHASES + 1}, (_, phase) => row(phase / PHASES, Math.min(1, cutoff)));
	}

	/**
	 * Fills `out` with the values at `start`, `start + step`, `start + 2 step` … of `input`; every place
	 * must have REACH frames on either side.
	 * @param {Samples} out
	 * @param {Samples} input
	 * @param {number} start
	 * @param {number} step
	 */
	fill(out, input, start, step) {
		for (let n = 0; n < out.length; n += 1) {
			const place = start + n * step;
			const whole = Math.floor(place);
			const phase = (place - whole) * PHASES;
			const lower = Math.floor(phase);
			const share = phase - lower;
			const one = this.#rows[lower];
			const two = this.#rows[lower + 1];
			const first = whole - REACH + 1;
			let a = 0;
			let b = 0;
			for (let tap = 0; tap < TAPS; tap += 1) {
				const sample = input[first + tap];
				a += sample * one[tap];
				b += sample * two[tap];
			}
			out[n] = a + (b - a) * share;
		}
	}
}

/** @param {number} fraction @param {number} cutoff */
function row(fraction, cutoff) {
	const taps = Float32Array.from({length: TAPS}, (_, tap) => {
		const x = tap - REACH + 1 - fraction;
		return sinc(x * cutoff) * cutoff * kaiser(x / REACH);
	});
	const sum = taps.reduce((total, tap) => total + tap, 0);
	return taps.map((tap) => tap / sum);
}

/** @param {number} x */
function sinc(x) {
	return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** @param {number} x */
function kaiser(x) {
	return Math.abs(x) >= 1 ? 0 : bessel(KAISER_BETA * Math.sqrt(1 - x * x)) / bessel(KAISER_BETA);
}

/**
 * The modified Bessel function I₀, by its series.
 * @param {number} x
 */
function bessel(x) {
	let term = 1;
	let sum = 1;
	for (let k = 1; term > sum * 1e-12; k += 1) {
		term *= (x / 2 / k) ** 2;
		sum += term;
	}
	return sum;
}
