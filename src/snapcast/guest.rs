//! One snapclient: what it says, what it is told, and when it has to go. Bytes and time in, bytes out.

use std::io;
use std::sync::Arc;

use super::kept::{Kept, Set, Wish};
use super::message::{self, Settings};
use super::outbox::{Counts, Outbox, Stopped};
use super::packing::Packing;
use super::reader::{Hello, Misuse, Reader, Said};

/// A client says who it is within this, in µs.
pub const HELLO_US: u64 = 5_000_000;

/// Messages that a client may send in a second: it asks fifty times for the time at the start, then once a second.
pub const MOST_MESSAGES: u32 = 200;

/// What all clients are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How sound is packed.
    pub packing: Packing,
    /// From a chunk's time to its being heard, in ms.
    pub delay_ms: u32,
}

/// One of them.
#[derive(Debug)]
pub struct Guest {
    reader: Reader,
    outbox: Outbox,
    connected_us: u64,
    hello: Option<Hello>,
    /// When the second began in which messages are counted, and how many there were.
    second: (u64, u32),
}

impl Guest {
    /// A client that has just connected.
    #[must_use]
    pub fn new(now_us: u64) -> Self {
        Self {
            reader: Reader::default(),
            outbox: Outbox::default(),
            connected_us: now_us,
            hello: None,
            second: (now_us, 0),
        }
    }

    /// Takes what its socket gave at `now_us`. What it wants for itself goes to `kept`. Returns whether it has just
    /// joined.
    ///
    /// # Errors
    /// A [`Misuse`], after which it has to go.
    pub fn hear(
        &mut self,
        bytes: &[u8],
        terms: &Terms,
        kept: &mut Kept,
        now_us: u64,
    ) -> Result<bool, Misuse> {
        self.reader.push(bytes);
        let mut has_joined = false;
        loop {
            let mut passed = 0;
            let said = self.reader.next_said(|_| passed += 1);
            self.count(passed + u32::from(matches!(said, Ok(Some(_)))), now_us)?;
            let answers: [Option<Vec<u8>>; 2] = match (said?, &self.hello) {
                (None, _) => return Ok(has_joined),
                (Some(Said::Hello { id, hello }), None) => {
                    let settings = kept.of(&hello.id).with_delay(terms.delay_ms);
                    self.hello = Some(hello);
                    has_joined = true;
                    let header = terms.packing.header(now_us);
                    [Some(message::settings(&settings, id, now_us)), Some(header)]
                }
                (Some(Said::Time { id, sent_us }), Some(_)) => {
                    [Some(message::time(id, sent_us, now_us, now_us)), None]
                }
                (Some(Said::Info { volume, is_muted }), Some(hello)) => {
                    let wish =
                        Wish { volume: Some(volume), is_muted: Some(is_muted), latency_ms: None };
                    kept.change(&hello.id, wish);
                    [None, None]
                }
                (Some(_), _) => return Err(Misuse::Order),
            };
            if !answers.into_iter().flatten().all(|answer| self.outbox.say(answer)) {
                return Err(Misuse::Flood);
            }
        }
    }

    fn count(&mut self, messages: u32, now_us: u64) -> Result<(), Misuse> {
        let (since_us, count) = &mut self.second;
        if now_us.saturating_sub(*since_us) >= 1_000_000 {
            (*since_us, *count) = (now_us, 0);
        }
        *count = count.saturating_add(messages);
        if *count > MOST_MESSAGES { Err(Misuse::Flood) } else { Ok(()) }
    }

    /// Lets go of sound that would be heard too late.
    ///
    /// # Errors
    /// [`Misuse::Silent`] where it has not said in time who it is.
    pub fn mind(&mut self, terms: &Terms, now_us: u64) -> Result<(), Misuse> {
        if self.hello.is_none() && now_us.saturating_sub(self.connected_us) > HELLO_US {
            return Err(Misuse::Silent);
        }
        self.outbox.forget_before(now_us.saturating_sub(u64::from(terms.delay_ms) * 1_000));
        Ok(())
    }

    /// Gives it a chunk, if it has joined.
    pub fn play(&mut self, captured_us: u64, chunk: &Arc<[u8]>) {
        if self.hello.is_some() {
            self.outbox.play(captured_us, Arc::clone(chunk));
        }
    }

