//! Whether what was heard is what was played, how loud, and how much later.

/// A tenth of a second is compared at a time.
const WINDOWS_A_SECOND: u32 = 10;

/// The search for a delay looks at every so many samples and delays; the noise below hardly changes
/// in between.
const COARSE: usize = 4;

/// Both channels of what one output played.
pub(crate) struct Recording {
    pub(crate) left: Vec<f32>,
    pub(crate) right: Vec<f32>,
}

/// One tenth of a second of what was heard, beside what was played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) delay_ms: f64,
    /// 1 where both are the same but for loudness; the worse one of the two channels.
    pub(crate) likeness: f64,
    /// How much louder than what was played.
    pub(crate) gain_db: f64,
}

impl Window {
    pub(crate) fn is_right(&self) -> bool {
        self.likeness > 0.9 && self.gain_db.abs() < 1.0
    }
}

/// Compares `heard` with `played`, both recorded at once, window by window. A window is looked for
/// up to `most_ms` later than it was played.
pub(crate) fn compare(
    played: &Recording,
    heard: &Recording,
    rate: u32,
    most_ms: u32,
) -> Vec<Window> {
    let length = (rate / WINDOWS_A_SECOND) as usize;
    let most = (rate * most_ms / 1000) as usize;
    let end = played.left.len().min(heard.left.len()).saturating_sub(length + most);
    (0..end)
        .step_by(length)
        .map(|at| {
            let (left, right) = (&played.left[at..at + length], &played.right[at..at + length]);
            let delay = find(left, &heard.left[at..at + length + most]);
            let now = at + delay..at + delay + length;
            let (like_left, gain) = likeness(left, &heard.left[now.clone()], 1);
            let (like_right, _) = likeness(right, &heard.right[now], 1);
            Window {
                delay_ms: delay as f64 * 1e3 / f64::from(rate),
                likeness: like_left.min(like_right),
                gain_db: 20.0 * gain.abs().max(1e-9).log10(),
            }
        })
        .collect()
}

/// Where in `sound` `piece` is most like it.
pub(crate) fn find(piece: &[f32], sound: &[f32]) -> usize {
    let last = sound.len() - piece.len();
    let best = |delays: &mut dyn Iterator<Item = usize>, step| {
        delays
            .map(|delay| (delay, likeness(piece, &sound[delay..delay + piece.len()], step).0))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(0, |(delay, _)| delay)
    };
    let near = best(&mut (0..=last).step_by(COARSE), COARSE);
    best(&mut (near.saturating_sub(COARSE)..=(near + COARSE).min(last)), 1)
}

/// How alike two pieces are, from −1 to 1, and the second's loudness in terms of the first's.
pub(crate) fn likeness(a: &[f32], b: &[f32], step: usize) -> (f64, f64) {
    let (mut aa, mut bb, mut ab) = (1e-12_f32, 1e-12_f32, 0.0_f32);
    for (a, b) in a.iter().zip(b).step_by(step) {
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    (f64::from(ab / (aa * bb).sqrt()), f64::from(ab / aa))
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Stereo noise, the two channels unlike each other and neither like itself a moment later, without
/// the high tones that a change of rate would touch. The same on every run.
pub(crate) fn noise(frames: usize, rate: u32) -> Recording {
    Recording { left: channel(frames, rate, 1), right: channel(frames, rate, 2) }
}

fn channel(frames: usize, rate: u32, seed: u64) -> Vec<f32> {
    const CORNER_HZ: f32 = 1_500.0;
    let share = 1.0 - (-std::f32::consts::TAU * CORNER_HZ / rate as f32).exp();
    let mut state = seed;
    let (mut once, mut twice) = (0.0_f32, 0.0_f32);
    (0..frames)
        .map(|_| {
            // Knuth's multiplier; the upper bits are the random ones.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed | 1);
            let white = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            once += share * (white - once);
            twice += share * (once - twice);
            twice
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(samples: &[f32], frames: usize, gain: f32) -> Vec<f32> {
        let delayed = std::iter::repeat_n(0.0, frames).chain(samples.iter().map(|s| s * gain));
        delayed.take(samples.len()).collect()
    }

    #[test]
    fn a_known_delay_and_loudness_are_found() {
        let played = noise(40_000, 40_000);
        let heard = Recording {
            left: later(&played.left, 3_210, 0.5),
            right: later(&played.right, 3_210, 0.5),
        };
        let windows = compare(&played, &heard, 40_000, 200);
        assert_eq!(windows.len(), 7);
        for window in windows {
            assert!((window.delay_ms - 80.25).abs() < 1e-9, "{window:?}");
            assert!((window.gain_db + 6.02).abs() < 0.01 && window.likeness > 0.999, "{window:?}");
            assert!(!window.is_right(), "too quiet");
        }
    }

    #[test]
    fn swapped_channels_and_other_sounds_are_not_taken_for_the_right_one() {
        let played = noise(40_000, 40_000);
        let swapped = Recording { left: played.right.clone(), right: played.left.clone() };
        let silent = Recording { left: vec![0.0; 40_000], right: vec![0.0; 40_000] };
        for heard in [swapped, silent] {
            assert!(compare(&played, &heard, 40_000, 200).iter().all(|w| !w.is_right()));
        }
    }
}
