//! What a thread does with each chunk: mixes for single listeners, encoded. No thread, no clock.
//!
//! People who have not spoken for a while and wish nothing hear exactly what everybody hears. They
//! share one mix and its encoders. A listener who turns from the shared sound to sound of its own, or
//! back, hears no seam: both mixes have had the same samples of late, all encoders cut at the same
//! positions, and what has been sent is not sent again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::codec::opus::Layout;
use crate::codec::{Codec, InUse};
use crate::format::Format;
use crate::send::encode::Encoders;
use crate::send::mix::combine::{Id, Personal, Shared};
use crate::wire::{AudioFrame, AudioHeader};

/// A person who has not been heard for this long, in ms, shares everybody's mix: limiter and steps
/// back of the film are long the same in both.
const SHARES_AFTER_MS: f64 = 10_000.0;

/// New encoders begin this long before the sound that is sent, in µs: some packets, so that they know
/// what came before, and no packet falls between two encoders.
const WARMS_UP_US: u64 = 100_000;

/// How a person hears the mix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::send) struct Ear {
    /// How their sound is packed.
    pub(in crate::send) codec: Codec,
    /// What they are in the mix, if they may speak.
    pub(in crate::send) own: Option<Id>,
    /// How loud they want to hear others, in percent, where that is not 100.
    pub(in crate::send) volumes: BTreeMap<Id, u16>,
}

/// A chunk to be mixed, and what has changed before it.
pub(super) struct Job {
    pub(super) header: AudioHeader,
    pub(super) chunk: Arc<Shared>,
    /// People who hear otherwise from now on; `None` of those who have left.
    pub(super) ears: Vec<(u32, Option<Ear>)>,
    /// Where everybody's mix stands before the chunk, if the thread had nothing to do until now.
    pub(super) seed: Option<Box<Personal>>,
}

/// How sound is cut.
#[derive(Debug, Clone, Copy)]
struct Cut {
    format: Format,
    chunk_size: u32,
    layout: Layout,
}

impl Cut {
    fn encoders(self) -> Encoders {
        Encoders::new(self.format, self.chunk_size, self.layout)
    }
}

/// The people of one thread.
pub(super) struct Worker {
    cut: Cut,
    common: Option<Common>,
    people: BTreeMap<u32, Somebody>,
}

/// Everybody's mix, for those who share it.
struct Common {
    mix: Personal,
    encoders: Encoders,
    in_use: InUse,
    /// What it gave of late, oldest first.
    recent: VecDeque<(AudioHeader, Vec<f32>)>,
    keep_us: u64,
}

struct Somebody {
    ear: Ear,
    alone: Option<Alone>,
    /// Frames of the mix since they were heard.
    silent: u64,
    /// The position behind the last frame that was sent to them.
    until: u64,
}

/// A mix of their own.
struct Alone {
    mix: Personal,
    encoders: Encoders,
    in_use: InUse,
}

impl Worker {
    /// Makes a worker for mixes in `format`, sent in chunks of `chunk_size` frames, whose Opus is cut as
    /// `layout` says.
    pub(super) fn new(format: Format, chunk_size: u32, layout: Layout) -> Self {
        let cut = Cut { format, chunk_size, layout };
        Self { cut, common: None, people: BTreeMap::new() }
    }

    /// Makes the chunk for everybody; what is complete of it is handed to `send`.
    pub(super) fn work(&mut self, job: Job, mut send: impl FnMut(u32, AudioFrame)) {
        let Job { header, chunk, ears, seed } = job;
        for (person, ear) in ears {
            self.change(person, ear);
        }
        if self.people.is_empty() {
            self.common = None;
            return;
        }
        let cut = self.cut;
        if let Some(seed) = seed {
            self.common = Some(Common::new(*seed, cut));
        }
        let Some(common) = &mut self.common else {
            return;
        };
        for somebody in self.people.values_mut() {
            somebody.turn(&chunk, u64::from(header.frames), common, cut);
        }
        let frames = common.work(header, &chunk, &self.people);
        for (person, somebody) in &mut self.people {
            let until = &mut somebody.until;
            let mut send_new = |frame: AudioFrame| {
                let AudioHeader { position, frames, .. } = *frame.header();
                if position >= *until {
                    *until = position + u64::from(frames);
                    send(*person, frame);
                }
            };
            match &mut somebody.alone {
                Some(Alone { mix, encoders, in_use }) => {
                    encoders.encode(header, mix.mix(&chunk), in_use, send_new);
                }
                None => {
                    let codec = somebody.ear.codec;
                    frames.iter().filter(|f| f.codec() == codec).cloned().for_each(&mut send_new);
                }
            }
        }
    }

