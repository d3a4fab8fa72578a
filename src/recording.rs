//! Recordings: sound files that grow while sound plays, written by a thread of their own.
//!
//! Whoever has sound gives it to a [`Tap`] and never waits: a bounded queue and the recorder's
//! thread stand between it and the disk. What finds no room in the queue is counted, and is silence
//! of its length in the file, so that what follows lies where it belongs.
//!
//! Every file is readable up to its last second at every moment of its making.

mod disk;
mod file;
mod flac_file;
mod flac_frame;
mod name;
mod opus_file;
mod recorder;
mod tracks;
mod wav_file;
mod wav_pipe;

pub(crate) use flac_file::header as flac_header;
pub(crate) use flac_frame::{crc, frame as flac_frame};

pub use file::{Kind, RecordingFile, STDOUT};
pub use name::{check_name, refuse_at_once, refuse_folder_at_once};
pub use recorder::{Control, Failure, LONGEST_GAP_MS, Recorder, Tap};
pub use tracks::RecordTracks;
pub use wav_file::WavFile;
