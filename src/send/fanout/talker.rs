//! What a talker may send, and what of it falls out. No socket, no clock.

use super::talk_repair::TalkRepair;
use crate::codec::{self, Codec};
use crate::format::Format;
use crate::send::presence::{Speech, Spoken};
use crate::wire::{AudioHeader, FLAG_LAST, Microphone, Violation};

/// Sound of one talker that is taken in a second, in ms: what a stall of the network held up for a
/// second, beside what is due.
const MAX_TALK_MS_PER_SECOND: u32 = 2_000;

/// Talk frames that are taken in a second: as many of the shortest Opus packets, and some.
const MAX_TALK_FRAMES_PER_SECOND: u32 = 1_000;

/// Talk frames of a second that are only dropped. Who sends more has not been held up by anything.
const MAX_TALK_SURPLUS: u32 = 2_000;

/// Sound that was captured longer ago is of no use to anybody, in µs.
const MAX_TALK_AGE_US: u64 = 1_000_000;

/// How far a client's estimate of our clock may be ahead of it, in µs.
const MAX_TALK_AHEAD_US: u64 = 100_000;

/// A talker who has said nothing for this long, in µs, does not speak: it is longer than the
/// network holds a frame up, shorter than anybody would notice.
const SPEAKS_FOR_US: u64 = 300_000;

/// A listener that may speak.
#[derive(Debug)]
pub struct Talker {
    /// How its sound is packed.
    pub microphone: Microphone,
    codec: Codec,
    format: Format,
    speaks_until_us: u64,
    speech: Speech,
    counts: TalkCounts,
    second: Second,
    repair: TalkRepair,
}

/// What came from one talker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TalkCounts {
    /// Frames that were taken.
    pub frames: u64,
    /// Frames that fell out: too many, too old, or from the future.
    pub dropped: u64,
}

/// What came in the current second.
#[derive(Debug, Default)]
struct Second {
    started_us: u64,
    frames: u32,
    /// Frames of sound.
    sound: u64,
    surplus: u32,
}

impl Talker {
    /// `None` for a microphone whose sound cannot be taken.
    #[must_use]
    pub fn new(microphone: Microphone) -> Option<Self> {
        let format = microphone.format()?;
        let codec = Codec::parse(&microphone.codec)?;
        Some(Self {
            microphone,
            codec,
            format,
            speaks_until_us: 0,
            speech: Speech::default(),
            counts: TalkCounts::default(),
            second: Second::default(),
            repair: TalkRepair::default(),
        })
    }

    /// Whether somebody speaks into it at the moment: sound comes, and it is no silence.
    #[must_use]
    pub fn is_speaking(&self, now_us: u64) -> bool {
        now_us < self.speaks_until_us && now_us < self.speech.last_us() + SPEAKS_FOR_US
    }

    /// The note of when this talker was last heard to speak.
    #[must_use]
    pub fn speech(&self) -> Speech {
        self.speech.clone()
    }

    /// What came so far.
    #[must_use]
    pub fn counts(&self) -> TalkCounts {
        self.counts
    }

    /// Reads the body of a talk frame; `None` if it falls out.
    ///
    /// # Errors
    /// The [`Violation`] for which the talker must be closed.
    pub fn take(&mut self, body: &[u8], now_us: u64) -> Result<Option<Spoken>, Violation> {
        self.begin_second(now_us);
        let (header, payload) = AudioHeader::split(body)?;
        codec::check_payload(self.codec, payload, header.frames, self.format.channels)?;
        if self.is_surplus(header.frames) {
            self.counts.dropped += 1;
            self.second.surplus += 1;
            let is_flood = self.second.surplus > MAX_TALK_SURPLUS;
            return if is_flood { Err(Violation::TooMuchTalk) } else { Ok(None) };
        }
        Ok(self.is_of_now(&header, now_us).then(|| self.hear(header, payload.into(), now_us)))
    }

    /// Takes what came by datagram; it may fall out. Whatever it is, it ends nothing.
    pub(super) fn take_datagram(
        &mut self,
        number: u32,
        (header, payload): (AudioHeader, &[u8]),
        now_us: u64,
    ) {
        self.begin_second(now_us);
        let is_sound =
            codec::check_payload(self.codec, payload, header.frames, self.format.channels).is_ok();
        if !is_sound || self.is_surplus(header.frames) {
            self.counts.dropped += 1;
        } else if self.is_of_now(&header, now_us) {
            self.repair.take(number, || (header, payload.into()), now_us);
        }
    }

    /// What of that may be heard by `now_us`. Ask until there is nothing.
    pub fn next_spoken(&mut self, now_us: u64) -> Option<Spoken> {
        let (header, payload) = self.repair.next(now_us)?;
        Some(self.hear(header, payload, now_us))
    }

    /// Datagrams that are to be asked for at `now_us`.
    pub fn missing(&mut self, now_us: u64) -> Vec<u32> {
        self.repair.missing(now_us)
    }

    /// When something of that is to be done, in µs, if nothing comes.
    #[must_use]
    pub fn due_us(&self) -> Option<u64> {
        self.repair.due_us()
    }

    fn begin_second(&mut self, now_us: u64) {
        if now_us.saturating_sub(self.second.started_us) >= 1_000_000 {
            self.second = Second { started_us: now_us, ..Second::default() };
        }
    }

