//! What a program sees of the server that it has: who listens, as of a second ago.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The names of those who listen.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<Vec<String>>);

impl Shown {
    /// Shows them as they are now.
    pub(super) fn put(&self, names: Vec<String>) {
        *self.lock() = names;
    }

    /// Who they are.
    pub(crate) fn look(&self) -> Vec<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
