//! Golden datagrams, in both directions: `tests/vectors/datagram`.

use std::path::{Path, PathBuf};

use auralync::secure::Key;
use auralync::secure::keyring::{Keyring, Kind, StreamSeal};
use auralync::wire::AudioHeader;
use auralync::wire::datagram::{
    Answer, Ask, EPOCHS_HEADER, FromClient, FromServer, Parities, Piece, Token, epochs_datagram,
    kind, missing_datagram, parity, restore, talk_datagram,
};
use serde_json::Value;

use super::vectors::unhex;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/datagram")
}

/// Name, kind, fields and bytes of each.
fn vectors() -> Vec<(String, String, Value, Vec<u8>)> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let meanings = paths.iter().filter(|path| path.extension().is_some_and(|end| end == "json"));
    let vector = |path: &PathBuf| {
        let mut meaning: Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let kind = meaning["kind"].as_str().unwrap().to_owned();
        let bytes = std::fs::read(path.with_extension("bin")).unwrap();
        (name, kind, meaning["fields"].take(), bytes)
    };
    meanings.map(vector).collect()
}

fn number(fields: &Value, key: &str) -> u64 {
    fields[key].as_u64().unwrap_or_else(|| panic!("{key} in {fields}"))
}

fn small<T: TryFrom<u64>>(fields: &Value, key: &str) -> T {
    T::try_from(number(fields, key)).unwrap_or_else(|_| panic!("{key} in {fields}"))
}

fn bytes_of(fields: &Value, key: &str) -> Vec<u8> {
    hex_bytes(&fields[key])
}

fn hex_bytes(text: &Value) -> Vec<u8> {
    let hex = text.as_str().unwrap();
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    unhex(&pairs.collect::<Vec<_>>().join(" "))
}

fn token(fields: &Value) -> Token {
    bytes_of(fields, "token").try_into().unwrap()
}

fn missing(fields: &Value) -> Vec<u32> {
    serde_json::from_value(fields["missing"].clone()).unwrap()
}

fn epochs(fields: &Value) -> Vec<(u8, [u8; 32])> {
    let all = fields["epochs"].as_array().unwrap().iter();
    let epoch = |epoch: &Value| {
        let number = u8::try_from(epoch[0].as_u64().unwrap()).unwrap();
        (number, <[u8; 32]>::try_from(hex_bytes(&epoch[1])).unwrap())
    };
    all.map(epoch).collect()
}

fn header(fields: &Value) -> AudioHeader {
    AudioHeader {
        flags: small(fields, "flags"),
        frames: small(fields, "frames"),
        position: number(fields, "position"),
        captured_us: number(fields, "captured_us"),
    }
}

fn piece<'a>(fields: &Value, payload: &'a [u8]) -> Piece<'a> {
    Piece {
        stream: small(fields, "stream"),
        number: small(fields, "number"),
        header: header(fields),
        payload,
    }
}

fn ask(fields: &Value) -> Ask {
    Ask {
        is_wanted: fields["is_wanted"] == true,
        parity: Parities {
            of_four: fields["wants_parity"] == true,
            of_two: fields["wants_parity_of_two"] == true,
        },
        stream: small(fields, "stream"),
        token: token(fields),
        cookie: number(fields, "cookie"),
        client_us: number(fields, "client_us"),
        missing: missing(fields),
    }
}

fn answer(fields: &Value) -> Answer {
    Answer {
        is_proven: fields["is_proven"] == true,
        cookie: number(fields, "cookie"),
        client_us: number(fields, "client_us"),
        server_us: number(fields, "server_us"),
    }
}

