// What is shown and told while sound plays: its level, its figures, the lock screen, and who is there.
// Fetched when it does.

import {stayAwake} from './awake.js';
import {$, setText} from './page.js';
import {report} from './wire-room.js';

const FIGURES_EVERY_MS = 500;
const REPORT_EVERY_MS = 1_000;

// The meter falls by this share a second, and shows this many dB below full scale.
const METER_FALLS = 3;
const METER_DB = 50;

const meter = /** @type {HTMLElement} */ (document.querySelector('.level'));

/**
 * Shows, and tells the server, how `listener` does and who is with it, until `stop` is called.
 * @param {Page.Listener} listener
 */
export function showPlaying(listener) {
	const {player} = listener;
	let level = 0;
	let shownAt = 0;
	let turn = requestAnimationFrame(function showLevel(now) {
		const db = 20 * Math.log10(Math.max(1e-6, player.peak()));
		const fallen = level - (METER_FALLS * (now - shownAt)) / 1e3;
		shownAt = now;
		level = Math.max(0, fallen, Math.min(1, 1 + db / METER_DB));
		meter.style.setProperty('--level', level.toFixed(3));
		turn = requestAnimationFrame(showLevel);
	});
	const showFigures = () => {
		const figures = player.isPlaying ? player.figures() : null;
		setText($('delay'), figures?.heardAfterMs != null ? `${Math.round(figures.heardAfterMs)} ms` : '–');
		setText($('buffer'), figures ? `${Math.round(figures.bufferedMs)} ms` : '–');
		setText($('codec'), figures ? `${figures.codec}, ${figures.kHz} kHz` : '–');
		setText($('way'), figures ? wayOf(listener.way) : '–');
	};
	showFigures();
	const timers = [setInterval(showFigures, FIGURES_EVERY_MS), setInterval(() => tellServer(listener), REPORT_EVERY_MS)];
	const room = enterRoom(listener);
	stayAwake(true);
	return {
		showRoom: room.show,
		stop() {
			cancelAnimationFrame(turn);
			timers.forEach(clearInterval);
			room.leave();
			stayAwake(false);
		},
	};
}

/**
 * By which way sound comes, and what became of it there, in a few words.
 * @param {ReturnType<Page.Channel['figures']> | null} way
 */
function wayOf(way) {
	if (!way?.isOn) return 'TCP';
	if (way.lost === 0) return 'UDP, nothing lost';
	const percent = (100 * way.lost) / Math.max(1, way.datagrams + way.missing);
	const rest = way.missing === 0 ? 'all repaired' : `${way.missing} missing`;
	return `UDP, ${percent < 0.1 ? 'under 0.1' : percent.toFixed(1)} % lost, ${rest}`;
}

/** @param {Page.Listener} listener */
function tellServer(listener) {
	const figures = listener.player.figures();
	if (!figures) return;
	const {bufferedMs, underruns, lost, ppm, outputLatencyMs, laterMs} = figures;
	listener.send(
		report({
			buffered_ms: tenths(bufferedMs),
			underruns,
			lost_frames: lost,
			ppm: tenths(ppm),
			output_latency_ms: tenths(outputLatencyMs),
			extra_ms: Math.max(0, Math.ceil(laterMs)),
		}),
	);
}

/** @param {number} value */
function tenths(value) {
	return Math.round(value * 10) / 10;
}

/**
 * Shows who is there, once somebody is: as often as `show` is called, until `leave` is.
 * @param {Page.Listener} listener
 */
function enterRoom(listener) {
	/** @type {Page.Room | null} */
	let room = null;
	let isFetching = false;
	let hasLeft = false;
	const enter = async () => {
		isFetching = true;
		const fetched = await import('./people.js').catch(() => null);
		isFetching = false;
		if (fetched && !hasLeft) room = new fetched.Room(listener);
	};
	const show = () => {
		if (room) room.show();
		else if (listener.people && !isFetching) enter();
	};
	show();
	return {
		show,
		leave() {
			hasLeft = true;
			room?.leave();
		},
	};
}

/**
 * Shows the system what plays, or that nothing does; its keys and its lock screen call `listen` and `leave`.
 * @param {boolean} isListening
 * @param {string | undefined} title
 * @param {{listen: () => void, leave: () => void}} keys
 */
export function tellSystem(isListening, title, {listen, leave}) {
	const {mediaSession} = navigator;
	if (!mediaSession) return;
	mediaSession.playbackState = isListening ? 'playing' : 'paused';
	if (isListening && window.MediaMetadata) {
		const artwork = [{src: new URL('icon.svg', location.href).href, sizes: 'any', type: 'image/svg+xml'}];
		mediaSession.metadata = new MediaMetadata({title: title || 'Listening', artist: 'AuraLync', artwork});
	}
	mediaSession.setActionHandler('play', listen);
	mediaSession.setActionHandler('pause', leave);
	mediaSession.setActionHandler('stop', leave);
}
