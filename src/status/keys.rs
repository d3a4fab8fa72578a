//! What a key means.

/// What a listener asks for by a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `+`: louder.
    Louder,
    /// `-`: softer.
    Softer,
    /// `d`: hear nothing, or again.
    Deafen,
    /// `[`: play earlier.
    Earlier,
    /// `]`: play later.
    Later,
    /// `q`: stop.
    Quit,
}

impl Key {
    /// The keys, as the status line explains them.
    pub const HELP: &str = "+ - volume   d deafen   [ ] earlier, later   q quit";

    /// What the key with this letter on it means. `m` is kept for a microphone.
    #[must_use]
    pub fn of(letter: char) -> Option<Self> {
        Some(match letter.to_ascii_lowercase() {
            // Without shift, on the keyboards where + is above =.
            '+' | '=' => Self::Louder,
            '-' | '_' => Self::Softer,
            'd' => Self::Deafen,
            '[' => Self::Earlier,
            ']' => Self::Later,
            'q' => Self::Quit,
            _ => return None,
        })
    }
}

/// The letters among what a terminal sends for keys. Arrows and their like come as an escape and
/// letters, of which none was pressed.
pub(super) fn typed(bytes: &[u8]) -> impl Iterator<Item = char> + '_ {
    let mut bytes = bytes.iter().copied();
    std::iter::from_fn(move || {
        loop {
            match bytes.next()? {
                0x1b => {
                    if matches!(bytes.next()?, b'[' | b'O') {
                        // Parameters, up to the letter that ends them.
                        let _ = bytes.by_ref().find(|byte| (0x40..=0x7e).contains(byte));
                    }
                }
                byte if byte.is_ascii() => return Some(char::from(byte)),
                _ => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_and_their_like_are_no_letters() {
        let typed = |bytes: &[u8]| typed(bytes).collect::<String>();
        assert_eq!(typed(b"+\x1b[A[\x1bOPd\x1b[1;5Cq"), "+[dq");
        assert_eq!(typed(b"\x1bq]\x1b"), "]", "with Alt it is another key");
        assert_eq!(typed("ä+".as_bytes()), "+");
        assert_eq!(typed(b"\x1b["), "");
    }

    #[test]
    fn keys_mean_the_same_with_and_without_shift_and_others_mean_nothing() {
        assert_eq!((Key::of('+'), Key::of('=')), (Some(Key::Louder), Some(Key::Louder)));
        assert_eq!((Key::of('q'), Key::of('Q')), (Some(Key::Quit), Some(Key::Quit)));
        for other in ['m', 'x', ' ', '\u{1b}', 'ä', '\u{3}'] {
            assert_eq!(Key::of(other), None);
        }
    }
}
