//! A private room with keys that are known: `tests/vectors/private/room.json` holds what each step of
//! `docs/keys.md` makes of them, in hex, so that another program can be held to it.

use std::path::{Path, PathBuf};

use auralync::secure::Key;
use auralync::secure::handshake::{Pair, Terms};
use auralync::secure::keyring::{Kind, StreamSeal};
use auralync::secure::room::{Link, Secret, name_of};
use auralync::send::fanout::DatagramLog;
use auralync::wire::datagram::{MAX_DATAGRAM_PAYLOAD, Parities, SOUND_HEADER};
use auralync::wire::{AudioFrame, AudioHeader, kind, typed};
use serde_json::{Value, json};

use super::vectors::{hex, unhex};

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/private/room.json")
}

fn given() -> Value {
    serde_json::from_str(&std::fs::read_to_string(place()).unwrap()).unwrap()
}

/// The frames by which the room is entered and sealed, of which the vector has bytes.
pub(super) const NAMES: [&str; 4] = ["enter", "entered", "private", "sealed"];

fn bytes<const LENGTH: usize>(of: &Value, name: &str) -> [u8; LENGTH] {
    let text = of[name].as_str().unwrap_or_else(|| panic!("no {name}"));
    unhex(text).try_into().unwrap_or_else(|_| panic!("{name} has another length"))
}

/// What our code makes of the keys that the vector begins with.
fn made_of(keys: &Value) -> Value {
    let secret = Secret::new(bytes(keys, "room_secret"));
    let pair = |name| Pair::new(Key::new(bytes(keys, name)));
    let (server, client) = (pair("server_private"), pair("client_private"));
    let random = |name| Key::new(bytes(keys, name));
    let (at_client, at_server) = (random("client_ephemeral"), random("server_ephemeral"));
    let config = keys["config"].as_str().unwrap().as_bytes();
    let says = |name: &str| keys[name].as_str().unwrap().as_bytes().to_vec();

    let terms = Terms { secret: &secret, own: &client, config, random: &at_client };
    let (asking, enter) = terms.ask(&server.public, &says("hello")).unwrap();
    let terms = Terms { secret: &secret, own: &server, config, random: &at_server };
    let asked = terms.take(&enter).unwrap();
    assert_eq!((&asked.hello[..], asked.client), (&says("hello")[..], client.public));
    let (mut server_channel, entered) = asked.answer(&says("welcome")).unwrap();
    let (mut client_channel, welcome) = asking.finish(&entered).unwrap();
    assert_eq!(*welcome, says("welcome"));

    let ping = says("inside");
    let private = |sealed: Option<Vec<u8>>| hex(&typed(kind::PRIVATE, &sealed.unwrap()));
    let to_server: Vec<_> = (0..2).map(|_| private(client_channel.sealing.seal(&ping))).collect();
    let to_client: Vec<_> = (0..2).map(|_| private(server_channel.sealing.seal(&ping))).collect();

    let epoch = random("epoch_secret");
    let derived = |label: &str| hex(epoch.derive(label, &[2]).bytes());
    let padded = {
        let mut padded = [0; 32];
        padded[..16].copy_from_slice(secret.bytes());
        Key::new(padded)
    };
    let link = Link { secret: secret.clone(), server: name_of(&server.public) };
    let header = |n: u64| AudioHeader {
        flags: 0,
        frames: 4,
        position: 1_000 + 4 * n,
        captured_us: 50_000 + n,
    };
    let frame = |n: u64| AudioFrame::float32(header(n), &[n as f32; 8]);
    let mut seal = StreamSeal::new(&epoch, 7, 2);
    let sealed =
        frame(0).sealed((2, 7), |counter, open, body| seal.seal(Kind::Frame, counter, open, body));
    let mut cut = DatagramLog::new(2, 48_000);
    cut.seal_with(StreamSeal::new(&epoch, 7, 2));
    cut.hear(Parities { of_four: true, of_two: true });
    (0..4).for_each(|n| cut.push(&frame(n), 1_000_000));
    let datagrams: Vec<_> = (0..4).filter_map(|n| cut.get(n)).collect();
    assert!(datagrams[0].bytes.len() < SOUND_HEADER + MAX_DATAGRAM_PAYLOAD);
    json!({
        "server_public": hex(&server.public),
        "client_public": hex(&client.public),
        "room_id": hex(&secret.id()),
        "server_name": hex(&name_of(&server.public)),
        "link": *link.fragment(),
        "handshake_key": hex(padded.derive("auralync room handshake", &[]).bytes()),
        "first_look_key": hex(padded.derive("auralync room first look", &[]).bytes()),
        "enter": hex(&typed(kind::ENTER, &enter)),
        "entered": hex(&typed(kind::ENTERED, &entered)),
        "private_to_server": to_server,
        "private_to_client": to_client,
        "frame_key": derived("auralync frame"),
        "sound_key": derived("auralync sound"),
        "parity_of_4_key": derived("auralync parity of 4"),
        "parity_of_2_key": derived("auralync parity of 2"),
        "sealed_frame": hex(sealed.unwrap().typed()),
        "sealed_datagrams": datagrams.iter().map(|one| hex(&one.bytes)).collect::<Vec<_>>(),
        "sealed_parity_of_4": hex(datagrams[3].parity.as_ref().unwrap()),
        "sealed_parity_of_2": hex(datagrams[1].pair.as_ref().unwrap()),
    })
}

#[test]
fn a_private_room_with_known_keys_is_the_one_in_the_vector() {
    let given = given();
    let made = made_of(&given["keys"]);
    let pretty = serde_json::to_string_pretty(&made).unwrap();
    assert_eq!(made, given["made"], "ours:\n{pretty}");
}
