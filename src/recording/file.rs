//! A recording of any kind.

use std::io::Stdout;
use std::path::Path;

use super::flac_file::FlacFile;
use super::opus_file::OpusFile;
use super::wav_file::WavFile;
use super::wav_pipe::WavPipe;
use crate::error::{Error, Result};
use crate::format::Format;

/// The path of a recording that is a WAV stream to standard output.
pub const STDOUT: &str = "-";

/// What a recording is written as; the end of its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// float32, every sample as it was, beyond full scale too.
    Wav,
    /// 24 bits without loss.
    Flac,
    /// Compressed for ears: a twentieth of the room.
    Opus,
}

impl Kind {
    /// What the name asks for.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a name with another end.
    pub fn of(path: &Path) -> Result<Self> {
        let end = path.extension().map(|end| end.to_ascii_lowercase());
        match end.as_ref().and_then(|end| end.to_str()) {
            Some("wav") => Ok(Self::Wav),
            Some("flac") => Ok(Self::Flac),
            Some("opus") => Ok(Self::Opus),
            _ => Err(Error::usage(
                format!("a recording cannot be called “{}”", path.display()),
                "Its name ends in .wav, .flac or .opus, which says how it is written",
            )),
        }
    }
}

/// A sound file being written. Dropped without [`finish`](Self::finish) it may lack its last
/// moment.
#[derive(Debug)]
pub enum RecordingFile {
    /// See [`Kind::Wav`].
    Wav(WavFile),
    /// See [`Kind::Flac`].
    Flac(FlacFile),
    /// See [`Kind::Opus`].
    Opus(Box<OpusFile>),
    /// See [`STDOUT`].
    Pipe(WavPipe<Stdout>),
}

impl RecordingFile {
    /// Makes the file, of the kind that its name asks for, or begins the stream to [`STDOUT`].
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a name that asks for none, [`Error::File`] when something of that name
    /// exists and `overwrite` is false, or when the file cannot be made.
    pub fn create(path: &Path, format: Format, overwrite: bool) -> Result<Self> {
        if path == Path::new(STDOUT) {
            return WavPipe::begin(std::io::stdout(), format).map(Self::Pipe);
        }
        match Kind::of(path)? {
            Kind::Wav => WavFile::create(path, format, overwrite).map(Self::Wav),
            Kind::Flac => FlacFile::create(path, format, overwrite).map(Self::Flac),
            Kind::Opus => {
                OpusFile::create(path, format, overwrite).map(|file| Self::Opus(Box::new(file)))
            }
        }
    }

    /// Appends interleaved samples, whole frames.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take them.
    pub fn write(&mut self, samples: &[f32]) -> Result<()> {
        match self {
            Self::Wav(file) => file.write(samples),
            Self::Flac(file) => file.write(samples),
            Self::Opus(file) => file.write(samples),
            Self::Pipe(pipe) => pipe.write(samples),
        }
    }

    /// Appends so many frames of silence.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn silence(&mut self, frames: u64) -> Result<()> {
        match self {
            Self::Wav(file) => file.silence(frames),
            Self::Flac(file) => file.silence(frames),
            Self::Opus(file) => file.silence(frames),
            Self::Pipe(pipe) => pipe.silence(frames),
        }
    }

    /// Makes what was written so far readable, all but a fraction of a second, whatever happens to
    /// this process afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take it, or when somebody has removed the file.
    pub fn checkpoint(&mut self) -> Result<()> {
        match self {
            Self::Wav(file) => file.checkpoint(),
            Self::Flac(file) => file.checkpoint(),
            Self::Opus(file) => file.checkpoint(),
            Self::Pipe(pipe) => pipe.flush(),
        }
    }

    /// Completes the file.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take the rest.
    pub fn finish(self) -> Result<()> {
        match self {
            Self::Wav(file) => file.finish(),
            Self::Flac(file) => file.finish(),
            Self::Opus(file) => file.finish(),
            Self::Pipe(mut pipe) => pipe.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_name_says_what_is_written() {
        for (name, kind) in [
            ("a.wav", Some(Kind::Wav)),
            ("a.b.FLAC", Some(Kind::Flac)),
            ("/x/y.Opus", Some(Kind::Opus)),
            ("wav", None),
            (".wav", None),
            ("a.ogg", None),
            ("a.wav.", None),
        ] {
            assert_eq!(Kind::of(Path::new(name)).ok(), kind, "{name}");
        }
    }
}
