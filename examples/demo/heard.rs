//! What a listener heard, measured from its samples alone.

use std::ops::Range;

use auralync::format::dbfs;

use crate::support::median::median;

/// From here on a sample is heard: −60 dBFS.
const AUDIBLE: f32 = 1e-3;

/// How far, in frames, one period of a tone may be from the usual one before the tone counts as
/// broken there. Steering moves a 440 Hz period by a tenth of a frame; a lost frame by a whole one.
const TOLERANCE: f64 = 0.5;

/// How long a silence inside the tone must last to count, in seconds.
const SILENCE_S: f64 = 1e-3;

/// A tone as it was heard, from its first audible sample on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    /// In Hz, over the unbroken stretches.
    pub(crate) frequency_hz: f64,
    /// The tone's amplitude, from its power, in dBFS.
    pub(crate) level_dbfs: f32,
    /// From the first to the last audible sample.
    pub(crate) seconds: f64,
    /// Places where the tone stopped or jumped.
    pub(crate) gaps: usize,
    /// In milliseconds; 0 where the tone only jumped, if anything.
    pub(crate) longest_silence_ms: f64,
}

impl Heard {
    /// Whether this is a tone of `hz`, to one part in a thousand.
    pub(crate) fn is_tone(&self, hz: f64) -> bool {
        (self.frequency_hz - hz).abs() <= hz / 1e3
    }
}

/// Measures interleaved samples of `channels` channels. The quietest channel speaks for all, so
/// that a dead one shows. `None` where there is no tone: silence, or less than three periods.
pub(crate) fn measure(samples: &[f32], channels: usize, sample_rate: u32) -> Option<Heard> {
    (0..channels)
        .map(|channel| {
            samples.iter().skip(channel).step_by(channels).copied().collect::<Vec<f32>>()
        })
        .min_by(|a, b| energy(a).total_cmp(&energy(b)))
        .and_then(|channel| measure_channel(&channel, f64::from(sample_rate)))
}

fn measure_channel(samples: &[f32], rate: f64) -> Option<Heard> {
    let first = samples.iter().position(|&sample| is_audible(sample))?;
    let last = samples.iter().rposition(|&sample| is_audible(sample))?;
    let sound = &samples[first..=last];

    let crossings = rising_crossings(sound);
    let periods: Vec<f64> = crossings.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let usual = Some(median(periods.iter().copied())).filter(|usual| !usual.is_nan())?;
    let (whole, broken): (Vec<Range<f64>>, _) = crossings
        .windows(2)
        .map(|pair| pair[0]..pair[1])
        .partition(|period| (period.end - period.start - usual).abs() <= TOLERANCE);
    let mean = whole.iter().map(length).sum::<f64>() / whole.len() as f64;

    let silences = silences(sound, rate * SILENCE_S);
    let silent = silences.iter().map(length).sum::<f64>();
    Some(Heard {
        frequency_hz: rate / mean,
        level_dbfs: dbfs((2.0 * energy(sound) / (sound.len() as f64 - silent)).sqrt() as f32),
        seconds: sound.len() as f64 / rate,
        gaps: count_merged(broken.into_iter().chain(silences.iter().cloned()), usual),
        longest_silence_ms: silences.iter().map(length).fold(0.0, f64::max) / rate * 1e3,
    })
}

/// How many stretches there are when those less than `near` apart count as one: a silence that
/// breaks the periods around it is one gap.
fn count_merged(stretches: impl Iterator<Item = Range<f64>>, near: f64) -> usize {
    let mut stretches: Vec<_> = stretches.collect();
    stretches.sort_by(|a, b| a.start.total_cmp(&b.start));
    let mut count = 0;
    let mut end = f64::NEG_INFINITY;
    for stretch in stretches {
        if stretch.start > end + near {
            count += 1;
        }
        end = end.max(stretch.end);
    }
    count
}

/// The runs of inaudible samples that last at least `shortest` frames, in frames.
fn silences(sound: &[f32], shortest: f64) -> Vec<Range<f64>> {
    let mut start = 0.0;
    sound
        .chunk_by(|&a, &b| is_audible(a) == is_audible(b))
        .filter_map(|run| {
            let stretch = start..start + run.len() as f64;
            start = stretch.end;
            (!is_audible(run[0]) && length(&stretch) >= shortest).then_some(stretch)
        })
        .collect()
}

