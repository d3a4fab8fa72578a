//! How much of a tone is in sound.

/// The amplitude of the tone of `hz` in samples that come so often, through a Hann window.
pub(crate) fn amplitude(samples: &[f32], hz: f64, rate: u32) -> f64 {
    let (mut sine, mut cosine, mut weight) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let turn = std::f64::consts::TAU * n as f64;
        let window = 0.5 - 0.5 * (turn / samples.len() as f64).cos();
        let phase = turn * hz / f64::from(rate);
        sine += window * f64::from(*sample) * phase.sin();
        cosine += window * f64::from(*sample) * phase.cos();
        weight += window;
    }
    2.0 * f64::hypot(sine, cosine) / weight
}
