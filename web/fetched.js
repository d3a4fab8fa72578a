// What comes when it is needed, once for all listeners of a page: what decodes Opus, and what opens private rooms.

// Sound does not wait longer than this for what decodes Opus.
const OPUS_WITHIN_MS = 1_000;

/** @type {{opus: Page.MakeDecoder | null}} */
export const fetched = {opus: null};

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
