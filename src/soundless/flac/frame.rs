//! The head of a block of FLAC (RFC 9639, section 9.1) and the checksum at its end.

use crate::recording::crc;

/// Longest head, in bytes.
pub(crate) const MAX_HEADER: usize = 16;

/// What the head of a block says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the head.
    pub(super) bytes: usize,
    /// Frames in the block.
    pub(crate) frames: u32,
    /// Where it is not that of the stream.
    pub(super) sample_rate: Option<u32>,
    pub(crate) channels: u16,
    /// Bits of a sample, where they are not those of the stream.
    pub(super) bits: Option<u32>,
    /// Whether `number` counts blocks, and not frames.
    pub(super) counts_blocks: bool,
    pub(super) number: u64,
}

impl Header {
    /// Reads a head with its checksum; `None` where there is none.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[0xff, sync @ (0xf8 | 0xf9), sizes, about, ..] = bytes else { return None };
        if about & 1 != 0 {
            return None;
        }
        let channels = match about >> 4 {
            number @ 0..=7 => u16::from(number) + 1,
            8..=10 => 2,
            _ => return None,
        };
        let bits = match about >> 1 & 7 {
            0 => None,
            1 => Some(8),
            2 => Some(12),
            4 => Some(16),
            5 => Some(20),
            6 => Some(24),
            7 => Some(32),
            _ => return None,
        };
        let mut at = 4;
        let number = read_number(bytes, &mut at)?;
        let mut take = |count: usize| {
            let taken = bytes.get(at..at + count)?;
            at += count;
            Some(taken.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
        };
        let frames = match sizes >> 4 {
            0 => return None,
            1 => 192,
            code @ 2..=5 => 144 << code,
            6 => take(1)? + 1,
            7 => take(2)? + 1,
            code => 1 << code,
        };
        let sample_rate = match sizes & 15 {
            0 => None,
            code @ 1..=11 => Some(
                [
                    88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100,
                    48_000, 96_000,
                ][usize::from(code) - 1],
            ),
            12 => Some(take(1)? * 1_000),
            13 => Some(take(2)?),
            14 => Some(take(2)? * 10),
            _ => return None,
        };
        let sum = u16::from(*bytes.get(at)?);
        if frames > 65_535 || crc(&bytes[..at], 8, 0x07) != sum {
            return None;
        }
        let counts_blocks = sync == 0xf8;
        Some(Self { bytes: at + 1, frames, sample_rate, channels, bits, counts_blocks, number })
    }

    /// More bytes than a block can have: no encoder makes one that is larger than its samples as
    /// they are. `bits` are those of the stream.
    pub(super) fn most_bytes(&self, bits: u32) -> usize {
        let bits = self.bits.unwrap_or(bits).clamp(1, 32) as usize + 1;
        let samples = self.frames as usize * usize::from(self.channels);
        samples * bits / 8 + usize::from(self.channels) * 64 + MAX_HEADER + 1_024
    }
}

/// A number in the way of UTF-8, of up to 36 bits.
fn read_number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let first = *bytes.get(*at)?;
    let ones = first.leading_ones() as usize;
    if ones == 1 || ones == 8 {
        return None;
    }
    let mut number = u64::from(first & (0xff_u8.checked_shr(ones as u32 + 1).unwrap_or(0)));
    let more = bytes.get(*at + 1..*at + ones.max(1))?;
    for byte in more {
        if byte >> 6 != 2 {
            return None;
        }
        number = number << 6 | u64::from(byte & 0x3f);
    }
    *at += ones.max(1);
    Some(number)
}

/// The checksum over a whole block, its own two bytes at the end included.
#[derive(Debug, Default)]
pub(super) struct Crc16(u16);

/// What a byte does to the checksum.
const STEPS: [u16; 256] = {
    let mut steps = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 };
            bit += 1;
        }
        steps[byte] = crc;
        byte += 1;
    }
    steps
};

impl Crc16 {
    pub(super) fn push(&mut self, byte: u8) {
        self.0 = self.0 << 8 ^ STEPS[usize::from(self.0 >> 8) ^ usize::from(byte)];
    }

    /// Whether the last two bytes were the checksum of those before.
    pub(super) fn is_whole(&self) -> bool {
        self.0 == 0
    }
}
