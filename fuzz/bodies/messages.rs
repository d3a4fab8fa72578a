//! Every message that is JSON or a few numbers: what is read keeps its bounds, and what is written of
//! it reads as it was.

use auralync::format::{MAX_STREAM_CHANNELS, MAX_STREAM_RATE};
use auralync::wire::{
    AudioHeader, Hello, MAX_AUDIO_PAYLOAD, MAX_CLIENT_FRAME, MAX_JSON, MAX_PEOPLE,
    MAX_PEOPLE_BYTES, MAX_PLAYOUT_DELAY_MS, MAX_VOLUME_PERCENT, Microphone, Notice, People, Ping,
    Pong, Report, ServerFirst, VERSION, Welcome, Wish, talk_frame,
};

use super::watch::Body;

/// The longest JSON, as values.
pub const BODY: Body =
    Body { name: "messages", run, most_bytes: 64 * MAX_PEOPLE_BYTES as i64, tries: 3_000 };

/// Bytes of a typed frame before its body.
const BEFORE: usize = 5;

/// Longest name or id that is kept, in characters, as `docs/protocol.md` has it.
const LONGEST_NAME: usize = 64;

fn run(data: &[u8]) {
    let Some((which, body)) = data.split_first() else { return };
    match which % 11 {
        0 => hello(body),
        1 => welcome(body),
        2 => report(body),
        3 => notice(body),
        4 => wish(body),
        5 => people(body),
        6 => first(body),
        7 => {
            if let Ok(ping) = Ping::read(body) {
                assert_eq!(Ping::read(&ping.frame()[BEFORE..]), Ok(ping));
            }
        }
        8 => {
            if let Ok(pong) = Pong::read(body) {
                assert_eq!(Pong::read(&pong.frame()[BEFORE..]), Ok(pong));
            }
        }
        9 => talk(body),
        _ => {
            if let Ok(microphone) = serde_json::from_slice::<Microphone>(body)
                && let Some(format) = microphone.format()
            {
                assert!((8_000..=MAX_STREAM_RATE).contains(&format.sample_rate));
                assert!((1..=MAX_STREAM_CHANNELS).contains(&format.channels));
            }
        }
    }
}

fn is_tame(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.contains(char::is_control)
}

fn hello(body: &[u8]) {
    let Ok(hello) = Hello::read(body) else { return };
    assert!(hello.version >= 2 && !hello.id.is_empty());
    assert!(is_tame(&hello.id, LONGEST_NAME) && is_tame(&hello.name, LONGEST_NAME));
    assert!(hello.codecs.len() <= 16);
    again(Hello::read, hello.frame(), &hello);
}

fn welcome(body: &[u8]) {
    let Ok(welcome) = Welcome::read(body) else { return };
    assert!((1..=VERSION).contains(&welcome.version));
    assert!((1..=MAX_STREAM_RATE).contains(&welcome.format.sample_rate));
    assert!((1..=MAX_STREAM_CHANNELS).contains(&welcome.format.channels));
    assert!(welcome.format.samples(welcome.chunk_size as usize) * 4 <= MAX_AUDIO_PAYLOAD);
    assert!(welcome.playout_delay_ms <= MAX_PLAYOUT_DELAY_MS);
    assert!(welcome.longest_talk().is_none_or(|bytes| bytes <= MAX_CLIENT_FRAME));
    again(Welcome::read, welcome.frame(), &welcome);
}

fn report(body: &[u8]) {
    let Ok(report) = Report::read(body) else { return };
    let read = Report::read(&report.frame()[BEFORE..]).expect("our own report");
    let Report { underruns, lost_frames, extra_ms, .. } = report;
    assert_eq!(
        (read.underruns, read.lost_frames, read.extra_ms),
        (underruns, lost_frames, extra_ms)
    );
    // The last digit of a fraction may differ.
    let is_near = |a: f64, b: f64| a == b || (a - b).abs() <= a.abs() * 1e-14;
    assert!(is_near(read.ppm, report.ppm) && is_near(read.buffered_ms, report.buffered_ms));
    assert!(is_near(read.output_latency_ms, report.output_latency_ms));
}

fn notice(body: &[u8]) {
    let Ok(notice) = Notice::read(body) else { return };
    assert!(is_tame(&notice.text, 300));
    assert!(notice.playout_delay_ms.is_none_or(|ms| ms <= MAX_PLAYOUT_DELAY_MS));
    again(Notice::read, notice.frame(), &notice);
}

fn wish(body: &[u8]) {
    let Ok(wish) = Wish::read(body) else { return };
    let is_named = |name: &String| !name.is_empty() && is_tame(name, LONGEST_NAME);
    assert!(wish.name.as_ref().is_none_or(is_named));
    assert!(wish.volumes.len() <= MAX_PEOPLE);
    assert!(wish.volumes.values().all(|percent| *percent <= MAX_VOLUME_PERCENT));
    again(Wish::read, wish.frame(), &wish);
}

fn people(body: &[u8]) {
    let Ok(people) = People::read(body) else { return };
    assert!(people.people.len() <= MAX_PEOPLE);
    assert!(people.people.iter().all(|person| is_tame(&person.name, LONGEST_NAME)));
    let frame = people.frame();
    assert!(frame.len() < BEFORE + MAX_PEOPLE_BYTES, "what was read can be said");
    again(People::read, frame, &people);
}

fn first(payload: &[u8]) {
    let Ok(ServerFirst::Config(config)) = ServerFirst::read(payload) else { return };
    assert!((1..=MAX_STREAM_RATE).contains(&config.sample_rate));
    assert!((1..=MAX_STREAM_CHANNELS).contains(&config.channels));
    assert!(config.payload_bytes() > 0 && config.payload_bytes() <= MAX_AUDIO_PAYLOAD);
    let frame = config.frame();
    assert!(frame.len() <= 4 + MAX_JSON);
    assert_eq!(ServerFirst::read(&frame[4..]), Ok(ServerFirst::Config(config)));
}

fn talk(body: &[u8]) {
    let Ok((header, payload)) = AudioHeader::split(body) else { return };
    assert!(header.position < 1 << 62 && header.captured_us < 1 << 62);
    match talk_frame(header, payload) {
        Some(frame) => {
            assert_eq!(AudioHeader::split(&frame[BEFORE..]), Ok((header, payload)));
        }
        None => assert!(payload.len() + 24 > MAX_CLIENT_FRAME),
    }
}

/// What was read and written reads as it was.
fn again<T: PartialEq + std::fmt::Debug, E: std::fmt::Debug>(
    read: impl Fn(&[u8]) -> Result<T, E>,
    frame: Vec<u8>,
    was: &T,
) {
    assert_eq!(&read(&frame[BEFORE..]).expect("our own message"), was);
}
