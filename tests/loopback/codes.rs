//! The code of a private room: who has it comes in and is remembered, and whoever has not learns nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Output;

use auralync::wire::{kind, typed};

use super::private::{Room, fragment, has, home, link_of};
use crate::support::Scratch;
use crate::support::eavesdropper::Eavesdropper;
use crate::support::program::{Ended, Program};
use crate::support::servers::{client_command, server};
use crate::support::wait_until;

/// A private room whose server can be told what to do.
pub(super) struct Host {
    pub(super) room: Room,
    page: u16,
}

impl Host {
    pub(super) fn open(more: &[&str]) -> Self {
        let mut room = Room::open(&[&["--web", "0"], more].concat());
        let page = room.server.find("the page's port", |line| {
            let (_, port) = line.split_once("http://127.0.0.1:")?;
            port.trim_end_matches('/').parse::<u16>().ok()
        });
        Self { room, page }
    }

    pub(super) fn ask(&self, words: &[&str]) -> Output {
        let mut command = client_command();
        home(&mut command, &self.room.scratch.path("host"));
        command.arg("ctl").args(words).args(["--server", &format!("127.0.0.1:{}", self.page)]);
        command.output().unwrap()
    }

    pub(super) fn ctl(&self, words: &[&str]) -> String {
        let output = self.ask(words);
        assert!(output.status.success(), "{output:?}, and the server: {}", self.room.server.said());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The code as its digits.
    pub(super) fn code(&self, more: &[&str]) -> String {
        let said = self.ctl(&[&["code"], more].concat());
        assert!(said.contains("lets one person in, within 10 minutes"), "{said}");
        said.chars().filter(char::is_ascii_digit).take(6).collect()
    }

    fn refused(&self, who: &str, code: &str) -> Ended {
        let flags = ["--code", code, "--output", "null"];
        let ended = self.room.listener(self.room.address, who, &flags).wait();
        assert_eq!((ended.code, ended.stderr.len()), (Some(8), 1), "{who}: {ended:?}");
        ended
    }
}

/// Another code than that.
fn other(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

pub(super) fn says(ended: &Ended, words: &str) {
    assert!(ended.stderr.iter().any(|line| line.contains(words)), "{ended:?}");
}

#[test]
fn whoever_types_the_code_hears_every_sample_needs_nothing_the_next_time_and_nobody_else_can_use_it()
 {
    let host = Host::open(&[]);
    let code = host.code(&[]);
    assert_eq!(host.code(&[]), code, "it is the same until it is used");
    let between = Eavesdropper::before(host.room.address, 4);
    let typed = format!("{} {}", &code[..3], &code[3..]);
    host.room.hears(between.address, "guest", &["--code", &typed, "--transport", "tcp"]);
    let heard = between.heard.lock().unwrap().clone();
    let link = auralync::secure::room::Link::read(&host.room.link).unwrap();
    for secret in [code.as_bytes(), typed.as_bytes(), link.secret.bytes()] {
        assert!(!has(&heard, secret), "{}", String::from_utf8_lossy(secret));
    }
    host.room.hears(host.room.address, "guest", &[]);
    says(&host.refused("late", &code), "there is no code at");
    let new = host.code(&[]);
    assert_ne!(new, code);
    host.room.hears(host.room.address, "late", &["--code", &new]);
}

/// Begins a try and shows nothing: what it answers.
fn begin(host: &Host) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(host.room.address).unwrap();
    // A number of its own, and an element of the group.
    let share = [
        0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51,
        0x5f, 0x58, 0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d,
        0x2d, 0x76,
    ];
    stream.write_all(&typed(kind::CODE, &[&[7; 16][..], &share].concat())).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    stream.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize]).unwrap();
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; (u32::from_be_bytes(length) & 0x7fff_ffff) as usize];
    stream.read_exact(&mut answer).unwrap();
    (stream, answer)
}

