//! A network device whose packets come to this program, in a network namespace of another machine.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::thread;

use rustix::fs::OFlags;
use rustix::ioctl::{self, Setter};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How Linux names the call that makes an opened file a device, `TUNSETIFF` of `linux/if_tun.h`.
const MAKE_DEVICE: ioctl::Opcode = ioctl::opcode::write::<i32>(b'T', 202);

/// What it is told, `struct ifreq` of `linux/if.h`: a name of at most 15 bytes, and flags.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

/// Packets of IP as they are (`IFF_TUN`), with nothing in front (`IFF_NO_PI`).
const PLAIN_PACKETS: u16 = 0x0001 | 0x1000;

/// A device, gone with this value.
pub(crate) struct Tun(File);

impl Tun {
    /// Makes the device `name` in the namespace that `ip netns` knows by `namespace`.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn make(namespace: &str, name: &str) -> io::Result<Self> {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        // A thread of its own goes there, so that nobody else does.
        let there = thread::spawn(move || {
            enter(&namespace)?;
            Self::open(&name)
        });
        there.join().map_err(|_| io::Error::other("the thread that makes a device panicked"))?
    }

    fn open(name: &str) -> io::Result<Self> {
        let mut request = Request { name: [0; 16], flags: PLAIN_PACKETS, rest: [0; 22] };
        request.name[..15].iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open("/dev/net/tun")?;
        #[allow(
            unsafe_code,
            reason = "a device is made by no other call, and no crate is as small"
        )]
        // SAFETY: the call is TUNSETIFF, which reads a `struct ifreq` and writes the device's name
        // into it. `Request` is one, by its layout and its 40 bytes, and lives until it returns.
        unsafe {
            ioctl::ioctl(&file, Setter::<MAKE_DEVICE, Request>::new(request))?;
        }
        Ok(Self(file))
    }

    /// A packet that was sent by this device, its length; `None` where there is none now.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn take(&mut self, packet: &mut [u8]) -> io::Result<Option<usize>> {
        match self.0.read(packet) {
            Ok(length) => Ok(Some(length)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Lets a packet come in by this device. One that it cannot take is lost, as elsewhere.
    pub(crate) fn give(&mut self, packet: &[u8]) {
        let _ = self.0.write(packet);
    }
}

/// Takes the calling thread into a namespace that `ip netns` knows, for the rest of its life.
///
/// # Errors
/// What the system says.
pub(crate) fn enter(namespace: &str) -> io::Result<()> {
    let namespace = File::open(format!("/run/netns/{namespace}"))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
