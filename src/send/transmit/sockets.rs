//! Listening sockets and what every accepted one is set to.

use std::io::{self, IoSlice, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use log::debug;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::places::Origin;
use crate::dscp::Dscp;
use crate::error::{Error, Result, plain};
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::send::fanout;

/// Sound that the kernel may hold unsent for a listener beside what leaves together, in ms, or two
/// frames where they are longer. What is behind this cannot be dropped any more.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MAX_UNSENT_MS: usize = 40;

/// Where the send buffer as a whole is bounded, it also holds what is on its way: this much sound
/// at least, in ms, and as many bytes.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const MIN_SEND_BUFFER_MS: usize = 250;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const MIN_SEND_BUFFER: usize = 4 * 1024;

/// A peer that acknowledges nothing for this long is gone.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Binds and listens. With no `bind` address that is IPv6 and IPv4 at once, or IPv4 alone where
/// the system has no IPv6.
///
/// # Errors
/// [`Error::Bind`] with what to do about it.
pub fn listen(bind: Option<IpAddr>, port: u16, backlog: u32) -> Result<std::net::TcpListener> {
    open_port(bind, port, backlog).map_err(|(address, e)| Error::Bind {
        address,
        fix: fix(&e, port),
        why: plain_reason(&e),
    })
}

/// What a server opens a door for beside its listeners', and can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    /// The page for phones and browsers.
    Page,
    /// The encrypted page.
    SecurePage,
    /// Snapclients.
    Snapclients,
}

impl Extra {
    /// What is said where the system does not let it at `address`, and why.
    fn sentence(self, address: SocketAddr, why: &str) -> String {
        let another = |usual| address.port().checked_add(1).unwrap_or(usual);
        match self {
            Self::Page => format!(
                "the page for phones and browsers cannot be served on {address}: {why}. Everybody else can listen. \
                 Choose another port with --web {}, or leave the page out with --no-web",
                another(8081)
            ),
            Self::SecurePage => format!(
                "the encrypted page cannot be served on {address}: {why}. Phones can listen, and not talk. Choose \
                 another port with --https {}, or leave it out with --no-https",
                another(8444)
            ),
            Self::Snapclients => format!(
                "snapclients cannot join at {address}: {why}. Everybody else can listen. Choose another port with \
                 --snapcast {}, and tell each snapclient with its own --port",
                another(1705)
            ),
        }
    }
}

/// Binds and listens for what a server can do without.
///
/// # Errors
/// What a user can do about it, as a sentence.
pub fn listen_for(
    extra: Extra,
    bind: Option<IpAddr>,
    port: u16,
    backlog: u32,
) -> std::result::Result<std::net::TcpListener, String> {
    open_port(bind, port, backlog)
        .map_err(|(address, e)| extra.sentence(address, &plain_reason(&e)))
}

fn open_port(
    bind: Option<IpAddr>,
    port: u16,
    backlog: u32,
) -> std::result::Result<std::net::TcpListener, (SocketAddr, io::Error)> {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let address = bind.map_or(any, |ip| SocketAddr::from((ip, port)));
    let bound = open(address, bind.is_none(), backlog).or_else(|e| {
        if bind.is_some() || e.kind() == io::ErrorKind::AddrInUse {
            return Err(e);
        }
        debug!("no IPv6 here ({e}): listening on IPv4 alone");
        open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), false, backlog)
    });
    bound.map_err(|e| (address, e))
}

fn open(address: SocketAddr, dual_stack: bool, backlog: u32) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!dual_stack)?;
    }
    // Elsewhere a restart would wait for old connections to time out; on Windows the option would
    // let another program take the port from us.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

pub(super) fn plain_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program already uses that port".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this PC has no such address".to_owned(),
        io::ErrorKind::PermissionDenied => "the system does not allow that port".to_owned(),
        _ => plain(error),
    }
}

fn fix(error: &io::Error, port: u16) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "Stop the other program (perhaps another auralync-server), or choose a port: --port {}",
            port.checked_add(1).unwrap_or(5556)
        ),
        io::ErrorKind::AddrNotAvailable => {
            "Leave --bind out to listen on every address of this PC".to_owned()
        }
        io::ErrorKind::PermissionDenied => "Choose a port above 1023: --port 5555".to_owned(),
        _ => "Check --bind and --port".to_owned(),
    }
}

