//! The list of people as everybody has been told it. It decides which of them are told again, and
//! when. No clock, no queue.

use crate::wire::{Changes, People, Person};

/// How often changes may go out, in µs: soon enough to see who has begun to speak.
const CHANGES_EVERY_US: u64 = 100_000;

/// In big rooms changes have many readers, so they go out once in so many µs for each of them: 64
/// people get them four times a second.
const CHANGES_EACH_US: u64 = 4_000;

/// People of whom something is told at a time, with the rest at the next: whoever flickers costs the
/// others no more than the lines of a few.
const MAX_CHANGES: usize = 8;

/// How often a whole list may go out after somebody has come or left, in µs. Readers that know no
/// changes live by it.
const LIST_EVERY_US: u64 = 2_000_000;

/// How often a whole list may go out where nobody has come or left, in µs.
const SAME_PEOPLE_EVERY_US: u64 = 10_000_000;

/// What everybody has been told.
#[derive(Debug, Default)]
pub(super) struct Roll {
    told: People,
    told_us: u64,
    listed_us: u64,
    /// The person of whom everybody was told last.
    last: u32,
    /// What has changed since the last whole list, and whether somebody has come or left.
    has_changed: bool,
    has_moved: bool,
}

/// What is told at one moment.
#[derive(Debug)]
pub(super) struct Update {
    /// What has changed.
    pub(super) changes: Changes,
    /// Whether everybody gets the whole list instead.
    pub(super) is_whole: bool,
}

impl Roll {
    /// Whether it is time to look what has changed, in a room of `people`.
    pub(super) fn is_due(&self, people: usize, now_us: u64) -> bool {
        let every_us = CHANGES_EVERY_US.max(people as u64 * CHANGES_EACH_US);
        now_us.saturating_sub(self.told_us) >= every_us
    }

    /// What is news where `now` is who is there.
    pub(super) fn look(&mut self, now: &People, now_us: u64) -> Update {
        self.told_us = now_us;
        let find = |people: &[Person], who| people.iter().position(|person| person.person == who);
        let left = self.told.people.iter().map(|person| person.person);
        let left: Vec<u32> = left.filter(|who| find(&now.people, *who).is_none()).collect();
        let mut has_moved = !left.is_empty();
        let mut people = Vec::new();
        for person in &now.people {
            let known = find(&self.told.people, person.person);
            if known.is_some_and(|known| self.told.people[known] == *person) {
                continue;
            }
            has_moved |= known.is_none();
            people.push(person.clone());
        }
        // Newcomers first, then on from whom was told of last: one who flickers holds up nobody.
        people.sort_by_key(|person: &Person| {
            let is_known = find(&self.told.people, person.person).is_some();
            (is_known, person.person <= self.last, person.person)
        });
        people.truncate(MAX_CHANGES);
        self.last = people.last().map_or(0, |person| person.person);
        let changes = Changes { people, left };
        self.has_changed |= !changes.is_empty() || now.elsewhere != self.told.elsewhere;
        self.told.elsewhere = now.elsewhere;
        self.has_moved |= has_moved;
        self.told.change(changes.clone());
        let listed = now_us.saturating_sub(self.listed_us);
        let is_whole = self.has_moved && listed >= LIST_EVERY_US
            || self.has_changed && listed >= SAME_PEOPLE_EVERY_US;
        if is_whole {
            (self.listed_us, self.has_changed, self.has_moved) = (now_us, false, false);
        }
        Update { changes, is_whole }
    }

    /// The list as everybody has been told it.
    pub(super) fn told(&self) -> &[Person] {
        &self.told.people
    }

    /// How many more were told of without a name.
    pub(super) fn elsewhere(&self) -> u32 {
        self.told.elsewhere
    }

    /// Whether somebody who was sent a list at `listed_us`, and knows not all that has changed
    /// since, may be sent one again.
    pub(super) fn may_list(listed_us: Option<u64>, now_us: u64) -> bool {
        listed_us.is_none_or(|listed_us| now_us.saturating_sub(listed_us) >= LIST_EVERY_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn person(person: u32, name: &str) -> Person {
        Person {
            person,
            name: name.into(),
            can_talk: true,
            is_muted: false,
            is_deaf: false,
            is_speaking: false,
        }
    }

    fn room(count: u32, name: &str) -> People {
        People { people: (1..=count).map(|who| person(who, name)).collect(), ..People::default() }
    }

    /// Looks as often as may be for `seconds`, at what `now` says at each look; whole lists, bytes of
    /// one reader, and whether a reader of changes alone knows all in the end.
    fn watch(seconds: u64, count: u32, now: impl Fn(u64) -> People) -> (u32, usize, bool) {
        let mut roll = Roll::default();
        let mut reader = People::default();
        let (mut lists, mut bytes, mut looks) = (0, 0, 0);
        for now_us in (0..seconds * SECOND).step_by(10_000) {
            let now_us = now_us + 100 * SECOND;
            if !roll.is_due(count as usize, now_us) {
                continue;
            }
            looks += 1;
            let news = roll.look(&now(looks), now_us);
            if news.is_whole {
                lists += 1;
                bytes += People::frame_around(1, &People::list(roll.told()), 0).len();
            } else if !news.changes.is_empty() {
                bytes += news.changes.frame().len();
            }
            reader.change(news.changes);
            assert_eq!(reader.people, roll.told());
        }
        (lists, bytes, reader.people == now(looks).people)
    }

    #[test]
    fn who_changes_something_all_the_time_costs_each_reader_a_few_lines_and_no_lists() {
        let name = "x".repeat(64);
        let quiet = room(45, &name);
        let (lists, bytes, _) = watch(60, 45, |looks| {
            let mut people = quiet.clone();
            people.people[7].is_deaf = looks % 2 == 0;
            people
        });
        assert!(lists <= 7, "{lists} lists in a minute");
        // Whole lists at every change would be 2.3 MB, with names of 256 bytes 5 MB.
        assert!(bytes < 120_000, "{bytes} bytes in a minute");
    }

    #[test]
    fn a_room_in_which_everybody_flickers_is_told_of_within_a_bound() {
        let name = "x".repeat(64);
        for count in [45, 128] {
            let (_, bytes, _) = watch(60, count, |looks| {
                let mut people = room(count, &name);
                people.people.iter_mut().for_each(|one| one.is_deaf = looks % 2 == 0);
                people
            });
            assert!(bytes < 60 * 9_000, "{count}: {bytes} bytes in a minute");
        }
    }

    #[test]
    fn whoever_comes_changes_or_leaves_is_known_to_readers_of_changes_alone() {
        let (lists, _, knows) = watch(30, 40, |looks| {
            let mut people = room(40, "Ann");
            let looks = looks.min(60);
            people.people.retain(|one| u64::from(one.person) <= looks);
            people.people.retain(|one| looks < 50 || one.person % 3 == 0);
            people
        });
        assert!(knows);
        assert!((2..=8).contains(&lists), "{lists} lists while people come and go for ten seconds");
    }

    #[test]
    fn a_crowd_that_comes_at_once_is_told_of_a_few_at_a_time_until_all_are_known() {
        let (_, _, knows) = watch(5, 100, |_| room(100, "Ann"));
        assert!(knows);
    }

    #[test]
    fn a_room_in_which_nothing_happens_is_told_of_once() {
        let mut roll = Roll::default();
        roll.look(&room(3, "Ann"), 100 * SECOND);
        for second in 101..200 {
            let news = roll.look(&room(3, "Ann"), second * SECOND);
            assert!(news.changes.is_empty());
            assert!(!news.is_whole || second <= 110);
        }
    }
}
