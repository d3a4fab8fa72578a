//! The desk at which sources are turned up and down, taken in and out while the server runs.
//!
//! Whoever has a [`Desk`] asks the chunking thread, which answers within a few ms.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use super::prepare::{Fitting, Prepared};
use crate::error::{Error, Result};
use crate::source::{Source, SourceOrder};
use crate::stats::SourceStats;

/// Orders that wait for the chunking thread: it takes them every few ms, and who asks waits.
const ORDERS: usize = 16;

/// Somebody who asks waits for an answer no longer than this.
const ANSWER: Duration = Duration::from_secs(2);

/// What can be asked of the mix.
pub(in crate::send) enum Order {
    Source(SourceOrder),
    Add(Box<Prepared>),
    List,
}

/// An order, and where its answer goes: all sources as they are then.
pub(in crate::send) struct Asked {
    pub(in crate::send) order: Order,
    pub(in crate::send) answer: SyncSender<Result<Vec<SourceStats>>>,
}

/// A handle on the sources of a server. Each method answers with all of them as they are then.
#[derive(Clone)]
pub struct Desk {
    orders: SyncSender<Asked>,
    fitting: Fitting,
}

impl Desk {
    /// A desk, and where its orders arrive.
    pub(in crate::send) fn new(fitting: Fitting) -> (Self, Receiver<Asked>) {
        let (orders, arrive) = sync_channel(ORDERS);
        (Self { orders, fitting }, arrive)
    }

    /// The sources as they are.
    ///
    /// # Errors
    /// [`Error::Busy`] if the mix does not answer in time, [`Error::Internal`] if the server is
    /// ending. So may every other method here.
    pub fn list(&self) -> Result<Vec<SourceStats>> {
        self.ask(Order::List)
    }

    /// The sources as they are, for somebody who waits no longer than `patience` for them.
    ///
    /// # Errors
    /// [`Error::Busy`] if no answer came by then, [`Error::Internal`] if the server is ending.
    pub fn list_within(&self, patience: Duration) -> Result<Vec<SourceStats>> {
        self.ask_within(Order::List, patience)
    }

    /// Tells a source that is there what becomes of it.
    ///
    /// # Errors
    /// [`Error::Usage`] for a source that is not there, for a level or a place that cannot be, and where
    /// the first source, which gives all others their time, is to leave.
    pub fn tell(&self, order: SourceOrder) -> Result<Vec<SourceStats>> {
        self.ask(Order::Source(order.checked()?))
    }

    /// Takes a source in. Opening it can take seconds, which nobody who listens notices.
    ///
    /// # Errors
    /// Whatever keeps it from being opened; [`Error::Usage`] where it is there already, or the mix
    /// is full.
    pub fn add(&self, source: &Source) -> Result<Vec<SourceStats>> {
        let prepared = Prepared::open(source, &self.fitting)?;
        self.ask(Order::Add(Box::new(prepared)))
    }

    fn ask(&self, order: Order) -> Result<Vec<SourceStats>> {
        self.ask_within(order, ANSWER)
    }

    fn ask_within(&self, order: Order, patience: Duration) -> Result<Vec<SourceStats>> {
        let (answer, arrives) = sync_channel(1);
        let ends = || Error::internal("cannot ask the mix", "the server is ending");
        let busy = || Error::Busy { what: "the mix".to_owned() };
        self.orders.try_send(Asked { order, answer }).map_err(|refused| match refused {
            TrySendError::Full(_) => busy(),
            TrySendError::Disconnected(_) => ends(),
        })?;
        arrives.recv_timeout(patience).map_err(|missing| match missing {
            RecvTimeoutError::Timeout => busy(),
            RecvTimeoutError::Disconnected => ends(),
        })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::format::Format;
    use crate::listener::relay::Relays;
    use crate::send::captured::CapturedOutputs;
    use crate::shutdown::Shutdown;

    fn desk() -> (Desk, Receiver<Asked>) {
        Desk::new(Fitting {
            mix: Format { sample_rate: 48_000, channels: 2 },
            delay_ms: std::sync::Arc::default(),
            clock: Clock::start(),
            captured: CapturedOutputs::default(),
            relays: Relays::default(),
            stop: Shutdown::default(),
        })
    }

    #[test]
    fn a_mix_that_is_too_busy_says_so_and_not_that_the_server_ends_or_that_nothing_plays() {
        let (desk, orders) = desk();
        for _ in 0..ORDERS {
            let late = desk.list_within(Duration::ZERO).unwrap_err();
            assert!(matches!(late, Error::Busy { .. }), "an answer too late: {late}");
        }
        let refused = desk.list_within(Duration::MAX).unwrap_err();
        assert!(matches!(refused, Error::Busy { .. }), "one question too many: {refused}");
        assert_eq!(orders.try_iter().count(), ORDERS);
        drop(orders);
        let over = desk.list().unwrap_err().to_string();
        assert!(over.contains("the server is ending"), "{over}");
    }
}
