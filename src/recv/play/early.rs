//! Sound that came before it could be played: the card is still being opened, or the server's
//! clock is not known yet.

use std::collections::VecDeque;

/// Pieces that wait: the longest delay in the shortest chunks that our servers cut, 2.5 ms.
const MOST_PIECES: usize = 4096;

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
    /// Adds what came next. Of what waits the oldest goes until no more than `most` samples and
    /// [`MOST_PIECES`] are left, or one piece.
    pub(super) fn push(&mut self, sound: Sound, most: usize) {
        self.samples += sound.samples.len();
        self.sounds.push_back(sound);
        let is_too_much = |early: &Self| {
            (early.samples > most && early.sounds.len() > 1) || early.sounds.len() > MOST_PIECES
        };
        while is_too_much(self) {
            let _ = self.pop();
        }
    }

    /// Takes the oldest out.
    pub(super) fn pop(&mut self) -> Option<Sound> {
        let oldest = self.sounds.pop_front()?;
        self.samples -= oldest.samples.len();
        Some(oldest)
    }

    /// The oldest.
    pub(super) fn first(&self) -> Option<&Sound> {
        self.sounds.front()
    }

    /// Throws away all that waits.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(position: u64) -> Sound {
        Sound { position, captured_us: position, broken: false, samples: vec![0.0; 10] }
    }

    #[test]
    fn the_newest_is_kept_and_handed_out_oldest_first() {
        let mut early = Early::default();
        (0..9).for_each(|position| early.push(sound(position), 35));
        assert_eq!(early.first(), Some(&sound(6)));
        let all: Vec<_> = std::iter::from_fn(|| early.pop()).collect();
        assert_eq!(all, [sound(6), sound(7), sound(8)]);
        early.push(sound(9), 0);
        assert_eq!(early.pop(), Some(sound(9)));
        assert_eq!(early.first(), None);
    }

    #[test]
    fn pieces_without_end_are_counted_however_little_is_in_them() {
        let mut early = Early::default();
        let tiny = |position| Sound { samples: vec![0.0], ..sound(position) };
        (0..10_000).for_each(|position| early.push(tiny(position), 1_000_000));
        assert_eq!(std::iter::from_fn(|| early.pop()).count(), MOST_PIECES);
    }
}
