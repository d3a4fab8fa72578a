//! The shortest delay that all who listen can hold, found while they do. Pure: what they report and the time are arguments.
//!
//! Up in one step, as soon as somebody runs dry: what is missing is worse than a crossfade. Down rarely, and by steps that
//! listeners steer away instead of jumping. `docs/design/film.md` says why.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::stats::ListenerStats;
use crate::wire::Report;

/// Never shorter, in ms: a Wi-Fi's ordinary pauses are longer than what would be left.
const SHORTEST_MS: u32 = 40;

/// Never longer, in ms: a listener that needs more plays later by itself, and the picture need not wait for it.
const LONGEST_MS: u32 = 1_000;

/// What a listener is to have to spare, in ms.
const MARGIN_MS: f64 = 15.0;

/// A listener that has less than this to spare runs dry, in ms.
const DRY_MS: f64 = 3.0;

/// One that lacks more than this has no connection, in ms: no delay mends that.
const OUTAGE_MS: f64 = 500.0;

/// Delays are found in multiples of this, in ms, and the first step up is as long.
const GRAIN_MS: u32 = 10;

/// A step up is no longer than this, in ms: one moment at which a PC stood still says little of the next.
const MOST_UP_MS: u32 = 100;

/// Listeners steer away what differs by so much, in ms, and jump over more.
pub const STEP_MS: u32 = 2;

/// How often such a step is made, in µs: steering takes about two seconds for one, and a listener takes one change a
/// second at most.
const STEP_EVERY_US: u64 = 4_000_000;

/// How long after a step up it is looked whether that was enough, in µs: it has to be heard and reported.
const UP_EVERY_US: u64 = 3_000_000;

/// For so long everybody must have been well before the delay goes down, in µs.
const CALM_US: u64 = 180_000_000;

/// It does not go down by less, in ms.
const LEAST_DOWN_MS: u32 = 20;

/// A delay at which somebody ran dry is not tried again while they are here, for so long, in µs.
const PROVED_US: u64 = 1_800_000_000;

/// A listener that has just come fills what it holds: nothing is made of its first seconds.
const NEW_S: f64 = 5.0;

/// One among three or more that needs so much more than the next is not waited for, in ms.
const ODD_MS: f64 = 200.0;

/// A card that was opened for a delay is opened anew, which is a hole in the sound, for less than this share of it:
/// its periods are a fifteenth of the delay then, and may be a quarter at most.
const OPENED_SHARE: f64 = 4.0 / 15.0;

/// How long a time is looked at as one, in µs, and how many such times are remembered.
const SPAN_US: u64 = 10_000_000;
const SPANS: usize = 18;

/// What follows from the reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The delay from now on, in ms.
    pub delay_ms: u32,
    /// What is to be said of it.
    pub say: Option<String>,
}

/// The delay of a room.
#[derive(Debug)]
pub struct GroupDelay {
    delay_ms: u32,
    shortest_ms: u32,
    /// Where the delay goes, by small steps, if it moves.
    goal_ms: Option<u32>,
    all: BTreeMap<SocketAddr, Needs>,
    /// Since when nothing has gone wrong.
    calm_since_us: u64,
    stepped_us: u64,
    /// The delay that somebody needed, until when that counts, and who it was.
    proved: Option<(u32, u64, SocketAddr)>,
    /// Who is not waited for.
    odd: Option<SocketAddr>,
}

/// What one listener needs.
#[derive(Debug, Default)]
struct Needs {
    /// The highest of each time, in ms, the newest first.
    spans: [f64; SPANS],
    span_us: u64,
    /// The delay that it came at, in ms: its card was opened for that.
    came_at_ms: u32,
    lost_datagrams: u64,
    /// What it needs now, and whether it runs dry.
    now: Option<(f64, bool)>,
}

impl Needs {
    fn most(&self) -> f64 {
        self.spans.iter().copied().fold(0.0, f64::max)
    }

    fn note(&mut self, need_ms: f64, now_us: u64) {
        if now_us.saturating_sub(self.span_us) >= SPAN_US {
            self.span_us = now_us;
            self.spans.rotate_right(1);
            self.spans[0] = 0.0;
        }
        self.spans[0] = self.spans[0].max(need_ms);
    }
}

