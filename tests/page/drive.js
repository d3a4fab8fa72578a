// A browser on the page, driven line by line: each line on stdin is one command, answered by one line of
// JSON on stdout. tests/page gives the commands and listens to what the browser plays.
//
// usage: node drive.js chromium|firefox HOST PORT [WAV]
//
// HOST leads to this machine. WAV is what the microphone hears, in Chromium, over and over.

import {readFileSync, writeFileSync} from 'node:fs';
import {createInterface} from 'node:readline';

import {decodeAll, packetsOf} from './decode.js';
import {encodeAll} from './encode.js';

const [kind, host, port, heard] = process.argv.slice(2);
const url = `http://${host}:${port}/`;
const {open} = await import(`./${kind}.js`);
const {browser, page} = await open(host, heard);

const errors = [];
page.on('pageerror', (error) => errors.push(String(error.stack ?? error)));
page.on('console', (message) => {
	const type = message.type();
	// A server that is gone is what the browser itself writes here; the page says so in words.
	if (type === 'error' && !/WebSocket|net::ERR_|can.t establish a connection/.test(message.text()))
		errors.push(message.text());
});

const inPage = (...call) => page.evaluate(...call);

/** Bytes of the files that were asked for before the first sound was handed to the output. */
async function bytesToSound() {
	const from = await inPage(() => performance.timeOrigin + (window.soundAt ?? Infinity));
	return files.filter(({askedAt}) => askedAt <= from).reduce((sum, {bytes}) => sum + bytes, 0);
}

const files = [];
if (kind === 'chromium') {
	page.on('response', async (response) => {
		const {responseBodySize, responseHeadersSize} = await response.request().sizes();
		files.push({askedAt: response.request().timing().startTime, bytes: responseBodySize + responseHeadersSize});
	});
}

const commands = {
	async open(other = url) {
		files.length = 0;
		await page.goto(other);
		return inPage(() => {
			const {start} = AudioBufferSourceNode.prototype;
			AudioBufferSourceNode.prototype.start = function noted(...when) {
				window.soundAt ??= performance.now();
				return start.apply(this, when);
			};
			const {postMessage} = MessagePort.prototype;
			MessagePort.prototype.postMessage = function noted(message, ...more) {
				if (message.channels) window.soundAt ??= performance.now();
				return postMessage.call(this, message, ...more);
			};
			const TALK = 8;
			const {send} = WebSocket.prototype;
			window.talked = [];
			WebSocket.prototype.send = function noted(bytes) {
				const view = new DataView(bytes);
				if (view.getUint8(4) === TALK)
					window.talked.push([performance.now() / 1e3, view.getUint8(5), bytes.byteLength]);
				return send.call(this, bytes);
			};
			return {
				secure: isSecureContext,
				worklet: 'audioWorklet' in AudioContext.prototype,
				decodes: 'AudioDecoder' in window,
				encodes: 'AudioEncoder' in window,
			};
		});
	},
	/** Taps as a finger would. */
	tap: (selector) => page.click(selector),
	focusAndPress: async (selector, key) => {
		await page.focus(selector);
		await page.keyboard.press(key);
	},
	keyDown: (key) => page.keyboard.down(key),
	keyUp: (key) => page.keyboard.up(key),
	/** What a screen reader reads out: roles and names. */
	names: async () => {
		const all = ({role, name, children = []}) => [`${role} ${name}`, ...children.flatMap(all)];
		return all(await page.accessibility.snapshot());
	},
	set: (selector, ...value) =>
		inPage(
			([where, to]) => {
				const input = document.querySelector(where);
				input.value = to;
				input.dispatchEvent(new Event('input', {bubbles: true}));
				input.dispatchEvent(new Event('change', {bubbles: true}));
			},
			[selector, value.join(' ')],
		),
	show: async () => ({
		...(await inPage(() => {
			const text = (selector) => document.querySelector(selector).textContent;
			return {
				state: document.querySelector('main').dataset.state,
				status: text('#status'),
				delay: text('#delay'),
				buffer: text('#buffer'),
				codec: text('#codec'),
				server: text('#server'),
				trim: text('#trim-value'),
				volume: text('#volume-value'),
				room: [...document.querySelectorAll('#room li')].map((item) => [
					item.querySelector('.name').textContent,
					item.querySelector('small').textContent,
					item.querySelector('output')?.value ?? null,
				]),
				isRoomShown: document.querySelector('#people')?.hidden === false,
				talkSays: document.querySelector('#talk-says')?.textContent,
				isTalkShown: document.querySelector('#talk')?.hidden === false,
				talkMode: document.querySelector('#talk-mode :checked')?.value,
				isTalkOn: document.querySelector('#talk')?.getAttribute('aria-pressed') === 'true',
				lockScreen: [navigator.mediaSession?.playbackState, navigator.mediaSession?.metadata?.title],
			};
		})),
		bytes: await bytesToSound(),
		errors,
	}),
	/** What was sent of the microphone so far: when (in seconds), with what flags, in how many bytes. */
	talked: () => inPage(() => window.talked),
	/** As a browser that does not have it. */
	lack: (what) =>
		inPage((name) => {
			delete window[name];
		}, what),
	/** Joins in place of the page, with a patience of its own (web/patience.js). */
	async join(patienceMs) {
		await page.click('#status');
		await inPage(async (patience) => {
			const [{Listener}, {Patience}] = await Promise.all([import('/listener.js'), import('/patience.js')]);
			window.patience = new Patience(patience);
			const url = `ws://${location.host}/listen`;
			const wishes = {url, id: '0'.repeat(32), name: 'Test', volume: 100, trimMs: 0, patience: window.patience};
			window.listener = new Listener(wishes, () => {});
		}, Number(patienceMs));
	},
	figures: () => inPage(() => window.listener.player.figures()),
	endPatience: () =>
		inPage(() => {
			window.patience.came = () => 0;
			return window.listener.player.figures();
		}),
	/** Keeps the page from doing anything for `ms`, so many times with a tenth of a second between them. */
	block: (ms, times) =>
		inPage(
			async ([blockedMs, count]) => {
				for (let n = 0; n < count; n += 1) {
					const until = performance.now() + blockedMs;
					while (performance.now() < until);
					await new Promise((wake) => {
						setTimeout(wake, 100);
					});
				}
			},
			[Number(ms), Number(times)],
		),
	/** What the page makes of a file of Opus packets, as another file. */
	async decode(packets, into) {
		const samples = await inPage(decodeAll, ['/opus.js', packetsOf(readFileSync(packets))]);
		writeFileSync(into, Float32Array.from(samples));
	},
	/** What the page makes of a file of samples, as a file of Opus packets; by how many frames it says that they lag. */
	async encode(samples, into) {
		const bytes = readFileSync(samples);
		const mono = [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)];
		const {delay, packets} = await inPage(encodeAll, mono);
		writeFileSync(
			into,
			Buffer.concat(packets.map((packet) => Buffer.from([packet.length >> 8, packet.length & 255, ...packet]))),
		);
		return delay;
	},
	reload: () => page.reload(),
	picture: async (path, width, height, scheme) => {
		await page.setViewportSize({width: Number(width), height: Number(height)});
		await page.emulateMedia({colorScheme: scheme});
		await page.screenshot({path, fullPage: false});
	},
};

for await (const line of createInterface({input: process.stdin})) {
	const [name, ...words] = line.trim().split(' ');
	let answer;
	try {
		answer = {done: (await commands[name](...words)) ?? null};
	} catch (error) {
		answer = {failed: String(error)};
	}
	process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
