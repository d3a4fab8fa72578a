//! Sound on two channels, and noise that is known again wherever it is heard.

/// Both channels of what one output plays.
pub(crate) struct Stereo {
    pub(crate) left: Vec<f32>,
    pub(crate) right: Vec<f32>,
}

/// Stereo noise, the two channels unlike each other and neither like itself a moment later, without
/// the high tones that a change of rate would touch. The same on every run.
pub(crate) fn noise(frames: usize, rate: u32) -> Stereo {
    Stereo { left: channel(frames, rate, 1), right: channel(frames, rate, 2) }
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