#[test]
fn every_datagram_is_what_our_writers_write() {
    for (name, kind, fields, bytes) in vectors() {
        let written = match kind.as_str() {
            "sound" => piece(&fields, &bytes_of(&fields, "payload")).datagram().unwrap(),
            "parity" => {
                let of = fields["of"].as_array().unwrap().iter();
                let all: Vec<Vec<u8>> = of
                    .map(|one| piece(one, &bytes_of(one, "payload")).datagram().unwrap())
                    .collect();
                match &all[..] {
                    [a, b, c, d] => {
                        assert_eq!(restore(&bytes, &[a, d, c]).as_ref(), Some(b), "{name}");
                        parity([a, b, c, d])
                    }
                    [a, b] => {
                        assert_eq!(restore(&bytes, &[a]).as_ref(), Some(b), "{name}");
                        parity([a, b])
                    }
                    _ => panic!("{name}"),
                }
            }
            "ask" => ask(&fields).datagram(),
            "answer" => answer(&fields).datagram(small(&fields, "length")),
            "talk" => {
                let (token, cookie) = (token(&fields), number(&fields, "cookie"));
                let payload = bytes_of(&fields, "payload");
                let number = small(&fields, "number");
                talk_datagram(&token, cookie, number, header(&fields), &payload).unwrap()
            }
            "missing" => missing_datagram(number(&fields, "cookie"), &missing(&fields)),
            "epochs" => {
                let all = epochs(&fields);
                let told = all.iter().map(|(number, secret)| (*number, secret));
                epochs_datagram(told).to_vec()
            }
            other => panic!("{name} is a {other}"),
        };
        assert_eq!(written, bytes, "{name}");
    }
}

#[test]
fn every_datagram_is_read_as_what_it_means() {
    for (name, kind, fields, bytes) in vectors() {
        let payload = || bytes_of(&fields, "payload");
        match kind.as_str() {
            "sound" => {
                let payload = payload();
                let sound = FromServer::Sound(piece(&fields, &payload));
                assert_eq!(FromServer::read(&bytes), Some(sound), "{name}");
            }
            "parity" => {
                let parity = FromServer::Parity { stream: 0, first: 8, bytes: &bytes };
                assert_eq!(FromServer::read(&bytes), Some(parity), "{name}");
            }
            "ask" => match FromClient::read(&bytes) {
                // Without a cookie nobody looks at what the zeros say.
                Some(FromClient::Ask(read)) if read.cookie == 0 => {
                    assert_eq!(Ask { missing: Vec::new(), ..read }, ask(&fields), "{name}");
                }
                read => assert_eq!(read, Some(FromClient::Ask(ask(&fields))), "{name}"),
            },
            "answer" => {
                let answer = FromServer::Answer(answer(&fields));
                assert_eq!(FromServer::read(&bytes), Some(answer), "{name}");
            }
            "talk" => {
                let talk = FromClient::Talk {
                    token: token(&fields),
                    cookie: number(&fields, "cookie"),
                    number: small(&fields, "number"),
                    header: header(&fields),
                    payload: &payload(),
                };
                assert_eq!(FromClient::read(&bytes), Some(talk), "{name}");
            }
            // What opens private rooms reads it, and nothing behind it.
            "epochs" => {
                let mut ring = Keyring::new(Key::new([0; 32]));
                ring.learn_all(&bytes[EPOCHS_HEADER..]);
                for (number, secret) in epochs(&fields) {
                    let mut message = b"open".to_vec();
                    let mut seal = StreamSeal::new(&Key::new(secret), number, 0);
                    seal.seal(Kind::Frame, 1, 4, &mut message).unwrap();
                    let which = (Kind::Frame, number, 0);
                    assert!(ring.open(which, 1, 4, &message, &mut Vec::new()), "{name}");
                }
                assert_eq!(FromServer::read(&bytes), None, "{name}");
            }
            _ => {
                let cookie = number(&fields, "cookie");
                let missing = FromServer::Missing { cookie, numbers: missing(&fields) };
                assert_eq!(FromServer::read(&bytes), Some(missing), "{name}");
            }
        }
    }
}

#[test]
fn every_kind_of_datagram_has_a_vector() {
    let first: std::collections::BTreeSet<u8> =
        vectors().into_iter().map(|(.., bytes)| bytes[0]).collect();
    let kinds = [
        kind::SOUND,
        kind::PARITY,
        kind::ANSWER,
        kind::ASK,
        kind::TALK,
        kind::MISSING,
        kind::EPOCHS,
    ];
    assert_eq!(first, kinds.into());
}
