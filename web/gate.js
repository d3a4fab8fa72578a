// What of a microphone's sound goes out: utterances, each with what came just before it. Pure: pieces of 10 ms
// in, some of them out. Nothing that was heard while nothing was let through ever goes out. The rules are those
// of src/recv/talk/speak/gate.rs.

import {VoiceActivity} from './voice-activity.js';
import {Flag} from './wire-room.js';

// Pieces before the one in which a voice was heard that go out with it: words begin softly.
export const LOOK_BACK = 5;

export const Lets = {nothing: 'nothing', voice: 'voice', everything: 'everything'};

/** Cuts utterances out of pieces. */
export class Gate {
	#voice;
	#isOpen = false;
	/**
	 * The newest that did not go out, oldest first.
	 * @type {{header: Wire.TalkHeader, samples: Samples}[]}
	 */
	#before = [];

	/** @param {number} rateHz */
	constructor(rateHz) {
		this.#voice = new VoiceActivity(rateHz);
	}

	/**
	 * Takes the next piece, which is the gate's from now on. What goes out is handed to `send(header, samples)`,
	 * each utterance faded in and out, its last piece marked.
	 * @param {Wire.TalkHeader} header
	 * @param {Samples} samples
	 * @param {string} lets
	 * @param {(header: Wire.TalkHeader, samples: Samples) => void} send
	 */
	take(header, samples, lets, send) {
		// Always, so that the room's noise is known when it is wanted.
		const isVoice = this.#voice.hear(samples);
		const goesOut = lets === Lets.everything || (lets === Lets.voice && isVoice);
		const wasOpen = this.#isOpen;
		this.#isOpen = goesOut;
		if (goesOut && !wasOpen) {
			const held = this.#before.map((piece) => ({
				...piece,
				header: {...piece.header, flags: piece.header.flags | Flag.held},
			}));
			const pieces = [...held, {header, samples}];
			this.#before = [];
			fade(pieces[0].samples, (share) => share);
			for (const piece of pieces) send(piece.header, piece.samples);
		} else if (goesOut) send(header, samples);
		else if (wasOpen) {
			fade(samples, (share) => 1 - share);
			send({...header, flags: header.flags | Flag.last}, samples);
		} else this.#before = lets === Lets.voice ? [...this.#before, {header, samples}].slice(-LOOK_BACK) : [];
	}
}

/**
 * Samples times what `gain` says of the share of them that lies before each.
 * @param {Samples} samples
 * @param {(share: number) => number} gain
 */
function fade(samples, gain) {
	for (let n = 0; n < samples.length; n += 1) samples[n] *= gain(n / samples.length);
}
