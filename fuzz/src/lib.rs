//! What `make fuzz` runs: a body, and how it went.
//!
//! The bodies are plain functions. `tests/fuzz` runs them too, with inputs that were kept.

#[path = "../bodies/mod.rs"]
pub mod bodies;

use std::cell::Cell;

use bodies::watch::{self, Body, Cost};

thread_local! {
    static MOST: Cell<Cost> = const { Cell::new(Cost { bytes: 0, micros: 0 }) };
}

/// Runs a body, and says when it has taken longer or more memory than ever before: the last such
/// line is what `scripts/fuzz.sh` puts into its table.
pub fn run(body: &Body, data: &[u8]) {
    let cost = watch::hold(body, data);
    let most = MOST.get();
    if cost.micros > most.micros || cost.bytes > most.bytes {
        let most = Cost { bytes: cost.bytes.max(most.bytes), micros: cost.micros.max(most.micros) };
        MOST.set(most);
        eprintln!("costliest: {} us, {} bytes", most.micros, most.bytes);
    }
}
