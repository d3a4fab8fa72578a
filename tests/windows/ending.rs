//! However a program is ended, it ends as it should.

use std::time::Instant;

use crate::Test;
use crate::support::room::Room;
use crate::support::waiting::wait_until;
use crate::wine::{self, CLIENT, SERVER, ctrl_c};

pub(crate) const TESTS: &[Test] = &[
    ("ctrl_c_ends_both_programs_with_code_0_and_tells_who_listens", by_ctrl_c),
    ("closing_the_window_ends_them_as_ctrl_c_does_and_not_in_the_middle", by_closing_the_window),
];

/// What closes the window of a program.
const CLOSE: &str = "close_window.exe";

fn by_ctrl_c() {
    let room = Room::without_sound_server();
    let (mut server, address) = wine::server(&room, &["--source", "tone", "--no-web"]);
    let start = || wine::start(&room, CLIENT, &[&address, "--once", "--output", "null"]);
    let mut listener = start();
    listener.wait_for("connected to");
    ctrl_c(&mut listener);
    let mut listener = start();
    listener.wait_for("connected to");
    ctrl_c(&mut server);
    let ended = listener.wait();
    assert_eq!(ended.code, Some(4), "{ended}");
    let why = ended.stderr.last().unwrap();
    assert!(why.contains("ended the connection: the server was stopped"), "{why}");
}

fn by_closing_the_window() {
    let room = Room::without_sound_server();
    let close = |program: &str| {
        let ended = wine::start(&room, CLOSE, &[program]).wait();
        assert_eq!(ended.code, Some(0), "{ended}");
    };
    let (mut server, address) = wine::server(&room, &["--source", "tone", "--no-web"]);
    let recording = room.path("heard.wav");
    let path = wine::windows_path(&recording);
    let mut listener =
        wine::start(&room, CLIENT, &[&address, "--output", "null", "--record", &path]);
    let bytes = || std::fs::metadata(&recording).map_or(0, |file| file.len());
    wait_until("a second of recording", || bytes() > 8 * 48_000);
    let closed = Instant::now();
    close(CLIENT);
    let ended = listener.wait();
    println!("the listener's window closed in {} ms", closed.elapsed().as_millis());
    assert_eq!(ended.code, Some(0), "{ended}");
    // Its header tells of all that is in it only where it was ended in order.
    let frames = hound::WavReader::open(&recording).unwrap().duration();
    assert!(bytes() - u64::from(frames) * 8 < 200, "{frames} frames in {} bytes", bytes());

    let mut listener = wine::start(&room, CLIENT, &[&address, "--once", "--output", "null"]);
    listener.wait_for("connected to");
    close(SERVER);
    let ended = server.wait();
    assert_eq!(ended.code, Some(0), "{ended}");
    let ended = listener.wait();
    let why = ended.stderr.last().unwrap();
    assert!(why.contains("ended the connection: the server was stopped"), "{why}");
}
