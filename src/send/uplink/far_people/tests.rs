use super::*;
use crate::wire::{AudioHeader, Microphone, talk_frame};

const NOW_US: u64 = 50_000_000;

fn microphone() -> Microphone {
    Microphone { codec: "s16".to_owned(), rate: 48_000, channels: 1, algorithmic_delay: 0 }
}

fn far(person: u32, connection: u64, name: &str) -> FarPerson {
    FarPerson {
        person,
        connection,
        id: name.to_owned(),
        name: name.to_owned(),
        codec: "opus:128".to_owned(),
        microphone: Some(microphone()),
        is_muted: false,
        is_deaf: false,
        volumes: BTreeMap::new(),
    }
}

fn people(people: impl IntoIterator<Item = FarPerson>) -> FarPeople {
    FarPeople { people: people.into_iter().collect() }
}

/// Who somebody is: name, connection, and whether they may talk.
type Who = (String, u64, bool);

/// What the mix is told: each person's number, and who it is; nobody of those who have left.
fn told(ones: &mut FarOnes) -> Vec<(u32, Option<Who>)> {
    let mut told = Vec::new();
    ones.tell(|message| {
        told.push(match message {
            Message::Here { person, presence } => {
                let Presence { name, connection, microphone, .. } = presence;
                (person, Some((name, connection - FIRST_CONNECTION, microphone.is_some())))
            }
            Message::Left { person } => (person, None),
            Message::Said { person, .. } => panic!("{person} speaks"),
        });
        true
    });
    told
}

fn frame(captured_us: u64) -> Vec<u8> {
    let header = AudioHeader { flags: 0, frames: 480, position: 0, captured_us };
    talk_frame(header, &[0; 960]).unwrap()[5..].to_vec()
}

#[test]
fn people_of_two_edges_with_the_same_numbers_are_different_people() {
    let mut ones = FarOnes::default();
    ones.note(5, people([far(1, 1, "Ann")]), 16, NOW_US);
    ones.note(6, people([far(1, 1, "Bob")]), 16, NOW_US);
    let (first, second) = (FIRST_FAR + 1, FIRST_FAR + 2);
    let here = |name: &str, connection| Some((name.to_owned(), connection, true));
    assert_eq!(told(&mut ones), [(first, here("Ann", 1)), (second, here("Bob", 2))]);
    assert_eq!((ones.whose(first), ones.whose(second)), (Some((5, 1)), Some((6, 1))));
    ones.note(5, people([far(1, 1, "Ann")]), 16, NOW_US + 1);
    assert_eq!(told(&mut ones), [], "nothing is new");
    ones.note(5, people([far(1, 1, "Anna")]), 16, NOW_US + 2);
    assert_eq!(told(&mut ones), [(first, here("Anna", 1))]);
    ones.note(5, people([far(1, 2, "Anna")]), 16, NOW_US + 3);
    assert_eq!(told(&mut ones), [(first, here("Anna", 3))], "she has come again");
    ones.note(5, people([]), 16, NOW_US + 4);
    assert_eq!(told(&mut ones), [(first, None)]);
    assert_eq!(ones.whose(first), None);
}

#[test]
fn what_the_mix_was_too_busy_to_take_is_told_again() {
    let mut ones = FarOnes::default();
    ones.note(5, people([far(1, 1, "Ann"), far(2, 1, "Bob")]), 16, NOW_US);
    let mut room = 1;
    ones.tell(|_| {
        room -= 1;
        room >= 0
    });
    assert_eq!(told(&mut ones).len(), 1, "the one that was not taken");
}

#[test]
fn no_more_talk_than_may_and_whoever_is_refused_is_told_so() {
    let mut ones = FarOnes::default();
    ones.note(5, people((1..=3).map(|n| far(n, 1, "x"))), 2, NOW_US);
    let told: Vec<bool> = told(&mut ones).into_iter().map(|(_, one)| one.unwrap().2).collect();
    assert_eq!(told, [true, true, false]);
    assert_eq!(ones.elsewhere(100, 2, NOW_US).people.len(), 2);
    assert_eq!(ones.elsewhere(100, 2, NOW_US).others, 98);
    let everybody = ones.everybody(&[], 100, 2, NOW_US);
    let at: Vec<_> =
        everybody.people.iter().map(|one| (one.who.can_talk, one.at.unwrap())).collect();
    assert_eq!(at[2], (false, At { run: 5, person: 3, connection: 1 }));
    ones.silence(FIRST_FAR + 1);
    assert_eq!(ones.elsewhere(100, 2, NOW_US).people.len(), 1);
    assert!(ones.said(5, 1, &frame(NOW_US), NOW_US).is_none());
}

#[test]
fn people_of_an_edge_that_says_nothing_any_more_have_left() {
    let mut ones = FarOnes::default();
    ones.note(5, people([far(1, 1, "Ann")]), 16, NOW_US);
    ones.note(6, people([far(1, 1, "Bob")]), 16, NOW_US + 3_000_000);
    told(&mut ones);
    ones.forget(NOW_US + GONE_US - 1);
    assert_eq!(told(&mut ones), []);
    ones.forget(NOW_US + GONE_US);
    assert_eq!(told(&mut ones), [(FIRST_FAR + 1, None)]);
}

#[test]
fn what_is_said_is_bounded_as_it_is_for_anybody_and_comes_under_the_right_number() {
    let mut ones = FarOnes::default();
    ones.note(5, people([far(7, 1, "Ann")]), 16, NOW_US);
    let said = ones.said(5, 7, &frame(NOW_US), NOW_US);
    assert!(matches!(said, Some(Message::Said { person, .. }) if person == FIRST_FAR + 1));
    assert!(ones.said(5, 8, &frame(NOW_US), NOW_US).is_none(), "nobody has that number");
    assert!(ones.said(6, 7, &frame(NOW_US), NOW_US).is_none(), "nor is there such an edge");
    assert!(ones.said(5, 7, &frame(0), NOW_US).is_none(), "too old");
    let heard = (0..10_000).filter(|_| ones.said(5, 7, &frame(NOW_US), NOW_US).is_some()).count();
    assert!(heard < 200, "{heard}: two seconds of sound in one second");
    assert!(ones.elsewhere(1, 2, NOW_US).people.is_empty(), "and no more of whoever sends a flood");
}

#[test]
fn there_is_a_most_of_people_at_edges_and_wishes_leave_room_for_those_who_talk() {
    let mut ones = FarOnes::default();
    for run in 0..20 {
        let wish = |n| FarPerson { microphone: None, ..far(n, 1, "x") };
        ones.note(run, people((0..32).map(wish)), usize::MAX, NOW_US);
    }
    assert_eq!(ones.people.len(), MOST_WISHES);
    for run in 20..40 {
        ones.note(run, people((0..32).map(|n| far(n, 1, "x"))), usize::MAX, NOW_US);
    }
    assert_eq!((ones.people.len(), ones.numbers.len()), (MOST, MOST));
    for run in 0..5_000 {
        ones.note(run, people([]), 16, NOW_US);
    }
    assert_eq!(ones.heard_us.len(), MOST_EDGES);
}
