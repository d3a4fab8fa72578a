//! The way to a player: mpv's socket or pipe, and connections to VLC. Nothing is waited for longer than was said.

use std::io::{self, ErrorKind, Read, Write};
#[cfg(any(target_os = "linux", test))]
use std::io::{BufRead, BufReader};
#[cfg(any(target_os = "linux", test))]
use std::net::IpAddr;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use super::Trouble;
use super::process::Process;

/// Most bytes that are read for one answer, with all that a player says beside it: one that says more is none.
const MOST_BYTES: usize = 1024 * 1024;

/// Most bytes of the system's table of sockets that are read: hundred thousand sockets.
#[cfg(any(target_os = "linux", test))]
const MOST_TABLE_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes read at a time: answers are shorter.
const READ_BYTES: usize = 4 * 1024;

/// Takes what has come; whether that was all.
pub(super) type Hear<'a> = &'a mut dyn FnMut(&[u8]) -> Result<bool, Trouble>;

/// A way to mpv.
#[derive(Debug)]
pub(super) struct ToMpv {
    #[cfg(unix)]
    socket: std::os::unix::net::UnixStream,
    #[cfg(not(unix))]
    pipe: pipe::Pipe,
}

#[cfg(unix)]
impl ToMpv {
    /// Calls who listens there, and says which process that is.
    pub(super) fn open(path: &Path) -> Result<(Self, Option<Process>), Trouble> {
        use std::os::unix::fs::MetadataExt;

        let own = rustix::process::geteuid().as_raw();
        let what = std::fs::metadata(path).map_err(|e| of_error(&e))?;
        if what.uid() != own {
            return Err(Trouble::OtherUser);
        }
        // A plain connect waits for a player that stands still, without end.
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
        let socket = socket.map_err(|e| of_error(&e))?;
        socket.set_nonblocking(true).map_err(|e| of_error(&e))?;
        let address = socket2::SockAddr::unix(path).map_err(|_| Trouble::NotThere)?;
        socket.connect(&address).map_err(|e| match e.kind() {
            ErrorKind::WouldBlock => Trouble::Silent,
            _ => of_error(&e),
        })?;
        socket.set_nonblocking(false).map_err(|e| of_error(&e))?;
        let process = peer(&socket, own)?;
        let socket = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(socket));
        Ok((Self { socket }, process))
    }

    /// Says something, and hears what comes until `hear` has what it waits for.
    pub(super) fn exchange(
        &mut self,
        said: &[u8],
        within: Duration,
        hear: Hear<'_>,
    ) -> Result<(), Trouble> {
        let until = Instant::now() + within;
        let mut socket = &self.socket;
        socket.set_write_timeout(Some(within)).map_err(|e| of_error(&e))?;
        socket.write_all(said).map_err(|e| of_error(&e))?;
        let read = &mut |bytes: &mut [u8], left| {
            socket.set_read_timeout(Some(left))?;
            socket.read(bytes)
        };
        hear_until(until, read, hear)
    }
}

/// Who has opened the socket: nobody else's is told anything.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn peer(socket: &socket2::Socket, own: u32) -> Result<Option<Process>, Trouble> {
    let Ok(peer) = rustix::net::sockopt::socket_peercred(socket) else { return Ok(None) };
    if peer.uid.as_raw() != own {
        return Err(Trouble::OtherUser);
    }
    let id = u32::try_from(peer.pid.as_raw_nonzero().get()).ok();
    Ok(id.and_then(Process::now))
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn peer(_socket: &socket2::Socket, _own: u32) -> Result<Option<Process>, Trouble> {
    Ok(None)
}

#[cfg(not(unix))]
impl ToMpv {
    /// Opens the pipe.
    pub(super) fn open(path: &Path) -> Result<(Self, Option<Process>), Trouble> {
        pipe::Pipe::open(path).map(|pipe| (Self { pipe }, None)).map_err(|e| of_error(&e))
    }

