//! What comes to a server by datagram, whole and in any order, beside sound, time and a client that
//! leaves: who gets what, how much of it, and how often.

use std::collections::BTreeSet;
use std::sync::Arc;

use auralync::send::fanout::{DatagramLog, DatagramPath, Listener, Log, MAX_KEPT, Pace};
use auralync::wire::datagram::{
    Ask, FromClient, FromServer, MAX_DATAGRAM, MAX_STRETCHES, Parities, SEAL_ROOM, STRETCH,
    talk_datagram,
};
use auralync::wire::{AudioFrame, AudioHeader, Config, Hello, MAX_CLIENT_FRAME, Path, typed};

use super::input::Input;
use super::watch::Body;

/// Both logs, and the numbers that were sent.
pub const BODY: Body = Body { name: "asks", run, most_bytes: 4 << 20, tries: 2_000 };

const RATE: u32 = 8_000;
const TOKEN: [u8; 16] = [7; 16];
const COOKIE: u64 = 0x1234_5678;

/// How old sound may be, and how long it is kept, in µs.
const MAX_AGE_US: u64 = 300_000;
const KEEP_US: u64 = 1_300_000;

/// Bytes of the sound in a second, and of what may come at once: float32 on one channel.
const BYTES_PER_SECOND: usize = RATE as usize * 4;
const AT_ONCE: usize = 32_000;

/// Frames of the log: few, so that some fall out.
const BOUND: usize = 8;

/// A listener as the network loop treats it, with a socket that keeps account of what it is given.
struct Served {
    listener: Listener,
    log: Log,
    cut: DatagramLog,
    started_us: u64,
    now_us: u64,
    position: u64,
    /// Numbers that were sent, each for the first time.
    sent: BTreeSet<u32>,
    /// Bytes that were sent again.
    again: usize,
}

fn run(data: &[u8]) {
    if let Some(read) = FromClient::read(data) {
        reads_back(&read);
    }
    let mut input = Input(data);
    let mut served = Served::new();
    while let Some(what) = input.byte() {
        served.happens(what, &mut input);
    }
}

/// What was read is within its bounds, and what is written of it reads as it was.
fn reads_back(read: &FromClient<'_>) {
    match read {
        FromClient::Ask(ask) => {
            assert!(ask.missing.len() <= MAX_STRETCHES * STRETCH as usize);
            let bytes = ask.datagram();
            assert!(bytes.len() <= MAX_DATAGRAM);
            let Some(FromClient::Ask(mut again)) = FromClient::read(&bytes) else {
                panic!("{ask:?} became something else");
            };
            if ask.cookie == 0 {
                // Zeros fill it up.
                again.missing.clear();
            }
            assert!(again.missing.iter().all(|number| ask.missing.contains(number)));
            assert_eq!(
                Ask { missing: Vec::new(), ..again },
                Ask { missing: vec![], ..ask.clone() }
            );
        }
        FromClient::Talk { token, cookie, number, header, payload } => {
            assert!(header.frames > 0 && payload.len() < MAX_DATAGRAM);
            match talk_datagram(token, *cookie, *number, *header, payload) {
                Some(bytes) => assert_eq!(FromClient::read(&bytes).as_ref(), Some(read)),
                None => assert!(payload.len() > MAX_DATAGRAM - SEAL_ROOM - 100),
            }
        }
    }
}

impl Served {
    fn new() -> Self {
        let (log, now_us) = (Log::new(BOUND), 1_000_000_000);
        let peer = ([127, 0, 0, 1], 1).into();
        let config = Config { sample_rate: RATE, channels: 1, chunk_size: 8, auralync: None };
        let mut listener = Listener::seated(peer, config.frame(), &log, now_us);
        let hello = br#"{"version": 3, "id": "1", "codecs": ["f32"], "datagrams": true}"#;
        let hello = Hello::read(hello).expect("our own hello");
        listener.welcome(hello, typed(2, b"{}"), &log, now_us);
        listener.path = Some(DatagramPath::new(TOKEN));
        Self {
            listener,
            log,
            cut: DatagramLog::new(0, RATE),
            started_us: now_us,
            now_us,
            position: 0,
            sent: BTreeSet::new(),
            again: 0,
        }
    }

