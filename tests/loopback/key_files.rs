//! Files with keys that others may read, that are cut short, or that cannot be read: one sentence each, and
//! what to do.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::codes::Host;
use super::private::home;
use crate::support::Scratch;
use crate::support::program::{Ended, Program};
use crate::support::servers::{client_command, server_command};

/// What can be wrong with a file, and the words that say so.
const FAULTS: [(&str, &str); 5] = [
    ("world-readable", "others on this computer may read this secret"),
    ("cut short", "or a part of one"),
    ("empty", "or a part of one"),
    ("a folder", "this is a link or a folder"),
    ("a link", "this is a link or a folder"),
];

/// Makes the file what is wrong with it.
fn spoil(path: &Path, fault: &str, whole: &[u8]) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir(path);
    let put = |bytes: &[u8], mode| {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    match fault {
        "world-readable" => put(whole, 0o644),
        "cut short" => put(&whole[..whole.len() / 2], 0o600),
        "empty" => put(b"", 0o600),
        "a folder" => fs::create_dir(path).unwrap(),
        _ => symlink("/dev/null", path).unwrap(),
    }
}

fn assert_sentence(ended: &Ended, what: &str, path: &Path, words: &str) {
    let [line] = &ended.stderr[..] else { panic!("{what}: {ended:?}") };
    let name = path.file_name().unwrap().to_str().unwrap();
    assert_eq!(ended.code, Some(7), "{what}: {ended:?}");
    assert!(line.contains(words) && line.contains(name), "{what}: {line}");
    assert!(line.contains("emove it") || line.contains("chmod 600"), "{what} helps nobody: {line}");
}

/// A client in that folder, which must end.
fn client(address: SocketAddr, folder: &Path, flags: &[&str]) -> Ended {
    let mut command = client_command();
    home(&mut command, folder);
    command.arg(address.to_string()).args(["--output", "null"]).args(flags);
    Program::start(command).wait()
}

fn kept(folder: &Path, name: &str) -> (PathBuf, Vec<u8>) {
    let path = folder.join("auralync").join(name);
    let whole = fs::read(&path).unwrap();
    (path, whole)
}

#[test]
fn a_servers_key_that_cannot_be_used_keeps_it_from_starting_and_one_sentence_says_why() {
    let scratch = Scratch::new();
    let start = || {
        let mut command = server_command();
        home(&mut command, &scratch.path(""));
        command.args(["--bind", "127.0.0.1", "--no-web", "--no-discovery", "--source", "tone"]);
        command.args(["--port", "0", "--private", "--show-link"]);
        command.stdin(std::process::Stdio::null());
        Program::start(command).wait()
    };
    assert_eq!(start().code, Some(0));
    let (path, whole) = kept(&scratch.path(""), "room.key");
    for (fault, words) in FAULTS {
        spoil(&path, fault, &whole);
        assert_sentence(&start(), fault, &path, words);
    }
}

#[test]
fn a_new_key_that_cannot_be_kept_is_told_and_one_that_can_be_holds_at_the_next_start() {
    let host = Host::open(&[]);
    let (path, old) = kept(&host.room.scratch.path("host"), "room.key");
    spoil(&path, "a folder", &old);
    let refused = host.ask(&["newkey"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!((refused.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("but only until this server ends"), "{said}");
    assert!(said.contains("room.key"), "{said}");
    fs::remove_dir(&path).unwrap();
    let link = host.ctl(&["newkey"]);
    let kept = auralync::secure::room::Link::read(&link).unwrap();
    let mut command = server_command();
    home(&mut command, &host.room.scratch.path("host"));
    command.args(["--bind", "127.0.0.1", "--no-web", "--show-link"]).arg("--private");
    let shown = command.output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(auralync::secure::room::Link::read(&shown).unwrap(), kept);
}

#[test]
fn a_listeners_keys_that_cannot_be_used_are_named_and_a_room_that_was_forgotten_is_asked_for() {
    let host = Host::open(&[]);
    let code = host.code(&[]);
    host.room.hears(host.room.address, "guest", &["--code", &code]);
    let folder = host.room.scratch.path("guest");
    let (identity, whole) = kept(&folder, "identity.key");
    for (fault, words) in FAULTS {
        spoil(&identity, fault, &whole);
        assert_sentence(&client(host.room.address, &folder, &[]), fault, &identity, words);
    }
    spoil(&identity, "empty", b"");
    fs::remove_file(&identity).unwrap();
    let (rooms, whole) = kept(&folder, "rooms.key");
    for (fault, words) in [FAULTS[0], FAULTS[3], FAULTS[4]] {
        spoil(&rooms, fault, &whole);
        assert_sentence(&client(host.room.address, &folder, &[]), fault, &rooms, words);
    }
    // What is left of a room that was cut off is no room.
    spoil(&rooms, "cut short", &whole);
    let ended = client(host.room.address, &folder, &[]);
    assert_eq!(ended.code, Some(8), "{ended:?}");
}
