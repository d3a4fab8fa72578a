//! What was seen of one listener.

use std::fmt;

/// The error of the playing position is kept in steps of this, in µs.
const STEP_US: f64 = 2.0;
const STEPS: usize = 5_000;

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) underruns: u64,
    pub(crate) lost: u64,
    pub(crate) late: u64,
    pub(crate) jumps: u64,
    /// The worst error of the playing position after the first seconds.
    pub(crate) worst_us: f64,
    pub(crate) worst_at: f64,
    pub(crate) latest_us: f64,
    pub(crate) least_ppm: f64,
    pub(crate) most_ppm: f64,
    histogram: Vec<u32>,
}

impl Seen {
    pub(crate) fn new() -> Self {
        Self {
            underruns: 0,
            lost: 0,
            late: 0,
            jumps: 0,
            worst_us: 0.0,
            worst_at: 0.0,
            latest_us: 0.0,
            least_ppm: f64::INFINITY,
            most_ppm: f64::NEG_INFINITY,
            histogram: vec![0; STEPS],
        }
    }

    pub(crate) fn note(&mut self, now: f64, error_us: f64, ppm: f64) {
        if error_us.abs() > self.worst_us.abs() {
            (self.worst_us, self.worst_at) = (error_us, now);
        }
        self.least_ppm = self.least_ppm.min(ppm);
        self.most_ppm = self.most_ppm.max(ppm);
        self.histogram[((error_us.abs() / STEP_US) as usize).min(STEPS - 1)] += 1;
    }

    /// The error that this share stays below, in µs.
    pub(crate) fn error_us(&self, share: f64) -> f64 {
        let all: u64 = self.histogram.iter().copied().map(u64::from).sum();
        let mut left = (all as f64 * share) as u64;
        let step = self.histogram.iter().position(|&count| {
            let reached = u64::from(count) > left;
            left = left.saturating_sub(u64::from(count));
            reached
        });
        step.map_or(f64::NAN, |step| (step + 1) as f64 * STEP_US)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "underruns {}, lost {}, late {}, jumps {}; error median {:.0}, 99 % {:.0}, worst {:.0} µs \
             (at {:.0} s); ratio {:.0} … {:.0} ppm",
            self.underruns,
            self.lost,
            self.late,
            self.jumps,
            self.error_us(0.5),
            self.error_us(0.99),
            self.worst_us,
            self.worst_at / super::SECOND,
            self.least_ppm,
            self.most_ppm
        )
    }
}

/// The value that this share lie below.
pub(crate) fn percentile(values: &[f32], share: f64) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f32::NAN)
}
