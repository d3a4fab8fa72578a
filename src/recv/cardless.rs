//! Sound in time, without a card: every sample comes out when it would be heard, and what is missing
//! is silence of its length. Nothing is resampled.
//!
//! Pure: time is an argument. Outputs that need no card play this, and so do recordings.

use crate::clock::Timeline;
use crate::format::Format;
use crate::playout::Counts;
use crate::playout::jitter::Jitter;
use crate::recording::LONGEST_GAP_MS;

/// Frames that come out at a time.
const PIECE: usize = 1024;

/// Sound that comes out between two looks at the clock, in ms. Where more is due, because the time
/// that a server tells has jumped ahead, the next turns give the rest.
const MOST_AT_ONCE_MS: f64 = 100.0;

/// A timeline that lies this far behind what has come out, in ms, began anew: the server's computer
/// was asleep, and its clock with it.
const BACK_MS: f64 = 1_000.0;

/// Positions that lie this much apart from time, in µs, lie elsewhere; less is a clock's noise.
const APART_US: f64 = 5_000.0;

/// Streams, one after the other, by time.
#[derive(Default)]
pub struct Cardless {
    stream: Option<Stream>,
    /// What was playing before `stream`, and the position that it no longer reaches.
    ending: Option<(Stream, u64)>,
    /// The buffer of a stream that has ended, for the next one.
    spare: Option<Jitter>,
    counts: Counts,
    frames: u64,
}

struct Stream {
    format: Format,
    chunk: usize,
    delay_ms: u32,
    jitter: Jitter,
    timeline: Timeline,
    /// The next position to come out, once the first has come.
    next: Option<u64>,
}

impl Cardless {
    /// A new stream, of which the frame at `position` comes first. It goes on behind the old one,
    /// at the moment it belongs to; until then the old one does.
    pub fn stream(
        &mut self,
        format: Format,
        chunk: usize,
        delay_ms: u32,
        position: u64,
        timeline: Timeline,
    ) {
        let jitter = self.buffer(format, chunk, delay_ms);
        self.follow(Stream { format, chunk, delay_ms, jitter, timeline, next: None }, position);
    }

    /// An empty buffer.
    fn buffer(&mut self, format: Format, chunk: usize, delay_ms: u32) -> Jitter {
        match self.spare.take() {
            Some(mut spare) if spare.suits(format, chunk, delay_ms) => {
                spare.clear();
                spare
            }
            _ => Jitter::new(format, chunk, delay_ms),
        }
    }

    /// Lets `new` follow what is playing, from its frame at `position` on.
    fn follow(&mut self, mut new: Stream, position: u64) {
        // One that has not had its turn yet never gets it.
        let mut old = self.stream.take();
        if let Some((ending, _)) = self.ending.take() {
            self.spare = old.replace(ending).map(|unheard| unheard.jitter);
        }
        match old {
            Some(old @ Stream { next: Some(next), format, .. }) if format == new.format => {
                let until = old.timeline.position_at(new.timeline.heard_at(position as f64));
                if until > next as f64 {
                    new.next = Some(position);
                    self.ending = Some((old, until as u64));
                } else {
                    let heard_us = old.timeline.heard_at(next as f64);
                    new.next = Some(new.timeline.position_at(heard_us).max(0.0).round() as u64);
                    self.spare = Some(old.jitter);
                }
                new.jitter.set_reader(new.next.unwrap_or(position));
            }
            unheard => self.spare = unheard.map(|unheard| unheard.jitter).or(self.spare.take()),
        }
        self.stream = Some(new);
    }

    /// Takes decoded frames captured at `captured_us` of the server's clock.
    pub fn insert(&mut self, position: u64, captured_us: u64, broken: bool, samples: &[f32]) {
        if broken {
            self.mend(position, captured_us);
        }
        let Some(stream) = &mut self.stream else {
            return;
        };
        stream.timeline.note(position, captured_us, broken);
        let late = stream.jitter.insert(position, samples);
        if stream.next.is_some() {
            self.counts.late += late;
        }
    }

