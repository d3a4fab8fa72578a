//! What can be seen of a player.

use super::{Output, Play, add};
use crate::playout::{Counts, Playout};

/// How often the state is handed out.
const SNAPSHOT_US: u64 = 250_000;

/// How playing goes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Snapshot {
    /// What was lost, came late and was jumped over.
    pub counts: Counts,
    /// Sound that waits for its time, in ms.
    pub buffered_ms: f64,
    /// How long after its capture sound is heard, in ms.
    pub delay_ms: f64,
    /// How long after its capture sound should be heard, in ms.
    pub playout_delay_ms: f64,
    /// How much faster than nominal the card runs.
    pub ppm: f64,
    /// How well the card's clock is known, in µs.
    pub card_uncertainty_us: f64,
    /// How long the card needs until sound is heard, in ms.
    pub output_latency_ms: f64,
    /// The least of the last seconds by which sound was there before it was needed, in ms.
    pub spare_ms: Option<f64>,
    /// How much later than the others this listener plays, in ms.
    pub extra_ms: u32,
}

/// Where a player is.
#[derive(Debug, Clone, Copy)]
pub struct Next {
    /// The card's frame that is written next.
    pub frame: u64,
    /// The stream's position that lies there.
    pub position: f64,
    /// How much faster than nominal the stream is played, in ppm.
    pub stretch_ppm: f64,
}

impl Play {
    /// Whether sound comes out.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        let playout = self.stream.as_ref().and_then(|known| known.playout.as_ref());
        playout.is_some_and(Playout::is_playing)
    }

    /// What was lost, came late and was jumped over on this run's cards.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let playout = self.stream.as_ref().and_then(|known| known.playout.as_ref());
        add(self.counted, playout.map(Playout::counts).unwrap_or_default())
    }

    /// What the card gets next; `None` while nothing comes out.
    #[must_use]
    pub fn next(&self) -> Option<Next> {
        let playout = self.stream.as_ref()?.playout.as_ref()?;
        let frame = self.card.as_ref()?.feed.next_frame()?;
        Some(Next { frame, position: playout.position()?, stretch_ppm: playout.stretch_ppm() })
    }

    /// How playing goes, four times a second.
    pub fn snapshot(&mut self, now_us: u64) -> Option<Snapshot> {
        if now_us.saturating_sub(self.snapshot_us) < SNAPSHOT_US {
            return None;
        }
        self.snapshot_us = now_us;
        let rate = self.stream.as_ref().map_or(48_000, |known| known.stream.format.sample_rate);
        let ms = |frames: u64| frames as f64 * 1e3 / f64::from(rate);
        let wanted_ms = self.wanted_ms();
        let mut snapshot = Snapshot {
            counts: self.counted,
            playout_delay_ms: wanted_ms,
            extra_ms: self.extra.ms(),
            ..Snapshot::default()
        };
        if let Some(card) = &self.card {
            snapshot.output_latency_ms = card.latency_us / 1e3;
            snapshot.ppm = card.clock.ppm();
            snapshot.card_uncertainty_us = card.clock.uncertainty_us();
        }
        if let (Output::Cardless, Some(cardless)) = (&self.output, &self.cardless) {
            snapshot.counts = add(snapshot.counts, cardless.counts());
            snapshot.buffered_ms = ms(cardless.buffered());
            snapshot.delay_ms = cardless.delay_us(now_us) / 1e3;
            if cardless.buffered() > 0 || cardless.frames() > 0 {
                self.extra.least.note(snapshot.buffered_ms * 1e3, now_us);
            }
        } else if let Some(playout) = self.playout() {
            snapshot.counts = add(snapshot.counts, playout.counts());
            snapshot.buffered_ms = ms(playout.buffered());
            snapshot.delay_ms = playout.delay_us() / 1e3;
        }
        snapshot.spare_ms = self.extra.least.us(now_us).map(|us| us / 1e3);
        Some(snapshot)
    }
}
