//! What is wrong between servers is said in a sentence, and local listeners hear nothing of it.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::Servers;
use crate::support::program::Program;
use crate::support::servers::server_command;
use crate::support::{Scratch, nats};

/// What a server says of flags that cannot be.
fn refusal(flags: &[&str]) -> String {
    let scratch = Scratch::new();
    let mut command = server_command();
    command.env("XDG_CONFIG_HOME", scratch.path("settings")).args(flags);
    let ended = Program::start(command).wait();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    ended.stderr.join("\n")
}

#[test]
fn flags_that_cannot_be_are_refused_at_the_start() {
    for (flags, said) in [
        (&["--engine", "http://a"][..], "“http” is no way to an engine"),
        (&["--engine", "nats://user:secret@a"], "names and passwords are not written there"),
        (&["--engine", "nats://a:0"], "“0” is no port"),
        (&["--source", "engine:room"], "needs an engine, and none is named"),
        (&["--source", "engine:A B", "--engine", "a"], "small letters"),
        (&["--engine-room", "hall"], "needs an engine, and none is named"),
        (
            &["--source", "engine:room", "--source", "tone", "--engine", "a"],
            "nothing can be mixed in here",
        ),
        (&["--source", "engine:room,muted", "--engine", "a"], "comes from an engine as it is"),
        (&["--offer", "engine:room", "--engine", "a"], "cannot be taken in beside"),
    ] {
        let refused = refusal(flags);
        assert!(refused.contains(said), "{flags:?}: {refused}");
    }
}

#[test]
fn an_edge_without_the_rooms_key_says_where_that_comes_from() {
    let scratch = Scratch::new();
    let mut command = server_command();
    command.env("XDG_CONFIG_HOME", scratch.path("settings"));
    command.args(["--source", "engine:room", "--engine", "127.0.0.1:1"]);
    let ended = Program::start(command).wait();
    assert_eq!(ended.code, Some(7), "{ended:?}");
    let said = ended.stderr.join("\n");
    assert!(said.contains("engine-room.key") && said.contains("Copy the file"), "{said}");
}

/// Answers whoever comes with these bytes, and then says nothing.
fn impostor(says: Vec<u8>) -> String {
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", door.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in door.incoming().take(20) {
            let mut socket = socket.unwrap();
            let says = says.clone();
            std::thread::spawn(move || {
                // Whoever hangs up hears no more.
                let _ = socket.write_all(&says);
                let _ = socket.read_to_end(&mut Vec::new());
            });
        }
    });
    url
}

#[test]
fn an_engine_that_is_none_or_lies_is_said_to_and_local_listeners_hear_nothing_of_it() {
    let addresses: Vec<String> =
        (0..10_000).map(|n| format!("\"10.0.{}.1:4222\"", n % 200)).collect();
    let many = format!(
        "INFO {{\"max_payload\":1048576,\"connect_urls\":[{}]}}\r\nPONG\r\n",
        addresses.join(",")
    );
    for (says, said) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "is no NATS server"),
        (
            b"INFO {\"max_payload\":1048576}\r\nPONG\r\nMSG a 1 67108864\r\n".to_vec(),
            "is no NATS server",
        ),
        (vec![0; 1 << 20], "is no NATS server"),
        (
            b"INFO {\"max_payload\":1048576}\r\n-ERR 'Authorization Violation'\r\n".to_vec(),
            "does not know this room's key",
        ),
        (
            b"INFO {\"max_payload\":100}\r\nPONG\r\n".to_vec(),
            "takes no message longer than 100 bytes",
        ),
        (many.into_bytes(), "is no NATS server"),
        (Vec::new(), "takes no part in the greeting"),
    ] {
        let servers = Servers::new(&impostor(says));
        let mut server = servers.server(
            ["--source", &crate::support::flags::source(&servers.scratch.path("ramp.wav"))]
                .iter()
                .chain(&super::UNHURRIED),
        );
        server.wait_for(said);
        servers.listen(&mut server, 1, &["--codec", "f32"]).unbroken();
    }
}

#[test]
fn a_second_server_that_sends_to_a_room_is_not_heard_and_said_to_be_there() {
    let node = nats::one();
    let servers = Servers::new(&node.url());
    let mut first = servers.origin();
    let mut edge = servers.edge();
    let path = servers.scratch.path("heard.wav");
    let mut listener = servers.listener(&mut edge, &path, &[]);
    listener.wait_for("connected");
    let mut second = servers.server(["--source", "tone"]);
    edge.wait_for("another server sends to this room too");
    crate::support::wait_until("sound", || {
        crate::support::ramp::frames_on_disk(&path, 2) > 3 * u64::from(super::RATE)
    });
    assert_eq!(listener.stop().code, Some(0));
    crate::support::ramp::Recording::read_finished(&path).unbroken();
    // It takes over when the first is gone.
    assert_eq!(first.stop().code, Some(0));
    edge.wait_for("begins anew");
    assert!(second.is_running());
}
