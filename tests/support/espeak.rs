//! Speech, by espeak-ng.

use std::process::Command;

/// The rate of what is said here, in Hz.
pub(crate) const RATE: usize = 48_000;

/// What espeak-ng says in a voice of its own, such as `en`, in one channel at [`RATE`].
pub(crate) fn espeak(voice: &str, text: &str) -> Vec<f32> {
    let out = Command::new("espeak-ng").args(["-v", voice, "--stdout", text]).output();
    let wav = out
        .unwrap_or_else(|e| {
            panic!("espeak-ng is needed: {e}. Run scripts/setup.sh sound, which installs it")
        })
        .stdout;
    // A plain WAV of 16 bits, mono, at 22,050 Hz, behind a header of 44 bytes.
    assert_eq!(&wav[24..28], 22_050_u32.to_le_bytes(), "espeak-ng's rate");
    let samples: Vec<f32> = wav[44..]
        .chunks_exact(2)
        .map(|bytes| f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32_768.0)
        .collect();
    let frames = (samples.len() - 1) * RATE / 22_050;
    let at = |frame: usize| {
        let place = frame as f64 * 22_050.0 / RATE as f64;
        let (index, part) = (place as usize, place.fract() as f32);
        samples[index] * (1.0 - part) + samples[index + 1] * part
    };
    (0..frames).map(at).collect()
}
