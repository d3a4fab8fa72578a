//! `tests/vectors/`: what each message means (`.json`) and its bytes (`.bin`), in both directions.
//!
//! A new vector: write the `.json`, run the test, check the bytes that it prints by hand against
//! `docs/protocol.md`, and save them as the `.bin`. A vector marked `read_only` is written as some
//! other program might; ours reads it and would write it differently.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use auralync::codec::{Codec, Decoder, pcm};
use auralync::wire::Path as Way;
use auralync::wire::{
    AUDIO_HEADER, AudioFrame, AudioHeader, AuralyncKey, Changes, Config, Deframer, Epochs, Frame,
    Full, Hello, Limits, MAX_CLIENT_FRAME, MAX_JSON, MAX_SERVER_FRAME, Notice, Offer, OfferAnswer,
    People, Ping, Pong, Report, ServerFirst, Switch, Violation, Welcome, Wish, kind, plain,
    talk_frame, typed,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

type Fields = Map<String, Value>;

/// One message: who says it, what it is called, what it says.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Step {
    pub(crate) from: String,
    pub(crate) message: String,
    fields: Fields,
}

/// A vector of one message.
struct Vector {
    name: String,
    step: Step,
    read_only: bool,
    bytes: Vec<u8>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Every name in the folder, without its ending; each has both files.
fn names() -> BTreeSet<String> {
    let of = |ending: &str| -> BTreeSet<String> {
        std::fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == ending))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(of("json"), of("bin"), "each vector is a .json and a .bin");
    of("json")
}

fn meaning(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.bin"))).unwrap()
}

/// Vector 001: its messages in order, and all their bytes.
pub(crate) fn session() -> (Vec<Step>, Vec<u8>) {
    let steps = meaning("001-session")["steps"].take();
    (serde_json::from_value(steps).unwrap(), bytes("001-session"))
}

fn single_messages() -> Vec<Vector> {
    let names = names();
    let singles = names.into_iter().filter(|name| name != "001-session");
    singles
        .map(|name| {
            let meaning = meaning(&name);
            Vector {
                read_only: meaning["read_only"] == true,
                step: serde_json::from_value(meaning).unwrap(),
                bytes: bytes(&name),
                name,
            }
        })
        .collect()
}

/// The bytes of every vector, for tests that change them.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    single_messages().into_iter().map(|vector| vector.bytes).collect()
}

fn of<T: DeserializeOwned>(fields: &Fields) -> T {
    serde_json::from_value(Value::Object(fields.clone())).unwrap()
}

fn number(fields: &Fields, key: &str) -> u64 {
    fields[key].as_u64().unwrap_or_else(|| panic!("{key} in {fields:?}"))
}

fn samples(fields: &Fields) -> Vec<f32> {
    serde_json::from_value(fields["samples"].clone()).unwrap()
}

/// What our writers make of a message.
pub(crate) fn encode(Step { message, fields, .. }: &Step) -> Vec<u8> {
    match message.as_str() {
        "config" => of::<Config>(fields).frame(),
        "server_full" => Full::Server.frame().to_vec(),
        "address_full" => Full::Address.frame().to_vec(),
        "plain_audio" => {
            let header = AudioHeader { flags: 0, frames: 0, position: 0, captured_us: 0 };
            let frame = AudioFrame::float32(header, &samples(fields));
            let (length, payload) = frame.plain();
            [length, payload].concat()
        }
        "hello" => of::<Hello>(fields).frame(),
        "welcome" => of::<Welcome>(fields).frame(),
        "audio" => audio(fields, header(fields)).typed().to_vec(),
        "talk" => {
            let header = header(fields);
            talk_frame(header, &audio(fields, header).typed()[AUDIO_HEADER..]).unwrap()
        }
        "wish" => of::<Wish>(fields).frame(),
        "path" => of::<Way>(fields).frame(),
        "offer" => of::<Offer>(fields).frame(),
        "answer" => of::<OfferAnswer>(fields).frame(),
        "epochs" => of::<Epochs>(fields).frame(),
        "switch" => of::<Switch>(fields).frame(),
        "people" => of::<People>(fields).frame(),
        "changes" => of::<Changes>(fields).frame(),
        "ping" => Ping { client_us: number(fields, "client_us") }.frame(),
        "pong" => Pong {
            client_us: number(fields, "client_us"),
            received_us: number(fields, "received_us"),
            sent_us: number(fields, "sent_us"),
        }
        .frame(),
        "report" => of::<Report>(fields).frame(),
        "notice" => of::<Notice>(fields).frame(),
        "unknown" => {
            let body = fields["body"].as_str().unwrap();
            typed(number(fields, "kind").try_into().unwrap(), &unhex(body))
        }
        other => panic!("no message is called {other}"),
    }
}

