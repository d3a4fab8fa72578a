// The server's clock from pings, a card's from stamps. Pure: time is an argument, in µs.

/** Pings that a connection begins with, and the time between them. */
export const BURST = 10;
export const BURST_SPACING_US = 20_000;

// Round trips older than this are forgotten, and never more than so many are kept.
const MEMORY_US = 90e6;
const MOST_TRIPS = 400;

// This share of the round trips, the quickest, is believed, and at least so many.
const BELIEVED = 0.1;
const FEWEST = 5;

// What a round trip loses in worth by age, in µs per µs: what the rate may be wrong by.
const AGEING = 1e-6;

// How far apart two clocks usually, and at most, run.
const USUAL_RATE = 30e-6;
const MAX_RATE = 500e-6;

const LEAST_NOISE_US = 100;

// So many pongs in a row that prove the estimate wrong by this much more than it admits are a stepped
// clock: something slept.
const PROOFS = 2;
const LEAST_STEP_US = 5_000;

/** The server's clock, as its pongs show it: the quickest trips are believed (docs/design/clocks.md). */
export class ServerClock {
	/** @type {Page.Trip[]} */
	#trips = [];
	/** @type {Page.Estimate | null} */
	#estimate = null;
	#contradictions = 0;

	/**
	 * Takes a pong that was read at `nowUs`. Returns 'nothing', 'more' or 'stepped'.
	 * @param {Wire.Trip} trip
	 * @param {number} nowUs
	 * @returns {'nothing' | 'more' | 'stepped'}
	 */
	pong({clientUs, receivedUs, sentUs}, nowUs) {
		const tripUs = nowUs - clientUs - (sentUs - receivedUs);
		if (clientUs > nowUs || receivedUs > sentUs || tripUs < 0 || sentUs >= 2 ** 62) return 'nothing';
		// Each half of a round trip bounds the offset.
		const most = receivedUs - clientUs;
		const least = sentUs - nowUs;
		const atUs = (clientUs + nowUs) / 2;
		const stepped = this.#contradicted(atUs, least, most);
		if (stepped) this.#trips = [];
		this.#trips.push({atUs, offsetUs: (most + least) / 2, tripUs});
		this.#trips = this.#trips.filter((trip) => atUs - trip.atUs < MEMORY_US).slice(-MOST_TRIPS);
		this.#learn(atUs);
		return stepped ? 'stepped' : 'more';
	}

