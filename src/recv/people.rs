//! Who is in the room, as the server says, and what this listener wishes of them.
//!
//! The network thread writes who is there and reads the wishes; keys and the status do the reverse.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::hearsay::Hearsay;
use crate::talking::Other;
use crate::wire::{Changes, MAX_PEOPLE, MAX_VOLUME_PERCENT, People, USUAL_PERCENT, Wish};

/// A step of the keys, in percent.
const VOLUME_STEP: u16 = 10;

/// The room, and how one person wants to hear it.
#[derive(Debug, Default)]
pub(crate) struct Room(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    people: People,
    /// Whose volume the keys change.
    selected: Option<u32>,
    /// The volumes of people that are not the usual one, in percent.
    volumes: BTreeMap<u32, u16>,
    muted: bool,
    deaf: bool,
}

impl Room {
    /// Takes the list of who is there now.
    pub(crate) fn enter(&self, people: People) {
        let mut state = self.lock();
        let is_there = |who: &u32| people.people.iter().any(|person| person.person == *who);
        state.selected = state.selected.filter(is_there);
        // Who comes back within the seat's life has the same number, and is as loud as before.
        if state.volumes.len() > MAX_PEOPLE {
            state.volumes.retain(|who, _| is_there(who));
        }
        state.people = people;
    }

    /// Takes what has changed since the last list.
    pub(crate) fn change(&self, changes: Changes) {
        let mut people = self.lock().people.clone();
        people.change(changes);
        self.enter(people);
    }

    /// Forgets who is there: the connection is gone. `same_run` keeps wishes about people, whose
    /// numbers hold as long as the server runs.
    pub(crate) fn leave(&self, same_run: bool) {
        let mut state = self.lock();
        state.people = People::default();
        if !same_run {
            (state.selected, state.volumes) = (None, BTreeMap::new());
        }
    }

    /// What has been wished of oneself.
    pub(crate) fn wish(&self, muted: bool, deaf: bool) {
        let mut state = self.lock();
        (state.muted, state.deaf) = (muted, deaf);
    }

    /// Turns to the next person who can talk; after the last to nobody.
    pub(crate) fn select_next(&self) {
        let mut state = self.lock();
        let talkers: Vec<u32> = state
            .people
            .people
            .iter()
            .filter(|person| person.can_talk && person.person != state.people.you)
            .map(|person| person.person)
            .collect();
        let at = state.selected.and_then(|who| talkers.iter().position(|other| *other == who));
        state.selected = talkers.get(at.map_or(0, |at| at + 1)).copied();
    }

    /// Makes the selected person louder or softer by a step; `false` if there is none.
    pub(crate) fn turn(&self, louder: bool) -> bool {
        let mut state = self.lock();
        let Some(who) = state.selected else {
            return false;
        };
        let percent = state.volumes.entry(who).or_insert(USUAL_PERCENT);
        *percent = if louder {
            percent.saturating_add(VOLUME_STEP).min(MAX_VOLUME_PERCENT)
        } else {
            percent.saturating_sub(VOLUME_STEP)
        };
        true
    }

    /// What a server should know that has been told `told` since its welcome. Before that it may
    /// remember what has changed meanwhile, so it is told everything once.
    pub(crate) fn news_for(&self, told: &Wish) -> Option<Wish> {
        let state = self.lock();
        let is_news = |(who, percent): &(&u32, &u16)| told.volumes.get(who) != Some(percent);
        let volumes = state.volumes.iter().filter(is_news);
        let wish = Wish {
            name: None,
            muted: (told.muted != Some(state.muted)).then_some(state.muted),
            deaf: (told.deaf != Some(state.deaf)).then_some(state.deaf),
            volumes: volumes.map(|(who, percent)| (*who, *percent)).collect(),
        };
        (wish != Wish::default()).then_some(wish)
    }

    /// Everybody else who is there.
    pub(crate) fn others(&self) -> Vec<Other> {
        let state = self.lock();
        let others = state.people.people.iter().filter(|one| one.person != state.people.you);
        others
            .map(|person| Other {
                volume_percent: state.volumes.get(&person.person).copied().unwrap_or(USUAL_PERCENT),
                is_selected: state.selected == Some(person.person),
                person: person.clone(),
            })
            .collect()
    }

