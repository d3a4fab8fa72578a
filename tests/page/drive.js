// A browser on the page, driven line by line: each line on stdin is one command, answered by one line of
// JSON on stdout. tests/page gives the commands and listens to what the browser plays.
//
// usage: node drive.js chromium|firefox HOST PORT [WAV]
//
// HOST leads to this machine. WAV is what the microphone hears, in Chromium, over and over.

import {createHash} from 'node:crypto';
import {readFileSync, writeFileSync} from 'node:fs';
import {createInterface} from 'node:readline';

import {decodeAll, packetsOf} from './decode.js';
import {encodeAll} from './encode.js';

const [kind, host, port, heard] = process.argv.slice(2);
const url = `http://${host}:${port}/`;
/**
 * Puppeteer's browser and page have what is used here of Playwright's.
 * @type {typeof import('./chromium.js')}
 */
const {open} = await import(`./${kind}.js`);
const {browser, page} = await open(host, heard);

/** @type {string[]} */
const errors = [];
page.on('pageerror', (error) => errors.push(String(error.stack ?? error)));
page.on('console', (message) => {
	const type = message.type();
	// A server that is gone is what the browser itself writes here; the page says so in words.
	if (type === 'error' && !/WebSocket|net::ERR_|can.t establish a connection/.test(message.text()))
		errors.push(message.text());
});

/** @type {import('playwright-core').Page['evaluate']} */
const inPage = page.evaluate.bind(page);

/** Bytes of the files that were asked for before the first sound was handed to the output. */
async function bytesToSound() {
	const from = await inPage(() => performance.timeOrigin + (window.soundAt ?? Infinity));
	return files.filter(({askedAt}) => askedAt <= from).reduce((sum, {bytes}) => sum + bytes, 0);
}

/** @type {{askedAt: number, bytes: number}[]} */
const files = [];
if (kind === 'chromium') {
	page.on('response', async (response) => {
		// An answer that never ends has no size.
		if (response.url().endsWith('/stream')) return;
		// Nor has one of a page that is closed meanwhile.
		const sizes = await response
			.request()
			.sizes()
			.catch(() => undefined);
		if (!sizes) return;
		const {responseBodySize, responseHeadersSize} = sizes;
		files.push({askedAt: response.request().timing().startTime, bytes: responseBodySize + responseHeadersSize});
	});
}

/** Notes from now on what the page does; says what the browser lets it do. */
const note = () =>
	inPage(() => {
		const {start} = AudioBufferSourceNode.prototype;
		AudioBufferSourceNode.prototype.start = function noted(...when) {
			window.soundAt ??= performance.now();
			return start.apply(this, when);
		};
		const {postMessage} = MessagePort.prototype;
		/** @param {any} message what the page hands its audio thread @param {any} more */
		MessagePort.prototype.postMessage = function noted(message, more) {
			if (message.channels) window.soundAt ??= performance.now();
			return postMessage.call(this, message, more);
		};
		window.sockets = 0;
		window.WebSocket = class extends WebSocket {
			/** @param {string | URL} url */
			constructor(url) {
				super(url);
				window.sockets += 1;
			}
		};
		const {wakeLock} = navigator;
		if (wakeLock) {
			const request = wakeLock.request.bind(wakeLock);
			wakeLock.request = async (...what) => {
				window.lock = await request(...what);
				return window.lock;
			};
		}
		window.channels = [];
		const {createDataChannel} = RTCPeerConnection.prototype;
		RTCPeerConnection.prototype.createDataChannel = function noted(...what) {
			const channel = createDataChannel.apply(this, what);
			window.channels.push(channel);
			return channel;
		};
		const TALK = 8;
		const {send} = WebSocket.prototype;
		window.talked = [];
		window.said = [];
		/** @param {any} bytes an ArrayBuffer: the page sends nothing else */
		WebSocket.prototype.send = function noted(bytes) {
			const view = new DataView(bytes);
			window.said.push(view.getUint8(4));
			if (view.getUint8(4) === TALK) window.talked.push([performance.now() / 1e3, view.getUint8(5), bytes.byteLength]);
			return send.call(this, bytes);
		};
		return {
			secure: isSecureContext,
			worklet: 'audioWorklet' in AudioContext.prototype,
			decodes: 'AudioDecoder' in window,
			encodes: 'AudioEncoder' in window,
			awake: 'wakeLock' in navigator,
		};
	});

