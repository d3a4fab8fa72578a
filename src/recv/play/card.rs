//! The player's side of a card: keeps its ring filled just far enough, and plays later where
//! the card or the network cannot keep the delay.

use log::info;

use super::{Known, Play, Plugged, add};
use crate::clock::CardClock;
use crate::format::Format;
use crate::playout::BLOCK;
use crate::recv::dry::STEP_MS;
use crate::recv::speaker::Feed;
use crate::sound::mixdown::Upmix;

/// How far ahead of the card's callback sound is resampled, at most. What is in the ring cannot be
/// taken back, so steering waits behind it.
const LONGEST_LEAD_MS: f64 = 40.0;
const SHORTEST_LEAD_MS: f64 = 1.0;

/// Roughly what capture and card need of the delay, and a hole of 40 ms in the network, before any of it
/// can be lead: sound whose place lies in the ring comes too late.
const PATH_MS: f64 = 64.0;

/// An output that stays this long behind what the delay allows plays later from then on.
const TOO_LATE_FOR_US: u64 = 1_000_000;

/// More steps than this come to [`MAX_PLAYOUT_DELAY_MS`](crate::wire::MAX_PLAYOUT_DELAY_MS).
const MOST_STEPS: f64 = 1_000.0;

/// A second in which more than this share of the sound was missing though it came, only too late,
/// says that the delay cannot be kept here.
const MISSING_SHARE: f64 = 0.25;
const LATE_SHARE: f64 = 0.05;
const LATE_LOOK_US: u64 = 1_000_000;

/// The card in use.
pub(super) struct Attached {
    pub(super) feed: Feed,
    pub(super) format: Format,
    pub(super) clock: CardClock,
    /// Whether each sample of the stream in play becomes a left and a right one.
    pub(super) widens: bool,
    /// From those to this card.
    pub(super) upmix: Option<Upmix>,
    pub(super) mixed: Vec<f32>,
    pub(super) block: Vec<f32>,
    /// Frames that the callback may ask for at once.
    pub(super) period: usize,
    pub(super) latency_us: f64,
    /// A stamp has come since the ring was last found empty.
    pub(super) fresh: bool,
}

impl Play {
    /// Plays on this card from now on.
    pub fn plug(&mut self, card: Plugged) {
        self.unplug();
        let Plugged { feed, format, period } = card;
        self.card = Some(Attached {
            feed,
            format,
            clock: CardClock::new(format.sample_rate),
            widens: false,
            upmix: None,
            mixed: vec![0.0; format.samples(BLOCK)],
            block: Vec::new(),
            period,
            latency_us: 0.0,
            fresh: false,
        });
    }

    /// The card takes no more.
    pub fn unplug(&mut self) {
        // A player is made for one card's rate.
        if let Some(playout) = self.stream.as_mut().and_then(|known| known.playout.take()) {
            self.counted = add(self.counted, playout.counts());
        }
        self.card = None;
        self.extra.forget();
        self.spare_ms = 0;
        self.fed_us = 0;
        self.dry.forget();
    }

    /// Sound kept ahead of the card's callback, in ms.
    pub(super) fn lead_ms(&self) -> f64 {
        let delay = self.wanted_ms();
        let usual = ((delay - PATH_MS) / 4.0).clamp(SHORTEST_LEAD_MS, LONGEST_LEAD_MS);
        usual + f64::from(self.spare_ms)
    }