/// Where a connection comes from.
pub(super) fn origin(stream: &TcpStream, peer: SocketAddr) -> Origin {
    // A connection that has ended already has no address of ours any more.
    let own = stream.local_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |own| own.ip());
    Origin::of(peer.ip(), own)
}

/// The peer gave up while it waited: the next one may be fine.
pub(super) fn is_the_peers_doing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Whether the process or the system has no file descriptor left.
#[cfg(unix)]
pub(super) fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error();
    code == Some(Errno::MFILE.raw_os_error()) || code == Some(Errno::NFILE.raw_os_error())
}

/// Whether the process has no socket left.
#[cfg(windows)]
pub(super) fn is_out_of_files(error: &io::Error) -> bool {
    const WSAEMFILE: i32 = 10024;
    error.raw_os_error() == Some(WSAEMFILE)
}

/// How much the kernel may hold back for one listener.
#[derive(Debug, Clone, Copy)]
pub struct Buffering {
    /// Bytes of one audio frame on the wire.
    pub frame_bytes: usize,
    /// Bytes of sound per second on the wire.
    pub bytes_per_second: usize,
    /// The playout delay, in ms.
    pub playout_delay_ms: u32,
}

/// Sets an accepted socket up. Everything here is an improvement that a system may refuse.
pub fn prepare(socket: SockRef<'_>, buffering: Buffering, dscp: Dscp) {
    let tried = [
        ("TCP_NODELAY", socket.set_tcp_nodelay(true)),
        ("buffering", limit_unsent(&socket, buffering)),
        ("TCP_USER_TIMEOUT", user_timeout(&socket)),
    ];
    for (option, result) in tried {
        if let Err(e) = result {
            debug!("{option} not set: {e}");
        }
    }
    dscp.mark(&socket);
}

/// Bounds what the kernel holds back of a listener's sound, once its codec is known.
pub fn rebuffer(socket: SockRef<'_>, buffering: Buffering) {
    if let Err(e) = limit_unsent(&socket, buffering) {
        debug!("buffering not set: {e}");
    }
}

/// On Linux the *unsent* bytes are bounded and the send buffer is left to the kernel: it also
/// holds what is on its way, and must grow with the path.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn limit_unsent(socket: &SockRef<'_>, buffering: Buffering) -> io::Result<()> {
    let together_ms = fanout::wait_us(buffering.playout_delay_ms) as usize / 1000;
    let unsent = buffering.bytes_per_second * (MAX_UNSENT_MS + together_ms) / 1000;
    let unsent = unsent.max(buffering.frame_bytes * 2);
    socket.set_tcp_notsent_lowat(u32::try_from(unsent).unwrap_or(u32::MAX))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn limit_unsent(socket: &SockRef<'_>, buffering: Buffering) -> io::Result<()> {
    let milliseconds = (buffering.playout_delay_ms as usize).max(MIN_SEND_BUFFER_MS);
    let bytes = buffering.bytes_per_second * milliseconds / 1000;
    socket.set_send_buffer_size(bytes.max(MIN_SEND_BUFFER).max(buffering.frame_bytes * 2))
}

