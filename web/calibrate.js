// Measures how late this device's output is, with its microphone. Fetched by who asks for it, on a secure page.

import {Arrivals} from './arrivals.js';
import {chirp, find, LATEST_MS, median, QUIET_MS, REFUSED, STARTS_MS, SWEEP_MS} from './chirp.js';
import {$, setText} from './page.js';
import {mediaElement} from './player.js';
import {whyNot} from './talk.js';

// Silence before the first sweep, in which headsets wake up and the audio clock is learnt.
const BEFORE_S = 2.5;
// The room is listened to for so much longer, in ms.
const SPARE_MS = 400;

// How long sound takes from the air to the page, where the browser does not say, and how well that is known.
const ASSUMED_INPUT_S = 0.01;
const UNKNOWN_MS = 15;
const ASSUMED_OUTPUT_S = 0.02;

// A headset that is spoken into has no higher rate.
const SPEECH_HZ = 16_000;

const EVERY_MS = 50;

// An output whose clock is so far behind ours, in ms, has been put to sleep.
const ASLEEP_MS = 5_000;

// Two measurements that differ by more, in ms, are worth nothing. There are as many as this until two agree.
const APART_MS = 10;
const MOST_TIMES = 4;

export const BUSY =
	'No two measurements agreed: this device has too much to do. Close what keeps it busy, and try again.';

export const ASLEEP =
	'The browser has put its sound to sleep: a call, a locked screen or another page has it. Keep this page in front, '
	+ 'and try again.';

const NO_OUTPUT =
	'This page cannot play sound now. Close other pages and programs that do, plug in an output, and try again.';

const NOT_PLAYED = 'The browser does not let this page play sound now. Tap the button again.';

const OTHER_MODE =
	'While a headset’s own microphone is on, the headset plays in another mode, and what is measured there is not how '
	+ 'late music is. Choose another microphone in the browser, and hold it to one ear.';

/**
 * Measures how late this output is, says so, and sets its timing. `throughElement` says which way out sound takes.
 * @param {(ms: number) => void} setTrim
 * @param {boolean} throughElement
 */
export async function calibrate(setTrim, throughElement) {
	/** @param {string} text */
	const say = (text) => setText($('status'), text);
	$('calibrate').disabled = true;
	say('Hold the microphone where your ears are, and be quiet: a chirp is played two to four times, for three seconds.');
	const found = await measure(throughElement).finally(() => {
		$('calibrate').disabled = false;
	});
	if ('refused' in found) return say(found.refused);
	const {lateMs, sureMs} = found;
	setTrim(Math.round(-lateMs));
	const late = `${Math.round(Math.abs(lateMs))} ms ${lateMs < 0 ? 'early' : 'late'}`;
	say(`This output is ${late}, give or take ${Math.round(sureMs)} ms. Its timing is set.`);
}

/** @typedef {{lateMs: number, sureMs: number} | {refused: string}} Answer */

/**
 * Plays a chirp and hears it until two agree: by how many ms this output is late, or why that cannot be said.
 * @param {boolean} throughElement
 * @returns {Promise<Answer>}
 */
async function measure(throughElement) {
	/** @type {MediaStream | null} */
	let stream = null;
	let musicRate = 0;
	try {
		musicRate = rateOfMusic();
	} catch {
		return {refused: NO_OUTPUT};
	}
	try {
		// What cleans a voice takes a chirp for noise.
		const audio = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
		stream = await navigator.mediaDevices.getUserMedia({audio});
		const opened = stream;
		return await agreed(() => once(opened, musicRate, throughElement));
	} catch (error) {
		return {refused: whyNot(error)};
	} finally {
		for (const track of stream?.getTracks() ?? []) track.stop();
	}
}

/** The output's rate while no microphone is open. */
function rateOfMusic() {
	const context = new AudioContext();
	const {sampleRate} = context;
	end(context);
	return sampleRate;
}

/** What a browser has put to sleep may never say that it has ended. @param {AudioContext} context */
function end(context) {
	context.close().catch(() => {});
}

/**
 * Measures until two measurements agree, or there is no use in more.
 * @param {() => Promise<Answer>} measureOnce
 * @returns {Promise<Answer>}
 */
export async function agreed(measureOnce) {
	/** @type {{lateMs: number, sureMs: number}[]} */
	const known = [];
	for (let times = 0; times < MOST_TIMES; times += 1) {
		const one = await measureOnce();
		if ('refused' in one) {
			// What keeps a browser busy may be over the next time.
			if (one.refused !== REFUSED.unsteady) return one;
			continue;
		}
		for (const other of known) {
			const both = together(other, one);
			if (!('refused' in both)) return both;
		}
		known.push(one);
	}
	return {refused: BUSY};
}

/**
 * What two measurements say together. A browser that is kept busy hands sound on late, and each time by something else.
 * @param {{lateMs: number, sureMs: number}} first
 * @param {{lateMs: number, sureMs: number}} second
 * @returns {Answer}
 */
function together(first, second) {
	const apartMs = Math.abs(first.lateMs - second.lateMs);
	if (apartMs > APART_MS) return {refused: BUSY};
	return {lateMs: (first.lateMs + second.lateMs) / 2, sureMs: Math.max(first.sureMs, second.sureMs) + apartMs / 2};
}

