//! The encrypted page's door: what a peer says before, while and after it has agreed on keys.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use auralync::send::tls::{Keeper, Session, Sessions};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::input::Input;
use super::watch::{Body, once};

/// Both ends of a connection with their buffers, which rustls bounds, and what waits for a socket.
pub const BODY: Body = Body { name: "tls", run, most_bytes: 1 << 20, tries: 600 };

/// Longest that is said at a time, in bytes.
const LONGEST: usize = 3_000;

thread_local! {
    static MADE: RefCell<(Sessions, Arc<ClientConfig>)> = RefCell::new(once(made));
}

/// The server's side, with a certificate of its own, and a client that trusts that.
fn made() -> (Sessions, Arc<ClientConfig>) {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let folder = std::env::temp_dir().join(format!("auralync-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, pair.cert.pem()).expect("a file");
    std::fs::write(&key, pair.signing_key.serialize_pem()).expect("a file");
    let keeper = Keeper::open(Some((certificate, key)), &[]).expect("a good pair");
    std::fs::remove_dir_all(folder).expect("the folder goes");
    let mut roots = RootCertStore::empty();
    roots.add(pair.cert.der().clone()).expect("a certificate");
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Sessions::new(keeper.shown()).expect("TLS"), Arc::new(client))
}

/// A socket that takes so many bytes, and no more.
#[derive(Default)]
struct Socket {
    came: VecDeque<u8>,
    out: Vec<u8>,
    room: usize,
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.came.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room);
        self.room -= count;
        self.out.extend_from_slice(&bytes[..count]);
        if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(mode) = input.byte() else { return };
    let piece = input.small() as usize + 1;
    MADE.with_borrow(|(sessions, config)| {
        let mut session = once(|| sessions.begin()).expect("a session");
        if mode & 1 == 0 {
            alone(&mut session, input.0, piece);
        } else {
            together(&mut session, config, input);
        }
    });
}

/// Reads all that there is by now; an error is the end of it.
fn read(session: &mut Session, socket: &mut Socket) -> io::Result<Vec<u8>> {
    let (mut heard, mut buffer) = (Vec::new(), [0; 512]);
    loop {
        match session.read(socket, &mut buffer) {
            Ok(0) => return Ok(heard),
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(heard),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// A peer that has no keys says nothing that is heard.
fn alone(session: &mut Session, bytes: &[u8], piece: usize) {
    let mut socket = Socket { room: 1 << 16, ..Socket::default() };
    for piece in bytes.chunks(piece) {
        socket.came.extend(piece);
        match read(session, &mut socket) {
            Ok(heard) => assert!(heard.is_empty(), "nobody has agreed on anything"),
            Err(e) => {
                assert_eq!(e.kind(), io::ErrorKind::InvalidData);
                return;
            }
        }
    }
    assert!(session.send(&mut socket, &[IoSlice::new(b"x")]).is_err(), "nor is it told anything");
}

/// A client that follows the protocol, on a way that damages, blocks and cuts.
fn together(session: &mut Session, config: &Arc<ClientConfig>, mut input: Input<'_>) {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(Arc::clone(config), name).expect("a client");
    let mut socket = Socket::default();
    let (mut told, mut asked) = (Said::default(), Said::default());
    while let Some(order) = input.byte() {
        let amount = input.large() as usize;
        match order & 7 {
            0 => {
                let bytes = asked.more(amount);
                let taken = client.writer().write(&bytes).unwrap_or(0);
                asked.takes_back(bytes.len() - taken);
            }
            1 => {
                let bytes = told.more(amount);
                let taken = session.send(&mut socket, &[IoSlice::new(&bytes)]).unwrap_or(0);
                told.takes_back(bytes.len() - taken);
            }
            2 => session.end(),
            3 => {
                let _ = session.flush(&mut socket);
            }
            4 if !socket.came.is_empty() => {
                let at = amount % socket.came.len();
                socket.came[at] ^= 1 << (order >> 5);
            }
            _ => socket.room = amount,
        }
        let mut said = Vec::new();
        while client.wants_write() && client.write_tls(&mut said).is_ok() {}
        socket.came.extend(said);
        let Ok(heard) = read(session, &mut socket) else { return };
        asked.is_heard(&heard);
        let out = std::mem::take(&mut socket.out);
        let mut out = &out[..];
        while !out.is_empty() {
            // Behind its farewell nothing is read.
            let is_read = client.read_tls(&mut out).is_ok_and(|count| count > 0);
            if !is_read || client.process_new_packets().is_err() {
                return;
            }
        }
        let mut heard = Vec::new();
        let _ = client.reader().read_to_end(&mut heard);
        told.is_heard(&heard);
    }
}

/// A stream of bytes that tells where in it each of them is.
#[derive(Default)]
struct Said {
    said: usize,
    heard: usize,
}

impl Said {
    fn more(&mut self, amount: usize) -> Vec<u8> {
        let count = amount % LONGEST;
        let bytes = (self.said..self.said + count).map(|at| (at / 3) as u8).collect();
        self.said += count;
        bytes
    }

    fn takes_back(&mut self, count: usize) {
        self.said -= count;
    }

    /// Whatever is heard is what was said, in its order.
    fn is_heard(&mut self, bytes: &[u8]) {
        for byte in bytes {
            assert!(self.heard < self.said && *byte == (self.heard / 3) as u8, "at {}", self.heard);
            self.heard += 1;
        }
    }
}
