// How late an output is, by a chirp in rooms that are computed.
import assert from 'node:assert/strict';
import {mock, test} from 'node:test';

import {ASLEEP, agreed, BUSY, calibrate, runsUntil} from '../../web/calibrate.js';
import {find, REFUSED, STARTS_MS, SWEEP_MS, sweep} from '../../web/chirp.js';

const FIRST_MS = 1_000;

/** Numbers between −1 and 1 that are the same on every run. @param {number} seed */
function dice(seed) {
	let state = seed;
	return () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state / 2 ** 31 - 1;
	};
}

/**
 * What a microphone hears `lagMs` late, beside noise that is so much softer, in dB.
 * @param {{lagMs: number, belowDb?: number, rate?: number, echo?: number, gain?: number}} room
 */
function room({lagMs, belowDb = 50, rate = 48_000, echo = 0, gain = 0.03}) {
	const roll = dice(7);
	const samples = new Float32Array(rate * 5.5);
	const one = sweep(rate);
	const dueMs = STARTS_MS.map((ms) => FIRST_MS + ms);
	const ways = [[0, 1], ...[7, 23, 61, 140].map((ms) => [ms, echo * Math.exp(-ms / 60)])];
	for (const due of dueMs) {
		for (const [laterMs, share] of ways) {
			const from = Math.round(((due + lagMs + laterMs) * rate) / 1e3);
			one.forEach((sample, n) => (samples[from + n] += gain * share * sample));
		}
	}
	const noise = gain * Math.sqrt(1.5) * 10 ** (-belowDb / 20);
	return {samples: samples.map((sample) => sample + noise * roll()), rate, dueMs};
}

test('a delay is found to a part of a millisecond', () => {
	const rooms = [
		{lagMs: 0},
		{lagMs: 40, belowDb: 14},
		{lagMs: 180, echo: 1.2},
		{lagMs: 250, rate: 16_000, belowDb: 20},
		{lagMs: 590, rate: 44_100},
	];
	for (const one of rooms) {
		const {samples, rate, dueMs} = room(one);
		const found = find(samples, rate, dueMs);
		assert.ok('lagMs' in found, JSON.stringify({one, found}));
		assert.ok(Math.abs(found.lagMs - one.lagMs) < 0.2 && found.agreed >= 7, JSON.stringify({one, found}));
	}
});

test('what says nothing is refused with what to do', () => {
	/** @param {Parameters<typeof room>[0]} one */
	const refused = (one) => {
		const {samples, rate, dueMs} = room(one);
		const found = find(samples, rate, dueMs);
		return 'refused' in found ? found.refused : found;
	};
	assert.equal(refused({lagMs: 180, belowDb: 0}), REFUSED.loud);
	assert.equal(refused({lagMs: 180, gain: 0}), REFUSED.deaf);
	assert.equal(refused({lagMs: 180, gain: 1, echo: 1}), REFUSED.clipped);
	const {samples, rate, dueMs} = room({lagMs: 180});
	const roll = dice(3);
	assert.deepEqual(
		find(
			samples.map(() => 0.01 * roll()),
			rate,
			dueMs,
		),
		{refused: REFUSED.unheard},
	);
	assert.deepEqual(find(samples.subarray(0, rate), rate, dueMs), {refused: REFUSED.unheard});
	assert.ok(SWEEP_MS < STARTS_MS[1]);
});

test('a delay that changes meanwhile is not believed', () => {
	const {samples, rate, dueMs} = room({lagMs: 180, belowDb: 30});
	// The first two came sooner after they were due than the others.
	const changed = dueMs.map((ms, n) => (n < 2 ? ms + 11 : ms));
	assert.deepEqual(find(samples, rate, changed), {refused: REFUSED.unsteady});
	// A headset that wakes up late has played nothing before.
	const woken = samples.slice();
	woken.fill(0, 0, Math.round(((dueMs[1] + 100) * rate) / 1e3));
	const found = find(woken, rate, dueMs);
	assert.ok('lagMs' in found && Math.abs(found.lagMs - 180) < 0.2, JSON.stringify(found));
});

test('what two measurements agree on counts, and nothing else', async () => {
	/** @param {(number | string)[]} answers each a measurement, or why there is none */
	const measured = async (...answers) => {
		let asked = 0;
		const answer = await agreed(async () => {
			const one = answers[asked++];
			return typeof one === 'string' ? {refused: one} : {lateMs: one, sureMs: 16};
		});
		return [answer, asked];
	};
	assert.deepEqual(await measured(180, 186), [{lateMs: 183, sureMs: 19}, 2]);
	assert.deepEqual(await measured(180, 250, 120, 184), [{lateMs: 182, sureMs: 18}, 4]);
	assert.deepEqual(await measured(180, REFUSED.unsteady, 180), [{lateMs: 180, sureMs: 16}, 3]);
	assert.deepEqual(await measured(180, 250, 120, 300), [{refused: BUSY}, 4]);
	// More measurements make no room quieter.
	assert.deepEqual(await measured(180, REFUSED.loud), [{refused: REFUSED.loud}, 2]);
});

test('an output that sleeps is not waited for', async () => {
	mock.timers.enable({apis: ['setTimeout']});
	let nowMs = 1_000;
	const now = mock.method(performance, 'now', () => nowMs);
	let isRefused = false;
	/** @param {{currentTime: number}} context @param {number} rate */
	const runs = async (context, rate) => {
		/** @type {boolean | undefined} */
		let isAwake;
		runsUntil(context, 8, () => !isRefused).then((answer) => {
			isAwake = answer;
		});
		for (let n = 0; n < 1_000 && isAwake === undefined; n += 1) {
			nowMs += 50;
			context.currentTime += 0.05 * rate;
			mock.timers.tick(50);
			await new Promise(setImmediate);
		}
		return isAwake;
	};
	assert.equal(await runs({currentTime: 0}, 1), true);
	assert.equal(await runs({currentTime: 0}, 0), false);
	// Nor is one that was refused: it is said at once.
	isRefused = true;
	const startedMs = nowMs;
	assert.equal(await runs({currentTime: 0}, 1), false);
	assert.ok(nowMs - startedMs <= 100);
	now.mock.restore();
	mock.timers.reset();
	assert.ok(ASLEEP.includes('try again'));
});

test('the button works again, whatever went wrong', async () => {
	const elements = {status: {textContent: ''}, calibrate: {disabled: false}};
	const document = {getElementById: (/** @type {'status' | 'calibrate'} */ id) => elements[id]};
	const broken = class {
		constructor() {
			throw new Error('no output');
		}
	};
	Object.assign(globalThis, {document, AudioContext: broken});
	await calibrate(() => assert.fail('nothing was measured'), false);
	assert.equal(elements.calibrate.disabled, false);
	assert.equal(elements.status.textContent.split('.')[0], 'This page cannot play sound now');
});
