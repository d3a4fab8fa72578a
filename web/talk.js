// The microphone: from the browser's audio thread to the server. Fetched by who wants to talk.
//
// It is sent as Opus where the browser makes that, elsewhere as s16.

import {Arrivals} from './arrivals.js';
import {Gate, Lets} from './gate.js';
import {Flag, MAX_TALK_BYTES, packed, talk} from './wire-room.js';

/** When a microphone is heard, once it is on: always, or while somebody speaks. */
export const Mode = {push: 'push', open: 'open'};

// So many pieces of sound show when they are heard before anything is sent.
const PIECES_AT_FIRST = 20;

// How long sound takes from the mouth to the page, where the browser does not say.
const ASSUMED_LATENCY_S = 0.01;

// The level falls by this much in a piece.
const LEVEL_FALLS = 0.9;

const nowUs = () => performance.now() * 1e3;

/**
 * What a browser's refusal means, in a plain sentence.
 * @param {unknown} error
 */
export function whyNot(error) {
	const {name, message} = error instanceof Error ? error : {name: '', message: String(error)};
	switch (name) {
		case 'NotAllowedError':
			return 'The browser does not let this page use the microphone. Allow it beside the address, and try again.';
		case 'NotFoundError':
			return 'No microphone was found. Plug one in, and try again.';
		case 'NotReadableError':
			return 'The microphone cannot be opened: another program may be using it. Try again when it is free.';
		default:
			return `The microphone cannot be opened (${message}).`;
	}
}

/**
 * Asks for the microphone and opens it, for `listener`. `onEnd` is called should it vanish.
 * @param {Page.Listener} listener
 * @param {() => void} onEnd
 */
export async function openMicrophone(listener, onEnd) {
	// Many have no headphones on: without this a film would come back through their microphones.
	const audio = {channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true};
	const stream = await navigator.mediaDevices.getUserMedia({audio});
	try {
		return (
			(await openWithOpus(listener, stream, onEnd)) ?? (await open(listener, stream, onEnd, listener.player.context))
		);
	} catch (error) {
		stream.getTracks().forEach((track) => track.stop());
		throw error;
	}
}

/**
 * A microphone that is sent as Opus; null where the browser cannot.
 * @param {Page.Listener} listener
 * @param {MediaStream} stream
 * @param {() => void} onEnd
 */
async function openWithOpus(listener, stream, onEnd) {
	if (!window.AudioEncoder) return null;
	const {RATE, opusPacker} = await import('./talk-opus.js');
	const packer = await opusPacker();
	if (!packer) return null;
	const {context} = listener.player;
	if (context.sampleRate === RATE) return open(listener, stream, onEnd, context, packer);
	// Some browsers bring a microphone to no other rate than the output's.
	const own = new AudioContext({sampleRate: RATE});
	try {
		return await open(listener, stream, onEnd, own, packer);
	} catch {
		packer.close();
		own.close();
		return null;
	}
}

/**
 * @param {Page.Listener} listener
 * @param {MediaStream} stream
 * @param {() => void} onEnd
 * @param {AudioContext} context
 * @param {Page.Packer} packer
 */
async function open(listener, stream, onEnd, context, packer = new PcmPacker(context.sampleRate)) {
	await context.audioWorklet.addModule('talk-worklet.js');
	return new Microphone(listener, stream, onEnd, context, packer);
}

class PcmPacker {
	/**
	 * What a hello says of it.
	 * @type {Wire.Talk}
	 */
	announced;

	/** @param {number} rate */
	constructor(rate) {
		this.announced = {codec: 's16', rate, channels: 1, algorithmic_delay: 0};
	}

	/** @param {Wire.TalkHeader} header @param {Samples} samples @param {Page.GivePacked} give */
	pack(header, samples, give) {
		give(header, samples.length, packed(samples));
	}

	close() {}
}

export class Microphone {
	#listener;
	#stream;
	#context;
	#source;
	#pieces;
	#arrivals;
	#gate;
	#packer;
	#came = 0;
	#latencyUs;
	#mode = Mode.push;
	#isWanted = false;
	#isMuted = false;
	/**
	 * The welcome of the connection that was last talked on.
	 * @type {Wire.Welcome | null}
	 */
	#talkedOn = null;
	/** Peak of what it hears, 0 to 1, falling. */
	level = 0;

