//! How a browser and a server agree on a data channel: an offer and its answer, as JSON around SDP.

use serde::{Deserialize, Serialize};

use super::json::{json, json_frame};
use super::{Violation, kind};

/// Longest offer that a server reads, in bytes of SDP: browsers' are 500.
pub const MAX_OFFER_BYTES: usize = 3_072;

/// Client → server: it wants a data channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What its end of the channel is, as SDP.
    pub sdp: String,
}

impl Offer {
    /// Reads an offer's body.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] if it is none, or longer than [`MAX_OFFER_BYTES`].
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        let offer: Self = json("offer", body)?;
        if offer.sdp.len() > MAX_OFFER_BYTES {
            let why = format!("{} bytes of SDP", offer.sdp.len());
            return Err(Violation::Unreadable { what: "offer", why });
        }
        Ok(offer)
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        json_frame(kind::OFFER, self)
    }
}

/// Server → client: what becomes of the offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OfferAnswer {
    /// What the server's end of the channel is, as SDP.
    Sdp(String),
    /// Why there is none, as a sentence.
    Error(String),
}

impl OfferAnswer {
    /// Reads an answer's body.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] if it is none.
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        json("answer", body)
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        json_frame(kind::ANSWER, self)
    }
}
