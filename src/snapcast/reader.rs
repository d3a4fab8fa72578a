//! Finds what a snapclient says in a byte stream that TCP may have cut anywhere. Every length is checked before
//! anything is kept for it.

use byteorder::{ByteOrder, LittleEndian};
use serde::Deserialize;

use super::message::{HEADER, kind};
use crate::format::printable_name;

/// The version of the protocol that is spoken.
pub const VERSION: u32 = 2;

/// Longest hello: players say a few hundred bytes.
pub const MAX_HELLO: usize = 16 * 1024;

/// Longest word of a client on its volume: two numbers.
pub const MAX_INFO: usize = 4 * 1024;

/// Longest message of a kind that is not known here, which is passed over and not kept.
pub const MAX_UNKNOWN: usize = 64 * 1024;

/// Longest name and id, in characters and in bytes.
const MAX_NAME: (usize, usize) = (64, 256);

/// What a client did that no snapclient does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// A message is longer than any may be.
    #[error("a message of kind {kind} has {size} bytes")]
    TooLong {
        /// What it says it is.
        kind: u16,
        /// And how long.
        size: u32,
    },
    /// Lengths contradict each other, or the text is no JSON of its kind.
    #[error("a message of kind {0} cannot be read")]
    Unreadable(u16),
    /// What only a server says.
    #[error("it says what only a server says, a message of kind {0}")]
    ServersOwn(u16),
    /// It speaks another protocol.
    #[error("it speaks version {0} of Snapcast's protocol, and version 2 is spoken here")]
    Version(u32),
    /// Something else before its hello, or a second one.
    #[error("it does not say who it is, once and first")]
    Order,
    /// Far more than a snapclient has to say.
    #[error("it says far too much")]
    Flood,
    /// Nothing in time.
    #[error("it did not say who it is in time")]
    Silent,
}

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// What it is known by when it comes again.
    pub id: String,
    /// Its computer.
    pub name: String,
    /// Its program's version.
    pub version: String,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Who it is; `id` is the message's, which is answered.
    Hello {
        /// The message's own.
        id: u16,
        /// Who.
        hello: Hello,
    },
    /// What time it is. By the client's clock that was asked at `sent_us`.
    Time {
        /// The message's own.
        id: u16,
        /// By the client's clock.
        sent_us: i64,
    },
    /// Its own volume, 0 to 100, and whether it is silent.
    Info {
        /// How loud.
        volume: u8,
        /// Whether silent.
        is_muted: bool,
    },
}

/// Cuts a client's byte stream into messages. It holds one of them at most, beside what was pushed last.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    read: usize,
    /// Bytes yet to come of a message that is passed over.
    skipped: usize,
}

#[derive(Deserialize)]
struct HelloText {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(rename = "MAC", default)]
    mac: String,
    #[serde(rename = "HostName", default)]
    host: String,
    #[serde(rename = "Version", default)]
    version: String,
    /// The oldest players say none, and speak the first.
    #[serde(rename = "SnapStreamProtocolVersion", default = "first")]
    protocol: u32,
}

fn first() -> u32 {
    1
}

#[derive(Deserialize)]
struct InfoText {
    volume: u8,
    #[serde(default)]
    muted: bool,
}

impl Reader {
    /// Adds what the socket gave. Take all messages out before adding more.
    pub fn push(&mut self, bytes: &[u8]) {
        let skipped = self.skipped.min(bytes.len());
        self.skipped -= skipped;
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.extend_from_slice(&bytes[skipped..]);
    }

    /// Bytes that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.len() - self.read
    }

    /// The next message that means anything here, or `None` until more bytes come. Each message that is passed over
    /// is told to `passed`.
    ///
    /// # Errors
    /// A [`Misuse`] as soon as a header shows one. The stream cannot be read further.
    pub fn next_said(&mut self, mut passed: impl FnMut(u16)) -> Result<Option<Said>, Misuse> {
        loop {
            let waiting = &self.buffer[self.read..];
            let Some((head, rest)) = waiting.split_at_checked(HEADER) else { return Ok(None) };
            let (kind, id) =
                (LittleEndian::read_u16(&head[0..2]), LittleEndian::read_u16(&head[2..4]));
            let said_size = LittleEndian::read_u32(&head[22..26]);
            let size = usize::try_from(said_size).unwrap_or(usize::MAX);
            let longest = match kind {
                kind::HELLO => MAX_HELLO,
                kind::CLIENT_INFO => MAX_INFO,
                kind::TIME => 8,
                kind::CODEC_HEADER | kind::WIRE_CHUNK | kind::SERVER_SETTINGS | kind::ERROR => {
                    return Err(Misuse::ServersOwn(kind));
                }
                _ => MAX_UNKNOWN,
            };
            if size > longest {
                return Err(Misuse::TooLong { kind, size: said_size });
            }
            if !matches!(kind, kind::HELLO | kind::CLIENT_INFO | kind::TIME) {
                passed(kind);
                let here = size.min(rest.len());
                self.read += HEADER + here;
                self.skipped = size - here;
                continue;
            }
            let Some(body) = rest.get(..size) else { return Ok(None) };
            let said = match kind {
                kind::HELLO => read_hello(body).map(|hello| Said::Hello { id, hello })?,
                kind::CLIENT_INFO => {
                    let text: InfoText = read_json(kind, body)?;
                    Said::Info { volume: text.volume.min(100), is_muted: text.muted }
                }
                _ if size == 8 => Said::Time { id, sent_us: read_time(&head[6..14]) },
                _ => return Err(Misuse::Unreadable(kind)),
            };
            self.read += HEADER + size;
            return Ok(Some(said));
        }
    }
}

