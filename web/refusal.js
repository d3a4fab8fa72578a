// Why this page may not listen. Browsers tell a page nothing of a WebSocket that was refused, so it asks.

const LONGEST = 300;

const BLOCKED = 'The server answers, but what is between it and this browser lets no sound through: a proxy must pass WebSockets on. '
	+ 'Trying again.';

/**
 * What the server says about a WebSocket at `url` that did not open: a sentence, and whether it is the server
 * that refuses (then `refuses`) or the way to it; null if no server answers.
 */
export async function whyRefused(url, page = location.origin, ask = fetch) {
	try {
		const asked = new URL('may-listen', url.replace(/^ws/, 'http'));
		const answer = await ask(asked.href, {headers: {'AuraLync-Page': page}, cache: 'no-store'});
		if (answer.ok) return {refuses: false, says: BLOCKED};
		// Pages of other servers are no sentences.
		if (!answer.headers.get('Content-Type')?.startsWith('text/plain')) return null;
		const says = (await answer.text()).trim().slice(0, LONGEST);
		return says ? {refuses: true, says} : null;
	} catch {
		return null;
	}
}
