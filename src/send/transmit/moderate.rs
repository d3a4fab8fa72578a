//! What whoever runs the server decides about listeners: who leaves, who is not heard.

use std::net::SocketAddr;

use log::info;

use super::limits::PLEASE_LEAVE;
use super::verdicts::Who;
use super::{Seat, Transmit};
use crate::wire::{Notice, Reason};

/// What those are told whom nobody hears any more.
const MUTED: &str = "whoever runs this server has muted you: nobody hears you";

/// What those are told who are heard again.
const UNMUTED: &str = "whoever runs this server lets you be heard again";

impl Transmit {
    /// Asks the listener at `peer` to leave, and with `by_address` everybody from there; `false`
    /// where nobody is.
    pub(super) fn remove(&mut self, peer: SocketAddr, by_address: bool) -> bool {
        let Some(index) = self.seat_at(peer) else {
            return false;
        };
        let Some(Some(seat)) = self.seats.get(index) else {
            return false;
        };
        let (who, origin) = (seat.who(), seat.origin);
        let key = seat.key();
        self.verdicts.remove(who);
        if by_address {
            self.verdicts.shut_out(origin);
        }
        let now = self.clock.now_us();
        let mut keys = Vec::new();
        for other in 0..self.seats.len() {
            let Some(Some(seat)) = self.seats.get_mut(other) else { continue };
            // In a private room all connections with the same key are one person's.
            let goes = other == index
                || by_address && seat.origin == origin
                || key.is_some() && seat.key() == key;
            if goes && !seat.listener.is_leaving() {
                keys.extend(seat.key());
                seat.listener.close(Reason::Removed, PLEASE_LEAVE, now);
                self.touch(other);
            }
        }
        self.shut_out(&keys);
        true
    }

    /// Lets nobody hear the listener at `peer`, or lets them again; `false` where there is nobody
    /// who could speak.
    pub(super) fn mute(&mut self, peer: SocketAddr, is_muted: bool) -> bool {
        let Some(index) = self.seat_at(peer) else {
            return false;
        };
        let Some(Some(seat)) = self.seats.get_mut(index) else {
            return false;
        };
        let Some(person) = seat.listener.person else {
            return false;
        };
        seat.listener.is_silenced = is_muted;
        self.verdicts.mute(seat.who(), is_muted);
        let label = seat.listener.label();
        info!("{label} {}", if is_muted { "is muted" } else { "may be heard again" });
        if let Some(gathering) = &mut self.gathering {
            gathering.has_changed(person);
        }
        self.tell_of_muting(index, is_muted);
        true
    }

    /// Tells the listener at `index` whether others may hear it.
    pub(super) fn tell_of_muting(&mut self, index: usize, is_muted: bool) {
        let (reason, text) =
            if is_muted { (Reason::Muted, MUTED) } else { (Reason::Unmuted, UNMUTED) };
        if let Some(Some(seat)) = self.seats.get_mut(index) {
            seat.listener.outbox.notice(&Notice::because(reason, text));
            self.touch(index);
        }
    }

    fn seat_at(&self, peer: SocketAddr) -> Option<usize> {
        let is_it = |seat: &Seat| seat.listener.is_seated() && seat.listener.peer == peer;
        self.seats.iter().position(|seat| seat.as_ref().is_some_and(is_it))
    }
}

impl Seat {
    /// Who its listener is, in a private room.
    fn key(&self) -> Option<[u8; 32]> {
        self.listener.member.as_ref().map(|member| member.key)
    }

    /// How its listener is known again.
    pub(super) fn who(&self) -> Who {
        let (id, name) = (self.identity(), self.listener.name.clone());
        Who { origin: self.origin, id, name }
    }
}
