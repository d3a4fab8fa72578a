// Puts sound together that comes by two ways: frames by WebSocket, and datagrams that may be lost, come twice, or
// overtake each other. What is missing is asked for as long as there is time. Pure: times are arguments, in µs.
//
// The rules are those of src/recv/repair.rs; parity is not asked for here.

import {RoundTrip} from './gaps.js';
import {endOf, Lane} from './lane.js';

// Frames that wait for datagrams before them.
const MOST_FRAMES = 256;

// Datagrams of a stream that has ended may still be on their way for this long.
const STRAGGLERS_US = 200_000;

// A position this far from what is next, in seconds, does not belong to the same timeline.
const FAR_S = 10;

export class Repair {
	#rate;
	#frameBytes;
	/** @type {Wire.Audio[]} */
	#frames = [];
	/** @type {Lane | null} */
	#lane = null;
	/** @type {{stream: number, atUs: number} | null} */
	#left = null;
	/**
	 * The position behind what was released last.
	 * @type {number | null}
	 */
	position = null;
	/** @type {import('./gaps.js').Deadline | null} */
	deadline = null;
	/** How long after its capture sound is heard, in µs. */
	delayUs = 0;
	trip = new RoundTrip();
	counts = {datagrams: 0, lost: 0, repaired: 0, missing: 0, duplicates: 0, late: 0, refused: 0};

	/**
	 * For positions at `rate`, of frames that take `frameBytes` each; 0 for Opus.
	 * @param {number} rate
	 * @param {number} frameBytes
	 */
	constructor(rate, frameBytes) {
		this.#rate = rate;
		this.#frameBytes = frameBytes;
	}

	/**
	 * A frame came by WebSocket.
	 * @param {Wire.Audio} audio
	 */
	frame(audio) {
		this.#frames.push(audio);
	}

	/**
	 * A datagram of sound came. Says by how much too late for its turn, in µs.
	 * @param {Wire.Piece} piece
	 * @param {number} nowUs
	 */
	datagram({stream, number, audio}, nowUs) {
		if (this.#frameBytes && audio.payload.byteLength !== audio.frames * this.#frameBytes) {
			this.counts.refused += 1;
			return 0;
		}
		const fits = this.#lane?.fits(stream, number, nowUs) ?? 'elsewhere';
		if (fits === 'nowhere') {
			this.counts.refused += 1;
			return 0;
		}
		if (fits === 'elsewhere') {
			if (this.#left?.stream === stream && nowUs - this.#left.atUs < STRAGGLERS_US) {
				this.counts.late += 1;
				return 0;
			}
			this.#beginLane(stream, number, nowUs);
		}
		this.counts.datagrams += 1;
		const lane = /** @type {Lane} */ (this.#lane);
		switch (lane.put(number, audio, this.position, nowUs, this.trip)) {
			case 'asked':
				this.counts.lost += 1;
				this.counts.repaired += 1;
				break;
			case 'again':
				this.counts.duplicates += 1;
				break;
			case 'missed':
				this.#missed(1);
				this.counts.late += 1;
				return this.#lateUs(audio, nowUs);
			case 'late':
				this.counts.late += 1;
				return this.#lateUs(audio, nowUs);
			default:
		}
		return 0;
	}

	/** @param {Wire.Audio} audio @param {number} nowUs */
	#lateUs({position}, nowUs) {
		return this.deadline ? Math.max(0, nowUs - this.deadline.of(position)) : 0;
	}

	/**
	 * What came of another stream goes on as if it had come by WebSocket.
	 * @param {number} stream
	 * @param {number} number
	 * @param {number} nowUs
	 */
	#beginLane(stream, number, nowUs) {
		const old = this.#lane;
		if (old) {
			this.#left = old.stream === stream ? null : {stream: old.stream, atUs: nowUs};
			this.#frames.push(...old.pieces);
		}
		this.#lane = new Lane(stream, number, this.#rate);
	}

	/** @param {number} count */
	#missed(count) {
		this.counts.lost += count;
		this.counts.missing += count;
	}

	/**
	 * The next piece of sound, if it may leave; ask until it is null. What is missing in the end is left out.
	 * @param {number} nowUs
	 * @returns {Wire.Audio | null}
	 */
	next(nowUs) {
		this.#lane?.watch(nowUs, this.delayUs);
		for (;;) {
			this.#dropStale();
			const ready = this.#takeReady();
			if (ready) return ready;
			const {head} = this;
			if (this.position === null || !this.#lane || head === null) return null;
			const passed = this.#isFull ? head : (this.deadline?.passed(nowUs) ?? Infinity);
			if (Math.min(head, passed) <= this.position) return null;
			// What is behind it may still come in time.
			this.position = Math.min(head, this.position + this.#lane.unit);
		}
	}

	/** Forgets what has been released already. */
	#dropStale() {
		const next = this.position;
		const lane = this.#lane;
		if (next === null || !lane) return;
		/** @type {(audio: Wire.Audio) => boolean} */
		const isStale = (audio) => !audio.broken && endOf(audio) <= next && next - endOf(audio) < FAR_S * this.#rate;
		while (this.#frames.length > 0 && isStale(this.#frames[0])) this.#frames.shift();
		while (lane.first && isStale(lane.first.audio)) {
			lane.pop();
			this.counts.duplicates += 1;
		}
	}

	/** Takes out what has nothing missing before it. */
	/** @returns {Wire.Audio | null} */
	#takeReady() {
		/** @type {(audio: Wire.Audio) => boolean} */
		const joins = ({position}) => this.position === null || position <= this.position;
		const first = this.#lane?.first ?? null;
		/** @type {Wire.Audio | null} */
		let frame = this.#frames[0] ?? null;
		// What is behind a datagram waits for it, and for what is missing before it.
		if (frame && first && first.audio.position < frame.position && !joins(frame) && !frame.broken) frame = null;
		const isReady = first && (first.isNext || (joins(first.audio) && !first.audio.broken));
		/** @type {Wire.Audio | null} */
		let audio = null;
		if (isReady && (!frame || first.audio.position < frame.position)) {
			const popped = this.#lane?.pop();
			this.#missed(popped?.lost ?? 0);
			audio = popped?.audio ?? null;
		} else if (frame) audio = this.#frames.shift() ?? null;
		if (audio) this.position = endOf(audio);
		return audio;
	}

	/** The first position that is there. */
	get head() {
		const positions = [this.#lane?.first?.audio, this.#frames[0]].flatMap((audio) => (audio ? [audio.position] : []));
		return positions.length ? Math.min(...positions) : null;
	}

	get #isFull() {
		return this.#frames.length > MOST_FRAMES || this.#lane?.isFull === true;
	}

	/**
	 * What is to be asked for, of which stream: all of it, and what a second time at once. Null for nothing.
	 * @param {number} nowUs
	 */
	ask(nowUs) {
		const lane = this.#lane?.flows(nowUs) ? this.#lane : null;
		const wanted = lane?.ask(nowUs, this.deadline, this.trip);
		return lane && wanted?.numbers.length ? {stream: lane.stream, ...wanted} : null;
	}
}
