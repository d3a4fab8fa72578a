//! Datagrams that mean no good: what is no ask of a listener's gets no answer, nobody gets more bytes
//! than it sent before its address is proven, and who asks for too much takes nothing from others.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::hostile::while_somebody_listens;
use super::peer::{DEADLINE, Peer, Room, typed};

/// How long an answer may take before it is asked for again: either may have been lost.
const AGAIN: Duration = Duration::from_millis(300);

const ASK: u8 = 0xa4;
const SOUND: u8 = 0xa1;
const ANSWER: u8 = 0xa3;

/// The stream that each of them hears: 16 bits.
const S16: u8 = 2;

/// Bytes of an ask before what is missing.
const HEADER: usize = 36;

/// A listener that can take datagrams.
struct Asker {
    _peer: Peer,
    udp: UdpSocket,
    server: SocketAddr,
    token: Vec<u8>,
}

/// An answer, read by hand.
#[derive(Debug, PartialEq)]
struct Answer {
    is_proven: bool,
    cookie: u64,
    length: usize,
}

fn socket() -> UdpSocket {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(AGAIN)).unwrap();
    udp
}

/// The next datagram, if one comes soon.
fn next(udp: &UdpSocket) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 2_000];
    match udp.recv(&mut bytes) {
        Ok(length) => {
            bytes.truncate(length);
            Some(bytes)
        }
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(e) => panic!("{e}"),
    }
}

fn read_answer(bytes: &[u8]) -> Option<Answer> {
    (bytes[0] == ANSWER).then(|| Answer {
        is_proven: bytes[1] & 1 != 0,
        cookie: u64::from_be_bytes(bytes[4..12].try_into().unwrap()),
        length: bytes.len(),
    })
}

impl Asker {
    fn join(room: &Room, id: &str) -> Self {
        let mut peer = room.connect();
        let server = peer.stream.peer_addr().unwrap();
        peer.config();
        let json = format!(
            r#"{{"version":3,"id":"{id}","name":"{id}","codecs":["s16"],"datagrams":true}}"#
        );
        peer.say(&typed(1, json.as_bytes()));
        let welcome = peer.welcome();
        let datagrams = &welcome["datagrams"];
        let token = datagrams["token"].as_str().unwrap();
        let token = (0..16).map(|at| u8::from_str_radix(&token[2 * at..2 * at + 2], 16).unwrap());
        let port = datagrams["port"].as_u64().unwrap().try_into().unwrap();
        let server = SocketAddr::new(server.ip(), port);
        Self { _peer: peer, udp: socket(), server, token: token.collect() }
    }

    /// An ask that wants sound by datagram where `cookie` is right.
    fn ask(&self, cookie: u64, missing: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes = vec![ASK, 1, S16, 0];
        bytes.extend(&self.token);
        bytes.extend(cookie.to_be_bytes());
        bytes.extend(7_u64.to_be_bytes());
        for (first, mask) in missing {
            bytes.extend(first.to_be_bytes());
            bytes.extend(mask.to_be_bytes());
        }
        bytes
    }

    /// Sends an ask from `udp` until it is answered; the answer, and what came before it.
    #[track_caller]
    fn answered(&self, udp: &UdpSocket, ask: &[u8]) -> (Answer, Vec<Vec<u8>>) {
        let deadline = Instant::now() + DEADLINE;
        let mut before = Vec::new();
        while Instant::now() < deadline {
            udp.send_to(ask, self.server).unwrap();
            while let Some(bytes) = next(udp) {
                match read_answer(&bytes) {
                    Some(answer) => return (answer, before),
                    None => before.push(bytes),
                }
            }
        }
        panic!("no answer");
    }

    /// The cookie of this listener's address, which is then proven.
    #[track_caller]
    fn prove(&self) -> u64 {
        let mut ask = self.ask(0, &[]);
        ask.resize(1_200, 0);
        let (answer, _) = self.answered(&self.udp, &ask);
        let (proven, _) = self.answered(&self.udp, &self.ask(answer.cookie, &[]));
        assert!(proven.is_proven, "{proven:?}");
        answer.cookie
    }