fn header(fields: &Fields) -> AudioHeader {
    AudioHeader {
        flags: number(fields, "flags").try_into().unwrap(),
        frames: number(fields, "frames").try_into().unwrap(),
        position: number(fields, "position"),
        captured_us: number(fields, "captured_us"),
    }
}

/// A frame of the codec that a vector names, or of float32. Integers come without dither.
fn audio(fields: &Fields, header: AudioHeader) -> AudioFrame {
    let samples = samples(fields);
    match fields.get("codec").and_then(Value::as_str) {
        None => AudioFrame::float32(header, &samples),
        Some("s16") => AudioFrame::new(Codec::Int16, header, samples.len() * 2, |payload| {
            pcm::write_int16(&samples, || 0.0, payload);
        }),
        Some("s24") => AudioFrame::new(Codec::Int24, header, samples.len() * 3, |payload| {
            pcm::write_int24(&samples, payload);
        }),
        Some(other) => panic!("no codec is called {other}"),
    }
}

/// What our readers make of the first frame in `bytes`, in the words of a vector: `None` while it
/// is incomplete. `like` says who speaks, and the layout that the config or the welcome has told.
fn decode(bytes: &[u8], like: &Step) -> Result<Option<(String, Value)>, Violation> {
    let limits = if like.from == "client" {
        Limits { plain: 0, typed: MAX_CLIENT_FRAME }
    } else {
        Limits { plain: MAX_JSON, typed: MAX_SERVER_FRAME }
    };
    let mut deframer = Deframer::new(limits);
    deframer.push(bytes);
    Ok(match deframer.next_frame()? {
        None => None,
        Some(Frame::Plain(payload)) if like.message == "plain_audio" => {
            let (frames, channels) = (number(&like.fields, "frames"), channels(like));
            let mut samples = Vec::new();
            pcm::read_float32(payload, frames.try_into().unwrap(), channels, &mut samples)?;
            let fields = json!({"channels": channels, "frames": frames, "samples": samples});
            Some(("plain_audio".into(), fields))
        }
        Some(Frame::Plain(payload)) => Some(match ServerFirst::read(payload)? {
            ServerFirst::Full(Full::Server) => ("server_full".into(), json!({})),
            ServerFirst::Full(Full::Address) => ("address_full".into(), json!({})),
            ServerFirst::Config(config) => ("config".into(), config_fields(&config)),
            ServerFirst::Private(room) => {
                ("private".into(), json!({ "key": room.key, "id": room.id }))
            }
        }),
        Some(Frame::Typed { kind, body }) => Some(read_typed(kind, body, like)?),
    })
}

