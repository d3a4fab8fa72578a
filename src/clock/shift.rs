//! Finds that a card has moved against time by less than a step. It moves where a sound server that
//! was short of processor time played frames twice, or let time pass without any.
//!
//! Load makes stamps late and never early, but among those of a quarter of a second some are always
//! as early as ever: their edge stays within 20 µs. So an edge that lies elsewhere, and at the same
//! place in two such times in a row, has moved. A card that runs at another pace puts the two apart.

use super::edge::{EDGE_SHARE, Stamp};
use super::line::{Line, quantile};

/// How long the newest stamps are looked at, in µs, in two halves.
const LOOK_US: f64 = 0.5e6;

/// Fewest stamps that an edge is read off.
const FEWEST_OF_HALF: usize = 6;

/// An edge has moved if it lies off the line by more than this, in µs.
const MOVED_US: f64 = 80.0;

/// Two edges lie at the same place within this, in µs.
const AGREEMENT_US: f64 = 50.0;

/// A card's move against time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    /// By so many µs; positive is later.
    pub(super) by_us: f64,
    /// The number of the first stamp behind it.
    pub(super) from: usize,
}

/// Whether the newest of `stamps`, oldest first, show that the card has moved off `line`.
pub(super) fn find(stamps: &[Stamp], line: Line) -> Option<Shift> {
    let last_at = stamps.last()?.1;
    let since = |us: f64| stamps.partition_point(|stamp| stamp.1 <= last_at - us);
    let (start, middle) = (since(LOOK_US), since(LOOK_US / 2.0));
    let residual = |stamp: &Stamp| stamp.1 - line.time_of(stamp.0);
    let edge = |stamps: &[Stamp]| quantile(stamps.iter().map(residual), EDGE_SHARE);
    let (before, after) = (&stamps[start..middle], &stamps[middle..]);
    if start == 0 || before.len().min(after.len()) < FEWEST_OF_HALF {
        return None;
    }
    let (before, after) = (edge(before), edge(after));
    let has_moved = before.abs().min(after.abs()) > MOVED_US;
    if !has_moved || (before - after).abs() > AGREEMENT_US {
        return None;
    }
    let is_behind = |stamp: &Stamp| after > 0.0 || residual(stamp) < after / 2.0;
    let from = start + stamps[start..].iter().position(is_behind)?;
    Some(Shift { by_us: edge(&stamps[from..]), from })
}
