//! The server's clock as a listener knows it, from pings and pongs.
//!
//! The network delays a ping and its pong differently, and a congested minute delays both, so the
//! quickest round trips are believed: each is off by at most half of what it took. A line through
//! them gives offset and rate. Every pong also *proves* an interval in which the offset must lie;
//! two proofs in a row against the line mean that a clock has stepped.

use std::collections::VecDeque;

use crate::wire::Pong;

/// Pings in the burst that a connection begins with.
const BURST: u32 = 10;

/// Time between the pings of the burst, in µs.
const BURST_SPACING_US: u64 = 20_000;

/// An estimate more uncertain than this, in µs, is asked for so many times as often: where the
/// network delays by tens of ms, quick round trips are rare.
const ROUGH_US: f64 = 1_000.0;
const ROUGH_PINGS: u64 = 3;

/// Pings are never closer together than this on average, in µs: a server closes on more than 20 a
/// second.
const SHORTEST_US: u64 = 75_000;

/// Round trips older than this are forgotten. Longer than a congested minute, so that the quick
/// ones before it still count.
const MEMORY_US: f64 = 90e6;

/// How much a round trip loses in worth by age, in µs per µs: what the rate may be wrong by.
const AGEING: f64 = 1e-6;

/// This share of the round trips is believed, and at least [`FEWEST`].
const BELIEVED: f64 = 0.1;
const FEWEST: usize = 5;

/// How far apart two clocks usually are. As long as round trips that disagree span too short a time
/// to tell better, a rate near none is likelier than what they make up.
const USUAL_RATE: f64 = 30e-6;

/// Crystals change their rate by no more than this in a few minutes.
const RATE_WANDERS: f64 = 4e-6;

/// The rate counts as known from so long a time on, and is averaged over so long a time, in µs.
const RATE_KNOWN_AFTER_US: f64 = 120e6;
const RATE_AVERAGED_US: f64 = 300e6;

/// Round trips as quick as the quickest still disagree by this much, in µs.
const LEAST_NOISE_US: f64 = 10.0;

/// The quickest round trip's own error, as a share of what it took: one in so many.
const SURE: f64 = 8.0;

/// No two clocks are further apart than this.
const MAX_RATE: f64 = 500e-6;

/// Proofs against the estimate that make a step.
const PROOFS: u32 = 2;

/// Estimates err by more than they admit, for a while and by less than this, in µs. Clocks that step
/// do so by the length of a PC's sleep.
const LEAST_STEP_US: f64 = 2_000.0;

/// At four pings a second, or [`ROUGH_PINGS`] times that, for [`MEMORY_US`]: the most that are kept.
const CAPACITY: usize = 1_200;

/// What our clock must be moved by to show the server's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offset {
    /// Server's clock − ours at `at_us`, in µs.
    pub offset_us: f64,
    /// When that holds, in µs of our clock.
    pub at_us: f64,
    /// How much the offset grows per µs.
    pub rate: f64,
}

impl Offset {
    /// The offset of a clock that is our own.
    pub const NONE: Self = Self { offset_us: 0.0, at_us: 0.0, rate: 0.0 };

    /// What the server's clock shows when ours shows `ours_us`.
    #[must_use]
    pub fn server_us(&self, ours_us: f64) -> f64 {
        ours_us + self.offset_us + (ours_us - self.at_us) * self.rate
    }

    /// What our clock shows when the server's shows `server_us`.
    #[must_use]
    pub fn ours_us(&self, server_us: f64) -> f64 {
        let since = server_us - self.server_us(self.at_us);
        self.at_us + since / (1.0 + self.rate)
    }
}

/// An estimate of the server's clock.
#[derive(Debug, Clone, Default)]
pub struct ServerClock {
    trips: VecDeque<Trip>,
    estimate: Option<Estimate>,
    contradictions: u32,
    pongs: u64,
    steady: Option<Steady>,
}

/// The rate over many minutes.
#[derive(Debug, Clone, Copy)]
struct Steady {
    rate: f64,
    since_us: f64,
    at_us: f64,
}

#[derive(Debug, Clone, Copy)]
struct Trip {
    at_us: f64,
    offset_us: f64,
    round_trip_us: f64,
}

