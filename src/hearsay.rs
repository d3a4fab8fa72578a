//! What the log tells of those who come and go or speak, and of what goes wrong again and again: so
//! many lines, and a count of the rest. No clock.

/// What goes wrong again and again is told this often, in µs.
const TROUBLE_EVERY_US: u64 = 60_000_000;

/// What has been told.
#[derive(Debug)]
pub(crate) struct Hearsay {
    /// So many lines in so long a time, in µs.
    most: u32,
    span_us: u64,
    since_us: u64,
    told: u32,
    untold: u64,
    /// When trouble may be told of again.
    quiet_until_us: u64,
}

impl Hearsay {
    /// At most `most` lines in each `span_us`.
    pub(crate) const fn new(most: u32, span_us: u64) -> Self {
        Self { most, span_us, since_us: 0, told: 0, untold: 0, quiet_until_us: 0 }
    }

    /// Whether there may be a line about somebody who has done something.
    pub(crate) fn may_tell(&mut self, now_us: u64) -> bool {
        if self.untold == 0 && now_us.saturating_sub(self.since_us) >= self.span_us {
            (self.since_us, self.told) = (now_us, 0);
        }
        let may = self.told < self.most;
        if may {
            self.told += 1;
        } else {
            self.untold += 1;
        }
        may
    }

    /// How much was done without a line, once it is time to say so.
    pub(crate) fn untold(&mut self, now_us: u64) -> Option<u64> {
        if self.untold == 0 || now_us.saturating_sub(self.since_us) < self.span_us {
            return None;
        }
        (self.since_us, self.told) = (now_us, 0);
        Some(std::mem::take(&mut self.untold))
    }

    /// Whether trouble that comes again and again may be told of.
    pub(crate) fn may_complain(&mut self, now_us: u64) -> bool {
        let may = now_us >= self.quiet_until_us;
        if may {
            self.quiet_until_us = now_us + TROUBLE_EVERY_US;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn twenty_thousand_who_come_and_go_in_ten_seconds_are_a_few_lines() {
        let mut hearsay = Hearsay::new(20, 10 * SECOND);
        let (mut lines, mut counted) = (0, 0);
        for n in 0..40_000 {
            let now_us = 100 * SECOND + n * 500;
            let is_told = hearsay.may_tell(now_us);
            lines += u64::from(is_told);
            counted += u64::from(is_told);
            if let Some(untold) = hearsay.untold(now_us) {
                lines += 1;
                counted += untold;
            }
        }
        counted += hearsay.untold(200 * SECOND).unwrap();
        assert_eq!(counted, 40_000, "everybody is told of or counted");
        assert!(lines <= 45, "{lines} lines");
        assert_eq!(hearsay.untold(300 * SECOND), None);
    }

    #[test]
    fn those_who_come_now_and_then_have_a_line_each() {
        let mut hearsay = Hearsay::new(20, 10 * SECOND);
        assert!((0..1_000).all(|n| hearsay.may_tell(n * SECOND)));
    }

    #[test]
    fn trouble_is_told_of_once_a_minute() {
        let mut hearsay = Hearsay::new(20, 10 * SECOND);
        let told = (0..600).filter(|tenth| hearsay.may_complain(SECOND + tenth * SECOND / 10));
        assert_eq!(told.count(), 1);
        assert!(hearsay.may_complain(62 * SECOND));
    }
}
