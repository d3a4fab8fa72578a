//! What comes from the server → what it means. No socket, no clock: bytes in, events out.

mod code;
mod private;

use zeroize::Zeroizing;

use super::rooms::Rooms;
use crate::codec::opus::RATE;
use crate::codec::{Codec, pcm};
use crate::playout::frames::{FrameDecoder, Sound};
use crate::random::new_key;
use crate::secure::handshake::Sealing;
use crate::secure::room::{SERVER, name_of};
use crate::wire::{
    AudioHeader, Changes, Config, Frame, Full, Hello, Limits, MAX_JSON, MAX_SERVER_FRAME, Notice,
    People, Pong, PrivateRoom, Reason, SEAL, ServerFirst, Switch, VERSION, Violation, Welcome,
    kind,
};
use code::{Outcome, Trying};
pub use private::Shut;
use private::{Entering, Inside};

/// A conversation with one server, from the listener's side.
#[derive(Debug)]
pub struct Conversation {
    hello: Hello,
    /// This run has been welcomed before: a full server may still know us.
    known: bool,
    /// Timed sound is given as it comes.
    is_undecoded: bool,
    /// The private rooms that we may enter.
    rooms: Option<Rooms>,
    /// Names the key of the server whose room we are in.
    server: [u8; SERVER],
    /// The server of a private room said that it is full.
    is_full: bool,
    /// Opens what is sealed, once we are in one.
    inside: Option<Inside>,
    stage: Stage,
    samples: Vec<f32>,
}

#[derive(Debug)]
enum Stage {
    /// Nothing has come yet.
    Waiting,
    /// A generation one server: plain audio for ever. Holds the position of the next frame.
    Plain { config: Config, position: u64 },
    /// Our hello is on its way; plain audio until then is dropped.
    Greeted { config: Option<Config> },
    /// We try the code of a private room.
    Trying(Box<Trying>),
    /// We have asked to enter a private room.
    Entering(Box<Entering>),
    /// Welcomed: typed frames only.
    Typed(Box<FrameDecoder>),
}