fn read_time(bytes: &[u8]) -> i64 {
    let [seconds, rest] = [&bytes[0..4], &bytes[4..8]].map(LittleEndian::read_i32).map(i64::from);
    // No more than 32 bits of either.
    seconds * 1_000_000 + rest
}

/// A text of JSON behind its own length, which must be that of all there is.
fn read_json<'a, T: Deserialize<'a>>(kind: u16, body: &'a [u8]) -> Result<T, Misuse> {
    let unreadable = || Misuse::Unreadable(kind);
    let (length, text) = body.split_at_checked(4).ok_or_else(unreadable)?;
    if usize::try_from(LittleEndian::read_u32(length)) != Ok(text.len()) {
        return Err(unreadable());
    }
    // A list would do as well, in serde's eyes.
    if !text.trim_ascii_start().starts_with(b"{") {
        return Err(unreadable());
    }
    serde_json::from_slice(text).map_err(|_| unreadable())
}

fn read_hello(body: &[u8]) -> Result<Hello, Misuse> {
    let text: HelloText = read_json(kind::HELLO, body)?;
    if text.protocol != VERSION {
        return Err(Misuse::Version(text.protocol));
    }
    let shown = |text: &str| printable_name(text, MAX_NAME.0, MAX_NAME.1);
    let id = Some(shown(&text.id)).filter(|id| !id.is_empty()).unwrap_or_else(|| shown(&text.mac));
    if id.is_empty() {
        return Err(Misuse::Unreadable(kind::HELLO));
    }
    let name =
        Some(shown(&text.host)).filter(|name| !name.is_empty()).unwrap_or_else(|| id.clone());
    Ok(Hello { id, name, version: shown(&text.version) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = r#"{"Arch":"x86_64","ClientName":"Snapclient","HostName":"kitchen","ID":"00:11","Instance":1,"MAC":"00:11","OS":"Debian","SnapStreamProtocolVersion":2,"Version":"0.26.0"}"#;

    fn message(kind: u16, id: u16, size: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[0..2].copy_from_slice(&kind.to_le_bytes());
        bytes[2..4].copy_from_slice(&id.to_le_bytes());
        bytes[6..10].copy_from_slice(&(-3_i32).to_le_bytes());
        bytes[10..14].copy_from_slice(&250_000_i32.to_le_bytes());
        bytes[22..26].copy_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    fn text(kind: u16, text: &str) -> Vec<u8> {
        let body =
            [&u32::try_from(text.len()).unwrap().to_le_bytes()[..], text.as_bytes()].concat();
        message(kind, 9, u32::try_from(body.len()).unwrap(), &body)
    }

    fn read(bytes: &[u8]) -> Result<Option<Said>, Misuse> {
        let mut reader = Reader::default();
        reader.push(bytes);
        reader.next_said(|_| {})
    }

    fn all(pushes: &[&[u8]]) -> (Vec<Said>, Vec<u16>) {
        let (mut reader, mut said, mut passed) = (Reader::default(), Vec::new(), Vec::new());
        for bytes in pushes {
            reader.push(bytes);
            while let Some(one) = reader.next_said(|kind| passed.push(kind)).unwrap() {
                said.push(one);
            }
        }
        (said, passed)
    }

    fn conversation() -> (Vec<u8>, Vec<Said>) {
        let bytes = [
            text(kind::HELLO, HELLO),
            message(99, 0, 5, b"later"),
            message(kind::TIME, 515, 8, &[0; 8]),
            text(kind::CLIENT_INFO, r#"{"volume":250,"muted":true}"#),
        ];
        let [id, name, version] = ["00:11", "kitchen", "0.26.0"].map(str::to_owned);
        let said = vec![
            Said::Hello { id: 9, hello: Hello { id, name, version } },
            Said::Time { id: 515, sent_us: -2_750_000 },
            Said::Info { volume: 100, is_muted: true },
        ];
        (bytes.concat(), said)
    }

    #[test]
    fn a_conversation_reads_the_same_wherever_it_is_cut() {
        let (bytes, said) = conversation();
        for cut in 0..=bytes.len() {
            let (before, after) = bytes.split_at(cut);
            assert_eq!(all(&[before, after]), (said.clone(), vec![99]), "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(all(&single), (said, vec![99]));
    }

    #[test]
    fn every_length_that_lies_is_refused_before_anything_is_kept_for_it() {
        let longest = |kind| match kind {
            kind::HELLO => MAX_HELLO,
            kind::CLIENT_INFO => MAX_INFO,
            kind::TIME => 8,
            _ => MAX_UNKNOWN,
        };
        for kind in [kind::HELLO, kind::CLIENT_INFO, kind::TIME, 0, 6, 9, 65_535] {
            let most = u32::try_from(longest(kind)).unwrap();
            for size in [most + 1, 1 << 31, u32::MAX] {
                let refused = Err(Misuse::TooLong { kind, size });
                assert_eq!(read(&message(kind, 0, size, &[])), refused);
            }
            assert_eq!(read(&message(kind, 0, most, &[])), Ok(None), "{kind}");
        }
        for size in 0..8 {
            let body = vec![0; size as usize];
            let read = read(&message(kind::TIME, 0, size, &body));
            assert_eq!(read, Err(Misuse::Unreadable(kind::TIME)));
        }
    }

    #[test]
    fn a_text_must_have_the_length_that_it_says() {
        let honest = text(kind::HELLO, HELLO);
        assert!(read(&honest).unwrap().is_some());
        let length = u32::try_from(HELLO.len()).unwrap();
        for lie in [0, 1, length - 1, length + 1, u32::MAX] {
            let mut bytes = honest.clone();
            bytes[HEADER..HEADER + 4].copy_from_slice(&lie.to_le_bytes());
            assert_eq!(read(&bytes), Err(Misuse::Unreadable(kind::HELLO)), "{lie}");
        }
        for size in 0..4 {
            let body = vec![0; size as usize];
            assert_eq!(
                read(&message(kind::HELLO, 0, size, &body)),
                Err(Misuse::Unreadable(kind::HELLO))
            );
        }
    }

    #[test]
    fn what_is_no_hello_of_version_two_is_refused() {
        let wrong = |words: &str| read(&text(kind::HELLO, words)).unwrap_err();
        assert_eq!(wrong(&HELLO.replace(":2,", ":3,")), Misuse::Version(3));
        assert_eq!(wrong(r#"{"ID":"a"}"#), Misuse::Version(1));
        for words in ["", "{", "7", "[]", r#"{"ID":7,"SnapStreamProtocolVersion":2}"#] {
            assert_eq!(wrong(words), Misuse::Unreadable(kind::HELLO), "{words}");
        }
        assert_eq!(wrong(r#"{"SnapStreamProtocolVersion":2}"#), Misuse::Unreadable(kind::HELLO));
        assert_eq!(wrong(&"[".repeat(9_000)), Misuse::Unreadable(kind::HELLO));
    }

    #[test]
    fn names_are_fit_to_print_and_bounded() {
        let words = format!(
            r#"{{"ID":"\u001b[2J{}","SnapStreamProtocolVersion":2,"HostName":" \u202e "}}"#,
            "x".repeat(5_000)
        );
        let Some(Said::Hello { hello, .. }) = read(&text(kind::HELLO, &words)).unwrap() else {
            panic!()
        };
        assert!(hello.id.starts_with("[2Jxx") && hello.id.len() == 64, "{}", hello.id);
        assert_eq!(hello.name, hello.id);
    }

    #[test]
    fn what_only_a_server_says_is_refused() {
        for kind in [1, 2, 3, 8] {
            assert_eq!(read(&message(kind, 0, 0, &[])), Err(Misuse::ServersOwn(kind)));
        }
    }

    #[test]
    fn what_is_passed_over_is_not_kept() {
        let mut reader = Reader::default();
        for _ in 0..100 {
            reader.push(&message(77, 0, u32::try_from(MAX_UNKNOWN).unwrap(), &[]));
            for _ in 0..MAX_UNKNOWN / 1_024 {
                assert_eq!(reader.next_said(|_| {}), Ok(None));
                assert!(reader.held() <= HEADER, "{}", reader.held());
                reader.push(&[0; 1_024]);
            }
        }
        reader.push(&text(kind::HELLO, HELLO));
        assert!(matches!(reader.next_said(|_| {}), Ok(Some(Said::Hello { .. }))));
    }
}
