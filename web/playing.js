// What is shown while sound plays: its level, its figures, and the lock screen. Fetched when it does.

const FIGURES_EVERY_MS = 500;

// The meter falls by this share a second, and shows this many dB below full scale.
const METER_FALLS = 3;
const METER_DB = 50;

const $ = (id) => document.getElementById(id);
const meter = document.querySelector('.level');

/** Screen readers and the browser's layout hear only of what changes. */
function setText(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

/** Shows how `player` does until what is returned is called. */
export function showPlaying(player) {
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
	};
	showFigures();
	const timer = setInterval(showFigures, FIGURES_EVERY_MS);
	return () => {
		cancelAnimationFrame(turn);
		clearInterval(timer);
	};
}

/** Shows the system what plays, or that nothing does; its keys and its lock screen call `listen` and `leave`. */
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
