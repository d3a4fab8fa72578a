//! Programs for Windows in a room on Linux.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::support::program::{Ended, Program};
use crate::support::room::Room;

/// Where `scripts/windows.sh` says that the programs are, and what runs them.
const PROGRAMS: &str = "AURALYNC_WINDOWS";
const WINE: &str = "AURALYNC_WINE";

pub(crate) const SERVER: &str = "auralync-server.exe";
pub(crate) const CLIENT: &str = "auralync-client.exe";

/// Whether the programs are there and can be run; why not, as the end of a sentence.
pub(crate) fn is_there() -> Result<(), String> {
    match [PROGRAMS, WINE].map(std::env::var_os) {
        [Some(_), Some(_)] => Ok(()),
        _ => Err("`make test-windows` alone builds them and brings Wine".to_owned()),
    }
}

/// `program` with these words, in that room.
pub(crate) fn command(room: &Room, program: &str, words: &[&str]) -> Command {
    let mut command = room.command(&std::env::var(WINE).unwrap());
    command.arg(Path::new(&std::env::var_os(PROGRAMS).unwrap()).join(program)).args(words);
    command
}

pub(crate) fn start(room: &Room, program: &str, words: &[&str]) -> Program {
    Program::start(command(room, program, words))
}

/// A server that only this machine reaches.
pub(crate) fn server(room: &Room, words: &[&str]) -> (Program, String) {
    let bound = ["--bind", "127.0.0.1", "--port", "0", "--no-discovery"];
    let mut server = start(room, SERVER, &[&bound, words].concat());
    let address = server.address().to_string();
    (server, address)
}

/// A path of Linux as Windows writes it.
pub(crate) fn windows_path(path: &Path) -> String {
    format!("Z:{}", path.display()).replace('/', "\\")
}

/// Where the programs find `C:`.
pub(crate) fn drive_c() -> PathBuf {
    Path::new(&std::env::var_os("WINEPREFIX").unwrap()).join("drive_c")
}

/// Presses Ctrl-C, and waits for the end that it brings.
#[track_caller]
pub(crate) fn ctrl_c(program: &mut Program) -> Ended {
    // Wine makes Ctrl-C of it, as the program's handlers know it.
    let (ended, took) = program.stop_by(Signal::INT);
    assert_eq!(ended.code, Some(0), "{ended}");
    println!("ended by Ctrl-C in {} ms", took.as_millis());
    ended
}
