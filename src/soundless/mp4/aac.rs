//! What is known of AAC before it is decoded (ISO/IEC 14496-3).

use crate::format::Format;
use crate::soundless::fault::{Fault, believable};

/// Frames in a packet.
pub(super) const PACKET_FRAMES: usize = 1_024;

const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// The kinds of coding that a description may name.
const LOW_COMPLEXITY: u32 = 2;
const HIGH_BAND: u32 = 5;
const PARAMETRIC_STEREO: u32 = 29;

pub(super) fn he_aac() -> Fault {
    Fault::not_known("an M4A file with HE-AAC in it")
}

pub(super) fn rare() -> Fault {
    Fault::not_known("an M4A file with AAC of a rare kind in it")
}

/// Bits from front to back.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for at in self.at..self.at + count {
            value = value << 1 | u32::from(self.bytes.get(at / 8)? >> (7 - at % 8) & 1);
        }
        self.at += count;
        Some(value)
    }

    fn kind(&mut self) -> Option<u32> {
        match self.take(5)? {
            31 => Some(32 + self.take(6)?),
            kind => Some(kind),
        }
    }

    fn rate(&mut self) -> Option<u32> {
        match self.take(4)? {
            15 => self.take(24),
            index => Some(RATES.get(index as usize).copied().unwrap_or(0)),
        }
    }
}

/// Rate and channels by the description that stands in front of the packets (1.6.2.1).
pub(super) fn format(config: &[u8]) -> Result<Format, Fault> {
    let cut_off = || Fault::Damaged("its format is cut off".into());
    let mut bits = Bits { bytes: config, at: 0 };
    let kind = bits.kind().ok_or_else(cut_off)?;
    let rate = bits.rate().ok_or_else(cut_off)?;
    let channels = bits.take(4).ok_or_else(cut_off)?;
    match kind {
        HIGH_BAND | PARAMETRIC_STEREO => return Err(he_aac()),
        LOW_COMPLEXITY => {}
        _ => return Err(rare()),
    }
    // Short frames, a core of another layer, an extension.
    if bits.take(3).ok_or_else(cut_off)? != 0 {
        return Err(rare());
    }
    // Behind it may stand what older decoders do not read.
    if bits.take(11) == Some(0x2b7) && bits.kind() == Some(HIGH_BAND) && bits.take(1) == Some(1) {
        return Err(he_aac());
    }
    match channels {
        1 | 2 => believable(rate, channels as usize),
        0 => Err(rare()),
        _ => Err(Fault::not_known("an M4A file with AAC of more than two channels in it")),
    }
}

/// Whether the last part of a packet is that which holds HE-AAC's high band.
pub(super) fn ends_in_high_band(packet: &[u8]) -> bool {
    // The end is marked by three ones, behind which zeros fill up the byte.
    let Some(last) = packet.iter().rposition(|byte| *byte != 0) else { return false };
    let behind = packet[last].trailing_zeros() as usize;
    let Some(end) = (8 * (last + 1)).checked_sub(behind + 3) else { return false };
    let bits = |at: usize, count: usize| Bits { bytes: packet, at }.take(count);
    // Such a part is of kind 6, then says its bytes in 4 bits or in 12, and begins with 13 or 14.
    let begins = |bytes: usize, head: usize, size: u32| {
        let Some(at) = end.checked_sub(8 * bytes + head) else { return false };
        bits(at, head) == Some(size) && matches!(bits(at + head, 4), Some(13 | 14))
    };
    bits(end, 3) == Some(7)
        && ((1..15).any(|bytes| begins(bytes, 7, 6 << 4 | bytes as u32))
            || (15..270).any(|bytes| begins(bytes, 15, (6 << 4 | 15) << 8 | (bytes as u32 - 14))))
}
