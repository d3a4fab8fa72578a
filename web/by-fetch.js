// What stands for a WebSocket where none opens: listens to an answer that never ends, and says by requests what
// is to be said. iPhones open none where the certificate is the server's own. Fetched by who needs it.

// What a request takes at most, and what waits to be said, in bytes. More waiting means that nothing gets through.
export const MOST_SAID = 60 * 1024;
const MOST_WAITING = 512 * 1024;

// Bytes of a frame's length, whose top bit says nothing here, and a length that no frame has.
const LENGTH = 4;
const LENGTH_BITS = 0x7fffffff;
const TOO_LONG = 1 << 20;

// The kind of the last frame, whose body is what would close a WebSocket: a code and a reason.
const CLOSED = 0;

// What a WebSocket says that ended without a word.
const ABNORMAL = 1006;

/** Bytes as they come → whole frames. */
export class Frames {
	/** @type {Uint8Array<ArrayBuffer>} */
	#rest = new Uint8Array();

	/**
	 * The frames that are whole by now; null where the bytes are none.
	 * @param {Uint8Array} bytes
	 * @returns {ArrayBuffer[] | null}
	 */
	push(bytes) {
		const all = new Uint8Array(this.#rest.length + bytes.length);
		all.set(this.#rest);
		all.set(bytes, this.#rest.length);
		const view = new DataView(all.buffer);
		const frames = [];
		let at = 0;
		while (all.length - at >= LENGTH) {
			const end = at + LENGTH + (view.getUint32(at) & LENGTH_BITS);
			if (end - at > TOO_LONG) return null;
			if (end > all.length) break;
			frames.push(all.buffer.slice(at, end));
			at = end;
		}
		this.#rest = all.slice(at);
		return frames;
	}
}

/** What is to be said, in the order in which it is, as requests take it. */
export class Sayings {
	/** @type {ArrayBuffer[]} */
	#waiting = [];
	#bytes = 0;

	/** @param {ArrayBuffer} bytes @returns {boolean} whether there was room */
	push(bytes) {
		if (this.#bytes + bytes.byteLength > MOST_WAITING) return false;
		this.#waiting.push(bytes);
		this.#bytes += bytes.byteLength;
		return true;
	}

	/** What goes into the next request; null where nothing waits. */
	take() {
		/** @type {ArrayBuffer[]} */
		const taken = [];
		let bytes = 0;
		while (this.#waiting.length && (!bytes || bytes + this.#waiting[0].byteLength <= MOST_SAID)) {
			const next = /** @type {ArrayBuffer} */ (this.#waiting.shift());
			bytes += next.byteLength;
			taken.push(next);
		}
		this.#bytes -= bytes;
		return taken.length ? new Blob(taken) : null;
	}
}

/** As much of a WebSocket as a listener uses. */
export class Stream {
	/** @type {number} */
	readyState = WebSocket.CONNECTING;
	binaryType = 'arraybuffer';
	/** @type {(() => void) | null} */
	onopen = null;
	/** @type {((message: {data: ArrayBuffer}) => void) | null} */
	onmessage = null;
	/** @type {((end: {code: number, reason: string}) => void) | null} */
	onclose = null;
	#page;
	#session = '';
	#count = 0;
	#isSaying = false;
	#sayings = new Sayings();
	#frames = new Frames();
	#ending = new AbortController();

	/** @param {string} url that of the WebSocket which it stands for */
	constructor(url) {
		this.#page = url.replace(/^ws/, 'http');
		this.#listen();
	}

	/** @param {ArrayBuffer} bytes */
	send(bytes) {
		if (this.readyState !== WebSocket.OPEN) return;
		if (this.#sayings.push(bytes)) this.#say();
		else this.#end(ABNORMAL);
	}

	close() {
		this.#end(ABNORMAL);
	}

	async #listen() {
		try {
			const answer = await fetch(new URL('stream', this.#page), {
				headers: {'AuraLync-Page': location.origin},
				cache: 'no-store',
				signal: this.#ending.signal,
			});
			const session = answer.headers.get('AuraLync-Session');
			if (!answer.ok || !answer.body || !session) throw new Error('refused');
			this.#session = session;
			this.readyState = WebSocket.OPEN;
			this.onopen?.();
			const reader = answer.body.getReader();
			for (;;) {
				const {done, value} = await reader.read();
				if (done) break;
				const frames = this.#frames.push(value);
				if (!frames) break;
				for (const data of frames) this.#take(data);
			}
		} catch {
			/* it ends below */
		}
		this.#end(ABNORMAL);
	}

	/** @param {ArrayBuffer} data */
	#take(data) {
		const view = new DataView(data);
		if (data.byteLength < LENGTH + 3 || view.getUint8(LENGTH) !== CLOSED) this.onmessage?.({data});
		else this.#end(view.getUint16(LENGTH + 1), new TextDecoder().decode(data.slice(LENGTH + 3)));
	}

	/** One request after the other: what comes meanwhile goes with the next. */
	async #say() {
		if (this.#isSaying) return;
		this.#isSaying = true;
		try {
			for (let body = this.#sayings.take(); body; body = this.#sayings.take()) {
				this.#count += 1;
				const answer = await fetch(new URL('say', this.#page), {
					method: 'POST',
					headers: {'AuraLync-Session': this.#session, 'AuraLync-Count': String(this.#count)},
					body,
					signal: this.#ending.signal,
				});
				if (!answer.ok) throw new Error('refused');
			}
			this.#isSaying = false;
		} catch {
			this.#end(ABNORMAL);
		}
	}

	/** @param {number} code @param {string} reason */
	#end(code, reason = '') {
		if (this.readyState === WebSocket.CLOSED) return;
		this.readyState = WebSocket.CLOSED;
		this.#ending.abort();
		this.onclose?.({code, reason});
	}
}
