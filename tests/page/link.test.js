// Where a room's link is kept, and what is left of it in the page's address.
import assert from 'node:assert/strict';
import {beforeEach, test} from 'node:test';

import {fragmentOf, KeptLink, linkFor} from '../../web/link.js';

const FRAGMENT = 'AAECAwQFBgcICQoLDA0OD4NXqVSL8cGGDF99tRHuIzw';
const OTHER = FRAGMENT.replace('AAEC', 'BBEC');

/** A storage of a browser. */
class Shelf {
	/** @type {Map<string, string>} */
	#kept = new Map();
	/** @param {string} key */
	getItem(key) {
		return this.#kept.get(key) ?? null;
	}
	/** @param {string} key @param {string} value */
	setItem(key, value) {
		this.#kept.set(key, value);
	}
	/** @param {string} key */
	removeItem(key) {
		this.#kept.delete(key);
	}
	get isEmpty() {
		return this.#kept.size === 0;
	}
}

/** @type {{tab: Shelf, browser: Shelf}} */
let shelves;

beforeEach(() => {
	shelves = {tab: new Shelf(), browser: new Shelf()};
	Object.defineProperty(globalThis, 'sessionStorage', {value: shelves.tab, configurable: true});
	Object.defineProperty(globalThis, 'localStorage', {value: shelves.browser, configurable: true});
});

/**
 * What the address of a page that was opened with `hash` becomes, and the link that is kept.
 * @param {string} hash
 */
function open(hash, link = new KeptLink()) {
	let address = `/?port=6000${hash}`;
	const past = {
		state: null,
		replaceState: (/** @type {unknown} */ _, /** @type {string} */ __, to = '') => (address = String(to)),
	};
	link.take({hash, pathname: '/', search: '?port=6000'}, past);
	return {address, link};
}

test('what stands behind the # is a link only if all of it is there', () => {
	for (const text of [FRAGMENT, `#${FRAGMENT}`, `http://pc.lan:8080/?port=6000#${FRAGMENT}\n`, ` ${FRAGMENT} `])
		assert.equal(fragmentOf(text), FRAGMENT, text);
	// The last of these has bits that belong to no byte.
	for (const text of [
		'',
		'#',
		FRAGMENT.slice(1),
		`${FRAGMENT}A`,
		`${FRAGMENT.slice(0, -1)}x`,
		`${FRAGMENT.slice(1)}+`,
		'http://pc.lan:8080/',
	])
		assert.equal(fragmentOf(text), '', text);
});

test('the link is taken out of the address and kept for the tab alone', () => {
	const {address, link} = open(`#${FRAGMENT}`);
	assert.deepEqual([address, link.isHalf, link.fragment, link.isRemembered], ['/?port=6000', false, FRAGMENT, false]);
	assert.ok(shelves.browser.isEmpty);
	assert.equal(open('').link.fragment, FRAGMENT, 'the tab was loaded anew');
});

test('half a link is taken out of the address too, is never kept, and no other is used in its place', () => {
	open(`#${FRAGMENT}`).link.remember(true);
	for (const wrong of [FRAGMENT.slice(2), `${FRAGMENT}A`, `${FRAGMENT.slice(1)}+`, 'listen', '<b>']) {
		const {address, link} = open(`#${wrong}`);
		assert.deepEqual([address, link.isHalf, link.fragment], ['/?port=6000', true, ''], wrong);
		assert.deepEqual(
			[shelves.tab, shelves.browser].map((shelf) => shelf.getItem('auralync.link')),
			['half', FRAGMENT],
		);
		const again = open('').link;
		assert.deepEqual([again.isHalf, again.fragment], [true, ''], 'the tab was loaded anew');
	}
	shelves.tab.removeItem('auralync.link');
	assert.equal(open('').link.fragment, FRAGMENT, 'another tab has what was to be remembered');
});

test('after half a link a whole one holds, or none once it is forgotten', () => {
	const {link} = open(`#${FRAGMENT.slice(2)}`);
	link.give(` http://pc.lan:8080/#${OTHER}`);
	assert.deepEqual([link.isHalf, link.fragment, new KeptLink().fragment], [false, OTHER, OTHER]);
	link.give(OTHER.slice(1));
	assert.deepEqual([link.isHalf, link.fragment], [true, '']);
	link.forget();
	assert.deepEqual([link.isHalf, link.fragment, shelves.tab.isEmpty], [false, '', true]);
	assert.equal(new KeptLink().isHalf, false);
});

test('a room that is remembered is known to the next visit, with the secret that it has by then', () => {
	const {link} = open(`#${FRAGMENT}`);
	link.remember(true);
	link.keep(OTHER);
	shelves.tab.removeItem('auralync.link');
	const next = new KeptLink();
	assert.deepEqual([next.fragment, next.isRemembered], [OTHER, true]);
	next.forget();
	assert.ok(shelves.tab.isEmpty && shelves.browser.isEmpty);
	assert.equal(new KeptLink().fragment, '');
});

test('where the browser keeps nothing a link holds for this visit', () => {
	for (const name of ['sessionStorage', 'localStorage'])
		Object.defineProperty(globalThis, name, {
			get() {
				throw new Error('not allowed');
			},
			configurable: true,
		});
	const {address, link} = open(`#${FRAGMENT}`);
	assert.deepEqual([address, link.fragment], ['/?port=6000', FRAGMENT]);
	link.remember(true);
	link.forget();
	assert.equal(link.fragment, '');
});

test('what others have left where the link is kept is no link', () => {
	shelves.tab.setItem('auralync.link', '<b>');
	shelves.browser.setItem('auralync.link', '7');
	assert.equal(new KeptLink().fragment, '');
});

test('what is handed on is the address of the page with the link, where others reach it', () => {
	/** @type {(address: string, fragment?: string) => string | null} */
	const handedOn = (address, fragment = FRAGMENT) => linkFor(fragment, new URL(address));
	assert.equal(handedOn('http://pc.lan:8080/?port=6000'), `http://pc.lan:8080/?port=6000#${FRAGMENT}`);
	assert.equal(handedOn('http://[fd00::1]:8080/aura/'), `http://[fd00::1]:8080/aura/#${FRAGMENT}`);
	for (const here of ['http://localhost:8080/', 'http://127.0.0.1:8080/', 'http://[::1]:8080/'])
		assert.equal(handedOn(here), null, here);
	assert.equal(handedOn('http://pc.lan:8080/', ''), null);
});
