//! A listener that plays and asks for another codec: what it may have, and who tells it.

use log::debug;

use super::{Transmit, sockets};
use crate::codec::Codec;
use crate::send::fanout::Both;

impl Transmit {
    /// Lets the listener at `index` have its sound in the codec that `word` names, if it is allowed, and
    /// if its positions are those that it hears: nothing else can be joined unheard.
    pub(super) fn take_codec(&mut self, index: usize, word: &str) {
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        let Some(codec) = self.room.offers.allowed(word) else { return };
        let listener = &mut seat.listener;
        let (old, new) = (self.room.position_rate(listener.codec), self.room.position_rate(codec));
        if old != new || !listener.ask_for_codec(codec) {
            return;
        }
        self.in_use.add(codec);
        if listener.is_by_datagram() {
            let parities = listener.path.as_ref().map(|path| path.parities()).unwrap_or_default();
            self.cut[codec.index()].hear(parities);
            self.in_use.add_pieces(codec);
        }
    }

    /// Turns the listener at `index` to the codec that it has asked for, when that is there.
    pub(super) fn turn_codec(&mut self, index: usize) {
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        let Some(codec) = seat.listener.awaits() else { return };
        let both =
            |codec: Codec| Both { log: &self.logs[codec.index()], cut: &self.cut[codec.index()] };
        let (old, room) = (seat.listener.codec, &self.room);
        let rate = room.position_rate(codec);
        let say = |from| room.switch(codec, from).frame();
        if seat.listener.turn_to_codec(both(old), both(codec), rate, say) {
            sockets::rebuffer(seat.line.settings(), room.buffering(codec));
            debug!("{} hears {codec} instead of {old}", seat.listener.label());
        }
    }
}