    /// Asserts that nothing has come to `udp` for all that was sent from there: the first that comes is
    /// the answer to a right ask.
    #[track_caller]
    fn nothing_came_to(&self, udp: &UdpSocket) {
        let (_, before) = self.answered(udp, &self.ask(1, &[]));
        assert!(before.is_empty(), "{} datagrams came, as {:?}", before.len(), before.first());
    }
}

/// The number of a datagram of sound.
fn number(bytes: &[u8]) -> Option<u32> {
    (bytes[0] == SOUND).then(|| u32::from_be_bytes(bytes[4..8].try_into().unwrap()))
}

/// Bytes that look like chance and are the same every time.
fn chance(seed: u64, length: usize) -> Vec<u8> {
    let bytes = (0..length as u64).map(|n| (n + seed * 7_919).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bytes.map(|word| (word >> 56) as u8).collect()
}

#[test]
fn what_is_no_ask_gets_no_answer_whatever_its_length_and_content() {
    let room = Room::open("");
    let asker = Asker::join(&room, "asker");
    while_somebody_listens(&room, || {
        let stranger = socket();
        for length in 0..1_500 {
            for mut bytes in [vec![0; length], vec![0xff; length], chance(length as u64, length)] {
                // Even what begins like an ask names a token that nobody has.
                if length % 2 == 0
                    && let Some(first) = bytes.first_mut()
                {
                    *first = ASK;
                }
                stranger.send_to(&bytes, asker.server).unwrap();
            }
        }
        for kind in (0..=255).filter(|kind| *kind != ASK) {
            let mut bytes = asker.ask(0, &[(0, u32::MAX); 16]);
            bytes[0] = kind;
            stranger.send_to(&bytes, asker.server).unwrap();
        }
        for length in [0, 1, HEADER - 1, 1_201, 1_400, 9_000] {
            let mut bytes = asker.ask(0, &[]);
            bytes.resize(length, 0);
            stranger.send_to(&bytes, asker.server).unwrap();
        }
        asker.nothing_came_to(&stranger);
    });
}

#[test]
fn an_address_gets_no_more_bytes_than_it_sent_before_it_is_proven() {
    let room = Room::open("");
    let asker = Asker::join(&room, "asker");
    while_somebody_listens(&room, || {
        for length in [HEADER, HEADER + 1, 100, 500, 1_199, 1_200] {
            for cookie in [0, 1, u64::MAX] {
                let mut ask = asker.ask(cookie, &[(0, u32::MAX); 16]);
                ask.resize(length, 0);
                let (answer, before) = asker.answered(&asker.udp, &ask);
                assert!(before.is_empty() && !answer.is_proven, "{answer:?} and {before:?}");
                assert!(answer.length <= length, "{answer:?} to {length} bytes");
            }
        }
    });
}

#[test]
fn foreign_tokens_and_those_of_listeners_that_have_left_get_no_answer() {
    let room = Room::open("");
    let (asker, mut gone) = (Asker::join(&room, "asker"), Asker::join(&room, "gone"));
    let cookie = gone.prove();
    let udp = std::mem::replace(&mut gone.udp, socket());
    let old = gone.ask(cookie, &[(0, u32::MAX)]);
    drop(gone);
    // Until the server has noticed, the listener is there.
    let deadline = Instant::now() + DEADLINE;
    loop {
        while next(&udp).is_some() {}
        udp.send_to(&old, asker.server).unwrap();
        if next(&udp).is_none() {
            break;
        }
        assert!(Instant::now() < deadline, "a token outlives its listener");
    }
    let stranger = socket();
    for seed in 0..200 {
        let mut ask = old.clone();
        ask[4..20].copy_from_slice(&chance(seed, 16));
        stranger.send_to(&ask, asker.server).unwrap();
        stranger.send_to(&old, asker.server).unwrap();
    }
    asker.nothing_came_to(&stranger);
}

#[test]
fn a_stolen_cookie_proves_no_other_address() {
    let room = Room::open("");
    let asker = Asker::join(&room, "asker");
    let cookie = asker.prove();
    let thief = socket();
    for _ in 0..5 {
        let (answer, before) = asker.answered(&thief, &asker.ask(cookie, &[(0, u32::MAX); 4]));
        assert!(!answer.is_proven && before.is_empty(), "{answer:?}");
        assert_ne!(answer.cookie, cookie);
    }
    // Sound goes on to where it went.
    let heard = std::iter::from_fn(|| next(&asker.udp)).take(100);
    assert!(heard.filter_map(|bytes| number(&bytes)).count() > 10);
}

#[test]
fn asks_that_come_twice_or_late_are_answered_and_no_sound_is_doubled() {
    let room = Room::open("");
    let asker = Asker::join(&room, "asker");
    let cookie = asker.prove();
    let mut unproven = asker.ask(0, &[]);
    unproven.resize(1_200, 0);
    let mut numbers = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    while numbers.len() < 300 && Instant::now() < deadline {
        // The one that begins a proof comes once more, behind those that it made possible.
        if numbers.len() % 30 == 0 {
            for ask in [&asker.ask(cookie, &[]), &unproven, &asker.ask(cookie, &[])] {
                asker.udp.send_to(ask, asker.server).unwrap();
            }
        }
        numbers.extend(next(&asker.udp).iter().filter_map(|bytes| number(bytes)));
    }
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    assert_eq!(numbers.len(), 300, "sound goes on");
}

#[test]
fn who_asks_for_everything_again_and_again_gets_its_budget_and_others_lose_nothing() {
    /// Bytes of two channels of 16 bits in a second.
    const STREAM: f64 = 44_100.0 * 4.0;
    let room = Room::open("");
    let asker = Asker::join(&room, "greedy");
    let cookie = asker.prove();
    while_somebody_listens(&room, || {
        let start = Instant::now();
        let (mut newest, mut again, mut fresh) = (None, 0_usize, 0_usize);
        asker.udp.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        while start.elapsed() < Duration::from_secs(3) {
            let near = newest.unwrap_or(0_u32);
            let ask = |from: u32| -> Vec<u8> {
                let all: Vec<_> = (0..16).map(|n| (from.wrapping_add(n * 33), u32::MAX)).collect();
                asker.ask(cookie, &all)
            };
            // What is there, what will be, what was long ago, and what wraps.
            for from in [near.wrapping_sub(500), near + 1, near.wrapping_sub(1 << 30), u32::MAX - 9]
            {
                asker.udp.send_to(&ask(from), asker.server).unwrap();
            }
            // Sound comes more often than a wait can be short.
            let until = Instant::now() + Duration::from_millis(2);
            while Instant::now() < until
                && let Some(bytes) = next(&asker.udp)
            {
                match number(&bytes) {
                    Some(number) if newest.is_none_or(|newest| number > newest) => {
                        newest = Some(number);
                        fresh += bytes.len();
                    }
                    Some(_) => again += bytes.len(),
                    None => assert!(read_answer(&bytes).is_some(), "{bytes:?}"),
                }
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        assert!(fresh as f64 > STREAM, "the sound itself goes on: {fresh} bytes");
        // Half the stream, and what may come at once.
        let budget = (STREAM * 1.1 / 2.0) * seconds + 2.0 * 32_000.0;
        assert!(again > 0 && (again as f64) < budget, "{again} bytes again, of {budget}");
    });
}

#[test]
fn a_flood_from_many_addresses_takes_nothing_from_listeners() {
    let room = Room::open("");
    let asker = Asker::join(&room, "asker");
    let cookie = asker.prove();
    while_somebody_listens(&room, || {
        let sockets: Vec<UdpSocket> = (0..20).map(|_| socket()).collect();
        let unproven = {
            let mut ask = asker.ask(0, &[]);
            ask.resize(1_200, 0);
            ask
        };
        for round in 0..1_000 {
            for stranger in &sockets {
                // A full buffer on the way is as good as loss.
                let _ = stranger.send_to(&chance(round, 1_200), asker.server);
                let _ = stranger.send_to(&unproven, asker.server);
            }
        }
        let (answer, _) = asker.answered(&asker.udp, &asker.ask(cookie, &[]));
        assert!(answer.is_proven);
    });
}

#[test]
fn a_server_without_datagrams_offers_none() {
    let room = Room::open("--no-udp");
    let mut peer = room.connect();
    peer.config();
    peer.say(&typed(1, br#"{"version":3,"id":"x","name":"x","codecs":["s16"],"datagrams":true}"#));
    assert_eq!(peer.welcome()["datagrams"], Value::Null);
}
