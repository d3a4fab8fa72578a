// The page: what is tapped and typed goes to a listener, what the listener knows is shown.

import {link} from './link.js';
import {Listener, State} from './listener.js';
import {$, memory, setText} from './page.js';
import {SHUT} from './refusal.js';

const TRIM_STEP_MS = 5;
const MOST_TRIM_MS = 1_000;

const main = /** @type {HTMLElement} */ (document.querySelector('main'));

/** @param {unknown} value @param {number} least @param {number} most @param {number} otherwise */
const number = (value, least, most, otherwise) =>
	typeof value === 'number' && Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : otherwise;

// iOS silences a page's own sound when the screen locks, but not a media element.
const isApplePhone =
	/iP(hone|ad|od)/.test(navigator.userAgent) || (navigator.platform === 'MacIntel' && navigator.maxTouchPoints > 1);

/** @type {Page.Wishes} */
const wishes = {
	url: new URL('listen', location.href).href.replace(/^http/, 'ws'),
	// Random per page load; crypto.randomUUID is for secure pages only.
	id: Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(''),
	name: String(memory.get('name', '')).slice(0, 64),
	volume: number(memory.get('volume'), 0, 200, 100),
	trimMs: number(memory.get('trimMs'), -MOST_TRIM_MS, MOST_TRIM_MS, 0),
	throughElement: memory.get('throughElement', isApplePhone) === true,
	lessData: memory.get('lessData', false) === true,
	hearing: memory.get('hearing'),
	link,
};

/** @type {Listener | null} */
let listener = null;
/**
 * What is shown while sound plays (playing.js), once it does.
 * @type {Page.Playing | null}
 */
let playing = null;
/**
 * What is shown of a private room (private.js), once this is one.
 * @type {Page.Private | null}
 */
let privately = null;

function listen() {
	try {
		listener = new Listener(wishes, show, () => playing?.showRoom());
	} catch {
		show('This browser cannot play sound from a page. Try Chrome, Firefox or Safari of the last years.');
		return;
	}
	show();
}

function leave() {
	listener?.leave();
	listener = null;
	if (playing) {
		playing.stop();
		playing = null;
		showPlaying();
	}
	show();
}

/** Level, figures, lock screen: they come after the first sound. */
async function showPlaying() {
	const shows = await import('./playing.js').catch(() => null);
	if (!shows) return;
	if (listener) playing ??= shows.showPlaying(listener);
	shows.tellSystem(listener !== null, listener?.welcome?.name, {listen: () => listener ?? listen(), leave});
}

/** Where a link goes in, and out: once this was told to be a private room. */
async function showPrivate() {
	const shows = await import('./private.js').catch(() => null);
	privately ??= shows?.showPrivate(link, again) ?? null;
	privately?.show(listener);
}

/** What one person wants to hear: once somebody looks for it, or had something of it before. */
async function showEars() {
	const shows = await import('./for-ears.js').catch(() => null);
	if (!shows || $('ears').querySelector('form')) return;
	shows.showEars($('ears'), wishes.hearing, (hearing) => {
		wish('hearing', hearing);
		listener?.player.setHearing(hearing);
	});
}

function again() {
	leave();
	listen();
}

/** @param {string} problem */
function show(problem = '') {
	const state = listener?.state ?? 'idle';
	main.dataset.state = state;
	$('listen-label').textContent = listener ? 'Leave' : 'Listen';
	setText($('status'), problem || sentence());
	$('figures').hidden = !listener;
	const server = listener?.welcome?.name;
	if (server) {
		setText($('server'), server);
		document.title = `${server} · AuraLync`;
	}
	if (state === State.playing) showPlaying();
	if (privately || link.isHalf || state === State.shut || listener?.inside?.isIn) showPrivate();
}

function sentence() {
	if (!listener) return link.isHalf ? SHUT.half : 'Put on headphones and tap.';
	if (listener.trouble) return listener.trouble;
	if (listener.state === State.joining) return 'Joining …';
	if (wishes.lessData && listener.player.figures()?.codec !== 'opus')
		return 'Less data does not work here at the moment.';
	const extraMs = listener.player.figures()?.extraMs ?? 0;
	if (extraMs > 0) return `Sound comes late to this device: you hear it ${extraMs} ms after the others.`;
	const withinMs = listener.welcome?.withinMs;
	return withinMs
		? `You are in step with everybody here, and within ${withinMs} ms with other places.`
		: 'You are in step with everybody else.';
}

function showWishes() {
	$('volume').value = String(wishes.volume);
	$('volume-value').value = `${wishes.volume} %`;
	$('trim-value').value = `${wishes.trimMs > 0 ? '+' : ''}${wishes.trimMs} ms`.replace('-', '−');
	$('name').value = wishes.name;
	$('element').checked = wishes.throughElement;
	$('less').checked = wishes.lessData;
}

/** @template {keyof Page.Wishes} Key @param {Key} key @param {Page.Wishes[Key]} value */
function wish(key, value) {
	wishes[key] = value;
	memory.set(key, value);
	showWishes();
}

/** @param {number} byMs */
function trim(byMs) {
	wish('trimMs', number(wishes.trimMs + byMs, -MOST_TRIM_MS, MOST_TRIM_MS, 0));
	listener?.player.setTrim(wishes.trimMs);
}

$('listen').addEventListener('click', () => (listener ? leave() : listen()));
$('volume').addEventListener('input', () => {
	wish('volume', Number($('volume').value));
	listener?.player.setVolume(wishes.volume);
});
$('earlier').addEventListener('click', () => trim(-TRIM_STEP_MS));
$('later').addEventListener('click', () => trim(TRIM_STEP_MS));
$('calibrating').hidden = !(window.isSecureContext && navigator.mediaDevices);
$('calibrate').addEventListener('click', async () => {
	leave();
	const way = await import('./calibrate.js').catch(() => null);
	way?.calibrate((ms) => trim(ms - wishes.trimMs), wishes.throughElement);
});
$('name').addEventListener('change', () => {
	wish('name', $('name').value.trim());
	listener?.rename(wishes.name);
});
$('element').addEventListener('change', () => {
	wish('throughElement', $('element').checked);
	if (!listener) return;
	leave();
	listen();
});
$('less').addEventListener('change', () => {
	wish('lessData', $('less').checked);
	listener?.setLessData(wishes.lessData);
});
document.querySelector('form')?.addEventListener('submit', (event) => {
	event.preventDefault();
	if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
});
$('ears').addEventListener('toggle', showEars);
document.addEventListener('visibilitychange', () => {
	if (!document.hidden) listener?.wake();
});
window.addEventListener('pageshow', () => listener?.wake());
window.addEventListener('online', () => listener?.wake());
window.addEventListener('hashchange', () => {
	if (!location.hash) return;
	link.take();
	if (listener) again();
	else show();
});

// A proxy may have put the page into a folder of its own.
const here = new URL('.', location.href);
$('address').textContent = (here.host + here.pathname).replace(/\/$/, '');
$('address').href = here.href;
showWishes();
if (wishes.hearing) showEars();
if (link.isHalf) show();
