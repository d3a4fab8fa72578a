use std::sync::mpsc::{SyncSender, sync_channel};

use super::*;
use crate::codec::Codec;
use crate::send::presence::{QUEUE, Speech};
use crate::wire::Microphone;

const FORMAT: Format = Format { sample_rate: 48_000, channels: 1 };
const NOW_US: u64 = 5_000_000;

struct Room {
    people: People,
    mix: Combine,
    says: SyncSender<Message>,
    counters: Arc<stats::Capture>,
}

impl Room {
    /// A room in which person 1 and person 2 may speak.
    fn new() -> Self {
        let (says, room) = sync_channel(QUEUE);
        let counters: Arc<stats::Capture> = Arc::default();
        let people = People::new(FORMAT, room, OwnMixes::none(), Arc::clone(&counters));
        let mut room = Self { people, mix: Combine::new(FORMAT), says, counters };
        for person in [1, 2] {
            let microphone =
                Microphone { codec: "s16".into(), rate: 48_000, channels: 1, algorithmic_delay: 0 };
            let presence = Presence {
                connection: person.into(),
                id: person.to_string(),
                name: format!("person {person}"),
                codec: Codec::Float32,
                microphone: Some(microphone),
                speech: Speech::default(),
                is_muted: false,
                is_deaf: false,
                volumes: Arc::default(),
            };
            room.says.try_send(Message::Here { person, presence }).unwrap();
        }
        room.listen(NOW_US, 1);
        room
    }

    fn say(&self, person: u32, position: u64, came_us: u64) {
        let captured_us = came_us - 12_000;
        let header = AudioHeader { flags: 0, frames: 480, position, captured_us };
        let spoken = Spoken { header, payload: Box::new([0x11; 960]), came_us };
        self.says.try_send(Message::Said { person, spoken }).unwrap();
    }

    /// Listens once while processor time goes on by so much each time it is read; how often it was.
    fn listen(&mut self, now_us: u64, step_us: u64) -> u64 {
        let (mut reads, mut spent_us) = (0, 0);
        self.people.listen(&mut self.mix, now_us, || {
            reads += 1;
            spent_us += step_us;
            spent_us
        });
        reads
    }
}

#[test]
fn people_are_listened_to_for_three_milliseconds_whatever_waits() {
    let mut room = Room::new();
    for n in 0..QUEUE as u64 {
        room.say(1, n * 480, NOW_US);
    }
    assert_eq!(room.listen(NOW_US, 100), 31, "30 messages of 100 µs each");
    assert_eq!(room.listen(NOW_US, 4_000), 2, "one that takes long is the last");
    assert_eq!(room.counters.talk_stale.get(), 0);
}

#[test]
fn what_has_waited_for_longer_than_200_ms_is_thrown_away_and_counted() {
    let mut room = Room::new();
    for n in 0..100 {
        room.say(1, n * 480, NOW_US + n * 10_000);
    }
    room.listen(NOW_US + 700_000, 0);
    assert_eq!(room.counters.talk_stale.get(), 50);
    let voice = room.people.people[&1].voice.as_ref().unwrap();
    assert_eq!(voice.speech_us(), Some(NOW_US + 990_000), "and the rest is heard");
}

#[test]
fn under_too_much_to_do_the_newest_talker_is_silenced_and_the_others_go_on() {
    let mut room = Room::new();
    assert_eq!(room.people.newest_talker(), Some(2));
    room.people.silence(2, &mut room.mix);
    assert_eq!(room.people.newest_talker(), Some(1));
    for person in [1, 2] {
        room.say(person, 0, NOW_US);
    }
    room.listen(NOW_US, 0);
    let voice = |person| room.people.people[&person].voice.as_ref();
    assert!(voice(1).is_some());
    assert!(voice(2).is_none(), "what it still says is nobody's");
}
