//! Servers that are found by themselves.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::Test;
use crate::cable::{Cable, PC};
use crate::support::flags::wav;
use crate::support::program::Program;
use crate::support::ramp::frames_on_disk;
use crate::support::scratch::Scratch;
use crate::support::waiting::wait_until;
use crate::support::within::within;

pub(crate) const TESTS: &[Test] = &[
    ("the_only_server_is_joined_by_whoever_names_none", the_only_server),
    ("sound_begins_as_soon_where_the_delay_is_long", a_long_delay),
    ("of_several_servers_one_must_be_named", several_servers),
    ("a_server_that_stops_is_gone_at_once", a_server_that_stops),
    ("two_servers_of_one_name_are_told_apart", two_of_one_name),
    ("a_full_server_is_shown_as_full", a_full_server),
    ("a_network_without_addresses_needs_none", link_local_only),
    ("a_server_is_found_again_where_it_went", a_server_that_moves),
    (
        "a_server_that_gets_another_address_is_heard_again_there_by_who_was_told_the_first",
        a_new_address,
    ),
    ("without_a_server_the_listener_says_what_to_do", nobody_there),
    ("what_is_not_bound_or_wanted_is_not_announced", not_announced),
    ("answers_that_lie_do_no_harm", liars),
    ("what_others_announce_costs_a_server_no_memory_and_it_still_answers", a_flood),
    ("a_network_that_comes_late_is_announced_on", a_late_network),
    ("a_server_that_was_found_does_not_hear_the_microphone_unasked", a_microphone),
    ("a_link_local_address_needs_its_adapter_which_is_named", no_adapter),
];

/// What is promised: from the start of a client that was told nothing until sound.
const SOUND_WITHIN: Duration = Duration::from_secs(2);

const SERVER: &str = env!("CARGO_BIN_EXE_auralync-server");
const CLIENT: &str = env!("CARGO_BIN_EXE_auralync-client");

fn server(cable: &Cable, arguments: &[&str]) -> Program {
    server_with("low-latency", cable, arguments)
}

fn server_with(preset: &str, cable: &Cable, arguments: &[&str]) -> Program {
    let mut command = cable.on_pc(SERVER);
    command.args(["--source", "tone", "--preset", preset]).args(arguments);
    let mut server = Program::start(command);
    server.wait_for("Ctrl-C stops.");
    server
}

/// What the listener's `--list-servers` says.
fn listed(cable: &Cable) -> Vec<Value> {
    let out = cable.at_ear(CLIENT).args(["--list-servers", "--json"]).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    serde_json::from_slice(&out.stdout).unwrap()
}

fn names(servers: &[Value]) -> Vec<&str> {
    servers.iter().filter_map(|server| server["name"].as_str()).collect()
}

/// Lists until the names are these.
#[track_caller]
fn wait_for_names(cable: &Cable, wanted: &[&str]) -> Vec<Value> {
    let mut servers = Vec::new();
    wait_until(&format!("servers {wanted:?}"), || {
        servers = listed(cable);
        names(&servers) == wanted
    });
    servers
}

/// A listener that records, for as long as it is let.
fn listen(cable: &Cable, scratch: &Scratch, arguments: &[&str]) -> Program {
    let mut command = cable.at_ear(CLIENT);
    command.args(["--overwrite", "--output", &wav(&scratch.path("heard.wav"))]).args(arguments);
    Program::start(command)
}

fn wait_for_sound(scratch: &Scratch) {
    wait_until("sound", || frames_on_disk(&scratch.path("heard.wav"), 2) > 4800);
}

