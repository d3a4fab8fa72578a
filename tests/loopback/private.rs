//! A private room: who has the link hears every sample, and whoever listens in on the network none.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use auralync::secure::room::Link;

use crate::support::eavesdropper::Eavesdropper;
use crate::support::flags::{source, wav};
use crate::support::program::Program;
use crate::support::ramp::{self, Recording, frames_on_disk};
use crate::support::servers::{client_command, server_command};
use crate::support::{Scratch, wait_until};

const RATE: u32 = 48_000;
const STABLE: [&str; 2] = ["--preset", "stable"];

/// A folder for what somebody keeps.
pub(super) fn home(command: &mut Command, folder: &Path) {
    command.env("XDG_CONFIG_HOME", folder).env("HOME", folder).env("APPDATA", folder);
}

/// A private room that plays the ramp.
pub(super) struct Room {
    pub(super) scratch: Scratch,
    pub(super) server: Program,
    pub(super) address: SocketAddr,
    pub(super) link: String,
}

impl Room {
    pub(super) fn open(more: &[&str]) -> Self {
        let scratch = Scratch::new();
        let path = scratch.path("ramp.wav");
        ramp::write(&path, 0, 120 * RATE as usize, RATE, 2);
        let mut command = server_command();
        home(&mut command, &scratch.path("host"));
        command
            .stdin(Stdio::null())
            .args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery"])
            .args(if more.is_empty() { &["--no-web"][..] } else { &[] })
            .args(["--private", "--name", "the quiet attic", "--codecs", "f32"])
            .args(["--source", &source(&path)])
            .args(STABLE)
            .args(more);
        let mut server = Program::start(command);
        let address = server.address();
        let link = link_of(&scratch.path("host"), &[]);
        assert!(!server.said().contains(fragment(&link)), "a log keeps what it gets");
        Self { scratch, server, address, link }
    }

    /// A file with a link in it.
    pub(super) fn file(&self, name: &str, link: &str) -> PathBuf {
        let path = self.scratch.path(name);
        std::fs::write(&path, link).unwrap();
        path
    }

    /// A listener at `address` whose settings are in the folder `who`.
    pub(super) fn listener(&self, address: SocketAddr, who: &str, flags: &[&str]) -> Program {
        let mut command = client_command();
        home(&mut command, &self.scratch.path(who));
        command.arg(address.to_string()).args(flags);
        Program::start(command)
    }

    /// A listener at `address` with a link, who hears two seconds of the ramp whole.
    pub(super) fn hears(&self, address: SocketAddr, who: &str, flags: &[&str]) -> Recording {
        let recorded = self.scratch.path(format!("{who}.wav"));
        let _ = std::fs::remove_file(&recorded);
        let output = wav(&recorded);
        let flags: Vec<_> = flags.iter().copied().chain(["--output", &output]).collect();
        let mut listener = self.listener(address, who, &flags);
        wait_until("two seconds", || {
            assert!(listener.is_running(), "{}", listener.said());
            frames_on_disk(&recorded, 2) > 2 * u64::from(RATE)
        });
        let ended = listener.stop();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let recording = Recording::read_finished(&recorded);
        recording.unbroken();
        recording
    }
}

/// What `--show-link` prints.
pub(super) fn link_of(folder: &Path, more: &[&str]) -> String {
    let mut command = server_command();
    home(&mut command, folder);
    command.args(["--bind", "127.0.0.1", "--no-web", "--show-link"]).args(more);
    let shown = command.output().unwrap();
    assert!(shown.status.success(), "{shown:?}");
    String::from_utf8(shown.stdout).unwrap().trim().to_owned()
}

pub(super) fn fragment(link: &str) -> &str {
    link.split_once('#').unwrap().1
}