/// What the server's bytes mean.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// Nothing to act on.
    Nothing,
    /// Answer with these bytes.
    Say(Vec<u8>),
    /// A generation one server: its layout.
    Plain(Config),
    /// A welcome: the layout, the delay, the session.
    Welcome(Welcome),
    /// Sound.
    Audio(Sound<'a>),
    /// Timed sound as it came, of an [`undecoded`](Conversation::undecoded) conversation.
    Frame(AudioHeader, &'a [u8]),
    /// A clock reading.
    Pong(Pong),
    /// Sound in another codec.
    Switch(Switch),
    /// A change or a goodbye.
    Notice(Notice),
    /// Who is in the room.
    People(People),
    /// What of that has changed.
    Changes(Changes),
    /// The server takes no more listeners.
    Full(Full),
    /// The room is not ours to enter, or not the one that it should be.
    Shut(Shut),
}

impl Conversation {
    /// A conversation that will introduce itself with `hello`. `known` says that a server has
    /// welcomed that id before.
    #[must_use]
    pub fn new(hello: Hello, known: bool) -> Self {
        Self {
            hello,
            known,
            is_undecoded: false,
            rooms: None,
            server: [0; SERVER],
            is_full: false,
            inside: None,
            stage: Stage::Waiting,
            samples: Vec::new(),
        }
    }

    /// Enters private rooms, if they are among `rooms`.
    #[must_use]
    pub fn with(self, rooms: Option<Rooms>) -> Self {
        Self { rooms, ..self }
    }

    /// Gives timed sound as it comes: what is missing may come another way before it is decoded.
    #[must_use]
    pub fn undecoded(self) -> Self {
        Self { is_undecoded: true, ..self }
    }

    /// How long frames may be at this stage.
    #[must_use]
    pub fn limits(&self) -> Limits {
        match &self.stage {
            Stage::Waiting => Limits { plain: MAX_JSON, typed: 0 },
            Stage::Plain { config, .. } => Limits { plain: config.payload_bytes(), typed: 0 },
            Stage::Greeted { config } => Limits {
                plain: config.as_ref().map_or(MAX_JSON, Config::payload_bytes),
                typed: MAX_SERVER_FRAME,
            },
            Stage::Trying(_) => Limits { plain: 0, typed: MAX_JSON },
            Stage::Entering(_) | Stage::Typed(_) => {
                Limits { plain: 0, typed: MAX_SERVER_FRAME + SEAL }
            }
        }
    }

    /// Whether pings may be sent.
    #[must_use]
    pub fn is_typed(&self) -> bool {
        matches!(self.stage, Stage::Typed { .. })
    }

    /// Whether the server has said anything that we understand.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !matches!(self.stage, Stage::Waiting)
    }

    /// Whether a hello is on its way and no welcome has come.
    #[must_use]
    pub fn awaits_welcome(&self) -> bool {
        matches!(self.stage, Stage::Greeted { .. } | Stage::Trying(_) | Stage::Entering(_))
    }

    /// What seals all that is said by datagram, in a private room. A welcome brings one, and whoever takes it
    /// has it.
    pub fn take_datagram_sealing(&mut self) -> Option<Sealing> {
        self.inside.as_mut()?.sealing_datagrams.take()
    }

    /// A frame of ours as it goes out.
    #[must_use]
    pub fn framed(&mut self, frame: Vec<u8>) -> Vec<u8> {
        match &mut self.inside {
            Some(inside) => inside.seal(&frame),
            None => frame,
        }
    }

    /// A datagram as it was before it was sealed. `None` where it is sealed wrongly, or came before.
    pub fn open_datagram<'a>(&'a mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        match &mut self.inside {
            Some(inside) => inside.open_datagram(bytes),
            None => Some(bytes),
        }
    }

    /// Whether the server said that it is full and has not given us our old seat either.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.is_full || matches!(self.stage, Stage::Greeted { config: None })
    }

    /// Takes one frame. Ask for the [`limits`](Self::limits) anew after each.
    ///
    /// # Errors
    /// The [`Violation`] for which the server is given up.
    pub fn take<'a>(&'a mut self, frame: Frame<'a>) -> Result<Event<'a>, Violation> {
        match frame {
            Frame::Plain(payload) => self.plain(payload),
            Frame::Typed { kind, body } => self.typed(kind, body),
        }
    }

    /// Whether that frame would be sound at this stage.
    #[must_use]
    pub fn is_sound(&self, frame: &Frame<'_>) -> bool {
        match (&self.stage, frame) {
            (Stage::Plain { .. }, Frame::Plain(_)) => true,
            (Stage::Typed(_), Frame::Typed { kind: what, .. }) => {
                matches!(*what, kind::AUDIO | kind::SEALED)
            }
            _ => false,
        }
    }

    /// A frame of sound will never come. Only a first-generation server's have to be counted.
    pub fn lose(&mut self) {
        if let Stage::Plain { config, position } = &mut self.stage {
            *position += u64::from(config.chunk_size);
        }
    }

    fn plain(&mut self, payload: &[u8]) -> Result<Event<'_>, Violation> {
        match &mut self.stage {
            Stage::Waiting => self.first(payload),
            Stage::Greeted { .. } => Ok(Event::Nothing),
            Stage::Trying(_) | Stage::Entering(_) | Stage::Typed(_) => Err(Violation::Unframed),
            Stage::Plain { config, position } => {
                let at = *position;
                pcm::read_float32(payload, config.chunk_size, config.channels, &mut self.samples)?;
                *position += u64::from(config.chunk_size);
                Ok(Event::Audio(Sound {
                    position: at,
                    captured_us: None,
                    broken: false,
                    frames: config.chunk_size,
                    concealed: 0,
                    samples: &self.samples,
                }))
            }
        }
    }

    fn first(&mut self, payload: &[u8]) -> Result<Event<'_>, Violation> {
        match ServerFirst::read(payload)? {
            ServerFirst::Full(_) if self.known && !self.is_strict() => {
                self.stage = Stage::Greeted { config: None };
                Ok(Event::Say(self.hello.frame()))
            }
            ServerFirst::Full(full) => Ok(Event::Full(full)),
            ServerFirst::Private(room) => {
                let Some(rooms) = &self.rooms else {
                    return Ok(Event::Shut(Shut::NoTicket));
                };
                if let Some(typed) = rooms.code() {
                    let Ok((trying, frame)) = code::begin(&typed, room, payload) else {
                        return Ok(Event::Shut(Shut::NoCode));
                    };
                    self.stage = Stage::Trying(Box::new(trying));
                    return Ok(Event::Say(frame));
                }
                self.enter(&room, payload)
            }
            // Whoever is between us and the server may have taken out that it is private.
            ServerFirst::Config(_) if self.is_strict() => Ok(Event::Shut(Shut::Open)),
            ServerFirst::Config(config) => {
                let newer = config.auralync.as_ref().is_some_and(|key| key.version >= 2);
                if newer {
                    self.stage = Stage::Greeted { config: Some(config) };
                    return Ok(Event::Say(self.hello.frame()));
                }
                self.stage = Stage::Plain { config: config.clone(), position: 0 };
                Ok(Event::Plain(config))
            }
        }
    }

    /// Whether no open room will do.
    fn is_strict(&self) -> bool {
        self.rooms.as_ref().is_some_and(Rooms::is_strict)
    }

    /// Asks to enter that room, if there is a ticket to it.
    fn enter(&mut self, room: &PrivateRoom, payload: &[u8]) -> Result<Event<'_>, Violation> {
        let Some(rooms) = &self.rooms else {
            return Ok(Event::Shut(Shut::NoTicket));
        };
        let Some(ticket) = rooms.ticket(&name_of(&room.key)) else {
            let is_other = rooms.has_link();
            return Ok(Event::Shut(if is_other { Shut::OtherServer } else { Shut::NoTicket }));
        };
        let random =
            new_key().map_err(|e| Violation::Unreadable { what: "room", why: e.to_string() })?;
        match private::ask(&ticket, room, payload, &self.hello, &random) {
            Some((entering, frame)) => {
                self.stage = Stage::Entering(Box::new(entering));
                Ok(Event::Say(frame))
            }
            None => Ok(Event::Shut(Shut::OtherServer)),
        }
    }

    fn typed<'a>(&'a mut self, kind: u8, body: &'a [u8]) -> Result<Event<'a>, Violation> {
        match &self.stage {
            Stage::Trying(_) => return self.tried(kind, body),
            Stage::Entering(_) => return self.entered(kind, body),
            _ => {}
        }
        let is_undecoded = self.is_undecoded;
        if self.inside.is_none() {
            return self.open(kind, body);
        }
        let Some(inside) = &mut self.inside else {
            return Err(Violation::Unframed);
        };
        match (&mut self.stage, kind) {
            (Stage::Typed(decoder), kind::SEALED) => {
                let (header, payload) = inside.open_sound(body)?;
                if is_undecoded {
                    return Ok(Event::Frame(header, payload));
                }
                decoder.decode(header, payload, &mut self.samples).map(Event::Audio)
            }
            (Stage::Typed(_), kind::PRIVATE) => {
                let opened: Zeroizing<Vec<u8>> = inside.open(body)?;
                let (kind, body) = (opened[0], &opened[1..]);
                if kind == kind::EPOCHS {
                    if let (Some(secret), Some(rooms)) = (inside.learn(body)?, &self.rooms) {
                        rooms.change(&self.server, secret);
                    }
                    return Ok(Event::Nothing);
                }
                said(kind, body, is_undecoded)
            }
            _ => Err(Violation::Unframed),
        }
    }

    /// What comes while we try a code.
    fn tried(&mut self, kind: u8, body: &[u8]) -> Result<Event<'_>, Violation> {
        if kind == kind::NOTICE {
            return self.openly(body);
        }
        let Stage::Trying(trying) = std::mem::replace(&mut self.stage, Stage::Waiting) else {
            return Err(Violation::Unframed);
        };
        match trying.take(kind, body)? {
            Outcome::Say(trying, frame) => {
                // Whoever answers has had a try: another needs another code.
                if let Some(rooms) = &self.rooms {
                    rooms.forget_code();
                }
                self.stage = Stage::Trying(Box::new(trying));
                Ok(Event::Say(frame))
            }
            Outcome::Link(link, room, config) => {
                if let Some(rooms) = &self.rooms {
                    rooms.give(link);
                }
                self.enter(&room, &config)
            }
            Outcome::Shut(shut) => Ok(Event::Shut(shut)),
        }
    }

    /// What comes after we have asked to enter a private room.
    fn entered(&mut self, kind: u8, body: &[u8]) -> Result<Event<'_>, Violation> {
        if kind == kind::NOTICE {
            return self.openly(body);
        }
        let Stage::Entering(entering) = std::mem::replace(&mut self.stage, Stage::Waiting) else {
            return Err(Violation::Unframed);
        };
        if kind != kind::ENTERED {
            return Err(Violation::Unframed);
        }
        let (welcome, inside, ticket) = entering.finish(body)?;
        self.server = ticket.server;
        if let Some(rooms) = &self.rooms {
            rooms.remember(&ticket);
        }
        self.stage = Stage::Typed(Box::new(promised(&welcome, &self.hello)?));
        self.inside = Some(inside);
        Ok(Event::Welcome(welcome))
    }

    /// What a notice says that comes openly, because we are not in the private room yet.
    fn openly(&mut self, body: &[u8]) -> Result<Event<'static>, Violation> {
        let event = before_entering(body)?;
        self.is_full |= matches!(event, Event::Full(_));
        Ok(event)
    }

    fn open<'a>(&'a mut self, kind: u8, body: &'a [u8]) -> Result<Event<'a>, Violation> {
        match (&mut self.stage, kind) {
            (Stage::Greeted { .. }, kind::WELCOME) => {
                let welcome = Welcome::read(body)?;
                self.stage = Stage::Typed(Box::new(promised(&welcome, &self.hello)?));
                Ok(Event::Welcome(welcome))
            }
            (Stage::Typed(decoder), kind::AUDIO) => {
                let (header, payload) = AudioHeader::split(body)?;
                if self.is_undecoded {
                    return Ok(Event::Frame(header, payload));
                }
                decoder.decode(header, payload, &mut self.samples).map(Event::Audio)
            }
            (Stage::Greeted { .. }, kind::NOTICE) | (Stage::Typed(_), _) => {
                said(kind, body, self.is_undecoded)
            }
            _ => Ok(Event::Nothing),
        }
    }
}