/**
 * What knows of certificates.
 * @type {import('playwright-core').CDPSession | null}
 */
let devtools = null;

/** @type {{[command: string]: (...words: string[]) => unknown}} */
const commands = {
	async open(other = url) {
		files.length = 0;
		await page.goto(other);
		return note();
	},
	/** Follows a link to a page behind a warning, and goes past that as a person would. */
	async tapPastWarning(link) {
		devtools = await page.context().newCDPSession(page);
		await devtools.send('Network.enable');
		await page.click(link);
		await page.click('#details-button');
		await page.click('#proceed-link');
		await page.waitForURL(/^https:/);
		return note();
	},
	/** What the browser shows of the certificate: its SHA-256 fingerprint. */
	async fingerprint() {
		if (!devtools) return null;
		const {tableNames} = await devtools.send('Network.getCertificate', {origin: new URL(page.url()).origin});
		const hash = createHash('sha256').update(Buffer.from(tableNames[0], 'base64')).digest('hex');
		return hash.toUpperCase().match(/../g)?.join(':');
	},
	/** From now on no WebSocket of this page opens. */
	failWebSockets: () =>
		inPage(() => {
			const {CONNECTING, OPEN, CLOSED} = WebSocket;
			class Fails {
				static CONNECTING = CONNECTING;
				static OPEN = OPEN;
				static CLOSED = CLOSED;
				/** @type {((end: Page.Closed) => void) | null} */
				onclose = null;
				constructor() {
					setTimeout(() => this.onclose?.({code: 1006, reason: ''}), 10);
				}
				close() {}
			}
			window.WebSocket = /** @type {any} */ (Fails);
		}),

	/** Taps as a finger would. */
	tap: (selector) => page.click(selector),
	async focusAndPress(selector, key) {
		await page.focus(selector);
		await page.keyboard.press(key);
	},
	keyDown: (key) => page.keyboard.down(key),
	keyUp: (key) => page.keyboard.up(key),
	/** What a screen reader reads out: roles and names. */
	names: async () => {
		/** @type {(node: {role: string, name: string, children?: any[]}) => string[]} */
		const all = ({role, name, children = []}) => [`${role} ${name}`, ...children.flatMap(all)];
		const root = await page.accessibility.snapshot();
		return root ? all(root) : [];
	},
	set: (selector, ...value) =>
		inPage(
			([where, to]) => {
				const input = /** @type {HTMLInputElement} */ (document.querySelector(where));
				input.value = to;
				input.dispatchEvent(new Event('input', {bubbles: true}));
				input.dispatchEvent(new Event('change', {bubbles: true}));
			},
			[selector, value.join(' ')],
		),
	show: async () => ({
		...(await inPage(() => {
			/** @param {string} selector */
			const text = (selector) => document.querySelector(selector)?.textContent;
			/** @type {HTMLElement | null} */
			const people = document.querySelector('#people');
			/** @type {HTMLElement | null} */
			const talk = document.querySelector('#talk');
			/** @type {HTMLInputElement | null} */
			const mode = document.querySelector('#talk-mode :checked');
			return {
				state: document.querySelector('main')?.dataset.state,
				status: text('#status'),
				delay: text('#delay'),
				buffer: text('#buffer'),
				codec: text('#codec'),
				way: text('#way'),
				server: text('#server'),
				trim: text('#trim-value'),
				volume: text('#volume-value'),
				room: [...document.querySelectorAll('#room li')].map((item) => [
					item.querySelector('.name')?.textContent,
					item.querySelector('small')?.textContent,
					item.querySelector('output')?.value ?? null,
				]),
				isRoomShown: people?.hidden === false,
				talkSays: document.querySelector('#talk-says')?.textContent,
				isTalkShown: talk?.hidden === false,
				talkMode: mode?.value,
				isTalkOn: talk?.getAttribute('aria-pressed') === 'true',
				isAwake: window.lock?.released === false,
				lockScreen: [navigator.mediaSession?.playbackState, navigator.mediaSession?.metadata?.title],
			};
		})),
		bytes: await bytesToSound(),
		errors,
	}),
	/** What was sent of the microphone so far: when (in seconds), with what flags, in how many bytes. */
	talked: () => inPage(() => window.talked),
	/** The kinds of all frames that the page has sent. */
	said: () => inPage(() => window.said),
	/** All that the page keeps in this browser, and in this tab. */
	stored: () => inPage(() => [{...localStorage}, {...sessionStorage}]),
	/** How many WebSockets the page has opened. */
	sockets: () => inPage(() => window.sockets),
	/** As a browser that does not have it. */
	lack: (what) =>
		inPage((name) => {
			Reflect.deleteProperty(window, name);
		}, what),
	/** Joins in place of the page, with a patience of its own (web/patience.js). */
	async join(patienceMs) {
		await page.click('#status');
		await inPage(async (patience) => {
			const [{Listener}, {Patience}, {link}] = await Promise.all([
				import('/listener.js'),
				import('/patience.js'),
				import('/link.js'),
			]);
			window.patience = new Patience(patience);
			const url = `ws://${location.host}/listen`;
			const usual = {volume: 100, trimMs: 0, throughElement: false, lessData: false};
			const wishes = {url, id: '0'.repeat(32), name: 'Test', ...usual, link, patience: window.patience};
			window.listener = new Listener(wishes, () => {});
		}, Number(patienceMs));
	},
	figures: () => inPage(() => window.listener.player.figures()),
	/** By which way sound comes to who has joined in the page's place, and what became of it there. */
	way: () => inPage(() => window.listener.way),
	/** Nothing gets through the channels that the page has opened any more; how many there were. */
	cutChannels: () =>
		inPage(() => {
			for (const channel of window.channels) {
				channel.onmessage = null;
				channel.send = () => {};
			}
			return window.channels.length;
		}),
	/** Channels that are opened from now on bring nothing. */
	blockChannels: () =>
		inPage(() => {
			RTCPeerConnection.prototype.setRemoteDescription = async () => {};
		}),
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
		const samples = await inPage(
			decodeAll,
			/** @type {[string, number[][]]} */ (['/opus.js', packetsOf(readFileSync(packets))]),
		);
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
	/** Where the page is by now, and the link that it keeps. */
	kept: () =>
		inPage(async () => {
			const {link} = await import('/link.js');
			return {address: location.href, referrer: document.referrer, link: link.fragment, remembered: link.isRemembered};
		}),
	/** The words of the panel of a private room, if it is shown. */
	privately: () =>
		inPage(() => /** @type {HTMLElement | null} */ (document.querySelector('#private'))?.innerText ?? ''),
	/** As a link does that is opened in the same tab. */
	follow: (hash) =>
		inPage((to) => {
			location.hash = to;
		}, hash),
	/** A file of the page does not come, or does again. */
	lose: (path) => page.route(`**${path}`, (/** @type {{abort: () => void}} */ route) => route.abort()),
	find: (path) => page.unroute(`**${path}`),
	rename: (name) => inPage((to) => window.listener.rename(to), name),
	/** The words of an element. */
	text: (selector) => inPage((where) => document.querySelector(where)?.textContent, selector),
	/** How many squares the page's own QR code of its link has. */
	code: () => inPage(() => document.querySelector('.code path')?.getAttribute('d')?.split('M').length ?? 0),
	picture: async (path, width, height, scheme) => {
		await page.setViewportSize({width: Number(width), height: Number(height)});
		await page.emulateMedia({colorScheme: scheme === 'dark' ? 'dark' : 'light'});
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
