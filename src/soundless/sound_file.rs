//! A sound file of any kind that can be played, from its start to its end or over and over.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::format::{Format, sanitise};
use crate::sound::mixdown::Layout;
use crate::soundless::blocks::Compressed;
use crate::soundless::fault::Fault;
use crate::soundless::input::Input;
use crate::soundless::kind::{FileKind, recognise};
use crate::soundless::pcm::Pcm;
use crate::soundless::{others, riff};
use crate::source::PIPE;

const FILE_KINDS: &str = "AuraLync plays WAV, AIFF, FLAC, MP3, M4A, Ogg Vorbis and Opus";

/// A file of sound, read piece by piece.
#[derive(Debug)]
pub(crate) struct SoundFile {
    path: PathBuf,
    looped: bool,
    /// Whether it comes at the pace of who writes it.
    is_pipe: bool,
    decoder: Decoder,
}

#[derive(Debug)]
enum Decoder {
    Pcm(Pcm),
    Compressed(Box<Compressed>),
}

impl SoundFile {
    pub(crate) fn open(path: &Path, looped: bool) -> Result<Self> {
        if path != Path::new(PIPE) {
            return Self::of(path, open_file(path).and_then(open_decoder), looped);
        }
        let input = open_standard_input();
        let is_pipe = input.as_ref().is_ok_and(Input::is_pipe);
        let file = Self::of(Path::new("standard input"), input.and_then(open_decoder), looped)?;
        Ok(Self { is_pipe, ..file })
    }

    /// A file that is in memory.
    pub(crate) fn from_bytes(bytes: Vec<u8>, looped: bool) -> Result<Self> {
        Self::of(Path::new("memory"), open_decoder(Input::memory(bytes)), looped)
    }

    fn of(path: &Path, decoder: std::result::Result<Decoder, Fault>, looped: bool) -> Result<Self> {
        let decoder = decoder.map_err(|fault| cannot_play(path, &fault))?;
        Ok(Self { path: path.to_owned(), looped, is_pipe: false, decoder })
    }

    /// Whether it may let who reads it wait.
    pub(crate) fn is_pipe(&self) -> bool {
        self.is_pipe
    }

    pub(crate) fn format(&self) -> Format {
        match &self.decoder {
            Decoder::Pcm(pcm) => pcm.format(),
            Decoder::Compressed(compressed) => compressed.format(),
        }
    }

    /// What the channels are.
    pub(crate) fn layout(&self) -> &Layout {
        match &self.decoder {
            Decoder::Pcm(pcm) => pcm.layout(),
            Decoder::Compressed(compressed) => compressed.layout(),
        }
    }

    /// Frames from start to end; none when the file never ends or does not say.
    pub(crate) fn frames_total(&self) -> Option<u64> {
        match &self.decoder {
            _ if self.looped => None,
            Decoder::Pcm(pcm) => pcm.frames_total(),
            Decoder::Compressed(compressed) => compressed.frames_total(),
        }
    }

    pub(crate) fn damaged(&self) -> u64 {
        match &self.decoder {
            Decoder::Pcm(_) => 0,
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
                Decoder::Pcm(pcm) => pcm.read(&mut out[filled..])?,
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
            Decoder::Pcm(pcm) => pcm.restart(),
            Decoder::Compressed(compressed) => compressed.restart(),
        }
    }
}

fn open_file(path: &Path) -> std::result::Result<Input, Fault> {
    // Before opening: to open a named pipe would wait for its writer.
    let about = std::fs::metadata(path)?;
    if about.is_dir() {
        return Err(Fault::Io(ErrorKind::IsADirectory.into()));
    }
    if !about.is_file() {
        return Err(Fault::Unknown("it is not an ordinary file".into()));
    }
    Ok(Input::file(File::open(path)?))
}

/// What is piped into this program. It can be read once, and by one.
fn open_standard_input() -> std::result::Result<Input, Fault> {
    static IS_TAKEN: AtomicBool = AtomicBool::new(false);
    let stdin = io::stdin();
    if stdin.is_terminal() {
        let fix = "Write PROGRAM | auralync-server --source file:-";
        return Err(Fault::NoPipe("nothing is piped into this program", fix));
    }
    if IS_TAKEN.swap(true, Ordering::Relaxed) {
        return Err(Fault::NoPipe(
            "it was read from already, and can be read once",
            "Name it once; to hear it again, start the server again",
        ));
    }
    #[cfg(unix)]
    let input = std::os::fd::AsFd::as_fd(&stdin).try_clone_to_owned()?;
    #[cfg(windows)]
    let input = std::os::windows::io::AsHandle::as_handle(&stdin).try_clone_to_owned()?;
    Ok(Input::pipe(File::from(input)))
}

fn open_decoder(mut input: Input) -> std::result::Result<Decoder, Fault> {
    if input.peek(1)?.is_empty() {
        return Err(Fault::Unknown("it is empty".into()));
    }
    let stored = match recognise(&mut input)? {
        FileKind::Riff => riff::read_header(&mut input)?,
        FileKind::W64 => others::read_w64(&mut input)?,
        FileKind::Aiff => others::read_aiff(&mut input)?,
        FileKind::Au => others::read_au(&mut input)?,
        FileKind::Caf => others::read_caf(&mut input)?,
        kind @ (FileKind::Flac | FileKind::Mp3 | FileKind::Mp4 | FileKind::Ogg) => {
            return Ok(Decoder::Compressed(Box::new(Compressed::open(input, kind)?)));
        }
    };
    Ok(Decoder::Pcm(Pcm::open(input, stored)?))
}

