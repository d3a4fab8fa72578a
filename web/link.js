// The link that lets this page into a private room: what stands behind the # of its address. It goes out of the
// address before anything else happens, is never sent, and is kept as long as the tab, or longer if that is wished.

const KEPT = 'auralync.link';

// 32 bytes in base64url.
const FRAGMENT = /^[\w-]{43}$/;

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

	constructor() {
		this.#fragment =
			fragmentOf(tried(() => sessionStorage.getItem(KEPT)) ?? '')
			|| fragmentOf(tried(() => localStorage.getItem(KEPT)) ?? '');
	}

	/** What stands behind its #; empty where there is none. */
	get fragment() {
		return this.#fragment;
	}

	/** Whether the next visit has it too. */
	get isRemembered() {
		return tried(() => localStorage.getItem(KEPT)) !== null;
	}

	/** @param {string} fragment */
	keep(fragment) {
		const {isRemembered} = this;
		this.#fragment = fragment;
		tried(() => sessionStorage.setItem(KEPT, fragment));
		if (isRemembered) this.remember(true);
	}

	/** @param {boolean} isWanted */
	remember(isWanted) {
		tried(() => (isWanted ? localStorage.setItem(KEPT, this.#fragment) : localStorage.removeItem(KEPT)));
	}

	forget() {
		this.#fragment = '';
		tried(() => sessionStorage.removeItem(KEPT));
		this.remember(false);
	}

	/**
	 * Takes what stands behind the # out of this page's address. Whether that was a whole link, or nothing.
	 * @param {Pick<Location, 'hash' | 'pathname' | 'search'>} address
	 * @param {Pick<History, 'replaceState' | 'state'>} past
	 */
	take(address = location, past = history) {
		const {hash, pathname, search} = address;
		if (!hash) return true;
		past.replaceState(past.state, '', pathname + search);
		const fragment = fragmentOf(hash);
		if (fragment) this.keep(fragment);
		return fragment !== '';
	}
}

export const link = new KeptLink();
/** Whether the page was opened with half a link. */
export const isHalf = typeof location !== 'undefined' && !link.take();
