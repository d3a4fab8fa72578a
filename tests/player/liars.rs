//! Players that die, lie, talk nonsense, or are somebody else's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Room, said};
use crate::support::wait_until;

/// A socket behind which somebody does as `serve` says, with each who comes.
fn fake(socket: &Path, serve: impl Fn(UnixStream) + Send + 'static) {
    let door = UnixListener::bind(socket).unwrap();
    // It ends with the program of tests.
    std::thread::spawn(move || door.incoming().flatten().for_each(&serve));
}

/// Answers every question with what `answer` makes of it.
fn answering(stream: UnixStream, answer: impl Fn(&Value) -> String) {
    let mut out = stream.try_clone().unwrap();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let asked: Value = serde_json::from_str(&line).unwrap();
        if out.write_all(answer(&asked).as_bytes()).is_err() {
            return;
        }
    }
}

/// What the server says of such a player, once. It goes on, and ends as if nothing were.
fn says(what: &str, serve: impl Fn(UnixStream) + Send + 'static) {
    let room = Room::new();
    let socket = room.scratch.path("mpv");
    fake(&socket, serve);
    let mut server = room.server(&["--player", &format!("mpv:{}", socket.display())]);
    server.wait_for(what);
    server.stop();
    assert_eq!(said(&server, what), 1, "{}", server.said());
}

#[test]
fn one_that_claims_and_does_not_is_said_to() {
    says("says that it moves its picture and does not", |stream| {
        answering(stream, |asked| {
            let number = &asked["request_id"];
            format!("{}\n", json!({"request_id": number, "error": "success", "data": 0.0}))
        });
    });
}

#[test]
fn nonsense_of_many_kinds_is_said_once_and_left_alone() {
    let nonsense = "answers nothing that such a player says";
    for answer in ["HTTP/1.1 200 OK\r\n\r\n", "{}\n", "[[[[[[\n", "\u{0}\u{1}\n"] {
        says(nonsense, move |stream| answering(stream, |_| answer.to_owned()));
    }
    says(nonsense, |stream| {
        answering(stream, |asked| {
            let number = &asked["request_id"];
            format!("{}\n", json!({"request_id": number, "error": "success", "data": "soon"}))
        });
    });
    // Without end, and without a line's end.
    says(nonsense, |mut stream| while stream.write_all(&[b'x'; 4_096]).is_ok() {});
    // What never comes to an answer is given up for its length or, on a busy PC, for the time that it takes.
    says(
        "film mode: mpv (",
        |mut stream| {
            while stream.write_all(b"{\"event\":\"seek\"}\n").is_ok() {}
        },
    );
}

#[test]
fn one_that_says_nothing_holds_up_nobody() {
    says("it does not answer", |mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
}

#[test]
fn one_that_refuses_is_said_to() {
    says("refuses to have its sound and its picture moved", |stream| {
        answering(stream, |asked| {
            let number = &asked["request_id"];
            format!("{}\n", json!({"request_id": number, "error": "property not found"}))
        });
    });
}

#[test]
fn one_that_is_not_there_is_told_how_to_be_and_dead_ones_too() {
    let room = Room::new();
    let socket = room.scratch.path("mpv");
    let mut server = room.server(&["--player", &format!("mpv:{}", socket.display())]);
    server.wait_for("nobody listens there. Start mpv with --input-ipc-server=");
    server.stop();
    // A socket that a dead player has left.
    drop(UnixListener::bind(&socket).unwrap());
    let mut server = room.server(&["--player", &format!("mpv:{}", socket.display())]);
    server.wait_for("nobody listens there");
    server.stop();
    // Where any will do, none is nothing to speak of.
    let mut server = room.server(&["--player", "auto"]);
    server.stop();
    assert_eq!(said(&server, "film mode"), 0, "{}", server.said());
}

#[test]
fn another_users_socket_is_told_nothing() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: only root can make another user's socket");
        return;
    }
    let room = Room::new();
    let socket = room.scratch.path("mpv");
    fake(&socket, |_| panic!("it was called"));
    std::os::unix::fs::chown(&socket, Some(65_534), None).unwrap();
    let mut server = room.server(&["--player", &format!("mpv:{}", socket.display())]);
    server.wait_for("is another user of this PC, and is told nothing");
    server.stop();
}

#[test]
fn a_vlc_with_another_password_and_what_is_no_vlc_are_told_apart() {
    let deny = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno";
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>";
    let endless = "HTTP/1.1 200 OK\r\n\r\n";
    for (answer, is_endless, what) in [
        (deny, false, "does not take the password"),
        (page, false, "answers nothing that such a player says"),
        (endless, true, "answers nothing that such a player says"),
    ] {
        let room = Room::new();
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = door.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in door.incoming().flatten() {
                let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
                let _ = stream.read(&mut [0; 1_024]);
                let _ = stream.write_all(answer.as_bytes());
                while is_endless && stream.write_all(&[b' '; 4_096]).is_ok() {}
            }
        });
        let mut server = room.server(&["--player", &format!("vlc:{at}")]);
        server.wait_for(what);
        server.stop();
        assert_eq!(said(&server, what), 1, "{}", server.said());
    }
}

#[test]
fn what_a_killed_server_left_in_a_file_of_nonsense_stops_nobody() {
    let room = Room::new();
    let folder = room.scratch.path("conf/auralync/film");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in [("mpv-1.json", "{"), ("mpv-2.json", "[]"), ("x", "y")] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    std::fs::create_dir(folder.join("mpv-3.json")).unwrap();
    let mut server = room.server(&["--player", "auto"]);
    wait_until("it runs", || server.is_running());
    server.stop();
}