	/** @param {number} atUs @param {number} least @param {number} most */
	#contradicted(atUs, least, most) {
		if (!this.#estimate) return false;
		const now = this.serverUs(atUs) - atUs;
		const doubt = this.#estimate.doubtUs + LEAST_STEP_US;
		this.#contradictions = now < least - doubt || now > most + doubt ? this.#contradictions + 1 : 0;
		if (this.#contradictions < PROOFS) return false;
		this.#contradictions = 0;
		return true;
	}

	/** @param {number} nowUs */
	#learn(nowUs) {
		/** @type {(trip: Page.Trip) => number} */
		const worth = (trip) => trip.tripUs / 2 + (nowUs - trip.atUs) * AGEING;
		const sorted = [...this.#trips].sort((a, b) => worth(a) - worth(b));
		const quickest = sorted.slice(0, Math.max(FEWEST, Math.ceil(sorted.length * BELIEVED)));
		const [best] = quickest;
		// What took longer than the quickest may be off by half of that.
		const noise = Math.max(best.tripUs, LEAST_NOISE_US) / 8;
		const weights = quickest.map((trip) => 1 / (1 + ((trip.tripUs - best.tripUs) / 2 / noise) ** 2));
		const total = weights.reduce((sum, weight) => sum + weight, 0);
		/** @type {(of: (trip: Page.Trip) => number) => number} */
		const mean = (of) => quickest.reduce((sum, trip, n) => sum + weights[n] * of(trip), 0) / total;
		const middle = mean((trip) => trip.atUs);
		const level = mean((trip) => trip.offsetUs);
		let rate = 0;
		if (this.#trips.length > BURST) {
			const spread = mean((trip) => (trip.atUs - middle) ** 2);
			const together = mean((trip) => (trip.atUs - middle) * (trip.offsetUs - level));
			// Least squares with one more point, which says “no difference”.
			const doubt = (noise ** 2 + LEAST_NOISE_US ** 2) / total / USUAL_RATE ** 2;
			rate = Math.min(MAX_RATE, Math.max(-MAX_RATE, together / (spread + doubt)));
		}
		this.#estimate = {middle, level, rate, doubtUs: worth(best)};
	}

	get known() {
		return this.#estimate !== null;
	}

	/**
	 * What the server's clock shows when ours shows `oursUs`.
	 * @param {number} oursUs
	 */
	serverUs(oursUs) {
		const {middle, level, rate} = /** @type {Page.Estimate} */ (this.#estimate);
		return oursUs + level + (oursUs - middle) * rate;
	}

	/** @param {number} serverUs */
	oursUs(serverUs) {
		const {middle, level, rate} = /** @type {Page.Estimate} */ (this.#estimate);
		return middle + (serverUs - level - middle) / (1 + rate);
	}

	get rate() {
		return this.#estimate?.rate ?? 0;
	}
}

// At most so many stamps are looked at.
const MOST_STAMPS = 64;

// Until they span this, the nominal rate is likelier than theirs.
const SLOPE_TRUSTED_AFTER_US = 3e6;

// No card runs further from its nominal rate than this.
const MAX_STRETCH = 3e-3;

// So many stamps in a row that are off by more than STEP_US, and agree, are a step.
const STEP_STAMPS = 3;
const STEP_US = 5_000;
const AGREE_US = 2_000;

/** Frames of a card against a clock in µs: a line through stamps that wrong ones do not move. */
export class CardClock {
	#nominalUs;
	#spacingUs;
	/** @type {Page.Stamp[]} */
	#stamps = [];
	/** @type {(Page.Stamp & {error: number})[]} */
	#strays = [];
	#origin = 0;
	#level = 0;
	#stretch = 0;

	/**
	 * `rate` is nominal; stamps are believed for `windowUs`.
	 * @param {number} rate
	 * @param {number} windowUs
	 */
	constructor(rate, windowUs) {
		this.#nominalUs = 1e6 / rate;
		this.#spacingUs = windowUs / MOST_STAMPS;
	}

	reset() {
		this.#stamps = [];
		this.#strays = [];
	}

	get known() {
		return this.#stamps.length > 0;
	}

	/**
	 * Frame `frame` was, or will be, at `atUs`. Returns true if the card's time has stepped.
	 * @param {number} frame
	 * @param {number} atUs
	 */
	stamp(frame, atUs) {
		const off = {frame, atUs};
		if (this.known) {
			const error = atUs - this.usAt(frame);
			if (Math.abs(error) > STEP_US) {
				this.#strays = [...this.#strays, {...off, error}].slice(-STEP_STAMPS);
				const errors = this.#strays.map((stray) => stray.error);
				const agree = Math.max(...errors) - Math.min(...errors) < AGREE_US;
				if (this.#strays.length < STEP_STAMPS || !agree) return false;
				this.#stamps = this.#strays.map((stray) => ({frame: stray.frame, atUs: stray.atUs}));
				this.#strays = [];
				this.#stretch = 0;
				this.#fit();
				return true;
			}
			this.#strays = [];
			// More stamps than the window takes would only shorten it.
			const last = this.#stamps[this.#stamps.length - 1];
			const enough = this.#stamps.length > 16;
			if (enough && atUs - last.atUs < this.#spacingUs) return false;
		}
		this.#stamps.push(off);
		if (this.#stamps.length > MOST_STAMPS) this.#stamps.shift();
		this.#fit();
		return false;
	}

	/** Theil-Sen: the median of the slopes between stamps. */
	#fit() {
		const stamps = this.#stamps;
		const origin = stamps[stamps.length - 1].frame;
		const left = stamps.map(({frame, atUs}) => atUs - (frame - origin) * this.#nominalUs);
		const us = stamps.map(({frame}) => (frame - origin) * this.#nominalUs);
		/** @type {number[]} */
		const slopes = [];
		for (let a = 0; a < stamps.length; a += 1) {
			for (let b = a + 1; b < stamps.length; b += 1) {
				if (us[b] - us[a] > 1e5) slopes.push((left[b] - left[a]) / (us[b] - us[a]));
			}
		}
		const span = us[us.length - 1] - us[0];
		const trust = span ** 2 / (span ** 2 + SLOPE_TRUSTED_AFTER_US ** 2);
		const slope = slopes.length ? median(slopes) * trust : 0;
		this.#stretch = Math.min(MAX_STRETCH, Math.max(-MAX_STRETCH, slope));
		this.#level = median(left.map((value, n) => value - us[n] * this.#stretch));
		this.#origin = origin;
	}

	get usPerFrame() {
		return this.#nominalUs * (1 + this.#stretch);
	}

	/** @param {number} frame */
	usAt(frame) {
		return this.#level + (frame - this.#origin) * this.usPerFrame;
	}

	/** @param {number} atUs */
	frameAt(atUs) {
		return this.#origin + (atUs - this.#level) / this.usPerFrame;
	}
}

/** @param {number[]} values */
export function median(values) {
	const sorted = Float64Array.from(values).sort();
	return sorted[sorted.length >> 1];
}
