//! Arbitrary bytes against both sides of the conversation: nothing panics, nothing that comes out
//! is half a frame or unsafe to compute with. The vectors are the seeds.

use std::io;
use std::net::SocketAddr;

use auralync::format::MAX_SAMPLE;
use auralync::playout::frames::Sound;
use auralync::recv::decode::{Conversation, Event, hello};
use auralync::send::fanout::{Asks, Listener, Log, Stopped};
use auralync::wire::{
    AudioFrame, AudioHeader, Deframer, Frame, Hello, Limits, Reason, plain, typed,
};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::vectors::seeds;

/// A stretch of a stream: vectors in any order, some with one byte changed, or mere noise.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let seeds = seeds();
    let count = seeds.len();
    let whole = (0..count).prop_map({
        let seeds = seeds.clone();
        move |n| seeds[n].clone()
    });
    let changed =
        (0..count, any::<prop::sample::Index>(), any::<u8>()).prop_map(move |(n, at, byte)| {
            let mut bytes = seeds[n].clone();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        });
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    prop::collection::vec(prop_oneof![6 => whole, 3 => changed, 1 => noise], 0..20)
        .prop_map(|pieces| pieces.concat())
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..700_usize, 1..30)
}

/// Bytes, cut into pieces.
fn pieces<'a>(mut bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for cut in cuts.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (head, tail) = bytes.split_at((*cut).min(bytes.len()));
        pieces.push(head);
        bytes = tail;
    }
    pieces
}

/// What a listener's client does, and its socket.
#[derive(Debug, Clone)]
enum Happens {
    /// It says this much of the stream.
    Says(usize),
    /// The socket takes this many bytes, then no more for now.
    Takes(usize),
    /// A frame is encoded.
    Sound,
    /// Time passes, in µs.
    Passes(u64),
}

fn happenings() -> impl Strategy<Value = Vec<Happens>> {
    let one = prop_oneof![
        (1..300_usize).prop_map(Happens::Says),
        (0..3000_usize).prop_map(Happens::Takes),
        Just(Happens::Sound),
        (0..2_000_000_u64).prop_map(Happens::Passes),
    ];
    prop::collection::vec(one, 0..100)
}

/// A listener as the network loop treats it, with a socket that keeps what it is given.
struct Served {
    listener: Listener,
    log: Log,
    now_us: u64,
    position: u64,
    taken: Vec<u8>,
    finished: bool,
}

impl Served {
    fn new() -> Self {
        let log = Log::new(4);
        let config = plain(b"{\"sample_rate\": 8000}");
        let peer: SocketAddr = ([127, 0, 0, 1], 1).into();
        let listener = Listener::seated(peer, config, &log, 0);
        Self { listener, log, now_us: 0, position: 0, taken: Vec::new(), finished: false }
    }

    fn says(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        loop {
            match self.listener.read(bytes, self.now_us) {
                Ok(Asks::Nothing) => return,
                Ok(Asks::Mix(_)) => {}
                Ok(Asks::Wish(wish)) => {
                    self.listener.grant(wish, |_| true);
                }
                Ok(Asks::Offer(_)) => {}
                Ok(Asks::Path(wish)) => self.listener.take_path(&wish, &self.log, self.now_us),
                Ok(Asks::Enter(_) | Asks::Code(_) | Asks::CodeProof(_)) => {
                    unreachable!("an open room is not entered")
                }
                Ok(Asks::Welcome(hello)) => {
                    assert_is_tame(&hello);
                    self.listener.welcome(hello, typed(2, b"{}"), &self.log, 0);
                }
                Err(_) => return self.listener.close(Reason::Violation, "no", self.now_us),
            }
            bytes = &[];
        }
    }

    fn sound(&mut self) {
        let header =
            AudioHeader { flags: 0, frames: 8, position: self.position, captured_us: self.now_us };
        self.position += 8;
        self.log.push(AudioFrame::float32(header, &[0.5; 8]));
    }

