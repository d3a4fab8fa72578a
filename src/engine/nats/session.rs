//! One connection to an engine, from its first word on. Whoever has the socket gives it bytes and the time, and
//! writes what [`Session::waiting`] holds.

use super::wire::{Broken, Operation, Reader, Writer};
use super::{Info, Nkey};
use crate::format::printable;

/// An engine that has said nothing for so long is asked whether it is there, in µs.
const ASK_US: u64 = 250_000;

/// One that says nothing for so long is gone, in µs: sound and answers come several times as often.
const SILENT_US: u64 = 1_500_000;

/// It says who it is, and whether we may come in, within so long, in µs: names may have to be looked up, and a
/// handshake of TLS takes two round trips.
const GREETING_US: u64 = 5_000_000;

/// Bytes that may wait for the socket: a tenth of a second of sound that nobody has squeezed. What is said beyond
/// that is not said.
pub const MOST_WAITING: usize = 256 * 1024;

/// How much of what an engine says is shown, in characters.
const SHOWN: usize = 120;

/// Who we are to an engine.
#[derive(Clone, Default)]
pub struct Who {
    /// What those see who watch it.
    pub name: String,
    /// What shows who we are, where the engine wants to know.
    pub nkey: Option<Nkey>,
    /// The longest message that is to be said, in bytes.
    pub longest: u64,
}

/// What happens on a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// TLS must begin now, before anything else is read or written; [`Session::secured`] follows.
    Secure,
    /// Now something can be asked for and published.
    Ready,
    /// It has these addresses too, or is about to end.
    Info(&'a Info),
    /// Something was published that we asked for.
    Message {
        /// What it is about.
        subject: &'a str,
        /// By which of our questions it comes.
        subscription: u64,
        /// Where an answer goes, if one is wanted.
        reply: Option<&'a str>,
        /// What was said.
        payload: &'a [u8],
    },
    /// It does not let us say or hear something; all else goes on.
    Forbidden(&'a str),
}

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// What answers is no engine.
    #[error("what answers there is no NATS server: {0}")]
    NoEngine(Broken),
    /// It does not know our key.
    #[error("it does not know this room's key: {0}")]
    Key(String),
    /// It wants TLS, or cannot do it, and we were told otherwise.
    #[error("it speaks no TLS, and its address says that it must")]
    NoTls,
    /// It takes nothing as long as what we say.
    #[error(
        "it takes no message longer than {0} bytes, and sound here comes in {1}: set max_payload to that or more \
         there, or choose a smaller --chunk-size here"
    )]
    Short(u64, u64),
    /// It sent us away.
    #[error("it closed: {0}")]
    Refused(String),
    /// It has said nothing for too long.
    #[error("it has said nothing for {:.1} s", SILENT_US as f64 / 1e6)]
    Silent,
    /// It never said who it is, or whether we may come in.
    #[error("it takes no part in the greeting for {} s", GREETING_US / 1_000_000)]
    NoGreeting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has not said who it is.
    Greeting,
    /// TLS begins.
    Securing,
    /// It has not said that we may come in.
    Entering,
    Ready,
}

/// A connection.
pub struct Session {
    reader: Reader,
    writer: Writer,
    state: State,
    who: Who,
    /// Whether nothing may be said openly.
    must_be_secure: bool,
    nonce: String,
    max_payload: u64,
    /// When it began, and when it last said anything, in µs.
    begun_us: u64,
    heard_us: u64,
    has_asked: bool,
    /// What was not said, because too much waited.
    unsaid: u64,
}

impl Session {
    /// A connection that begins now.
    #[must_use]
    pub fn new(who: &Who, must_be_secure: bool, now_us: u64) -> Self {
        Self {
            reader: Reader::default(),
            writer: Writer::default(),
            state: State::Greeting,
            who: who.clone(),
            must_be_secure,
            nonce: String::new(),
            max_payload: 0,
            begun_us: now_us,
            heard_us: now_us,
            has_asked: false,
            unsaid: 0,
        }
    }

