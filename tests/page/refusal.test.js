import assert from 'node:assert/strict';
import test from 'node:test';

import {endOf, fullMeans, isPrivate, noticeOf, whyRefused} from '../../web/refusal.js';

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
	const reasons = ['stopping', 'captured', 'violation', 'replaced', 'removed', 'wrong_key', 'not_let_in'];
	const ends = reasons.map((reason) => endOf({reason, text: 'why'}));
	assert.deepEqual(
		reasons.filter((_, n) => ends[n]?.comesBack),
		['stopping', 'captured', 'violation'],
	);
	const says = (/** @type {string} */ reason, text = '') => endOf({reason, text})?.says ?? '';
	assert.match(says('captured'), /another output/);
	assert.match(says('violation', 'a frame too long'), /: a frame too long$/);
	assert.equal(new Set(reasons.map((reason) => says(reason))).size, ends.length);
	for (const reason of ['playout_delay', 'muted', 'unmuted', 'waiting', 'of tomorrow'])
		assert.equal(endOf({reason}), null);
});

test('a close says what a notice would, and a page that waits does not take the place of a newer one', () => {
	const codes = [1001, 1006, 1013, 4000, 4001, 4002, 4003, 4004];
	const reasons = codes.map((code) => noticeOf(code, 'why', false)?.reason);
	assert.deepEqual(reasons, [
		undefined,
		undefined,
		undefined,
		undefined,
		'removed',
		'wrong_key',
		'not_let_in',
		undefined,
	]);
	const lastWord = 'a newer connection took over';
	assert.equal(noticeOf(1001, lastWord, false), null);
	assert.equal(noticeOf(1001, lastWord, true)?.reason, 'replaced');
});

test('what is shown to who is not let in is never what came openly', () => {
	assert.doesNotMatch(endOf({reason: 'not_let_in', text: 'Go to http://evil.example'})?.says ?? '', /evil/);
	assert.match(endOf({reason: 'not_let_in', text: 'nobody answered: ask'})?.says ?? '', /^Nobody has answered/);
});

test('a room is private or open only where its server says so', async () => {
	for (const [body, is] of /** @type {[string, boolean | null][]} */ ([
		['{"port": null, "private": true}', true],
		['{"port": 8443, "private": false}', false],
		['{"port": null}', null],
		['{"private": "false"}', null],
		['null', null],
		['<html>', null],
	]))
		assert.equal(await isPrivate(URL_OF_SOUND, answering(200, body).ask), is, body);
	const {asked, ask} = answering(200, '{}');
	await isPrivate(URL_OF_SOUND, ask);
	assert.equal(asked[0][0], 'https://music.example/aura/secure.json');
	assert.equal(await isPrivate(URL_OF_SOUND, () => Promise.reject(new TypeError('no'))), null);
});

test('a full server and a full address are told apart', () => {
	assert.equal(fullMeans('server full'), 'The server is full. Asking again every 10 seconds.');
	assert.match(fullMeans('too many listeners from your address'), /^Too many listen from your address\. /);
});
