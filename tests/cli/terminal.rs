//! What a person sees who starts the programs in a terminal: the status, the keys, and a terminal
//! that afterwards is as it was. `script` (util-linux) makes the terminal, an emulator reads it.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::program::Program;
use crate::support::room_server::RoomServer;
use crate::support::servers::{client, server};
use crate::support::{Scratch, wait_until};
use auralync::status::{Key, Terminal};
use auralync::wire::{People, Person};
use rustix::process::{Pid, Signal, kill_process};

pub(super) const CLIENT: &str = env!("CARGO_BIN_EXE_auralync-client");
pub(super) const SERVER: &str = env!("CARGO_BIN_EXE_auralync-server");

/// Starts a program in a terminal of `$1` columns and `$2` rows, and notes what becomes of both.
const SESSION: &str = r#"
stty cols "$1" rows "$2" && shift 2
stty -g > before
trap : INT
sh -c 'echo $$ > pid && exec "$@"' sh "$@"
echo $? > code
stty -g > after
"#;

/// A terminal with one program in it.
pub(super) struct Window {
    pub(super) folder: Scratch,
    script: Child,
    keys: ChildStdin,
    emulator: Arc<Mutex<vt100::Parser>>,
    /// Everything that was written.
    written: Arc<Mutex<Vec<u8>>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Window {
    pub(super) fn open(program: &str, arguments: &[&str]) -> Self {
        Self::of_size(100, 20, program, arguments)
    }

    fn of_size(columns: u16, rows: u16, program: &str, arguments: &[&str]) -> Self {
        let folder = Scratch::new();
        let session = folder.file("session", SESSION);
        let size = [columns.to_string(), rows.to_string()];
        let words = [session.to_str().unwrap(), &size[0], &size[1], program];
        let quoted: Vec<String> =
            words.iter().chain(arguments).map(|word| format!("'{word}'")).collect();
        let mut script = Command::new("script")
            .args(["-qfec", &format!("sh {}", quoted.join(" ")), "/dev/null"])
            .current_dir(folder.path(""))
            .env("TERM", "xterm")
            .env("XDG_CONFIG_HOME", folder.path(""))
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("script comes with util-linux");
        // A terminal of unknown size still has one.
        let size = (if rows == 0 { 24 } else { rows }, if columns == 0 { 80 } else { columns });
        let emulator = Arc::new(Mutex::new(vt100::Parser::new(size.0, size.1, 0)));
        let (shown, mut output) = (Arc::clone(&emulator), script.stdout.take().unwrap());
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = Arc::clone(&written);
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..count]);
                kept.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        let keys = script.stdin.take().unwrap();
        Self { folder, script, keys, emulator, written, reader: Some(reader) }
    }

    pub(super) fn contents(&self) -> String {
        self.emulator.lock().unwrap().screen().contents()
    }

    #[track_caller]
    pub(super) fn wait_for(&self, part: &str) {
        wait_until(part, || self.contents().contains(part));
    }

    /// How often it was written, seen or not.
    fn times_written(&self, part: &str) -> usize {
        let written = self.written.lock().unwrap();
        written.windows(part.len()).filter(|piece| *piece == part.as_bytes()).count()
    }

    pub(super) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    pub(super) fn is_open(&mut self) -> bool {
        self.script.try_wait().unwrap().is_none()
    }

    fn signal(&self, signal: Signal) {
        let pid = fs::read_to_string(self.folder.path("pid")).unwrap();
        kill_process(Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), signal).unwrap();
    }

    /// Waits for the program to end; the exit code and what is left on the terminal, which must be
    /// in the mode it was in.
    #[track_caller]
    pub(super) fn ended(&mut self) -> (i32, String) {
        wait_until("the program's end", || self.script.try_wait().unwrap().is_some());
        self.reader.take().unwrap().join().unwrap();
        let read = |name| fs::read_to_string(self.folder.path(name)).unwrap();
        assert_eq!(read("after"), read("before"), "the terminal's mode\n{}", self.contents());
        (read("code").trim().parse().unwrap(), self.contents())
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // It has ended already, or nothing is left to do about it.
        let _ = self.script.kill();
        let _ = self.script.wait();
        if thread::panicking() {
            eprintln!("the terminal shows:\n{}", self.contents());
        }
    }
}

pub(super) fn tone() -> (Program, String) {
    let mut server = server(["--source", "tone", "--name", "PC"]);
    let address = server.address().to_string();
    (server, address)
}

