//! Sound as a WAV stream without end, for another program that reads it from standard output.

use std::io::{self, Write};
use std::path::Path;

use super::wav_file::endless_header;
use crate::error::{Error, Result, plain};
use crate::format::Format;

/// Samples turned into bytes at a time.
const PIECE: usize = 1024;

/// A WAV stream being written: interleaved float32, whose header tells of the greatest length that
/// there is.
#[derive(Debug)]
pub struct WavPipe<W: Write> {
    out: W,
    format: Format,
    bytes: Vec<u8>,
}

impl<W: Write> WavPipe<W> {
    /// Begins the stream with its header.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when nobody reads it.
    pub fn begin(mut out: W, format: Format) -> Result<Self> {
        out.write_all(&endless_header(format)).map_err(|error| cannot_write(&error))?;
        Ok(Self { out, format, bytes: Vec::new() })
    }

    /// Appends interleaved samples, whole frames. Waits for the reader.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when nobody reads any more.
    pub fn write(&mut self, samples: &[f32]) -> Result<()> {
        for piece in samples.chunks(PIECE) {
            self.bytes.clear();
            self.bytes.extend(piece.iter().flat_map(|sample| sample.to_le_bytes()));
            self.out.write_all(&self.bytes).map_err(|error| cannot_write(&error))?;
        }
        self.flush()
    }

    /// Appends so many frames of silence.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn silence(&mut self, frames: u64) -> Result<()> {
        let silence = vec![0.0; self.format.samples(PIECE)];
        let mut left = frames;
        while left > 0 {
            let now = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            self.write(&silence[..self.format.samples(now)])?;
            left -= now as u64;
        }
        Ok(())
    }

    /// Hands on what the system's own buffers hold.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(|error| cannot_write(&error))
    }
}

fn cannot_write(error: &io::Error) -> Error {
    let why = match error.kind() {
        io::ErrorKind::BrokenPipe => "the program that read it has ended".to_owned(),
        _ => plain(error),
    };
    Error::file(Path::new("standard output"), why, "Start both again")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

    #[test]
    fn a_reader_finds_a_header_without_an_end_and_every_sample_behind_it() {
        let mut bytes = Vec::new();
        let mut pipe = WavPipe::begin(&mut bytes, STEREO).unwrap();
        pipe.write(&[0.25, -1.5]).unwrap();
        pipe.silence(3000).unwrap();
        pipe.write(&[f32::MIN_POSITIVE, 16.0]).unwrap();
        let (header, sound) = bytes.split_at(94);
        assert_eq!((&header[..4], &header[4..8]), (&b"RIFF"[..], &[0xff; 4][..]));
        assert_eq!((&header[86..90], &header[90..]), (&b"data"[..], &[0xff; 4][..]));
        let samples: Vec<f32> =
            sound.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let expected = [vec![0.25, -1.5], vec![0.0; 6000], vec![f32::MIN_POSITIVE, 16.0]].concat();
        assert_eq!(samples, expected);
    }

    #[test]
    fn a_reader_that_has_gone_is_said_in_words() {
        #[derive(Debug)]
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let error = WavPipe::begin(Gone, STEREO).unwrap_err().to_string();
        assert!(error.contains("the program that read it has ended"), "{error}");
    }
}
