//! A private room on a network that somebody listens in on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use auralync::secure::room::Link;

use crate::Test;
use crate::paths::{attempt, is_whole, wait_for_datagrams};
use crate::support::air::house::{House, Set, sent, show_link};
use crate::support::overheard::{Piece, likeness, pieces};

pub(crate) const TESTS: &[Test] = &[
    ("who_listens_in_on_an_open_room_has_all_of_its_sound", open_room),
    ("who_listens_in_on_a_private_room_has_nothing_of_its_sound_a_name_or_a_key", uncompressed),
    ("who_listens_in_on_opus_in_a_private_room_learns_nothing_of_its_packets_lengths", opus),
    ("a_key_that_is_needed_soon_comes_by_datagram_where_tcp_stands_still", new_key),
];

const SERVER: [u8; 4] = [192, 0, 2, 1];
const PORT: u16 = 5555;

/// How long somebody listens in on each way, in seconds.
const SECONDS: u64 = 30;

/// What somebody heard on both ways: by TCP, and by datagram.
struct Overheard {
    packets: Vec<Vec<u8>>,
    by_tcp: Vec<Piece>,
    by_datagram: Vec<Piece>,
    /// What must not be in the packets.
    secrets: Vec<Vec<u8>>,
}

/// Listens in on somebody who hears the sound by datagram for `seconds`, and then as long by TCP.
fn listen_in(codec: &str, server: &[&str], seconds: u64) -> Overheard {
    let listener = ["--name", "Wilhelmine"];
    let set = Set { network: "delay=2", preset: "low-latency", codec, server, listener: &listener };
    let air = crate::support::air::Air::make(&set.network.parse().unwrap()).unwrap();
    air.forwarder.orders.listens_in.store(true, Ordering::Relaxed);
    let house = House::open_in(air, set);
    house.listen(seconds);
    house.air.forwarder.orders.cuts_down.store(true, Ordering::Relaxed);
    house.listen(seconds);
    let mut secrets = vec![b"Wilhelmine".to_vec(), b"the quiet attic".to_vec()];
    if server.contains(&"--private") {
        let link = show_link(&house.air, &house.scratch);
        let link = link.split_once('#').unwrap().1;
        secrets.push(link.as_bytes().to_vec());
        secrets.push(Link::read(link).unwrap().secret.bytes().to_vec());
        let kept = std::fs::read_dir(house.scratch.path("pc/auralync")).unwrap();
        for file in kept.chain(std::fs::read_dir(house.scratch.path("ear/auralync")).unwrap()) {
            let text = std::fs::read(file.unwrap().path()).unwrap();
            secrets.extend(text.chunks_exact(16).map(<[u8]>::to_vec));
        }
    }
    let packets = std::mem::take(&mut *house.air.forwarder.orders.overheard.lock().unwrap());
    let (by_tcp, by_datagram) = pieces(&packets, SERVER, PORT);
    Overheard { packets, by_tcp, by_datagram, secrets }
}

fn finds(packets: &[Vec<u8>], what: &[u8]) -> bool {
    packets.iter().any(|packet| packet.windows(what.len()).any(|window| window == what))
}

/// What shows that the others look where there is something to find.
fn open_room() {
    let heard = listen_in("f32", &["--name", "the quiet attic"], 3);
    for pieces in [&heard.by_tcp, &heard.by_datagram] {
        let likeness = likeness(pieces, &sent().sound.left);
        assert!(likeness > 0.9, "{likeness} in {} pieces", pieces.len());
    }
    assert!(heard.secrets.iter().all(|secret| finds(&heard.packets, secret)));
}

fn uncompressed() {
    let heard = listen_in("f32", &["--private", "--name", "the quiet attic"], SECONDS);
    for (way, pieces) in [("tcp", &heard.by_tcp), ("datagram", &heard.by_datagram)] {
        let frames: usize = pieces.iter().map(|piece| piece.payload.len() / 8).sum();
        assert!(frames as u64 > (SECONDS - 1) * 48_000, "{frames} by {way}");
        let likeness = likeness(pieces, &sent().sound.left);
        println!("{way}: {likeness:.5} of {frames} frames");
        assert!(likeness < 0.01, "{likeness} by {way}");
    }
    for secret in &heard.secrets {
        assert!(!finds(&heard.packets, secret), "{}", String::from_utf8_lossy(secret));
    }
}

fn opus() {
    let heard = listen_in("opus", &["--private", "--name", "the quiet attic"], 5);
    for pieces in [&heard.by_tcp, &heard.by_datagram] {
        let lengths: std::collections::BTreeSet<_> =
            pieces.iter().map(|piece| piece.payload.len()).collect();
        assert!(pieces.len() > 500 && lengths.len() == 1, "{} {lengths:?}", pieces.len());
    }
    for secret in &heard.secrets {
        assert!(!finds(&heard.packets, secret), "{}", String::from_utf8_lossy(secret));
    }
}

/// Gives the room another key, as whoever runs the server does.
fn change_key(house: &mut House) {
    let page = format!("localhost:{}", house.server.page().port());
    let mut command = house.air.on_pc(env!("CARGO_BIN_EXE_auralync-client"));
    let keys = house.scratch.path("pc");
    command.env("XDG_CONFIG_HOME", &keys).env("HOME", &keys);
    let done = command.args(["ctl", "newkey", "--server", &page]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

fn new_key() {
    let server = ["--private", "--web", "0"];
    let set = Set {
        network: "delay=2",
        preset: "low-latency",
        codec: "opus",
        server: &server,
        listener: &[],
    };
    attempt(
        || {
            let mut house = House::open(set);
            wait_for_datagrams(&house);
            let holds_tcp = Arc::clone(&house.air.forwarder.orders);
            let before = house.air.passed().down.udp_bytes;
            holds_tcp.holds_tcp.store(true, Ordering::Relaxed);
            change_key(&mut house);
            house.listen(3);
            holds_tcp.holds_tcp.store(false, Ordering::Relaxed);
            let by_datagram = house.air.passed().down.udp_bytes - before;
            house.listen(1);
            (house.close(), by_datagram > 20_000)
        },
        is_whole,
    );
}
