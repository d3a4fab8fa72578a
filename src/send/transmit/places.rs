//! Who may hold how many of a bounded number of places, by address. No socket, no clock.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Bits of an IPv6 address that name a network: in the others its members may call themselves
/// anything.
const NETWORK_BITS: u32 = 64;

/// Where connections come from that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// This machine.
    Here,
    /// An address elsewhere.
    Address(IpAddr),
}

impl Origin {
    /// The origin of a connection from `peer`, which came to `own` of this machine's addresses. An
    /// IPv6 network elsewhere is one origin; in this machine's own network, where everybody shares
    /// the network's bits, each address is.
    pub(super) fn of(peer: IpAddr, own: IpAddr) -> Self {
        let (peer, own) = (peer.to_canonical(), own.to_canonical());
        match (peer, own) {
            _ if peer.is_loopback() || peer == own => Self::Here,
            (IpAddr::V6(far), IpAddr::V6(near)) if network(far) == network(near) => {
                Self::Address(peer)
            }
            (IpAddr::V6(far), _) => Self::Address(network(far).into()),
            (IpAddr::V4(_), _) => Self::Address(peer),
        }
    }
}

fn network(address: Ipv6Addr) -> Ipv6Addr {
    let others = u128::MAX >> NETWORK_BITS;
    Ipv6Addr::from_bits(address.to_bits() & !others)
}

/// How many places there are, and for whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    /// In all.
    pub(super) most: usize,
    /// For this machine alone.
    pub(super) own: usize,
    /// For each address elsewhere.
    pub(super) each: usize,
}

/// A place that is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    /// Who has it.
    pub(super) by: Origin,
    /// A number that is greater for those who came later.
    pub(super) came: u64,
    /// Whether a newcomer may have it where there is no other.
    pub(super) may_go: bool,
}

/// What becomes of a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// There is a place.
    Free,
    /// This one of those who are there goes, and its place is the newcomer's.
    InsteadOf(usize),
    /// There is none for anybody.
    Full,
    /// There is none for this address.
    TooManyFromThere,
}

impl Places {
    /// What becomes of somebody from `origin`, where `taken` are the places that are held.
    pub(super) fn entry(
        self,
        origin: Origin,
        taken: impl Iterator<Item = (usize, Taken)>,
    ) -> Entry {
        let is_here = origin == Origin::Here;
        let mut held = Held::default();
        let mut oldest: [Option<(u64, usize)>; 2] = [None; 2];
        for (number, one) in taken {
            held.add(one.by);
            // Those who are elsewhere never push out anybody who is here.
            let may_go = one.may_go && (is_here || one.by != Origin::Here);
            for (oldest, may_go) in oldest.iter_mut().zip([may_go, may_go && one.by == origin]) {
                if may_go && oldest.is_none_or(|(came, _)| one.came < came) {
                    *oldest = Some((one.came, number));
                }
            }
        }
        let [of_all, of_theirs] = oldest.map(|oldest| oldest.map(|(_, number)| number));
        let entry = self.room(origin, &held);
        let instead = match entry {
            Entry::Full => of_all,
            Entry::TooManyFromThere => of_theirs,
            Entry::Free | Entry::InsteadOf(_) => None,
        };
        instead.map_or(entry, Entry::InsteadOf)
    }

    /// What becomes of somebody from `origin` where nobody makes room.
    pub(super) fn room(self, origin: Origin, held: &Held) -> Entry {
        let is_here = origin == Origin::Here;
        let elsewhere = held.all - held.of(Origin::Here);
        if !is_here && held.of(origin) >= self.each {
            Entry::TooManyFromThere
        } else if held.all >= self.most || !is_here && elsewhere + self.own >= self.most {
            Entry::Full
        } else {
            Entry::Free
        }
    }
}

/// How many places are held, and by whom.
#[derive(Debug, Default)]
pub(super) struct Held {
    all: usize,
    by: HashMap<Origin, usize>,
}

impl Held {
    pub(super) fn add(&mut self, origin: Origin) {
        self.all += 1;
        *self.by.entry(origin).or_default() += 1;
    }

    /// Places that are held, by everybody.
    pub(super) fn all(&self) -> usize {
        self.all
    }