/**
 * @param {MediaStream} stream
 * @param {number} musicRate
 * @param {boolean} throughElement
 * @returns {Promise<Answer>}
 */
async function once(stream, musicRate, throughElement) {
	const context = new AudioContext();
	try {
		const settings = stream.getAudioTracks()[0].getSettings();
		if (context.sampleRate < musicRate || (settings.sampleRate ?? Number.POSITIVE_INFINITY) <= SPEECH_HZ) {
			return {refused: OTHER_MODE};
		}
		const heard = await hear(context, stream, throughElement);
		if ('refused' in heard) return heard;
		const inputMs = 1e3 * (settings.latency ?? ASSUMED_INPUT_S);
		const found = find(heard.samples, context.sampleRate, heard.dueMs);
		return 'refused' in found ? found : {lateMs: found.lagMs - inputMs, sureMs: found.sureMs + UNKNOWN_MS};
	} finally {
		end(context);
	}
}

/**
 * What the microphone hears of a chirp, and when each sweep was due in it, by what the browser says of its output.
 * @param {AudioContext} context
 * @param {MediaStream} stream
 * @param {boolean} throughElement
 * @returns {Promise<{samples: Samples, dueMs: number[]} | {refused: string}>}
 */
async function hear(context, stream, throughElement) {
	// What sleeps on may never answer: its clock tells.
	context.resume().catch(() => {});
	if (!throughElement) return hearThrough(context, stream, context.destination, () => false);
	// A page that hears a microphone may play, tapped or not.
	const {node, element, isPlaying} = mediaElement(context);
	let isRefused = false;
	isPlaying.catch(() => {
		isRefused = true;
	});
	try {
		return await hearThrough(context, stream, node, () => isRefused);
	} finally {
		element.pause();
		element.srcObject = null;
	}
}

/**
 * @param {AudioContext} context
 * @param {MediaStream} stream
 * @param {AudioNode} way
 * @param {() => boolean} isRefused
 * @returns {Promise<{samples: Samples, dueMs: number[]} | {refused: string}>}
 */
async function hearThrough(context, stream, way, isRefused) {
	await context.audioWorklet.addModule('talk-worklet.js');
	const rate = context.sampleRate;
	const arrivals = new Arrivals(rate);
	/** @type {Samples[]} */
	const pieces = [];
	let first = 0;
	const source = context.createMediaStreamSource(stream);
	const node = new AudioWorkletNode(context, 'pieces', {channelCount: 1, channelCountMode: 'explicit'});
	node.port.onmessage = ({data: {frame, samples}}) => {
		if (pieces.length === 0) first = frame;
		arrivals.came(frame + samples.length, performance.now() * 1e3);
		pieces.push(samples);
	};
	source.connect(node).connect(context.destination);
	const played = chirp(rate);
	const buffer = context.createBuffer(1, played.length, rate);
	buffer.copyToChannel(played, 0);
	const player = context.createBufferSource();
	player.buffer = buffer;
	player.connect(way);
	const startsS = context.currentTime + BEFORE_S;
	player.start(startsS);
	// When frames are heard: ms of our clock that the output's time is behind.
	/** @type {number[]} */
	const offsets = [];
	const lastMs = STARTS_MS[STARTS_MS.length - 1];
	const untilS = startsS + (lastMs + SWEEP_MS + LATEST_MS + SWEEP_MS + QUIET_MS + SPARE_MS) / 1e3;
	const isAwake = await runsUntil(context, untilS, () => {
		offsets.push(heardLaterMs(context));
		return !isRefused();
	});
	node.port.onmessage = null;
	source.disconnect();
	if (isRefused()) return {refused: NOT_PLAYED};
	if (!isAwake) return {refused: ASLEEP};
	const samples = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
	pieces.reduce((at, piece) => {
		samples.set(piece, at);
		return at + piece.length;
	}, 0);
	// From the output's time by way of our clock to the microphone's.
	const firstMs = arrivals.usAt(first) / 1e3;
	const dueMs = STARTS_MS.map((ms) => startsS * 1e3 + ms + median(offsets) - firstMs);
	return {samples, dueMs};
}

/**
 * Waits until the output's clock says `untilS`, and looks meanwhile whether there is still a reason to. False where that
 * clock stands still, or where there is none.
 * @param {{currentTime: number}} context
 * @param {number} untilS
 * @param {() => boolean} look
 */
export async function runsUntil(context, untilS, look) {
	const deadlineMs = performance.now() + (untilS - context.currentTime) * 1e3 + ASLEEP_MS;
	while (context.currentTime < untilS) {
		if (performance.now() > deadlineMs) return false;
		await new Promise((done) => setTimeout(done, EVERY_MS));
		if (!look()) return false;
	}
	return true;
}

/**
 * By how many ms our clock is ahead of what the output plays.
 * @param {AudioContext} context
 */
function heardLaterMs(context) {
	const {performanceTime = 0, contextTime = 0} = context.getOutputTimestamp?.() ?? {};
	if (performanceTime > 0 && contextTime > 0) return performanceTime - contextTime * 1e3;
	const latencyS = context.outputLatency || context.baseLatency + ASSUMED_OUTPUT_S;
	return performance.now() - (context.currentTime - latencyS) * 1e3;
}
