//! What the programs say: lists, sentences, and the page.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::Test;
use crate::support::program::Program;
use crate::support::room::Room;
use crate::wine::{self, CLIENT, SERVER};

pub(crate) const TESTS: &[Test] = &[
    ("outputs_and_what_they_play_are_listed_with_ids_to_paste", devices_are_listed),
    ("a_wrong_flag_is_told_in_a_sentence_with_exit_code_2", wrong_flags),
    ("without_any_sound_the_reason_is_told_in_words_with_exit_code_3", no_sound),
    ("an_output_that_cannot_be_captured_is_told_in_words", no_loopback),
    ("a_port_in_use_is_told_in_words_with_exit_code_4", a_port_in_use),
    ("nobody_who_listens_is_told_in_words_with_exit_code_4", nobody_listens),
    ("the_page_is_served", the_page),
    ("both_programs_say_their_first_line_soon", first_lines),
];

/// The sentence, if it is one: words, and nothing that only the system's makers understand.
#[track_caller]
pub(crate) fn assert_in_words(said: &str) {
    for nonsense in ["FormatMessage", "OS Error", "os error", "HRESULT", "0x8"] {
        assert!(!said.contains(nonsense), "“{nonsense}” in {said}");
    }
}

/// Runs a program to its end: its code, and the last thing that it said.
fn run(room: &Room, program: &str, words: &[&str]) -> (Option<i32>, String) {
    let ended = wine::start(room, program, words).wait();
    let last = ended.stderr.last().cloned().unwrap_or_default();
    println!("{last}");
    (ended.code, last)
}

fn devices_are_listed() {
    let room = Room::open();
    for program in [SERVER, CLIENT] {
        let ended = wine::start(&room, program, &["--list-devices"]).wait();
        assert_eq!(ended.code, Some(0), "{ended}");
        assert!(ended.stderr.is_empty(), "{ended}");
        for name in ["pc", "ear1", "ear2"] {
            let lines: Vec<_> =
                ended.stdout.iter().filter(|line| line.contains(&format!("}}  {name}"))).collect();
            // It plays, and what it plays can be captured.
            assert_eq!(lines.len(), 2, "{name}: {ended}");
            let monitor = format!("  Monitor of {name}");
            let monitors = ended.stdout.iter().filter(|line| line.contains(&monitor)).count();
            assert_eq!(monitors, 1, "{name}: {ended}");
        }
        // Wine calls the default one after the sound server.
        assert!(
            ended.stdout.iter().any(|line| line.ends_with("  PulseAudio (default)")),
            "{ended}"
        );
    }
}

fn wrong_flags() {
    let room = Room::without_sound_server();
    for program in [SERVER, CLIENT] {
        let (code, said) = run(&room, program, &["--nonsense"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("--nonsense") && said.ends_with('.'), "{said}");
    }
    let (code, said) = run(&room, CLIENT, &["--preset", "loud", "127.0.0.1"]);
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = run(&room, SERVER, &["--source", "file:C:\\none\\such.wav"]);
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("there is no such file"), "{said}");
}

fn no_sound() {
    let room = Room::without_sound_server();
    let words = ["127.0.0.1", "--once", "--port", "9"];
    let (code, said) = run(&room, CLIENT, &words);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("Plug in speakers or headphones"), "{said}");
    assert_in_words(&said);
}

fn no_loopback() {
    let room = Room::open();
    let words = ["--source", "loopback:pc", "--bind", "127.0.0.1", "--port", "0", "--no-discovery"];
    let mut server = wine::start(&room, SERVER, &words);
    let said = server.wait_for("sound device “pc”");
    println!("{said}");
    assert_in_words(&said);
}

fn a_port_in_use() {
    let room = Room::open();
    let (_server, address) = wine::server(&room, &["--source", "tone", "--no-web"]);
    let (_, port) = address.split_once(':').unwrap();
    let words = ["--source", "tone", "--bind", "127.0.0.1", "--no-discovery", "--port", port];
    let (code, said) = run(&room, SERVER, &words);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("another program already uses that port"), "{said}");
    assert_in_words(&said);
}

fn nobody_listens() {
    let room = Room::open();
    let (code, said) = run(&room, CLIENT, &["127.0.0.1:9", "--once", "--output", "null"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("no AuraLync server is running there"), "{said}");
    assert_in_words(&said);
}

fn the_page() {
    let room = Room::open();
    let mut server = wine::start(
        &room,
        SERVER,
        &["--source", "tone", "--bind", "127.0.0.1", "--port", "0", "--web", "0", "--no-discovery"],
    );
    let url = server.find("where the page is", |line| {
        let (_, rest) = line.split_once("http://127.0.0.1:")?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u16>().ok()
    });
    let mut socket = TcpStream::connect(("127.0.0.1", url)).unwrap();
    write!(socket, "GET / HTTP/1.1\r\nHost: 127.0.0.1:{url}\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    socket.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("<!doctype html>") || page.contains("<!DOCTYPE html>"), "{page}");
    assert!(page.contains("AuraLync"), "{page}");
}

fn first_lines() {
    let room = Room::open();
    let (_server, address) = wine::server(&room, &["--source", "tone", "--no-web"]);
    let took = |program: &str, words: &[&str]| -> f64 {
        let begun = Instant::now();
        let mut program: Program = wine::start(&room, program, words);
        program.find("anything", |_| Some(()));
        begun.elapsed().as_secs_f64() * 1e3
    };
    let nothing = took(SERVER, &["--version"]);
    let bound =
        ["--source", "tone", "--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"];
    let server = took(SERVER, &bound);
    let client = took(CLIENT, &[&address]);
    println!(
        "first line after {nothing:.0} ms (--version), {server:.0} (server), {client:.0} (client)"
    );
}
