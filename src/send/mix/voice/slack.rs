//! The slack: how long after its capture the mix is made. A talker's frames may come that much
//! later, too. Pure; in µs.

use std::collections::VecDeque;

use crate::clock::CardClock;
use crate::playout::BLOCK;

/// The least of so many stretches of so long each counts: it was made as soon as that only now, and
/// may be again.
const STRETCHES: usize = 8;
const STRETCH_US: u64 = 1_000_000;

/// Most slack that is counted on, in µs, early or late: whatever makes the mix so late, or claims
/// it to be so early, may stop at any time, and then everybody's sound misses that much, or waits
/// for it.
const MOST_US: f64 = 10_000.0;

/// How long after its first frame was captured each block of the mix has been made of late.
#[derive(Debug, Default)]
pub struct Slack {
    /// When each stretch began, and its least, oldest first.
    least: VecDeque<(u64, f64)>,
}

impl Slack {
    /// Learns that the `frames` frames of the mix that begin at `position` are made at `now_us`; `clock`
    /// says when they were captured.
    pub fn chunk(&mut self, now_us: u64, position: u64, frames: usize, clock: &CardClock) {
        // The last block has the least time. Where chunks are no whole blocks, it may have just begun.
        let last = if frames.is_multiple_of(BLOCK) { BLOCK } else { 0 };
        let last = position as f64 + frames as f64 - last as f64;
        if let Some(captured_us) = clock.time_of(last) {
            self.note(now_us, captured_us);
        }
    }

    fn note(&mut self, now_us: u64, captured_us: f64) {
        let slack_us = (now_us as f64 - captured_us).clamp(-MOST_US, MOST_US);
        match self.least.back_mut() {
            Some((began_us, least_us)) if now_us.saturating_sub(*began_us) < STRETCH_US => {
                *least_us = least_us.min(slack_us);
            }
            _ => {
                if self.least.len() == STRETCHES {
                    self.least.pop_front();
                }
                self.least.push_back((now_us, slack_us));
            }
        }
    }

    /// What can be counted on; 0 before anything is known.
    #[must_use]
    pub fn us(&self) -> f64 {
        let least_us = self.least.iter().map(|(_, us)| *us).reduce(f64::min);
        least_us.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chunks every 2 ms for `seconds`, each as long after its capture as `slack` says of its number.
    fn make(slack: &mut Slack, from_us: u64, seconds: u64, late_us: impl Fn(u64) -> f64) {
        for n in 0..seconds * 500 {
            let now_us = from_us + n * 2_000;
            slack.note(now_us, now_us as f64 - late_us(n));
        }
    }

    #[test]
    fn the_least_of_the_last_seconds_counts() {
        let mut slack = Slack::default();
        assert_eq!(slack.us(), 0.0);
        make(&mut slack, 0, 20, |n| if n % 3 == 0 { 4_500.0 } else { 7_000.0 });
        assert_eq!(slack.us(), 4_500.0);
        make(&mut slack, 20_000_000, 1, |n| if n == 250 { 3_000.0 } else { 4_500.0 });
        assert_eq!(slack.us(), 3_000.0, "at once");
        make(&mut slack, 21_000_000, 6, |_| 4_500.0);
        assert_eq!(slack.us(), 3_000.0, "for as long as it may come again");
        make(&mut slack, 27_000_000, 2, |_| 4_500.0);
        assert_eq!(slack.us(), 4_500.0);
    }

    #[test]
    fn what_a_mix_is_late_or_early_by_counts_within_bounds() {
        let mut slack = Slack::default();
        make(&mut slack, 0, 20, |_| 60_000.0);
        assert_eq!(slack.us(), 10_000.0);
        make(&mut slack, 20_000_000, 1, |_| -60_000.0);
        assert_eq!(slack.us(), -10_000.0);
        assert!(slack.least.len() <= STRETCHES);
    }
}
