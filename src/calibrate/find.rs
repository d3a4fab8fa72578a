//! Finds the sweeps of a chirp in what a microphone has heard.

use super::chirp::{Chirp, SWEEP_MS};
use super::fourier::{Complex, Fourier, median, top};

/// Sound is looked for from so long before it is due, in ms, since a card may say too much of its own
/// delay; to so long after: more than any loudspeaker or headset hides.
pub(super) const EARLIEST_MS: f64 = 60.0;
pub(super) const LATEST_MS: f64 = 600.0;

/// How much of the room is listened to before the first sweep and after the last, in ms.
pub(super) const QUIET_MS: f64 = 500.0;

/// One way of the sound takes equally long for two sweeps, give or take this, in ms.
const TOGETHER_MS: f64 = 0.3;

/// What comes first and is this much of the strongest is the sound itself, and what is stronger and later
/// came by way of walls.
const DIRECT: f64 = 0.4;

/// What stands so far out of all else in most sweeps was played by us.
const STANDS_OUT: f64 = 6.0;

/// Where a sweep has less than this of its strongest, it is not.
const ELSEWHERE: f64 = 0.2;

/// Around the common arrival each sweep's own is looked for so far either way, in ms.
const NEAR_MS: f64 = 1.2;

/// A sample of more than this is as loud as a microphone can tell, and so many of them are no accident.
const CLIPPED: f32 = 0.985;
const CLIPPED_SAMPLES: usize = 8;

/// What rates a microphone can have, in Hz.
pub(super) const RATES_HZ: std::ops::Range<f64> = 4_000.0..400_000.0;

/// Rumble below this, in Hz, is in every room and drowns nothing.
const RUMBLE_HZ: f64 = 100.0;

/// What a microphone has heard, on the clock by which sound was played.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// One channel.
    pub samples: Vec<f32>,
    /// The microphone's rate in Hz, as it says.
    pub rate_hz: u32,
    /// When the first sample was captured, in µs.
    pub first_us: f64,
    /// How long a sample really lasts, in µs.
    pub us_per_frame: f64,
}

impl Recording {
    /// The sample that was captured at a time in µs, to a fraction.
    fn frame_at(&self, at_us: f64) -> f64 {
        (at_us - self.first_us) / self.us_per_frame
    }

    /// The samples from one time to another, both in µs, as far as there are any.
    fn between(&self, from_us: f64, until_us: f64) -> &[f32] {
        let frame = |at_us| (self.frame_at(at_us).max(0.0) as usize).min(self.samples.len());
        self.samples.get(frame(from_us)..frame(until_us)).unwrap_or_default()
    }
}

/// What was found in a recording.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    /// How much later than it was due each sweep came that was found, in ms.
    pub lags_ms: Vec<f64>,
    /// How much louder the sweeps are than the room: of all that is heard, and within their own band,
    /// in dB.
    pub above_room_db: f64,
    pub above_band_db: f64,
    /// The loudest sample.
    pub peak: f32,
    /// Whether there were samples that no microphone can tell from louder ones.
    pub clipped: bool,
}

/// Looks for the sweeps of `chirp` that were due at `due_us`, in µs.
#[must_use]
pub fn find(recording: &Recording, chirp: Chirp, due_us: &[f64]) -> Heard {
    let samples = &recording.samples;
    // No microphone has other rates; what has is not worth a transform.
    if !RATES_HZ.contains(&(1e6 / recording.us_per_frame)) {
        return Heard::default();
    }
    let peak = samples.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
    let clipped = samples.iter().filter(|sample| sample.abs() >= CLIPPED).count();
    let lags_ms = arrivals(recording, chirp, due_us);
    let (above_room_db, above_band_db) = above_noise(recording, chirp, due_us, &lags_ms);
    let lags_ms = lags_ms.into_iter().flatten().collect();
    Heard { lags_ms, above_room_db, above_band_db, peak, clipped: clipped >= CLIPPED_SAMPLES }
}

/// How much later than it was due each sweep came, in ms, where one was found at all.
pub(crate) fn arrivals(recording: &Recording, chirp: Chirp, due_us: &[f64]) -> Vec<Option<f64>> {
    let per_ms = 1e3 / recording.us_per_frame;
    if !RATES_HZ.contains(&(per_ms * 1e3)) {
        return vec![None; due_us.len()];
    }
    let lags = ((EARLIEST_MS + LATEST_MS) * per_ms) as usize;
    let window = lags + (SWEEP_MS * per_ms) as usize;
    let fourier = Fourier::of(window);
    let sweep = fourier.of_real(&chirp.sweep(per_ms * 1e3));
    // One envelope for each sweep that lies in the recording, and the lag in ms at which it begins.
    let envelopes: Vec<Option<(Vec<f64>, f64)>> = due_us
        .iter()
        .map(|due_us| {
            let exact = recording.frame_at(due_us - EARLIEST_MS * 1e3);
            let first = exact.ceil();
            let from = as_frame(first)?;
            let heard = recording.samples.get(from..from.checked_add(window)?)?;
            let mut envelope = fourier.envelope(&fourier.of_real(heard), &sweep);
            envelope.truncate(lags);
            let noise = median(&mut envelope.clone()).max(1e-9);
            envelope.iter_mut().for_each(|value| *value /= noise);
            Some((envelope, (first - exact) / per_ms - EARLIEST_MS))
        })
        .collect();
    let Some(common) = common(&envelopes, lags, (TOGETHER_MS * per_ms) as usize) else {
        return vec![None; due_us.len()];
    };
    let near = (NEAR_MS * per_ms) as usize;
    let highest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let own = |(envelope, first_ms): &(Vec<f64>, f64)| {
        let around = common.saturating_sub(near)..(common + near).min(lags);
        let is_there = highest(envelope.get(around.clone())?) >= ELSEWHERE * highest(envelope);
        // A sweep that came at another time says so, and not where it nearly was.
        let within = if is_there { around } else { 0..envelope.len() };
        let at = first_peak(envelope, within.start, within.end)?;
        Some(top(envelope, at) / per_ms + first_ms)
    };
    envelopes.iter().map(|envelope| envelope.as_ref().and_then(own)).collect()
}

