//! What a client shows.

use super::{Key, meter};
use crate::stats::ClientStats;

/// What the statistics do not say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct View {
    /// The volume that is set, in per cent.
    pub volume_percent: u16,
    /// Whether it is turned off for now.
    pub deaf: bool,
    /// The user's own trim in ms; positive plays later.
    pub trim_ms: i32,
    /// How much later than the others it plays because it must, in ms.
    pub extra_ms: u32,
    /// Whether keys are taken.
    pub keys: bool,
    /// Whether what is heard is recorded.
    pub is_recording: bool,
    /// Whether the network is a simulated one.
    pub is_simulated: bool,
}

/// The lines to show, the most important first in each. The level in `stats` is the latest, not a
/// second's.
#[must_use]
pub fn lines(stats: &ClientStats, view: &View) -> Vec<String> {
    let mut lines = vec![format!("{}  {}", meter(stats.level_dbfs), playing(stats))];
    let volume = match (view.deaf, view.volume_percent) {
        (true, percent) => format!("deaf ({percent} %)"),
        (false, percent) => format!("volume {percent} %"),
    };
    let mut line = format!(
        "underruns {}  lost {}  {:+.1} ppm  {volume}  delay {:+} ms",
        stats.underruns, stats.lost_frames, stats.ppm, view.trim_ms
    );
    if view.extra_ms > 0 {
        line += &format!("  {} ms after the others", view.extra_ms);
    }
    if view.is_recording {
        line += "  recording";
    }
    if view.is_simulated {
        line += "  simulated network";
    }
    lines.push(line);
    if view.keys {
        lines.push(Key::HELP.to_owned());
    }
    lines
}

fn playing(stats: &ClientStats) -> String {
    if !stats.connected {
        return "not connected".to_owned();
    }
    if stats.delay_ms == 0.0 {
        return "waiting for sound".to_owned();
    }
    // Where the others are is where this one should be.
    let off_us = (stats.delay_ms - stats.playout_delay_ms) * 1e3;
    format!(
        "{:.1} ms after the PC  {off_us:+.0} µs off  buffer {:.0} ms",
        stats.delay_ms, stats.buffered_ms
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats() -> ClientStats {
        ClientStats {
            connected: true,
            delay_ms: 300.012,
            playout_delay_ms: 300.0,
            buffered_ms: 271.3,
            underruns: 2,
            lost_frames: 480,
            ppm: -12.34,
            level_dbfs: -30.0,
            ..ClientStats::default()
        }
    }

    #[test]
    fn a_playing_client_shows_where_it_stands() {
        let view = View { volume_percent: 80, trim_ms: -5, ..View::default() };
        assert_eq!(
            lines(&stats(), &view),
            [
                "[██████████░░░░░░░░░░] -30 dB  300.0 ms after the PC  +12 µs off  buffer 271 ms",
                "underruns 2  lost 480  -12.3 ppm  volume 80 %  delay -5 ms",
            ]
        );
    }

    #[test]
    fn deafness_extra_delay_and_keys_show_where_there_are_any() {
        let view = View { deaf: true, extra_ms: 20, keys: true, ..View::default() };
        let lines = lines(&stats(), &view);
        assert!(lines[1].contains("deaf") && lines[1].contains("20 ms after the others"));
        assert_eq!(lines[2], Key::HELP);
    }

    #[test]
    fn a_recording_and_a_simulated_network_are_named() {
        let view = View { is_recording: true, is_simulated: true, ..View::default() };
        assert!(lines(&stats(), &view)[1].ends_with("  recording  simulated network"));
    }

    #[test]
    fn before_there_is_sound_it_says_so() {
        let silent = |connected| ClientStats { connected, ..ClientStats::default() };
        let first = |stats| lines(&stats, &View::default()).swap_remove(0);
        assert!(first(silent(false)).ends_with("not connected"));
        assert!(first(silent(true)).ends_with("waiting for sound"));
    }
}