    /// Says something, and hears what comes until `hear` has what it waits for.
    pub(super) fn exchange(
        &mut self,
        said: &[u8],
        within: Duration,
        hear: Hear<'_>,
    ) -> Result<(), Trouble> {
        self.pipe.exchange(said, within, hear)
    }
}

/// Refuses a VLC that is another user's: they would hear the password. Asked for each connection, once it is there: who
/// listened for the one before may have ended since, and another may have come.
#[cfg(target_os = "linux")]
fn refuse_others_vlc(at: SocketAddr) -> Result<(), Trouble> {
    // What is IPv6 may hear IPv4 too, where nothing that is IPv4 does.
    let tables: &[&str] = match at {
        SocketAddr::V4(_) => &["/proc/net/tcp", "/proc/net/tcp6"],
        SocketAddr::V6(_) => &["/proc/net/tcp6"],
    };
    // Without IPv6 there is no second one. Where there is none at all, nobody can be asked.
    let tables = tables.iter().filter_map(|table| std::fs::File::open(table).ok());
    refuse_others(tables, at, rustix::process::geteuid().as_raw())
}

/// Elsewhere nobody says whose a port is.
#[cfg(not(target_os = "linux"))]
fn refuse_others_vlc(_at: SocketAddr) -> Result<(), Trouble> {
    Ok(())
}

/// Refuses where another than the user `own` listens at `at`, by the first of the system's tables of sockets that says
/// who does. Where they are there and none says so, whoever took the connection listens no more.
#[cfg(any(target_os = "linux", test))]
fn refuse_others(
    tables: impl Iterator<Item = impl Read>,
    at: SocketAddr,
    own: u32,
) -> Result<(), Trouble> {
    let mut found = Ok(());
    for table in tables {
        match listener(table, at)? {
            Some(uid) if uid == own => return Ok(()),
            Some(_) => return Err(Trouble::OtherUser),
            None => found = Err(Trouble::NotThere),
        }
    }
    found
}

/// The user who listens at `at`, by a table of sockets. Those that listen stand first in it, so that little is read;
/// one that is too long to be known whole is read no further.
#[cfg(any(target_os = "linux", test))]
fn listener(table: impl Read, at: SocketAddr) -> Result<Option<u32>, Trouble> {
    let mut lines = BufReader::new(table.take(MOST_TABLE_BYTES + 1));
    let (mut line, mut all) = (String::new(), 0);
    loop {
        line.clear();
        let read = lines.read_line(&mut line).map_err(|_| Trouble::Unknown)?;
        all += read as u64;
        if all > MOST_TABLE_BYTES {
            return Err(Trouble::Unknown);
        }
        let found = listens(&line, at);
        if read == 0 || found.is_some() {
            return Ok(found);
        }
    }
}

/// Asks a VLC of this user once, by a connection of its own.
pub(super) fn ask_vlc(
    at: SocketAddr,
    said: &[u8],
    within: Duration,
    hear: Hear<'_>,
) -> Result<(), Trouble> {
    let until = Instant::now() + within;
    let mut stream = TcpStream::connect_timeout(&at, within).map_err(|e| of_error(&e))?;
    refuse_others_vlc(at)?;
    stream.set_write_timeout(Some(within)).map_err(|e| of_error(&e))?;
    stream.write_all(said).map_err(|e| of_error(&e))?;
    let read = &mut |bytes: &mut [u8], left| {
        stream.set_read_timeout(Some(left))?;
        stream.read(bytes)
    };
    match hear_until(until, read, hear) {
        // An answer without a length ends with its connection.
        Err(Trouble::Gone) => Ok(()),
        other => other,
    }
}

