//! Hands the packets of two devices over, as a bad network would.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::bend::{Bend, Direction, Way};
use super::tun::Tun;

/// Packets on the way at most, each way: more than any line here holds within its queue.
const MOST_HELD: usize = 1 << 16;

/// Longest packet that a device sends, in bytes: its MTU is 1,500.
const MOST_BYTES: usize = 2048;

/// Packets that are kept for somebody who listens in: minutes of float32.
const MOST_OVERHEARD: usize = 1 << 18;

/// How long the forwarder sleeps at most: how soon it sees that it should end.
const LONGEST_SLEEP_US: u64 = 20_000;

/// What may be changed while packets pass.
#[derive(Debug)]
pub(crate) struct Orders {
    /// Datagrams of UDP to the listener are thrown away, as by a firewall.
    pub(crate) cuts_down: AtomicBool,
    /// Those from the listener are.
    pub(crate) cuts_up: AtomicBool,
    /// TCP to the listener stands still: its packets are lost.
    pub(crate) holds_tcp: AtomicBool,
    /// Longest packet that passes, in bytes: longer ones are lost without a word.
    pub(crate) most_bytes: AtomicUsize,
    /// All that passes is kept, as somebody on the same network may do.
    pub(crate) listens_in: AtomicBool,
    /// What was kept, both ways, in the order in which it set out.
    pub(crate) overheard: Mutex<Vec<Vec<u8>>>,
    is_over: AtomicBool,
}

/// What has passed so far, both ways.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passed {
    pub(crate) down: Traffic,
    pub(crate) up: Traffic,
    /// By how much a packet was handed over too late, at most, in µs: the machine's doing, and not the
    /// network's.
    pub(crate) late_us: u64,
}

/// What has passed one way: bytes with their headers of IP, as they set out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    pub(crate) tcp_bytes: u64,
    pub(crate) udp_bytes: u64,
}

impl Passed {
    /// What has passed since.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            down: self.down.since(before.down),
            up: self.up.since(before.up),
            late_us: self.late_us,
        }
    }
}

impl Traffic {
    fn since(self, before: Self) -> Self {
        Self {
            packets: self.packets - before.packets,
            lost: self.lost - before.lost,
            tcp_bytes: self.tcp_bytes - before.tcp_bytes,
            udp_bytes: self.udp_bytes - before.udp_bytes,
        }
    }
}

/// A thread that hands packets over until this value goes.
pub(crate) struct Forwarder {
    pub(crate) orders: Arc<Orders>,
    passed: Arc<Mutex<Passed>>,
    bend: Bend,
    since: Instant,
    thread: Option<JoinHandle<()>>,
}

