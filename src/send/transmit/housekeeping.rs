//! Finds who has to leave, and tells what the room looks like.

use std::time::Duration;

use log::{debug, info};
use mio::Events;

use super::keys::Keys;
use super::knocking::UNANSWERED;
use super::people::Gathering;
use super::{HOUSEKEEPING_US, Snapshot, TURN_US, Transmit};
use crate::error::Result;
use crate::send::fanout::{DatagramPath, Listener, Overdue, Own, Talker};
use crate::stats::{ListenerStats, PersonStats, Via};
use crate::threads::cpu_us;
use crate::wire::{Notice, Reason};

/// How often the state of every listener is handed out.
const SNAPSHOT_US: u64 = 1_000_000;

/// How long the last words may take when the server stops.
const STOP_WITHIN: Duration = Duration::from_millis(500);

impl Transmit {
    pub(super) fn keep_house(&mut self) {
        let now = self.clock.now_us();
        if now.saturating_sub(self.housekeeping_us) < HOUSEKEEPING_US {
            return;
        }
        self.housekeeping_us = now;
        self.look_at_captured(now);
        self.look_at_upstreams();
        self.keep_web_house(now);
        self.keep_datagrams(now);
        if let Some(untold) = self.hearsay.untold(now) {
            info!("and {untold} more came and went");
        }
        let listeners = self.seats.iter().flatten().map(|seat| &seat.listener);
        let used = listeners.flat_map(|one| one.hears().into_iter().chain(one.awaits()));
        self.in_use.set(used);
        for index in 0..self.seats.len() {
            let Some(Some(seat)) = self.seats.get_mut(index) else {
                continue;
            };
            match seat.listener.overdue(now) {
                None => {}
                Some(Overdue::Stalled) => self.leave(index, "took nothing for 10 s"),
                Some(Overdue::HalfHello) => {
                    let text = "no whole hello came within 5 s";
                    self.close_for_violation(index, text, now);
                    self.touch(index);
                }
                Some(Overdue::Unanswered) => self.turn_away(index, UNANSWERED),
                Some(Overdue::Refused) => {
                    seat.listener.close_full(now);
                    self.touch(index);
                }
                Some(Overdue::Closed) => self.leave(index, "was closed"),
            }
        }
    }

    /// Listeners on this machine must come again when another output is captured, because one of
    /// them may play on it.
    fn look_at_captured(&mut self, now: u64) {
        let captured = self.room.captured.list();
        let is_known = |output: &String| self.captured.contains(output);
        let are_known = captured.iter().all(is_known);
        self.captured = captured;
        if are_known {
            return;
        }
        for index in 0..self.seats.len() {
            if let Some(Some(seat)) = self.seats.get_mut(index)
                && seat.is_on_this_machine()
                && !seat.listener.id.is_empty()
            {
                seat.listener.close(Reason::Captured, "another output is captured now", now);
                self.touch(index);
            }
        }
    }

    /// Everybody is told when the sound comes through other servers: somebody among them may send it to one of these.
    fn look_at_upstreams(&mut self) {
        let via = self.room.upstreams.list();
        if via == self.via {
            return;
        }
        self.via.clone_from(&via);
        let text = "the sound comes through other servers than before";
        self.tell_all(&Notice { via, ..Notice::because(Reason::Via, text) });
    }

    /// Hands the state out when it is time to.
    pub(super) fn tell_state(&mut self) {
        let now = self.clock.now_us();
        if now.saturating_sub(self.snapshot_us) >= SNAPSHOT_US {
            self.snapshot_us = now;
            // Nobody has taken the last one: they are not interested in every second.
            let _ = self.snapshots.try_send(self.snapshot(now));
        }
    }