/// What a notice means that anybody on the network may have sent: it ends a conversation, or lets it wait, and
/// changes nothing else.
fn before_entering(body: &[u8]) -> Result<Event<'static>, Violation> {
    let notice = Notice::read(body)?;
    Ok(match notice.reason {
        Reason::WrongKey => Event::Shut(Shut::OtherRoom),
        Reason::NotLetIn => Event::Shut(Shut::NotLetIn),
        Reason::WrongCode => Event::Shut(Shut::WrongCode),
        Reason::NoCode => Event::Shut(Shut::NoCode),
        Reason::CodeWait => Event::Shut(Shut::CodeWait { seconds: notice.wait_s.unwrap_or(1) }),
        Reason::ServerFull => Event::Full(Full::Server),
        Reason::AddressFull => Event::Full(Full::Address),
        Reason::Waiting
        | Reason::Stopping
        | Reason::Replaced
        | Reason::Violation
        | Reason::Removed => Event::Notice(notice),
        _ => Event::Nothing,
    })
}

/// What a frame says that is no sound.
fn said<'a>(kind: u8, body: &[u8], is_undecoded: bool) -> Result<Event<'a>, Violation> {
    match kind {
        kind::SWITCH if is_undecoded => Ok(Event::Switch(Switch::read(body)?)),
        kind::PONG => Ok(Event::Pong(Pong::read(body)?)),
        kind::CHANGES => Ok(Event::Changes(Changes::read(body)?)),
        kind::PEOPLE => Ok(Event::People(People::read(body)?)),
        kind::NOTICE => Ok(Event::Notice(Notice::read(body)?)),
        _ => Ok(Event::Nothing),
    }
}

