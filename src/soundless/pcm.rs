//! Sound that is stored sample by sample, as WAV, AIFF, AU, W64 and CAF files have it.

mod encoding;

use crate::format::Format;
use crate::mixdown::Layout;
use crate::soundless::fault::Fault;
use crate::soundless::input::Input;

pub(crate) use encoding::{Encoding, Order};

/// Most bytes converted at a time.
const BLOCK_BYTES: usize = 16 * 1024;

/// What a header says of the sound behind it.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) format: Format,
    pub(crate) layout: Layout,
    pub(crate) encoding: Encoding,
    /// Where the sound starts, in bytes from the start of the file.
    pub(crate) start: u64,
    /// How many bytes of it there are.
    pub(crate) bytes: u64,
}

/// Reads sound that is stored sample by sample.
#[derive(Debug)]
pub(crate) struct Pcm {
    input: Input,
    stored: Stored,
    frames_total: u64,
    frames_left: u64,
}

impl Pcm {
    /// # Errors
    /// If there is no sound at all where the header says, or it cannot be read.
    pub(crate) fn open(mut input: Input, stored: Stored) -> Result<Self, Fault> {
        input.go_to(stored.start)?;
        let bytes = stored.bytes.min(input.left()?);
        let frames_total = bytes / frame_bytes(&stored) as u64;
        if frames_total == 0 {
            return Err(Fault::Damaged("it ends before its first sample".into()));
        }
        Ok(Self { input, stored, frames_total, frames_left: frames_total })
    }

    pub(crate) fn format(&self) -> Format {
        self.stored.format
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.stored.layout
    }

    /// Frames that are really in the file, whatever its header says. A pipe's nobody knows.
    pub(crate) fn frames_total(&self) -> Option<u64> {
        (!self.input.is_pipe()).then_some(self.frames_total)
    }

    /// Fills whole interleaved frames; returns how many samples, 0 at the end.
    pub(crate) fn read(&mut self, out: &mut [f32]) -> Result<usize, Fault> {
        let frame_bytes = frame_bytes(&self.stored);
        let fit = self.stored.format.frames(out.len()).min(BLOCK_BYTES / frame_bytes);
        let frames = usize::try_from(self.frames_left).unwrap_or(usize::MAX).min(fit);
        let bytes = self.input.peek(frames * frame_bytes)?;
        // Somebody may have shortened the file since it was opened.
        let frames = frames.min(bytes.len() / frame_bytes);
        self.stored.encoding.decode(&bytes[..frames * frame_bytes], out);
        self.input.consume(frames * frame_bytes);
        self.frames_left = if frames == 0 { 0 } else { self.frames_left - frames as u64 };
        Ok(self.stored.format.samples(frames))
    }

    /// Goes back to the first frame.
    pub(crate) fn restart(&mut self) -> Result<(), Fault> {
        self.input.go_to(self.stored.start)?;
        self.frames_left = self.frames_total;
        Ok(())
    }
}

/// Bytes of a frame, never 0 and never more than [`BLOCK_BYTES`].
fn frame_bytes(stored: &Stored) -> usize {
    usize::from(stored.format.channels) * stored.encoding.bytes()
}
