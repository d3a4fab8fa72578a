//! Connects to whichever of a server's addresses answers first.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use crate::error::{Error, Result, plain};
use crate::shutdown::Shutdown;
use crate::threads::{Priority, spawn};

/// An address that has not answered after this long gets company from the next.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to one of `addresses`, likeliest first, within `patience`.
///
/// # Errors
/// What the last of them to fail said, as what the user can do about it.
pub(super) fn reach(
    addresses: &[SocketAddr],
    patience: Duration,
) -> Result<(TcpStream, SocketAddr)> {
    if let &[only] = addresses {
        let made = TcpStream::connect_timeout(&only, patience);
        return made.map(|stream| (stream, only)).map_err(|e| explain(&e, only));
    }
    let until = Instant::now() + patience;
    let left = || until.saturating_duration_since(Instant::now());
    let (made, results) = sync_channel(addresses.len());
    let mut waiting = addresses.iter().copied();
    let (mut open, mut failure) = (0, None);
    loop {
        let next = waiting.next();
        if let Some(address) = next {
            let (made, patience) = (made.clone(), left().max(Duration::from_millis(1)));
            // One that comes too late finds nobody to take it, and is closed.
            // One that breaks is one that does not answer.
            let nobody = Shutdown::default();
            let _left_alone = spawn("call", Priority::Ordinary, &nobody, move || {
                let _ = made.send((TcpStream::connect_timeout(&address, patience), address));
            })?;
            open += 1;
        } else if open == 0 {
            break;
        }
        let wait = if next.is_some() { HEAD_START.min(left()) } else { left() };
        match results.recv_timeout(wait) {
            Ok((Ok(stream), address)) => return Ok((stream, address)),
            Ok((Err(e), address)) => {
                open -= 1;
                failure = Some(explain(&e, address));
            }
            Err(RecvTimeoutError::Timeout) if !left().is_zero() => {}
            Err(_) => break,
        }
    }
    let silent = || addresses.first().map(|&address| Error::NoAnswer { address });
    failure
        .or_else(silent)
        .map_or_else(|| Err(Error::internal("cannot connect", "there is no address")), Err)
}

/// A connect error as what the user can do about it.
pub(super) fn explain(error: &io::Error, address: SocketAddr) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::Refused { address },
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Error::NoAnswer { address },
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Error::NoAnswer { address }
        }
        _ => Error::Lost { address, why: plain(error) },
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn nobody() -> SocketAddr {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        door.local_addr().unwrap()
    }

    #[test]
    fn refused_and_no_answer_are_different_sentences() {
        let address = ([127, 0, 0, 1], 5555).into();
        let refused = explain(&io::ErrorKind::ConnectionRefused.into(), address).to_string();
        let silent = explain(&io::ErrorKind::TimedOut.into(), address).to_string();
        assert!(refused.contains("no AuraLync server is running there"), "{refused}");
        assert!(silent.contains("firewall") && silent.contains("localport=5555"), "{silent}");
        assert!(silent.contains("protocol=UDP"), "{silent}");
    }

    #[test]
    fn the_first_address_that_answers_is_taken() {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let there = door.local_addr().unwrap();
        for addresses in [vec![there], vec![nobody(), nobody(), there], vec![there, nobody()]] {
            assert_eq!(reach(&addresses, PATIENCE).unwrap().1, there);
        }
    }

    #[test]
    fn no_address_that_answers_is_an_error_and_soon() {
        let begun = Instant::now();
        for addresses in [vec![nobody()], vec![nobody(), nobody()]] {
            assert!(matches!(reach(&addresses, PATIENCE), Err(Error::Refused { .. })));
        }
        assert!(reach(&[], PATIENCE).is_err());
        assert!(begun.elapsed() < PATIENCE);
    }
}
