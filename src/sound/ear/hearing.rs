//! How one person wants to hear: the numbers and switches of the ear's stage, their ranges, and their words.

use serde::{Deserialize, Serialize};

/// Most that dialogue is raised by, in dB: beyond it speech sounds like a telephone.
pub const MOST_DIALOGUE_DB: i8 = 12;

/// Most that bass and treble are raised or lowered by, in dB.
pub const MOST_TONE_DB: i8 = 12;

/// Balance at which the other side is silent.
pub const MOST_BALANCE: i8 = 100;

/// Steps of the keys, and of the page.
const STEP_DB: i8 = 3;
const STEP_BALANCE: i8 = 10;

/// How one person wants to hear. The default is sound as it comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Hearing {
    /// By how many dB speech is louder, 0 to [`MOST_DIALOGUE_DB`].
    pub dialogue_db: i8,
    /// Whether loud things are softer and soft things louder.
    pub night: bool,
    /// Whether both ears hear everything.
    pub mono: bool,
    /// Which side is louder, −100 (left alone) to 100 (right alone).
    pub balance: i8,
    /// By how many dB low tones are louder, −12 to 12.
    pub bass_db: i8,
    /// By how many dB high tones are louder, −12 to 12.
    pub treble_db: i8,
}

/// One of the numbers and switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// [`Hearing::dialogue_db`].
    Dialogue,
    /// [`Hearing::night`].
    Night,
    /// [`Hearing::mono`].
    Mono,
    /// [`Hearing::balance`].
    Balance,
    /// [`Hearing::bass_db`].
    Bass,
    /// [`Hearing::treble_db`].
    Treble,
}

impl Control {
    /// All of them, as keys and page go through them.
    pub const ALL: [Self; 6] =
        [Self::Dialogue, Self::Night, Self::Mono, Self::Balance, Self::Bass, Self::Treble];
}

impl Hearing {
    /// Sound as it comes.
    pub const NONE: Self =
        Self { dialogue_db: 0, night: false, mono: false, balance: 0, bass_db: 0, treble_db: 0 };

    /// Whether sound is to be as it comes.
    #[must_use]
    pub fn is_off(&self) -> bool {
        *self == Self::NONE
    }

    /// Whether each number is within its range.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        *self == self.within()
    }

    /// With each number that is beyond its range at the end of that.
    #[must_use]
    pub fn within(self) -> Self {
        let tone = |db: i8| db.clamp(-MOST_TONE_DB, MOST_TONE_DB);
        Self {
            dialogue_db: self.dialogue_db.clamp(0, MOST_DIALOGUE_DB),
            balance: self.balance.clamp(-MOST_BALANCE, MOST_BALANCE),
            bass_db: tone(self.bass_db),
            treble_db: tone(self.treble_db),
            ..self
        }
    }

    /// With one control moved by a step, as a key does.
    #[must_use]
    pub fn turned(mut self, control: Control, is_more: bool) -> Self {
        let step = |value: i8, size: i8| value.saturating_add(if is_more { size } else { -size });
        match control {
            Control::Dialogue => self.dialogue_db = step(self.dialogue_db, STEP_DB),
            Control::Night => self.night = is_more,
            Control::Mono => self.mono = is_more,
            Control::Balance => self.balance = step(self.balance, STEP_BALANCE),
            Control::Bass => self.bass_db = step(self.bass_db, STEP_DB),
            Control::Treble => self.treble_db = step(self.treble_db, STEP_DB),
        }
        self.within()
    }

    /// What a control is set to, in words; `None` where it leaves sound as it comes.
    #[must_use]
    pub fn says(&self, control: Control) -> Option<String> {
        let db = |name: &str, db: i8| (db != 0).then(|| format!("{name} {db:+} dB"));
        match control {
            Control::Dialogue => db("dialogue", self.dialogue_db),
            Control::Night => self.night.then(|| "night".to_owned()),
            Control::Mono => self.mono.then(|| "mono".to_owned()),
            Control::Balance => (self.balance != 0).then(|| {
                let side = if self.balance < 0 { "left" } else { "right" };
                format!("balance {} % {side}", self.balance.unsigned_abs())
            }),
            Control::Bass => db("bass", self.bass_db),
            Control::Treble => db("treble", self.treble_db),
        }
    }

    /// What a control is set to, in words, whatever that is.
    #[must_use]
    pub fn shows(&self, control: Control) -> String {
        let off = match control {
            Control::Dialogue => "dialogue 0 dB",
            Control::Night => "night off",
            Control::Mono => "mono off",
            Control::Balance => "balance even",
            Control::Bass => "bass 0 dB",
            Control::Treble => "treble 0 dB",
        };
        self.says(control).unwrap_or_else(|| off.to_owned())
    }

    /// What is not as it comes, in words, in the order of [`Control::ALL`].
    #[must_use]
    pub fn words(&self) -> String {
        let words: Vec<String> =
            Control::ALL.iter().filter_map(|control| self.says(*control)).collect();
        words.join(", ")
    }

    /// All of it in one number, which threads can hand each other.
    pub(crate) fn packed(self) -> u64 {
        let switches = u8::from(self.night) | u8::from(self.mono) << 1;
        let [dialogue, balance] = [self.dialogue_db, self.balance].map(i8::cast_unsigned);
        let [bass, treble] = [self.bass_db, self.treble_db].map(i8::cast_unsigned);
        u64::from_le_bytes([dialogue, switches, balance, bass, treble, 0, 0, 0])
    }

    /// What [`packed`](Self::packed) gave.
    pub(crate) fn unpacked(number: u64) -> Self {
        let [dialogue, switches, balance, bass, treble, ..] = number.to_le_bytes();
        Self {
            dialogue_db: dialogue.cast_signed(),
            night: switches & 1 != 0,
            mono: switches & 2 != 0,
            balance: balance.cast_signed(),
            bass_db: bass.cast_signed(),
            treble_db: treble.cast_signed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_move_each_control_by_its_step_and_no_further_than_its_range() {
        let mut hearing = Hearing::default();
        for control in Control::ALL {
            let once = hearing.turned(control, true);
            assert!(once.says(control).is_some(), "{control:?}");
            hearing = (0..50).fold(hearing, |hearing, _| hearing.turned(control, true));
        }
        let most = "dialogue +12 dB, night, mono, balance 100 % right, bass +12 dB, treble +12 dB";
        assert_eq!(hearing.words(), most);
        for control in Control::ALL {
            hearing = (0..50).fold(hearing, |hearing, _| hearing.turned(control, false));
        }
        assert_eq!(hearing.words(), "balance 100 % left, bass -12 dB, treble -12 dB");
        assert!(hearing.is_possible() && !Hearing { bass_db: 13, ..hearing }.is_possible());
    }

    #[test]
    fn one_number_holds_all_of_it() {
        let hearing = Hearing {
            dialogue_db: 6,
            night: true,
            mono: false,
            balance: -100,
            bass_db: -12,
            treble_db: 12,
        };
        for hearing in [hearing, Hearing { mono: true, night: false, ..hearing }] {
            assert_eq!(Hearing::unpacked(hearing.packed()), hearing);
        }
        assert_eq!(Hearing::default().packed(), 0);
    }
}
