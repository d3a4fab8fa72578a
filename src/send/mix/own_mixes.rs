//! Makes and encodes the mixes that are for one person alone, on threads of their own: a limiter and an
//! Opus encoder take about a hundredth of a core each, and the chunking thread must never be late.

mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{JoinHandle, available_parallelism};

use crate::capture::piece::piece_of;
use crate::codec::opus::Layout;
use crate::error::Result;
use crate::format::Format;
use crate::send::mix::combine::Combine;
use crate::send::to_edges::ToEdges;
use crate::send::transmit::Handle;
use crate::shutdown::Shutdown;
use crate::stats;
use crate::threads::{Priority, spawn};
use crate::wire::AudioHeader;
pub(in crate::send) use worker::Ear;
use worker::{Job, Worker};

/// Most threads: with more talkers than these mix for, the network is full.
const MOST_THREADS: usize = 4;

/// Sound that waits for a thread, in ms: longer than a busy machine was ever seen to keep one from its
/// turn. What finds no room is dropped and counted.
const WAITS_MS: f64 = 1_000.0;

/// The threads, and what they have to know.
pub(in crate::send) struct OwnMixes {
    threads: Vec<Thread>,
    /// How everybody hears who has a mix of their own.
    ears: BTreeMap<u32, Ear>,
    counters: Arc<stats::Capture>,
}

struct Thread {
    /// `None` when it is to end.
    jobs: Option<SyncSender<Job>>,
    handle: Option<JoinHandle<()>>,
    /// People of whom it does not know the newest yet.
    changed: BTreeSet<u32>,
    /// Whether it has had any of them, and so goes on with everybody's mix.
    is_busy: bool,
}

impl OwnMixes {
    /// Threads for mixes in `format`, in pieces of chunks of `chunk_size` frames, whose Opus is cut as
    /// `layout` says. Frames go to `network`, those for people at edges by the other way.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(in crate::send) fn start(
        format: Format,
        chunk_size: u32,
        layout: Layout,
        (network, to_edges): (&Handle, Option<&ToEdges>),
        counters: &Arc<stats::Capture>,
        stop: &Shutdown,
    ) -> Result<Self> {
        let piece = piece_of(chunk_size, format.sample_rate).max(1);
        let room = format.frames_in_ms(WAITS_MS).div_ceil(piece as usize);
        let count = available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
        let mut threads = Vec::new();
        for _ in 0..count {
            let (sender, jobs) = sync_channel(room);
            let (network, counters) = (network.clone(), Arc::clone(counters));
            let to_edges = to_edges.cloned();
            let work = move || {
                let worker = Worker::new(format, chunk_size, layout);
                run(&jobs, worker, (&network, to_edges.as_ref()), &counters)
            };
            let handle = Some(spawn("mixes", Priority::Soon, stop, work)?);
            let changed = BTreeSet::new();
            threads.push(Thread { jobs: Some(sender), handle, changed, is_busy: false });
        }
        Ok(Self { threads, ears: BTreeMap::new(), counters: Arc::clone(counters) })
    }

    /// Own mixes that nobody makes, for tests of what is said to people.
    #[cfg(test)]
    pub(in crate::send) fn none() -> Self {
        Self { threads: Vec::new(), ears: BTreeMap::new(), counters: Arc::default() }
    }

    /// Sets how a person hears a mix of their own from the next chunk on; `None` where they have
    /// left.
    pub(in crate::send) fn set(&mut self, person: u32, ear: Option<Ear>) {
        if self.ears.get(&person) == ear.as_ref() {
            return;
        }
        match ear {
            Some(ear) => drop(self.ears.insert(person, ear)),
            None => drop(self.ears.remove(&person)),
        }
        let count = self.threads.len().max(1);
        if let Some(thread) = self.threads.get_mut(person as usize % count) {
            thread.changed.insert(person);
        }
    }

    /// Has the chunk in hand of `mix` made for everybody who has a mix of their own: one job for each
    /// thread. Comes before the chunk is [made for everybody](Combine::common), because a thread that
    /// had nothing to do goes on from there.
    pub(in crate::send) fn work(&mut self, header: AudioHeader, mix: &mut Combine) {
        let Self { threads, ears, counters } = self;
        let mut shared = None;
        let count = threads.len();
        for (number, thread) in threads.iter_mut().enumerate() {
            let is_its = |person: &u32| *person as usize % count == number;
            let has_people = ears.keys().any(is_its);
            if !has_people && !thread.is_busy {
                thread.changed.clear();
                continue;
            }
            let chunk = Arc::clone(shared.get_or_insert_with(|| Arc::new(mix.shared())));
            let changed = std::mem::take(&mut thread.changed);
            let changes = changed.iter().map(|person| (*person, ears.get(person).cloned()));
            let seed = (!thread.is_busy).then(|| Box::new(mix.listener()));
            let job = Job { header, chunk, ears: changes.collect(), seed };
            let Some(jobs) = &thread.jobs else { continue };
            match jobs.try_send(job) {
                Ok(()) => thread.is_busy = has_people,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                    // It is told with the next chunk.
                    thread.changed = changed;
                    counters.chunks_dropped.add(1);
                }
            }
        }
    }
}

impl Drop for OwnMixes {
    fn drop(&mut self) {
        for thread in &mut self.threads {
            thread.jobs = None;
        }
        for handle in self.threads.iter_mut().filter_map(|thread| thread.handle.take()) {
            // It has no sound of its own to lose.
            let _ = handle.join();
        }
    }
}

fn run(
    jobs: &Receiver<Job>,
    mut worker: Worker,
    (network, to_edges): (&Handle, Option<&ToEdges>),
    counters: &stats::Capture,
) {
    while let Ok(job) = jobs.recv() {
        let mut frames = Vec::new();
        worker.work(job, |person, frame| frames.push((person, frame)));
        if let Some(to_edges) = to_edges {
            counters.chunks_dropped.add(to_edges.take_from(&mut frames));
        }
        let count = frames.len() as u64;
        if count > 0 && !network.send_to(frames) {
            counters.chunks_dropped.add(count);
        }
    }
}
