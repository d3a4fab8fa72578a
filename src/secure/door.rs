//! How often a code may be tried.
//!
//! A code of six digits is one of a million. Who tries must ask here first, whatever address they come
//! from: so a million tries take years, and whoever has the code waits a moment.

/// How long a code lives, in µs.
pub const LIVES_US: u64 = 10 * 60 * 1_000_000;

/// Wrong tries after which a code is worth nothing.
pub const TRIES: u32 = 3;

/// After a wrong try everybody waits this long, in µs, and twice as long after each that follows.
const FIRST_WAIT_US: u64 = 2 * 1_000_000;

/// No wait is longer, in µs.
const LONGEST_WAIT_US: u64 = 5 * 60 * 1_000_000;

/// Without a wrong try for so long, in µs, the waits begin anew.
const FORGIVES_US: u64 = 60 * 60 * 1_000_000;

/// What whoever comes with a code is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// They may try.
    Try,
    /// Not before this, in µs.
    Wait(u64),
    /// There is no code, or none any more.
    NoCode,
}

/// The code that is shown, if any, and how often wrong ones came.
#[derive(Debug, Default)]
pub struct Codes {
    /// When the code was made, in µs, and the tries that it has left.
    shown: Option<(u64, u32)>,
    /// Wrong tries in a row, with any code.
    wrong: u32,
    /// When the last of them was, in µs.
    last_us: u64,
    /// Somebody tries.
    is_busy: bool,
}

impl Codes {
    /// A new code is shown from `now_us` on. Waits that were earned with the last one remain.
    pub fn show(&mut self, now_us: u64) {
        self.shown = Some((now_us, TRIES));
        self.is_busy = false;
    }

    /// The code is shown no more.
    pub fn hide(&mut self) {
        self.shown = None;
    }

    /// Whether the code that is shown may be used at `now_us`.
    #[must_use]
    pub fn is_shown(&self, now_us: u64) -> bool {
        self.shown.is_some_and(|(made_us, left)| left > 0 && now_us < made_us + LIVES_US)
    }

    /// How long the code that is shown may still be used, in µs; 0 where there is none.
    #[must_use]
    pub fn left_us(&self, now_us: u64) -> u64 {
        let made_us = self.shown.filter(|_| self.is_shown(now_us)).map(|(made_us, _)| made_us);
        made_us.map_or(0, |made_us| (made_us + LIVES_US).saturating_sub(now_us))
    }

    /// Somebody wants to try. Who may must say how it [went](Self::tried).
    pub fn ask(&mut self, now_us: u64) -> Answer {
        if !self.is_shown(now_us) {
            return Answer::NoCode;
        }
        let open_us = self.last_us + self.wait_us(now_us);
        if self.is_busy || now_us < open_us {
            return Answer::Wait(open_us.max(now_us + FIRST_WAIT_US / 2));
        }
        self.is_busy = true;
        Answer::Try
    }

    /// A try ended at `now_us`: a right one uses the code up.
    pub fn tried(&mut self, is_right: bool, now_us: u64) {
        self.is_busy = false;
        if is_right {
            (self.shown, self.wrong) = (None, 0);
            return;
        }
        if now_us.saturating_sub(self.last_us) > FORGIVES_US {
            self.wrong = 0;
        }
        self.wrong = self.wrong.saturating_add(1);
        self.last_us = now_us;
        if let Some((_, left)) = &mut self.shown {
            *left = left.saturating_sub(1);
        }
    }

    fn wait_us(&self, now_us: u64) -> u64 {
        if self.wrong == 0 || now_us.saturating_sub(self.last_us) > FORGIVES_US {
            return 0;
        }
        FIRST_WAIT_US.saturating_mul(1 << (self.wrong - 1).min(20)).min(LONGEST_WAIT_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    #[test]
    fn a_code_dies_after_three_wrong_tries_one_right_one_or_ten_minutes() {
        let mut codes = Codes::default();
        assert_eq!(codes.ask(0), Answer::NoCode);
        codes.show(0);
        let mut now_us = 0;
        for _ in 0..TRIES {
            while let Answer::Wait(until_us) = codes.ask(now_us) {
                now_us = until_us;
            }
            codes.tried(false, now_us);
        }
        assert_eq!(codes.ask(now_us + 60 * S), Answer::NoCode);
        codes.show(now_us);
        assert_eq!(codes.ask(now_us + 60 * S), Answer::Try);
        codes.tried(true, now_us + 60 * S);
        assert_eq!(codes.ask(now_us + 61 * S), Answer::NoCode);
        codes.show(0);
        assert!(codes.is_shown(LIVES_US - 1) && !codes.is_shown(LIVES_US));
    }

    #[test]
    fn one_tries_at_a_time() {
        let mut codes = Codes::default();
        codes.show(0);
        assert_eq!(codes.ask(S), Answer::Try);
        assert!(matches!(codes.ask(S), Answer::Wait(_)));
        codes.tried(true, 2 * S);
        assert_eq!(codes.ask(2 * S), Answer::NoCode);
    }

    #[test]
    fn a_million_tries_take_years_even_if_a_new_code_is_shown_at_once() {
        let mut codes = Codes::default();
        let (mut now_us, mut tries) = (0, 0_u32);
        codes.show(now_us);
        while tries < 1_000_000 {
            match codes.ask(now_us) {
                Answer::Try => {
                    tries += 1;
                    codes.tried(false, now_us);
                }
                Answer::Wait(until_us) => now_us = until_us,
                Answer::NoCode => codes.show(now_us),
            }
        }
        let days = now_us / S / 86_400;
        println!("a million tries take {days} days");
        assert!(days > 31, "{days} days");
    }
}
