//! What is seen of the way while sound comes: who says what the Wi-Fi does hears of it, and who decides
//! which codec fits. No socket, no clock: time is an argument.

use crate::recv::air::{Air, Arrived};
use crate::recv::fit::{Half, LOOK_US};
use crate::recv::repair::Counts;
use crate::wire::{AudioHeader, FLAG_BROKEN, together_us};

/// Round trips and times of arrival that are looked at together, at most: more than come in half a
/// second.
const MOST: usize = 512;

/// A number that is further ahead than this begins another stretch: nothing of it is missing.
const FAR: u32 = 4_096;

/// What is seen of one connection's way.
#[derive(Debug, Default)]
pub(super) struct Following {
    /// How far apart frames are sent, and how much longer they may wait by TCP, in µs.
    apart_us: u64,
    together_us: u64,
    is_by_datagram: bool,
    /// The stream and the number that came last by itself, and the position behind it.
    newest: Option<(u8, u32, u64)>,
    looked_us: u64,
    bytes: u64,
    counts: Counts,
    round_trips: Vec<u64>,
    /// How long sound was on its way by TCP, in µs, by the clock as it is known.
    transits: Vec<i64>,
    quickest: Option<i64>,
}

impl Following {
    /// A stream begins, by TCP: frames of it last `frame_us`, and are heard `delay_us` after their capture.
    pub(super) fn begin(&mut self, air: &mut Air, frame_us: u64, delay_us: u64, now_us: u64) {
        let (apart_us, together_us) = (frame_us, together_us(delay_us));
        *self = Self { apart_us, together_us, looked_us: now_us, ..Self::default() };
        air.begin(apart_us + together_us);
    }

    /// A datagram of sound came.
    pub(super) fn datagram(
        &mut self,
        air: &mut Air,
        (stream, number): (u8, u32),
        header: AudioHeader,
        bytes: usize,
        now_us: u64,
    ) {
        self.bytes += bytes as u64;
        if !std::mem::replace(&mut self.is_by_datagram, true) {
            air.begin(self.apart_us);
        }
        let ahead = match self.newest {
            Some((before, newest, _)) if before == stream => number.wrapping_sub(newest),
            _ => 1,
        };
        // What was asked for, or was overtaken, is not what the way does now.
        if ahead == 0 || ahead > u32::MAX / 2 {
            return;
        }
        let (position, frames) = (header.position, u64::from(header.frames).max(1));
        // Numbers that hold no sound between these two were never this listener's.
        let between = self.newest.map_or(0, |(_, _, end)| position.saturating_sub(end));
        self.newest = Some((stream, number, position + frames));
        let most = u32::try_from(between.div_ceil(frames)).unwrap_or(u32::MAX);
        let lost_before = if ahead > FAR { 0 } else { (ahead - 1).min(most) };
        let broken = header.flags & FLAG_BROKEN != 0;
        air.arrived(Arrived { at_us: now_us, lost_before, broken });
    }

    /// A frame of sound came by TCP, `transit` µs after its capture, as far as the clock is known.
    pub(super) fn frame(
        &mut self,
        air: &mut Air,
        header: AudioHeader,
        (bytes, transit): (usize, Option<i64>),
        now_us: u64,
    ) {
        self.bytes += bytes as u64;
        if std::mem::take(&mut self.is_by_datagram) {
            air.begin(self.apart_us + self.together_us);
            self.newest = None;
        }
        if let Some(transit) = transit.filter(|_| self.transits.len() < MOST) {
            self.transits.push(transit);
        }
        let broken = header.flags & FLAG_BROKEN != 0;
        air.arrived(Arrived { at_us: now_us, lost_before: 0, broken });
    }

    /// Something was answered after that long, in µs.
    pub(super) fn answered(&mut self, round_trip_us: u64) {
        if self.round_trips.len() < MOST {
            self.round_trips.push(round_trip_us);
        }
    }

