//! What a bad network does to packets: which are lost, and when the others arrive.
//!
//! Pure: time and the seed are arguments, and one seed gives one schedule. Times are in µs of any
//! clock that does not go back.

use std::str::FromStr;

use auralync::chance::Chance;

/// Waits in front of a slow line at most, unless `queue` says otherwise, in µs.
const QUEUE_US: f64 = 200_000.0;

/// What is wrong with a network, both ways unless said otherwise. Lengths of spells and pauses are
/// means: each is as long as chance has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bend {
    /// Share of the packets that are lost, each by itself.
    loss: f64,
    /// Good and bad spells by packets.
    by_packet: Option<Spells>,
    /// Good and bad spells by time, in µs.
    by_time: Option<Spells>,
    delay_us: f64,
    /// Mean of what comes on top of the delay, in µs. Order is kept, as on Wi-Fi.
    jitter_us: f64,
    /// Share of the packets that others overtake, and how much later these come, in µs.
    late: (f64, f64),
    /// Share of the packets that come twice.
    twice: f64,
    /// For how long nothing passes, and how long it is until the next time, in µs.
    stall_us: Option<(f64, f64)>,
    /// How fast the line is, in bits per µs.
    bits_per_us: Option<f64>,
    queue_us: f64,
    seed: u64,
    /// The one way that is bent, if only one is.
    only: Option<Direction>,
}

/// Good spells, in which nothing is lost, and bad ones (a Gilbert-Elliott channel).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spells {
    /// What begins one, and what ends it: a chance for each packet, or a mean time.
    good: f64,
    bad: f64,
    /// Share that is lost in a bad spell.
    loss: f64,
}

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the playing PC to the listener.
    Down,
    Up,
}

impl FromStr for Bend {
    type Err = String;

    /// Words with blanks between them: `loss=0.05`, `ge=GOOD,BAD,LOSS` (chances for each packet),
    /// `gems=GOOD,BAD,LOSS` (mean ms), `delay=MS`, `jitter=MS`, `late=SHARE,MS`, `twice=SHARE`,
    /// `stall=MS,EVERY-MS`, `rate=MBIT`, `queue=MS`, `seed=N`, `only=down|up`.
    fn from_str(words: &str) -> Result<Self, String> {
        let mut bend = Self {
            loss: 0.0,
            by_packet: None,
            by_time: None,
            delay_us: 0.0,
            jitter_us: 0.0,
            late: (0.0, 0.0),
            twice: 0.0,
            stall_us: None,
            bits_per_us: None,
            queue_us: QUEUE_US,
            seed: 1,
            only: None,
        };
        for word in words.split_whitespace() {
            bend.take(word).ok_or_else(|| format!("“{word}” says nothing of a network"))?;
        }
        Ok(bend)
    }
}

impl Bend {
    fn take(&mut self, word: &str) -> Option<()> {
        let (key, value) = word.split_once('=')?;
        match key {
            "loss" => [self.loss] = numbers(value)?,
            "ge" => {
                let [good, bad, loss] = numbers(value)?;
                self.by_packet = Some(Spells { good, bad, loss });
            }
            "gems" => {
                let [good, bad, loss] = numbers(value)?;
                self.by_time = Some(Spells { good: good * 1e3, bad: bad * 1e3, loss });
            }
            "delay" => self.delay_us = numbers::<1>(value)?[0] * 1e3,
            "jitter" => self.jitter_us = numbers::<1>(value)?[0] * 1e3,
            "late" => {
                let [share, by] = numbers(value)?;
                self.late = (share, by * 1e3);
            }
            "twice" => [self.twice] = numbers(value)?,
            "stall" => {
                let [length, every] = numbers(value)?;
                self.stall_us = Some((length * 1e3, every * 1e3));
            }
            "rate" => self.bits_per_us = Some(numbers::<1>(value)?[0]),
            "queue" => self.queue_us = numbers::<1>(value)?[0] * 1e3,
            "seed" => self.seed = value.parse().ok()?,
            "only" => {
                self.only = Some(match value {
                    "down" => Direction::Down,
                    "up" => Direction::Up,
                    _ => return None,
                });
            }
            _ => return None,
        }
        Some(())
    }
}

/// So many numbers with commas between them.
fn numbers<const COUNT: usize>(text: &str) -> Option<[f64; COUNT]> {
    let numbers: Option<Vec<f64>> = text.split(',').map(|number| number.parse().ok()).collect();
    numbers?.try_into().ok()
}

