//! A code that is tried with numbers that are known: `tests/vectors/private/code.json` holds the four
//! messages of `docs/keys.md`, in hex, so that another program can be held to them.

use std::path::Path;

use auralync::secure::Key;
use auralync::secure::code::{Answered, Code, Trying};
use auralync::secure::handshake::Pair;
use auralync::secure::room::Secret;
use auralync::wire::{kind, typed};
use serde_json::{Value, json};

use super::vectors::{hex, unhex};

/// The frames of which the vector has bytes.
pub(super) const NAMES: [&str; 4] = ["code", "code_answer", "code_proof", "code_secret"];

fn bytes<const LENGTH: usize>(of: &Value, name: &str) -> [u8; LENGTH] {
    let text = of[name].as_str().unwrap_or_else(|| panic!("no {name}"));
    unhex(text).try_into().unwrap_or_else(|_| panic!("{name} has another length"))
}

/// What our code makes of what the vector begins with.
fn made_of(keys: &Value) -> Value {
    let code = Code::read(keys["code"].as_str().unwrap()).unwrap();
    let config = keys["config"].as_str().unwrap().as_bytes();
    let (secret, pair) = (
        Secret::new(bytes(keys, "room_secret")),
        Pair::new(Key::new(bytes(keys, "server_private"))),
    );
    let random = [&bytes::<16>(keys, "session")[..], &bytes::<64>(keys, "client_number")].concat();
    let (trying, first) = Trying::begin(&code, config, &random.try_into().unwrap());
    let number = bytes(keys, "server_number");
    let (answered, second) = Answered::answer(&code, config, &first, &number).unwrap();
    let (proven, third) = trying.prove(&second).unwrap();
    let fourth = answered.grant(&third, &secret, &pair).unwrap();
    assert_eq!(proven.open(&fourth), Some((secret, pair.public)));
    json!({
        "code": hex(&typed(kind::CODE, &first)),
        "code_answer": hex(&typed(kind::CODE_ANSWER, &second)),
        "code_proof": hex(&typed(kind::CODE_PROOF, &third)),
        "code_secret": hex(&typed(kind::CODE_SECRET, &fourth)),
    })
}

#[test]
fn a_code_tried_with_known_numbers_gives_the_messages_of_the_vector() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/private/code.json");
    let given: Value = serde_json::from_str(&std::fs::read_to_string(place).unwrap()).unwrap();
    let made = made_of(&given["keys"]);
    let pretty = serde_json::to_string_pretty(&made).unwrap();
    assert_eq!(made, given["made"], "ours:\n{pretty}");
}
