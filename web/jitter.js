// Sound by position, until its time has come. Pure. Frames come in order.

/** Holds up to `capacity` frames around the place that is read. */
export class Jitter {
	#capacity;
	#rings;
	/**
	 * What is there, in order: [from, to). Never more pieces than frames fit.
	 * @type {{from: number, to: number}[]}
	 */
	#pieces = [];

	/** @param {number} channels @param {number} capacity */
	constructor(channels, capacity) {
		this.#capacity = capacity;
		this.#rings = Array.from({length: channels}, () => new Float32Array(capacity));
	}

	/** Where the newest sound ends; null before any. */
	get end() {
		return this.#pieces.at(-1)?.to ?? null;
	}

	/**
	 * Takes frames; of those that overlap with what is there, the first ones stay.
	 * @param {number} position
	 * @param {Channels} channels
	 */
	insert(position, channels) {
		const skipped = Math.max(0, (this.end ?? 0) - position);
		const frames = channels[0].length;
		if (skipped >= frames || frames - skipped > this.#capacity) return;
		const from = position + skipped;
		const to = position + frames;
		this.#rings.forEach((ring, channel) => {
			const at = from % this.#capacity;
			const fresh = channels[channel].subarray(skipped);
			const first = Math.min(fresh.length, this.#capacity - at);
			ring.set(fresh.subarray(0, first), at);
			ring.set(fresh.subarray(first), 0);
		});
		const last = this.#pieces.at(-1);
		if (last?.to === from) last.to = to;
		else this.#pieces.push({from, to});
		this.#forgetBefore(to - this.#capacity);
	}

	/** @param {number} position */
	#forgetBefore(position) {
		while (this.#pieces[0].to <= position) this.#pieces.shift();
		this.#pieces[0].from = Math.max(this.#pieces[0].from, position);
	}

	/**
	 * How many frames from `position` on are there, without a gap.
	 * @param {number} position
	 */
	available(position) {
		const piece = this.#pieces.find(({from, to}) => from <= position && position < to);
		return piece ? piece.to - position : 0;
	}

	/**
	 * Copies frames from `position` on into `outs`, and silence where there is nothing; how many those were.
	 * @param {number} position
	 * @param {Channels} outs
	 */
	read(position, outs) {
		const wanted = outs[0].length;
		let there = 0;
		for (const out of outs) out.fill(0);
		for (const piece of this.#pieces) {
			const from = Math.max(position, piece.from);
			const to = Math.min(position + wanted, piece.to);
			if (from >= to) continue;
			there += to - from;
			outs.forEach((out, channel) => {
				const ring = this.#rings[channel];
				const at = from % this.#capacity;
				const first = Math.min(to - from, this.#capacity - at);
				out.set(ring.subarray(at, at + first), from - position);
				out.set(ring.subarray(0, to - from - first), from - position + first);
			});
		}
		return wanted - there;
	}
}