impl GroupDelay {
    /// Begins with `delay_ms`; `chunk_ms` is how long a piece of sound lasts.
    #[must_use]
    pub fn new(delay_ms: u32, chunk_ms: f64, now_us: u64) -> Self {
        // A chunk that is played while the next is on its way: what presets are held to.
        let chunks_ms = (2.0 * chunk_ms).ceil() as u32;
        let shortest_ms = SHORTEST_MS.max(chunks_ms).min(LONGEST_MS);
        Self {
            delay_ms,
            shortest_ms,
            goal_ms: None,
            all: BTreeMap::new(),
            calm_since_us: now_us,
            stepped_us: 0,
            proved: None,
            odd: None,
        }
    }

    /// The delay now, in ms.
    #[must_use]
    pub fn delay_ms(&self) -> u32 {
        self.delay_ms
    }

    /// Learns what all listeners report, once a second.
    pub fn look(&mut self, listeners: &[ListenerStats], now_us: u64) -> Option<Step> {
        let judged = listeners.iter().filter(|one| one.connected_s >= NEW_S);
        let judged: BTreeMap<SocketAddr, (&str, &Report)> = judged
            .filter_map(|one| Some((one.address, (one.name.as_str(), one.report.as_ref()?))))
            .collect();
        self.all.retain(|address, _| judged.contains_key(address));
        for (&address, (_, report)) in &judged {
            if !self.all.contains_key(&address) {
                // What it needs on a bad moment is not known yet.
                self.calm_since_us = now_us;
            }
            self.learn(address, report, now_us);
        }
        let (most_ms, odd) = self.most(|needs| Some(needs.most()));
        if self.all.is_empty() {
            self.goal_ms = None;
            return None;
        }
        self.up(odd, &judged, now_us)
            .or_else(|| self.begin_down(most_ms, now_us))
            .or_else(|| self.step_down(most_ms, now_us))
    }

    fn learn(&mut self, address: SocketAddr, report: &Report, now_us: u64) {
        let delay_ms = f64::from(self.delay_ms);
        let longest_ms = f64::from(LONGEST_MS);
        let needs = self.all.entry(address).or_insert_with(|| {
            // Nothing is known of how it was before.
            Needs { came_at_ms: self.delay_ms, ..Needs::default() }
        });
        let loses = report.lost_datagrams > needs.lost_datagrams && needs.span_us > 0;
        needs.lost_datagrams = report.lost_datagrams;
        // One that does not say what it has to spare is believed to need half of what it holds.
        let spare_ms = report.spare_ms.unwrap_or(report.buffered_ms / 2.0);
        if !spare_ms.is_finite() || spare_ms < -OUTAGE_MS {
            needs.now = None;
            return;
        }
        let extra_ms = f64::from(report.extra_ms).min(longest_ms);
        let mut need_ms = delay_ms + extra_ms - spare_ms + MARGIN_MS;
        if loses {
            // What is lost must be asked for, and asked for again.
            let (trip_ms, output_ms) = (report.round_trip_ms, report.output_latency_ms);
            let mending_ms =
                output_ms.clamp(0.0, longest_ms) + 2.0 * trip_ms.clamp(0.0, longest_ms);
            need_ms = need_ms.max(mending_ms + MARGIN_MS);
        }
        let need_ms = need_ms.clamp(0.0, longest_ms);
        let is_dry = need_ms > delay_ms + MARGIN_MS - DRY_MS;
        needs.note(need_ms, now_us);
        needs.now = Some((need_ms, is_dry));
    }

    /// What the neediest listener needs, in ms, and who is not waited for.
    fn most(&self, need: impl Fn(&Needs) -> Option<f64>) -> (f64, Option<SocketAddr>) {
        let mut needs: Vec<_> =
            self.all.iter().filter_map(|(at, needs)| Some((need(needs)?, *at))).collect();
        needs.sort_by(|one, other| other.0.total_cmp(&one.0));
        match needs[..] {
            [(most, odd), (next, _), _, ..] if most - next > ODD_MS => (next, Some(odd)),
            [(most, _), ..] => (most, None),
            [] => (0.0, None),
        }
    }

