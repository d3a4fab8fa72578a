//! The thread that keeps browsers' channels, and its socket. Who decides is [`Peers`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use log::debug;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};

use super::peer::{plain, reached_from};
use super::peers::Peers;
use super::{Channels, Order, QUEUE, Said, Whose};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::shutdown::Shutdown;
use crate::threads::{Priority, spawn};

/// Packets that are read before what waits to be sent has its turn.
const READS_PER_TURN: usize = 64;

/// Bytes that a packet may have.
const PACKET_BYTES: usize = 2_000;

/// Nothing is due for longer than this only while there is nobody.
const LONGEST_REST: Duration = Duration::from_secs(1);

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);

/// Starts the thread, for at most `most` channels at a time. What comes from them goes to `tell`, which
/// says `false` where it is lost.
///
/// # Errors
/// [`Error::Internal`] if the system gives no thread, no event queue or no random numbers.
pub fn start(
    socket: std::net::UdpSocket,
    most: usize,
    clock: Clock,
    stop: &Shutdown,
    tell: impl Fn(Whose, Said) -> bool + Send + 'static,
) -> Result<(Channels, JoinHandle<Result<()>>)> {
    let failed = |e: io::Error| Error::internal("cannot start the data channels", e);
    let bound = socket.local_addr().map_err(failed)?;
    let mut socket = UdpSocket::from_std(socket);
    let poll = Poll::new().map_err(failed)?;
    poll.registry().register(&mut socket, SOCKET, Interest::READABLE).map_err(failed)?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(failed)?);
    let (orders, arrive) = sync_channel(QUEUE);
    let peers = Peers::new(most)?;
    let mut thread = Thread { poll, socket, bound, orders: arrive, peers, clock };
    let thread = spawn("channels", Priority::Soon, stop, move || thread.run(tell))?;
    Ok((Channels::new(orders, waker), thread))
}

struct Thread {
    poll: Poll,
    socket: UdpSocket,
    bound: SocketAddr,
    orders: Receiver<Order>,
    peers: Peers,
    clock: Clock,
}

impl Thread {
    /// Runs until the loop's end of the channels is gone.
    fn run(&mut self, tell: impl Fn(Whose, Said) -> bool) -> Result<()> {
        let mut events = Events::with_capacity(8);
        let mut has_more = false;
        loop {
            let due = self.peers.due().map(|due| due.saturating_duration_since(Instant::now()));
            let rest = if has_more { Duration::ZERO } else { due.unwrap_or(LONGEST_REST) };
            match self.poll.poll(&mut events, Some(rest.min(LONGEST_REST))) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::internal("the data channels cannot wait", e)),
            }
            has_more = self.read();
            let goes_on = self.take_orders();
            self.peers.wake(Instant::now());
            for (to, packet) in self.peers.packets.drain(..) {
                // One that the system does not take is lost, as it may be on the way.
                let _ = self.socket.send_to(&packet, reached_from(self.bound.ip(), to));
            }
            for (whose, said) in self.peers.said.drain(..) {
                if !tell(whose, said) {
                    debug!("the network loop is too busy for what a data channel said");
                }
            }
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Whether there is more to be read.
    fn read(&mut self) -> bool {
        let mut packet = [0; PACKET_BYTES];
        for _ in 0..READS_PER_TURN {
            match self.socket.recv_from(&mut packet) {
                Ok((length, from)) => {
                    let now = (Instant::now(), self.clock.now_us());
                    self.peers.take(plain(from), &packet[..length], now);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                // Somebody's network said that a packet did not arrive.
                Err(_) => {}
            }
        }
        true
    }

    /// Whether anybody may give orders.
    fn take_orders(&mut self) -> bool {
        for _ in 0..QUEUE {
            match self.orders.try_recv() {
                Ok(Order::Offer { whose, at, sdp }) => {
                    let at = SocketAddr::new(at, self.bound.port());
                    self.peers.offer(whose, &sdp, at, Instant::now());
                }
                Ok(Order::Send(whose, datagram)) => {
                    // What a slow browser has no room for is lost, as on the way: it is asked again.
                    self.peers.send(whose, &datagram, Instant::now());
                }
                Ok(Order::Close(whose)) => self.peers.close(whose),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }
}
