//! Encodes the mixes that are for one person alone, on threads of their own: an Opus encoder takes
//! about a hundredth of a core, and the chunking thread must never be late.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{JoinHandle, available_parallelism};

use crate::codec::opus::Layout;
use crate::codec::{Codec, InUse};
use crate::error::Result;
use crate::format::Format;
use crate::send::encode::Encoders;
use crate::send::transmit::Handle;
use crate::shutdown::Shutdown;
use crate::stats;
use crate::threads::{Priority, spawn};
use crate::wire::AudioHeader;

/// Most threads: with more talkers than these encode for, the network is full.
const MOST_THREADS: usize = 4;

/// Chunks that wait for a thread: some milliseconds for each of the most people, longer for fewer.
/// What finds no room is dropped and counted.
const QUEUE: usize = 1024;

/// The threads.
pub(super) struct OwnMixes {
    threads: Vec<SyncSender<Job>>,
    handles: Vec<JoinHandle<()>>,
    counters: Arc<stats::Capture>,
}

enum Job {
    Encode { person: u32, codec: Codec, header: AudioHeader, samples: Vec<f32> },
    Forget { person: u32 },
}

impl OwnMixes {
    /// Threads for mixes in `format`, whose Opus is cut as `layout` says. Frames go to `network`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(
        format: Format,
        layout: Layout,
        network: &Handle,
        counters: &Arc<stats::Capture>,
        stop: &Shutdown,
    ) -> Result<Self> {
        let count = available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
        let (mut threads, mut handles) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (sender, jobs) = sync_channel(QUEUE);
            let (network, counters) = (network.clone(), Arc::clone(counters));
            let work = move || encode(&jobs, format, layout, &network, &counters);
            handles.push(spawn("mixes", Priority::Soon, stop, work)?);
            threads.push(sender);
        }
        Ok(Self { threads, handles, counters: Arc::clone(counters) })
    }

    /// Encodes a chunk for one person.
    pub(super) fn encode(&self, person: u32, codec: Codec, header: AudioHeader, samples: &[f32]) {
        let job = Job::Encode { person, codec, header, samples: samples.to_vec() };
        if self.thread(person).is_some_and(|thread| thread.try_send(job).is_err()) {
            self.counters.chunks_dropped.add(1);
        }
    }

    /// Ends what was begun for a person, who has left.
    pub(super) fn forget(&self, person: u32) {
        if let Some(thread) = self.thread(person) {
            // Only a thread that has broken takes nothing for long.
            let _ = thread.send(Job::Forget { person });
        }
    }

    fn thread(&self, person: u32) -> Option<&SyncSender<Job>> {
        self.threads.get(person as usize % self.threads.len().max(1))
    }
}

impl Drop for OwnMixes {
    fn drop(&mut self) {
        self.threads.clear();
        for handle in self.handles.drain(..) {
            // It has no sound of its own to lose.
            let _ = handle.join();
        }
    }
}

/// What one person's mix goes through.
struct Ear {
    codec: Codec,
    in_use: InUse,
    encoders: Encoders,
}

fn encode(
    jobs: &Receiver<Job>,
    format: Format,
    layout: Layout,
    network: &Handle,
    counters: &stats::Capture,
) {
    let mut ears: BTreeMap<u32, Ear> = BTreeMap::new();
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Forget { person } => drop(ears.remove(&person)),
            Job::Encode { person, codec, header, samples } => {
                let make = || {
                    let in_use = InUse::default();
                    in_use.add(codec);
                    Ear { codec, in_use, encoders: Encoders::new(format, layout) }
                };
                if ears.get(&person).is_some_and(|ear| ear.codec != codec) {
                    ears.remove(&person);
                }
                let ear = ears.entry(person).or_insert_with(make);
                ear.encoders.encode(header, &samples, &ear.in_use, |frame| {
                    if !network.send_to(person, frame) {
                        counters.chunks_dropped.add(1);
                    }
                });
            }
        }
    }
}
