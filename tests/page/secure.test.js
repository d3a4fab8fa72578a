// What opens private rooms for the page, held to what the programs make of the same keys.
import assert from 'node:assert/strict';
import {createCipheriv} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';

import {compile} from '../../web/secure.js';
import {frame, Kind, read, Violation} from '../../web/wire.js';

const MODULE = readFileSync(new URL('../../web/secure.wasm', import.meta.url));
const {keys, made} = JSON.parse(readFileSync(new URL('../vectors/private/room.json', import.meta.url), 'utf8'));

// Bytes before the body of a frame.
const HEADER = 5;

const EPOCH = 7;

/** @param {string} hex */
const bytes = (hex) => new Uint8Array(Buffer.from(hex, 'hex'));
/** @param {string} text */
const said = (text) => new TextEncoder().encode(text);
/** @param {Uint8Array} raw */
const text = (raw) => said(Buffer.from(raw).toString('base64url'));
/** @param {string} frameInHex */
const body = (frameInHex) => bytes(frameInHex).subarray(HEADER);
/** @param {Uint8Array | null} raw */
const hex = (raw) => raw && Buffer.from(raw).toString('hex');

/** The module, and how it is called: what it makes of some bytes, or null where it refuses them. */
async function begin() {
	const {instance} = await WebAssembly.instantiate(MODULE);
	const exports = /** @type {Page.SecureExports} */ (/** @type {unknown} */ (instance.exports));
	/** @type {(call: Page.SecureCall, given: Uint8Array, ...more: number[]) => Uint8Array | null} */
	const run = (call, given, ...more) => {
		new Uint8Array(exports.memory.buffer, exports.place(), given.length).set(given);
		const length = exports[call](given.length, ...more);
		return length < 0 ? null : new Uint8Array(exports.memory.buffer, exports.place(), length).slice();
	};
	return {exports, run};
}

/** What `enter` is given for the room of the vector. */
const asks = () =>
	Buffer.concat([
		text(bytes(made.server_public)),
		bytes(keys.client_private),
		bytes(keys.client_ephemeral),
		said(keys.config),
		said(keys.hello),
	]);

/** One that is in the room of the vector. */
async function enter() {
	const {exports, run} = await begin();
	assert.ok(run('link', said(made.link)));
	const asked = run('enter', asks(), said(keys.config).length);
	const welcome = run('entered', body(made.entered));
	run('own', text(new Uint8Array(32)));
	run('epoch', text(bytes(keys.epoch_secret)), EPOCH);
	return {exports, run, asked, welcome};
}

test('it makes byte for byte what the programs make of the same keys', async () => {
	const {run, asked, welcome} = await enter();
	assert.equal(hex(asked), hex(body(made.enter)));
	assert.equal(new TextDecoder().decode(welcome ?? undefined), keys.welcome);
	for (const sealed of made.private_to_server) assert.equal(hex(run('seal', said(keys.inside))), hex(body(sealed)));
	for (const sealed of made.private_to_client) assert.equal(hex(run('open', body(sealed))), hex(said(keys.inside)));
});

test('it opens frames, datagrams and parity that the programs have sealed, each once', async () => {
	const {run} = await enter();
	const frameBody = body(made.sealed_frame);
	const opened = run('sound', frameBody);
	assert.ok(opened);
	assert.equal(hex(opened.subarray(0, 23)), hex(frameBody.subarray(0, 23)));
	assert.equal(hex(opened.subarray(23)), '00'.repeat(32), 'the samples of the first frame are 0');
	assert.equal(run('sound', frameBody), null, 'a second time');
	const datagrams = made.sealed_datagrams.map((/** @type {string} */ datagram) => run('datagram', bytes(datagram)));
	datagrams.forEach((/** @type {Uint8Array | null} */ datagram, /** @type {number} */ n) => {
		assert.ok(datagram);
		const view = new DataView(datagram.buffer);
		assert.equal(view.getFloat32(28, true), n);
		assert.equal(datagram.length, 28 + 32);
		assert.equal(run('datagram', bytes(made.sealed_datagrams[n])), null, 'a second time');
	});
	/** @type {(parity: Uint8Array | null, ...of: Uint8Array[]) => void} */
	const restores = (parity, ...of) => {
		const plain = of.map((datagram) => Uint8Array.from(datagram, (byte, at) => (at === 3 ? 0 : byte)));
		const together = plain[0].map((_, at) => plain.reduce((xor, datagram) => xor ^ datagram[at], 0));
		assert.equal(hex(parity && parity.subarray(12)), hex(together.subarray(8)));
	};
	restores(run('datagram', bytes(made.sealed_parity_of_4)), ...datagrams);
	restores(run('datagram', bytes(made.sealed_parity_of_2)), datagrams[0], datagrams[1]);
	for (const parity of [made.sealed_parity_of_4, made.sealed_parity_of_2])
		assert.equal(run('datagram', bytes(parity)), null, 'a second time');
	const answer = Uint8Array.of(0xa3, 1, 2);
	assert.equal(hex(run('datagram', answer)), hex(answer), 'what is never sealed stays as it is');
});

