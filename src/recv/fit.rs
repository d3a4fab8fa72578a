//! Which codec fits the path: steps down where the network cannot carry what a listener has, and
//! comes back. Pure: what was seen, and time, are arguments.
//!
//! Less sound to send helps where a queue fills or a line is too slow. It does not help against what
//! Wi-Fi loses at random, or against pauses, and so these move nothing.

use crate::codec::{Bitrate, Codec};

/// It is looked this often, in µs.
pub const LOOK_US: u64 = 500_000;

/// A round trip that is longer than the quickest by as much as that, and by this, in µs, waits in a
/// queue: an idle Wi-Fi differs by a few ms.
const QUEUED_US: u64 = 40_000;

/// Pieces lost on the way that are a full queue's doing, where one is seen to be full.
const LOST_IN_QUEUE: f64 = 0.03;

/// Pieces lost on the way that may be a slow line's doing where no queue is seen. Wi-Fi loses a tenth
/// at random, and repair carries that.
const LOST_ALONE: f64 = 0.2;

/// So many looks in a row with a full queue, or with loss alone.
const QUEUED_LOOKS: u32 = 2;
const ALONE_LOOKS: u32 = 4;

/// Looks after a step that tell of what was before it.
const SETTLES: u32 = 2;

/// A step must leave less than this share of the loss, or it was in vain.
const CURED: f64 = 0.7;

/// How many looks after a step its effect is known.
const EFFECT_LOOKS: u32 = 6;

/// Of what a path has carried, a codec may take so much: the rest is for what is asked for again.
const SHARE: f64 = 0.85;

/// Without trouble for this long, in µs, one step back is tried; twice as long after each that failed.
const BACK_US: u64 = 2 * 60_000_000;
const LONGEST_BACK_US: u64 = 64 * 60_000_000;

/// A step back that brings trouble within this, in µs, has failed.
const PROVEN_US: u64 = 60_000_000;

/// What was seen in one [`LOOK_US`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Half {
    /// Of the pieces that were sent, the share that did not come by itself, 0 to 1; nothing where
    /// nothing came at all.
    pub lost: Option<f64>,
    /// The median round trip, in µs.
    pub round_trip_us: Option<u64>,
    /// The quickest round trip, in µs: a queue may fill within half a second.
    pub quickest_us: Option<u64>,
    /// The median of how much later sound came than the quickest, in µs; where it comes by TCP.
    pub late_us: Option<u64>,
    /// What came, in bits per second.
    pub carried: f64,
}

/// Why another codec is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The network does not carry the one that is there.
    TooMuch,
    /// Less sound did not help.
    InVain,
    /// The network has been good for long enough to try more.
    Good,
}

/// Another codec is to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The one that is there.
    pub from: Codec,
    /// The one to ask for.
    pub to: Codec,
    /// What for.
    pub why: Why,
    /// Worth a word: the first step down since sound was whole, or the last one back.
    pub is_news: bool,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { from, to, .. } = self;
        match self.why {
            Why::TooMuch => write!(f, "{from} is too much for the network: {to} is asked for"),
            Why::InVain => write!(
                f,
                "less sound did not help, so it is not too much that is lost on the way: it comes as {to} \
                 again"
            ),
            Why::Good => {
                write!(
                    f,
                    "the network carries more sound again: it comes as {to} instead of {from}"
                )
            }
        }
    }
}

/// What is known of a step that was made.
#[derive(Debug, Clone, Copy)]
struct Made {
    at_us: u64,
    is_down: bool,
    looks: u32,
    /// What was lost since it settled, look by look, added up.
    lost: f64,
    /// Where the step was made for loss alone: the share before it, and where it came from.
    for_loss: Option<(f64, usize)>,
}

/// Chooses for one listener on `auto`.
#[derive(Debug)]
pub struct Fit {
    /// From what the listener had first down to the least, each with its bits per second.
    ladder: Vec<(Codec, f64)>,
    at: usize,
    delay_us: u64,
    quickest_us: Option<u64>,
    queued_looks: u32,
    alone_looks: u32,
    /// What was lost in these, added up.
    alone_lost: f64,
    made: Option<Made>,
    /// When there was trouble last, or the last step was made.
    trouble_us: u64,
    back_us: u64,
    /// Loss alone is not believed before this: less sound did not help.
    believes_loss_after_us: u64,
}

impl Fit {
    /// Chooses among what takes less than `first`. `samples_per_second` is rate times channels, in
    /// `delay_us` sound must be there, and Opus is among the choice if it `may_be_opus`.
    #[must_use]
    pub fn new(first: Codec, samples_per_second: f64, delay_us: u64, may_be_opus: bool) -> Self {
        let opus = |kbps| Codec::Opus(Bitrate::nearest(kbps));
        let all = [Codec::Float32, Codec::Int24, Codec::Int16, opus(128), opus(64)];
        let bits = |codec| bits_per_second(codec, samples_per_second);
        // A quarter less is worth no step, so 24 bits are none.
        let less = all.into_iter().filter(|codec| {
            let is_allowed = may_be_opus || !matches!(codec, Codec::Opus(_));
            *codec != Codec::Int24 && is_allowed && bits(*codec) < bits(first)
        });
        let ladder = std::iter::once(first).chain(less).map(|codec| (codec, bits(codec))).collect();
        Self {
            ladder,
            at: 0,
            delay_us,
            quickest_us: None,
            queued_looks: 0,
            alone_looks: 0,
            alone_lost: 0.0,
            made: None,
            trouble_us: 0,
            back_us: BACK_US,
            believes_loss_after_us: 0,
        }
    }

