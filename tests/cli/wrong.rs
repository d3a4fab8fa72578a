//! Wrong flags, presets, devices, files and ports: one line that says what to do, and the code.

use std::net::TcpListener;
use std::process::Command;

use super::{assert_one_line, for_each};
use crate::support::Scratch;
use crate::support::program::Program;
use crate::support::servers::{client_command, server_command};

enum Which {
    Server,
    Client,
}
use Which::{Client, Server};

/// One wrong command line.
struct Row {
    program: Which,
    typed: String,
    code: i32,
    says: &'static [&'static str],
}

fn row(program: Which, typed: impl Into<String>, code: i32, says: &'static [&'static str]) -> Row {
    Row { program, typed: typed.into(), code, says }
}

fn check(rows: &[Row]) {
    let home = Scratch::new();
    let rows: Vec<_> = rows.iter().map(|row| (&row.typed, row)).collect();
    for_each(&rows, |typed, row| {
        let mut command = match row.program {
            Server => server_command(),
            Client => client_command(),
        };
        without_sound(&mut command, &home);
        command.args(typed.split_whitespace());
        // A row that is wrongly accepted must not be heard outside of this machine.
        if !typed.contains("--list-servers") {
            command.arg("--no-discovery");
        }
        if matches!(row.program, Server) {
            for (flag, value) in [("--bind", "127.0.0.1"), ("--port", "0")] {
                if !typed.contains(flag) {
                    command.args([flag, value]);
                }
            }
        }
        let ended = Program::start(command).wait();
        assert_one_line(typed, &ended, row.code, row.says);
    });
}

/// A user without a sound system, or presets of their own.
fn without_sound(command: &mut Command, home: &Scratch) {
    let nothing = home.path("");
    for variable in ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "PULSE_RUNTIME_PATH"] {
        command.env(variable, &nothing);
    }
    for variable in ["PULSE_SERVER", "PIPEWIRE_REMOTE", "PULSE_SINK", "PULSE_SOURCE"] {
        command.env_remove(variable);
    }
}

