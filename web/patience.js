// When an output that plays later than the others may play sooner again. Pure: time is an argument, in ms.
//
// Too little delay costs sound, so player.js takes more at once. Too much costs only time: it is given back in
// steps, when nothing was late for a while. Fetched when sound plays.

// After so long without anything late, so much of what nobody needed meanwhile is given back, in steps of
// STEP_MS and never the last few ms.
const PATIENCE_MS = 15_000;
const GIVEN_BACK = 0.5;
const STEP_MS = 10;
const MARGIN_MS = 5;

// More that is needed within so many patiences of a step was that step's fault. Each such step doubles the
// patience, up to 32 times (8 minutes); each that is followed by another halves it.
const PROVEN_AFTER = 4;
const MOST_DOUBLINGS = 5;

// Arrivals further apart than this say nothing of what was between them: the page slept.
const LONGEST_PAUSE_MS = 1_000;

/** What an output has to spare, and when some of it is given back. */
export class Patience {
	#patienceMs;
	#doublings = 0;
	#cameMs = -Infinity;
	#calmFromMs = 0;
	#leastMs = Infinity;
	/**
	 * When something was last given back, if no more was needed since.
	 * @type {number | null}
	 */
	#steppedMs = null;

	constructor(patienceMs = PATIENCE_MS) {
		this.#patienceMs = patienceMs;
	}

	/**
	 * Sound came `spareMs` before its turn (after it: negative), played `extraMs` late: how many ms of that to give back.
	 * @param {number} spareMs
	 * @param {number} extraMs
	 * @param {number} nowMs
	 */
	came(spareMs, extraMs, nowMs) {
		if (spareMs < 0 || nowMs - this.#cameMs > LONGEST_PAUSE_MS) this.wasLate(nowMs);
		this.#cameMs = nowMs;
		this.#leastMs = Math.min(this.#leastMs, spareMs);
		return nowMs - this.#calmFromMs < this.#patience ? 0 : this.#giveBack(extraMs, nowMs);
	}

	/**
	 * Something was late, or the output ran dry, or the server's delay is another: all that was seen is void.
	 * @param {number} nowMs
	 */
	wasLate(nowMs) {
		this.#calmFromMs = nowMs;
		this.#leastMs = Infinity;
	}

	/**
	 * The output had to play later still.
	 * @param {number} nowMs
	 */
	tookMore(nowMs) {
		this.wasLate(nowMs);
		if (this.#steppedMs !== null && nowMs - this.#steppedMs < PROVEN_AFTER * this.#patience) {
			this.#doublings = Math.min(MOST_DOUBLINGS, this.#doublings + 1);
		}
		this.#steppedMs = null;
	}

	get #patience() {
		return this.#patienceMs * 2 ** this.#doublings;
	}

	/** @param {number} extraMs @param {number} nowMs */
	#giveBack(extraMs, nowMs) {
		const spareMs = this.#leastMs - MARGIN_MS;
		this.wasLate(nowMs);
		if (extraMs <= 0 || spareMs < STEP_MS) return 0;
		if (this.#steppedMs !== null) this.#doublings = Math.max(0, this.#doublings - 1);
		this.#steppedMs = nowMs;
		return Math.min(extraMs, STEP_MS * Math.max(1, Math.floor((spareMs * GIVEN_BACK) / STEP_MS)));
	}
}
