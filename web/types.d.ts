// Types that more than one of the page's modules names, and what browsers have beyond TypeScript's own list. For
// whoever reads or checks the modules: browsers never see it.

/** Samples of one channel, and those of all channels. */
type Samples = Float32Array<ArrayBuffer>;
type Channels = Samples[];

/** What is read off the wire (docs/protocol.md). */
declare namespace Wire {
	type Codec = 'f32' | 's24' | 's16' | 'opus';

	interface Welcome {
		kind: 'welcome';
		version: number;
		session: string;
		name: string;
		rate: number;
		channels: number;
		codec: Codec;
		positionRate: number;
		algorithmicDelay: number;
		playoutDelayMs: number;
		withinMs: number;
		pingMs: number;
		/** This listener's number; null where nobody talks. */
		person: number | null;
		/** The longest frame of speech that the server takes, in bytes; 0 where it takes none. */
		longestTalk: number;
		/** Why the server takes none, where it has said so since. */
		refusal?: string;
		/** Whether the server may be asked for a data channel. */
		mayOffer: boolean;
	}

	/** Where sound belongs. */
	interface Place {
		position: number;
		/** µs of the server's clock. */
		capturedUs: number;
		/** Whether what came before it is missing. */
		broken: boolean;
	}

	interface Audio extends Place {
		kind: 'audio';
		frames: number;
		payload: DataView<ArrayBuffer>;
	}

	interface Trip {
		clientUs: number;
		receivedUs: number;
		sentUs: number;
	}

	interface Pong extends Trip {
		kind: 'pong';
	}

	interface Notice {
		kind: 'notice';
		reason: string;
		text: string;
		playoutDelayMs?: number;
		fromUs?: number;
	}

	/** What becomes of an offer of a data channel, unread. */
	interface Answer {
		kind: 'answer';
		bytes: ArrayBuffer;
	}

	type Message = Welcome | Audio | Pong | Notice | People | Changes | Answer;

	/** Sound by datagram. */
	interface Piece {
		kind: 'sound';
		stream: number;
		/** Counts up by one with each datagram of its stream, and wraps at 2³². */
		number: number;
		audio: Audio;
	}

	/** An ask has come; the time is echoed from it, in µs. */
	interface Heard {
		kind: 'answer';
		clientUs: number;
	}

	type Datagram = Piece | Heard;

	/** An object that a server has said: what is in it may be anything, so every reader looks. */
	// biome-ignore lint/suspicious/noExplicitAny: with unknown, what has not been looked at could not be looked into.
	type Json = {[name: string]: any};

	interface Hello {
		/** The newest, where it is not said. */
		version?: number;
		id: string;
		name: string;
		codecs: string[];
		talk?: Talk;
	}

	/** Who is there, unread, and the changes to that which came since. */
	interface People {
		kind: 'people';
		bytes: ArrayBuffer;
		changes: ArrayBuffer[];
		/** What has been read of it. */
		known?: Known;
	}

	interface Changes {
		kind: 'changes';
		bytes: ArrayBuffer;
	}

	interface Known {
		you: number;
		people: Person[];
		/** How many more listen by way of other servers. */
		elsewhere: number;
	}

	interface Person {
		person: number;
		name: string;
		canTalk: boolean;
		isMuted: boolean;
		isDeaf: boolean;
		isSpeaking: boolean;
	}

	/** A microphone's sound, as a hello says it. */
	interface Talk {
		codec: string;
		rate: number;
		channels: number;
		algorithmic_delay: number;
	}

	/** What goes before a piece of a microphone's sound. */
	interface TalkHeader {
		flags: number;
		position: number;
		/** µs of the server's clock. */
		capturedUs: number;
	}

	/** What is not named stays. */
	interface Wish {
		name?: string;
		muted?: boolean;
		deaf?: boolean;
		/** Person → percent. */
		volumes?: {[person: string]: number};
	}

	interface Report {
		buffered_ms: number;
		underruns: number;
		lost_frames: number;
		ppm: number;
		output_latency_ms: number;
		extra_ms: number;
	}
}

