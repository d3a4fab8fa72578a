//! A straight line from a card's frames to time, how far a card's rate can be off, and the middle
//! of a set.

/// No clock is further off than this: working cards stay within 0.2 per mille, a virtual one of
/// PulseAudio was seen at 2.
const MAX_DEVIATION: f64 = 3e-3;

/// Time = `at` + (frame − `frame`) × `us_per_frame`, in µs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) frame: f64,
    pub(super) at: f64,
    pub(super) us_per_frame: f64,
}

impl Line {
    pub(super) fn time_of(self, frame: f64) -> f64 {
        self.at + (frame - self.frame) * self.us_per_frame
    }

    pub(super) fn frame_at(self, at_us: f64) -> f64 {
        self.frame + (at_us - self.at) / self.us_per_frame
    }
}

/// The length of a frame nearest to `us_per_frame` that a card which should take `nominal` can have.
pub(super) fn plausible(us_per_frame: f64, nominal: f64) -> f64 {
    let most = nominal * MAX_DEVIATION;
    us_per_frame.clamp(nominal - most, nominal + most)
}

/// How much faster than nominal a card runs, in parts per million.
pub(super) fn ppm(us_per_frame: f64, nominal: f64) -> f64 {
    (nominal / us_per_frame - 1.0) * 1e6
}

/// Standard error of a line's end, fitted to `count` points that lie `noise` off it. The end is
/// twice as uncertain as the middle (least squares, uniform spacing).
pub(super) fn error_at_end(noise: f64, count: usize) -> f64 {
    2.0 * noise / (count.max(1) as f64).sqrt()
}

/// The value that this share of the others lie below; 0 of none.
pub(super) fn quantile(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    if sorted.is_empty() {
        return 0.0;
    }
    let place = ((sorted.len() as f64 * share) as usize).min(sorted.len() - 1);
    *sorted.select_nth_unstable_by(place, f64::total_cmp).1
}

/// The middle value; 0 of none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// Least-squares slope of `points`; `None` of fewer than `fewest`, or all in one place.
pub(super) fn slope(
    points: impl Iterator<Item = (f64, f64)> + Clone,
    fewest: usize,
) -> Option<f64> {
    let count = points.clone().count();
    if count < fewest {
        return None;
    }
    let count = count as f64;
    let mean_x = points.clone().map(|p| p.0).sum::<f64>() / count;
    let mean_y = points.clone().map(|p| p.1).sum::<f64>() / count;
    let xy = points.clone().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>();
    let xx = points.map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>();
    (xx > 0.0).then(|| xy / xx)
}
