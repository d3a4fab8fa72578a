//! The ramp without a gap.

use super::ramp::{Recording, Stretch, stretches};

/// Checks that a chunk of the ramp goes on where the last one ended. Before the first sound there
/// may be silence: the server starts with it.
#[track_caller]
pub(crate) fn assert_follows(samples: &[f32], channels: usize, next: &mut Option<u64>) {
    let found = stretches(samples, channels);
    let (first, frames) = match found[..] {
        [Stretch::Silence { .. }] if next.is_none() => return,
        [Stretch::Silence { .. }, Stretch::Sound { first, frames }] if next.is_none() => {
            (first, frames)
        }
        [Stretch::Sound { first, frames }] => (first, frames),
        _ => panic!("{found:?} where {next:?} was to come"),
    };
    assert_eq!(first, next.unwrap_or(first), "a chunk is missing or came twice");
    *next = Some(first + frames);
}

impl Recording {
    /// Where the ramp was, if all is one unbroken stretch of it.
    #[track_caller]
    pub(crate) fn unbroken(&self) -> (u64, u64) {
        match self.stretches()[..] {
            [Stretch::Sound { first, frames }] => (first, frames),
            ref other => panic!("not one unbroken stretch: {other:?}"),
        }
    }
}
