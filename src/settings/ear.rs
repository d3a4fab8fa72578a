//! How this listener wants to hear: flags of `auralync-client`.

use super::words::whole_number;
use crate::sound::ear::{Hearing, MOST_BALANCE, MOST_DIALOGUE_DB, MOST_TONE_DB};

/// What the flags say of the ear's stage; what they do not say stays as it is remembered for the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
pub struct EarFlags {
    /// Make speech this many decibels louder, 0 to 12: what is in the middle of a film and sounds like a voice. This and
    /// the next five are for this listener alone, and remembered for the output.
    #[arg(long, value_name = "DB", value_parser = dialogue, allow_negative_numbers = true)]
    pub dialogue: Option<i8>,
    /// Loud things softer, soft things louder (--night=off: not any more).
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true,
        default_missing_value = "on", value_parser = switch)]
    pub night: Option<bool>,
    /// Both ears hear everything, for one who listens with one (--mono=off: not any more).
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true,
        default_missing_value = "on", value_parser = switch)]
    pub mono: Option<bool>,
    /// Turn one side down: -100 leaves the left alone, 0 is even, 100 leaves the right alone.
    #[arg(long, value_name = "-100…100", value_parser = balance, allow_negative_numbers = true)]
    pub balance: Option<i8>,
    /// Make low tones this many decibels louder, -12 to 12.
    #[arg(long, value_name = "DB", value_parser = tone, allow_negative_numbers = true)]
    pub bass: Option<i8>,
    /// Make high tones this many decibels louder, -12 to 12.
    #[arg(long, value_name = "DB", value_parser = tone, allow_negative_numbers = true)]
    pub treble: Option<i8>,
}

impl EarFlags {
    /// What was `before`, with what the flags say on top.
    #[must_use]
    pub fn over(self, mut before: Hearing) -> Hearing {
        let Self { dialogue, night, mono, balance, bass, treble } = self;
        before.dialogue_db = dialogue.unwrap_or(before.dialogue_db);
        before.night = night.unwrap_or(before.night);
        before.mono = mono.unwrap_or(before.mono);
        before.balance = balance.unwrap_or(before.balance);
        before.bass_db = bass.unwrap_or(before.bass_db);
        before.treble_db = treble.unwrap_or(before.treble_db);
        before.within()
    }
}

impl From<Hearing> for EarFlags {
    /// All of it said.
    fn from(hearing: Hearing) -> Self {
        Self {
            dialogue: Some(hearing.dialogue_db),
            night: Some(hearing.night),
            mono: Some(hearing.mono),
            balance: Some(hearing.balance),
            bass: Some(hearing.bass_db),
            treble: Some(hearing.treble_db),
        }
    }
}

/// A whole number from `least` to `most`; `range` says it in words.
fn within(text: &str, least: i8, most: i8, range: &str) -> Result<i8, String> {
    let number: i64 = whole_number(&text.replace('−', "-"))?;
    let within = i8::try_from(number).ok().filter(|number| (least..=most).contains(number));
    within.ok_or_else(|| format!("{range} goes from {least} to {most}"))
}

fn dialogue(text: &str) -> Result<i8, String> {
    within(text, 0, MOST_DIALOGUE_DB, "how much louder speech is, in decibels,")
}

fn balance(text: &str) -> Result<i8, String> {
    within(text, -MOST_BALANCE, MOST_BALANCE, "the balance")
}

fn tone(text: &str) -> Result<i8, String> {
    within(text, -MOST_TONE_DB, MOST_TONE_DB, "how much louder it is, in decibels,")
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it can be on or off".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        ear: EarFlags,
        rest: Vec<String>,
    }

    fn read(flags: &str) -> Result<Line, clap::Error> {
        Line::try_parse_from(["client"].into_iter().chain(flags.split_whitespace()))
    }

    #[test]
    fn each_flag_says_its_own_and_leaves_the_others_alone() {
        let mut before = Hearing::NONE;
        before.treble_db = 3;
        let line = read("--dialogue 6 --night pc --balance -20 --bass −3").unwrap();
        let words = "dialogue +6 dB, night, balance 20 % left, bass -3 dB, treble +3 dB";
        assert_eq!(line.ear.over(before).words(), words);
        assert_eq!(line.rest, ["pc"], "a switch takes no word");
        let off = read("--night=off --treble 0 --mono=on").unwrap().ear;
        assert_eq!(off.over(line.ear.over(before)).words(), {
            "dialogue +6 dB, mono, balance 20 % left, bass -3 dB"
        });
        assert_eq!(EarFlags::default().over(before), before);
        assert_eq!(EarFlags::from(before).over(Hearing::NONE), before);
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        for (flags, part) in [
            ("--dialogue 13", "in decibels, goes from 0 to 12"),
            ("--dialogue -1", "in decibels, goes from 0 to 12"),
            ("--balance 101", "the balance goes from -100 to 100"),
            ("--bass 999", "in decibels, goes from -12 to 12"),
            ("--treble much", "this is not a whole number"),
            ("--night=perhaps", "it can be on or off"),
        ] {
            let refused = read(flags).unwrap_err().to_string();
            assert!(refused.contains(part), "{flags}: {refused}");
        }
    }
}
