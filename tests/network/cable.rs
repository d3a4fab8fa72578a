//! Two machines of this test's own, as network namespaces, and the switch between them.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::namespaces::{inside, ip};

/// The playing PC's address.
pub(crate) const PC: &str = "192.0.2.1";

/// The listener's addresses: the first, and the one that it gets when it roams.
const EAR: &str = "192.0.2.2/24";
const ROAMED: &str = "192.0.2.3/24";

/// A PC and a listener, each with a cable to a switch; all gone with this value.
pub(crate) struct Cable {
    pc: String,
    ear: String,
    switch: String,
}

impl Cable {
    /// Makes both machines and plugs them together.
    ///
    /// # Errors
    /// Why this system does not allow it, as the end of a sentence.
    pub(crate) fn lay() -> Result<Self, String> {
        static LAID: AtomicU32 = AtomicU32::new(0);
        let number = LAID.fetch_add(1, Ordering::Relaxed);
        let name = |end| format!("auralync-{}-{number}-{end}", std::process::id());
        let cable = Self { pc: name("pc"), ear: name("ear"), switch: name("switch") };
        let switch = &*cable.switch;
        ip(&["netns", "add", switch])?;
        ip(&["-n", switch, "link", "add", "switch", "type", "bridge"])?;
        ip(&["-n", switch, "link", "set", "switch", "up"])?;
        let ends = [(&cable.pc, "pc", &*format!("{PC}/24")), (&cable.ear, "ear", EAR)];
        for (end, port, address) in ends {
            ip(&["netns", "add", end])?;
            let link = ["link", "add", port, "netns", switch, "type", "veth"];
            ip(&[&link[..], &["peer", "name", "cable", "netns", end]].concat())?;
            ip(&["-n", switch, "link", "set", port, "master", "switch", "up"])?;
            ip(&["-n", end, "addr", "add", address, "dev", "cable"])?;
            ip(&["-n", end, "link", "set", "lo", "up"])?;
            ip(&["-n", end, "link", "set", "cable", "up"])?;
        }
        Ok(cable)
    }

    /// `program` on the PC.
    pub(crate) fn on_pc(&self, program: &str) -> Command {
        inside(&self.pc, program)
    }

    /// `program` at the listener.
    pub(crate) fn at_ear(&self, program: &str) -> Command {
        inside(&self.ear, program)
    }

    /// Pulls the listener's cable out: it sees that.
    pub(crate) fn pull(&self) {
        ip(&["-n", &self.switch, "link", "set", "ear", "down"]).unwrap();
    }

    /// Plugs it in again.
    pub(crate) fn plug(&self) {
        ip(&["-n", &self.switch, "link", "set", "ear", "up"]).unwrap();
    }

    /// Pulls the PC's cable out: it is in no network.
    pub(crate) fn pull_pc(&self) {
        ip(&["-n", &self.switch, "link", "set", "pc", "down"]).unwrap();
    }

    /// Plugs it in again.
    pub(crate) fn plug_pc(&self) {
        ip(&["-n", &self.switch, "link", "set", "pc", "up"]).unwrap();
    }

    /// Lets the switch forward nothing between the two, which neither of them sees.
    pub(crate) fn part(&self) {
        ip(&["-n", &self.switch, "link", "set", "ear", "nomaster"]).unwrap();
    }

    /// Lets it forward again.
    pub(crate) fn join(&self) {
        ip(&["-n", &self.switch, "link", "set", "ear", "master", "switch"]).unwrap();
    }

    /// Takes the addresses that somebody would have had to give: what is left is IPv6 that both have
    /// by themselves.
    pub(crate) fn forget_addresses(&self) {
        ip(&["-n", &self.pc, "-4", "addr", "flush", "dev", "cable"]).unwrap();
        ip(&["-n", &self.ear, "-4", "addr", "flush", "dev", "cable"]).unwrap();
    }

    /// Gives the PC another address in place of the one that it has.
    pub(crate) fn move_pc(&self, address: &str) {
        ip(&["-n", &self.pc, "-4", "addr", "flush", "dev", "cable"]).unwrap();
        ip(&["-n", &self.pc, "addr", "add", address, "dev", "cable"]).unwrap();
    }

    /// Gives the listener another address in place of the one that it has.
    pub(crate) fn roam(&self) {
        ip(&["-n", &self.ear, "addr", "del", EAR, "dev", "cable"]).unwrap();
        ip(&["-n", &self.ear, "addr", "add", ROAMED, "dev", "cable"]).unwrap();
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for end in [&self.pc, &self.ear, &self.switch] {
            // One that was never made cannot be removed.
            let _ = ip(&["netns", "del", end]);
        }
    }
}
