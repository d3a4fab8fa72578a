// When a page tries datagrams, asks, and goes back to its WebSocket.
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {Asking, Step} from '../../web/asking.js';

const MS = 1_000;
const S = 1_000_000;
const TRIP_US = 4 * MS;
const DELAY_US = 300 * MS;

/** A channel that is open, and by which sound comes at `nowUs`. @param {Asking} asking @param {number} nowUs */
function begin(asking, nowUs) {
	assert.equal(asking.next(nowUs, TRIP_US, DELAY_US), Step.open);
	asking.opened(nowUs);
	assert.equal(asking.next(nowUs, TRIP_US, DELAY_US), Step.ask);
	asking.asks(nowUs);
	asking.sound(nowUs);
	asking.answered(nowUs);
	assert.ok(asking.isOn);
}

test('a channel that brings no sound is given up after a second, and tried again after 1, 2, 4 … 30 s', () => {
	const asking = new Asking(0);
	let us = 0;
	const pauses = [];
	for (let n = 0; n < 7; n += 1) {
		assert.equal(asking.next(us, 0, DELAY_US), Step.open);
		asking.opened(us);
		for (const end = us + S; us < end; us += MS) {
			const step = asking.next(us, 0, DELAY_US);
			assert.ok(step === Step.ask || step === null, `${step}`);
			if (step) asking.asks(us);
		}
		assert.equal(asking.next(us, 0, DELAY_US), Step.giveUp);
		asking.fail(us);
		const failedUs = us;
		while (asking.next(us + MS, 0, DELAY_US) === null) us += MS;
		// The look that found the pause over has begun to open.
		asking.fail(us);
		pauses.push(Math.round((us - failedUs) / S));
		us += 60 * S;
	}
	assert.deepEqual(pauses, [1, 4, 16, 30, 30, 30, 30], 'every second one failed at once');
});

test('one that does not open is given up after five seconds', () => {
	const asking = new Asking(0);
	assert.equal(asking.next(0, 0, DELAY_US), Step.open);
	assert.equal(asking.next(5 * S - 1, 0, DELAY_US), null);
	assert.equal(asking.next(5 * S, 0, DELAY_US), Step.giveUp);
});

test('silence without an answer for half the delay sends sound back to the WebSocket', () => {
	const asking = new Asking(0);
	begin(asking, 0);
	let asks = 0;
	for (let us = 0; us < 150 * MS; us += MS) {
		const step = asking.next(us, TRIP_US, DELAY_US);
		if (step === Step.ask) {
			asks += 1;
			asking.asks(us);
		} else assert.equal(step, null);
	}
	assert.ok(asks >= 4, `it asks whether anybody is there: ${asks}`);
	assert.equal(asking.next(150 * MS, TRIP_US, DELAY_US), Step.fallBack);
});

test('silence is borne for a second where asks are answered', () => {
	const asking = new Asking(0);
	begin(asking, 0);
	for (let us = 0; us < S; us += MS) {
		if (asking.next(us, TRIP_US, DELAY_US) === Step.ask) {
			asking.asks(us);
			asking.answered(us);
		}
	}
	assert.equal(asking.next(S, TRIP_US, DELAY_US), Step.fallBack);
});

test('while sound comes a page asks once a second, so that the server knows', () => {
	const asking = new Asking(0);
	begin(asking, 0);
	let asks = 0;
	for (let us = MS; us <= 10 * S; us += MS) {
		asking.sound(us);
		if (asking.next(us, TRIP_US, DELAY_US) === Step.ask) {
			asks += 1;
			asking.asks(us);
			asking.answered(us);
		}
	}
	assert.ok(asks >= 9 && asks <= 10, `${asks}`);
});

test('a way that has worked for a minute is tried soon again', () => {
	const asking = new Asking(0);
	for (const us of [0, 10 * S, 30 * S]) {
		assert.equal(asking.next(us, 0, DELAY_US), Step.open);
		asking.fail(us);
	}
	begin(asking, 60 * S);
	asking.sound(121 * S);
	asking.fail(121 * S);
	assert.equal(asking.next(122 * S - MS, 0, DELAY_US), null);
	assert.equal(asking.next(122 * S, 0, DELAY_US), Step.open);
});
