//! All sources: the carrier's place, and those beside it on their way into the mix.

use super::combine::{Combine, Id, Role};
use super::desk::Order;
use super::prepare::{Feed, Prepared, shown};
use super::record::Taps;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::source::{MAX_SOURCES, SourceOrder};
use crate::stats::{SourceState, SourceStats};
use crate::wire::AudioHeader;

/// The carrier's place in the mix.
pub(super) const CARRIER: Id = Id(0);

struct Entry {
    id: Id,
    name: String,
    feed: Feed,
    device: Option<String>,
    level_dbfs: f32,
    is_playing: bool,
    /// Whether it was taken in while the server ran: then it leaves when it has ended.
    was_added: bool,
}

/// All sources, the carrier first.
pub(super) struct Sources {
    mix: Format,
    entries: Vec<Entry>,
    next_id: u64,
    scratch: Vec<f32>,
    /// Frames until the levels of the last second are read off.
    second_left: usize,
}

impl Sources {
    /// The carrier alone, whose source is called `name`.
    pub(super) fn new(mix: Format, name: &str) -> Self {
        let carrier = Entry {
            id: CARRIER,
            name: shown(name),
            feed: Feed::Carrier,
            device: None,
            level_dbfs: crate::format::dbfs(0.0),
            is_playing: false,
            was_added: false,
        };
        Self {
            mix,
            entries: vec![carrier],
            next_id: 1,
            scratch: Vec::new(),
            second_left: mix.sample_rate as usize,
        }
    }

    /// Takes what cards and other servers have given since last time, until `now_us`.
    pub(super) fn take_input(&mut self, now_us: u64) {
        for entry in &mut self.entries {
            match &mut entry.feed {
                Feed::Card(card) => card.take_input(),
                Feed::Server(server) => server.take_input(now_us),
                Feed::Carrier | Feed::File(_) | Feed::Ended => {}
            }
        }
    }

    /// Gives the mix what stands beside the carrier's chunk of that header.
    pub(super) fn give(&mut self, header: &AudioHeader, combine: &mut Combine, taps: &mut Taps) {
        let frames = header.frames as usize;
        self.scratch.resize(self.mix.samples(frames), 0.0);
        for entry in &mut self.entries {
            let given = match &mut entry.feed {
                Feed::Carrier | Feed::Ended => continue,
                Feed::File(file) => {
                    let count = file.read(&mut self.scratch);
                    entry.is_playing = count > 0;
                    &self.scratch[..count]
                }
                Feed::Card(card) => {
                    entry.is_playing =
                        card.track.read(header.position, header.captured_us, &mut self.scratch);
                    &self.scratch[..]
                }
                Feed::Server(server) => {
                    entry.is_playing = server.read(header, &mut self.scratch);
                    &self.scratch[..]
                }
            };
            combine.input(entry.id, given, false);
            if !given.is_empty() {
                taps.input((entry.id, &entry.name), self.mix, header.position, given);
            }
            if entry.feed.has_ended() {
                entry.feed = Feed::Ended;
                entry.is_playing = false;
                combine.remove(entry.id);
                taps.end(entry.id);
            }
        }
        self.entries.retain(|entry| !entry.was_added || !matches!(entry.feed, Feed::Ended));
        self.second_left = self.second_left.saturating_sub(frames);
        if self.second_left == 0 {
            self.second_left = self.mix.sample_rate as usize;
            for entry in &mut self.entries {
                entry.level_dbfs =
                    combine.take_level_dbfs(entry.id).unwrap_or(crate::format::dbfs(0.0));
            }
        }
    }

    /// Whether the carrier delivers, for the list.
    pub(super) fn set_carrier(&mut self, is_playing: bool, has_ended: bool) {
        if let Some(carrier) = self.entries.first_mut() {
            carrier.is_playing = is_playing;
            if has_ended {
                carrier.feed = Feed::Ended;
            }
        }
    }

