// A chirp that is found again in what a microphone hears, to learn how late an output is. Pure: samples and times
// in, times out. src/calibrate says why it is as it is, and does the same.

// When each sweep begins, in ms after the first: no two distances are alike.
export const STARTS_MS = [0, 310, 680, 1010, 1420, 1770, 2200, 2590];

export const SWEEP_MS = 180;

const FADE_MS = 20;
const LOW_HZ = 600;
const HIGH_HZ = 6_000;
// Up to this part of its rate a microphone can be trusted.
const PASSED = 0.42;

// How loud it is played, of full scale.
const LEVEL = 0.1;

// Sound is looked for from so long before it is due to so long after, in ms.
export const EARLIEST_MS = 60;
export const LATEST_MS = 600;
// How much of the room is listened to before the first sweep and after the last.
export const QUIET_MS = 500;

const TOGETHER_MS = 0.3;
const NEAR_MS = 1.2;
const DIRECT = 0.4;
const STANDS_OUT = 6;
// Where a sweep has less than this of its strongest, it is not: it came at another time, and says so.
const ELSEWHERE = 0.2;

const CLIPPED = 0.985;
const CLIPPED_SAMPLES = 8;
const DEAF = 1e-5;
const ABOVE_ROOM_DB = 6;
const ABOVE_BAND_DB = 8;
const RUMBLE_HZ = 100;
const AGREED = 5;
const AGREE_MS = 1;
// So many others that agree among themselves say that the delay has changed meanwhile.
const ANOTHER_CAMP = 2;
const SUREST_MS = 0.5;

/** Why nothing can be said, and what to do. */
export const REFUSED = {
	deaf: 'The microphone hears nothing at all. Is it muted?',
	clipped: 'The sound was louder than the microphone can tell. Turn it down, and try again.',
	unheard: 'The microphone did not hear the chirp. Turn it up, or hold the microphone to the headphones.',
	loud: 'The room was too loud to be sure. Make it quieter, or turn the sound up, and try again.',
	unsteady: 'The chirps came at different times, so that none can be believed. Try again.',
};

/** @param {number} rate */
export function sweep(rate) {
	const seconds = SWEEP_MS / 1e3;
	const high = Math.max(2 * LOW_HZ, Math.min(HIGH_HZ, rate * PASSED));
	const rise = (high - LOW_HZ) / seconds / 2;
	return Float32Array.from({length: Math.trunc(rate * seconds)}, (_, frame) => {
		const at = frame / rate;
		const edge = Math.min(1, (Math.min(at, seconds - at) * 1e3) / FADE_MS);
		return (0.5 - 0.5 * Math.cos(Math.PI * edge)) * Math.sin(2 * Math.PI * (LOW_HZ + rise * at) * at);
	});
}

/**
 * All that is played.
 * @param {number} rate
 */
export function chirp(rate) {
	const one = sweep(rate);
	const starts = STARTS_MS.map((ms) => Math.round((ms * rate) / 1e3));
	const all = new Float32Array(starts[starts.length - 1] + one.length);
	for (const start of starts) one.forEach((sample, n) => (all[start + n] = LEVEL * sample));
	return all;
}

/** Transforms of one length, a power of two. */
class Fourier {
	/** @param {number} samples */
	constructor(samples) {
		this.size = 2 ** Math.ceil(Math.log2(Math.max(2, samples)));
		this.cos = Float64Array.from({length: this.size / 2}, (_, n) => Math.cos((2 * Math.PI * n) / this.size));
		this.sin = Float64Array.from({length: this.size / 2}, (_, n) => -Math.sin((2 * Math.PI * n) / this.size));
	}

	/** @param {ArrayLike<number>} samples */
	of(samples) {
		const re = new Float64Array(this.size);
		re.set(Array.from(samples).slice(0, this.size));
		const im = new Float64Array(this.size);
		this.forward(re, im);
		return {re, im};
	}

