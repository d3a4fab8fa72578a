//! Numbers that look like chance and are alike every time, for networks that are made up and for tests.
//! What nobody may foresee comes from `random`.

/// SplitMix64, of Steele, Lea and Flood: every seed gives another row of numbers.
#[derive(Debug, Clone, Copy)]
pub struct Chance(u64);

impl Chance {
    /// The row that `seed` begins.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        spread(self.0)
    }

    /// A number from 0 up to 1.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that happens in such a share of all cases.
    pub fn takes(&mut self, share: f64) -> bool {
        share > 0.0 && self.uniform() < share
    }
}

/// Spreads every bit over all others.
#[must_use]
pub fn spread(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_alike_every_time_and_spread_evenly() {
        let row = |seed| {
            let mut chance = Chance::new(seed);
            std::iter::repeat_with(move || chance.uniform()).take(100_000)
        };
        assert!(row(5).eq(row(5)));
        assert!(row(5).zip(row(6)).all(|(one, other)| one != other), "neighbours begin alike");
        let mean = row(5).sum::<f64>() / 100_000.0;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        assert!(row(5).all(|number| (0.0..1.0).contains(&number)));
        let mut chance = Chance::new(1);
        let taken = (0..100_000).filter(|_| chance.takes(0.1)).count();
        assert!((9_500..10_500).contains(&taken), "{taken}");
        assert!((0..1_000).all(|_| !chance.takes(0.0)));
    }
}