    pub(super) fn snapshot(&self, now_us: u64) -> Snapshot {
        let seats = self.seats.iter().flatten().filter(|seat| seat.listener.is_inside());
        let listeners = seats
            .map(|seat| {
                let listener = &seat.listener;
                let counts = listener.outbox.counts();
                let path = listener.path.as_ref().map(DatagramPath::counts).unwrap_or_default();
                ListenerStats {
                    address: listener.peer,
                    name: listener.name.clone(),
                    version: listener.version,
                    via: match (listener.is_browser(), listener.is_by_datagram()) {
                        (true, _) if seat.says_by.is_some() => Via::Fetch,
                        (true, _) => Via::WebSocket,
                        (false, true) => Via::Udp,
                        (false, false) => Via::Tcp,
                    },
                    codec: listener.codec,
                    connected_s: now_us.saturating_sub(listener.since_us) as f64 / 1e6,
                    queued: listener.outbox.queued(Own::read_or(
                        listener.own.as_ref(),
                        &self.logs[listener.codec.index()],
                    )),
                    frames: counts.frames,
                    bytes: counts.bytes + path.bytes,
                    datagrams: path.datagrams,
                    resent: path.resent,
                    resent_refused: path.resent_refused,
                    dropped_full: counts.dropped_full + path.dropped_full,
                    dropped_old: counts.dropped_old + path.dropped_old,
                    report: listener.report,
                    person: listener.person.map(|number| person(number, listener, now_us)),
                }
            })
            .collect();
        Snapshot {
            listeners,
            playout_delay_ms: self.room.welcome.playout_delay_ms,
            full: self.is_full(self.seated()),
            waiting: self.waiting_people(now_us),
            code: self.shown_code(now_us),
            members: self.keys.as_ref().map(Keys::members),
            dropped_before: self.dropped_before,
            talk_refused: self.gathering.as_ref().map_or(0, Gathering::refused),
            cpu_ms: cpu_us().map_or(0.0, |us| us as f64 / 1e3),
        }
    }

    /// Forgets a connection. What else was due to it goes with it.
    pub(super) fn leave(&mut self, index: usize, how: &str) {
        let Some(mut seat) = self.seats.get_mut(index).and_then(Option::take) else {
            return;
        };
        let _ = self.poll.registry().deregister(seat.line.socket_mut());
        self.free.push(index);
        self.at_door.go(index);
        self.note_due(index);
        self.end_try_of(index);
        self.guests.answer(index);
        self.forget(seat.listener.person, index);
        if let (Some(datagrams), Some(path)) = (&mut self.datagrams, &seat.listener.path) {
            datagrams.forget(&path.token);
        }
        self.close_channel(seat.channel);
        let counts = seat.listener.outbox.counts();
        let path = seat.listener.path.as_ref().map(DatagramPath::counts).unwrap_or_default();
        self.dropped_before += counts.dropped_full + counts.dropped_old;
        self.dropped_before += path.dropped_full + path.dropped_old;
        let now = self.clock.now_us();
        if let (Some(keys), Some(member)) = (&mut self.keys, &seat.listener.member) {
            keys.was_there(&member.key, now);
        }
        let account = seat.listener.account(now);
        let has_listened = counts.frames > 0 || !seat.listener.id.is_empty();
        if has_listened && self.hearsay.may_tell(now) {
            info!("{} {how} {account}", seat.listener.label());
        } else {
            debug!("{} {how} {account}", seat.listener.label());
        }
    }

    /// Says to everybody that the server stops, for as long as that may take.
    pub(super) fn say_goodbye(mut self, events: &mut Events) -> Result<()> {
        let now = self.clock.now_us();
        let until = now + u64::try_from(STOP_WITHIN.as_micros()).unwrap_or(u64::MAX);
        for index in 0..self.seats.len() {
            if let Some(Some(seat)) = self.seats.get_mut(index)
                && !seat.listener.is_leaving()
            {
                seat.listener.close(Reason::Stopping, "the server was stopped", now);
                self.write(index);
            }
        }
        while self.seats.iter().any(Option::is_some) && self.clock.now_us() < until {
            self.turn(events, Some(Duration::from_millis(20)), TURN_US)?;
        }
        for index in 0..self.seats.len() {
            self.leave(index, "was told goodbye");
        }
        Ok(())
    }
}

fn person(number: u32, listener: &Listener, now_us: u64) -> PersonStats {
    let talk = listener.talker.as_ref().map(Talker::counts).unwrap_or_default();
    PersonStats {
        number,
        can_talk: listener.talker.is_some(),
        is_muted: listener.is_unheard(),
        is_deaf: listener.is_deaf,
        is_speaking: listener.is_speaking(now_us),
        talk_frames: talk.frames,
        talk_dropped: talk.dropped,
    }
}
