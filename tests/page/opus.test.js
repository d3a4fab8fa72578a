// Our own Opus decoder in the page: what is missing, and what is no packet. That it decodes as the
// programs do, tests/page/opus.rs shows.
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';

import {compile} from '../../web/opus.js';
import {Violation} from '../../web/wire.js';

/** @type {(path: string) => Buffer} */
const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url));
const WASM = Uint8Array.from(read('web/opus.wasm'));
const FRAMES = 960;

// A packet of 20 ms of silence in stereo, as encoders make it.
const SILENCE = [0xfc, 0xff, 0xfe];

const make = await compile(WASM);

/** @param {number} position @param {number[]} bytes @param {number} frames @returns {Wire.Audio} */
function message(position, bytes = SILENCE, frames = FRAMES) {
	const payload = new DataView(Uint8Array.from(bytes).buffer);
	return {kind: 'audio', position, capturedUs: (position * 1e6) / 48_000, frames, broken: false, payload};
}

function listening() {
	/** @type {{position: number, capturedUs: number, frames: number}[]} */
	const pieces = [];
	const decoder = make(2, ({position, capturedUs}, channels) => {
		assert.equal(channels.length, 2);
		pieces.push({position, capturedUs, frames: channels[0].length});
	});
	return {decoder, pieces};
}

test('a packet is as many frames as it says, where it says', () => {
	const {decoder, pieces} = listening();
	decoder.take(message(5 * FRAMES));
	assert.deepEqual(pieces, [{position: 5 * FRAMES, capturedUs: 1e5, frames: FRAMES}]);
});

test('a gap is filled up to 100 ms, and a longer one is left to the fade', () => {
	const {decoder, pieces} = listening();
	decoder.take(message(0));
	decoder.take(message(2 * FRAMES + 120));
	assert.deepEqual(
		pieces.map(({position, frames}) => [position, frames]),
		[
			[0, 960],
			[960, 960],
			[1920, 120],
			[2040, 960],
		],
	);
	assert.equal(pieces[1].capturedUs, 2e4);
	decoder.take(message(100 * FRAMES));
	assert.equal(pieces.length, 5);
});

test('a packet of another length than it says, or beyond the limit, is a violation', () => {
	const {decoder} = listening();
	assert.throws(() => decoder.take(message(0, SILENCE, 480)), Violation);
	assert.throws(() => decoder.take(message(0, new Array(1276).fill(0))), Violation);
});

test('noise in place of packets is sound within bounds, concealed, or a violation', () => {
	let state = 1;
	const byte = () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state >>> 24;
	};
	const decoder = make(2, (_, channels) => {
		for (const samples of channels) assert.ok(samples.every((sample) => Math.abs(sample) <= 2));
	});
	for (let n = 0; n < 3_000; n += 1) {
		const bytes = Array.from({length: 1 + (byte() % 200)}, byte);
		// Mostly a 20 ms stereo packet of the kind that music makes.
		if (n % 4) bytes[0] = 0xfc;
		try {
			decoder.take(message(n * FRAMES, bytes));
		} catch (error) {
			assert.ok(error instanceof Violation, String(error));
		}
	}
});

test('the decoder is the one whose checksum its recipe has left', () => {
	const [made] = read('web/opus/built').toString().split('\n');
	assert.equal(made, `${createHash('sha256').update(WASM).digest('hex')}  web/opus.wasm`);
});

test('page and programs are bound to one version of ropus', () => {
	/** @type {(path: string, pattern: RegExp) => string} */
	const found = (path, pattern) => {
		const text = read(path).toString();
		return pattern.exec(text)?.[1] ?? `none in ${path}`;
	};
	const bound = /^ropus = \{ version = "=([0-9.]+)"/m;
	const locked = /^name = "ropus"\nversion = "([0-9.]+)"/m;
	const versions = [
		found('Cargo.toml', bound),
		found('web/opus/Cargo.toml', bound),
		found('Cargo.lock', locked),
		found('web/opus/Cargo.lock', locked),
	];
	assert.deepEqual(new Set(versions), new Set([versions[0]]));
	assert.match(versions[0], /^[0-9.]+$/);
});