    /// Whether sound was captured lately; what was not is counted.
    fn is_of_now(&mut self, header: &AudioHeader, now_us: u64) -> bool {
        let is_old = header.captured_us.saturating_add(MAX_TALK_AGE_US) < now_us;
        let is_of_now = !is_old && header.captured_us <= now_us.saturating_add(MAX_TALK_AHEAD_US);
        self.counts.dropped += u64::from(!is_of_now);
        is_of_now
    }

    fn hear(&mut self, header: AudioHeader, payload: Box<[u8]>, now_us: u64) -> Spoken {
        self.counts.frames += 1;
        let is_last = header.flags & FLAG_LAST != 0;
        self.speaks_until_us = if is_last { now_us } else { now_us + SPEAKS_FOR_US };
        Spoken { header, payload, came_us: now_us }
    }

    /// Counts what came, and says whether it is more than there is time for.
    fn is_surplus(&mut self, sound: u32) -> bool {
        self.second.frames = self.second.frames.saturating_add(1);
        self.second.sound += u64::from(sound);
        self.second.frames > MAX_TALK_FRAMES_PER_SECOND
            || self.format.micros(self.second.sound) > f64::from(MAX_TALK_MS_PER_SECOND) * 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 50_000_000;

    fn talker() -> Talker {
        let codec = "s16".to_owned();
        Talker::new(Microphone { codec, rate: 48_000, channels: 1, algorithmic_delay: 0 }).unwrap()
    }

    /// A frame of 10 ms, captured at that time.
    fn body(captured_us: u64) -> Vec<u8> {
        let header = AudioHeader { flags: 0, frames: 480, position: 0, captured_us };
        crate::wire::talk_frame(header, &[0; 960]).unwrap()[5..].to_vec()
    }

    #[test]
    fn who_sends_a_hundred_times_real_time_is_heard_at_twice_that_and_then_closed() {
        let mut talker = talker();
        let mut taken = 0;
        let error = (0..10_000).find_map(|n| match talker.take(&body(NOW_US), NOW_US + n * 100) {
            Ok(spoken) => {
                taken += u32::from(spoken.is_some());
                None
            }
            Err(error) => Some(error),
        });
        assert_eq!(error, Some(Violation::TooMuchTalk));
        assert_eq!(taken, 200, "two seconds of sound");
        assert_eq!(talker.counts(), TalkCounts { frames: 200, dropped: 2_001 });
    }

    #[test]
    fn what_the_network_held_up_for_a_second_is_taken_when_it_comes() {
        let mut talker = talker();
        for second in 0..5 {
            for n in 0..200 {
                let now_us = NOW_US + second * 1_000_000;
                assert!(talker.take(&body(now_us - n * 5_000), now_us).unwrap().is_some());
            }
        }
        assert_eq!(talker.counts().dropped, 0);
    }

    #[test]
    fn tiny_frames_have_a_bound_of_their_own() {
        let mut talker = talker();
        let header = AudioHeader { flags: 0, frames: 1, position: 0, captured_us: NOW_US };
        let body = &crate::wire::talk_frame(header, &[0; 2]).unwrap()[5..];
        let taken = (0..2_000).filter(|_| talker.take(body, NOW_US).unwrap().is_some()).count();
        assert_eq!(taken, 1_000);
    }

    #[test]
    fn sound_of_the_past_and_of_the_future_is_dropped() {
        let mut talker = talker();
        for (captured_us, is_taken) in [
            (NOW_US - MAX_TALK_AGE_US, true),
            (NOW_US - MAX_TALK_AGE_US - 1, false),
            (NOW_US + MAX_TALK_AHEAD_US, true),
            (NOW_US + MAX_TALK_AHEAD_US + 1, false),
            (0, false),
            ((1 << 62) - 1, false),
        ] {
            let taken = talker.take(&body(captured_us), NOW_US).unwrap();
            assert_eq!(taken.is_some(), is_taken, "{captured_us}");
        }
        assert_eq!(talker.counts(), TalkCounts { frames: 2, dropped: 4 });
    }

    #[test]
    fn a_frame_of_another_size_than_it_says_is_a_violation() {
        let header = AudioHeader { flags: 0, frames: 480, position: 0, captured_us: NOW_US };
        for (frames, bytes) in [(480, 958), (480, 962), (0, 0), (u32::MAX, 960), (480, 0)] {
            let header = AudioHeader { frames, ..header };
            let frame = crate::wire::talk_frame(header, &vec![0; bytes]).unwrap();
            assert!(talker().take(&frame[5..], NOW_US).is_err(), "{frames} in {bytes}");
        }
        assert!(talker().take(&[0; 22], NOW_US).is_err());
        let beyond = AudioHeader { position: 1 << 62, ..header };
        let frame = crate::wire::talk_frame(beyond, &[0; 960]).unwrap();
        assert!(talker().take(&frame[5..], NOW_US).is_err());
    }

    #[test]
    fn somebody_speaks_until_a_last_frame_or_a_while_after_any_other() {
        let mut talker = talker();
        assert!(!talker.is_speaking(NOW_US));
        talker.take(&body(NOW_US), NOW_US).unwrap();
        assert!(!talker.is_speaking(NOW_US), "nothing but silence has been heard");
        talker.speech().note(NOW_US);
        assert!(talker.is_speaking(NOW_US + SPEAKS_FOR_US - 1));
        assert!(!talker.is_speaking(NOW_US + SPEAKS_FOR_US));
        let mut last = body(NOW_US);
        last[0] = FLAG_LAST;
        talker.take(&last, NOW_US).unwrap();
        assert!(!talker.is_speaking(NOW_US));
    }
}
