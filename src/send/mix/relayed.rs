//! What another server sends, as a source beside the carrier.
//!
//! The mix is the card on which a listener plays: it asks for what is heard at each moment, and that moment is when it
//! was captured here. So the sound stands in the mix exactly the other server's playout delay behind its own capture,
//! whatever the two clocks do: those who listen there and those who listen here agree.

use log::error;

use super::track::Track;
use crate::clock::Clock;
use crate::error::Result;
use crate::format::Format;
use crate::listener::relay::{Relay, Relays};
use crate::wire::AudioHeader;

/// So long before it is heard sound is asked for, in ms, as by a card that needs as long; and as long after the
/// carrier's of the same moment it stands in the mix. Both are due to the same thread in the same turn, so that less
/// than a second card's is enough: what the track's converter looks ahead, its fade, and a piece of the carrier's.
const AHEAD_MS: u32 = 10;

/// Frames that are asked for at a time, at most, in ms: a listener keeps as many ready. Behind a longer stall of the
/// mix the rest is silence.
const PIECE_MS: f64 = 10.0;

/// Behind a longer stall of the mix, in ms, nothing is asked for that should have been heard before: a PC was asleep.
const LONGEST_CATCH_UP_MS: f64 = 500.0;

/// A source that another server sends.
pub(super) struct Relayed {
    from: Relay,
    placed: Placed,
}

/// What is heard at each moment, where the carrier's frame of that moment stands.
struct Placed {
    track: Track,
    pace: Pace,
    format: Format,
    scratch: Vec<f32>,
    is_playing: bool,
}

/// When which frame is due.
#[derive(Debug)]
struct Pace {
    format: Format,
    start_us: u64,
    /// Frames that were due so far: asked for, or jumped over.
    made: u64,
}

/// Frames that are due together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    position: u64,
    at_us: u64,
    frames: usize,
    /// Frames before them were jumped over.
    is_broken: bool,
}

impl Pace {
    /// The next frames that are due at `now_us`.
    fn next(&mut self, now_us: u64) -> Option<Due> {
        let elapsed_us = now_us.saturating_sub(self.start_us) as f64;
        let due = (elapsed_us * f64::from(self.format.sample_rate) / 1e6) as u64;
        let missing = due.saturating_sub(self.made);
        let most = self.format.frames_in_ms(LONGEST_CATCH_UP_MS) as u64;
        let is_broken = missing > most;
        if is_broken {
            self.made = due - most;
        }
        let frames = missing.min(self.format.frames_in_ms(PIECE_MS).max(1) as u64);
        if frames == 0 {
            return None;
        }
        let position = self.made;
        self.made += frames;
        let at_us = self.start_us + self.format.micros(position).round() as u64;
        Some(Due { position, at_us, frames: frames as usize, is_broken })
    }
}

impl Placed {
    fn new(format: Format, now_us: u64) -> Result<Self> {
        let piece = format.frames_in_ms(PIECE_MS).max(1);
        let track = Track::new(format.sample_rate, format, piece, AHEAD_MS)?;
        let pace = Pace { format, start_us: now_us, made: 0 };
        Ok(Self { track, pace, format, scratch: Vec::new(), is_playing: false })
    }

    /// Takes what is due at `now_us` from `fill`, which is told when it is heard and returns how many frames are sound.
    fn take(&mut self, now_us: u64, mut fill: impl FnMut(&mut [f32], u64) -> usize) {
        while let Some(due) = self.pace.next(now_us) {
            self.scratch.resize(self.format.samples(due.frames), 0.0);
            let heard_us = due.at_us + u64::from(AHEAD_MS) * 1_000;
            self.is_playing = fill(&mut self.scratch, heard_us) > 0;
            let inserted = self.track.insert(due.position, due.at_us, due.is_broken, &self.scratch);
            if let Err(e) = inserted {
                error!("{e}");
            }
        }
    }

    /// As [`Relayed::read`].
    fn read(&mut self, header: &AudioHeader, out: &mut [f32]) -> bool {
        self.track.read(header.position, header.captured_us, out) && self.is_playing
    }
}

impl Relayed {
    /// Listens to the server called `host`, for a mix of that format. May take seconds, for a server's name.
    ///
    /// # Errors
    /// As [`Relay::open`].
    pub(super) fn open(host: &str, format: Format, clock: Clock, all: &Relays) -> Result<Self> {
        let from = Relay::open(host, format, clock, all)?;
        Ok(Self { from, placed: Placed::new(format, clock.now_us())? })
    }

