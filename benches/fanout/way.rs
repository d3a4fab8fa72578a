//! A listener by datagram that only counts.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use auralync::secure::handshake::Channel;
use auralync::wire::datagram::{
    Ask, FromServer, MAX_DATAGRAM, PRIVATE_TO_SERVER, Parities, private_to_server,
    read_private_to_client,
};
use auralync::wire::{TYPED, Welcome};

use crate::audience::hello;
use crate::measuring::Result;
use crate::support::member;
use crate::support::waiting::PATIENCE;

/// How often it asks, to be taken for alive. Nothing is lost here, or the comparison ends.
const ASKS_EVERY: Duration = Duration::from_secs(1);

/// How long an answer may take before it asks again.
const ANSWERED_WITHIN: Duration = Duration::from_millis(250);

/// Its way by datagram.
pub(crate) struct Way {
    pub(crate) udp: mio::net::UdpSocket,
    ask: Ask,
    /// What seals asks and opens answers, in a private room.
    channel: Option<Channel>,
    asked: Instant,
    /// Frames of sound in a chunk or a packet.
    chunk: u64,
    next: Option<u32>,
    frames: u64,
    pub(crate) bytes: u64,
    pub(crate) lost: u64,
}

impl Way {
    /// Says hello, waits for its welcome, and proves its address.
    pub(crate) fn open(
        server: SocketAddr,
        secret: Option<[u8; 16]>,
        id: usize,
        codec: &str,
    ) -> Result<(TcpStream, Self)> {
        let hello = hello(format!("by datagram {id}"), codec, true);
        let (tcp, welcome, mut channel) = match secret {
            Some(secret) => {
                let (tcp, welcome, channel) = member::enter(server, secret, id, &hello);
                (tcp, welcome, Some(channel))
            }
            None => {
                let mut tcp = TcpStream::connect(server)?;
                tcp.set_read_timeout(Some(PATIENCE))?;
                tcp.write_all(&hello.frame())?;
                let welcome = skip_to_welcome(&mut tcp)?;
                (tcp, welcome, None)
            }
        };
        let datagrams = welcome.datagrams.ok_or("no datagrams are offered")?;
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        udp.connect((server.ip(), datagrams.port))?;
        udp.set_read_timeout(Some(ANSWERED_WITHIN))?;
        let mut ask = Ask {
            is_wanted: true,
            parity: Parities::NONE,
            stream: 0,
            token: datagrams.token().ok_or("an unreadable token")?,
            cookie: 0,
            client_us: 0,
            missing: Vec::new(),
        };
        let began = Instant::now();
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            udp.send(&sealed(&ask, channel.as_mut()))?;
            if let Ok(length) = udp.recv(&mut buffer)
                && let opened = opened(&buffer[..length], channel.as_mut())
                && let Some(FromServer::Answer(answer)) = FromServer::read(&opened)
            {
                if answer.is_proven {
                    break;
                }
                ask.cookie = answer.cookie;
            }
            if began.elapsed() > PATIENCE {
                return Err("an address was not proven".into());
            }
        }
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        let way = Self {
            udp: mio::net::UdpSocket::from_std(udp),
            ask,
            channel,
            asked: Instant::now(),
            chunk: welcome.chunk_size.into(),
            next: None,
            frames: 0,
            bytes: 0,
            lost: 0,
        };
        Ok((tcp, way))
    }

    /// Takes all datagrams that wait, and asks if it is time to.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) {
        while let Ok(length) = self.udp.recv(buffer) {
            self.bytes += length as u64;
            if let Some(FromServer::Sound(piece)) = FromServer::read(&buffer[..length]) {
                let skipped = piece.number.wrapping_sub(self.next.unwrap_or(piece.number));
                self.lost += u64::from(skipped);
                self.next = Some(piece.number.wrapping_add(1));
                self.frames += u64::from(piece.header.frames);
            }
        }
        if self.asked.elapsed() > ASKS_EVERY {
            self.asked = Instant::now();
            let _ = self.udp.send(&sealed(&self.ask, self.channel.as_mut()));
        }
    }

    /// Whole chunks or packets that came.
    pub(crate) fn chunks(&self) -> u64 {
        self.frames / self.chunk
    }

    /// Counting starts anew.
    pub(crate) fn forget_counts(&mut self) {
        (self.frames, self.bytes, self.lost) = (0, 0, 0);
    }
}

/// An ask as it goes out.
fn sealed(ask: &Ask, channel: Option<&mut Channel>) -> Vec<u8> {
    let Some(channel) = channel else { return ask.datagram() };
    let bytes = ask.datagram_within(MAX_DATAGRAM - PRIVATE_TO_SERVER);
    let sealed = channel.sealing_datagrams.seal(&bytes).unwrap_or_default();
    private_to_server(&ask.token, &sealed)
}

/// An answer as it was.
fn opened(bytes: &[u8], channel: Option<&mut Channel>) -> Vec<u8> {
    let Some(channel) = channel else { return bytes.to_vec() };
    let sealed = read_private_to_client(bytes);
    let opened = sealed.and_then(|sealed| channel.opening_datagrams.open(sealed).ok());
    opened.map(|opened| opened.to_vec()).unwrap_or_default()
}

fn skip_to_welcome(tcp: &mut TcpStream) -> Result<Welcome> {
    loop {
        let mut length = [0; 4];
        tcp.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        let mut body = vec![0; (length & !TYPED) as usize];
        tcp.read_exact(&mut body)?;
        if length & TYPED != 0 {
            return Ok(Welcome::read(&body[1..])?);
        }
    }
}
