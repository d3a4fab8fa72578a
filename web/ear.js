// How one person hears it, before the volume and the limiter: dialogue up, night, bass and treble, one ear, balance, in
// this order; what src/sound/ear of the programs does, to the last digits. Off, sound passes as it is. Nothing is
// delayed. Fetched when somebody wants something of it.

import {band, Biquad, highPass, NOTHING, Ramp, scaled, shelf} from './ear-filters.js';

const STEPS_PER_S = 1_000;

/**
 * The numbers and switches, as keys and page go through them. A switch has no step.
 * @type {{[name in keyof Page.Hearing]: Page.EarControl}}
 */
export const CONTROLS = {
	dialogue: {label: 'Dialogue', least: 0, most: 12, step: 3},
	night: {label: 'Night', says: 'loud things softer, soft things louder'},
	mono: {label: 'One ear', says: 'both sides on each'},
	balance: {label: 'Balance', least: -100, most: 100, step: 10},
	bass: {label: 'Bass', least: -12, most: 12, step: 3},
	treble: {label: 'Treble', least: -12, most: 12, step: 3},
};

/** Sound as it comes. @type {Readonly<Page.Hearing>} */
export const NONE = {dialogue: 0, night: false, mono: false, balance: 0, bass: 0, treble: 0};

/**
 * What a page of any version has kept, as far as it can be.
 * @param {unknown} kept
 * @returns {Page.Hearing}
 */
export function understood(kept) {
	const found = /** @type {Wire.Json} */ (typeof kept === 'object' && kept ? kept : {});
	const read = Object.entries(CONTROLS).map(([name, {least = 0, most = 0, step}]) => {
		const value = found[name];
		if (!step) return [name, value === true];
		return [name, Number.isFinite(value) ? Math.min(most, Math.max(least, Math.round(value))) : 0];
	});
	return Object.fromEntries(read);
}

/**
 * Whether it may make sound louder, so that a limiter is needed.
 * @param {Page.Hearing} hearing
 */
export const raises = ({dialogue, night, bass, treble}) => night || Math.max(dialogue, bass, treble) > 0;

/** @param {number} rate */
const stepFrames = (rate) => Math.max(1, Math.round(rate / STEPS_PER_S));

/** How much of the way is gone in a step. @param {number} s */
const follows = (s) => 1 - Math.exp(-1 / (s * STEPS_PER_S));

// The reasons of these numbers stand in src/sound/ear/dialogue.rs.
const EDGES_HZ = [100, 280, 600, 1_300, 3_000, 9_000];
const LOOK_Q = 1.4;
const COMPARED = follows(0.03);
const RISES = follows(0.004);
const FALLS = follows(0.08);
const BEGINS = 0.35;
const IN_FULL = 0.6;
const SILENT = 1e-10;

/** Raises what is in the middle and sounds like speech. */
class Dialogue {
	#rate;
	#frames = 0;
	/** @type {{share: number, low: number}[]} */
	#edges = [];
	/** @type {Biquad[]} */
	#passed = [];
	/** @type {{middle: Biquad, side: Biquad, energy: number[], power: number[], share: number, change: number}[]} */
	#bands = [];
	/** @param {number} rate */
	constructor(rate) {
		this.#rate = rate;
		this.amount = new Ramp(0, rate);
		this.forget();
	}

