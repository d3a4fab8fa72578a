//! The playing thread: hands [`Play`] what comes over channels, and the time, and sleeps between its
//! turns.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use log::debug;

use super::connect::Heard;
use super::controls::Controls;
use super::play::{Play, Plugged, Rest, Snapshot};
use crate::clock::Clock;
use crate::error::Result;
use crate::shutdown::Shutdown;

/// A card that was opened, or lost.
pub(super) enum Card {
    /// The card that is fed from now on.
    Plugged(Plugged),
    /// The card takes no more.
    #[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card is lost"))]
    Lost,
}

/// What the thread is given.
pub(super) struct PlayThread {
    pub(super) play: Play,
    pub(super) clock: Clock,
    pub(super) network: Receiver<Heard>,
    /// Cards that come and go, where sound goes to one.
    pub(super) cards: Option<Receiver<Card>>,
    pub(super) controls: Arc<Controls>,
    /// Where the newest state is handed out, for whoever looks at it.
    pub(super) snapshots: SyncSender<Snapshot>,
    /// Tells the card's keeper what delay to open it for.
    pub(super) delays: SyncSender<u32>,
}

impl PlayThread {
    /// Runs until `shutdown`.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) if the file that is the output cannot go on.
    pub(super) fn run(mut self, shutdown: &Shutdown) -> Result<()> {
        while !shutdown.is_requested() {
            let (clock, network) = (self.clock, &self.network);
            let has_more = self.play.take(|| clock.now_us(), || network.try_recv().ok())?;
            self.pass_on();
            while let Some(card) = self.cards.as_ref().and_then(|cards| cards.try_recv().ok()) {
                match card {
                    Card::Plugged(card) => self.play.plug(card),
                    Card::Lost => self.play.unplug(),
                }
            }
            let is_behind = self.play.turn(self.clock.now_us(), self.controls.wishes())?;
            self.pass_on();
            if !is_behind && let Some(snapshot) = self.play.snapshot(self.clock.now_us()) {
                // Nobody has taken the last one: they will take a later one.
                let _ = self.snapshots.try_send(snapshot);
                debug!("{snapshot:?}");
            }
            self.rest(has_more || is_behind)?;
        }
        Ok(())
    }

    /// Tells others what has come of their wishes.
    fn pass_on(&mut self) {
        if let Some(delay_ms) = self.play.take_delay() {
            let _ = self.delays.try_send(delay_ms);
        }
        if let Some((asked_ms, ms)) = self.play.take_settled_trim() {
            self.controls.trim.settle_for(asked_ms, ms);
        }
    }

    fn rest(&mut self, has_more: bool) -> Result<()> {
        let from_us = self.clock.now_us();
        let heard = match self.play.rest(from_us, has_more) {
            Rest::None => return Ok(()),
            Rest::Sleep(us) => {
                std::thread::sleep(Duration::from_micros(us));
                None
            }
            Rest::UntilHeard(us) => {
                let tick = Duration::from_micros(us);
                let heard = self.network.recv_timeout(tick);
                if let Err(RecvTimeoutError::Disconnected) = heard {
                    std::thread::sleep(tick);
                }
                heard.ok()
            }
        };
        let now_us = self.clock.now_us();
        self.play.rested(from_us, now_us);
        heard.map_or(Ok(()), |heard| self.play.hear(heard, now_us))
    }
}