/// Whether every line that a program says stands there whole, and nothing of a status.
#[track_caller]
fn assert_only_the_log(screen: &str, parts: &[&str]) {
    for part in parts {
        assert!(screen.contains(part), "no “{part}” in\n{screen}");
    }
    for part in ["░", "underruns", "q quit", "\u{1b}"] {
        assert!(!screen.contains(part), "“{part}” is left in\n{screen}");
    }
}

#[test]
fn a_client_shows_how_it_plays_and_does_what_keys_say() {
    let (_server, address) = tone();
    let mut window = Window::open(CLIENT, &[&address, "--output", "null"]);
    window.wait_for("300.0 ms after the PC");
    window.wait_for("-12 dB");
    window.wait_for(Key::HELP);
    window.press("-");
    window.wait_for("volume 95 %");
    window.press("+=");
    window.wait_for("volume 105 %");
    window.press("d");
    window.wait_for("deaf (105 %)");
    window.wait_for("] silent");
    window.press("d");
    window.wait_for("volume 105 %");
    window.wait_for("-12 dB");
    window.press("]]");
    window.wait_for("delay +10 ms");
    window.wait_for("310.0 ms after the PC");
    window.press("[[[");
    window.wait_for("295.0 ms after the PC");
    // An arrow is no bracket.
    window.press("\x1b[A+");
    window.wait_for("volume 110 %");
    window.wait_for("delay -5 ms");
    window.press("q");
    let (code, screen) = window.ended();
    assert_eq!(code, 0);
    assert_only_the_log(&screen, &["Listening to", "connected to “PC”", "stopping"]);
}

#[test]
fn ctrl_c_and_a_signal_leave_the_terminal_as_it_was() {
    let (_server, address) = tone();
    let stops: [fn(&mut Window); 3] = [
        |window| window.press("\x03"),
        |window| window.signal(Signal::TERM),
        |window| window.signal(Signal::HUP),
    ];
    for stop in stops {
        let mut window = Window::open(CLIENT, &[&address, "--output", "null"]);
        window.wait_for("q quit");
        stop(&mut window);
        let (code, screen) = window.ended();
        assert_eq!(code, 0, "{screen}");
        assert_only_the_log(&screen, &["connected to “PC”", "stopping"]);
    }
}

#[test]
fn an_error_stands_on_a_terminal_that_is_as_it_was() {
    let (mut server, address) = tone();
    let mut window = Window::open(CLIENT, &[&address, "--output", "null", "--once"]);
    window.wait_for("q quit");
    server.stop();
    let (code, screen) = window.ended();
    assert_eq!(code, 4);
    assert_only_the_log(&screen, &["connected to “PC”", "ended the connection: the server"]);
}

#[test]
fn a_panic_gives_the_terminal_back_before_its_message() {
    let own = std::env::current_exe().unwrap();
    let own = own.to_str().unwrap();
    let mut window = Window::open(
        own,
        &["cli::terminal::a_program_that_panics", "--exact", "--ignored", "--nocapture"],
    );
    let (code, screen) = window.ended();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("something broke") && !screen.contains('░'), "{screen}");
}

#[test]
#[ignore = "panics; the test above runs it in a terminal of its own"]
fn a_program_that_panics() {
    let Some(terminal) = Terminal::open() else {
        return;
    };
    let mut keyboard = terminal.keyboard(false).unwrap();
    terminal.show(vec!["░".to_owned()]);
    assert!(keyboard.pressed().is_ok());
    let _ = thread::spawn(|| panic!("something broke")).join();
    keyboard.pressed().unwrap_err();
}

#[test]
fn a_server_shows_who_listens_and_the_log_stays_above() {
    let arguments =
        ["--source", "tone", "--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"];
    let mut window = Window::open(SERVER, &arguments);
    window.wait_for("nobody listens");
    let screen = window.contents();
    let typed = screen.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).unwrap();
    let address = typed.parse().unwrap();
    // What a listener calls itself comes from the network.
    let attic = ["--output", "null", "--name", "attic"];
    let mut listener = client(address, attic);
    window.wait_for("1 listener ");
    window.wait_for("attic               f32     300 ms  buffer ");
    listener.stop();
    window.wait_for("nobody listens");
    window.press("\x03");
    let (code, screen) = window.ended();
    assert_eq!(code, 0);
    assert_only_the_log(&screen, &["Ctrl-C stops.", "attic (127.0.0.1:", "left", "stopping"]);
}

#[test]
fn a_window_that_is_narrow_or_of_unknown_size_breaks_nothing() {
    let (_server, address) = tone();
    for (columns, rows) in [(12, 20), (3, 3), (0, 0)] {
        let mut window = Window::of_size(columns, rows, CLIENT, &[&address, "--output", "null"]);
        window.wait_for("[█");
        window.press("q");
        let (code, screen) = window.ended();
        assert_eq!(code, 0, "{columns} columns");
        assert!(!screen.contains('█'), "{columns} columns:\n{screen}");
    }
}

