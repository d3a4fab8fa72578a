//! A bad network to try things on: what comes is held back, lost or spoilt, as `--simulate` says.
//!
//! Pure: time, bytes and the seed are arguments, and one seed gives one schedule. Bytes keep their
//! order, as on TCP; only whole frames of sound are lost, before they are decoded.

use std::collections::VecDeque;

use crate::settings::Simulation;

/// Bytes that travel together: what an Ethernet packet carries of a TCP connection.
const PACKET: usize = 1448;

/// A router in front of a slow line holds this much of it back, in µs, before its sender notices.
const ROUTER_US: f64 = 200_000.0;

/// Bytes on the way at most, where no rate says less: a receiver's usual window. Whoever has no
/// room does not read, and the sender feels it.
const MOST_HELD: usize = 4 << 20;

/// Bytes that a simulated network holds at least, whatever the rate.
const LEAST_HELD: usize = 16 << 10;

/// What the schedules of one seed are told apart by.
const FOR_DELIVERY: u64 = 1;
const FOR_LOSS: u64 = 2;
const FOR_NOISE: u64 = 3;
const FOR_STALLS: u64 = 4;

/// The way here of one connection.
#[derive(Debug)]
pub struct Network {
    simulation: Simulation,
    delivery: Random,
    loss: Random,
    noise: Random,
    /// What is on its way, and when each part arrives, in µs.
    held: VecDeque<(u64, Vec<u8>)>,
    held_bytes: usize,
    most_held: usize,
    /// When the line has carried all that it was given, in µs.
    free_us: f64,
    /// When the last part arrives: no later one comes sooner.
    last_us: u64,
}

impl Network {
    /// Makes the network of the `number`th connection of a run.
    #[must_use]
    pub fn new(simulation: &Simulation, number: u64) -> Self {
        let random = |what| Random(mix(simulation.seed ^ mix(number << 8 | what)));
        let most_held = simulation.bits_per_us.map_or(MOST_HELD, |rate| {
            let longest_us = ROUTER_US + simulation.delay_us + simulation.jitter_us;
            ((rate * longest_us / 8.0) as usize).clamp(LEAST_HELD, MOST_HELD)
        });
        Self {
            delivery: random(FOR_DELIVERY),
            loss: random(FOR_LOSS),
            noise: random(FOR_NOISE),
            simulation: simulation.clone(),
            held: VecDeque::new(),
            held_bytes: 0,
            most_held,
            free_us: 0.0,
            last_us: 0,
        }
    }

    /// Bytes that may be on the way at once.
    #[must_use]
    pub fn most_held(&self) -> usize {
        self.most_held
    }

    /// Whether more may set out.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.held_bytes < self.most_held
    }

    /// Whether nothing is on the way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Bytes set out at `now_us`.
    pub fn take(&mut self, now_us: u64, bytes: &[u8]) {
        // What was sent together is late together.
        let late_us =
            self.simulation.delay_us + self.delivery.uniform() * self.simulation.jitter_us;
        for packet in bytes.chunks(PACKET) {
            let sent_us = match self.simulation.bits_per_us {
                None => now_us as f64,
                Some(rate) => {
                    self.free_us =
                        self.free_us.max(now_us as f64) + packet.len() as f64 * 8.0 / rate;
                    self.free_us
                }
            };
            let due_us = ((sent_us + late_us).round() as u64).max(self.last_us);
            self.last_us = self.past_stall(due_us);
            self.held.push_back((self.last_us, packet.to_vec()));
            self.held_bytes += packet.len();
        }
    }

    /// The next bytes that have arrived by `now_us`.
    pub fn give(&mut self, now_us: u64) -> Option<Vec<u8>> {
        let (due_us, _) = self.held.front()?;
        if *due_us > now_us {
            return None;
        }
        let (_, bytes) = self.held.pop_front()?;
        self.held_bytes -= bytes.len();
        Some(bytes)
    }

    /// When the next bytes arrive, in µs.
    #[must_use]
    pub fn next_us(&self) -> Option<u64> {
        self.held.front().map(|(due_us, _)| *due_us)
    }

    /// Whether the next frame of sound is lost.
    pub fn loses_frame(&mut self) -> bool {
        self.loss.uniform() < self.simulation.loss
    }

    /// Adds to decoded samples what the quality lacks: noise that is as much quieter than they are
    /// as the simulation says, so that silence stays silent.
    pub fn add_noise(&mut self, samples: &mut [f32]) {
        let Some(share) = self.simulation.noise else {
            return;
        };
        let power: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        let level = (power / samples.len().max(1) as f64).sqrt() * share;
        // Uniform noise within ±√3 has the level 1.
        let widest = level * 3.0_f64.sqrt();
        for sample in samples {
            *sample += ((self.noise.uniform() * 2.0 - 1.0) * widest) as f32;
        }
    }

    /// The end of the stall in which `at_us` lies, or itself. There is one stall in each period, at
    /// a moment of its own.
    fn past_stall(&self, at_us: u64) -> u64 {
        let Some((length_us, period_us)) = self.simulation.stall_us else {
            return at_us;
        };
        let number = at_us / period_us;
        let place = Random(mix(self.simulation.seed ^ mix(number << 8 | FOR_STALLS))).uniform();
        let start_us = number * period_us + (place * (period_us - length_us) as f64) as u64;
        if (start_us..start_us + length_us).contains(&at_us) { start_us + length_us } else { at_us }
    }
}

/// Numbers that look like chance and are the same for the same seed: SplitMix64.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    /// A random number from 0 up to 1.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mix(self.0) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Spreads every bit over all others.
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests;
