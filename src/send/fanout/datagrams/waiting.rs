//! Sound that waits for more of it, so that one datagram holds what would be several.

use crate::codec::{Codec, opus};
use crate::wire::datagram::MAX_DATAGRAM_PAYLOAD;
use crate::wire::{AudioFrame, AudioHeader};

/// Pieces of samples or packets of Opus that are one datagram.
#[derive(Debug)]
pub(super) struct Waiting {
    codec: Codec,
    header: AudioHeader,
    bytes: Vec<u8>,
    /// Where each ends in `bytes`.
    ends: Vec<usize>,
}

impl Waiting {
    pub(super) fn new(codec: Codec, header: AudioHeader, payload: &[u8]) -> Self {
        Self { codec, header, bytes: payload.to_vec(), ends: vec![payload.len()] }
    }

    /// Takes what follows, if it does follow without a break and there is room for it.
    pub(super) fn take(&mut self, header: &AudioHeader, payload: &[u8]) -> bool {
        let follows = header.position == self.end() && header.flags == 0;
        let (joins, more) = match self.codec {
            Codec::Opus(_) => (opus::joins(self.part(0), payload), opus::JOINED_MORE),
            _ => (true, 0),
        };
        let length = self.bytes.len() + payload.len() + more * (self.ends.len() + 1);
        let fits = length <= MAX_DATAGRAM_PAYLOAD;
        if follows && joins && fits {
            self.header.frames = self.header.frames.saturating_add(header.frames);
            self.bytes.extend_from_slice(payload);
            self.ends.push(self.bytes.len());
        }
        follows && joins && fits
    }

    /// The position behind it.
    pub(super) fn end(&self) -> u64 {
        self.header.position + u64::from(self.header.frames)
    }

    /// Frames of sound so far.
    pub(super) fn frames(&self) -> u64 {
        self.header.frames.into()
    }

    fn part(&self, index: usize) -> &[u8] {
        let from = index.checked_sub(1).and_then(|before| self.ends.get(before)).unwrap_or(&0);
        self.ends.get(index).and_then(|end| self.bytes.get(*from..*end)).unwrap_or(&[])
    }

    /// All of it, as one.
    pub(super) fn joined(self) -> (AudioHeader, Vec<u8>) {
        let packet = match self.codec {
            Codec::Opus(_) if self.ends.len() > 1 => {
                let parts: Vec<&[u8]> = (0..self.ends.len()).map(|n| self.part(n)).collect();
                opus::join(&parts)
            }
            _ => None,
        };
        (self.header, packet.unwrap_or(self.bytes))
    }
}

/// How many frames of sound fill a datagram, where those of `frame`, at `rate` Hz, may wait for more for
/// `wait_us`: as many whole pieces or packets as fit; 1 where each is a datagram, or more than one.
pub(super) fn filling(frame: &AudioFrame, rate: u32, wait_us: u64) -> u64 {
    let frames = u64::from(frame.header().frames).max(1);
    let bytes = match frame.codec() {
        // Packets are of about that length, and what is joined is cut earlier where they are longer.
        Codec::Opus(bitrate) => {
            u64::from(bitrate.kbps()) * 1_000 / 8 * frames / u64::from(opus::RATE)
        }
        _ => frame.plain().1.len() as u64,
    };
    let fit = MAX_DATAGRAM_PAYLOAD as u64 / bytes.max(1);
    let in_time = wait_us * u64::from(rate) / (frames * 1_000_000) + 1;
    let most = u64::from(opus::MAX_PACKET_FRAMES) / frames;
    match fit.min(in_time).min(most) {
        // Each leaves as it comes.
        0 | 1 => 1,
        _ if wait_us == 0 => 1,
        several => several * frames,
    }
}
