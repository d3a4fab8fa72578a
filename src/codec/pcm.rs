//! Samples of a fixed size, little-endian: float32, and integers of 24 and 16 bits.

use byteorder::{ByteOrder, LittleEndian};

use super::Fault;
use crate::format::sanitise;

/// Full scale of 16 bits: what 1.0 becomes, in every writer and reader.
pub const FULL_16: f32 = 32_767.0;

/// Full scale of 24 bits.
pub const FULL_24: f32 = 8_388_607.0;

/// Noise of triangular distribution, up to one step either way: it turns what rounding would do to
/// quiet sound into a steady hiss at −93 dBFS.
#[derive(Debug, Clone)]
pub struct Dither(u64);

impl Default for Dither {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Dither {
    /// The next value, within ±1.
    pub fn step(&mut self) -> f32 {
        // xorshift64: two halves are two independent uniform values.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let uniform = |bits: u64| (bits & 0xff_ffff) as f32 / 16_777_216.0;
        uniform(self.0 >> 40) - uniform(self.0 >> 8)
    }
}

/// Writes samples as 16-bit integers, each with what `dither` gives, in steps.
/// `out` holds two bytes a sample.
pub fn write_int16(samples: &[f32], mut dither: impl FnMut() -> f32, out: &mut [u8]) {
    for (sample, bytes) in samples.iter().zip(out.chunks_exact_mut(2)) {
        let steps = (sample * FULL_16 + dither()).round().clamp(-FULL_16 - 1.0, FULL_16);
        LittleEndian::write_i16(bytes, steps as i16);
    }
}

/// Writes samples as 24-bit integers. Finer steps than float32 has near full scale: no dither.
/// `out` holds three bytes a sample.
pub fn write_int24(samples: &[f32], out: &mut [u8]) {
    for (sample, bytes) in samples.iter().zip(out.chunks_exact_mut(3)) {
        let steps = (sample * FULL_24).round().clamp(-FULL_24 - 1.0, FULL_24);
        LittleEndian::write_i24(bytes, steps as i32);
    }
}

/// Reads float32 samples into `out` (cleared first). Every sample is made safe to compute with.
///
/// # Errors
/// A [`Fault`] unless the payload is exactly `frames × channels` samples.
pub fn read_float32(
    payload: &[u8],
    frames: u32,
    channels: u16,
    out: &mut Vec<f32>,
) -> Result<(), Fault> {
    check_length(payload, frames, channels, 4)?;
    out.clear();
    out.resize(payload.len() / 4, 0.0);
    LittleEndian::read_f32_into(payload, out);
    sanitise(out);
    Ok(())
}

/// Reads 16-bit samples into `out` (cleared first).
///
/// # Errors
/// A [`Fault`] unless the payload is exactly `frames × channels` samples.
pub fn read_int16(
    payload: &[u8],
    frames: u32,
    channels: u16,
    out: &mut Vec<f32>,
) -> Result<(), Fault> {
    read(payload, frames, channels, 2, out, |b| f32::from(LittleEndian::read_i16(b)) / FULL_16)
}

/// Reads 24-bit samples into `out` (cleared first).
///
/// # Errors
/// A [`Fault`] unless the payload is exactly `frames × channels` samples.
pub fn read_int24(
    payload: &[u8],
    frames: u32,
    channels: u16,
    out: &mut Vec<f32>,
) -> Result<(), Fault> {
    read(payload, frames, channels, 3, out, |b| LittleEndian::read_i24(b) as f32 / FULL_24)
}

fn read(
    payload: &[u8],
    frames: u32,
    channels: u16,
    size: usize,
    out: &mut Vec<f32>,
    sample: impl Fn(&[u8]) -> f32,
) -> Result<(), Fault> {
    check_length(payload, frames, channels, size)?;
    out.clear();
    out.extend(payload.chunks_exact(size).map(sample));
    Ok(())
}

/// Refuses a payload that does not hold exactly so many frames of samples of `size` bytes.
pub(super) fn check_length(
    payload: &[u8],
    frames: u32,
    channels: u16,
    size: usize,
) -> Result<(), Fault> {
    let wanted = u64::from(frames) * u64::from(channels) * size as u64;
    if wanted == payload.len() as u64 && frames > 0 {
        return Ok(());
    }
    Err(Fault(format!("{frames} frames need {wanted} bytes, {} came", payload.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_round_clip_and_come_back() {
        let samples = [0.0, 1.0, -1.0, 1.5, -1.5, 0.5, f32::NAN];
        let mut bytes = [0; 14];
        write_int16(&samples, || 0.0, &mut bytes);
        let mut back = Vec::new();
        read_int16(&bytes, 7, 1, &mut back).unwrap();
        let low = -32_768.0 / FULL_16;
        assert_eq!(back, [0.0, 1.0, -1.0, 1.0, low, 16_384.0 / FULL_16, 0.0]);
    }

    #[test]
    fn twenty_four_bits_round_clip_and_come_back() {
        let samples = [0.0, 1.0, -1.0, 1.5, -1e-7, 0.25];
        let mut bytes = [0; 18];
        write_int24(&samples, &mut bytes);
        let mut back = Vec::new();
        read_int24(&bytes, 3, 2, &mut back).unwrap();
        for (sample, back) in samples.iter().zip(&back) {
            assert!((sample.min(1.0) - back).abs() <= 0.5 / FULL_24 + 1e-9, "{sample}: {back}");
        }
    }

    #[test]
    fn every_sixteen_bit_value_survives_a_second_trip() {
        let bytes: Vec<u8> = (i16::MIN..=i16::MAX).flat_map(i16::to_le_bytes).collect();
        let (mut samples, mut again) = (Vec::new(), vec![0; bytes.len()]);
        read_int16(&bytes, 65_536, 1, &mut samples).unwrap();
        write_int16(&samples, || 0.0, &mut again);
        assert_eq!(bytes, again);
    }

    #[test]
    fn dither_lets_a_sound_below_one_step_through_without_distortion() {
        let mut dither = Dither::default();
        let quiet = 0.3 / FULL_16;
        let mut bytes = vec![0; 200_000];
        write_int16(&vec![quiet; 100_000], || dither.step(), &mut bytes);
        let mut back = Vec::new();
        read_int16(&bytes, 100_000, 1, &mut back).unwrap();
        let mean = back.iter().map(|s| f64::from(s * FULL_16)).sum::<f64>() / 100_000.0;
        assert!((mean - 0.3).abs() < 0.02, "{mean}");
        // Rounding's own noise and the dither's: three twelfths of a step squared.
        let power = back.iter().map(|s| f64::from(s * FULL_16 - 0.3).powi(2)).sum::<f64>() / 1e5;
        assert!((power - 0.25).abs() < 0.02, "{power}");
    }

    #[test]
    fn a_payload_of_another_size_than_announced_is_refused() {
        let mut out = Vec::new();
        assert!(read_float32(&[0; 12], 2, 2, &mut out).is_err());
        assert!(read_float32(&[], 0, 2, &mut out).is_err());
        assert!(read_float32(&[0; 16], u32::MAX, u16::MAX, &mut out).is_err());
        assert!(read_int16(&[0; 6], 2, 2, &mut out).is_err());
        assert!(read_int16(&[], 0, 2, &mut out).is_err());
        assert!(read_int24(&[0; 11], 2, 2, &mut out).is_err());
        assert!(read_int24(&[0; 12], u32::MAX, u16::MAX, &mut out).is_err());
    }
}
