//! How the bytes of a sample become its value.

use byteorder::{BigEndian, ByteOrder, LittleEndian};

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    LittleEndian,
    BigEndian,
}

impl Order {
    pub(crate) fn u16(self, bytes: &[u8]) -> u16 {
        match self {
            Self::LittleEndian => LittleEndian::read_u16(bytes),
            Self::BigEndian => BigEndian::read_u16(bytes),
        }
    }

    pub(crate) fn u32(self, bytes: &[u8]) -> u32 {
        match self {
            Self::LittleEndian => LittleEndian::read_u32(bytes),
            Self::BigEndian => BigEndian::read_u32(bytes),
        }
    }

    pub(crate) fn u64(self, bytes: &[u8]) -> u64 {
        match self {
            Self::LittleEndian => LittleEndian::read_u64(bytes),
            Self::BigEndian => BigEndian::read_u64(bytes),
        }
    }
}

/// The kinds of samples that are stored one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Unsigned8,
    /// Of 1 to 4 bytes.
    Signed(usize, Order),
    Float32(Order),
    Float64(Order),
    /// G.711, as telephones in Europe have it.
    ALaw,
    /// G.711, as telephones in America and Japan have it.
    MuLaw,
}

impl Encoding {
    /// Bytes of a sample.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Unsigned8 | Self::ALaw | Self::MuLaw => 1,
            Self::Signed(bytes, _) => bytes,
            Self::Float32(_) => 4,
            Self::Float64(_) => 8,
        }
    }

    /// Turns bytes into samples: an integer of n bits is divided by 2^(n − 1), which is exact up
    /// to 24 bits.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut [f32]) {
        let samples = bytes.chunks_exact(self.bytes()).zip(out);
        match self {
            Self::Unsigned8 => samples.for_each(|(b, s)| *s = (f32::from(b[0]) - 128.0) / 128.0),
            Self::Signed(count, order) => samples.for_each(|(b, s)| {
                *s = signed(b, count, order) as f32 / 2_147_483_648.0;
            }),
            Self::Float32(order) => samples.for_each(|(b, s)| *s = f32::from_bits(order.u32(b))),
            Self::Float64(order) => {
                samples.for_each(|(b, s)| *s = f64::from_bits(order.u64(b)) as f32);
            }
            Self::ALaw => samples.for_each(|(b, s)| *s = f32::from(a_law(b[0])) / 32_768.0),
            Self::MuLaw => samples.for_each(|(b, s)| *s = f32::from(mu_law(b[0])) / 32_768.0),
        }
    }
}

/// The number in the top bytes of 32 bits.
fn signed(bytes: &[u8], count: usize, order: Order) -> i32 {
    let mut top = [0; 4];
    for (n, byte) in bytes.iter().take(count).enumerate() {
        top[match order {
            Order::LittleEndian => 4 - count + n,
            Order::BigEndian => 3 - n,
        }] = *byte;
    }
    i32::from_le_bytes(top)
}

/// ITU-T G.711, table 1: a sign, three bits of which chord, four of the step in it; every other
/// bit is turned around. In 16 bits.
fn a_law(byte: u8) -> i16 {
    let bits = byte ^ 0x55;
    let (chord, step) = (bits >> 4 & 7, i16::from(bits & 15));
    let size = match chord {
        0 => step << 4 | 8,
        _ => (step << 4 | 0x108) << (chord - 1),
    };
    if bits & 0x80 == 0 { -size } else { size }
}

/// ITU-T G.711, table 2: as [`a_law`], but all bits are turned around, and 33 steps stand below
/// the first chord. In 16 bits.
fn mu_law(byte: u8) -> i16 {
    let bits = !byte;
    let (chord, step) = (bits >> 4 & 7, i16::from(bits & 15));
    let size = (((step << 3) | 0x84) << chord) - 0x84;
    if bits & 0x80 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephone_codes_are_the_values_of_the_standard() {
        // The ends, the middle and a change of chord of either table.
        for (code, value) in
            [(0x55, -8), (0xd5, 8), (0x2a, -32_256), (0xaa, 32_256), (0x45, -264), (0xc5, 264)]
        {
            assert_eq!(a_law(code), value, "{code:#x}");
        }
        for (code, value) in
            [(0xff, 0), (0x7f, 0), (0x80, 32_124), (0x00, -32_124), (0xfe, 8), (0xef, 132)]
        {
            assert_eq!(mu_law(code), value, "{code:#x}");
        }
        let rises = |value: fn(u8) -> i16, flip: u8| {
            let values: Vec<i16> = (0..128).map(|n| value((n | 0x80) ^ flip)).collect();
            assert!(values.is_sorted() && values[0] < values[127]);
        };
        rises(a_law, 0x55);
        rises(mu_law, 0x7f);
    }

    #[test]
    fn numbers_of_either_order_and_any_width_are_their_share_of_full_scale() {
        for count in 1..=4 {
            let full = 1_i64 << (8 * count - 1);
            for number in [-full, -full / 2, -1, 0, 1, full / 3, full - 1] {
                let expected = (number as f64 / full as f64) as f32;
                let mut bytes = number.to_le_bytes()[..count].to_vec();
                let mut out = [9.0];
                Encoding::Signed(count, Order::LittleEndian).decode(&bytes, &mut out);
                assert_eq!(out, [expected]);
                bytes.reverse();
                Encoding::Signed(count, Order::BigEndian).decode(&bytes, &mut out);
                assert_eq!(out, [expected]);
            }
        }
    }
}
