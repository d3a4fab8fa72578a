//! Sound that a program pushes while it is sent.

use std::time::Duration;

use ringbuf::traits::{Consumer, Observer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::format::Format;
use crate::shutdown::Shutdown;

/// What is on its way from the program to the thread that reads ahead, at most, in ms: longer than that thread
/// rests.
const RING_MS: f64 = 100.0;

/// How often it is looked whether something was pushed.
const LOOK: Duration = Duration::from_millis(5);

/// The program's end.
pub(crate) type Pushing = HeapProd<f32>;

/// The end that is read.
pub(crate) struct Pushed {
    pub(super) format: Format,
    ring: HeapCons<f32>,
    /// Nobody reads from then on.
    stop: Shutdown,
}

/// Both ends of sound that is pushed in `format`, until `stop`.
pub(crate) fn sound(format: Format, stop: Shutdown) -> (Pushing, Pushed) {
    let (pushing, ring) = HeapRb::new(format.samples(format.frames_in_ms(RING_MS).max(1))).split();
    (pushing, Pushed { format, ring, stop })
}

impl Pushed {
    /// Waits for sound, and moves what there is of it to `out`. Returns how many frames; 0 after the end.
    pub(super) fn read(&mut self, out: &mut [f32]) -> usize {
        loop {
            // Asked first: what was pushed before the end is still to come.
            let is_over = !self.ring.write_is_held();
            let there = self.format.frames(self.ring.occupied_len().min(out.len()));
            if there > 0 {
                self.ring.pop_slice(&mut out[..self.format.samples(there)]);
                return there;
            }
            if is_over || self.stop.sleep(LOOK) {
                return 0;
            }
        }
    }
}

impl std::fmt::Debug for Pushed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pushed").field("format", &self.format).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbuf::traits::Producer;

    const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

    #[test]
    fn what_is_pushed_comes_in_order_and_then_the_end() {
        let (mut pushing, mut pushed) = sound(STEREO, Shutdown::default());
        assert_eq!(pushing.push_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), 6);
        drop(pushing);
        let mut out = [0.0; 4];
        assert_eq!((pushed.read(&mut out), out), (2, [1.0, 2.0, 3.0, 4.0]));
        assert_eq!((pushed.read(&mut out), out), (1, [5.0, 6.0, 3.0, 4.0]));
        assert_eq!(pushed.read(&mut out), 0);
    }

    #[test]
    fn nobody_waits_for_a_program_that_pushes_nothing_once_all_has_ended() {
        let stop = Shutdown::default();
        let (_pushing, mut pushed) = sound(STEREO, stop.clone());
        stop.request();
        assert_eq!(pushed.read(&mut [0.0; 4]), 0);
    }
}