    /// Where positions and time have come apart, what follows is a stream of its own: what was
    /// written under a position may come again under it at another time.
    fn mend(&mut self, position: u64, captured_us: u64) {
        let Some(Stream { format, chunk, delay_ms, timeline, .. }) = &self.stream else {
            return;
        };
        let (format, chunk, delay_ms) = (*format, *chunk, *delay_ms);
        let mut mended = timeline.clone();
        mended.note(position, captured_us, true);
        let at = position as f64;
        if (mended.heard_at(at) - timeline.heard_at(at)).abs() < APART_US {
            return;
        }
        let jitter = self.buffer(format, chunk, delay_ms);
        let new = Stream { format, chunk, delay_ms, jitter, timeline: mended, next: None };
        self.follow(new, position);
    }

    /// Makes room for a longer delay.
    pub fn make_room_for(&mut self, delay_ms: u32) {
        if let Some(stream) = &mut self.stream {
            stream.jitter.grow(stream.format, delay_ms);
            stream.delay_ms = delay_ms;
        }
    }

    /// The timeline, to change delay or offset.
    pub fn timeline(&mut self) -> Option<&mut Timeline> {
        self.stream.as_mut().map(|stream| &mut stream.timeline)
    }

    /// Whether more is due at `now_us` than [`advance`](Self::advance) gives at once.
    #[must_use]
    pub fn is_behind(&self, now_us: u64) -> bool {
        let ending = self.ending.as_ref().map(|(old, _)| old);
        ending.or(self.stream.as_ref()).is_some_and(|stream| {
            let due = stream.timeline.position_at(now_us as f64);
            let most = stream.format.frames_in_ms(MOST_AT_ONCE_MS) as f64;
            stream.next.is_some_and(|next| due - next as f64 > most)
        })
    }

