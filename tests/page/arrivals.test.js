// When a microphone's frames were heard, by when the page got to see them.
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {Arrivals} from '../../web/arrivals.js';

const RATE = 48_000;
const PIECE = 480;
const PIECE_US = 10_000;

/**
 * Pieces that come up to `jitterUs` late; the worst errors of the last half, and how often times stepped.
 * @param {number} pieces
 * @param {number} jitterUs
 * @param {(piece: number) => number} lostUs
 * @param {number} ppm
 */
function run(pieces, jitterUs, lostUs = (_) => 0, ppm = 0) {
	const arrivals = new Arrivals(RATE);
	let state = 1;
	const random = () => {
		state = (state * 48_271) % 2_147_483_647;
		return state / 2_147_483_647;
	};
	const errors = [];
	let steps = 0;
	for (let n = 1; n <= pieces; n += 1) {
		const heardUs = 5e9 + n * PIECE_US * (1 + ppm * 1e-6) + lostUs(n);
		steps += arrivals.came(n * PIECE, heardUs + random() * jitterUs) ? 1 : 0;
		if (n > pieces / 2) errors.push(arrivals.usAt(n * PIECE) - heardUs);
	}
	return {least: Math.min(...errors), most: Math.max(...errors), steps};
}

test('pieces that come late by chance are taken for what the quickest say', () => {
	const {least, most, steps} = run(1_000, 15_000);
	assert.ok(least >= -1 && most < 2_000 && steps <= 2, `${least} ${most} ${steps}`);
});

test('an audio clock that runs fast or slow is followed without a step', () => {
	for (const ppm of [-200, 200]) {
		const {least, most, steps} = run(60_000, 5_000, () => 0, ppm);
		assert.ok(least > -1_000 && most < 2_000 && steps <= 2, `${least} ${most} ${steps}`);
	}
});

test('an audio clock that loses a second on a busy machine is believed within half a second', () => {
	const {least, most, steps} = run(1_000, 15_000, (n) => (n > 400 ? 1e6 : 0));
	assert.ok(least >= -1 && most < 2_000 && steps <= 3, `${least} ${most} ${steps}`);
});

test('a page that stands still for a moment moves nothing', () => {
	const {least, most, steps} = run(1_000, 1_000, (n) => (n > 800 && n < 830 ? (830 - n) * PIECE_US : 0));
	assert.ok(steps <= 1, `${least} ${most} ${steps}`);
});