fn is_audible(sample: f32) -> bool {
    sample.abs() >= AUDIBLE
}

fn length(stretch: &Range<f64>) -> f64 {
    stretch.end - stretch.start
}

/// Where the sound goes from below zero to zero or above, in frames, between two samples by a
/// straight line.
fn rising_crossings(samples: &[f32]) -> Vec<f64> {
    samples
        .windows(2)
        .zip(0_u32..)
        .filter(|(pair, _)| pair[0] < 0.0 && pair[1] >= 0.0)
        .map(|(pair, frame)| f64::from(frame) + f64::from(pair[0] / (pair[0] - pair[1])))
        .collect()
}

/// The sum of the squares.
fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|&sample| f64::from(sample).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    const RATE: u32 = 48_000;

    /// A tone of 440 Hz at half of full scale, from `phase` (in periods) on.
    fn tone(frames: usize, phase: f64) -> Vec<f32> {
        (0..frames)
            .map(|n| (0.5 * (TAU * (440.0 * n as f64 / f64::from(RATE) + phase)).sin()) as f32)
            .collect()
    }

    fn heard(pieces: &[&[f32]]) -> Heard {
        measure(&pieces.concat(), 1, RATE).unwrap()
    }

    #[test]
    fn an_unbroken_tone_has_its_frequency_its_level_and_no_gap() {
        let heard = heard(&[&[0.0; 4_000], &tone(48_000, 0.3), &[0.0; 900]]);
        assert!((heard.frequency_hz - 440.0).abs() < 0.01, "{heard:?}");
        assert!((heard.level_dbfs + 6.02).abs() < 0.05, "{heard:?}");
        assert!((heard.seconds - 1.0).abs() < 0.001, "{heard:?}");
        assert_eq!(heard.gaps, 0, "{heard:?}");
        assert!(heard.is_tone(440.0) && !heard.is_tone(441.0));
    }

    #[test]
    fn silence_inside_is_one_gap_and_does_not_lower_the_level() {
        let heard = heard(&[&tone(10_000, 0.0), &[0.0; 4_800], &tone(10_000, 0.6)]);
        assert_eq!(heard.gaps, 1, "{heard:?}");
        assert!((heard.longest_silence_ms - 100.0).abs() < 0.1, "{heard:?}");
        assert!((heard.level_dbfs + 6.02).abs() < 0.05, "{heard:?}");
        assert!((heard.frequency_hz - 440.0).abs() < 0.01, "{heard:?}");
    }

    #[test]
    fn one_millisecond_of_silence_is_one_gap_wherever_it_cuts_the_tone() {
        let whole = tone(20_000, 0.0);
        for cut in 10_000..10_110 {
            let heard = heard(&[&whole[..cut], &[0.0; 48], &whole[cut + 48..]]);
            assert_eq!(heard.gaps, 1, "{cut}: {heard:?}");
            assert!((heard.longest_silence_ms - 1.0).abs() < 0.05, "{cut}: {heard:?}");
        }
    }

    #[test]
    fn a_lost_frame_is_a_gap_without_silence() {
        let whole = tone(20_000, 0.0);
        let heard = heard(&[&whole[..7_000], &whole[7_001..]]);
        assert_eq!(heard.gaps, 1, "{heard:?}");
        assert_eq!(heard.longest_silence_ms, 0.0, "{heard:?}");
    }

    #[test]
    fn two_jumps_are_two_gaps() {
        let heard = heard(&[&tone(5_000, 0.0), &tone(5_000, 0.9), &tone(5_000, 0.2)]);
        assert_eq!(heard.gaps, 2, "{heard:?}");
    }

    #[test]
    fn a_rate_steered_by_a_thousandth_is_no_gap() {
        let steered: Vec<f32> = (0..48_000)
            .map(|n| (f64::from(n) / f64::from(RATE) * 440.0 * 1.001 * TAU).sin() as f32)
            .collect();
        assert_eq!(heard(&[&steered]).gaps, 0);
    }

    #[test]
    fn a_dead_channel_is_heard_as_nothing() {
        let both: Vec<f32> = tone(9_000, 0.0).into_iter().flat_map(|s| [s, 0.0]).collect();
        assert_eq!(measure(&both, 2, RATE), None);
        assert_eq!(measure(&[], 2, RATE), None);
        assert_eq!(measure(&tone(100, 0.0), 1, RATE), None);
    }
}