/// Reads by `read`, which waits no longer than it is told to, until `hear` has what it waits for.
fn hear_until(
    until: Instant,
    read: &mut dyn FnMut(&mut [u8], Duration) -> io::Result<usize>,
    hear: Hear<'_>,
) -> Result<(), Trouble> {
    let mut bytes = [0; READ_BYTES];
    let mut all = 0;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Trouble::Silent);
        }
        let read = match read(&mut bytes, left) {
            Ok(0) => return Err(Trouble::Gone),
            Ok(read) => read,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(of_error(&e)),
        };
        all += read;
        if hear(bytes.get(..read).unwrap_or_default())? {
            return Ok(());
        }
        if all > MOST_BYTES {
            return Err(Trouble::Nonsense);
        }
    }
}

/// What an error of the system says of a player.
fn of_error(error: &io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => Trouble::NotThere,
        ErrorKind::PermissionDenied => Trouble::OtherUser,
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Trouble::Silent,
        _ => Trouble::Gone,
    }
}

/// The user who listens where a connection to `at` ends, by a line of the system's table of sockets.
#[cfg(any(target_os = "linux", test))]
fn listens(line: &str, at: SocketAddr) -> Option<u32> {
    const LISTENS: &str = "0A";
    let mut words = line.split_whitespace();
    let (address, port) = words.nth(1)?.rsplit_once(':')?;
    let address = listed(address)?;
    // One that listens at all addresses does so at this one; what is IPv6 may hear IPv4 too, never the reverse.
    let is_there = match address.is_unspecified() {
        true => address.is_ipv6() || at.is_ipv4(),
        false => address.to_canonical() == at.ip(),
    };
    let is_it =
        is_there && u16::from_str_radix(port, 16).ok()? == at.port() && words.nth(1)? == LISTENS;
    words.nth(3).filter(|_| is_it)?.parse().ok()
}

/// An address as it stands in that table: words of 32 bits, each as this processor keeps it.
#[cfg(any(target_os = "linux", test))]
fn listed(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(IpAddr::from(word(0)?)),
        32 => {
            let mut all = [0; 16];
            for (index, bytes) in all.chunks_exact_mut(4).enumerate() {
                bytes.copy_from_slice(&word(index * 8)?);
            }
            Some(IpAddr::from(all))
        }
        _ => None,
    }
}

/// A named pipe: nobody can wait for its answer for a while only, so a thread does.
#[cfg(not(unix))]
mod pipe {
    use std::fs::{File, OpenOptions};
    use std::io::{self, Read, Write};
    use std::path::Path;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
    use std::time::{Duration, Instant};

    use super::{Hear, READ_BYTES, Trouble, hear_until};

    /// One question waits for its answer, and no more.
    const ASKED: usize = 1;

    /// A pipe that a thread of its own reads, once for each wish.
    #[derive(Debug)]
    pub(super) struct Pipe {
        /// What is to be said before something is read.
        wishes: SyncSender<Vec<u8>>,
        heard: Receiver<io::Result<Vec<u8>>>,
    }

    impl Pipe {
        pub(super) fn open(path: &Path) -> io::Result<Self> {
            let mut file = OpenOptions::new().read(true).write(true).open(path)?;
            let (wishes, wished) = sync_channel::<Vec<u8>>(ASKED);
            let (tell, heard) = sync_channel(ASKED);
            // Nobody waits for its end: it ends with the player, or when nothing is wished any more.
            std::thread::Builder::new().name("player's pipe".to_owned()).spawn(move || {
                for said in wished {
                    if tell.send(once(&mut file, &said)).is_err() {
                        return;
                    }
                }
            })?;
            Ok(Self { wishes, heard })
        }

        pub(super) fn exchange(
            &mut self,
            said: &[u8],
            within: Duration,
            hear: Hear<'_>,
        ) -> Result<(), Trouble> {
            let until = Instant::now() + within;
            let mut said = said.to_vec();
            let read = &mut |bytes: &mut [u8], left| {
                // Where the last wish still waits, the player does not answer.
                let wish = self.wishes.try_send(std::mem::take(&mut said));
                wish.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
                match self.heard.recv_timeout(left) {
                    Ok(heard) => heard?.as_slice().read(bytes),
                    Err(RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
                    Err(RecvTimeoutError::Disconnected) => Ok(0),
                }
            };
            hear_until(until, read, hear)
        }
    }

