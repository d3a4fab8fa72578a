//! What a Unix terminal sends for keys.

use super::keys::Stroke;

/// Strokes among what a terminal sends for keys. Arrows and their like come as an escape and
/// letters, of which none was pressed. A terminal that was asked to tell when keys are let go sends
/// every key so: `ESC [ key ; modifiers : event ; text u`
/// (<https://sw.kovidgoyal.net/kitty/keyboard-protocol/>).
pub(super) fn strokes(bytes: &[u8]) -> impl Iterator<Item = Stroke> + '_ {
    let mut bytes = bytes.iter().copied();
    std::iter::from_fn(move || {
        loop {
            match bytes.next()? {
                0x1b => {
                    let introducer = bytes.next()?;
                    if !matches!(introducer, b'[' | b'O') {
                        continue;
                    }
                    // Parameters, up to the letter that ends them.
                    let mut parameters = Vec::new();
                    let end = bytes.by_ref().find(|byte| {
                        parameters.push(*byte);
                        (0x40..=0x7e).contains(byte)
                    });
                    let stroke = match end {
                        Some(b'u') if introducer == b'[' => told(&parameters),
                        Some(b'O') if introducer == b'[' => Some(Stroke::SpaceUp),
                        _ => None,
                    };
                    if stroke.is_some() {
                        return stroke;
                    }
                }
                byte if byte.is_ascii() => return Some(Stroke::Down(char::from(byte))),
                _ => {}
            }
        }
    })
}

/// Bits of a key's modifiers.
const ALT: u32 = 2;
const CTRL: u32 = 4;

/// The stroke of a key that a terminal tells in full.
fn told(parameters: &[u8]) -> Option<Stroke> {
    let text = std::str::from_utf8(parameters).ok()?.strip_suffix('u')?;
    let field = |at: usize, part: usize| text.split(';').nth(at)?.split(':').nth(part);
    let key: u32 = field(0, 0)?.parse().ok()?;
    // They come as one more than their bits.
    let modifiers =
        field(1, 0).and_then(|bits| bits.parse().ok()).unwrap_or(1_u32).saturating_sub(1);
    let is_up = field(1, 1) == Some("3");
    // What the key types here: a bracket may need a modifier of its own.
    let typed = field(2, 0).and_then(|code| code.parse().ok());
    match (char::from_u32(typed.unwrap_or(key))?, is_up) {
        (' ', true) => Some(Stroke::SpaceUp),
        (_, true) => None,
        ('c', _) if modifiers & CTRL != 0 => Some(Stroke::Stop),
        ('z', _) if modifiers & CTRL != 0 => Some(Stroke::Suspend),
        _ if typed.is_none() && modifiers & (CTRL | ALT) != 0 => None,
        (letter, _) => letter.is_ascii().then_some(Stroke::Down(letter)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> String {
        let letter = |stroke| match stroke {
            Stroke::Down(letter) => letter,
            Stroke::SpaceUp => '^',
            Stroke::Stop => '!',
            Stroke::Suspend => '~',
        };
        strokes(bytes).map(letter).collect()
    }

    #[test]
    fn arrows_and_their_like_are_no_letters() {
        assert_eq!(typed(b"+\x1b[A[\x1bOPd\x1b[1;5Cq"), "+[dq");
        assert_eq!(typed(b"\x1bq]\x1b"), "]", "with Alt it is another key");
        assert_eq!(typed("ä+".as_bytes()), "+");
        assert_eq!(typed(b"\x1b["), "");
        assert_eq!(typed(b"\x1b[?62;22c\x1b[?27ud"), "d", "answers to questions");
    }

    #[test]
    fn a_terminal_that_tells_everything_is_understood() {
        // Space pressed, held, and let go; then d, and a bracket on a German keyboard.
        let told = b"\x1b[32;1:1;32u\x1b[32;1:2;32u\x1b[32;1:3u\x1b[100;1;100u\x1b[56;1;91u";
        assert_eq!(typed(told), "  ^d[");
        assert_eq!(typed(b"\x1b[100;1:3u"), "", "other keys let go mean nothing");
        assert_eq!(typed(b"\x1b[99;5u\x1b[122;5:1u\x1b[9u\x1b[61;2;43u"), "!~\t+");
        assert_eq!(typed(b"\x1b[100;5u\x1b[100;3u"), "", "with Ctrl or Alt they are others");
        assert_eq!(typed(b"\x1b[32;1u\x1b[O"), " ^", "a window left is a key let go");
        for nonsense in [&b"\x1b[u"[..], b"\x1b[;;u", b"\x1b[4294967295u", b"\x1b[1:2:3;;9999999;u"]
        {
            assert_eq!(typed(nonsense), "");
        }
    }
}
