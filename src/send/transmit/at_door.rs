//! Who is at the door of a private room and has not shown its key: places of their own, which nobody needs who
//! listens. No socket, no clock.
//!
//! Whoever comes finds a place, always. Where all are taken, one of the address that has the most of them makes room,
//! the one that came first. So an address that floods the door pushes out its own connections and nobody else's. A
//! member who comes from there too is pushed out only if as many come behind it as there are places before it has
//! answered the config, which takes a round trip: at 1,000 connections a second it has more than a quarter of a
//! second. Strangers with as many addresses as there are places are stopped no better than that.

use std::collections::{BTreeMap, HashMap};

use super::places::Origin;

/// Places beside one for each seat: a whole room may come at once, and that many strangers with it. A place costs a
/// file, and 45 kB at most, or over TLS 173 kB.
const SPARE_PLACES: u32 = 256;

/// Places at the door of a private room of so many seats.
#[must_use]
pub fn most_at_door(seats: u32) -> u32 {
    seats.saturating_add(SPARE_PLACES)
}

/// The connections at the door, by their indices.
#[derive(Debug, Default)]
pub(super) struct AtDoor {
    /// Of each address, by a number that is greater for those who came later.
    by_origin: HashMap<Origin, BTreeMap<u64, usize>>,
    places: HashMap<usize, (Origin, u64)>,
    came: u64,
}

impl AtDoor {
    /// Whether there is no place for one more, in a room of so many seats.
    pub(super) fn is_full(&self, seats: u32) -> bool {
        self.places.len() >= most_at_door(seats) as usize
    }

    /// Who makes room for others, if anybody is there but whoever is `spared`.
    pub(super) fn goes_first(&self, spared: Option<usize>) -> Option<usize> {
        let first = |held: &BTreeMap<u64, usize>| {
            let mut held = held.iter().map(|(came, index)| (*came, *index));
            held.find(|(_, index)| Some(*index) != spared)
        };
        let origins = self.by_origin.values().filter_map(|held| Some((held.len(), first(held)?)));
        // Of addresses that have the same number, the one whose first came earlier.
        let most = origins.max_by_key(|(count, (came, _))| (*count, u64::MAX - came));
        most.map(|(_, (_, index))| index)
    }

    /// The connection at `index` has come to the door.
    pub(super) fn come(&mut self, index: usize, origin: Origin) {
        self.go(index);
        self.came += 1;
        self.places.insert(index, (origin, self.came));
        self.by_origin.entry(origin).or_default().insert(self.came, index);
    }

    /// The connection at `index` is not at the door any more, if it was.
    pub(super) fn go(&mut self, index: usize) {
        let Some((origin, came)) = self.places.remove(&index) else { return };
        if let Some(held) = self.by_origin.get_mut(&origin) {
            held.remove(&came);
            if held.is_empty() {
                self.by_origin.remove(&origin);
            }
        }
    }

    /// Whether the connection at `index` is there.
    pub(super) fn has(&self, index: usize) -> bool {
        self.places.contains_key(&index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEATS: u32 = 50;
    const PLACES: usize = (SEATS + SPARE_PLACES) as usize;

    fn address(n: u32) -> Origin {
        Origin::Address(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into())
    }

    /// A door, and everybody who made room.
    #[derive(Default)]
    struct Door {
        held: AtDoor,
        gone: Vec<usize>,
        next: usize,
    }

    impl Door {
        fn come(&mut self, origin: Origin, spared: Option<usize>) -> usize {
            if self.held.is_full(SEATS)
                && let Some(index) = self.held.goes_first(spared)
            {
                self.held.go(index);
                self.gone.push(index);
            }
            self.next += 1;
            self.held.come(self.next, origin);
            assert!(self.held.places.len() <= PLACES);
            self.next
        }
    }

    #[test]
    fn a_flood_from_one_address_pushes_out_its_own_and_never_who_comes_from_another() {
        let mut door = Door::default();
        let members = [1, 2, 3].map(|n| door.come(address(n), None));
        for _ in 0..100_000 {
            door.come(address(9), None);
        }
        assert!(members.iter().all(|member| door.held.has(*member)));
        let late = door.come(address(4), None);
        assert!(door.held.has(late), "there is a place for whoever comes later");
        assert_eq!(door.gone[..3], [4, 5, 6], "the first of theirs goes first");
    }

    #[test]
    fn who_comes_from_the_address_of_a_flood_stays_while_as_many_come_as_there_are_places() {
        let mut door = Door::default();
        for _ in 0..10_000 {
            door.come(address(9), None);
        }
        let member = door.come(address(9), None);
        for _ in 1..PLACES {
            door.come(address(9), None);
        }
        assert!(door.held.has(member));
        door.come(address(9), None);
        assert!(!door.held.has(member));
    }

    #[test]
    fn an_address_may_have_more_at_the_door_than_there_are_seats() {
        let mut door = Door::default();
        for _ in 0..PLACES {
            door.come(Origin::Here, None);
        }
        assert!(door.gone.is_empty());
    }

    #[test]
    fn of_many_addresses_with_one_each_the_first_makes_room_but_for_who_tries_the_code() {
        let mut door = Door::default();
        let tries = door.come(address(0), None);
        for n in 1..=PLACES as u32 {
            door.come(address(n), Some(tries));
        }
        assert_eq!(door.gone, [2]);
        assert!(door.held.has(tries));
    }

    #[test]
    fn who_has_gone_or_come_in_leaves_nothing_behind() {
        let mut door = Door::default();
        for n in 0..1_000 {
            let index = door.come(address(n % 7), None);
            door.held.go(index);
            door.held.go(index);
        }
        assert!(door.gone.is_empty() && door.held.places.is_empty());
        assert!(door.held.by_origin.is_empty());
    }
}
