// Why this page may not listen, or no longer, in sentences. Pure, but for the question: browsers tell a page
// nothing of a WebSocket that was refused, so it asks.

const LONGEST = 300;

const BLOCKED =
	'The server answers, but what is between it and this browser lets no sound through: a proxy must pass WebSockets on. '
	+ 'Trying again.';

/** Why a room is not entered. */
export const SHUT = {
	noLink: 'This room is private: ask whoever runs it for its link.',
	half: 'This is only a part of a link. Copy all of it, with everything that stands behind its #.',
	wrongKey: 'This room has another key than this link: ask for its new link.',
	otherServer: 'Another server answers here than the one that this link is for. Ask for the link of this room.',
	open: 'This link is for a private room, but anybody on the network could listen to this one. Ask for a new link.',
};

export const WAITING = 'Waiting to be let in: whoever runs this room is asked whether you may come in.';

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
 * Whether the room whose WebSocket is at `url` is private, as its server says to everybody; null where none says so.
 * @param {string} url
 * @returns {Promise<boolean | null>}
 */
export async function isPrivate(url, ask = fetch) {
	try {
		const answer = await ask(new URL('secure.json', url.replace(/^ws/, 'http')), {cache: 'no-store'});
		const {private: said} = await answer.json();
		return typeof said === 'boolean' ? said : null;
	} catch {
		return null;
	}
}

// What a close says instead of a notice, by its code: to who is not in there are none.
/** @type {{[code: number]: string}} */
const NOTICES = {4001: 'removed', 4002: 'wrong_key', 4003: 'not_let_in'};

/**
 * The notice for which a close stands, if for any. A page that waits to be let in makes room for another of the same
 * browser, and must not take its place in turn.
 * @param {number} code
 * @param {string} lastWord
 * @param {boolean} isWaiting
 * @returns {Wire.Notice | null}
 */
export function noticeOf(code, lastWord, isWaiting) {
	const reason = isWaiting && lastWord.includes('newer connection') ? 'replaced' : NOTICES[code];
	return reason ? {kind: 'notice', reason, text: lastWord} : null;
}

/**
 * What the page does about a notice that ends its place, and says; null for a notice that does not.
 * @param {{reason: string, text?: string}} notice
 * @returns {Page.End | null}
 */
export function endOf({reason, text = ''}) {
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
		case 'wrong_key':
			return {state: 'shut', says: SHUT.wrongKey, comesBack: false};
		case 'not_let_in':
			return {state: 'shut', says: notLetInMeans(text), comesBack: false};
		default:
			return null;
	}
}

/**
 * Why somebody is not let in. Only what it means is shown: it came openly, and anybody may have put it there.
 * @param {string} lastWord
 */
function notLetInMeans(lastWord) {
	if (lastWord.includes('nobody answered')) return 'Nobody has answered whether you may come in. You may ask again.';
	if (lastWord.includes('too many')) return 'Too many wait to be let in. Ask again in a minute.';
	return 'Whoever runs this room did not let you in. You may ask again after a minute.';
}

/**
 * What a full server's last word means: it is full, or has too many listeners from one address.
 * @param {string} lastWord
 */
export function fullMeans(lastWord) {
	const why = lastWord.includes('your address') ? 'Too many listen from your address' : 'The server is full';
	return `${why}. Asking again every 10 seconds.`;
}
