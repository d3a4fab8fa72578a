// Sound put together from frames and datagrams, of which some are lost, late, or come twice.
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {Deadline} from '../../web/gaps.js';
import {Repair} from '../../web/repair.js';

const RATE = 48_000;
const STREAM = 2;

// Frames in a datagram of 2 ms, and bytes in a frame.
const FRAMES = 96;
const PIECE_US = 2_000;
const FRAME_BYTES = 4;

/** @param {number} position @param {number} frames @returns {Wire.Audio} */
function audio(position, frames) {
	const payload = new DataView(new ArrayBuffer(frames * FRAME_BYTES));
	return {kind: 'audio', broken: false, frames, position, capturedUs: (position * 1e6) / RATE, payload};
}

/** @param {number} number @param {number} [position] @returns {Wire.Piece} */
const datagram = (number, position = number * FRAMES) => ({
	kind: 'sound',
	stream: STREAM,
	number,
	audio: audio(position, FRAMES),
});

/** Position 0 is needed at `atUs`. @param {number} atUs */
const needed = (atUs) => new Deadline(0, atUs, RATE);

/** What came out: first position, position behind. @param {Repair} repair @param {number} nowUs */
function released(repair, nowUs) {
	const out = [];
	for (let next = repair.next(nowUs); next; next = repair.next(nowUs))
		out.push([next.position, next.position + next.frames]);
	return out;
}

test('without datagrams every frame passes at once, wherever it is', () => {
	const repair = new Repair(RATE, FRAME_BYTES);
	for (const position of [0, 512, 1_536, 512, 9_000_000]) {
		repair.frame(audio(position, 512));
		assert.deepEqual(released(repair, 0), [[position, position + 512]]);
	}
	assert.equal(repair.ask(0), null);
});

test('a lost datagram is asked for, and what follows waits for it', () => {
	const repair = new Repair(RATE, FRAME_BYTES);
	repair.deadline = needed(100_000);
	for (const number of [0, 1, 3, 4]) repair.datagram(datagram(number), number * PIECE_US);
	assert.equal(released(repair, 8_000).length, 2);
	const wanted = repair.ask(8_000);
	assert.deepEqual([wanted?.stream, wanted?.numbers.map((number) => number >>> 0), wanted?.again], [STREAM, [2], []]);
	repair.datagram(datagram(2), 40_000);
	assert.equal(released(repair, 40_000).length, 3);
	assert.deepEqual([repair.counts.lost, repair.counts.repaired, repair.counts.missing], [1, 1, 0]);
});

test('what is missing when its time comes is left out, and the rest follows', () => {
	const repair = new Repair(RATE, FRAME_BYTES);
	repair.deadline = needed(50_000);
	for (const number of [0, 1, 3]) repair.datagram(datagram(number), number * PIECE_US);
	assert.equal(released(repair, 53_999).length, 2);
	assert.deepEqual(released(repair, 54_000), [[288, 384]]);
	repair.datagram(datagram(2), 55_000);
	assert.deepEqual(released(repair, 55_000), []);
	assert.deepEqual([repair.counts.lost, repair.counts.missing, repair.counts.late], [1, 1, 1]);
});

test('a hole that nothing follows is known by the clock and asked for', () => {
	const repair = new Repair(RATE, FRAME_BYTES);
	repair.deadline = needed(50_000);
	for (let number = 0; number < 40; number += 1) {
		repair.datagram(datagram(number), (number + 1) * PIECE_US);
		assert.equal(released(repair, (number + 1) * PIECE_US).length, 1);
		assert.equal(repair.ask((number + 1) * PIECE_US), null);
	}
	released(repair, 83_999);
	assert.equal(repair.ask(83_999), null);
	released(repair, 84_000);
	assert.deepEqual(
		repair.ask(84_000)?.numbers.map((number) => number >>> 0),
		[40],
	);
});

