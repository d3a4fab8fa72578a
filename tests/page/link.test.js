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
	const isWhole = link.take({hash, pathname: '/', search: '?port=6000'}, past);
	return {address, isWhole, link};
}

test('what stands behind the # is a link only if all of it is there', () => {
	for (const text of [FRAGMENT, `#${FRAGMENT}`, `http://pc.lan:8080/?port=6000#${FRAGMENT}\n`, ` ${FRAGMENT} `])
		assert.equal(fragmentOf(text), FRAGMENT, text);
	for (const text of ['', '#', FRAGMENT.slice(1), `${FRAGMENT}A`, `${FRAGMENT.slice(1)}+`, 'http://pc.lan:8080/'])
		assert.equal(fragmentOf(text), '', text);
});

test('the link is taken out of the address and kept for the tab alone', () => {
	const {address, isWhole, link} = open(`#${FRAGMENT}`);
	assert.deepEqual([address, isWhole, link.fragment, link.isRemembered], ['/?port=6000', true, FRAGMENT, false]);
	assert.ok(shelves.browser.isEmpty);
	assert.equal(open('').link.fragment, FRAGMENT, 'the tab was loaded anew');
});

test('half a link is taken out of the address too, and what was kept stays', () => {
	open(`#${FRAGMENT}`);
	const {address, isWhole, link} = open(`#${FRAGMENT.slice(2)}`);
	assert.deepEqual([address, isWhole, link.fragment], ['/?port=6000', false, FRAGMENT]);
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
