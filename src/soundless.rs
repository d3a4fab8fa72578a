//! Sources that need no sound card: a tone, silence, sound files.

mod block;
mod blocks;
mod fault;
mod flac;
mod input;
mod kind;
mod mp3;
mod mp4;
mod ogg;
mod others;
mod pcm;
pub(crate) mod pushed;
mod riff;
mod sound_file;
mod tag;
mod tone;

#[cfg(test)]
mod flac_writer;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod played;

use crate::error::{Error, Result};
use crate::format::Format;
use crate::sound::mixdown::Layout;
use crate::source::Kind;

use pushed::Pushed;
use sound_file::SoundFile;
use tone::Tone;

/// A source that makes its own sound, as fast as it is asked for it.
#[derive(Debug)]
pub struct Generator {
    format: Format,
    layout: Layout,
    sound: Sound,
}

#[derive(Debug)]
enum Sound {
    Silence,
    Tone(Tone),
    File(Box<SoundFile>),
    Pushed(Pushed),
}

impl Generator {
    /// Opens a tone, silence or a file. A tone and silence come in the `fallback` format, a file in
    /// its own. A `looped` file starts again, without a gap, where it ends.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the file cannot be read or is not sound that can be played,
    /// [`Error::Usage`] for a tone that the rate cannot carry, [`Error::Internal`] for a source
    /// that needs a sound card.
    pub fn open(kind: &Kind, looped: bool, fallback: Format) -> Result<Self> {
        let layout = Layout::usual(fallback.channels);
        match kind {
            Kind::None => Ok(Self { format: fallback, layout, sound: Sound::Silence }),
            Kind::Tone { hz } => {
                let sound = Sound::Tone(Tone::new(*hz, fallback)?);
                Ok(Self { format: fallback, layout, sound })
            }
            Kind::File(path) => {
                let file = SoundFile::open(path, looped)?;
                let layout = file.layout().clone();
                Ok(Self { format: file.format(), layout, sound: Sound::File(Box::new(file)) })
            }
            Kind::Engine(_) => Err(Error::usage(
                "a room's sound comes from an engine as it is, and cannot be mixed with something else",
                "Start another server with --source engine:ROOM",
            )),
            Kind::Loopback(_) | Kind::Device(_) | Kind::Auralync(_) | Kind::Pushed => {
                Err(Error::internal(
                    "cannot make sound that comes from elsewhere",
                    "it was asked of the sources that make their own",
                ))
            }
        }
    }

    /// What a program pushes.
    pub(crate) fn pushed(pushed: Pushed) -> Self {
        let format = pushed.format;
        Self { format, layout: Layout::usual(format.channels), sound: Sound::Pushed(pushed) }
    }

    /// Opens a sound file that is in memory, of any kind that is played.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when it is not sound that can be played.
    pub fn from_bytes(bytes: Vec<u8>, looped: bool) -> Result<Self> {
        let file = SoundFile::from_bytes(bytes, looped)?;
        let layout = file.layout().clone();
        Ok(Self { format: file.format(), layout, sound: Sound::File(Box::new(file)) })
    }

    /// Rate and channels of what [`read`](Self::read) gives.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// What the channels of [`read`](Self::read)'s frames are.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Frames from start to end, where there is an end and it is known.
    #[must_use]
    pub fn frames_total(&self) -> Option<u64> {
        match &self.sound {
            Sound::Silence | Sound::Tone(_) | Sound::Pushed(_) => None,
            Sound::File(file) => file.frames_total(),
        }
    }

    /// Pieces of a file that were skipped so far because they are damaged.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        match &self.sound {
            Sound::Silence | Sound::Tone(_) | Sound::Pushed(_) => 0,
            Sound::File(file) => file.damaged(),
        }
    }

    /// Whether [`read`](Self::read) may wait for somebody else: where sound comes through a pipe, or is pushed.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        match &self.sound {
            Sound::File(file) => file.is_pipe(),
            Sound::Pushed(_) => true,
            Sound::Silence | Sound::Tone(_) => false,
        }
    }

    /// Fills `out` with interleaved frames and returns how many: as many as fit, fewer only at the
    /// end of a file, or where no more were pushed, 0 after the end.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk fails.
    pub fn read(&mut self, out: &mut [f32]) -> Result<usize> {
        let frames = self.format.frames(out.len());
        let out = &mut out[..self.format.samples(frames)];
        match &mut self.sound {
            Sound::Silence => out.fill(0.0),
            Sound::Tone(tone) => tone.fill(out),
            Sound::File(file) => return file.read(out),
            Sound::Pushed(pushed) => return Ok(pushed.read(out)),
        }
        Ok(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

    #[test]
    fn silence_and_a_tone_have_no_end_and_the_format_asked_for() {
        for kind in [Kind::None, Kind::Tone { hz: 440.0 }] {
            let mut generator = Generator::open(&kind, false, STEREO).unwrap();
            assert_eq!(generator.format(), STEREO);
            assert_eq!(generator.frames_total(), None);
            let mut out = [9.0; 2 * 500 + 1];
            assert_eq!(generator.read(&mut out).unwrap(), 500);
            assert!(out[..1_000].iter().all(|sample| sample.abs() < 1.0));
            assert_eq!(out[1_000], 9.0, "half a frame is left alone");
        }
    }

    #[test]
    fn silence_is_exact() {
        let mut out = [1.0; 64];
        Generator::open(&Kind::None, false, STEREO).unwrap().read(&mut out).unwrap();
        assert_eq!(out, [0.0; 64]);
    }

    #[test]
    fn a_source_that_needs_a_card_is_refused() {
        for kind in [Kind::Loopback(None), Kind::Device("mic".into())] {
            let error = Generator::open(&kind, false, STEREO).unwrap_err();
            assert_eq!(error.exit_code(), crate::error::exit::INTERNAL);
        }
    }

    #[test]
    fn a_file_keeps_its_own_format() {
        let scratch = crate::scratch::Scratch::new();
        let path = scratch.path("own.wav");
        let own = Format { sample_rate: 22_050, channels: 1 };
        let mut file = crate::recording::WavFile::create(&path, own, false).unwrap();
        file.write(&[0.1, 0.2, 0.3]).unwrap();
        file.finish().unwrap();

        let mut generator = Generator::open(&Kind::File(path), false, STEREO).unwrap();
        assert_eq!(generator.format(), own);
        assert_eq!(generator.frames_total(), Some(3));
        let mut out = [0.0; 8];
        assert_eq!(generator.read(&mut out).unwrap(), 3);
        assert_eq!(out[..3], [0.1, 0.2, 0.3]);
        assert_eq!(generator.read(&mut out).unwrap(), 0);
        assert_eq!(generator.damaged(), 0);
    }
}
