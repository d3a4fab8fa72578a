//! The code of a private room, as a person types it.

use std::ffi::OsString;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::secure::code::{Code, DIGITS};

/// The variable in which a code comes that was on the command line: only its user reads it there.
pub const VARIABLE: &str = "AURALYNC_CODE";

const FLAG: &str = "--code";

/// The code in the environment, if there is one.
///
/// # Errors
/// [`Error::Usage`] where it is none.
pub(super) fn from_environment() -> Result<Option<Code>> {
    let text = std::env::var(VARIABLE).ok().map(Zeroizing::new);
    text.filter(|text| !text.is_empty()).map(|text| typed(&text)).transpose()
}

/// The code that somebody typed.
///
/// # Errors
/// [`Error::Usage`] where it is none.
pub fn typed(text: &str) -> Result<Code> {
    Code::read(text)
        .map_err(|no_code| Error::usage(no_code.to_string(), "Type what the server shows"))
}

/// What was typed without the code, and the code, if there is one: in one word or in several.
#[must_use]
pub fn take(words: Vec<OsString>) -> (Vec<OsString>, Option<Zeroizing<String>>) {
    let (mut others, mut code) = (Vec::new(), None);
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let typed = word.to_str().and_then(|word| word.strip_prefix(FLAG));
        let mut text = match typed {
            Some("") => Zeroizing::new(String::new()),
            Some(rest) if rest.starts_with('=') => Zeroizing::new(rest[1..].to_owned()),
            _ => {
                others.push(word);
                continue;
            }
        };
        let is_part = |word: &&str| word.chars().all(|c| c.is_ascii_digit() || " -".contains(c));
        while count(&text) < DIGITS
            && let Some(part) = words.peek().and_then(|word| word.to_str()).filter(is_part)
            && count(&text) + count(part) <= DIGITS
        {
            text.push_str(part);
            words.next();
        }
        if text.is_empty() {
            // What follows is no code: it is said so with all other flags.
            others.push(word);
        } else {
            code = Some(text);
        }
    }
    (others, code)
}

fn count(text: &str) -> usize {
    text.chars().filter(char::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(line: &str) -> (String, Option<String>) {
        let (others, code) = take(line.split('|').map(OsString::from).collect());
        let others: Vec<_> = others.into_iter().map(|word| word.into_string().unwrap()).collect();
        (others.join("|"), code.map(|code| code.to_string()))
    }

    #[test]
    fn a_code_is_taken_from_what_was_typed_in_one_word_or_several() {
        for line in ["--code|123456", "--code|123|456", "--code|123-456", "--code=123456"] {
            let (others, code) = taken(&format!("client|{line}|--once|attic"));
            assert_eq!(others, "client|--once|attic", "{line}");
            assert_eq!(typed(&code.unwrap()).unwrap(), Code::read("123456").unwrap());
        }
        assert_eq!(taken("client|--code|12 34 56").1.unwrap(), "12 34 56");
        assert_eq!(taken("client|attic|--codec|s16"), ("client|attic|--codec|s16".into(), None));
        assert_eq!(taken("client|--code"), ("client|--code".into(), None));
        assert_eq!(taken("client|--code|123456|7"), ("client|7".into(), Some("123456".into())));
    }

    #[test]
    fn what_is_no_code_is_said_so() {
        let error = typed("12345").unwrap_err().to_string();
        assert!(error.contains("six digits"), "{error}");
    }
}
