// Samples through the page's encoder (web/talk-opus.js).

/**
 * Runs in a browser, so it uses nothing but what it is given: the packets of 10 ms each, and what they lag by.
 * @param {number[]} samples
 */
export async function encodeAll(samples) {
	const FRAMES = 480;
	const {opusPacker} = await import('/talk-opus.js');
	/** @type {number[][]} */
	const packets = [];
	const packer = await opusPacker();
	if (!packer) throw new Error('this browser makes no Opus');
	for (let at = 0; at + FRAMES <= samples.length; at += FRAMES) {
		const header = {flags: 0, position: at, capturedUs: 0};
		packer.pack(header, Float32Array.from(samples.slice(at, at + FRAMES)), (_, __, bytes) => packets.push([...bytes]));
	}
	const deadline = performance.now() + 10_000;
	while (packets.length < Math.floor(samples.length / FRAMES) && performance.now() < deadline) {
		await new Promise((wake) => {
			setTimeout(wake, 10);
		});
	}
	return {delay: packer.announced.algorithmic_delay, packets};
}
