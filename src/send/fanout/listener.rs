//! One listener's conversation: what its bytes mean and when its time is up. No socket, no clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

mod another_codec;
mod closing;
mod member;
mod sound;

pub use another_codec::Both;
use another_codec::Coming;
pub use closing::Overdue;
use member::Member;

use super::datagram_path::DatagramPath;
use super::inbox::{Heard, Inbox};
use super::rates::{Said, too_many};
use super::{Counts, Log, Outbox, Own, Talker};
use crate::codec::Codec;
use crate::send::presence::Spoken;
use crate::wire::websocket;
use crate::wire::{
    Full, Hello, MAX_PEOPLE, Notice, Offer, Path, Ping, Reason, Report, USUAL_PERCENT, VERSION,
    Violation, Wish, kind,
};

/// A refused listener may still show within this time that it is the ghost of one that sits here.
const REFUSED_FOR_US: u64 = 1_000_000;

/// How long a last word may take to go out, and the peer to close after it.
const CLOSING_FOR_US: u64 = 1_000_000;

/// A listener that sends more bytes than this in a second is closed: no client of ours comes near
/// it.
const MAX_BYTES_PER_SECOND: usize = 64 * 1024;

/// A listener that may talk and sends more bytes than this in a second is closed: it is stereo
/// float32 at 48 kHz, and some of it twice and more.
const MAX_TALK_BYTES_PER_SECOND: usize = 2 * 1024 * 1024;

/// Added to what a listener plays late on purpose, at most, in µs.
const MAX_EXTRA_US: u64 = 10_000_000;

/// Where a conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Generation one, or one that has not said hello yet.
    Plain,
    /// After a hello.
    Typed,
    /// At the door of a private room: it has not shown the key.
    AtDoor,
    /// Told that the server is full, or that there are too many from its address.
    Refused,
    /// The last word is being written.
    Closing,
    /// The last word is written; the peer closes next.
    Lingering,
}

/// What bytes from a listener ask of the loop.
#[derive(Debug, PartialEq, Eq)]
pub enum Asks {
    /// Nothing.
    Nothing,
    /// It wants to be welcomed.
    Welcome(Hello),
    /// It wants to enter the private room: the first message of a handshake.
    Enter(Vec<u8>),
    /// It wants to try the code that is shown: the first message of that.
    Code(Vec<u8>),
    /// It shows that it has the code.
    CodeProof(Vec<u8>),
    /// It said something that belongs into the mix.
    Mix(Spoken),
    /// It wants something changed about itself, or about what it hears.
    Wish(Wish),
    /// It wants its sound another way.
    Path(Path),
    /// It wants a data channel.
    Offer(Offer),
}

/// One listener.
#[derive(Debug)]
pub struct Listener {
    /// Where it is.
    pub peer: SocketAddr,
    /// Where the conversation stands.
    pub phase: Phase,
    /// What goes to it next.
    pub outbox: Outbox,
    /// How its sound is packed: that log its outbox reads. Without a hello, float32.
    pub codec: Codec,
    /// The protocol version that is spoken with it.
    pub version: u32,
    /// What its hello said: random per client run; empty before.
    pub id: String,
    /// What the person calls it; empty before a hello.
    pub name: String,
    /// What it reported last.
    pub report: Option<Report>,
    /// Its number among the people, where listeners may speak.
    pub person: Option<u32>,
    /// What it may send of its microphone; `None` if it may not speak.
    pub talker: Option<Talker>,
    /// Whether it had a microphone that was taken away. What it still sends before it knows is not
    /// held against it.
    had_microphone: bool,
    /// Whether it wants nobody to hear it.
    pub is_muted: bool,
    /// Whether whoever runs the server wants nobody to hear it.
    pub is_silenced: bool,
    /// Whether it has turned its sound off.
    pub is_deaf: bool,
    /// How loud it wants to hear other people, by number, in percent, where that is not 100.
    pub volumes: Arc<BTreeMap<u32, u16>>,
    /// When it was last sent a whole list of people, in µs.
    pub listed_us: Option<u64>,
    /// Whether it has been sent all that has changed since.
    pub follows_people: bool,
    /// Sound that is for it alone.
    pub own: Option<Own>,
    /// The codec that it has asked for while it plays.
    coming: Option<Coming>,
    /// Its way by datagram, where it can go it.
    pub path: Option<DatagramPath>,
    /// Whether it may ask for a data channel.
    pub may_offer: bool,
    /// When it connected.
    pub since_us: u64,
    /// When it last said anything, or connected.
    pub heard_us: u64,
    /// What is full, where it was refused.
    pub refusal: Full,
    /// The config's payload that a private room said to it alone: nothing else is said before it has entered.
    /// Empty in an open room.
    pub config: Vec<u8>,
    /// Until when it may wait to be let in, in µs, if it does.
    knocks_until_us: Option<u64>,
    /// Who it is in the private room.
    pub member: Option<Member>,
    /// Whether it is a browser that listens to an answer that never ends.
    is_by_fetch: bool,
    inbox: Inbox,
    /// What a WebSocket is closed with, where its own misuse decides that.
    close_code: Option<u16>,
    heard_since_us: Option<u64>,
    phase_until_us: u64,
    blocked_since_us: Option<u64>,
    second: Second,
}

