// What a listener says at the door of a room, and what it believes there.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {afterEach, beforeEach, mock, test} from 'node:test';

import {Kind, jsonFrame} from '../../web/wire.js';

const {made} = JSON.parse(readFileSync(new URL('../vectors/private/room.json', import.meta.url), 'utf8'));
const MODULE = readFileSync(new URL('../../web/secure.wasm', import.meta.url));
const URL_OF_SOUND = 'ws://pc.lan:8080/listen';

// A server asks its host for two minutes.
const ASKED_FOR_MS = 120_000;

const WELCOME = jsonFrame(Kind.welcome, {
	version: 3,
	session: 'of somebody else',
	name: 'Not this room',
	format: {sample_rate: 48_000, channels: 2},
	codec: 's16',
	position_rate: 48_000,
	playout_delay_ms: 300,
	ping_ms: 1_000,
});

/** @type {{[name: string]: number}} */
const NUMBERS = {sampleRate: 48_000, fftSize: 16, currentTime: 0};

/**
 * Whatever a browser has that is only called here.
 * @returns {any}
 */
const anything = () =>
	new Proxy(function made() {}, {
		apply: () => anything(),
		get: (_, name) => NUMBERS[String(name)] ?? (name === Symbol.toPrimitive ? () => 0 : anything()),
		set: () => true,
		construct: () => anything(),
	});

class Socket {
	static CONNECTING = 0;
	static OPEN = 1;
	/** @type {Socket[]} */
	static all = [];
	readyState = 0;
	isClosed = false;
	/** @type {number[]} the kinds of what was sent */
	said = [];
	/** @type {any} */
	onopen = null;
	/** @type {any} */
	onmessage = null;
	/** @type {any} */
	onclose = null;

	constructor() {
		Socket.all.push(this);
	}

	/** @param {ArrayBuffer} bytes */
	send(bytes) {
		this.said.push(new DataView(bytes).getUint8(4));
	}

	close() {
		this.isClosed = true;
	}

	open() {
		this.readyState = Socket.OPEN;
		this.onopen();
	}

	/** @param {ArrayBuffer} data */
	hears(data) {
		this.onmessage?.({data});
	}
}

/** @type {unknown} what the server answers at /secure.json; an Error is no answer */
let way = {port: null, private: true};
let nowMs = 0;
/** @type {any} */
let listener = null;

beforeEach(() => {
	Socket.all = [];
	mock.timers.enable({apis: ['setTimeout', 'setInterval']});
	mock.method(performance, 'now', () => nowMs);
	mock.method(globalThis, 'fetch', async (/** @type {unknown} */ url) => {
		if (String(url).endsWith('secure.wasm')) return new Response(MODULE);
		if (way instanceof Error) throw way;
		return Response.json(way);
	});
	const given = {
		window: {},
		navigator: {},
		localStorage: undefined,
		location: new URL('http://pc.lan:8080/'),
		WebSocket: Socket,
		AudioContext: anything(),
	};
	for (const [name, value] of Object.entries(given))
		Object.defineProperty(globalThis, name, {value, configurable: true, writable: true});
});

afterEach(() => {
	listener?.leave();
	mock.timers.reset();
	mock.restoreAll();
});

/** Lets all that waits for nothing but its turn go on. */
async function goOn() {
	for (let turn = 0; turn < 50; turn += 1)
		await new Promise((wake) => {
			setImmediate(wake);
		});
}

/** @param {number} ms */
function pass(ms) {
	for (const end = nowMs + ms; nowMs < end; ) {
		nowMs += 100;
		mock.timers.tick(100);
	}
}

/**
 * A listener with that link whose connection has just opened.
 * @param {Partial<Page.KeptLink>} link
 */
async function come(link) {
	const {Listener} = await import('../../web/listener.js');
	const usual = {volume: 100, trimMs: 0, throughElement: false, lessData: false};
	const kept = /** @type {Page.KeptLink} */ ({fragment: '', isHalf: false, keep() {}, ...link});
	listener = new Listener({url: URL_OF_SOUND, id: '0'.repeat(32), name: 'Ann', ...usual, link: kept}, () => {});
	Socket.all[0]?.open();
	await goOn();
	return Socket.all[0];
}

/** The config of the vector's room. */
function config() {
	const key = Buffer.from(made.server_public, 'hex').toString('base64url');
	const json = new TextEncoder().encode(JSON.stringify({auralync: {version: 3, room: {key}}}));
	const plain = new DataView(new ArrayBuffer(4 + json.length));
	plain.setUint32(0, json.length);
	new Uint8Array(plain.buffer).set(json, 4);
	return plain.buffer;
}

