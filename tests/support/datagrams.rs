//! A listener by datagram as bare sockets: it does only what a test makes it do.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use auralync::wire::datagram::{Answer, Ask, FromServer, MAX_DATAGRAM, Parities, Token};
use auralync::wire::{AudioHeader, Hello, Microphone, Path, TYPED, Welcome, kind};

use super::socket;
use super::waiting::PATIENCE;

/// How long a datagram is waited for before it is taken for lost.
const LATEST: Duration = Duration::from_millis(50);

/// Sound as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sound {
    pub(crate) frames: u32,
    pub(crate) position: u64,
    pub(crate) payload: Vec<u8>,
}

/// One listener.
pub(crate) struct Peer {
    tcp: TcpStream,
    pub(crate) welcome: Welcome,
    /// What comes by TCP.
    by_tcp: Receiver<Sound>,
    pub(crate) udp: UdpSocket,
    server: SocketAddr,
    pub(crate) token: Token,
    pub(crate) cookie: u64,
    /// Whether its asks say that sound is to come by datagram.
    is_wanted: bool,
    /// The stream and the number that comes next.
    next: Option<(u8, u32)>,
    /// What has come by datagram, by position.
    pub(crate) heard: BTreeMap<u64, Sound>,
    /// What has come by TCP, by position.
    pub(crate) read: BTreeMap<u64, Sound>,
}

/// A socket for datagrams that fails a test instead of hanging it.
pub(crate) fn udp() -> UdpSocket {
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    udp.set_read_timeout(Some(LATEST)).unwrap();
    udp
}

/// Kind and body of the next typed frame, as long as there is a connection.
fn typed(tcp: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    tcp.read_exact(&mut length)?;
    let mut frame = vec![0; (u32::from_be_bytes(length) & !TYPED) as usize];
    tcp.read_exact(&mut frame)?;
    Ok(frame)
}

impl Peer {
    /// Says hello and reads on in a thread of its own.
    pub(crate) fn join(server: SocketAddr, id: &str, codec: &str) -> Self {
        Self::join_talking(server, id, codec, None)
    }

    /// Does as [`join`](Self::join), perhaps with a microphone.
    pub(crate) fn join_talking(
        server: SocketAddr,
        id: &str,
        codec: &str,
        talk: Option<Microphone>,
    ) -> Self {
        let mut tcp = socket::connect(server);
        let hello = Hello {
            version: 3,
            id: id.into(),
            name: id.into(),
            codecs: vec![codec.into()],
            talk,
            datagrams: true,
        };
        tcp.write_all(&hello.frame()).unwrap();
        let welcome = Welcome::read(&socket::skip_to_welcome(&mut tcp)).unwrap();
        let datagrams = welcome.datagrams.clone().expect("sound by datagram is offered");
        let (sender, by_tcp) = channel();
        let mut reader = tcp.try_clone().unwrap();
        // It ends with the connection, or with the test.
        reader.set_read_timeout(None).unwrap();
        std::thread::spawn(move || {
            while let Ok(frame) = typed(&mut reader) {
                let Some((&kind::AUDIO, body)) = frame.split_first() else { continue };
                let (header, payload) = AudioHeader::split(body).unwrap();
                let AudioHeader { frames, position, .. } = header;
                if sender.send(Sound { frames, position, payload: payload.to_vec() }).is_err() {
                    return;
                }
            }
        });
        Self {
            tcp,
            by_tcp,
            udp: udp(),
            server: (server.ip(), datagrams.port).into(),
            token: datagrams.token().unwrap(),
            cookie: 0,
            is_wanted: true,
            next: None,
            heard: BTreeMap::new(),
            read: BTreeMap::new(),
            welcome,
        }
    }

    /// An ask of this listener.
    pub(crate) fn ask_for(&self, missing: &[u32]) -> Ask {
        Ask {
            is_wanted: self.is_wanted,
            parity: Parities::NONE,
            stream: self.next.map_or(0, |(stream, _)| stream),
            token: self.token,
            cookie: self.cookie,
            client_us: 0,
            missing: missing.to_vec(),
        }
    }