	/**
	 * @param {Page.Listener} listener
	 * @param {MediaStream} stream
	 * @param {() => void} onEnd
	 * @param {AudioContext} context
	 * @param {Page.Packer} packer
	 */
	constructor(listener, stream, onEnd, context, packer) {
		const [track] = stream.getAudioTracks();
		this.#listener = listener;
		this.#stream = stream;
		this.#context = context;
		this.#arrivals = new Arrivals(context.sampleRate);
		this.#gate = new Gate(context.sampleRate);
		this.#latencyUs = 1e6 * (track.getSettings().latency ?? ASSUMED_LATENCY_S);
		if (navigator.audioSession) navigator.audioSession.type = 'play-and-record';
		track.onended = onEnd;
		this.#source = context.createMediaStreamSource(stream);
		this.#pieces = new AudioWorkletNode(context, 'pieces', {channelCount: 1, channelCountMode: 'explicit'});
		this.#pieces.port.onmessage = ({data}) => this.#take(data);
		// It gives out silence; only what leads to the output is run.
		this.#source.connect(this.#pieces).connect(context.destination);
		packer.onError = () => this.#setPacker(new PcmPacker(context.sampleRate));
		this.#packer = packer;
		listener.setMicrophone(packer.announced);
	}

	/**
	 * What is said goes out as `packer` makes it, from the next welcome on.
	 * @param {Page.Packer} packer
	 */
	#setPacker(packer) {
		this.#packer = packer;
		this.#listener.setMicrophone(packer.announced);
	}

	/** Whether the server takes what is said. */
	get mayTalk() {
		return (this.#listener.welcome?.longestTalk ?? 0) >= MAX_TALK_BYTES;
	}

	/** Why it does not, where it says so. */
	get refusal() {
		return this.#listener.welcome?.refusal ?? '';
	}

	/**
	 * Whether it is on: what is said shall be heard from now on.
	 * @param {boolean} isWanted
	 */
	setWanted(isWanted) {
		this.#isWanted = isWanted;
	}

	/** @param {boolean} isMuted */
	setMuted(isMuted) {
		this.#isMuted = isMuted;
	}

	/** @param {string} mode */
	setMode(mode) {
		this.#mode = mode;
	}

	get #lets() {
		const isReady = this.mayTalk && this.#came >= PIECES_AT_FIRST;
		if (!isReady || !this.#isWanted || this.#isMuted) return Lets.nothing;
		return this.#mode === Mode.open ? Lets.voice : Lets.everything;
	}

	/** @param {{frame: number, samples: Samples}} piece */
	#take({frame, samples}) {
		const stepped = this.#arrivals.came(frame + samples.length, nowUs());
		this.#came += 1;
		this.level = samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), this.level * LEVEL_FALLS);
		const {clock} = this.#listener;
		if (!clock.known) return;
		const capturedUs = Math.max(0, Math.round(clock.serverUs(this.#arrivals.usAt(frame) - this.#latencyUs)));
		const header = {flags: stepped ? Flag.broken : 0, position: frame, capturedUs};
		this.#gate.take(header, samples, this.#lets, (which, sound) => this.#packer.pack(which, sound, this.#send));
	}

	/** @type {Page.GivePacked} */
	#send = (header, frames, bytes) => {
		const {welcome} = this.#listener;
		const flags = header.flags | (this.#talkedOn === welcome ? 0 : Flag.broken);
		if (this.#listener.send(talk({...header, flags}, frames, bytes))) this.#talkedOn = welcome;
	};

	/** Lets go of the microphone. */
	close() {
		this.#pieces.port.onmessage = null;
		this.#source.disconnect();
		this.#pieces.disconnect();
		for (const track of this.#stream.getTracks()) {
			track.onended = null;
			track.stop();
		}
		if (navigator.audioSession) navigator.audioSession.type = 'playback';
		this.#packer.close();
		if (this.#context !== this.#listener.player.context) this.#context.close();
		this.#listener.setMicrophone(undefined);
	}
}
