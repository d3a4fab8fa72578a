// How one person hears: by the vector that auralync-client is held to, and what the page keeps of it.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';

import {CONTROLS, Ear, NONE, raises, understood} from '../../web/ear.js';

// As in src/sound/ear/tests/vector.rs.
const APART = 4_999;
const WITHIN = 1e-5;
const BLOCK = 512;

/** @type {{rate: number, hearing: Page.Hearing, heard: [number, number][]}[]} */
const CASES = JSON.parse(readFileSync(new URL('../vectors/ear/heard.json', import.meta.url), 'utf8'));

/** @param {number} rate @returns {Channels} */
function soundAt(rate) {
	let state = 1;
	const noise = () => {
		state = (state * 48_271) % 2_147_483_647;
		return (state / 2_147_483_647) * 2 - 1;
	};
	const [left, right] = [new Float32Array(rate * 2), new Float32Array(rate * 2)];
	for (let at = 0; at < rate * 2; at += 1) {
		const saw = (((at * 150) % rate) / rate) * 2 - 1;
		const loud = at < rate ? 0.02 : 0.3;
		left[at] = (saw + noise() / 4) * loud;
		right[at] = (saw + noise() / 4) * loud;
	}
	return [left, right];
}

/**
 * What an ear makes of it, block by block.
 * @param {Ear} ear @param {Channels} sound
 */
function heardBy(ear, sound) {
	const heard = [0, 1].map(() => new Float32Array(sound[0].length));
	for (let at = 0; at < sound[0].length; at += BLOCK) {
		const block = ear.process(sound.map((samples) => samples.slice(at, at + BLOCK)));
		heard.forEach((samples, channel) => samples.set(block[Math.min(channel, block.length - 1)], at));
	}
	return heard;
}

for (const {rate, hearing, heard} of CASES) {
	test(`${JSON.stringify(hearing)} at ${rate} Hz: heard as auralync-client plays it`, () => {
		const ear = new Ear(rate);
		ear.set(hearing);
		const [left, right] = heardBy(ear, soundAt(rate));
		heard.forEach((frame, n) => {
			const off = Math.max(Math.abs(left[n * APART] - frame[0]), Math.abs(right[n * APART] - frame[1]));
			assert.ok(off < WITHIN, `frame ${n * APART}: ${left[n * APART]}, ${right[n * APART]} instead of ${frame}`);
		});
	});
}

test('off sound passes as it is, and does so again once it has faded', () => {
	const sound = soundAt(48_000);
	const ear = new Ear(48_000);
	assert.deepEqual(heardBy(ear, sound), sound);
	ear.set({dialogue: 12, night: true, mono: true, balance: 30, bass: 12, treble: -12});
	heardBy(ear, sound);
	ear.set({...NONE});
	heardBy(ear, sound);
	assert.deepEqual(heardBy(ear, sound), sound);
});

test('what is set before the first sound holds at once', () => {
	const ear = new Ear(48_000);
	ear.set({...NONE, mono: true, balance: 100});
	ear.arrive();
	const [left, right] = ear.process([Float32Array.of(0.5), Float32Array.of(0.25)]);
	assert.deepEqual([left[0], right[0]], [0, 0.375]);
});

test('a stream of one channel has two sides where one is turned down', () => {
	const ear = new Ear(48_000);
	ear.set({...NONE, balance: -100});
	const [sound] = soundAt(48_000);
	const [left, right] = heardBy(ear, [sound]);
	assert.deepEqual(left, sound);
	assert.equal(
		right.slice(4_800).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0),
		0,
	);
});

test('what was kept is understood as far as it can be', () => {
	for (const nonsense of [null, undefined, 3, 'x', [], {dialogue: 'x', night: 1, bass: NaN, more: 2}])
		assert.deepEqual(understood(nonsense), NONE);
	const kept = {dialogue: 99, night: true, balance: -1e9, treble: 3.4};
	assert.deepEqual(understood(kept), {...NONE, dialogue: 12, night: true, balance: -100, treble: 3});
});

test('the controls stand in the order of the keys, and a limiter waits for those that raise', () => {
	assert.deepEqual(Object.keys(CONTROLS), ['dialogue', 'night', 'mono', 'balance', 'bass', 'treble']);
	const keys = readFileSync(new URL('../../src/sound/ear/hearing.rs', import.meta.url), 'utf8');
	const order = /ALL: \[Self; 6\] =\s*\[([^\]]*)\]/.exec(keys)?.[1].match(/\w+(?=,|$)/g);
	assert.deepEqual(
		order?.map((name) => name.toLowerCase()),
		Object.keys(CONTROLS),
	);
	assert.ok(!raises({...NONE, mono: true, balance: 50, bass: -3}));
	assert.ok(raises({...NONE, night: true}) && raises({...NONE, treble: 3}));
});
