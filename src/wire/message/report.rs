//! What a listener says of itself.

use serde::{Deserialize, Serialize};

use super::super::json::{json, json_frame};
use super::super::{Violation, kind};

/// Client → server: how playing goes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Sound waiting in the listener, in ms.
    pub buffered_ms: f64,
    /// Times that the card found too little.
    pub underruns: u64,
    /// Frames that came too late or never.
    pub lost_frames: u64,
    /// The card's clock against the server's, in parts per million.
    pub ppm: f64,
    /// What the card says lies between callback and ear, in ms.
    pub output_latency_ms: f64,
    /// How much later than the playout delay this listener plays on purpose, in ms.
    pub extra_ms: u32,
    /// Datagrams that never came by themselves.
    #[serde(skip_serializing_if = "is_none")]
    pub lost_datagrams: u64,
    /// Those among them that came because they were asked for, or were made again by parity.
    #[serde(skip_serializing_if = "is_none")]
    pub repaired: u64,
    /// Sound that was missing in the end and was made up, in ms.
    #[serde(skip_serializing_if = "is_no_time")]
    pub concealed_ms: f64,
    /// How long an ask and its answer take, in ms.
    #[serde(skip_serializing_if = "is_no_time")]
    pub round_trip_ms: f64,
    /// The least of the last seconds by which sound was there before it was needed, in ms; below 0 where it came too
    /// late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spare_ms: Option<f64>,
}

/// Nothing of it has happened, so it is left out.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_no_time(ms: &f64) -> bool {
    *ms == 0.0
}

impl Report {
    /// Reads a report's body.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] if it is no report.
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        json("report", body)
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        json_frame(kind::REPORT, self)
    }
}