fn as_frame(frame: f64) -> Option<usize> {
    (frame >= 0.0 && frame < u32::MAX.into()).then_some(frame as usize)
}

/// The lag at which most sweeps have something that stands out: the first strong one. `together` is how
/// far apart the same arrival may be in two of them.
fn common(envelopes: &[Option<(Vec<f64>, f64)>], lags: usize, together: usize) -> Option<usize> {
    let there: Vec<&[f64]> =
        envelopes.iter().flatten().map(|(envelope, _)| envelope.as_slice()).collect();
    let widened: Vec<Vec<f64>> = there.iter().map(|one| widen(one, together)).collect();
    let mut column = Vec::with_capacity(there.len());
    let most: Vec<f64> = (0..lags)
        .map(|lag| {
            column.clear();
            column.extend(widened.iter().filter_map(|one| one.get(lag)));
            // A neighbour, a knock or a word is in one sweep or two, and in the middle of none.
            median(&mut column)
        })
        .collect();
    let strongest = most.iter().copied().fold(0.0, f64::max);
    let floor = median(&mut most.clone());
    if strongest < STANDS_OUT * floor.max(1e-9) {
        return None;
    }
    let enough = (DIRECT * strongest).max(STANDS_OUT / 2.0 * floor);
    let from = most.iter().position(|value| *value >= enough)?;
    // Widened, it is as high from `together` before its top on.
    let until = (from + 4 * together.max(1)).min(most.len());
    let highest = most.get(from..until)?.iter().copied().fold(0.0, f64::max);
    let begins = (from..until).find(|lag| most[*lag] >= 0.9 * highest)?;
    Some((begins + together).min(lags.saturating_sub(1)))
}

/// The highest within `by` either way, for each.
fn widen(values: &[f64], by: usize) -> Vec<f64> {
    let around = |at: usize| {
        let until = (at + by + 1).min(values.len());
        values[at.saturating_sub(by)..until].iter().copied().fold(0.0, f64::max)
    };
    (0..values.len()).map(around).collect()
}

/// The first peak between `from` and `until` that is nearly as high as the highest there.
fn first_peak(values: &[f64], from: usize, until: usize) -> Option<usize> {
    let highest = values.get(from..until)?.iter().copied().fold(0.0, f64::max);
    let is_peak = |at: usize| {
        let here = values[at];
        let before = at.checked_sub(1).map_or(0.0, |before| values[before]);
        here >= 0.7 * highest
            && here >= before
            && values.get(at + 1).is_none_or(|next| here > *next)
    };
    (from..until).find(|at| is_peak(*at))
}

/// How much louder the sweeps are than the room, of all sound and within their band, in dB.
fn above_noise(
    recording: &Recording,
    chirp: Chirp,
    due_us: &[f64],
    lags_ms: &[Option<f64>],
) -> (f64, f64) {
    let (Some(first), Some(last)) = (due_us.first(), due_us.last()) else {
        return (f64::NEG_INFINITY, f64::NEG_INFINITY);
    };
    let rate_hz = 1e6 / recording.us_per_frame;
    let fourier = Fourier::of((rate_hz * QUIET_MS / 1e3) as usize);
    let bands = [(RUMBLE_HZ, rate_hz / 2.0), (chirp.low_hz, chirp.high_hz)];
    let loud = |from_us: f64, ms: f64| {
        let sound = recording.between(from_us, from_us + ms * 1e3);
        let spectrum = fourier.of_real(sound);
        bands.map(|(low, high)| power(&spectrum, rate_hz, low, high) / sound.len().max(1) as f64)
    };
    let before = loud(first - (EARLIEST_MS + QUIET_MS) * 1e3, QUIET_MS);
    let after = loud(last + (LATEST_MS + SWEEP_MS) * 1e3, QUIET_MS);
    let sweeps: Vec<[f64; 2]> = due_us
        .iter()
        .zip(lags_ms)
        .filter_map(|(due_us, lag_ms)| Some(loud(due_us + (*lag_ms)? * 1e3, SWEEP_MS)))
        .collect();
    let above = |band: usize| {
        let noise = before[band].max(after[band]).max(1e-14);
        let mut powers: Vec<f64> = sweeps.iter().map(|powers| powers[band]).collect();
        let signal = median(&mut powers) - noise;
        if signal > 0.0 { 10.0 * (signal / noise).log10() } else { f64::NEG_INFINITY }
    };
    (above(0), above(1))
}

/// The energy of a sound between two frequencies in Hz.
fn power(spectrum: &[Complex], rate_hz: f64, low_hz: f64, high_hz: f64) -> f64 {
    let size = spectrum.len();
    let line = |hz: f64| ((hz * size as f64 / rate_hz) as usize).min(size / 2);
    let lines = spectrum.get(line(low_hz)..line(high_hz)).unwrap_or_default();
    lines.iter().map(|value| value.norm().powi(2)).sum::<f64>() * 2.0 / size as f64
}
