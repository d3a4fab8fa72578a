//! A bad network to try things on: what comes is held back, lost or spoilt, as `--simulate` says.
//!
//! Pure: time, bytes and the seed are arguments, and one seed gives one schedule. Bytes of TCP keep
//! their order, and only whole frames of sound are lost, before they are decoded. Datagrams are lost
//! whole, and those that come keep their order too, as on Wi-Fi.

use std::collections::VecDeque;

use crate::chance::{Chance, spread};
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

/// Bytes of a datagram that its receiver does not see, and that take room and time on the way: the
/// headers of IPv4 and UDP.
const DATAGRAM_HEADERS: usize = 28;

/// What the schedules of one seed are told apart by.
const FOR_DELIVERY: u64 = 1;
const FOR_LOSS: u64 = 2;
const FOR_NOISE: u64 = 3;
const FOR_STALLS: u64 = 4;
const FOR_BURSTS: u64 = 5;

/// The way here of one connection, and of the datagrams that belong to it.
#[derive(Debug)]
pub struct Network {
    simulation: Simulation,
    delivery: Chance,
    loss: Chance,
    noise: Chance,
    stream: Way,
    datagrams: Way,
    most_held: usize,
    /// When the line has carried all that it was given, in µs.
    free_us: f64,
    /// When the bytes of TCP that came last had set out, in µs.
    came_from_us: u64,
}

/// What is on its way in order.
#[derive(Debug, Default)]
struct Way {
    held: VecDeque<Held>,
    /// How much room that takes.
    bytes: usize,
    /// When the last part arrives, in µs: no later one comes sooner.
    last_us: u64,
}

/// What travels together.
#[derive(Debug)]
struct Held {
    set_out_us: u64,
    arrives_us: u64,
    bytes: Vec<u8>,
}

impl Network {
    /// Makes the network of the `number`th connection of a run.
    #[must_use]
    pub fn new(simulation: &Simulation, number: u64) -> Self {
        let random = |what| Chance::new(spread(simulation.seed ^ spread(number << 8 | what)));
        let most_held = simulation.bits_per_us.map_or(MOST_HELD, |rate| {
            let longest_us = ROUTER_US + simulation.delay_us + simulation.jitter_us;
            ((rate * longest_us / 8.0) as usize).clamp(LEAST_HELD, MOST_HELD)
        });
        Self {
            delivery: random(FOR_DELIVERY),
            loss: random(FOR_LOSS),
            noise: random(FOR_NOISE),
            simulation: simulation.clone(),
            stream: Way::default(),
            datagrams: Way::default(),
            most_held,
            free_us: 0.0,
            came_from_us: 0,
        }
    }

    /// Bytes that may be on the way at once.
    #[must_use]
    pub fn most_held(&self) -> usize {
        self.most_held
    }