	forget() {
		const rate = this.#rate;
		this.#frames = 0;
		this.#edges = EDGES_HZ.map((hz) => ({share: 1 - Math.exp((-2 * Math.PI * hz) / rate), low: 0}));
		this.#passed = [0, 1].map(() => new Biquad(highPass(EDGES_HZ[0], rate)));
		this.#bands = EDGES_HZ.slice(1).map((hz, at) => {
			const look = band(Math.sqrt(EDGES_HZ[at] * hz), LOOK_Q, rate);
			return {
				middle: new Biquad(look),
				side: new Biquad(look),
				energy: [0, 0],
				power: [0, 0],
				share: 0,
				change: 0,
			};
		});
	}

	/** @param {number} db */
	aim(db) {
		this.amount.aim(10 ** (db / 20) - 1);
	}

	arrive() {
		this.amount.arrive();
	}

	get rests() {
		return this.amount.restsAt(0);
	}

	/** @param {Samples} left @param {Samples} right */
	process(left, right) {
		for (let n = 0; n < left.length; n += 1) {
			const more = this.amount.next() * this.#raised((left[n] + right[n]) / 2, (left[n] - right[n]) / 2);
			left[n] += more;
			right[n] += more;
		}
	}

	/** @param {number} middle @param {number} side */
	#raised(middle, side) {
		const edges = this.#edges;
		let raised = 0;
		for (const edge of edges) {
			edge.low += (middle - edge.low) * edge.share;
			if (Math.abs(edge.low) < NOTHING) edge.low = 0;
		}
		const byMiddle = this.#passed[0].next(middle);
		const bySide = this.#passed[1].next(side);
		for (let at = 0; at < this.#bands.length; at += 1) {
			const one = this.#bands[at];
			raised += one.share * (edges[at + 1].low - edges[at].low);
			one.share += one.change;
			const inMiddle = one.middle.next(byMiddle);
			const atSide = one.side.next(bySide);
			one.energy[0] += inMiddle * inMiddle;
			one.energy[1] += atSide * atSide;
		}
		this.#frames += 1;
		if (this.#frames === stepFrames(this.#rate)) this.#step();
		return raised;
	}

	#step() {
		const frames = this.#frames;
		this.#frames = 0;
		for (const passed of this.#passed) passed.calm();
		for (const one of this.#bands) {
			one.middle.calm();
			one.side.calm();
			one.power = one.power.map((power, at) => power + (one.energy[at] / frames - power) * COMPARED);
			one.energy = [0, 0];
			const [middle, side] = one.power;
			const share = (1 - side / middle - BEGINS) / (IN_FULL - BEGINS);
			const wanted = middle < SILENT ? one.share : Math.min(1, Math.max(0, share));
			one.change = ((wanted - one.share) * (wanted > one.share ? RISES : FALLS)) / frames;
		}
	}
}

// The reasons of these numbers stand in src/sound/ear/night.rs.
const MIDDLE_LUFS = -24;
const TAKEN = 0.75;
const MOST_DB = 15;
const SILENCE_LUFS = -60;
const MEASURED = follows(0.4);
const SUDDEN = follows(0.03);
const SUDDEN_DB = 5;
const PAUSE_DB_PER_S = 2;
const UP_DB_PER_S = 8;
const PAUSE_S = 1;
const DOWN_DB_PER_S = 20;
const SUDDEN_DB_PER_S = 60;
const SOFT_DB = 0.5;
const NEARS_PER_S = 4;

/** The K-weighting of BS.1770, by B. De Man's analogue filters. @param {number} rate */
function weighting(rate) {
	const high = 10 ** (3.999843853973347 / 20);
	const bend = high ** 0.4996667741545416;
	let k = Math.tan((Math.PI * 1_681.974450955533) / rate);
	let q = Math.SQRT1_2;
	const head = scaled(
		[high + (bend * k) / q + k * k, 2 * (k * k - high), high - (bend * k) / q + k * k],
		[1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k],
	);
	k = Math.tan((Math.PI * 38.13547087602444) / rate);
	q = 0.5003270373238773;
	const whole = 1 + k / q + k * k;
	/** @type {Page.Coefficients} */
	const pass = [1, -2, 1, (2 * (k * k - 1)) / whole, (1 - k / q + k * k) / whole];
	return [new Biquad(head), new Biquad(pass)];
}

/** @param {number} meanSquare */
const wantedDb = (meanSquare) => {
	const wanted = (MIDDLE_LUFS - lufs(meanSquare)) * TAKEN;
	return Math.min(MOST_DB, Math.max(-MOST_DB, wanted));
};