    /// Takes what the socket gave, and tells what it means.
    ///
    /// # Errors
    /// Why the connection is over.
    pub fn read(
        &mut self,
        bytes: &[u8],
        now_us: u64,
        mut tell: impl FnMut(&mut Writer, Event<'_>),
    ) -> Result<(), End> {
        self.heard_us = now_us;
        self.has_asked = false;
        self.reader.push(bytes);
        while let Some(operation) = self.reader.next().map_err(End::NoEngine)? {
            match operation {
                Operation::Info(info) => {
                    self.max_payload = info.max_payload;
                    if self.state == State::Greeting {
                        if info.max_payload < self.who.longest {
                            return Err(End::Short(info.max_payload, self.who.longest));
                        }
                        self.nonce = info.nonce.clone().unwrap_or_default();
                        if self.must_be_secure && !info.tls_required && !info.tls_available {
                            return Err(End::NoTls);
                        }
                        if self.must_be_secure || info.tls_required {
                            self.state = State::Securing;
                            tell(&mut self.writer, Event::Secure);
                        } else {
                            self.state = State::Entering;
                            enter(&mut self.writer, &self.who, &self.nonce);
                        }
                    }
                    tell(&mut self.writer, Event::Info(&info));
                }
                Operation::Ping => self.writer.pong(),
                Operation::Pong if self.state == State::Entering => {
                    self.state = State::Ready;
                    tell(&mut self.writer, Event::Ready);
                }
                Operation::Pong | Operation::Ok => {}
                Operation::Message { subject, subscription, reply, payload }
                    if self.state == State::Ready =>
                {
                    let event = Event::Message { subject, subscription, reply, payload };
                    tell(&mut self.writer, event);
                }
                Operation::Message { .. } => {}
                Operation::Refused(why) => match refusal(why) {
                    None => tell(&mut self.writer, Event::Forbidden(why)),
                    Some(end) => return Err(end),
                },
            }
        }
        Ok(())
    }

    /// TLS has begun: says who we are.
    pub fn secured(&mut self) {
        if self.state == State::Securing {
            self.state = State::Entering;
            enter(&mut self.writer, &self.who, &self.nonce);
        }
    }

    /// Whether something can be asked for and published.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Asks for all that is published of `subject`; it comes with the number `subscription`.
    pub fn subscribe(&mut self, subject: &str, subscription: u64) {
        self.writer.subscribe(subject, subscription);
    }

    /// Asks for it no more.
    pub fn unsubscribe(&mut self, subscription: u64) {
        self.writer.unsubscribe(subscription);
    }

    /// Whether so many bytes would be said now.
    #[must_use]
    pub fn has_room(&self, length: usize) -> bool {
        let is_short = length as u64 <= self.max_payload;
        self.state == State::Ready
            && is_short
            && self.writer.waiting().len() + length <= MOST_WAITING
    }

    /// Publishes `payload`, whose parts follow one another. `false`, and counted, where it is not said: nobody has
    /// let us in, it is longer than the engine takes, or too much waits.
    pub fn publish(&mut self, subject: &str, reply: Option<&str>, payload: &[&[u8]]) -> bool {
        if !self.has_room(payload.iter().map(|part| part.len()).sum()) {
            self.unsaid += 1;
            return false;
        }
        self.writer.publish(subject, reply, payload);
        true
    }

    /// Minds the time: asks an engine that says nothing whether it is there.
    ///
    /// # Errors
    /// [`End::Silent`] and [`End::NoGreeting`].
    pub fn mind(&mut self, now_us: u64) -> Result<(), End> {
        if self.state != State::Ready {
            let is_over = now_us.saturating_sub(self.begun_us) > GREETING_US;
            return if is_over { Err(End::NoGreeting) } else { Ok(()) };
        }
        let silent_us = now_us.saturating_sub(self.heard_us);
        if silent_us > SILENT_US {
            return Err(End::Silent);
        }
        if silent_us > ASK_US && !self.has_asked {
            self.has_asked = true;
            self.writer.ping();
        }
        Ok(())
    }

    /// What waits for the socket.
    #[must_use]
    pub fn waiting(&self) -> &[u8] {
        self.writer.waiting()
    }

    /// The socket took so many bytes of it.
    pub fn wrote(&mut self, bytes: usize) {
        self.writer.wrote(bytes);
    }

    /// What was not said, so far.
    #[must_use]
    pub fn unsaid(&self) -> u64 {
        self.unsaid
    }
}

/// Says who we are, and asks whether we may come in: an engine answers the one after it has thought about the other.
fn enter(writer: &mut Writer, who: &Who, nonce: &str) {
    writer.connect(&who.name, who.nkey.as_ref().map(|nkey| (nkey, nonce)));
    writer.ping();
}

/// What an engine's refusal means for the connection; `None` where that goes on.
fn refusal(why: &str) -> Option<End> {
    let said = why.to_ascii_lowercase();
    let shown = || format!("“{}”", printable(why, SHOWN));
    if said.starts_with("permissions violation") || said.starts_with("invalid subject") {
        None
    } else if said.starts_with("authorization") || said.contains("authentication") {
        Some(End::Key(shown()))
    } else {
        Some(End::Refused(shown()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::Key;

    const INFO: &[u8] = b"INFO {\"nonce\":\"n\",\"max_payload\":1000}\r\n";

    fn events(session: &mut Session, bytes: &[u8], now_us: u64) -> Result<Vec<String>, End> {
        let mut told = Vec::new();
        session.read(bytes, now_us, |_, event| told.push(format!("{event:?}")))?;
        Ok(told)
    }

    fn said(session: &mut Session) -> String {
        let said = String::from_utf8(session.waiting().to_vec()).unwrap();
        session.wrote(said.len());
        said
    }

    fn ready() -> Session {
        let mut session = Session::new(&Who::default(), false, 0);
        session.read(INFO, 0, |_, _| {}).unwrap();
        session.read(b"PONG\r\n", 0, |_, _| {}).unwrap();
        said(&mut session);
        session
    }

    #[test]
    fn who_shows_a_key_comes_in_and_what_is_asked_for_comes() {
        let nkey = Nkey::new(&Key::new([7; 32]));
        let (public, signature) = (nkey.public(), nkey.sign("n"));
        let who = Who { name: "Living room".to_owned(), nkey: Some(nkey), longest: 1_000 };
        let mut session = Session::new(&who, false, 0);
        assert_eq!(said(&mut session), "", "it waits for the engine's first word");
        assert!(!session.publish("a", None, &[b"x"]), "nobody has let us in");
        events(&mut session, INFO, 0).unwrap();
        let greeting = said(&mut session);
        for part in [&*public, &*signature, "\"name\":\"Living room\"", "\"echo\":false"] {
            assert!(greeting.contains(part), "{greeting}");
        }
        assert!(greeting.ends_with("\r\nPING\r\n"), "{greeting}");
        assert_eq!(events(&mut session, b"PONG\r\n", 0).unwrap(), ["Ready"]);
        session.subscribe("a", 1);
        assert!(session.publish("b", None, &[b"x"]));
        assert_eq!(said(&mut session), "SUB a 1\r\nPUB b 1\r\nx\r\n");
        let told = events(&mut session, b"PING\r\nMSG a 1 2\r\nhi\r\n", 0).unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!(said(&mut session), "PONG\r\n");
    }

    #[test]
    fn nothing_is_said_openly_where_nothing_may_be() {
        let mut session = Session::new(&Who::default(), true, 0);
        assert_eq!(events(&mut session, INFO, 0), Err(End::NoTls));
        for info in ["tls_required", "tls_available"] {
            let mut session = Session::new(&Who::default(), true, 0);
            let info = format!("INFO {{\"max_payload\":1000,\"{info}\":true}}\r\n");
            assert_eq!(events(&mut session, info.as_bytes(), 0).unwrap()[0], "Secure");
            assert_eq!(said(&mut session), "");
            session.secured();
            assert!(said(&mut session).starts_with("CONNECT {"));
        }
        // An engine that demands it gets it, whatever the address says.
        let mut session = Session::new(&Who::default(), false, 0);
        let info = b"INFO {\"tls_required\":true}\r\n";
        assert_eq!(events(&mut session, info, 0).unwrap()[0], "Secure");
    }

    #[test]
    fn an_engine_that_takes_nothing_as_long_as_what_we_say_is_refused() {
        let who = Who { longest: 1_001, ..Who::default() };
        let mut session = Session::new(&who, false, 0);
        assert_eq!(events(&mut session, INFO, 0), Err(End::Short(1_000, 1_001)));
    }

    #[test]
    fn an_engine_that_falls_silent_is_asked_and_then_given_up() {
        let mut session = ready();
        session.mind(ASK_US).unwrap();
        assert_eq!(said(&mut session), "");
        session.mind(ASK_US + 1).unwrap();
        session.mind(ASK_US + 2).unwrap();
        assert_eq!(said(&mut session), "PING\r\n", "once");
        events(&mut session, b"PONG\r\n", SILENT_US).unwrap();
        session.mind(2 * SILENT_US).unwrap();
        assert_eq!(session.mind(2 * SILENT_US + 1), Err(End::Silent));

        let mut session = Session::new(&Who::default(), false, 0);
        session.mind(GREETING_US).unwrap();
        assert_eq!(session.mind(GREETING_US + 1), Err(End::NoGreeting));
    }

    #[test]
    fn what_an_engine_refuses_ends_the_connection_or_does_not() {
        let refused = |why: &str| events(&mut ready(), format!("-ERR '{why}'\r\n").as_bytes(), 0);
        let told = refused("Permissions Violation for Publish to \"al.1.audio\"").unwrap();
        assert_eq!(told.len(), 1);
        assert!(matches!(refused("Authorization Violation"), Err(End::Key(_))));
        assert!(matches!(refused("User Authentication Expired"), Err(End::Key(_))));
        assert!(matches!(refused("Slow Consumer"), Err(End::Refused(_))));
    }

    #[test]
    fn what_the_engine_would_not_take_or_nobody_reads_is_not_said_and_counted() {
        let mut session = ready();
        assert!(!session.publish("a", None, &[&[0; 1_001]]));
        while session.publish("a", None, &[&[0; 1_000]]) {}
        assert!(session.waiting().len() <= MOST_WAITING + 100);
        assert_eq!(session.unsaid(), 2);
        session.wrote(MOST_WAITING);
        assert!(session.publish("a", None, &[b"x"]));
    }
}
