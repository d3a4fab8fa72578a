//! Whether a tone goes on as it began: how high it is, how loud, and how often it jumps.

/// What is looked at at a time, in seconds.
const WINDOW_S: f64 = 0.02;

/// A tone that goes on this much earlier or later than it should has jumped.
const JUMP_S: f64 = 0.000_2;

/// How a tone was heard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steady {
    pub(crate) hz: f64,
    pub(crate) dbfs: f64,
    /// How often it did not go on where it should have.
    pub(crate) jumps: usize,
}

/// Looks at a tone of about `hz`.
pub(crate) fn look(samples: &[f32], hz: f64, rate: u32) -> Steady {
    let length = (WINDOW_S * f64::from(rate)) as usize;
    let window_s = length as f64 / f64::from(rate);
    let turns = hz * window_s;
    let seen: Vec<(f64, f64)> =
        samples.chunks_exact(length).map(|part| at(part, hz / f64::from(rate))).collect();
    // By how much of a turn each window is ahead of where the one before it leads.
    let ahead: Vec<f64> = seen
        .windows(2)
        .map(|pair| {
            let ahead = pair[1].1 - pair[0].1 - turns;
            ahead - ahead.round()
        })
        .collect();
    let usual = middle(&ahead);
    let is_off = |ahead: &f64| (ahead - usual).abs() > JUMP_S * hz;
    // A jump within a window shows on both of its sides.
    let runs = ahead.iter().enumerate();
    let jumps = runs.filter(|(n, a)| is_off(a) && !(*n > 0 && is_off(&ahead[n - 1]))).count();
    Steady {
        hz: hz + usual / window_s,
        dbfs: 20.0 * middle(&seen.iter().map(|window| window.0).collect::<Vec<_>>()).log10(),
        jumps,
    }
}

/// How loud the tone is in some samples, and where in its turn it begins; `pace` is turns a sample.
fn at(samples: &[f32], pace: f64) -> (f64, f64) {
    let (mut sine, mut cosine, mut weight) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let turn = std::f64::consts::TAU * n as f64;
        let window = 0.5 - 0.5 * (turn / samples.len() as f64).cos();
        sine += window * f64::from(*sample) * (turn * pace).sin();
        cosine += window * f64::from(*sample) * (turn * pace).cos();
        weight += window;
    }
    (2.0 * f64::hypot(sine, cosine) / weight, cosine.atan2(sine) / std::f64::consts::TAU)
}

fn middle(values: &[f64]) -> f64 {
    crate::support::median::median(values.iter().copied())
}
