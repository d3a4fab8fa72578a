//! Programs that are kept running without a window, and how they end.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::Test;
use crate::support::program::Guarded;
use crate::support::room::Room;
use crate::support::waiting::{PATIENCE, wait_until};
use crate::wine::{self, CLIENT, SERVER};

pub(crate) const TESTS: &[Test] = &[
    ("a_service_that_is_removed_ends_in_order_and_tells_who_listens", removed),
    ("a_program_ends_in_order_when_its_keeper_is_killed", without_its_keeper),
];

/// Only this machine reaches it.
const FLAGS: [&str; 8] =
    ["--source", "tone", "--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"];

/// A service in a world where none was installed before; none is left behind.
struct Service<'a> {
    room: &'a Room,
}

impl<'a> Service<'a> {
    fn new(room: &'a Room) -> Self {
        let service = Self { room };
        service.order(&["remove"]);
        let _ = fs::remove_dir_all(service.log().parent().unwrap());
        service
    }

    /// What it says to an order that it obeys.
    #[track_caller]
    fn order(&self, words: &[&str]) -> String {
        let mut command = wine::command(self.room, SERVER, &[&["service"], words].concat());
        // What a program starts gets this one from Wine, whatever Windows would hand on.
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Guarded(command.spawn().unwrap());
        let mut stdout = child.0.stdout.take().unwrap();
        let (sender, said) = channel();
        thread::spawn(move || {
            let mut text = String::new();
            sender.send(stdout.read_to_string(&mut text).map(|_| text))
        });
        // Nothing that goes on holds it open.
        let said = said.recv_timeout(PATIENCE).expect("its output ends with it").unwrap();
        assert_eq!(child.0.wait().unwrap().code(), Some(0), "{words:?} {said}");
        said.replace('\r', "")
    }

    fn log(&self) -> PathBuf {
        let users = fs::read_dir(wine::drive_c().join("users")).unwrap();
        let homes = users.map(|home| home.unwrap().path());
        let is_own = |home: &PathBuf| !home.ends_with("Public");
        let home = homes.into_iter().find(is_own).unwrap();
        home.join("AppData/Local/auralync/auralync-server.log")
    }

    /// Where the server listens that is kept running.
    fn address(&self) -> String {
        let mut address = None;
        wait_until("the server runs", || {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            let said = log.lines().find_map(|line| line.split_once("auralync-client 127.0.0.1:"));
            address = said.map(|(_, port)| {
                let digits = port.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
                format!("127.0.0.1:{digits}")
            });
            address.is_some()
        });
        address.unwrap()
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        let mut command = wine::command(self.room, SERVER, &["service", "remove"]);
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn removed() {
    let room = Room::without_sound_server();
    let service = Service::new(&room);
    let said = service.order(&[&["install"], &FLAGS[..]].concat());
    assert!(said.contains("starts when you sign in from now on"), "{said}");
    assert!(service.order(&["status"]).contains("\nIt runs.\n"));
    let mut listener =
        wine::start(&room, CLIENT, &[&service.address(), "--once", "--output", "null"]);
    listener.wait_for("connected to");
    let begun = Instant::now();
    let said = service.order(&["remove"]);
    println!("removed in {} ms: {said}", begun.elapsed().as_millis());
    let ended = listener.wait();
    assert_eq!(ended.code, Some(4), "{ended}");
    let why = ended.stderr.last().unwrap();
    assert!(why.contains("ended the connection: the server was stopped"), "{why}");
    let log = fs::read_to_string(service.log()).unwrap();
    assert!(log.ends_with("auralync-server: stopped, as it was asked for\n"), "{log}");
    let said = service.order(&["status"]);
    assert!(said.contains("does not start by itself") && said.contains("does not run"), "{said}");
}

fn without_its_keeper() {
    let room = Room::without_sound_server();
    let service = Service::new(&room);
    let keeper = wine::start(&room, SERVER, &[&["service", "run"], &FLAGS[..]].concat());
    let mut listener =
        wine::start(&room, CLIENT, &[&service.address(), "--once", "--output", "null"]);
    listener.wait_for("connected to");
    let pid = Pid::from_raw(keeper.pid().cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let ended = listener.wait();
    let why = ended.stderr.last().unwrap();
    assert!(why.contains("ended the connection: the server was stopped"), "{why}");
}
