//! What the network loop tells the chunking thread about people: who is there, and what they say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::codec::Codec;
use crate::wire::{AudioHeader, Microphone};

/// Messages between the loop and the chunking thread: 64 talkers with 10 ms frames for half a second,
/// longer than that thread was ever seen to stall. What somebody said falls out and is counted; who
/// is there is said again.
pub const QUEUE: usize = 4096;

/// What the loop says.
#[derive(Debug)]
pub enum Message {
    /// Somebody came, or changed something about themselves.
    Here {
        /// Their number.
        person: u32,
        /// All there is to know about them now.
        presence: Presence,
    },
    /// Somebody has left.
    Left {
        /// Their number.
        person: u32,
    },
    /// Somebody speaks.
    Said {
        /// Their number.
        person: u32,
        /// What they say.
        spoken: Spoken,
    },
}

/// All that the chunking thread must know of a person who is there.
#[derive(Debug, Clone)]
pub struct Presence {
    /// A number for the connection: another one means that sound begins anew.
    pub connection: u64,
    /// What their program calls itself: the same when they come again.
    pub id: String,
    /// What they want to be called.
    pub name: String,
    /// How the mix for them is packed.
    pub codec: Codec,
    /// How what they say is packed, if they may speak.
    pub microphone: Option<Microphone>,
    /// When they were last heard to speak.
    pub speech: Speech,
    /// Whether nobody shall hear them.
    pub is_muted: bool,
    /// Whether they have turned their own sound off.
    pub is_deaf: bool,
    /// How loud they want to hear others, by number, in percent; everybody else at 100.
    pub volumes: Arc<BTreeMap<u32, u16>>,
}

impl Presence {
    /// Whether what they hear differs from what everybody hears.
    #[must_use]
    pub fn needs_own_mix(&self) -> bool {
        self.microphone.is_some() || !self.volumes.is_empty()
    }
}

/// When somebody was last heard to speak. The chunking thread decodes what they say, and so knows; the
/// loop tells everybody.
#[derive(Debug, Clone, Default)]
pub struct Speech(Arc<AtomicU64>);

impl Speech {
    /// Notes that a frame of speech came at `now_us` of the server's clock.
    pub fn note(&self, now_us: u64) {
        // It stands alone: nothing is inferred from it.
        self.0.store(now_us, Ordering::Relaxed);
    }

    /// When the last one came, in µs; 0 before any.
    #[must_use]
    pub fn last_us(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A talk frame that has passed all checks that need no decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// Flags, length, position at the microphone's rate, capture time by the server's clock.
    pub header: AudioHeader,
    /// The sound, packed as the microphone's codec packs it.
    pub payload: Box<[u8]>,
    /// When it came, in µs of the server's clock.
    pub came_us: u64,
}