    /// Whether more bytes of TCP may set out.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.stream.bytes < self.most_held
    }

    /// Whether no bytes of TCP are on the way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stream.held.is_empty()
    }

    /// Bytes of TCP set out at `now_us`.
    pub fn take(&mut self, now_us: u64, bytes: &[u8]) {
        // What was sent together is late together.
        let late_us = self.late_us();
        for packet in bytes.chunks(PACKET) {
            let due_us = self.carried_us(now_us, packet.len()) + late_us;
            let arrives_us = self.past_stall((due_us.round() as u64).max(self.stream.last_us));
            self.stream.send(
                packet.len(),
                Held { set_out_us: now_us, arrives_us, bytes: packet.to_vec() },
            );
        }
    }

    /// The next bytes of TCP that have arrived by `now_us`.
    pub fn give(&mut self, now_us: u64) -> Option<Vec<u8>> {
        let came = self.stream.arrive(now_us)?;
        self.stream.bytes -= came.bytes.len();
        self.came_from_us = came.set_out_us;
        Some(came.bytes)
    }

    /// A datagram sets out at `now_us`. It is lost by chance, within a burst, and where the router
    /// in front of a slow line has no room for it.
    pub fn take_datagram(&mut self, now_us: u64, datagram: &[u8]) {
        let is_lost = self.is_lost_at(now_us);
        let late_us = self.late_us();
        let size = datagram.len() + DATAGRAM_HEADERS;
        let has_room =
            self.free_us - now_us as f64 <= ROUTER_US && self.datagrams.bytes + size <= MOST_HELD;
        if is_lost || !has_room {
            return;
        }
        let due_us = self.carried_us(now_us, size) + late_us;
        let arrives_us = self.past_stall((due_us.round() as u64).max(self.datagrams.last_us));
        let bytes = datagram.to_vec();
        self.datagrams.send(size, Held { set_out_us: now_us, arrives_us, bytes });
    }

    /// The next datagram that has arrived by `now_us`.
    pub fn give_datagram(&mut self, now_us: u64) -> Option<Vec<u8>> {
        let came = self.datagrams.arrive(now_us)?;
        self.datagrams.bytes -= came.bytes.len() + DATAGRAM_HEADERS;
        Some(came.bytes)
    }

    /// When something arrives next, bytes of TCP or a datagram, in µs.
    #[must_use]
    pub fn next_us(&self) -> Option<u64> {
        let next = |way: &Way| way.held.front().map(|held| held.arrives_us);
        [&self.stream, &self.datagrams].into_iter().filter_map(next).min()
    }

    /// Whether the next frame of sound is lost, of which the last bytes came just now by TCP.
    pub fn loses_frame(&mut self) -> bool {
        self.is_lost_at(self.came_from_us)
    }

    /// Whether chance or a burst takes what sets out then.
    fn is_lost_at(&mut self, set_out_us: u64) -> bool {
        let is_unlucky = self.loss.uniform() < self.simulation.loss;
        let burst = self.pause_end(self.simulation.burst_us, FOR_BURSTS, set_out_us);
        is_unlucky || burst.is_some()
    }

    /// By how much something comes later than the line carried it.
    fn late_us(&mut self) -> f64 {
        self.simulation.delay_us + self.delivery.uniform() * self.simulation.jitter_us
    }

    /// When the line has carried so many bytes more.
    fn carried_us(&mut self, now_us: u64, bytes: usize) -> f64 {
        let Some(rate) = self.simulation.bits_per_us else {
            return now_us as f64;
        };
        self.free_us = self.free_us.max(now_us as f64) + bytes as f64 * 8.0 / rate;
        self.free_us
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

    /// The end of the stall in which `at_us` lies, or itself.
    fn past_stall(&self, at_us: u64) -> u64 {
        self.pause_end(self.simulation.stall_us, FOR_STALLS, at_us).unwrap_or(at_us)
    }

    /// The end of the stall or burst in which `at_us` lies, if it does. There is one in each period,
    /// at a moment of its own.
    fn pause_end(&self, pause_us: Option<(u64, u64)>, what: u64, at_us: u64) -> Option<u64> {
        let (length_us, period_us) = pause_us?;
        let number = at_us / period_us;
        let place =
            Chance::new(spread(self.simulation.seed ^ spread(number << 8 | what))).uniform();
        let start_us = number * period_us + (place * (period_us - length_us) as f64) as u64;
        let end_us = start_us + length_us;
        (start_us..end_us).contains(&at_us).then_some(end_us)
    }
}

impl Way {
    /// What takes so much room sets out.
    fn send(&mut self, size: usize, held: Held) {
        self.last_us = held.arrives_us;
        self.bytes += size;
        self.held.push_back(held);
    }

    /// What has arrived next by `now_us`.
    fn arrive(&mut self, now_us: u64) -> Option<Held> {
        let has_arrived = self.held.front().is_some_and(|held| held.arrives_us <= now_us);
        if has_arrived { self.held.pop_front() } else { None }
    }
}

#[cfg(test)]
mod tests;
