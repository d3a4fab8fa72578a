//! What the server records: the mix as it is sent, and each of its inputs.

use std::path::PathBuf;
use std::sync::Arc;

use super::combine::Id;
use crate::error::Result;
use crate::format::Format;
use crate::recording::{Control, Failure, RecordTracks, Recorder, Tap};
use crate::settings::ServerSettings;
use crate::shutdown::Shutdown;
use crate::stats;

/// The threads that write what is sent into files.
#[derive(Default)]
pub(in crate::send) struct Recordings {
    /// The recorder of `--record` and `--record-dir`.
    mix: Option<Recorder>,
    /// The recorder of `--record-tracks`.
    tracks: Option<Recorder>,
    taps: Taps,
    /// Begins and ends recordings of the mix while the server runs, where there is a folder for it.
    pub(in crate::send) control: Option<Control>,
    pub(in crate::send) counters: Arc<stats::Recording>,
}

/// Where the chunking thread gives what is recorded.
#[derive(Debug, Default)]
pub(in crate::send) struct Taps {
    mix: Option<Tap>,
    tracks: Option<RecordTracks>,
    /// Frames of the mix, from the first on, that are left out.
    ahead: usize,
}

impl Taps {
    /// The mix comes out this many frames later than its inputs go in: without those it begins with
    /// the sample that the tracks begin with.
    pub(in crate::send) fn leave_out(&mut self, frames: usize) {
        self.ahead = frames;
    }

    /// Takes what is sent of the chunk at `position`, interleaved.
    pub(in crate::send) fn mix(&mut self, format: Format, position: u64, samples: &[f32]) {
        if let Some(tap) = &mut self.mix {
            let left_out = self.ahead.min(format.frames(samples.len()));
            self.ahead -= left_out;
            tap.chunk(format, position + left_out as u64, &samples[format.samples(left_out)..]);
        }
    }

    /// Takes what an input gives to that chunk, before level and pan.
    pub(in crate::send) fn input(
        &mut self,
        (Id(id), name): (Id, &str),
        format: Format,
        position: u64,
        samples: &[f32],
    ) {
        if let Some(tracks) = &mut self.tracks {
            tracks.input(id, name, format, position, samples);
        }
    }

    /// Takes what the person whose program calls itself `id` gives to that chunk.
    pub(in crate::send) fn person(
        &mut self,
        (id, name): (&str, &str),
        format: Format,
        position: u64,
        samples: &[f32],
    ) {
        if let Some(tracks) = &mut self.tracks {
            tracks.person(id, name, format, position, samples);
        }
    }

    /// An input gives nothing any more: its file is complete.
    pub(in crate::send) fn end(&mut self, Id(id): Id) {
        if let Some(tracks) = &mut self.tracks {
            tracks.end(id);
        }
    }
}

impl Recordings {
    /// Makes the files, as far as they are known already.
    pub(in crate::send) fn start(
        settings: &ServerSettings,
        format: Format,
        stop: &Shutdown,
    ) -> Result<Self> {
        let mut recordings = Self::default();
        let start = |recordings: &Self| {
            let counters = Arc::clone(&recordings.counters);
            Recorder::start(settings.overwrite, Failure::IsSaid, counters, stop)
        };
        if let Some(folder) = &settings.record_tracks {
            let recorder = start(&recordings)?;
            let tracks = RecordTracks::new(&recorder, folder, settings.overwrite)?;
            recordings.taps.tracks = Some(tracks);
            recordings.tracks = Some(recorder);
        }
        if settings.record.is_none() && settings.record_dir.is_none() {
            return Ok(recordings);
        }
        let recorder = start(&recordings)?;
        let control = |folder: &PathBuf| recorder.control(folder.clone(), Some(format));
        recordings.control = settings.record_dir.as_ref().map(control);
        if let Some(path) = &settings.record {
            recorder.begin(path.clone(), Some(format))?;
        }
        recordings.taps.mix = Some(recorder.tap());
        recordings.mix = Some(recorder);
        Ok(recordings)
    }

    /// The taps through which sound is given to the recordings; nothing the second time.
    pub(in crate::send) fn take_taps(&mut self) -> Taps {
        std::mem::take(&mut self.taps)
    }

    /// Completes the files.
    pub(in crate::send) fn finish(self) {
        for recorder in [self.mix, self.tracks].into_iter().flatten() {
            recorder.finish();
        }
    }
}
