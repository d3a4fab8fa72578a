// The microphone: from the browser's audio thread to the server. Fetched by who wants to talk.
//
// It is sent as s16: a page that may use a microphone is so far one on the server's own machine, where
// Opus would save nothing and cost some ms.

import {Arrivals} from './arrivals.js';
import {Flag, MAX_TALK_BYTES, talk} from './wire-room.js';

// So many pieces of sound show when they are heard before anything is sent.
const PIECES_AT_FIRST = 20;

// How long sound takes from the mouth to the page, where the browser does not say.
const ASSUMED_LATENCY_S = 0.01;

// The level falls by this much in a piece.
const LEVEL_FALLS = 0.9;

const nowUs = () => performance.now() * 1e3;

/** What a browser's refusal means, in a plain sentence. */
export function whyNot(error) {
	switch (error.name) {
		case 'NotAllowedError': return 'The browser does not let this page use the microphone. Allow it beside the address, and try again.';
		case 'NotFoundError': return 'No microphone was found. Plug one in, and try again.';
		case 'NotReadableError': return 'The microphone cannot be opened: another program may be using it. Try again when it is free.';
		default: return `The microphone cannot be opened (${error.message}).`;
	}
}

/** Asks for the microphone and opens it, for `listener`. `onEnd` is called should it vanish. */
export async function openMicrophone(listener, onEnd) {
	// Many have no headphones on: without this a film would come back through their microphones.
	const audio = {channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true};
	const stream = await navigator.mediaDevices.getUserMedia({audio});
	try {
		await listener.player.context.audioWorklet.addModule('talk-worklet.js');
		return new Microphone(listener, stream, onEnd);
	} catch (error) {
		stream.getTracks().forEach((track) => track.stop());
		throw error;
	}
}

class Microphone {
	#listener;
	#stream;
	#source;
	#pieces;
	#arrivals;
	#came = 0;
	#latencyUs;
	#isWanted = false;
	#isMuted = false;
	/** The welcome of the connection that was last talked on, and whether that goes on. */
	#talkedOn = null;
	#isTalking = false;
	/** Peak of what it hears, 0 to 1, falling. */
	level = 0;

	constructor(listener, stream, onEnd) {
		const {context} = listener.player;
		const [track] = stream.getAudioTracks();
		this.#listener = listener;
		this.#stream = stream;
		this.#arrivals = new Arrivals(context.sampleRate);
		this.#latencyUs = 1e6 * (track.getSettings().latency ?? ASSUMED_LATENCY_S);
		if (navigator.audioSession) navigator.audioSession.type = 'play-and-record';
		track.onended = onEnd;
		this.#source = context.createMediaStreamSource(stream);
		this.#pieces = new AudioWorkletNode(context, 'pieces', {channelCount: 1, channelCountMode: 'explicit'});
		this.#pieces.port.onmessage = ({data}) => this.#take(data);
		// It gives out silence; only what leads to the output is run.
		this.#source.connect(this.#pieces).connect(context.destination);
		listener.setMicrophone({codec: 's16', rate: context.sampleRate, channels: 1, algorithmic_delay: 0});
	}

	/** Whether the server takes what is said. */
	get mayTalk() {
		return (this.#listener.welcome?.longestTalk ?? 0) >= MAX_TALK_BYTES;
	}

	/** Whether what is said shall be heard from now on. */
	setWanted(isWanted) {
		this.#isWanted = isWanted;
	}

	setMuted(isMuted) {
		this.#isMuted = isMuted;
	}

	#take({frame, samples}) {
		const stepped = this.#arrivals.came(frame + samples.length, nowUs());
		this.#came += 1;
		this.level = samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), this.level * LEVEL_FALLS);
		const {welcome, clock} = this.#listener;
		const isReady = this.mayTalk && clock.known && this.#came >= PIECES_AT_FIRST;
		const isOn = isReady && this.#isWanted && !this.#isMuted;
		if (!isOn && !this.#isTalking) return;
		const isNew = this.#talkedOn !== welcome;
		const capturedUs = Math.round(clock.serverUs(this.#arrivals.usAt(frame) - this.#latencyUs));
		const flags = (isNew || stepped ? Flag.broken : 0) | (isOn ? 0 : Flag.last);
		const isSent = this.#listener.send(talk({flags, position: frame, capturedUs: Math.max(0, capturedUs)}, samples));
		this.#isTalking = isOn && isSent;
		if (isSent) this.#talkedOn = welcome;
	}

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
		this.#listener.setMicrophone(undefined);
	}
}
