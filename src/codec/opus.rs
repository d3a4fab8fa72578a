//! Opus, at 48 kHz: the one place that names the library.

mod join;
pub(crate) mod ogg;

pub use join::{JOINED_MORE, join, joins};

use ropus::{Application, Bitrate as Rate, Channels, DecodeMode, InbandFec};

use super::{Bitrate, Fault};
use crate::error::{Error, Result};
use crate::format::sanitise;

/// What Opus positions count, in Hz.
pub const RATE: u32 = 48_000;

/// Longest packet that is made or read, in bytes: what the standard lets one frame have.
pub const MAX_PACKET: usize = 1275;

/// Longest packet that is made, in bytes: it fits into a datagram, of a talker too.
pub const MAX_ENCODED: usize = 1_104;

/// Most frames in a packet: 120 ms.
pub const MAX_PACKET_FRAMES: u32 = 5760;

/// What is missing is concealed up to this long; beyond it is silence, behind a fade. In frames.
pub const LONGEST_CONCEALED: u64 = 4800;

/// Concealment works in steps of 2.5 ms, in frames.
const CONCEAL_STEP: u64 = 120;

/// Share of the bitrate that is left for sound when the frames' headers are taken off: so 128
/// kbit/s are that on the wire too, with the longest frames.
const SHARE_FOR_SOUND: f64 = 0.95;

/// How hard the encoder tries, 0 to 10. From 8 on it takes half as long again, more than 1 % of a
/// core, and what the ear masks stays the same (`cargo bench --bench opus`).
const COMPLEXITY: u8 = 7;

/// How a stream is cut, which the playout delay decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Frames in a packet.
    pub frames: u32,
    /// Frames by which decoded sound lags what was encoded.
    pub delay: u32,
    /// All packets have one length, which tells nothing of what is in them.
    pub is_constant: bool,
}

impl Layout {
    /// The layout for voices, which should come soon: packets of 10 ms, and little looking ahead.
    pub const VOICE: Self = Self { frames: 480, delay: 120, is_constant: true };

    /// Packets take a small share of the playout delay: 20 ms if there is time, else 10 ms and the mode
    /// that looks less far ahead. Up to 100 ms they take 5 ms: a hole in the network is survived if it is
    /// shorter than what is left of the delay.
    #[must_use]
    pub fn for_delay(playout_delay_ms: u32) -> Self {
        match playout_delay_ms {
            0..=100 => Self { frames: 240, delay: 120, is_constant: false },
            101..150 => Self { frames: 480, delay: 120, is_constant: false },
            _ => Self { frames: 960, delay: 312, is_constant: false },
        }
    }

    /// Whether packets of this layout are as short as a delay asks for.
    #[must_use]
    pub fn suits(self, playout_delay_ms: u32) -> bool {
        self.frames <= Self::for_delay(playout_delay_ms).frames
    }

    fn application(self) -> Application {
        if self.frames < 960 { Application::RestrictedLowDelay } else { Application::Audio }
    }
}

/// Encodes one stream at one bitrate.
pub struct Encoder {
    inner: ropus::Encoder,
    frames: usize,
    channels: usize,
    clipped: Vec<f32>,
    packet: Box<[u8; MAX_ENCODED]>,
}

impl Encoder {
    /// # Errors
    /// [`Error::Internal`] if the library refuses.
    pub fn new(layout: Layout, channels: u16, bitrate: Bitrate) -> Result<Self> {
        Self::with_complexity(layout, channels, bitrate, COMPLEXITY)
    }

    /// An encoder as [`new`](Self::new) makes it, at a complexity of 0 to 10 instead of the usual one.
    #[doc(hidden)]
    pub fn with_complexity(
        layout: Layout,
        channels: u16,
        bitrate: Bitrate,
        complexity: u8,
    ) -> Result<Self> {
        let failed = |e: String| Error::internal("cannot encode Opus", std::io::Error::other(e));
        let layout_of = channels_of(channels)
            .ok_or_else(|| failed(format!("{channels} channels are too many")))?;
        let bits = f64::from(bitrate.kbps()) * 1e3 * SHARE_FOR_SOUND;
        let inner = ropus::Encoder::builder(RATE, layout_of, layout.application())
            .bitrate(Rate::Bits(bits as u32))
            .complexity(complexity)
            .vbr(!layout.is_constant)
            // Nothing is lost on TCP that a later packet could bring back.
            .inband_fec(InbandFec::Disabled)
            .build()
            .map_err(|e| failed(e.to_string()))?;
        Ok(Self {
            inner,
            frames: layout.frames as usize,
            channels: channels.into(),
            clipped: Vec::with_capacity(layout.frames as usize * usize::from(channels)),
            packet: Box::new([0; MAX_ENCODED]),
        })
    }

    /// Frames by which decoded sound lags, as the library says.
    #[must_use]
    pub fn delay(&self) -> u32 {
        self.inner.lookahead()
    }

    /// Encodes one packet's worth of interleaved samples; what is beyond full scale is clipped.
    /// `None` for another number of samples.
    pub fn encode(&mut self, samples: &[f32]) -> Option<&[u8]> {
        if samples.len() != self.frames * self.channels {
            return None;
        }
        self.clipped.clear();
        self.clipped.extend(samples.iter().map(|sample| sample.clamp(-1.0, 1.0)));
        sanitise(&mut self.clipped);
        let length = self.inner.encode_float(&self.clipped, &mut self.packet[..]).ok()?;
        self.packet.get(..length)
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("frames", &self.frames).finish_non_exhaustive()
    }
}