impl Forwarder {
    pub(crate) fn start(bend: &Bend, pc: Tun, ear: Tun) -> Self {
        let orders = Arc::new(Orders {
            cuts_down: AtomicBool::new(false),
            cuts_up: AtomicBool::new(false),
            holds_tcp: AtomicBool::new(false),
            most_bytes: AtomicUsize::new(usize::MAX),
            listens_in: AtomicBool::new(false),
            overheard: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let passed = Arc::default();
        let since = Instant::now();
        let mut work = Work {
            down: Line::new(bend, Direction::Down),
            up: Line::new(bend, Direction::Up),
            pc,
            ear,
            since,
            orders: Arc::clone(&orders),
            passed: Arc::clone(&passed),
        };
        let thread = thread::spawn(move || work.run().unwrap());
        Self { orders, passed, bend: bend.clone(), since, thread: Some(thread) }
    }

    pub(crate) fn passed(&self) -> Passed {
        *self.passed.lock().unwrap()
    }

    /// The bad spells by time so far, down, each with its length, in µs.
    pub(crate) fn holes(&self) -> Vec<(u64, u64)> {
        Way::new(&self.bend, Direction::Down).holes(self.since.elapsed().as_micros() as u64)
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.orders.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

/// One way: what is on it, and when it arrives.
struct Line {
    direction: Direction,
    way: Way,
    /// By when each arrives, and then in the order in which they came.
    held: BTreeMap<(u64, u64), Vec<u8>>,
    came: u64,
}

impl Line {
    fn new(bend: &Bend, direction: Direction) -> Self {
        Self { direction, way: Way::new(bend, direction), held: BTreeMap::new(), came: 0 }
    }

    /// Takes what the device sends.
    fn take(
        &mut self,
        from: &mut Tun,
        now_us: u64,
        orders: &Orders,
        traffic: &mut Traffic,
    ) -> io::Result<()> {
        let mut packet = [0; MOST_BYTES];
        while let Some(length) = from.take(&mut packet)? {
            let packet = &packet[..length];
            let is_udp = protocol(packet) == Some(UDP);
            let bytes = if is_udp { &mut traffic.udp_bytes } else { &mut traffic.tcp_bytes };
            *bytes += length as u64;
            traffic.packets += 1;
            if orders.listens_in.load(Ordering::Relaxed) {
                let mut overheard = orders.overheard.lock().unwrap();
                if overheard.len() < MOST_OVERHEARD {
                    overheard.push(packet.to_vec());
                }
            }
            let cuts = match self.direction {
                Direction::Down => &orders.cuts_down,
                Direction::Up => &orders.cuts_up,
            };
            let is_down = matches!(self.direction, Direction::Down);
            let is_held = match is_udp {
                true => cuts.load(Ordering::Relaxed),
                false => is_down && orders.holds_tcp.load(Ordering::Relaxed),
            };
            let passes = !is_held
                && length <= orders.most_bytes.load(Ordering::Relaxed)
                && self.held.len() < MOST_HELD;
            let arrivals = self.way.send(now_us, length);
            if !passes || arrivals[0].is_none() {
                traffic.lost += 1;
                continue;
            }
            for due_us in arrivals.into_iter().flatten() {
                self.held.insert((due_us, self.came), packet.to_vec());
                self.came += 1;
            }
        }
        Ok(())
    }

    /// Gives what has arrived; by how much the last was late, in µs.
    fn give(&mut self, to: &mut Tun, now_us: u64) -> u64 {
        let mut late_us = 0;
        while let Some(next) = self.held.first_entry()
            && next.key().0 <= now_us
        {
            late_us = now_us - next.key().0;
            to.give(&next.remove());
        }
        late_us
    }

    fn next_us(&self) -> u64 {
        self.held.keys().next().map_or(u64::MAX, |(due_us, _)| *due_us)
    }
}

/// What the thread holds.
struct Work {
    down: Line,
    up: Line,
    pc: Tun,
    ear: Tun,
    since: Instant,
    orders: Arc<Orders>,
    passed: Arc<Mutex<Passed>>,
}

impl Work {
    fn run(&mut self) -> io::Result<()> {
        while !self.orders.is_over.load(Ordering::Relaxed) {
            let now_us = self.now_us();
            {
                let mut passed = self.passed.lock().unwrap();
                self.down.take(&mut self.pc, now_us, &self.orders, &mut passed.down)?;
                self.up.take(&mut self.ear, now_us, &self.orders, &mut passed.up)?;
            }
            let late_us = self.down.give(&mut self.ear, now_us);
            let late_us = self.up.give(&mut self.pc, now_us).max(late_us);
            {
                let mut passed = self.passed.lock().unwrap();
                passed.late_us = passed.late_us.max(late_us);
            }
            let next_us = self.down.next_us().min(self.up.next_us());
            let sleep_us = next_us.saturating_sub(self.now_us()).min(LONGEST_SLEEP_US);
            let sleep = Timespec::try_from(Duration::from_micros(sleep_us)).unwrap();
            let mut devices = [
                PollFd::from_borrowed_fd(self.pc.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.ear.as_fd(), PollFlags::IN),
            ];
            match poll(&mut devices, Some(&sleep)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn now_us(&self) -> u64 {
        self.since.elapsed().as_micros() as u64
    }
}

/// The number of UDP among the protocols over IP.
const UDP: u8 = 17;

/// What a packet of IP carries. Fragments behind the first count as well.
fn protocol(packet: &[u8]) -> Option<u8> {
    match packet.first()? >> 4 {
        4 => packet.get(9).copied(),
        6 => packet.get(6).copied(),
        _ => None,
    }
}