/// Writes once, without blocking. What is sent `apart` is never joined with what comes later.
///
/// # Errors
/// What the system says, `WouldBlock` included.
pub fn send(mut stream: &TcpStream, slices: &[IoSlice<'_>], apart: bool) -> io::Result<usize> {
    match slices {
        many if apart => send_apart(stream, many),
        [one] => stream.write(one),
        many => stream.write_vectored(many),
    }
}

/// Linux bounds what is unsent only where it begins a new segment, and it fills one up to 64 KiB as
/// long as it has not left: seconds of Opus. The end of a record ends the segment too.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn send_apart(stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    use rustix::net::{SendAncillaryBuffer, SendFlags};
    let flags = SendFlags::EOR | SendFlags::NOSIGNAL;
    Ok(match slices {
        [one] => rustix::net::send(stream, one, flags)?,
        many => rustix::net::sendmsg(stream, many, &mut SendAncillaryBuffer::default(), flags)?,
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn send_apart(mut stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    stream.write_vectored(slices)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn user_timeout(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn user_timeout(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_keepalive(
        &socket2::TcpKeepalive::new().with_time(USER_TIMEOUT).with_interval(USER_TIMEOUT / 5),
    )
}

/// Sockets and files that the server needs beside its listeners' connections.
#[cfg(unix)]
const OTHER_FILES: u64 = 64 + super::limits::MAX_VISITORS as u64;

/// Raises the process's open-file limit so that `max_clients` fit, and says so when the system will
/// not let it. `beside` may wait at the door of a private room, as far as there is room.
#[cfg(unix)]
pub fn make_room_for(max_clients: u32, beside: u32) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let needed = u64::from(max_clients) + OTHER_FILES;
    let wanted = needed + u64::from(beside);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return;
    }
    let maximum = limit.maximum;
    // Root may pass the hard limit; others go as far as it allows.
    let above = Rlimit { current: Some(wanted), maximum: maximum.map(|m| m.max(wanted)) };
    let within = Rlimit { current: Some(maximum.map_or(wanted, |m| m.min(wanted))), maximum };
    let raised =
        setrlimit(Resource::Nofile, above).or_else(|_| setrlimit(Resource::Nofile, within)).is_ok();
    let granted = if raised { getrlimit(Resource::Nofile).current } else { limit.current };
    let granted = granted.unwrap_or(u64::MAX);
    if granted < needed {
        log::warn!(
            "this system allows {granted} open files, so at most {} listeners fit, not \
             {max_clients}. Raise the limit (ulimit -n {needed}) to allow more",
            granted.saturating_sub(OTHER_FILES)
        );
    }
}

/// Windows sets no such limit.
#[cfg(not(unix))]
pub fn make_room_for(_max_clients: u32, _beside: u32) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_names_the_next_one_to_try() {
        let first = listen(Some(Ipv4Addr::LOCALHOST.into()), 0, 16).unwrap();
        let port = first.local_addr().unwrap().port();
        let error = listen(Some(Ipv4Addr::LOCALHOST.into()), port, 16).unwrap_err();
        assert_eq!(error.exit_code(), crate::error::exit::NETWORK);
        let text = error.to_string();
        assert!(text.contains("another program already uses that port"), "{text}");
        assert!(text.contains("--port"), "{text}");
    }

    #[test]
    fn an_address_of_another_pc_cannot_be_bound() {
        let elsewhere = Ipv4Addr::new(192, 0, 2, 1).into();
        let text = listen(Some(elsewhere), 0, 16).unwrap_err().to_string();
        assert!(text.contains("this PC has no such address"), "{text}");
    }

    /// Bytes that a listener who reads nothing can be sent until its socket takes no more.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn taken(buffering: Buffering, row: usize, apart: bool) -> usize {
        let door = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.set_recv_buffer_size(64 * 1024).unwrap();
        listener.connect(&door.local_addr().unwrap().into()).unwrap();
        let (stream, _) = door.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        prepare(SockRef::from(&stream), buffering, Dscp::Ef);
        let stream = TcpStream::from_std(stream);
        let frame = vec![1; buffering.frame_bytes];
        let row = vec![IoSlice::new(&frame); row];
        let mut taken = 0;
        while let Ok(count) = send(&stream, &row, apart) {
            taken += count;
            // Each frame comes at a time of its own: this one is on its way before the next.
            std::thread::sleep(Duration::from_micros(200));
        }
        taken
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn the_system_hides_no_more_of_opus_than_of_other_codecs() {
        let opus = Buffering { frame_bytes: 350, bytes_per_second: 17_000, playout_delay_ms: 300 };
        let as_if_float32 = Buffering { bytes_per_second: 384_000, ..opus };
        let (little, more) = (taken(opus, 1, true), taken(as_if_float32, 1, true));
        // What the listener's own system holds is in both.
        assert!(little + 8 * 1024 < more, "{little} of {more}");
        let joined = taken(opus, 1, false);
        assert!(little * 3 < joined, "{little} of {joined}");
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn what_leaves_together_is_bounded_too() {
        let opus = Buffering { frame_bytes: 350, bytes_per_second: 17_000, playout_delay_ms: 800 };
        let as_if_float32 = Buffering { bytes_per_second: 384_000, ..opus };
        let (little, more) = (taken(opus, 6, true), taken(as_if_float32, 6, true));
        // What the listener's own system holds is in both: longer segments leave it more room.
        assert!(little + 8 * 1024 < more, "{little} of {more}");
        let joined = taken(opus, 6, false);
        assert!(little + 8 * 1024 < joined, "{little} of {joined}");
    }
}
