// What drive.js leaves in the page that it drives.

interface Window {
	/** When the first sound was handed to the output (performance.now). */
	soundAt?: number;
	/** What was sent of the microphone: when (in seconds), with what flags, in how many bytes. */
	talked: [number, number, number][];
	/** The kinds of all frames that the page has sent. */
	said: number[];
	/** WebSockets that the page has opened. */
	sockets: number;
	/** The listener that has joined in the page's place, and its patience. */
	listener: Page.Listener;
	patience: Page.Patience;
	/** What keeps the screen on. */
	lock?: WakeLockSentinel;
	/** The channels that the page has opened, each until it is cut. */
	channels: RTCDataChannel[];
}

/** The files of tests/vectors. */
declare namespace Test {
	/** What a vector's bytes mean, or each message of a whole session. */
	interface Step {
		message: string;
		from: 'client' | 'server';
		/** Whether clients read it but never write it so. */
		read_only?: boolean;
		fields: Wire.Json;
		steps?: Step[];
	}

	/** A room by its sound, and when a microphone there is open (rooms.json). */
	interface Room {
		name: string;
		rate: number;
		/** How many blocks, and how loud its hiss, buzz and hum are. */
		parts: [blocks: number, hiss: number, buzz: number, hum: number][];
		opens: [from: number, to: number][];
	}
}
