// What is said once sound plays: bytes ⇄ messages, as wire.js has the others. Fetched after the first
// sound.

import {HEADER, Kind, frame, json, jsonFrame, text, whole, Violation} from './wire.js';

// Limits of docs/protocol.md, by its names.
export const MAX_TALK_BYTES = 4_096;
export const MAX_NAME = 64;
export const MAX_PEOPLE = 128;
export const MAX_PEOPLE_BYTES = 65_536;
export const MAX_VOLUME_PERCENT = 200;

const TALK_HEADER = 23;
const MAX_PERSON = 2 ** 32 - 1;

export const Flag = {broken: 1, last: 2, held: 4};

/** @param {Wire.Report} figures */
export function report(figures) {
	return jsonFrame(Kind.report, figures);
}

/** Triangular, up to one step either way: rounding becomes noise that does not follow the voice. */
const triangular = () => Math.random() - Math.random();

/**
 * Samples of one channel as s16.
 * @param {Samples} samples
 * @param {() => number} dither
 */
export function packed(samples, dither = triangular) {
	const view = new DataView(new ArrayBuffer(2 * samples.length));
	samples.forEach((sample, n) => {
		const step = Math.round(sample * 32_767 + dither());
		view.setInt16(2 * n, Math.min(32_767, Math.max(-32_768, step)), true);
	});
	return new Uint8Array(view.buffer);
}

/**
 * `frames` frames as `bytes`; `position` is that of the first, `capturedUs` its time by the server's clock.
 * @param {Wire.TalkHeader} header
 * @param {number} frames
 * @param {Uint8Array} bytes
 */
export function talk({flags, position, capturedUs}, frames, bytes) {
	const view = frame(Kind.talk, TALK_HEADER + bytes.length);
	view.setUint8(HEADER, flags);
	view.setUint32(8, frames);
	view.setBigUint64(12, BigInt(position));
	view.setBigUint64(20, BigInt(capturedUs));
	new Uint8Array(view.buffer).set(bytes, HEADER + TALK_HEADER);
	return view.buffer;
}

/**
 * What is not named stays. `volumes`: person → percent.
 * @param {Wire.Wish} wishes
 */
export function wish({name, muted, deaf, volumes}) {
	return jsonFrame(Kind.wish, {name, muted, deaf, volumes});
}

/**
 * Reads who is there out of what wire.js has read: a list, and the changes to it that have come since.
 * @param {Wire.People} message
 * @returns {Wire.Known}
 */
export function people(message) {
	message.known ??= list(message.bytes);
	for (const bytes of message.changes.splice(0)) change(message.known, changes({bytes}));
	return message.known;
}

/**
 * Reads what has changed in a list.
 * @param {{bytes: ArrayBuffer}} message
 */
export function changes({bytes}) {
	const said = json(bytes, MAX_PEOPLE_BYTES);
	if (!Array.isArray(said.left ?? [])) throw new Violation('left is wrong');
	return {
		people: persons(said.people ?? []),
		left: (said.left ?? [])
			.slice(0, MAX_PEOPLE)
			.map((/** @type {unknown} */ person) => whole(person, 0, MAX_PERSON, 'left')),
	};
}

/** @param {ArrayBuffer} bytes @returns {Wire.Known} */
function list(bytes) {
	const said = json(bytes, MAX_PEOPLE_BYTES);
	return {
		you: whole(said.you, 0, MAX_PERSON, 'you'),
		people: persons(said.people),
		elsewhere: whole(said.elsewhere ?? 0, 0, MAX_PERSON, 'elsewhere'),
	};
}

/** @param {unknown} said @returns {Wire.Person[]} */
function persons(said) {
	if (!Array.isArray(said)) throw new Violation('people is missing or wrong');
	return said.slice(0, MAX_PEOPLE).map((person) => ({
		person: whole(person?.person, 0, MAX_PERSON, 'person'),
		name: text(person.name).slice(0, MAX_NAME),
		canTalk: person.can_talk === true,
		isMuted: person.is_muted === true,
		isDeaf: person.is_deaf === true,
		isSpeaking: person.is_speaking === true,
	}));
}

/**
 * Those who can talk come first, then who came first.
 * @param {Wire.Known} known
 * @param {{people: Wire.Person[], left: number[]}} changes
 */
function change(known, {people: changed, left}) {
	const gone = new Set([...left, ...changed.map(({person}) => person)]);
	const people = known.people.filter(({person}) => !gone.has(person)).concat(changed);
	people.sort((a, b) => Number(b.canTalk) - Number(a.canTalk) || a.person - b.person);
	known.people = people.slice(0, MAX_PEOPLE);
}
