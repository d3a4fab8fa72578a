//! Connects to the server, keeps trying, and turns its bytes into messages for the playing thread.

mod asking;
mod datagrams;
mod delays;
mod following;
mod joint;
mod line;
pub mod outbox;
mod pings;
mod reach;
mod rescue;
mod said;
mod session;
mod sounds;
pub mod talk;

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::{debug, warn};
use mio::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

use super::air::Air;
use super::people::Room;
use crate::clock::{Clock, Offset};
use crate::codec;
use crate::discovery::follow::Whereabouts;
use crate::dscp::Dscp;
use crate::error::{Error, Result, exit};
use crate::format::Format;
use crate::playout::reading::Reading;
use crate::recv::decode::Shut;
use crate::recv::repair::Counts;
use crate::recv::rooms::Rooms;
use crate::recv::simulate::Network;
use crate::settings::{Simulation, Transport};
use crate::shutdown::Shutdown;
use crate::stats::Counter;
use crate::upstreams::Upstream;
use crate::wire::{Full, Hello, Report};
use line::Line;
use session::{Clocks, Session};
use talk::Voice;

/// An attempt lasts no longer than this, over all of the host's addresses.
const ATTEMPT: Duration = Duration::from_secs(3);

/// A full server is asked again this often.
const FULL_RETRY: Duration = Duration::from_secs(10);

/// A server whose sound comes from here is asked again this often, and up to this much later: two that find each other
/// out at the same moment must not do so for ever.
const ROUND_RETRY: Duration = Duration::from_secs(8);
const ROUND_SPREAD_MS: u64 = 4_000;

/// Waits between attempts, then [`EVERY_SECOND`] for [`EVERY_SECOND_FOR`], then [`FOR_EVER`].
const FIRST_WAITS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
];
const EVERY_SECOND: Duration = Duration::from_secs(1);
const EVERY_SECOND_FOR: Duration = Duration::from_secs(600);
const FOR_EVER: Duration = Duration::from_secs(5);

/// A connection that lasted this long was one: the next is made at once.
const WORKED: Duration = Duration::from_secs(1);

/// An idle connection is asked for a sign of life after this long, and then so often.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(10);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(3);

/// Reconnects wait up to this much longer, so that a room does not come back in one instant.
const SPREAD_MS: u64 = 250;

/// What the playing thread hears of the network.
#[derive(Debug)]
pub enum Heard {
    /// A stream begins. What was known of another one is void.
    Stream(Stream),
    /// Sound.
    Audio {
        /// Position of the first frame.
        position: u64,
        /// When it was captured (server's clock), where the server says.
        captured_us: Option<u64>,
        /// When it was read, in µs of our clock.
        arrived_us: u64,
        /// The timeline was broken before it.
        broken: bool,
        /// Interleaved samples.
        samples: Vec<f32>,
    },
    /// What is known of the server's clock.
    Offset(Offset),
    /// The playout delay changes.
    Delay {
        /// The new one, in ms.
        playout_delay_ms: u32,
        /// The capture time from which it holds, in µs of the server's clock.
        from_us: u64,
    },
    /// Nothing comes any more, until another stream begins or the same one is back.
    Gone,
    /// The connection that was thought gone delivers again.
    Back,
}

/// What a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Rate and channels.
    pub format: Format,
    /// Frames that come at a time.
    pub chunk: usize,
    /// What the server says of the delay; nothing in generation one.
    pub playout_delay_ms: Option<u32>,
    /// The server's run; nothing in generation one.
    pub session: Option<String>,
}

/// What can be seen of the connection from outside.
#[derive(Debug, Default)]
pub struct Seen {
    /// Connections that got a stream.
    pub connections: Counter,
    /// Version spoken; 0 while not connected.
    pub version: Counter,
    /// Frames received.
    pub frames: Counter,
    /// Frames among them that were made up, because what belongs there was missing.
    pub concealed: Counter,
    /// How long that was, in µs.
    pub concealed_us: Counter,
    /// Chunks that the playing thread was too busy to take.
    pub refused: Counter,
    /// Uncertainty of the server clock's estimate, in ns.
    pub uncertainty_ns: Counter,
    /// 1 while sound comes by datagram.
    pub by_datagram: Counter,
    /// Datagrams of sound that came.
    pub datagrams: Counter,
    /// Datagrams that never came by themselves.
    pub lost_datagrams: Counter,
    /// Those among them that came because they were asked for, or were made again by parity.
    pub repaired: Counter,
    /// Datagrams that were sealed wrongly, or came twice.
    pub unopened: Counter,
    /// How long an ask and its answer take, in µs.
    pub round_trip_us: Counter,
    /// What the way does to the sound.
    air: Mutex<Air>,
}

