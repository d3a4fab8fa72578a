//! Whether what was heard is what was played, how loud, and how much later.

pub(crate) use super::likeness::likeness;
use super::stereo::Stereo;

/// A tenth of a second is compared at a time.
const WINDOWS_A_SECOND: u32 = 10;

/// The search for a delay looks at every so many samples and delays; the noise below hardly changes
/// in between.
const COARSE: usize = 4;

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
pub(crate) fn compare(played: &Stereo, heard: &Stereo, rate: u32, most_ms: u32) -> Vec<Window> {
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
                delay_ms: exactly(delay, left, &heard.left[at..]) * 1e3 / f64::from(rate),
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

/// The delay to a fraction of a sample: where the parabola through it and both its neighbours is
/// highest.
fn exactly(delay: usize, piece: &[f32], sound: &[f32]) -> f64 {
    let at = |delay: usize| likeness(piece, &sound[delay..delay + piece.len()], 1).0;
    if delay == 0 || delay + 1 + piece.len() > sound.len() {
        return delay as f64;
    }
    let (before, here, after) = (at(delay - 1), at(delay), at(delay + 1));
    let bend = before - 2.0 * here + after;
    let is_highest = bend < 0.0 && here >= before && here >= after;
    delay as f64 + if is_highest { 0.5 * (before - after) / bend } else { 0.0 }
}
