// Sound out of the browser: makes blocks ahead of their time and places them on the audio clock.
//
// Plain http on a home network has no AudioWorklet: blocks are AudioBuffers there.

import {CardClock} from './clock.js';
import {samples} from './wire.js';
import {Schedule} from './schedule.js';

const BLOCK = 512;

// So far ahead sound is made where it is there: what a busy page survives unharmed.
const FURTHEST_S = 0.25;

// What is still missing this long before its turn, beside what the browser takes at once, is silence.
const LATEST_S = 0.012;

// What the browser takes at once, and how long sound takes to the ear, where it does not say.
const ASSUMED_PERIOD_S = 0.01;
const ASSUMED_LATENCY_S = 0.03;

const PUMP_EVERY_MS = 10;

// What arrives is not worth a look more often than this: short chunks come hundreds of times a second.
const PUMP_AT_MOST_EVERY_US = 4_000;

// Stamps of the audio clock: every so often, so many before sound, believed for so long.
const STAMP_EVERY_US = 100_000;
const STAMPS_AT_FIRST = 8;
const STAMPS_US = 10e6;
const FRESH_MS = 100;

// Sound is late if more than LATE of the last arrivals, came too late.
const ARRIVALS = 40;
const ARRIVALS_APART_US = 40_000;
const LATE = 3;
const LATER_STEP_MS = 10;
const MOST_LATER_MS = 1_000;

// Volume changes, and the end, glide with this time constant.
const GLIDE_S = 0.01;

// What was made louder is still to be heard for so long: what is made ahead, its last block, and the glides.
const LOUD_FOR_S = FURTHEST_S + 10 * GLIDE_S;

const nowUs = () => Math.round(performance.now() * 1e3);

/**
 * A way out through a media element, and whether that plays. Browsers start it only while a tap is handled, or where the
 * page hears a microphone.
 * @param {AudioContext} context
 */
export function mediaElement(context) {
	const node = context.createMediaStreamDestination();
	const element = new Audio();
	element.srcObject = node.stream;
	return {node, element, isPlaying: element.play()};
}

/** Plays a stream in step with a server's clock. */
export class Player {
	context;
	/** @type {Page.Sink | null} */
	#sink = null;
	#gate;
	#gain;
	/** @type {Page.Limiter | null} */
	#limiter = null;
	/**
	 * When nothing is left that it has to bend, on the audio clock; null while something is.
	 * @type {number | null}
	 */
	#unlimitedS = null;
	#volume = 100;
	/**
	 * What makes sound as this person wants to hear it (ear.js), once that was wanted.
	 * @type {import('./ear.js').Ear | null}
	 */
	#ear = null;
	/** Whether that may make it louder. */
	#raises = false;
	/** @type {unknown} */
	#hearing = null;
	#analyser;
	/** @type {HTMLAudioElement | null} */
	#element = null;
	#timer;
	#card;
	#stamps = 0;
	#stampedUs = 0;
	/** @type {Page.ServerClock | null} */
	#clock = null;
	/** @type {Wire.Welcome | null} */
	#stream = null;
	/** @type {Page.Decoder | null} */
	#opus = null;
	/** @type {Schedule | null} */
	#schedule = null;
	/**
	 * The output's frame that the next block begins with; null while nothing plays.
	 * @type {number | null}
	 */
	#next = null;
	#trimMs;
	#extraMs = 0;
	/** @type {number[]} */
	#arrivals = [];
	#arrivedUs = 0;
	#pumpedUs = 0;
	#underruns = 0;
	/**
	 * A Patience (patience.js), once that is here.
	 * @type {Page.Patience | undefined}
	 */
	#patience;
	/** Whether it was asked for since the server last said what it sends. */
	#isFetched = false;
	#waveform;
	#onLater;

