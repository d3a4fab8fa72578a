//! What one address may have of a server.

use crate::Test;
use crate::cable::{Cable, PC};
use crate::support::program::Program;

pub(crate) const TESTS: &[Test] =
    &[("one_address_gets_its_seats_and_no_more_and_is_told_why", seats_of_one_address)];

const SERVER: &str = env!("CARGO_BIN_EXE_auralync-server");
const CLIENT: &str = env!("CARGO_BIN_EXE_auralync-client");

fn seats_of_one_address() {
    let cable = Cable::lay().unwrap();
    let mut command = cable.on_pc(SERVER);
    command.args([
        "--source",
        "tone",
        "--no-discovery",
        "--max-clients",
        "8",
        "--per-address",
        "2",
    ]);
    let mut server = Program::start(command);
    server.wait_for("Ctrl-C stops.");
    let join = |mut command: std::process::Command, name: &str| {
        command.args([PC, "--output", "null", "--once", "--name", name]);
        Program::start(command)
    };
    let mut seated: Vec<_> =
        ["ann", "bob"].map(|name| join(cable.at_ear(CLIENT), name)).into_iter().collect();
    server.wait_for("ann");
    server.wait_for("bob");
    let ended = join(cable.at_ear(CLIENT), "carol").wait();
    assert_eq!(ended.code, Some(6), "{ended:?}");
    let why = "has as many listeners from this address as it allows";
    assert!(ended.stderr.iter().any(|line| line.contains(why)), "{ended:?}");
    let mut here: Vec<_> =
        ["dave", "eve", "frank"].map(|name| join(cable.on_pc(CLIENT), name)).into_iter().collect();
    for name in ["dave", "eve", "frank"] {
        server.wait_for(name);
    }
    assert!(seated.iter_mut().chain(&mut here).all(Program::is_running));
}