#[derive(Debug, Clone, Copy)]
struct Estimate {
    offset: Offset,
    uncertainty_us: f64,
}

/// What a pong did to the estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learnt {
    /// It contradicts itself.
    Nothing,
    /// The estimate is a little better.
    More,
    /// One of the clocks has stepped: all that was known is void. Burst again.
    Stepped,
}

impl ServerClock {
    /// Takes a pong that was read at `now_us` (our clock).
    pub fn pong(&mut self, pong: Pong, now_us: u64) -> Learnt {
        let away = now_us.checked_sub(pong.client_us);
        let there = pong.sent_us.checked_sub(pong.received_us);
        let (Some(away), Some(there)) = (away, there) else {
            return Learnt::Nothing;
        };
        let Some(round_trip) = away.checked_sub(there) else {
            return Learnt::Nothing;
        };
        if pong.sent_us >= 1 << 62 {
            return Learnt::Nothing;
        }
        // Half of ((t2 − t1) + (t3 − t4)), as in NTP (RFC 5905, section 8); each half is a bound.
        let most = pong.received_us as f64 - pong.client_us as f64;
        let least = pong.sent_us as f64 - now_us as f64;
        let at_us = pong.client_us as f64 + away as f64 / 2.0;
        let trip =
            Trip { at_us, offset_us: (most + least) / 2.0, round_trip_us: round_trip as f64 };
        let stepped = self.is_contradicted(at_us, least, most);
        if stepped {
            self.trips.clear();
            self.pongs = 0;
            self.steady = None;
        }
        self.pongs += 1;
        self.trips.push_back(trip);
        while self.trips.len() > CAPACITY
            || self.trips.front().is_some_and(|first| at_us - first.at_us > MEMORY_US)
        {
            self.trips.pop_front();
        }
        self.estimate();
        if stepped { Learnt::Stepped } else { Learnt::More }
    }

    /// Two proofs in a row that the estimate is wrong by more than it admits.
    fn is_contradicted(&mut self, at_us: f64, least: f64, most: f64) -> bool {
        let Some(Estimate { offset, uncertainty_us }) = self.estimate else {
            return false;
        };
        let now = offset.server_us(at_us) - at_us;
        let doubt = uncertainty_us + LEAST_STEP_US;
        let outside = now < least - doubt || now > most + doubt;
        self.contradictions = if outside { self.contradictions + 1 } else { 0 };
        if self.contradictions < PROOFS {
            return false;
        }
        self.contradictions = 0;
        true
    }

    fn estimate(&mut self) {
        let Some(&Trip { at_us: now, .. }) = self.trips.back() else {
            return;
        };
        let worth = |trip: &Trip| trip.round_trip_us / 2.0 + (now - trip.at_us) * AGEING;
        let mut quickest: Vec<Trip> = self.trips.iter().copied().collect();
        quickest.sort_unstable_by(|a, b| worth(a).total_cmp(&worth(b)));
        let kept = ((quickest.len() as f64 * BELIEVED).ceil() as usize).max(FEWEST);
        quickest.truncate(kept);
        let Some(best) = quickest.first().copied() else {
            return;
        };
        // What took longer than the quickest may be off by half of that.
        let noise = best.round_trip_us.max(20.0) / SURE;
        let weight = |trip: &Trip| {
            let slower = (trip.round_trip_us - best.round_trip_us).abs() / 2.0;
            1.0 / (1.0 + (slower / noise).powi(2))
        };
        let total: f64 = quickest.iter().map(weight).sum();
        let mean = |of: &dyn Fn(&Trip) -> f64| {
            quickest.iter().map(|t| weight(t) * of(t)).sum::<f64>() / total
        };
        let middle = mean(&|t| t.at_us);
        let level = mean(&|t| t.offset_us);
        let mut rate = 0.0;
        if self.pongs > u64::from(BURST) {
            let spread = mean(&|t| (t.at_us - middle).powi(2));
            let together = mean(&|t| (t.at_us - middle) * (t.offset_us - level));
            // How far off each may be, by what it took longer and by what they disagree.
            let slower = mean(&|t| ((t.round_trip_us - best.round_trip_us) / 2.0).powi(2));
            let apart = mean(&|t| (t.offset_us - level).powi(2));
            let disagree = if spread > 0.0 { apart - together.powi(2) / spread } else { apart };
            let noise = slower + disagree.max(0.0) + LEAST_NOISE_US.powi(2);
            // Ridge regression: least squares with one more point, which says “the usual rate”.
            let (usual, wide) = self.usual_rate(now);
            let doubt = noise / total / wide.powi(2);
            rate = ((together + usual * doubt) / (spread + doubt)).clamp(-MAX_RATE, MAX_RATE);
            self.average(if spread > 0.0 { together / spread } else { 0.0 }, now);
        }
        let offset = Offset { offset_us: level + (now - middle) * rate, at_us: now, rate };
        self.estimate = Some(Estimate { offset, uncertainty_us: worth(&best) });
    }

