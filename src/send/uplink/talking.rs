//! Where an origin's engine, its mix and its network loop meet about people: moves what one says to the others.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

use super::far_people::FarOnes;
use crate::engine::uplink::{Heard, Uplink};
use crate::send::presence::Message;
use crate::send::to_edges::ToEdge;
use crate::send::transmit::{Elsewhere, Handle};
use crate::wire::Person;

/// Everybody is told of people no more often, in µs: soon enough to see who has begun to speak.
const TOLD_EVERY_US: u64 = 100_000;

/// What a server gives its uplink where people may speak.
pub(in crate::send) struct People {
    /// The mix.
    pub(in crate::send) mixer: SyncSender<Message>,
    /// The network loop, and what it says of those who can talk here.
    pub(in crate::send) network: Handle,
    pub(in crate::send) lists: Receiver<Vec<Person>>,
    /// Most people who may talk at a time.
    pub(in crate::send) max_talkers: u32,
}

/// The people of a room, here and at edges.
pub(super) struct Talking {
    people: People,
    /// What the mix has for people at edges.
    orders: Receiver<ToEdge>,
    far: FarOnes,
    here: Vec<Person>,
    told: Elsewhere,
    told_us: u64,
}

impl Talking {
    pub(super) fn new(people: People, orders: Receiver<ToEdge>) -> Self {
        let (far, told) = (FarOnes::default(), Elsewhere::default());
        Self { people, orders, far, here: Vec::new(), told, told_us: 0 }
    }

    /// Takes what an edge says of people.
    pub(super) fn hear(&mut self, heard: Heard<'_>, now_us: u64) {
        match heard {
            Heard::People { run, people } => {
                let may_talk = self.people.max_talkers as usize;
                let may_talk = may_talk.saturating_sub(self.here.len());
                self.far.note(run, people, may_talk, now_us);
            }
            Heard::Voice { run, person, frame } => {
                if let Some(said) = self.far.said(run, person, frame, now_us) {
                    // A mix that is too busy counts what it misses of those here; this is as much of a loss.
                    let _ = self.people.mixer.try_send(said);
                }
            }
        }
    }

    /// Moves what waits. So many listen here.
    pub(super) fn turn(&mut self, uplink: &mut Uplink, listening_here: u32, now_us: u64) {
        let Self { people, orders, far, here, .. } = self;
        if let Some(list) = people.lists.try_iter().last() {
            *here = list;
        }
        for order in orders.try_iter() {
            match order {
                ToEdge::Frame(person, frame) => {
                    if let Some((run, there)) = far.whose(person) {
                        uplink.take_own(run, there, frame);
                    }
                }
                ToEdge::Silence(person) => far.silence(person),
            }
        }
        far.forget(now_us);
        far.tell(|message| !matches!(people.mixer.try_send(message), Err(TrySendError::Full(_))));
        if now_us < self.told_us + TOLD_EVERY_US {
            return;
        }
        self.told_us = now_us;
        let there: u64 = uplink.edges(now_us).map(|edge| u64::from(edge.listeners)).sum();
        let most = people.max_talkers;
        let elsewhere = far.elsewhere(there, most, now_us);
        if elsewhere != self.told && people.network.set_elsewhere(elsewhere.clone()) {
            self.told = elsewhere;
        }
        let listening = there + u64::from(listening_here);
        uplink.tell_everybody(far.everybody(here, listening, most, now_us));
    }

    /// So many may talk at a time from now on, of those who come.
    pub(super) fn set_max_talkers(&mut self, max_talkers: u32) {
        self.people.max_talkers = max_talkers;
    }
}
