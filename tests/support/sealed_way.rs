//! Two sockets, one of which is spoken to by TLS and the other openly.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustls::Connection;

/// How long a connection waits for one side before it looks at the other.
const LOOK: Duration = Duration::from_millis(2);

/// Passes on what either side says, until one of them ends.
pub(crate) fn pass_on(
    mut open: TcpStream,
    mut sealed: TcpStream,
    mut tls: Connection,
) -> io::Result<()> {
    open.set_read_timeout(Some(LOOK))?;
    sealed.set_read_timeout(Some(LOOK))?;
    let mut buffer = [0; 16 * 1024];
    let waits =
        |e: &io::Error| matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    loop {
        match open.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => tls.writer().write_all(&buffer[..count])?,
            Err(e) if waits(&e) => {}
            Err(e) => return Err(e),
        }
        while tls.wants_write() {
            tls.write_tls(&mut sealed)?;
        }
        match tls.read_tls(&mut sealed) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(e) if waits(&e) => continue,
            Err(e) => return Err(e),
        }
        let state = tls.process_new_packets().map_err(io::Error::other);
        // Why it is ended, where it is, the other end is told too.
        while tls.wants_write() {
            tls.write_tls(&mut sealed)?;
        }
        let state = state?;
        let mut said = vec![0; state.plaintext_bytes_to_read()];
        tls.reader().read_exact(&mut said)?;
        open.write_all(&said)?;
        if state.peer_has_closed() {
            return Ok(());
        }
    }
}
