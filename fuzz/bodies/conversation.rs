//! A listener's side: whatever a server says.

use std::hash::{DefaultHasher, Hash, Hasher};

use auralync::codec::wishes;
use auralync::format::{Format, MAX_SAMPLE};
use auralync::playout::frames::Sound;
use auralync::recv::decode::{Conversation, Event, hello};
use auralync::wire::{
    AuralyncKey, Config, Deframer, MAX_JSON, MAX_PEOPLE, MAX_SERVER_FRAME, VERSION, Welcome,
};

use super::input::Input;
use super::watch::Body;

/// The longest frame twice over (as it comes and as samples), and what a JSON text becomes.
pub const BODY: Body = Body {
    name: "conversation",
    run,
    most_bytes: 4 * MAX_SERVER_FRAME as i64 + 16 * MAX_JSON as i64,
    tries: 1_500,
};

/// Bits of the first byte: known before, a config comes first, a welcome after it, which codec (two
/// bits), stereo, cut anywhere.
fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(mode) = input.byte() else { return };
    let piece = input.small() as usize + 1;
    let mut stream = Vec::new();
    if mode & 2 != 0 {
        let key = Some(AuralyncKey { version: VERSION, hold: false, room: None });
        let config = Config { sample_rate: 48_000, channels: 2, chunk_size: 960, auralync: key };
        stream.extend(config.frame());
        if mode & 4 != 0 {
            let codec = ["f32", "s24", "s16", "opus"][usize::from(mode >> 3 & 3)];
            stream.extend(welcome(codec, 1 + u16::from(mode >> 5 & 1)).frame());
        }
    }
    stream.extend(input.0);
    let heard = hear(&stream, piece, mode & 1 != 0);
    if mode & 0x40 != 0 {
        assert_eq!(heard, hear(&stream, stream.len().max(1), mode & 1 != 0), "wherever TCP cut");
    }
}

fn welcome(codec: &str, channels: u16) -> Welcome {
    Welcome {
        version: VERSION,
        session: "1".into(),
        name: "n".into(),
        format: Format { sample_rate: 48_000, channels },
        codec: codec.into(),
        chunk_size: 960,
        position_rate: 48_000,
        algorithmic_delay: 312,
        playout_delay_ms: 300,
        ping_ms: 250,
        accepts: Default::default(),
        person: Some(1),
        captured_output: None,
        also_captured: Vec::new(),
        within_ms: None,
        via: Vec::new(),
        datagrams: None,
        room: None,
    }
}

/// What was understood, as one number, and whether it ended in a violation.
fn hear(stream: &[u8], piece: usize, is_known: bool) -> (u64, bool) {
    let mut hello = hello("id".into(), "me");
    hello.codecs = wishes("f32");
    let mut conversation = Conversation::new(hello, is_known);
    let mut deframer = Deframer::new(conversation.limits());
    let mut heard = DefaultHasher::new();
    let (mut was_begun, mut was_typed) = (false, false);
    for piece in stream.chunks(piece) {
        deframer.push(piece);
        loop {
            let limits = conversation.limits();
            deframer.set_limits(limits);
            let frame = match deframer.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => return (heard.finish(), true),
            };
            let is_sound = conversation.is_sound(&frame);
            let Ok(event) = conversation.take(frame) else {
                return (heard.finish(), true);
            };
            std::mem::discriminant(&event).hash(&mut heard);
            assert_eq!(matches!(event, Event::Audio(_)), is_sound, "{event:?}");
            match event {
                Event::Audio(Sound {
                    position, captured_us, frames, concealed, samples, ..
                }) => {
                    assert!(samples.iter().all(|sample| sample.abs() <= MAX_SAMPLE));
                    assert!(frames == 0 || samples.len().is_multiple_of(frames as usize));
                    assert!(position < 1 << 62 && captured_us.is_none_or(|us| us < 1 << 62));
                    assert!(samples.is_empty() || frames > 0);
                    (position, captured_us, frames, concealed).hash(&mut heard);
                }
                Event::People(people) => assert!(people.people.len() <= MAX_PEOPLE),
                Event::Say(bytes) => bytes.hash(&mut heard),
                Event::Full(_) => return (heard.finish(), false),
                _ => {}
            }
            assert!(conversation.has_begun() || !was_begun, "back to the beginning");
            assert!(conversation.is_typed() || !was_typed, "back to plain frames");
            (was_begun, was_typed) = (conversation.has_begun(), conversation.is_typed());
        }
        let longest = conversation.limits();
        assert!(deframer.pending() < 4 + longest.plain.max(longest.typed));
    }
    (heard.finish(), false)
}
