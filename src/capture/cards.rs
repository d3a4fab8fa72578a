//! Joins [`capture`](super) and [`chunk`](super::chunk): the cards that a chunker takes its
//! sound from, one after the other.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use log::error;

use super::chunk::Chunker;
use super::{Captured, Piece};
use crate::format::Format;
use crate::sound::mixdown::Layout;

/// A card is opened at most every quarter of a second, and taken at once.
const CARDS: usize = 4;

/// A card that was opened, or lost.
#[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card makes these"))]
pub enum Card {
    /// A card delivers.
    Plugged {
        /// Where its sound comes out.
        captured: Captured,
        /// Its rate and channels.
        format: Format,
        /// What its channels are.
        layout: Layout,
        /// How much sound it hands over at a time, in ms.
        period_ms: f64,
    },
    /// The card delivers no more.
    Lost,
}

/// The chunker's end.
pub(crate) struct Cards {
    from: Receiver<Card>,
    captured: Option<Captured>,
    period_ms: f64,
    /// The two channels to take, counted from one.
    pick: Option<(u16, u16)>,
}

impl Cards {
    /// Cards that are announced through what this returns.
    pub(crate) fn new(pick: Option<(u16, u16)>) -> (Self, SyncSender<Card>) {
        let (sender, from) = sync_channel(CARDS);
        (Self { from, captured: None, period_ms: 0.0, pick }, sender)
    }

    /// Whether there is one now.
    pub(crate) fn is_plugged(&self) -> bool {
        self.captured.is_some()
    }

    /// How much sound the newest card hands over at a time, in ms; 0 before the first.
    pub(crate) fn period_ms(&self) -> f64 {
        self.period_ms
    }

    /// Gives the chunker what has come since last time.
    pub(crate) fn feed(&mut self, chunker: &mut Chunker) {
        while let Ok(card) = self.from.try_recv() {
            chunker.unplug();
            self.captured = None;
            if let Card::Plugged { captured, format, layout, period_ms } = card {
                self.period_ms = period_ms;
                match chunker.plug(format, &layout, self.pick) {
                    Ok(()) => self.captured = Some(captured),
                    Err(e) => error!("{e}"),
                }
            }
        }
        if let Some(captured) = &mut self.captured {
            pass(captured, chunker);
        }
    }
}

/// Gives the chunker everything that waits in the ring of its card.
fn pass(captured: &mut Captured, chunker: &mut Chunker) {
    captured.drain(|piece| match piece {
        Piece::Stamp(stamp) => {
            let lost = stamp.frame.saturating_sub(stamp.pushed);
            chunker.stamp(stamp.frame, lost, stamp.at_us, stamp.came_us);
        }
        Piece::Samples(samples) => chunker.samples(samples),
    });
}
