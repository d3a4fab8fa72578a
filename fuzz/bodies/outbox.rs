//! One listener's queue: frames that come, time that passes, and a socket that takes any number of
//! bytes. What was pushed was written, has fallen out and was counted, or waits.

use std::io;

use auralync::send::fanout::{Log, Outbox, Stopped};
use auralync::wire::{
    AudioFrame, AudioHeader, Deframer, Frame, Limits, Notice, People, Reason, kind, plain, typed,
};

use super::input::Input;
use super::watch::Body;

/// The log, control messages, and all that was written.
pub const BODY: Body = Body { name: "outbox", run, most_bytes: 2 << 20, tries: 3_000 };

const GREETING: &[u8] = b"{\"hello\": 1}";

struct Queue {
    log: Log,
    outbox: Outbox,
    now_us: u64,
    position: u64,
    pushed: u64,
    taken: Vec<u8>,
    is_typed: bool,
}

fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(mode) = input.byte() else { return };
    let bound = usize::from(mode & 15) + 1;
    let (log, now_us) = (Log::new(bound), 1_000_000);
    let outbox = Outbox::plain(plain(GREETING), &log, 0);
    let (taken, is_typed) = (Vec::new(), false);
    let mut queue = Queue { log, outbox, now_us, position: 0, pushed: 0, taken, is_typed };
    let (mut is_ended, mut is_gone) = (false, false);
    while let Some(what) = input.byte().filter(|_| !is_gone) {
        let much = u64::from(what >> 4);
        match what & 15 {
            0..=3 => queue.push(much),
            4..=7 => {
                let room = much as usize * input.small() as usize;
                is_gone = queue.takes(room) == Stopped::Finished;
            }
            8 => queue.now_us += input.large() * 10,
            9 => queue.outbox.ping(input.large(), queue.now_us),
            10 => queue.outbox.notice(&Notice::because(Reason::PlayoutDelay, "now")),
            11 => queue.outbox.people(People::default().frame()),
            12 if !queue.is_typed && !is_ended => queue.upgrade(much * 1_000),
            13 if much == 0 => {
                is_ended = true;
                queue.outbox.finish(&Notice::because(Reason::Stopping, "bye"));
            }
            _ => {}
        }
        assert!(queue.outbox.queued(&queue.log) <= bound);
        queue.is_accounted_for(is_ended, false);
    }
    queue.takes(usize::MAX);
    assert!(!queue.outbox.has_work(&queue.log) || is_ended);
    queue.is_accounted_for(is_ended, true);
    queue.is_whole();
}

impl Queue {
    fn push(&mut self, much: u64) {
        let (frames, position, captured_us) = (1 + much as u32, self.position, self.now_us);
        self.position += u64::from(frames);
        self.pushed += 1;
        let header = AudioHeader { flags: 0, frames, position, captured_us };
        self.log.push(AudioFrame::float32(header, &vec![0.25; frames as usize]));
    }

    /// Version 2 from here on; sound begins so far back.
    fn upgrade(&mut self, back_us: u64) {
        self.is_typed = true;
        let welcome = typed(kind::WELCOME, b"{}");
        self.outbox.upgrade(welcome, &self.log, self.now_us - back_us);
    }

    fn takes(&mut self, mut room: usize) -> Stopped {
        let taken = &mut self.taken;
        let before = taken.len();
        let stopped = self.outbox.write(&self.log, self.now_us, 100_000, |slices| {
            let from = taken.len();
            taken.extend(slices.iter().flat_map(|slice| slice.iter()).take(room));
            room -= taken.len() - from;
            if taken.len() == from {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                Ok(taken.len() - from)
            }
        });
        assert_eq!(self.outbox.counts().bytes, self.taken.len() as u64, "from {before} on");
        stopped.expect("the socket is there")
    }

    /// As long as its sound is one sequence: it begins anew with a welcome.
    fn is_accounted_for(&self, is_ended: bool, is_empty: bool) {
        if self.is_typed || is_ended {
            return;
        }
        let counts = self.outbox.counts();
        let gone = counts.frames + counts.dropped_full + counts.dropped_old;
        let waiting = self.outbox.queued(&self.log) as u64;
        assert!(gone + waiting <= self.pushed, "{counts:?}, {waiting} of {} wait", self.pushed);
        assert!(!is_empty || gone == self.pushed, "{counts:?} of {}", self.pushed);
    }

    /// The greeting, plain sound, a welcome, typed sound in order: every frame whole.
    fn is_whole(&self) {
        let mut deframer = Deframer::new(Limits { plain: 100, typed: 1_000 });
        deframer.push(&self.taken);
        let (mut next, mut plain_frames, mut is_welcomed) = (0, 0, false);
        while let Some(frame) = deframer.next_frame().expect("frames of the lengths they say") {
            match frame {
                Frame::Plain(payload) => {
                    assert!(!is_welcomed, "a plain frame after a typed one");
                    assert!(plain_frames > 0 || payload == GREETING, "the greeting comes first");
                    plain_frames += 1;
                }
                Frame::Typed { kind: kind::AUDIO, body } => {
                    assert!(is_welcomed, "sound before the welcome");
                    let (header, payload) = AudioHeader::split(body).expect("our own header");
                    assert_eq!(payload.len(), header.frames as usize * 4);
                    assert!(header.position >= next, "sound goes back");
                    next = header.position + u64::from(header.frames);
                }
                Frame::Typed { kind: what, .. } => is_welcomed |= what == kind::WELCOME,
            }
        }
        assert_eq!(deframer.pending(), 0, "half a frame at the end");
    }
}
