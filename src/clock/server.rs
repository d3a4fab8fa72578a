//! The server's clock as a listener knows it, from pings and pongs.
//!
//! The network delays a ping and its pong differently, and a congested minute delays both: the
//! quickest round trip is believed. Its offset is wrong by at most half of what that trip took.

use crate::wire::Pong;

/// Pings in the burst that a connection begins with.
pub const BURST: u32 = 10;

/// Time between the pings of the burst, in µs.
pub const BURST_SPACING_US: u64 = 20_000;

/// An estimate of (server's clock − ours).
#[derive(Debug, Clone, Default)]
pub struct ServerClock {
    best: Option<Measured>,
    pongs: u32,
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    offset_us: f64,
    round_trip_us: f64,
}

impl ServerClock {
    /// Takes a pong that was read at `now_us` (our clock). Those that contradict themselves are
    /// ignored. Only the burst counts: an offset that changed later would move the sound.
    pub fn pong(&mut self, pong: Pong, now_us: u64) {
        let Some(away) = now_us.checked_sub(pong.client_us) else {
            return;
        };
        let Some(there) = pong.sent_us.checked_sub(pong.received_us) else {
            return;
        };
        let Some(round_trip) = away.checked_sub(there) else {
            return;
        };
        if self.pongs >= BURST || pong.sent_us >= 1 << 62 {
            return;
        }
        self.pongs += 1;
        // Half of ((t2 − t1) + (t3 − t4)), as in NTP (RFC 5905, section 8).
        let forth = pong.received_us as f64 - pong.client_us as f64;
        let back = pong.sent_us as f64 - now_us as f64;
        let measured =
            Measured { offset_us: (forth + back) / 2.0, round_trip_us: round_trip as f64 };
        if self.best.is_none_or(|best| measured.round_trip_us < best.round_trip_us) {
            self.best = Some(measured);
        }
    }

    /// Add this to our clock to get the server's, in µs; `None` before the first pong.
    #[must_use]
    pub fn offset_us(&self) -> Option<f64> {
        self.best.map(|best| best.offset_us)
    }

    /// Half the quickest round trip: the offset is off by no more, in µs.
    #[must_use]
    pub fn uncertainty_us(&self) -> f64 {
        self.best.map_or(f64::INFINITY, |best| best.round_trip_us / 2.0)
    }

    /// Whether the burst has been answered.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.pongs >= BURST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFSET: u64 = 5_000_000;

    /// A ping at `at`, `forth` µs on its way, 10 µs there, `back` µs back.
    fn exchange(clock: &mut ServerClock, at: u64, forth: u64, back: u64) {
        let received_us = at + forth + OFFSET;
        let pong = Pong { client_us: at, received_us, sent_us: received_us + 10 };
        clock.pong(pong, at + forth + 10 + back);
    }

    #[test]
    fn the_quickest_round_trip_is_believed() {
        let mut clock = ServerClock::default();
        assert_eq!(clock.offset_us(), None);
        exchange(&mut clock, 0, 40_000, 300);
        exchange(&mut clock, 20_000, 110, 90);
        exchange(&mut clock, 40_000, 200, 9_000);
        assert_eq!(clock.offset_us(), Some(OFFSET as f64 + 10.0));
        assert_eq!(clock.uncertainty_us(), 100.0);
    }

    #[test]
    fn pongs_that_contradict_themselves_are_ignored() {
        let mut clock = ServerClock::default();
        clock.pong(Pong { client_us: 100, received_us: 0, sent_us: 0 }, 50);
        clock.pong(Pong { client_us: 100, received_us: 10, sent_us: 5 }, 200);
        clock.pong(Pong { client_us: 100, received_us: 0, sent_us: 5_000 }, 200);
        clock.pong(Pong { client_us: 100, received_us: u64::MAX, sent_us: u64::MAX }, 200);
        assert_eq!(clock.offset_us(), None);
    }
}
