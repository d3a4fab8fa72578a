// Debian's Firefox, by Puppeteer: Playwright drives only a Firefox of its own.

import puppeteer from 'puppeteer-core';

/**
 * Opens a page in a browser to which `host`, if it is a name, is this machine.
 * @param {string} host
 */
export async function open(host) {
	const browser = await puppeteer.launch({
		browser: 'firefox',
		executablePath: '/usr/bin/firefox-esr',
		// One that hangs is given up long before the test ends (tests/page/browser.rs says why it does).
		protocolTimeout: 30_000,
		extraPrefsFirefox: {
			...(/[a-z]/.test(host) ? {'network.dns.localDomains': host} : {}),
			// Without this no data channel reaches a server on this machine.
			'media.peerconnection.ice.loopback': true,
		},
	});
	const page = await browser.newPage();
	// One that hangs does not close either.
	const close = () => {
		setTimeout(() => browser.process()?.kill('SIGKILL'), 5000).unref();
		return browser.close();
	};
	return {browser: {close}, page};
}