/// The decoder of the sound that a welcome promises, if `hello` asked for its codec. float32 is in
/// every list.
fn promised(welcome: &Welcome, hello: &Hello) -> Result<FrameDecoder, Violation> {
    let unreadable = |why: &str| {
        let codec = crate::format::printable(&welcome.codec, 40);
        let why = format!("codec {codec}, which {why}");
        Violation::Unreadable { what: "welcome", why }
    };
    let asked = |codec: &String| Codec::parse(codec).map(Codec::name) == Some(&welcome.codec);
    let decoder = decoder(welcome).ok_or_else(|| unreadable("this version does not play"))?;
    let codec = Codec::parse(&welcome.codec);
    if codec != Some(Codec::Float32) && !hello.codecs.iter().any(asked) {
        return Err(unreadable("nobody asked for"));
    }
    if matches!(codec, Some(Codec::Opus(_))) && welcome.position_rate != RATE {
        return Err(unreadable("counts at another rate than 48000 Hz"));
    }
    Ok(decoder)
}

/// A decoder of the sound that a welcome promises; `None` for a codec that does not exist.
#[must_use]
pub fn decoder(welcome: &Welcome) -> Option<FrameDecoder> {
    FrameDecoder::new(&welcome.codec, welcome.format, welcome.algorithmic_delay.into())
}

/// A hello for this run of the client, for sound as it was captured.
#[must_use]
pub fn hello(id: String, name: &str) -> Hello {
    Hello {
        version: VERSION,
        id,
        name: name.to_owned(),
        codecs: vec!["f32".to_owned()],
        talk: None,
        datagrams: false,
    }
}

#[cfg(test)]
mod tests;
