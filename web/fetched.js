// What comes when it is needed, once for all listeners of a page: what decodes Opus, what opens private rooms, and what
// stands for a WebSocket.

// Sound does not wait longer than this for what decodes Opus.
const OPUS_WITHIN_MS = 1_000;

/**
 * What decodes Opus, and what stands for a WebSocket once none has opened, as far as they have come.
 * @type {{opus: Page.MakeDecoder | null, byFetch: typeof import('./by-fetch.js') | null}}
 */
export const fetched = {opus: null, byFetch: null};

/** Whether there is something new that stands for a WebSocket: iPhones open none where the certificate is the server's. */
export async function hasStandIn() {
	if (fetched.byFetch || location.protocol !== 'https:') return false;
	fetched.byFetch = await import('./by-fetch.js').catch(() => null);
	return fetched.byFetch !== null;
}

// What is asked for, best first: as the server likes, less of the network, or the best sound.
/** @type {{[data in Page.Data]: string[]}} */
const CODECS = {auto: ['auto', 's16', 'opus'], less: ['opus', 's16'], more: ['s16', 'opus']};

/** @param {Page.Data} data */
export const codecsFor = (data) => CODECS[data].filter((codec) => codec !== 'opus' || fetched.opus);

/** @type {Promise<void> | null} */
let fetchingOpus = null;

export function fetchOpus() {
	fetchingOpus ??= import('./opus.js')
		.then(({load}) => load())
		.then(
			(make) => {
				fetched.opus = make;
			},
			() => {
				fetchingOpus = null;
			},
		);
	return fetchingOpus;
}

/** It comes soon enough, or is not waited for. */
export const fetchOpusSoon = () =>
	Promise.race([
		fetchOpus(),
		new Promise((wake) => {
			setTimeout(wake, OPUS_WITHIN_MS);
		}),
	]);

/** @type {Promise<Page.Secure> | null} */
let fetchingSecure = null;

/** What lets into private rooms. Rejected where it does not come; it may be asked for again then. */
export async function fetchSecure() {
	fetchingSecure ??= import('./secure.js').then(({load}) => load());
	try {
		return await fetchingSecure;
	} catch (error) {
		fetchingSecure = null;
		throw error;
	}
}