fn read_typed(kind: u8, body: &[u8], like: &Step) -> Result<(String, Value), Violation> {
    let fields = |fields: serde_json::Result<Value>| fields.unwrap();
    Ok(match kind {
        kind::HELLO => ("hello".into(), fields(serde_json::to_value(Hello::read(body)?))),
        kind::WELCOME => ("welcome".into(), fields(serde_json::to_value(Welcome::read(body)?))),
        kind::AUDIO | kind::TALK => {
            let (header, payload) = AudioHeader::split(body)?;
            let channels = channels(like);
            let mut samples = Vec::new();
            let codec = like.fields.get("codec").and_then(Value::as_str);
            let mut decoder = Decoder::new(codec.unwrap_or("f32"), channels).unwrap();
            decoder.decode(payload, header.frames, channels, &mut samples)?;
            let AudioHeader { flags, frames, position, captured_us } = header;
            let mut fields = json!({
                "channels": channels, "flags": flags, "frames": frames, "position": position,
                "captured_us": captured_us, "samples": samples,
            });
            if let Some(codec) = codec {
                fields["codec"] = codec.into();
            }
            (if kind == kind::TALK { "talk" } else { "audio" }.into(), fields)
        }
        kind::WISH => ("wish".into(), fields(serde_json::to_value(Wish::read(body)?))),
        kind::PATH => ("path".into(), fields(serde_json::to_value(Way::read(body)?))),
        kind::OFFER => ("offer".into(), fields(serde_json::to_value(Offer::read(body)?))),
        kind::ANSWER => ("answer".into(), fields(serde_json::to_value(OfferAnswer::read(body)?))),
        kind::EPOCHS => ("epochs".into(), fields(serde_json::to_value(Epochs::read(body)?))),
        kind::SWITCH => ("switch".into(), fields(serde_json::to_value(Switch::read(body)?))),
        kind::PEOPLE => ("people".into(), fields(serde_json::to_value(People::read(body)?))),
        kind::CHANGES => ("changes".into(), fields(serde_json::to_value(Changes::read(body)?))),
        kind::PING => ("ping".into(), json!({"client_us": Ping::read(body)?.client_us})),
        kind::PONG => {
            let Pong { client_us, received_us, sent_us } = Pong::read(body)?;
            let fields = json!({
                "client_us": client_us, "received_us": received_us, "sent_us": sent_us,
            });
            ("pong".into(), fields)
        }
        kind::REPORT => ("report".into(), fields(serde_json::to_value(Report::read(body)?))),
        kind::NOTICE => ("notice".into(), fields(serde_json::to_value(Notice::read(body)?))),
        kind => ("unknown".into(), json!({"kind": kind, "body": hex(body)})),
    })
}

/// The channels that the reader was told of before; no audio frame says them itself.
fn channels(like: &Step) -> u16 {
    like.fields.get("channels").and_then(Value::as_u64).map_or(2, |n| n.try_into().unwrap())
}

fn config_fields(config: &Config) -> Value {
    let mut fields = json!({
        "sample_rate": config.sample_rate, "channels": config.channels,
        "chunk_size": config.chunk_size,
    });
    if let Some(AuralyncKey { version, hold, .. }) = config.auralync {
        fields["auralync"] = json!({"version": version, "hold": hold});
    }
    fields
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).unwrap_or_else(|| panic!("no hex digit: {c}")))
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte in {text}");
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn original(step: &Step) -> Option<(String, Value)> {
    Some((step.message.clone(), Value::Object(step.fields.clone())))
}

#[test]
fn every_vector_is_what_our_writers_write() {
    for Vector { name, step, read_only, bytes } in single_messages() {
        if !read_only {
            let ours = encode(&step);
            assert_eq!(hex(&ours), hex(&bytes), "{name}: ours on the left");
        }
    }
}

#[test]
fn every_vector_is_read_as_what_it_means() {
    for Vector { name, step, bytes, .. } in single_messages() {
        assert_eq!(decode(&bytes, &step), Ok(original(&step)), "{name}");
    }
}

#[test]
fn the_session_is_its_messages_one_after_the_other() {
    let (steps, bytes) = session();
    let mut rest = bytes.as_slice();
    for step in &steps {
        let expected = encode(step);
        let (head, tail) = rest.split_at_checked(expected.len()).expect("bytes of every message");
        assert_eq!(hex(head), hex(&expected), "{}", step.message);
        assert_eq!(decode(head, step), Ok(original(step)), "{}", step.message);
        rest = tail;
    }
    assert!(rest.is_empty(), "{} bytes too many", rest.len());
}

