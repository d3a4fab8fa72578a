//! Which of an engine's addresses is tried next, and when.

use super::Url;
use crate::chance::Chance;

/// Where a connection was lost, the next address is tried within so long, in µs: a thousand servers that lose one
/// node do not come to the next in one instant.
const SPREAD_US: f64 = 100_000.0;

/// After every address was tried in vain, waits double from the one to the other, in µs.
const FIRST_WAIT_US: u64 = 250_000;
const LONGEST_WAIT_US: u64 = 4_000_000;

/// The addresses of one engine: those that a user named, and those that it has told of itself.
#[derive(Debug)]
pub struct Addresses {
    given: Vec<Url>,
    told: Vec<Url>,
    /// The one that is tried next.
    next: usize,
    /// Tries in vain since it last worked.
    failures: usize,
    not_before_us: u64,
    chance: Chance,
}

impl Addresses {
    /// Those that a user named, of which there is at least one; they are tried in that order. `seed` spreads servers
    /// in time.
    #[must_use]
    pub fn new(given: Vec<Url>, seed: u64) -> Self {
        let chance = Chance::new(seed);
        Self { given, told: Vec::new(), next: 0, failures: 0, not_before_us: 0, chance }
    }

    /// What the engine tells of itself, in place of what it told before. Whoever must be spoken to by TLS must be so
    /// at every address.
    pub fn learn(&mut self, addresses: &[String]) {
        let tls = self.given.first().is_some_and(|url| url.tls);
        let urls = addresses.iter().filter_map(|address| Url::read(address, tls).ok());
        self.told = urls.filter(|url| !self.given.contains(url)).collect();
    }

    fn count(&self) -> usize {
        self.given.len() + self.told.len()
    }

    /// The address to be tried now; `None` before its time.
    #[must_use]
    pub fn due(&self, now_us: u64) -> Option<&Url> {
        let at = self.next % self.count().max(1);
        (now_us >= self.not_before_us)
            .then(|| self.given.iter().chain(&self.told).nth(at))
            .flatten()
    }

    /// When there is something to be tried, in µs.
    #[must_use]
    pub fn due_us(&self) -> u64 {
        self.not_before_us
    }

    /// The one that was tried, or that worked until now, does not.
    pub fn failed(&mut self, now_us: u64) {
        self.next = (self.next + 1) % self.count().max(1);
        self.failures += 1;
        let rounds = (self.failures - 1) / self.count().max(1);
        let wait_us = match u32::try_from(rounds).ok().and_then(|rounds| rounds.checked_sub(1)) {
            None => 0,
            Some(doubled) => (FIRST_WAIT_US << doubled.min(4)).min(LONGEST_WAIT_US),
        };
        self.not_before_us = now_us + wait_us + (self.chance.uniform() * SPREAD_US) as u64;
    }

    /// The one that was tried works.
    pub fn worked(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(hosts: &[&str]) -> Addresses {
        Addresses::new(hosts.iter().map(|host| Url::read(host, false).unwrap()).collect(), 1)
    }

    #[test]
    fn one_after_another_is_tried_those_that_it_told_of_too() {
        let mut addresses = addresses(&["a", "b"]);
        addresses.learn(&["c:1".to_owned(), "b:4222".to_owned(), "no port:x".to_owned()]);
        let mut tried = Vec::new();
        for _ in 0..7 {
            let now_us = addresses.due_us();
            tried.push(addresses.due(now_us).unwrap().host.clone());
            addresses.failed(now_us);
        }
        assert_eq!(tried, ["a", "b", "c", "a", "b", "c", "a"]);
    }

    #[test]
    fn a_lost_connection_is_made_anew_within_a_tenth_of_a_second_and_a_dead_engine_asked_seldom() {
        let mut addresses = addresses(&["a", "b"]);
        addresses.worked();
        addresses.failed(0);
        assert!(addresses.due_us() <= 100_000);
        addresses.failed(0);
        assert!(addresses.due_us() <= 100_000, "each is tried once at once");
        addresses.failed(0);
        assert!((250_000..=350_000).contains(&addresses.due_us()), "{}", addresses.due_us());
        (0..100).for_each(|_| addresses.failed(0));
        assert!((4_000_000..=4_100_000).contains(&addresses.due_us()), "{}", addresses.due_us());
        assert!(addresses.due(3_999_999).is_none());
        addresses.worked();
        addresses.failed(0);
        assert!(addresses.due_us() <= 100_000);
    }

    #[test]
    fn what_must_be_secure_is_so_at_every_address() {
        let mut addresses = addresses(&["tls://a"]);
        addresses.learn(&["b:4222".to_owned()]);
        addresses.failed(0);
        assert!(addresses.due(100_000).unwrap().tls);
    }
}
