//! An Ogg Opus file (RFC 7845) that is readable at every moment of its making.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use ogg::writing::{PacketWriteEndInfo, PacketWriter};

use super::disk::Disk;
use crate::codec::Bitrate;
use crate::codec::opus::{Encoder, Layout, RATE, ogg as headers};
use crate::error::{Error, Result};
use crate::format::{Format, MAX_STREAM_CHANNELS};
use crate::sound::rate::RateConverter;

/// The bitrate of each channel, in kbit/s: nobody hears a difference from the original.
const KBPS_PER_CHANNEL: u16 = 96;

/// Packets of 20 ms and the mode that sounds best: nobody waits for a file.
const LAYOUT: Layout = Layout { frames: 960, delay: 312, is_constant: false };

/// Packets in a page, 0.2 s: what is not in a whole page is lost to a killed recording.
const PACKETS_PER_PAGE: u32 = 10;

/// Frames that the rate converter makes at a time.
const BLOCK: usize = 64;

/// Frames of silence encoded at a time.
const SILENCE: usize = 4096;

/// An Ogg Opus file being written.
///
/// Dropped without [`finish`](Self::finish), it lacks its last page.
pub struct OpusFile {
    disk: Disk,
    format: Format,
    encoder: Encoder,
    pages: PacketWriter<'static, Vec<u8>>,
    serial: u32,
    /// What the decoder makes before the first sample of ours, in frames at 48 kHz.
    pre_skip: u32,
    converter: Option<RateConverter>,
    /// Waits for the converter, at the file's rate.
    unconverted: Vec<f32>,
    /// Frames of the converter's output that lie before the sound.
    to_skip: usize,
    /// Waits for a whole packet, at 48 kHz.
    pending: Vec<f32>,
    packets: u64,
    /// Frames taken, at the file's rate.
    frames: u64,
}

impl OpusFile {
    /// Makes the file, with its two headers.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when something of that name exists and `overwrite` is false, or when the
    /// file cannot be made. [`Error::Internal`] when `format` is none that a stream has.
    pub fn create(path: &Path, format: Format, overwrite: bool) -> Result<Self> {
        if !(1..=MAX_STREAM_CHANNELS).contains(&format.channels) || format.sample_rate == 0 {
            return Err(Error::internal(
                format!("cannot write {} as Opus", path.display()),
                format!("it holds no such format as {format}"),
            ));
        }
        let bitrate = Bitrate::nearest(KBPS_PER_CHANNEL * format.channels);
        let encoder = Encoder::new(LAYOUT, format.channels, bitrate)?;
        let converter = if format.sample_rate == RATE {
            None
        } else {
            Some(RateConverter::new(format.sample_rate, RATE, format.channels, BLOCK)?)
        };
        let delay = converter.as_ref().map_or(0.0, RateConverter::delay);
        let mut file = Self {
            disk: Disk::create(path, overwrite, &[])?,
            format,
            pre_skip: encoder.delay(),
            encoder,
            pages: PacketWriter::new(Vec::new()),
            serial: RandomState::new().hash_one(path) as u32,
            to_skip: delay.round() as usize,
            converter,
            unconverted: Vec::new(),
            pending: Vec::new(),
            packets: 0,
            frames: 0,
        };
        let head = headers::head(format.channels, file.pre_skip as u16, format.sample_rate);
        file.put(head, PacketWriteEndInfo::EndPage, 0)?;
        file.put(headers::tags(&[]), PacketWriteEndInfo::EndPage, 0)?;
        file.disk.flush()?;
        Ok(file)
    }

    /// Appends interleaved samples, whole frames. What is beyond full scale is cut off there.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take them.
    pub fn write(&mut self, samples: &[f32]) -> Result<()> {
        self.frames += self.format.frames(samples.len()) as u64;
        self.encode(samples)
    }

    /// Appends so many frames of silence.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn silence(&mut self, frames: u64) -> Result<()> {
        let silence = vec![0.0; self.format.samples(SILENCE)];
        let mut left = frames;
        while left > 0 {
            let some = usize::try_from(left).unwrap_or(SILENCE).min(SILENCE);
            self.write(&silence[..self.format.samples(some)])?;
            left -= some as u64;
        }
        Ok(())
    }

    /// Makes all but the last page readable, whatever happens to this process afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take it, or when somebody has removed the file.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.disk.flush()?;
        self.disk.check_that_it_exists()
    }

    /// Completes the file: the last page says where the sound ends, to the frame.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take the rest.
    pub fn finish(mut self) -> Result<()> {
        let length = self.frames as f64 * f64::from(RATE) / f64::from(self.format.sample_rate);
        let end = length.round() as u64 + u64::from(self.pre_skip);
        let silence = vec![0.0; self.format.samples(BLOCK)];
        // The last packet is the one that reaches the end; it is still to be made, because what the
        // encoder looks ahead has come after every one so far.
        let behind = u64::from(LAYOUT.frames);
        while (self.packets + 1) * behind < end {
            self.encode(&silence)?;
        }
        let channels = usize::from(self.format.channels);
        while self.pending.len() < LAYOUT.frames as usize * channels {
            self.convert(&silence);
        }
        self.pending.truncate(LAYOUT.frames as usize * channels);
        let last = self.encoder.encode(&self.pending).map(<[u8]>::to_vec).unwrap_or_default();
        self.put(last, PacketWriteEndInfo::EndStream, end)?;
        self.checkpoint()
    }

    fn encode(&mut self, samples: &[f32]) -> Result<()> {
        self.convert(samples);
        let whole = LAYOUT.frames as usize * usize::from(self.format.channels);
        let mut done = 0;
        while let Some(piece) = self.pending.get(done..done + whole) {
            done += whole;
            // One that the encoder cannot make would move all that follows: an empty packet is
            // concealed by the decoder, and as long as the others.
            let packet = self.encoder.encode(piece).map(<[u8]>::to_vec).unwrap_or_default();
            self.packets += 1;
            let is_page = self.packets.is_multiple_of(PACKETS_PER_PAGE.into());
            let end = if is_page {
                PacketWriteEndInfo::EndPage
            } else {
                PacketWriteEndInfo::NormalPacket
            };
            self.put(packet, end, self.packets * u64::from(LAYOUT.frames))?;
        }
        self.pending.drain(..done);
        Ok(())
    }

    /// Adds samples to what is pending, at 48 kHz.
    fn convert(&mut self, samples: &[f32]) {
        let Some(converter) = &mut self.converter else {
            self.pending.extend_from_slice(samples);
            return;
        };
        let channels = usize::from(self.format.channels);
        self.unconverted.extend_from_slice(samples);
        let mut read = 0;
        while let Some(input) = self.unconverted.get(read..read + converter.needed() * channels) {
            read += input.len();
            let block = converter.block(input);
            let skipped = self.to_skip.min(BLOCK);
            self.to_skip -= skipped;
            self.pending.extend_from_slice(&block[skipped * channels..]);
        }
        self.unconverted.drain(..read);
    }

    /// Adds a packet that ends at `granule`, in frames at 48 kHz.
    fn put(&mut self, packet: Vec<u8>, end: PacketWriteEndInfo, granule: u64) -> Result<()> {
        self.pages
            .write_packet(packet, self.serial, end, granule)
            .map_err(|error| Error::internal("cannot make a page of Opus", error))?;
        let bytes = std::mem::take(self.pages.inner_mut());
        self.disk.append(&bytes)
    }
}

impl std::fmt::Debug for OpusFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpusFile").field("disk", &self.disk).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