    /// A step up, where somebody runs dry.
    fn up(
        &mut self,
        odd: Option<SocketAddr>,
        judged: &BTreeMap<SocketAddr, (&str, &Report)>,
        now_us: u64,
    ) -> Option<Step> {
        let name = |at: SocketAddr| {
            let name = judged.get(&at).map_or("", |(name, _)| *name);
            crate::format::printable(name, 40)
        };
        let mut say = None;
        if odd.is_some() && odd != self.odd {
            say = odd.map(|at| {
                format!(
                    "“{}” needs far longer than all others: it plays later than they do, and the delay stays theirs",
                    name(at)
                )
            });
        }
        self.odd = odd.or(self.odd.filter(|at| self.all.contains_key(at)));
        let dry = self.all.iter().filter(|(at, _)| Some(**at) != odd);
        let dry = dry.filter_map(|(at, needs)| Some((needs.now.filter(|now| now.1)?.0, *at)));
        let neediest = dry.max_by(|one, other| one.0.total_cmp(&other.0));
        let said_only =
            |say: Option<String>, delay_ms| say.map(|say| Step { delay_ms, say: Some(say) });
        let Some((need_ms, at)) = neediest else { return said_only(say, self.delay_ms) };
        self.calm_since_us = now_us;
        self.goal_ms = None;
        let is_soon = now_us.saturating_sub(self.stepped_us) < UP_EVERY_US;
        let most_ms = LONGEST_MS.min(self.delay_ms + MOST_UP_MS);
        let to_ms = self.grained(need_ms).max(self.delay_ms + GRAIN_MS).min(most_ms);
        if to_ms <= self.delay_ms || is_soon {
            return said_only(say, self.delay_ms);
        }
        let from_ms = std::mem::replace(&mut self.delay_ms, to_ms);
        self.stepped_us = now_us;
        self.proved = Some((to_ms, now_us.saturating_add(PROVED_US), at));
        Some(Step {
            delay_ms: to_ms,
            say: Some(format!(
                "the delay goes up from {from_ms} to {to_ms} ms: “{}” ran dry",
                name(at)
            )),
        })
    }

    /// Begins to go down, where everybody has been well for long.
    fn begin_down(&mut self, most_ms: f64, now_us: u64) -> Option<Step> {
        let is_calm = now_us.saturating_sub(self.calm_since_us) >= CALM_US;
        if self.goal_ms.is_some() || !is_calm {
            return None;
        }
        let goal_ms = self.held(most_ms, now_us);
        if goal_ms + LEAST_DOWN_MS > self.delay_ms {
            return None;
        }
        self.goal_ms = Some(goal_ms);
        let delay_ms = self.next_down(goal_ms, now_us);
        let every_s = STEP_EVERY_US / 1_000_000;
        let say = format!(
            "the delay goes down from {} to {goal_ms} ms, by {STEP_MS} ms every {every_s} s: all who listen can hold it",
            delay_ms + STEP_MS
        );
        Some(Step { delay_ms, say: Some(say) })
    }

    /// The next step of those that lead down.
    fn step_down(&mut self, most_ms: f64, now_us: u64) -> Option<Step> {
        let goal_ms = self.goal_ms?.max(self.held(most_ms, now_us));
        if now_us.saturating_sub(self.stepped_us) < STEP_EVERY_US {
            return None;
        }
        if goal_ms >= self.delay_ms {
            self.goal_ms = None;
            self.calm_since_us = now_us;
            return None;
        }
        Some(Step { delay_ms: self.next_down(goal_ms, now_us), say: None })
    }

    fn next_down(&mut self, goal_ms: u32, now_us: u64) -> u32 {
        self.stepped_us = now_us;
        self.delay_ms = self.delay_ms.saturating_sub(STEP_MS).max(goal_ms);
        self.delay_ms
    }

    /// What may be gone down to.
    fn held(&mut self, most_ms: f64, now_us: u64) -> u32 {
        let all = &self.all;
        self.proved = self.proved.filter(|(_, until, at)| now_us < *until && all.contains_key(at));
        let proved_ms = self.proved.map_or(0, |(ms, ..)| ms);
        let opened = self.all.values().map(|needs| f64::from(needs.came_at_ms) * OPENED_SHARE);
        self.grained(opened.fold(most_ms, f64::max)).max(proved_ms)
    }

    fn grained(&self, need_ms: f64) -> u32 {
        let need_ms = need_ms.clamp(0.0, f64::from(LONGEST_MS)).ceil() as u32;
        need_ms.next_multiple_of(GRAIN_MS).clamp(self.shortest_ms, LONGEST_MS)
    }
}

#[cfg(test)]
mod tests;
