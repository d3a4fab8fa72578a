//! What becomes of the sound for Icecast servers.

use std::sync::atomic::{AtomicU8, Ordering};

use serde::Serialize;

use super::Counter;

/// What the thread of one server counts.
#[derive(Debug, Default)]
pub struct Icecast {
    url: String,
    /// An [`IcecastState`].
    state: AtomicU8,
    /// Bytes that the system took.
    pub bytes: Counter,
    /// Times that the server had sound and lost it.
    pub breaks: Counter,
    /// Packets that were not taken in time.
    pub dropped: Counter,
}

/// One Icecast server in [`ServerStats`](super::ServerStats).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IcecastStats {
    /// What players open.
    pub url: String,
    /// What it does at the moment.
    pub state: IcecastState,
    /// Bytes sent, since the start.
    pub bytes: u64,
    /// Times that it had sound and lost it.
    pub breaks: u64,
    /// Packets that were not taken in time.
    pub dropped: u64,
}

/// What an Icecast server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IcecastState {
    /// It is not there, or takes nothing; it is tried again.
    Away,
    /// It is asked.
    Asked,
    /// It takes sound.
    Sending,
}

impl Icecast {
    /// Counters of the server at this address.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self { url, ..Self::default() }
    }

    /// It does this from now on.
    pub fn set(&self, state: IcecastState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// How it stands now.
    #[must_use]
    pub fn now(&self) -> IcecastStats {
        let state = self.state.load(Ordering::Relaxed);
        let is = |other: &IcecastState| *other as u8 == state;
        let known = [IcecastState::Asked, IcecastState::Sending].into_iter().find(is);
        IcecastStats {
            url: self.url.clone(),
            state: known.unwrap_or(IcecastState::Away),
            bytes: self.bytes.get(),
            breaks: self.breaks.get(),
            dropped: self.dropped.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_does_is_told_as_it_was_said_last() {
        let counters = Icecast::new("http://a:8000/x".to_owned());
        assert_eq!(counters.now().state, IcecastState::Away);
        for state in [IcecastState::Sending, IcecastState::Asked, IcecastState::Away] {
            counters.set(state);
            assert_eq!(counters.now().state, state);
        }
    }
}
