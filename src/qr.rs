//! An address as a QR code, for a terminal or for a page.

use qrcode::render::{svg, unicode};
use qrcode::{EcLevel, QrCode};

/// Black on white, whatever the terminal's own colours are: scanners want it that way round.
const BLACK_ON_WHITE: &str = "\u{1b}[30;107m";
const AS_BEFORE: &str = "\u{1b}[0m";

/// Lines for a terminal that is `columns` wide, two rows of the code in each, with the white edge
/// that scanners need, or why there are none. `None` for a text that fits no code.
#[must_use]
pub fn terminal(text: &str, columns: usize) -> Option<String> {
    let code = code(text)?.render::<unicode::Dense1x2>().build();
    // A line that wraps tears the code.
    if code.lines().any(|line| line.chars().count() > columns) {
        return Some(
            "The page shows a code to scan; this window is too narrow for it.\n".to_owned(),
        );
    }
    let lines = code.lines().map(|line| format!("{BLACK_ON_WHITE}{line}{AS_BEFORE}\n"));
    Some(lines.collect())
}

/// A picture that scales; `None` for a text that fits no code.
#[must_use]
pub fn svg(text: &str) -> Option<String> {
    Some(code(text)?.render::<svg::Color<'_>>().min_dimensions(200, 200).build())
}

/// A screen loses no corner, so the least redundancy does, and fewer and larger squares are easier
/// to scan.
fn code(text: &str) -> Option<QrCode> {
    QrCode::with_error_correction_level(text, EcLevel::L).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "http://192.168.100.100:8080/";

    #[test]
    fn a_pages_address_fits_a_small_terminal() {
        let code = terminal(PAGE, 33).unwrap();
        assert!(code.lines().count() <= 17, "{}", code.lines().count());
        for line in code.lines() {
            let squares = line.strip_prefix(BLACK_ON_WHITE).and_then(|l| l.strip_suffix(AS_BEFORE));
            let squares = squares.unwrap();
            assert_eq!(squares.chars().count(), 33, "25 squares and two edges of 4");
            assert!(squares.chars().all(|square| " ▀▄█".contains(square)), "{squares}");
        }
    }

    #[test]
    fn a_window_that_would_tear_the_code_gets_a_word_instead() {
        assert!(terminal(PAGE, 32).unwrap().contains("too narrow"));
    }

    #[test]
    fn a_picture_is_one_and_a_text_that_is_too_long_is_none() {
        let picture = svg(PAGE).unwrap();
        assert!(picture.contains("<svg ") && picture.ends_with("</svg>"), "{picture}");
        assert!(svg(&"x".repeat(5000)).is_none() && terminal(&"x".repeat(5000), 80).is_none());
    }
}