/**
 * What somebody who knows a key seals: a header with another epoch and another number in it, and some bytes.
 * @param {string} key
 * @param {Uint8Array} header
 * @param {{epochAt: number, epoch: number, numberAt: number, number: number}} place
 */
function forged(key, header, {epochAt, epoch, numberAt, number}) {
	const open = header.slice();
	open[epochAt] = epoch;
	new DataView(open.buffer).setUint32(numberAt, number);
	const nonce = new Uint8Array(12);
	new DataView(nonce.buffer).setUint32(8, number);
	const cipher = createCipheriv('chacha20-poly1305', bytes(key), nonce, {authTagLength: 16});
	cipher.setAAD(open, {plaintextLength: 32});
	return new Uint8Array(Buffer.concat([open, cipher.update(new Uint8Array(32)), cipher.final(), cipher.getAuthTag()]));
}

test('where a newer epoch has begun an older one opens only what lies before it, and nothing once it is over', async () => {
	const older = EPOCH - 1;
	/** @type {[Page.SecureCall, (number: number, epoch?: number) => Uint8Array][]} */
	const ways = [
		[
			'sound',
			(number, epoch = older) =>
				forged(made.frame_key, body(made.sealed_frame).slice(0, 23), {epochAt: 2, epoch, numberAt: 11, number}),
		],
		[
			'datagram',
			(number, epoch = older) =>
				forged(made.sound_key, bytes(made.sealed_datagrams[0]).slice(0, 28), {epochAt: 3, epoch, numberAt: 4, number}),
		],
	];
	for (const [call, seal] of ways) {
		const {run} = await enter();
		run('epoch', text(bytes(keys.epoch_secret)), older);
		for (const number of [900, 902]) assert.ok(run(call, seal(number)), `${call} ${number}`);
		for (const number of [1001, 1000, 1002]) assert.ok(run(call, seal(number, EPOCH)), `${call} ${number}`);
		for (const number of [1000, 1003, 5000]) assert.equal(run(call, seal(number)), null, `${call} ${number}`);
		assert.ok(run(call, seal(901)), 'what is late');
		assert.equal(run('since', new Uint8Array(0), 256), null);
		assert.ok(run('since', new Uint8Array(0), EPOCH));
		assert.equal(run(call, seal(903)), null, 'it is over');
		assert.ok(run(call, seal(1003, EPOCH)), 'the newer one goes on');
	}
});

test('each bit that is changed and each cut is refused', async () => {
	const {run} = await enter();
	/** @type {[Page.SecureCall, Uint8Array][]} */
	const sealed = [
		['open', body(made.private_to_client[0])],
		['sound', body(made.sealed_frame)],
		['datagram', bytes(made.sealed_datagrams[0])],
		['datagram', bytes(made.sealed_parity_of_4)],
	];
	for (const [call, right] of sealed) {
		// A first byte that is no datagram's is that of something else.
		for (let bit = call === 'datagram' ? 8 : 0; bit < right.length * 8; bit += 1) {
			const changed = right.slice();
			changed[bit >> 3] ^= 1 << (bit & 7);
			assert.equal(run(call, changed), null, `${call}, bit ${bit}`);
		}
		for (let length = 1; length < right.length; length += 1) assert.equal(run(call, right.subarray(0, length)), null);
		assert.ok(run(call, right), `${call} is right in the end`);
	}
});