    /// Has it hear another stream from now on, if it has joined: it is told of that one as it was of the first. What
    /// waits of the one before is let go.
    ///
    /// # Errors
    /// [`Misuse::Flood`] where it reads nothing.
    pub fn begin_anew(&mut self, terms: &Terms, kept: &Kept, now_us: u64) -> Result<(), Misuse> {
        self.outbox.forget_sound();
        self.tell(&self.set(kept).with_delay(terms.delay_ms), now_us)?;
        if self.hello.is_none() || self.outbox.say(terms.packing.header(now_us)) {
            Ok(())
        } else {
            Err(Misuse::Flood)
        }
    }

    /// Tells it what it is set to, if it has joined.
    ///
    /// # Errors
    /// [`Misuse::Flood`] where it reads nothing.
    pub fn tell(&mut self, settings: &Settings, now_us: u64) -> Result<(), Misuse> {
        if self.hello.is_none() || self.outbox.say(message::settings(settings, 0, now_us)) {
            Ok(())
        } else {
            Err(Misuse::Flood)
        }
    }

    /// Tells it why it has to go.
    pub fn refuse(&mut self, why: &Misuse, now_us: u64) {
        // What it does not read it does not know.
        let _ = self.outbox.say(message::error(0, REFUSED, &why.to_string(), now_us));
    }

    /// Writes what waits: see [`Outbox::write`].
    ///
    /// # Errors
    /// What `write` fails with, but for a full socket.
    pub fn write(
        &mut self,
        now_us: impl Fn() -> u64,
        write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<Stopped> {
        self.outbox.write(now_us, write)
    }

    /// Who it is, once it has joined.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// When it connected, in µs.
    #[must_use]
    pub fn connected_us(&self) -> u64 {
        self.connected_us
    }

    /// Messages that wait for it.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outbox.waiting()
    }

    /// What became of what was there for it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.outbox.counts()
    }

    /// What it is set to.
    #[must_use]
    pub fn set(&self, kept: &Kept) -> Set {
        self.hello.as_ref().map(|hello| kept.of(&hello.id)).unwrap_or_default()
    }
}