    fn takes(&mut self, mut room: usize) {
        let taken = &mut self.taken;
        let stopped = self.listener.outbox.write(&self.log, self.now_us, 1_000_000, |slices| {
            let wanted: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let count = room.min(wanted.len());
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            room -= count;
            taken.extend(&wanted[..count]);
            Ok(count)
        });
        self.finished |= stopped.unwrap() == Stopped::Finished;
    }
}

fn assert_is_tame(hello: &Hello) {
    assert!(hello.version >= 2 && !hello.id.is_empty());
    for text in [&hello.id, &hello.name] {
        assert!(text.chars().count() <= 64 && !text.chars().any(char::is_control), "{text:?}");
    }
}

/// Plain frames, then typed ones, all whole.
fn assert_is_a_conversation(bytes: &[u8], whole: bool) {
    let mut deframer = Deframer::new(Limits { plain: 1000, typed: 1000 });
    deframer.push(bytes);
    let mut is_typed = false;
    while let Some(frame) = deframer.next_frame().expect("frames of the lengths that they say") {
        match frame {
            Frame::Plain(_) => assert!(!is_typed, "a plain frame after a typed one"),
            Frame::Typed { .. } => is_typed = true,
        }
    }
    assert!(!whole || deframer.pending() == 0, "half a frame at the end");
}

/// Cases that failed once are tried first. Where they are kept is told, because a program of tests
/// that is put together of several folders leaves no trace of its own.
fn config() -> ProptestConfig {
    let kept = FileFailurePersistence::Direct("tests/proptest-regressions/mutation.txt");
    ProptestConfig { failure_persistence: Some(Box::new(kept)), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_a_client_says_it_is_sent_whole_frames(
        stream in stream(),
        happenings in happenings(),
    ) {
        let mut served = Served::new();
        let mut rest = stream.as_slice();
        for happens in happenings {
            match happens {
                Happens::Says(count) => {
                    let (said, later) = rest.split_at(count.min(rest.len()));
                    rest = later;
                    if !said.is_empty() {
                        served.says(said);
                    }
                }
                Happens::Takes(room) => served.takes(room),
                Happens::Sound => served.sound(),
                Happens::Passes(us) => served.now_us += us,
            }
            let _ = served.listener.overdue(served.now_us);
            if served.finished {
                break;
            }
        }
        assert_is_a_conversation(&served.taken, served.finished);
        if !served.finished {
            served.takes(usize::MAX);
            assert_is_a_conversation(&served.taken, true);
        }
    }

    #[test]
    fn whatever_a_server_says_what_is_heard_is_sound(
        stream in stream(),
        cuts in cuts(),
        known in any::<bool>(),
    ) {
        let mut conversation = Conversation::new(hello("id".into(), "me"), known);
        let mut deframer = Deframer::new(conversation.limits());
        'pieces: for piece in pieces(&stream, &cuts) {
            deframer.push(piece);
            loop {
                deframer.set_limits(conversation.limits());
                let frame = match deframer.next_frame() {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(_) => break 'pieces,
                };
                match conversation.take(frame) {
                    Ok(Event::Audio(Sound { frames, samples, .. })) => {
                        prop_assert!(frames > 0 && samples.len().is_multiple_of(frames as usize));
                        prop_assert!(samples.iter().all(|sample| sample.abs() <= MAX_SAMPLE));
                    }
                    Ok(Event::Full(_)) => break 'pieces,
                    Ok(_) => {}
                    Err(_) => break 'pieces,
                }
            }
        }
    }

    #[test]
    fn the_server_reads_the_same_however_the_stream_is_cut(
        stream in stream(),
        first in cuts(),
        second in cuts(),
    ) {
        let read = |cuts: &[usize]| {
            let mut served = Served::new();
            for piece in pieces(&stream, cuts) {
                served.says(piece);
            }
            (served.listener.phase, served.listener.id, served.listener.report)
        };
        prop_assert_eq!(read(&first), read(&second));
    }
}
