//! Makes what plays a stream, as soon as its first sound, the server's clock and the card are
//! there. Until then sound waits.

use super::early::Sound;
use super::finish::Finish;
use super::{Output, Play};
use crate::clock::Timeline;
use crate::error::Result;
use crate::format::Format;
use crate::recv::connect::Stream;
use crate::sound::mixdown::Upmix;

impl Play {
    /// Keeps sound until it can be played. If that is now, the next turns take it.
    pub(super) fn wait(&mut self, sound: Sound) -> Result<()> {
        let Some(known) = &self.stream else {
            return Ok(());
        };
        // What came longer ago than the delay is past its time anyway.
        let format = known.stream.format;
        let most = format.samples(format.frames_in_ms(self.wanted_ms().max(0.0)));
        self.early.push(sound, most);
        if let Some(&Sound { position, captured_us, .. }) = self.early.first() {
            self.set_up(position, captured_us)?;
        }
        Ok(())
    }

    /// Sets the player up on the first frame, once the server's clock is known.
    fn set_up(&mut self, position: u64, captured_us: u64) -> Result<()> {
        if !self.needs_set_up() || self.offset.is_none() {
            return Ok(());
        }
        self.trim();
        let heard_ms = self.wanted_ms();
        let (Some(known), Some(offset)) = (&mut self.stream, self.offset) else {
            return Ok(());
        };
        let Stream { format, chunk, playout_delay_ms, .. } = known.stream;
        let delay_ms = playout_delay_ms.unwrap_or(self.choice.fallback_delay_ms);
        let make =
            || Timeline::new(format.sample_rate, position, captured_us, offset, heard_ms * 1e3);
        let depth_ms = heard_ms.max(f64::from(delay_ms)) as u32;
        if let Some(cardless) = self.cardless.as_mut().filter(|_| !known.is_cardless_set_up) {
            cardless.stream(format, chunk, depth_ms, position, make());
            known.is_cardless_set_up = true;
            if self.output == Output::Cardless && self.finishes {
                self.finish = Some(Finish::new(format, self.choice.wishes));
            }
        }
        if let Some(card) = self.card.as_mut().filter(|_| known.playout.is_none()) {
            // A stream of one channel has both sides only where there are two: balance needs them.
            card.widens = format.channels == 1 && card.format.channels > 1;
            let channels = if card.widens { 2 } else { format.channels };
            card.upmix = Some(Upmix::new(channels, card.format.channels)?);
            let playout = (self.make_playout)(format, card.format, chunk, depth_ms, make())?;
            known.playout = Some(playout);
            let format = Format { channels, ..card.format };
            self.finish = self.finishes.then(|| Finish::new(format, self.choice.wishes));
        }
        Ok(())
    }

    /// Whether something that wants the stream in play does not have it yet.
    pub(super) fn needs_set_up(&self) -> bool {
        self.stream.as_ref().is_some_and(|known| {
            (self.cardless.is_some() && !known.is_cardless_set_up)
                || (self.card.is_some() && known.playout.is_none())
        })
    }

    /// Whether the next frame of the stream in play has a place to go.
    pub(super) fn is_set_up(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(|known| known.is_cardless_set_up || known.playout.is_some())
    }

    pub(super) fn insert(&mut self, sound: &Sound) {
        let Sound { position, captured_us, broken, ref samples } = *sound;
        if let Some(cardless) = &mut self.cardless {
            cardless.insert(position, captured_us, broken, samples);
        }
        if let Some(playout) = self.playout() {
            playout.insert(position, captured_us, broken, samples);
        }
    }
}