    /// The codec that should be there.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.ladder[self.at].0
    }

    /// What the listener had first, and gets again where the network carries it.
    #[must_use]
    pub fn first(&self) -> Codec {
        self.ladder[0].0
    }

    /// Looks at what was seen until `now_us`, and says what to ask for, if anything.
    pub fn look(&mut self, now_us: u64, half: Half) -> Option<Step> {
        let seen = [half.quickest_us, half.round_trip_us, self.quickest_us];
        self.quickest_us = seen.into_iter().flatten().min();
        if self.trouble_us == 0 {
            self.trouble_us = now_us;
        }
        // Nothing at all is an outage or a pause, which no codec mends.
        half.lost.or(half.late_us.map(|_| 0.0))?;
        if let Some(made) = &mut self.made {
            made.looks += 1;
            if made.looks <= SETTLES {
                return None;
            }
            made.lost += half.lost.unwrap_or(0.0);
        }
        let lost = half.lost.unwrap_or(0.0);
        let is_queued = self.is_queued(half);
        self.queued_looks = if is_queued { self.queued_looks + 1 } else { 0 };
        let is_alone = lost >= LOST_ALONE && now_us >= self.believes_loss_after_us;
        (self.alone_looks, self.alone_lost) =
            if is_alone { (self.alone_looks + 1, self.alone_lost + lost) } else { (0, 0.0) };
        if is_queued || is_alone {
            self.trouble_us = now_us;
        }
        if let Some(step) = self.undo(now_us) {
            return Some(step);
        }
        if self.queued_looks >= QUEUED_LOOKS {
            return self.down(now_us, half.carried, None);
        }
        if self.alone_looks >= ALONE_LOOKS {
            let before = self.alone_lost / f64::from(self.alone_looks);
            return self.down(now_us, half.carried, Some((before, self.at)));
        }
        self.back(now_us)
    }

    fn is_queued(&self, half: Half) -> bool {
        if half.late_us.is_some_and(|late_us| late_us >= self.delay_us / 2) {
            return true;
        }
        let (Some(round_trip_us), Some(quickest_us)) = (half.round_trip_us, self.quickest_us)
        else {
            return false;
        };
        let waits_us = round_trip_us - quickest_us;
        let is_full = waits_us >= QUEUED_US.max(quickest_us);
        let is_too_late = waits_us >= self.delay_us / 2;
        is_full && (is_too_late || half.lost.is_some_and(|lost| lost >= LOST_IN_QUEUE))
    }

    /// Takes a step back that less sound did nothing for.
    fn undo(&mut self, now_us: u64) -> Option<Step> {
        let made = self.made?;
        let (before, from) = made.for_loss.filter(|_| made.looks >= EFFECT_LOOKS)?;
        self.made = Some(Made { for_loss: None, ..made });
        if made.lost / f64::from(made.looks - SETTLES) < before * CURED {
            return None;
        }
        self.believes_loss_after_us = now_us + self.back_us;
        self.back_us = (self.back_us * 2).min(LONGEST_BACK_US);
        Some(Step { why: Why::InVain, ..self.go(now_us, from, None) })
    }

    fn down(&mut self, now_us: u64, carried: f64, for_loss: Option<(f64, usize)>) -> Option<Step> {
        let next = self.at + 1;
        let last = self.ladder.len() - 1;
        if next > last {
            return None;
        }
        if let Some(made) = self.made
            && !made.is_down
            && now_us.saturating_sub(made.at_us) < PROVEN_US
        {
            self.back_us = (self.back_us * 2).min(LONGEST_BACK_US);
        }
        let fits = |at: &usize| self.ladder[*at].1 <= carried * SHARE;
        let to = (next..=last).find(fits).unwrap_or(last);
        Some(self.go(now_us, to, for_loss))
    }

    fn back(&mut self, now_us: u64) -> Option<Step> {
        let quiet_us = now_us.saturating_sub(self.trouble_us);
        if self.at == 0 {
            // What was carried for as long as that is carried.
            if quiet_us >= LONGEST_BACK_US {
                self.back_us = BACK_US;
            }
            return None;
        }
        (quiet_us >= self.back_us).then(|| self.go(now_us, self.at - 1, None))
    }

    fn go(&mut self, now_us: u64, to: usize, for_loss: Option<(f64, usize)>) -> Step {
        let is_down = to > self.at;
        let is_news = if is_down { self.at == 0 } else { to == 0 };
        let why = if is_down { Why::TooMuch } else { Why::Good };
        let step = Step { from: self.codec(), to: self.ladder[to].0, why, is_news };
        self.at = to;
        (self.queued_looks, self.alone_looks, self.alone_lost) = (0, 0, 0.0);
        self.made = Some(Made { at_us: now_us, is_down, looks: 0, lost: 0.0, for_loss });
        self.trouble_us = now_us;
        step
    }
}

/// Bits per second on the way, headers included: as many packets as in the shortest delays.
fn bits_per_second(codec: Codec, samples_per_second: f64) -> f64 {
    /// IP, UDP and our own header, in bits, 200 times a second.
    const HEADERS: f64 = 56.0 * 8.0 * 200.0;
    let sound = match codec {
        Codec::Float32 => samples_per_second * 32.0,
        Codec::Int24 => samples_per_second * 24.0,
        Codec::Int16 => samples_per_second * 16.0,
        Codec::Opus(bitrate) => f64::from(bitrate.kbps()) * 1e3,
    };
    sound + HEADERS
}

#[cfg(test)]
mod tests;
