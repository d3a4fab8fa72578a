//! A session's part of talking: whether the server lets it, what goes out when, and what is wished.

use std::net::SocketAddr;

use log::{info, warn};
use mio::{Registry, Token, Waker};

use super::Connect;
use super::datagrams::Datagrams;
use super::line::Line;
use super::outbox::Outbox;
use crate::clock::ServerClock;
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::talking::Talking;
use crate::wire::{Welcome, Wish, talk_frame};

const SAID: Token = Token(2);

/// What a person does in quick succession is told in one wish.
const WISH_EVERY_US: u64 = 100_000;

/// Nothing is said before the server's clock is known this well, in µs: it would stand in the wrong
/// place, or be refused.
const CLOCK_KNOWN_US: f64 = 20_000.0;

/// What [`Connect`] has of a microphone.
pub struct Voice {
    /// Whether its person is heard.
    pub talking: std::sync::Arc<Talking>,
    /// What was said.
    pub outbox: std::sync::Arc<Outbox>,
}

/// Where talking stands in one session.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// The longest frame that the server takes; `None` where it takes none.
    longest: Option<usize>,
    /// What the server has been told since its welcome; `None` where it wants no wishes.
    told: Option<Wish>,
    wished_us: u64,
}

impl Connect {
    /// Lets what is said wake the network thread.
    pub(super) fn wake_when_said(&self, registry: &Registry) -> Result<()> {
        let Some(voice) = &self.voice else {
            return Ok(());
        };
        let bell = Waker::new(registry, SAID)
            .map_err(|e| Error::internal("cannot wait for the microphone", e))?;
        voice.outbox.wake_with(bell);
        Ok(())
    }
}

impl Talk {
    /// What a welcome from `address` allows, of a server that was first reached at `first`. Says once per
    /// run of the server what comes of it.
    pub(super) fn welcomed(
        &mut self,
        connect: &Connect,
        (address, first): (SocketAddr, SocketAddr),
        welcome: &Welcome,
        is_new: bool,
    ) {
        let may_hear = connect.place.may_hear(address, first);
        let hears = connect.voice.as_ref().and_then(|_| welcome.longest_talk());
        self.longest = hears.filter(|_| may_hear);
        self.told = welcome.person.map(|_| Wish::default());
        self.wished_us = 0;
        connect.room.leave(!is_new);
        if let Some(voice) = &connect.voice {
            voice.talking.allow(self.longest.is_some());
            match (self.longest, is_new) {
                (None, _) if hears.is_some() => warn!(
                    "this server does not get your microphone, so you only listen: {address} is not \
                      where you let it hear you. Start again with this address if it may"
                ),
                // Where anybody may speak, a notice says why this one may not.
                (None, true) if welcome.person.is_none() => warn!(
                    "this server lets nobody speak, so you only listen. It does when it is started \
                     with --talk"
                ),
                (Some(_), true) => info!("the server lets you speak"),
                (None, true) | (_, false) => {}
            }
        }
    }

    /// The server does not take what is said, or no more; `why` is what it says.
    pub(super) fn may_not(&mut self, connect: &Connect, why: &str) {
        self.longest = None;
        if let Some(voice) = &connect.voice {
            voice.talking.allow(false);
            warn!("you only listen: {why}");
        }
    }

    /// A server of the first generation hears nobody.
    pub(super) fn is_plain(&mut self, connect: &Connect) {
        *self = Self::default();
        connect.room.leave(false);
        if let Some(voice) = &connect.voice {
            voice.talking.allow(false);
            warn!("a server of the first generation cannot hear anybody, so you only listen");
        }
    }

    /// Queues what was said, or says it by datagram where that gets through, and what is wished. Not while something waits: the system should hold
    /// no more of it than goes out at once.
    pub(super) fn say(
        &mut self,
        connect: &Connect,
        (line, datagrams): (&mut Line, Option<&mut Datagrams>),
        clock: &ServerClock,
        now_us: u64,
    ) {
        let mut datagrams = datagrams.filter(|datagrams| datagrams.asking.is_heard(now_us));
        let packing = connect
            .hello
            .talk
            .as_ref()
            .and_then(|talk| Some((Codec::parse(&talk.codec)?, talk.rate)));
        let offset = clock.offset().filter(|_| clock.uncertainty_us() < CLOCK_KNOWN_US);
        if let (Some(longest), Some(voice), Some(offset)) = (self.longest, &connect.voice, offset) {
            voice.outbox.take(offset, longest, now_us, |header, payload| {
                if let (Some(datagrams), Some(packing)) = (&mut datagrams, packing) {
                    datagrams.say(packing, (header, payload), now_us);
                } else {
                    line.say(talk_frame(header, payload).unwrap_or_default());
                }
            });
        }
        let Some(told) = &mut self.told else {
            return;
        };
        if now_us.saturating_sub(self.wished_us) >= WISH_EVERY_US
            && let Some(wish) = connect.room.news_for(told)
        {
            self.wished_us = now_us;
            line.say(wish.frame());
            told.muted = wish.muted.or(told.muted);
            told.deaf = wish.deaf.or(told.deaf);
            told.volumes.extend(wish.volumes);
        }
    }
}