    fn once(file: &mut File, said: &[u8]) -> io::Result<Vec<u8>> {
        file.write_all(said)?;
        let mut bytes = vec![0; READ_BYTES];
        let read = file.read(&mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "   1: 0100007F:46A1 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 \
         0 792698 1 0000000020bffa81 100 0 0 10 0\n";

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_systems_table_tells_whose_port_it_is() {
        let port = 0x46A1;
        let here = at(&format!("127.0.0.1:{port}"));
        assert_eq!(listens(LINE, here), Some(1000));
        assert_eq!(listens(LINE, at("127.0.0.1:80")), None);
        assert_eq!(listens(LINE, at(&format!("127.0.0.2:{port}"))), None, "another address");
        assert_eq!(listens(LINE, at(&format!("[::1]:{port}"))), None);
        assert_eq!(listens(&LINE.replace(" 0A ", " 01 "), here), None, "it does not listen");
        let six = "00000000000000000000000001000000";
        for (address, one, other) in [
            ("00000000", Some(1000), None),
            ("00000000000000000000000000000000", Some(1000), Some(1000)),
            (six, None, Some(1000)),
            ("0000000000000000FFFF00000100007F", Some(1000), None),
        ] {
            let line = LINE.replace("0100007F", address);
            let six = at(&format!("[::1]:{port}"));
            assert_eq!((listens(&line, here), listens(&line, six)), (one, other), "{address}");
        }
        for other in ["", "  sl  local_address rem_address   st", "1: x:y", "1: é100007F:46A1"] {
            assert_eq!(listens(other, here), None);
        }
    }

    #[test]
    fn where_another_user_listens_or_the_table_was_cut_nothing_is_told() {
        let here = at("127.0.0.1:18081");
        let line = LINE.replace("0100007F", "00000000");
        let other = line.replace(" 1000 ", " 1001 ");
        let refused = |tables: &[&str]| {
            refuse_others(tables.iter().map(|table| table.as_bytes()), here, 1000)
        };
        assert_eq!(refused(&[&line]), Ok(()));
        assert_eq!(refused(&[&other]), Err(Trouble::OtherUser));
        assert_eq!(refused(&["", &other]), Err(Trouble::OtherUser));
        assert_eq!(refused(&[&line, &other]), Ok(()), "what is IPv4 hears it first");
        assert_eq!(refused(&["", ""]), Err(Trouble::NotThere), "who listens no more");
        assert_eq!(refused(&[]), Ok(()), "nobody can be asked");
        let long = || io::repeat(b'x');
        assert_eq!(listener(long(), here), Err(Trouble::Unknown));
        let known = line.as_bytes().chain(long());
        assert_eq!(listener(known, here), Ok(Some(1000)), "read no further than need be");
    }

    #[test]
    fn a_vlc_of_this_user_is_asked_and_hears_nothing_of_one_that_has_ended() {
        let door = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let here = door.local_addr().unwrap();
        let within = Duration::from_secs(10);
        let vlc = std::thread::spawn(move || {
            let (mut stream, _) = door.accept().unwrap();
            let mut asked = [0; 3];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(&asked).unwrap();
        });
        let mut heard = Vec::new();
        let hear = &mut |bytes: &[u8]| {
            heard.extend_from_slice(bytes);
            Ok(false)
        };
        assert_eq!(ask_vlc(here, b"say", within, hear), Ok(()));
        vlc.join().unwrap();
        assert_eq!(heard, b"say");
        assert_eq!(ask_vlc(here, b"say", within, &mut |_| Ok(true)), Err(Trouble::NotThere));
    }
}