/// What came in the current second.
#[derive(Debug, Default)]
struct Second {
    started_us: u64,
    bytes: usize,
    said: Said,
}

impl Listener {
    /// A listener that has a seat: `config` first, then plain audio.
    pub fn seated(peer: SocketAddr, config: Vec<u8>, log: &Log, now_us: u64) -> Self {
        Self::new(peer, Phase::Plain, Outbox::plain(config, log, now_us), now_us)
    }

    /// A listener that is one too many. It hears so at once; a hello with a known id still gets it
    /// that seat.
    pub fn refused(peer: SocketAddr, full: Full, now_us: u64) -> Self {
        let outbox = Outbox::refusing(full.frame().to_vec());
        let mut listener = Self::new(peer, Phase::Refused, outbox, now_us);
        listener.refusal = full;
        listener.phase_until_us = now_us + REFUSED_FOR_US;
        listener
    }

    /// A browser, which speaks first; `opening` answers its HTTP request. Where it is one too many,
    /// only a hello with a known id gets it that seat.
    pub fn browser(peer: SocketAddr, opening: Vec<u8>, refused: Option<Full>, now_us: u64) -> Self {
        let phase = if refused.is_some() { Phase::Refused } else { Phase::Plain };
        let mut listener = Self::new(peer, phase, Outbox::websocket(opening), now_us);
        listener.refusal = refused.unwrap_or(Full::Server);
        listener.inbox = Inbox::websocket();
        listener.heard_since_us = Some(now_us);
        listener.phase_until_us = now_us + REFUSED_FOR_US;
        listener
    }

    /// A browser that listens to an answer that never ends, and speaks by requests; `opening` is the answer's head.
    pub fn by_fetch(
        peer: SocketAddr,
        opening: Vec<u8>,
        refused: Option<Full>,
        now_us: u64,
    ) -> Self {
        let mut listener = Self::browser(peer, Vec::new(), refused, now_us);
        listener.outbox = Outbox::holding(opening);
        listener.inbox = Inbox::stream();
        listener.is_by_fetch = true;
        listener
    }

    fn new(peer: SocketAddr, phase: Phase, outbox: Outbox, now_us: u64) -> Self {
        Self {
            peer,
            phase,
            outbox,
            codec: Codec::Float32,
            version: 1,
            id: String::new(),
            name: String::new(),
            report: None,
            person: None,
            talker: None,
            had_microphone: false,
            is_muted: false,
            is_silenced: false,
            is_deaf: false,
            volumes: Arc::default(),
            listed_us: None,
            follows_people: false,
            own: None,
            coming: None,
            path: None,
            may_offer: false,
            since_us: now_us,
            heard_us: now_us,
            refusal: Full::Server,
            config: Vec::new(),
            knocks_until_us: None,
            member: None,
            is_by_fetch: false,
            inbox: Inbox::stream(),
            close_code: None,
            heard_since_us: None,
            phase_until_us: 0,
            blocked_since_us: None,
            second: Second::default(),
        }
    }

    /// Takes a seat in the room: it counts against `max_clients`.
    pub fn is_seated(&self) -> bool {
        matches!(self.phase, Phase::Plain | Phase::Typed)
    }

    /// Whether this listener is a browser.
    #[must_use]
    pub fn is_browser(&self) -> bool {
        self.inbox.is_websocket() || self.is_by_fetch
    }

