// A microphone's sound into Opus, by the browser. Fetched by who talks, where the browser can.

export const RATE = 48_000;

/** @type {AudioEncoderConfig & {opus: OpusEncoderConfig}} */
const CONFIG = {
	codec: 'opus',
	sampleRate: RATE,
	numberOfChannels: 1,
	// What auralync-client sends by itself: one voice, transparent.
	bitrate: 64_000,
	opus: {frameDuration: 10_000, application: 'lowdelay'},
};

// By how many frames what is decoded lags: Opus without its speech part, or whole.
const LOW_DELAY = 120;
const WHOLE_DELAY = 312;

/** A packer of pieces of 10 ms at RATE, or null where the browser has none. */
export async function opusPacker() {
	const support = await AudioEncoder.isConfigSupported(CONFIG).catch(() => null);
	const opus = support?.supported ? support.config?.opus : null;
	// What the browser does not know is not in what it says.
	if (opus?.frameDuration !== CONFIG.opus.frameDuration) return null;
	return new OpusPacker(opus?.application === 'lowdelay' ? LOW_DELAY : WHOLE_DELAY);
}

class OpusPacker {
	#encoder;
	/** @type {{header: Wire.TalkHeader, frames: number, give: Page.GivePacked}[]} */
	#waiting = [];
	/** What a hello says of it, and what is called should it fail. */
	announced;
	onError = () => {};

	/** @param {number} delay */
	constructor(delay) {
		this.announced = {codec: 'opus', rate: RATE, channels: 1, algorithmic_delay: delay};
		this.#encoder = new AudioEncoder({
			// Each piece comes out as one packet, in order.
			output: (packet) => {
				const piece = this.#waiting.shift();
				const bytes = new Uint8Array(packet.byteLength);
				packet.copyTo(bytes);
				piece?.give(piece.header, piece.frames, bytes);
			},
			error: () => this.onError(),
		});
		this.#encoder.configure(CONFIG);
	}

	/**
	 * Calls `give(header, frames, bytes)`, soon.
	 * @param {Wire.TalkHeader} header
	 * @param {Samples} samples
	 * @param {Page.GivePacked} give
	 */
	pack(header, samples, give) {
		const [frames, timestamp] = [samples.length, Math.round((header.position * 1e6) / RATE)];
		const data = new AudioData({
			format: 'f32',
			sampleRate: RATE,
			numberOfFrames: frames,
			numberOfChannels: 1,
			timestamp,
			data: samples,
		});
		this.#waiting.push({header, frames, give});
		this.#encoder.encode(data);
		data.close();
	}

	close() {
		if (this.#encoder.state !== 'closed') this.#encoder.close();
	}
}