    /// Keeps the card's ring filled to the lead.
    pub(super) fn feed_card(&mut self, now_us: u64) {
        let lead_ms = self.lead_ms();
        self.note_feeding(now_us, lead_ms);
        let Some(card) = &mut self.card else {
            return;
        };
        while let Some(played) = card.feed.played() {
            let _ = card.clock.stamp(played.frame, played.heard_us, played.came_us);
            card.period = card.period.max(played.frames as usize);
            card.latency_us = played.heard_us.saturating_sub(played.came_us) as f64;
            card.fresh = true;
        }
        let Some(Known { playout: Some(playout), .. }) = &mut self.stream else {
            return;
        };
        let Some(upmix) = card.upmix else {
            return;
        };
        let lead = card.period + card.format.frames_in_ms(lead_ms);
        if card.feed.waiting() == 0 && !std::mem::take(&mut card.fresh) {
            // The callback puts silence in: where the next frame will lie is known after it.
            return;
        }
        while card.feed.waiting() < lead {
            let Some(frame) = card.feed.next_frame().map(|frame| frame as f64) else {
                return;
            };
            let Some(block) = playout.block(frame, &card.clock) else {
                let short = playout.shortfall_us(frame, &card.clock);
                self.play_later(short, now_us);
                return;
            };
            card.block.clear();
            if card.widens {
                card.block.extend(block.iter().flat_map(|sample| [*sample; 2]));
            } else {
                card.block.extend_from_slice(block);
            }
            if let Some(finish) = &mut self.finish {
                finish.process(&mut card.block);
            }
            let frames = upmix.apply(&card.block, &mut card.mixed);
            let samples = &card.mixed[..card.format.samples(frames)];
            if card.feed.write(samples) < frames {
                break;
            }
        }
        self.too_late_since_us = None;
        let head = card.feed.next_frame().map(|frame| frame as f64);
        if let Some(short_us) = head.and_then(|head| playout.shortfall_us(head, &card.clock)) {
            self.mind_spare_time(-short_us, now_us);
        }
    }

    /// An output that cannot make the delay, so that not even the first sample comes in time.
    pub(super) fn play_later(&mut self, shortfall_us: Option<f64>, now_us: u64) {
        let Some(short_us) = shortfall_us.filter(|short| *short > 0.0 && self.connected) else {
            self.too_late_since_us = None;
            return;
        };
        let since = *self.too_late_since_us.get_or_insert(now_us);
        if now_us.saturating_sub(since) >= TOO_LATE_FOR_US {
            self.too_late_since_us = None;
            // With one step's worth to spare.
            let steps = (short_us / 1e3 / f64::from(STEP_MS)).ceil() + 1.0;
            self.add_extra(steps.min(MOST_STEPS) as u32);
        }
    }

    /// Plays later where some of the sound comes in time, but much of it too late.
    pub(super) fn mind_lateness(&mut self, now_us: u64) {
        let (then_us, then) = self.looked;
        if now_us.saturating_sub(then_us) < LATE_LOOK_US {
            return;
        }
        let Some(Known { playout: Some(playout), stream, .. }) = &self.stream else {
            return;
        };
        let counts = playout.counts();
        self.looked = (now_us, counts);
        // A thread that stood still itself has made sound late.
        if then_us < self.fair_from_us || now_us - then_us > 2 * LATE_LOOK_US {
            return;
        }
        let share = |now: u64, then: u64| {
            now.saturating_sub(then) as f64 / f64::from(stream.format.sample_rate)
        };
        if self.connected
            && playout.is_playing()
            && share(counts.lost, then.lost) > MISSING_SHARE
            && share(counts.late, then.late) > LATE_SHARE
        {
            self.add_extra(1);
        }
    }

    /// Plays later by so many steps, and says so.
    pub(super) fn add_extra(&mut self, steps: u32) {
        self.extra.grow(steps);
        info!(
            "sound comes too late here for the server's {} ms: playing {} ms after the others",
            self.delay_ms(),
            self.extra.ms()
        );
        self.apply_delay();
    }

    /// Plays a step sooner again where there has been time enough to spare.
    pub(super) fn mind_spare_time(&mut self, spare_us: f64, now_us: u64) {
        if self.connected && self.extra.spare(spare_us, now_us) {
            info!("there is time to spare: playing {} ms after the others", self.extra.ms());
            self.apply_delay();
        }
    }
}
