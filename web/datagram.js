// Bytes ⇄ datagrams of docs/protocol.md, as they come over a data channel. No channel, no clock.

/** First bytes of datagrams. */
export const Kind = {sound: 0xa1, answer: 0xa3, ask: 0xa4};

// Limits of docs/protocol.md, by its names.
export const MAX_DATAGRAM = 1_200;
export const MAX_STRETCHES = 16;

// Numbers that one stretch names at most.
const STRETCH = 33;

const SOUND_HEADER = 28;
const ANSWER = 28;
const ASK_HEADER = 36;
const WANTED = 1;

// Times and positions at and above 2⁶² have one of these bits.
const TWO_BITS = 0x4000_0000;

/**
 * Reads a server's datagram; null for what is skipped.
 * @param {ArrayBuffer} bytes
 * @returns {Wire.Datagram | null}
 */
export function read(bytes) {
	const view = new DataView(bytes);
	if (bytes.byteLength > MAX_DATAGRAM || bytes.byteLength < ANSWER) return null;
	switch (view.getUint8(0)) {
		case Kind.sound:
			return sound(view);
		case Kind.answer:
			return {kind: 'answer', clientUs: Number(view.getBigUint64(12))};
		default:
			return null;
	}
}

/** @param {DataView<ArrayBuffer>} view @returns {Wire.Piece | null} */
function sound(view) {
	const frames = view.getUint16(8);
	if (frames === 0 || view.getUint32(12) >= TWO_BITS || view.getUint32(20) >= TWO_BITS) return null;
	return {
		kind: 'sound',
		stream: view.getUint8(2),
		number: view.getUint32(4),
		audio: {
			kind: 'audio',
			broken: (view.getUint8(1) & 1) === 1,
			frames,
			position: Number(view.getBigUint64(12)),
			capturedUs: Number(view.getBigUint64(20)),
			payload: new DataView(view.buffer, SOUND_HEADER),
		},
	};
}

/**
 * Asks for sound by datagram, and for `numbers` of `stream` again, of which it names the first that fit.
 * @param {number} stream
 * @param {number[]} numbers
 * @param {number} clientUs
 */
export function ask(stream, numbers, clientUs) {
	/** @type {{first: number, mask: number}[]} */
	const stretches = [];
	for (const number of numbers) {
		const last = stretches.at(-1);
		const behind = last ? (number - last.first) >>> 0 : STRETCH;
		if (last && behind < STRETCH) {
			if (behind > 0) last.mask |= 1 << (behind - 1);
		} else if (stretches.length < MAX_STRETCHES) stretches.push({first: number, mask: 0});
		else break;
	}
	const view = new DataView(new ArrayBuffer(ASK_HEADER + 8 * stretches.length));
	view.setUint8(0, Kind.ask);
	view.setUint8(1, WANTED);
	view.setUint8(2, stream);
	view.setBigUint64(28, BigInt(Math.round(clientUs)));
	stretches.forEach(({first, mask}, n) => {
		view.setUint32(ASK_HEADER + 8 * n, first);
		view.setUint32(ASK_HEADER + 8 * n + 4, mask);
	});
	return view.buffer;
}

/**
 * The number that `low` is the lower half of, nearest to `near`.
 * @param {number} near
 * @param {number} low
 */
export function nearest(near, low) {
	const forward = (low - near) >>> 0;
	return forward < 2 ** 31 ? near + forward : near - (2 ** 32 - forward);
}
