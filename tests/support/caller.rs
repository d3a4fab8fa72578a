//! A listener who may talk, as a bare connection: it does only what it is made to do.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use auralync::wire::{
    AudioHeader, Hello, MAX_SERVER_FRAME, Microphone, Ping, Pong, Welcome, kind, talk_frame,
};

use super::connecting::{connect, skip_to_welcome};
use super::line::Line;

/// Frames per second of what everybody here says.
pub(crate) const RATE: u32 = 48_000;

/// Frames in each talk frame: 10 ms.
pub(crate) const FRAME: u32 = 480;

/// How long looking for what has come may take.
const LOOK: Duration = Duration::from_millis(2);

/// One connection.
pub(crate) struct Caller {
    pub(crate) line: Line,
    pub(crate) welcome: Welcome,
    pub(crate) has_ended: bool,
    /// Frames said so far.
    pub(crate) said: u64,
    epoch: Instant,
    /// The quickest round trip of a ping, and server's clock − ours by its pong, in µs.
    quickest: Option<(u64, i64)>,
    pub(crate) pongs: u32,
}

/// A microphone that sends mono in `codec`, which delays it by so many frames.
pub(crate) fn microphone_of(codec: &str, algorithmic_delay: u32) -> Microphone {
    Microphone { codec: codec.into(), rate: RATE, channels: 1, algorithmic_delay }
}

impl Caller {
    /// Somebody who hears `codec`.
    pub(crate) fn join(
        server: SocketAddr,
        id: &str,
        codec: &str,
        microphone: Option<Microphone>,
    ) -> Self {
        let mut socket = connect(server);
        socket.set_nodelay(true).unwrap();
        let hello = Hello {
            version: 2,
            id: id.into(),
            name: format!("person {id}"),
            codecs: vec![codec.into()],
            talk: microphone,
            datagrams: false,
        };
        socket.write_all(&hello.frame()).unwrap();
        let welcome = Welcome::read(&skip_to_welcome(&mut socket)).unwrap();
        socket.set_read_timeout(Some(LOOK)).unwrap();
        Self {
            line: Line::new(socket, MAX_SERVER_FRAME),
            welcome,
            has_ended: false,
            said: 0,
            epoch: Instant::now(),
            quickest: None,
            pongs: 0,
        }
    }

    fn us(&self) -> u64 {
        self.epoch.elapsed().as_micros() as u64
    }

    /// What the server's clock shows; `None` before the first pong.
    pub(crate) fn server_us(&self) -> Option<u64> {
        self.us().checked_add_signed(self.quickest?.1)
    }

    /// Asks for the server's clock.
    pub(crate) fn ping(&mut self) {
        let ping = Ping { client_us: self.us() };
        self.line.say(&ping.frame());
    }

    /// Says one frame of its microphone's sound, the first sample of which was captured at
    /// `captured_us` of the server's clock.
    pub(crate) fn talk(&mut self, payload: &[u8], frames: u32, captured_us: u64, flags: u8) {
        let header = AudioHeader { flags, frames, position: self.said, captured_us };
        self.said += u64::from(frames);
        self.line.say(&talk_frame(header, payload).unwrap());
    }

    /// Takes what has come: pongs for itself, all else for `take`.
    pub(crate) fn listen(&mut self, mut take: impl FnMut(u8, &[u8])) {
        let Self { line, epoch, quickest, pongs, .. } = self;
        let is_open = line.listen(|kind, body| {
            if kind != kind::PONG {
                return take(kind, body);
            }
            let pong = Pong::read(body).unwrap();
            *pongs += 1;
            let round_trip = epoch.elapsed().as_micros() as u64 - pong.client_us;
            let middle = pong.client_us + round_trip / 2;
            if quickest.is_none_or(|(quickest, _)| round_trip < quickest) {
                *quickest = Some((round_trip, pong.received_us as i64 - middle as i64));
            }
        });
        self.has_ended |= !is_open;
    }
}
