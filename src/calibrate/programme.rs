//! How late another listener's loudspeaker is: what a room plays anyway, a film or music, is known from the
//! stream, and is found in what a microphone hears.

use super::find::{Heard, RATES_HZ, Recording};
use super::fourier::{Complex, Fourier, median, top};
use super::verdict::Sought;

/// What is looked for at a time, in ms, and how far apart two such pieces begin.
const PIECE_MS: f64 = 4_000.0;
const STEP_MS: f64 = 2_000.0;

/// Sound is looked for from so long before it is due, in ms, to so long after.
pub(super) const EARLIEST_MS: f64 = 500.0;
pub(super) const LATEST_MS: f64 = 1_000.0;

/// The band in Hz that is compared: below it rooms hum, above it microphones and walls differ.
const LOW_HZ: f64 = 250.0;
const HIGH_HZ: f64 = 7_000.0;

/// What stands so far out of all else is what was looked for: noise alone comes to four.
const STANDS_OUT: f64 = 7.0;

/// What comes up to so many ms before the strongest and is this much of it is the sound itself.
const BEFORE_MS: f64 = 60.0;
const DIRECT: f64 = 0.5;

/// A stream in which no sample of a piece is louder than this plays nothing.
const SILENT: f32 = 1e-4;

/// How well one piece was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// How much later than it was due it was heard, in ms.
    pub lag_ms: f64,
    /// How far it stands out of all else.
    pub stands_out: f64,
}

/// How late each piece of `stream`, whose times are those at which it is due, is in what was `heard`; only those
/// that are found. With them how many pieces had any sound. `None` where a recording has a rate that cannot be, or what
/// was heard is shorter than a piece: that says nothing of the stream.
#[must_use]
pub fn pieces(stream: &Recording, heard: &Recording) -> Option<(Vec<Piece>, usize)> {
    let per_ms = 1e3 / heard.us_per_frame;
    let is_rate = |us_per_frame: f64| RATES_HZ.contains(&(1e6 / us_per_frame));
    if !is_rate(heard.us_per_frame) || !is_rate(stream.us_per_frame) {
        return None;
    }
    let frames = |ms: f64| (ms * per_ms) as usize;
    let window = frames(PIECE_MS + EARLIEST_MS + LATEST_MS);
    if heard.samples.len() < window {
        return None;
    }
    let fourier = Fourier::of(window);
    let mut found = Vec::new();
    let mut sounding = 0;
    for from in (0..=heard.samples.len() - window).step_by(frames(STEP_MS).max(1)) {
        let Some(sound) = heard.samples.get(from..from + window) else { break };
        let starts_us = heard.first_us + from as f64 * heard.us_per_frame + EARLIEST_MS * 1e3;
        let piece = at_times(stream, starts_us, heard.us_per_frame, frames(PIECE_MS));
        if piece.iter().all(|sample| sample.abs() < SILENT) {
            continue;
        }
        sounding += 1;
        let spectrum = fourier.of_real(sound);
        let spectrum = whitened(&spectrum, &fourier.of_real(&piece), per_ms * 1e3);
        let mut envelope = fourier.envelope_of(spectrum);
        envelope.truncate(frames(EARLIEST_MS + LATEST_MS));
        found.extend(strongest(&envelope, per_ms));
    }
    Some((found, sounding))
}

/// What is looked for where so many pieces had any sound, in the words of a refusal.
#[must_use]
pub fn sought(sounding: usize) -> Sought {
    Sought {
        what: "what the server sends",
        parts: "pieces",
        count: sounding,
        outcome: "how late that listener is cannot be told",
        within_ms: LATEST_MS,
    }
}

/// The product of a spectrum with another's conjugate, of which only the phase is kept, within the band: loud tones
/// count no more than soft ones, and the answer is as sharp for a cello as for a drum.
fn whitened(heard: &[Complex], sought: &[Complex], rate_hz: f64) -> Vec<Complex> {
    let size = heard.len();
    let line = |hz: f64| (hz * size as f64 / rate_hz) as usize;
    let band = line(LOW_HZ)..line(HIGH_HZ.min(0.45 * rate_hz));
    let mut product: Vec<Complex> =
        heard.iter().zip(sought).map(|(heard, sought)| heard * sought.conj()).collect();
    let loudest = product.iter().map(|value| value.norm()).fold(0.0, f64::max);
    for (at, value) in product.iter_mut().enumerate() {
        let magnitude = value.norm();
        // What neither has is only noise of computing.
        let is_in = band.contains(&at) && magnitude > loudest * 1e-9;
        *value = if is_in { *value / magnitude } else { Complex::default() };
    }
    product
}

/// The stream at evenly spaced times from `starts_us` on.
fn at_times(stream: &Recording, starts_us: f64, us_per_frame: f64, frames: usize) -> Vec<f32> {
    let first = (starts_us - stream.first_us) / stream.us_per_frame;
    let step = us_per_frame / stream.us_per_frame;
    let sample = |at: f64| {
        if !(at >= 0.0 && at < u32::MAX.into()) {
            return 0.0;
        }
        let (whole, part) = (at as usize, at.fract() as f32);
        match stream.samples.get(whole..whole + 2) {
            Some([before, after]) => before + (after - before) * part,
            _ => 0.0,
        }
    };
    (0..frames).map(|frame| sample(first + frame as f64 * step)).collect()
}