    /// Takes what is due at `now_us`.
    pub(super) fn take_input(&mut self, now_us: u64) {
        self.placed.take(now_us, |out, heard_us| self.from.fill(out, heard_us, now_us));
    }

    /// Fills `out` with what stands beside the carrier's frames of that header. Returns whether it comes from the
    /// other server.
    pub(super) fn read(&mut self, header: &AudioHeader, out: &mut [f32]) -> bool {
        self.placed.read(header, out)
    }

    /// How long after its capture there the sound stands in the mix, in ms, once that is known.
    pub(super) fn behind_ms(&self) -> Option<u32> {
        self.from.behind_ms()
    }

    /// Whether nothing will come any more.
    pub(super) fn has_ended(&self) -> bool {
        self.from.has_ended()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace { format: Format { sample_rate: 48_000, channels: 2 }, start_us: 1_000, made: 0 }
    }

    fn all(pace: &mut Pace, now_us: u64) -> Vec<Due> {
        std::iter::from_fn(|| pace.next(now_us)).collect()
    }

    #[test]
    fn each_frame_is_due_once_at_its_own_time() {
        let mut pace = pace();
        assert_eq!(pace.next(1_000), None);
        let first = Due { position: 0, at_us: 1_000, frames: 240, is_broken: false };
        assert_eq!(all(&mut pace, 6_000), [first]);
        assert!(all(&mut pace, 6_010).is_empty());
        let later = all(&mut pace, 31_000);
        let places: Vec<_> = later.iter().map(|due| (due.position, due.at_us)).collect();
        assert_eq!(places, [(240, 6_000), (720, 16_000), (1_200, 26_000)]);
        assert_eq!(later.iter().map(|due| due.frames).sum::<usize>(), 1_200);
    }

    #[test]
    fn behind_a_long_stall_only_the_last_half_second_is_asked_for_and_in_its_place() {
        let mut pace = pace();
        let _ = all(&mut pace, 11_000);
        let later = all(&mut pace, 10_001_000);
        let (first, rest) = later.split_first().unwrap();
        assert!(first.is_broken && rest.iter().all(|due| !due.is_broken));
        assert_eq!((first.position, first.at_us), (480_000 - 24_000, 9_501_000));
        assert_eq!(later.iter().map(|due| due.frames).sum::<usize>(), 24_000);
    }

    /// A tone of which everybody knows what is heard of it at a moment, in µs.
    fn tone(at_us: f64) -> f64 {
        (at_us * TONE_TURNS_PER_US).sin()
    }

    /// 100 Hz.
    const TONE_TURNS_PER_US: f64 = 100.0 * std::f64::consts::TAU / 1e6;

    #[test]
    fn what_is_heard_at_a_moment_stands_beside_the_carriers_frame_of_that_moment_whatever_its_clock()
     {
        let mono = Format { sample_rate: 48_000, channels: 1 };
        for (ppm, late_us, period_us) in
            [(0.0, 0, 5_000), (150.0, 20_000, 20_000), (-150.0, 60_000, 50_000)]
        {
            let mut placed = Placed::new(mono, 1_000_000).unwrap();
            let frame_us = 1e6 / 48_000.0 / (1.0 + ppm / 1e6);
            let captured = |position: u64| 1e6 + position as f64 * frame_us;
            let (mut position, mut out, mut worst) = (0_u64, [0.0; 240], 0.0_f64);
            for turn in 0..8_000_u64 {
                let now_us = 1_000_000 + turn * 5_000;
                placed.take(now_us, |out, heard_us| {
                    for (n, sample) in out.iter_mut().enumerate() {
                        *sample = tone(heard_us as f64 + mono.micros(n as u64)) as f32;
                    }
                    out.len()
                });
                // The card has handed over whole periods, so long after it captured them.
                let there_us = 1_000_000 + turn * 5_000 / period_us * period_us;
                while captured(position + 240) + f64::from(late_us) <= there_us as f64 {
                    let captured_us = captured(position).round() as u64;
                    let header = AudioHeader { flags: 0, frames: 240, position, captured_us };
                    placed.read(&header, &mut out);
                    if turn > 3_000 {
                        let errors = (position..).zip(&out).map(|(position, sample)| {
                            (f64::from(*sample) - tone(captured(position))).abs()
                        });
                        worst = errors.fold(worst, f64::max);
                    }
                    position += 240;
                }
            }
            // The tone's steepest slope makes of an error in time one of level.
            let worst_us = worst / TONE_TURNS_PER_US;
            println!("{ppm} ppm: {worst_us:.2} µs off");
            assert!(position > 7_000 * 240 && worst_us < 5.0, "{ppm} ppm: {worst_us} µs off");
        }
    }
}
