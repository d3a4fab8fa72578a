//! The other threads' end of the thread that serves snapclients.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use mio::Waker;

use crate::error::{Error, Result};
use crate::snapcast::kept::Wish;
use crate::stats::SnapclientStats;

/// Orders that wait for the thread: those who give them wait for an answer.
const MOST_ORDERS: usize = 16;

/// Somebody who asks waits for an answer no longer than this.
const ANSWER: Duration = Duration::from_secs(2);

/// What the thread is told.
pub(super) enum Order {
    List(SyncSender<Vec<SnapclientStats>>),
    Set { id: String, wish: Wish, answer: SyncSender<bool> },
}

/// Where the thread is told what to do.
#[derive(Clone)]
pub(in crate::send) struct Handle {
    orders: SyncSender<Order>,
    waker: Arc<Waker>,
}

impl Handle {
    pub(super) fn new(waker: Arc<Waker>) -> (Self, Receiver<Order>) {
        let (sender, orders) = sync_channel(MOST_ORDERS);
        (Self { orders: sender, waker }, orders)
    }

    /// Who listens.
    ///
    /// # Errors
    /// [`Error::Busy`] if the thread does not answer within `longest`.
    pub(in crate::send) fn list_within(&self, longest: Duration) -> Result<Vec<SnapclientStats>> {
        self.ask(longest, Order::List)
    }

    /// Who listens.
    ///
    /// # Errors
    /// [`Error::Busy`] if the thread does not answer in time.
    pub(in crate::send) fn list(&self) -> Result<Vec<SnapclientStats>> {
        self.list_within(ANSWER)
    }

    /// Sets the clients of that id. `false` where none is there.
    ///
    /// # Errors
    /// [`Error::Busy`] if the thread does not answer in time.
    pub(in crate::send) fn set(&self, id: String, wish: Wish) -> Result<bool> {
        self.ask(ANSWER, |answer| Order::Set { id, wish, answer })
    }

    /// Ends the thread's wait.
    pub(in crate::send) fn wake(&self) {
        // It looks around by itself, a little later.
        let _ = self.waker.wake();
    }

    fn ask<T>(&self, longest: Duration, order: impl FnOnce(SyncSender<T>) -> Order) -> Result<T> {
        let (answer, arrives) = sync_channel(1);
        let busy = || Error::Busy { what: "what serves snapclients".to_owned() };
        self.orders.try_send(order(answer)).map_err(|_| busy())?;
        self.wake();
        arrives.recv_timeout(longest).map_err(|_| busy())
    }
}
