//! What is missing of the ramp.

use super::ramp::Stretch;

/// What is silent in sound whose beginning and end were heard.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holes {
    /// How many frames are, in how many places.
    pub(crate) frames: u64,
    pub(crate) places: usize,
    /// By how many frames what follows one of them lies too late or too early, at most.
    pub(crate) moved: u64,
}

impl Holes {
    /// Whether all else lies where it belongs: what is missing is silence of its length.
    pub(crate) fn is_in_place(&self) -> bool {
        self.moved == 0
    }
}

/// The holes in these stretches, silence before the first sound left out.
pub(crate) fn holes(stretches: &[Stretch]) -> Holes {
    let mut holes = Holes::default();
    let mut next = None;
    for stretch in stretches {
        match (*stretch, &mut next) {
            (Stretch::Silence { .. }, None) => {}
            (Stretch::Silence { frames }, Some(next)) => {
                *next += frames;
                holes.frames += frames;
                holes.places += 1;
            }
            (Stretch::Sound { first, frames }, next) => {
                holes.moved = holes.moved.max(next.map_or(0, |next: u64| next.abs_diff(first)));
                *next = Some(first + frames);
            }
        }
    }
    holes
}