test('links, keys and lengths that are none are refused', async () => {
	const {exports, run} = await begin();
	assert.equal(run('open', body(made.private_to_client[0])), null, 'before the room is entered');
	for (const wrong of ['', made.link.slice(1), `${made.link}A`, `${made.link.slice(1)}+`, `${made.link.slice(1)}é`])
		assert.equal(run('link', said(wrong)), null, wrong);
	assert.equal(run('enter', asks(), said(keys.config).length), null, 'without a link');
	assert.ok(run('link', said(made.link)));
	assert.equal(run('enter', asks().subarray(0, 100), 7), null, 'too short');
	assert.equal(run('enter', asks(), 100_000), null, 'a config beyond the end');
	const other = asks();
	other.set(text(bytes(made.client_public)), 0);
	assert.equal(run('enter', other, said(keys.config).length), null, 'another server');
	assert.equal(run('entered', body(made.entered)), null, 'nothing was asked');
	assert.equal(run('epoch', text(bytes(keys.epoch_secret)), 7), null, 'before there are keys');
	assert.ok(run('own', text(new Uint8Array(32))));
	assert.equal(run('epoch', text(bytes(keys.epoch_secret)), 256), null);
	assert.equal(run('epoch', text(bytes(keys.room_secret)), 7), null);
	for (const length of [exports.room() + 1, 2 ** 31, 2 ** 32 - 1])
		assert.ok(exports.open(length) < 0, `${length} bytes`);
});

test('what was given is wiped where it stood', async () => {
	const {exports, run} = await begin();
	assert.ok(run('link', said(made.link)));
	const there = new Uint8Array(exports.memory.buffer, exports.place(), 43);
	assert.ok(there.every((byte) => byte === 0));
});

test('a new secret makes a new link to the same server', async () => {
	const {run} = await enter();
	const fragment = Buffer.from(run('secret', text(bytes(keys.room_secret).reverse())) ?? []).toString();
	const raw = Buffer.from(fragment, 'base64url');
	assert.equal(fragment.length, 43);
	assert.equal(hex(raw), hex(bytes(keys.room_secret).reverse()) + made.server_name);
});

test('a QR code has the three corners that scanners look for', async () => {
	const inside = await (await compile(MODULE)).come(made.link);
	const rows = inside.code(`http://192.168.1.100:8080/?port=6000#${made.link}`);
	assert.ok(rows.length >= 29 && rows.every((row) => row.length === rows.length));
	const last = rows.length - 7;
	for (const [y, x] of [
		[0, 0],
		[0, last],
		[last, 0],
	])
		assert.deepEqual(
			rows.slice(y, y + 7).map((row) => row.subarray(x, x + 7).join('')),
			['1111111', '1000001', '1011101', '1011101', '1011101', '1000001', '1111111'],
		);
	assert.deepEqual(inside.code('x'.repeat(5_000)), [], 'what fits no code');
});

test('whatever a server says, the page takes it for sealed or for a violation', async () => {
	const secure = await compile(MODULE);
	await assert.rejects(secure.come('A'.repeat(42)), (error) =>
		/only a part of a link/.test(secure.whyNot(error) ?? ''),
	);
	const inside = await secure.come(made.link);
	/** @type {(room: unknown) => ArrayBuffer} */
	const config = (room) => {
		const json = said(JSON.stringify({auralync: {version: 3, room}}));
		const plain = new DataView(new ArrayBuffer(4 + json.length));
		plain.setUint32(0, json.length);
		new Uint8Array(plain.buffer).set(json, 4);
		return plain.buffer;
	};
	const hello = frame(Kind.hello, 2).buffer;
	for (const room of [undefined, null, {}, {key: 7}, {key: 'A'}, {key: '!'.repeat(43)}])
		assert.throws(() => inside.enter(config(room), hello), Violation);
	const other = Buffer.from(bytes(made.client_public)).toString('base64url');
	assert.throws(
		() => inside.enter(config({key: other}), hello),
		(error) => /Another server answers here/.test(secure.whyNot(error) ?? ''),
	);
	const own = Buffer.from(bytes(made.server_public)).toString('base64url');
	const asked = new Uint8Array(inside.enter(config({key: own}), hello));
	assert.equal(asked[4], Kind.enter);
	for (const kind of [Kind.entered, Kind.welcome, Kind.audio, Kind.pong, Kind.people, Kind.private, Kind.notice])
		for (const length of [0, 1, 100, 300_000])
			assert.throws(() => inside.answered(frame(kind, length).buffer), Violation, `${kind}, ${length} bytes`);
	for (const kind of [Kind.audio, Kind.welcome, Kind.notice, Kind.private, Kind.sealed])
		for (const length of [0, 1, 23, 24, 40, 300_000])
			assert.throws(() => inside.open(frame(kind, length).buffer), Violation, `${kind}, ${length} bytes`);
	assert.equal(inside.openDatagram(Uint8Array.of(0xa1, 0, 0).buffer), null);
	assert.equal(read(frame(Kind.sealed, 30).buffer), null, 'openly it means nothing');
});
