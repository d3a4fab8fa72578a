//! A server's side of one connection: what a client says, time, sound, and a socket that takes some.

use std::io;

use auralync::format::printable;
use auralync::send::fanout::{Asks, Listener, Log, Own, Stopped, Talker};
use auralync::wire::websocket::MAX_CLIENT_MESSAGE;
use auralync::wire::{
    AudioFrame, AudioHeader, Config, Full, Hello, MAX_CLIENT_FRAME, MAX_OFFER_BYTES, MAX_PEOPLE,
    People, Reason, typed,
};

use super::input::Input;
use super::watch::Body;

/// What a client sends in its second, the log, and all that was written.
pub const BODY: Body = Body { name: "listener", run, most_bytes: 2 << 20, tries: 1_500 };

/// Frames of the log: few, so that some fall out.
const BOUND: usize = 4;

const RATE: u32 = 8_000;

/// Samples of each frame, and their playout delay.
const SAMPLES: [f32; 8] = [0.5; 8];
const DELAY_US: u64 = 300_000;

/// A listener as the network loop treats it, with a socket that keeps what it is given.
struct Served {
    listener: Listener,
    log: Log,
    now_us: u64,
    position: u64,
    /// Bytes that it was sent, behind the answer to a browser's opening.
    taken: Vec<u8>,
    is_finished: bool,
    room: usize,
}

/// What a browser's opening is answered with.
const OPENING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

/// Bits of the first byte: a browser, one too many, said hello already, with a microphone, which
/// codec (two bits).
fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(mode) = input.byte() else { return };
    let mut served = Served::new(mode & 1 != 0, mode & 2 != 0);
    if mode & 4 != 0 {
        served.greet(mode & 8 != 0, ["s16", "opus", "f32", "s24"][usize::from(mode >> 4 & 3)]);
    }
    while let Some(what) = input.byte() {
        if served.is_finished {
            break;
        }
        served.happens(what, &mut input);
        served.check();
    }
    is_a_conversation(&served.taken, served.listener.is_browser(), served.is_finished);
    if !served.is_finished {
        served.takes(usize::MAX);
        is_a_conversation(&served.taken, served.listener.is_browser(), true);
    }
}

impl Served {
    fn new(is_browser: bool, is_refused: bool) -> Self {
        let (log, now_us) = (Log::new(BOUND), 1_000_000_000);
        let peer = ([127, 0, 0, 1], 1).into();
        let config = Config { sample_rate: RATE, channels: 1, chunk_size: 8, auralync: None };
        let listener = match (is_browser, is_refused) {
            (true, _) => {
                let refused = is_refused.then_some(Full::Address);
                Listener::browser(peer, OPENING.to_vec(), refused, now_us)
            }
            (false, true) => Listener::refused(peer, Full::Server, now_us),
            (false, false) => Listener::seated(peer, config.frame(), &log, now_us),
        };
        let taken = Vec::new();
        Self { listener, log, now_us, position: 0, taken, is_finished: false, room: 0 }
    }

    fn greet(&mut self, has_microphone: bool, codec: &str) {
        let microphone = serde_json::json!({"codec": codec, "rate": 48_000, "channels": 1});
        let talk = has_microphone.then_some(microphone);
        let hello = serde_json::json!({"version": 2, "id": "1", "talk": talk}).to_string();
        self.welcome(Hello::read(hello.as_bytes()).expect("our own hello"));
    }

    fn welcome(&mut self, mut hello: Hello) {
        for text in [&hello.id, &hello.name] {
            assert_eq!(*text, printable(text, 64));
        }
        self.listener.talker = hello.talk.take().and_then(Talker::new);
        self.listener.person = Some(1);
        self.listener.welcome(hello, typed(2, b"{}"), &self.log, self.now_us - DELAY_US);
    }

    fn happens(&mut self, what: u8, input: &mut Input<'_>) {
        let much = usize::from(what >> 3);
        match what & 7 {
            0..=2 => self.says(input.take(usize::from(what & 3) * 100 + much * 8 + 1)),
            3 => {
                let room = much * input.small() as usize;
                self.takes(room);
            }
            4 => self.sound(much),
            5 => self.now_us += input.any() >> 8,
            6 => match much & 3 {
                0 => self.listener.outbox.people(People::default().frame()),
                1 => self.listener.turn_to_own(&self.log),
                2 if self.listener.is_leaving() => self.listener.linger(self.now_us),
                _ => self.listener.wrote(much & 4 != 0, much & 8 != 0, self.now_us),
            },
            _ if much == 0 => self.listener.close(Reason::Removed, "bye", self.now_us),
            _ => {
                let frame = frame(self.position.saturating_sub(8 * much as u64), self.now_us);
                self.listener.hear_own(frame, BOUND, RATE, DELAY_US);
            }
        }
    }

