//! A thread that writes a file of secrets, for those who may not wait for a disk.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::warn;

use crate::error::{Error, Result};

/// How long the end waits for what is not written yet: a disk that wakes up takes no longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes what is newest. One thing waits at most, however often something is put: what comes later takes in
/// what has not been written. What could not be written waits for the next, or for the end.
#[derive(Debug)]
pub(crate) struct Writer<T> {
    shared: Arc<Shared<T>>,
}

/// Tells what has become of what was put. It keeps nobody from ending.
#[derive(Debug)]
pub(crate) struct Watch<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    has_changed: Condvar,
    merge: fn(T, T) -> T,
}

#[derive(Debug)]
struct State<T> {
    waiting: Option<T>,
    /// Something was put since it was last tried.
    is_news: bool,
    is_writing: bool,
    is_over: bool,
    /// The thread has ended.
    has_ended: bool,
    /// Why the last try failed.
    failed: Option<String>,
}

impl<T: Send + 'static> Writer<T> {
    /// Starts a thread called `name` for what `write` does. `merge` makes one thing of an older and a newer
    /// one. `lost` is what is said, with the reason behind it, when it fails.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system gives no thread.
    pub(crate) fn start(
        name: &str,
        lost: &'static str,
        merge: fn(T, T) -> T,
        write: impl Fn(&T) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let state = State {
            waiting: None,
            is_news: false,
            is_writing: false,
            is_over: false,
            has_ended: false,
            failed: None,
        };
        let shared = Shared { state: Mutex::new(state), has_changed: Condvar::new(), merge };
        let shared = Arc::new(shared);
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _end = End(&theirs);
            theirs.work(lost, write);
        });
        thread.map_err(|e| Error::internal(format!("cannot start the {name} thread"), e))?;
        Ok(Self { shared })
    }

    /// Has it written soon. This never waits for a disk.
    pub(crate) fn put(&self, newer: T) {
        let mut state = self.shared.lock();
        state.waiting = Some(match state.waiting.take() {
            Some(older) => (self.shared.merge)(older, newer),
            None => newer,
        });
        state.is_news = true;
        self.shared.has_changed.notify_all();
    }

    /// Who may ask later whether it was written.
    pub(crate) fn watch(&self) -> Watch<T> {
        Watch { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Watch<T> {
    /// Waits until all that was put is written, five seconds at most.
    ///
    /// # Errors
    /// Why it is not, in words for a person.
    pub(crate) fn written(&self) -> std::result::Result<(), String> {
        let state = self.shared.settle(|state| state.is_news || state.is_writing);
        match &state.failed {
            Some(why) => Err(why.clone()),
            None if state.waiting.is_some() || state.is_writing => {
                Err("the disk does not answer. Look whether it is full or broken".to_owned())
            }
            None => Ok(()),
        }
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.has_changed.notify_all();
        drop(self.shared.settle(|state| !state.has_ended));
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as that holds, [`PATIENCE`] at most.
    fn settle(&self, holds: impl Fn(&State<T>) -> bool) -> MutexGuard<'_, State<T>> {
        let waited =
            self.has_changed.wait_timeout_while(self.lock(), PATIENCE, |state| holds(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn work(&self, lost: &str, write: impl Fn(&T) -> Result<()>) {
        loop {
            let idle = |state: &mut State<T>| !state.is_news && !state.is_over;
            let waited = self.has_changed.wait_while(self.lock(), idle);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner);
            let is_last = state.is_over;
            state.is_news = false;
            if let Some(news) = state.waiting.take() {
                state.is_writing = true;
                drop(state);
                let outcome = write(&news);
                state = self.lock();
                state.is_writing = false;
                let failed = outcome.err().map(|e| e.to_string());
                if let Some(why) = &failed {
                    if state.failed != failed {
                        warn!("{lost}: {why}");
                    }
                    state.waiting = Some(match state.waiting.take() {
                        Some(newer) => (self.merge)(news, newer),
                        None => news,
                    });
                }
                state.failed = failed;
                self.has_changed.notify_all();
            }
            if is_last && !state.is_news {
                return;
            }
        }
    }
}

/// Says that the thread has ended, whatever it ends by.
struct End<'a, T>(&'a Shared<T>);

impl<T> Drop for End<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_writing = false;
        state.has_ended = true;
        self.0.has_changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    fn both(mut older: Vec<u8>, newer: Vec<u8>) -> Vec<u8> {
        older.extend(newer);
        older
    }

    /// A disk that takes what it is given when the test says how that ends.
    struct Disk {
        tries: Receiver<Vec<u8>>,
        answers: Sender<Result<()>>,
    }

    fn slow() -> (Writer<Vec<u8>>, Disk) {
        let (tried, tries) = channel();
        let (answers, answer) = channel::<Result<()>>();
        let write = move |news: &Vec<u8>| {
            tried.send(news.clone()).unwrap();
            answer.recv().unwrap()
        };
        let writer = Writer::start("writer", "nothing is kept", both, write).unwrap();
        (writer, Disk { tries, answers })
    }

    fn broken() -> Result<()> {
        Err(Error::internal("writing", "the disk is full"))
    }

    #[test]
    fn while_a_disk_takes_its_time_nobody_waits_and_one_thing_is_written_behind_it() {
        let (writer, Disk { tries, answers }) = slow();
        writer.put(vec![1]);
        assert_eq!(tries.recv().unwrap(), [1]);
        for news in 2..=100 {
            writer.put(vec![news]);
        }
        answers.send(Ok(())).unwrap();
        assert_eq!(tries.recv().unwrap(), (2..=100).collect::<Vec<u8>>());
        answers.send(Ok(())).unwrap();
        assert_eq!(writer.watch().written(), Ok(()));
        drop(writer);
        assert!(tries.recv().is_err(), "nothing is written twice");
    }

    #[test]
    fn what_could_not_be_written_is_told_and_tried_again_with_the_next_and_at_the_end() {
        let (writer, Disk { tries, answers }) = slow();
        writer.put(vec![1]);
        answers.send(broken()).unwrap();
        let why = writer.watch().written().unwrap_err();
        assert!(why.contains("the disk is full"), "{why}");
        writer.put(vec![2]);
        answers.send(broken()).unwrap();
        assert!(writer.watch().written().is_err());
        answers.send(Ok(())).unwrap();
        let watch = writer.watch();
        drop(writer);
        assert_eq!(watch.written(), Ok(()));
        assert_eq!(tries.iter().collect::<Vec<_>>(), [vec![1], vec![1, 2], vec![1, 2]]);
    }
}
