// The datagrams of one stream: in the order of their numbers, with what is missing between them. Pure: times
// are arguments, in µs. The rules are those of src/recv/repair/lane.rs.

import {nearest} from './datagram.js';
import {Gaps, Pace} from './gaps.js';

// A number further than this from the newest is not of this stream's present.
const MOST_AHEAD = 4_096;

// Datagrams that wait for one before them; then what is missing is given up.
const MOST_HELD = 1_024;

// Datagrams that the clock alone says are missing, and numbers before the first that may be.
const MOST_EXPECTED = 64;
const MOST_GUESSED = 16;

// Numbers that were given up and are remembered.
const MOST_GIVEN_UP = 256;

// Datagrams that have not come for this long do not come any more.
const FLOWING_US = 1_000_000;

/** @param {Wire.Audio} audio */
export const endOf = ({position, frames}) => position + frames;

export class Lane {
	stream;
	#rate;
	#highest;
	#end = 0;
	unit = 1;
	#cameUs = 0;
	#next;
	/**
	 * What waits, in order.
	 * @type {{number: number, audio: Wire.Audio}[]}
	 */
	#pieces = [];
	#gaps = new Gaps();
	#expected = 0;
	#pace = new Pace();
	/** @type {Set<number>} */
	#givenUp = new Set();
	#isNew = true;

	/** @param {number} stream @param {number} number @param {number} rate */
	constructor(stream, number, rate) {
		this.stream = stream;
		this.#rate = rate;
		// So that numbers before it have a place.
		this.#highest = 2 ** 32 + number;
		this.#next = this.#highest;
	}

	/**
	 * Whether a datagram belongs 'here', or 'elsewhere' (another stream begins, or this one anew), or 'nowhere'.
	 * @param {number} stream
	 * @param {number} number
	 * @param {number} nowUs
	 */
	fits(stream, number, nowUs) {
		if (this.#isNew) return 'here';
		if (stream !== this.stream || !this.flows(nowUs)) return 'elsewhere';
		return Math.abs(nearest(this.#highest, number) - this.#highest) <= MOST_AHEAD ? 'here' : 'nowhere';
	}

	/** @param {number} nowUs */
	flows(nowUs) {
		return nowUs - this.#cameUs < FLOWING_US;
	}

	/**
	 * Takes a datagram. Says whether it came 'alone', was 'asked' for, is there 'again', or came too 'late';
	 * or 'missed', where that was not known yet.
	 * @param {number} low
	 * @param {Wire.Audio} audio
	 * @param {number | null} next
	 * @param {number} nowUs
	 * @param {import('./gaps.js').RoundTrip} trip
	 * @returns {'alone' | 'asked' | 'again' | 'late' | 'missed'}
	 */
	put(low, audio, next, nowUs, trip) {
		const number = nearest(this.#highest, low);
		if ((number < this.#next && !this.#isNew) || this.#pieces.some((piece) => piece.number === number))
			return this.#givenUp.delete(number) ? 'late' : 'again';
		// What comes sooner than an answer can come came by itself.
		const came = this.#gaps.came(number, nowUs, (trip.usualUs * 3) / 4);
		if (this.#isNew || number > this.#highest) {
			this.#notice(number, audio, next, nowUs, trip);
			if (came !== 'asked') {
				if (audio.broken) this.#pace.forget();
				this.#pace.came(this.#usOf(endOf(audio)), nowUs);
			}
		}
		this.#cameUs = nowUs;
		if (!audio.broken && next !== null && endOf(audio) <= next) {
			if (number === this.#next) this.#next += 1;
			return came ? 'missed' : 'again';
		}
		let at = this.#pieces.length;
		while (at > 0 && this.#pieces[at - 1].number > number) at -= 1;
		this.#pieces.splice(at, 0, {number, audio});
		return came === 'asked' ? 'asked' : 'alone';
	}

	/**
	 * Notes what is missing before the newest datagram.
	 * @param {number} number
	 * @param {Wire.Audio} audio
	 * @param {number | null} next
	 * @param {number} nowUs
	 * @param {import('./gaps.js').RoundTrip} trip
	 */
	#notice(number, audio, next, nowUs, trip) {
		const {position, frames} = audio;
		if (this.#isNew) {
			const missing = next === null || audio.broken ? 0 : Math.max(0, position - next);
			const guessed = Math.min(MOST_GUESSED, Math.ceil(missing / frames));
			for (let back = guessed; back > 0; back -= 1)
				this.#gaps.guess(number - back, position - back * frames, nowUs, nowUs + trip.patienceUs);
			this.#next = number - guessed;
			this.#isNew = false;
		} else if (number === this.#highest + 1) this.#gaps.inOrder();
		else {
			const missing = number - this.#highest - 1;
			const between = audio.broken ? missing * this.unit : Math.max(0, position - this.#end);
			for (let ahead = 0; ahead < missing; ahead += 1)
				this.#gaps.note(this.#highest + 1 + ahead, this.#end + Math.floor((between * ahead) / missing), nowUs);
		}
		this.#expected = Math.max(0, this.#expected - (number - this.#highest));
		this.#highest = number;
		this.#end = endOf(audio);
		this.unit = frames;
	}

	/**
	 * Notes what should have come by now.
	 * @param {number} nowUs
	 * @param {number} delayUs
	 */
	watch(nowUs, delayUs) {
		while (this.flows(nowUs) && this.#missingUs(delayUs) <= nowUs) {
			const position = this.#end + this.#expected * this.unit;
			this.#expected += 1;
			this.#gaps.note(this.#highest + this.#expected, position, nowUs);
		}
	}

	/**
	 * When the next datagram that has not come is missing.
	 * @param {number} delayUs
	 */
	#missingUs(delayUs) {
		if (this.#isNew || this.#expected >= MOST_EXPECTED) return Infinity;
		return this.#pace.missingUs(this.#usOf(this.#end + (this.#expected + 1) * this.unit), delayUs);
	}

	/** @param {number} position */
	#usOf(position) {
		return (position * 1e6) / this.#rate;
	}

	/** The first that waits, and whether all before it has been released, as far as numbers tell. */
	get first() {
		const [first] = this.#pieces;
		return first ? {audio: first.audio, isNext: first.number === this.#next} : null;
	}

	/** Takes out the first that waits, with how many before it never came. */
	pop() {
		const piece = this.#pieces.shift();
		if (!piece) return null;
		this.#next = piece.number + 1;
		const lost = this.#gaps.giveUp(this.#next);
		lost.forEach((number) => this.#givenUp.add(number));
		for (const number of this.#givenUp) {
			if (this.#givenUp.size <= MOST_GIVEN_UP) break;
			this.#givenUp.delete(number);
		}
		return {audio: piece.audio, lost: lost.length};
	}

	get isFull() {
		return this.#pieces.length >= MOST_HELD;
	}

	/**
	 * @param {number} nowUs
	 * @param {import('./gaps.js').Deadline | null} deadline
	 * @param {import('./gaps.js').RoundTrip} trip
	 */
	ask(nowUs, deadline, trip) {
		return this.#gaps.ask(nowUs, deadline, trip.patienceUs);
	}

	/** What waits, in order. */
	get pieces() {
		return this.#pieces.map(({audio}) => audio);
	}
}
