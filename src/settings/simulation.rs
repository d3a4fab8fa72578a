//! What `--simulate` says.

use std::fmt;
use std::str::FromStr;

/// What all words look like, for somebody who wrote another.
const WORDS: &str = "it can be, separated by commas: loss=2%, delay=20ms, jitter=30ms, rate=2mbit, \
                     stall=500ms/30s, burst=60ms/3s, quality=50%, seed=7";

/// Longest delay, jitter, stall and burst, in µs: what is later than that nobody waits for.
const LONGEST_US: f64 = 10e6;

/// Longest time from one stall or burst to the next, in µs.
const LONGEST_PERIOD_US: f64 = 3600e6;

/// Slowest and fastest line, in bits per µs: 8 kbit/s, 10 Gbit/s.
const SLOWEST: f64 = 0.008;
const FASTEST: f64 = 10_000.0;

/// Noise lies this many dB below the sound for each per cent of quality: half the quality is 30 dB,
/// which everybody hears, and 99 % is 59 dB, which hardly anybody does.
const DB_PER_PERCENT: f64 = 0.6;

/// A bad network.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// As it was written.
    text: String,
    /// Share of the frames of sound that are lost.
    pub(crate) loss: f64,
    pub(crate) delay_us: f64,
    /// How much later than that bytes come, at most.
    pub(crate) jitter_us: f64,
    /// How fast the line is.
    pub(crate) bits_per_us: Option<f64>,
    /// How long all that comes is held back, and once in how long.
    pub(crate) stall_us: Option<(u64, u64)>,
    /// How long all sound that sets out is lost, and once in how long.
    pub(crate) burst_us: Option<(u64, u64)>,
    /// How loud noise is, as a share of the sound.
    pub(crate) noise: Option<f64>,
    pub(crate) seed: u64,
}

impl FromStr for Simulation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut simulation = Self {
            text: text.replace(',', ", "),
            loss: 0.0,
            delay_us: 0.0,
            jitter_us: 0.0,
            bits_per_us: None,
            stall_us: None,
            burst_us: None,
            noise: None,
            seed: 1,
        };
        for word in text.split(',').map(str::trim) {
            let wrong = || format!("“{word}” says nothing of a network; {WORDS}");
            let (key, value) = word.split_once('=').ok_or_else(wrong)?;
            let is_taken = simulation.take(key, value).ok_or_else(wrong)?;
            if !is_taken {
                return Err(format!("{key} cannot be {value}; {}", range(key)));
            }
        }
        Ok(simulation)
    }
}

impl Simulation {
    /// Takes a word; whether its value can be. `None` for one that is none.
    fn take(&mut self, key: &str, value: &str) -> Option<bool> {
        match key {
            "loss" => {
                self.loss = percent(value)? / 100.0;
                Some((0.0..=1.0).contains(&self.loss))
            }
            "quality" => {
                let quality = percent(value)?;
                self.noise = Some(10_f64.powf(-quality * DB_PER_PERCENT / 20.0));
                if quality >= 100.0 {
                    self.noise = None;
                }
                Some((0.0..=100.0).contains(&quality))
            }
            "delay" => {
                self.delay_us = micros(value)?;
                Some(self.delay_us <= LONGEST_US)
            }
            "jitter" => {
                self.jitter_us = micros(value)?;
                Some(self.jitter_us <= LONGEST_US)
            }
            "rate" => {
                let rate = bits_per_us(value)?;
                self.bits_per_us = Some(rate);
                Some((SLOWEST..=FASTEST).contains(&rate))
            }
            "stall" => {
                let (pause, can_be) = pause(value)?;
                self.stall_us = Some(pause);
                Some(can_be)
            }
            "burst" => {
                let (pause, can_be) = pause(value)?;
                self.burst_us = Some(pause);
                Some(can_be)
            }
            "seed" => {
                self.seed = value.parse().ok()?;
                Some(true)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn range(key: &str) -> &'static str {
    match key {
        "loss" | "quality" => "it can be 0% to 100%",
        "rate" => "it can be 8kbit to 10000mbit",
        "stall" | "burst" => {
            "it can be up to 10s, and shorter than what comes behind the /, which can be up to 3600s"
        }
        _ => "it can be 0ms to 10s",
    }
}

/// A number with one of these units behind it, in the first one's.
fn number(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    units.iter().find_map(|(unit, factor)| {
        let digits = text.strip_suffix(unit)?;
        let is_plain = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
        let number: f64 = digits.parse().ok().filter(|_| is_plain)?;
        Some(number * factor)
    })
}

/// A length and a period, both in µs, and whether they can be.
fn pause(text: &str) -> Option<((u64, u64), bool)> {
    let (length, period) = text.split_once('/')?;
    let (length, period) = (micros(length)?, micros(period)?);
    let is_short = (1.0..=LONGEST_US).contains(&length);
    let can_be = is_short && length < period && period <= LONGEST_PERIOD_US;
    Some(((length as u64, period as u64), can_be))
}

fn percent(text: &str) -> Option<f64> {
    number(text, &[("%", 1.0)])
}

fn micros(text: &str) -> Option<f64> {
    number(text, &[("ms", 1e3), ("s", 1e6)])
}

fn bits_per_us(text: &str) -> Option<f64> {
    number(text, &[("kbit", 1e-3), ("mbit", 1.0)])
}
