//! Runs on the audio thread: no allocation, free, lock, log or syscall.
//!
//! Plays what was made before, once, and tells which frame is heard when.

use ringbuf::traits::{Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// Stamps on their way: one comes per callback, a thousand a second at most, and they are taken every few
/// milliseconds.
const STAMPS: usize = 1_024;

/// What a callback tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Played {
    /// Frames handed to the card before it.
    pub(super) frame: u64,
    /// When the first of its frames is heard, and when it came, in µs of our clock.
    pub(super) heard_us: u64,
    pub(super) came_us: u64,
}

/// The callback's end.
pub(super) struct Player {
    sound: Vec<f32>,
    /// The frame of the card at which the sound begins.
    begins: u64,
    frame: u64,
    channels: usize,
    stamps: HeapProd<Played>,
}

impl Player {
    /// Plays `sound`, of one channel, on the first two of `channels`, from frame `begins` on.
    pub(super) fn new(sound: Vec<f32>, begins: u64, channels: u16) -> (Self, HeapCons<Played>) {
        let (stamps, told) = HeapRb::new(STAMPS).split();
        (Self { sound, begins, frame: 0, channels: usize::from(channels).max(1), stamps }, told)
    }

    /// The callback, which came at `now_us`: fills interleaved frames, the first of which is heard at
    /// `heard_us`.
    pub(super) fn fill(&mut self, out: &mut [f32], heard_us: u64, now_us: u64) {
        // A lost stamp only coarsens the clock.
        let _ = self.stamps.try_push(Played { frame: self.frame, heard_us, came_us: now_us });
        for frame in out.chunks_exact_mut(self.channels) {
            let at = self.frame.checked_sub(self.begins).and_then(|at| usize::try_from(at).ok());
            let sample = at.and_then(|at| self.sound.get(at)).copied().unwrap_or(0.0);
            for (channel, to) in frame.iter_mut().enumerate() {
                *to = if channel < 2 { sample } else { 0.0 };
            }
            self.frame += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use ringbuf::traits::Consumer;

    use super::*;

    #[test]
    fn the_sound_begins_where_it_should_on_two_channels_and_ends_in_silence() {
        let (mut player, mut told) = Player::new(vec![0.5, 0.25], 3, 3);
        let mut out = [9.0; 6];
        player.fill(&mut out, 1_000, 900);
        assert_eq!(out, [0.0; 6]);
        player.fill(&mut out, 1_040, 940);
        assert_eq!(out, [0.0, 0.0, 0.0, 0.5, 0.5, 0.0]);
        player.fill(&mut out, 1_080, 980);
        assert_eq!(out, [0.25, 0.25, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(told.iter().map(|played| played.frame).collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(told.try_pop(), Some(Played { frame: 0, heard_us: 1_000, came_us: 900 }));
    }
}
