//! The numbers of people. Whoever comes back has its old one, so that coming and going makes nobody
//! new for the mix, the recorded tracks and the others' volumes. No socket, no clock.

use std::collections::VecDeque;

use super::places::Origin;

/// Numbers that are kept for people who have left: as many as sit in a big room.
const MOST_KEPT: usize = 256;

/// Numbers that are kept for one origin. Beyond them its newcomers get the oldest of these, whatever
/// they are called: ids are chosen by clients.
const MOST_KEPT_EACH: usize = 8;

/// Who has which number, among those who have left.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    last: u32,
    /// Where they came from, the id of their program's run, and their number; the latest last.
    kept: VecDeque<(Origin, String, u32)>,
}

impl Numbers {
    /// A number for somebody who comes from there with that id.
    pub(super) fn give(&mut self, origin: Origin, id: &str) -> u32 {
        let theirs = |(from, of, _): &(Origin, String, u32)| *from == origin && of == id;
        let there = || self.kept.iter().filter(|(from, ..)| *from == origin);
        let at = self.kept.iter().position(theirs).or_else(|| {
            let is_full = there().count() >= MOST_KEPT_EACH;
            self.kept.iter().position(|(from, ..)| is_full && *from == origin)
        });
        if let Some((_, _, number)) = at.and_then(|at| self.kept.remove(at)) {
            return number;
        }
        self.last += 1;
        self.last
    }

    /// Somebody has left.
    pub(super) fn keep(&mut self, origin: Origin, id: String, number: u32) {
        if self.kept.len() == MOST_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((origin, id, number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> Origin {
        Origin::Address([10, 0, 0, last].into())
    }

    #[test]
    fn who_comes_back_has_its_number_and_nobody_elsewhere_gets_it() {
        let mut numbers = Numbers::default();
        let (ann, bob) = (numbers.give(from(1), "ann"), numbers.give(from(2), "bob"));
        numbers.keep(from(1), "ann".to_owned(), ann);
        assert!(![ann, bob].contains(&numbers.give(from(3), "ann")));
        assert!(![ann, bob].contains(&numbers.give(from(1), "eve")));
        assert_eq!(numbers.give(from(1), "ann"), ann);
        assert_ne!(numbers.give(from(1), "ann"), ann, "it is in use again");
    }

    #[test]
    fn who_comes_and_goes_under_ever_new_ids_is_few_people() {
        let mut numbers = Numbers::default();
        let mut given = std::collections::BTreeSet::new();
        for n in 0..10_000 {
            let id = n.to_string();
            let number = numbers.give(from(1), &id);
            given.insert(number);
            numbers.keep(from(1), id, number);
        }
        assert_eq!(given.len(), MOST_KEPT_EACH);
        for n in 0..1_000 {
            numbers.keep(from((n % 250) as u8), n.to_string(), 100 + n);
        }
        assert_eq!(numbers.kept.len(), MOST_KEPT);
    }
}
