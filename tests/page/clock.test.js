import assert from 'node:assert/strict';
import {test} from 'node:test';

import {BURST, CardClock, ServerClock} from '../../web/clock.js';

const SERVER_START = 5e6;

/** A network and two clocks, the server's `ppm` fast. */
class Path {
	clock = new ServerClock();
	stepUs = 0;
	#state = 1;

	/** @param {number} ppm */
	constructor(ppm) {
		this.ppm = ppm;
	}

	random() {
		this.#state = (this.#state * 48_271) % 2_147_483_647;
		return this.#state / 2_147_483_647;
	}

	/** @param {number} ours */
	server(ours) {
		return SERVER_START + ours * (1 + this.ppm * 1e-6) + this.stepUs;
	}

	/** @param {number} at @param {number} jitter */
	exchange(at, jitter) {
		const forth = 100 + this.random() ** 3 * jitter;
		const back = 100 + this.random() ** 3 * jitter;
		const receivedUs = Math.round(this.server(at + forth));
		const sentUs = Math.round(this.server(at + forth + 10));
		return this.clock.pong({clientUs: Math.round(at), receivedUs, sentUs}, Math.round(at + forth + 10 + back));
	}

	/** @param {number} fromS @param {number} toS @param {number} jitter */
	run(fromS, toS, jitter) {
		for (let at = fromS * 1e6; at < toS * 1e6; at += 250_000) this.exchange(at, jitter);
	}

	/** @param {number} atS */
	errorUs(atS) {
		return this.clock.serverUs(atS * 1e6) - this.server(atS * 1e6);
	}
}

test('two clocks that drift are followed to some microseconds', () => {
	for (const ppm of [-100, 0, 40]) {
		const path = new Path(ppm);
		for (let n = 0; n < BURST; n += 1) path.exchange(n * 20_000, 2_000);
		assert.ok(Math.abs(path.errorUs(0.2)) < 200, `${path.errorUs(0.2)}`);
		path.run(0.25, 60, 2_000);
		assert.ok(Math.abs(path.errorUs(60)) < 100, `${ppm} ppm: ${path.errorUs(60)}`);
	}
});

test('a congested minute does not move the estimate', () => {
	const path = new Path(30);
	path.run(0, 40, 500);
	path.run(40, 100, 200_000);
	assert.ok(Math.abs(path.errorUs(100)) < 300, `${path.errorUs(100)}`);
});

test('a clock that steps is noticed at the second pong and believed at once', () => {
	const path = new Path(0);
	path.run(0, 20, 500);
	path.stepUs = 3e6;
	assert.equal(path.exchange(20e6, 500), 'more');
	assert.equal(path.exchange(20.25e6, 500), 'stepped');
	assert.ok(Math.abs(path.errorUs(20.5)) < 600);
});

test('pongs that contradict themselves are ignored', () => {
	const clock = new ServerClock();
	for (const [clientUs, receivedUs, sentUs, now] of [
		[100, 0, 0, 50],
		[100, 10, 5, 200],
		[100, 0, 5000, 200],
		[100, 2 ** 63, 2 ** 63, 200],
	]) {
		assert.equal(clock.pong({clientUs, receivedUs, sentUs}, now), 'nothing');
	}
	assert.equal(clock.known, false);
});

test('both directions of a clock agree', () => {
	const path = new Path(40);
	path.run(0, 30, 100);
	for (const ours of [0, 1e9, 5e9]) {
		assert.ok(Math.abs(path.clock.oursUs(path.clock.serverUs(ours)) - ours) < 1e-3);
	}
});

test('a card is followed through noisy and late stamps', () => {
	const card = new CardClock(48_000, 10e6);
	const path = new Path(0);
	/** @type {(frame: number) => number} */
	const truth = (frame) => 1e6 + (frame / 48_000) * 1e6 * (1 + 80e-6);
	for (let n = 0; n < 300; n += 1) {
		const late = n % 9 === 0 ? 3_000 * path.random() : 0;
		card.stamp(n * 4_800, truth(n * 4_800) + (path.random() - 0.5) * 400 + late);
	}
	const error = card.usAt(1_450_000) - truth(1_450_000);
	assert.ok(Math.abs(error) < 150, `${error}`);
	assert.ok(Math.abs(card.usPerFrame / (1e6 / 48_000) - 1 - 80e-6) < 15e-6);
	assert.ok(Math.abs(card.frameAt(card.usAt(1_000)) - 1_000) < 1e-6);
});

test('a card whose time steps is believed at the third stamp', () => {
	const card = new CardClock(48_000, 10e6);
	for (let n = 0; n < 50; n += 1) card.stamp(n * 4_800, n * 1e5);
	assert.equal(card.stamp(50 * 4_800, 50e5 + 4e4), false);
	assert.equal(card.stamp(51 * 4_800, 51e5 + 4e4), false);
	assert.equal(card.stamp(52 * 4_800, 52e5 + 4e4), true);
	assert.ok(Math.abs(card.usAt(53 * 4_800) - 53e5 - 4e4) < 10);
});
