// When a microphone is open, by the vectors that auralync-client is held to, and what goes out of it.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';

import {Gate, Lets, LOOK_BACK} from '../../web/gate.js';
import {VoiceActivity} from '../../web/voice-activity.js';
import {Flag} from '../../web/wire-room.js';

const RATE = 48_000;
const PIECE = 480;

/** @type {Test.Room[]} */
const ROOMS = JSON.parse(readFileSync(new URL('../vectors/voice/rooms.json', import.meta.url), 'utf8'));

/**
 * A room's sound, in blocks (src/recv/talk/voice_activity/tests.rs).
 * @param {Test.Room} room
 */
function blocksOf({rate, parts}) {
	/** @type {(frame: number, hz: number) => number} */
	const saw = (frame, hz) => (((frame * hz) % rate) / rate) * 2 - 1;
	let state = 1;
	let at = 0;
	return parts.flatMap(([blocks, hiss, buzz, hum]) =>
		Array.from({length: blocks}, () =>
			Float32Array.from({length: Math.round(rate / 100)}, () => {
				state = (state * 48_271) % 2_147_483_647;
				const noise = (state / 2_147_483_647) * 2 - 1;
				const sample = noise * hiss + saw(at, 120) * buzz + saw(at, 50) * hum;
				at += 1;
				return sample;
			}),
		),
	);
}

for (const room of ROOMS) {
	test(`${room.name}: open when auralync-client is`, () => {
		const voice = new VoiceActivity(room.rate);
		/** @type {[from: number, to: number][]} */
		const opens = [];
		blocksOf(room).forEach((block, at) => {
			if (!voice.hear(block)) return;
			const last = opens.at(-1);
			if (last?.[1] === at) last[1] += 1;
			else opens.push([at, at + 1]);
		});
		assert.deepEqual(opens, room.opens);
	});
}

test('silence and nonsense are no voice', () => {
	const voice = new VoiceActivity(RATE);
	for (const block of [new Float32Array(PIECE), new Float32Array(PIECE).fill(NaN), new Float32Array()])
		assert.ok(!voice.hear(block));
});

/** A gate that hears pieces of one loudness. */
class Mouth {
	gate = new Gate(RATE);
	next = 0;

	/**
	 * Which pieces went out, and which of them were last ones.
	 * @param {number} pieces
	 * @param {number} loudness
	 * @param {string} lets
	 */
	hear(pieces, loudness, lets) {
		/** @type {number[]} */
		const sent = [];
		/** @type {number[]} */
		const last = [];
		for (let n = 0; n < pieces; n += 1) {
			const number = this.next;
			this.next += 1;
			const samples = Float32Array.from({length: PIECE}, (_, at) => Math.sin(at * 0.13) * loudness);
			this.gate.take(
				{flags: 0, position: number * PIECE, capturedUs: number * 10_000},
				samples,
				lets,
				(header, sound) => {
					assert.equal(sound.length, PIECE);
					assert.equal(header.capturedUs / 10_000, header.position / PIECE);
					assert.equal((header.flags & Flag.held) !== 0, header.position / PIECE !== number);
					sent.push(header.position / PIECE);
					if (header.flags & Flag.last) last.push(header.position / PIECE);
				},
			);
		}
		return {sent, last};
	}
}

/** @type {(first: number, pieces: number) => number[]} */
const from = (first, pieces) => Array.from({length: pieces}, (_, n) => first + n);

test('a voice goes out with what came before it and an end', () => {
	const mouth = new Mouth();
	assert.deepEqual(mouth.hear(200, 1e-3, Lets.voice).sent, []);
	assert.deepEqual(mouth.hear(30, 0.1, Lets.voice), {sent: from(200 - LOOK_BACK, 30 + LOOK_BACK), last: []});
	const {sent, last} = mouth.hear(100, 1e-3, Lets.voice);
	assert.deepEqual(last, sent.slice(-1), "the hangover's end is the utterance's");
	assert.ok(sent.length > 20 && sent.length < 60, `${sent.length} pieces of hangover`);
});

test('what is said while muted never goes out', () => {
	const mouth = new Mouth();
	mouth.hear(100, 1e-3, Lets.voice);
	assert.deepEqual(mouth.hear(50, 0.1, Lets.nothing).sent, []);
	assert.equal(mouth.hear(10, 0.1, Lets.voice).sent[0], 150, 'not even as what came before');
	assert.deepEqual(mouth.hear(10, 0.1, Lets.nothing), {sent: [160], last: [160]}, 'one piece, in which it fades');
});

test('a held key sends every piece and nothing before or after', () => {
	const mouth = new Mouth();
	mouth.hear(100, 1e-3, Lets.nothing);
	assert.deepEqual(mouth.hear(5, 0, Lets.everything), {sent: from(100, 5), last: []});
	assert.deepEqual(mouth.hear(5, 0, Lets.nothing), {sent: [105], last: [105]});
});

test('an utterance begins and ends without a click', () => {
	const gate = new Gate(RATE);
	/** @type {number[]} */
	const sent = [];
	for (const lets of [Lets.everything, Lets.everything, Lets.nothing]) {
		gate.take({flags: 0, position: 0, capturedUs: 0}, new Float32Array(PIECE).fill(0.5), lets, (_, sound) =>
			sent.push(...sound),
		);
	}
	const steps = sent.slice(1).map((sample, n) => Math.abs(sample - sent[n]));
	assert.ok(sent[0] === 0 && sent[sent.length - 1] < 0.002 && Math.max(...steps) < 0.002);
});
