//! Programs that tell the real server what to do: who may, what they may, and what happens.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use auralync::wire::websocket::{masked_text, server_text};
use auralync::wire::{Hello, Notice, Reason, TYPED, Wish, kind};
use serde_json::{Value, json};

use super::browser::{self, Message, WebSocket, exchange};
use crate::support::program::Program;
use crate::support::servers::{client, server_command};
use crate::support::websocket::masked;
use crate::support::{Scratch, socket, wait_until};

const MASK: [u8; 4] = [1, 2, 3, 4];

/// Longest answer that is read.
const MOST: usize = 1 << 20;

/// A server whose token lies where nobody else's does.
struct Room {
    server: Program,
    listeners: SocketAddr,
    page: SocketAddr,
    token: String,
    scratch: Scratch,
}

impl Room {
    fn open(arguments: &[&str]) -> Self {
        let scratch = Scratch::new();
        let mut command = server_command();
        command.env("XDG_RUNTIME_DIR", scratch.path("run"));
        command.args(["--bind", "127.0.0.1", "--port", "0", "--web", "0", "--no-discovery"]);
        command.args(["--record-dir", scratch.path("records").to_str().unwrap()]);
        std::fs::create_dir_all(scratch.path("records")).unwrap();
        command.args(arguments);
        let mut server = Program::start(command);
        let listeners = server.address();
        let line = server.wait_for(" open http://");
        let (_, address) = line.split_once("http://").unwrap();
        let page: SocketAddr = address.split_once('/').unwrap().0.parse().unwrap();
        let path = scratch.path(format!("run/auralync/control-{}.token", page.port()));
        let mut token = String::new();
        wait_until("a token", || {
            token = std::fs::read_to_string(&path).unwrap_or_default();
            token.len() == 64
        });
        Self { server, listeners, page, token, scratch }
    }

    /// The opening that a program with the token sends.
    fn opening(&self) -> String {
        format!(
            "GET /control HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {}\r\n\r\n",
            self.page, self.token
        )
    }

    fn caller(&self) -> Caller {
        let mut stream = socket::connect(self.page);
        stream.write_all(self.opening().as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Caller { stream, buffer: Vec::new() }
    }

    /// `auralync-client ctl` with these words.
    fn ctl(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_auralync-client"));
        command.env("XDG_RUNTIME_DIR", self.scratch.path("run")).arg("ctl").args(words);
        if !words.contains(&"--server") {
            command.args(["--server", &format!("localhost:{}", self.page.port())]);
        }
        command.output().unwrap()
    }

    #[track_caller]
    fn tell(&self, words: &[&str]) -> String {
        let out = self.ctl(words);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{words:?}: {said}");
        String::from_utf8(out.stdout).unwrap()
    }

    #[track_caller]
    fn is_refused(&self, words: &[&str], code: i32, why: &str) {
        let out = self.ctl(words);
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(why) && said.lines().count() == 1, "{words:?}: {said}");
    }

    fn record(&self, name: &str) -> PathBuf {
        self.scratch.path("records").join(name)
    }
}

/// A program that says only what a test makes it say.
struct Caller {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Caller {
    fn say(&mut self, text: &str) {
        self.stream.write_all(&masked_text(text, MASK)).unwrap();
    }

    /// The next text, or the code of a close.
    fn next(&mut self) -> Result<Value, u16> {
        loop {
            match server_text(&self.buffer, MOST) {
                Ok(Some((text, used))) => {
                    self.buffer.drain(..used);
                    return Ok(serde_json::from_slice(&text).unwrap());
                }
                Ok(None) => {}
                Err(code) => return Err(code.unwrap()),
            }
            let mut bytes = [0; 4096];
            let count = self.stream.read(&mut bytes).unwrap();
            assert!(count > 0, "closed without a word");
            self.buffer.extend_from_slice(&bytes[..count]);
        }
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        let call = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1});
        self.say(&call.to_string());
        self.next().unwrap()
    }
}

