//! The straight line that a card's stamps lie on: along their early edge where the card runs
//! straight, through their middle where it wanders.
//!
//! Load makes stamps late, by tens of µs for seconds on end, and never early, so the earliest tell
//! most. Over two minutes on PulseAudio two programs that followed the edge stayed 17 µs apart
//! (median, 41 at the 99th percentile), where two that averaged all stamps were 42 (136) apart. A
//! card that changes its pace puts its earliest stamps wherever its bend lies; then the newest stamps
//! count, early or late.

use std::ops::RangeInclusive;

use super::line::{Line, error_at_end, median, plausible, quantile, slope};

/// The edge is this share of the stamps, the earliest.
pub(super) const EDGE_SHARE: f64 = 0.1;

/// Fewest stamps that a slope is read off.
const FEWEST: usize = 8;

/// Which stamps are the earliest depends on the slope, and it on them.
const ROUNDS: usize = 3;

/// What lies this many median deviations before the others is no edge but an error.
const GATE: f64 = 3.0;

/// A floor under the gate: below it everything is noise of the same kind.
const GATE_FLOOR_US: f64 = 30.0;

/// A line bends if the edges of its parts are not straight by more than this. The edge of 2.5 s of
/// stamps moves by 20 µs at most while the card does not.
const BENT_US: f64 = 80.0;

/// How long a part of a line is looked at for a bend, in µs; shorter lines have four parts.
const PART_US: f64 = 2.5e6;
const FEWEST_PARTS: f64 = 4.0;

/// A part with fewer stamps than this has no edge to speak of.
const FEWEST_OF_PART: usize = 12;

/// Where the line bends, this much of it is believed.
const STRAIGHT_US: f64 = 3e6;

/// Shortest time that a slope is read off, in µs.
const SHORTEST_US: f64 = 1e6;

/// A frame's number, and when it met the card in µs.
pub(super) type Stamp = (f64, f64);

/// A line, and how well it is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    pub(super) line: Line,
    /// Standard error of its end, in µs.
    pub(super) error_us: f64,
}

/// The line along the early edge of `stamps`, oldest first, or through the newest where it bends.
/// They lay `us_per_frame` apart so far, which holds if `keep_slope` says so, and should lie
/// `nominal` apart. `None` of no stamps.
pub(super) fn edge(
    stamps: &[Stamp],
    us_per_frame: f64,
    nominal: f64,
    keep_slope: bool,
) -> Option<Fit> {
    let shortest_us = if keep_slope { f64::INFINITY } else { SHORTEST_US };
    let edge = line_through(stamps, us_per_frame, nominal, shortest_us, Wanted::Edge)?;
    if !is_bent(stamps, edge.line) {
        return Some(edge);
    }
    let last_at = stamps.last()?.1;
    let newest = stamps.partition_point(|stamp| stamp.1 <= last_at - STRAIGHT_US);
    middle(&stamps[newest..], us_per_frame, nominal)
}

/// The line through the middle of `stamps`, oldest first. The rest as for [`edge`].
pub(super) fn middle(stamps: &[Stamp], us_per_frame: f64, nominal: f64) -> Option<Fit> {
    line_through(stamps, us_per_frame, nominal, SHORTEST_US, Wanted::Middle)
}

/// Which stamps a line should go through.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Edge,
    Middle,
}

fn line_through(
    stamps: &[Stamp],
    mut us_per_frame: f64,
    nominal: f64,
    shortest_us: f64,
    wanted: Wanted,
) -> Option<Fit> {
    let (&(_, first_at), &(last_frame, last_at)) = (stamps.first()?, stamps.last()?);
    let residuals = |us_per_frame: f64| -> Vec<f64> {
        stamps.iter().map(|s| s.1 - last_at - (s.0 - last_frame) * us_per_frame).collect()
    };
    let mut rest = residuals(us_per_frame);
    let middle = median(rest.iter().copied());
    let gate = (GATE * median(rest.iter().map(|r| (r - middle).abs()))).max(GATE_FLOOR_US);
    let mut kept = wanted.range(&rest, middle - gate, gate);
    if last_at - first_at >= shortest_us {
        for _ in 0..ROUNDS {
            let points = stamps.iter().zip(&rest).map(|(s, r)| (s.0 - last_frame, *r));
            us_per_frame += slope(points.filter(|(_, r)| kept.contains(r)), FEWEST).unwrap_or(0.0);
            us_per_frame = plausible(us_per_frame, nominal);
            rest = residuals(us_per_frame);
            kept = wanted.range(&rest, middle - gate, gate);
        }
    }
    rest.retain(|r| kept.contains(r));
    let count = rest.len();
    let offset = rest.iter().sum::<f64>() / count.max(1) as f64;
    let noise = rest.iter().map(|r| (r - offset).powi(2)).sum::<f64>() / count.max(1) as f64;
    let line = Line { frame: last_frame, at: last_at + offset, us_per_frame };
    Some(Fit { line, error_us: error_at_end(noise.sqrt(), count) })
}

impl Wanted {
    /// The residuals that the line should go through; `floor` is what lies too early.
    fn range(self, residuals: &[f64], floor: f64, gate: f64) -> RangeInclusive<f64> {
        match self {
            Self::Edge => {
                let share = EDGE_SHARE.max(FEWEST as f64 / residuals.len() as f64);
                let above = residuals.iter().copied().filter(|r| *r >= floor);
                floor..=quantile(above, share)
            }
            Self::Middle => {
                let middle = median(residuals.iter().copied());
                middle - gate..=middle + gate
            }
        }
    }
}

/// Whether the card changed its pace, or repeated or dropped something, while the stamps were made.
fn is_bent(stamps: &[Stamp], line: Line) -> bool {
    let (Some(first), Some(last)) = (stamps.first(), stamps.last()) else {
        return false;
    };
    let span = last.1 - first.1;
    let parts = (span / PART_US).round().max(FEWEST_PARTS);
    let edges = (0..parts as usize).filter_map(|n| {
        let start = |n: usize| first.1 + n as f64 * span / parts;
        let from = stamps.partition_point(|stamp| stamp.1 < start(n));
        let to = stamps.partition_point(|stamp| stamp.1 <= start(n + 1));
        let residuals = stamps[from..to].iter().map(|stamp| stamp.1 - line.time_of(stamp.0));
        (to - from >= FEWEST_OF_PART).then(|| quantile(residuals, EDGE_SHARE))
    });
    let (lowest, highest) =
        edges.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), e| (low.min(e), high.max(e)));
    highest - lowest > BENT_US
}
