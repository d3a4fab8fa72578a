use super::*;
use crate::codec::pcm::Dither;
use crate::engine::nats::{Event, Who};
use crate::engine::people::{FarPeople, FarPerson, Known};
use crate::engine::uplink::{Heard, Uplink};
use crate::secure::Key;
use crate::wire::{AudioHeader, Person};

/// The origin's clock is this far ahead, in µs.
const AHEAD_US: u64 = 500_000_000;

const CODEC: Codec = Codec::Int16;
const FRAMES: u32 = 480;

/// An origin and an edge, with an engine between them that is as quick as it can be.
struct Two {
    uplink: Uplink,
    edge: Edge,
    /// Their connections: a session each.
    origin_line: Session,
    edge_line: Session,
    now_us: u64,
    position: u64,
    told: Vec<Told>,
    /// What the origin is told of people: the run of their edge and they, or who speaks and what.
    people: Vec<(u64, FarPeople)>,
    voices: Vec<(u64, u32, Vec<u8>)>,
    /// What is published on the way to the edge is lost.
    is_cut: bool,
}

fn ready() -> Session {
    let mut session = Session::new(&Who::default(), false, 0);
    session.read(b"INFO {\"max_payload\":65536}\r\nPONG\r\n", 0, |_, _| {}).unwrap();
    session.wrote(session.waiting().len());
    session
}

/// What a client says, as an engine reads it: subject, where an answer goes, what was said.
fn published(session: &mut Session) -> Vec<(String, Option<String>, Vec<u8>)> {
    let said = session.waiting().to_vec();
    session.wrote(said.len());
    let (mut found, mut rest) = (Vec::new(), &*said);
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        rest = &rest[end + 2..];
        let words: Vec<&str> = line.split(' ').collect();
        if words[0] == "PUB" {
            let length: usize = words[words.len() - 1].parse().unwrap();
            let reply = (words.len() == 4).then(|| words[2].to_owned());
            found.push((words[1].to_owned(), reply, rest[..length].to_vec()));
            rest = &rest[length + 2..];
        }
    }
    found
}

impl Two {
    fn meet() -> Self {
        let backbone = Backbone::new(&Key::new([7; 32]));
        let mut two = Self {
            uplink: Uplink::new(&backbone, 5, Stream::example()),
            edge: Edge::new(&backbone, 9, "Balcony"),
            origin_line: ready(),
            edge_line: ready(),
            now_us: 1_000_000,
            position: 0,
            told: Vec::new(),
            people: Vec::new(),
            voices: Vec::new(),
            is_cut: false,
        };
        two.edge.want(&mut two.edge_line, |codec| codec == CODEC, 3, two.now_us);
        two
    }

    /// So long passes, in steps of 10 ms, with a frame of sound in each.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.now_us += 10_000;
            let header = AudioHeader {
                flags: 0,
                frames: FRAMES,
                position: self.position,
                captured_us: self.now_us + AHEAD_US,
            };
            let samples = vec![self.position as f32 / 1e9; FRAMES as usize * 2];
            let frame = AudioFrame::pcm(CODEC, header, &samples, &mut Dither::default()).unwrap();
            self.position += u64::from(FRAMES);
            self.uplink.take(&frame, self.now_us + AHEAD_US);
            self.talk();
        }
    }

    /// Both say what they have to say, until nobody has.
    fn talk(&mut self) {
        loop {
            let told = &mut self.told;
            self.edge.speak(&mut self.edge_line, self.now_us, |what| told.push(what));
            self.uplink.speak(&mut self.origin_line, self.now_us + AHEAD_US);
            let (up, down) = (published(&mut self.edge_line), published(&mut self.origin_line));
            if up.is_empty() && down.is_empty() {
                return;
            }
            for (subject, reply, body) in up {
                let number = match &subject {
                    subject if subject.ends_with("want") => 1,
                    subject if subject.ends_with("time") => 2,
                    subject if subject.ends_with("people") => 4,
                    subject if subject.ends_with("voice") => 5,
                    _ => 3,
                };
                let (uplink, now_us) = (&mut self.uplink, self.now_us + AHEAD_US);
                let (people, voices) = (&mut self.people, &mut self.voices);
                through(&mut self.origin_line, number, reply.as_deref(), &body, |writer, body| {
                    uplink.hear(
                        number,
                        reply.as_deref(),
                        body,
                        now_us,
                        writer,
                        |heard| match heard {
                            Heard::People { run, people: those } => people.push((run, those)),
                            Heard::Voice { run, person, frame } => {
                                voices.push((run, person, frame.to_vec()));
                            }
                        },
                    );
                });
            }
            for (subject, _, body) in down {
                let is_sound = subject.contains("audio") || subject.contains(".own.");
                if self.is_cut && is_sound {
                    continue;
                }
                let number = match &subject {
                    subject if subject.ends_with("stream") => STREAM,
                    subject if subject.ends_with("time") => TIME,
                    subject if subject.ends_with("past") => MISSED,
                    subject if subject.ends_with("everybody") => EVERYBODY,
                    subject if subject.contains(".own.") => OWN,
                    subject if subject.ends_with(".own") => MISSED_OWN,
                    _ => number(CODEC),
                };
                let (edge, told, now_us) = (&mut self.edge, &mut self.told, self.now_us);
                through(&mut self.edge_line, number, None, &body, |writer, body| {
                    edge.hear(number, body, now_us, writer, |what| told.push(what));
                });
            }
        }
    }

    fn heard(&self) -> Vec<AudioHeader> {
        let frames = self.told.iter().filter_map(|told| match told {
            Told::Frame(frame) => Some(*frame.header()),
            _ => None,
        });
        frames.collect()
    }

    fn begun(&self) -> usize {
        self.told.iter().filter(|told| matches!(told, Told::Begins(_))).count()
    }
}

