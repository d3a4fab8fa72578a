//! What the user wishes while sound plays, and what keeps it from playing well.

use log::{info, warn};

use super::{Output, Play};
use crate::clock::earliest_trim_ms;
use crate::recv::dry::{Advice, Cause, Counted, STEP_MS};
use crate::sound::ear::Hearing;

/// The card's ring is kept this much further ahead than usual at most, in ms: what is in it cannot
/// be taken back.
const MOST_SPARE_MS: u32 = 100;

/// What the person who listens may change at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishes {
    /// How loud, in percent of what the stream carries.
    pub volume_percent: u16,
    /// How much later than the others, in ms; sooner if negative.
    pub trim_ms: i32,
    /// How it is to sound.
    pub hearing: Hearing,
}

impl Play {
    /// Takes the newest wishes.
    pub(super) fn obey(&mut self, wishes: Wishes) {
        self.choice.wishes = wishes;
        if let Some(finish) = &mut self.finish {
            finish.obey(wishes);
        }
        if wishes.trim_ms != self.trim_ms && self.is_set_up() {
            self.trim();
            self.apply_delay();
        }
    }

    /// Takes the trim, as far as sound can be early: it must have been captured first.
    pub(super) fn trim(&mut self) {
        let asked_ms = self.choice.wishes.trim_ms;
        let delay_ms = self.delay_ms() as i32;
        let earliest = earliest_trim_ms(delay_ms);
        self.trim_ms = asked_ms.max(earliest);
        if asked_ms < earliest {
            warn!(
                "--delay {asked_ms} cannot be: with this server's {delay_ms} ms it can be from \
                 {earliest} to 5000. Playing at {earliest}",
            );
            self.choice.wishes.trim_ms = earliest;
            self.settled = Some((asked_ms, earliest));
        }
    }

    /// Moves what plays to where it should be now.
    pub(super) fn apply_delay(&mut self) {
        self.make_room();
        let wanted_us = self.wanted_ms() * 1e3;
        self.timelines().for_each(|timeline| timeline.set_delay_us(wanted_us));
    }

    /// Makes room for a longer delay.
    pub(super) fn make_room(&mut self) {
        let depth_ms = self.wanted_ms().max(self.delay_ms()) as u32;
        if let Some(cardless) = &mut self.cardless {
            cardless.make_room_for(depth_ms);
        }
        if let Some(playout) = self.playout() {
            playout.make_room_for(depth_ms);
        }
    }

    /// Notes that the card is fed now, and whether what it had cannot have lasted until now.
    pub(super) fn note_feeding(&mut self, now_us: u64, lead_ms: f64) {
        let Some(card) = &self.card else {
            self.fed_us = 0;
            return;
        };
        let lasts_us = lead_ms * 1e3 + card.format.micros(card.period as u64);
        let since_us = now_us.saturating_sub(self.fed_us) as f64;
        if self.fed_us != 0 && since_us > lasts_us {
            self.fed_late += 1;
        }
        self.fed_us = now_us;
    }

    /// Says why sound keeps running dry, or plays later where that is allowed.
    pub(super) fn mind_dryness(&mut self, now_us: u64) {
        if !self.connected {
            return;
        }
        let counted = Counted {
            lost: self.lost(),
            underruns: self.counters.underruns.get(),
            busy: self.fed_late,
        };
        let wanted_ms = self.wanted_ms().max(0.0) as u32;
        match self.dry.look(now_us, counted, wanted_ms, self.extra.ms()) {
            None => {}
            Some(Advice::Say { cause, seconds }) => warn!(
                "sound keeps running dry, in {seconds} of the last 30 seconds: {}. {}",
                cause.what(),
                cause.help()
            ),
            Some(Advice::PlayLater { cause, by_ms }) => {
                self.extra.grow(by_ms.div_ceil(STEP_MS));
                if cause != Cause::Network {
                    // The delay alone would only lengthen what waits before it is resampled.
                    self.spare_ms = (self.spare_ms + by_ms).min(MOST_SPARE_MS);
                }
                info!(
                    "sound keeps running dry: {}. Playing {} ms after the others from here on",
                    cause.what(),
                    self.extra.ms()
                );
                self.apply_delay();
            }
        }
    }

    fn lost(&self) -> u64 {
        let known = self.stream.as_ref();
        let playing = known.and_then(|known| known.playout.as_ref()).map(|p| p.counts().lost);
        let without_card = match &self.output {
            Output::Cardless => self.cardless.as_ref().map_or(0, |all| all.counts().lost),
            Output::Card => 0,
        };
        self.counted.lost + playing.unwrap_or(0) + without_card
    }
}
