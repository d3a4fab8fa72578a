import assert from 'node:assert/strict';
import {test} from 'node:test';

import {Jitter} from '../../web/jitter.js';
import {Interpolator, REACH} from '../../web/resample.js';
import {Schedule} from '../../web/schedule.js';

const BLOCK = 512;
const CHUNK = 1024;
const TONE_HZ = 440;

/** A server, an output and what lies between them; times in µs of the server's clock. */
class Room {
	/** @type {{atUs: number, samples: Samples}[]} */
	heard = [];
	blocks = 0;
	nulls = 0;

	/** @param {{inRate: number, outRate: number, outPpm?: number, delayMs?: number, lag?: number, lost?: (chunk: number) => boolean}} room */
	constructor({inRate, outRate, outPpm = 0, delayMs = 300, lag = 0, lost = () => false}) {
		this.inRate = inRate;
		this.outRate = outRate;
		this.delayMs = delayMs;
		this.lag = lag;
		this.lost = lost;
		this.laterMs = 0;
		this.frameUs = 1e6 / (outRate * (1 + outPpm * 1e-6));
		this.schedule = new Schedule(
			{positionRate: inRate, channels: 1, playoutDelayMs: delayMs, algorithmicDelay: lag},
			outRate,
		);
		this.sent = 0;
		this.frame = 0;
		this.captureStartUs = 1e6;
	}

	/** @param {number} position */
	captureUs(position) {
		return this.captureStartUs + (position / this.inRate) * 1e6;
	}

	/** @param {number} position */
	value(position) {
		return 0.5 * Math.sin((2 * Math.PI * TONE_HZ * position) / this.inRate);
	}

	/**
	 * Runs until `toUs`; blocks are made 200 ms ahead at most and 20 ms at least.
	 * @param {number} toUs
	 */
	run(toUs) {
		for (let now = this.captureUs(this.sent * CHUNK); now < toUs; now += 5_000) {
			while (this.captureUs((this.sent + 1) * CHUNK) + 10_000 < now) {
				const from = this.sent * CHUNK;
				const chunk = Float32Array.from({length: CHUNK}, (_, n) => this.value(from + n - this.lag));
				if (!this.lost(this.sent)) this.schedule.insert(from, Math.round(this.captureUs(from)), false, [chunk]);
				this.sent += 1;
			}
			for (;;) {
				const atUs = this.frame * this.frameUs;
				if (atUs > now + 200_000) break;
				const block = this.schedule.block(BLOCK, atUs, this.frameUs, this.laterMs, atUs < now + 20_000);
				if (block) this.heard.push({atUs, samples: block[0]});
				else if (atUs >= now + 20_000) break;
				this.frame += BLOCK;
			}
		}
	}

	/**
	 * By how much what is heard between two times differs from what should be, at most.
	 * @param {number} fromUs
	 * @param {number} toUs
	 * @param {number} laterMs
	 */
	worst(fromUs, toUs, laterMs = 0) {
		let worst = 0;
		for (const {atUs, samples} of this.heard) {
			if (atUs < fromUs || atUs > toUs) continue;
			samples.forEach((sample, n) => {
				const position =
					((atUs + n * this.frameUs - this.captureStartUs - (this.delayMs + laterMs) * 1e3) * this.inRate) / 1e6;
				worst = Math.max(worst, Math.abs(sample - this.value(position)));
			});
		}
		return worst;
	}

	/** The largest step between neighbouring samples, across blocks too. */
	largestStep() {
		let last = 0;
		let most = 0;
		for (const {samples} of this.heard) {
			for (const sample of samples) {
				most = Math.max(most, Math.abs(sample - last));
				last = sample;
			}
		}
		return most;
	}
}

/** @type {(rate: number) => number} */
const STEP = (rate) => 0.5 * 2 * Math.PI * (TONE_HZ / rate);

test('decoded sound that lags its positions, as Opus does, is heard when any other is', () => {
	const room = new Room({inRate: 48_000, outRate: 48_000, lag: 312});
	room.run(6e6);
	assert.ok(room.worst(3e6, 5e6) < 1e-3, `${room.worst(3e6, 5e6)}`);
});

test('every sample is heard at its capture time and the playout delay, whatever the rates', () => {
	for (const [inRate, outRate] of [
		[48_000, 48_000],
		[44_100, 48_000],
		[40_000, 44_100],
		[48_000, 44_100],
	]) {
		const room = new Room({inRate, outRate});
		room.run(8e6);
		const worst = room.worst(3e6, 7.5e6);
		assert.ok(worst < 0.01, `${inRate} → ${outRate}: ${worst}`);
		assert.ok(
			room.largestStep() < 1.1 * STEP(outRate),
			`${inRate} → ${outRate}: ${room.largestStep()} of ${STEP(outRate)}`,
		);
		assert.deepEqual(room.schedule.counts, {lost: 0, late: 0, jumps: 0});
	}
});

