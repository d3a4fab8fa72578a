//! A sound file of any kind that can be played, from its start to its end or over and over.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::format::{Format, MAX_SAMPLE_RATE, sanitise};
use crate::soundless::MAX_CHANNELS;
use crate::soundless::compressed::Compressed;
use crate::soundless::wav_reader::{self, WavReader};

/// Lowest sample rate of a sound file, in Hz. Below it a header lies.
const MIN_SAMPLE_RATE: u32 = 1_000;

const FILE_KINDS: &str = "AuraLync plays WAV, FLAC, MP3 and Ogg Vorbis";

/// Why a file's contents cannot be played.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The system would not read it.
    Io(io::Error),
    /// It is not sound, or not of a kind that is known here.
    Unknown(String),
    /// It is sound, but its header cannot be right.
    Damaged(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A file of sound, read piece by piece.
#[derive(Debug)]
pub(crate) struct SoundFile {
    path: PathBuf,
    looped: bool,
    decoder: Decoder,
}

#[derive(Debug)]
enum Decoder {
    Wav(WavReader),
    Compressed(Compressed),
}

impl SoundFile {
    pub(crate) fn open(path: &Path, looped: bool) -> Result<Self> {
        let decoder = open_decoder(path).map_err(|fault| cannot_play(path, &fault))?;
        Ok(Self { path: path.to_owned(), looped, decoder })
    }

    pub(crate) fn format(&self) -> Format {
        match &self.decoder {
            Decoder::Wav(wav) => wav.format(),
            Decoder::Compressed(compressed) => compressed.format(),
        }
    }

    /// Frames from start to end; none when the file never ends or does not say.
    pub(crate) fn frames_total(&self) -> Option<u64> {
        match &self.decoder {
            _ if self.looped => None,
            Decoder::Wav(wav) => Some(wav.frames_total()),
            Decoder::Compressed(compressed) => compressed.frames_total(),
        }
    }

    pub(crate) fn damaged(&self) -> u64 {
        match &self.decoder {
            Decoder::Wav(_) => 0,
            Decoder::Compressed(compressed) => compressed.damaged(),
        }
    }

    /// Fills whole interleaved frames as far as the file reaches; returns how many frames.
    pub(crate) fn read(&mut self, out: &mut [f32]) -> Result<usize> {
        let filled = self.fill(out).map_err(|fault| cannot_play(&self.path, &fault))?;
        sanitise(&mut out[..filled]);
        Ok(self.format().frames(filled))
    }

    fn fill(&mut self, out: &mut [f32]) -> std::result::Result<usize, Fault> {
        let mut filled = 0;
        let mut just_started = false;
        while filled < out.len() {
            let got = match &mut self.decoder {
                Decoder::Wav(wav) => wav.read(&mut out[filled..])?,
                Decoder::Compressed(compressed) => compressed.read(&mut out[filled..])?,
            };
            filled += got;
            if got > 0 {
                just_started = false;
            } else if self.looped && !just_started {
                self.restart()?;
                // A file that has become empty must not be started for ever.
                just_started = true;
            } else {
                break;
            }
        }
        Ok(filled)
    }

    fn restart(&mut self) -> std::result::Result<(), Fault> {
        match &mut self.decoder {
            Decoder::Wav(wav) => wav.restart(),
            Decoder::Compressed(compressed) => compressed.restart(),
        }
    }
}

/// The format that a header claims, unless it lies.
pub(crate) fn believable(sample_rate: u32, channels: usize) -> std::result::Result<Format, Fault> {
    if !(MIN_SAMPLE_RATE..=MAX_SAMPLE_RATE).contains(&sample_rate) {
        return Err(Fault::Damaged(format!("its header claims {sample_rate} samples a second")));
    }
    match u16::try_from(channels) {
        Ok(channels) if (1..=MAX_CHANNELS).contains(&channels) => {
            Ok(Format { sample_rate, channels })
        }
        _ => Err(Fault::Damaged(format!("its header claims {channels} channels"))),
    }
}

fn open_decoder(path: &Path) -> std::result::Result<Decoder, Fault> {
    // Before opening: to open a named pipe would wait for its writer.
    let about = std::fs::metadata(path)?;
    if about.is_dir() {
        return Err(Fault::Io(ErrorKind::IsADirectory.into()));
    }
    if !about.is_file() {
        return Err(Fault::Unknown("it is not an ordinary file".into()));
    }
    let mut file = File::open(path)?;
    let mut start = Vec::with_capacity(wav_reader::SIGNATURE_BYTES);
    (&mut file).take(wav_reader::SIGNATURE_BYTES as u64).read_to_end(&mut start)?;
    file.rewind()?;
    if start.is_empty() {
        return Err(Fault::Unknown("it is empty".into()));
    }
    if wav_reader::is_wav(&start) {
        Ok(Decoder::Wav(WavReader::open(file)?))
    } else {
        Ok(Decoder::Compressed(Compressed::open(file)?))
    }
}

fn cannot_play(path: &Path, fault: &Fault) -> Error {
    match fault {
        Fault::Unknown(why) => Error::file(path, why, format!("{FILE_KINDS}; name such a file")),
        Fault::Damaged(why) => Error::file(
            path,
            format!("it is damaged: {why}"),
            "Try another file, or save this one anew with a sound editor",
        ),
        Fault::Io(error) => match error.kind() {
            ErrorKind::NotFound => {
                Error::file(path, "there is no such file", "Check the name and the folder")
            }
            ErrorKind::IsADirectory => {
                Error::file(path, "this is a folder", "Name one sound file in it")
            }
            ErrorKind::PermissionDenied => Error::file(
                path,
                "reading it is not allowed",
                "Change the file's permissions, or copy it to a folder of your own",
            ),
            _ => Error::file(path, error, "Check the disk it is on, or try a copy"),
        },
    }
}

#[cfg(test)]
mod tests;