    /// The codec that must be encoded for it, if any.
    #[must_use]
    pub fn hears(&self) -> Option<Codec> {
        let waits = self.phase == Phase::Plain && (self.is_browser() || self.is_held());
        (self.is_seated() && !waits && !self.is_alone()).then_some(self.codec)
    }

    /// Whether this listener is there to listen, and has not only just connected.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        let plain = self.phase == Phase::Plain && self.outbox.counts().frames > 0;
        self.phase == Phase::Typed || plain
    }

    /// Reads what the peer sent, up to the first frame that asks for something. What follows it is
    /// read by the next call, with no bytes if none have come: an answer must not depend on where
    /// TCP cut the stream.
    ///
    /// # Errors
    /// The [`Violation`] for which it must be closed.
    pub fn read(&mut self, bytes: &[u8], now_us: u64) -> Result<Asks, Violation> {
        if now_us.saturating_sub(self.second.started_us) >= 1_000_000 {
            self.second = Second { started_us: now_us, ..Second::default() };
        }
        self.second.bytes += bytes.len();
        if !bytes.is_empty() {
            self.heard_us = now_us;
        }
        let (most, flood) = if self.talker.is_some() || self.had_microphone {
            (MAX_TALK_BYTES_PER_SECOND, Violation::TooMuchTalk)
        } else {
            (MAX_BYTES_PER_SECOND, too_many("bytes"))
        };
        if self.second.bytes > most {
            return Err(flood);
        }
        if matches!(self.phase, Phase::Closing | Phase::Lingering) {
            return Ok(Asks::Nothing);
        }
        self.heard_since_us.get_or_insert(now_us);
        self.inbox.push(bytes);
        let is_held = self.is_held();
        while let Some(heard) = self.inbox.next_heard().inspect_err(|violation| {
            if let Violation::WebSocket(misuse) = violation {
                self.close_code = Some(misuse.close_code());
            }
        })? {
            let (kind, body) = match heard {
                Heard::Frame { kind, body } => (kind, body),
                // Such messages are refused before they are read.
                Heard::Text(_) => continue,
                Heard::Ping(payload) => {
                    self.second.said.count(kind::PING)?;
                    self.outbox.websocket_ping(payload);
                    continue;
                }
                Heard::Close(code) => {
                    self.outbox.end_with(Vec::new(), websocket::closing(code, ""));
                    self.phase = Phase::Closing;
                    self.phase_until_us = now_us + CLOSING_FOR_US;
                    return Ok(Asks::Nothing);
                }
            };
            let opened;
            let (kind, body) = match &mut self.member {
                Some(member) if self.phase == Phase::Typed => {
                    opened = member.open(kind, body)?;
                    (opened[0], &opened[1..])
                }
                _ => (kind, body),
            };
            self.second.said.count(kind)?;
            match (kind, self.phase) {
                (kind::ENTER, Phase::AtDoor) => return Ok(Asks::Enter(body.to_vec())),
                (kind::CODE, Phase::AtDoor) => return Ok(Asks::Code(body.to_vec())),
                (kind::CODE_PROOF, Phase::AtDoor) => return Ok(Asks::CodeProof(body.to_vec())),
                (kind::HELLO, _) if is_held && self.member.is_none() => {
                    return Err(member::unsealed());
                }
                (kind::HELLO, Phase::Typed) => return Err(too_many("hellos")),
                (kind::HELLO, _) => return Ok(Asks::Welcome(Hello::read(body)?)),
                (kind::PING, Phase::Typed) => {
                    self.outbox.ping(Ping::read(body)?.client_us, now_us);
                }
                (kind::REPORT, Phase::Typed) => self.report = Some(Report::read(body)?),
                (kind::TALK, Phase::Typed) => {
                    let is_unheard = self.is_muted || self.is_silenced;
                    if let Some(talker) = self.talker.as_mut().filter(|_| !is_unheard)
                        && let Some(spoken) = talker.take(body, now_us)?
                    {
                        return Ok(Asks::Mix(spoken));
                    }
                }
                (kind::PATH, Phase::Typed) if self.path.is_some() => {
                    return Ok(Asks::Path(Path::read(body)?));
                }
                (kind::OFFER, Phase::Typed) if self.may_offer => {
                    return Ok(Asks::Offer(Offer::read(body)?));
                }
                (kind::WISH, Phase::Typed) if self.person.is_some() => {
                    return Ok(Asks::Wish(Wish::read(body)?));
                }
                _ => {}
            }
        }
        Ok(Asks::Nothing)
    }

    /// Changes what a listener may change about itself, as far as the people `is_there` says are.
    /// `false` where all of it was so already.
    pub fn grant(&mut self, wish: Wish, is_there: impl Fn(u32) -> bool) -> bool {
        let mut has_changed = false;
        let mut set = |what: &mut bool, to: Option<bool>| {
            let to = to.unwrap_or(*what);
            has_changed |= std::mem::replace(what, to) != to;
        };
        set(&mut self.is_muted, wish.muted);
        set(&mut self.is_deaf, wish.deaf);
        if let Some(name) = wish.name.filter(|name| *name != self.name) {
            self.name = name;
            has_changed = true;
        }
        let is_news = |(who, percent): &(u32, u16)| {
            is_there(*who) && *self.volumes.get(who).unwrap_or(&USUAL_PERCENT) != *percent
        };
        let news: Vec<(u32, u16)> = wish.volumes.into_iter().filter(is_news).collect();
        if news.is_empty() {
            return has_changed;
        }
        let volumes = Arc::make_mut(&mut self.volumes);
        // Numbers of people who have left mean nobody any more.
        volumes.retain(|who, _| is_there(*who));
        for (person, percent) in news {
            if percent == USUAL_PERCENT {
                has_changed |= volumes.remove(&person).is_some();
            } else if volumes.len() < MAX_PEOPLE || volumes.contains_key(&person) {
                volumes.insert(person, percent);
                has_changed = true;
            }
        }
        has_changed
    }

    /// Whether nobody hears it, whoever wants that.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        self.is_muted || self.is_silenced
    }

    /// Whether somebody speaks into its microphone and is heard.
    #[must_use]
    pub fn is_speaking(&self, now_us: u64) -> bool {
        !self.is_unheard() && self.talker.as_ref().is_some_and(|talker| talker.is_speaking(now_us))
    }

    /// Takes the microphone away: nobody hears this listener any more, and `why` is what it is
    /// told.
    pub fn lose_microphone(&mut self, why: &str) {
        self.had_microphone |= self.talker.take().is_some();
        self.outbox.notice(&Notice::because(Reason::MayNotTalk, why));
    }

    /// Gives the seat that a hello asked for; its sound begins with what was captured at `from_us`.
    pub fn welcome(&mut self, hello: Hello, welcome: Vec<u8>, log: &Log, from_us: u64) {
        self.phase = Phase::Typed;
        self.version = hello.version.min(VERSION);
        self.id = hello.id;
        self.name = hello.name;
        self.outbox.upgrade(welcome, log, from_us);
        if self.talker.is_some() {
            // In everybody's sound it might hear itself.
            self.outbox.wait();
        }
    }

    /// How much later than the playout delay this listener plays, as far as it is believed, in µs.
    pub fn extra_us(&self) -> u64 {
        self.report.map_or(0, |report| (u64::from(report.extra_ms) * 1000).min(MAX_EXTRA_US))
    }

    /// What this listener was sent, for the log: a whole sentence's end.
    pub fn account(&self, now_us: u64) -> String {
        let Counts { frames, bytes, dropped_full, dropped_old } = self.outbox.counts();
        let seconds = now_us.saturating_sub(self.since_us) as f64 / 1e6;
        let path = self.path.as_ref().map(DatagramPath::counts).unwrap_or_default();
        let by_datagram = match path.datagrams {
            0 => String::new(),
            sent => format!(", {sent} datagrams ({} again)", path.resent),
        };
        let bytes = bytes + path.bytes;
        let dropped = dropped_full + dropped_old + path.dropped_full + path.dropped_old;
        format!(
            "after {seconds:.0} s: {frames} chunks{by_datagram}, {bytes} bytes, {dropped} dropped"
        )
    }

    /// What this listener is called in the log.
    pub fn label(&self) -> String {
        let peer = SocketAddr::new(self.peer.ip().to_canonical(), self.peer.port());
        if self.name.is_empty() { peer.to_string() } else { format!("{} ({peer})", self.name) }
    }
}

#[cfg(test)]
mod tests;
