//! When a stream's frames meet the card, by what PulseAudio says of a moment. Pure; in µs.

use std::time::{Duration, SystemTime};

use pulseaudio::protocol::{PlaybackLatency, RecordLatency};

use crate::Format;

/// How often the server is asked while a stream is new, and for how long it is new, in µs: its
/// listener is in a hurry to know.
const FIRST_EVERY_US: u64 = 10_000;
const FIRST_US: u64 = 3_000_000;

/// How often the server is asked about a stream that is not new, in µs: each answer costs the
/// server a word with its card's thread.
const EVERY_US: u64 = 20_000;

/// An answer that takes longer than this is waited for no more.
const LOST_US: u64 = 2_000_000;

/// The timing of one stream.
#[derive(Debug)]
pub(super) struct Timing {
    format: Format,
    started_us: u64,
    /// The question that is on its way: its number, when it was asked, and the stream's frames then.
    asked: Option<(u32, u64, u64)>,
    last_us: u64,
    /// When the stream's first frame met the card, if it did so at the pace of now.
    first_at_us: Option<f64>,
}

impl Timing {
    /// The timing of a stream in that format that starts now.
    pub(super) fn new(format: Format, now_us: u64) -> Self {
        Self { format, started_us: now_us, asked: None, last_us: 0, first_at_us: None }
    }

    /// Whether it is time to ask the server when a frame meets the card.
    pub(super) fn is_due(&self, now_us: u64) -> bool {
        if let Some((_, asked_us, _)) = self.asked {
            return now_us.saturating_sub(asked_us) > LOST_US;
        }
        let is_new = now_us.saturating_sub(self.started_us) < FIRST_US;
        let every = if is_new { FIRST_EVERY_US } else { EVERY_US };
        now_us.saturating_sub(self.last_us) >= every
    }

    /// Notes that question `number` goes out now, after `frames` frames.
    pub(super) fn ask(&mut self, number: u32, now_us: u64, frames: u64) {
        self.asked = Some((number, now_us, frames));
        self.last_us = now_us;
    }

    /// Whether that is the answer waited for. It is, once.
    pub(super) fn is_answer(&mut self, number: u32) -> Option<Asked> {
        self.asked
            .take_if(|asked| asked.0 == number)
            .map(|(_, at_us, frames)| Asked { at_us, frames })
    }

    /// Learns from an answer about a playing stream that came at `now_us`, `wall` by the system's
    /// own time, which is the server's as well.
    pub(super) fn playing(
        &mut self,
        asked: Asked,
        said: &PlaybackLatency,
        wall: SystemTime,
        now_us: u64,
    ) {
        if !said.playing {
            return;
        }
        // What was sent before the question had arrived when it was answered.
        let waiting = self.frames(said.write_offset.saturating_sub(said.read_offset));
        let heard_us = asked.answered_us(said.remote_time, wall, now_us) + said.sink_usec as f64;
        self.meets(asked.frames as f64 - waiting, heard_us);
    }

    /// Learns from an answer about a recording stream, of which `frames` frames have come. A monitor's sound is
    /// recorded before its output is heard, by `sink_usec`.
    pub(super) fn recording(
        &mut self,
        asked: Asked,
        said: &RecordLatency,
        frames: u64,
        wall: SystemTime,
        now_us: u64,
    ) {
        if !said.playing {
            return;
        }
        let waiting = self.frames(said.write_offset.saturating_sub(said.read_offset));
        let answered_us = asked.answered_us(said.remote_time, wall, now_us);
        let captured_us = answered_us + said.sink_usec as f64 - said.source_usec as f64;
        self.meets(frames as f64 + waiting, captured_us);
    }

    fn frames(&self, bytes: i64) -> f64 {
        bytes as f64 / (size_of::<f32>() * usize::from(self.format.channels).max(1)) as f64
    }

    fn meets(&mut self, frame: f64, at_us: f64) {
        self.first_at_us = Some(at_us - frame * 1e6 / f64::from(self.format.sample_rate));
    }

    /// When frame number `frame` meets the card; `None` before the server has said anything.
    pub(super) fn time_of(&self, frame: u64) -> Option<u64> {
        self.first_at_us.map(|first| (first + self.format.micros(frame)).max(0.0) as u64)
    }
}

/// A question that was answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    at_us: u64,
    frames: u64,
}

