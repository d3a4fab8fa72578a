// Bytes ⇄ messages of protocol version 3 (docs/protocol.md). No socket, no clock.
// On a WebSocket each binary message is exactly one typed frame.

export const VERSION = 3;

export const Kind = {
	hello: 1,
	welcome: 2,
	audio: 3,
	ping: 4,
	pong: 5,
	report: 6,
	notice: 7,
	talk: 8,
	wish: 9,
	people: 10,
	changes: 11,
	path: 12,
	offer: 13,
	answer: 14,
	enter: 16,
	entered: 17,
	private: 18,
	sealed: 19,
	epochs: 20,
};

// Limits of docs/protocol.md, by its names.
export const MAX_SERVER_FRAME = 262_168;
export const MAX_JSON = 16_384;
export const MAX_STREAM_RATE = 192_000;
export const MAX_STREAM_CHANNELS = 2;
export const MAX_PLAYOUT_DELAY_MS = 10_000;

export const TYPED = 0x8000_0000;
export const HEADER = 5;
const AUDIO_HEADER = 28;
const MAX_SAMPLE = 16;
const OPUS_RATE = 48_000;

// Times and positions at and above 2⁶² have one of these bits.
const TWO_BITS = 0x4000_0000;

export const REASONS = [
	'stopping',
	'replaced',
	'captured',
	'stalled',
	'violation',
	'removed',
	'muted',
	'unmuted',
	'playout_delay',
	'may_not_talk',
	'wrong_key',
	'waiting',
	'not_let_in',
];

/** The server broke the protocol; the message says how. */
export class Violation extends Error {}

/** @type {{[codec: string]: {bytes: number, read: (view: DataView, at: number) => number}}} */
const SAMPLES = {
	f32: {bytes: 4, read: (view, at) => sane(view.getFloat32(at, true))},
	s24: {bytes: 3, read: (view, at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 65_536) / 8_388_607},
	s16: {bytes: 2, read: (view, at) => view.getInt16(at, true) / 32_767},
};

/** @param {number} sample */
function sane(sample) {
	return Number.isFinite(sample) ? Math.min(MAX_SAMPLE, Math.max(-MAX_SAMPLE, sample)) : 0;
}

/** @param {number} kind @param {number} bodyBytes */
export function frame(kind, bodyBytes) {
	const view = new DataView(new ArrayBuffer(HEADER + bodyBytes));
	view.setUint32(0, TYPED + 1 + bodyBytes);
	view.setUint8(4, kind);
	return view;
}

/** @param {number} kind @param {object} message */
export function jsonFrame(kind, message) {
	const body = new TextEncoder().encode(JSON.stringify(message));
	const view = frame(kind, body.length);
	new Uint8Array(view.buffer).set(body, HEADER);
	return view.buffer;
}

/** @param {Wire.Hello} hello */
export function hello({version = VERSION, id, name, codecs, talk}) {
	return jsonFrame(Kind.hello, {version, id, name, codecs, talk});
}

/** @param {number | bigint} clientUs */
export function ping(clientUs) {
	const view = frame(Kind.ping, 8);
	view.setBigUint64(HEADER, BigInt(clientUs));
	return view.buffer;
}

/**
 * Whether that is the config of a private room, the only frame without a kind that comes over a WebSocket.
 * @param {ArrayBuffer} bytes
 */
export function isConfig(bytes) {
	return bytes.byteLength > 4 && new DataView(bytes).getUint32(0) === bytes.byteLength - 4;
}

/**
 * Reads one frame; null for what is skipped. Samples and people are still bytes.
 * @param {ArrayBuffer} bytes
 * @returns {Wire.Message | null}
 */
export function read(bytes) {
	const view = new DataView(bytes);
	if (bytes.byteLength < HEADER) throw new Violation('a frame is too short');
	const length = view.getUint32(0) - TYPED;
	if (length < 1) throw new Violation('a plain frame where only typed ones may come');
	if (length > MAX_SERVER_FRAME || length + 4 !== bytes.byteLength) throw new Violation('a frame has a wrong length');
	switch (view.getUint8(4)) {
		case Kind.welcome:
			return welcome(json(bytes));
		case Kind.audio:
			return audio(view);
		case Kind.pong:
			return pong(view);
		case Kind.notice:
			return notice(json(bytes));
		case Kind.people:
			return {kind: 'people', bytes, changes: []};
		case Kind.changes:
			return {kind: 'changes', bytes};
		case Kind.answer:
			return {kind: 'answer', bytes};
		default:
			return null;
	}
}

/**
 * The JSON of a frame, from its byte `at` on.
 * @param {ArrayBuffer} bytes
 * @returns {Wire.Json}
 */
export function json(bytes, most = MAX_JSON, at = HEADER) {
	if (bytes.byteLength - at > most) throw new Violation('JSON beyond its limit');
	try {
		const message = JSON.parse(new TextDecoder('utf-8', {fatal: true}).decode(bytes.slice(at)));
		if (message && typeof message === 'object' && !Array.isArray(message)) return message;
	} catch {
		/* said below */
	}
	throw new Violation('unreadable JSON');
}

