import assert from 'node:assert/strict';
import test from 'node:test';

import {Frames, MOST_SAID, Sayings} from '../../web/by-fetch.js';
import {secureAddress} from '../../web/secure-page.js';

/** @param {number} kind @param {number[]} body */
function frame(kind, body) {
	const bytes = new Uint8Array(5 + body.length);
	new DataView(bytes.buffer).setUint32(0, 0x8000_0000 + 1 + body.length);
	bytes.set([kind, ...body], 4);
	return bytes;
}

test('frames are the same wherever the answer is cut', () => {
	const all = [frame(2, [1, 2, 3]), frame(5, []), frame(3, Array(300).fill(7))];
	const bytes = Uint8Array.from(all.flatMap((one) => [...one]));
	for (let cut = 0; cut <= bytes.length; cut += 1) {
		const frames = new Frames();
		const heard = [...(frames.push(bytes.slice(0, cut)) ?? []), ...(frames.push(bytes.slice(cut)) ?? [])];
		assert.deepEqual(
			heard.map((one) => new Uint8Array(one)),
			all,
		);
	}
});

test('a length that no frame has ends it', () => {
	assert.equal(new Frames().push(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1)), null);
});

test('what waits goes into requests in its order, none of which is too long', async () => {
	const sayings = new Sayings();
	const sizes = [10, MOST_SAID - 10, 1, MOST_SAID, 5];
	sizes.forEach((size, n) => assert.ok(sayings.push(new Uint8Array(size).fill(n).buffer)));
	/** @type {number[][]} */
	const taken = [];
	for (let body = sayings.take(); body; body = sayings.take()) {
		assert.ok(body.size <= MOST_SAID);
		taken.push([...new Set(new Uint8Array(await body.arrayBuffer()))]);
	}
	assert.deepEqual(taken, [[0, 1], [2], [3], [4]]);
});

test('what nobody takes does not grow without end', () => {
	const sayings = new Sayings();
	let count = 0;
	while (count < 1_000 && sayings.push(new ArrayBuffer(MOST_SAID))) count += 1;
	assert.ok(count < 10, String(count));
});

test('the encrypted page is at the same name, and the link of a private room goes with it', async () => {
	const here = {href: 'http://pc.lan:8080/?port=6000', hostname: 'pc.lan', search: '?port=6000'};
	/** @param {number} status @param {string} body @returns {typeof fetch} */
	const answering = (status, body) => async (url) => {
		assert.equal(String(url), 'http://pc.lan:8080/secure.json');
		return new Response(body, {status});
	};
	const found = answering(200, '{"port": 8443}');
	assert.equal(await secureAddress(here, found, 'key'), 'https://pc.lan:8443/?port=6000#key');
	assert.equal(await secureAddress(here, found, ''), 'https://pc.lan:8443/?port=6000');
	for (const [status, body] of /** @type {[number, string][]} */ ([
		[404, '{"port": 8443}'],
		[200, '{"port": "8443/evil"}'],
		[200, '{"port": 0}'],
		[200, '{"port": null}'],
		[200, 'no'],
	]))
		assert.equal(await secureAddress(here, answering(status, body), ''), null, body);
});