/// One way over a bad network.
#[derive(Debug)]
pub(crate) struct Way {
    bend: Bend,
    direction: Direction,
    is_bent: bool,
    /// What happens to single packets.
    chance: Chance,
    /// Whether the spell by packets is a bad one.
    is_bad: bool,
    /// The bad spell by time that lasts or is next, and where more of them come from.
    hole: (f64, f64),
    holes: Chance,
    /// The stall that lasts or is next, in the same way.
    stall: (f64, f64),
    stalls: Chance,
    /// When the line has carried all that it was given.
    free_us: f64,
    /// When the last packet arrives: no later one comes sooner.
    last_us: f64,
}

/// When a packet arrives, and when it does once more.
pub(crate) type Arrivals = [Option<u64>; 2];

/// Before the first of them, and never over.
const NONE_YET: (f64, f64) = (0.0, 0.0);

impl Way {
    pub(crate) fn new(bend: &Bend, direction: Direction) -> Self {
        let seed = bend.seed << 8 | u64::from(direction == Direction::Up);
        Self {
            is_bent: bend.only.is_none_or(|only| only == direction),
            bend: bend.clone(),
            direction,
            chance: Chance::new(seed),
            is_bad: false,
            hole: NONE_YET,
            holes: Chance::new(seed | 1 << 1),
            stall: NONE_YET,
            stalls: Chance::new(seed | 1 << 2),
            free_us: 0.0,
            last_us: 0.0,
        }
    }

    /// When a packet of so many bytes arrives that sets out at `now_us`. Times do not go back.
    pub(crate) fn send(&mut self, now_us: u64, bytes: usize) -> Arrivals {
        let now = now_us as f64;
        if !self.is_bent {
            return [Some(now_us), None];
        }
        if self.is_lost(now) {
            return [None, None];
        }
        let mut due = now;
        if let Some(rate) = self.bend.bits_per_us {
            if self.free_us - now > self.bend.queue_us {
                return [None, None];
            }
            self.free_us = self.free_us.max(now) + bytes as f64 * 8.0 / rate;
            due = self.free_us;
        }
        due += self.bend.delay_us;
        if self.bend.jitter_us > 0.0 {
            due += around(&mut self.chance, self.bend.jitter_us);
        }
        if let Some((_, end)) = self.stall_at(now).filter(|stall| (stall.0..stall.1).contains(&due))
        {
            due = end;
        }
        due = due.max(self.last_us);
        let (late, by) = self.bend.late;
        if self.chance.takes(late) {
            due += by;
        } else {
            self.last_us = due;
        }
        let again = self.chance.takes(self.bend.twice).then_some(due.round() as u64);
        [Some(due.round() as u64), again]
    }

    /// The bad spells by time up to then, each with its length, in µs.
    pub(crate) fn holes(&self, until_us: u64) -> Vec<(u64, u64)> {
        let mut fresh = Self::new(&self.bend, self.direction);
        let mut holes = Vec::new();
        while let Some((start, end)) = fresh.hole_at(fresh.hole.1)
            && start < until_us as f64
        {
            holes.push((start as u64, (end - start) as u64));
        }
        holes
    }

    fn is_lost(&mut self, now: f64) -> bool {
        let mut is_lost = self.chance.takes(self.bend.loss);
        if let Some(spells) = self.bend.by_packet {
            let changes = if self.is_bad { spells.bad } else { spells.good };
            self.is_bad ^= self.chance.takes(changes);
            is_lost |= self.is_bad && self.chance.takes(spells.loss);
        }
        if let (Some(spells), Some(hole)) = (self.bend.by_time, self.hole_at(now)) {
            is_lost |= hole.0 <= now && self.chance.takes(spells.loss);
        }
        is_lost
    }

    /// The bad spell by time that lasts at `now`, or the next.
    fn hole_at(&mut self, now: f64) -> Option<(f64, f64)> {
        let spells = self.bend.by_time?;
        while self.hole.1 <= now {
            let start = self.hole.1 + around(&mut self.holes, spells.good);
            self.hole = (start, start + around(&mut self.holes, spells.bad));
        }
        Some(self.hole)
    }

    /// The stall that lasts at `now`, or the next.
    fn stall_at(&mut self, now: f64) -> Option<(f64, f64)> {
        let (length, every) = self.bend.stall_us?;
        while self.stall.1 <= now {
            let start = self.stall.1 + around(&mut self.stalls, every);
            self.stall = (start, start + length);
        }
        Some(self.stall)
    }
}

/// As long as waits are that come by chance: exponential, with this mean.
fn around(chance: &mut Chance, mean: f64) -> f64 {
    -mean * (1.0 - chance.uniform()).ln()
}