    /// Does what was asked.
    pub(super) fn obey(
        &mut self,
        order: Order,
        combine: &mut Combine,
        taps: &mut Taps,
    ) -> Result<Vec<SourceStats>> {
        match order {
            Order::List => {}
            Order::Source(SourceOrder::Level { source, db }) => {
                combine.set_level(self.known(source)?, db);
            }
            Order::Source(SourceOrder::Mute { source, muted }) => {
                combine.set_muted(self.known(source)?, muted);
            }
            Order::Source(SourceOrder::Pan { source, pan }) => {
                combine.set_pan(self.known(source)?, pan);
            }
            Order::Add(prepared) => {
                // One that was there from the start and has ended makes way for itself.
                let is_back = |entry: &Entry| {
                    matches!(entry.feed, Feed::Ended) && entry.name == prepared.name
                };
                let back = self.entries.iter().find(|entry| entry.id != CARRIER && is_back(entry));
                let back = back.map(|entry| entry.id);
                self.add(*prepared, combine)?;
                self.entries.retain(|entry| Some(entry.id) != back);
                if let Some(added) = self.entries.last_mut() {
                    added.was_added = true;
                }
            }
            Order::Source(SourceOrder::Remove { source }) if Id(source) == CARRIER => {
                return Err(Error::usage(
                    "the first source gives all others their time and cannot be taken out",
                    "Mute it",
                ));
            }
            Order::Source(SourceOrder::Remove { source }) => {
                let id = self.known(source)?;
                combine.remove(id);
                taps.end(id);
                self.entries.retain(|entry| entry.id != id);
            }
        }
        Ok(self.list(combine))
    }

    /// Takes a source in.
    pub(super) fn add(&mut self, prepared: Prepared, combine: &mut Combine) -> Result<()> {
        let playing = self.entries.iter().filter(|entry| !matches!(entry.feed, Feed::Ended));
        for entry in playing {
            prepared.refuse(entry.device.as_deref(), &entry.name)?;
        }
        let Prepared { name, settings, feed, device } = prepared;
        if self.entries.iter().any(|e| e.name == name && !matches!(&e.feed, Feed::Ended)) {
            return Err(Error::usage(
                format!("the source “{name}” is in the mix already"),
                "Give each once; its level makes it louder",
            ));
        }
        let id = Id(self.next_id);
        // What has ended is listed and takes no room in the mix.
        let playing = self.entries.iter().filter(|entry| !matches!(entry.feed, Feed::Ended));
        if playing.count() >= MAX_SOURCES || !combine.add(id, Role::Film, settings) {
            return Err(Error::usage(
                format!("{MAX_SOURCES} sources are in the mix already"),
                "Take one out first",
            ));
        }
        self.next_id += 1;
        let level_dbfs = crate::format::dbfs(0.0);
        let (is_playing, was_added) = (false, false);
        self.entries.push(Entry { id, name, feed, device, level_dbfs, is_playing, was_added });
        Ok(())
    }

    fn known(&self, number: u64) -> Result<Id> {
        let id = Id(number);
        if self.entries.iter().any(|entry| entry.id == id) {
            return Ok(id);
        }
        Err(Error::usage(format!("there is no source {number}"), "List the sources that there are"))
    }

    fn list(&self, combine: &Combine) -> Vec<SourceStats> {
        let stats = |entry: &Entry| {
            let settings = combine.settings(entry.id).unwrap_or_default();
            SourceStats {
                id: entry.id.0,
                name: entry.name.clone(),
                level_db: settings.level_db,
                is_muted: settings.is_muted,
                pan: settings.pan,
                level_dbfs: entry.level_dbfs,
                behind_ms: match &entry.feed {
                    Feed::Server(server) => server.behind_ms(),
                    _ => None,
                },
                state: match entry.feed {
                    Feed::Ended => SourceState::Ended,
                    _ if entry.is_playing => SourceState::Playing,
                    _ => SourceState::Waiting,
                },
            }
        };
        self.entries.iter().map(stats).collect()
    }
}

#[cfg(test)]
mod tests;
