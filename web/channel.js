// Sound by datagram over a WebRTC data channel, beside the WebSocket that carries all else, and sound where no
// channel opens. Fetched when the first sound is out.

import {Asking, Step} from './asking.js';
import {ask, read} from './datagram.js';
import {Deadline} from './gaps.js';
import {Repair} from './repair.js';
import {json, jsonFrame, Kind, Violation} from './wire.js';

// It looks this often whether something is due; what comes is looked at when it does.
const LOOK_EVERY_MS = 5;

// A page that was kept from looking for so long was not listening either: what came meanwhile is heard first,
// within this time.
const KEPT_AWAY_US = 60_000;
const CATCHES_UP_MS = 20;

// Sound has to be there so long before its turn, for the way through a decoder.
const IN_TIME_US = 8_000;

// A datagram is the browser's and the server's concern for so long. Then what is on its way counts as lost, and makes
// room: SCTP lets 4 kB be on its way, and would wait a second for word of what a hole has taken. Longer, and a way
// that is slow would carry less than there is to send.
const LIFETIME_MS = 5;

const BYTES = {f32: 4, s24: 3, s16: 2, opus: 0};

const nowUs = () => performance.now() * 1e3;

/** One listener's way for datagrams. */
export class Channel {
	#listener;
	#give;
	#timer;
	#repair = new Repair(48_000, 0);
	/** @type {Asking | null} */
	#asking = null;
	/** @type {RTCPeerConnection | null} */
	#peer = null;
	/** @type {RTCDataChannel | null} */
	#channel = null;
	#lookedUs = nowUs();
	#wasAway = false;

	/**
	 * `give` takes sound in order.
	 * @param {Page.Listener} listener
	 * @param {(audio: Wire.Audio) => void} give
	 */
	constructor(listener, give) {
		this.#listener = listener;
		this.#give = give;
		if (listener.welcome) this.welcomed(listener.welcome);
		this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
	}

	/**
	 * A connection begins: whatever was open belonged to the one before.
	 * @param {Wire.Welcome} welcome
	 */
	welcomed({codec, channels, positionRate, mayOffer}) {
		this.#close();
		this.#repair = new Repair(positionRate, BYTES[codec] * channels);
		this.#asking = mayOffer && 'RTCPeerConnection' in window ? new Asking(nowUs()) : null;
	}

	/**
	 * Sound came by WebSocket.
	 * @param {Wire.Audio} audio
	 */
	frame(audio) {
		this.#repair.frame(audio);
		this.#release(nowUs());
	}

	/** What is known of the way: whether sound comes by it, and how much was lost and repaired. */
	figures() {
		return {isOn: this.#asking?.isOn ?? false, ...this.#repair.counts};
	}

	#look() {
		const us = nowUs();
		const isAway = us - this.#lookedUs > KEPT_AWAY_US && !this.#wasAway;
		this.#lookedUs = us;
		if (!this.#asking) return;
		const stream = this.#listener.player.deadline();
		this.#repair.deadline = stream && new Deadline(stream.position, stream.atUs - IN_TIME_US, stream.rate);
		this.#repair.delayUs = stream?.delayUs ?? this.#repair.delayUs;
		this.#release(us);
		this.#wasAway = isAway;
		if (isAway) {
			setTimeout(() => this.#look(), CATCHES_UP_MS);
			return;
		}
		switch (this.#asking.next(us, this.#repair.trip.usualUs, this.#repair.delayUs)) {
			case Step.open:
				this.#open().catch(() => this.#fail());
				break;
			case Step.ask:
				this.#ask(0, [], us);
				break;
			case Step.giveUp:
				this.#fail();
				break;
			case Step.fallBack:
				this.#fallBack();
				break;
			default:
		}
	}

	/** One that is still there is tried before another is made. */
	async #open() {
		if (this.#channel?.readyState === 'open') {
			this.#asking?.opened(nowUs());
			return;
		}
		this.#close();
		const peer = new RTCPeerConnection();
		this.#peer = peer;
		const channel = peer.createDataChannel('sound', {ordered: false, maxPacketLifeTime: LIFETIME_MS});
		channel.binaryType = 'arraybuffer';
		channel.onopen = () => {
			this.#channel = channel;
			this.#asking?.opened(nowUs());
			this.#look();
		};
		channel.onclose = () => {
			if (this.#peer === peer) this.#fail();
		};
		channel.onmessage = ({data}) => {
			if (this.#peer === peer && data instanceof ArrayBuffer) this.#take(data);
		};
		await peer.setLocalDescription();
		const sdp = peer.localDescription?.sdp;
		if (this.#peer === peer && sdp) this.#listener.send(jsonFrame(Kind.offer, {sdp}));
	}

	/**
	 * The server's answer to the offer.
	 * @param {ArrayBuffer} bytes
	 */
	async answer(bytes) {
		const {sdp} = json(bytes);
		const peer = this.#peer;
		if (!peer || peer.signalingState !== 'have-local-offer') return;
		try {
			if (typeof sdp !== 'string') throw new Violation('no channel is to be had');
			await peer.setRemoteDescription({type: 'answer', sdp});
		} catch {
			if (this.#peer === peer) this.#fail();
		}
	}

	/** @param {ArrayBuffer} bytes */
	#take(bytes) {
		const us = nowUs();
		const opened = this.#listener.openDatagram(bytes);
		if (!opened) this.#repair.counts.refused += 1;
		const datagram = opened && read(opened);
		this.#listener.heard();
		if (datagram?.kind === 'answer') {
			this.#asking?.answered(us);
			this.#repair.trip.note(us - datagram.clientUs);
		} else if (datagram) {
			this.#asking?.sound(us);
			const lateUs = this.#repair.datagram(datagram, us);
			if (lateUs > 0) this.#listener.player.cameLate(lateUs / 1e3);
			this.#release(us);
			// Timers stand still in a tab that nobody looks at.
			if (us - this.#lookedUs > LOOK_EVERY_MS * 1e3) this.#look();
		}
	}

	/** @param {number} us */
	#release(us) {
		for (let audio = this.#repair.next(us); audio; audio = this.#repair.next(us)) this.#hand(audio);
		const wanted = this.#channel && this.#repair.ask(us);
		if (!wanted) return;
		this.#ask(wanted.stream, wanted.numbers, us);
		if (wanted.again.length > 0) this.#ask(wanted.stream, wanted.again, us);
	}

	/** @param {Wire.Audio} audio */
	#hand(audio) {
		try {
			this.#give(audio);
		} catch (error) {
			// Nothing that comes by datagram ends a conversation.
			if (!(error instanceof Violation)) throw error;
			this.#repair.counts.refused += 1;
		}
	}

	/** @param {number} stream @param {number[]} numbers @param {number} us */
	#ask(stream, numbers, us) {
		this.#asking?.asks(us);
		if (this.#channel?.readyState === 'open') this.#channel.send(ask(stream, numbers, us));
	}

	/** The channel does not work. */
	#fail() {
		const wasOpen = this.#channel !== null;
		this.#close();
		if (wasOpen) this.#fallBack();
		else this.#asking?.fail(nowUs());
	}

	/** Sound comes by WebSocket again, from where datagrams have brought it. */
	#fallBack() {
		this.#asking?.fail(nowUs());
		const from = this.#repair.position ?? undefined;
		this.#listener.send(jsonFrame(Kind.path, {datagrams: false, from}));
	}

	#close() {
		const peer = this.#peer;
		this.#peer = null;
		this.#channel = null;
		peer?.close();
	}

	/** Lets go of it for good. */
	leave() {
		clearInterval(this.#timer);
		this.#close();
	}
}