/// A message of an engine to whoever has that session.
fn through(
    session: &mut Session,
    number: u64,
    reply: Option<&str>,
    body: &[u8],
    mut hear: impl FnMut(&mut Writer, &[u8]),
) {
    let reply = reply.map(|reply| format!("{reply} ")).unwrap_or_default();
    let mut bytes = format!("MSG x {number} {reply}{}\r\n", body.len()).into_bytes();
    bytes.extend(body);
    bytes.extend(b"\r\n");
    let read = session.read(&bytes, 0, |writer, event| {
        if let Event::Message { payload, .. } = event {
            hear(writer, payload);
        }
    });
    read.unwrap();
}

#[test]
fn an_edge_hands_on_every_frame_once_in_order_and_in_its_own_time() {
    let mut two = Two::meet();
    two.pass(5_000);
    assert_eq!(two.begun(), 1);
    let heard = two.heard();
    assert!(heard.len() > 400, "{}", heard.len());
    for pair in heard.windows(2) {
        assert_eq!(pair[1].position, pair[0].position + u64::from(FRAMES));
    }
    let last = heard[heard.len() - 1];
    assert!(last.captured_us.abs_diff(two.now_us) < 1_000, "{last:?} at {}", two.now_us);
    assert_eq!(two.edge.counts.gaps, 0);
    let edges: Vec<_> = two.uplink.edges(two.now_us + AHEAD_US).collect();
    assert_eq!((&*edges[0].name, edges[0].listeners), ("Balcony", 3));
}

#[test]
fn what_was_missed_is_asked_for_and_comes_in_its_place() {
    let mut two = Two::meet();
    two.pass(2_000);
    two.is_cut = true;
    two.pass(200);
    two.is_cut = false;
    two.pass(1_000);
    let heard = two.heard();
    for pair in heard.windows(2) {
        assert_eq!(pair[1].position, pair[0].position + u64::from(FRAMES));
    }
    assert_eq!(two.edge.counts.gaps, 0);
    // Those that were lost, and the one by which that was seen.
    assert_eq!(two.uplink.counts().again, 21);
}

#[test]
fn what_is_older_than_anybody_plays_is_missing_and_counted() {
    let mut two = Two::meet();
    two.pass(2_000);
    two.is_cut = true;
    two.pass(1_000);
    two.is_cut = false;
    two.pass(1_000);
    let counts = two.edge.counts;
    assert_eq!(counts.gaps, 1);
    let again = two.uplink.counts().again;
    assert!((25..=31).contains(&again), "{again} frames of 300 ms");
}

#[test]
fn an_origin_that_is_gone_makes_room_for_another_and_one_that_is_there_does_not() {
    let mut two = Two::meet();
    two.pass(1_000);
    let backbone = Backbone::new(&Key::new([7; 32]));
    let other = Stream { session: "fedcba9876543210".to_owned(), ..Stream::example() };
    let first = std::mem::replace(&mut two.uplink, Uplink::new(&backbone, 6, other.clone()));
    two.pass(1_000);
    assert!(two.told.iter().any(|told| matches!(told, Told::Another)));
    assert_eq!(two.begun(), 1);
    two.pass(4_000);
    assert_eq!(two.begun(), 2, "the first has said nothing for seconds");
    drop(first);
}

