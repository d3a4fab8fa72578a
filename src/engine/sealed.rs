//! What servers say to each other by way of an engine: sealed, so that the engine sees sizes and times alone, and
//! named after a secret that only they share.
//!
//! A message is the number of the run of the program that says it (8 bytes), its counter in that run (8 bytes,
//! both big-endian), and the sealed body. The subject is sealed along: what was said of one thing is not taken for
//! another.

use std::collections::VecDeque;

use super::nats::{Nkey, Who};
use crate::format::hex;
use crate::secure::Key;
use crate::secure::seal::{Opener, Sealer, TAG};

/// Bytes in front of the sealed body.
const HEADER: usize = 16;

/// Bytes by which a message is longer than its body.
pub const OVERHEAD: usize = HEADER + TAG;

/// Runs of programs whose counters are known, the latest heard: a run is forgotten when so many others have spoken
/// since. More servers than these share no room.
const MOST_RUNS: usize = 4_096;

/// What a server is to the others of its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It has the sound.
    Origin,
    /// It serves what the origin sends.
    Edge,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Edge => "edge",
        }
    }
}

/// A room as its servers know it.
#[derive(Debug, Clone)]
pub struct Backbone {
    secret: Key,
    id: String,
}

impl Backbone {
    /// The room that this secret is of.
    #[must_use]
    pub fn new(secret: &Key) -> Self {
        let id = hex(&secret.derive("auralync engine room", &[]).bytes()[..8]);
        Self { secret: secret.clone(), id }
    }

    /// What the room is called where everybody may read it: 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the engine knows about something in this room by: `al.ROOM.ABOUT`.
    #[must_use]
    pub fn subject(&self, about: &str) -> String {
        format!("al.{}.{about}", self.id)
    }

    /// The keys by which the engine knows a server of that role.
    #[must_use]
    pub fn nkey(&self, role: Role) -> Nkey {
        Nkey::new(&self.secret.derive("auralync engine user", role.name().as_bytes()))
    }

    /// Who a server of that role is to the engine. `longest` is the longest body that it seals, in bytes.
    #[must_use]
    pub fn who(&self, role: Role, name: &str, longest: u64) -> Who {
        let longest = longest + OVERHEAD as u64;
        Who { name: name.to_owned(), nkey: Some(self.nkey(role)), longest }
    }

    fn key(&self, role: Role, run: u64) -> Key {
        let context = [&run.to_be_bytes()[..], role.name().as_bytes()].concat();
        self.secret.derive("auralync engine run", &context)
    }
}

/// Seals what one run of a server says.
#[derive(Debug)]
pub struct Mouth {
    run: u64,
    next: u64,
    sealer: Sealer,
}

impl Mouth {
    /// That of a run with this number, which no other run of the role has had: a random one.
    #[must_use]
    pub fn new(backbone: &Backbone, role: Role, run: u64) -> Self {
        Self { run, next: 0, sealer: Sealer::new(&backbone.key(role, run)) }
    }

    /// The run's number.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.run
    }

    /// What the engine is given of `body`.
    #[must_use]
    pub fn seal(&mut self, subject: &str, body: &[u8]) -> Vec<u8> {
        let mut message = Vec::with_capacity(subject.len() + OVERHEAD + body.len());
        message.extend_from_slice(subject.as_bytes());
        message.extend_from_slice(&self.run.to_be_bytes());
        message.extend_from_slice(&self.next.to_be_bytes());
        let open = message.len();
        message.extend_from_slice(body);
        // Counters only rise, and the body lies behind what is open.
        if self.sealer.seal(self.next, open, &mut message).is_none() {
            message.clear();
        }
        self.next += 1;
        message.drain(..subject.len().min(message.len()));
        message
    }
}

/// Opens what servers of one role say, each message once.
#[derive(Debug)]
pub struct Ear {
    backbone: Backbone,
    role: Role,
    /// Those that were heard, the latest last.
    runs: VecDeque<(u64, Opener)>,
    refused: u64,
}

impl Ear {
    /// An ear for servers of that role.
    #[must_use]
    pub fn new(backbone: &Backbone, role: Role) -> Self {
        Self { backbone: backbone.clone(), role, runs: VecDeque::new(), refused: 0 }
    }

    /// Opens a message into `body`, and says which run said it. `None`, and counted, where nobody with the room's
    /// secret said that of this subject, or it was said before.
    pub fn open(&mut self, subject: &str, message: &[u8], body: &mut Vec<u8>) -> Option<u64> {
        let run = self.try_open(subject, message, body);
        self.refused += u64::from(run.is_none());
        run
    }