/// Whether a packet says that it holds `frames` frames (RFC 6716, section 3.1).
///
/// # Errors
/// The [`Fault`] if it does not, or is empty or too long.
pub fn check_packet(packet: &[u8], frames: u32) -> std::result::Result<(), Fault> {
    if packet.len() <= MAX_PACKET && packet_frames(packet) == Some(frames) {
        return Ok(());
    }
    let why = format!("an Opus packet of {} bytes that is not of {frames} frames", packet.len());
    Err(Fault(why))
}

/// Frames at 48 kHz in a packet, by its first two bytes; `None` where there are none or too many.
fn packet_frames(packet: &[u8]) -> Option<u32> {
    let first = *packet.first()?;
    let config = usize::from(first >> 3);
    let each = match config {
        0..12 => [480, 960, 1920, 2880][config % 4],
        12..16 => [480, 960][config % 2],
        _ => [120, 240, 480, 960][config % 4],
    };
    let count = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(*packet.get(1)? & 63),
    };
    Some(each * count).filter(|frames| (1..=MAX_PACKET_FRAMES).contains(frames))
}

/// Decodes one stream.
pub struct Decoder {
    inner: ropus::Decoder,
    channels: usize,
}

impl Decoder {
    /// `None` for more than two channels.
    #[must_use]
    pub fn new(channels: u16) -> Option<Self> {
        let inner = ropus::Decoder::new(RATE, channels_of(channels)?).ok()?;
        Some(Self { inner, channels: channels.into() })
    }

    /// Decodes a packet of `frames` frames into `out` (cleared first). One that cannot be decoded
    /// is concealed.
    ///
    /// # Errors
    /// A [`Fault`] for a packet that is empty or too long, or holds another number of frames.
    pub fn decode(
        &mut self,
        packet: &[u8],
        frames: u32,
        out: &mut Vec<f32>,
    ) -> std::result::Result<(), Fault> {
        if packet.is_empty() || packet.len() > MAX_PACKET {
            return Err(Fault(format!("an Opus packet of {} bytes", packet.len())));
        }
        let is_cut = u64::from(frames).is_multiple_of(CONCEAL_STEP);
        if !(1..=MAX_PACKET_FRAMES).contains(&frames) || !is_cut {
            return Err(Fault(format!("an Opus packet of {frames} frames")));
        }
        out.clear();
        // Room for any packet, so that one of another length is found out.
        out.resize(MAX_PACKET_FRAMES as usize * self.channels, 0.0);
        match self.inner.decode_float(packet, out, DecodeMode::Normal) {
            Ok(decoded) if decoded == frames as usize => {
                out.truncate(decoded * self.channels);
                make_safe(out);
                Ok(())
            }
            Ok(decoded) => {
                Err(Fault(format!("an Opus packet of {decoded} frames instead of {frames}")))
            }
            Err(_) => {
                out.clear();
                self.conceal(frames.into(), out);
                // The longest packets are longer than what is concealed.
                out.resize(frames as usize * self.channels, 0.0);
                Ok(())
            }
        }
    }

    /// Adds up to `frames` frames of what probably came next to `out`, in whole steps; returns how
    /// many.
    pub fn conceal(&mut self, frames: u64, out: &mut Vec<f32>) -> u64 {
        let mut left = frames.min(LONGEST_CONCEALED) / CONCEAL_STEP * CONCEAL_STEP;
        let concealed = left;
        while left > 0 {
            // The library conceals up to a whole frame at once.
            let step = [960, 480, 240, 120].into_iter().find(|step| *step <= left).unwrap_or(120);
            let start = out.len();
            out.resize(start + step as usize * self.channels, 0.0);
            if self.inner.decode_float(&[], &mut out[start..], DecodeMode::Normal).is_err() {
                out[start..].fill(0.0);
            }
            make_safe(&mut out[start..]);
            left -= step;
        }
        concealed
    }

    /// Forgets what came before.
    pub fn reset(&mut self) {
        if let Some(fresh) = u16::try_from(self.channels).ok().and_then(Self::new) {
            *self = fresh;
        }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("channels", &self.channels).finish_non_exhaustive()
    }
}

/// Longest packet in a file, in bytes: 48 frames of the longest, and how long each is.
const MAX_FILE_PACKET: usize = 48 * (MAX_PACKET + 2) + 2;

/// Decodes the packets of a file, which may hold any number of frames.
pub(crate) struct FilePackets(Decoder);

impl FilePackets {
    /// `None` for more than two channels.
    pub(crate) fn new(channels: u16) -> Option<Self> {
        Decoder::new(channels).map(Self)
    }

    pub(crate) fn channels(&self) -> usize {
        self.0.channels
    }

    /// Decodes a packet into `out` (cleared first). False if it cannot be decoded.
    pub(crate) fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> bool {
        out.clear();
        if packet.len() > MAX_FILE_PACKET || packet_frames(packet).is_none() {
            return false;
        }
        out.resize(MAX_PACKET_FRAMES as usize * self.0.channels, 0.0);
        let decoded = self.0.inner.decode_float(packet, out, DecodeMode::Normal).unwrap_or(0);
        out.truncate(decoded * self.0.channels);
        make_safe(out);
        decoded > 0
    }

    /// Adds up to `frames` frames of what probably came next to `out`.
    pub(crate) fn conceal(&mut self, frames: usize, out: &mut Vec<f32>) {
        out.clear();
        self.0.conceal(frames as u64, out);
    }
}

/// Decoded sound is a little louder than full scale at most; corrupt packets may be anything.
fn make_safe(samples: &mut [f32]) {
    sanitise(samples);
    samples.iter_mut().for_each(|sample| *sample = sample.clamp(-2.0, 2.0));
}

fn channels_of(channels: u16) -> Option<Channels> {
    match channels {
        1 => Some(Channels::Mono),
        2 => Some(Channels::Stereo),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
