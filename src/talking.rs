//! Whether the person at this listener is heard: what the keys, the server and the microphone say.
//!
//! A few switches that threads look at; each stands alone, so `Relaxed` does everywhere.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::codec::Codec;
use crate::wire::Person;

/// When the microphone's sound goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// While there is a voice in it.
    Open,
    /// While a key is held; where a terminal does not tell when a key is let go, from one press of
    /// it to the next.
    Push,
}

/// What is made better of a microphone's sound before it goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clean {
    /// What this listener's own output plays is taken out.
    pub echo: bool,
    /// Noise is taken out.
    pub noise: bool,
    /// It is made as loud as the others.
    pub gain: bool,
}

impl Clean {
    /// Everything.
    pub const ALL: Self = Self { echo: true, noise: true, gain: true };

    /// Nothing: bit for bit as captured.
    pub const OFF: Self = Self { echo: false, noise: false, gain: false };

    /// What a voice that is packed with `codec` gets where nothing was asked for: whoever sends f32
    /// sends music, or cleans it elsewhere.
    #[must_use]
    pub fn usual(codec: Codec) -> Self {
        if codec == Codec::Float32 { Self::OFF } else { Self::ALL }
    }

    /// Whether there is anything to do.
    #[must_use]
    pub fn is_any(self) -> bool {
        self != Self::OFF
    }
}

/// Somebody else in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// What is known of them.
    pub person: Person,
    /// How loud they are wanted here, in percent.
    pub volume_percent: u16,
    /// Whether the keys change that.
    pub is_selected: bool,
}

/// What of the microphone's sound may go out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lets {
    /// None of it.
    Nothing,
    /// What is a voice.
    Voice,
    /// All of it.
    Everything,
}

/// The switches of one person who talks.
#[derive(Debug)]
pub struct Talking {
    mode: Mode,
    is_allowed: AtomicBool,
    is_muted: AtomicBool,
    is_pushed: AtomicBool,
    has_microphone: AtomicBool,
    is_speaking: AtomicBool,
}

impl Talking {
    /// Makes the switches of somebody who is not muted; whether the server lets them speak is not
    /// known yet.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        let off = || AtomicBool::new(false);
        Self {
            mode,
            is_allowed: off(),
            is_muted: off(),
            is_pushed: off(),
            has_microphone: off(),
            is_speaking: off(),
        }
    }

    /// When the microphone's sound goes out.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What may go out now.
    #[must_use]
    pub fn lets(&self) -> Lets {
        match self.mode {
            _ if self.is_muted() || !self.is_allowed() || !self.has_microphone() => Lets::Nothing,
            Mode::Open => Lets::Voice,
            Mode::Push if self.is_pushed.load(Ordering::Relaxed) => Lets::Everything,
            Mode::Push => Lets::Nothing,
        }
    }

    /// Whether the server lets this listener speak: only then is a microphone opened.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.is_allowed.load(Ordering::Relaxed)
    }

    /// The server has said whether it does.
    pub fn allow(&self, is_allowed: bool) {
        self.is_allowed.store(is_allowed, Ordering::Relaxed);
    }

    /// Whether the person wants nobody to hear them.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        self.is_muted.load(Ordering::Relaxed)
    }

    /// Mutes, or lets be heard again.
    pub fn toggle_mute(&self) {
        self.is_muted.fetch_xor(true, Ordering::Relaxed);
    }

    /// The key to talk is held, or is not any more.
    pub fn push(&self, is_pushed: bool) {
        self.is_pushed.store(is_pushed, Ordering::Relaxed);
    }

    /// The key to talk was pressed, where nobody will tell that it is let go.
    pub fn toggle_push(&self) {
        self.is_pushed.fetch_xor(true, Ordering::Relaxed);
    }

    /// Whether a microphone is open.
    #[must_use]
    pub fn has_microphone(&self) -> bool {
        self.has_microphone.load(Ordering::Relaxed)
    }

    /// A microphone was opened, or is gone.
    pub fn set_microphone(&self, is_there: bool) {
        self.has_microphone.store(is_there, Ordering::Relaxed);
    }

    /// Whether sound goes out at this moment.
    #[must_use]
    pub fn is_speaking(&self) -> bool {
        self.is_speaking.load(Ordering::Relaxed)
    }

    /// Sound goes out, or does not any more.
    pub fn set_speaking(&self, is_speaking: bool) {
        self.is_speaking.store(is_speaking, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(mode: Mode) -> Talking {
        let talking = Talking::new(mode);
        assert_eq!(talking.lets(), Lets::Nothing);
        talking.allow(true);
        assert_eq!(talking.lets(), Lets::Nothing, "there is no microphone yet");
        talking.set_microphone(true);
        talking
    }

    #[test]
    fn an_open_microphone_lets_voices_through_until_it_is_muted() {
        let talking = ready(Mode::Open);
        assert_eq!(talking.lets(), Lets::Voice);
        talking.push(true);
        assert_eq!(talking.lets(), Lets::Voice, "the key is for the other mode");
        talking.toggle_mute();
        assert_eq!(talking.lets(), Lets::Nothing);
        talking.toggle_mute();
        assert_eq!(talking.lets(), Lets::Voice);
    }

    #[test]
    fn a_held_key_lets_everything_through_and_being_muted_wins() {
        let talking = ready(Mode::Push);
        assert_eq!(talking.lets(), Lets::Nothing);
        talking.push(true);
        assert_eq!(talking.lets(), Lets::Everything);
        talking.toggle_mute();
        assert_eq!(talking.lets(), Lets::Nothing);
        talking.toggle_mute();
        talking.toggle_push();
        assert_eq!(talking.lets(), Lets::Nothing);
    }
}