    /// How many more listen by way of other servers.
    pub(crate) fn elsewhere(&self) -> u32 {
        self.lock().people.elsewhere
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who speaks again after a pause shorter than this, in µs, goes on with what they said.
const SAME_TALK_US: u64 = 10_000_000;

/// Lines that the log tells of people in a second: a room of friends has fewer, and a server can
/// make up any number.
const MOST_LINES: u32 = 5;

/// A second, in µs.
const SECOND_US: u64 = 1_000_000;

/// Names that one line tells.
const MOST_NAMES: usize = 20;

/// What the log tells of the room where no status shows it.
#[derive(Debug)]
pub(crate) struct Gossip {
    /// Who was there, and since when they have been silent, in µs.
    known: BTreeMap<u32, u64>,
    hearsay: Hearsay,
}

impl Default for Gossip {
    fn default() -> Self {
        Self { known: BTreeMap::new(), hearsay: Hearsay::new(MOST_LINES, SECOND_US) }
    }
}

impl Gossip {
    /// What is new at `now_us`, a sentence each, [`MOST_LINES`] a second, and one that counts the rest.
    pub(crate) fn news(&mut self, others: &[Other], now_us: u64) -> Vec<String> {
        let mut told = Vec::new();
        if let Some(untold) = self.hearsay.untold(now_us) {
            told.push(format!("and {untold} more such lines"));
        }
        for sentence in self.all_news(others, now_us) {
            if self.hearsay.may_tell(now_us) {
                told.push(sentence);
            }
        }
        told
    }

    fn all_news(&mut self, others: &[Other], now_us: u64) -> Vec<String> {
        let mut news = Vec::new();
        let there: BTreeSet<u32> = others.iter().map(|other| other.person.person).collect();
        let before = self.known.len();
        self.known.retain(|who, _| there.contains(who));
        let mut has_changed = self.known.len() != before;
        for Other { person, .. } in others {
            has_changed |= !self.known.contains_key(&person.person);
            let silent_us = self.known.entry(person.person).or_insert(0);
            if person.is_speaking {
                if *silent_us == 0 || now_us.saturating_sub(*silent_us) > SAME_TALK_US {
                    news.push(format!("{} speaks", person.label()));
                }
                *silent_us = now_us;
            }
        }
        if has_changed {
            news.insert(0, format!("in the room: {}", names(others)));
        }
        news
    }
}

fn names(others: &[Other]) -> String {
    let named = others.iter().take(MOST_NAMES).map(|other| other.person.label());
    let mut names = named.collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        names.push_str("nobody else");
    }
    if let Some(more) = others.len().checked_sub(MOST_NAMES).filter(|more| *more > 0) {
        names.push_str(&format!(" and {more} more"));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Person;

    fn person(person: u32, name: &str, can_talk: bool) -> Person {
        Person {
            person,
            name: name.into(),
            can_talk,
            is_muted: false,
            is_deaf: false,
            is_speaking: false,
        }
    }

    fn room() -> Room {
        let room = Room::default();
        room.enter(People {
            you: 2,
            people: vec![
                person(2, "me", true),
                person(5, "Anna", true),
                person(7, "", true),
                person(9, "TV", false),
            ],
            elsewhere: 0,
        });
        room
    }

    fn selected(room: &Room) -> Option<(u32, u16)> {
        let other = room.others().into_iter().find(|other| other.is_selected)?;
        Some((other.person.person, other.volume_percent))
    }

    #[test]
    fn tab_goes_through_those_who_can_talk_and_back_to_nobody() {
        let room = room();
        let mut seen = vec![selected(&room)];
        for _ in 0..4 {
            room.select_next();
            seen.push(selected(&room));
        }
        let anna = Some((5, 100));
        assert_eq!(seen, [None, anna, Some((7, 100)), None, anna]);
        assert_eq!(room.others().len(), 3, "everybody but oneself");
    }

    #[test]
    fn a_persons_volume_goes_by_steps_and_is_told_once() {
        let room = room();
        assert!(!room.turn(true), "nobody is selected");
        room.select_next();
        (0..15).for_each(|_| assert!(room.turn(true)));
        assert_eq!(selected(&room), Some((5, 200)));
        let all = room.news_for(&Wish::default()).unwrap();
        assert_eq!(
            (&all.volumes, all.muted, all.deaf),
            (&[(5, 200)].into(), Some(false), Some(false))
        );
        assert_eq!(room.news_for(&all), None);
        (0..10).for_each(|_| assert!(room.turn(false)));
        let back = room.news_for(&all).unwrap();
        assert_eq!((back.volumes, back.muted), ([(5, 100)].into(), None), "even the usual");
    }

    #[test]
    fn mute_and_deafness_are_told_and_taken_back() {
        let room = room();
        room.wish(true, false);
        let muted = room.news_for(&Wish::default()).unwrap();
        assert_eq!((muted.muted, muted.deaf), (Some(true), Some(false)));
        room.wish(false, true);
        let news = room.news_for(&muted).unwrap();
        assert_eq!((news.muted, news.deaf), (Some(false), Some(true)));
    }

    #[test]
    fn wishes_about_people_last_as_long_as_their_numbers() {
        let room = room();
        room.select_next();
        room.turn(false);
        room.leave(true);
        assert_eq!(room.others(), []);
        assert_eq!(room.news_for(&Wish::default()).unwrap().volumes, [(5, 90)].into());
        room.enter(People { you: 2, people: vec![person(7, "", true)], elsewhere: 0 });
        assert_eq!(selected(&room), None);
        room.enter(People { you: 2, people: vec![person(5, "Anna", true)], elsewhere: 0 });
        assert_eq!(room.others()[0].volume_percent, 90, "she was away for a moment");
        let room = self::room();
        room.select_next();
        room.turn(false);
        room.leave(false);
        assert!(room.news_for(&Wish::default()).unwrap().volumes.is_empty());
    }

    #[test]
    fn the_log_tells_who_comes_and_goes_and_who_begins_to_speak() {
        let mut gossip = Gossip::default();
        let other = |person| Other { person, volume_percent: 100, is_selected: false };
        let speaking = |is_speaking| other(Person { is_speaking, ..person(5, "Anna", true) });
        assert_eq!(gossip.news(&[], 1), [""; 0]);
        assert_eq!(gossip.news(&[speaking(false)], 1), ["in the room: Anna"]);
        assert_eq!(gossip.news(&[speaking(true)], 1_000_000), ["Anna speaks"]);
        assert_eq!(gossip.news(&[speaking(false)], 2_000_000), [""; 0]);
        assert_eq!(gossip.news(&[speaking(true)], 3_000_000), [""; 0], "she goes on");
        assert_eq!(gossip.news(&[speaking(true)], 20_000_000), ["Anna speaks"]);
        assert_eq!(gossip.news(&[], 20_000_000), ["in the room: nobody else"]);
        let nameless = gossip.news(&[other(person(7, "", true))], 20_000_000);
        assert_eq!(nameless, ["in the room: listener 7"]);
    }

    #[test]
    fn a_room_that_changes_without_end_is_told_in_five_lines_a_second() {
        let mut gossip = Gossip::default();
        let speaker = |number| Other {
            person: Person { is_speaking: true, ..person(number, "x", true) },
            volume_percent: 100,
            is_selected: false,
        };
        let mut told = Vec::new();
        for n in 0..100_u32 {
            let others: Vec<_> = (0..128).map(|i| speaker(n * 128 + i)).collect();
            told.extend(gossip.news(&others, 1_000_000 + u64::from(n) * 20_000));
        }
        assert_eq!(told.len(), 11, "two seconds, and what was left out between them: {told:?}");
        assert!(told[0].ends_with("x, x, x and 108 more"), "{}", told[0]);
        assert!(told[5].starts_with("and 64") && told[5].ends_with(" more such lines"), "{told:?}");
    }
}
