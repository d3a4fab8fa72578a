//! What the way through the air does to sound, in words that help. Pure: what came, and time, are
//! arguments, in µs of this PC's clock.
//!
//! Wi-Fi rarely loses single packets, because it sends again by itself. It goes away for a moment:
//! to look for other networks, to change from one access point to another, or because others have
//! the air. Each leaves another trace.

mod words;

use std::collections::VecDeque;

use crate::codec::Codec;

/// Silence that is longer than the pieces of sound are apart by this, in µs, is a pause: sending again
/// by itself takes an adapter less.
const PAUSE_US: u64 = 50_000;

/// A pause that lasts longer, in µs, is no search for networks.
const LONGEST_SEARCH_US: u64 = 400_000;

/// A hole of this length, in µs, is one access point less and another more; what lasts longer is an
/// outage, of which others tell.
const ROAMING_US: std::ops::RangeInclusive<u64> = 500_000..=5_000_000;

/// Pauses that are no further apart than this, in µs, are one: a search visits one channel after the
/// other.
const ONE_SEARCH_US: u64 = 1_500_000;

/// How often systems search while they are connected, in µs: around half a minute, up to a minute.
const SEARCHES_EVERY_US: std::ops::RangeInclusive<u64> = 15_000_000..=70_000_000;

/// So many pauses in step are a habit.
const HABIT: usize = 6;

/// A distance between two of them differs from the usual one by no more than this share.
const OUT_OF_STEP: f64 = 0.25;

/// So many pauses out of step within [`CROWDED_US`] are somebody else's use of the air.
const CROWDED: usize = 5;
const CROWDED_US: u64 = 60_000_000;

/// Pauses that are remembered: more than there are in step within [`REMEMBERED_US`].
const MOST_PAUSES: usize = 32;
const REMEMBERED_US: u64 = 8 * 60_000_000;

/// Loss is counted over so many seconds.
const SECONDS: usize = 60;

/// Loss below this share is what every network has.
const LITTLE: f64 = 0.01;

/// The share that is lost where a Mac leaves its channel for AirDrop, which it does all the time: 11
/// to 14 % were measured.
const AIRDROP: std::ops::RangeInclusive<f64> = 0.06..=0.2;

/// It is steady if in so many of ten seconds something is lost.
const STEADY_OF_TEN: usize = 8;

/// Fewer pieces than this in a minute tell nothing.
const FEWEST: u32 = 600;

/// A kind of trouble is told of once in this time, in µs.
const SAY_EVERY_US: u64 = 10 * 60_000_000;

/// Trouble is told of only if sound was missing no longer ago than this, in µs: what was mended in
/// time nobody has heard.
const HEARD_US: u64 = 2 * 60_000_000;

/// When less sound is asked for, what was missing so long before, and is so long after, in µs, is that
/// trouble: to see it takes a second, and so does the change.
const DEALT_WITH_US: u64 = 3_000_000;

/// A thread that runs later than it wanted to by this, in µs, was kept from it by this PC.
const BUSY_US: u64 = 20_000;

/// A piece of sound that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// When it was read.
    pub at_us: u64,
    /// Pieces between this one and the newest before it that have not come; they may come later, or
    /// be sent again.
    pub lost_before: u32,
    /// The server says that its own sound was broken before it: then so was what is sent.
    pub broken: bool,
}

/// What the way does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Short pauses in step: the adapter looks for other networks.
    Searches {
        /// How long they usually last, in ms.
        pause_ms: u32,
        /// How far they are apart, in seconds.
        every_s: u32,
    },
    /// Steady loss on a Mac: AirDrop's own network.
    AirDrop {
        /// Pieces of a hundred that are lost.
        percent: u32,
    },
    /// One long hole: from one access point to another.
    Roamed {
        /// How long nothing came, in ms.
        hole_ms: u32,
    },
    /// Pauses out of step: others have the air.
    Crowded {
        /// Pauses in the last minute.
        pauses: u32,
        /// The longest of them, in ms.
        longest_ms: u32,
    },
    /// Loss without a known cause.
    Loss {
        /// Pieces of a hundred that are lost.
        percent: u32,
    },
    /// The way does not carry the codec that the listener had first.
    Slow {
        /// That codec.
        first: Codec,
        /// The one that comes instead.
        now: Codec,
    },
}

/// Kinds of [`Finding`].
const KINDS: usize = 6;

