//! Lines and payloads: found in a byte stream that TCP may have cut anywhere, and written.

use std::str;

use super::{Info, Nkey};
use crate::format::printable;

/// Longest line, in bytes. An engine says all its addresses in one, and [`MOST_ADDRESSES`](super::MOST_ADDRESSES)
/// of the longest names that there are take a quarter of this.
pub const MAX_LINE: usize = 64 * 1024;

/// Longest payload, in bytes: what the engine is told to take, and more than any frame of sound.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// How much of what cannot be read is shown, in characters.
const SHOWN: usize = 60;

/// What an engine says, borrowed from the reader.
#[derive(Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// What it is, first of all and whenever that changes.
    Info(Box<Info>),
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
    /// It asks whether we are there.
    Ping,
    /// It is there.
    Pong,
    /// It took what we said.
    Ok,
    /// It did not; most of the time it closes then.
    Refused(&'a str),
}

/// What is not the engine's protocol. The stream cannot be read further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// No operation begins so.
    #[error("it says “{0}”")]
    Unknown(String),
    /// A line does not end.
    #[error("a line is longer than {MAX_LINE} bytes")]
    LongLine,
    /// A payload is longer than it may be.
    #[error("a message of {0} bytes; {MAX_PAYLOAD} is the most")]
    LongPayload(u64),
    /// The end of a payload is not where its line says.
    #[error("a message does not end where it should")]
    Unfinished,
}

/// Cuts a byte stream into operations. Holds one that is incomplete, plus what was pushed since the last
/// [`next`](Self::next) that returned `None`.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    read: usize,
    /// Up to here there is no end of a line.
    searched: usize,
}

/// Where the parts of a message are in its line.
struct Head {
    subject: (usize, usize),
    subscription: u64,
    reply: Option<(usize, usize)>,
    length: u64,
}

impl Reader {
    /// Adds what the socket gave. Take all operations out before adding more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.read);
        self.searched -= self.read.min(self.searched);
        self.read = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > MAX_LINE + MAX_PAYLOAD {
            // The largest burst is not kept for good.
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next operation, or `None` until more bytes come.
    ///
    /// # Errors
    /// What shows that this is no engine, or that it is out of step.
    #[expect(clippy::should_implement_trait, reason = "what it returns is borrowed")]
    pub fn next(&mut self) -> Result<Option<Operation<'_>>, Broken> {
        let from = self.read;
        let Some(end) = self.line_end()? else { return Ok(None) };
        let (line, behind) = (&self.buffer[from..end], end + 2);
        let Ok(text) = str::from_utf8(line) else {
            return Err(unknown(line));
        };
        let word = text.split([' ', '\t']).next().unwrap_or_default();
        if word.eq_ignore_ascii_case("MSG") {
            let head = Head::read(text).ok_or_else(|| unknown(line))?;
            let length = usize::try_from(head.length).ok().filter(|length| *length <= MAX_PAYLOAD);
            let until = behind + length.ok_or(Broken::LongPayload(head.length))?;
            let Some(ending) = self.buffer.get(until..until + 2) else { return Ok(None) };
            if ending != b"\r\n" {
                return Err(Broken::Unfinished);
            }
            self.advance(until + 2);
            let at = |(start, end): (usize, usize)| {
                str::from_utf8(&self.buffer[from + start..from + end]).unwrap_or_default()
            };
            return Ok(Some(Operation::Message {
                subject: at(head.subject),
                subscription: head.subscription,
                reply: head.reply.map(at),
                payload: &self.buffer[behind..until],
            }));
        }
        let rest_at = from + word.len();
        let operation = match &*word.to_ascii_uppercase() {
            "INFO" => {
                let info = Info::read(text[word.len()..].trim()).ok_or_else(|| unknown(line))?;
                self.advance(behind);
                return Ok(Some(Operation::Info(Box::new(info))));
            }
            "PING" => Operation::Ping,
            "PONG" => Operation::Pong,
            "+OK" => Operation::Ok,
            "-ERR" => {
                self.advance(behind);
                let said = str::from_utf8(&self.buffer[rest_at..end]).unwrap_or_default();
                return Ok(Some(Operation::Refused(said.trim().trim_matches('\''))));
            }
            _ => return Err(unknown(line)),
        };
        self.advance(behind);
        Ok(Some(operation))
    }