/// Tries that code as soon as it may be tried.
fn refused_in_turn(host: &Host, who: &str, code: &str) -> Ended {
    let mut last = None;
    wait_until("its turn to try", || {
        let ended = host.refused(who, code);
        let is_early = ended.stderr.iter().any(|line| line.contains("Wait "));
        last = Some(ended);
        !is_early
    });
    last.unwrap()
}

#[test]
fn after_three_wrong_tries_of_whatever_kind_the_right_code_lets_nobody_in_and_each_made_all_wait() {
    let host = Host::open(&[]);
    let code = host.code(&[]);
    says(&host.refused("wrong", &other(&code)), "this is not the code that the server at");
    says(&host.refused("soon", &code), "Wait 2 s");
    // Whoever begins and goes has tried, and nobody else tries meanwhile.
    let mut begun = None;
    wait_until("its turn to try", || {
        let (stream, answer) = begin(&host);
        let is_answer = answer.first() == Some(&kind::CODE_ANSWER);
        begun = is_answer.then_some(stream);
        is_answer
    });
    says(&host.refused("meanwhile", &code), "somebody else tries one now");
    drop(begun);
    says(&host.refused("soon", &code), "Wait ");
    says(&refused_in_turn(&host, "wrong", &other(&code)), "this is not the code");
    says(&host.refused("right", &code), "there is no code at");
    assert!(host.room.server.said().contains("ctl code makes another"));
    assert!(!host.room.server.said().contains(&code), "a log keeps what it gets");
}

#[test]
fn whoever_runs_the_server_sees_the_link_and_makes_a_new_one_without_losing_anybody() {
    let host = Host::open(&[]);
    assert_eq!(fragment(&host.ctl(&["link"])), fragment(&host.room.link));
    let file = host.room.file("link", &host.room.link);
    let link = ["--link", file.to_str().unwrap()];
    host.room.hears(host.room.address, "member", &link);
    let stays = [&link[..], &["--name", "Stays", "--output", "null"]].concat();
    let mut stays = host.room.listener(host.room.address, "stays", &stays);
    wait_until("somebody who stays", || host.ctl(&["list"]).contains("Stays"));
    let new = host.ctl(&["newkey"]);
    let rooms = host.room.scratch.path("stays").join("auralync/rooms.key");
    wait_until("the new key is told to who stays", || {
        std::fs::read_to_string(&rooms).unwrap().contains(fragment(&new))
    });
    assert_eq!(stays.stop().code, Some(0));
    assert_ne!(fragment(&new), fragment(&host.room.link));
    assert_eq!(fragment(&host.ctl(&["link"])), fragment(&new));
    wait_until("the new key is kept", || {
        fragment(&link_of(&host.room.scratch.path("host"), &[])) == fragment(&new)
    });
    host.room.hears(host.room.address, "member", &[]);
    let flags = [&link[..], &["--output", "null"]].concat();
    let ended = host.room.listener(host.room.address, "late", &flags).wait();
    says(&ended, "has another key than this link");
    let code = host.code(&[]);
    host.room.hears(host.room.address, "late", &["--code", &code]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_code_on_the_command_line_cannot_be_read_there() {
    let host = Host::open(&[]);
    let code = host.code(&[]);
    let flags = ["--code", &code, "--output", "null", "--name", "Guest"];
    let mut listener = host.room.listener(host.room.address, "typed", &flags);
    wait_until("the guest", || host.ctl(&["list"]).contains("Guest"));
    let seen = std::fs::read(format!("/proc/{}/cmdline", listener.pid())).unwrap();
    assert!(!has(&seen, code.as_bytes()), "{}", String::from_utf8_lossy(&seen));
    assert_eq!(listener.stop().code, Some(0));
}

#[test]
fn an_open_room_has_neither_code_nor_link_and_whoever_comes_with_a_code_is_not_let_in() {
    let mut server = server(["--source", "tone"]);
    let mut command = client_command();
    let scratch = Scratch::new();
    home(&mut command, &scratch.path("guest"));
    command.arg(server.address().to_string()).args(["--code", "123456", "--output", "null"]);
    let ended = Program::start(command).wait();
    assert_eq!(ended.code, Some(8), "{ended:?}");
    says(&ended, "is open to everybody");
}
