//! A chunk as the mixes for single listeners need it. They are made on other threads.

use super::input::Input;
use super::{Id, Role};

/// What goes into a listener's own mix of one chunk.
#[derive(Debug, Default)]
pub struct Shared {
    pub(super) duck_db: f32,
    /// The sum of all films before they step back, and of all voices.
    pub(super) films: Vec<f64>,
    pub(super) voices: Vec<f64>,
    /// Inputs that are heard or hold films back, and the samples of them all, one after the other.
    parts: Vec<Part>,
    samples: Vec<f32>,
}

/// One input of the chunk.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) id: Id,
    pub(super) role: Role,
    pub(super) is_speaking: bool,
    from: usize,
    to: usize,
}

impl Shared {
    pub(super) fn new(inputs: &[Input], films: &[f64], voices: &[f64], duck_db: f32) -> Self {
        let mut shared =
            Self { duck_db, films: films.to_vec(), voices: voices.to_vec(), ..Self::default() };
        for input in inputs {
            let (is_heard, is_speaking) = (input.is_heard(), input.is_speaking());
            if is_heard || is_speaking {
                let from = shared.samples.len();
                if is_heard {
                    shared.samples.extend_from_slice(input.mixed());
                }
                let to = shared.samples.len();
                let (id, role) = (input.id, input.role);
                shared.parts.push(Part { id, role, is_speaking, from, to });
            }
        }
        shared
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What can be heard of an input, at its level; nothing where it is silent.
    pub(super) fn heard(&self, id: Id) -> Option<(Role, &[f32])> {
        let part = self.parts.iter().find(|part| part.id == id)?;
        let samples = self.samples.get(part.from..part.to)?;
        (!samples.is_empty()).then_some((part.role, samples))
    }

    /// Whether anything of an input can be heard in this chunk, or holds films back.
    #[must_use]
    pub fn has(&self, id: Id) -> bool {
        self.parts.iter().any(|part| part.id == id)
    }
}
