// Why this page may not listen, or no longer, in sentences. Pure, but for the question: browsers tell a page
// nothing of a WebSocket that was refused, so it asks.

const LONGEST = 300;

const BLOCKED =
	'The server answers, but what is between it and this browser lets no sound through: a proxy must pass WebSockets on. '
	+ 'Trying again.';

/** Why a room is not entered. */
export const SHUT = {
	noLink: 'This room is private: ask whoever runs it for the link or the code.',
	half: 'This is only a part of a link. Copy all of it, with everything that stands behind its #.',
	wrongKey: 'This room has another key than this link: ask for its new link.',
	otherServer: 'Another server answers here than the one that this link is for. Ask for the link of this room.',
	open: 'This link is for a private room, but anybody on the network could listen to this one. Ask for a new link.',
};

export const NOT_LOADED = 'What opens private rooms did not come from the server. Trying again.';

/**
 * What the server says about a WebSocket at `url` that did not open: a sentence, and whether it is the server
 * that refuses (then `refuses`) or the way to it; null if no server answers.
 * @param {string} url
 * @param {string} page
 * @param {typeof fetch} ask
 * @returns {Promise<{refuses: boolean, says: string} | null>}
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

/**
 * What the page does about a notice that ends its place, and says; null for a notice that does not.
 * @param {{reason: string, text?: string}} notice
 * @returns {Page.End | null}
 */
export function endOf({reason, text}) {
	switch (reason) {
		case 'stopping':
			return {state: 'lost', says: 'The server was stopped. Sound comes back when it does.', comesBack: true};
		case 'captured':
			return {state: 'lost', says: 'The server sends what another output plays now. Joining again.', comesBack: true};
		case 'violation':
			return {state: 'lost', says: `The server did not understand this page: ${text}`, comesBack: true};
		case 'replaced':
			return {state: 'replaced', says: 'This listener was taken over by another page.', comesBack: false};
		case 'removed':
			return {state: 'replaced', says: 'Whoever runs the server has asked you to leave.', comesBack: false};
		default:
			return null;
	}
}

/**
 * What a full server's last word means: it is full, or has too many listeners from one address.
 * @param {string} lastWord
 */
export function fullMeans(lastWord) {
	const why = lastWord.includes('your address') ? 'Too many listen from your address' : 'The server is full';
	return `${why}. Asking again every 10 seconds.`;
}
