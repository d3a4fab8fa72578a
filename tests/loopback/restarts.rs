//! Either program killed and started again, over and over: sound comes back every time, and the one
//! that lives on keeps no thread, no socket and no memory of the dead.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::Path;

use crate::support::flags::wav;
use crate::support::program::Program;
use crate::support::servers::{client, server_command};
use crate::support::{Scratch, wait_until};

/// How often in every test run, and how often in a soak.
const ROUNDS: u32 = 10;
const SOAK_ROUNDS: u32 = 100;

/// Allocators keep some of what was freed: what leaks with every round is more in a hundred.
const LEFT_OVER_KIB: u64 = 2_048;

/// Sound counts as heard when this much of the end of a recording holds some, in bytes: 20 ms.
const LATEST_BYTES: i64 = 48 * 20 * 2 * 4;

/// What a program holds.
struct Held {
    threads_and_files: (usize, usize),
    resident_kib: u64,
}

impl Held {
    fn by(program: &Program) -> Self {
        Self {
            threads_and_files: program.threads_and_files(),
            resident_kib: program.resident_kib(),
        }
    }

    /// Waits until `program` holds no more than this.
    #[track_caller]
    fn is_all_of(&self, program: &Program) {
        wait_until("as few threads and files as before", || {
            program.threads_and_files() == self.threads_and_files
        });
        let now_kib = program.resident_kib();
        println!("{:?}, {} KiB, then {now_kib} KiB", self.threads_and_files, self.resident_kib);
        assert!(now_kib <= self.resident_kib + LEFT_OVER_KIB, "{now_kib} KiB");
    }
}

/// A server on a tone, at a port that its successor can have.
fn server_at(port: u16) -> Program {
    let mut command = server_command();
    command.args(["--preset", "low-latency", "--source", "tone", "--bind", "127.0.0.1"]);
    command.args(["--no-discovery", "--no-web"]);
    command.args(["--port", &port.to_string()]);
    Program::start(command)
}

fn listener(server: SocketAddr, recorded: &Path) -> Program {
    client(server, ["--output", &wav(recorded)])
}

/// Whether the end of a recording is sound.
fn ends_in_sound(recorded: &Path) -> bool {
    let latest = || {
        let mut file = File::open(recorded)?;
        file.seek(SeekFrom::End(-LATEST_BYTES))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map(|_| bytes)
    };
    let sample = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    // A file that is not there yet, or shorter, holds no sound.
    latest().is_ok_and(|bytes| bytes.chunks_exact(4).any(|bytes| sample(bytes).abs() > 0.01))
}

/// A listener through so many deaths of its server.
fn kill_servers(rounds: u32) {
    let scratch = Scratch::new();
    let recorded = scratch.path("recorded.wav");
    let mut server = server_at(0);
    let address = server.address();
    let listener = listener(address, &recorded);
    let mut held = None;
    for round in 0..=rounds {
        wait_until("sound", || ends_in_sound(&recorded));
        // The first connection leaves behind what every later one uses again.
        if round == 1 {
            held = Some(Held::by(&listener));
        }
        if round == rounds {
            break;
        }
        drop(server);
        wait_until("silence", || !ends_in_sound(&recorded));
        server = server_at(address.port());
    }
    held.unwrap().is_all_of(&listener);
    assert_eq!(listener.times_said("connected to"), rounds as usize + 1);
}

/// A server through so many deaths of its listener.
fn kill_listeners(rounds: u32) {
    let scratch = Scratch::new();
    let mut server = server_at(0);
    let address = server.address();
    let mut held = None;
    for round in 0..=rounds {
        let recorded = scratch.path(format!("{round}.wav"));
        let listener = listener(address, &recorded);
        wait_until("sound", || ends_in_sound(&recorded));
        let (_, open) = server.threads_and_files();
        drop(listener);
        // Not by what it says: of a crowd that comes and goes the server does not name everybody.
        wait_until("the end of its connection", || server.threads_and_files().1 < open);
        let held = held.get_or_insert_with(|| Held::by(&server));
        if round == rounds {
            held.is_all_of(&server);
        }
        std::fs::remove_file(recorded).unwrap();
    }
}

#[test]
fn a_listener_outlives_its_server_again_and_again() {
    kill_servers(ROUNDS);
}

#[test]
fn a_server_outlives_its_listeners_again_and_again() {
    kill_listeners(ROUNDS);
}

#[test]
#[ignore = "takes minutes: make soak"]
fn a_listener_outlives_a_hundred_servers() {
    kill_servers(SOAK_ROUNDS);
}

#[test]
#[ignore = "takes minutes: make soak"]
fn a_server_outlives_a_hundred_listeners() {
    kill_listeners(SOAK_ROUNDS);
}
