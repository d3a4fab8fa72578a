//! VLC's HTTP interface: what it is asked, and what it answers. Pure.

use std::net::SocketAddr;

use base64ct::{Base64, Encoding};
use serde_json::Value;
use zeroize::Zeroizing;

use super::Trouble;
use super::film::Reading;

/// Longest answer that is read, in bytes: a film's tags are in it, and have some thousand.
const LONGEST_ANSWER: usize = 256 * 1024;

/// Most lines in the head of an answer.
const MOST_FIELDS: usize = 32;

/// A film that was further than it is now has begun anew where it is not yet so far, in s.
const BEGINNING_S: f64 = 2.0;

/// The request for how VLC is, after its audio delay was set to `set_s` seconds, if that is to be.
#[must_use]
pub fn request(at: SocketAddr, password: &str, set_s: Option<f64>) -> Zeroizing<Vec<u8>> {
    let proof = Zeroizing::new(format!(":{password}"));
    let proof = Zeroizing::new(Base64::encode_string(proof.as_bytes()));
    let command = set_s.map(|s| format!("?command=audiodelay&val={s:.6}")).unwrap_or_default();
    let text = format!(
        "GET /requests/status.json{command} HTTP/1.1\r\nHost: {at}\r\nAuthorization: Basic {}\r\n\
         Connection: close\r\n\r\n",
        *proof
    );
    Zeroizing::new(text.into_bytes())
}

/// An answer that is coming in.
#[derive(Debug, Default)]
pub struct Answer {
    bytes: Vec<u8>,
}

impl Answer {
    /// Takes what came; whether the answer is whole.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<bool, Trouble> {
        if self.bytes.len() + bytes.len() > LONGEST_ANSWER {
            return Err(Trouble::Nonsense);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(self.head()?.is_some_and(|head| {
            head.length.is_some_and(|length| self.bytes.len() - head.ends >= length)
        }))
    }

    /// What is said in it.
    pub(super) fn body(&self) -> Result<Value, Trouble> {
        // What breaks off in the middle comes from a VLC that ends.
        let head = self.head()?.ok_or(Trouble::Gone)?;
        match head.status {
            200 => {}
            401 => return Err(Trouble::WrongPassword),
            _ => return Err(Trouble::Nonsense),
        }
        let body = self.bytes.get(head.ends..).unwrap_or_default();
        let body = match head.length {
            Some(length) => body.get(..length).ok_or(Trouble::Gone)?,
            None => body,
        };
        serde_json::from_slice(body).map_err(|_| Trouble::Nonsense)
    }

    fn head(&self) -> Result<Option<Head>, Trouble> {
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let ends = match response.parse(&self.bytes) {
            Ok(httparse::Status::Complete(ends)) => ends,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Trouble::Nonsense),
        };
        let length = response
            .headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case("content-length"))
            .and_then(|field| std::str::from_utf8(field.value).ok()?.trim().parse().ok());
        Ok(Some(Head { status: response.code.unwrap_or(0), ends, length }))
    }
}

struct Head {
    status: u16,
    ends: usize,
    length: Option<usize>,
}

/// Which film VLC plays, as far as its answers tell.
#[derive(Debug, Default)]
pub struct Films {
    number: u64,
    /// The entry of its list that plays, and where in it.
    last: Option<(i64, f64)>,
}

impl Films {
    /// What an answer says of the audio delay.
    pub(super) fn read(&mut self, said: &Value) -> Result<Reading, Trouble> {
        let value_s = said.get("audiodelay").and_then(Value::as_f64).ok_or(Trouble::Nonsense)?;
        let state = said.get("state").and_then(Value::as_str).ok_or(Trouble::Nonsense)?;
        if state == "stopped" {
            self.last = None;
            return Reading::new(value_s, None).ok_or(Trouble::Nonsense);
        }
        let entry = said.get("currentplid").and_then(Value::as_i64).unwrap_or(-1);
        let at_s = said.get("time").and_then(Value::as_f64).unwrap_or(0.0);
        if self
            .last
            .is_none_or(|(last, was_s)| last != entry || (at_s < was_s && at_s < BEGINNING_S))
        {
            self.number = self.number.wrapping_add(1);
        }
        self.last = Some((entry, at_s));
        Reading::new(value_s, Some(self.number)).ok_or(Trouble::Nonsense)
    }
}

/// Reads an answer in pieces, for who tries bytes that nobody thought of: what it says of the audio delay.
#[must_use]
pub fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Option<Reading> {
    let mut answer = Answer::default();
    for piece in pieces {
        if answer.hear(piece).ok()? {
            break;
        }
    }
    Films::default().read(&answer.body().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(status: u16, body: &str) -> String {
        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn a_request_has_the_password_and_the_seconds_with_a_point() {
        let at = "127.0.0.1:9090".parse().unwrap();
        let request = request(at, "pw", Some(-0.3));
        let request = String::from_utf8(request.to_vec()).unwrap();
        assert!(request.starts_with(
            "GET /requests/status.json?command=audiodelay&val=-0.300000 HTTP/1.1\r\n"
        ));
        assert!(request.contains("\r\nAuthorization: Basic OnB3\r\n"), "{request}");
    }

    #[test]
    fn an_answer_is_read_wherever_it_is_cut() {
        let body = r#"{"state":"playing","time":3,"currentplid":4,"audiodelay":-0.3}"#;
        let whole = http(200, body);
        for cut in 0..whole.len() {
            let (one, other) = whole.as_bytes().split_at(cut);
            assert_eq!(read([one, other].into_iter()), Reading::new(-0.3, Some(1)));
        }
    }

    #[test]
    fn nonsense_and_a_wrong_password_are_told_apart() {
        let told = |text: &str| {
            let mut answer = Answer::default();
            answer.hear(text.as_bytes())?;
            Films::default().read(&answer.body()?)
        };
        assert_eq!(told(&http(401, "no")), Err(Trouble::WrongPassword));
        for body in ["", "{}", "[]", r#"{"state":"playing","audiodelay":"x"}"#, "{\"state\":1}"] {
            assert_eq!(told(&http(200, body)), Err(Trouble::Nonsense), "{body}");
        }
        assert_eq!(told("SSH-2.0-OpenSSH\r\n"), Err(Trouble::Nonsense));
        let mut endless = Answer::default();
        let endlessly = (0..).try_for_each(|_| endless.hear(b"HTTP/1.1 200 ").map(drop));
        assert_eq!(endlessly, Err(Trouble::Nonsense));
    }

    #[test]
    fn an_answer_that_breaks_off_is_the_end_of_who_gave_it() {
        let whole = http(200, r#"{"state":"playing","audiodelay":0}"#);
        for cut in 0..whole.len() {
            let mut answer = Answer::default();
            assert_eq!(answer.hear(&whole.as_bytes()[..cut]), Ok(false));
            assert_eq!(answer.body(), Err(Trouble::Gone), "{cut}");
        }
    }

    #[test]
    fn another_entry_and_a_beginning_anew_are_another_film() {
        let mut films = Films::default();
        let mut read = |entry: i64, time: i64, state: &str| {
            let said = serde_json::json!({
                "state": state, "time": time, "currentplid": entry, "audiodelay": 0,
            });
            films.read(&said).unwrap().film
        };
        assert_eq!(read(4, 0, "playing"), Some(1));
        assert_eq!(read(4, 50, "paused"), Some(1));
        assert_eq!(read(5, 51, "playing"), Some(2));
        assert_eq!(read(5, 0, "playing"), Some(3));
        assert_eq!((read(5, 0, "stopped"), read(5, 0, "playing")), (None, Some(4)));
    }
}
