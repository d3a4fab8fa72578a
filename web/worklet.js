// Plays blocks at the frames that they are for. Runs on the browser's audio thread, where the page is
// secure; elsewhere player.js hands the same blocks to the browser one by one.

// A second of blocks is far more than the player schedules ahead.
const MOST_BLOCKS = 128;

class Blocks extends AudioWorkletProcessor {
	/** @type {{frame: number, channels: Channels}[]} */
	#blocks = [];
	#gain = 0;

	constructor() {
		super();
		this.port.onmessage = ({data}) => {
			if (data === 'clear') this.#blocks = [];
			else if (this.#blocks.length < MOST_BLOCKS) this.#blocks.push(data);
		};
	}

	/** @param {Channels[]} _ @param {Channels[]} outputs */
	process(_, [out]) {
		const frames = out[0].length;
		let end = currentFrame;
		for (const {frame, channels} of this.#blocks) {
			const from = Math.max(frame, currentFrame);
			const to = Math.min(frame + channels[0].length, currentFrame + frames);
			if (from < to) {
				out.forEach((samples, channel) => {
					const source = channels[Math.min(channel, channels.length - 1)];
					samples.set(source.subarray(from - frame, to - frame), from - currentFrame);
				});
			}
			if (frame <= end) end = Math.max(end, frame + channels[0].length);
		}
		// Sound that would end within the next turn fades now, so that running dry never clicks.
		const target = end >= currentFrame + 2 * frames ? 1 : 0;
		if (this.#gain !== 1 || target !== 1) {
			const step = (target - this.#gain) / frames;
			for (let n = 0; n < frames; n += 1) {
				for (const samples of out) samples[n] *= this.#gain + step * (n + 1);
			}
			this.#gain = target;
		}
		this.#blocks = this.#blocks.filter(({frame, channels}) => frame + channels[0].length > currentFrame + frames);
		return true;
	}
}

registerProcessor('blocks', Blocks);
