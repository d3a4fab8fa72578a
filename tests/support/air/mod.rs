//! A bad network between two machines: each is a network namespace with a device of this program's,
//! which hands packets over late, or not at all.

pub(crate) mod bend;
mod forward;
pub(crate) mod house;
pub(crate) mod tun;

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::namespaces::{inside, ip};
use bend::Bend;
use forward::Forwarder;
pub(crate) use forward::{Passed, Traffic};
use tun::Tun;

/// The playing PC's address.
pub(crate) const PC: &str = "192.0.2.1";

/// The listener's address.
pub(crate) const EAR: &str = "192.0.2.2/24";

/// What the device of each machine is called.
pub(crate) const DEVICE: &str = "air";

/// A PC and a listener with a bad network between them; all gone with this value.
pub(crate) struct Air {
    pub(crate) forwarder: Forwarder,
    pub(crate) machines: Machines,
}

/// The names of both namespaces.
pub(crate) struct Machines {
    pub(crate) pc: String,
    pub(crate) ear: String,
}

impl Air {
    /// Makes both machines and the network.
    ///
    /// # Errors
    /// Why this system does not allow it, as the end of a sentence.
    pub(crate) fn make(bend: &Bend) -> Result<Self, String> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = |end| format!("auralync-air-{}-{number}-{end}", std::process::id());
        let machines = Machines { pc: name("pc"), ear: name("ear") };
        let join = |machine: &String, address: &str| {
            ip(&["netns", "add", machine])?;
            let tun = Tun::make(machine, DEVICE)
                .map_err(|e| format!("this system does not allow TUN devices: {e}"))?;
            ip(&["-n", machine, "link", "set", "lo", "up"])?;
            ip(&["-n", machine, "addr", "add", address, "dev", DEVICE])?;
            ip(&["-n", machine, "link", "set", DEVICE, "txqueuelen", "1000", "up"])?;
            Ok::<_, String>(tun)
        };
        let pc = join(&machines.pc, &format!("{PC}/24"))?;
        let ear = join(&machines.ear, EAR)?;
        Ok(Self { forwarder: Forwarder::start(bend, pc, ear), machines })
    }

    /// `program` on the PC.
    pub(crate) fn on_pc(&self, program: &str) -> Command {
        inside(&self.machines.pc, program)
    }

    /// `program` at the listener.
    pub(crate) fn at_ear(&self, program: &str) -> Command {
        inside(&self.machines.ear, program)
    }

    /// What has passed so far.
    pub(crate) fn passed(&self) -> Passed {
        self.forwarder.passed()
    }

    /// The bad spells by time that there have been on the way down, each with its length, in µs.
    pub(crate) fn holes(&self) -> Vec<(u64, u64)> {
        self.forwarder.holes()
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for machine in [&self.pc, &self.ear] {
            // One that was never made cannot be removed.
            let _ = ip(&["netns", "del", machine]);
        }
    }
}