fn cannot_play(path: &Path, fault: &Fault) -> Error {
    match fault {
        Fault::NoPipe(why, fix) => Error::file(path, why, *fix),
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
            ErrorKind::NotSeekable => Error::file(
                path,
                "its parts stand in an order that cannot be played from a pipe",
                "Save it as a file first, and name that",
            ),
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
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use crate::soundless::flac_writer::flac;

    fn wav(samples: &[f32]) -> Vec<u8> {
        let scratch = Scratch::new();
        let path = scratch.path("made.wav");
        let format = Format { sample_rate: 48_000, channels: 2 };
        let mut file = crate::recording::WavFile::create(&path, format, false).unwrap();
        file.write(samples).unwrap();
        file.finish().unwrap();
        std::fs::read(path).unwrap()
    }

    fn refusal(path: &Path) -> String {
        let error = SoundFile::open(path, false).unwrap_err();
        assert_eq!(error.exit_code(), crate::error::exit::FILE);
        let text = error.to_string();
        assert!(!text.contains('\n'), "{text}");
        let (place, why) = text.split_once(": ").unwrap();
        assert_eq!(place, path.display().to_string());
        why.to_owned()
    }

    #[test]
    fn a_file_that_cannot_be_read_is_one_clear_line() {
        let scratch = Scratch::new();
        assert_eq!(
            refusal(&scratch.path("missing.wav")),
            "there is no such file. Check the name and the folder"
        );
        assert_eq!(refusal(&scratch.path("")), "this is a folder. Name one sound file in it");
        #[cfg(unix)]
        assert_eq!(
            refusal(Path::new("/dev/null")),
            "it is not an ordinary file. AuraLync plays WAV, AIFF, FLAC, MP3, M4A, Ogg Vorbis and Opus; name such a file"
        );
    }

    #[test]
    fn a_file_that_may_not_be_read_says_so() {
        let error = cannot_play(Path::new("a.wav"), &Fault::Io(ErrorKind::PermissionDenied.into()));
        assert_eq!(
            error.to_string(),
            "a.wav: reading it is not allowed. \
             Change the file's permissions, or copy it to a folder of your own"
        );
    }

    #[test]
    fn a_file_that_is_not_sound_is_one_clear_line() {
        let scratch = Scratch::new();
        let path = scratch.path("thing");
        let text = b"not sound but a text. ".repeat(5_000);
        for bytes in [b"x".to_vec(), b"ID3".to_vec(), text] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(
                refusal(&path),
                "it is not a sound file known here. \
                 AuraLync plays WAV, AIFF, FLAC, MP3, M4A, Ogg Vorbis and Opus; name such a file"
            );
        }
        std::fs::write(&path, b"").unwrap();
        assert!(refusal(&path).starts_with("it is empty. "));
    }

    #[test]
    fn a_looped_file_goes_on_without_a_gap_and_has_no_end() {
        let scratch = Scratch::new();
        let samples: Vec<i16> = (0..2 * 1_000).collect();
        let expected: Vec<f32> = samples.iter().map(|s| f32::from(*s) / 32_768.0).collect();
        for (name, bytes) in [("a.flac", flac(48_000, 2, &samples, 300)), ("a.wav", wav(&expected))]
        {
            let path = scratch.path(name);
            std::fs::write(&path, bytes).unwrap();
            let mut file = SoundFile::open(&path, true).unwrap();
            assert_eq!(file.frames_total(), None);
            let mut out = vec![0.0; 2 * 3_500];
            for part in out.chunks_mut(2 * 128) {
                assert_eq!(file.read(part).unwrap(), part.len() / 2);
            }
            let repeated: Vec<f32> = expected.iter().copied().cycle().take(out.len()).collect();
            assert!(out == repeated, "{name}");
        }
    }

    #[test]
    fn a_looped_file_that_has_shrunk_to_nothing_ends() {
        let scratch = Scratch::new();
        let path = scratch.path("a.wav");
        std::fs::write(&path, wav(&[0.5; 2 * 10_000])).unwrap();
        let mut file = SoundFile::open(&path, true).unwrap();
        std::fs::write(&path, b"").unwrap();
        let mut out = vec![0.0; 2 * 50_000];
        assert!(file.read(&mut out).unwrap() <= 10_000);
        assert_eq!(file.read(&mut out).unwrap(), 0);
    }

    #[test]
    fn samples_that_are_not_sound_become_silence() {
        let scratch = Scratch::new();
        let path = scratch.path("a.wav");
        std::fs::write(&path, wav(&[f32::NAN, f32::INFINITY, 1e30, -0.5])).unwrap();
        let mut out = [9.0; 4];
        SoundFile::open(&path, false).unwrap().read(&mut out).unwrap();
        assert_eq!(out, [0.0, 0.0, crate::format::MAX_SAMPLE, -0.5]);
    }
}