	/** @param {Float64Array} re @param {Float64Array} im */
	forward(re, im) {
		const {size, cos, sin} = this;
		for (let at = 1, other = 0; at < size; at += 1) {
			let bit = size >> 1;
			for (; other & bit; bit >>= 1) other ^= bit;
			other ^= bit;
			if (at < other) {
				[re[at], re[other]] = [re[other], re[at]];
				[im[at], im[other]] = [im[other], im[at]];
			}
		}
		for (let half = 1; half < size; half *= 2) {
			const step = size / (2 * half);
			for (let block = 0; block < size; block += 2 * half) {
				for (let n = 0; n < half; n += 1) {
					const [low, high] = [block + n, block + n + half];
					const [c, s] = [cos[n * step], sin[n * step]];
					const turnedRe = re[high] * c - im[high] * s;
					const turnedIm = re[high] * s + im[high] * c;
					[re[high], im[high]] = [re[low] - turnedRe, im[low] - turnedIm];
					re[low] += turnedRe;
					im[low] += turnedIm;
				}
			}
		}
	}
}

/** @param {number[]} values */
export function median(values) {
	if (values.length === 0) return 0;
	const sorted = [...values].sort((a, b) => a - b);
	const middle = sorted.length >> 1;
	return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * How strongly `sought` lies in samples at each lag.
 * @param {Fourier} fourier
 * @param {ArrayLike<number>} samples
 * @param {{re: Float64Array, im: Float64Array}} sought
 * @param {number} lags
 */
function envelope(fourier, samples, sought, lags) {
	const {re, im} = fourier.of(samples);
	const {size} = fourier;
	for (let n = 0; n < size; n += 1) {
		// Without its negative frequencies a signal turns about zero at the distance of its envelope. The conjugate
		// makes the way back one forward.
		const keeps = n > 0 && n < size / 2 ? 1 : 0;
		const real = re[n] * sought.re[n] + im[n] * sought.im[n];
		const imaginary = im[n] * sought.re[n] - re[n] * sought.im[n];
		[re[n], im[n]] = [keeps * real, -keeps * imaginary];
	}
	fourier.forward(re, im);
	const all = Array.from({length: lags}, (_, n) => Math.hypot(re[n], im[n]));
	const noise = Math.max(median(all), 1e-9);
	return all.map((value) => value / noise);
}

/** @param {number[]} values @param {number} by */
function widened(values, by) {
	return values.map((_, at) => {
		let most = 0;
		for (let n = Math.max(0, at - by); n <= Math.min(values.length - 1, at + by); n += 1)
			most = Math.max(most, values[n]);
		return most;
	});
}

/**
 * The lag at which most sweeps have something that stands out: the first strong one.
 * @param {number[][]} envelopes
 * @param {number} lags
 * @param {number} together
 */
function common(envelopes, lags, together) {
	const wide = envelopes.map((one) => widened(one, together));
	const most = Array.from({length: lags}, (_, lag) => median(wide.map((one) => one[lag])));
	const strongest = most.reduce((high, value) => Math.max(high, value), 0);
	const floor = median(most);
	if (wide.length === 0 || strongest < STANDS_OUT * Math.max(floor, 1e-9)) return null;
	const enough = Math.max(DIRECT * strongest, (STANDS_OUT / 2) * floor);
	const from = most.findIndex((value) => value >= enough);
	const near = most.slice(from, from + 4 * Math.max(1, together));
	const highest = Math.max(...near);
	return Math.min(lags - 1, from + near.findIndex((value) => value >= 0.9 * highest) + together);
}

/** @param {number[]} values */
const highestOf = (values) => values.reduce((high, value) => Math.max(high, value), 0);

/**
 * The most of these times that agree with one of them.
 * @param {number[]} all
 */
function agree(all) {
	return all
		.map((one) => all.filter((other) => Math.abs(other - one) <= AGREE_MS))
		.reduce((most, some) => (some.length > most.length ? some : most), []);
}

/**
 * The first peak between two lags that is nearly as high as the highest there, to a fraction.
 * @param {number[]} values
 * @param {number} from
 * @param {number} until
 */
function firstPeak(values, from, until) {
	const highest = highestOf(values.slice(from, until));
	for (let at = Math.max(1, from); at < Math.min(until, values.length - 1); at += 1) {
		const [before, here, after] = [values[at - 1], values[at], values[at + 1]];
		if (here >= 0.7 * highest && here >= before && here > after) {
			return at + (0.5 * (before - after)) / (before - 2 * here + after);
		}
	}
	return null;
}

/**
 * How late sound came that was due at `dueMs`, in ms of the recording; or why nothing can be said.
 * @param {Samples} samples
 * @param {number} rate
 * @param {number[]} dueMs when each sweep was due, in ms after the first sample
 * @returns {{lagMs: number, sureMs: number, agreed: number} | {refused: string}}
 */
export function find(samples, rate, dueMs) {
	let peak = 0;
	let clipped = 0;
	for (const sample of samples) {
		peak = Math.max(peak, Math.abs(sample));
		if (Math.abs(sample) >= CLIPPED) clipped += 1;
	}
	if (!(peak >= DEAF)) return {refused: REFUSED.deaf};
	if (clipped >= CLIPPED_SAMPLES) return {refused: REFUSED.clipped};
	const perMs = rate / 1e3;
	const lags = Math.trunc((EARLIEST_MS + LATEST_MS) * perMs);
	const window = lags + Math.trunc(SWEEP_MS * perMs);
	const fourier = new Fourier(window);
	const sought = fourier.of(sweep(rate));
	const there = dueMs
		.map((due) => ({due, from: Math.ceil((due - EARLIEST_MS) * perMs)}))
		.filter(({from}) => from >= 0 && from + window <= samples.length)
		.map(({due, from}) => ({
			due,
			from,
			values: envelope(fourier, samples.subarray(from, from + window), sought, lags),
		}));
	const at = common(
		there.map(({values}) => values),
		lags,
		Math.trunc(TOGETHER_MS * perMs),
	);
	if (at === null) return {refused: REFUSED.unheard};
	const near = Math.trunc(NEAR_MS * perMs);
	const found = there.flatMap(({due, from, values}) => {
		const [least, most] = [Math.max(0, at - near), Math.min(lags, at + near)];
		const isThere = highestOf(values.slice(least, most)) >= ELSEWHERE * highestOf(values);
		const own = isThere ? firstPeak(values, least, most) : firstPeak(values, 0, lags);
		return own === null ? [] : [{due, lagMs: (from + own) / perMs - due}];
	});
	if (!standsOut(samples, rate, dueMs, found)) return {refused: REFUSED.loud};
	const all = found.map(({lagMs}) => lagMs);
	const agreeing = agree(all);
	if (agreeing.length < AGREED) return {refused: REFUSED.unsteady};
	const lagMs = median(agreeing);
	const others = all.filter((one) => Math.abs(one - lagMs) > 2 * AGREE_MS);
	if (agree(others).length >= ANOTHER_CAMP) return {refused: REFUSED.unsteady};
	const sureMs = SUREST_MS + 1.5 * median(agreeing.map((one) => Math.abs(one - lagMs)));
	return {lagMs, sureMs, agreed: agreeing.length};
}

/**
 * Whether the sweeps are louder than the room, of all sound and within their band.
 * @param {Samples} samples
 * @param {number} rate
 * @param {number[]} dueMs
 * @param {{due: number, lagMs: number}[]} found
 */
function standsOut(samples, rate, dueMs, found) {
	const perMs = rate / 1e3;
	const fourier = new Fourier(Math.trunc(QUIET_MS * perMs));
	const bands = [
		[RUMBLE_HZ, rate / 2, ABOVE_ROOM_DB],
		[LOW_HZ, Math.max(2 * LOW_HZ, Math.min(HIGH_HZ, rate * PASSED)), ABOVE_BAND_DB],
	];
	/** @param {number} fromMs @param {number} ms */
	const loud = (fromMs, ms) => {
		const from = Math.max(0, Math.trunc(fromMs * perMs));
		const sound = samples.subarray(from, Math.max(from, Math.trunc((fromMs + ms) * perMs)));
		const {re, im} = fourier.of(sound);
		return bands.map(([low, high]) => {
			let sum = 0;
			const line = fourier.size / rate;
			for (let n = Math.trunc(low * line); n < Math.min(high * line, fourier.size / 2); n += 1) {
				sum += re[n] ** 2 + im[n] ** 2;
			}
			return sum / Math.max(1, sound.length);
		});
	};
	const before = loud(dueMs[0] - EARLIEST_MS - QUIET_MS, QUIET_MS);
	const after = loud(dueMs[dueMs.length - 1] + LATEST_MS + SWEEP_MS, QUIET_MS);
	const sweeps = found.map(({due, lagMs}) => loud(due + lagMs, SWEEP_MS));
	return bands.every(([, , above], band) => {
		const noise = Math.max(before[band], after[band], 1e-14);
		const signal = median(sweeps.map((powers) => powers[band])) - noise;
		return signal > 0 && 10 * Math.log10(signal / noise) >= above;
	});
}