#[test]
fn only_a_program_here_with_the_token_is_let_in() {
    let mut room = Room::open(&["--source", "tone"]);
    let (good, page) = (room.opening(), room.page);
    let authorization = format!("Authorization: Bearer {}\r\n", room.token);
    let with = |line: &str| {
        good.replace("Upgrade: websocket\r\n", &format!("Upgrade: websocket\r\n{line}\r\n"))
    };
    let longest = "f".repeat(7000);
    let cases: [(&str, String, &str); 12] = [
        ("no token", good.replace(&authorization, ""), "401"),
        ("a wrong token", good.replace(&room.token, &"0".repeat(64)), "401"),
        ("half a token", good.replace(&room.token, &room.token[..32]), "401"),
        ("a token and more", good.replace(&room.token, &format!("{}0", room.token)), "401"),
        ("a token of 7 kB", good.replace(&room.token, &longest), "401"),
        ("two tokens", with(authorization.trim_end()), "401"),
        ("another page's origin", with("Origin: http://evil.example"), "403"),
        ("a file's origin", with("Origin: null"), "403"),
        ("a name that leads here", good.replace(&page.to_string(), "evil.example"), "421"),
        ("no upgrade", good.replace("Upgrade: websocket\r\n", ""), "426"),
        ("another method", good.replace("GET ", "POST "), "405"),
        ("another path", good.replace("/control", "/control/../control"), "404"),
    ];
    for (name, bytes, status) in &cases {
        let answer = exchange(page, bytes.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
    }
    assert!(room.caller().call("list", &json!({}))["result"]["sources"].is_array());
    let own_page = with(&format!("Origin: http://{page}"));
    let mut stream = socket::connect(page);
    stream.write_all(own_page.as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
    assert!(room.server.is_running());
    assert_eq!(room.server.times_said("panicked"), 0);
    // The token goes with the server.
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let path = room.scratch.path(format!("run/auralync/control-{}.token", page.port()));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        room.server.stop();
        assert!(!path.exists());
    }
}

#[test]
fn what_cannot_be_is_refused_in_one_line_and_the_rest_goes_on() {
    let room = Room::open(&["--source", "tone"]);
    let mut caller = room.caller();
    let refused: [(&str, Value, i64); 16] = [
        ("shutdown", json!({}), -32601),
        ("", json!({}), -32601),
        ("level", json!({}), -32602),
        ("level", json!({"source": -1, "db": 0}), -32602),
        ("level", json!({"source": 0, "db": "loud"}), -32602),
        ("level", json!({"source": 0, "db": 0, "more": 1}), -32602),
        ("level", json!([0, 0]), -32602),
        ("level", json!({"source": 0, "db": 1000}), -32000),
        ("pan", json!({"source": 0, "pan": -2}), -32000),
        ("mute", json!({"source": 77, "muted": true}), -32000),
        ("remove", json!({"source": 0}), -32000),
        ("add", json!({"name": "../../etc/passwd"}), -32000),
        ("add", json!({"name": "file:/etc/passwd"}), -32000),
        ("record_start", json!({"name": "../x.wav"}), -32000),
        ("record_start", json!({"name": "\u{1b}[2J.wav"}), -32000),
        ("kick", json!({"listener": "\u{1b}]0;x\u{7}"}), -32000),
    ];
    for (method, params, code) in &refused {
        let answer = caller.call(method, params);
        assert_eq!(answer["error"]["code"], *code, "{method} {params}: {answer}");
        let said = answer["error"]["message"].as_str().unwrap();
        assert!(said.len() < 400 && !said.contains(|c: char| c.is_control()), "{said:?}");
    }
    let batch = json!([
        {"jsonrpc": "2.0", "method": "level", "params": {"source": 0, "db": -6}, "id": "a"},
        {"jsonrpc": "2.0", "method": "mute", "params": {"source": 0, "muted": true}},
        {"jsonrpc": "2.0", "method": "list", "id": "b"},
    ]);
    caller.say(&batch.to_string());
    let answers = caller.next().unwrap();
    assert_eq!((&answers[0]["id"], &answers[1]["id"]), (&json!("a"), &json!("b")));
    let source = &answers[1]["result"]["sources"][0];
    assert_eq!((&source["level_db"], &source["is_muted"]), (&json!(-6.0), &json!(true)));
    // A name of 10 kB is longer than any message that is taken.
    let mut long = room.caller();
    let name = "x".repeat(10_000);
    let call = json!({"jsonrpc": "2.0", "method": "add", "params": {"name": name}, "id": 1});
    long.say(&call.to_string());
    assert_eq!(long.next(), Err(1009));
    let mut binary = room.caller();
    binary.stream.write_all(&masked(0x82, b"{}")).unwrap();
    assert_eq!(binary.next(), Err(1003));
    let mut unmasked = room.caller();
    unmasked.stream.write_all(b"\x81\x02{}").unwrap();
    assert_eq!(unmasked.next(), Err(1002));
}

#[test]
fn floods_end_and_others_are_served() {
    let room = Room::open(&["--source", "tone"]);
    let mut patient = room.caller();
    let mut flood = room.caller();
    for _ in 0..60 {
        flood.say(r#"{"jsonrpc":"2.0","method":"list","id":1}"#);
    }
    let closed = (0..60).find_map(|_| flood.next().err());
    assert_eq!(closed, Some(1008));
    assert!(patient.call("list", &json!({}))["result"].is_object());
    // As many as may be there at a time; whoever comes then is told to come later.
    let mut callers: Vec<Caller> = (0..7).map(|_| room.caller()).collect();
    wait_until("the flood's thread to end", || {
        let mut one_more = room.caller();
        one_more.say(r#"{"jsonrpc":"2.0","method":"list","id":1}"#);
        one_more.next() == Err(1013)
    });
    assert!(callers.iter_mut().all(|c| c.call("list", &json!({}))["result"].is_object()));
    drop(callers);
    wait_until("room again", || {
        let mut one_more = room.caller();
        one_more.say(r#"{"jsonrpc":"2.0","method":"list","id":1}"#);
        one_more.next().is_ok()
    });
}

/// A connection that says nothing is closed no sooner than after this: it has 5 seconds.
const SILENT_FOR: Duration = Duration::from_millis(4_500);

#[test]
fn whoever_runs_the_server_reaches_it_while_every_place_of_the_page_is_taken() {
    let room = Room::open(&["--source", "tone"]);
    // It does not have to wait for anybody's time to be up. Where this machine took as long, that tells
    // nothing.
    wait_until("an answer before those who say nothing had their time", || {
        let silent: Vec<_> = (0..200).map(|_| socket::connect(room.page)).collect();
        let connected = Instant::now();
        assert!(room.tell(&["list"]).contains("tone"));
        let mut newest = silent.last().unwrap();
        newest.set_nonblocking(true).unwrap();
        let read = newest.read(&mut [0]);
        let waits = read.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
        assert!(waits || connected.elapsed() > SILENT_FOR, "it was closed before its time");
        waits
    });
}

#[test]
fn a_person_at_the_server_turns_sources_up_and_down_takes_them_in_and_out() {
    let room = Room::open(&["--source", "tone:440", "--offer", "tone:1000,level=-20dB"]);
    let list: Value = serde_json::from_str(&room.tell(&["list", "--json"])).unwrap();
    assert_eq!(list["offered"], json!(["tone:440", "tone:1000"]));
    let said = room.tell(&["level", "440", "-12.5"]);
    assert!(said.contains("tone:440") && said.contains("-12.5 dB"), "{said}");
    assert!(room.tell(&["mute", "tone"]).contains("muted"));
    assert!(room.tell(&["unmute", "0"]).contains("-12.5 dB"));
    assert!(room.tell(&["pan", "0", "-0.5"]).contains("pan -0.5"));
    assert!(room.tell(&["add", "1000"]).contains("-20.0 dB"));
    room.is_refused(&["add", "1000"], 2, "tone:1000");
    room.is_refused(&["add", "../../etc/passwd"], 2, "there is no source");
    room.is_refused(&["level", "tone", "0"], 2, "could be several sources");
    room.is_refused(&["level", "mic", "0"], 2, "there is no source “mic”");
    room.is_refused(&["level", "1000", "99"], 2, "99");
    assert!(!room.tell(&["remove", "1000"]).contains("tone:1000"));
    room.is_refused(&["--server", "192.0.2.1", "list"], 2, "only on its own computer");
    room.is_refused(&["--server", "localhost:1", "list"], 2, "port 1");
}

#[test]
fn a_listener_is_asked_to_leave_and_does_not_come_again() {
    let mut room = Room::open(&["--source", "tone"]);
    let mut stays = client(room.listeners, ["--output", "null", "--name", "ann"]);
    let mut goes = client(room.listeners, ["--output", "null", "--name", "bob"]);
    room.server.wait_for("ann");
    room.server.wait_for("bob");
    room.is_refused(&["kick", "carol"], 2, "there is no listener “carol”");
    assert!(room.tell(&["kick", "bob"]).contains("was asked to leave"));
    let ended = goes.wait();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    goes.wait_for("has asked this listener to leave");
    let list = room.tell(&["list"]);
    assert!(list.contains("ann") && !list.contains("bob"), "{list}");
    assert!(stays.is_running());
}

/// A listener's connection that has said hello.
fn hello(room: &Room, id: &str, name: &str) -> TcpStream {
    let mut socket = socket::connect(room.listeners);
    let (id, name) = (id.to_owned(), name.to_owned());
    let hello =
        Hello { version: 2, id, name, codecs: vec!["f32".into()], talk: None, datagrams: false };
    // One that is let in by nobody may have been closed already.
    let _ = socket.write_all(&hello.frame());
    socket
}

/// Whether a listener is welcomed.
fn is_let_in(room: &Room, id: &str, name: &str) -> bool {
    let mut socket = hello(room, id, name);
    let mut length = [0; 4];
    while socket.read_exact(&mut length).is_ok() {
        let length = u32::from_be_bytes(length);
        let mut body = vec![0; (length & !TYPED) as usize];
        if socket.read_exact(&mut body).is_err() {
            return false;
        }
        if length & TYPED != 0 {
            return body[0] == kind::WELCOME;
        }
    }
    false
}

#[test]
fn who_was_asked_to_leave_stays_out_and_with_address_under_any_name() {
    let mut room = Room::open(&["--source", "tone"]);
    let _bob = hello(&room, "first", "bob");
    room.server.wait_for("bob (127.0.0.1");
    assert!(room.tell(&["kick", "bob"]).contains("was asked to leave"));
    assert!(!is_let_in(&room, "first", "other"), "the same id");
    assert!(!is_let_in(&room, "second", "bob"), "the same name from there");
    assert!(is_let_in(&room, "second", "carol"));

    let _eve = hello(&room, "third", "eve");
    room.server.wait_for("eve (127.0.0.1");
    assert!(room.tell(&["kick", "eve", "--address"]).contains("was asked to leave"));
    assert!(!is_let_in(&room, "fourth", "frank"), "nobody from there");
    assert!(room.tell(&["list"]).contains("tone"), "whoever runs the server gets through");
}

#[test]
fn a_browser_that_was_asked_to_leave_is_told_so_each_time_it_comes_again() {
    let room = Room::open(&["--source", "tone"]);
    let (mut seated, _) = WebSocket::listen(room.page, "first");
    assert!(room.tell(&["kick", "a phone"]).contains("was asked to leave"));
    let Message::Frame(kind::NOTICE, notice) = seated.next_word() else { panic!("no notice") };
    assert_eq!(Notice::read(&notice).unwrap().reason, Reason::Removed);
    assert!(matches!(seated.next_word(), Message::Close(4001, _)));
    for id in ["first", "second"] {
        let mut again = WebSocket::open(room.page);
        again.send(&browser::hello(id));
        let Message::Close(4001, said) = again.next() else { panic!("no such close") };
        assert!(said.contains("has asked this listener to leave"), "{said}");
    }
}

#[test]
fn who_is_muted_is_told_so_and_cannot_undo_it_even_by_coming_again() {
    let mut room = Room::open(&["--source", "tone", "--talk"]);
    let mut mallory = hello(&room, "first", "mallory");
    room.server.wait_for("mallory (127.0.0.1");
    assert!(room.tell(&["mute", "mallory"]).contains("is muted"));
    until_notice(&mut mallory, Reason::Muted);
    let wish = Wish { muted: Some(false), name: Some("trudy".into()), ..Wish::default() };
    mallory.write_all(&wish.frame()).unwrap();
    wait_until("the new name", || room.tell(&["list"]).contains("trudy"));
    assert!(room.tell(&["list"]).contains("muted"));
    for (id, name) in [("first", "x"), ("second", "mallory"), ("third", "trudy")] {
        until_notice(&mut hello(&room, id, name), Reason::Muted);
    }
    drop(mallory);
    let mut again = hello(&room, "fourth", "mallory");
    until_notice(&mut again, Reason::Muted);
    wait_until("one mallory", || {
        room.tell(&["list"]).lines().filter(|line| line.contains("mallory")).count() == 1
    });
    assert!(room.tell(&["unmute", "mallory"]).contains("may be heard again"));
    until_notice(&mut again, Reason::Unmuted);
    room.is_refused(&["mute", "carol"], 2, "there is no source or person");
}

/// Reads on until a notice of that reason comes.
fn until_notice(socket: &mut TcpStream, reason: Reason) {
    loop {
        let mut length = [0; 4];
        socket.read_exact(&mut length).unwrap();
        let length = u32::from_be_bytes(length);
        let mut body = vec![0; (length & !TYPED) as usize];
        socket.read_exact(&mut body).unwrap();
        if length & TYPED != 0 && body[0] == kind::NOTICE {
            assert_eq!(Notice::read(&body[1..]).unwrap().reason, reason);
            return;
        }
    }
}

#[test]
fn a_recording_is_begun_and_ended_in_the_folder_that_was_named() {
    let room = Room::open(&["--source", "tone"]);
    for name in ["../x.wav", "/tmp/x.wav", "x.exe", "..", "a/b.wav"] {
        room.is_refused(&["record", "start", name], 2, "cannot");
    }
    assert!(room.tell(&["record", "start", "evening.wav"]).contains("evening.wav"));
    wait_until("sound on disk", || {
        std::fs::metadata(room.record("evening.wav")).is_ok_and(|file| file.len() > 100_000)
    });
    room.is_refused(&["record", "start", "other.wav"], 2, "");
    assert!(room.tell(&["record", "stop"]).contains("evening.wav"));
    let reader = hound::WavReader::open(room.record("evening.wav")).unwrap();
    assert!(reader.len() > 0);
    room.is_refused(&["record", "stop"], 2, "");
    room.is_refused(&["record", "start", "evening.wav"], 2, "exists");
}
