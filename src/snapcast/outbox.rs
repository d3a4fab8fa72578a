//! What waits for one snapclient. Words go before sound, and a message that was begun goes before both; sound that is
//! too old to be heard falls out whole.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::message::stamp;

/// Words that wait for one client: answers to its first fifty questions for the time, and some more.
pub const MOST_WORDS: usize = 128;

/// Chunks that wait for one client, which all clients share: the longest delay, ten seconds, in chunks of 2.5 ms.
pub const MOST_CHUNKS: usize = 4_000;

/// What became of what was there for a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Chunks written whole.
    pub chunks: u64,
    /// Chunks that fell out.
    pub dropped: u64,
    /// Bytes written, words among them.
    pub bytes: u64,
}

/// Where a socket's writing stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Nothing waits.
    Empty,
    /// The socket takes no more for now.
    Full,
}

#[derive(Debug)]
struct Chunk {
    captured_us: u64,
    bytes: Arc<[u8]>,
}

/// A message of which a part may be written.
#[derive(Debug)]
struct Begun {
    bytes: Arc<[u8]>,
    written: usize,
    is_sound: bool,
}

/// One client's queue.
#[derive(Debug, Default)]
pub struct Outbox {
    begun: Option<Begun>,
    words: VecDeque<Vec<u8>>,
    sound: VecDeque<Chunk>,
    counts: Counts,
}

impl Outbox {
    /// Adds words. `false` where too many wait already: whoever reads none must ask no more.
    #[must_use]
    pub fn say(&mut self, message: Vec<u8>) -> bool {
        let has_room = self.words.len() < MOST_WORDS;
        if has_room {
            self.words.push_back(message);
        }
        has_room
    }

    /// Adds a chunk. Where too many wait the oldest falls out.
    pub fn play(&mut self, captured_us: u64, bytes: Arc<[u8]>) {
        if self.sound.len() >= MOST_CHUNKS {
            self.sound.pop_front();
            self.counts.dropped += 1;
        }
        self.sound.push_back(Chunk { captured_us, bytes });
    }

    /// Lets go of what was captured before `oldest_us`: it would be heard too late.
    pub fn forget_before(&mut self, oldest_us: u64) {
        while self.sound.front().is_some_and(|chunk| chunk.captured_us < oldest_us) {
            self.sound.pop_front();
            self.counts.dropped += 1;
        }
    }

    /// Lets go of all sound that waits: another stream begins.
    pub fn forget_sound(&mut self) {
        self.counts.dropped += self.sound.len() as u64;
        self.sound.clear();
    }

    /// Writes until nothing waits or `write` takes no more. Words are stamped with `now_us` as they are begun.
    ///
    /// # Errors
    /// What `write` fails with, but for a full socket.
    pub fn write(
        &mut self,
        now_us: impl Fn() -> u64,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<Stopped> {
        loop {
            let Some(mut begun) = self.begun.take().or_else(|| self.begin(now_us())) else {
                return Ok(Stopped::Empty);
            };
            match write(&begun.bytes[begun.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    begun.written += count;
                    self.counts.bytes += count as u64;
                    if begun.written < begun.bytes.len() {
                        self.begun = Some(begun);
                    } else {
                        self.counts.chunks += u64::from(begun.is_sound);
                    }
                }
                Err(e) => {
                    self.begun = Some(begun);
                    match e.kind() {
                        io::ErrorKind::WouldBlock => return Ok(Stopped::Full),
                        io::ErrorKind::Interrupted => {}
                        _ => return Err(e),
                    }
                }
            }
        }
    }

    fn begin(&mut self, now_us: u64) -> Option<Begun> {
        let (bytes, is_sound) = match self.words.pop_front() {
            Some(mut word) => {
                stamp(&mut word, now_us);
                (word.into(), false)
            }
            None => (self.sound.pop_front()?.bytes, true),
        };
        Some(Begun { bytes, written: 0, is_sound })
    }

    /// Messages that wait, one that was begun among them.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.words.len() + self.sound.len() + usize::from(self.begun.is_some())
    }

    /// What became of what was there.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapcast::message::{self, HEADER};

    fn chunk(number: u8) -> Arc<[u8]> {
        message::chunk(&[number; 4], number.into(), 0).into()
    }

    fn word(number: u16) -> Vec<u8> {
        message::time(number, 0, 0, 0)
    }

    /// A socket that takes so many bytes in all, at most `at_once` of them.
    fn write(outbox: &mut Outbox, mut room: usize, at_once: usize) -> (Vec<u8>, Stopped) {
        let mut taken = Vec::new();
        let stopped = outbox.write(
            || 5_000_000,
            |bytes| {
                let count = bytes.len().min(at_once).min(room);
                if count == 0 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                room -= count;
                taken.extend_from_slice(&bytes[..count]);
                Ok(count)
            },
        );
        (taken, stopped.unwrap())
    }

    #[test]
    fn words_go_before_sound_and_never_into_a_message_that_was_begun() {
        for cut in 0..HEADER + 16 {
            let mut outbox = Outbox::default();
            outbox.play(1, chunk(1));
            outbox.play(2, chunk(2));
            let (mut taken, stopped) = write(&mut outbox, cut, 7);
            assert_eq!(stopped, Stopped::Full);
            assert!(outbox.say(word(9)));
            let (rest, stopped) = write(&mut outbox, usize::MAX, 7);
            assert_eq!(stopped, Stopped::Empty);
            taken.extend(rest);
            let mut word = word(9);
            stamp(&mut word, 5_000_000);
            assert_eq!(taken, [&chunk(1), &word[..], &chunk(2)].concat(), "{cut}");
        }
    }

    #[test]
    fn what_is_too_old_falls_out_whole_but_for_what_was_begun() {
        let mut outbox = Outbox::default();
        (1..=5).for_each(|number| outbox.play(number.into(), chunk(number)));
        let (mut taken, _) = write(&mut outbox, 10, usize::MAX);
        outbox.forget_before(4);
        taken.extend(write(&mut outbox, usize::MAX, usize::MAX).0);
        assert_eq!(taken, [chunk(1), chunk(4), chunk(5)].concat());
        let bytes = taken.len() as u64;
        assert_eq!(outbox.counts(), Counts { chunks: 3, dropped: 2, bytes });
    }

    #[test]
    fn a_client_that_reads_nothing_holds_a_bounded_queue() {
        let mut outbox = Outbox::default();
        let shared = chunk(0);
        for number in 0..MOST_CHUNKS as u64 + 10 {
            outbox.play(number, Arc::clone(&shared));
        }
        let said = (0..MOST_WORDS + 10).filter(|_| outbox.say(word(1))).count();
        assert_eq!((said, outbox.counts().dropped), (MOST_WORDS, 10));
        assert_eq!(outbox.waiting(), MOST_WORDS + MOST_CHUNKS);
    }

    #[test]
    fn a_broken_socket_is_told() {
        let mut outbox = Outbox::default();
        outbox.play(1, chunk(1));
        assert!(outbox.write(|| 0, |_| Err(io::ErrorKind::BrokenPipe.into())).is_err());
        assert!(outbox.write(|| 0, |_| Ok(0)).is_err());
    }
}
