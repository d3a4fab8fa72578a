//! Datagrams from addresses that have no channel yet: so many of each are looked at. Pure: time is an
//! argument, in µs.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::allowance::Allowance;

/// Datagrams of an address without a channel that are looked at in a second: a browser that opens one
/// sends a few.
const LOOKED_AT_PER_SECOND: u64 = 100;

/// Addresses that are told apart at a time; those beyond it have to try again.
const MOST_STRANGERS: usize = 256;

/// All are forgotten this often, in µs.
const FORGOTTEN_AFTER_US: u64 = 1_000_000;

/// Who has sent something of late and has no channel.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    seen: HashMap<IpAddr, Allowance>,
    since_us: u64,
}

impl Strangers {
    /// Whether a datagram from `address` is looked at.
    pub(super) fn may(&mut self, address: IpAddr, now_us: u64) -> bool {
        if now_us.saturating_sub(self.since_us) >= FORGOTTEN_AFTER_US {
            self.since_us = now_us;
            self.seen.clear();
        }
        if !self.seen.contains_key(&address) && self.seen.len() >= MOST_STRANGERS {
            return false;
        }
        let allowance = || Allowance::per_second(LOOKED_AT_PER_SECOND);
        self.seen.entry(address).or_insert_with(allowance).takes(now_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_from_one_address_is_not_looked_at_and_leaves_others_alone() {
        let mut strangers = Strangers::default();
        let (flood, home): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let looked_at = (0..10_000).filter(|n| strangers.may(flood, 5_000_000 + n)).count();
        assert!((100..=102).contains(&looked_at), "{looked_at}");
        assert!(strangers.may(home, 5_010_000));
    }

    #[test]
    fn more_addresses_than_are_told_apart_hold_no_more_memory_and_are_let_in_later() {
        let mut strangers = Strangers::default();
        for n in 0..1_000_u32 {
            strangers.may(IpAddr::from(n.to_be_bytes()), 5_000_000);
        }
        assert_eq!(strangers.seen.len(), MOST_STRANGERS);
        let home: IpAddr = [10, 0, 0, 2].into();
        assert!(!strangers.may(home, 5_000_000));
        assert!(strangers.may(home, 6_000_000));
    }
}
