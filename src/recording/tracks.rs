//! One file for each source and talker, all of which begin with the same sample.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use log::warn;

use super::name::of_track;
use super::recorder::{Message, Queue, Recorder, gap};
use crate::error::{Error, Result, plain};
use crate::format::Format;

/// Most tracks in one run of a server: each has a file open. Those who come later are in the mix
/// and have no track of their own.
const MOST_TRACKS: u32 = 500;

/// What people are called among the inputs of the mix, behind all of those.
const FIRST_PERSON: u64 = 1 << 62;

/// Gives each input of the mix to a recorder, from one thread, which never waits.
///
/// A track that begins later begins with silence, so that all files laid side by side at their
/// start are in step. WAV lets that silence take no room on most disks.
#[derive(Debug)]
pub struct RecordTracks {
    queue: Queue,
    folder: PathBuf,
    /// Inputs that have a file.
    tracks: BTreeMap<u64, Track>,
    /// People who have one, by what their program calls itself, and what they are among the inputs.
    people: BTreeMap<String, u64>,
    begun: u32,
    /// Position of the newest chunk, the number of its first frame, and how many there are.
    chunk: Option<(u64, u64, u64)>,
}

#[derive(Debug)]
struct Track {
    /// What the recorder calls it: an input that comes back begins another file.
    file: u64,
    /// The chunk for which something was given last.
    position: Option<u64>,
}

impl RecordTracks {
    /// Tracks in `folder`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the folder cannot be made, or when there is something in it and
    /// `overwrite` is false: what tracks will be called is known only when they come.
    pub fn new(recorder: &Recorder, folder: &Path, overwrite: bool) -> Result<Self> {
        make_folder(folder, overwrite)?;
        Ok(Self {
            queue: recorder.queue(),
            folder: folder.to_owned(),
            tracks: BTreeMap::new(),
            people: BTreeMap::new(),
            begun: 0,
            chunk: None,
        })
    }

    /// Takes what an input gives to the chunk at `position` of the mix: interleaved samples, before
    /// level and pan. Inputs come in any order, chunks in theirs. An input that gives nothing is
    /// silent for so long.
    pub fn input(&mut self, id: u64, name: &str, format: Format, position: u64, samples: &[f32]) {
        let frames = format.frames(samples.len()) as u64;
        let at = match self.chunk {
            Some((same, at, _)) if same == position => at,
            Some((before, at, frames)) => {
                at + frames + gap(Some(before + frames), position, format)
            }
            None => 0,
        };
        self.chunk = Some((position, at, frames));
        let Some(track) = self.track_of(id, name) else {
            return;
        };
        // Two at once that call themselves the same have one track: the first of them.
        if track.position.replace(position) != Some(position) {
            let file = track.file;
            self.queue.sound(file, at, format, samples);
        }
    }

    /// Takes what a person says so: `id` is their program's own, so who leaves and comes again goes on in
    /// the track that they had.
    pub fn person(&mut self, id: &str, name: &str, format: Format, position: u64, samples: &[f32]) {
        let number = self.people.get(id).copied().or_else(|| {
            let number = FIRST_PERSON + self.people.len() as u64;
            let is_room = self.people.len() < MOST_TRACKS as usize && self.begun < MOST_TRACKS;
            is_room.then(|| *self.people.entry(id.to_owned()).or_insert(number))
        });
        if let Some(number) = number {
            self.input(number, name, format, position, samples);
        }
    }

    /// An input has left: its file is complete.
    pub fn end(&mut self, id: u64) {
        if let Some(track) = self.tracks.get(&id)
            && self.queue.tell(Message::EndTrack { id: track.file })
        {
            self.tracks.remove(&id);
        }
    }

    /// The track of an input, begun if it has none. `None` where there is no room for another.
    fn track_of(&mut self, id: u64, name: &str) -> Option<&mut Track> {
        if self.tracks.contains_key(&id) {
            return self.tracks.get_mut(&id);
        }
        if self.begun >= MOST_TRACKS {
            return None;
        }
        let number = self.begun + 1;
        let path = self.folder.join(of_track(number, name));
        let file = number.into();
        // A queue that is full has room another time; what lies between will be silence.
        if !self.queue.tell(Message::BeginTrack { id: file, path }) {
            return None;
        }
        self.begun = number;
        if number == MOST_TRACKS {
            warn!("{MOST_TRACKS} tracks are recorded: those who come now get none of their own");
        }
        Some(self.tracks.entry(id).or_insert(Track { file, position: None }))
    }
}

fn make_folder(folder: &Path, overwrite: bool) -> Result<()> {
    let refused = |why: String, fix: &str| Err(Error::file(folder, why, fix));
    match fs::create_dir(folder) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return refused(plain(&error), "Choose a folder that can be made"),
    }
    let Ok(mut files) = fs::read_dir(folder) else {
        return refused("this is not a folder".into(), "Name a folder, or a new one");
    };
    if files.next().is_some() && !overwrite {
        return refused(
            "there are files in this folder already".into(),
            "Name an empty folder or a new one, or add --overwrite to replace tracks in it",
        );
    }
    Ok(())
}