    fn says(&mut self, mut bytes: &[u8]) {
        loop {
            match self.listener.read(bytes, self.now_us) {
                Ok(Asks::Nothing) => return,
                Ok(Asks::Welcome(hello)) => self.welcome(hello),
                Ok(Asks::Enter(_) | Asks::Code(_) | Asks::CodeProof(_)) => {
                    unreachable!("an open room is not entered")
                }
                Ok(Asks::Mix(spoken)) => {
                    assert!(spoken.payload.len() <= MAX_CLIENT_FRAME && spoken.header.frames > 0);
                    assert!(spoken.header.captured_us + 1_000_000 >= self.now_us);
                }
                Ok(Asks::Wish(wish)) => assert!(wish.volumes.len() <= MAX_PEOPLE),
                Ok(Asks::Offer(offer)) => assert!(offer.sdp.len() <= MAX_OFFER_BYTES),
                Ok(Asks::Path(wish)) => self.listener.take_path(&wish, &self.log, self.now_us),
                Err(_) => {
                    if !self.listener.is_leaving() {
                        self.listener.close(Reason::Violation, "no", self.now_us);
                    } else {
                        self.is_finished = true;
                    }
                    return;
                }
            }
            bytes = &[];
        }
    }

    fn sound(&mut self, much: usize) {
        for _ in 0..much % 8 {
            self.log.push(frame(self.position, self.now_us));
            self.position += SAMPLES.len() as u64;
        }
    }

    fn takes(&mut self, room: usize) {
        let Self { listener, log, taken, now_us, .. } = self;
        listener.turn_to_own(log);
        self.room = room;
        let max_age_us = DELAY_US + listener.extra_us();
        let log = Own::read_or(listener.own.as_ref(), log);
        let stopped = listener.outbox.write(log, *now_us, max_age_us, |slices| {
            let wanted = slices.iter().flat_map(|slice| slice.iter());
            let before = taken.len();
            taken.extend(wanted.take(self.room));
            let count = taken.len() - before;
            self.room -= count;
            if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
        });
        let stopped = stopped.expect("the socket is there");
        self.is_finished |= stopped == Stopped::Finished;
    }

    fn check(&self) {
        let Self { listener, now_us, .. } = self;
        assert!(listener.name.chars().count() <= 64);
        assert!(!listener.is_seated() || !listener.is_leaving());
        assert!(listener.outbox.queued(&self.log) <= BOUND);
        let _ = listener.overdue(*now_us);
        assert!(listener.extra_us() <= 10_000_000);
    }
}

fn frame(position: u64, captured_us: u64) -> AudioFrame {
    let frames = SAMPLES.len() as u32;
    AudioFrame::float32(AudioHeader { flags: 0, frames, position, captured_us }, &SAMPLES)
}

/// Plain frames, then typed ones, or one typed frame in each message: all of them whole.
fn is_a_conversation(bytes: &[u8], is_browser: bool, is_whole: bool) {
    if is_browser {
        return is_browsers(bytes, is_whole);
    }
    let (mut rest, mut is_typed) = (bytes, false);
    while let Some(word) = rest.first_chunk::<4>() {
        let word = u32::from_be_bytes(*word);
        assert!(word >> 31 == 1 || !is_typed, "a plain frame after a typed one");
        is_typed |= word >> 31 == 1;
        let size = 4 + (word & 0x7fff_ffff) as usize;
        assert!((5..=5_000).contains(&size), "a frame of {size} bytes");
        let Some(behind) = rest.get(size..) else { break };
        rest = behind;
    }
    assert!(!is_whole || rest.is_empty(), "{} bytes of a frame at the end", rest.len());
}

fn is_browsers(bytes: &[u8], is_whole: bool) {
    let Some(mut rest) = bytes.strip_prefix(OPENING) else {
        return assert!(!is_whole && OPENING.starts_with(bytes));
    };
    while let [first, second, behind @ ..] = rest {
        assert!(matches!(first, 0x82 | 0x88 | 0x8a) && *second <= 126, "{first:x} {second:x}");
        let wide = if *second == 126 { 2 } else { 0 };
        let Some(digits) = behind.get(..wide) else { break };
        let size = digits.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
        let size = if wide == 0 { usize::from(*second) } else { size };
        assert!(size <= MAX_CLIENT_MESSAGE);
        let Some(message) = behind.get(wide..wide + size) else { break };
        if *first == 0x82 {
            let word = message.first_chunk().map(|word| u32::from_be_bytes(*word));
            assert_eq!(word, Some(0x8000_0000 | (size as u32 - 4)), "one typed frame");
        }
        rest = &behind[wide + size..];
    }
    assert!(!is_whole || rest.is_empty(), "{} bytes of a message at the end", rest.len());
}
