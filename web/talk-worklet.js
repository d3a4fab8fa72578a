// Hands the microphone's sound to the page in pieces of 10 ms, each with the audio clock's frame that it
// begins at. Runs on the browser's audio thread.

const PIECES_PER_S = 100;

class Pieces extends AudioWorkletProcessor {
	#length = Math.round(sampleRate / PIECES_PER_S);
	#samples = new Float32Array(this.#length);
	#filled = 0;

	/** @param {Channels[]} inputs */
	process([[heard]]) {
		const frames = heard?.length ?? 128;
		for (let n = 0; n < frames; n += 1) {
			this.#samples[this.#filled] = heard?.[n] ?? 0;
			this.#filled += 1;
			if (this.#filled === this.#length) this.#hand(currentFrame + n + 1);
		}
		return true;
	}

	/** @param {number} end */
	#hand(end) {
		const samples = this.#samples;
		this.port.postMessage({frame: end - this.#length, samples}, [samples.buffer]);
		this.#samples = new Float32Array(this.#length);
		this.#filled = 0;
	}
}

registerProcessor('pieces', Pieces);
