//! Datagrams to browsers: a data channel for each that asks for one, on a thread and a socket of their own.
//!
//! What a browser says of itself comes over its WebSocket, and so does the answer. Nobody helps them to
//! find each other, because the browser has found this server already.

#[cfg(feature = "webrtc")]
mod certificate;
#[cfg(feature = "webrtc")]
mod crypto;
#[cfg(feature = "webrtc")]
mod keep_peers;
#[cfg(feature = "webrtc")]
mod no_media;
#[cfg(feature = "webrtc")]
mod peer;
#[cfg(feature = "webrtc")]
mod peers;
#[cfg(feature = "webrtc")]
mod strangers;

#[cfg(feature = "webrtc")]
pub use keep_peers::start;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use mio::Waker;

/// What waits for the thread: a tenth of a second of float32 for fifty browsers. What does not fit is
/// dropped.
pub const QUEUE: usize = 2_048;

/// Whose channel it is: a seat, and a number that tells those apart who sit there one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Whose {
    /// The seat.
    pub seat: usize,
    /// Counts up with each offer.
    pub number: u64,
}

/// What the thread is told.
#[derive(Debug)]
pub enum Order {
    /// A browser wants a channel.
    Offer {
        /// Who asks.
        whose: Whose,
        /// The address by which it has reached this server.
        at: IpAddr,
        /// What its end of the channel is, as SDP.
        sdp: String,
    },
    /// A datagram is to be sent.
    Send(Whose, Arc<[u8]>),
    /// Its seat is empty.
    Close(Whose),
}

/// What comes from a channel.
#[derive(Debug)]
pub enum Said {
    /// An offer's answer as SDP, or why there is none, as a sentence.
    Answer(Result<String, String>),
    /// A datagram.
    Heard(Vec<u8>),
    /// There was no room for a datagram of so many bytes.
    Refused(usize),
    /// It is gone.
    Closed,
}

/// The network loop's end of the channels. The thread ends with it.
#[derive(Debug)]
pub struct Channels {
    orders: Option<SyncSender<Order>>,
    waker: Arc<Waker>,
    has_orders: bool,
}

impl Channels {
    /// Gives orders to the thread that `waker` wakes.
    #[must_use]
    pub fn new(orders: SyncSender<Order>, waker: Arc<Waker>) -> Self {
        Self { orders: Some(orders), waker, has_orders: false }
    }

    /// Gives an order, which is seen after [`flush`](Self::flush). `false` if the thread is too busy.
    pub fn give(&mut self, order: Order) -> bool {
        self.has_orders = true;
        self.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok())
    }

    /// Lets the thread see what was ordered.
    pub fn flush(&mut self) {
        if std::mem::take(&mut self.has_orders) {
            // A wake that fails means that the thread is gone, and the join tells why.
            let _ = self.waker.wake();
        }
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.waker.wake();
    }
}
