// How an output that had to play later plays sooner again, by how its sound comes.
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {Patience} from '../../web/patience.js';

const EVERY_MS = 40;
const MINUTE_MS = 60_000;

/** An output that plays `extraMs` later than the others, and takes as much more as it lacks. */
class Output {
	patience = new Patience();
	now = 0;
	lateMs = 0;
	/**
	 * What was given back and taken, as [at, ms that are left].
	 * @type {[at: number, ms: number][]}
	 */
	changes = [];

	/** @param {number} extraMs */
	constructor(extraMs) {
		this.extraMs = extraMs;
	}

	/**
	 * Runs for so long; `spare(now, extraMs)` is what each arrival has to spare.
	 * @param {number} lengthMs
	 * @param {(now: number, extraMs: number) => number} spare
	 */
	run(lengthMs, spare) {
		for (const end = this.now + lengthMs; this.now < end; this.now += EVERY_MS) {
			const before = this.extraMs;
			const spareMs = spare(this.now, before);
			if (spareMs < 0) {
				this.lateMs += EVERY_MS;
				this.extraMs += 10 * Math.ceil(-spareMs / 10);
				this.patience.tookMore(this.now);
			} else this.extraMs -= this.patience.came(spareMs, before, this.now);
			if (this.extraMs !== before) this.changes.push([this.now, this.extraMs]);
		}
		return this;
	}

	/** How long after each other it gave something back. */
	get pauses() {
		const steps = this.changes.filter(([, ms], n) => n === 0 || ms < this.changes[n - 1][1]).map(([at]) => at);
		return steps.slice(1).map((at, n) => at - steps[n]);
	}
}

/**
 * Breaks down rather than being late: that it needs 50 ms shows only where it has less.
 * @type {(now: number, extraMs: number) => number}
 */
const brittle = (_, extraMs) => (extraMs < 50 ? extraMs - 50 : 50);

test('what a moment of load has cost is given back in steps, down to what is needed', () => {
	const output = new Output(440).run(5 * MINUTE_MS, (_, extraMs) => extraMs - 12);
	assert.deepEqual(
		output.changes.map(([, ms]) => ms),
		[230, 130, 80, 50, 40, 30, 20],
		'half of what is to spare, never the last 5 ms',
	);
	assert.ok(
		output.pauses.every((pause) => pause >= 15_000),
		`${output.pauses}`,
	);
	assert.equal(output.lateMs, 0);
});

test('an output that plays with the others, or has nothing to spare, is left alone', () => {
	assert.deepEqual(new Output(0).run(10 * MINUTE_MS, () => 200).changes, []);
	assert.deepEqual(new Output(50).run(10 * MINUTE_MS, () => 14).changes, []);
});

test('nothing is given back while anything is late or the output runs dry', () => {
	const patience = new Patience();
	for (let now = 0; now < 10 * MINUTE_MS; now += EVERY_MS) {
		if (now % 10_000 === 0) patience.wasLate(now);
		assert.equal(patience.came(now % 14_000 === 0 ? -1 : 100, 100, now), 0);
	}
});

test('a step that fails is tried ever more rarely, so that nothing sees and saws', () => {
	const output = new Output(50).run(120 * MINUTE_MS, brittle);
	const {pauses} = output;
	assert.ok(
		pauses.every((pause, n) => n === 0 || pause >= pauses[n - 1]),
		`${pauses}`,
	);
	assert.ok(pauses[0] >= 30_000 && pauses[pauses.length - 1] >= 8 * MINUTE_MS, `${pauses}`);
	assert.ok(output.lateMs < 20 * EVERY_MS, `${output.lateMs} ms late in two hours`);
});

test('steps that hold bring the old patience back', () => {
	const output = new Output(50).run(30 * MINUTE_MS, brittle);
	output.changes = [];
	output.extraMs = 400;
	output.run(30 * MINUTE_MS, (_, extraMs) => extraMs + 20);
	assert.equal(output.extraMs, 0);
	const {pauses} = output;
	assert.ok(pauses[0] > 2 * MINUTE_MS && pauses[pauses.length - 1] < MINUTE_MS, `${pauses}`);
	assert.ok(
		pauses.every((pause, n) => n === 0 || pause < pauses[n - 1]),
		`${pauses}`,
	);
});

test('a page that slept has seen nothing meanwhile', () => {
	const output = new Output(100).run(2_000, () => 50);
	output.now += 10 * MINUTE_MS;
	assert.deepEqual(output.run(15_000, () => 50).changes, []);
	assert.equal(output.run(1_000, () => 50).changes.length, 1);
});
