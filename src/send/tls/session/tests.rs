use std::collections::{BTreeSet, VecDeque};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;
use crate::send::tls::keep_certificate::Keeper;

/// A socket that holds so many bytes on their way out.
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
        let count = bytes.len().min(self.room - self.out.len().min(self.room));
        self.out.extend_from_slice(&bytes[..count]);
        if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A browser and the server's end of its connection.
struct Pair {
    client: ClientConnection,
    session: Session,
    socket: Socket,
}

impl Pair {
    fn new(name: &'static str) -> Self {
        let (sessions, roots) = made();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name).unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = Socket { room: 1 << 20, ..Socket::default() };
        Self { client, session: sessions.begin().unwrap(), socket }
    }

    /// The bytes go to the client and back.
    fn exchange(&mut self) {
        let out = std::mem::take(&mut self.socket.out);
        let mut out = &out[..];
        while !out.is_empty() {
            self.client.read_tls(&mut out).unwrap();
            self.client.process_new_packets().unwrap();
        }
        let mut said = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut said).unwrap();
        }
        self.socket.came.extend(said);
    }

    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 4_096];
        loop {
            match self.session.read(&mut self.socket, &mut buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                done => return done.map(|count| buffer[..count].to_vec()),
            }
        }
    }

    fn greet(mut self) -> Self {
        for _ in 0..4 {
            self.exchange();
            assert!(self.read().is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock));
        }
        assert!(!self.client.is_handshaking() && !self.session.tls.is_handshaking());
        self
    }

    /// What the client has been told so far.
    fn heard(&mut self) -> Vec<u8> {
        self.exchange();
        let mut heard = Vec::new();
        let _ = self.client.reader().read_to_end(&mut heard);
        heard
    }
}

/// Sessions with a certificate of their own, and who trusts that.
fn made() -> (Sessions, RootCertStore) {
    let name = format!("auralync-session-{:016x}.pem", crate::random::random());
    let path = std::env::temp_dir().join(name);
    let names: BTreeSet<String> = ["localhost".to_owned(), "192.168.1.5".to_owned()].into();
    let keeper = Keeper::own(path.clone(), &names, std::time::SystemTime::now()).unwrap();
    std::fs::remove_file(path).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(keeper.shown().now().0.cert[0].clone()).unwrap();
    (Sessions::new(keeper.shown()).unwrap(), roots)
}

#[test]
fn a_browser_that_trusts_the_certificate_takes_it_for_each_name_and_no_other() {
    for name in ["localhost", "192.168.1.5"] {
        let mut pair = Pair::new(name).greet();
        pair.client.writer().write_all(b"GET / HTTP/1.1").unwrap();
        pair.exchange();
        assert_eq!(pair.read().unwrap(), b"GET / HTTP/1.1");
    }
    let mut pair = Pair::new("elsewhere.example");
    pair.exchange();
    let _ = pair.read();
    let mut out = &std::mem::take(&mut pair.socket.out)[..];
    pair.client.read_tls(&mut out).unwrap();
    assert!(pair.client.process_new_packets().is_err(), "it is no certificate of that name");
}

#[test]
fn what_is_said_arrives_whole_wherever_the_socket_blocks_and_what_waits_is_bounded() {
    let mut pair = Pair::new("localhost").greet();
    let said: Vec<u8> = (0..400_000_u32).map(|n| (n / 7) as u8).collect();
    let (mut at, mut heard, mut seed) = (0, Vec::new(), 7_u64);
    while heard.len() < said.len() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        pair.socket.room = (seed >> 33) as usize % 9_000;
        let half = (said.len() - at) / 2;
        let slices = [IoSlice::new(&said[at..at + half]), IoSlice::new(&said[at + half..])];
        match pair.session.send(&mut pair.socket, &slices) {
            Ok(taken) => {
                assert!(taken <= MOST_BEHIND, "{taken}");
                at += taken;
            }
            Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
        }
        assert!(at - heard.len() <= 2 * MOST_BEHIND, "{}", at - heard.len());
        heard.extend(pair.heard());
    }
    assert_eq!(heard, said);
}

#[test]
fn the_end_comes_behind_all_that_was_said_once() {
    let mut pair = Pair::new("localhost").greet();
    pair.socket.room = 0;
    assert_eq!(pair.session.send(&mut pair.socket, &[IoSlice::new(b"last")]).unwrap(), 4);
    pair.session.end();
    assert!(pair.session.is_behind() && !pair.session.takes_leave());
    assert_eq!(pair.session.flush(&mut pair.socket).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    pair.socket.room = 1 << 20;
    pair.session.flush(&mut pair.socket).unwrap();
    assert!(pair.session.takes_leave() && !pair.session.takes_leave() && !pair.session.is_behind());
    assert_eq!(pair.heard(), b"last");
    assert!(pair.client.process_new_packets().unwrap().peer_has_closed());
}

/// A key of RSA, which is never used.
#[derive(Debug)]
struct Rsa;

impl rustls::sign::SigningKey for Rsa {
    fn choose_scheme(
        &self,
        _: &[rustls::SignatureScheme],
    ) -> Option<Box<dyn rustls::sign::Signer>> {
        None
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        rustls::SignatureAlgorithm::RSA
    }
}

#[test]
fn a_handshake_with_a_slow_key_counts_for_several_also_where_the_key_was_changed() {
    let (sessions, _) = made();
    assert_eq!(sessions.share(), 1);
    sessions.1.replace(rustls::sign::CertifiedKey::new(Vec::new(), Arc::new(Rsa)));
    assert_eq!(sessions.share(), RSA_SHARE);
}

#[test]
fn what_is_no_tls_is_an_error_and_told_nothing_but_an_alert() {
    for nonsense in
        [&b"\x16\x03\x01\x00\x05hello"[..], b"\x16\xff\xff\xff\xff", b"\x17\x03\x03\0\x01x"]
    {
        let mut pair = Pair::new("localhost");
        pair.socket.came.extend(nonsense);
        assert_eq!(pair.read().unwrap_err().kind(), io::ErrorKind::InvalidData, "{nonsense:?}");
        let is_alert = pair.socket.out.first().is_none_or(|first| *first == 21);
        assert!(is_alert && pair.socket.out.len() <= 7, "{:?}", pair.socket.out);
    }
}

#[test]
fn who_speaks_an_older_tls_is_refused() {
    // A hello of TLS 1.2: no extension names a newer version.
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    let mut pair = Pair::new("localhost");
    pair.socket.came.extend(hello);
    assert_eq!(pair.read().unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(pair.socket.out[0], 21);
}
