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

export function report(figures) {
	return jsonFrame(Kind.report, figures);
}

/** Triangular, up to one step either way: rounding becomes noise that does not follow the voice. */
const triangular = () => Math.random() - Math.random();

/** Samples of one channel as s16. */
export function packed(samples, dither = triangular) {
	const view = new DataView(new ArrayBuffer(2 * samples.length));
	samples.forEach((sample, n) => {
		const step = Math.round(sample * 32_767 + dither());
		view.setInt16(2 * n, Math.min(32_767, Math.max(-32_768, step)), true);
	});
	return new Uint8Array(view.buffer);
}

/** `frames` frames as `bytes`; `position` is that of the first, `capturedUs` its time by the server's clock. */
export function talk({flags, position, capturedUs}, frames, bytes) {
	const view = frame(Kind.talk, TALK_HEADER + bytes.length);
	view.setUint8(HEADER, flags);
	view.setUint32(8, frames);
	view.setBigUint64(12, BigInt(position));
	view.setBigUint64(20, BigInt(capturedUs));
	new Uint8Array(view.buffer).set(bytes, HEADER + TALK_HEADER);
	return view.buffer;
}

/** What is not named stays. `volumes`: person → percent. */
export function wish({name, muted, deaf, volumes}) {
	return jsonFrame(Kind.wish, {name, muted, deaf, volumes});
}

/** Reads who is there out of what wire.js has read. */
export function people({bytes}) {
	const said = json(bytes, MAX_PEOPLE_BYTES);
	if (!Array.isArray(said.people)) throw new Violation('people is missing or wrong');
	return {
		you: whole(said.you, 0, MAX_PERSON, 'you'),
		people: said.people.slice(0, MAX_PEOPLE).map((person) => ({
			person: whole(person?.person, 0, MAX_PERSON, 'person'),
			name: text(person.name).slice(0, MAX_NAME),
			canTalk: person.can_talk === true,
			isMuted: person.is_muted === true,
			isDeaf: person.is_deaf === true,
			isSpeaking: person.is_speaking === true,
		})),
	};
}
