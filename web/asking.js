// Whether sound comes by datagram: when to try, when to ask, and when to go back to the WebSocket. Pure: times are
// arguments, in µs. The rules are those of src/recv/connect/asking.rs.

// Asks without a word back are this far apart at first, and later at least this often.
const FIRST_ASKS_US = 100_000;
const KEEP_US = 1_000_000;

// While no sound comes, asks are no closer together than this. The first waits for this share of the playout delay
// too, and no longer than the most: a server may take half of that share, and 60 ms, to fill a datagram.
const QUIET_ASKS_US = 20_000;
const QUIET_SHARE_OF_DELAY = 4;
const MOST_QUIET_US = 80_000;

// A channel has so long to open, and sound so long to come then.
const OPEN_WITHIN_US = 5_000_000;
const TRY_US = 1_000_000;

// A way that does not work is tried again after so long, then after twice that, up to the longest; from the
// beginning where it had worked for so long.
const FIRST_RETRY_US = 1_000_000;
const LAST_RETRY_US = 30_000_000;
const WORKED_US = 60_000_000;

// A way that is silent for half the playout delay, within these bounds, is not waited for; and asks that are
// answered while no sound comes are believed for so long.
const SHORTEST_SILENCE_US = 100_000;
const LONGEST_SILENCE_US = 400_000;
const ANSWERED_ONLY_US = 1_000_000;

/** What is to be done. */
export const Step = {open: 'open', ask: 'ask', giveUp: 'giveUp', fallBack: 'fallBack'};

export class Asking {
	/** @type {'off' | 'opening' | 'trying' | 'on'} */
	#state = 'off';
	#sinceUs;
	#retryUs = FIRST_RETRY_US;
	#nextAskUs = 0;
	#soundUs = 0;
	#answerUs = 0;

	/** @param {number} nowUs */
	constructor(nowUs) {
		this.#sinceUs = nowUs;
	}

	get isOn() {
		return this.#state === 'on';
	}

	/** @param {number} nowUs */
	opened(nowUs) {
		if (this.#state !== 'opening') return;
		this.#turn('trying', nowUs);
		this.#nextAskUs = nowUs;
	}

	/**
	 * A datagram of sound came.
	 * @param {number} nowUs
	 */
	sound(nowUs) {
		this.#soundUs = nowUs;
		if (this.#state === 'trying') this.#turn('on', nowUs);
	}

	/** @param {number} nowUs */
	answered(nowUs) {
		this.#answerUs = nowUs;
	}

	/**
	 * An ask goes out.
	 * @param {number} nowUs
	 */
	asks(nowUs) {
		this.#nextAskUs = nowUs + (this.isOn ? KEEP_US : FIRST_ASKS_US);
	}

	/** @param {'off' | 'opening' | 'trying' | 'on'} state @param {number} sinceUs */
	#turn(state, sinceUs) {
		this.#state = state;
		this.#sinceUs = sinceUs;
	}

	/**
	 * The way does not work.
	 * @param {number} nowUs
	 */
	fail(nowUs) {
		if (this.#state === 'off') return;
		if (this.isOn && nowUs - this.#sinceUs >= WORKED_US) this.#retryUs = FIRST_RETRY_US;
		this.#turn('off', nowUs + this.#retryUs);
		this.#retryUs = Math.min(LAST_RETRY_US, this.#retryUs * 2);
	}

	/**
	 * What is to be done, where an answer takes `tripUs` and sound is heard `delayUs` after its capture; null for
	 * nothing. What fails is to be told by `fail`.
	 * @param {number} nowUs
	 * @param {number} tripUs
	 * @param {number} delayUs
	 */
	next(nowUs, tripUs, delayUs) {
		const forUs = nowUs - this.#sinceUs;
		switch (this.#state) {
			case 'off':
				if (forUs < 0) return null;
				this.#turn('opening', nowUs);
				return Step.open;
			case 'opening':
				return forUs >= OPEN_WITHIN_US ? Step.giveUp : null;
			case 'trying':
				if (forUs >= TRY_US) return Step.giveUp;
				return nowUs >= this.#nextAskUs ? Step.ask : null;
			default: {
				const silenceUs = Math.min(LONGEST_SILENCE_US, Math.max(SHORTEST_SILENCE_US, delayUs / 2));
				const unansweredUs = nowUs - Math.max(this.#soundUs, this.#answerUs);
				if (unansweredUs >= silenceUs || nowUs - this.#soundUs >= ANSWERED_ONLY_US) return Step.fallBack;
				const quietUs = Math.max(tripUs, QUIET_ASKS_US);
				const shareUs = Math.min(delayUs / QUIET_SHARE_OF_DELAY, MOST_QUIET_US);
				const silentUs = this.#soundUs + Math.max(quietUs, shareUs);
				const quietAskUs = Math.max(silentUs, this.#nextAskUs - KEEP_US + quietUs);
				return nowUs >= Math.min(this.#nextAskUs, quietAskUs) ? Step.ask : null;
			}
		}
	}
}