/// The code of an error for whoever is not served: a request that cannot be.
const REFUSED: u32 = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::snapcast::message::{HEADER, kind};
    use crate::snapcast::packing::SnapCodec;

    fn terms() -> Terms {
        let format = Format { sample_rate: 48_000, channels: 2 };
        Terms { packing: Packing::new(SnapCodec::Pcm, format, 480), delay_ms: 300 }
    }

    fn said(kind: u16, id: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[0..2].copy_from_slice(&kind.to_le_bytes());
        bytes[2..4].copy_from_slice(&id.to_le_bytes());
        bytes[22..26].copy_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    fn text(kind: u16, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        said(kind, 5, &[&length[..], text.as_bytes()].concat())
    }

    fn hello() -> Vec<u8> {
        text(kind::HELLO, r#"{"ID":"a","HostName":"kitchen","SnapStreamProtocolVersion":2}"#)
    }

    /// The kinds and ids of what was written for it, and how often.
    fn written(guest: &mut Guest) -> Vec<(u8, u8)> {
        let mut bytes = Vec::new();
        let stopped = guest.write(
            || 0,
            |more| {
                bytes.push((more[0], more[4]));
                Ok(more.len())
            },
        );
        assert_eq!(stopped.unwrap(), Stopped::Empty);
        bytes
    }

    #[test]
    fn a_client_gets_settings_then_the_header_then_sound() {
        let (mut guest, mut kept) = (Guest::new(0), Kept::default());
        let chunk: Arc<[u8]> = message::chunk(&[0; 4], 7, 0).into();
        guest.play(7, &chunk);
        assert_eq!(written(&mut guest), []);
        assert_eq!(guest.hear(&hello(), &terms(), &mut kept, 1), Ok(true));
        guest.play(8, &chunk);
        assert_eq!(guest.hear(&said(kind::TIME, 77, &[0; 8]), &terms(), &mut kept, 2), Ok(false));
        assert_eq!(written(&mut guest), [(3, 5), (1, 0), (4, 77), (2, 0)]);
        assert_eq!(guest.hello().unwrap().name, "kitchen");
    }

    #[test]
    fn a_client_says_who_it_is_once_first_and_in_time() {
        let mut kept = Kept::default();
        let info = text(kind::CLIENT_INFO, r#"{"volume":5,"muted":false}"#);
        for early in [said(kind::TIME, 1, &[0; 8]), info.clone()] {
            assert_eq!(Guest::new(0).hear(&early, &terms(), &mut kept, 0), Err(Misuse::Order));
        }
        let mut guest = Guest::new(10);
        assert_eq!(guest.mind(&terms(), 10 + HELLO_US), Ok(()));
        assert_eq!(guest.mind(&terms(), 11 + HELLO_US), Err(Misuse::Silent));
        guest.hear(&hello(), &terms(), &mut kept, 0).unwrap();
        assert_eq!(guest.mind(&terms(), u64::MAX), Ok(()));
        assert_eq!(guest.hear(&info, &terms(), &mut kept, 0), Ok(false));
        assert_eq!(guest.set(&kept).volume, 5);
        assert_eq!(guest.hear(&hello(), &terms(), &mut kept, 0), Err(Misuse::Order));
    }

    #[test]
    fn a_client_that_floods_has_to_go_and_one_that_asks_as_they_do_has_not() {
        let (mut guest, mut kept) = (Guest::new(0), Kept::default());
        guest.hear(&hello(), &terms(), &mut kept, 0).unwrap();
        let ask = said(kind::TIME, 1, &[0; 8]);
        for second in 0..10_u64 {
            for _ in 0..50 {
                guest.hear(&ask, &terms(), &mut kept, second * 1_000_000).unwrap();
            }
            written(&mut guest);
        }
        let unknown = said(99, 0, &[]).repeat(MOST_MESSAGES as usize + 1);
        assert_eq!(guest.hear(&unknown, &terms(), &mut kept, 20_000_000), Err(Misuse::Flood));
        // Whoever asks and reads no answer.
        let asks = ask.repeat(150);
        assert_eq!(guest.hear(&asks, &terms(), &mut kept, 30_000_000), Err(Misuse::Flood));
    }

    #[test]
    fn whoever_hears_a_stream_that_begins_anew_is_told_first_and_hears_nothing_more_of_the_old_one()
    {
        let (mut guest, mut kept) = (Guest::new(0), Kept::default());
        let chunk: Arc<[u8]> = message::chunk(&[0; 4], 7, 0).into();
        guest.begin_anew(&terms(), &kept, 0).unwrap();
        assert_eq!(written(&mut guest), [], "it has not said who it is");
        guest.hear(&hello(), &terms(), &mut kept, 0).unwrap();
        written(&mut guest);
        guest.play(0, &chunk);
        // A chunk that was begun is written to its end, so that what follows is understood.
        let mut takes = [Ok(5), Err(io::ErrorKind::WouldBlock.into())].into_iter();
        assert_eq!(guest.write(|| 0, |_| takes.next().unwrap()).unwrap(), Stopped::Full);
        (0..3).for_each(|number| guest.play(number, &chunk));
        let mono = Format { sample_rate: 44_100, channels: 1 };
        let terms = Terms { packing: Packing::new(SnapCodec::Pcm, mono, 960), delay_ms: 700 };
        guest.begin_anew(&terms, &kept, 0).unwrap();
        guest.play(3, &chunk);
        let mut bytes = Vec::new();
        let rest = guest.write(
            || 0,
            |more| {
                bytes.push(more.to_vec());
                Ok(more.len())
            },
        );
        assert_eq!(rest.unwrap(), Stopped::Empty);
        let [rest, settings, header, sound] = &bytes[..] else { panic!("{} writes", bytes.len()) };
        assert_eq!(rest.len() + 5, chunk.len());
        assert!(String::from_utf8_lossy(settings).contains("\"bufferMs\":700"));
        assert_eq!(*header, terms.packing.header(0));
        assert_eq!((sound[0], guest.counts().dropped), (2, 3));
    }

    #[test]
    fn sound_older_than_the_delay_falls_out() {
        let (mut guest, mut kept) = (Guest::new(0), Kept::default());
        guest.hear(&hello(), &terms(), &mut kept, 0).unwrap();
        let chunk: Arc<[u8]> = message::chunk(&[0; 4], 7, 0).into();
        (0..10).for_each(|number| guest.play(number * 100_000, &chunk));
        guest.mind(&terms(), 900_000).unwrap();
        assert_eq!((guest.counts().dropped, guest.waiting()), (6, 2 + 4));
    }
}
