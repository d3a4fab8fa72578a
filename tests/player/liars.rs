//! Players that die, lie, talk nonsense, or are somebody else's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Room, kill, said};
use crate::support::{PATIENCE, wait_until};

/// How long the server waits for an answer.
const SILENT: Duration = Duration::from_millis(300);

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

/// An honest player: its audio delay in s.
#[derive(Clone, Default)]
struct Honest(Arc<Mutex<f64>>);

impl Honest {
    fn serve(&self, stream: UnixStream) {
        answering(stream, |asked| {
            let words = &asked["command"];
            let data = match (words[0].as_str(), words[1].as_str()) {
                (Some("get_property"), Some("audio-delay")) => json!(self.value_s()),
                (Some("set_property"), Some("audio-delay")) => {
                    *self.0.lock().unwrap() = words[2].as_f64().unwrap();
                    Value::Null
                }
                _ => json!([]),
            };
            let number = &asked["request_id"];
            format!("{}\n", json!({"request_id": number, "error": "success", "data": data}))
        });
    }

    fn value_s(&self) -> f64 {
        *self.0.lock().unwrap()
    }

    /// Waits for that audio delay; how long it took.
    #[track_caller]
    fn wait_for(&self, value_s: f64) -> Duration {
        let began = Instant::now();
        wait_until(&format!("an audio delay of {value_s} s"), || {
            (self.value_s() - value_s).abs() < 1e-3
        });
        began.elapsed()
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
    let room = Room::new();
    let folder = room.scratch.path("run");
    std::fs::create_dir_all(&folder).unwrap();
    // Both have names that are looked for.
    let honest = Honest::default();
    let served = honest.clone();
    fake(&folder.join("mpvsocket"), move |stream| served.serve(stream));
    let mut server = room.server(&["--player", "auto"]);
    honest.wait_for(-0.3);
    let mut delays_ms = [800, 300, 500, 400, 600, 350, 700].into_iter().cycle();
    let mut change = || {
        let ms = delays_ms.next().unwrap();
        room.set_delay(ms);
        honest.wait_for(-f64::from(ms) / 1e3)
    };
    let without: Vec<_> = (0..14).map(|_| change()).collect();
    let calls = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    fake(&folder.join("mpv-socket"), move |mut stream| {
        called.fetch_add(1, Ordering::SeqCst);
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    server.wait_for("it does not answer");
    // It is tried again every few seconds: until it was twice, and once more so that the last one's wait is seen too.
    let (began, known) = (Instant::now(), calls.load(Ordering::SeqCst));
    let mut with = Vec::new();
    while calls.load(Ordering::SeqCst) < known + 2 {
        assert!(began.elapsed() < 2 * PATIENCE, "it is not tried again");
        with.push(change());
    }
    with.push(change());
    println!("without one that does not answer: {without:?}; beside it: {with:?}");
    let longest = |took: &[Duration]| took.iter().max().copied().unwrap();
    assert!(
        longest(&with) < longest(&without) + 4 * SILENT,
        "{with:?} beside it, {without:?} without"
    );
    server.stop();
    assert_eq!(said(&server, "it does not answer"), 1, "{}", server.said());
    honest.wait_for(0.0);
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
fn what_a_killed_server_left_is_mended_beside_files_of_nonsense_that_are_left_alone() {
    let room = Room::new();
    let socket = room.scratch.path("mpv");
    let honest = Honest::default();
    let served = honest.clone();
    fake(&socket, move |stream| served.serve(stream));
    let server = room.server(&["--player", &format!("mpv:{}", socket.display())]);
    honest.wait_for(-0.3);
    kill(server);
    assert_eq!(room.kept(), 1);
    let folder = room.scratch.path("conf/auralync/film");
    let nonsense = [("mpv-1.json", "{"), ("mpv-2.json", "[]"), ("x", "y")];
    for (name, text) in nonsense {
        std::fs::write(folder.join(name), text).unwrap();
    }
    std::fs::create_dir(folder.join("mpv-3.json")).unwrap();
    let mut server = room.server(&[]);
    server.wait_for("the picture is as it was before a server that could not put it back");
    server.stop();
    assert!(honest.value_s().abs() < 1e-3, "{} s", honest.value_s());
    for (name, text) in nonsense {
        assert_eq!(std::fs::read_to_string(folder.join(name)).unwrap(), text, "{name}");
    }
    assert!(folder.join("mpv-3.json").is_dir());
    assert_eq!(room.kept(), 3, "and the good one has gone");
}
