//! The files that what is heard is written into, and their threads.

use std::sync::Arc;

use super::play::Taps;
use crate::error::Result;
use crate::recording::{Failure, Recorder};
use crate::settings::{ClientSettings, Output};
use crate::shutdown::Shutdown;
use crate::stats;

/// The threads that write what is heard into files.
#[derive(Default)]
pub(super) struct Recordings {
    /// The recorder of `--output wav:FILE`.
    output: Option<Recorder>,
    /// The recorder of `--record`.
    heard: Option<Recorder>,
    pub(super) counters: Arc<stats::Recording>,
}

impl Recordings {
    pub(super) fn start(settings: &ClientSettings, stop: &Shutdown) -> Result<Self> {
        let mut recordings = Self::default();
        if let Output::Wav(path) = &settings.output {
            // Without its file such an output is none.
            let output =
                Recorder::start(settings.overwrite, Failure::IsKept, Arc::default(), stop)?;
            output.begin(path.clone(), None)?;
            recordings.output = Some(output);
        }
        if let Some(path) = &settings.record {
            let counters = Arc::clone(&recordings.counters);
            let heard = Recorder::start(settings.overwrite, Failure::IsSaid, counters, stop)?;
            heard.begin(path.clone(), None)?;
            recordings.heard = Some(heard);
        }
        Ok(recordings)
    }

    pub(super) fn taps(&self) -> Taps {
        let tap = |recorder: &Option<Recorder>| recorder.as_ref().map(Recorder::tap);
        Taps { output: tap(&self.output), heard: tap(&self.heard) }
    }

    /// Completes the files.
    pub(super) fn finish(self) {
        for recorder in [self.output, self.heard].into_iter().flatten() {
            recorder.finish();
        }
    }
}
