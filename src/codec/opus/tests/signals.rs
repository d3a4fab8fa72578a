//! Sound that is made, so that it is the same everywhere. Frames at 48 kHz.

const RATE: f64 = 48_000.0;

/// Chords with decaying partials and a soft beat: what an encoder finds in music.
pub(crate) fn music(frame: usize, channel: usize) -> f32 {
    let t = frame as f64 / RATE;
    let beat = (t * 2.0).fract();
    let root = [220.0, 277.2, 329.6, 246.9][(t * 0.5) as usize % 4];
    let chord: f64 = [1.0, 1.26, 1.5, 2.0, 3.0, 4.02]
        .iter()
        .enumerate()
        .map(|(n, ratio)| {
            let phase = n as f64 + channel as f64 * 0.7;
            (t * root * ratio * std::f64::consts::TAU + phase).sin() / (1.0 + n as f64)
        })
        .sum();
    (chord * 0.15 * (-beat * 2.0).exp() + noise(frame, channel) * 0.1 * (-beat * 40.0).exp()) as f32
}

/// Pulses of a voice through two formants, in syllables: what it finds in speech.
pub(crate) fn speech(frame: usize, _channel: usize) -> f32 {
    let t = frame as f64 / RATE;
    let pitch = 120.0 + 15.0 * (t * 3.0).sin();
    let syllable = (t * 4.0 * std::f64::consts::PI).sin().max(0.0);
    let voice: f64 = (1..30)
        .map(|n| {
            let hz = pitch * f64::from(n);
            let formant = |at: f64, width: f64| (-((hz - at) / width).powi(2)).exp();
            let gain = formant(600.0, 200.0) + 0.5 * formant(1500.0, 300.0) + 0.02;
            gain * (t * hz * std::f64::consts::TAU).sin()
        })
        .sum();
    (voice * syllable * 0.1 + noise(frame, 0) * 0.003) as f32
}

fn noise(frame: usize, channel: usize) -> f64 {
    let mut x = (frame as u64 * 2 + channel as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x >> 40) as f64 / 8_388_608.0 - 1.0
}