impl Seen {
    /// Adds what has happened to datagrams between two looks at a connection.
    fn note(&self, before: Counts, now: Counts, round_trip_us: u64) {
        self.datagrams.add(now.datagrams - before.datagrams);
        self.lost_datagrams.add(now.lost - before.lost);
        self.repaired.add(now.repaired + now.restored - before.repaired - before.restored);
        self.round_trip_us.set(round_trip_us);
    }

    /// What the way does to the sound.
    pub fn air(&self) -> MutexGuard<'_, Air> {
        self.air.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The network thread's state.
pub struct Connect {
    /// Where the server is.
    pub place: Whereabouts,
    /// How we introduce ourselves.
    pub hello: Hello,
    /// Asks for the codec that it began with when it connects again: a file holds sound of one rate,
    /// and Opus has a rate of its own.
    pub keeps_codec: bool,
    /// The private rooms that we may enter, if there are any.
    pub rooms: Option<Rooms>,
    /// How sound is to come.
    pub transport: Transport,
    /// Give up instead of trying again.
    pub once: bool,
    /// Whether a server that is not heard any more may be looked for on the network.
    pub discovery: bool,
    /// Where it is said which servers the sound comes through, where it is a server's source.
    pub upstream: Option<Upstream>,
    /// The output that we play on, which the server must not be capturing.
    pub own_output: Option<String>,
    /// Our clock.
    pub clock: Clock,
    /// The playing thread.
    pub player: SyncSender<Heard>,
    /// What to report to the server, newest last.
    pub reports: Receiver<Report>,
    /// What others may see.
    pub seen: Arc<Seen>,
    /// How packets are marked.
    pub dscp: Dscp,
    /// How far the player has read.
    pub reading: Arc<Reading>,
    /// A bad network to try things on.
    pub simulation: Option<Simulation>,
    /// Connections tried so far: each has a schedule of its own.
    pub tried: Counter,
    /// The user chose a delay, which only a first-generation server lets us choose.
    pub warn_of_delay_flags: bool,
    /// The microphone, where this client talks.
    pub voice: Option<Voice>,
    /// Who is there, and what is wished of them.
    pub(crate) room: Arc<Room>,
}

/// How a connection ended.
enum End {
    Stop,
    Full(SocketAddr, Full),
    Broken(Error),
}

impl End {
    /// Whether the server itself said so, and therefore is where it was thought to be.
    fn is_from_server(&self) -> bool {
        match self {
            Self::Full(..) | Self::Broken(Error::Removed { .. } | Error::Round { .. }) => true,
            Self::Stop | Self::Broken(_) => false,
        }
    }
}

impl Connect {
    /// Runs until `shutdown`, or until there is nothing more to try.
    ///
    /// # Errors
    /// With `once` whatever ended the connection; else only what trying again cannot mend.
    pub fn run(mut self, shutdown: &Shutdown) -> Result<()> {
        let mut known = false;
        let mut clocks = Clocks::default();
        let mut retry = Retry::default();
        let (mut said, mut said_round) = (false, false);
        loop {
            let before = self.seen.connections.get();
            let begun = Instant::now();
            let end = match self.attempt() {
                Ok((stream, address)) => {
                    let (hello, now_us) = (self.introduction(), self.clock.now_us());
                    let line = Line::made(stream, address, hello, known, self.network(), now_us);
                    Session::new(&self, line, &mut clocks)
                        .and_then(|session| session.run(shutdown))
                        .unwrap_or_else(End::Broken)
                }
                Err(e) => End::Broken(e),
            };
            if self.keeps_codec && !clocks.codec.is_empty() {
                self.hello.codecs = codec::wishes(&clocks.codec);
                self.keeps_codec = false;
            }
            self.seen.version.set(0);
            let connected = self.seen.connections.get() != before;
            known |= connected;
            if connected || end.is_from_server() {
                self.place.reached();
            } else {
                self.place.missed();
            }
            self.room.leave(true);
            self.upstream.iter().for_each(Upstream::leave);
            if connected {
                // A server that ends every conversation at once is not called without a pause.
                if begun.elapsed() >= WORKED {
                    retry = Retry::default();
                }
                (said, said_round) = (false, false);
                let _ = self.player.send(Heard::Gone);
            }
            let wait = match end {
                End::Stop => return Ok(()),
                End::Full(address, full) if self.once => return Err(is_full(address, full)),
                End::Full(address, full) => {
                    if !said {
                        warn!("{}. Trying again every 10 s", is_full(address, full));
                        said = true;
                    }
                    FULL_RETRY
                }
                End::Broken(e) if self.once || self.is_hopeless(&e, known) => return Err(e),
                End::Broken(e @ Error::Round { .. }) => {
                    if !said_round {
                        warn!("{e}. Meanwhile it is silent here");
                        said_round = true;
                    }
                    ROUND_RETRY + spread(ROUND_SPREAD_MS)
                }
                End::Broken(e) => {
                    if !said {
                        warn!("{e}. Trying again until it works");
                        said = true;
                    }
                    debug!("{e}");
                    retry.next(spread(SPREAD_MS))
                }
            };
            if shutdown.sleep(wait) {
                return Ok(());
            }
        }
    }

