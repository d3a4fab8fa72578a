//! Which frames leave together: what a listener costs is the number of sends, and a long playout
//! delay leaves time to wait for more.

use crate::wire::{BURST_FOR_US, BURSTS_FROM_US, together_us};

/// A wait shorter than this, in µs, gains nothing: no two frames come within it.
const SHORTEST_WAIT_US: u64 = 5_000;

/// Frames that leave together, at most: a longer row makes a send hardly any cheaper for each, and
/// what the system has taken cannot be dropped any more.
pub(super) const MOST_TOGETHER: usize = 16;

/// How long sound may wait for more at a playout delay of `delay_ms`, in µs; 0 where it may not.
#[must_use]
pub fn wait_us(delay_ms: u32) -> u64 {
    let wait_us = together_us(u64::from(delay_ms) * 1000);
    if wait_us < SHORTEST_WAIT_US { 0 } else { wait_us }
}

/// How long sound may wait until more of it fills a datagram at a playout delay of `delay_ms`, in µs; 0
/// where it may not.
#[must_use]
pub fn datagram_wait_us(delay_ms: u32) -> u64 {
    if u64::from(delay_ms) * 1000 < BURSTS_FROM_US { 0 } else { wait_us(delay_ms) }
}

/// How a listener's frames are cut into groups, of which each leaves when its last frame is there.
///
/// Frames are numbered alike for all listeners of a log, and every listener's groups begin at
/// another number: so not all of them are due at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Together {
    frames: u64,
    /// How many frames sooner than those of seat 0 this listener's groups end.
    ahead: u64,
}

impl Together {
    /// Every frame leaves as soon as it can.
    pub const AT_ONCE: Self = Self { frames: 1, ahead: 0 };

    /// Groups of frames that last `frame_us` each, the first of which waits `wait_us` for the last at
    /// most. `seat` tells listeners apart.
    #[must_use]
    pub fn within(wait_us: u64, frame_us: u64, seat: usize) -> Self {
        let frames = (wait_us / frame_us.max(1) + 1).min(MOST_TOGETHER as u64);
        Self { frames, ahead: seat as u64 % frames }
    }

    /// Groups of datagrams of samples, each of which holds `datagram_us` of them, that may wait as long as
    /// sound waits for more to fill one. `seat` tells listeners apart.
    #[must_use]
    pub fn in_bursts(wait_us: u64, datagram_us: u64, seat: usize) -> Self {
        let burst_us = wait_us.min(BURST_FOR_US).saturating_sub(datagram_us);
        Self::within(burst_us, datagram_us, seat)
    }

    /// Groups of no more frames than a log holds: what waits must not fall out of it.
    #[must_use]
    pub fn at_most(self, bound: usize) -> Self {
        let frames = self.frames.min(bound.max(1) as u64);
        Self { frames, ahead: self.ahead % frames }
    }

    /// Frames in a group.
    pub(super) fn frames(self) -> usize {
        // No more than `MOST_TOGETHER`.
        self.frames as usize
    }

    /// Whether a group is complete that begins or goes on with frame `next`, where `end` is the
    /// number of the frame that comes next.
    pub(super) fn is_complete(self, next: u64, end: u64) -> bool {
        self.group_end(next) <= end
    }

    /// The number of the first frame behind the group that begins or goes on with frame `next`.
    pub(super) fn group_end(self, next: u64) -> u64 {
        ((next + self.ahead) / self.frames + 1) * self.frames - self.ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::TOGETHER_FOR_US;

    #[test]
    fn sound_waits_an_eighth_of_the_delay_but_not_where_that_gains_nothing() {
        let waits = [(25, 0), (39, 0), (80, 10_000), (300, 37_500), (800, 100_000)];
        for (delay_ms, us) in waits {
            assert_eq!(wait_us(delay_ms), us, "{delay_ms} ms");
        }
        assert_eq!(wait_us(u32::MAX), TOGETHER_FOR_US);
    }

    #[test]
    fn datagrams_wait_only_where_the_delay_is_long_and_make_short_bursts() {
        for (delay_ms, us) in [(25, 0), (80, 0), (149, 0), (150, 18_750), (300, 37_500)] {
            assert_eq!(datagram_wait_us(delay_ms), us, "{delay_ms} ms");
        }
        for delay_ms in [25, 80, 150, 300, 800, 5_000] {
            let wait_us = datagram_wait_us(delay_ms);
            for datagram_us in [0, 1_000, 2_667, 5_333, 21_333, 60_000] {
                let together = Together::in_bursts(wait_us, datagram_us, 3);
                let burst_us = together.frames() as u64 * datagram_us;
                assert!(together.frames() == 1 || burst_us <= BURST_FOR_US.min(wait_us));
                assert!(wait_us > 0 || together.frames() == 1, "{delay_ms} ms");
            }
        }
    }

    #[test]
    fn a_group_is_no_longer_than_the_log_that_it_waits_in() {
        for bound in 0..20 {
            let together = Together::within(100_000, 5_000, 7).at_most(bound);
            assert!(together.frames() <= bound.max(1), "{bound}");
        }
    }

    #[test]
    fn the_first_frame_of_a_group_waits_no_longer_than_it_may() {
        for (wait_us, frame_us) in
            [(100_000, 20_000), (100_000, 42_667), (37_500, 20_000), (10_000, 5_000), (0, 1_333)]
        {
            for seat in 0..20 {
                let together = Together::within(wait_us, frame_us, seat);
                // Frame n is there at n × frame_us; the next to write is the first of its group.
                let (mut next, mut sends) = (0, 0);
                for newest in 0..1_000_u64 {
                    if together.is_complete(next, newest + 1) {
                        assert!((newest - next) * frame_us <= wait_us);
                        (next, sends) = (newest + 1, sends + 1);
                    }
                }
                let most = (wait_us / frame_us + 1) as usize;
                assert!(sends <= 1_000 / most + 2, "{sends} sends of {most} frames each");
            }
        }
    }

    #[test]
    fn as_many_listeners_are_due_with_each_frame() {
        let seats: Vec<Together> =
            (0..600).map(|seat| Together::within(100_000, 20_000, seat)).collect();
        for newest in 100..106_u64 {
            let due = seats.iter().filter(|seat| seat.is_complete(newest, newest + 1));
            assert_eq!(due.count(), 100);
        }
    }

    #[test]
    fn frames_without_length_make_no_endless_group() {
        assert_eq!(Together::within(u64::MAX - 1, 0, 3).frames(), MOST_TOGETHER);
    }
}
