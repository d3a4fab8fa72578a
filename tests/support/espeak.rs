//! Speech, by espeak-ng.

use std::process::Command;

/// The rate of what is said here, in Hz.
pub(crate) const RATE: usize = 48_000;

/// espeak-ng's own rate, in Hz.
pub(crate) const SPOKEN_HZ: u32 = 22_050;

/// What espeak-ng says of what it is given, in one channel at [`SPOKEN_HZ`].
pub(crate) fn spoken(arguments: &[&str]) -> Vec<f32> {
    let out = Command::new("espeak-ng").arg("--stdout").args(arguments).output();
    let wav = out
        .unwrap_or_else(|e| {
            panic!("espeak-ng is needed: {e}. Run scripts/setup.sh sound, which installs it")
        })
        .stdout;
    // A plain WAV of 16 bits, mono, behind a header of 44 bytes.
    assert_eq!(&wav[24..28], SPOKEN_HZ.to_le_bytes(), "espeak-ng's rate");
    wav[44..]
        .chunks_exact(2)
        .map(|bytes| f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32_768.0)
        .collect()
}

/// What espeak-ng says in a voice of its own, such as `en`, in one channel at [`RATE`].
#[allow(dead_code, reason = "where words are compared to the sample they are resampled better")]
pub(crate) fn espeak(voice: &str, text: &str) -> Vec<f32> {
    let samples = spoken(&["-v", voice, text]);
    let frames = (samples.len() - 1) * RATE / SPOKEN_HZ as usize;
    let at = |frame: usize| {
        let place = frame as f64 * f64::from(SPOKEN_HZ) / RATE as f64;
        let (index, part) = (place as usize, place.fract() as f32);
        samples[index] * (1.0 - part) + samples[index + 1] * part
    };
    (0..frames).map(at).collect()
}
