//! Asks the person at the terminal.

use std::io::{BufRead, Read, Write};

use super::target::Target;
use crate::error::{Error, Result};

/// Longest answer to the question for a server that is read, in bytes: a host name and a port.
const LONGEST_ANSWER: u64 = 1024;

/// How often an answer that cannot be a server is asked for again.
const QUESTIONS: u32 = 3;

/// Asks whoever sits there for the server, a few times if need be. `port` is what `--port` says.
/// Only for a terminal: anything else gets [`host_missing`].
///
/// # Errors
///
/// [`Error::Usage`] when no answer could be a server's address, or none comes;
/// [`Error::Internal`] when the terminal cannot be read or written.
pub(super) fn ask_for_host(
    input: &mut impl BufRead,
    output: &mut impl Write,
    port: Option<u16>,
) -> Result<Target> {
    let question = "Address of the PC that plays (auralync-server shows it there): ";
    ask(input, output, question, host_missing(), |typed| Target::parse(typed, port))
}

/// Asks a question a few times, until `understand` makes something of an answer. `missing` is the
/// error where no answer comes.
///
/// # Errors
///
/// As [`ask_for_host`].
pub(super) fn ask<T>(
    input: &mut impl BufRead,
    output: &mut impl Write,
    question: &str,
    missing: Error,
    understand: impl Fn(&str) -> Result<T>,
) -> Result<T> {
    let broken = |error| Error::internal("cannot ask for the server", error);
    let mut last = missing;
    for asked in 0..QUESTIONS {
        if asked > 0 {
            writeln!(output, "{last}").map_err(broken)?;
        }
        write!(output, "{question}").and_then(|()| output.flush()).map_err(broken)?;
        let mut answer = Vec::new();
        input.by_ref().take(LONGEST_ANSWER).read_until(b'\n', &mut answer).map_err(broken)?;
        if answer.is_empty() {
            break;
        }
        let answer = String::from_utf8_lossy(&answer);
        // Whoever copies the whole command that the server prints means the address in it.
        let typed = answer.trim();
        match understand(typed.strip_prefix("auralync-client ").unwrap_or(typed)) {
            Ok(understood) => return Ok(understood),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The error where nobody named a server, and nobody can be asked.
pub(super) fn host_missing() -> Error {
    Error::usage(
        "no server was named",
        "Type the address that auralync-server printed when it started, for example: \
         auralync-client 192.168.1.100",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    fn asked(answers: &[u8], port: Option<u16>) -> (Result<Target>, String) {
        let mut shown = Vec::new();
        let answer = ask_for_host(&mut &*answers, &mut shown, port);
        (answer, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn who_names_no_server_is_asked_for_it() {
        let (answer, shown) = asked(b"192.168.1.5\r\n", Some(6000));
        assert_eq!(answer.unwrap(), Target { host: "192.168.1.5".into(), port: 6000 });
        assert!(shown.starts_with("Address of the PC that plays"), "{shown}");
        let (answer, _) = asked(b"auralync-client 192.168.1.5:77", None);
        assert_eq!(answer.unwrap().to_string(), "192.168.1.5:77");
    }

    #[test]
    fn a_wrong_answer_is_explained_and_asked_again_a_few_times() {
        let (answer, shown) = asked(b"\nhttp://x\npc\n", None);
        assert_eq!(answer.unwrap().host, "pc");
        assert_eq!(shown.matches("Address of the PC").count(), 3);
        assert!(shown.contains("is not a server's address"), "{shown}");
        let (answer, shown) = asked(b"\n\n\n\npc\n", None);
        assert_eq!(answer.unwrap_err().exit_code(), 2);
        assert_eq!(shown.matches("Address of the PC").count(), 3);
        assert_eq!(shown.matches("is not a server's address").count(), 2, "the last is returned");
    }

    #[test]
    fn no_answer_and_an_endless_one_both_end() {
        let (answer, _) = asked(b"", None);
        assert!(answer.unwrap_err().to_string().starts_with("no server was named. Type "));
        let (answer, _) = asked(&[b'x'; 1 << 20], None);
        assert_eq!(answer.unwrap_err().exit_code(), 2);
    }
}
