//! Sound that came before it could be played: the card is still being opened, or the server's
//! clock is not known yet.

use std::collections::VecDeque;

/// Decoded frames of the stream.
#[derive(Debug, PartialEq)]
pub(super) struct Sound {
    pub(super) position: u64,
    pub(super) captured_us: u64,
    pub(super) broken: bool,
    pub(super) samples: Vec<f32>,
}

/// What waits, oldest first.
#[derive(Debug, Default)]
pub(super) struct Early {
    sounds: VecDeque<Sound>,
    samples: usize,
}

impl Early {
    /// Adds what came next. Of what waits the oldest goes until no more than `most` samples are
    /// left, or one piece.
    pub(super) fn push(&mut self, sound: Sound, most: usize) {
        self.samples += sound.samples.len();
        self.sounds.push_back(sound);
        while self.samples > most && self.sounds.len() > 1 {
            if let Some(oldest) = self.sounds.pop_front() {
                self.samples -= oldest.samples.len();
            }
        }
    }

    /// The oldest.
    pub(super) fn first(&self) -> Option<&Sound> {
        self.sounds.front()
    }

    /// All of it; nothing is left.
    pub(super) fn take(&mut self) -> VecDeque<Sound> {
        self.samples = 0;
        std::mem::take(&mut self.sounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(position: u64) -> Sound {
        Sound { position, captured_us: position, broken: false, samples: vec![0.0; 10] }
    }

    #[test]
    fn the_newest_is_kept_and_all_is_handed_out_once() {
        let mut early = Early::default();
        (0..9).for_each(|position| early.push(sound(position), 35));
        assert_eq!(early.first(), Some(&sound(6)));
        assert_eq!(early.take(), [sound(6), sound(7), sound(8)]);
        assert_eq!(early.first(), None);
        early.push(sound(9), 0);
        assert_eq!(early.take(), [sound(9)]);
    }
}