    fn change(&mut self, person: u32, ear: Option<Ear>) {
        let Some(ear) = ear else {
            self.people.remove(&person);
            return;
        };
        match self.people.get_mut(&person) {
            Some(somebody) if somebody.ear.codec == ear.codec && somebody.ear.own == ear.own => {
                if let Some(alone) = &mut somebody.alone {
                    alone.mix.set_volumes(&ear.volumes);
                }
                somebody.ear = ear;
            }
            before => {
                // Whose microphone was taken away goes on where they were; another connection begins anew.
                let goes_on =
                    |before: &&mut Somebody| before.ear.codec == ear.codec && ear.own.is_none();
                let until = before.filter(goes_on).map_or(0, |before| before.until);
                // Whoever comes has not been heard yet.
                let somebody = Somebody { ear, alone: None, silent: u64::MAX, until };
                self.people.insert(person, somebody);
            }
        }
    }
}

impl Common {
    fn new(mix: Personal, cut: Cut) -> Self {
        let mut encoders = cut.encoders();
        encoders.remember(WARMS_UP_US);
        // From the beginning of the chunk in hand on it must be there whole.
        let keep_us = WARMS_UP_US + cut.format.micros(cut.chunk_size.into()) as u64;
        Self { mix, encoders, in_use: InUse::default(), recent: VecDeque::new(), keep_us }
    }

    /// Makes the chunk for those who share it.
    fn work(
        &mut self,
        header: AudioHeader,
        chunk: &Shared,
        people: &BTreeMap<u32, Somebody>,
    ) -> Vec<AudioFrame> {
        let sharing = people.values().filter(|somebody| somebody.alone.is_none());
        self.in_use.set(sharing.map(|somebody| somebody.ear.codec));
        let mut frames = Vec::new();
        let sound = self.mix.mix(chunk);
        self.encoders.encode(header, sound, &self.in_use, |frame| frames.push(frame));
        self.recent.push_back((header, sound.to_vec()));
        while self.recent.len() > 1
            && let Some((oldest, _)) = self.recent.front()
            && oldest.captured_us.saturating_add(self.keep_us) < header.captured_us
        {
            self.recent.pop_front();
        }
        frames
    }
}

impl Somebody {
    /// Turns to a mix of their own where the next chunk needs one, or back. Whoever begins to speak must
    /// not hear themselves: so this comes before the chunk is mixed.
    fn turn(&mut self, chunk: &Shared, frames: u64, common: &Common, cut: Cut) {
        let is_heard = self.ear.own.is_some_and(|own| chunk.has(own));
        self.silent = if is_heard { 0 } else { self.silent.saturating_add(frames) };
        let has_wishes = !self.ear.volumes.is_empty()
            || self.alone.as_ref().is_some_and(|alone| alone.mix.has_volumes());
        if self.silent > cut.format.frames_in_ms(SHARES_AFTER_MS) as u64 && !has_wishes {
            self.alone = None;
            return;
        }
        if self.alone.is_some() {
            return;
        }
        let mut mix = common.mix.without(self.ear.own);
        mix.set_volumes(&self.ear.volumes);
        let in_use = InUse::default();
        in_use.add(self.ear.codec);
        let mut encoders = cut.encoders();
        for (header, sound) in &common.recent {
            // They have had it.
            encoders.encode(*header, sound, &in_use, |_| {});
        }
        self.alone = Some(Alone { mix, encoders, in_use });
    }
}

#[cfg(test)]
mod tests;
