import assert from 'node:assert/strict';
import test from 'node:test';

import {endOf, fullMeans, whyRefused} from '../../web/refusal.js';

const URL_OF_SOUND = 'wss://music.example/aura/listen';
const PAGE = 'https://music.example';

/** @param {number} status @param {string} body @param {string} type */
function answering(status, body, type = 'text/plain; charset=utf-8') {
	/** @type {[url: string, page: string | null][]} */
	const asked = [];
	/** @type {typeof fetch} */
	const ask = async (url, init) => {
		asked.push([String(url), new Headers(init?.headers).get('AuraLync-Page')]);
		return new Response(body, {status, headers: {'Content-Type': type}});
	};
	return {asked, ask};
}

test('a refusal is the sentence of the server, asked for beside the WebSocket', async () => {
	const {asked, ask} = answering(403, 'This address may not listen here.\n');
	assert.deepEqual(await whyRefused(URL_OF_SOUND, PAGE, ask), {
		refuses: true,
		says: 'This address may not listen here.',
	});
	assert.deepEqual(asked, [['https://music.example/aura/may-listen', PAGE]]);
});

test('where the server has nothing against it, it is the way to the server', async () => {
	const why = await whyRefused(URL_OF_SOUND, PAGE, answering(200, 'This page may listen.').ask);
	assert.equal(why?.refuses, false);
	assert.match(why.says, /a proxy must pass WebSockets on/);
});

test('a page of another server, an empty answer and none at all say nothing', async () => {
	assert.equal(await whyRefused(URL_OF_SOUND, PAGE, answering(502, '<html>Bad Gateway', 'text/html').ask), null);
	assert.equal(await whyRefused(URL_OF_SOUND, PAGE, answering(403, ' \n').ask), null);
	assert.equal(await whyRefused(URL_OF_SOUND, PAGE, () => Promise.reject(new TypeError('no'))), null);
	const why = await whyRefused(URL_OF_SOUND, PAGE, answering(503, 'x'.repeat(9_999)).ask);
	assert.equal(why?.says.length, 300);
});

test('a page comes back by itself unless a person has sent it away', () => {
	const reasons = ['stopping', 'captured', 'violation', 'replaced', 'removed'];
	const ends = reasons.map((reason) => endOf({reason, text: 'why'}));
	assert.deepEqual(
		reasons.filter((_, n) => ends[n]?.comesBack),
		['stopping', 'captured', 'violation'],
	);
	const says = (/** @type {string} */ reason, text = '') => endOf({reason, text})?.says ?? '';
	assert.match(says('captured'), /another output/);
	assert.match(says('violation', 'a frame too long'), /: a frame too long$/);
	assert.equal(new Set(reasons.map((reason) => says(reason))).size, ends.length);
	for (const reason of ['playout_delay', 'muted', 'unmuted', 'of tomorrow']) assert.equal(endOf({reason}), null);
});

test('a full server and a full address are told apart', () => {
	assert.equal(fullMeans('server full'), 'The server is full. Asking again every 10 seconds.');
	assert.match(fullMeans('too many listeners from your address'), /^Too many listen from your address\. /);
});
