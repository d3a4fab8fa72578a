//! Servers that hear nobody, and what is wished of those that do; a sound server that knows its users.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;

use crate::speech::talker;
use crate::support::microphones::MIC1;
use crate::support::program::Program;
use crate::support::room::Room;
use crate::support::room_server::RoomServer;
use crate::support::waiting::wait_until;

#[test]
fn a_server_that_lets_nobody_speak_is_listened_to_and_the_microphone_stays_closed() {
    let mut room = Room::open();
    room.plug_microphone(MIC1);
    let server = RoomServer::open(false);
    let mut talker = talker(&room, &server, &["--talk", "--mic", MIC1.name]);
    talker.wait_for("this server lets nobody speak, so you only listen");
    server.hang_up();
    wait_until("it is back", || server.heard().hellos.len() == 2);
    wait_until("statistics of some seconds", || {
        let stats = std::fs::read_to_string(room.path("stats.json")).unwrap_or_default();
        stats.lines().count() >= 4
    });
    assert_eq!(talker.times_said("lets nobody speak"), 1, "{}", talker.said());
    assert_eq!(talker.times_said("you can be heard"), 0, "{}", talker.said());
    assert!(server.heard().wishes.is_empty() && server.heard().said.is_empty());
    talker.stop();
}

#[test]
fn a_server_of_the_first_generation_is_listened_to() {
    let room = Room::open();
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = door.local_addr().unwrap();
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    command.args([&address.to_string(), "--output", "null", "--talk=open"]);
    let mut talker = Program::start(command);
    let (mut socket, _) = door.accept().unwrap();
    let config = b"\x00\x00\x00\x39{\"sample_rate\": 44100, \"channels\": 2, \"chunk_size\": 1024}";
    socket.write_all(config).unwrap();
    talker.wait_for("a server of the first generation cannot hear anybody");
    talker.stop();
}

#[test]
fn a_user_whom_no_sound_server_has_seen_before_finds_its_devices() {
    let room = Room::open();
    // On a new system no program has made what PulseAudio's users show it, and PipeWire makes none.
    let home = room.path("new home");
    std::fs::create_dir(&home).unwrap();
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    command.arg("--list-devices").env("HOME", &home);
    let listed = Program::start(command).wait().stdout.join("\n");
    assert!(listed.contains("pulseaudio:ear1"), "{listed}");
    let cookie = std::fs::metadata(home.join(".config/pulse/cookie")).unwrap();
    assert_eq!((cookie.len(), cookie.permissions().mode() & 0o777), (256, 0o600));
}
