// Debian's Firefox, by Puppeteer: Playwright drives only a Firefox of its own.

import puppeteer from 'puppeteer-core';

/**
 * Opens a page in a browser to which `host` is this machine.
 * @param {string} host
 */
export async function open(host) {
	const browser = await puppeteer.launch({
		browser: 'firefox',
		executablePath: '/usr/bin/firefox-esr',
		// Without the second no data channel reaches a server on this machine.
		extraPrefsFirefox: {'network.dns.localDomains': host, 'media.peerconnection.ice.loopback': true},
	});
	return {browser, page: await browser.newPage()};
}
