//! `docs/protocol.md` says what the code does: its session, its message table, its limits.

use std::collections::BTreeMap;

use super::vectors::{encode, kinds, session, unhex};

const DOCUMENT: &str = include_str!("../../docs/protocol.md");

const SOURCES: [&str; 29] = [
    include_str!("../../src/codec/opus.rs"),
    include_str!("../../src/format.rs"),
    include_str!("../../src/wire.rs"),
    include_str!("../../src/wire/message.rs"),
    include_str!("../../src/wire/channel.rs"),
    include_str!("../../src/wire/datagram.rs"),
    include_str!("../../src/wire/talk.rs"),
    include_str!("../../src/send/fanout/listener.rs"),
    include_str!("../../src/send/fanout/listener/closing.rs"),
    include_str!("../../src/send/fanout/talker.rs"),
    include_str!("../../src/send/fanout/rates.rs"),
    include_str!("../../src/send/transmit.rs"),
    include_str!("../../src/send/transmit/at_door.rs"),
    include_str!("../../src/send/transmit/crowd.rs"),
    include_str!("../../src/send/transmit/door.rs"),
    include_str!("../../src/send/transmit/housekeeping.rs"),
    include_str!("../../src/send/transmit/limits.rs"),
    include_str!("../../src/send/transmit/roll.rs"),
    include_str!("../../src/send/transmit/verdicts.rs"),
    include_str!("../../src/send/transmit/web_door.rs"),
    include_str!("../../src/wire/http.rs"),
    include_str!("../../src/wire/websocket.rs"),
    include_str!("../../src/send/mix/voice.rs"),
    include_str!("../../src/codec.rs"),
    include_str!("../../src/send/fanout/datagrams.rs"),
    include_str!("../../src/send/fanout/datagram_path.rs"),
    include_str!("../../src/send/web.rs"),
    include_str!("../../src/send/transmit/visitor.rs"),
    include_str!("../../src/send/tls/session.rs"),
];

/// The text between a heading and the next one.
fn section(heading: &str) -> &'static str {
    let start = DOCUMENT.find(&format!("\n## {heading}\n")).unwrap_or_else(|| {
        panic!("docs/protocol.md has no section “{heading}”");
    });
    let body = &DOCUMENT[start + 4 + heading.len()..];
    body.find("\n##").map_or(body, |end| &body[..end])
}

/// The cells of each row of the tables in a text, headings left out.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("|-"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn the_session_in_the_document_is_vector_001() {
    let (_, block) = section("A session").split_once("```\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut spoken: Vec<(String, Vec<u8>)> = Vec::new();
    let mut speaker_goes_on = false;
    for line in block.lines() {
        let from = match line.get(..3) {
            Some("S  ") => "server",
            Some("C  ") => "client",
            _ => {
                speaker_goes_on = false;
                continue;
            }
        };
        // What follows the hex columns is the same as text, for the eye.
        let bytes = unhex(line.get(3..50).unwrap_or(&line[3..]));
        match spoken.last_mut() {
            Some((last, said)) if speaker_goes_on && last == from => said.extend(bytes),
            _ => spoken.push((from.to_owned(), bytes)),
        }
        speaker_goes_on = true;
    }
    let (steps, bytes) = session();
    let expected: Vec<_> = steps.iter().map(|step| (step.from.clone(), encode(step))).collect();
    assert_eq!(spoken, expected);
    let all: Vec<u8> = spoken.into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert_eq!(all, bytes);
}

#[test]
fn the_message_table_lists_every_kind_and_no_other() {
    let listed: Vec<(u8, String)> = rows(section("Messages"))
        .into_iter()
        .filter_map(|row| Some((row[0].parse().ok()?, row[1].trim_matches('`').to_owned())))
        .collect();
    assert_eq!(listed, kinds());
}

/// Numbers that the sources name, by name.
fn constants() -> BTreeMap<String, u64> {
    constants_of(&SOURCES)
}

fn constants_of(sources: &[&str]) -> BTreeMap<String, u64> {
    let mut known = BTreeMap::new();
    for line in sources.iter().flat_map(|source| source.lines()) {
        let line = line.strip_prefix("pub(super) ").unwrap_or(line);
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let Some((name, rest)) = line.strip_prefix("const ").and_then(|l| l.split_once(": "))
        else {
            continue;
        };
        let value = rest.split_once(" = ").and_then(|(_, v)| evaluate(v.trim_matches(';'), &known));
        if let Some(value) = value {
            known.insert(name.to_owned(), value);
        }
    }
    known
}

/// Sums of products of numbers and of names that are known; everything else is no number.
fn evaluate(text: &str, known: &BTreeMap<String, u64>) -> Option<u64> {
    let mut sum = 0_i128;
    let mut product = 1_i128;
    for word in text.split_whitespace() {
        match word {
            "*" => {}
            "+" | "-" => {
                sum += product;
                product = if word == "+" { 1 } else { -1 };
            }
            word => {
                let digits = word.replace('_', "");
                let hex = digits.strip_prefix("0x").map(|hex| u64::from_str_radix(hex, 16).ok());
                let value = hex.unwrap_or_else(|| digits.parse().ok());
                product *= i128::from(value.or_else(|| known.get(word).copied())?);
            }
        }
    }
    u64::try_from(sum + product).ok()
}

#[test]
fn the_limits_in_the_document_are_the_constants_in_the_code() {
    let known = constants();
    let mut listed = BTreeMap::new();
    for row in rows(section("Limits")) {
        let Some(name) = row[0].strip_prefix('`').and_then(|name| name.strip_suffix('`')) else {
            continue;
        };
        let value: u64 = row[1].replace(',', "").parse().unwrap_or_else(|_| panic!("{row:?}"));
        assert_eq!(known.get(name), Some(&value), "{name}");
        listed.insert(name, value);
    }
    let must_be_listed = |name: &str| {
        let listener = SOURCES[7].contains(&format!("const {name}:"));
        listener
            || name.starts_with("MAX_")
            || ["SEATS", "VISITORS", "_PER_ADDRESS"].iter().any(|part| name.contains(part))
    };
    for name in known.keys().filter(|name| must_be_listed(name)) {
        assert!(listed.contains_key(name.as_str()), "the document does not name {name}");
    }
}

#[test]
fn the_limits_of_telling_a_server_what_to_do_are_the_constants_in_the_code() {
    let page = include_str!("../../docs/control.md");
    let known = constants_of(&[
        include_str!("../../src/wire.rs"),
        include_str!("../../src/wire/websocket.rs"),
        include_str!("../../src/control/token.rs"),
        include_str!("../../src/control/rpc.rs"),
        include_str!("../../src/send/control.rs"),
    ]);
    let (level, pan) = (auralync::source::LEVEL_DB, auralync::source::PAN);
    let thousands = |n: u64| format!("{},{:03}", n / 1_000, n % 1_000);
    let message = thousands(known["MAX_CLIENT_MESSAGE"]);
    for limit in [
        format!("at most {message} bytes (closed with 1009)"),
        format!("a batch {} calls", known["MAX_BATCH"]),
        format!("{} messages a second", known["MAX_MESSAGES_PER_SECOND"]),
        format!("{} programs at a time", known["MAX_CALLERS"]),
        format!("{} hexadecimal digits", 2 * known["BYTES"]),
        format!("−{} to {} dB", -level.start(), level.end()),
        format!("`db`: −{}…{}", -level.start(), level.end()),
        format!("`pan`: −{}…{}", -pan.start(), pan.end()),
    ] {
        assert!(page.contains(&limit), "docs/control.md does not say “{limit}”");
    }
}
