//! mpv's words, JSON lines: what it is asked, and what it answers. Pure.

use serde_json::{Value, json};

use super::Trouble;

/// Longest line that is read, in bytes: what it answers us has less than a thousand.
const LONGEST_LINE: usize = 64 * 1024;

/// What is said to one mpv, and heard of it.
#[derive(Debug, Default)]
pub struct Talk {
    /// The number of the question that was asked last.
    number: u64,
    line: Vec<u8>,
    /// Films that have begun since we came.
    films: u64,
}

/// The answer to the question that was asked last: what it says, or that it cannot.
pub(super) type Answer = Result<Value, ()>;

impl Talk {
    /// Asks for a property.
    #[must_use]
    pub fn ask(&mut self, property: &str) -> Vec<u8> {
        self.command(&json!(["get_property", property]))
    }

    /// Sets the audio delay, in s.
    #[must_use]
    pub fn set(&mut self, value_s: f64) -> Vec<u8> {
        self.command(&json!(["set_property", "audio-delay", value_s]))
    }

    /// Keeps the audio delay from being remembered with the place in the film, or lets it be so again: what is ours is
    /// not to be there when the film goes on another day.
    #[must_use]
    pub fn remember(&mut self, whether: bool) -> Vec<u8> {
        let what = if whether { "append" } else { "remove" };
        self.command(&json!(["change-list", "watch-later-options", what, "audio-delay"]))
    }

    fn command(&mut self, words: &Value) -> Vec<u8> {
        self.number += 1;
        let mut line = json!({"command": words, "request_id": self.number}).to_string();
        line.push('\n');
        line.into_bytes()
    }

    /// How many films have begun since we came.
    #[must_use]
    pub fn films(&self) -> u64 {
        self.films
    }

    /// Takes what came; the answer once it is there.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Trouble> {
        let mut answer = None;
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.line.len() + piece.len() > LONGEST_LINE {
                return Err(Trouble::Nonsense);
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                answer = self.understand(&line)?.or(answer);
            }
        }
        Ok(answer)
    }

    fn understand(&mut self, line: &[u8]) -> Result<Option<Answer>, Trouble> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let said: Value = serde_json::from_slice(line).map_err(|_| Trouble::Nonsense)?;
        if let Some(event) = said.get("event") {
            if event == "start-file" {
                self.films = self.films.wrapping_add(1);
            }
            return Ok(None);
        }
        let Some(error) = said.get("error").and_then(Value::as_str) else {
            return Err(Trouble::Nonsense);
        };
        // An answer to what was asked before, and took too long.
        if said.get("request_id").and_then(Value::as_u64) != Some(self.number) {
            return Ok(None);
        }
        if error != "success" {
            return Ok(Some(Err(())));
        }
        Ok(Some(Ok(said.get("data").cloned().unwrap_or(Value::Null))))
    }
}

/// Takes what came in pieces, for who tries bytes that nobody thought of: whether it still makes sense.
#[must_use]
pub fn makes_sense(talk: &mut Talk, bytes: &[u8]) -> bool {
    talk.hear(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_one_line_and_its_answer_is_found_among_events_wherever_it_is_cut() {
        let mut talk = Talk::default();
        assert_eq!(
            String::from_utf8(talk.ask("audio-delay")).unwrap(),
            "{\"command\":[\"get_property\",\"audio-delay\"],\"request_id\":1}\n"
        );
        let said = "{\"event\":\"start-file\",\"playlist_entry_id\":1}\n\
             {\"data\":7,\"request_id\":9,\"error\":\"success\"}\n\n\
             {\"data\":-0.300000,\"request_id\":1,\"error\":\"success\"}\n{\"event\":\"seek\"}\n";
        for cut in 0..said.len() {
            let mut talk = Talk::default();
            let _ = talk.ask("audio-delay");
            let (one, other) = said.as_bytes().split_at(cut);
            let first = talk.hear(one).unwrap();
            let answer = talk.hear(other).unwrap().or(first);
            assert_eq!((answer, talk.films()), (Some(Ok(json!(-0.3))), 1));
        }
    }

    #[test]
    fn a_refusal_is_one_and_nonsense_too() {
        let mut talk = Talk::default();
        let _ = talk.set(-0.3);
        let refused = b"{\"request_id\":1,\"error\":\"property unavailable\"}\n";
        assert_eq!(talk.hear(refused), Ok(Some(Err(()))));
        for nonsense in ["HTTP/1.1 200 OK\r\n", "[1]\n", "{\"error\":5}\n", "\u{0}\n"] {
            assert_eq!(Talk::default().hear(nonsense.as_bytes()), Err(Trouble::Nonsense));
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut talk = Talk::default();
        let result = (0..100).try_for_each(|_| talk.hear(&[b' '; 1_000]).map(drop));
        assert_eq!(result, Err(Trouble::Nonsense));
        assert!(talk.line.len() <= LONGEST_LINE);
    }
}
