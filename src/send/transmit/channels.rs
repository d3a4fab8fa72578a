//! Sound for browsers by datagram: who may have a data channel, and what comes from it.

use log::debug;

use super::Transmit;
use crate::send::fanout::{DatagramPath, Phase};
use crate::send::webrtc::{Channels, Order, Said, Whose};
use crate::wire::datagram::FromClient;
use crate::wire::{DATAGRAMS_SINCE, Offer, OfferAnswer, Path, Welcome, kind};

/// Says that sound is to come by WebSocket again, from where the datagrams ended.
const BACK: Path = Path { datagrams: Some(false), from: None, codec: None };

impl Transmit {
    /// Lets browsers have data channels.
    pub fn open_channels(&mut self, channels: Channels) {
        self.channels = Some(channels);
    }

    /// Tells the browser at `index`, which is about to be welcomed, that it may have a data channel.
    pub(super) fn offer_channel(&mut self, index: usize, welcome: &mut Welcome) {
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        let listener = &mut seat.listener;
        if self.channels.is_none() || !listener.is_browser() || welcome.version < DATAGRAMS_SINCE {
            return;
        }
        listener.may_offer = true;
        // A channel is its own proof of whose it is.
        listener.path = Some(DatagramPath::new([0; 16]));
        [kind::PATH, kind::OFFER].into_iter().for_each(|kind| welcome.accept(kind));
    }

    /// The browser at `index` wants a data channel. One that it had is no more.
    pub(super) fn ask_for_channel(&mut self, index: usize, offer: Offer) {
        self.offers += 1;
        let whose = Whose { seat: index, number: self.offers };
        if let Some(Some(seat)) = self.seats.get(index)
            && seat.listener.is_by_datagram()
        {
            self.take_path(index, &BACK);
        }
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        let Ok(at) = seat.line.local_addr() else { return };
        seat.channel = Some(whose);
        let Some(channels) = &mut self.channels else { return };
        if !channels.give(Order::Offer { whose, at: at.ip(), sdp: offer.sdp }) {
            let busy = "the server is too busy for a data channel";
            self.hear_channel(whose, Said::Answer(Err(busy.to_owned())));
        }
        if let Some(channels) = &mut self.channels {
            channels.flush();
        }
    }

    /// Whoever had that channel is gone.
    pub(super) fn close_channel(&mut self, channel: Option<Whose>) {
        if let Some((channels, whose)) = self.channels.as_mut().zip(channel) {
            // Otherwise it ends when its browser is not heard of any more.
            let _ = channels.give(Order::Close(whose));
            channels.flush();
        }
    }

    /// Takes what came from a data channel.
    pub(super) fn hear_channel(&mut self, whose: Whose, said: Said) {
        let index = whose.seat;
        let now = self.clock.now_us();
        let Some(Some(seat)) = self.seats.get_mut(index) else { return };
        if seat.channel != Some(whose) || seat.listener.phase != Phase::Typed {
            return;
        }
        match said {
            Said::Answer(answer) => {
                let answer = match answer {
                    Ok(sdp) => OfferAnswer::Sdp(sdp),
                    Err(why) => {
                        debug!("{} gets no data channel: {why}", seat.listener.label());
                        seat.channel = None;
                        OfferAnswer::Error(why)
                    }
                };
                seat.listener.outbox.answer(answer.frame());
                self.touch(index);
            }
            Said::Heard(bytes) => {
                let from = seat.listener.peer;
                let Some(FromClient::Ask(ask)) = FromClient::read(&bytes) else { return };
                let Some(path) = &mut seat.listener.path else { return };
                // ICE and DTLS have proven whose it is, so any cookie is right.
                let Some(answer) = path.answer(&ask, (from, ask.cookie), bytes.len(), now) else {
                    return;
                };
                if let Some(channels) = &mut self.channels {
                    let _ = channels.give(Order::Send(whose, answer.into()));
                    channels.flush();
                }
                self.give_again(index, &ask, now);
            }
            Said::Refused(bytes) => {
                if let Some(path) = &mut seat.listener.path {
                    path.was_refused(bytes);
                }
            }
            Said::Closed => {
                seat.channel = None;
                self.take_path(index, &BACK);
            }
        }
    }
}
