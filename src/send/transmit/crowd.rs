//! Who is connected, counted once for all who come in at one turn. No socket, no clock.

use super::places::{Entry, Held, Origin, Places};
use crate::wire::Full;

/// Connections above `max_clients` that are kept a moment, in case they are ghosts.
const EXTRA_SEATS: usize = 8;

/// How many of them one address may have.
const EXTRA_SEATS_PER_ADDRESS: usize = 4;

/// Connections in all, for each listener that `max_clients` allows: everybody who listens, and as
/// many that were told to go and have not gone yet, as when a whole room comes back at once.
const CONNECTIONS_PER_CLIENT: usize = 2;

/// Whether one more may sit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// There is room.
    Seat,
    /// There is none, but it may be the ghost of one that sits here.
    Wait(Full),
    /// There is none even for waiting.
    Crowded(Full),
}

impl Admission {
    /// What is full, where there is no seat.
    pub(super) fn refusal(self) -> Option<Full> {
        match self {
            Self::Seat => None,
            Self::Wait(full) | Self::Crowded(full) => Some(full),
        }
    }
}

/// What a connection is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// It listens, or will.
    Seated,
    /// It was told that the server is full, and may be a ghost's successor.
    Waiting,
    /// It is being told to go.
    Going,
}

/// Everybody who is connected.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    seated: Held,
    waiting: Held,
    /// Those who wait, and those who go.
    unseated: Held,
}

impl Crowd {
    /// Counts everybody once.
    pub(super) fn of(all: impl Iterator<Item = (Origin, Stands)>) -> Self {
        let mut crowd = Self::default();
        for (origin, stands) in all {
            crowd.add(origin, stands);
        }
        crowd
    }

    fn add(&mut self, origin: Origin, stands: Stands) {
        match stands {
            Stands::Seated => return self.seated.add(origin),
            Stands::Waiting => self.waiting.add(origin),
            Stands::Going => {}
        }
        self.unseated.add(origin);
    }

    /// Whether one more from `origin` may sit, where `most` may listen and `each` of them from one
    /// address. Whoever may is counted.
    pub(super) fn admit(&mut self, origin: Origin, most: usize, each: usize) -> Admission {
        let admission = self.admission(origin, most, each);
        match admission {
            Admission::Seat => self.add(origin, Stands::Seated),
            Admission::Wait(_) => self.add(origin, Stands::Waiting),
            Admission::Crowded(_) => {}
        }
        admission
    }

    /// What [`Crowd::admit`] would say, without counting anybody.
    pub(super) fn admission(&self, origin: Origin, most: usize, each: usize) -> Admission {
        let entry = |held: &Held, most, each| Places { most, own: 0, each }.room(origin, held);
        let seat = entry(&self.seated, most, each);
        let full = if seat == Entry::TooManyFromThere { Full::Address } else { Full::Server };
        let all = most * CONNECTIONS_PER_CLIENT + EXTRA_SEATS;
        let is_crowded = self.seated.all() + self.unseated.all() >= all
            || entry(&self.unseated, all, each) != Entry::Free;
        if is_crowded {
            Admission::Crowded(full)
        } else if seat == Entry::Free {
            Admission::Seat
        } else if entry(&self.waiting, EXTRA_SEATS, EXTRA_SEATS_PER_ADDRESS) == Entry::Free {
            Admission::Wait(full)
        } else {
            Admission::Crowded(full)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> Origin {
        Origin::Address([10, 0, 0, n].into())
    }

    #[test]
    fn those_who_come_in_together_are_counted_as_those_who_come_one_by_one() {
        let mut together = Crowd::default();
        let mut all = Vec::new();
        for n in 0..400_u16 {
            let origin = address((n % 7) as u8);
            let one_by_one = Crowd::of(all.iter().copied()).admission(origin, 50, 12);
            assert_eq!(together.admit(origin, 50, 12), one_by_one, "newcomer {n}");
            match one_by_one {
                Admission::Seat => all.push((origin, Stands::Seated)),
                Admission::Wait(_) => all.push((origin, Stands::Waiting)),
                Admission::Crowded(_) => {}
            }
        }
        let seated = all.iter().filter(|(_, stands)| *stands == Stands::Seated).count();
        assert_eq!((seated, all.len()), (50, 50 + EXTRA_SEATS));
    }

    #[test]
    fn an_address_with_all_its_seats_waits_and_another_one_sits() {
        let mut crowd = Crowd::default();
        let admissions: Vec<_> = (0..17).map(|_| crowd.admit(address(9), 50, 12)).collect();
        assert!(admissions[..12].iter().all(|one| *one == Admission::Seat));
        assert!(admissions[12..16].iter().all(|one| *one == Admission::Wait(Full::Address)));
        assert_eq!(admissions[16], Admission::Crowded(Full::Address));
        assert_eq!(crowd.admit(address(8), 50, 12), Admission::Seat);
    }

    #[test]
    fn those_who_are_told_to_go_are_bounded_too() {
        let going = |_| (address(9), Stands::Going);
        assert_eq!(
            Crowd::of((0..12).map(going)).admission(address(9), 50, 12),
            Admission::Crowded(Full::Server)
        );
        assert_eq!(Crowd::of((0..12).map(going)).admission(address(8), 50, 12), Admission::Seat);
    }
}
