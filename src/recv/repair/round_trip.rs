//! How long an ask and its answer take.

/// Before any answer has come, in µs: a home's Wi-Fi on a bad day.
const UNKNOWN_US: u64 = 20_000;

/// Longer than this, in µs, no answer is waited for: it says nothing of the path's usual way.
const LONGEST_US: u64 = 10_000_000;

/// Round trips, averaged as TCP does it (RFC 6298): an eighth of each new one, a quarter for how
/// much they differ.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RoundTrip {
    usual_us: Option<u64>,
    apart_us: u64,
}

impl RoundTrip {
    /// An answer came after that long, in µs.
    pub(super) fn note(&mut self, us: u64) {
        if us > LONGEST_US {
            return;
        }
        match &mut self.usual_us {
            None => (self.usual_us, self.apart_us) = (Some(us), us / 2),
            Some(usual_us) => {
                self.apart_us = (self.apart_us * 3 + usual_us.abs_diff(us)) / 4;
                *usual_us = (*usual_us * 7 + us) / 8;
            }
        }
    }

    /// How long one takes, in µs; 0 before any.
    pub(super) fn usual_us(&self) -> u64 {
        self.usual_us.unwrap_or(0)
    }

    /// What has not been answered by then, in µs after it was asked, is lost.
    pub(super) fn patience_us(&self) -> u64 {
        self.usual_us.map_or(UNKNOWN_US, |usual_us| usual_us + self.apart_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_round_trips_are_waited_for_no_longer_than_they_take() {
        let mut trip = RoundTrip::default();
        assert_eq!((trip.usual_us(), trip.patience_us()), (0, UNKNOWN_US));
        (0..40).for_each(|_| trip.note(4_000));
        assert_eq!((trip.usual_us(), trip.patience_us() / 100), (4_000, 40));
        trip.note(LONGEST_US + 1);
        assert_eq!(trip.usual_us(), 4_000);
    }
}
