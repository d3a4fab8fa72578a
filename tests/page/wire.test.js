// The page's reading and writing, against the same golden vectors as the programs'.
import assert from 'node:assert/strict';
import {readdirSync, readFileSync} from 'node:fs';
import {test} from 'node:test';

import * as room from '../../web/wire-room.js';
import * as wire from '../../web/wire.js';

const VECTORS = new URL('../vectors/', import.meta.url);

/** @type {(buffer: Buffer<ArrayBuffer>) => ArrayBuffer} */
const exact = (buffer) => buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.length);
/** @type {(name: string) => ArrayBuffer} */
const bytesOf = (name) => exact(readFileSync(new URL(`${name}.bin`, VECTORS)));
/** @type {(name: string) => Test.Step} */
const meaningOf = (name) => {
	const text = readFileSync(new URL(`${name}.json`, VECTORS), 'utf8');
	const meaning = JSON.parse(text);
	// JSON.parse cannot hold all 64 bits of a ping's time.
	if (meaning.message === 'ping') meaning.fields.client_us = BigInt(text.match(/"client_us": (\d+)/)?.[1] ?? 'none');
	return meaning;
};
const names = readdirSync(VECTORS)
	.filter((file) => file.endsWith('.json'))
	.map((file) => file.slice(0, -5));
/** @type {(buffer: ArrayBuffer) => string} */
const hex = (buffer) => Buffer.from(buffer).toString('hex');

/**
 * Of what kind is read, each message says.
 * @type {{[message: string]: (read: any, fields: Wire.Json) => void}}
 */
const READERS = {
	welcome(read, {format, ...fields}) {
		assert.deepEqual(read, {
			kind: 'welcome',
			version: fields.version,
			session: fields.session,
			name: fields.name,
			rate: format.sample_rate,
			channels: format.channels,
			codec: fields.codec,
			positionRate: fields.position_rate,
			algorithmicDelay: fields.algorithmic_delay,
			playoutDelayMs: fields.playout_delay_ms,
			withinMs: fields.within_ms ?? 0,
			pingMs: fields.ping_ms,
			person: fields.person ?? null,
			longestTalk: fields.accepts['8'] ?? 0,
			mayOffer: '13' in fields.accepts,
		});
	},
	audio(read, fields) {
		assert.equal(read.broken, (fields.flags & 1) === 1);
		assert.deepEqual(
			[read.frames, read.position, read.capturedUs],
			[fields.frames, fields.position, fields.captured_us],
		);
		const channels = wire.samples(read, fields.codec ?? 'f32', fields.channels);
		channels.forEach((samples, channel) => {
			const expected = fields.samples.filter(
				(/** @type {number} */ _, /** @type {number} */ n) => n % fields.channels === channel,
			);
			assert.deepEqual(samples, Float32Array.from(expected));
		});
	},
	pong(read, fields) {
		assert.deepEqual(
			[read.clientUs, read.receivedUs, read.sentUs],
			[fields.client_us, fields.received_us, fields.sent_us],
		);
	},
	answer(read, fields) {
		assert.deepEqual(wire.json(read.bytes), fields);
	},
	notice(read, fields) {
		assert.equal(read.reason, fields.reason);
		if (fields.reason === 'playout_delay') {
			assert.deepEqual([read.playoutDelayMs, read.fromUs], [fields.playout_delay_ms, fields.from_us]);
		}
	},
	people(read, {you, people}) {
		/** @param {Wire.Json} person */
		const meant = ({person, name, ...is}) => ({
			person,
			name,
			canTalk: is.can_talk,
			isMuted: is.is_muted,
			isDeaf: is.is_deaf,
			isSpeaking: is.is_speaking,
		});
		assert.deepEqual(room.people(read), {you, people: people.map(meant), elsewhere: 0});
	},
};

test('how many more listen at other servers is read where it is said, and stays through changes', () => {
	const said = {you: 1, people: [], elsewhere: 1204};
	const frame = wire.jsonFrame(wire.Kind.people, said);
	const read = wire.read(frame);
	assert.ok(read?.kind === 'people');
	assert.equal(room.people(read).elsewhere, 1204);
	read.changes.push(wire.jsonFrame(wire.Kind.changes, {people: [], left: [7]}));
	assert.equal(room.people(read).elsewhere, 1204);
});

