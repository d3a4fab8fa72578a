// The link that lets this page into a private room: what stands behind the # of its address. It goes out of the
// address before anything else happens, is never sent, and is kept as long as the tab, or longer if that is wished.

const KEPT = 'auralync.link';

// What a tab keeps that was given half a link, in the place of one: so a page that is loaded anew knows it too.
const HALF = 'half';

// 32 bytes in base64url, whose last character holds 4 bits of them.
const FRAGMENT = /^[\w-]{42}[AEIMQUYcgkosw048]$/;

/**
 * What stands behind the # of a link, or of what is left of one; empty where that is no whole link's.
 * @param {string} text
 */
export function fragmentOf(text) {
	const fragment = text.trim().split('#').pop() ?? '';
	return FRAGMENT.test(fragment) ? fragment : '';
}

/**
 * This page's address with its link, for others; null where nobody else reaches the page by it.
 * @param {string} fragment
 * @param {Pick<Location, 'hostname' | 'origin' | 'pathname' | 'search'>} address
 */
export function linkFor(fragment, address = location) {
	const {hostname, origin, pathname, search} = address;
	const isHere = /^(localhost|127\..*|\[::1\])$/.test(hostname);
	return isHere || !fragment ? null : `${origin}${pathname}${search}#${fragment}`;
}

/**
 * @template Result
 * @param {() => Result} use
 * @returns {Result | null}
 */
function tried(use) {
	try {
		return use();
	} catch {
		// The browser keeps nothing: then it holds for this visit.
		return null;
	}
}

export class KeptLink {
	#fragment = '';
	#isHalf = false;

	constructor() {
		const ofTab = tried(() => sessionStorage.getItem(KEPT)) ?? '';
		this.#isHalf = ofTab === HALF;
		if (this.#isHalf) return;
		this.#fragment = fragmentOf(ofTab) || fragmentOf(tried(() => localStorage.getItem(KEPT)) ?? '');
	}

	/** What stands behind its #; empty where there is none. */
	get fragment() {
		return this.#fragment;
	}

	/** Whether something else than a whole link was given last: no other is used in its place. */
	get isHalf() {
		return this.#isHalf;
	}

	/** Whether the next visit has it too. */
	get isRemembered() {
		return tried(() => localStorage.getItem(KEPT)) !== null;
	}

	/** @param {string} fragment */
	keep(fragment) {
		const {isRemembered} = this;
		this.#fragment = fragment;
		this.#isHalf = false;
		tried(() => sessionStorage.setItem(KEPT, fragment));
		if (isRemembered) this.remember(true);
	}

	/** @param {boolean} isWanted */
	remember(isWanted) {
		tried(() => (isWanted ? localStorage.setItem(KEPT, this.#fragment) : localStorage.removeItem(KEPT)));
	}

	forget() {
		this.#fragment = '';
		this.#isHalf = false;
		tried(() => sessionStorage.removeItem(KEPT));
		this.remember(false);
	}

	/**
	 * What was given where a link belongs takes the place of the one that the tab had, also where it is none.
	 * @param {string} text
	 */
	give(text) {
		const fragment = fragmentOf(text);
		if (fragment) {
			this.keep(fragment);
			return;
		}
		this.#fragment = '';
		this.#isHalf = true;
		tried(() => sessionStorage.setItem(KEPT, HALF));
	}

	/**
	 * Takes what stands behind the # out of this page's address.
	 * @param {Pick<Location, 'hash' | 'pathname' | 'search'>} address
	 * @param {Pick<History, 'replaceState' | 'state'>} past
	 */
	take(address = location, past = history) {
		const {hash, pathname, search} = address;
		if (!hash) return;
		past.replaceState(past.state, '', pathname + search);
		this.give(hash);
	}
}

export const link = new KeptLink();
if (typeof location !== 'undefined') link.take();
