// What the buttons of the room mean, how loud people are, and what of that goes out.
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {MODES, shown, Talking, Volumes, Wishes} from '../../web/room.js';

/**
 * Presses at `at` and lets go `heldMs` later; whether this listener wants to be heard then.
 * @param {Talking} talking
 * @param {number} at
 * @param {number} heldMs
 */
function press(talking, at, heldMs, isOver = false) {
	talking.press(at);
	assert.ok(talking.isWanted, 'a press is heard at once');
	talking.release(at + heldMs, isOver);
	return talking.isWanted;
}

test('Talk is heard while it is held, and a tap holds until the next', () => {
	const talking = new Talking('push');
	assert.equal(press(talking, 0, 1_000), false);
	assert.equal(press(talking, 2_000, 200), true, 'a tap');
	assert.equal(press(talking, 9_000, 200), false, 'the next tap');
	assert.equal(press(talking, 10_000, 349), true);
	assert.equal(press(talking, 20_000, 1_000), false, 'and a longer press ends it too');
});

test('a press that is taken away is no tap, and one that never was lets nothing go', () => {
	const talking = new Talking('push');
	assert.equal(press(talking, 0, 10, true), false, 'the button lost the focus');
	talking.toggle();
	talking.release(5_000);
	talking.release(5_000, true);
	assert.equal(talking.isWanted, true);
});

test('a second finger or key changes nothing about the first', () => {
	const talking = new Talking('push');
	talking.press(0);
	talking.press(900);
	talking.release(1_000);
	assert.equal(talking.isWanted, false, 'it was held for a second, not for a tenth of one');
});

test('an open microphone begins and ends with a press, however long', () => {
	const talking = new Talking('open');
	assert.equal(press(talking, 0, 5_000), true);
	talking.press(9_000);
	talking.release(9_100);
	assert.equal(talking.isWanted, false);
});

test('another way to talk begins switched off, in the middle of a press too', () => {
	const talking = new Talking('push');
	talking.press(0);
	talking.setMode('open');
	talking.release(100);
	assert.equal(talking.isWanted, false);
	assert.equal(talking.mode, 'open');
});

test('what is remembered of another version is the way that is heard least', () => {
	for (const remembered of [undefined, null, 'always', 7, {}]) assert.equal(new Talking(remembered).mode, 'push');
});

test('the sentence says the worst first', () => {
	const talking = new Talking('push');
	const microphone = {mayTalk: false, refusal: 'too many talk'};
	assert.equal(talking.says(false, null), MODES.push.how);
	talking.toggle();
	assert.match(talking.says(false, null), /^Allow this page/);
	assert.match(talking.says(false, microphone), /^You only listen: too many talk\.$/);
	microphone.refusal = '';
	assert.match(talking.says(false, microphone), /^One moment/);
	microphone.mayTalk = true;
	assert.equal(talking.says(false, microphone), 'You are heard.');
	talking.isMuted = true;
	assert.match(talking.says(false, microphone), /^You are muted/);
	talking.failed('The microphone is gone.');
	assert.deepEqual([talking.says(false, null), talking.isWanted], ['The microphone is gone.', false]);
	assert.match(talking.says(true, null), /^Whoever runs the server has muted you/);
	talking.toggle();
	assert.match(talking.says(false, null), /^Allow this page/, 'trying again forgets what went wrong');
});

test('a volume belongs to a number while a server runs, and to the name after that', () => {
	const volumes = new Volumes();
	volumes.welcomed('first');
	assert.deepEqual(volumes.of({person: 3, name: 'Ann'}), {percent: 100, isNews: false});
	volumes.turn({person: 3, name: 'Ann'}, 40);
	volumes.turn({person: 4, name: ''}, 60);
	volumes.welcomed('first');
	assert.deepEqual(volumes.all, {3: 40, 4: 60});
	assert.deepEqual(volumes.of({person: 3, name: 'Anna'}), {percent: 40, isNews: false}, 'under a new name too');
	assert.deepEqual(volumes.of({person: 9, name: 'Ann'}), {percent: 40, isNews: true}, 'who comes again is told of');

	volumes.welcomed('second');
	assert.deepEqual(volumes.all, {});
	assert.deepEqual(volumes.of({person: 3, name: 'Bob'}), {percent: 100, isNews: false}, 'the number is somebody else');
	assert.deepEqual(volumes.of({person: 5, name: 'Ann'}), {percent: 40, isNews: true});
	assert.deepEqual(volumes.of({person: 4, name: ''}), {percent: 100, isNews: false}, 'nobody is known by no name');
});

test('wishes gather person by person, and go out once', () => {
	const wishes = new Wishes();
	wishes.add({muted: true, volumes: {1: 50, 2: 80}});
	wishes.add({volumes: {2: 90}});
	wishes.add({muted: false, deaf: true});
	assert.deepEqual(wishes.take(), {muted: false, deaf: true, volumes: {1: 50, 2: 90}});
	assert.deepEqual(wishes.take(), {});
});

test('a person is called by name or number and does one thing', () => {
	const person = {person: 7, name: 'Ann', canTalk: true, isMuted: false, isDeaf: false, isSpeaking: false};
	/** @type {(changes: Partial<Wire.Person>) => string} */
	const does = (changes) => shown({...person, ...changes}).does;
	assert.deepEqual(shown(person), {called: 'Ann', does: 'can talk'});
	assert.equal(shown({...person, name: ''}).called, 'Listener 7');
	assert.equal(does({isSpeaking: true, isDeaf: true, isMuted: true}), 'speaking');
	assert.equal(does({isDeaf: true, isMuted: true}), 'hears nothing');
	assert.equal(does({canTalk: false, isMuted: true}), 'listens');
	assert.equal(does({isMuted: true}), 'muted');
});
