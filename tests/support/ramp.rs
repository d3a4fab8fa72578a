//! Sound of which every sample tells its position, so that what was lost, repeated, swapped or
//! changed shows in one comparison.

use std::path::Path;

use super::recorded::HEADER;
pub(crate) use super::recorded::frames_on_disk;
use super::wav::write_wav;

/// Positions that fit: each is a sample of its own in a float's 24 bits, below half of full scale,
/// where the limiter passes bits unchanged.
const POSITIONS: u64 = 1 << 23;

/// The sample at a position: rising on the left, falling on the right, never zero.
pub(crate) fn sample(position: u64, channel: usize) -> f32 {
    assert!(position < POSITIONS, "the ramp is too short for position {position}");
    let level = (position + 1) as f32 / (2 * POSITIONS) as f32;
    if channel == 0 { level } else { -level }
}

/// Interleaved frames from `first` on.
pub(crate) fn frames(first: u64, count: usize, channels: usize) -> Vec<f32> {
    let positions = first..first + count as u64;
    positions.flat_map(|at| (0..channels).map(move |channel| sample(at, channel))).collect()
}

/// The position that an interleaved frame tells; `None` for silence.
pub(crate) fn position(frame: &[f32]) -> Option<u64> {
    if frame.iter().all(|sample| *sample == 0.0) {
        return None;
    }
    let told = f64::from(frame[0]) * (2 * POSITIONS) as f64 - 1.0;
    assert!(told >= 0.0 && told < POSITIONS as f64, "{frame:?} is neither ramp nor silence");
    let position = told as u64;
    let expected: Vec<f32> = (0..frame.len()).map(|channel| sample(position, channel)).collect();
    assert_eq!(frame, expected, "not a frame of the ramp");
    Some(position)
}

/// What follows without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stretch {
    Sound { first: u64, frames: u64 },
    Silence { frames: u64 },
}

/// As [`position`]; `None` also for a frame that was turned down where sound breaks off and where it begins again.
pub(crate) fn whole_position(frame: &[f32]) -> Option<u64> {
    let told = f64::from(frame[0]) * (2 * POSITIONS) as f64 - 1.0;
    let position = (0.0..POSITIONS as f64).contains(&told).then_some(told as u64)?;
    let expected: Vec<f32> = (0..frame.len()).map(|channel| sample(position, channel)).collect();
    (frame == expected).then_some(position)
}

/// Stretches of interleaved sound, in order.
pub(crate) fn stretches(samples: &[f32], channels: usize) -> Vec<Stretch> {
    stretches_of(samples, channels, position)
}

fn stretches_of(
    samples: &[f32],
    channels: usize,
    position: impl Fn(&[f32]) -> Option<u64>,
) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    for frame in samples.chunks_exact(channels) {
        match (position(frame), found.last_mut()) {
            (None, Some(Stretch::Silence { frames })) => *frames += 1,
            (Some(at), Some(Stretch::Sound { first, frames })) if at == *first + *frames => {
                *frames += 1;
            }
            (None, _) => found.push(Stretch::Silence { frames: 1 }),
            (Some(first), _) => found.push(Stretch::Sound { first, frames: 1 }),
        }
    }
    found
}

/// Writes a float WAV file of the ramp from `first` on.
pub(crate) fn write(path: &Path, first: u64, count: usize, rate: u32, channels: u16) {
    write_wav(path, rate, channels, frames(first, count, channels.into()));
}

/// A recording, whole: its header must tell of every byte that the file holds.
pub(crate) struct Recording {
    pub(crate) rate: u32,
    pub(crate) channels: usize,
    pub(crate) samples: Vec<f32>,
}

impl Recording {
    /// Reads what the header tells of.
    #[track_caller]
    pub(crate) fn read(path: &Path) -> Self {
        let wav = hound::WavReader::open(path).unwrap();
        let spec = wav.spec();
        assert_eq!((spec.bits_per_sample, spec.sample_format), (32, hound::SampleFormat::Float));
        let samples = wav.into_samples().collect::<Result<_, _>>().unwrap();
        Self { rate: spec.sample_rate, channels: spec.channels.into(), samples }
    }

    /// Reads a file that was finished: nothing may lie behind what the header tells of.
    #[track_caller]
    pub(crate) fn read_finished(path: &Path) -> Self {
        let recording = Self::read(path);
        let bytes = std::fs::metadata(path).unwrap().len();
        let told = HEADER + recording.samples.len() as u64 * 4;
        assert_eq!(bytes, told, "the header of {} is behind", path.display());
        recording
    }

    /// As [`stretches`](Self::stretches); what is not whole counts as silence.
    pub(crate) fn whole_stretches(&self) -> Vec<Stretch> {
        stretches_of(&self.samples, self.channels, whole_position)
    }

    /// All but the silence before the ramp's very first sample: the server's, which begins a
    /// moment before its source.
    pub(crate) fn stretches(&self) -> Vec<Stretch> {
        let mut all = stretches(&self.samples, self.channels);
        if let [Stretch::Silence { .. }, Stretch::Sound { first: 0, .. }, ..] = all[..] {
            all.remove(0);
        }
        all
    }
}
