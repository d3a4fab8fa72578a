//! One chunk of sound → the bytes that every listener with the same codec gets.

use crate::wire::{AudioFrame, AudioHeader};

/// How payloads are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Interleaved little-endian float32, as captured.
    Float32,
}

impl Codec {
    /// Its name in `hello` and `welcome`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "f32",
        }
    }
}

/// Encodes interleaved samples once for all listeners.
#[must_use]
pub fn encode(codec: Codec, header: AudioHeader, samples: &[f32]) -> AudioFrame {
    match codec {
        Codec::Float32 => AudioFrame::float32(header, samples),
    }
}