    fn of(&self, origin: Origin) -> usize {
        self.by.get(&origin).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Places = Places { most: 64, own: 8, each: 8 };

    fn address(text: &str) -> Origin {
        Origin::of(text.parse().unwrap(), "192.168.1.1".parse().unwrap())
    }

    /// Lets newcomers in one after the other; who is there in the end.
    fn after(
        places: Places,
        comers: impl Iterator<Item = (Origin, bool)>,
        seen: &mut impl FnMut(Entry),
    ) -> Vec<Option<Taken>> {
        let mut held: Vec<Option<Taken>> = vec![None; places.most];
        for (came, (by, may_go)) in comers.enumerate() {
            let one = Taken { by, came: came as u64, may_go };
            let taken = held.iter().enumerate().filter_map(|(n, one)| Some((n, (*one)?)));
            let entry = places.entry(by, taken);
            seen(entry);
            match entry {
                Entry::Free => *held.iter_mut().find(|one| one.is_none()).unwrap() = Some(one),
                Entry::InsteadOf(number) => held[number] = Some(one),
                Entry::Full | Entry::TooManyFromThere => {}
            }
        }
        held
    }

    fn count(held: &[Option<Taken>], by: Origin) -> usize {
        held.iter().flatten().filter(|one| one.by == by).count()
    }

    #[test]
    fn one_address_that_asks_for_every_place_gets_eight_and_the_page_stays_open() {
        let attacker = address("10.0.0.9");
        let flood = (0..1_000).map(|_| (attacker, true));
        let others = (1..=6).flat_map(|n| {
            let other = address(&format!("10.0.1.{n}"));
            (0..8).map(move |_| (other, true))
        });
        let here = (0..8).map(|_| (Origin::Here, true));
        let mut last = Entry::Full;
        let held = after(PAGE, flood.chain(others).chain(here), &mut |entry| {
            last = entry;
        });
        assert_eq!(count(&held, attacker), 8);
        assert_eq!((count(&held, Origin::Here), last), (8, Entry::Free), "nobody made room");
        assert!((1..=6).all(|n| count(&held, address(&format!("10.0.1.{n}"))) == 8));
    }

    #[test]
    fn this_machine_finds_its_places_free_however_many_addresses_take_the_others() {
        let many = (0..5_000).map(|n| (address(&format!("10.1.{}.{}", n / 250, n % 250)), false));
        let mut refused = 0;
        let held = after(PAGE, many, &mut |entry| refused += u32::from(entry == Entry::Full));
        assert_eq!(held.iter().flatten().count(), 56);
        assert_eq!(refused, 5_000 - 56, "those who wait for their answer are not pushed out");
        let taken = held.iter().enumerate().filter_map(|(n, one)| Some((n, (*one)?)));
        assert_eq!(PAGE.entry(Origin::Here, taken), Entry::Free);
    }

    #[test]
    fn the_oldest_that_has_not_asked_for_anything_makes_room_and_never_this_machines() {
        let here = [(Origin::Here, true), (Origin::Here, true)];
        let asked = (0..10).map(|n| (address(&format!("10.2.0.{n}")), false));
        let silent = (0..46).map(|n| (address(&format!("10.3.0.{n}")), true));
        let late = [(address("10.4.0.1"), true)];
        let comers = here.into_iter().chain(asked).chain(silent).chain(late);
        let mut last = Entry::Free;
        let held = after(PAGE, comers, &mut |entry| last = entry);
        assert_eq!(last, Entry::InsteadOf(12), "the first of those who said nothing");
        assert_eq!(count(&held, Origin::Here), 2);
    }

    #[test]
    fn seats_are_shared_among_addresses_and_this_machine_takes_any() {
        let seats = Places { most: 50, own: 0, each: 12 };
        let attacker = address("10.0.0.9");
        let mut last = Entry::Free;
        let flood = (0..100).map(|_| (attacker, false));
        let held = after(seats, flood, &mut |entry| last = entry);
        assert_eq!((count(&held, attacker), last), (12, Entry::TooManyFromThere));
        let here = (0..100).map(|_| (Origin::Here, false));
        let held = after(seats, here, &mut |entry| last = entry);
        assert_eq!((count(&held, Origin::Here), last), (50, Entry::Full));
    }

    #[test]
    fn an_ipv6_network_elsewhere_is_one_origin_and_neighbours_are_many() {
        let origin =
            |peer: &str, own: &str| Origin::of(peer.parse().unwrap(), own.parse().unwrap());
        let own = "2001:db8:1:2::5";
        assert_eq!(origin("2001:db8:9::1", own), origin("2001:db8:9::ffff:2", own));
        assert_ne!(origin("2001:db8:9::1", own), origin("2001:db8:9:1::1", own));
        assert_ne!(origin("2001:db8:1:2::6", own), origin("2001:db8:1:2::7", own));
        assert_ne!(origin("fe80::6", "fe80::5"), origin("fe80::7", "fe80::5"));
        assert_eq!(origin("::ffff:10.0.0.1", own), origin("10.0.0.1", "10.0.0.2"));
        for (peer, own) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("10.0.0.2", "10.0.0.2")] {
            assert_eq!(origin(peer, own), Origin::Here, "{peer}");
        }
    }
}