#[test]
fn what_nobody_can_have_said_is_refused() {
    let mut two = Two::meet();
    two.pass(1_000);
    let (edge, mut writer) = (&mut two.edge, Writer::default());
    for number in [STREAM, TIME, MISSED, number(CODEC)] {
        edge.hear(number, &[0; 100], two.now_us, &mut writer, |_| panic!("it is handed on"));
        edge.hear(number, b"", two.now_us, &mut writer, |_| panic!("it is handed on"));
    }
    edge.hear(99, b"", two.now_us, &mut writer, |_| panic!("it is handed on"));
    assert_eq!(edge.counts.refused, 8);
}

#[test]
fn whoever_comes_later_hears_at_once_what_was_captured_a_delay_ago() {
    let mut two = Two::meet();
    two.pass(2_000);
    two.edge.want(&mut two.edge_line, |_| false, 0, two.now_us);
    two.pass(1_000);
    two.told.clear();
    two.edge.want(&mut two.edge_line, |codec| codec == CODEC, 1, two.now_us);
    let came_us = two.now_us;
    two.pass(1_000);
    let heard = two.heard();
    let before_us = came_us - heard[0].captured_us;
    assert!((280_000..=300_000).contains(&before_us), "{before_us} µs of 300 ms");
    for pair in heard.windows(2) {
        assert_eq!(pair[1].position, pair[0].position + u64::from(FRAMES));
    }
}

#[test]
fn an_edge_to_which_all_sound_comes_too_late_goes_another_way() {
    let mut two = Two::meet();
    two.pass(2_000);
    assert!(!two.edge.is_behind(two.now_us));
    let (edge, mut writer) = (&mut two.edge, Writer::default());
    let backbone = Backbone::new(&Key::new([7; 32]));
    let mut mouth = Mouth::new(&backbone, Role::Origin, 5);
    // Counters of that run that were not used so far.
    (0..2_000).for_each(|_| drop(mouth.seal("", b"")));
    let mut late = |edge: &mut Edge, now_us: u64| {
        let header = AudioHeader {
            flags: 0,
            frames: FRAMES,
            position: 0,
            captured_us: now_us + AHEAD_US - 400_000,
        };
        let samples = vec![0.0; FRAMES as usize * 2];
        let frame = AudioFrame::pcm(CODEC, header, &samples, &mut Dither::default()).unwrap();
        let subject = &Subjects::new(&backbone).audio[CODEC.index()];
        let message = mouth.seal(subject, frame.typed());
        edge.hear(number(CODEC), &message, now_us, &mut writer, |_| {});
    };
    let from_us = two.now_us;
    for ms in (0..=1_000).step_by(100) {
        assert!(!edge.is_behind(from_us + ms * 1_000 - 1), "{ms}");
        late(edge, from_us + ms * 1_000);
    }
    assert!(edge.is_behind(from_us + BEHIND_US));
    edge.begin(&mut Writer::default());
    assert!(!edge.is_behind(from_us + BEHIND_US), "another connection has its own time");
}

/// Somebody at the edge who hears another softer.
fn ann() -> FarPerson {
    FarPerson {
        person: 3,
        connection: 7,
        id: "1".to_owned(),
        name: "Ann".to_owned(),
        codec: "s16".to_owned(),
        microphone: None,
        is_muted: false,
        is_deaf: false,
        volumes: [(1, 50)].into(),
    }
}

#[test]
fn the_origin_is_told_who_is_at_an_edge_at_once_and_again_and_the_edge_who_is_elsewhere() {
    let mut two = Two::meet();
    two.edge.let_people_speak();
    let ann = FarPeople { people: vec![ann()] };
    two.pass(1_000);
    two.edge.tell_people(ann.clone());
    two.pass(20);
    assert_eq!(two.people, [(9, ann.clone())]);
    two.pass(5_000);
    assert!((5..=7).contains(&two.people.len()), "{}", two.people.len());
    let who = Person {
        person: 1,
        name: "Bob".to_owned(),
        can_talk: true,
        is_muted: false,
        is_deaf: false,
        is_speaking: false,
    };
    let known = Known { who, at: None };
    let everybody = Everybody { people: vec![known], listening: 4, most_talkers: 16 };
    two.uplink.tell_everybody(everybody.clone());
    two.pass(20);
    let told = |told: &&Told| matches!(told, Told::Everybody(those) if *those == everybody);
    assert_eq!(two.told.iter().filter(told).count(), 1);
}

