//! What a key means.

/// What a person asks for by a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `+`: louder.
    Louder,
    /// `-`: softer.
    Softer,
    /// `d`: hear nothing, or again.
    Deafen,
    /// `m`: let nobody hear one's microphone, or again.
    Mute,
    /// The space bar is pressed: talk.
    Talk,
    /// The space bar is let go, where the terminal tells.
    Hush,
    /// Tab: turn `+` and `-` to the next person.
    NextPerson,
    /// `e`: turn `<` and `>` to the next control of the ear.
    NextControl,
    /// `<`: less of it.
    Less,
    /// `>`: more of it.
    More,
    /// `[`: play earlier.
    Earlier,
    /// `]`: play later.
    Later,
    /// `c`, at a server: show the code of the private room, or show it no more.
    Code,
    /// `y`, at a server: let in whoever waits longest.
    LetIn,
    /// `n`, at a server: do not.
    Refuse,
    /// `q`: stop.
    Quit,
}

impl Key {
    /// The keys, as the status line explains them.
    pub const HELP: &str = "+ - volume   e < > ear   d deafen   [ ] earlier, later   q quit";

    /// The keys, as the status line explains them to one who talks.
    pub const HELP_TALKING: &str =
        "m mute   + - volume   e < > ear   d deafen   [ ] earlier, later   q quit";

    /// The keys of a server whose room is private.
    pub const HELP_HOST: &str = "c code   q quit";

    /// What stands before either where there are other people.
    pub const HELP_PEOPLE: &str = "tab one person's volume   ";

    /// What the key with this letter on it means.
    #[must_use]
    pub fn of(letter: char) -> Option<Self> {
        Some(match letter.to_ascii_lowercase() {
            // Without shift, on the keyboards where + is above =.
            '+' | '=' => Self::Louder,
            '-' | '_' => Self::Softer,
            'd' => Self::Deafen,
            'm' => Self::Mute,
            ' ' => Self::Talk,
            '\t' => Self::NextPerson,
            'e' => Self::NextControl,
            // Without shift, on the keyboards where < is above , and > above the full stop.
            '<' | ',' => Self::Less,
            '>' | '.' => Self::More,
            '[' => Self::Earlier,
            ']' => Self::Later,
            'c' => Self::Code,
            'y' => Self::LetIn,
            'n' => Self::Refuse,
            'q' => Self::Quit,
            _ => return None,
        })
    }
}

/// What a keyboard tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stroke {
    /// The key of this letter was pressed, or repeats itself.
    Down(char),
    /// The space bar was let go, or the window is not in front any more and will not tell.
    SpaceUp,
    /// Ctrl-C, where the terminal leaves it to us.
    Stop,
    /// Ctrl-Z, where it does.
    #[cfg(unix)]
    Suspend,
}

impl Stroke {
    /// What this stroke asks for.
    pub(super) fn key(self) -> Option<Key> {
        match self {
            Self::Down(letter) => Key::of(letter),
            Self::SpaceUp => Some(Key::Hush),
            Self::Stop => Some(Key::Quit),
            #[cfg(unix)]
            Self::Suspend => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_the_same_with_and_without_shift_and_others_mean_nothing() {
        assert_eq!((Key::of('+'), Key::of('=')), (Some(Key::Louder), Some(Key::Louder)));
        assert_eq!((Key::of('q'), Key::of('Q')), (Some(Key::Quit), Some(Key::Quit)));
        assert_eq!((Key::of('m'), Key::of('\t')), (Some(Key::Mute), Some(Key::NextPerson)));
        assert_eq!((Key::of('>'), Key::of('.')), (Some(Key::More), Some(Key::More)));
        assert_eq!((Key::of('<'), Key::of(',')), (Some(Key::Less), Some(Key::Less)));
        for other in ['x', '\u{1b}', 'ä', '\u{3}'] {
            assert_eq!(Key::of(other), None);
        }
    }
}
