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
