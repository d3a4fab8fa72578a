import assert from 'node:assert/strict';
import test from 'node:test';

import {endOf, fullMeans, whyRefused} from '../../web/refusal.js';

const URL_OF_SOUND = 'wss://music.example/aura/listen';
const PAGE = 'https://music.example';

function answering(status, body, type = 'text/plain; charset=utf-8') {
	const asked = [];
	const ask = async (url, {headers}) => {
		asked.push([url, headers['AuraLync-Page']]);
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
	const {refuses, says} = await whyRefused(URL_OF_SOUND, PAGE, answering(200, 'This page may listen.').ask);
	assert.equal(refuses, false);
	assert.match(says, /a proxy must pass WebSockets on/);
});

test('a page of another server, an empty answer and none at all say nothing', async () => {
	assert.equal(await whyRefused(URL_OF_SOUND, PAGE, answering(502, '<html>Bad Gateway', 'text/html').ask), null);
	assert.equal(await whyRefused(URL_OF_SOUND, PAGE, answering(403, ' \n').ask), null);
	assert.equal(await whyRefused(URL_OF_SOUND, PAGE, () => Promise.reject(new TypeError('no'))), null);
	const {says} = await whyRefused(URL_OF_SOUND, PAGE, answering(503, 'x'.repeat(9_999)).ask);
	assert.equal(says.length, 300);
});

test('a page comes back by itself unless a person has sent it away', () => {
	const ends = ['stopping', 'captured', 'violation', 'replaced', 'removed'].map((reason) => [
		reason,
		endOf({reason, text: 'why'}),
	]);
	assert.deepEqual(
		ends.filter(([, {comesBack}]) => comesBack).map(([reason]) => reason),
		['stopping', 'captured', 'violation'],
	);
	assert.match(endOf({reason: 'captured'}).says, /another output/);
	assert.match(endOf({reason: 'violation', text: 'a frame too long'}).says, /: a frame too long$/);
	assert.equal(new Set(ends.map(([, {says}]) => says)).size, ends.length);
	for (const reason of ['playout_delay', 'muted', 'unmuted', 'of tomorrow']) assert.equal(endOf({reason}), null);
});

test('a full server and a full address are told apart', () => {
	assert.equal(fullMeans('server full'), 'The server is full. Asking again every 10 seconds.');
	assert.match(fullMeans('too many listeners from your address'), /^Too many listen from your address\. /);
});
