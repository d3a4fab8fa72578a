//! A real VLC without a screen.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::{Room, is_installed, kill, said};
use crate::support::free_port::free_port;
use crate::support::program::Program;
use crate::support::wait_until;

pub(super) const PASSWORD: &str = "pw";

/// `:pw`, as a browser sends it.
const PROOF: &str = "OnB3";

/// A VLC that plays the room's film over and over.
struct Vlc {
    program: Program,
    at: SocketAddr,
}

impl Vlc {
    /// Starts one. It refuses to run as root, so root gives it a name of its own for itself.
    fn start(room: &Room) -> Self {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-user=1000", "--map-group=1000", "vlc"]);
            command
        } else {
            Command::new("vlc")
        };
        command
            .args(["-I", "dummy", "--extraintf", "http", "--http-host", "127.0.0.1"])
            .args(["--http-port", &at.port().to_string(), "--http-password", PASSWORD])
            .args(["--aout=adummy", "--vout=vdummy", "--no-video", "--loop"])
            .arg(room.film())
            .env("HOME", room.scratch.path("home"))
            .env("XDG_CONFIG_HOME", room.scratch.path("vlc"));
        let mut vlc = Self { program: Program::start(command), at };
        wait_until("VLC plays", || {
            assert!(vlc.program.is_running(), "{}", vlc.program.said());
            vlc.ask("").is_some_and(|said| said["state"] == "playing")
        });
        vlc
    }

    fn ask(&self, command: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.at).ok()?;
        let ask = format!(
            "GET /requests/status.json{command} HTTP/1.0\r\nAuthorization: Basic {PROOF}\r\n\r\n"
        );
        stream.write_all(ask.as_bytes()).ok()?;
        let mut said = String::new();
        stream.read_to_string(&mut said).ok()?;
        serde_json::from_str(said.split_once("\r\n\r\n")?.1).ok()
    }

    #[track_caller]
    fn wait_for(&self, ms: f64) -> Duration {
        let began = Instant::now();
        wait_until(&format!("an audio delay of {ms} ms"), || {
            let said = self.ask("").unwrap();
            (said["audiodelay"].as_f64().unwrap() * 1e3 - ms).abs() <= 1.0
        });
        began.elapsed()
    }
}

#[test]
fn a_vlcs_picture_follows_the_delay_and_its_person_and_is_as_it_was_after_ctrl_c() {
    if !is_installed("vlc") {
        return;
    }
    let room = Room::new();
    let vlc = Vlc::start(&room);
    vlc.ask("?command=audiodelay&val=0.05");
    let mut server = room.server(&["--player", &format!("vlc:{}", vlc.at)]);
    vlc.wait_for(-250.0);
    let mut took: Vec<_> = [800, 45, 450, 300, 350]
        .map(|ms| {
            room.set_delay(ms);
            vlc.wait_for(50.0 - f64::from(ms))
        })
        .to_vec();
    took.sort_unstable();
    println!("from saving the preset to VLC's property: {took:?}");
    assert!(took[2] < Duration::from_secs(1), "{took:?}");
    room.wait_until_held(350.0);
    vlc.ask("?command=audiodelay&val=-0.28");
    room.set_delay(500);
    vlc.wait_for(-430.0);
    let (ended, _) = server.stop_by(Signal::INT);
    assert_eq!(ended.code, Some(0), "{ended}");
    vlc.wait_for(70.0);
    assert_eq!((said(&server, "the picture is as it was"), room.kept()), (1, 0));
}

#[test]
fn what_a_vlc_forgets_with_each_film_it_is_told_again() {
    if !is_installed("vlc") {
        return;
    }
    let room = Room::new();
    let vlc = Vlc::start(&room);
    let server = room.server(&["--player", "auto"]);
    vlc.wait_for(-300.0);
    vlc.ask("?command=pl_stop");
    wait_until("VLC has stopped", || vlc.ask("").unwrap()["state"] == "stopped");
    vlc.ask("?command=pl_play");
    vlc.wait_for(-300.0);
    drop(server);
}

#[test]
fn a_server_and_a_vlc_that_were_killed_are_made_up_for() {
    if !is_installed("vlc") {
        return;
    }
    let room = Room::new();
    let vlc = Vlc::start(&room);
    let player = format!("vlc:{}", vlc.at);
    let server = room.server(&["--player", &player]);
    vlc.wait_for(-300.0);
    kill(server);
    let mut next = room.server(&[]);
    next.wait_for("the picture is as it was before a server that could not put it back");
    vlc.wait_for(0.0);
    next.stop();
    let mut server = room.server(&["--player", &player]);
    vlc.wait_for(-300.0);
    kill(vlc.program);
    server.wait_for("has gone");
    wait_until("nothing is kept", || room.kept() == 0);
    server.stop();
}
