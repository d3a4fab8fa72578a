//! Which servers a server's sound comes through, so that none is sent round and round: each names them to those who
//! listen, and takes nothing from one that its own sound comes through.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::wire::MAX_VIA;

/// The servers that a server's sources come through now, by the sessions that their welcomes name.
#[derive(Debug, Clone, Default)]
pub struct Upstreams {
    own: Arc<str>,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// For each source the server that it is taken from, and those behind that one.
    sources: BTreeMap<u64, Vec<String>>,
    next: u64,
}

/// One source's share of them: gone when this is dropped.
#[derive(Debug)]
pub struct Upstream {
    all: Upstreams,
    number: u64,
}

/// Why nothing is taken from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Its sound comes from here.
    Round,
    /// Another source is taken from it already.
    Twice,
    /// There would be more servers than can be named.
    TooMany,
}

impl Upstreams {
    /// Those of the server whose own session that is: none so far.
    #[must_use]
    pub fn of(own: &str) -> Self {
        Self { own: own.into(), known: Arc::default() }
    }

    /// The server's own session.
    #[must_use]
    pub fn own(&self) -> &str {
        &self.own
    }

    /// A source that is taken from nobody yet.
    #[must_use]
    pub fn source(&self) -> Upstream {
        let mut known = self.lock();
        known.next += 1;
        Upstream { all: self.clone(), number: known.next }
    }

    /// All of them, each once, in a steady order: [`MAX_VIA`] at most.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        self.lock().list()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn list(&self) -> Vec<String> {
        let mut list: Vec<String> = self.sources.values().flatten().cloned().collect();
        list.sort_unstable();
        list.dedup();
        list
    }
}

impl Upstream {
    /// Takes sound from the server of that `session`, whose own comes through `via`.
    ///
    /// # Errors
    /// Why it must not be taken; then this source is taken from nobody.
    pub fn take(&self, session: &str, via: &[String]) -> Result<(), Refused> {
        let mut known = self.all.lock();
        known.sources.remove(&self.number);
        if session == &*self.all.own || via.iter().any(|one| **one == *self.all.own) {
            return Err(Refused::Round);
        }
        if known.sources.values().any(|other| other.first().is_some_and(|one| one == session)) {
            return Err(Refused::Twice);
        }
        let through = [session.to_owned()].into_iter().chain(via.iter().cloned());
        known.sources.insert(self.number, through.collect());
        if known.list().len() > MAX_VIA {
            known.sources.remove(&self.number);
            return Err(Refused::TooMany);
        }
        Ok(())
    }

    /// Nothing is taken any more.
    pub fn leave(&self) {
        self.all.lock().sources.remove(&self.number);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn all_that_sound_comes_through_are_named_once_for_as_long_as_it_does() {
        let all = Upstreams::of("own");
        let [first, second] = [(); 2].map(|()| all.source());
        assert_eq!(first.take("b", &sessions(&["c", "d"])), Ok(()));
        assert_eq!(second.take("a", &sessions(&["c"])), Ok(()));
        assert_eq!(all.list(), ["a", "b", "c", "d"]);
        assert_eq!(first.take("b", &[]), Ok(()));
        assert_eq!(all.list(), ["a", "b", "c"]);
        second.leave();
        assert_eq!(all.list(), ["b"]);
        drop(first);
        assert!(all.list().is_empty());
    }

    #[test]
    fn nothing_is_taken_from_oneself_nor_from_whom_ones_own_sound_comes_through() {
        let all = Upstreams::of("own");
        let source = all.source();
        assert_eq!(source.take("own", &[]), Err(Refused::Round));
        assert_eq!(source.take("a", &[]), Ok(()));
        // Whoever closes a ring later is told of it, and lets go.
        assert_eq!(source.take("a", &sessions(&["b", "own"])), Err(Refused::Round));
        assert!(all.list().is_empty());
    }

    #[test]
    fn nobody_is_taken_twice_but_behind_others_as_often_as_there_are_ways() {
        let all = Upstreams::of("own");
        let [first, second] = [(); 2].map(|()| all.source());
        assert_eq!(first.take("a", &[]), Ok(()));
        assert_eq!(second.take("a", &[]), Err(Refused::Twice));
        assert_eq!(second.take("b", &sessions(&["a"])), Ok(()));
        assert_eq!(first.take("a", &[]), Ok(()), "the same again, on another connection");
    }

    #[test]
    fn more_than_can_be_named_are_not_taken() {
        let all = Upstreams::of("own");
        let [first, second] = [(); 2].map(|()| all.source());
        let many: Vec<String> = (0..MAX_VIA - 1).map(|n| n.to_string()).collect();
        assert_eq!(first.take("a", &many), Ok(()));
        assert_eq!(second.take("b", &[]), Err(Refused::TooMany));
        assert_eq!(all.list().len(), MAX_VIA);
        first.leave();
        assert_eq!(second.take("b", &[]), Ok(()));
    }
}