    fn happens(&mut self, what: u8, input: &mut Input<'_>) {
        let much = u32::from(what >> 3);
        match what & 7 {
            0 | 1 => self.sound(much),
            2 => self.now_us += u64::from(much) * 1_000,
            3 => self.now_us += input.large() * 100,
            4 => {
                let length = input.small() as usize + 36;
                let bytes = input.take(length);
                if let Some(FromClient::Ask(ask)) = FromClient::read(bytes) {
                    self.comes(&ask, bytes.len().max(36));
                }
            }
            5 => {
                let near = self.cut.end() as u32;
                let first = near.wrapping_sub(u32::from(input.byte().unwrap_or(0)));
                let ask = Ask {
                    is_wanted: much & 1 != 0,
                    parity: Parities { of_four: much & 2 != 0, of_two: much & 8 != 0 },
                    stream: 0,
                    token: TOKEN,
                    cookie: if much & 4 != 0 { COOKIE } else { input.large() },
                    client_us: 0,
                    missing: (0..much * 8).map(|behind| first.wrapping_add(behind)).collect(),
                };
                self.comes(&ask, ask.datagram().len());
            }
            6 => self.gives(),
            _ if much == 0 => {
                let path = Path { datagrams: Some(false), from: None, codec: None };
                self.listener.take_path(&path, &self.log, self.now_us);
            }
            _ => {
                let from_us = self.now_us.saturating_sub(MAX_AGE_US);
                self.listener.leave_silent_path(&self.log, self.now_us, from_us);
                let parities = Parities { of_four: much & 1 != 0, of_two: much & 2 != 0 };
                self.cut.set_heard(self.listener.is_by_datagram(), parities);
            }
        }
    }

    fn sound(&mut self, much: u32) {
        let frames = much * 20 + 1;
        let (position, captured_us) = (self.position, self.now_us);
        let header = AudioHeader { flags: 0, frames, position, captured_us };
        let frame = AudioFrame::float32(header, &vec![0.5; frames as usize]);
        self.cut.push(&frame, KEEP_US);
        self.log.push(frame);
        self.position += u64::from(frames);
    }

    fn pace(&self) -> Pace {
        Pace { now_us: self.now_us, max_age_us: MAX_AGE_US, bytes_per_second: BYTES_PER_SECOND }
    }

    /// An ask comes, as the loop would have it.
    fn comes(&mut self, ask: &Ask, length: usize) {
        if ask.token != TOKEN {
            return;
        }
        let from = ([192, 0, 2, 1], 9).into();
        let path = self.listener.path.as_mut().expect("its path");
        let Some(answer) = path.answer(ask, (from, COOKIE), length, self.now_us) else { return };
        assert!(answer.len() <= length, "more than was sent");
        let Some(FromServer::Answer(read)) = FromServer::read(&answer) else {
            panic!("an answer that is none");
        };
        assert_eq!(read.is_proven, ask.cookie == COOKIE);
        if !read.is_proven {
            return;
        }
        let (pace, mut again) = (self.pace(), Vec::new());
        self.listener.give_again(ask, &self.cut, pace, |_, bytes| again.push(Arc::clone(bytes)));
        for bytes in again {
            self.again += bytes.len();
            let number = number(&bytes).expect("sound, and nothing else, is sent again");
            // What a listener did not get the first time, because it came later, is worth asking for too.
            let ago = (self.cut.end() as u32).wrapping_sub(number);
            assert!((1..=MAX_KEPT).contains(&(ago as usize)), "{number}, which is not there");
        }
        let elapsed_us = usize::try_from(self.now_us - self.started_us).unwrap_or(usize::MAX);
        let earned = (BYTES_PER_SECOND / 2).saturating_mul(elapsed_us / 1_000 + 1) / 1_000;
        let most = earned.saturating_add(AT_ONCE + MAX_DATAGRAM);
        assert!(self.again <= most, "{} bytes again, of {most}", self.again);
    }

    fn gives(&mut self) {
        self.listener.turn_to_datagrams(&self.log, &mut self.cut);
        let (pace, mut given) = (self.pace(), Vec::new());
        let give = |_, bytes: &Arc<[u8]>| given.push(Arc::clone(bytes));
        self.listener.give_datagrams(&self.log, &self.cut, pace, give);
        for bytes in given {
            assert!(bytes.len() <= MAX_DATAGRAM && bytes.len() <= MAX_CLIENT_FRAME);
            match number(&bytes) {
                Some(number) => assert!(self.sent.insert(number), "{number} twice, not asked for"),
                None => {
                    assert!(matches!(FromServer::read(&bytes), Some(FromServer::Parity { .. })))
                }
            }
        }
    }
}

/// The number of a datagram of sound.
fn number(bytes: &[u8]) -> Option<u32> {
    match FromServer::read(bytes)? {
        FromServer::Sound(piece) => Some(piece.number),
        _ => None,
    }
}