test('datagrams that follow frames of a WebSocket wait for the last of these', () => {
	const repair = new Repair(RATE, FRAME_BYTES);
	repair.deadline = needed(100_000);
	repair.frame(audio(0, 480));
	assert.deepEqual(released(repair, 0), [[0, 480]]);
	repair.datagram(datagram(70, 960), 12_000);
	assert.deepEqual(released(repair, 12_000), []);
	repair.frame(audio(480, 480));
	assert.deepEqual(released(repair, 13_000), [
		[480, 960],
		[960, 1_056],
	]);
	assert.deepEqual([repair.ask(80_000), repair.counts.lost], [null, 0]);
});

test('what comes by WebSocket again fills the gap, and nothing is doubled', () => {
	const repair = new Repair(RATE, FRAME_BYTES);
	repair.deadline = needed(300_000);
	for (const number of [0, 1, 2, 6, 7]) repair.datagram(datagram(number), number * PIECE_US);
	assert.equal(released(repair, 14_000).length, 3);
	assert.equal(repair.position, 288);
	repair.frame(audio(0, 512));
	repair.frame(audio(512, 512));
	assert.deepEqual(released(repair, 100_000), [
		[0, 512],
		[512, 1_024],
	]);
});

test('numbers go on where the count on the wire begins again', () => {
	const repair = new Repair(RATE, FRAME_BYTES);
	repair.deadline = needed(1e9);
	[2 ** 32 - 2, 2 ** 32 - 1, 0, 1].forEach((number, n) => repair.datagram(datagram(number, n * FRAMES), n * PIECE_US));
	assert.equal(released(repair, 8_000).length, 4);
	assert.equal(repair.counts.lost, 0);
});

test('what cannot be what it says is refused', () => {
	const repair = new Repair(RATE, FRAME_BYTES);
	const wrong = datagram(0);
	wrong.audio.frames += 1;
	repair.datagram(wrong, 0);
	repair.datagram(datagram(1), 0);
	repair.datagram(datagram(1_000_000), 0);
	assert.equal(repair.counts.refused, 2);
	assert.equal(released(repair, 0).length, 1);
});

test('with a tenth lost, both ways, nothing is missing as long as there is time to ask', () => {
	const repair = new Repair(RATE, FRAME_BYTES);
	repair.deadline = needed(100_000);
	let seed = 1;
	const isLost = () => {
		seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
		return seed / 2 ** 31 < 0.1;
	};
	/** @type {[atUs: number, number: number][]} */
	const coming = [];
	const ends = [0];
	for (let us = 0; us < 20e6; us += 1_000) {
		if (us % PIECE_US === 0 && !isLost()) coming.push([us + 3_000 + (seed % 3_000), us / PIECE_US]);
		for (const number of repair.ask(us)?.numbers ?? [])
			if (!isLost() && !isLost()) coming.push([us + 6_000, number >>> 0]);
		coming.sort(([a], [b]) => a - b);
		while (coming.length > 0 && coming[0][0] <= us) repair.datagram(datagram(coming.shift()?.[1] ?? 0), us);
		for (const [from, to] of released(repair, us)) {
			assert.equal(from, ends.at(-1), 'in order, without a gap');
			assert.ok((from * 1e6) / RATE + 100_000 >= us, 'in time');
			ends.push(to);
		}
		repair.trip.note(6_000);
	}
	assert.ok(ends.length > 9_950);
	assert.equal(repair.counts.missing, 0);
	assert.ok(repair.counts.repaired > 500);
});

test('what comes after its turn says by how much, so that more time can be taken', () => {
	const repair = new Repair(RATE, FRAME_BYTES);
	repair.deadline = needed(20_000);
	for (const number of [0, 1, 3]) assert.equal(repair.datagram(datagram(number), number * PIECE_US), 0);
	released(repair, 6_000);
	// Number 2 was needed after 24 ms.
	released(repair, 25_000);
	assert.equal(repair.datagram(datagram(2), 27_000), 3_000);
	assert.equal(repair.datagram(datagram(3), 27_000), 0, 'one that has been there');
	assert.equal(repair.counts.late, 1);
});
