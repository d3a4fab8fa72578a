//! The vocabulary of sound: formats, frames, levels.
//!
//! A *frame* is one sample per channel. Sample slices are interleaved: `frames × channels` values,
//! nominally −1…1.

use unicode_width::UnicodeWidthChar;

/// Most channels that a stream carries. A card may have more; they are mixed down.
pub const MAX_STREAM_CHANNELS: u16 = 2;

/// Highest sample rate of a stream, in Hz: with the channels and the longest delay it sizes what a
/// listener buffers (31 MB at most).
pub const MAX_STREAM_RATE: u32 = 192_000;

/// Rate and channel count of an interleaved float stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Format {
    /// Frames per second.
    pub sample_rate: u32,
    /// Samples per frame.
    pub channels: u16,
}

impl Format {
    /// How many samples `frames` frames hold.
    #[must_use]
    pub fn samples(self, frames: usize) -> usize {
        frames * usize::from(self.channels)
    }

    /// How many whole frames `samples` interleaved samples hold.
    #[must_use]
    pub fn frames(self, samples: usize) -> usize {
        samples / usize::from(self.channels).max(1)
    }

    /// How long `frames` frames last, in microseconds.
    #[must_use]
    pub fn micros(self, frames: u64) -> f64 {
        frames as f64 * 1e6 / f64::from(self.sample_rate)
    }

    /// How many frames fit in `milliseconds`, rounded to the nearest.
    #[must_use]
    pub fn frames_in_ms(self, milliseconds: f64) -> usize {
        (f64::from(self.sample_rate) * milliseconds / 1e3).round().max(0.0) as usize
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let channels = match self.channels {
            1 => "mono".to_owned(),
            2 => "stereo".to_owned(),
            n => format!("{n} channels"),
        };
        write!(f, "{} Hz {channels}", self.sample_rate)
    }
}

/// Level of a linear amplitude in dBFS (1.0 = 0 dBFS); silence is −∞, floored at −120.
#[must_use]
pub fn dbfs(amplitude: f32) -> f32 {
    if amplitude > 1e-6 { 20.0 * amplitude.log10() } else { -120.0 }
}

/// Largest magnitude that a received sample may have. A float32 stream legitimately exceeds 1.0
/// (the listener's limiter brings it down); beyond +24 dBFS it is not sound.
pub const MAX_SAMPLE: f32 = 16.0;

/// Makes received samples safe to compute with: NaN and infinities become silence, the rest is
/// held within ±[`MAX_SAMPLE`]. Returns how many samples had to be changed.
pub fn sanitise(samples: &mut [f32]) -> usize {
    let mut changed = 0;
    for sample in samples {
        if !(-MAX_SAMPLE..=MAX_SAMPLE).contains(sample) {
            *sample = if sample.is_finite() { sample.clamp(-MAX_SAMPLE, MAX_SAMPLE) } else { 0.0 };
            changed += 1;
        }
    }
    changed
}

/// Marks that may stand on one letter: Vietnamese needs two, and a tower of them covers the lines
/// above.
const MARKS_ON_A_LETTER: usize = 2;

/// Makes a text from a peer fit to print: control characters (terminal escapes among them) go, what
/// breaks a line, turns its direction round or cannot be seen goes, and so do all but two marks on
/// one letter and what is beyond `limit` characters.
#[must_use]
pub fn printable(text: &str, limit: usize) -> String {
    let mut marks = 0;
    let seen = text.chars().filter(|c| !c.is_control() && !is_invisible(*c)).filter(|c| {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        marks <= MARKS_ON_A_LETTER
    });
    seen.take(limit).collect()
}

/// A name from a peer, fit to print: one that shows nothing is empty, and what is beyond `characters`
/// or `bytes` goes.
#[must_use]
pub fn printable_name(text: &str, characters: usize, bytes: usize) -> String {
    let shown = printable(text.trim(), characters);
    cut(shown.trim(), bytes).trim_end().to_owned()
}

/// Bytes as hexadecimal digits, two for each, in lower case.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The beginning of a text that has at most so many bytes, cut at a character.
#[must_use]
pub fn cut(text: &str, bytes: usize) -> &str {
    let fits = |end: &usize| text.is_char_boundary(*end);
    (0..=bytes.min(text.len())).rev().find(fits).map_or("", |end| &text[..end])
}

/// Whether a character shows nothing, or only changes how others are shown. With them two names look
/// the same that are not.
fn is_invisible(c: char) -> bool {
    matches!(c,
        // Hyphens and letters that are there to be filled or joined, and an empty braille cell.
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}'
        | '\u{ffa0}' | '\u{2800}'
        // Directions, joiners, breaks of lines, spaces without width.
        | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        // Variants of what stands before, and tags.
        | '\u{fe00}'..='\u{fe0f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_that_are_not_sound_become_harmless() {
        let mut samples = [0.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, -2.0];
        assert_eq!(sanitise(&mut samples), 5);
        assert_eq!(samples, [0.5, 0.0, 0.0, 0.0, MAX_SAMPLE, -MAX_SAMPLE, -2.0]);
    }

    #[test]
    fn a_level_is_zero_at_full_scale_and_floored_at_silence() {
        assert_eq!(dbfs(1.0), 0.0);
        assert!((dbfs(0.5) + 6.02).abs() < 0.01);
        assert_eq!(dbfs(0.0), -120.0);
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(printable("\x1b[2Jhall\u{7}o", 6), "[2Jhal");
        assert_eq!(printable("a\u{202e}b\u{2028}c\u{2066}d\u{9b}2J", 9), "abcd2J");
    }

    #[test]
    fn what_cannot_be_seen_is_no_part_of_a_name() {
        let name = |text| printable_name(text, 64, 64);
        for nothing in ["", " ", "\u{3164}", "\u{200b}\u{feff}", "\u{2800} \u{3000}", "\u{e0041}"] {
            assert_eq!(name(nothing), "", "{nothing:?}");
        }
        for anna in
            ["Anna", "An\u{200b}na", "Anna\u{2060}", " An\u{200d}na\u{fe0f} ", "\u{202e}Anna"]
        {
            assert_eq!(name(anna), "Anna", "{anna:?}");
        }
    }

    #[test]
    fn a_letter_carries_two_marks_and_no_tower() {
        let tower = format!("Z{}o", "\u{301}".repeat(40));
        assert_eq!(printable(&tower, 64), "Z\u{301}\u{301}o");
        assert_eq!(printable("Việt e\u{302}\u{323}", 64), "Việt e\u{302}\u{323}");
    }

    #[test]
    fn a_name_is_cut_at_a_character_within_its_bytes() {
        assert_eq!(printable_name(&"ü".repeat(64), 64, 64), "ü".repeat(32));
        assert_eq!(printable_name(&"\u{1f600}".repeat(64), 64, 63), "\u{1f600}".repeat(15));
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("ü", 1), "");
    }

    #[test]
    fn frames_and_time_convert_both_ways() {
        let format = Format { sample_rate: 48_000, channels: 2 };
        assert_eq!(format.frames_in_ms(10.0), 480);
        assert_eq!(format.micros(480), 10_000.0);
        assert_eq!(format.frames(format.samples(7)), 7);
    }
}