/** @param {number} meanSquare */
const lufs = (meanSquare) => -0.691 + 10 * Math.log10(Math.max(meanSquare, 1e-20));

/** Makes loud things softer and soft things louder, slowly. */
class Night {
	#rate;
	/** @type {Biquad[][]} */
	#ears = [];
	#frames = 0;
	#energy = 0;
	#measured = 0;
	#sudden = 0;
	#gainDb = 0;
	#soft = 0;
	#gain = 1;
	#change = 0;
	/** @param {number} rate */
	constructor(rate) {
		this.#rate = rate;
		this.amount = new Ramp(0, rate);
		this.forget();
	}

	forget() {
		this.#ears = [0, 1].map(() => weighting(this.#rate));
		this.#frames = 0;
		this.#energy = 0;
		this.#measured = 0;
		this.#sudden = 0;
		this.#gainDb = 0;
		this.#soft = 0;
		this.#gain = 1;
		this.#change = 0;
	}

	/** @param {boolean} isWanted */
	aim(isWanted) {
		this.amount.aim(isWanted ? 1 : 0);
	}

	arrive() {
		this.amount.arrive();
	}

	get rests() {
		return this.amount.restsAt(0);
	}

	/** @param {Samples} left @param {Samples} right */
	process(left, right) {
		const [[leftHead, leftPass], [rightHead, rightPass]] = this.#ears;
		for (let n = 0; n < left.length; n += 1) {
			this.#energy += leftPass.next(leftHead.next(left[n])) ** 2 + rightPass.next(rightHead.next(right[n])) ** 2;
			const gain = 1 + this.amount.next() * (this.#gain - 1);
			this.#gain += this.#change;
			left[n] *= gain;
			right[n] *= gain;
			this.#frames += 1;
			if (this.#frames === stepFrames(this.#rate)) this.#step();
		}
	}

	#step() {
		for (const filter of this.#ears.flat()) filter.calm();
		const mean = this.#energy / this.#frames;
		this.#measured += (mean - this.#measured) * MEASURED;
		this.#sudden += (mean - this.#sudden) * SUDDEN;
		this.#gainDb += this.#movedDb() / STEPS_PER_S;
		this.#change = (10 ** (this.#gainDb / 20) - this.#gain) / this.#frames;
		this.#energy = 0;
		this.#frames = 0;
	}

	/** How fast the gain moves now, in dB per s. */
	#movedDb() {
		if (wantedDb(this.#sudden) < this.#gainDb - SUDDEN_DB) {
			this.#soft = 0;
			return -SUDDEN_DB_PER_S;
		}
		// Between two words, too: what was measured until then says nothing of what comes.
		if (lufs(Math.min(this.#measured, this.#sudden)) < SILENCE_LUFS) return 0;
		const wayDb = wantedDb(this.#measured) - this.#gainDb;
		this.#soft = wayDb > SOFT_DB ? this.#soft + 1 : 0;
		const up = this.#soft < PAUSE_S * STEPS_PER_S ? PAUSE_DB_PER_S : UP_DB_PER_S;
		return Math.min(up, Math.max(-DOWN_DB_PER_S, wayDb * NEARS_PER_S));
	}
}

const BASS_HZ = 150;
const TREBLE_HZ = 4_000;

// What a filter still remembers when it is left out: less than the smallest step of 24 bits.
const FORGOTTEN = 1e-9;

/** Bass, or treble. */
class Tone {
	#make;
	#filters;
	/** @param {(db: number) => Page.Coefficients} make @param {number} rate */
	constructor(make, rate) {
		this.#make = make;
		this.db = new Ramp(0, rate);
		this.#filters = [0, 1].map(() => new Biquad(make(0)));
	}

	/** @param {number} db */
	aim(db) {
		this.db.aim(db);
	}

	arrive() {
		this.db.arrive();
		for (const filter of this.#filters) filter.become(this.#make(this.db.value));
	}

	get rests() {
		return this.db.restsAt(0) && this.#filters.every((filter) => filter.isBelow(FORGOTTEN));
	}

	forget() {
		for (const filter of this.#filters) filter.forget();
	}

	/** @param {Samples} left @param {Samples} right */
	process(left, right) {
		const [byLeft, byRight] = this.#filters;
		for (let n = 0; n < left.length; n += 1) {
			if (this.db.moves) {
				const filter = this.#make(this.db.next());
				byLeft.become(filter);
				byRight.become(filter);
			}
			left[n] = byLeft.next(left[n]);
			right[n] = byRight.next(right[n]);
			byLeft.calm();
			byRight.calm();
		}
	}
}

/** Both ears alike, and one louder than the other. */
class Sides {
	/** @param {number} rate */
	constructor(rate) {
		this.mono = new Ramp(0, rate);
		this.left = new Ramp(1, rate);
		this.right = new Ramp(1, rate);
	}

	/** @param {Page.Hearing} hearing */
	aim({mono, balance}) {
		const share = Math.abs(balance) / 100;
		const other = share < 1 ? Math.cos((share * Math.PI) / 2) : 0;
		this.mono.aim(mono ? 1 : 0);
		this.left.aim(balance > 0 ? other : 1);
		this.right.aim(balance < 0 ? other : 1);
	}

	arrive() {
		for (const ramp of [this.mono, this.left, this.right]) ramp.arrive();
	}

	get rests() {
		return this.mono.restsAt(0) && this.left.restsAt(1) && this.right.restsAt(1);
	}

	/** @param {Samples} left @param {Samples} right */
	process(left, right) {
		for (let n = 0; n < left.length; n += 1) {
			const mono = this.mono.next();
			const both = ((left[n] + right[n]) / 2) * mono;
			left[n] = (left[n] * (1 - mono) + both) * this.left.next();
			right[n] = (right[n] * (1 - mono) + both) * this.right.next();
		}
	}
}

/** Makes blocks of sound as one person wants to hear them. */
export class Ear {
	#stages;
	#sides;
	/** Stages that have something to forget. */
	#worked = new Set();
	/** @param {number} rate the output's, in Hz */
	constructor(rate) {
		this.#stages = {
			dialogue: new Dialogue(rate),
			night: new Night(rate),
			bass: new Tone((db) => shelf(BASS_HZ, db, rate, 1), rate),
			treble: new Tone((db) => shelf(TREBLE_HZ, db, rate, -1), rate),
		};
		this.#sides = new Sides(rate);
	}

	/**
	 * From here on it is to sound like this, after a glide.
	 * @param {Page.Hearing} hearing
	 */
	set(hearing) {
		this.#stages.dialogue.aim(hearing.dialogue);
		this.#stages.night.aim(hearing.night);
		this.#stages.bass.aim(hearing.bass);
		this.#stages.treble.aim(hearing.treble);
		this.#sides.aim(hearing);
	}

	/** What was set holds from the first sound on, with no glide before it. */
	arrive() {
		for (const stage of [...Object.values(this.#stages), this.#sides]) stage.arrive();
	}

	/**
	 * The block as it is to be heard, on both sides where something is on. It may be changed for that.
	 * @param {Channels} channels
	 * @returns {Channels}
	 */
	process(channels) {
		const stages = Object.values(this.#stages);
		const working = stages.filter((stage) => !stage.rests);
		for (const stage of stages) if (stage.rests && this.#worked.delete(stage)) stage.forget();
		const areEven = this.#sides.rests;
		if (working.length === 0 && areEven) return channels;
		const [left, right = left.slice()] = channels;
		for (const stage of working) {
			this.#worked.add(stage);
			stage.process(left, right);
		}
		if (!areEven) this.#sides.process(left, right);
		return [left, right];
	}
}
