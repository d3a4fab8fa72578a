//! What becomes of a network while packets pass.

use std::net::UdpSocket;
use std::sync::atomic::Ordering;
use std::thread;

use crate::support::air::{Air, DEVICE, EAR, PC, tun};
use crate::support::namespaces::ip;

/// The address that the listener gets when it roams.
const ROAMED: &str = "192.0.2.3/24";

impl Air {
    /// Throws datagrams of UDP away, or no longer, on the way to the listener and on the way from it.
    pub(crate) fn cut(&self, down: bool, up: bool) {
        let orders = &self.forwarder.orders;
        orders.cuts_down.store(down, Ordering::Relaxed);
        orders.cuts_up.store(up, Ordering::Relaxed);
    }

    /// Lets only packets of so many bytes through. The listener's device knows, the PC's does not, as
    /// behind a tunnel.
    pub(crate) fn narrow(&self, mtu: u16) {
        self.forwarder.orders.most_bytes.store(mtu.into(), Ordering::Relaxed);
        ip(&["-n", &self.machines.ear, "link", "set", DEVICE, "mtu", &mtu.to_string()]).unwrap();
    }

    /// Gives the listener another address in place of the one that it has.
    pub(crate) fn roam(&self) {
        let ear = &*self.machines.ear;
        // The other way round the second would go with the first.
        ip(&["-n", ear, "addr", "del", EAR, "dev", DEVICE]).unwrap();
        ip(&["-n", ear, "addr", "add", ROAMED, "dev", DEVICE]).unwrap();
    }

    /// A socket on the PC that takes a port of UDP away.
    pub(crate) fn take_port(&self, port: u16) -> UdpSocket {
        let there = self.machines.pc.clone();
        // A thread of its own goes there, so that nobody else does.
        let taken = thread::spawn(move || {
            tun::enter(&there)?;
            UdpSocket::bind((PC, port))
        });
        taken.join().unwrap().unwrap()
    }
}