test('a card that runs fast or slow is kept in step without a jump', () => {
	for (const outPpm of [-300, 200]) {
		const room = new Room({inRate: 48_000, outRate: 48_000, outPpm});
		room.run(20e6);
		assert.ok(room.worst(10e6, 19.5e6) < 0.01, `${outPpm}: ${room.worst(10e6, 19.5e6)}`);
		assert.equal(room.schedule.counts.jumps, 0);
	}
});

test('what never comes is silence between fades, and sound goes on in step', () => {
	const room = new Room({inRate: 48_000, outRate: 48_000, lost: (chunk) => chunk === 100 || chunk === 101});
	room.run(8e6);
	assert.ok(room.worst(4e6, 7.5e6) < 0.01);
	assert.ok(room.schedule.counts.lost >= 2 * CHUNK - 4 * REACH, `${room.schedule.counts.lost}`);
	assert.ok(room.largestStep() < 1.2 * STEP(48_000), `${room.largestStep()}`);
});

test('another timing is jumped to behind a crossfade', () => {
	const room = new Room({inRate: 48_000, outRate: 48_000});
	room.run(4e6);
	room.laterMs = 50;
	room.run(8e6);
	assert.equal(room.schedule.counts.jumps, 1);
	assert.ok(room.worst(5e6, 7.5e6, 50) < 0.01);
	assert.ok(room.largestStep() < 2.2 * STEP(48_000), `${room.largestStep()}`);
});

test('sound that is heard sooner again is waited for, and none of it is lost', () => {
	const room = new Room({inRate: 48_000, outRate: 48_000, delayMs: 100});
	room.laterMs = 50;
	room.run(4e6);
	room.laterMs = 0;
	room.run(8e6);
	assert.deepEqual(room.schedule.counts, {lost: 0, late: 0, jumps: 1});
	assert.ok(room.worst(3e6, 3.8e6, 50) < 0.01 && room.worst(5e6, 7.5e6) < 0.01);
	assert.ok(room.largestStep() < 2.2 * STEP(48_000), `${room.largestStep()}`);
});

test('a new playout delay holds from its capture time on', () => {
	const room = new Room({inRate: 48_000, outRate: 48_000});
	room.run(4e6);
	room.schedule.setDelay(400, room.captureUs(200 * CHUNK));
	room.run(9e6);
	assert.equal(room.schedule.delayMs, 400);
	assert.ok(room.worst(6.5e6, 8.5e6, 100) < 0.01);
});

test('frames that overlap or come again change nothing', () => {
	const jitter = new Jitter(1, 100);
	const out = () => [new Float32Array(8)];
	jitter.insert(10, [Float32Array.of(1, 2, 3)]);
	jitter.insert(11, [Float32Array.of(9, 9, 9, 4)]);
	jitter.insert(10, [Float32Array.of(9)]);
	const read = out();
	assert.equal(jitter.read(9, read), 3);
	assert.deepEqual([...read[0]], [0, 1, 2, 3, 9, 4, 0, 0]);
});

test('no position, however wild, makes the buffer grow', () => {
	const jitter = new Jitter(2, 1_000);
	for (const position of [0, 5, 2 ** 40, 2 ** 52, 2 ** 61]) {
		jitter.insert(position, [new Float32Array(300), new Float32Array(300)]);
	}
	jitter.insert(3, [new Float32Array(5_000), new Float32Array(5_000)]);
	const out = [new Float32Array(16), new Float32Array(16)];
	assert.equal(jitter.read(0, out), 16);
});

test('a tone that is read between its samples keeps its shape', () => {
	const interpolator = new Interpolator(1);
	for (const hz of [100, 1_000, 10_000, 16_000]) {
		/** @type {(place: number) => number} */
		const tone = (place) => Math.sin((2 * Math.PI * hz * place) / 48_000);
		const input = Float32Array.from({length: 2_000}, (_, n) => tone(n));
		const out = new Float32Array(1_000);
		interpolator.fill(out, input, 100.37, 1.000_1);
		const worst = out.reduce((most, sample, n) => Math.max(most, Math.abs(sample - tone(100.37 + n * 1.000_1))), 0);
		assert.ok(worst < 2e-3, `${hz} Hz: ${worst}`);
	}
});
