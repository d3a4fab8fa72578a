//! One browser's channel. No socket, and time is an argument.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::change::SdpOffer;
use str0m::channel::{ChannelId, Reliability};
use str0m::crypto::CryptoProvider;
use str0m::crypto::dtls::{DtlsCert, DtlsVersion};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};

use crate::allowance::Allowance;

/// A channel that is not open by then is given up.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

/// Bytes that wait for a slow browser. What comes then is dropped: sound that waits grows old.
const MOST_WAITING: usize = 32 * 1024;

/// Datagrams that are taken from one browser in a second: it confirms what it hears, and asks.
const HEARD_PER_SECOND: u64 = 1_000;

/// Longest packet, in bytes of UDP payload: with the headers of DTLS and SCTP the longest datagram goes in
/// one, and it fits into any network at home.
const PACKET: usize = 1_400;

/// What all channels of a run have in common.
pub(super) struct Common {
    pub(super) crypto: Arc<CryptoProvider>,
    pub(super) certificate: DtlsCert,
}

/// What came of a channel's turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Datagrams for the server.
    pub(super) heard: Vec<Vec<u8>>,
    /// Packets for the network.
    pub(super) packets: Vec<(SocketAddr, Vec<u8>)>,
}

/// Why a channel ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("it was closed")]
    Closed,
    #[error("it did not open in time")]
    TooLate,
    #[error("the browser opened something else")]
    Other,
    #[error(transparent)]
    Broken(#[from] RtcError),
}

/// One browser's channel.
pub(super) struct Peer {
    rtc: Rtc,
    local: SocketAddr,
    channel: Option<ChannelId>,
    /// Where the browser was last heard of.
    pub(super) remote: Option<SocketAddr>,
    open_until: Instant,
    /// When it wants to be woken.
    pub(super) due: Instant,
    allowance: Allowance,
}

impl Peer {
    /// Answers an offer with `local`, where the browser has reached this server: the channel and the answer.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    pub(super) fn answer(
        offer: &str,
        local: SocketAddr,
        common: &Common,
        now: Instant,
    ) -> Result<(Self, String), String> {
        let unreadable = || "the offer of a data channel cannot be read".to_owned();
        // Where the browser is shows when it knocks; what it says may be a name that means nothing here.
        let kept = offer.split_inclusive('\n').filter(|line| !line.starts_with("a=candidate"));
        let offer =
            SdpOffer::from_sdp_string(&kept.collect::<String>()).map_err(|_| unreadable())?;
        let mut rtc = Rtc::builder()
            .clear_codecs()
            .set_ice_lite(true)
            .set_crypto_provider(Arc::clone(&common.crypto))
            .set_dtls_cert(common.certificate.clone())
            .set_dtls_version(DtlsVersion::Auto)
            .set_mtu(PACKET..=PACKET)
            .set_sctp_max_buffered_amount(MOST_WAITING)
            .build(now);
        let here = Candidate::host(local, "udp");
        let here = here.map_err(|_| format!("no data channel can be had at {}", local.ip()))?;
        rtc.add_local_candidate(here);
        let answer = rtc.sdp_api().accept_offer(offer).map_err(|_| unreadable())?;
        let peer = Self {
            rtc,
            local,
            channel: None,
            remote: None,
            open_until: now + OPEN_WITHIN,
            due: now,
            allowance: Allowance::per_second(HEARD_PER_SECOND),
        };
        Ok((peer, answer.to_sdp_string()))
    }

    /// Whether a packet is this browser's.
    pub(super) fn is_from(&self, from: SocketAddr, packet: &[u8], now: Instant) -> bool {
        self.received(from, packet).is_some_and(|r| self.rtc.accepts(&Input::Receive(now, r)))
    }

    fn received<'a>(&self, source: SocketAddr, packet: &'a [u8]) -> Option<Receive<'a>> {
        Receive::new(Protocol::Udp, source, self.local, packet).ok()
    }

    /// Takes a packet of this browser's.
    pub(super) fn take(
        &mut self,
        from: SocketAddr,
        packet: &[u8],
        (now, now_us): (Instant, u64),
        turn: &mut Turn,
    ) -> Result<(), End> {
        let Some(received) = self.received(from, packet) else { return Ok(()) };
        if !self.allowance.takes(now_us) {
            return Ok(());
        }
        self.remote = Some(from);
        self.rtc.handle_input(Input::Receive(now, received))?;
        self.drain(turn)
    }

    /// Does what is due.
    pub(super) fn wake(&mut self, now: Instant, turn: &mut Turn) -> Result<(), End> {
        if self.channel.is_none() && now >= self.open_until {
            return Err(End::TooLate);
        }
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(turn)
    }

    /// Sends a datagram; `false` where too much waits.
    pub(super) fn send(
        &mut self,
        datagram: &[u8],
        now: Instant,
        turn: &mut Turn,
    ) -> Result<bool, End> {
        self.wake(now, turn)?;
        let Some(mut channel) = self.channel.and_then(|id| self.rtc.channel(id)) else {
            return Ok(false);
        };
        let is_sent = channel.write(true, datagram)?;
        self.drain(turn)?;
        Ok(is_sent)
    }

    /// Takes out what there is to be said and to be sent.
    fn drain(&mut self, turn: &mut Turn) -> Result<(), End> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(due) => {
                    self.due = due.min(if self.channel.is_none() { self.open_until } else { due });
                    break;
                }
                Output::Transmit(packet) => {
                    turn.packets.push((packet.destination, packet.contents.into()));
                }
                Output::Event(event) => self.note(event, turn)?,
            }
        }
        if self.rtc.is_alive() { Ok(()) } else { Err(End::Closed) }
    }

    fn note(&mut self, event: Event, turn: &mut Turn) -> Result<(), End> {
        match event {
            Event::ChannelOpen(id, _) => {
                let config = self.rtc.channel(id).and_then(|channel| channel.config().cloned());
                let is_for_sound = config.is_some_and(|config| {
                    !config.ordered && config.reliability != Reliability::Reliable
                });
                if self.channel.is_some() || !is_for_sound {
                    return Err(End::Other);
                }
                self.channel = Some(id);
            }
            Event::ChannelData(data) if Some(data.id) == self.channel => turn.heard.push(data.data),
            Event::ChannelClose(_)
            | Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                return Err(End::Closed);
            }
            Event::MediaAdded(_) => return Err(End::Other),
            _ => {}
        }
        Ok(())
    }
}

/// An address as both kinds of sockets say it.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// `address` as a socket that is bound to `bound` wants it.
pub(super) fn reached_from(bound: IpAddr, address: SocketAddr) -> SocketAddr {
    match (bound, address.ip()) {
        (IpAddr::V6(_), IpAddr::V4(ip)) => {
            SocketAddr::new(ip.to_ipv6_mapped().into(), address.port())
        }
        _ => address,
    }
}
