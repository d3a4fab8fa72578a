//! Noise that is the same in every run.

#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Seeds of neighbours must not begin alike.
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            let _ = random.uniform();
        }
        random
    }

    /// A random number from 0 up to 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        // xorshift64, by Marsaglia.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Roughly normal, of standard deviation 1.
    pub(crate) fn normal(&mut self) -> f64 {
        ((0..4).map(|_| self.uniform()).sum::<f64>() - 2.0) * 3.0_f64.sqrt()
    }

    /// A random number of mean 1: mostly small, now and then large.
    pub(crate) fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }

    /// True that often.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.uniform() < share
    }
}
