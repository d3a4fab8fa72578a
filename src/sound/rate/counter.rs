//! A converter that only counts: what hours of conversion would take in and give out, in seconds.

/// The index of the next frame to come out, moved on as the sinc filter moves it, with nothing
/// filtered.
#[derive(Debug)]
pub(super) struct Counter {
    taps: f64,
    block: f64,
    nominal: f64,
    /// Frames in per frame out: at the end of the last block, and at the end of the next.
    step: f64,
    next_step: f64,
    /// Where in the next input the next frame comes out, less the filter's length.
    index: f64,
}

impl Counter {
    pub(super) fn new(ratio: f64, taps: usize, block: usize) -> Self {
        let (taps, step) = (taps as f64, 1.0 / ratio);
        Self { taps, block: block as f64, nominal: step, step, next_step: step, index: 1.0 - taps }
    }

    pub(super) fn stretch(&mut self, relative: f64) {
        self.next_step = self.nominal / relative;
    }

    pub(super) fn needed(&self) -> usize {
        (self.index + self.advance() + self.taps).ceil() as usize
    }

    pub(super) fn take_block(&mut self) {
        self.index += self.advance() - self.needed() as f64;
        self.step = self.next_step;
    }

    /// By how much a block moves the index: the step glides, and grows before it is taken.
    fn advance(&self) -> f64 {
        let mean = (self.step + self.next_step) / 2.0;
        self.block * mean + (self.next_step - self.step) / 2.0
    }
}
