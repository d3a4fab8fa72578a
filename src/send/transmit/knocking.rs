//! Those who wait to be let into a private room: what they are told, and what becomes of them.

use std::net::SocketAddr;

use log::info;

use super::Transmit;
use super::guests::{Guests, Knock, Knocked};
use super::private::short;
use crate::secure::handshake::Asked;
use crate::send::guest::Guest;
use crate::stats::WaitingStats;
use crate::wire::{Hello, Reason};

/// What those are told who wait.
const WAITING: &str = "whoever runs this room is asked whether you may come in";

/// What those are told who are not let in.
const REFUSED: &str = "whoever runs this room does not let you in";

/// What those are told whom nobody answers.
pub(super) const UNANSWERED: &str = "nobody answered: ask whoever runs this room";

/// What those are told who come when too many wait.
const CROWDED: &str = "too many wait to be let in: come again in a minute";

/// Digits of a key that people compare.
const ID_DIGITS: usize = 8;

/// Keeps who was let in. It must not wait.
pub(in crate::send) type KeepGuests = Box<dyn Fn(Vec<Guest>) + Send>;

impl Transmit {
    /// Newcomers wait to be let in where `asks` says so, but for those who are `known`; `talkers` alone may
    /// speak, if there are any.
    pub(in crate::send) fn receive_guests(
        &mut self,
        (asks, talkers): (bool, Option<Vec<String>>),
        known: Vec<Guest>,
        keep: KeepGuests,
    ) {
        self.guests = Guests::new(asks, talkers, known);
        self.keep_guests = Some(keep);
    }

    /// Lets the listener at `index` wait, who has shown that it has the room's secret.
    pub(super) fn knock(&mut self, index: usize, hello: Hello, asked: Asked) {
        let (now, full) = (self.clock.now_us(), self.fullness_for(index));
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        if let Some(full) = full {
            return seat.listener.refuse(full, now);
        }
        let (name, peer) = (hello.name.clone(), seat.listener.peer);
        let (knocked, before) = self.guests.knock(Knock { index, hello, asked, since_us: now });
        match knocked {
            Knocked::Waits => {
                seat.listener.knock(WAITING, now);
                self.at_door.go(index);
            }
            Knocked::Refused => seat.listener.close(Reason::NotLetIn, REFUSED, now),
            Knocked::Crowded => seat.listener.close(Reason::NotLetIn, CROWDED, now),
        }
        self.touch(index);
        if let Some(before) = before {
            if let Some(Some(seat)) = self.seats.get_mut(before) {
                seat.listener.close(Reason::Replaced, "a newer connection took over", now);
            }
            self.touch(before);
        } else if knocked == Knocked::Waits && self.hearsay.may_tell(now) {
            info!("“{name}” ({peer}) wants to come in: auralync-client ctl let-in, or ctl refuse");
        }
    }

    /// Who waits, the first first.
    pub(super) fn waiting_people(&self, now_us: u64) -> Vec<WaitingStats> {
        let waiting = self.guests.knocking().filter_map(|knock| {
            let seat = self.seats.get(knock.index)?.as_ref()?;
            let mut id = short(&knock.asked.client);
            id.truncate(ID_DIGITS);
            Some(WaitingStats {
                address: seat.listener.peer,
                name: knock.hello.name.clone(),
                id,
                waited_s: now_us.saturating_sub(knock.since_us) as f64 / 1e6,
            })
        });
        waiting.collect()
    }

    /// Lets in whoever waits at `peer`, or sends them away. `false` where nobody waits there.
    pub(super) fn answer_knock(&mut self, peer: SocketAddr, is_let_in: bool) -> bool {
        let now = self.clock.now_us();
        let is_there = |knock: &&Knock| {
            let seat = self.seats.get(knock.index).and_then(Option::as_ref);
            seat.is_some_and(|seat| seat.listener.peer == peer && !seat.listener.is_leaving())
        };
        let Some(index) = self.guests.knocking().find(is_there).map(|knock| knock.index) else {
            return false;
        };
        if !is_let_in {
            if let Some(knock) = self.guests.answer(index) {
                self.guests.refuse(knock.asked.client, now);
            }
            self.turn_away(index, REFUSED);
            return true;
        }
        let Some(Knock { hello, asked, .. }) = self.guests.answer(index) else { return false };
        let known = self.guests.let_in(asked.client, &hello.name);
        self.keep_guests(known);
        if let Some(Some(seat)) = self.seats.get_mut(index) {
            seat.listener.is_let_in(now);
        }
        self.welcome(index, hello, Some(asked));
        self.touch(index);
        true
    }

    /// The listener at `index` is not let in.
    pub(super) fn turn_away(&mut self, index: usize, why: &str) {
        let now = self.clock.now_us();
        self.guests.answer(index);
        if let Some(Some(seat)) = self.seats.get_mut(index) {
            seat.listener.close(Reason::NotLetIn, why, now);
            self.touch(index);
        }
    }

    pub(super) fn keep_guests(&self, known: Vec<Guest>) {
        if let Some(keep) = &self.keep_guests {
            keep(known);
        }
    }
}
