// Hands blocks to the audio thread. Fetched where the page is secure.

/** Blocks for worklet.js. */
export class WorkletSink {
	#node;

	/** @param {AudioContext} context @param {AudioNode} output */
	constructor(context, output) {
		this.#node = new AudioWorkletNode(context, 'blocks', {numberOfInputs: 0, outputChannelCount: [2]});
		this.#node.connect(output);
	}

	/** @param {number} frame @param {Channels} channels */
	play(frame, channels) {
		this.#node.port.postMessage(
			{frame, channels},
			channels.map((samples) => samples.buffer),
		);
	}
}
