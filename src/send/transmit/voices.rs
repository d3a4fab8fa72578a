//! Microphones whose sound comes by datagram: whose it is, what is missing of it, and what is heard of it.

use std::net::SocketAddr;

use super::Transmit;
use crate::wire::datagram::{FromClient, missing_datagram};

impl Transmit {
    /// Takes the datagram of `length` bytes in the buffer, which came from `from` and is a microphone's.
    /// Where its cookie is not that of the address it came from, it is nobody's.
    pub(super) fn take_talk(&mut self, from: SocketAddr, length: usize) {
        let now = self.clock.now_us();
        let Some(datagrams) = &mut self.datagrams else { return };
        let Some(FromClient::Talk { token, cookie, number, header, payload }) =
            datagrams.buffer.get(..length).and_then(FromClient::read)
        else {
            return;
        };
        let Some(&index) = datagrams.seats.get(&token) else { return };
        let is_proven = cookie == datagrams.cookie(&token, from);
        let Some(Some(seat)) = self.seats.get_mut(index).filter(|_| is_proven) else { return };
        seat.listener.take_talk(number, (header, payload), now);
        if !datagrams.talkers.contains(&index) {
            datagrams.talkers.push(index);
        }
        self.hear_talker(index, now);
    }

    /// Hands on what waits no longer, and asks for what is missing.
    pub(super) fn hear_talkers(&mut self) {
        let now = self.clock.now_us();
        let is_due = self.talkers_due_us().is_some_and(|due_us| due_us <= now);
        if !is_due {
            return;
        }
        let Some(datagrams) = &mut self.datagrams else { return };
        let talkers = std::mem::take(&mut datagrams.talkers);
        for &index in &talkers {
            self.hear_talker(index, now);
        }
        let seats = &self.seats;
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.talkers = talkers;
            datagrams.talkers.retain(|index| {
                let seat = seats.get(*index).and_then(Option::as_ref);
                let talker = seat.and_then(|seat| seat.listener.talker.as_ref());
                talker.is_some_and(|talker| talker.due_us().is_some())
            });
        }
    }

    /// When something of what was said is to be handed on, in µs, though nothing comes.
    pub(super) fn talkers_due_us(&self) -> Option<u64> {
        let talkers = &self.datagrams.as_ref()?.talkers;
        let seats = talkers.iter().filter_map(|index| self.seats.get(*index)?.as_ref());
        seats.filter_map(|seat| seat.listener.talker.as_ref()?.due_us()).min()
    }

    fn hear_talker(&mut self, index: usize, now: u64) {
        while let Some(Some(seat)) = self.seats.get_mut(index)
            && let Some(talker) = &mut seat.listener.talker
            && let Some(spoken) = talker.next_spoken(now)
        {
            self.hand_on(index, spoken);
        }
        let (Some(datagrams), Some(Some(seat))) = (&self.datagrams, self.seats.get_mut(index))
        else {
            return;
        };
        let Some((token, address)) = seat.listener.path.as_ref().and_then(|path| path.whose())
        else {
            return;
        };
        let missing = seat.listener.talker.as_mut().map(|talker| talker.missing(now));
        if let Some(missing) = missing.filter(|missing| !missing.is_empty()) {
            let bytes = missing_datagram(datagrams.cookie(&token, address), &missing);
            let bytes = match &mut seat.listener.member {
                Some(member) => member.seal_datagram(&bytes),
                None => Some(bytes),
            };
            bytes.iter().for_each(|bytes| datagrams.tell(address, bytes));
        }
    }
}
