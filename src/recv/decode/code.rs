//! A private room that is entered by a code, from the listener's side: the code becomes a link.

use super::Shut;
use crate::error::Result;
use crate::random;
use crate::secure::code::{self, CLIENT_RANDOM, Code};
use crate::secure::room::{Link, name_of};
use crate::wire::{PrivateRoom, Violation, kind, typed};

/// A code that is being tried.
#[derive(Debug)]
pub(super) struct Trying {
    pub(super) room: PrivateRoom,
    /// All bytes of its config's payload.
    pub(super) config: Vec<u8>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The first message is on its way.
    Asked(code::Trying),
    /// The server has shown that it has the code.
    Proven(code::Proven),
}

/// What comes of a frame.
pub(super) enum Outcome {
    /// It goes on with this frame.
    Say(Trying, Vec<u8>),
    /// The code was right, and this is what it gave.
    Link(Link, PrivateRoom, Vec<u8>),
    /// It was not, or cannot be tried.
    Shut(Shut),
}

/// Begins to try a code in `room`, whose config had that payload. Returns the frame to say, too.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) if the system gives no random numbers.
pub(super) fn begin(code: &Code, room: PrivateRoom, config: &[u8]) -> Result<(Trying, Vec<u8>)> {
    let random = random::secret::<CLIENT_RANDOM>()?;
    let (asked, message) = code::Trying::begin(code, config, &random);
    let trying = Trying { room, config: config.to_vec(), step: Step::Asked(asked) };
    Ok((trying, typed(kind::CODE, &message)))
}

impl Trying {
    /// Goes on with what the server says.
    ///
    /// # Errors
    /// The [`Violation`] for which it is given up.
    pub(super) fn take(self, kind: u8, body: &[u8]) -> std::result::Result<Outcome, Violation> {
        let Self { room, config, step } = self;
        match (step, kind) {
            (Step::Asked(asked), kind::CODE_ANSWER) => {
                let Some((proven, message)) = asked.prove(body) else {
                    return Ok(Outcome::Shut(Shut::WrongCode));
                };
                let trying = Self { room, config, step: Step::Proven(proven) };
                Ok(Outcome::Say(trying, typed(kind::CODE_PROOF, &message)))
            }
            (Step::Proven(proven), kind::CODE_SECRET) => {
                let (secret, key) = proven.open(body).ok_or_else(unreadable)?;
                if key != room.key {
                    return Err(unreadable());
                }
                let link = Link { secret, server: name_of(&key) };
                Ok(Outcome::Link(link, room, config))
            }
            _ => Err(Violation::Unframed),
        }
    }
}

fn unreadable() -> Violation {
    let why = "it is not sealed with what both sides have".to_owned();
    Violation::Unreadable { what: "secret", why }
}
