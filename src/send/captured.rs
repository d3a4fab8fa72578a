//! The outputs that are captured. Threads that capture note them here. The network loop tells them
//! to listeners on this machine, who must not play there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::wire::{MAX_CAPTURED, MAX_CAPTURED_BYTES};

/// The outputs that are captured now.
#[derive(Debug, Clone, Default)]
pub struct CapturedOutputs(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    outputs: BTreeMap<u64, String>,
    next: u64,
}

/// One source's share of the captured outputs: gone when this is dropped.
#[derive(Debug)]
pub struct Capturing {
    all: CapturedOutputs,
    number: u64,
}

impl CapturedOutputs {
    /// A source that captures nothing yet.
    #[must_use]
    pub fn source(&self) -> Capturing {
        let mut known = self.known();
        known.next += 1;
        Capturing { all: self.clone(), number: known.next }
    }

    /// The outputs' ids, each once, in the order of the sources: as many as a welcome holds.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        let mut list: Vec<String> = Vec::new();
        for output in self.known().outputs.values() {
            if list.len() < MAX_CAPTURED
                && output.len() <= MAX_CAPTURED_BYTES
                && !list.contains(output)
            {
                list.push(output.clone());
            }
        }
        list
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Capturing {
    /// Says which output is captured from now on, if any.
    pub fn set(&self, output: Option<&str>) {
        let mut known = self.all.known();
        match output {
            Some(output) => known.outputs.insert(self.number, output.to_owned()),
            None => known.outputs.remove(&self.number),
        };
    }
}

impl Drop for Capturing {
    fn drop(&mut self) {
        self.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_output_is_named_once_for_as_long_as_a_source_captures_it() {
        let all = CapturedOutputs::default();
        let [first, second, third] = [(); 3].map(|()| all.source());
        second.set(Some("b"));
        first.set(Some("a"));
        third.set(Some("b"));
        assert_eq!(all.list(), ["a", "b"]);
        drop(second);
        assert_eq!(all.list(), ["a", "b"]);
        third.set(Some("c"));
        first.set(None);
        assert_eq!(all.list(), ["c"]);
    }

    #[test]
    fn a_welcome_holds_them_however_many_and_long_they_are() {
        let all = CapturedOutputs::default();
        let endless = all.source();
        endless.set(Some(&"x".repeat(MAX_CAPTURED_BYTES + 1)));
        let sources: Vec<_> = (0..100).map(|_| all.source()).collect();
        for (n, source) in sources.iter().enumerate() {
            source.set(Some(&format!("{n:0MAX_CAPTURED_BYTES$}")));
        }
        let list = all.list();
        assert_eq!(list.len(), MAX_CAPTURED);
        assert!(list.iter().all(|output| output.len() == MAX_CAPTURED_BYTES));
    }
}
