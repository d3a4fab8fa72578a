//! One network adapter and IP version: what was said there, and when something is to be said.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::records::{Say, Set};

/// The name is asked for three times, a quarter of a second apart (RFC 6762, section 8.1).
const PROBES: u8 = 3;
const BETWEEN_PROBES: Duration = Duration::from_millis(250);

/// A server is announced twice, a second apart (RFC 6762, section 8.3).
const AGAIN: Duration = Duration::from_secs(1);

/// Nothing is said to all more often than once a second, or, to somebody who asks for our name, four
/// times (RFC 6762, section 6).
const SAME_AGAIN: Duration = Duration::from_secs(1);
const SAME_TO_PROBE: Duration = Duration::from_millis(250);

/// Answers to one asker alone, a second: enough for a house, and little for somebody who asks in
/// another's name.
const ALONE_A_SECOND: u8 = 20;

/// An adapter, by the system's number for it, and the IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    /// The system's number of the adapter.
    pub adapter: u32,
    /// Whether IPv6 is spoken, in place of IPv4.
    pub ipv6: bool,
}

/// An address of this PC, and how much of it the whole network shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Local {
    /// The address.
    pub ip: IpAddr,
    /// Bits at its begin that are the network's: 0 to 32, or 0 to 128.
    pub prefix: u8,
}

impl Local {
    /// Whether `other` is on the same network.
    #[must_use]
    pub fn is_beside(&self, other: IpAddr) -> bool {
        match (self.ip, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = (own.to_bits() ^ other.to_bits()).leading_zeros();
                differ >= u32::from(self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = (own.to_bits() ^ other.to_bits()).leading_zeros();
                differ >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

/// How far the name is ours here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It was asked for so often, and is again at that time.
    Probing { sent: u8, at: Duration },
    /// It is. What is said without a question is said once more at that time.
    Ours { again: Option<Duration> },
}

/// What is to be done on a link.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Probe,
    Say(Set),
}

/// The state of one link. Its size does not depend on what others say.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) addresses: Vec<Local>,
    phase: Phase,
    /// When what is to be said, and when it was last said, to all.
    wanted: [Option<Duration>; Say::ALL.len()],
    said: [Option<Duration>; Say::ALL.len()],
    /// Answers to one asker in the second that began then.
    alone: (Duration, u8),
}

impl Link {
    /// A link that begins to ask for the name at `at`.
    pub(super) fn new(addresses: Vec<Local>, at: Duration) -> Self {
        Self {
            addresses,
            phase: Phase::Probing { sent: 0, at },
            wanted: [None; Say::ALL.len()],
            said: [None; Say::ALL.len()],
            alone: (at, 0),
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        matches!(self.phase, Phase::Ours { .. })
    }

    pub(super) fn ips(&self) -> Vec<IpAddr> {
        self.addresses.iter().map(|local| local.ip).collect()
    }

    /// Whether that address is on this link.
    pub(super) fn is_beside(&self, from: SocketAddr) -> bool {
        let is_link_local = matches!(from.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local());
        is_link_local || self.addresses.iter().any(|local| local.is_beside(from.ip()))
    }

    /// Asks for the name, from `at` on.
    pub(super) fn probe(&mut self, at: Duration) {
        self.phase = Phase::Probing { sent: 0, at };
        self.wanted = [None; Say::ALL.len()];
    }

    /// Wants that said at `at`, or as soon after it as may be.
    pub(super) fn want(&mut self, say: Say, at: Duration, to_probe: bool) {
        let pause = if to_probe { SAME_TO_PROBE } else { SAME_AGAIN };
        let at = self.said[say as usize].map_or(at, |said| at.max(said + pause));
        let wanted = &mut self.wanted[say as usize];
        *wanted = Some(wanted.map_or(at, |already| already.min(at)));
    }

    /// Announces all, twice, if the name is ours.
    pub(super) fn announce(&mut self, now: Duration) {
        if let Phase::Ours { again } = &mut self.phase {
            *again = Some(now + AGAIN);
            Say::ANNOUNCED.iter().for_each(|say| self.want(say, now, false));
        }
    }

    /// Whether one more asker may be answered alone.
    pub(super) fn may_answer_alone(&mut self, now: Duration) -> bool {
        if now.saturating_sub(self.alone.0) >= Duration::from_secs(1) {
            self.alone = (now, 0);
        }
        self.alone.1 += u8::from(self.alone.1 < ALONE_A_SECOND + 1);
        self.alone.1 <= ALONE_A_SECOND
    }

    /// What was to be said could not leave: it is tried again a second later.
    pub(super) fn failed(&mut self, now: Duration) {
        match &mut self.phase {
            Phase::Probing { .. } => self.probe(now + AGAIN),
            Phase::Ours { again } => *again = Some(now + AGAIN),
        }
    }

    /// When there is something to do next.
    pub(super) fn next(&self) -> Option<Duration> {
        match self.phase {
            Phase::Probing { at, .. } => Some(at),
            Phase::Ours { again } => self.wanted.iter().flatten().copied().chain(again).min(),
        }
    }

    /// What is to be done now, and counts as done. Ask until there is nothing.
    pub(super) fn due(&mut self, now: Duration) -> Option<Due> {
        match &mut self.phase {
            Phase::Probing { at, .. } if *at > now => return None,
            Phase::Probing { sent, at } if *sent < PROBES => {
                *sent += 1;
                *at = now + BETWEEN_PROBES;
                return Some(Due::Probe);
            }
            Phase::Probing { .. } => {
                self.phase = Phase::Ours { again: None };
                self.announce(now);
            }
            Phase::Ours { again } if again.is_some_and(|at| at <= now) => {
                *again = None;
                Say::ANNOUNCED.iter().for_each(|say| self.want(say, now, false));
            }
            Phase::Ours { .. } => {}
        }
        let mut set = Set::default();
        for say in Say::ALL {
            if self.wanted[say as usize].is_some_and(|at| at <= now) {
                set.insert(say);
            }
        }
        self.mark(set, now);
        (!set.is_empty()).then_some(Due::Say(set))
    }

    /// What may be added to `set` for all, which counts as said.
    pub(super) fn added_to(&mut self, set: Set, now: Duration) -> Set {
        let mut added = Set::default();
        for say in set.followed_by().iter() {
            if self.said[say as usize].is_none_or(|said| said + SAME_AGAIN <= now) {
                added.insert(say);
            }
        }
        self.mark(added, now);
        added
    }

    fn mark(&mut self, set: Set, now: Duration) {
        for say in set.iter() {
            self.wanted[say as usize] = None;
            self.said[say as usize] = Some(now);
        }
    }
}