/// The first strong lag of an envelope that begins at the earliest, if it stands out.
fn strongest(envelope: &[f64], per_ms: f64) -> Option<Piece> {
    let best = (0..envelope.len()).max_by(|a, b| envelope[*a].total_cmp(&envelope[*b]))?;
    let highest = envelope[best];
    let stands_out = highest / median(&mut envelope.to_vec()).max(1e-12);
    if stands_out < STANDS_OUT {
        return None;
    }
    let from = best.saturating_sub((BEFORE_MS * per_ms) as usize);
    let enough = (DIRECT * highest).max(highest / stands_out * STANDS_OUT);
    let is_peak = |at: usize| {
        envelope[at] >= enough
            && at.checked_sub(1).is_none_or(|before| envelope[at] >= envelope[before])
            && envelope.get(at + 1).is_none_or(|next| envelope[at] > *next)
    };
    let first = (from..best).find(|at| is_peak(*at)).unwrap_or(best);
    Some(Piece { lag_ms: top(envelope, first) / per_ms - EARLIEST_MS, stands_out })
}

/// What the pieces say together, in the words of [`judge`](super::verdict::judge): each counts as a sweep.
#[must_use]
pub fn heard(pieces: &[Piece], recording: &Recording) -> Heard {
    let peak = recording.samples.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
    let mut out: Vec<f64> = pieces.iter().map(|piece| 20.0 * piece.stands_out.log10()).collect();
    let above = median(&mut out);
    Heard {
        lags_ms: pieces.iter().map(|piece| piece.lag_ms).collect(),
        above_room_db: above,
        above_band_db: above,
        peak,
        // Music at its limit is clipped now and then, and is found all the same.
        clipped: false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::verdict::{Refusal, judge};
    use super::*;

    fn noise(frames: usize, mut state: u64) -> Vec<f32> {
        let mut soft = 0.0;
        let next = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let white = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            // As music has it: more below than above.
            soft += 0.1 * (white - soft);
            soft
        };
        (0..frames).map(next).collect()
    }

    /// What a microphone hears of it `lag_ms` late, with an echo, beside noise that is as loud as `noise_level`.
    fn room(stream: &[f32], lag_ms: f64, noise_level: f32) -> Recording {
        let lag = (lag_ms * 48.0) as usize;
        let other = noise(stream.len() + lag, 77);
        let at = |at: Option<usize>| at.and_then(|at| stream.get(at)).copied().unwrap_or(0.0);
        let samples = (0..stream.len() + lag)
            .map(|frame| {
                let (direct, echo) = (at(frame.checked_sub(lag)), at(frame.checked_sub(lag + 700)));
                0.2 * direct + 0.22 * echo + noise_level * other[frame]
            })
            .collect();
        Recording { samples, rate_hz: 48_000, first_us: 5e8, us_per_frame: 1e6 / 48_000.0 }
    }

    #[test]
    fn what_plays_anyway_says_how_late_it_is_heard() {
        let stream = noise(48_000 * 16, 5);
        let due = Recording {
            samples: stream.clone(),
            rate_hz: 48_000,
            first_us: 5e8,
            us_per_frame: 1e6 / 48_000.0,
        };
        for (lag_ms, noise_level) in [(183.0, 0.0), (20.0, 0.1), (700.0, 0.1)] {
            let room = room(&stream, lag_ms, noise_level);
            let (found, sounding) = pieces(&due, &room).unwrap();
            let verdict = judge(&heard(&found, &room)).unwrap();
            assert!((verdict.lag_ms - lag_ms).abs() < 0.1, "{lag_ms}: {verdict:?} of {sounding}");
        }
        let (found, sounding) = pieces(&due, &room(&noise(48_000 * 16, 6), 50.0, 0.1)).unwrap();
        assert!(found.len() < 2 && sounding >= 5, "{found:?}");
        let none = heard(&[], &room(&stream, 0.0, 0.1));
        assert_eq!(judge(&none), Err(Refusal::Unheard));
    }

    #[test]
    fn silence_and_recordings_without_time_say_nothing() {
        let silent = Recording {
            samples: vec![0.0; 48_000 * 8],
            rate_hz: 48_000,
            first_us: 0.0,
            us_per_frame: 1e6 / 48_000.0,
        };
        assert_eq!(pieces(&silent, &silent), Some((Vec::new(), 0)));
        let short = Recording { samples: vec![0.5; 48_000 * 5], ..silent.clone() };
        assert_eq!(pieces(&silent, &short), None, "of the stream that says nothing");
        for us_per_frame in [0.0, f64::NAN, -1.0] {
            assert_eq!(pieces(&silent, &Recording { us_per_frame, ..silent.clone() }), None);
            assert_eq!(pieces(&Recording { us_per_frame, ..silent.clone() }, &silent), None);
        }
    }
}
