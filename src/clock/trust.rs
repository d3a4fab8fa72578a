//! Judges whether what a server says of time can be true.
//!
//! Sound never comes before it was captured, nor long after, because servers drop what is too old.
//! A server may say otherwise for long by its capture times, positions or pongs. Then only the
//! order of its sound is believed.

/// Clocks that are not known well yet may put a capture this much behind the arrival.
const BEFORE_CAPTURE_US: f64 = 50_000.0;

/// Sound that comes more than this after its capture, in µs, cannot be true: it is more than the
/// longest delay and what a slow output may add to it.
const AFTER_CAPTURE_US: f64 = 20e6;

/// Capture times must be impossible for this long, in µs, before belief ends: longer than a clock
/// that has stepped takes to be found out.
const IMPLAUSIBLE_FOR_US: u64 = 10_000_000;

/// The server's clock must be unknown for this long, in µs, before belief ends: pongs take
/// milliseconds, and over a bad network a second.
const UNKNOWN_FOR_US: u64 = 3_000_000;

/// What is thought of a server.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    doubted_since_us: Option<u64>,
}

impl Trust {
    /// Takes when a frame was captured and when it came, both by our clock. The first is missing
    /// while nothing is known of the server's. Returns whether trust is at its end.
    pub fn frame(&mut self, captured_us: Option<f64>, now_us: u64) -> bool {
        let patience_us = match captured_us {
            None => UNKNOWN_FOR_US,
            Some(captured_us) => {
                let since_us = now_us as f64 - captured_us;
                if (-BEFORE_CAPTURE_US..AFTER_CAPTURE_US).contains(&since_us) {
                    self.doubted_since_us = None;
                    return false;
                }
                IMPLAUSIBLE_FOR_US
            }
        };
        let since_us = *self.doubted_since_us.get_or_insert(now_us);
        now_us.saturating_sub(since_us) >= patience_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame captured at second `second`, which came so much later.
    fn frame(trust: &mut Trust, second: u32, after_us: f64) -> bool {
        let captured_us = f64::from(second) * 1e6 + 1e10;
        trust.frame(Some(captured_us), (captured_us + after_us) as u64)
    }

    #[test]
    fn sound_that_comes_a_little_after_its_capture_is_believed_for_ever() {
        let mut trust = Trust::default();
        assert!((0..1000).all(|second| !frame(&mut trust, second, 30_000.0)));
    }

    #[test]
    fn sound_from_the_future_or_of_long_ago_is_doubted_and_one_good_frame_restores_trust() {
        for after_us in [-3_600e6, -100_000.0, 25e6] {
            let mut trust = Trust::default();
            assert!((0..10).all(|second| !frame(&mut trust, second, after_us)));
            assert!(!frame(&mut trust, 10, 20_000.0), "the one good frame");
            assert!((11..21).all(|second| !frame(&mut trust, second, after_us)));
            assert!(frame(&mut trust, 21, after_us));
        }
    }

    #[test]
    fn a_server_that_never_answers_is_given_three_seconds() {
        let mut trust = Trust::default();
        assert!(!trust.frame(None, 5_000_000));
        assert!(!trust.frame(None, 7_999_999));
        assert!(trust.frame(None, 8_000_000));
    }
}
