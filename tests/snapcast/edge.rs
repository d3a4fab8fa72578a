//! What a snapclient of an edge gets, whose sound comes from another server by a real NATS server.

use std::time::Instant;

use super::player::{CODEC_HEADER, Chunk, Player, SERVER_SETTINGS, WIRE_CHUNK};
use super::port;
use crate::engine::{Servers, UNHURRIED};
use crate::support::program::Program;
use crate::support::{PATIENCE, nats};

const RATE: i64 = 48_000;

/// Nobody hears that one loudspeaker is later than another by so much, in µs.
const IN_STEP_US: i64 = 5_000;

fn edge(servers: &Servers, more: &[&str]) -> Program {
    servers.server(["--source", "engine:room", "--snapcast", "0"].iter().chain(more))
}

/// The next chunk that is not silent.
fn sound(player: &mut Player) -> Chunk {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let chunk = player.next_of(WIRE_CHUNK).chunk();
        if chunk.sound.iter().any(|byte| *byte != 0) {
            return chunk;
        }
        assert!(Instant::now() < deadline, "nothing but silence comes");
    }
}

/// Asserts that each chunk begins where the one before it ends, as well as an edge knows the origin's clock.
#[track_caller]
fn assert_follows(chunks: &[Chunk], rate: i64, channels: usize) {
    for pair in chunks.windows(2) {
        let frames = i64::try_from(pair[0].sound.len() / (2 * channels)).unwrap();
        let apart_us = pair[1].captured_us - pair[0].captured_us;
        let expected_us = frames * 1_000_000 / rate;
        assert!((apart_us - expected_us).abs() < IN_STEP_US, "{apart_us} for {frames}");
    }
}

#[test]
fn a_snapclient_of_an_edge_gets_the_very_samples_of_one_at_the_origin_at_the_very_times() {
    let node = nats::one();
    let servers = Servers::new(&node.url());
    let mut origin = servers.origin_with(&[&UNHURRIED[..], &["--snapcast", "0"]].concat());
    let mut edge = edge(&servers, &[]);
    let began = Instant::now();
    let (mut here, _) = Player::join(port(&mut origin), "here");
    let (mut there, settings) = Player::join(port(&mut edge), "there");
    assert_eq!(settings["bufferMs"], 1_500);
    let ahead_us = [&mut here, &mut there].map(|player| player.ask_the_time(began));
    println!("{ahead_us:?} µs ahead of the test, and there and back");
    let [here, there] = std::thread::scope(|scope| {
        [here, there]
            .map(|mut player| scope.spawn(move || (0..200).map(|_| sound(&mut player)).collect()))
            .map(|heard| -> Vec<Chunk> { heard.join().unwrap() })
    });
    assert_follows(&there, RATE, 2);
    let mut apart_us = Vec::new();
    for chunk in &there {
        if let Some(same) = here.iter().find(|same| same.sound == chunk.sound) {
            let us = [same, chunk].map(|chunk| chunk.captured_us);
            apart_us.push((us[1] - ahead_us[1].0) - (us[0] - ahead_us[0].0));
        }
    }
    let (least, most) = (apart_us.iter().min().unwrap(), apart_us.iter().max().unwrap());
    println!("{} of {} are the same, {least} to {most} µs later", apart_us.len(), there.len());
    assert!(apart_us.len() >= 100, "{}", apart_us.len());
    assert!(apart_us.iter().all(|us| us.abs() < IN_STEP_US), "{least} to {most}");
    // They lie beside each other, with nothing between.
    let is_same = |chunk: &&Chunk| here.iter().any(|same| same.sound == chunk.sound);
    let both = there.iter().skip_while(|chunk| !is_same(chunk)).take_while(is_same).count();
    assert_eq!(both, apart_us.len());
}

#[test]
fn a_snapclient_goes_on_with_a_room_that_begins_anew_in_another_format_and_with_another_delay() {
    let node = nats::one();
    let servers = Servers::new(&node.url());
    let mut origin = servers.origin_with(&UNHURRIED);
    let mut edge = edge(&servers, &[]);
    let began = Instant::now();
    let (mut player, _) = Player::join(port(&mut edge), "kitchen");
    sound(&mut player);
    assert_eq!(origin.stop().code, Some(0));
    let _another = servers.server([
        "--source",
        "tone",
        "--playout-delay-ms",
        "900",
        "--sample-rate",
        "44100",
        "--channels",
        "1",
        "--codecs",
        "f32",
    ]);
    let settings = player.next_of(SERVER_SETTINGS);
    assert_eq!((settings.answers, &settings.json()["bufferMs"]), (0, &900.into()));
    let header = player.next();
    assert_eq!(header.kind, CODEC_HEADER, "what is told comes before what it tells of");
    let wave = &header.body[11..];
    let number = |at: usize| u32::from_le_bytes(wave[at..at + 4].try_into().unwrap());
    assert_eq!((&wave[..4], number(24)), (&b"RIFF"[..], 44_100));
    let (ahead_us, _) = player.ask_the_time(began);
    let chunks: Vec<Chunk> = (0..50).map(|_| sound(&mut player)).collect();
    assert_follows(&chunks, 44_100, 2);
    for frame in chunks[49].sound.chunks(4) {
        assert_eq!(frame[..2], frame[2..], "one channel goes as two");
    }
    // What has just come is still to be heard.
    let now_us = began.elapsed().as_micros() as i64 - 3_000_000 + ahead_us;
    let age_us = now_us - chunks[49].captured_us;
    assert!((0..900_000).contains(&age_us), "{age_us}");
}

#[test]
fn an_edge_whose_room_comes_compressed_alone_says_what_its_snapclients_need() {
    let node = nats::one();
    let servers = Servers::new(&node.url());
    let mut origin = servers.origin_with(&["--codecs", "opus"]);
    let mut edge = edge(&servers, &[]);
    edge.wait_for("snapclients hear nothing: the server that has the sound sends it compressed");
    let (mut player, _) = Player::join(port(&mut edge), "kitchen");
    assert_eq!(origin.stop().code, Some(0));
    let _another = servers.origin_with(&["--codecs", "opus,s24"]);
    player.next_of(SERVER_SETTINGS);
    assert_eq!(player.next().kind, CODEC_HEADER);
    sound(&mut player);
}
