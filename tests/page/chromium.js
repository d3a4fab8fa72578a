// Debian's Chromium, by Playwright.

import {chromium} from 'playwright-core';

/**
 * Opens a page in a browser to which `host`, if it is a name, is this machine. Its microphone hears the WAV file `heard`,
 * if there is one, or is the system's own where that is `system`.
 * @param {string} host
 * @param {string} [heard]
 */
export async function open(host, heard) {
	const browser = await chromium.launch({
		executablePath: '/usr/bin/chromium',
		// Tests often run as root, where Chromium's sandbox cannot be.
		args: [
			'--no-sandbox',
			'--disable-dev-shm-usage',
			'--disable-gpu',
			...(/[a-z]/.test(host) ? [`--host-resolver-rules=MAP ${host} 127.0.0.1`] : []),
			// A microphone that beeps twice a second or hears a file, and whoever sits there allows it.
			'--use-fake-ui-for-media-stream',
			...(heard === 'system' ? [] : ['--use-fake-device-for-media-stream']),
			...(heard ? [`--use-file-for-fake-audio-capture=${heard}`] : []),
		],
		ignoreDefaultArgs: ['--mute-audio'],
	});
	const context = await browser.newContext();
	return {browser, page: await context.newPage()};
}
