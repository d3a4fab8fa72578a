//! How late and how whole sound was that an ear heard.

use std::fmt::Write;

use crate::support::compare::{compare, likeness};
use crate::support::median::median;
use crate::support::room::{EAR1, EAR2, PC, RATE, Room};
use crate::support::stereo::Stereo;
use crate::support::waiting::wait_until;

/// A shorter gap shows in pieces of this many frames (10 ms).
const PIECE: usize = RATE as usize / 100;

/// A piece that matches worse than this, where its tenth of a second was found, is a glitch.
const UNBROKEN: f64 = 0.85;

/// How much later than it should be sound is looked for.
const BEYOND_MS: u32 = 500;

/// How long sound may still be on its way.
const TAIL_S: u32 = 1;

pub(crate) const HEADING: &str = "                            ears behind pc, ms       damaged      \
                                  glitched\n                             min  median     max   \
                                  0.1 s pieces   10 ms pieces  target";

/// What an ear heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    lags_ms: Vec<f64>,
    windows: usize,
    pieces: usize,
    glitched: usize,
}

/// Plays noise on `pc` and compares what both ears heard of it: what follows `settle` seconds, for
/// `listening` seconds.
pub(crate) fn listen(room: &Room, delay_ms: u32, settle: u32, listening: u32) -> [Heard; 2] {
    let whole = settle + listening + TAIL_S;
    let music = room.noise((whole + TAIL_S) as usize);
    let _playing = room.play(&music, PC);
    let recorder = room.record();
    for second in 1..=whole {
        wait_until("the recording grows", || recorder.seconds() >= f64::from(second));
    }
    let from = f64::from(settle);
    let played = recorder.played(PC, from);
    [EAR1, EAR2].map(|ear| Heard::of(&played, &recorder.played(ear, from), delay_ms))
}

impl Heard {
    fn of(played: &Stereo, heard: &Stereo, delay_ms: u32) -> Self {
        let windows = compare(played, heard, RATE, delay_ms + BEYOND_MS);
        let mut all = Self { windows: windows.len(), ..Self::default() };
        for (number, window) in windows.into_iter().enumerate() {
            if window.is_right() {
                all.lags_ms.push(window.delay_ms);
            }
            let at = number * RATE as usize / 10;
            let lag = (window.delay_ms * f64::from(RATE) / 1e3).round() as usize;
            all.count_pieces(&played.left[at..], &heard.left[at + lag..]);
        }
        all
    }

    /// Compares every piece of a tenth of a second where that was found.
    fn count_pieces(&mut self, played: &[f32], heard: &[f32]) {
        let pieces = played.chunks_exact(PIECE).zip(heard.chunks_exact(PIECE));
        for (played, heard) in pieces.take(RATE as usize / 10 / PIECE) {
            self.pieces += 1;
            self.glitched += usize::from(likeness(played, heard, 1).0 < UNBROKEN);
        }
    }

    /// Whether nothing was found.
    pub(crate) fn is_silent(&self) -> bool {
        self.lags_ms.is_empty()
    }

    /// A line of the table.
    pub(crate) fn row(&self, name: &str, remark: &str) -> String {
        let least = self.lags_ms.iter().copied().fold(f64::NAN, f64::min);
        let most = self.lags_ms.iter().copied().fold(f64::NAN, f64::max);
        let mut row = format!("{name:<24}");
        for lag in [least, median(self.lags_ms.iter().copied()), most] {
            // Formatting into a string cannot fail.
            let _ =
                if lag.is_nan() { write!(row, "{:>8}", "-") } else { write!(row, "{lag:>8.2}") };
        }
        let damaged = format!("{} of {}", self.windows - self.lags_ms.len(), self.windows);
        let glitched = format!("{} of {}", self.glitched, self.pieces);
        format!("{row}{damaged:>15}{glitched:>15}  {remark}")
    }
}
