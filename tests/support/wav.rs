//! Files of sound.

use std::path::Path;

/// Writes a float WAV file of interleaved samples.
pub(crate) fn write_wav(
    path: &Path,
    sample_rate: u32,
    channels: u16,
    samples: impl IntoIterator<Item = f32>,
) {
    let spec = hound::WavSpec {
        channels,
        sample_rate,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut wav = hound::WavWriter::create(path, spec).unwrap();
    samples.into_iter().for_each(|sample| wav.write_sample(sample).unwrap());
    wav.finalize().unwrap();
}

/// Writes a WAV file of silence, stereo at 48 kHz, as long as that many seconds.
#[cfg(target_os = "linux")]
pub(crate) fn silence(path: &Path, seconds: usize) {
    write_wav(path, 48_000, 2, std::iter::repeat_n(0.0, 96_000 * seconds));
}