#[test]
fn every_wrong_flag_is_one_line_that_says_what_to_do() {
    const HELP: &str = "--help";
    check(&[
        row(Server, "--prest smooth", 2, &["--prest", "--preset", HELP]),
        row(Server, "--frobnicate", 2, &["--frobnicate", HELP]),
        row(Server, "192.168.1.5", 2, &["192.168.1.5", HELP]),
        row(Server, "--preset", 2, &["--preset", HELP]),
        row(Server, "--chunk-size many", 2, &["many", "whole number"]),
        row(Server, "--chunk-size 15", 2, &["--chunk-size", "16 to 8192"]),
        row(Server, "--chunk-size 8193", 2, &["--chunk-size", "16 to 8192"]),
        row(Server, "--chunk-size -5", 2, &[HELP]),
        row(Server, "--max-queue-size 0", 2, &["--max-queue-size", "1 to 1000"]),
        row(Server, "--max-clients 10001", 2, &["--max-clients", "0 means 1000"]),
        row(Server, "--listen-backlog 0", 2, &["--listen-backlog"]),
        row(Server, "--playout-delay-ms 4", 2, &["--playout-delay-ms", "5 to 10000"]),
        row(Server, "--playout-delay-ms 1e3", 2, &["whole number"]),
        row(Server, "--playout-delay-ms 40", 2, &["shorter than two chunks", "--chunk-size"]),
        row(Server, "--sample-rate 7999", 2, &["--sample-rate", "8000 to 192000"]),
        row(Server, "--channels 3", 2, &["--channels", "stereo"]),
        row(Server, "--codecs flac", 2, &["flac", "f32"]),
        row(Server, "--codecs opus:9", 2, &["opus:9", "64 to 256"]),
        row(Client, "pc --codec flac", 2, &["flac", "opus:KBPS"]),
        row(Server, "--bind localhost", 2, &["localhost", "digits"]),
        row(Server, "--port 65536", 2, &["too large"]),
        row(Server, "--name \u{7}", 2, &["--name"]),
        row(Server, "-q -v", 2, &["--quiet", "--verbose"]),
        row(Server, "--source mic", 2, &["there is no kind of source", "tone"]),
        row(Server, "--source tone:5", 2, &["frequency"]),
        row(Server, "--source tone,level=loud", 2, &["level"]),
        row(Server, "--source tone,pan=2", 2, &["pan=0.5"]),
        row(Server, "--source tone,loudness=loud", 2, &["loudness=-23"]),
        row(Server, "--source tone --source none --source tone:440", 2, &["tone:440", "twice"]),
        row(Server, "--source none --source file:nowhere.wav", 7, &["nowhere.wav", "no such file"]),
        row(Server, "--source none --source tone,ch=1+2", 2, &["no channels"]),
        row(Client, "", 2, &["no server was named", "auralync-client 192.168.1.100"]),
        row(Client, "--json", 2, &["--list-servers"]),
        row(Client, "pc --list-servers", 2, &["--list-servers", "Leave one"]),
        row(Server, "--duck 6", 2, &["--duck needs --talk"]),
        row(Server, "--port 21097 --web 21097", 2, &["--port and --web name the same port"]),
        row(Client, "--ones", 2, &["--once", HELP]),
        row(Client, "a b", 2, &[HELP]),
        row(Client, "http://pc", 2, &["://"]),
        row(Client, "[::1", 2, &["“]” is missing"]),
        row(Client, "pc:0", 2, &["pc:0"]),
        row(Client, "pc:70000", 2, &["pc:70000"]),
        row(Client, "pc:5555 --port 5556", 2, &["two ports"]),
        row(Client, "1:2:3", 2, &["IPv6"]),
        row(Client, "pc --volume 201", 2, &["0 to 200"]),
        row(Client, "pc --volume loud", 2, &["whole number"]),
        row(Client, "pc --delay 5001", 2, &["-5000 to 5000"]),
        row(Client, "pc --output mp3:x", 2, &["wav:FILE"]),
        row(Client, "pc --output wav:", 2, &["wav:FILE"]),
        row(Client, "pc --simulate loss=2", 2, &["“loss=2”", "loss=2%, delay=20ms"]),
        row(Client, "pc --simulate loss=200%", 2, &["0% to 100%"]),
        row(Client, "pc --record film.mp3", 2, &[".wav, .flac or .opus"]),
        row(Client, "pc --output wav:film", 2, &[".wav, .flac or .opus"]),
        row(Server, "--record film", 2, &[".wav, .flac or .opus"]),
        row(Client, "pc --output null --device x", 2, &["--device", "--output"]),
        row(Client, "pc --preset smoth", 2, &["smooth"]),
        row(Client, "pc --playout-delay-ms 10001", 2, &["5 to 10000"]),
    ]);
}

#[test]
fn every_wrong_preset_names_the_file_the_line_and_the_key() {
    let scratch = Scratch::new();
    let preset = |name: &str, text: &str| {
        format!("--preset {}", scratch.file(&format!("{name}.toml"), text).display())
    };
    check(&[
        row(Server, "--preset loud", 2, &["“loud”", "smooth", "low-latency", "stable", "live"]),
        row(Server, "--preset smoth", 2, &["Did you mean smooth?"]),
        row(Server, "--preset ./missing.toml", 2, &["./missing.toml", "smooth"]),
        row(Server, format!("--preset {}/", scratch.path("").display()), 2, &["not a file"]),
        row(
            Server,
            preset("unknown", "chunk_size = 512\n\nchunksize = 3\n"),
            2,
            &["unknown.toml, line 3", "“chunksize”", "Did you mean chunk_size?"],
        ),
        row(Server, preset("grammar", "chunk_size 512\n"), 2, &["grammar.toml, line 1"]),
        row(Server, preset("kind", "chunk_size = \"512\"\n"), 2, &["line 1", "chunk_size"]),
        row(Server, preset("range", "\nchannels = 6\n"), 2, &["line 2", "channels cannot be 6"]),
        row(Server, preset("section", "[server]\nport = 1\n"), 2, &["line 1", "section"]),
        row(
            Server,
            preset("short", "chunk_size = 4096\n# a film\nplayout_delay_ms = 100\n"),
            2,
            &["short.toml, lines 1 and 3", "two chunks"],
        ),
        row(Server, preset("twice", "port = 1\nport = 2\n"), 2, &["twice.toml, line 2"]),
        row(
            Server,
            format!("--preset {}", scratch.file("binary.toml", [0xff, 0xfe, 0]).display()),
            2,
            &["binary.toml"],
        ),
        row(
            Server,
            format!("--preset {}", scratch.file("huge.toml", vec![b'#'; 50_000_000]).display()),
            2,
            &["huge.toml"],
        ),
        row(Server, "--print-preset nosuch", 2, &["“nosuch”"]),
        row(Client, preset("client", "chunk = 1\n") + " pc", 2, &["client.toml, line 1"]),
    ]);
}