impl Finding {
    fn kind(self) -> usize {
        match self {
            Self::Searches { .. } => 0,
            Self::AirDrop { .. } => 1,
            Self::Roamed { .. } => 2,
            Self::Crowded { .. } => 3,
            Self::Loss { .. } => 4,
            Self::Slow { .. } => 5,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    at_us: u64,
    ended_us: u64,
    /// The longest piece of it.
    length_us: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Second {
    came: u32,
    lost: u32,
}

/// Watches the way to one listener.
#[derive(Debug)]
pub struct Air {
    /// The system, as [`std::env::consts::OS`] calls it.
    system: &'static str,
    /// How far apart pieces are sent at most.
    apart_us: u64,
    last_us: Option<u64>,
    /// Until when this PC was last too busy to read what had come.
    busy_until_us: u64,
    pauses: VecDeque<Pause>,
    /// The last long hole, and when it ended.
    hole: Option<(u64, u64)>,
    second: Second,
    second_us: u64,
    seconds: VecDeque<Second>,
    missing: u64,
    heard_us: Option<u64>,
    said_us: [Option<u64>; KINDS],
    /// What comes, and what came first where that was too much.
    codec: Option<Codec>,
    first: Option<Codec>,
    /// Until then what is missing is trouble that has been dealt with.
    dealt_with_until_us: u64,
}

impl Default for Air {
    /// Watches on this system.
    fn default() -> Self {
        Self::new(std::env::consts::OS)
    }
}

impl Air {
    /// Watches on a system, as [`std::env::consts::OS`] calls it.
    #[must_use]
    pub fn new(system: &'static str) -> Self {
        Self {
            system,
            apart_us: 0,
            last_us: None,
            busy_until_us: 0,
            pauses: VecDeque::new(),
            hole: None,
            second: Second::default(),
            second_us: 0,
            seconds: VecDeque::new(),
            missing: 0,
            heard_us: None,
            said_us: [None; KINDS],
            codec: None,
            first: None,
            dealt_with_until_us: 0,
        }
    }

    /// A stream begins, whose pieces are sent up to `apart_us` after each other. What was seen before
    /// stays: the air is the same.
    pub fn begin(&mut self, apart_us: u64) {
        self.apart_us = apart_us;
        self.last_us = None;
    }

    /// Sound comes in `codec` from now on, of a listener who had `first`, if that is ours to choose.
    pub fn comes_as(&mut self, codec: Codec, first: Option<Codec>) {
        self.codec = Some(codec);
        self.first = first.filter(|first| *first != codec);
    }

    /// Less sound is asked for at `now_us`, because the way does not carry what comes, and that is said.
    /// So what was missing of late, or is until the change, is no news.
    pub fn relieved(&mut self, now_us: u64) {
        self.dealt_with_until_us = now_us.saturating_add(DEALT_WITH_US);
        (self.second, self.hole) = (Second::default(), None);
        self.seconds.clear();
        self.pauses.retain(|pause| now_us.saturating_sub(pause.ended_us) > DEALT_WITH_US);
        self.heard_us = None;
    }

    /// The thread that reads wanted to run at `due_us`, and runs at `now_us`. Where this PC kept it
    /// from that, the way is not to blame for what came late.
    pub fn woke(&mut self, due_us: u64, now_us: u64) {
        if now_us.saturating_sub(due_us) > BUSY_US {
            self.busy_until_us = now_us;
        }
    }

    /// A piece of sound came.
    pub fn arrived(&mut self, piece: Arrived) {
        let Arrived { at_us, lost_before, broken } = piece;
        let Some(last_us) = self.last_us.replace(at_us) else { return };
        self.tick(at_us);
        if at_us < self.dealt_with_until_us {
            return;
        }
        self.second.came = self.second.came.saturating_add(1);
        let length_us = at_us.saturating_sub(last_us).saturating_sub(self.apart_us);
        let is_ours = self.busy_until_us > last_us;
        if length_us < PAUSE_US {
            self.second.lost = self.second.lost.saturating_add(lost_before);
        } else if !broken && !is_ours {
            self.paused(last_us, at_us, length_us);
        }
    }

    fn paused(&mut self, from_us: u64, until_us: u64, length_us: u64) {
        if ROAMING_US.contains(&length_us) {
            self.hole = Some((length_us, until_us));
        }
        if length_us > LONGEST_SEARCH_US {
            return;
        }
        if let Some(last) = self.pauses.back_mut()
            && from_us.saturating_sub(last.ended_us) < ONE_SEARCH_US
        {
            last.ended_us = until_us;
            last.length_us = last.length_us.max(length_us);
            return;
        }
        self.pauses.push_back(Pause { at_us: from_us, ended_us: until_us, length_us });
        if self.pauses.len() > MOST_PAUSES {
            self.pauses.pop_front();
        }
    }

    /// Ends the seconds that are over.
    fn tick(&mut self, now_us: u64) {
        if now_us.saturating_sub(self.second_us) < 1_000_000 {
            return;
        }
        self.second_us = now_us;
        self.seconds.push_back(std::mem::take(&mut self.second));
        if self.seconds.len() > SECONDS {
            self.seconds.pop_front();
        }
    }

    /// What the way does, as far as can be told at `now_us`.
    #[must_use]
    pub fn finding(&self, now_us: u64) -> Option<Finding> {
        self.searches(now_us)
            .or_else(|| self.airdrop())
            .or_else(|| self.roamed(now_us))
            .or_else(|| self.crowded(now_us))
            .or_else(|| self.loss())
            .or_else(|| Some(Finding::Slow { first: self.first?, now: self.codec? }))
    }

    /// What is to be said now, where something is. `missing` counts the frames that were not there when
    /// their time came.
    pub fn look(&mut self, now_us: u64, missing: u64) -> Option<Finding> {
        self.tick(now_us);
        self.pauses.retain(|pause| now_us.saturating_sub(pause.ended_us) < REMEMBERED_US);
        if missing > self.missing && now_us >= self.dealt_with_until_us {
            self.heard_us = Some(now_us);
        }
        self.missing = missing;
        let is_heard = self.heard_us.is_some_and(|us| now_us.saturating_sub(us) < HEARD_US);
        let finding = self.finding(now_us).filter(|_| is_heard)?;
        if matches!(finding, Finding::Slow { .. }) {
            // Whoever asked for less has said so.
            return None;
        }
        let said_us = &mut self.said_us[finding.kind()];
        if said_us.is_some_and(|us| now_us.saturating_sub(us) < SAY_EVERY_US) {
            return None;
        }
        *said_us = Some(now_us);
        Some(finding)
    }

    fn searches(&self, now_us: u64) -> Option<Finding> {
        let newest = self.pauses.iter().rev().take(HABIT);
        let newest: Vec<Pause> = newest.copied().collect();
        if newest.len() < HABIT {
            return None;
        }
        let mut apart: Vec<u64> =
            newest.windows(2).map(|pair| pair[0].at_us - pair[1].at_us).collect();
        apart.sort_unstable();
        let usual_us = apart[apart.len() / 2];
        let is_in_step = |us: &u64| us.abs_diff(usual_us) as f64 <= usual_us as f64 * OUT_OF_STEP;
        let goes_on = now_us.saturating_sub(newest[0].ended_us) < usual_us * 2;
        if !SEARCHES_EVERY_US.contains(&usual_us) || !apart.iter().all(is_in_step) || !goes_on {
            return None;
        }
        let mut lengths: Vec<u64> = newest.iter().map(|pause| pause.length_us).collect();
        lengths.sort_unstable();
        Some(Finding::Searches {
            pause_ms: in_ms(lengths[lengths.len() / 2]),
            every_s: u32::try_from((usual_us + 500_000) / 1_000_000).unwrap_or(u32::MAX),
        })
    }

    fn roamed(&self, now_us: u64) -> Option<Finding> {
        let (length_us, ended_us) = self.hole?;
        let is_fresh = now_us.saturating_sub(ended_us) < HEARD_US;
        is_fresh.then(|| Finding::Roamed { hole_ms: in_ms(length_us) })
    }

    fn crowded(&self, now_us: u64) -> Option<Finding> {
        let recent = || {
            let is_recent = |pause: &&Pause| now_us.saturating_sub(pause.ended_us) < CROWDED_US;
            self.pauses.iter().filter(is_recent)
        };
        let longest_us = recent().map(|pause| pause.length_us).max()?;
        let pauses = recent().count();
        (pauses >= CROWDED).then(|| Finding::Crowded {
            pauses: u32::try_from(pauses).unwrap_or(u32::MAX),
            longest_ms: in_ms(longest_us),
        })
    }

    /// Lost of all pieces in the last minute, if enough have come to tell.
    fn share(&self) -> Option<f64> {
        let came: u32 = self.seconds.iter().map(|second| second.came).sum();
        let lost: u32 = self.seconds.iter().map(|second| second.lost).sum();
        (came >= FEWEST).then(|| f64::from(lost) / (f64::from(came) + f64::from(lost)))
    }

    fn airdrop(&self) -> Option<Finding> {
        let share = self.share().filter(|share| AIRDROP.contains(share))?;
        let with_loss = self.seconds.iter().filter(|second| second.lost > 0).count();
        let is_steady = self.seconds.len() == SECONDS && with_loss * 10 >= SECONDS * STEADY_OF_TEN;
        (self.system == "macos" && is_steady).then(|| Finding::AirDrop { percent: percent(share) })
    }

    fn loss(&self) -> Option<Finding> {
        let share = self.share().filter(|share| *share >= LITTLE)?;
        Some(Finding::Loss { percent: percent(share) })
    }
}

fn in_ms(us: u64) -> u32 {
    u32::try_from(us / 1_000).unwrap_or(u32::MAX)
}

fn percent(share: f64) -> u32 {
    (share * 100.0).round() as u32
}

#[cfg(test)]
mod tests;
