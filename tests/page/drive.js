// A browser on the page, driven line by line: each line on stdin is one command, answered by one line of
// JSON on stdout. tests/page/main.rs gives the commands and listens to what the browser plays.
//
// usage: node drive.js URL CHROMIUM [BROWSER-FLAG…]

import {createInterface} from 'node:readline';

import {chromium} from 'playwright-core';

const [url, executablePath, ...flags] = process.argv.slice(2);

const browser = await chromium.launch({
	executablePath,
	// Tests often run as root, where Chromium's sandbox cannot be.
	args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', ...flags],
	ignoreDefaultArgs: ['--mute-audio'],
});
const context = await browser.newContext();
const page = await context.newPage();
const errors = [];
let bytes = 0;
page.on('pageerror', (error) => errors.push(String(error.stack ?? error)));
page.on('console', (message) => {
	// A server that is gone is what the browser itself writes here; the page says so in words.
	if (message.type() === 'error' && !/WebSocket|net::ERR_/.test(message.text())) errors.push(message.text());
});
page.on('response', async (response) => {
	const {requestHeadersSize: _, responseBodySize, responseHeadersSize} = await response.request().sizes();
	bytes += responseBodySize + responseHeadersSize;
});

const text = (selector) => page.locator(selector).textContent();

const commands = {
	async open(other = url) {
		await page.goto(other);
		return page.evaluate(() => ({secure: isSecureContext, worklet: 'audioWorklet' in AudioContext.prototype}));
	},
	/** Taps as a finger would. */
	tap: (selector) => page.click(selector),
	focusAndPress: async (selector, key) => {
		await page.focus(selector);
		await page.keyboard.press(key);
	},
	set: (selector, ...value) => page.locator(selector).evaluate((input, to) => {
		input.value = to;
		input.dispatchEvent(new Event('input', {bubbles: true}));
		input.dispatchEvent(new Event('change', {bubbles: true}));
	}, value.join(' ')),
	show: async () => ({
		state: await page.locator('main').getAttribute('data-state'),
		status: await text('#status'),
		delay: await text('#delay'),
		buffer: await text('#buffer'),
		codec: await text('#codec'),
		server: await text('#server'),
		trim: await text('#trim-value'),
		volume: await text('#volume-value'),
		bytes,
		errors,
	}),
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