    /// Sends a datagram to the server.
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.udp.send_to(bytes, self.server).unwrap();
    }

    /// Asks from `udp` until an answer comes.
    pub(crate) fn answer_to(&self, udp: &UdpSocket, ask: &Ask) -> (Answer, usize) {
        let began = Instant::now();
        let mut buffer = [0; MAX_DATAGRAM];
        while began.elapsed() < PATIENCE {
            udp.send_to(&ask.datagram(), self.server).unwrap();
            let asked = Instant::now();
            while asked.elapsed() < LATEST {
                let Ok(length) = udp.recv(&mut buffer) else { break };
                if let Some(FromServer::Answer(answer)) = FromServer::read(&buffer[..length]) {
                    return (answer, length);
                }
            }
        }
        panic!("no answer came");
    }

    /// Proves its address, so that its sound comes by datagram.
    pub(crate) fn prove(&mut self) {
        let (answer, length) = self.answer_to(&self.udp, &self.ask_for(&[]));
        assert_eq!((answer.is_proven, length), (false, MAX_DATAGRAM));
        self.cookie = answer.cookie;
        let (answer, _) = self.answer_to(&self.udp, &self.ask_for(&[]));
        assert!(answer.is_proven);
    }

    /// Says by TCP that sound is to come there, from that position on.
    pub(crate) fn go_back_to_tcp(&mut self, from: u64) {
        let path = Path { datagrams: Some(false), from: Some(from), codec: None };
        self.tcp.write_all(&path.frame()).unwrap();
        self.is_wanted = false;
    }

    /// The next datagram that comes, if one comes soon.
    pub(crate) fn receive(&self) -> Option<Vec<u8>> {
        let mut buffer = [0; MAX_DATAGRAM];
        let length = self.udp.recv(&mut buffer).ok()?;
        Some(buffer[..length].to_vec())
    }

    /// Takes what has come both ways, and asks for what is missing by number.
    pub(crate) fn hear(&mut self) {
        self.read.extend(self.by_tcp.try_iter().map(|sound| (sound.position, sound)));
        let Some(bytes) = self.receive() else { return };
        let Some(FromServer::Sound(piece)) = FromServer::read(&bytes) else { return };
        let AudioHeader { frames, position, .. } = piece.header;
        let payload = piece.payload.to_vec();
        self.heard.insert(position, Sound { frames, position, payload });
        let expected = self.next.map_or(piece.number, |(_, next)| next);
        let ahead = piece.number.wrapping_sub(expected);
        if ahead < 1 << 31 {
            self.next = Some((piece.stream, piece.number.wrapping_add(1)));
            if ahead > 0 {
                let missing: Vec<u32> = (0..ahead).map(|n| expected.wrapping_add(n)).collect();
                self.send(&self.ask_for(&missing).datagram());
            }
        }
    }

    /// Hears until `done`, and asks for nothing but what is missing.
    #[track_caller]
    pub(crate) fn hear_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        let mut asked = began;
        while !done(self) {
            assert!(began.elapsed() < PATIENCE, "{what} did not come");
            self.hear();
            if asked.elapsed() > Duration::from_millis(250) {
                asked = Instant::now();
                self.send(&self.ask_for(&[]).datagram());
            }
        }
    }

    /// The number of the datagram that comes next.
    pub(crate) fn next_number(&self) -> u32 {
        self.next.expect("a datagram has come").1
    }

    /// All that came, in order, without what lies in something else that came: a frame by TCP begins with
    /// what has come by datagram where it holds the place from which on it was asked for.
    pub(crate) fn all(&self) -> Vec<&Sound> {
        let mut all: BTreeMap<u64, &Sound> = self.heard.iter().map(|(at, s)| (*at, s)).collect();
        all.extend(self.read.iter().map(|(at, s)| (*at, s)));
        let mut end = 0;
        let mut is_new = |sound: &&Sound| {
            let sound_end = sound.position + u64::from(sound.frames);
            let is_new = sound_end > end;
            end = end.max(sound_end);
            is_new
        };
        all.into_values().filter(|sound| is_new(sound)).collect()
    }

    /// Frames from the first that came to the first that is missing.
    pub(crate) fn unbroken(&self) -> u64 {
        let all = self.all();
        let Some(first) = all.first().map(|sound| sound.position) else { return 0 };
        let mut next = first;
        for sound in all {
            if sound.position > next {
                break;
            }
            next = next.max(sound.position + u64::from(sound.frames));
        }
        next - first
    }

    /// The most frames in a row of which none is missing: a machine that is busy loses some for a peer that
    /// does not get round to reading.
    pub(crate) fn longest_unbroken(&self) -> u64 {
        let (mut longest, mut from, mut next) = (0, 0, 0);
        for sound in self.all() {
            if sound.position > next {
                from = sound.position;
            }
            next = next.max(sound.position + u64::from(sound.frames));
            longest = longest.max(next - from);
        }
        longest
    }
}