#[test]
fn no_status_where_nobody_looks_or_wants_one() {
    let (_server, address) = tone();
    let quiet = [address.as_str(), "--output", "null", "-q"];
    // The statistics scroll.
    let scrolls = [address.as_str(), "--output", "null", "--stats", "-"];
    // The log goes elsewhere.
    let command = format!("exec {CLIENT} {address} --output null 2> said");
    for (program, arguments) in
        [(CLIENT, &quiet[..]), (CLIENT, &scrolls), ("sh", &["-c", command.as_str()])]
    {
        let stats = ["--stats", "numbers"];
        let own = if arguments.contains(&"--stats") || program == "sh" { &[][..] } else { &stats };
        let arguments: Vec<&str> = arguments.iter().chain(own).copied().collect();
        let mut window = Window::open(program, &arguments);
        wait_until("two lines of statistics, or of the log", || {
            let said = fs::read_to_string(window.folder.path("said")).unwrap_or_default();
            let numbers = fs::read_to_string(window.folder.path("numbers")).unwrap_or_default();
            said.contains("connected to")
                || numbers.lines().count() > 1
                || window.contents().matches("uptime_s").count() > 1
        });
        assert!(!window.contents().contains('░'), "{}", window.contents());
        window.press("\x03");
        let (code, _) = window.ended();
        assert_eq!(code, 0);
    }
}

#[test]
fn a_program_in_the_background_neither_stops_nor_writes_over_others() {
    let (_server, address) = tone();
    let command =
        format!("set -m; {CLIENT} {address} --output null --stats numbers & echo $! > pid; wait");
    let mut window = Window::open("sh", &["-c", &command]);
    // To read a key from there, or to change the terminal's mode, would stop it.
    wait_until("three seconds of running", || {
        let numbers = fs::read_to_string(window.folder.path("numbers")).unwrap_or_default();
        numbers.lines().count() >= 3
    });
    assert!(!window.contents().contains('░'), "{}", window.contents());
    window.signal(Signal::TERM);
    let (code, screen) = window.ended();
    assert_eq!(code, 0);
    assert_only_the_log(&screen, &["connected to “PC”", "stopping"]);
}

#[test]
fn a_program_that_is_stopped_and_goes_on_takes_keys_again() {
    let (_server, address) = tone();
    let mut window = Window::open("bash", &["--norc", "-i"]);
    window.press(&format!("{CLIENT} {address} --output null --stats numbers\n"));
    window.wait_for("q quit");
    window.press("\x1a");
    window.wait_for("Stopped");
    window.press("clear; fg\n");
    window.wait_for("q quit");
    window.press("-");
    window.wait_for("volume 95 %");
    window.press("\x1a");
    window.wait_for("Stopped");
    window.press("clear; bg\n");
    let lines = || {
        let numbers = window.folder.path("numbers");
        fs::read_to_string(numbers).unwrap_or_default().lines().count()
    };
    let before = lines();
    wait_until("it goes on in the background", || lines() > before + 2);
    assert!(!window.contents().contains('░'), "{}", window.contents());
    window.press("fg\n");
    window.wait_for("q quit");
    window.press("q");
    window.wait_for("stopping");
    // What is typed before the shell has the terminal again is the program's.
    wait_until("the shell's prompt", || window.contents().trim_end().ends_with(['#', '$']));
    window.press("exit\n");
    assert_eq!(window.ended().0, 0);
}

fn person(number: u32, name: &str) -> Person {
    Person {
        person: number,
        name: name.into(),
        can_talk: true,
        is_muted: false,
        is_deaf: false,
        is_speaking: false,
    }
}

fn talker(server: &RoomServer, flags: &[&str]) -> Window {
    let address = server.address.to_string();
    let talk = [address.as_str(), "--output", "null", "--mic", "no such microphone"];
    Window::open(CLIENT, &[&talk, flags].concat())
}