    /// As [`is_hopeless`]; but a server's source waits for its server, whatever is there meanwhile.
    fn is_hopeless(&self, error: &Error, known: bool) -> bool {
        is_hopeless(error, known || self.upstream.is_some())
    }

    /// How we introduce ourselves, and by what right.
    fn introduction(&self) -> (Hello, Option<Rooms>) {
        (self.hello.clone(), self.rooms.clone())
    }

    /// The network of the next connection, if one is simulated.
    fn network(&self) -> Option<Network> {
        let simulation = self.simulation.as_ref()?;
        self.tried.add(1);
        Some(Network::new(simulation, self.tried.get()))
    }

    /// Makes one attempt over all addresses of the server.
    fn attempt(&mut self) -> Result<(TcpStream, SocketAddr)> {
        let addresses = self.place.addresses()?;
        let (stream, address) = reach::reach(&addresses, ATTEMPT)?;
        let ready = stream
            .set_nonblocking(true)
            .and_then(|()| stream.set_nodelay(true))
            .and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&keepalive()));
        if let Err(e) = ready {
            debug!("{address}: {e}");
        }
        Ok((TcpStream::from_std(stream), address))
    }
}

/// A first-generation server sends nothing while nothing is captured, so only the system can tell
/// one that has vanished.
fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY)
}

fn is_full(address: SocketAddr, full: Full) -> Error {
    match full {
        Full::Server => Error::ServerFull { address },
        Full::Address => Error::AddressFull { address },
    }
}

/// Why a room is not entered, in words.
fn is_shut(address: SocketAddr, shut: Shut) -> Error {
    match shut {
        Shut::NoTicket => Error::Private { address },
        Shut::Open => Error::NotPrivate { address },
        Shut::OtherServer => Error::OtherServer { address },
        Shut::OtherRoom => Error::OtherRoom { address },
        Shut::NotLetIn => Error::NotLetIn { address },
        Shut::WrongCode => Error::WrongCode { address },
        Shut::NoCode => Error::NoCode { address },
        Shut::CodeWait { seconds } => Error::CodeWait { address, seconds },
    }
}

/// Whether trying again is no use: something else than a server answers, the name does not exist,
/// whoever runs the server wants us gone, or the user asked for what cannot be. A server that was there before may come back.
fn is_hopeless(error: &Error, known: bool) -> bool {
    match error {
        Error::Usage { .. } | Error::Removed { .. } | Error::Internal { .. } => true,
        error if error.exit_code() == exit::PRIVATE => true,
        Error::NotAuraLync { .. } | Error::Unresolved { .. } => !known,
        _ => false,
    }
}

/// The waits between attempts.
#[derive(Debug, Default)]
struct Retry {
    attempts: usize,
    waited: Duration,
}

impl Retry {
    /// How long to wait before the next attempt; `spread` is added to all but the first.
    fn next(&mut self, spread: Duration) -> Duration {
        let wait = match FIRST_WAITS.get(self.attempts) {
            Some(wait) => *wait,
            None if self.waited < EVERY_SECOND_FOR => EVERY_SECOND,
            None => FOR_EVER,
        };
        self.attempts += 1;
        self.waited += wait;
        if wait.is_zero() { wait } else { wait + spread }
    }
}

fn spread(most_ms: u64) -> Duration {
    Duration::from_millis(crate::random::random() % most_ms.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_at_once_then_rarer_and_never_end() {
        let mut retry = Retry::default();
        let waits: Vec<u128> = (0..6).map(|_| retry.next(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [0, 250, 500, 1000, 1000, 1000]);
        let later = (0..700).map(|_| retry.next(Duration::ZERO)).last().unwrap();
        assert_eq!(later, FOR_EVER);
    }

    #[test]
    fn only_what_was_never_a_server_is_given_up() {
        let address = ([127, 0, 0, 1], 5555).into();
        let strange = Error::NotAuraLync { address, why: String::new() };
        assert!(is_hopeless(&strange, false) && !is_hopeless(&strange, true));
        assert!(!is_hopeless(&Error::Refused { address }, false));
    }

    #[test]
    fn a_server_that_is_full_is_there_and_one_that_does_not_answer_may_be_elsewhere() {
        let address = SocketAddr::from(([192, 0, 2, 1], 5555));
        assert!(End::Full(address, Full::Server).is_from_server());
        let silent = Error::internal("nobody answers", "timed out");
        assert!(!End::Broken(silent).is_from_server());
    }
}