#[test]
fn a_device_that_is_not_there_is_exit_code_3() {
    check(&[
        // Without --once a listener waits for a sound system that is not there yet.
        row(Client, "127.0.0.1 --once --device nosuch", 3, &[]),
        row(Client, "127.0.0.1 --once", 3, &[]),
    ]);
}

/// What a server is told to send where there is no sound system.
const SOURCES: [&[&str]; 3] =
    [&["--source", "device:nosuch"], &["--source", "loopback:nosuch"], &[]];

#[cfg(feature = "device")]
#[test]
fn a_server_waits_for_a_device_that_is_not_there() {
    let home = Scratch::new();
    for source in SOURCES {
        let mut command = server_command();
        without_sound(&mut command, &home);
        command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery"]).args(source);
        let mut server = Program::start(command);
        server.wait_for("Trying again until it works");
        server.stop();
    }
}

#[cfg(not(feature = "device"))]
#[test]
fn a_server_that_has_no_cards_at_all_ends_with_exit_code_3() {
    check(&SOURCES.map(|source| row(Server, source.join(" "), 3, &[])));
}

#[test]
fn a_file_that_cannot_be_played_or_written_is_exit_code_7() {
    let scratch = Scratch::new();
    let source =
        |name: &str, bytes: &[u8]| format!("--source file:{}", scratch.file(name, bytes).display());
    // Everything of a WAV file but the sound.
    const HEADER: &[u8] = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\
        \x44\xac\0\0\x10\xb1\x02\0\x04\0\x10\0";
    let there = scratch.file("there.wav", b"somebody's");
    let folder = scratch.path("");
    check(&[
        row(Server, "--source file:/nowhere/a.wav", 7, &["/nowhere/a.wav", "no such file"]),
        row(Server, format!("--source file:{}", folder.display()), 7, &["folder"]),
        row(Server, source("text.wav", b"These are words, not sound."), 7, &["WAV, AIFF, FLAC"]),
        row(Server, source("empty.wav", b""), 7, &["empty.wav"]),
        row(Server, source("cut.wav", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01"), 7, &["cut.wav"]),
        row(Server, source("silent.wav", &[HEADER, b"data\0\0\0\0"].concat()), 7, &["silent.wav"]),
        row(Server, source("cut.flac", b"fLaC\0\0\0\x22"), 7, &["cut.flac"]),
        row(
            Server,
            "--source tone --stats /nowhere/stats",
            7,
            &["/nowhere/stats: there is no such", "--stats"],
        ),
        row(Client, format!("pc --output wav:{}", there.display()), 7, &["--overwrite"]),
        row(Client, "pc --output wav:/nowhere/heard.wav", 7, &["folder does not exist"]),
        row(Client, "pc --record /nowhere/heard.opus", 7, &["folder does not exist"]),
        row(Server, "--source tone --record-dir /nowhere", 7, &["folder does not exist"]),
        row(
            Server,
            format!("--source tone --record-dir {}", there.display()),
            7,
            &["not a folder"],
        ),
        row(Client, "pc --output null --stats /nowhere/stats", 7, &["/nowhere/stats"]),
    ]);
    assert_eq!(std::fs::read(there).unwrap(), b"somebody's", "nobody's file is touched");
}

#[test]
fn what_the_network_refuses_is_exit_code_4() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    check(&[
        row(Server, format!("--source tone --port {port}"), 4, &["already", "--port"]),
        row(Server, "--source tone --bind 192.0.2.1", 4, &["this PC has no such address"]),
        row(Client, "nosuch.invalid --output null", 4, &["“nosuch.invalid”", "spelling"]),
        row(
            Client,
            format!("127.0.0.1:{free} --output null --once"),
            4,
            &["refused", "no AuraLync server is running there"],
        ),
    ]);
}