pub(super) fn has(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

#[test]
fn who_has_the_link_hears_every_sample_on_every_way_and_needs_no_link_the_next_time() {
    let room = Room::open(&[]);
    let file = room.file("link", &room.link);
    let link = ["--link", file.to_str().unwrap()];
    for (who, transport, codec) in
        [("tcp", "tcp", "f32"), ("udp", "udp", "f32"), ("whole", "auto", "f32")]
    {
        let flags = [&link[..], &["--transport", transport, "--codec", codec]].concat();
        room.hears(room.address, who, &flags);
        room.hears(room.address, who, &["--transport", transport, "--codec", codec]);
    }
}

#[test]
fn who_listens_in_learns_no_sample_no_name_and_no_key() {
    let room = Room::open(&[]);
    let file = room.file("link", &room.link);
    let between = Eavesdropper::before(room.address, 4);
    let flags = ["--link", file.to_str().unwrap(), "--transport", "tcp", "--name", "Wilhelmine"];
    let heard = room.hears(between.address, "ear", &flags);
    let count = between.heard.lock().unwrap().len();
    assert!(count > 2 * 8 * RATE as usize, "{count} bytes");
    let link = Link::read(&room.link).unwrap();
    for secret in
        [&b"Wilhelmine"[..], b"attic", fragment(&room.link).as_bytes(), link.secret.bytes()]
    {
        assert!(!between.has_heard(secret), "{}", String::from_utf8_lossy(secret));
    }
    // Each frame of the ramp is eight bytes that stand nowhere else.
    let frames = heard.samples.chunks_exact(2).filter(|frame| frame[0] != 0.0);
    let first: Vec<Vec<u8>> = frames
        .step_by(997)
        .map(|frame| frame.iter().flat_map(|sample| sample.to_le_bytes()).collect())
        .collect();
    assert!(first.len() > 50);
    assert!(first.iter().all(|frame| !between.has_heard(frame)));
}

#[test]
fn whoever_has_no_link_half_of_one_or_another_rooms_is_told_so_and_hears_nothing() {
    let room = Room::open(&[]);
    let other = link_of(&room.scratch.path("elsewhere"), &[]);
    let old = link_of(&room.scratch.path("host"), &["--new-key"]);
    assert_ne!(fragment(&old), fragment(&room.link));
    let cases = [
        ("nobody", None, 8, "is private. Ask whoever runs it for the link"),
        ("other", Some(other), 8, "is another server than the one that the link is of"),
        ("old", Some(old), 8, "has another key than this link"),
        ("half", Some(room.link[..room.link.len() - 1].to_owned()), 2, "Copy the whole link"),
    ];
    for (who, link, code, words) in cases {
        let file = link.map(|link| room.file(&format!("{who}.link"), &link));
        let mut flags = vec!["--output", "null"];
        if let Some(file) = &file {
            flags.extend(["--link", file.to_str().unwrap()]);
        }
        let ended = room.listener(room.address, who, &flags).wait();
        assert_eq!(ended.code, Some(code), "{who}: {ended:?}");
        assert!(ended.stderr.iter().any(|line| line.contains(words)), "{who}: {ended:?}");
    }
    // A listener of the first generation shows what it finds.
    let mut old = TcpStream::connect(room.address).unwrap();
    let mut said = Vec::new();
    let _ = old.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains(r#""error": "This room is private"#), "{said}");
    assert!(!said.contains("sample_rate"), "{said}");
}

#[test]
fn whoever_is_asked_to_leave_is_shut_out_with_the_old_link_and_nobody_else_loses_a_sample() {
    let mut room = Room::open(&["--web", "0"]);
    let page = room.server.find("the page's port", |line| {
        let (_, port) = line.split_once("http://127.0.0.1:")?;
        port.trim_end_matches('/').parse::<u16>().ok()
    });
    let link = room.file("link", &room.link);
    let link = ["--link", link.to_str().unwrap()];
    let recorded = room.scratch.path("stays.wav");
    let output = wav(&recorded);
    let stays = [&link[..], &["--name", "Stays", "--output", &output]].concat();
    let mut stays = room.listener(room.address, "stays", &stays);
    let goes = [&link[..], &["--name", "Goes", "--output", "null"]].concat();
    let mut gone = room.listener(room.address, "goes", &goes);
    room.server.wait_for("Goes (");
    wait_until("a second", || frames_on_disk(&recorded, 2) > u64::from(RATE));

    let mut kick = client_command();
    home(&mut kick, &room.scratch.path("host"));
    kick.args(["ctl", "kick", "Goes", "--server", &format!("127.0.0.1:{page}")]);
    let kicked = kick.output().unwrap();
    assert!(kicked.status.success(), "{kicked:?}");
    let ended = gone.wait();
    assert!(
        ended.stderr.iter().any(|line| line.contains("asked this listener to leave")),
        "{ended:?}"
    );
    for who in ["goes", "stranger"] {
        let ended = room.listener(room.address, who, &goes).wait();
        assert_eq!(ended.code, Some(8), "{who}: {ended:?}");
    }
    let before = frames_on_disk(&recorded, 2);
    wait_until("three more", || frames_on_disk(&recorded, 2) > before + 3 * u64::from(RATE));
    assert_eq!(stays.stop().code, Some(0));
    Recording::read_finished(&recorded).unbroken();
    // Who was in comes again with the old link, which it has been told the new one of.
    room.hears(room.address, "stays", &link);
    room.hears(room.address, "stays", &[]);
    let new = link_of(&room.scratch.path("host"), &[]);
    assert_ne!(fragment(&new), fragment(&room.link));
    let new = room.file("new", &new);
    room.hears(room.address, "newcomer", &["--link", new.to_str().unwrap()]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_link_on_the_command_line_is_taken_and_cannot_be_read_there() {
    let room = Room::open(&[]);
    let recorded = room.scratch.path("typed.wav");
    let mut command = client_command();
    home(&mut command, &room.scratch.path("typed"));
    let port = room.address.port();
    let typed = format!("auralync://127.0.0.1:{port}/#{}", fragment(&room.link));
    command.arg(&typed).args(["--output", &wav(&recorded)]);
    let mut listener = Program::start(command);
    wait_until("a second", || {
        assert!(listener.is_running(), "{}", listener.said());
        frames_on_disk(&recorded, 2) > u64::from(RATE)
    });
    let seen = std::fs::read(format!("/proc/{}/cmdline", listener.pid())).unwrap();
    assert!(!has(&seen, fragment(&room.link).as_bytes()), "{}", String::from_utf8_lossy(&seen));
    assert!(!listener.said().contains(fragment(&room.link)));
    assert_eq!(listener.stop().code, Some(0));
}
