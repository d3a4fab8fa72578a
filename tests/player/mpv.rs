//! A real mpv without a screen.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Room, is_installed, kill, said, text};
use crate::support::program::Program;
use crate::support::wait_until;

/// An mpv that plays the room's film over and over, with an audio delay of its own.
fn mpv(room: &Room, socket: &Path, own_s: f64, more: &[&str]) -> Program {
    let mut command = Command::new("mpv");
    command
        .args(["--no-config", "--vo=null", "--ao=null", "--loop-file=inf", "--no-terminal"])
        .arg(format!("--input-ipc-server={}", socket.display()))
        .arg(format!("--audio-delay={own_s}"))
        .args(more)
        .arg(room.film());
    let mpv = Program::start(command);
    wait_until("mpv's socket", || UnixStream::connect(socket).is_ok());
    mpv
}

/// What a real mpv answers.
pub(super) fn ask(socket: &Path, words: &Value) -> Value {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    writeln!(stream, "{}", json!({"command": words, "request_id": 77})).unwrap();
    let lines = BufReader::new(stream).lines();
    let mut said = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    said.find(|said| said["request_id"] == 77).unwrap()["data"].clone()
}

fn delay_ms(socket: &Path) -> f64 {
    ask(socket, &json!(["get_property", "audio-delay"])).as_f64().unwrap() * 1e3
}

/// Waits until the audio delay is that, to the millisecond; how long it took.
#[track_caller]
fn wait_for(socket: &Path, ms: f64) -> Duration {
    let began = Instant::now();
    wait_until(&format!("an audio delay of {ms} ms"), || (delay_ms(socket) - ms).abs() <= 1.0);
    began.elapsed()
}

#[test]
fn an_mpvs_picture_follows_the_delay_and_its_person_and_is_as_it_was_after_ctrl_c() {
    if !is_installed("mpv") {
        return;
    }
    let room = Room::new();
    let socket = room.scratch.path("mpv");
    let _mpv = mpv(&room, &socket, 0.05, &["--reset-on-next-file=audio-delay"]);
    let mut server = room.server(&["--player", &format!("mpv:{}", socket.display())]);
    wait_for(&socket, -250.0);
    server.wait_for("the picture is 300 ms later");
    let mut took: Vec<_> = [800, 45, 450, 300, 350]
        .map(|ms| {
            room.set_delay(ms);
            wait_for(&socket, 50.0 - f64::from(ms))
        })
        .to_vec();
    took.sort_unstable();
    println!("from saving the preset to mpv's property: {took:?}");
    assert!(took[2] < Duration::from_secs(1), "{took:?}");
    room.wait_until_held(350.0);
    // A key of mpv's.
    ask(&socket, &json!(["add", "audio-delay", 0.1]));
    room.set_delay(500);
    wait_for(&socket, -350.0);
    // The next film has its own again.
    ask(&socket, &json!(["loadfile", text(&room.film())]));
    wait_for(&socket, -450.0);
    // It is not to be remembered with the place in a film.
    let remembered = || {
        let names = ask(&socket, &json!(["get_property", "watch-later-options"]));
        names.as_array().unwrap().iter().any(|name| name == "audio-delay")
    };
    assert!(!remembered());
    assert_eq!(room.kept(), 1);
    let (ended, _) = server.stop_by(Signal::INT);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!((delay_ms(&socket) - 50.0).abs() < 0.1, "{} ms", delay_ms(&socket));
    assert!(remembered());
    assert_eq!((said(&server, "the picture is as it was"), room.kept()), (1, 0));
}

#[test]
fn a_server_that_was_killed_is_made_up_for_by_the_next_start() {
    if !is_installed("mpv") {
        return;
    }
    let room = Room::new();
    let socket = room.scratch.path("mpv");
    let _mpv = mpv(&room, &socket, 0.05, &[]);
    let player = format!("mpv:{}", socket.display());
    let server = room.server(&["--player", &player]);
    wait_for(&socket, -250.0);
    kill(server);
    assert_eq!(room.kept(), 1);
    // One that has nothing to do with players.
    let mut next = room.server(&[]);
    next.wait_for("the picture is as it was before a server that could not put it back");
    wait_for(&socket, 50.0);
    next.stop();
    // And one that has: nothing is counted twice.
    let server = room.server(&["--player", &player]);
    wait_for(&socket, -250.0);
    kill(server);
    assert_eq!((delay_ms(&socket).round(), room.kept()), (-250.0, 1), "the next finds it so");
    let mut again = room.server(&["--player", &player]);
    again.wait_for("the picture is as it was before a server that could not put it back");
    wait_for(&socket, -250.0);
    // One beside it that has nothing to do with players leaves it alone.
    let mut other = room.server(&[]);
    other.stop();
    assert_eq!((delay_ms(&socket).round(), room.kept()), (-250.0, 1), "{}", other.said());
    // Another lets go what is taken.
    let mut other = room.server(&["--player", &player]);
    other.wait_for("another server on this PC sees to its picture");
    other.stop();
    wait_for(&socket, -250.0);
    drop(again);
}

#[test]
fn an_mpv_that_was_killed_is_forgotten_and_the_next_one_is_found() {
    if !is_installed("mpv") {
        return;
    }
    let room = Room::new();
    let socket = room.scratch.path("mpv");
    let first = mpv(&room, &socket, 0.0, &[]);
    let mut server = room.server(&["--player", &format!("mpv:{}", socket.display())]);
    wait_for(&socket, -300.0);
    kill(first);
    server.wait_for("has gone");
    wait_until("nothing is kept", || room.kept() == 0);
    let _second = mpv(&room, &socket, 0.0, &[]);
    wait_for(&socket, -300.0);
    server.stop();
    assert_eq!(said(&server, "has gone"), 1);
    assert!(said(&server, "nobody listens there") <= 1, "{}", server.said());
    wait_for(&socket, 0.0);
}

#[test]
fn every_mpv_that_can_be_told_is_found_by_itself_and_one_that_cannot_is_said() {
    if !is_installed("mpv") {
        return;
    }
    let room = Room::new();
    let mut deaf = Command::new("mpv");
    deaf.args(["--no-config", "--vo=null", "--ao=null", "--loop-file=inf", "--no-terminal"]);
    deaf.arg(room.film());
    let deaf = Program::start(deaf);
    let mut server = room.server(&["--player", "auto"]);
    server.wait_for("mpv runs and cannot be told to delay its picture");
    let (one, other) = (room.scratch.path("one"), room.scratch.path("other"));
    let _one = mpv(&room, &one, 0.0, &[]);
    let _other = mpv(&room, &other, 0.02, &[]);
    wait_for(&one, -300.0);
    wait_for(&other, -280.0);
    server.stop();
    wait_for(&one, 0.0);
    wait_for(&other, 20.0);
    assert_eq!(said(&server, "cannot be told"), 1);
    kill(deaf);
}