    /// What rate is likely before anything is measured, and how far from it others are.
    fn usual_rate(&self, now: f64) -> (f64, f64) {
        match self.steady {
            Some(steady) if now - steady.since_us > RATE_KNOWN_AFTER_US => {
                (steady.rate, RATE_WANDERS)
            }
            _ => (0.0, USUAL_RATE),
        }
    }

    fn average(&mut self, rate: f64, now: f64) {
        let steady = self.steady.get_or_insert(Steady { rate, since_us: now, at_us: now });
        let known = now - steady.since_us > RATE_KNOWN_AFTER_US;
        let share = if known { (now - steady.at_us) / RATE_AVERAGED_US } else { 1.0 };
        steady.rate += (rate - steady.rate) * share.clamp(0.0, 1.0);
        steady.at_us = now;
    }

    /// How long to wait before the next ping when `sent` have been, in µs: a burst first, then as
    /// often as the server wants, `ping_ms`, ±25 % by `random`, so that a room's pings do not meet.
    #[must_use]
    pub fn ping_after_us(&self, sent: u32, ping_ms: u32, random: u64) -> u64 {
        if sent < BURST {
            return BURST_SPACING_US;
        }
        let mut usual = u64::from(ping_ms) * 1000;
        if self.uncertainty_us() > ROUGH_US {
            usual = (usual / ROUGH_PINGS).max(SHORTEST_US).min(usual);
        }
        usual * 3 / 4 + random % (usual / 2).max(1)
    }

    /// The estimate; `None` before the first pong.
    #[must_use]
    pub fn offset(&self) -> Option<Offset> {
        self.estimate.map(|estimate| estimate.offset)
    }

