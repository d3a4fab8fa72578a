//! What must not be taken, because it would go round and round: what is captured from the own output, and what a
//! server sends whose own sound comes from here.

use super::Session;
use crate::error::{Error, Result};
use crate::upstreams::Refused;
use crate::wire::{MAX_VIA, Welcome};

impl Session<'_> {
    /// Playing on an output that the server captures would feed back.
    pub(super) fn refuse_feedback(&self, welcome: &Welcome) -> Result<()> {
        let mut captured = welcome.captured_output.iter().chain(&welcome.also_captured);
        match &self.connect.own_output {
            Some(own) if captured.any(|captured| captured == own) => Err(Error::Usage {
                what: "the server on this PC captures the output that this client would play on, \
                       which would send the sound round and round"
                    .to_owned(),
                fix: "Choose another output with --device (--list-devices shows them), or add \
                      --allow-feedback"
                    .to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// A server takes nothing that comes from itself. The other one has that `session`, and its sound comes through
    /// those of `via`.
    pub(super) fn refuse_round(&self, session: &str, via: &[String]) -> Result<()> {
        let Some(upstream) = &self.connect.upstream else { return Ok(()) };
        let address = self.line.address;
        upstream.take(session, via).map_err(|refused| match refused {
            Refused::Round => Error::Round { address },
            Refused::Twice => Error::Usage {
                what: format!("the server at {address} is a source here already"),
                fix: "Give each once; ,level= makes one louder".to_owned(),
            },
            Refused::TooMany => Error::Usage {
                what: format!(
                    "with the sound of {address} this server's would come through more than {MAX_VIA} others"
                ),
                fix: "Take it from fewer servers".to_owned(),
            },
        })
    }
}