impl Asked {
    /// When the server answered, by our clock. Its own time says so to the µs, if it is ours: a
    /// system's time may be set at any moment, but no answer is older than its question.
    fn answered_us(self, server: SystemTime, wall: SystemTime, now_us: u64) -> f64 {
        let age = wall.duration_since(server).unwrap_or(Duration::ZERO).as_nanos() as f64 / 1e3;
        now_us as f64 - age.min(now_us.saturating_sub(self.at_us) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };
    const FRAME: i64 = 8;

    fn playing(remote_time: SystemTime, waiting_frames: i64, sink_usec: u64) -> PlaybackLatency {
        PlaybackLatency {
            sink_usec,
            source_usec: 0,
            playing: true,
            local_time: remote_time,
            remote_time,
            write_offset: 1_000_000 * FRAME,
            read_offset: (1_000_000 - waiting_frames) * FRAME,
            underrun_for: 0,
            playing_for: 1,
        }
    }

    fn recording(remote_time: SystemTime, waiting_frames: i64) -> RecordLatency {
        RecordLatency {
            sink_usec: 5_000,
            source_usec: 1_000,
            playing: true,
            local_time: remote_time,
            remote_time,
            write_offset: 1_000_000 * FRAME,
            read_offset: (1_000_000 - waiting_frames) * FRAME,
        }
    }

    fn asked(timing: &mut Timing, at_us: u64, frames: u64) -> Asked {
        timing.ask(7, at_us, frames);
        assert!(timing.is_answer(8).is_none());
        timing.is_answer(7).unwrap()
    }

    #[test]
    fn a_frame_is_heard_when_what_lies_before_it_has_been() {
        let wall = SystemTime::now();
        let mut timing = Timing::new(STEREO, 0);
        assert_eq!(timing.time_of(0), None);
        let question = asked(&mut timing, 2_000_000, 96_000);
        // Answered 300 µs ago; 480 frames wait before the card, which holds 3 ms.
        let said = playing(wall - Duration::from_micros(300), 480, 3_000);
        timing.playing(question, &said, wall, 2_001_000);
        assert_eq!(timing.time_of(96_000 - 480), Some(2_000_700 + 3_000));
        assert_eq!(timing.time_of(96_000), Some(2_013_700));
        let pausing = PlaybackLatency { playing: false, ..said };
        let question = asked(&mut timing, 3_000_000, 96_000);
        timing.playing(question, &pausing, wall, 3_001_000);
        assert_eq!(timing.time_of(96_000), Some(2_013_700), "nothing plays: nothing is known");
    }

    #[test]
    fn a_monitor_s_frames_are_heard_after_they_are_recorded() {
        let wall = SystemTime::now();
        let mut timing = Timing::new(STEREO, 0);
        let question = asked(&mut timing, 2_000_000, 0);
        timing.recording(question, &recording(wall, 96), 4_800, wall, 2_000_400);
        assert_eq!(timing.time_of(4_896), Some(2_000_400 + 5_000 - 1_000));
    }

    #[test]
    fn a_system_time_that_is_set_meanwhile_moves_nothing_by_more_than_the_answer_took() {
        for server in [SystemTime::UNIX_EPOCH, SystemTime::now() + Duration::from_secs(9_999)] {
            let mut timing = Timing::new(STEREO, 0);
            let question = asked(&mut timing, 2_000_000, 0);
            timing.playing(question, &playing(server, 0, 0), SystemTime::now(), 2_000_800);
            let at = timing.time_of(0).unwrap();
            assert!((2_000_000..=2_000_800).contains(&at), "{at}");
        }
    }

    #[test]
    fn questions_are_asked_one_at_a_time_often_at_first_and_again_when_one_got_lost() {
        let mut timing = Timing::new(STEREO, 1_000_000);
        assert!(timing.is_due(1_000_000));
        timing.ask(1, 1_000_000, 0);
        assert!(!timing.is_due(1_000_000 + LOST_US));
        assert!(timing.is_due(1_000_001 + LOST_US));
        assert!(timing.is_answer(1).is_some() && timing.is_answer(1).is_none());
        assert!(!timing.is_due(1_000_000 + FIRST_EVERY_US - 1));
        assert!(timing.is_due(1_000_000 + FIRST_EVERY_US));
        timing.ask(2, 1_000_000 + FIRST_US, 0);
        let _ = timing.is_answer(2);
        assert!(!timing.is_due(1_000_000 + FIRST_US + EVERY_US - 1));
    }
}
