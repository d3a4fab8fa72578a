// Opus packets through the page's decoders.
//
// usage: node decode.js PACKETS SAMPLES    with the programs' own, web/opus.wasm
//
// PACKETS: for each packet of 20 ms in stereo its length, big-endian in two bytes, and its bytes.
// SAMPLES: float32 of this machine, interleaved.

import {readFileSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';

/**
 * The packets of such a file, as lists of bytes.
 * @param {Buffer} file
 */
export function packetsOf(file) {
	/** @type {number[][]} */
	const packets = [];
	for (let at = 0; at < file.length; ) {
		const length = file.readUInt16BE(at);
		packets.push([...file.subarray(at + 2, at + 2 + length)]);
		at += 2 + length;
	}
	return packets;
}

/**
 * Runs here and in a browser, so it uses nothing but what it is given.
 * @param {[from: string, packets: number[][], wasm?: BufferSource]} what
 */
export async function decodeAll([from, packets, wasm]) {
	const FRAMES = 960;
	/** @type {typeof import('../../web/opus.js')} */
	const {load, compile} = await import(from);
	const make = wasm ? await compile(wasm) : await load();
	/** @type {Channels[]} */
	const pieces = [];
	const decoder = make(2, (_, channels) => pieces.push(channels));
	packets.forEach((bytes, n) => {
		const payload = new DataView(Uint8Array.from(bytes).buffer);
		decoder.take({kind: 'audio', position: n * FRAMES, capturedUs: n * 2e4, frames: FRAMES, broken: false, payload});
	});
	const deadline = performance.now() + 10_000;
	while (pieces.length < packets.length && performance.now() < deadline) {
		await new Promise((wake) => {
			setTimeout(wake, 10);
		});
	}
	return pieces.flatMap(([left, right]) => [...left].flatMap((sample, n) => [sample, right[n]]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const [packets, into] = process.argv.slice(2);
	const wasm = readFileSync(new URL('../../web/opus.wasm', import.meta.url));
	const decoded = await decodeAll([
		new URL('../../web/opus.js', import.meta.url).href,
		packetsOf(readFileSync(packets)),
		wasm,
	]);
	writeFileSync(into, Float32Array.from(decoded));
}
