//! What an Icecast server answers, as it comes: one head behind the other, then words for people.

use crate::format::printable;

/// Longest head that is read, in bytes: one of Icecast's has 300.
const MOST_HEAD: usize = 8 * 1024;

/// Most lines in a head.
const MOST_LINES: usize = 64;

/// How many of the words behind it are kept, in bytes.
const MOST_WORDS: usize = 256;

/// How many of them are shown, in characters.
const SHOWN_WORDS: usize = 100;

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The number that HTTP has for it.
    pub status: u16,
}

/// What is no answer in HTTP, or far too long for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rubbish;

/// Reads answers.
#[derive(Debug, Default)]
pub struct Answers {
    head: Vec<u8>,
    /// The last answer has come, and words follow.
    has_ended: bool,
    words: Vec<u8>,
}

impl Answers {
    /// Takes what has come, in pieces of any length, and tells each answer.
    ///
    /// # Errors
    /// [`Rubbish`], of which no more than [`MOST_HEAD`] bytes are held.
    pub fn read(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Answer)) -> Result<(), Rubbish> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.has_ended {
                let room = MOST_WORDS - self.words.len();
                self.words.extend(bytes.iter().take(room));
                return Ok(());
            }
            bytes = rest;
            self.head.push(byte);
            // Empty lines between two answers are nothing.
            if self.head == b"\r\n" || self.head == b"\n" {
                self.head.clear();
            } else if self.head.ends_with(b"\n\r\n") || self.head.ends_with(b"\n\n") {
                let answer = parsed(&std::mem::take(&mut self.head))?;
                // What begins with 1 is followed by another.
                self.has_ended = answer.status >= 200;
                tell(answer);
            } else if self.head.len() >= MOST_HEAD || !could_be(&self.head) {
                return Err(Rubbish);
            }
        }
        Ok(())
    }

    /// The first of the words behind the last answer, as far as they can be shown.
    #[must_use]
    pub fn words(&self) -> String {
        let text = String::from_utf8_lossy(&self.words);
        let is_page = text.trim_start().starts_with('<');
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !is_page);
        printable(line.unwrap_or_default(), SHOWN_WORDS)
    }

    /// Whether no more words are of use.
    #[must_use]
    pub fn has_enough(&self) -> bool {
        self.words.len() >= MOST_WORDS
    }
}

/// Whether an answer may begin so.
fn could_be(head: &[u8]) -> bool {
    let begins = b"HTTP/1.";
    let length = head.len().min(begins.len());
    head[..length] == begins[..length]
}

fn parsed(head: &[u8]) -> Result<Answer, Rubbish> {
    let mut lines = [httparse::EMPTY_HEADER; MOST_LINES];
    let mut answer = httparse::Response::new(&mut lines);
    let is_whole = answer.parse(head).map_err(|_| Rubbish)?.is_complete();
    let status = answer.code.filter(|_| is_whole).ok_or(Rubbish)?;
    Ok(Answer { status })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: &[u8] =
        b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\nHTTP/1.0 200 OK\r\n\r\n";
    const IN_USE: &[u8] = b"HTTP/1.0 403 Forbidden\r\nServer: Icecast 2.4.4\r\nConnection: Close\r\n\r\nMountpoint in use";

    fn read_in(pieces: &[&[u8]]) -> (Vec<u16>, String, Result<(), Rubbish>) {
        let (mut answers, mut told) = (Answers::default(), Vec::new());
        let read = pieces
            .iter()
            .try_for_each(|piece| answers.read(piece, |answer| told.push(answer.status)));
        (told, answers.words(), read)
    }

    #[test]
    fn answers_are_the_same_wherever_the_network_cuts_them() {
        for (bytes, told, words) in
            [(ACCEPTED, vec![100, 200], ""), (IN_USE, vec![403], "Mountpoint in use")]
        {
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    assert_eq!(read_in(&pieces), (told.clone(), words.to_owned(), Ok(())));
                }
            }
        }
    }

    #[test]
    fn an_answer_that_was_cut_off_is_none() {
        for length in 0..ACCEPTED.len() {
            let (told, _, read) = read_in(&[&ACCEPTED[..length]]);
            assert_eq!(read, Ok(()));
            let whole = ACCEPTED.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
            assert_eq!(told, if length < whole { vec![] } else { vec![100] }, "{length}");
        }
    }

    #[test]
    fn of_a_line_of_64_mb_no_more_is_held_than_a_head_may_have() {
        let mut answers = Answers::default();
        answers.read(b"HTTP/1.0 200 OK\r\nServer: ", |_| panic!()).unwrap();
        let mut read = 0;
        let piece = vec![b'x'; 64 * 1024];
        while read < 64 << 20 {
            match answers.read(&piece, |_| panic!("an answer")) {
                Ok(()) => read += piece.len(),
                Err(Rubbish) => break,
            }
            assert!(answers.head.capacity() <= 2 * MOST_HEAD);
        }
        assert!(read < MOST_HEAD && answers.head.len() <= MOST_HEAD);
    }

    #[test]
    fn what_is_no_http_is_known_by_its_first_bytes() {
        for rubbish in ["ICY 200 OK\r\n\r\n", "SSH-2.0-OpenSSH", "\0\0\0", "HTTP/2 200\r\n\r\n"] {
            assert_eq!(read_in(&[rubbish.as_bytes()]).2, Err(Rubbish), "{rubbish}");
        }
        let lines = format!("HTTP/1.0 200 OK\r\n{}\r\n", "A: b\r\n".repeat(100));
        assert_eq!(read_in(&[lines.as_bytes()]).2, Err(Rubbish));
        assert_eq!(read_in(&[b"HTTP/1.0 huh\r\n\r\n"]).2, Err(Rubbish));
    }

    #[test]
    fn words_are_a_line_that_can_be_shown_and_no_page() {
        let head = b"HTTP/1.0 500 Oh\r\n\r\n".as_slice();
        let long = "x".repeat(100_000);
        for (words, shown) in [
            ("", ""),
            ("\n  source limit reached \nmore", "source limit reached"),
            ("<html>no</html>", ""),
            ("\u{1b}[2Jgone\u{7f}", "[2Jgone"),
            (&long, &long[..SHOWN_WORDS]),
        ] {
            assert_eq!(read_in(&[head, words.as_bytes()]).1, shown);
        }
    }
}