/** @param {unknown} value @param {number} least @param {number} most @param {string} name @returns {number} */
export function whole(value, least, most, name) {
	if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
		throw new Violation(`${name} is missing or wrong`);
	return value;
}

/** @param {unknown} value */
export function text(value) {
	return typeof value === 'string' ? value.replace(/[\u0000-\u001f\u007f-\u009f]/g, '').slice(0, 300) : '';
}

/** @param {Wire.Json} said @returns {Wire.Welcome} */
function welcome(said) {
	if (typeof said.session !== 'string' || !said.session) throw new Violation('session is missing');
	const isOpus = said.codec === 'opus';
	if (!isOpus && !Object.hasOwn(SAMPLES, said.codec))
		throw new Violation('the server chose a codec that was not offered');
	return {
		kind: 'welcome',
		version: whole(said.version, 1, VERSION, 'version'),
		session: said.session,
		name: text(said.name).slice(0, 64),
		rate: whole(said.format?.sample_rate, 1, MAX_STREAM_RATE, 'sample_rate'),
		channels: whole(said.format?.channels, 1, MAX_STREAM_CHANNELS, 'channels'),
		codec: said.codec,
		positionRate: whole(
			said.position_rate,
			isOpus ? OPUS_RATE : 1,
			isOpus ? OPUS_RATE : MAX_STREAM_RATE,
			'position_rate',
		),
		algorithmicDelay: whole(said.algorithmic_delay ?? 0, 0, MAX_STREAM_RATE, 'algorithmic_delay'),
		playoutDelayMs: whole(said.playout_delay_ms, 0, MAX_PLAYOUT_DELAY_MS, 'playout_delay_ms'),
		pingMs: Math.min(10_000, Math.max(100, whole(said.ping_ms, 0, 2 ** 32, 'ping_ms'))),
		withinMs: whole(said.within_ms ?? 0, 0, 2 ** 32, 'within_ms'),
		person: said.person ?? null,
		longestTalk: said.accepts?.[Kind.talk] ?? 0,
		mayOffer: Kind.offer in (said.accepts ?? {}),
	};
}

/** @param {DataView<ArrayBuffer>} view @returns {Wire.Audio} */
function audio(view) {
	if (view.byteLength <= AUDIO_HEADER) throw new Violation('a frame of sound is too short');
	/** @type {Wire.Audio} */
	const message = {
		kind: 'audio',
		broken: (view.getUint8(5) & 1) === 1,
		frames: whole(view.getUint32(8), 1, MAX_SERVER_FRAME, 'frames'),
		position: Number(view.getBigUint64(12)),
		capturedUs: Number(view.getBigUint64(20)),
		payload: new DataView(view.buffer, AUDIO_HEADER),
	};
	// Numbers of 2⁵³ and more are rounded, so it is the bits that tell.
	if (view.getUint32(12) >= TWO_BITS || view.getUint32(20) >= TWO_BITS)
		throw new Violation('a position or time beyond 2⁶²');
	return message;
}

/**
 * The samples of an `audio` message, one Float32Array per channel.
 * @param {{frames: number, payload: DataView}} message
 * @param {string} codec
 * @param {number} channels
 * @returns {Channels}
 */
export function samples({frames, payload}, codec, channels) {
	const {bytes, read: sampleAt} = SAMPLES[codec];
	if (payload.byteLength !== frames * channels * bytes)
		throw new Violation('a frame of sound is not as long as it says');
	return Array.from({length: channels}, (_, channel) => {
		const out = new Float32Array(frames);
		for (let at = channel * bytes, frame = 0; frame < frames; frame += 1, at += channels * bytes) {
			out[frame] = sampleAt(payload, at);
		}
		return out;
	});
}

/** @param {DataView} view @returns {Wire.Pong} */
function pong(view) {
	if (view.byteLength < HEADER + 24) throw new Violation('a pong is too short');
	const [clientUs, receivedUs, sentUs] = [0, 8, 16].map((at) => Number(view.getBigUint64(HEADER + at)));
	return {kind: 'pong', clientUs, receivedUs, sentUs};
}

/** @param {Wire.Json} said @returns {Wire.Notice | null} */
function notice(said) {
	if (typeof said.reason !== 'string') throw new Violation('a notice without a reason');
	if (!REASONS.includes(said.reason)) return null;
	/** @type {Wire.Notice} */
	const message = {kind: 'notice', reason: said.reason, text: text(said.text)};
	if (said.reason === 'playout_delay') {
		if (said.playout_delay_ms === undefined) return null;
		message.playoutDelayMs = whole(said.playout_delay_ms, 0, MAX_PLAYOUT_DELAY_MS, 'playout_delay_ms');
		message.fromUs = whole(said.from_us ?? 0, 0, 2 ** 62, 'from_us');
	}
	return message;
}
