// What the page shows of a private room: where a link goes in, what the key is good for, and how others get the link.
// Fetched where a room is private.

import {fetchSecure} from './fetched.js';
import {linkFor} from './link.js';
import {$, setText} from './page.js';

// Squares of white that scanners want around a code.
const EDGE = 4;

const SVG = 'http://www.w3.org/2000/svg';

const PROTECTS = isSecureContext
	? 'This room is private: nobody on the network hears it, or reads who is here.'
	: 'This room is private: nobody who listens in on the network hears it, or reads who is here. But this page came '
		+ 'without encryption: somebody who can change what the network carries could change the page itself, and have '
		+ 'its key. Where that matters, listen with auralync-client.';

const panel = document.createElement('section');
panel.id = 'private';
panel.className = 'panel';
panel.setAttribute('aria-label', 'Private room');
panel.innerHTML = `
	<div class="row" id="come-in">
		<label for="link">Link</label>
		<input id="link" type="text" placeholder="paste it here" autocomplete="off" autocapitalize="off" spellcheck="false" enterkeyhint="go">
		<button type="button" id="enter">Join</button>
	</div>
	<div id="in-private">
		<p>${PROTECTS}</p>
		<div class="row check">
			<label><input id="remember" type="checkbox"> <span>Remember this room in this browser</span></label>
		</div>
	</div>
	<div class="row" id="kept-link">
		<button type="button" id="again">Try again</button>
		<button type="button" id="forget">Forget the link</button>
	</div>`;
document.querySelector('form')?.before(panel);

const others = document.createElement('div');
others.hidden = true;
others.innerHTML = `
	<p>Whoever has the link may come in and listen. Give it to nobody else.</p>
	<button type="button" id="copy">Copy the link</button>
	<p id="copied" role="status"></p>`;
$('bring').append(others);

/**
 * What is typed or pasted where a link goes. The port of one, for those who play with programs, goes where a link has
 * it.
 * @param {Page.OwnLink} link
 */
function take(link) {
	const typed = $('link').value;
	link.give(typed);
	if (link.isHalf) return;
	$('link').value = '';
	const port = /[?&]port=(\d{1,5})\b/.exec(typed.split('#')[0]);
	if (port) history.replaceState(history.state, '', `${location.pathname}?port=${port[1]}`);
}

/**
 * Copies a text as a person would: pages without encryption have no other way.
 * @param {string} text
 */
function copy(text) {
	const field = document.createElement('textarea');
	field.value = text;
	document.body.append(field);
	field.select();
	const isCopied = document.execCommand('copy');
	field.remove();
	return isCopied;
}

/** @param {Uint8Array[]} rows */
function picture(rows) {
	const svg = document.createElementNS(SVG, 'svg');
	const path = document.createElementNS(SVG, 'path');
	const size = rows.length + 2 * EDGE;
	const squares = rows.flatMap((row, y) =>
		Array.from(row, (dark, x) => (dark ? `M${x + EDGE} ${y + EDGE}h1v1h-1z` : '')),
	);
	path.setAttribute('d', squares.join(''));
	svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
	svg.setAttribute('role', 'img');
	svg.setAttribute('aria-label', 'QR code of the link');
	svg.setAttribute('class', 'code');
	svg.append(path);
	return svg;
}

/**
 * Shows what a page has to say in a private room: `again` joins anew, with the link that is kept by then or none.
 * @param {Page.OwnLink} link
 * @param {() => void} again
 */
export function showPrivate(link, again) {
	let drawn = '';
	/** @type {SVGElement | null} */
	let code = null;
	const enter = () => {
		if (!$('link').value.trim()) return;
		take(link);
		again();
	};
	$('enter').onclick = enter;
	$('link').onkeydown = ({key}) => {
		if (key === 'Enter') enter();
	};
	$('remember').checked = link.isRemembered;
	$('remember').onchange = () => link.remember($('remember').checked);
	$('again').onclick = again;
	$('forget').onclick = () => {
		link.forget();
		again();
	};
	$('copy').onclick = () => {
		const isCopied = copy(linkFor(link.fragment) ?? '');
		setText($('copied'), isCopied ? 'Copied.' : 'This browser lets no page copy. Scan the code instead.');
	};
	const draw = async () => {
		const address = linkFor(link.fragment);
		if (!$('bring').open || others.hidden || !address || address === drawn) return;
		drawn = address;
		const {come} = await fetchSecure();
		const rows = (await come(link.fragment)).code(address);
		code?.remove();
		code = picture(rows);
		others.prepend(code);
	};
	$('bring').addEventListener('toggle', draw);
	return {
		/** @param {Page.Listener | null} listener */
		show(listener) {
			const isIn = listener?.inside?.isIn === true;
			const isShut = !listener || listener.state === 'shut';
			panel.hidden = !isIn && !isShut;
			$('come-in').hidden = !isShut;
			$('in-private').hidden = !isIn;
			$('kept-link').hidden = !link.fragment && !link.isHalf;
			$('again').hidden = listener?.state !== 'shut' || !link.fragment;
			others.hidden = !isIn || linkFor(link.fragment) === null;
			// What leads here without a link leads nowhere.
			$('qr').hidden = isIn;
			/** @type {HTMLElement} */ ($('address').parentElement).hidden = isIn;
			draw().catch(() => null);
		},
	};
}