READERS.changes = (read, {people, left}) => {
	const before = wire.read(bytesOf('039-people'));
	assert.ok(before?.kind === 'people');
	/** @type {Wire.People} */
	const both = {kind: 'people', bytes: before.bytes, changes: [read.bytes]};
	const known = room.people(both).people;
	assert.deepEqual(room.changes(read).left, left);
	for (const {person, name} of people) assert.equal(known.find((each) => each.person === person)?.name, name);
	for (const person of left)
		assert.equal(
			known.some((each) => each.person === person),
			false,
		);
};

/** @param {Test.Step} step @param {ArrayBuffer} bytes */
function assertReads(step, bytes) {
	const read = wire.read(bytes);
	// A page asks for no other codec while it plays, and so hears of none; epochs come sealed, and by-fetch.js reads
	// what closes.
	const unknown =
		['unknown', 'switch', 'epochs', 'closed'].includes(step.message)
		|| (step.message === 'notice' && !wire.REASONS.includes(step.fields.reason));
	if (unknown) assert.equal(read, null);
	else READERS[step.message](read, step.fields);
}

/** @type {{[message: string]: (fields: Wire.Json) => ArrayBuffer}} */
const WRITERS = {
	hello: ({version, id, name, codecs, talk}) => wire.hello({version, id, name, codecs, talk}),
	offer: ({sdp}) => wire.jsonFrame(wire.Kind.offer, {sdp}),
	ping: (fields) => wire.ping(fields.client_us),
	talk({flags, position, captured_us: capturedUs, samples}) {
		return room.talk(
			{flags, position, capturedUs},
			samples.length,
			room.packed(Float32Array.from(samples), () => 0),
		);
	},
	wish: (fields) => room.wish(fields),
};

/** @param {Test.Step} step @param {ArrayBuffer} bytes */
function assertWrites(step, bytes) {
	if (step.message === 'report') {
		// JSON has more than one way to write 10.
		/** @type {(buffer: ArrayBuffer) => unknown} */
		const json = (buffer) => JSON.parse(Buffer.from(buffer).subarray(5).toString());
		assert.deepEqual(json(room.report(/** @type {Wire.Report} */ (step.fields))), json(bytes));
	} else {
		assert.equal(hex(WRITERS[step.message](step.fields)), hex(bytes));
	}
}

/**
 * Browsers have no sockets for datagrams, and JSON in them no numbers of 62 bits.
 * @type {(step: Test.Step) => boolean}
 */
const isOfThePage = ({from, message, fields}) =>
	from === 'server' || (message !== 'path' && fields?.datagrams === undefined);

/** @type {(name: string) => boolean} */
const first = (name) => ['config', 'server_full', 'address_full', 'plain_audio'].includes(meaningOf(name).message);

for (const name of names.filter((each) => each !== '001-session' && !first(each))) {
	const step = meaningOf(name);
	const isOurs = step.from === 'client';
	if (isOurs && (step.read_only || step.message === 'unknown' || !isOfThePage(step))) continue;
	test(`vector ${name} is ${isOurs ? 'written' : 'read'} as the programs do`, () => {
		if (isOurs) assertWrites(step, bytesOf(name));
		else assertReads(step, bytesOf(name));
	});
}

test('the typed frames of the whole session are read and written as they stand', () => {
	const all = new DataView(bytesOf('001-session'));
	const steps = meaningOf('001-session').steps ?? [];
	let at = 0;
	for (const step of steps) {
		const length = all.getUint32(at);
		const end = at + 4 + (length & 0x7fff_ffff);
		const bytes = all.buffer.slice(at, end);
		// What only programs say by a way of their own the page does not write.
		const isOurs = length >= 0x8000_0000 && isOfThePage(step);
		if (isOurs) (step.from === 'client' ? assertWrites : assertReads)(step, bytes);
		at = end;
	}
	assert.equal(at, all.byteLength);
});

