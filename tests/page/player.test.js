// What the page's way out does: when what is too loud is bent.
import assert from 'node:assert/strict';
import {afterEach, beforeEach, mock, test} from 'node:test';

/** Any node of the audio graph: what it is connected to. */
class FakeNode {
	/** @type {Set<FakeNode>} */
	to = new Set();
	gain = {value: 1, setTargetAtTime() {}};
	fftSize = 16;
	/** @param {FakeNode} other */
	connect(other) {
		this.to.add(other);
		return other;
	}
	disconnect() {
		this.to.clear();
	}
}

/** @type {FakeContext} */
let context;

class FakeContext {
	state = 'running';
	sampleRate = 48_000;
	currentTime = 10;
	destination = new FakeNode();
	analyser = new FakeNode();
	/** @type {FakeNode[]} */
	shapers = [];
	constructor() {
		context = this;
	}
	createGain() {
		return new FakeNode();
	}
	createAnalyser() {
		return this.analyser;
	}
	createWaveShaper() {
		const shaper = new FakeNode();
		this.shapers.push(shaper);
		return shaper;
	}
	async close() {}
}

/** Whether what is played goes through the newest limiter. */
const isBent = () => context.shapers.some((shaper) => shaper.to.has(context.analyser));

beforeEach(() => {
	mock.timers.enable({apis: ['setInterval', 'setTimeout']});
	Object.assign(globalThis, {AudioContext: FakeContext});
	Object.defineProperty(globalThis, 'navigator', {value: {}, configurable: true});
});

afterEach(() => mock.timers.reset());

test('what was made louder ahead is still bent when it is heard', async () => {
	const {Player} = await import('../../web/player.js');
	const wishes = {volume: 100, trimMs: 0, throughElement: false};
	const player = new Player(/** @type {any} */ (wishes), () => {});
	await player.setHearing({night: true});
	assert.ok(isBent());
	await player.setHearing({night: false});
	context.currentTime += 0.25;
	player.pump();
	assert.ok(isBent(), 'a quarter of a second is made ahead');
	// Once more meanwhile: it stays.
	await player.setVolume(150);
	context.currentTime += 1;
	player.pump();
	assert.ok(isBent());
	await player.setVolume(100);
	assert.ok(isBent());
	context.currentTime += 0.4;
	player.pump();
	assert.ok(!isBent());
	await player.setVolume(150);
	assert.ok(isBent() && context.shapers.length === 2);
	player.close();
});
