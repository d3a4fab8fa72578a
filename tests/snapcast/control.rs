//! Volume, mute and latency of a snapclient, told from the server's computer.

use serde_json::Value;

use super::player::{CLIENT_INFO, Player, SERVER_SETTINGS, text};
use super::port;
use crate::support::program::Program;
use crate::support::servers::{client_command, server_command};
use crate::support::{Scratch, wait_until};

struct Room {
    server: Program,
    page: String,
    scratch: Scratch,
}

impl Room {
    fn open(more: &[&str]) -> Self {
        let scratch = Scratch::new();
        let mut command = server_command();
        command.env("XDG_RUNTIME_DIR", scratch.path("run"));
        command.args(["--bind", "127.0.0.1", "--port", "0", "--web", "0", "--no-discovery"]);
        command.arg("--stats").arg(scratch.path("stats.json"));
        command.args(["--source", "tone"]).args(more);
        let mut server = Program::start(command);
        let line = server.wait_for(" open http://");
        let (_, address) = line.split_once("http://").unwrap();
        let page = address.split_once('/').unwrap().0.replace("127.0.0.1", "localhost");
        Self { server, page, scratch }
    }

    fn ctl(&self, words: &[&str]) -> (bool, String) {
        let mut command = client_command();
        command.env("XDG_RUNTIME_DIR", self.scratch.path("run"));
        let out = command.arg("ctl").args(words).args(["--server", &self.page]).output().unwrap();
        let said = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
        (out.status.success(), said)
    }

    #[track_caller]
    fn tell(&self, words: &[&str]) -> String {
        let (is_done, said) = self.ctl(words);
        assert!(is_done, "{words:?}: {said}");
        said
    }

    fn last_stats(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.scratch.path("stats.json")).ok()?;
        serde_json::from_str(text.lines().last()?).ok()
    }
}

#[test]
fn a_snapclient_is_set_by_name_and_stays_so_when_it_comes_again() {
    let mut room = Room::open(&["--snapcast", "0"]);
    let port = port(&mut room.server);
    let (mut player, _) = Player::join(port, "kitchen");
    let (_other, _) = Player::join(port, "garden");
    let list = room.tell(&["snapclients"]);
    assert!(list.contains("room kitchen") && list.contains("300 ms"), "{list}");
    assert!(room.tell(&["list"]).contains("room garden"));
    for (words, key, value) in [
        (&["volume", "50"][..], "volume", Value::from(50)),
        (&["mute"], "muted", true.into()),
        (&["unmute"], "muted", false.into()),
        (&["latency", "20"], "latency", 20.into()),
    ] {
        room.tell(&[&["snapclient", "KITCHEN"], words].concat());
        assert_eq!(player.next_of(SERVER_SETTINGS).json()[key], value, "{words:?}");
    }
    drop(player);
    let (mut again, settings) = Player::join(port, "kitchen");
    assert_eq!(settings.to_string(), r#"{"bufferMs":300,"latency":20,"muted":false,"volume":50}"#);
    // It has buttons of its own.
    again.say(&text(CLIENT_INFO, 0, &serde_json::json!({"volume": 33, "muted": true})));
    wait_until("the statistics tell", || {
        let Some(stats) = room.last_stats() else { return false };
        let all = stats["snapclients"].as_array().unwrap().clone();
        all.iter().any(|one| {
            one["id"] == "kitchen"
                && one["volume"] == 33
                && one["is_muted"] == true
                && one["latency_ms"] == 20
                && one["delay_ms"] == 300
                && one["chunks"].as_u64() > Some(0)
        })
    });
    for (words, why) in [
        (&["snapclient", "attic", "mute"][..], "there is no snapclient “attic”"),
        (&["snapclient", "room", "mute"], "could be several"),
        (&["snapclient", "kitchen", "volume", "101"], "0 to 100"),
        (&["snapclient", "kitchen", "latency", "10001"], "0 to 10000"),
    ] {
        let (is_done, said) = room.ctl(words);
        assert!(!is_done && said.contains(why), "{words:?}: {said}");
    }
    room.server.stop();
}

#[test]
fn a_server_without_snapclients_says_how_to_have_them_and_shows_none() {
    let mut room = Room::open(&[]);
    for words in [&["snapclients"][..], &["snapclient", "kitchen", "mute"]] {
        let (is_done, said) = room.ctl(words);
        assert!(!is_done && said.contains("Start it with --snapcast"), "{said}");
    }
    assert!(!room.tell(&["list"]).contains("Snapclients"));
    wait_until("statistics", || room.last_stats().is_some());
    assert!(room.last_stats().unwrap().get("snapclients").is_none());
    room.server.stop();
}