test('the hex session of docs/protocol.md is vector 001', () => {
	const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
	const session = page.slice(page.indexOf('## A session'));
	const lines = session
		.slice(session.indexOf('```') + 3)
		.split('```')[0]
		.split('\n');
	const shown = lines.filter((line) => /^[SC]  /.test(line)).map((line) => line.slice(3, 51).replaceAll(' ', ''));
	assert.equal(shown.join(''), hex(bytesOf('001-session')));
});

test('the limits are those of docs/protocol.md', () => {
	const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
	const {MAX_SERVER_FRAME, MAX_JSON, MAX_STREAM_RATE, MAX_STREAM_CHANNELS, MAX_PLAYOUT_DELAY_MS} = wire;
	const {MAX_TALK_BYTES, MAX_NAME, MAX_PEOPLE, MAX_PEOPLE_BYTES, MAX_VOLUME_PERCENT} = room;
	const limits = {
		...{MAX_SERVER_FRAME, MAX_JSON, MAX_STREAM_RATE, MAX_STREAM_CHANNELS, MAX_PLAYOUT_DELAY_MS},
		...{MAX_TALK_BYTES, MAX_NAME, MAX_PEOPLE, MAX_PEOPLE_BYTES, MAX_VOLUME_PERCENT},
	};
	for (const [name, limit] of Object.entries(limits)) {
		const [, value = 'missing'] = page.match(new RegExp(`\\| \`${name}\` \\| ([\\d,]+) \\|`)) ?? [];
		assert.equal(limit, Number(value.replaceAll(',', '')), name);
	}
});

test('samples of every codec are read to the last bit, and wrong ones are made harmless', () => {
	const payload = (/** @type {number[]} */ bytes) => ({
		frames: 2,
		payload: new DataView(Uint8Array.from(bytes).buffer),
	});
	assert.deepEqual(wire.samples(payload([0xff, 0x7f, 0x01, 0x80]), 's16', 1), [Float32Array.of(1, -1)]);
	const s24 = wire.samples(payload([0xff, 0xff, 0x7f, 0x01, 0x00, 0x80]), 's24', 1);
	assert.deepEqual(s24, [Float32Array.of(1, -1)]);
	const f32 = wire.samples(payload([0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0x7f]), 'f32', 1);
	assert.deepEqual(f32, [Float32Array.of(0, 0)]);
	const loud = wire.samples(payload([0, 0, 0xc8, 0x42, 0, 0, 0xc8, 0xc2]), 'f32', 1);
	assert.deepEqual(loud, [Float32Array.of(16, -16)]);
});

test('what a microphone hears is rounded with a dither, and clipped', () => {
	const said = (/** @type {number[]} */ samples) => new DataView(room.packed(Float32Array.from(samples)).buffer);
	const loud = said([2, -2]);
	assert.deepEqual([loud.getInt16(0, true), loud.getInt16(2, true)], [32_767, -32_768]);
	const silent = said(new Array(1_000).fill(0));
	const steps = Array.from({length: 1_000}, (_, n) => silent.getInt16(2 * n, true));
	assert.ok(steps.every((step) => Math.abs(step) <= 1) && new Set(steps).size === 3);
});

test('nothing that a server may send does anything but be read or be refused', () => {
	let state = 1;
	const random = (/** @type {number} */ below) => {
		state = (state * 48_271) % 2_147_483_647;
		return state % below;
	};
	const typed = names.filter((name) => name !== '001-session').map(bytesOf);
	for (let n = 0; n < 20_000; n += 1) {
		const bytes = new Uint8Array(typed[random(typed.length)].slice(0));
		for (let change = random(4); change >= 0; change -= 1) bytes[random(bytes.length)] = random(256);
		try {
			const read = wire.read(bytes.buffer.slice(0, random(4) ? bytes.length : random(bytes.length)));
			if (read?.kind === 'people') room.people(read);
			if (read?.kind === 'changes') room.changes(read);
			if (read?.kind === 'audio') wire.samples(read, ['f32', 's24', 's16'][random(3)], 1 + random(2));
		} catch (error) {
			assert.ok(error instanceof wire.Violation, `${hex(bytes.buffer)}: ${error}`);
		}
	}
});
