//! The vocabulary of sound: formats, frames, levels.
//!
//! A *frame* is one sample per channel. Sample slices are interleaved: `frames × channels` values,
//! nominally −1…1.

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

/// Makes a text from a peer fit to print: control characters (terminal escapes among them) go, what
/// breaks a line or turns its direction round goes, and so does what is beyond `limit` characters.
#[must_use]
pub fn printable(text: &str, limit: usize) -> String {
    let moves = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
        turns || matches!(c, '\u{61c}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(|c| !c.is_control() && !moves(*c)).take(limit).collect()
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
    fn frames_and_time_convert_both_ways() {
        let format = Format { sample_rate: 48_000, channels: 2 };
        assert_eq!(format.frames_in_ms(10.0), 480);
        assert_eq!(format.micros(480), 10_000.0);
        assert_eq!(format.frames(format.samples(7)), 7);
    }
}