    /// Gives what is heard until `now_us` to `heard`, whole frames in that format, as far as one turn may.
    /// `is_expecting` says that sound should be coming: else what is missing is not lost.
    pub fn advance(
        &mut self,
        now_us: u64,
        is_expecting: bool,
        mut heard: impl FnMut(Format, &mut [f32]),
    ) {
        if let Some((old, until)) = &mut self.ending {
            let due = (old.timeline.position_at(now_us as f64).max(0.0) as u64).min(*until);
            let from = old.next.unwrap_or(due);
            self.frames += old.give(from, due, &mut heard).frames;
            if old.next.is_some_and(|next| next < *until) {
                return;
            }
            self.spare = self.ending.take().map(|(old, _)| old.jitter);
        }
        let Some(stream) = &mut self.stream else {
            return;
        };
        if let Some(next) = stream.next {
            stream.timeline.reach(next as f64);
        }
        let due = stream.timeline.position_at(now_us as f64);
        if stream
            .next
            .is_some_and(|next| next as f64 - due > stream.format.frames_in_ms(BACK_MS) as f64)
        {
            stream.next = None;
            stream.jitter.set_reader(due.max(0.0) as u64);
        }
        let from = match stream.next {
            Some(next) => next,
            // The first sample that is there and not yet past its time.
            None => match stream.jitter.start() {
                Some(start)
                    if (start as f64) < due
                        && stream.jitter.end().is_some_and(|e| due < e as f64) =>
                {
                    start.max(due as u64)
                }
                _ => return,
            },
        };
        let due = due.max(0.0) as u64;
        let given = stream.give(from, due, &mut heard);
        self.frames += given.frames;
        if is_expecting {
            self.counts.lost += given.missing;
        }
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The next position to come out, and the rate it counts at; `None` before sound.
    #[must_use]
    pub fn read_until(&self) -> Option<(u64, u32)> {
        let stream = self.stream.as_ref().filter(|_| self.ending.is_none())?;
        stream.next.map(|next| (next, stream.format.sample_rate))
    }

    /// Frames that have come out so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Sound waiting, in frames of the stream.
    #[must_use]
    pub fn buffered(&self) -> u64 {
        self.stream.as_ref().map_or(0, |stream| stream.jitter.ahead())
    }

    /// How long after its capture the last sample came out, in µs.
    #[must_use]
    pub fn delay_us(&self, now_us: u64) -> f64 {
        self.stream.as_ref().map_or(0.0, |stream| {
            let Some(next) = stream.next else {
                return 0.0;
            };
            now_us as f64 - stream.timeline.captured_at(next as f64)
        })
    }
}

/// What came out.
struct Given {
    frames: u64,
    missing: u64,
}

impl Stream {
    /// Gives the frames from `from` until `due` to `heard`, a piece at a time, as far as one turn may.
    fn give(&mut self, from: u64, due: u64, heard: &mut impl FnMut(Format, &mut [f32])) -> Given {
        let format = self.format;
        let longest = format.frames_in_ms(LONGEST_GAP_MS) as u64;
        let mut at = from.max(due.saturating_sub(longest));
        let due = due.min(at + format.frames_in_ms(MOST_AT_ONCE_MS) as u64);
        let mut piece = vec![0.0; format.samples(PIECE)];
        let mut given = Given { frames: 0, missing: 0 };
        while at < due {
            let frames = usize::try_from(due - at).unwrap_or(PIECE).min(PIECE);
            let samples = &mut piece[..format.samples(frames)];
            given.missing += self.jitter.read(at, samples) as u64;
            heard(format, samples);
            at += frames as u64;
            given.frames += frames as u64;
        }
        self.next = Some(at.max(from));
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Offset;

    /// A frame lasts a millisecond.
    const SLOW: Format = Format { sample_rate: 1000, channels: 1 };
    const DELAY_MS: u32 = 100;

    /// Samples that tell their position.
    fn ramp(positions: std::ops::Range<u64>) -> Vec<f32> {
        positions.map(|position| (position + 1) as f32 / 8192.0).collect()
    }

    /// A timeline on which `position` was captured at `captured_ms` of a server whose clock began
    /// when ours showed `began_ms`.
    fn timeline(position: u64, captured_ms: u64, began_ms: f64) -> Timeline {
        let offset = Offset { offset_us: -began_ms * 1e3, ..Offset::NONE };
        let delay_us = f64::from(DELAY_MS) * 1e3;
        Timeline::new(SLOW.sample_rate, position, captured_ms * 1000, offset, delay_us)
    }

    fn cardless(first: Timeline) -> Cardless {
        let mut cardless = Cardless::default();
        cardless.stream(SLOW, 10, DELAY_MS, 0, first);
        cardless
    }

    /// What comes out until then, a few milliseconds at a time.
    fn advance(cardless: &mut Cardless, until_ms: u64, written: &mut Vec<f32>) {
        for ms in (0..=until_ms).step_by(7).chain([until_ms]) {
            cardless.advance(ms * 1000, true, |_, samples| written.extend_from_slice(samples));
        }
    }

    #[test]
    fn another_server_begins_when_its_first_frame_is_due_and_silence_fills_the_rest() {
        let mut cardless = cardless(timeline(0, 0, 0.0));
        cardless.insert(0, 0, false, &ramp(0..200));
        let mut written = Vec::new();
        advance(&mut cardless, 150, &mut written);
        assert_eq!(written, ramp(5..50), "it begins with what is due when it is looked at");

        // Heard from 500 ms of our clock on; the old server's next sample from 150 on.
        cardless.stream(SLOW, 10, DELAY_MS, 1000, timeline(1000, 0, 400.0));
        cardless.insert(1000, 0, false, &ramp(1000..1200));
        advance(&mut cardless, 560, &mut written);
        assert_eq!(written, [ramp(5..200), vec![0.0; 200], ramp(1000..1060)].concat());
    }

    #[test]
    fn another_server_whose_sound_is_due_already_goes_on_at_that_moment() {
        let mut cardless = cardless(timeline(0, 0, 0.0));
        cardless.insert(0, 0, false, &ramp(0..200));
        let mut written = Vec::new();
        advance(&mut cardless, 150, &mut written);
        // Heard from 120 ms on: thirty of its frames are past.
        cardless.stream(SLOW, 10, DELAY_MS, 1000, timeline(1000, 0, 20.0));
        cardless.insert(1000, 0, false, &ramp(1000..1200));
        advance(&mut cardless, 200, &mut written);
        assert_eq!(written, [ramp(5..50), ramp(1030..1080)].concat());
    }

    #[test]
    fn a_server_that_pauses_loses_nothing_of_what_comes_before_and_after() {
        let mut cardless = cardless(timeline(0, 0, 0.0));
        cardless.insert(0, 0, false, &ramp(0..200));
        let mut written = Vec::new();
        // A pause is known only when it is over: by then its first silence is written.
        advance(&mut cardless, 450, &mut written);
        assert_eq!(written, [ramp(5..200), vec![0.0; 150]].concat());
        cardless.insert(200, 500_000, true, &ramp(200..400));
        advance(&mut cardless, 700, &mut written);
        assert_eq!(written, [ramp(5..200), vec![0.0; 300], ramp(200..300)].concat());
    }

    #[test]
    fn a_server_whose_clock_stood_still_for_an_hour_is_written_on_at_once() {
        let mut cardless = cardless(timeline(0, 0, 0.0));
        cardless.insert(0, 0, false, &ramp(0..200));
        let mut written = Vec::new();
        advance(&mut cardless, 20_000, &mut written);
        // It sends what comes after position 200, as if nothing had happened, and its clock says so.
        let asleep_us = -19_800e3;
        let offset = Offset { offset_us: asleep_us, ..Offset::NONE };
        cardless.timeline().unwrap().set_offset(offset);
        advance(&mut cardless, 20_001, &mut written);
        cardless.insert(200, 200_000, false, &ramp(200..600));
        written.clear();
        advance(&mut cardless, 20_300, &mut written);
        assert_eq!(written, ramp(204..400), "it begins with what is due when it is looked at");
    }

    #[test]
    fn a_stream_that_begins_anew_over_and_over_mostly_gets_the_buffer_of_one_that_ended() {
        for is_heard in [false, true] {
            let mut found = 0;
            let mut cardless = cardless(timeline(0, 0, 0.0));
            cardless.insert(0, 0, false, &ramp(0..200));
            if is_heard {
                advance(&mut cardless, 150, &mut Vec::new());
            }
            for n in 1..100 {
                cardless.insert(n * 1000, n % 3 * 50_000, true, &ramp(0..10));
                found += u32::from(cardless.spare.is_some());
            }
            assert!(found > 60, "{found}");
        }
    }

    #[test]
    fn time_that_jumps_ahead_is_made_up_for_a_tenth_of_a_second_at_a_time() {
        let mut cardless = cardless(timeline(0, 0, 0.0));
        cardless.insert(0, 0, false, &ramp(0..200));
        advance(&mut cardless, 150, &mut Vec::new());
        let longest = u64::from(LONGEST_GAP_MS as u32);
        let mut pieces = Vec::new();
        while cardless.is_behind(3_600_000_000) {
            let mut frames = 0;
            cardless.advance(3_600_000_000, true, |_, samples| frames += samples.len() as u64);
            pieces.push(frames);
        }
        cardless.advance(3_600_000_000, true, |_, samples| pieces.push(samples.len() as u64));
        assert_eq!(pieces.iter().max(), Some(&100));
        assert_eq!(pieces.iter().sum::<u64>(), longest, "a longer gap is cut to that");
    }

    #[test]
    fn a_broken_timeline_whose_positions_kept_time_changes_nothing() {
        let mut cardless = cardless(timeline(0, 0, 0.0));
        cardless.insert(0, 0, false, &ramp(0..200));
        cardless.insert(300, 300_000, true, &ramp(300..400));
        let mut written = Vec::new();
        advance(&mut cardless, 450, &mut written);
        assert_eq!(written, [ramp(5..200), vec![0.0; 100], ramp(300..350)].concat());
    }
}