/** What the page's modules hand each other. */
declare namespace Page {
	type Listener = import('./listener.js').Listener;
	type Microphone = import('./talk.js').Microphone;
	type Patience = import('./patience.js').Patience;
	type Playing = ReturnType<typeof import('./playing.js').showPlaying>;
	type Timer = ReturnType<typeof setTimeout> | undefined;
	type Channel = import('./channel.js').Channel;
	type Inside = import('./secure.js').Inside;
	type KeptLink = Pick<import('./link.js').KeptLink, 'fragment' | 'isHalf' | 'keep'>;
	type OwnLink = import('./link.js').KeptLink;
	type Private = ReturnType<typeof import('./private.js').showPrivate>;
	type Room = import('./people.js').Room;
	type Secure = Awaited<ReturnType<typeof import('./secure.js').load>>;
	type ServerClock = import('./clock.js').ServerClock;

	/** What a person wishes, and how they are known. */
	interface Wishes {
		/** What the ear's stage was kept at (ear.js), as it was kept. */
		hearing?: unknown;
		url: string;
		id: string;
		name: string;
		/** Percent, 0 to 200. */
		volume: number;
		trimMs: number;
		throughElement: boolean;
		lessData: boolean;
		/** What lets into a private room. */
		link?: KeptLink;
		/** What says when to play sooner again, where it is not the usual one. */
		patience?: Patience;
	}

	/** What is asked for: as the server likes, less of the network, or the best sound. */
	type Data = 'auto' | 'less' | 'more';

	type State = 'joining' | 'playing' | 'lost' | 'full' | 'refused' | 'replaced' | 'shut' | 'waiting';

	/** A round trip to the server: half-way at `atUs`, when its clock was ahead by some `offsetUs`. */
	interface Trip {
		atUs: number;
		offsetUs: number;
		tripUs: number;
	}

	/** The server's clock: ahead by `level` at `middle`, by `rate` more with every µs, in µs. */
	interface Estimate {
		middle: number;
		level: number;
		rate: number;
		doubtUs: number;
	}

	/** A datagram that is missing; times are in µs. */
	interface Gap {
		/** Where its sound belongs, as far as its neighbours tell. */
		position: number;
		sinceUs: number;
		askedUs: number | null;
		nextUs: number;
		/** It may have come by WebSocket: not counted. */
		isGuess: boolean;
	}

	/** A frame of a card, and when it was or will be. */
	interface Stamp {
		frame: number;
		atUs: number;
	}

	/** What a listener speaks through: a WebSocket, or what stands for it. */
	type Socket = WebSocket | import('./by-fetch.js').Stream;

	/** How it ended, as WebSockets say. */
	interface Closed {
		code: number;
		reason: string;
	}

	/** What of a welcome says how its stream is played. */
	type Stream = Pick<Wire.Welcome, 'channels' | 'positionRate' | 'algorithmicDelay' | 'playoutDelayMs'>;

	/** Where a stream is: the position that is heard next, and how it is steered. */
	interface Course {
		out: number;
		/** 0 silent to 1 open. */
		gate: number;
		correction: number;
		playedUs: number;
		errorUs: number;
		laterMs: number;
	}

	/** The numerator of a filter, by the cosine of its turn. */
	type Shape = (cos: number) => number[];

	/** What web/opus exports. Numbers are addresses in its memory, or frames. */
	interface OpusExports {
		memory: WebAssembly.Memory;
		begin(channels: number): void;
		packet(): number;
		sound(): number;
		decode(bytes: number): number;
		conceal(frames: number): number;
	}

	/** What web/secure exports to be called with how many bytes are at its place; what it returns is as many. */
	type SecureCall =
		| 'link'
		| 'enter'
		| 'entered'
		| 'own'
		| 'epoch'
		| 'since'
		| 'secret'
		| 'seal'
		| 'open'
		| 'sound'
		| 'datagram'
		| 'code';

	/** What web/secure exports. */
	type SecureExports = {[call in SecureCall]: (bytes: number, ...more: number[]) => number} & {
		memory: WebAssembly.Memory;
		place(): number;
		room(): number;
	};

	/** Takes decoded sound. */
	type Give = (place: Wire.Place, channels: Channels) => void;