#[test]
fn who_is_there_stands_there_and_one_persons_volume_is_turned_by_keys() {
    let server = RoomServer::open(true);
    let mut window = talker(&server, &["--talk"]);
    window.wait_for("microphone missing  (speak, and you are heard)");
    let anna = Person { is_speaking: true, ..person(5, "Anna") };
    server.tell(&People {
        you: 2,
        people: vec![person(2, "me"), anna, person(6, "Ben")],
        elsewhere: 0,
    });
    window.wait_for("in the room:  ● Anna  Ben");
    window.wait_for("tab one person");
    window.press("\t\t");
    window.wait_for("▸ Ben 100 %");
    window.press("---");
    window.wait_for("▸ Ben 70 %");
    window.press("\t+m");
    window.wait_for("Ben 70 %");
    window.wait_for("volume 105 %");
    wait_until("the server knows", || {
        let heard = server.heard();
        let volume = heard.wishes.iter().rev().find_map(|wish| wish.volumes.get(&6));
        let muted = heard.wishes.iter().rev().find_map(|wish| wish.muted);
        (volume, muted) == (Some(&70), Some(true))
    });
    window.press("d");
    wait_until("the server knows of deafness", || {
        server.heard().wishes.last().is_some_and(|wish| wish.deaf == Some(true))
    });
    // A server that takes it back is told anew.
    server.hang_up();
    wait_until("it is back and told", || {
        let heard = server.heard();
        heard.hellos.len() == 2
            && heard.wishes.last().is_some_and(|wish| {
                (wish.muted, wish.deaf, wish.volumes.get(&6)) == (Some(true), Some(true), Some(&70))
            })
    });
    window.press("q");
    assert_eq!(window.ended().0, 0);
}

#[test]
fn a_thousand_quick_rounds_of_muting_leave_nothing_behind() {
    let server = RoomServer::open(true);
    let mut window = talker(&server, &["--talk"]);
    window.wait_for("microphone missing");
    let pid = fs::read_to_string(window.folder.path("pid")).unwrap();
    let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", pid.trim())).unwrap().count();
    let before = (count("task"), count("fd"));
    for _ in 0..100 {
        // As much as a terminal hands over at a time.
        window.press(&"mm".repeat(10));
    }
    window.press("m-");
    window.wait_for("volume 95 %");
    wait_until("the server knows that it is muted", || {
        server.heard().wishes.last().is_some_and(|wish| wish.muted == Some(true))
    });
    let wishes = server.heard().wishes.len();
    assert!(wishes <= 200, "{wishes} wishes");
    // What starting had opened for a moment may be gone.
    let after = (count("task"), count("fd"));
    assert!(after.0 <= before.0 && after.1 <= before.1, "{after:?}, before {before:?}");
    window.press("mq");
    assert_eq!(window.ended().0, 0);
}

#[test]
fn where_the_terminal_tells_of_keys_let_go_the_space_bar_is_held() {
    let server = RoomServer::open(true);
    let mut window = talker(&server, &["--talk=push"]);
    wait_until("it asks", || window.times_written("\x1b[?u\x1b[c") == 1);
    window.press("\x1b[?0u\x1b[?62;22c");
    window.wait_for("(hold the space bar to talk)");
    assert_eq!(window.times_written("\x1b[>27u"), 1);
    window.press("\x1b[45;1:1;45u\x1b[45;1:3u");
    window.wait_for("volume 95 %");
    assert_eq!(window.times_written("\x1b[<u"), 0);
    window.press("\x1b[99;5u");
    let (code, screen) = window.ended();
    assert_eq!((code, window.times_written("\x1b[<u")), (0, 1), "{screen}");
    assert_only_the_log(&screen, &["connected to “PC”", "stopping"]);
}

#[test]
fn a_key_to_stop_that_the_terminal_leaves_to_the_program_stops_it_until_it_is_called_back() {
    let server = RoomServer::open(true);
    let mut window = Window::open("bash", &["--norc", "-i"]);
    window.press(&format!("{CLIENT} {} --output null --talk=push --mic none\n", server.address));
    wait_until("it asks", || window.times_written("\x1b[?u\x1b[c") == 1);
    window.press("\x1b[?0u\x1b[?62;22c");
    window.wait_for("(hold the space bar to talk)");
    window.press("\x1b[122;5u");
    window.wait_for("Stopped");
    assert_eq!(window.times_written("\x1b[<u"), 1);
    window.press("clear; fg\n");
    wait_until("it tells all again", || window.times_written("\x1b[>27u") == 2);
    window.press("\x1b[113;1;113u");
    wait_until("it is given back again", || window.times_written("\x1b[<u") == 2);
    window.press("exit\n");
    assert_eq!(window.ended().0, 0);
}

#[test]
fn elsewhere_the_space_bar_begins_and_ends_talking() {
    let server = RoomServer::open(true);
    let mut window = talker(&server, &["--talk=push"]);
    // It has no answer to the question, or only to the second half of it.
    window.press("\x1b[?62;22c");
    window.wait_for("(the space bar begins and ends talking)");
    assert_eq!(window.times_written("\x1b[>27u"), 0);
    window.press(" m");
    window.wait_for("muted: m ends that");
    window.press("q");
    assert_eq!(window.ended().0, 0);
}
