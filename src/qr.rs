//! An address as a QR code, for a terminal or for a page.

use qrcode::render::{svg, unicode};
use qrcode::{EcLevel, QrCode};

/// Black on white, whatever the terminal's own colours are: scanners want it that way round.
const BLACK_ON_WHITE: &str = "\u{1b}[30;107m";
const AS_BEFORE: &str = "\u{1b}[0m";

/// Lines for a terminal, two rows of the code in each, with the white edge that scanners need;
/// `None` for a text that fits no code.
#[must_use]
pub fn terminal(text: &str) -> Option<String> {
    let code = code(text)?.render::<unicode::Dense1x2>().build();
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
        let code = terminal(PAGE).unwrap();
        assert!(code.lines().count() <= 17, "{}", code.lines().count());
        for line in code.lines() {
            let squares = line.strip_prefix(BLACK_ON_WHITE).and_then(|l| l.strip_suffix(AS_BEFORE));
            let squares = squares.unwrap();
            assert_eq!(squares.chars().count(), 33, "25 squares and two edges of 4");
            assert!(squares.chars().all(|square| " ▀▄█".contains(square)), "{squares}");
        }
    }

    #[test]
    fn a_picture_is_one_and_a_text_that_is_too_long_is_none() {
        let picture = svg(PAGE).unwrap();
        assert!(picture.contains("<svg ") && picture.ends_with("</svg>"), "{picture}");
        assert!(svg(&"x".repeat(5000)).is_none() && terminal(&"x".repeat(5000)).is_none());
    }
}