	interface Decoder {
		take(message: Wire.Audio): void;
		close(): void;
	}

	type MakeDecoder = (channels: number, give: Give) => Decoder;

	/** Where blocks of sound go: `frame` is the output's frame that they begin at. */
	interface Sink {
		play(frame: number, channels: Channels): void;
	}

	/** How one person wants to hear. */
	interface Hearing {
		/** dB, 0 to 12. */
		dialogue: number;
		night: boolean;
		mono: boolean;
		/** −100 (left alone) to 100 (right alone). */
		balance: number;
		/** dB, −12 to 12. */
		bass: number;
		treble: number;
	}

	/** A number or a switch of that. */
	interface EarControl {
		label: string;
		/** What a switch does. */
		says?: string;
		least?: number;
		most?: number;
		step?: number;
	}

	/** Of a filter of the second order: three of the numerator, two of the denominator. */
	type Coefficients = [b0: number, b1: number, b2: number, a1: number, a2: number];

	/** What keeps loud sound within full scale: where it goes in and comes out. */
	interface Limiter {
		input: AudioNode;
		output: AudioNode;
	}

	/** Takes a packed piece of a microphone's sound. */
	type GivePacked = (header: Wire.TalkHeader, frames: number, bytes: Uint8Array) => void;

	interface Packer {
		announced: Wire.Talk;
		onError?: () => void;
		pack(header: Wire.TalkHeader, samples: Samples, give: GivePacked): void;
		close(): void;
	}

	/** An end of a listener's place, and what the page does about it. */
	interface End {
		state: State;
		says: string;
		comesBack: boolean;
	}

	type TalkMode = 'push' | 'open';

	/** Who sits on which line. */
	interface Row {
		item: HTMLLIElement;
		name: string;
		called: Element;
		does: Element;
		/** Nobody turns themselves up. */
		turns: {volume: HTMLInputElement; output: HTMLOutputElement} | null;
	}

	/** The page's elements by their ids: of index.html, of people.js, and of private.js. */
	interface Elements {
		listen: HTMLButtonElement;
		'listen-label': HTMLElement;
		status: HTMLElement;
		figures: HTMLElement;
		delay: HTMLElement;
		buffer: HTMLElement;
		codec: HTMLElement;
		way: HTMLElement;
		server: HTMLElement;
		volume: HTMLInputElement;
		'volume-value': HTMLOutputElement;
		earlier: HTMLButtonElement;
		later: HTMLButtonElement;
		'trim-value': HTMLOutputElement;
		calibrating: HTMLElement;
		calibrate: HTMLButtonElement;
		name: HTMLInputElement;
		less: HTMLInputElement;
		element: HTMLInputElement;
		address: HTMLAnchorElement;
		talk: HTMLButtonElement;
		mute: HTMLButtonElement;
		deafen: HTMLButtonElement;
		'talk-says': HTMLElement;
		'talk-mode': HTMLElement;
		'talk-securely': HTMLElement;
		room: HTMLElement;
		elsewhere: HTMLElement;
		bring: HTMLDetailsElement;
		qr: HTMLImageElement;
		link: HTMLInputElement;
		enter: HTMLButtonElement;
		remember: HTMLInputElement;
		again: HTMLButtonElement;
		forget: HTMLButtonElement;
		copy: HTMLButtonElement;
		copied: HTMLElement;
		'come-in': HTMLElement;
		'in-private': HTMLElement;
		ears: HTMLDetailsElement;
		'kept-link': HTMLElement;
	}
}

interface Document {
	getElementById<Id extends keyof Page.Elements>(id: Id): Page.Elements[Id];
}

/** Safari's. */
interface Navigator {
	audioSession?: {type: 'playback' | 'play-and-record'};
}

interface MediaTrackSettings {
	/** Seconds. */
	latency?: number;
}

interface OpusEncoderConfig {
	application?: 'lowdelay' | 'audio' | 'voip';
}

/** What runs on the browser's audio thread has these, and nothing else of the page does. */
declare class AudioWorkletProcessor {
	readonly port: MessagePort;
}
declare const currentFrame: number;
declare const sampleRate: number;
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;