	/**
	 * Opens the sound output. Browsers allow it only while a tap is handled. `throughElement` plays
	 * through a media element, which iOS keeps alive when it locks; `onLater` is told when sound plays
	 * more or less later than the others'. `patience` is fetched when sound plays, unless there is one.
	 * @param {Page.Wishes} wishes
	 * @param {() => void} onLater
	 */
	constructor({volume, trimMs, throughElement, hearing, patience}, onLater) {
		const context = new AudioContext({latencyHint: 'balanced'});
		this.context = context;
		this.#onLater = onLater;
		this.#trimMs = trimMs;
		this.#patience = patience;
		this.#card = new CardClock(context.sampleRate, STAMPS_US);
		this.#gate = context.createGain();
		this.#gain = context.createGain();
		this.#analyser = context.createAnalyser();
		this.#waveform = new Float32Array(this.#analyser.fftSize);
		this.#gate.connect(this.#gain).connect(this.#analyser);
		this.#analyser.connect(throughElement ? this.#mediaElement() : context.destination);
		this.#gain.gain.value = volume / 100;
		this.setVolume(volume);
		if (hearing) this.setHearing(hearing);
		if (navigator.audioSession) navigator.audioSession.type = 'playback';
		context.onstatechange = () => this.wake();
		this.wake();
		this.#makeSink().then((sink) => {
			this.#sink = sink;
		});
		this.#timer = setInterval(() => this.pump(), PUMP_EVERY_MS);
	}

	#mediaElement() {
		const {node, element, isPlaying} = mediaElement(this.context);
		this.#element = element;
		isPlaying.catch(() => {});
		return node;
	}

	async #makeSink() {
		const context = this.context;
		if (context.audioWorklet) {
			try {
				const {WorkletSink} = await import('./worklet-sink.js');
				await context.audioWorklet.addModule('worklet.js');
				return new WorkletSink(context, this.#gate);
			} catch {
				/* the other way plays as well */
			}
		}
		return new BufferSink(context, this.#gate);
	}

	/** The output was put to sleep (a call, a locked screen) or the page was: goes on. */
	wake() {
		if (!['running', 'closed'].includes(this.context.state)) this.context.resume().catch(() => {});
	}

	get isPlaying() {
		return this.#next !== null && this.#schedule?.heardAfterMs != null;
	}

	/**
	 * What the server says of its stream; `clock` is its clock, `opus` makes decoders (opus.js). The same
	 * session goes on without a gap.
	 * @param {Wire.Welcome} stream
	 * @param {Page.ServerClock} clock
	 * @param {Page.MakeDecoder | null} opus
	 */
	begin(stream, clock, opus) {
		const goesOn = this.#clock === clock && stream.codec === this.#stream?.codec ? this.#schedule : null;
		this.#stream = stream;
		this.#clock = clock;
		this.#isFetched = false;
		if (goesOn) {
			if (stream.playoutDelayMs !== goesOn.delayMs) goesOn.setDelay(stream.playoutDelayMs, 0);
			return;
		}
		this.#opus?.close();
		const insert = this.#insert.bind(this);
		this.#opus = stream.codec === 'opus' && opus ? opus(stream.channels, insert) : null;
		this.#schedule = new Schedule(stream, this.context.sampleRate);
		this.#next = null;
		this.#arrivals = [];
		this.#extraMs = 0;
	}

	/** @param {number} delayMs @param {number} fromUs */
	setDelay(delayMs, fromUs) {
		this.#schedule?.setDelay(delayMs, fromUs);
		this.#arrivals = [];
	}

	/** @param {Wire.Audio} message */
	audio(message) {
		if (this.#opus) this.#opus.take(message);
		else if (this.#stream) this.#insert(message, samples(message, this.#stream.codec, this.#stream.channels));
	}

	/** @param {Wire.Place} place @param {Channels} channels */
	#insert({position, capturedUs, broken}, channels) {
		this.#schedule?.insert(position, capturedUs, broken, channels);
		if (nowUs() - this.#pumpedUs >= PUMP_AT_MOST_EVERY_US) this.pump();
		this.#judgeArrival();
	}

	/**
	 * When which position has to be there, in µs of our clock, and how long after its capture that is. What the
	 * output takes is taken off.
	 */
	deadline() {
		const due = this.#clock?.known && this.#card.known ? this.#schedule?.due(this.#laterMs) : null;
		if (!due || !this.#clock || !this.#stream) return null;
		const {currentTime, sampleRate} = this.context;
		const frames = this.#card.frameAt(this.#clock.oursUs(due.atUs)) - this.#latestFrames - BLOCK;
		const atUs = nowUs() + (frames / sampleRate - currentTime) * 1e6;
		const outputUs = this.#clock.oursUs(due.atUs) - atUs;
		return {position: due.position, atUs, rate: this.#stream.positionRate, delayUs: due.delayUs - outputUs};
	}

	pump() {
		this.#pumpedUs = nowUs();
		const context = this.context;
		if (context.state !== 'running' || !this.#sink) return;
		if (this.#unlimitedS !== null && context.currentTime >= this.#unlimitedS) this.#bendBy(null);
		this.#stamp();
		// Only when the first sound is out.
		if (this.#next !== null && !this.#patience) this.#fetchPatience();
		if (this.#stamps < STAMPS_AT_FIRST || !this.#clock?.known || !this.#schedule) return;
		const nowFrame = context.currentTime * context.sampleRate;
		const latest = nowFrame + this.#latestFrames;
		if (this.#next !== null && this.#next < nowFrame + 128) {
			this.#underruns += 1;
			this.#patience?.wasLate(performance.now());
			this.#next = null;
		}
		if (this.#next === null) {
			this.#schedule.restart();
			this.#next = Math.ceil(latest);
		}
		const furthest = nowFrame + FURTHEST_S * context.sampleRate;
		while (this.#next < furthest) {
			const block = this.#block(this.#next, this.#next < latest);
			if (!block) break;
			this.#sink.play(this.#next, this.#ear ? this.#ear.process(block) : block);
			this.#next += BLOCK;
		}
		if (!this.isPlaying) this.#next = null;
	}

	/** Until it is here, what was taken is not given back. */
	async #fetchPatience() {
		if (this.#isFetched) return;
		this.#isFetched = true;
		const fetched = await import('./patience.js').catch(() => null);
		if (fetched) this.#patience ??= new fetched.Patience();
	}

	/** @param {number} frame @param {boolean} now */
	#block(frame, now) {
		if (!this.#clock || !this.#schedule) return null;
		const oursUs = this.#card.usAt(frame);
		const frameUs = this.#card.usPerFrame * (1 + this.#clock.rate);
		return this.#schedule.block(BLOCK, this.#clock.serverUs(oursUs), frameUs, this.#laterMs, now);
	}

	get #laterMs() {
		return this.#extraMs + this.#trimMs;
	}

	get #latestFrames() {
		return ((this.context.baseLatency || ASSUMED_PERIOD_S) + LATEST_S) * this.context.sampleRate;
	}

	#stamp() {
		const us = nowUs();
		if (this.#stamps >= STAMPS_AT_FIRST && us - this.#stampedUs < STAMP_EVERY_US) return;
		const heard = this.#heardNow(us);
		if (!heard || heard.frame <= 0) return;
		this.#stampedUs = us;
		this.#stamps += 1;
		this.#card.stamp(heard.frame, heard.atUs);
	}

	/** @param {number} us */
	#heardNow(us) {
		const context = this.context;
		const rate = context.sampleRate;
		const {performanceTime = 0, contextTime = 0} = context.getOutputTimestamp?.() ?? {};
		const latencyS = context.outputLatency || context.baseLatency + ASSUMED_LATENCY_S;
		const frame = (context.currentTime - latencyS) * rate;
		// Firefox takes its latency off both times, which cancels.
		if (performanceTime > 0 && contextTime > 0 && Math.abs(contextTime * rate - frame) > 1) {
			// Before sound runs, browsers repeat their first stamp.
			if (Math.abs(us / 1e3 - performanceTime) > FRESH_MS) return null;
			return {frame: contextTime * rate, atUs: performanceTime * 1e3};
		}
		return {frame, atUs: us};
	}

	/**
	 * Sound that had been lost came again, `ms` after it was given up: an arrival like those that are judged.
	 * @param {number} ms
	 */
	cameLate(ms) {
		const last = this.#arrivals.length - 1;
		if (last >= 0) this.#arrivals[last] = Math.min(this.#arrivals[last], -ms);
	}

	/** Plays later while this output and network cannot make the server's delay. */
	#judgeArrival() {
		const us = nowUs();
		if (us - this.#arrivedUs < ARRIVALS_APART_US || this.#stamps < STAMPS_AT_FIRST) return;
		if (!this.#clock?.known || !this.#schedule) return;
		const dueUs = this.#schedule.newestDueUs(this.#laterMs);
		if (dueUs === null) return;
		this.#arrivedUs = us;
		const {currentTime, sampleRate} = this.context;
		const spare = this.#card.frameAt(this.#clock.oursUs(dueUs)) - this.#latestFrames - BLOCK;
		const spareMs = (spare / sampleRate - currentTime) * 1e3;
		this.#arrivals = [...this.#arrivals, spareMs].slice(-ARRIVALS);
		// Not the very worst: a stall of the page must not cost everything after it.
		const worst = [...this.#arrivals].sort((a, b) => a - b)[LATE];
		const before = this.#extraMs;
		if (worst < 0) {
			this.#extraMs = Math.min(MOST_LATER_MS, before + LATER_STEP_MS * Math.ceil(-worst / LATER_STEP_MS));
			this.#patience?.tookMore(us / 1e3);
		} else this.#extraMs -= this.#patience?.came(spareMs, before, us / 1e3) ?? 0;
		if (this.#extraMs === before) return;
		this.#arrivals = [];
		this.#onLater();
	}

	/** @param {number} percent */
	async setVolume(percent) {
		this.#volume = percent;
		this.#gain.gain.setTargetAtTime(percent / 100, this.context.currentTime, GLIDE_S);
		await this.#limit();
	}

	/**
	 * From here on sound is as one person wants to hear it; what was made ahead is heard as it was.
	 * @param {unknown} hearing as it was kept
	 */
	async setHearing(hearing) {
		this.#hearing = hearing;
		const fetched = await import('./ear.js').catch(() => null);
		if (!fetched || this.#hearing !== hearing) return;
		const wanted = fetched.understood(hearing);
		this.#ear ??= new fetched.Ear(this.context.sampleRate);
		this.#raises = fetched.raises(wanted);
		await this.#limit();
		if (this.#hearing !== hearing) return;
		this.#ear.set(wanted);
		if (this.#next === null) this.#ear.arrive();
	}

	/** Bends what would be beyond full scale, where something may be, and as long as it is heard. */
	async #limit() {
		const isLoud = () => this.#volume > 100 || this.#raises;
		const fetched = isLoud() ? await import('./limiter.js').catch(() => null) : null;
		if (!isLoud()) {
			if (this.#limiter) this.#unlimitedS ??= this.context.currentTime + LOUD_FOR_S;
			return;
		}
		this.#unlimitedS = null;
		if (!this.#limiter && fetched) this.#bendBy(fetched.limiter(this.context));
	}

	/** @param {Page.Limiter | null} limiter */
	#bendBy(limiter) {
		this.#unlimitedS = null;
		this.#gain.disconnect();
		this.#limiter?.output.disconnect();
		this.#limiter = limiter;
		this.#gain.connect(limiter?.input ?? this.#analyser);
		limiter?.output.connect(this.#analyser);
	}

	/**
	 * Silent for the one who listens, whatever the volume.
	 * @param {boolean} isDeaf
	 */
	setDeaf(isDeaf) {
		this.#gate.gain.setTargetAtTime(isDeaf ? 0 : 1, this.context.currentTime, GLIDE_S);
	}

	/** @param {number} ms */
	setTrim(ms) {
		this.#trimMs = ms;
	}

	peak() {
		this.#analyser.getFloatTimeDomainData(this.#waveform);
		return this.#waveform.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
	}

	figures() {
		const context = this.context;
		const schedule = this.#schedule;
		if (!schedule || !this.#stream) return null;
		const latencyUs = this.#card.known ? this.#card.usAt(context.currentTime * context.sampleRate) - nowUs() : 0;
		return {
			bufferedMs: schedule.bufferedMs + this.#scheduledMs,
			heardAfterMs: schedule.heardAfterMs,
			outputLatencyMs: Math.max(0, latencyUs / 1e3),
			underruns: this.#underruns,
			lost: schedule.counts.lost + schedule.counts.late,
			ppm: this.#stamps ? schedule.ppm(this.#card.usPerFrame * (1 + (this.#clock?.rate ?? 0))) : 0,
			extraMs: this.#extraMs,
			laterMs: this.#laterMs,
			codec: this.#stream.codec,
			kHz: this.#stream.positionRate / 1e3,
		};
	}

	get #scheduledMs() {
		const {currentTime, sampleRate} = this.context;
		return this.#next === null ? 0 : Math.max(0, (this.#next / sampleRate - currentTime) * 1e3);
	}

	/** Fades out and closes the output, for good. */
	close() {
		clearInterval(this.#timer);
		this.#opus?.close();
		this.#schedule = null;
		this.context.onstatechange = null;
		this.setDeaf(true);
		setTimeout(() => {
			this.#element?.pause();
			this.context.close().catch(() => {});
		}, 5e3 * GLIDE_S);
	}
}

/** Blocks as AudioBuffers. Their first frames are whole numbers of the output's, so they join without a seam. */
class BufferSink {
	#context;
	#output;

	/** @param {AudioContext} context @param {AudioNode} output */
	constructor(context, output) {
		this.#context = context;
		this.#output = output;
	}

	/** @param {number} frame @param {Channels} channels */
	play(frame, channels) {
		const {sampleRate} = this.#context;
		const buffer = this.#context.createBuffer(channels.length, channels[0].length, sampleRate);
		channels.forEach((samples, channel) => buffer.getChannelData(channel).set(samples));
		const source = this.#context.createBufferSource();
		source.buffer = buffer;
		source.connect(this.#output);
		source.start(frame / sampleRate);
	}
}
