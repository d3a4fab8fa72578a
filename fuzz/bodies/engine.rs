//! What an engine says, and what is said by way of one: whatever it is.

use auralync::engine::edge::{Edge, Told};
use auralync::engine::nats::{Event, MAX_LINE, MAX_PAYLOAD, MOST_WAITING, Session, Who, Writer};
use auralync::engine::people::MOST_FAR;
use auralync::engine::said::Stream;
use auralync::engine::sealed::{Backbone, Mouth, Role};
use auralync::engine::uplink::{Heard, Uplink};
use auralync::secure::Key;

use super::input::Input;
use super::watch::Body;

/// A connection's buffers, and what an edge keeps of its origin.
pub const BODY: Body = Body { name: "engine", run, most_bytes: 4 << 20, tries: 2_000 };

/// Most operations of a run: beyond it nothing new happens.
const MOST_STEPS: usize = 64;

/// What is said for the engine's ears alone is sealed rightly, so that what is behind the seal is tried too.
const SUBJECTS: [&str; 6] =
    ["stream", "time", "past", "everybody", "own.0000000000000009", "audio.s16"];

/// More messages than the meeting of a run has.
const USED: usize = 16;

/// The numbers of an edge's subscriptions: the stream, the time, what was missed, everybody, own sound; sound of s16.
const SUBSCRIPTIONS: [u64; 6] = [1, 2, 3, 4, 5, 9];

fn run(data: &[u8]) {
    let mut input = Input(data);
    let backbone = Backbone::new(&Key::new([7; 32]));
    let mut session = Session::new(&Who::default(), false, 0);
    let mut edge = Edge::new(&backbone, 9, "Balcony");
    edge.let_people_speak();
    let mut uplink = Uplink::new(&backbone, 5, Stream::example());
    let (mut origin, mut other) =
        (Mouth::new(&backbone, Role::Origin, 5), Mouth::new(&backbone, Role::Edge, 9));
    let (mut now_us, mut writer, mut is_open) = (1_000_000_u64, Writer::default(), true);
    meet(&mut session, &mut edge, &mut uplink, now_us);
    // Those that the meeting has used.
    (0..USED).for_each(|_| drop(origin.seal("", b"")));
    for _ in 0..MOST_STEPS {
        let Some(what) = input.byte() else { break };
        let size = input.large() as usize;
        let bytes = input.take(size);
        match what & 7 {
            0..=2 if is_open => {
                let read = session.read(bytes, now_us, |_, event| {
                    if let Event::Message { payload, .. } = event {
                        assert!(payload.len() <= MAX_PAYLOAD);
                    }
                });
                is_open = read.is_ok();
            }
            0..=2 => {
                (session, is_open) = (Session::new(&Who::default(), what & 8 != 0, now_us), true);
            }
            3 | 4 => {
                let at = usize::from(what >> 4) % SUBJECTS.len();
                let sealed = origin.seal(&backbone.subject(SUBJECTS[at]), bytes);
                let message = if what & 8 == 0 { &sealed } else { bytes };
                edge.hear(SUBSCRIPTIONS[at], message, now_us, &mut writer, |told| {
                    if let Told::Begins(stream) | Told::Changes(stream) = told {
                        assert!(stream.format().channels > 0 && stream.longest() < 1 << 20);
                    }
                });
            }
            5 => {
                let at = u64::from(what >> 4) % 6;
                let about = ["", "want", "time", "past", "people", "voice"][at as usize];
                let sealed = other.seal(&backbone.subject(about), bytes);
                uplink.hear(at, Some("_INBOX.1"), &sealed, now_us, &mut writer, |heard| {
                    if let Heard::People { people, .. } = heard {
                        assert!(people.people.len() <= MOST_FAR);
                    }
                });
            }
            6 => now_us += input.small() * 10_000,
            _ => {
                edge.speak(&mut session, now_us, |_| {});
                uplink.speak(&mut session, now_us);
                is_open &= session.mind(now_us).is_ok();
            }
        }
        assert!(session.waiting().len() <= MOST_WAITING + MAX_LINE);
        let said = writer.waiting().len();
        writer.wrote(said);
        assert!(uplink.edges(now_us).count() <= 1_024);
    }
}

/// The edge asks for the origin's clock and is answered, so that it believes what that run says.
fn meet(session: &mut Session, edge: &mut Edge, uplink: &mut Uplink, now_us: u64) {
    let greeting = b"INFO {\"max_payload\":65536}\r\nPONG\r\n";
    assert!(session.read(greeting, now_us, |_, _| {}).is_ok());
    edge.speak(session, now_us, |_| {});
    let asked = session.waiting().to_vec();
    session.wrote(asked.len());
    let mut answers = Writer::default();
    published(&asked, |subject, message| {
        if subject.ends_with(".time") {
            uplink.hear(2, Some("_INBOX.1"), message, now_us, &mut answers, |_| {});
        }
    });
    published(answers.waiting(), |_, message| {
        edge.hear(2, message, now_us, &mut Writer::default(), |_| {});
    });
    assert!(edge.ours_us(0).is_some(), "the clock is known");
}

/// What was published: lines `PUB SUBJECT [REPLY] LENGTH`, each with a message behind it, among others.
fn published(mut bytes: &[u8], mut tell: impl FnMut(&str, &[u8])) {
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let (line, rest) = (&bytes[..end], &bytes[end + 2..]);
        bytes = rest;
        let line = std::str::from_utf8(line).unwrap_or_default();
        let mut words = line.split(' ');
        if words.next() != Some("PUB") {
            continue;
        }
        let subject = words.next().unwrap_or_default();
        let length: usize = words.next_back().and_then(|word| word.parse().ok()).unwrap_or(0);
        tell(subject, &rest[..length]);
        bytes = &rest[length + 2..];
    }
}