    /// How far off the estimate may be, in µs: half the quickest round trip, and its age.
    #[must_use]
    pub fn uncertainty_us(&self) -> f64 {
        self.estimate.map_or(f64::INFINITY, |estimate| estimate.uncertainty_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_START: f64 = 5_000_000.0;

    /// A network and two clocks, the server's `ppm` fast.
    struct Path {
        clock: ServerClock,
        ppm: f64,
        step_us: f64,
        seed: u64,
    }

    impl Path {
        fn new(ppm: f64) -> Self {
            Self { clock: ServerClock::default(), ppm, step_us: 0.0, seed: 1 }
        }

        fn uniform(&mut self) -> f64 {
            self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.seed >> 11) as f64 / (1_u64 << 53) as f64
        }

        fn server(&self, ours: f64) -> f64 {
            SERVER_START + ours * (1.0 + self.ppm * 1e-6) + self.step_us
        }

        /// A ping at `at` with up to `jitter` µs on either way.
        fn exchange(&mut self, at: f64, jitter: f64) -> Learnt {
            let forth = 100.0 + self.uniform().powi(3) * jitter;
            let back = 100.0 + self.uniform().powi(3) * jitter;
            let received = self.server(at + forth);
            let sent = self.server(at + forth + 10.0);
            let pong =
                Pong { client_us: at as u64, received_us: received as u64, sent_us: sent as u64 };
            self.clock.pong(pong, (at + forth + 10.0 + back) as u64)
        }

        fn run(&mut self, from_s: f64, to_s: f64, jitter: f64) {
            let mut at = from_s * 1e6;
            while at < to_s * 1e6 {
                self.exchange(at, jitter);
                at += 250_000.0;
            }
        }

        fn error(&self, at_s: f64) -> f64 {
            let at = at_s * 1e6;
            self.clock.offset().unwrap().server_us(at) - self.server(at)
        }
    }

    #[test]
    fn two_clocks_that_drift_are_followed_to_some_microseconds() {
        for ppm in [-100.0, 0.0, 40.0] {
            let mut path = Path::new(ppm);
            for n in 0..10 {
                path.exchange(f64::from(n) * 20_000.0, 2_000.0);
            }
            assert!(path.error(0.2).abs() < 150.0);
            path.run(0.25, 60.0, 2_000.0);
            assert!(path.error(60.0).abs() < 30.0, "{ppm} ppm: {}", path.error(60.0));
            let rate = path.clock.offset().unwrap().rate * 1e6;
            assert!((rate - ppm).abs() < 2.0, "{rate}");
        }
    }

    #[test]
    fn a_congested_minute_does_not_move_the_estimate() {
        let mut path = Path::new(30.0);
        path.run(0.0, 40.0, 500.0);
        path.run(40.0, 100.0, 200_000.0);
        assert!(path.error(100.0).abs() < 150.0, "{}", path.error(100.0));
        assert!(path.clock.uncertainty_us() < 1_000.0);
    }

    #[test]
    fn a_clock_that_steps_is_noticed_at_the_second_pong_and_believed_at_once() {
        let mut path = Path::new(0.0);
        path.run(0.0, 20.0, 500.0);
        path.step_us = 3_000_000.0;
        assert_eq!(path.exchange(20e6, 500.0), Learnt::More);
        assert_eq!(path.exchange(20.25e6, 500.0), Learnt::Stepped);
        assert!(path.error(20.5).abs() < 600.0, "{}", path.error(20.5));
    }

    #[test]
    fn pongs_that_come_late_prove_nothing_against_a_good_estimate() {
        let mut path = Path::new(0.0);
        path.run(0.0, 20.0, 500.0);
        for n in 0..20 {
            let at = 20e6 + f64::from(n) * 250_000.0;
            let pong = Pong {
                client_us: at as u64,
                received_us: path.server(at + 1e6) as u64,
                sent_us: path.server(at + 1e6) as u64,
            };
            assert_eq!(path.clock.pong(pong, (at + 1_000_100.0) as u64), Learnt::More);
        }
        assert!(path.error(25.0).abs() < 30.0);
    }

    #[test]
    fn pongs_that_contradict_themselves_are_ignored() {
        let mut clock = ServerClock::default();
        for (client_us, received_us, sent_us, now_us) in [
            (100, 0, 0, 50),
            (100, 10, 5, 200),
            (100, 0, 5_000, 200),
            (100, u64::MAX, u64::MAX, 200),
        ] {
            let pong = Pong { client_us, received_us, sent_us };
            assert_eq!(clock.pong(pong, now_us), Learnt::Nothing);
        }
        assert_eq!(clock.offset(), None);
    }

    #[test]
    fn both_directions_of_an_offset_agree() {
        let offset = Offset { offset_us: 1234.5, at_us: 1e9, rate: 40e-6 };
        for ours in [0.0, 1e9, 5e9] {
            assert!((offset.ours_us(offset.server_us(ours)) - ours).abs() < 1e-3);
        }
    }

    #[test]
    fn an_unsure_clock_asks_more_often_but_never_as_often_as_a_server_minds() {
        let unsure = ServerClock::default();
        assert_eq!(unsure.ping_after_us(0, 250, 7), BURST_SPACING_US);
        assert_eq!(unsure.ping_after_us(BURST, 250, 0), 250_000 / 3 * 3 / 4);
        assert!(unsure.ping_after_us(BURST, 100, 0) > 1_000_000 / 20);
        let mut sure = ServerClock::default();
        for n in 0..30 {
            let client_us = n * 20_000;
            let pong = Pong { client_us, received_us: client_us + 50, sent_us: client_us + 50 };
            let _ = sure.pong(pong, client_us + 100);
        }
        assert_eq!(sure.ping_after_us(BURST, 250, 0), 187_500);
    }
}