#[test]
fn every_kind_of_message_has_a_vector() {
    let known: BTreeSet<String> =
        single_messages().into_iter().map(|vector| vector.step.message).collect();
    let spoken = session().0.into_iter().map(|step| step.message).collect::<BTreeSet<_>>();
    let untyped =
        ["config", "server_full", "address_full", "plain_audio", "unknown"].map(str::to_owned);
    for (_, name) in kinds() {
        if super::private_vectors::NAMES.contains(&&*name) {
            continue;
        }
        assert!(known.contains(&name), "no vector for {name}");
        // The session is one of a program in an open room; only browsers want a data channel.
        let is_others = ["offer", "answer", "epochs"].contains(&&*name);
        assert!(is_others || spoken.contains(&name), "{name} is not in the session");
    }
    for name in untyped {
        assert!(known.contains(&name), "no vector for {name}");
    }
}

/// Numbers and names of all kinds of typed frames, from the code itself, so that a new one cannot
/// be forgotten here.
pub(crate) fn kinds() -> Vec<(u8, String)> {
    let source = include_str!("../../src/wire.rs");
    let (_, inside) = source.split_once("pub mod kind {").unwrap();
    let (inside, _) = inside.split_once("\n}").unwrap();
    let kinds: Vec<_> = inside
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub const "))
        .map(|constant| {
            let (name, value) = constant.split_once(": u8 = ").unwrap();
            (value.trim_end_matches(';').parse().unwrap(), name.to_lowercase())
        })
        .collect();
    assert!(kinds.contains(&(kind::PEOPLE, "people".to_owned())), "{kinds:?}");
    kinds
}

#[test]
fn an_incomplete_frame_is_no_message_yet() {
    for Vector { name, step, bytes, .. } in single_messages() {
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length], &step), Ok(None), "{name} cut to {length}");
        }
    }
}

#[test]
fn what_follows_a_frame_does_not_change_it() {
    for Vector { name, step, bytes, .. } in single_messages() {
        for next in [0x00, 0x20, 0x80, 0xff] {
            let longer = [bytes.as_slice(), &[next]].concat();
            assert_eq!(decode(&longer, &step), Ok(original(&step)), "{name} and {next:#x}");
        }
    }
}

/// A frame of that kind around another body, with a length that fits it.
fn reframed(frame: &[u8], body: &[u8]) -> Vec<u8> {
    if frame[0] & 0x80 == 0 { plain(body) } else { typed(frame[4], body) }
}

#[test]
fn a_body_cut_anywhere_or_one_byte_longer_is_never_read_as_another_message() {
    for Vector { name, step, bytes, .. } in single_messages() {
        let body = &bytes[if bytes[0] & 0x80 == 0 { 4 } else { 5 }..];
        let shorter = (0..body.len()).map(|length| body[..length].to_vec());
        let longer = [0x00, 0x20, 0x31, 0x7d, 0xff].map(|byte| [body, &[byte]].concat());
        for changed in shorter.chain(longer) {
            match decode(&reframed(&bytes, &changed), &step) {
                Err(_) => {}
                Ok(read) if step.message == "unknown" => {
                    assert_eq!(read.unwrap().0, "unknown", "{name}");
                }
                Ok(read) => {
                    assert_eq!(read, original(&step), "{name} with {} bytes", changed.len());
                }
            }
        }
    }
}

#[test]
fn a_length_one_above_its_limit_is_refused_before_its_bytes_come() {
    let cases = [
        ("client", 0x8000_0000, MAX_CLIENT_FRAME),
        ("server", 0x8000_0000, MAX_SERVER_FRAME),
        ("server", 0, MAX_JSON),
    ];
    for (from, top, limit) in cases {
        let like = Step { from: from.into(), message: "unknown".into(), fields: Fields::new() };
        let length = u32::try_from(limit).unwrap();
        assert_eq!(decode(&(top | length).to_be_bytes(), &like), Ok(None));
        assert_eq!(
            decode(&(top | (length + 1)).to_be_bytes(), &like),
            Err(Violation::TooLong { length: length + 1, limit })
        );
    }
}
