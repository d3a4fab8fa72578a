// The datagrams that are missing, and when each is asked for. Pure: times are arguments, in µs. The rules
// are those of src/recv/repair.

// Numbers that may be missing at once.
const MOST_MISSING = 1_024;

// An ask is never repeated sooner than this. With less than URGENT_US left two go out at once.
const SOONEST_US = 4_000;
const URGENT_US = 20_000;

// Asks wait no longer than this for datagrams that overtake each other.
const MOST_OVERTAKEN_US = 10_000;

// Numbers that are asked for at once.
const MOST_ASKED = 256;

/** The moment at which one position is needed; what follows is needed at the stream's rate. */
export class Deadline {
	#position;
	#atUs;
	#rate;

	/** @param {number} position @param {number} atUs @param {number} rate */
	constructor(position, atUs, rate) {
		this.#position = position;
		this.#atUs = atUs;
		this.#rate = rate;
	}

	/**
	 * When `position` is needed.
	 * @param {number} position
	 */
	of(position) {
		return this.#atUs + ((position - this.#position) * 1e6) / this.#rate;
	}

	/**
	 * The position before which everything was needed by `nowUs`.
	 * @param {number} nowUs
	 */
	passed(nowUs) {
		return Math.max(0, Math.floor(this.#position + ((nowUs - this.#atUs) * this.#rate) / 1e6) + 1);
	}
}

/** Numbers that are missing. */
export class Gaps {
	/** @type {Map<number, Page.Gap>} */
	#missing = new Map();
	#overtakenUs = 0;

	/**
	 * `number`, whose sound is about at `position`, is missing.
	 * @param {number} number
	 * @param {number} position
	 * @param {number} nowUs
	 */
	note(number, position, nowUs) {
		this.#add(number, {position, sinceUs: nowUs, askedUs: null, nextUs: nowUs + this.#overtakenUs, isGuess: false});
	}

	/**
	 * `number` may be missing: it is not asked for before `askUs`.
	 * @param {number} number
	 * @param {number} position
	 * @param {number} nowUs
	 * @param {number} askUs
	 */
	guess(number, position, nowUs, askUs) {
		this.#add(number, {position, sinceUs: nowUs, askedUs: null, nextUs: askUs, isGuess: true});
	}

	/** @param {number} number @param {Page.Gap} gap */
	#add(number, gap) {
		if (!this.#missing.has(number)) this.#missing.set(number, gap);
		if (this.#missing.size > MOST_MISSING) this.#missing.delete(Math.min(...this.#missing.keys()));
	}

	/** @param {number} number */
	has(number) {
		return this.#missing.has(number);
	}

	/**
	 * The datagram `number` came. An answer takes at least `soonestUs`. Says whether it came 'alone' or was
	 * 'asked' for; null where it was not missing.
	 * @param {number} number
	 * @param {number} nowUs
	 * @param {number} soonestUs
	 * @returns {'alone' | 'asked' | null}
	 */
	came(number, nowUs, soonestUs) {
		const gap = this.#missing.get(number);
		if (!gap) return null;
		this.#missing.delete(number);
		if (gap.askedUs !== null && nowUs - gap.askedUs >= soonestUs) return 'asked';
		const overtakenUs = Math.min(MOST_OVERTAKEN_US, nowUs - gap.sinceUs);
		this.#overtakenUs = Math.max(this.#overtakenUs, overtakenUs);
		return 'alone';
	}

	/** Datagrams come in order: less is waited for. */
	inOrder() {
		this.#overtakenUs -= Math.ceil(this.#overtakenUs / 64);
	}

	/**
	 * Gives up what is numbered below `number`: what of it is known to have been there.
	 * @param {number} number
	 */
	giveUp(number) {
		/** @type {number[]} */
		const lost = [];
		for (const [missing, gap] of this.#missing) {
			if (missing >= number) continue;
			this.#missing.delete(missing);
			if (!gap.isGuess) lost.push(missing);
		}
		return lost;
	}

	/**
	 * What is to be asked for, where an answer takes `tripUs`: all of it, and what a second time at once.
	 * @param {number} nowUs
	 * @param {Deadline | null} deadline
	 * @param {number} tripUs
	 */
	ask(nowUs, deadline, tripUs) {
		/** @type {{numbers: number[], again: number[]}} */
		const wanted = {numbers: [], again: []};
		for (const [number, gap] of [...this.#missing].sort(([a], [b]) => a - b)) {
			const leftUs = deadline ? deadline.of(gap.position) - nowUs : Infinity;
			if (nowUs < gap.nextUs || leftUs <= 0) continue;
			if (wanted.numbers.length === MOST_ASKED) break;
			wanted.numbers.push(number);
			if (leftUs < URGENT_US) wanted.again.push(number);
			gap.askedUs ??= nowUs;
			gap.nextUs = nowUs + Math.max(tripUs, SOONEST_US);
		}
		return wanted;
	}
}

// Before any answer has come: a home's Wi-Fi on a bad day. Longer than the other, none is waited for.
const UNKNOWN_US = 20_000;
const LONGEST_US = 10_000_000;

/** How long an ask and its answer take, averaged as TCP does it (RFC 6298). */
export class RoundTrip {
	/** @type {number | null} */
	#usualUs = null;
	#apartUs = 0;

	/** @param {number} us */
	note(us) {
		if (us > LONGEST_US || us < 0) return;
		if (this.#usualUs === null) [this.#usualUs, this.#apartUs] = [us, us / 2];
		else {
			this.#apartUs = (this.#apartUs * 3 + Math.abs(this.#usualUs - us)) / 4;
			this.#usualUs = (this.#usualUs * 7 + us) / 8;
		}
	}

	get usualUs() {
		return this.#usualUs ?? 0;
	}

	/** What has not been answered by then is lost. */
	get patienceUs() {
		return this.#usualUs === null ? UNKNOWN_US : this.#usualUs + this.#apartUs;
	}
}

// Datagrams that tell the pace, and how many of the latest of them say nothing, being held up.
const REMEMBERED = 64;
const HELD_UP = 2;

// Later than the latest usual one by this, a datagram is missing; none is waited for longer than this.
const GRACE_US = 2_000;
const MOST_LATE_US = 25_000;

// From this delay on datagrams leave in bursts, of this share of the delay and this long at most: they have as long to
// come. Those that were asked for too soon would tell nothing of the pace, and be asked for too soon for ever.
const BURSTS_FROM_US = 150_000;
const BURST_ONE_IN = 8;
const BURST_FOR_US = 25_000;

/** When the next datagram should come: by the pace of those that came by themselves. */
export class Pace {
	/** @type {number[]} */
	#lateUs = [];
	#mostUs = Infinity;

	/**
	 * A datagram whose sound ends at `endUs` of the stream came.
	 * @param {number} endUs
	 * @param {number} nowUs
	 */
	came(endUs, nowUs) {
		this.#lateUs.push(nowUs - endUs);
		if (this.#lateUs.length > REMEMBERED) this.#lateUs.shift();
		const sorted = Float64Array.from(this.#lateUs).sort();
		const usual = sorted[Math.max(0, sorted.length - 1 - HELD_UP)];
		this.#mostUs = Math.min(usual, sorted[0] + MOST_LATE_US);
	}

	/** Nothing that was learnt holds. */
	forget() {
		this.#lateUs = [];
		this.#mostUs = Infinity;
	}

	/**
	 * When a datagram whose sound ends at `endUs` of the stream is missing, where it is heard `delayUs` after its capture.
	 * @param {number} endUs
	 * @param {number} delayUs
	 */
	missingUs(endUs, delayUs) {
		const burstUs = delayUs < BURSTS_FROM_US ? 0 : Math.min(delayUs / BURST_ONE_IN, BURST_FOR_US);
		return endUs + this.#mostUs + GRACE_US + burstUs;
	}
}
