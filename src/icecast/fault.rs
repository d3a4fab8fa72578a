//! Why an Icecast server does not get the sound: what is said of it, and how soon it is tried again.

use std::io;

use crate::error::plain;

/// Why a connection is over, or never was one. Each text says why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No address is known for the name.
    #[error("{}. Check the spelling", plain(.0))]
    Unresolved(io::Error),
    /// Nothing listens there.
    #[error("nothing listens at that port. Start Icecast there, or correct the port")]
    Refused,
    /// The system knows no way, or lost it.
    #[error("{}. It is tried again", plain(.0))]
    Broken(io::Error),
    /// Nothing came back.
    #[error(
        "there is no answer. Is it on, does its firewall let the port through, and is Icecast what listens there?"
    )]
    Silent,
    /// What came back is nothing that Icecast says.
    #[error("what answers is no Icecast server. Correct the address, or http to https")]
    Rubbish,
    /// Neither user nor password, or the wrong ones.
    #[error(
        "it does not accept the password, or the user. Give the <source-password> of its configuration, or the one of this mount"
    )]
    Password,
    /// Icecast has a source there, or as many as it may.
    #[error(
        "it takes no source there now{}. End the other source, choose another mount, or raise its <sources>",
        told(.0)
    )]
    Taken(String),
    /// There is no such place.
    #[error("it has no place for sources at this address{}. Correct the address", told(.0))]
    NotFound(String),
    /// Anything else that HTTP has a number for.
    #[error("it answered with {status}{}. Its error log says more", told(.words))]
    Answered {
        /// The number.
        status: u16,
        /// Its own words.
        words: String,
    },
    /// It hung up before it had answered.
    #[error("it hung up without an answer. Its error log says why")]
    HungUp,
    /// It ended while it got sound.
    #[error("it ended the connection. It is tried again; its error log says why")]
    Ended,
    /// It takes less than there is.
    #[error(
        "the network there takes less sound than there is, or none at all. Choose a lower bitrate=, or a better way to it"
    )]
    Slow,
    /// The connection could not be sealed.
    #[error(
        "the connection cannot be sealed ({0}). Look whether ca= holds its certificate, and whether it speaks TLS 1.3 there"
    )]
    Unsafe(String),
}

impl Fault {
    /// What an answer means that is no consent.
    #[must_use]
    pub fn answered(status: u16, words: String) -> Self {
        match status {
            401 => Self::Password,
            403 | 409 => Self::Taken(words),
            404 | 405 => Self::NotFound(words),
            status => Self::Answered { status, words },
        }
    }

    /// What a system says that gives no connection.
    #[must_use]
    pub fn of_connecting(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::Broken(error),
        }
    }

    /// Whether asking again costs it next to nothing: nobody was there, or it was there a moment ago.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        matches!(self, Self::Refused | Self::Ended)
    }
}

/// A server's own words, behind a colon.
fn told(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": it says “{words}”") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_a_sentence_that_says_why_and_what_to_do() {
        for (status, words, said) in [
            (401, "", "it does not accept the password"),
            (403, "Mountpoint in use", "now: it says “Mountpoint in use”. End the other source"),
            (403, "", "it takes no source there now. End"),
            (404, "", "no place for sources at this address. Correct"),
            (500, "", "it answered with 500. Its error log"),
            (302, "Moved", "it answered with 302: it says “Moved”. "),
        ] {
            let fault = Fault::answered(status, words.to_owned()).to_string();
            assert!(fault.contains(said), "{status}: {fault}");
        }
    }
}
