//! What each snapclient was set to, by its id: it is the same when it comes again.

use std::collections::{HashMap, VecDeque};

use super::message::Settings;

/// Ids that are remembered; what came first is forgotten first. A house has fewer.
pub const MOST_KEPT: usize = 1_024;

/// Longest latency of a loudspeaker, in ms: no delay is longer.
pub const MAX_LATENCY_MS: u32 = 10_000;

/// How a client plays, whatever the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set {
    /// How loud, 0 to 100.
    pub volume: u8,
    /// Whether silent.
    pub is_muted: bool,
    /// How much earlier it hands its sound over, in ms.
    pub latency_ms: u32,
}

impl Default for Set {
    fn default() -> Self {
        Self { volume: 100, is_muted: false, latency_ms: 0 }
    }
}

impl Set {
    /// What a client is told, with the delay.
    #[must_use]
    pub fn with_delay(self, buffer_ms: u32) -> Settings {
        let Self { volume, is_muted, latency_ms } = self;
        Settings { buffer_ms, latency_ms, is_muted, volume }
    }
}

/// A wish for one client: what is missing stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// How loud, 0 to 100.
    pub volume: Option<u8>,
    /// Whether silent.
    pub is_muted: Option<bool>,
    /// How much earlier it hands its sound over, in ms.
    pub latency_ms: Option<u32>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Kept {
    sets: HashMap<String, Set>,
    order: VecDeque<String>,
}

impl Kept {
    /// What this client is set to.
    #[must_use]
    pub fn of(&self, id: &str) -> Set {
        self.sets.get(id).copied().unwrap_or_default()
    }

    /// Changes what this client is set to.
    pub fn change(&mut self, id: &str, wish: Wish) -> Set {
        let was = self.of(id);
        let set = Set {
            volume: wish.volume.unwrap_or(was.volume).min(100),
            is_muted: wish.is_muted.unwrap_or(was.is_muted),
            latency_ms: wish.latency_ms.unwrap_or(was.latency_ms).min(MAX_LATENCY_MS),
        };
        if self.sets.insert(id.to_owned(), set).is_none() {
            self.order.push_back(id.to_owned());
            if self.order.len() > MOST_KEPT
                && let Some(first) = self.order.pop_front()
            {
                self.sets.remove(&first);
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_set_as_it_was_when_it_comes_again() {
        let mut kept = Kept::default();
        assert_eq!(kept.of("a"), Set { volume: 100, is_muted: false, latency_ms: 0 });
        kept.change("a", Wish { volume: Some(40), ..Wish::default() });
        kept.change(
            "a",
            Wish { is_muted: Some(true), latency_ms: Some(u32::MAX), ..Wish::default() },
        );
        assert_eq!(kept.of("a"), Set { volume: 40, is_muted: true, latency_ms: MAX_LATENCY_MS });
        assert_eq!(kept.of("b"), Set::default());
        let told = kept.of("a").with_delay(300);
        assert_eq!((told.buffer_ms, told.latency_ms), (300, MAX_LATENCY_MS));
    }

    #[test]
    fn whoever_makes_up_ids_is_forgotten_in_their_order() {
        let mut kept = Kept::default();
        let quiet = Wish { volume: Some(1), ..Wish::default() };
        for number in 0..=MOST_KEPT {
            kept.change(&number.to_string(), quiet);
            kept.change("0", quiet);
        }
        assert_eq!((kept.sets.len(), kept.order.len()), (MOST_KEPT, MOST_KEPT));
        assert_eq!(kept.of(&MOST_KEPT.to_string()).volume, 1);
    }
}