    /// What was seen since it was last looked, once that is long enough ago. `counts` are those of all
    /// datagrams.
    pub(super) fn half(&mut self, counts: Counts, now_us: u64) -> Option<Half> {
        let span_us = now_us.saturating_sub(self.looked_us);
        if span_us < LOOK_US {
            return None;
        }
        self.looked_us = now_us;
        let before = std::mem::replace(&mut self.counts, counts);
        let lost = counts.lost.saturating_sub(before.lost);
        let asked = counts.repaired.saturating_sub(before.repaired);
        let came = counts.datagrams.saturating_sub(before.datagrams).saturating_sub(asked);
        let share = (came > 0).then(|| lost as f64 / (came + lost) as f64);
        self.quickest = self.transits.iter().copied().chain(self.quickest).min();
        let transit = median(&mut self.transits);
        let late = transit.zip(self.quickest).map(|(transit, quickest)| transit.abs_diff(quickest));
        Some(Half {
            lost: share,
            quickest_us: self.round_trips.iter().min().copied(),
            round_trip_us: median(&mut self.round_trips),
            late_us: late,
            carried: std::mem::take(&mut self.bytes) as f64 * 8e6 / span_us as f64,
        })
    }
}

/// The middle one; nothing is left.
fn median<T: Ord + Copy>(all: &mut Vec<T>) -> Option<T> {
    all.sort_unstable();
    let middle = all.get(all.len() / 2).copied();
    all.clear();
    middle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(flags: u8) -> AudioHeader {
        AudioHeader { flags, frames: 240, position: 0, captured_us: 0 }
    }

    #[test]
    fn what_came_by_itself_and_what_was_lost_is_counted_by_numbers() {
        let (mut following, mut air) = (Following::default(), Air::new("linux"));
        following.begin(&mut air, 5_000, 80_000, 0);
        for number in (0..12_000_u32).filter(|number| number % 10 != 3) {
            let now_us = u64::from(number) * 5_000;
            let header = AudioHeader { position: u64::from(number) * 240, ..header(0) };
            let number = number.wrapping_sub(7);
            following.datagram(&mut air, (0, number), header, 200, now_us);
            // It is sent again, and comes a little later.
            following.datagram(&mut air, (0, number.wrapping_sub(5)), header, 200, now_us);
        }
        let finding = air.finding(60_000_000).map(|finding| finding.what());
        assert_eq!(finding.as_deref(), Some("10 of 100 pieces of sound are lost on the way"));
    }

    #[test]
    fn numbers_that_hold_no_sound_of_this_listeners_are_not_lost() {
        let (mut following, mut air) = (Following::default(), Air::new("linux"));
        following.begin(&mut air, 5_000, 80_000, 0);
        for piece in 0..12_000_u32 {
            let header = AudioHeader { position: u64::from(piece) * 240, ..header(0) };
            let number = piece * 2;
            let now_us = u64::from(piece) * 5_000;
            following.datagram(&mut air, (0, number), header, 200, now_us);
        }
        assert_eq!(air.finding(60_000_000), None);
    }

    #[test]
    fn half_a_second_is_looked_at_together() {
        let (mut following, mut air) = (Following::default(), Air::new("linux"));
        following.begin(&mut air, 5_000, 80_000, 0);
        let mut counts = Counts::default();
        assert_eq!(following.half(counts, LOOK_US - 1), None);
        for transit in [9_000, 2_000, 5_000] {
            following.frame(&mut air, header(0), (1_000, Some(transit)), 1);
            following.answered(transit as u64);
        }
        let half = following.half(counts, LOOK_US).unwrap();
        let seen = (half.late_us, half.round_trip_us, half.quickest_us);
        assert_eq!((half.lost, seen), (None, (Some(3_000), Some(5_000), Some(2_000))));
        assert!((half.carried - 48_000.0).abs() < 1.0, "{}", half.carried);
        following.frame(&mut air, header(0), (1_000, Some(45_000)), 1);
        (counts.datagrams, counts.lost, counts.repaired) = (100, 20, 20);
        let half = following.half(counts, 2 * LOOK_US).unwrap();
        assert_eq!((half.lost, half.late_us, half.round_trip_us), (Some(0.2), Some(43_000), None));
    }
}