/** One that has asked to come in. */
async function ask() {
	const socket = await come({fragment: made.link});
	socket.hears(config());
	for (let turn = 0; turn < 1_000 && !socket.said.length; turn += 1) await goOn();
	assert.deepEqual(socket.said, [Kind.enter]);
	return socket;
}

/** @param {string} reason @param {object} [more] */
const notice = (reason, more) => jsonFrame(Kind.notice, {reason, text: 'why', ...more});

test('without a link nothing is said to a room that is private, or of which nothing is known', async () => {
	const socket = await come({});
	assert.deepEqual([socket.said, listener.state], [[], 'shut']);
	assert.match(listener.trouble, /^This room is private: ask/);
	listener.leave();
	for (const answer of [new Error('no'), {}, {port: 7, private: 'no'}, [], null]) {
		way = answer;
		Socket.all = [];
		assert.deepEqual([(await come({})).said, listener.state], [[], 'lost'], String(answer));
		listener.leave();
	}
	way = {port: null, private: false};
	Socket.all = [];
	assert.deepEqual((await come({})).said, [Kind.hello]);
	way = {port: null, private: true};
});

test('with half a link no connection is opened at all, whenever it is tried', async () => {
	way = {port: null, private: false};
	await come({isHalf: true});
	listener.wake();
	pass(60_000);
	await goOn();
	assert.deepEqual([Socket.all, listener.state], [[], 'shut']);
	assert.match(listener.trouble, /only a part of a link/);
	way = {port: null, private: true};
});

test('with a link nothing that comes openly means anything before the room is entered', async () => {
	const openly = [WELCOME, notice('playout_delay', {playout_delay_ms: 9_000}), notice('muted'), notice('may_not_talk')];
	const lists = [jsonFrame(Kind.people, {you: 1, people: []}), jsonFrame(Kind.changes, {})];
	const socket = await come({fragment: made.link});
	const delayed = mock.method(listener.player, 'setDelay', () => {});
	const believes = () => [
		listener.welcome,
		listener.people,
		listener.isSilenced,
		delayed.mock.callCount(),
		listener.state,
	];
	const nothing = [null, null, false, 0, 'joining'];
	for (const frame of [...openly, ...lists]) socket.hears(frame);
	assert.deepEqual(believes(), nothing, 'before the config');
	socket.hears(config());
	for (const frame of [...openly, ...lists]) socket.hears(frame);
	assert.deepEqual(believes(), nothing, 'before it has asked');
	for (let turn = 0; turn < 1_000 && !socket.said.length; turn += 1) await goOn();
	for (const frame of openly.slice(1)) socket.hears(frame);
	socket.hears(notice('of tomorrow'));
	assert.deepEqual(believes(), nothing, 'after it has asked');
	assert.deepEqual(socket.said, [Kind.enter]);
	socket.hears(WELCOME);
	assert.deepEqual([listener.welcome, listener.state], [null, 'lost'], 'that is no answer');
});

test('who waits to be let in keeps the connection until the server must have answered', async () => {
	const socket = await ask();
	socket.hears(notice('waiting'));
	assert.equal(listener.state, 'waiting');
	assert.match(listener.trouble, /^Waiting to be let in: /);
	pass(ASKED_FOR_MS + 5_000);
	assert.deepEqual([socket.isClosed, listener.state], [false, 'waiting']);
	assert.equal(Socket.all.length, 1);
	pass(10_000);
	assert.deepEqual([socket.isClosed, listener.state], [true, 'lost'], 'the server has gone without a word');
});

test('who is not let in is told why, and does not try again', async () => {
	for (const [lastWord, says] of /** @type {[string, RegExp][]} */ ([
		['whoever runs this room does not let you in', /^Whoever runs this room did not let you in\./],
		['nobody answered: ask whoever runs this room', /^Nobody has answered/],
		['too many wait to be let in: come again in a minute', /^Too many wait to be let in\./],
	])) {
		for (const end of [
			(/** @type {Socket} */ socket) => socket.onclose({code: 4003, reason: lastWord}),
			(/** @type {Socket} */ socket) => socket.hears(notice('not_let_in', {text: lastWord})),
		]) {
			Socket.all = [];
			const socket = await ask();
			socket.hears(notice('waiting'));
			end(socket);
			assert.equal(listener.state, 'shut');
			assert.match(listener.trouble, says);
			listener.wake();
			pass(60_000);
			assert.equal(Socket.all.length, 1);
			listener.leave();
		}
	}
});

test('of two pages of one browser that wait, the newer one does', async () => {
	const socket = await ask();
	socket.hears(notice('waiting'));
	socket.onclose({code: 1001, reason: 'a newer connection took over'});
	pass(60_000);
	assert.deepEqual([listener.state, Socket.all.length], ['replaced', 1]);
});