    fn try_open(&mut self, subject: &str, message: &[u8], body: &mut Vec<u8>) -> Option<u64> {
        body.clear();
        let (run, rest) = message.split_first_chunk()?;
        let (counter, _) = rest.split_first_chunk()?;
        let (run, counter) = (u64::from_be_bytes(*run), u64::from_be_bytes(*counter));
        let whole = [subject.as_bytes(), message].concat();
        let open = subject.len() + HEADER;
        if let Some(at) = self.runs.iter().rposition(|(known, _)| *known == run) {
            let is_opened = self.runs.get_mut(at)?.1.open(counter, open, &whole, body);
            if at + 1 < self.runs.len()
                && let Some(heard) = self.runs.remove(at)
            {
                self.runs.push_back(heard);
            }
            return is_opened.then_some(run);
        }
        // Whoever does not know the secret makes nobody be forgotten.
        let mut opener = Opener::new(&self.backbone.key(self.role, run));
        if !opener.open(counter, open, &whole, body) {
            return None;
        }
        if self.runs.len() == MOST_RUNS {
            self.runs.pop_front();
        }
        self.runs.push_back((run, opener));
        Some(run)
    }

    /// Messages that were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: &str = "al.1.audio.opus";

    fn backbone() -> Backbone {
        Backbone::new(&Key::new([7; 32]))
    }

    #[test]
    fn what_one_server_says_another_hears_once_and_of_that_subject_alone() {
        let mut mouth = Mouth::new(&backbone(), Role::Origin, 5);
        let mut ear = Ear::new(&backbone(), Role::Origin);
        let mut body = Vec::new();
        for n in 0..1_000_u32 {
            let message = mouth.seal(SUBJECT, &n.to_be_bytes());
            assert_eq!(message.len(), 4 + OVERHEAD);
            assert_eq!(ear.open("al.1.audio.s16", &message, &mut body), None);
            assert_eq!(ear.open(SUBJECT, &message, &mut body), Some(5));
            assert_eq!(body, n.to_be_bytes());
            assert_eq!(ear.open(SUBJECT, &message, &mut body), None, "a second time");
        }
        assert_eq!(ear.refused(), 2_000);
    }

    #[test]
    fn a_byte_that_was_changed_is_refused_wherever_it_is() {
        let message = Mouth::new(&backbone(), Role::Origin, 5).seal(SUBJECT, b"sound");
        let mut body = Vec::new();
        for at in 0..message.len() {
            let mut changed = message.clone();
            changed[at] ^= 1;
            let mut ear = Ear::new(&backbone(), Role::Origin);
            assert_eq!(ear.open(SUBJECT, &changed, &mut body), None, "byte {at}");
            assert!(body.is_empty());
            assert_eq!(ear.open(SUBJECT, &message[..at], &mut body), None, "{at} bytes");
        }
    }

    #[test]
    fn neither_another_role_nor_another_room_is_heard() {
        let message = Mouth::new(&backbone(), Role::Edge, 5).seal(SUBJECT, b"sound");
        let mut body = Vec::new();
        assert_eq!(Ear::new(&backbone(), Role::Origin).open(SUBJECT, &message, &mut body), None);
        let other = Backbone::new(&Key::new([8; 32]));
        assert_eq!(Ear::new(&other, Role::Edge).open(SUBJECT, &message, &mut body), None);
        assert_ne!(other.id(), backbone().id());
        assert_eq!(Ear::new(&backbone(), Role::Edge).open(SUBJECT, &message, &mut body), Some(5));
    }

    #[test]
    fn nobody_without_the_secret_makes_a_run_be_forgotten() {
        let mut mouth = Mouth::new(&backbone(), Role::Origin, 5);
        let mut ear = Ear::new(&backbone(), Role::Origin);
        let mut body = Vec::new();
        let first = mouth.seal(SUBJECT, b"sound");
        assert_eq!(ear.open(SUBJECT, &first, &mut body), Some(5));
        for run in 0..2 * MOST_RUNS as u64 {
            let forged = [&run.to_be_bytes()[..], &[0; 30]].concat();
            assert_eq!(ear.open(SUBJECT, &forged, &mut body), None);
        }
        assert_eq!(ear.open(SUBJECT, &first, &mut body), None, "it is known that this came");
        assert_eq!(ear.runs.len(), 1);
    }
}
