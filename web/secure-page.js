// The encrypted page, for who wants to talk on this one, which browsers give no microphone. Fetched there.

import {link} from './link.js';

/**
 * How to get to the encrypted page, as a part of this page; null where there is none.
 * @param {Location} here
 * @param {typeof fetch} ask
 * @param {string} fragment
 */
export async function wayToTalk(here = location, ask = fetch, fragment = link.fragment) {
	const href = await secureAddress(here, ask, fragment);
	if (!href) return null;
	const way = document.createElement('details');
	way.id = 'talk-securely';
	way.innerHTML = `
		<summary>Talk from here</summary>
		<p>Browsers give a microphone to encrypted pages alone, and this page is not. The same page is there encrypted,
		with a certificate that the server has made itself, so your browser warns once: tap “Advanced” and “Proceed”
		(on iPhones “Show Details” and “visit this website”).</p>
		<p>Whoever runs the server can see the certificate's SHA-256 fingerprint there. If your browser shows the same,
		nobody is in between.</p>
		<a>Open the encrypted page</a>`;
	/** @type {HTMLAnchorElement} */ (way.querySelector('a')).href = href;
	return way;
}

/**
 * The encrypted page's address: with it goes what only this browser knows of a private room, behind the #.
 * @param {Pick<Location, 'href' | 'hostname' | 'search'>} here
 * @param {typeof fetch} ask
 * @param {string} fragment
 */
export async function secureAddress(here, ask, fragment) {
	try {
		const answer = await ask(new URL('secure.json', here.href));
		const {port} = answer.ok ? await answer.json() : {};
		if (!Number.isInteger(port) || port < 1 || port > 65_535) return null;
		return `https://${here.hostname}:${port}/${here.search}${fragment && `#${fragment}`}`;
	} catch {
		return null;
	}
}