    /// Where the line in hand ends, without its CR LF. `None` until that has come.
    fn line_end(&mut self) -> Result<Option<usize>, Broken> {
        let from = self.searched.max(self.read);
        match self.buffer[from..].iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                let end = from + at;
                // A message that is incomplete is looked at again from here.
                self.searched = end;
                if end - self.read > MAX_LINE {
                    return Err(Broken::LongLine);
                }
                let has_return = end > self.read && self.buffer[end - 1] == b'\r';
                if has_return {
                    Ok(Some(end - 1))
                } else {
                    Err(unknown(&self.buffer[self.read..end]))
                }
            }
            None if self.buffer.len() - self.read > MAX_LINE => Err(Broken::LongLine),
            None => {
                self.searched = self.buffer.len();
                Ok(None)
            }
        }
    }

    fn advance(&mut self, to: usize) {
        self.read = to;
        self.searched = to;
    }
}

impl Head {
    /// `MSG subject subscription [reply] length`.
    fn read(line: &str) -> Option<Self> {
        let start_of = |part: &str| part.as_ptr() as usize - line.as_ptr() as usize;
        let parts = line.split([' ', '\t']).filter(|part| !part.is_empty()).skip(1);
        let mut parts = parts.collect::<Vec<_>>().into_iter();
        let span = |part: &str| (start_of(part), start_of(part) + part.len());
        let (subject, subscription) = (parts.next()?, parts.next()?.parse().ok()?);
        let (reply, length) = match (parts.next()?, parts.next(), parts.next()) {
            (length, None, None) => (None, length),
            (reply, Some(length), None) => (Some(span(reply)), length),
            _ => return None,
        };
        let length = length.parse().ok()?;
        Some(Self { subject: span(subject), subscription, reply, length })
    }
}

fn unknown(line: &[u8]) -> Broken {
    Broken::Unknown(printable(&String::from_utf8_lossy(line), SHOWN))
}

/// What a client says, in the order in which it is said.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

/// What is said first. [Its fields](https://docs.nats.io/reference/reference-protocols/nats-protocol#connect).
#[derive(serde::Serialize)]
struct Connect<'a> {
    verbose: bool,
    pedantic: bool,
    echo: bool,
    lang: &'a str,
    version: &'a str,
    protocol: u32,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<String>,
}

impl Writer {
    /// Says who we are; `nkey` signs the engine's `nonce`, where it wants to know. What we publish does not come
    /// back to us.
    pub fn connect(&mut self, name: &str, nkey: Option<(&Nkey, &str)>) {
        let connect = Connect {
            verbose: false,
            pedantic: false,
            echo: false,
            lang: "auralync",
            version: env!("CARGO_PKG_VERSION"),
            // So that the engine says when its addresses change, and when it is about to end.
            protocol: 1,
            name,
            nkey: nkey.map(|(nkey, _)| nkey.public()),
            sig: nkey.map(|(nkey, nonce)| nkey.sign(nonce)),
        };
        // A struct of texts and numbers cannot fail to be JSON.
        let json = serde_json::to_string(&connect).unwrap_or_default();
        self.line(&["CONNECT", &json]);
    }

    /// Asks for all that is published of `subject`; it comes with the number `subscription`.
    pub fn subscribe(&mut self, subject: &str, subscription: u64) {
        self.line(&["SUB", subject, &subscription.to_string()]);
    }

    /// Asks for it no more.
    pub fn unsubscribe(&mut self, subscription: u64) {
        self.line(&["UNSUB", &subscription.to_string()]);
    }

    /// Publishes `payload`, whose parts follow one another; an answer is wanted at `reply`.
    pub fn publish(&mut self, subject: &str, reply: Option<&str>, payload: &[&[u8]]) {
        let length = payload.iter().map(|part| part.len()).sum::<usize>().to_string();
        match reply {
            Some(reply) => self.line(&["PUB", subject, reply, &length]),
            None => self.line(&["PUB", subject, &length]),
        }
        payload.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Asks whether the engine is there.
    pub fn ping(&mut self) {
        self.line(&["PING"]);
    }

    /// Says that we are there.
    pub fn pong(&mut self) {
        self.line(&["PONG"]);
    }

    fn line(&mut self, words: &[&str]) {
        self.bytes.extend_from_slice(words.join(" ").as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// What has not been written yet.
    #[must_use]
    pub fn waiting(&self) -> &[u8] {
        &self.bytes
    }

    /// The first `bytes` of it are written.
    pub fn wrote(&mut self, bytes: usize) {
        self.bytes.drain(..bytes.min(self.bytes.len()));
    }
}

#[cfg(test)]
mod tests;
