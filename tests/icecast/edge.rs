//! An edge, whose sound comes from another server by a real NATS server, and what a player gets by Icecast from there.

use std::time::Duration;

use crate::icecast::{Icecast, SHORT_BURST};
use crate::player::{decoded, listen};
use crate::real::{COMES_LATE, RATE, is_the_tone, password};
use crate::support::nats;
use crate::support::program::Program;
use crate::support::scratch::Scratch;
use crate::support::servers::server_command;

/// A server of a room, with these flags too.
fn server(scratch: &Scratch, engine: &str, flags: &[&str]) -> Program {
    let mut command = server_command();
    let folder = scratch.path("settings");
    command.env("XDG_CONFIG_HOME", &folder).env("HOME", folder);
    command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"]);
    Program::start({
        command.args(["--engine", engine]).args(flags);
        command
    })
}

fn origin(scratch: &Scratch, engine: &str, flags: &[&str]) -> Program {
    let mut origin = server(scratch, engine, &[&["--source", "tone:440"], flags].concat());
    origin.wait_for("is there: other servers may send this too");
    origin
}

#[test]
fn a_player_hears_what_an_edge_gets_and_another_stream_when_that_begins_anew_with_other_channels() {
    let (scratch, icecast, node) = (Scratch::new(), Icecast::start(SHORT_BURST), nats::one());
    let url =
        format!("{},password-file={}", icecast.url("/room.opus"), password(&scratch).display());
    let mut first = origin(&scratch, &node.url(), &[]);
    let mut edge = server(&scratch, &node.url(), &["--source", "engine:room", "--icecast", &url]);
    edge.wait_for("the Icecast server gets the sound");
    let heard = std::thread::scope(|scope| {
        let player =
            scope.spawn(|| listen(icecast.address, "/room.opus", Duration::from_secs(14)).unwrap());
        // So much of the first is heard.
        std::thread::sleep(Duration::from_secs(4));
        assert_eq!(first.stop().code, Some(0));
        let _second = origin(&scratch, &node.url(), &["--channels", "1"]);
        edge.wait_for("begins anew");
        player.join().unwrap()
    });
    let pages = heard.pages();
    let streams: Vec<_> = pages.chunk_by(|one, next| one.serial == next.serial).collect();
    let [before, after] = streams[..] else { panic!("{} streams", streams.len()) };
    let channels = [before, after].map(|stream| stream[0].packets[0][9]);
    assert_eq!(channels, [2, 1]);
    assert!(before.last().unwrap().is_last && after[0].is_first);
    let sound = decoded(before).unwrap();
    is_the_tone(&sound[COMES_LATE..COMES_LATE + 2 * RATE]).unwrap();
}
