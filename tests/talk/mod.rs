//! Listeners who speak, through the real server over loopback.

mod by_datagram;
mod duck;
mod mix_minus;
mod most;
mod people;
pub(crate) mod person;
pub(crate) mod tones;
mod wrong;

use crate::support::program::Program;
use crate::support::servers::server;

/// A conference: no film, and a playout delay that no busy machine exceeds.
fn conference(arguments: &[&str]) -> Program {
    let usual = ["--source", "none", "--talk", "--max-clients", "0", "--sample-rate", "48000"];
    let patient = ["--playout-delay-ms", "2000", "--max-queue-size", "1000"];
    server([&usual[..], &patient, arguments].concat())
}
