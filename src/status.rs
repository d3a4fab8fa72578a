//! The live status that a terminal shows below the log, and the keys that it takes.
//!
//! What is shown is computed here from statistics, as plain lines; [`Terminal`] alone knows how to
//! show them. Neither comes near a real-time thread.

pub mod client;
#[cfg(unix)]
mod escapes;
mod keys;
pub mod server;
mod terminal;

#[cfg(unix)]
#[path = "status/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "status/windows.rs"]
mod system;

use unicode_width::UnicodeWidthChar;

pub use keys::Key;
pub use terminal::{Keyboard, LogLines, Terminal, release};

/// How often what is shown changes: often enough for a meter, seldom enough to cost nothing.
pub const EVERY: std::time::Duration = std::time::Duration::from_millis(200);

/// The softest level that a meter shows, in dBFS.
const METER_FLOOR: f32 = -60.0;

/// Characters of a meter, but for its ends.
const METER: usize = 20;

/// Whether a person sees what goes to `stream`, on a terminal that knows colours and cursors.
#[must_use]
pub fn is_seen(stream: &impl std::io::IsTerminal) -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !dumb && stream.is_terminal() && system::is_ours()
}

/// How many columns the terminal has; what is usual where it does not tell.
#[must_use]
pub fn columns() -> usize {
    system::size().unwrap_or(terminal::USUAL_SIZE).0.into()
}

/// A level as a bar and a number.
fn meter(dbfs: f32) -> String {
    let share = 1.0 - dbfs.clamp(METER_FLOOR, 0.0) / METER_FLOOR;
    let full = (share * METER as f32).round() as usize;
    let number = if dbfs < METER_FLOOR { "silent".to_owned() } else { format!("{dbfs:.0} dB") };
    format!("[{}{}] {number:>6}", "█".repeat(full), "░".repeat(METER - full))
}

/// Cuts `text` to as much as fits into so many cells of a terminal.
fn fit(text: &str, cells: usize) -> String {
    let mut used = 0;
    let mut fitting = String::with_capacity(text.len());
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used > cells {
            break;
        }
        // A control character has no width, and no business here.
        fitting.extend(letter.width().map(|_| letter));
    }
    fitting
}

/// `text` in exactly so many cells.
fn pad(text: &str, cells: usize) -> String {
    let fitting = fit(text, cells);
    let used: usize = fitting.chars().filter_map(UnicodeWidthChar::width).sum();
    fitting + &" ".repeat(cells - used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_is_empty_in_silence_full_at_full_scale_and_always_as_wide() {
        let wide = meter(-30.0).chars().count();
        for (dbfs, full) in [(-120.0, 0), (-60.0, 0), (-30.0, 10), (0.0, 20), (24.0, 20)] {
            let meter = meter(dbfs);
            assert_eq!(meter.matches('█').count(), full, "{meter}");
            assert_eq!(meter.chars().count(), wide, "{meter}");
        }
        assert!(meter(-120.0).ends_with("silent"));
        assert_eq!(meter(f32::NAN).chars().count(), wide);
    }

    #[test]
    fn text_is_cut_by_cells_and_not_by_letters() {
        assert_eq!(fit("living room", 6), "living");
        assert_eq!(fit("居間のPC", 5), "居間");
        assert_eq!(pad("居間", 6), "居間  ");
        assert_eq!(pad("attic", 2), "at");
        assert_eq!(fit("", 3), "");
    }

    #[test]
    fn nothing_that_moves_the_cursor_gets_through() {
        assert_eq!(fit("a\u{1b}[2J\r\n\tb", 99), "a[2Jb");
    }
}
