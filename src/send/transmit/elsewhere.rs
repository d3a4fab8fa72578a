//! People at other servers of the same room: in everybody's list here, and told of those who are here.

use std::sync::mpsc::SyncSender;

use super::Transmit;
use crate::wire::{People, Person};

/// Lists of who is here that wait for who tells other servers: the newest is told again until it is taken.
pub const MOST_LISTS: usize = 2;

/// Those who are at other servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Those who can talk, by numbers that nobody has here.
    pub people: Vec<Person>,
    /// How many more listen there.
    pub others: u32,
    /// Most people who may talk at a time here and there together.
    pub most_talkers: u32,
}

impl Default for Elsewhere {
    /// Nobody, and no limit.
    fn default() -> Self {
        Self { people: Vec::new(), others: 0, most_talkers: u32::MAX }
    }
}

impl Elsewhere {
    /// Why nobody more may talk where so many do here and so many may; `None` where one more may.
    pub(super) fn refusal(&self, here: usize, most_here: u32) -> Option<String> {
        let there = self.people.iter().filter(|person| person.can_talk).count();
        let most = if here >= most_here as usize {
            most_here
        } else if here + there >= self.most_talkers as usize {
            self.most_talkers
        } else {
            return None;
        };
        Some(match most {
            0 => "nobody may talk in this room now: the server that has its sound is away, or runs without --talk"
                .to_owned(),
            most => format!(
                "as many people as this server lets talk ({most}) have a microphone already. Come again when one of \
                 them has left"
            ),
        })
    }

    /// Whether somebody there has that number.
    pub(super) fn includes(&self, person: u32) -> bool {
        self.people.iter().any(|other| other.person == person)
    }

    /// Adds them to the list of those who are here.
    pub(super) fn join(&self, people: &mut People) {
        people.elsewhere = self.others;
        if !self.people.is_empty() {
            people.people.extend_from_slice(&self.people);
            people.sort();
        }
    }
}

/// For whom too many people talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMany {
    /// This PC does not keep up with the mix.
    ForThisPc,
    /// The server that has the sound takes no more of them.
    InTheRoom,
}

/// Tells other servers, by way of a thread that does, who can talk here.
#[derive(Debug)]
pub struct TellOthers {
    lists: SyncSender<Vec<Person>>,
    told: Option<Vec<Person>>,
}

impl TellOthers {
    /// By that queue of lists.
    #[must_use]
    pub fn new(lists: SyncSender<Vec<Person>>) -> Self {
        Self { lists, told: None }
    }

    /// These are here now.
    pub(super) fn tell(&mut self, people: &[Person]) {
        let talkers: Vec<Person> =
            people.iter().filter(|person| person.can_talk).cloned().collect();
        if self.told.as_ref() != Some(&talkers) && self.lists.try_send(talkers.clone()).is_ok() {
            self.told = Some(talkers);
        }
    }
}

impl Transmit {
    /// Other servers are to know who is here.
    pub fn tell_others(&mut self, others: TellOthers) {
        if let Some(gathering) = &mut self.gathering {
            gathering.tell_others = Some(others);
        }
    }

    /// These are at other servers from now on.
    pub(super) fn take_elsewhere(&mut self, elsewhere: Elsewhere) {
        if let Some(gathering) = &mut self.gathering {
            gathering.elsewhere = elsewhere;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn person(person: u32, can_talk: bool) -> Person {
        let name = String::new();
        Person { person, name, can_talk, is_muted: false, is_deaf: false, is_speaking: false }
    }

    #[test]
    fn people_elsewhere_stand_among_those_who_talk_here_and_before_those_who_listen() {
        let people = vec![person(1 << 31, true)];
        let elsewhere = Elsewhere { people, others: 7, most_talkers: 3 };
        let mut people =
            People { people: vec![person(1, true), person(2, false)], ..People::default() };
        elsewhere.join(&mut people);
        let numbers: Vec<u32> = people.people.iter().map(|person| person.person).collect();
        assert_eq!((numbers, people.elsewhere), (vec![1, 1 << 31, 2], 7));
        assert_eq!(elsewhere.refusal(1, 2), None);
        assert!(elsewhere.refusal(2, 2).unwrap().contains("(2)"), "as many as may here");
        assert!(elsewhere.refusal(2, 16).unwrap().contains("(3)"), "as many as may in all");
        assert_eq!(Elsewhere::default().refusal(15, 16), None);
        assert!(elsewhere.includes(1 << 31) && !elsewhere.includes(1));
    }

    #[test]
    fn others_are_told_of_who_can_talk_when_that_changes_and_again_where_they_were_busy() {
        let (lists, told) = sync_channel(1);
        let mut others = TellOthers::new(lists);
        others.tell(&[person(1, true), person(2, false)]);
        others.tell(&[person(1, true), person(3, false)]);
        others.tell(&[person(4, true)]);
        assert_eq!(told.try_recv(), Ok(vec![person(1, true)]));
        assert!(told.try_recv().is_err(), "there was no room, and nothing had changed");
        others.tell(&[person(4, true)]);
        assert_eq!(told.try_recv(), Ok(vec![person(4, true)]));
    }
}