fn run(mut command: Command, input: &str) -> Output {
    command
        .args(["--output", "null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn assert_ends(out: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "no “{word}” in: {said}");
    }
}

fn the_only_server() {
    let cable = Cable::lay().unwrap();
    let _server = server(&cable, &["--name", "the attic"]);
    let servers = wait_for_names(&cable, &["the attic"]);
    let expected: Value = serde_json::json!({
        "name": "the attic", "version": 3, "preset": "low-latency", "full": false, "private": false,
        "web": 8080,
        "addresses": servers[0]["addresses"],
    });
    assert_eq!(servers[0], expected);
    assert_eq!(servers[0]["addresses"][0], format!("{PC}:5555"));
    assert_sound_comes_soon(&cable, "the attic");
    // A part of its name will do, whatever the case.
    let scratch = Scratch::new();
    let _listener = listen(&cable, &scratch, &["ATTIC"]);
    wait_for_sound(&scratch);
}

#[track_caller]
fn assert_sound_comes_soon(cable: &Cable, name: &str) {
    within(SOUND_WITHIN, "sound after a client was started without an address", || {
        let scratch = Scratch::new();
        let begun = Instant::now();
        let mut listener = listen(cable, &scratch, &[]);
        wait_until("sound", || frames_on_disk(&scratch.path("heard.wav"), 2) > 0);
        let took = begun.elapsed();
        wait_for_server(&mut listener, name, 5555);
        took
    });
}

fn a_long_delay() {
    let cable = Cable::lay().unwrap();
    let _server = server_with("stable", &cable, &["--name", "the attic"]);
    wait_for_names(&cable, &["the attic"]);
    assert_sound_comes_soon(&cable, "the attic");
}

/// Waits until a listener has chosen a server, over whichever of its addresses was heard of first.
fn wait_for_server(listener: &mut Program, name: &str, port: u16) {
    let line = listener.wait_for(&format!("Listening to “{name}” ("));
    assert!(line.contains(&format!(":{port})")), "{line}");
}

fn several_servers() {
    let cable = Cable::lay().unwrap();
    let _attic = server(&cable, &["--name", "attic"]);
    let _cellar = server(&cable, &["--name", "cellar", "--port", "6000"]);
    wait_for_names(&cable, &["attic", "cellar"]);
    let out = run(cable.at_ear(CLIENT), "");
    assert_ends(&out, 2, &["2 servers are on this network: “attic”, “cellar”. Name one"]);
    let mut command = cable.at_ear(CLIENT);
    command.arg("c");
    assert_ends(&run(command, ""), 2, &["“c” is a part of several servers' names"]);
    let mut command = cable.at_ear(CLIENT);
    command.arg("garden");
    assert_ends(&run(command, ""), 4, &["cannot find “garden”", "“attic”, “cellar”"]);
    let scratch = Scratch::new();
    let mut listener = listen(&cable, &scratch, &["cellar"]);
    wait_for_server(&mut listener, "cellar", 6000);
    wait_for_sound(&scratch);
    let mut listener = listen(&cable, &scratch, &["--port", "5555"]);
    wait_for_server(&mut listener, "attic", 5555);
}

fn a_server_that_stops() {
    let cable = Cable::lay().unwrap();
    let mut stopped = server(&cable, &["--name", "attic"]);
    wait_for_names(&cable, &["attic"]);
    let (ended, took) = stopped.stop_by(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(listed(&cable).is_empty());
}

fn two_of_one_name() {
    let cable = Cable::lay().unwrap();
    let _first = server(&cable, &["--name", "pc"]);
    wait_for_names(&cable, &["pc"]);
    let mut second = server(&cable, &["--name", "pc", "--port", "6000", "--max-clients", "1"]);
    let servers = wait_for_names(&cable, &["pc", "pc (2)"]);
    assert_eq!(servers[1]["addresses"][0], "192.0.2.1:6000");
    second.wait_for("listeners find this one as “pc (2)”");
    // It keeps that name when there is something new to say.
    let scratch = Scratch::new();
    let _listener = listen(&cable, &scratch, &["pc (2)"]);
    wait_until("full", || listed(&cable).iter().any(|server| server["full"] == true));
    let servers = wait_for_names(&cable, &["pc", "pc (2)"]);
    assert_eq!((&servers[0]["full"], &servers[1]["full"]), (&false.into(), &true.into()));
    second.stop();
    assert_eq!(names(&listed(&cable)), ["pc"]);
}

fn a_full_server() {
    let cable = Cable::lay().unwrap();
    let _server = server(&cable, &["--name", "pc", "--max-clients", "1"]);
    wait_for_names(&cable, &["pc"]);
    let scratch = Scratch::new();
    let mut listener = listen(&cable, &scratch, &[]);
    wait_until("full", || listed(&cable)[0]["full"] == true);
    listener.stop();
    wait_until("not full", || listed(&cable)[0]["full"] == false);
}

fn link_local_only() {
    let cable = Cable::lay().unwrap();
    cable.forget_addresses();
    let _server = server(&cable, &["--name", "pc"]);
    let servers = wait_for_names(&cable, &["pc"]);
    let address = servers[0]["addresses"][0].as_str().unwrap();
    assert!(address.starts_with("[fe80::"), "{address}");
    let scratch = Scratch::new();
    let _listener = listen(&cable, &scratch, &[]);
    wait_for_sound(&scratch);
}

fn a_server_that_moves() {
    let cable = Cable::lay().unwrap();
    let mut first = server(&cable, &["--name", "pc"]);
    wait_for_names(&cable, &["pc"]);
    let scratch = Scratch::new();
    let mut listener = listen(&cable, &scratch, &["pc"]);
    wait_for_sound(&scratch);
    first.stop();
    cable.move_pc("192.0.2.77/24");
    let _second = server(&cable, &["--name", "pc", "--port", "6000"]);
    listener.wait_for("192.0.2.77:6000 is where “pc” is now");
    let heard = frames_on_disk(&scratch.path("heard.wav"), 2);
    wait_until("sound again", || frames_on_disk(&scratch.path("heard.wav"), 2) > heard + 4800);
    assert!(listener.is_running());
}

fn a_new_address() {
    let cable = Cable::lay().unwrap();
    let _server = server(&cable, &["--name", "pc", "--talk"]);
    // Another of its name, which is not it.
    let _twin = server(&cable, &["--name", "pc", "--port", "6000"]);
    wait_for_names(&cable, &["pc", "pc (2)"]);
    let scratch = Scratch::new();
    let mut listener = listen(&cable, &scratch, &[PC, "--talk"]);
    wait_for_sound(&scratch);
    cable.move_pc("192.0.2.77/24");
    // Whichever of its addresses is called first.
    listener.wait_for("is where “pc” is now");
    listener.wait_for("this server does not get your microphone");
    let heard = frames_on_disk(&scratch.path("heard.wav"), 2);
    wait_until("sound again", || frames_on_disk(&scratch.path("heard.wav"), 2) > heard + 4800);
    assert!(listener.is_running());
}

fn nobody_there() {
    let cable = Cable::lay().unwrap();
    let begun = Instant::now();
    let out = run(cable.at_ear(CLIENT), "");
    assert_ends(&out, 4, &["no server was found on this network", "Type the address", "firewall"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(listed(&cable).is_empty());
}

fn not_announced() {
    let cable = Cable::lay().unwrap();
    let _silent = server(&cable, &["--name", "silent", "--no-discovery"]);
    let _own = server(&cable, &["--name", "own", "--bind", "127.0.0.1", "--port", "6000"]);
    let _bound = server(&cable, &["--name", "bound", "--bind", PC, "--port", "6001"]);
    let servers = wait_for_names(&cable, &["bound"]);
    assert_eq!(servers[0]["addresses"], serde_json::json!(["192.0.2.1:6001"]));
}

fn liars() {
    let cable = Cable::lay().unwrap();
    let exe = std::env::current_exe().unwrap();
    let mut command = cable.on_pc(exe.to_str().unwrap());
    command.arg(crate::lies::LIE);
    let _liar = Program::start(command);
    wait_until("lies", || !listed(&cable).is_empty());
    let out = cable.at_ear(CLIENT).arg("--list-servers").output().unwrap();
    let shown = String::from_utf8(out.stdout).unwrap();
    assert!(shown.lines().count() <= 65, "{shown}");
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    assert!(!shown.contains(":0\n") && !shown.contains("nowhere"), "{shown}");
    let out = run(cable.at_ear(CLIENT), "");
    assert_ends(&out, 2, &["servers are on this network", "more. Name one"]);
    assert!(out.stderr.len() < 2000, "{out:?}");
}

/// What a server that keeps nothing may still grow by meanwhile, in KiB: it plays and serves its page.
const GROWS_BY: u64 = 8 * 1024;

fn a_flood() {
    let cable = Cable::lay().unwrap();
    let server = server(&cable, &["--name", "pc"]);
    wait_for_names(&cable, &["pc"]);
    let before = server.resident_kib();
    let exe = std::env::current_exe().unwrap();
    let ended = cable.at_ear(exe.to_str().unwrap()).arg(crate::lies::FLOOD).status().unwrap();
    assert!(ended.success());
    wait_for_names(&cable, &["pc"]);
    let after = server.resident_kib();
    assert!(after < before + GROWS_BY, "{before} KiB became {after}");
}

fn a_late_network() {
    let cable = Cable::lay().unwrap();
    cable.pull_pc();
    let _server = server(&cable, &["--name", "pc"]);
    cable.plug_pc();
    wait_for_names(&cable, &["pc"]);
}

fn a_microphone() {
    let cable = Cable::lay().unwrap();
    let _server = server(&cable, &["--name", "attic", "--talk"]);
    wait_for_names(&cable, &["attic"]);
    let scratch = Scratch::new();
    let talk = |arguments: &[&str]| {
        let mut command = cable.at_ear(CLIENT);
        // What this machine's user has allowed does not count.
        command.env("XDG_CONFIG_HOME", scratch.path("settings"));
        command.arg("--talk").args(arguments);
        command
    };
    for arguments in [&[][..], &["attic"]] {
        let words = ["“attic” at 192.0.2.1 was found", "192.0.2.1 --talk, or add --talk-to-found"];
        assert_ends(&run(talk(arguments), ""), 2, &words);
    }
    for arguments in [&["--talk-to-found"][..], &[PC]] {
        let mut command = talk(arguments);
        command.args(["--output", "null"]);
        Program::start(command).wait_for("the server lets you speak");
    }
}

fn no_adapter() {
    let cable = Cable::lay().unwrap();
    let mut command = cable.at_ear(CLIENT);
    command.arg("fe80::1");
    assert_ends(&run(command, ""), 2, &["which one is not said", "auralync-client fe80::1%cable"]);
}