#[test]
fn what_somebody_at_an_edge_says_comes_with_the_origins_time_and_own_sound_with_the_edges() {
    let mut two = Two::meet();
    two.edge.let_people_speak();
    let header = AudioHeader { flags: 0, frames: 2, position: 40, captured_us: two.now_us };
    assert!(!two.edge.say(&mut two.edge_line, 3, header, &[1; 4]), "no clock is known yet");
    two.pass(1_000);
    let header = AudioHeader { captured_us: two.now_us, ..header };
    assert!(two.edge.say(&mut two.edge_line, 3, header, &[1; 4]));
    two.talk();
    let [(9, 3, said)] = &two.voices[..] else { panic!("{:?}", two.voices) };
    let (said, payload) = AudioHeader::split(said).unwrap();
    assert_eq!((said.position, said.frames, payload), (40, 2, &[1; 4][..]));
    assert!(said.captured_us.abs_diff(two.now_us + AHEAD_US) < 1_000);

    let captured_us = two.now_us + AHEAD_US;
    let header = AudioHeader { flags: 0, frames: 480, position: 960, captured_us };
    let frame = AudioFrame::pcm(CODEC, header, &[0.5; 960], &mut Dither::default()).unwrap();
    two.uplink.take_own(9, 3, frame.clone());
    two.uplink.take_own(8, 3, frame);
    two.talk();
    let own = two.told.iter().filter_map(|told| match told {
        Told::Own(person, frame) => Some((*person, *frame.header())),
        _ => None,
    });
    let [(3, header)] = own.collect::<Vec<_>>()[..] else { panic!("its own, and no other's") };
    assert_eq!(header.position, 960);
    assert!(header.captured_us.abs_diff(two.now_us) < 1_000);
}

#[test]
fn an_edge_where_nobody_may_speak_says_and_asks_nothing_of_people() {
    let mut two = Two::meet();
    two.edge.tell_people(FarPeople { people: vec![ann()] });
    two.pass(3_000);
    assert!(two.people.is_empty());
}

#[test]
fn sound_for_one_person_waits_for_what_everybody_gets_before_it() {
    let mut two = Two::meet();
    two.edge.let_people_speak();
    two.pass(1_000);
    two.is_cut = true;
    two.pass(20);
    two.is_cut = false;
    two.told.clear();
    // What is missing is asked for, and what comes meanwhile waits.
    two.now_us += 10_000;
    let captured_us = two.now_us + AHEAD_US;
    let position = two.position;
    let header = AudioHeader { flags: 0, frames: FRAMES, position, captured_us };
    let frame = AudioFrame::pcm(CODEC, header, &[0.5; 960], &mut Dither::default()).unwrap();
    two.uplink.take(&frame, captured_us);
    two.uplink.take_own(9, 3, frame);
    two.talk();
    let order: Vec<_> = two
        .told
        .iter()
        .filter_map(|told| match told {
            Told::Frame(frame) => Some((false, frame.header().position)),
            Told::Own(_, frame) => Some((true, frame.header().position)),
            _ => None,
        })
        .collect();
    let step = u64::from(FRAMES);
    let all = [
        (false, position - 2 * step),
        (false, position - step),
        (false, position),
        (true, position),
    ];
    assert_eq!(order, all);
}

#[test]
fn what_one_person_has_missed_is_asked_for_and_comes_in_its_place() {
    let mut two = Two::meet();
    two.edge.let_people_speak();
    two.edge.tell_people(FarPeople { people: vec![ann()] });
    two.pass(1_000);
    two.told.clear();
    for n in 0..20_u64 {
        two.is_cut = (5..10).contains(&n);
        two.pass(10);
        let captured_us = two.now_us + AHEAD_US;
        let position = n * u64::from(FRAMES);
        let header = AudioHeader { flags: 0, frames: FRAMES, position, captured_us };
        let frame = AudioFrame::pcm(CODEC, header, &[0.5; 960], &mut Dither::default()).unwrap();
        two.uplink.take_own(9, 3, frame);
        two.talk();
    }
    let own = two.told.iter().filter_map(|told| match told {
        Told::Own(3, frame) => Some(frame.header().position / u64::from(FRAMES)),
        _ => None,
    });
    assert_eq!(own.collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    assert_eq!(two.edge.counts.gaps, 0);
}
