// Datagrams as they are on the wire.
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {ask, MAX_STRETCHES, nearest, read} from '../../web/datagram.js';

/** @param {number[]} bytes */
const buffer = (bytes) => Uint8Array.from(bytes).buffer;
const sound = [0xa1, 1, 2, 0, 0, 0, 1, 2, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 9, 8];

test('a datagram of sound says what an audio frame says', () => {
	const piece = read(buffer(sound));
	assert.ok(piece?.kind === 'sound');
	const {broken, frames, position, capturedUs, payload} = piece.audio;
	assert.deepEqual([piece.stream, piece.number], [2, 258]);
	assert.deepEqual([broken, frames, position, capturedUs, payload.byteLength], [true, 3, 256, 512, 2]);
});

test('what is no datagram of a server is skipped', () => {
	assert.equal(read(buffer([])), null);
	assert.equal(read(buffer(sound.slice(0, 27))), null);
	assert.equal(read(buffer([0x16, ...sound.slice(1)])), null);
	assert.equal(read(buffer(sound.map((byte, n) => (n === 9 ? 0 : byte)))), null, 'no frames');
	assert.equal(read(buffer(sound.map((byte, n) => (n === 12 ? 0x40 : byte)))), null, 'beyond 2⁶²');
	assert.equal(read(new ArrayBuffer(1_201)), null);
});

test('an answer brings back the time of its ask', () => {
	const view = new DataView(new ArrayBuffer(28));
	view.setUint8(0, 0xa3);
	view.setBigUint64(12, 123_456n);
	assert.deepEqual(read(view.buffer), {kind: 'answer', clientUs: 123_456});
});

test('an ask names numbers by mask, across the end of the count, and no more than it holds', () => {
	const base = 2 ** 32 - 1;
	const view = new DataView(ask(5, [base, base + 1, base + 32, base + 33], 7));
	assert.deepEqual([view.getUint8(0), view.getUint8(1), view.getUint8(2), view.getBigUint64(28)], [0xa4, 1, 5, 7n]);
	assert.equal(view.byteLength, 36 + 16);
	assert.deepEqual(
		[36, 40, 44, 48].map((at) => view.getUint32(at)),
		[base, 0x8000_0001, 32, 0],
	);
	const many = Array.from({length: 40}, (_, n) => n * 40);
	assert.equal(ask(0, many, 0).byteLength, 36 + 8 * MAX_STRETCHES);
});

test('a number on the wire stands for the nearest', () => {
	assert.equal(nearest(2 ** 32 + 5, 7), 2 ** 32 + 7);
	assert.equal(nearest(2 ** 32 + 5, 2 ** 32 - 1), 2 ** 32 - 1);
	assert.equal(nearest(2 ** 33 - 1, 0), 2 ** 33);
});
