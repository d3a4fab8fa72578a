//! What the tests of whole programs share.

pub(crate) mod address;
pub(crate) mod caller;
mod connecting;
pub(crate) mod datagrams;
pub(crate) mod eavesdropper;
pub(crate) mod flags;
#[cfg(target_os = "linux")]
pub(crate) mod free_port;
#[cfg(target_os = "linux")]
mod held;
pub(crate) mod holes;
mod line;
pub(crate) mod median;
pub(crate) mod member;
mod memory;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "how nodes are is for the bench, and some are for TLS alone")]
pub(crate) mod nats;
mod numbers;
pub(crate) mod old;
mod page;
pub(crate) mod program;
pub(crate) mod ramp;
mod recorded;
#[cfg(target_os = "linux")]
mod room_people;
#[cfg(target_os = "linux")]
pub(crate) mod room_server;
mod said;
mod scratch;
#[cfg(feature = "https")]
mod sealed_way;
pub(crate) mod servers;
#[cfg(unix)]
mod signals;
pub(crate) mod socket;
#[cfg(feature = "https")]
pub(crate) mod tls;
pub(crate) mod tone;
mod unbroken;
mod waiting;
pub(crate) mod wav;
pub(crate) mod websocket;
mod within;

use std::path::PathBuf;

pub(crate) use numbers::numbers;
pub(crate) use scratch::Scratch;
pub(crate) use unbroken::assert_follows;
pub(crate) use waiting::{PATIENCE, wait_until};
pub(crate) use within::within;

impl Scratch {
    /// Writes a file and says where.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}
