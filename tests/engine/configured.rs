//! NATS servers with the configuration that AuraLync writes.

use std::path::Path;
use std::time::Duration;

use auralync::clock::Clock;
use auralync::engine::key;
use auralync::engine::line::Line;
use auralync::engine::nats::{Addresses, Event, Nkey, Url, Who};
use auralync::outgoing::Trust;
use auralync::secure::Key;
use auralync::source::RoomName;

use super::Servers;
use crate::support::free_port::free_port;
use crate::support::nats::{self, Node, in_folder};
use crate::support::program::Program;
use crate::support::wait_until;

/// A certificate that is nobody's here.
const OTHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine/other.crt");

/// Writes configurations for so many nodes, and starts them: at ports of their own, because the usual ones may be
/// somebody's.
pub(super) fn nodes(servers: &Servers, count: usize) -> Vec<Node> {
    let folder = servers.scratch.path("engine");
    let words = ["engine", "config", "--nodes", &count.to_string(), "--folder"];
    let mut command = servers.command(&words);
    let written = Program::start({
        command.arg(&folder);
        command
    })
    .wait();
    assert_eq!(written.code, Some(0), "{written:?}");
    let said = written.stdout.join("\n");
    assert!(said.contains("auralync-server --engine tls://THIS-COMPUTER"), "{said}");
    let routes: Vec<u16> = (0..count).map(|_| free_port()).collect();
    let node = |number: usize| {
        let name =
            if count == 1 { "nats.conf".to_owned() } else { format!("n{}.conf", number + 1) };
        let path = folder.join(&name);
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (usual, free) in (6222..).zip(&routes) {
            text = text.replace(&format!(":{usual}\""), &format!(":{free}\""));
        }
        std::fs::write(&path, text).unwrap();
        in_folder(&folder, &name)
    };
    (0..count).map(node).collect()
}

pub(super) fn tls(node: &Node) -> String {
    format!("tls://127.0.0.1:{}", node.port)
}

#[test]
fn a_cluster_that_was_configured_here_carries_the_rooms_sound_by_tls() {
    let mut servers = Servers::new("");
    let nodes = nodes(&servers, 3);
    servers.engine = tls(&nodes[0]);
    let _origin = servers.origin();
    servers.engine = tls(&nodes[2]);
    let mut edge = servers.edge();
    servers.listen(&mut edge, 2, &["--transport", "tcp"]).unbroken();
    // Whoever believes another certificate, or demands TLS of who has none, goes nowhere.
    let flags = ["--source", "engine:room", "--engine-ca", OTHER];
    servers.server(flags).wait_for("it is not believed: invalid peer certificate");
}

#[test]
fn an_engine_without_tls_is_not_spoken_to_where_the_address_demands_it() {
    let node = nats::one();
    let servers = Servers::new(&tls(&node));
    let refused = servers.server(["--source", "tone"]).wait();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let said = refused.stderr.join("\n");
    assert!(said.contains("--engine-ca FILE"), "{said}");
    let mut server = servers.server(["--source", "tone", "--engine-ca", OTHER]);
    server.wait_for("it speaks no TLS, and its address says that it must");
}

/// What becomes of somebody with this key who publishes on the room's own subject.
fn forge(servers: &Servers, node: &Node, nkey: Option<Nkey>, subject: &str) -> String {
    let certificate = servers.scratch.path("settings/auralync/engine-room.crt");
    let url = Url::read(&tls(node), false).unwrap();
    let who = Who { name: "forger".to_owned(), nkey, longest: 100 };
    let trust = Some(Trust::read(&certificate).unwrap());
    let mut line = Line::new(Addresses::new(vec![url], 1), who, trust, Clock::start()).unwrap();
    let (mut told, mut has_said) = (None, false);
    wait_until("an answer", || {
        if let Some(session) = line.session().filter(|_| !has_said) {
            has_said = session.publish(subject, None, &[b"forged"]);
        }
        let lost = line.turn(Duration::from_millis(10), |_, event| {
            if let Event::Forbidden(why) = event {
                told = Some(why.to_owned());
            }
        });
        told = told.take().or(lost.unwrap().map(|lost| lost.why.to_string()));
        told.is_some()
    });
    told.unwrap()
}

#[test]
fn the_engine_takes_from_each_only_what_is_theirs_to_say() {
    let mut servers = Servers::new("");
    let nodes = nodes(&servers, 1);
    servers.engine = tls(&nodes[0]);
    let _origin = servers.origin();
    let mut edge = servers.edge();
    edge.address();
    let path = servers.scratch.path("settings/auralync").join(key::file_name(&RoomName::default()));
    let (stream, nkeys) = room(&path);
    let forged = forge(&servers, &nodes[0], Some(nkeys.1), &stream);
    assert!(forged.to_lowercase().contains("permissions violation for publish"), "{forged}");
    for stranger in [None, Some(Nkey::new(&Key::new([9; 32])))] {
        let refused = forge(&servers, &nodes[0], stranger, &stream);
        assert!(refused.contains("does not know this room's key"), "{refused}");
    }
    // The origin's own key says what it likes; without the room's secret nobody listens.
    servers.listen(&mut edge, 1, &["--codec", "f32"]).unbroken();
}

/// The subject of a room's stream, and the keys of its origin and its edges.
fn room(path: &Path) -> (String, (Nkey, Nkey)) {
    use auralync::engine::sealed::Role;

    let room = key::in_file(path).unwrap();
    (room.subject("stream"), (room.nkey(Role::Origin), room.nkey(Role::Edge)))
}
