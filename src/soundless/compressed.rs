//! FLAC, MP3 and Ogg Vorbis, a packet at a time.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as DecodeError;
use symphonia::core::formats::probe::{Hint, Probe, ProbeOptions};
use symphonia::core::formats::well_known::FORMAT_ID_MP3;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::Timestamp;
use symphonia::default::formats::{FlacReader, MpaReader, OggReader};

use crate::format::Format;
use crate::soundless::sound_file::{Fault, believable};

/// How far into a file its sound may begin, tags aside. MP3 has no signature but a few bits; the
/// farther the search goes, the likelier it finds them in a file that is no sound at all.
const MAX_JUNK_BYTES: u32 = 64 * 1024;

/// Failures in a row after which the rest of a file is given up. Each skips some of it, as a rule.
const MAX_FAILURES: u32 = 1_000;

/// The sound of a compressed file.
pub(crate) struct Compressed {
    file: File,
    stream: Stream,
    format: Format,
    /// The packet decoded last, interleaved.
    block: Vec<f32>,
    /// How much of it has been read.
    taken: usize,
    damaged: u64,
    /// When the next packet is due, in the file's own units; none before the first.
    due: Option<Timestamp>,
    ended: bool,
}

/// One pass through the file.
struct Stream {
    packets: Box<dyn FormatReader>,
    track: Track,
}

/// The sound among what the file holds.
struct Track {
    id: u32,
    decoder: Box<dyn AudioDecoder>,
    format: Format,
    frames_total: Option<u64>,
}

impl Compressed {
    pub(crate) fn open(file: File) -> Result<Self, Fault> {
        let stream = Stream::start(&file)?;
        let format = stream.track.format;
        let mut compressed = Self {
            file,
            stream,
            format,
            block: Vec::new(),
            taken: 0,
            damaged: 0,
            due: None,
            ended: false,
        };
        if !compressed.decode_block()? {
            return Err(Fault::Damaged("nothing in it can be decoded".into()));
        }
        Ok(compressed)
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Frames from start to end, where the file says.
    pub(crate) fn frames_total(&self) -> Option<u64> {
        self.stream.track.frames_total
    }

    /// Packets that could not be decoded so far; several in a row may count as one.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Fills whole interleaved frames; returns how many samples, 0 at the end.
    pub(crate) fn read(&mut self, out: &mut [f32]) -> Result<usize, Fault> {
        if self.taken == self.block.len() && !self.decode_block()? {
            return Ok(0);
        }
        let ready = &self.block[self.taken..];
        let count = ready.len().min(out.len());
        out[..count].copy_from_slice(&ready[..count]);
        self.taken += count;
        Ok(count)
    }

    /// Goes back to the first frame.
    pub(crate) fn restart(&mut self) -> Result<(), Fault> {
        // Anew and not by seeking, which need not lead to the very first sample again.
        self.stream = Stream::start(&self.file)?;
        self.block.clear();
        self.taken = 0;
        self.due = None;
        self.ended = false;
        Ok(())
    }

    /// Decodes the next packet that has sound in it. False when there is none.
    fn decode_block(&mut self) -> Result<bool, Fault> {
        self.block.clear();
        self.taken = 0;
        let mut failures = 0;
        while !self.ended && failures < MAX_FAILURES {
            match self.decode_packet() {
                Ok(()) if self.block.is_empty() => {}
                Ok(()) => return Ok(true),
                Err(DecodeError::IoError(error)) if error.kind() != ErrorKind::UnexpectedEof => {
                    return Err(error.into());
                }
                Err(error) => {
                    if self.damaged == 0 {
                        log::warn!("skipping what is damaged in a sound file: {error}");
                    }
                    self.damaged += 1;
                    failures += 1;
                }
            }
        }
        self.ended = true;
        Ok(false)
    }

    /// Decodes the next packet into the block, or notes the end. An error means that this packet
    /// is lost.
    fn decode_packet(&mut self) -> Result<(), DecodeError> {
        let Stream { packets, track } = &mut self.stream;
        let packet = match packets.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => {
                self.ended = true;
                return Ok(());
            }
            // The file was cut off; what was there has been played.
            Err(DecodeError::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                self.ended = true;
                return Ok(());
            }
            // Ogg files can be joined end to end.
            Err(DecodeError::ResetRequired) => {
                match Track::find(packets.as_ref()) {
                    Ok(next) if next.format == self.format => {
                        *track = next;
                        self.due = None;
                    }
                    _ => self.ended = true,
                }
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if packet.track_id != track.id {
            return Ok(());
        }
        // What fails its checksum is left out silently; only the hole in time tells of it.
        if self.due.is_some_and(|due| packet.pts > due) {
            self.damaged += 1;
        }
        self.due = packet.pts.checked_add(packet.block_dur());
        let sound = track.decoder.decode(&packet)?;
        let spec = sound.spec();
        if spec.rate() != self.format.sample_rate
            || spec.channels().count() != usize::from(self.format.channels)
        {
            return Err(DecodeError::DecodeError("the format changes within the file"));
        }
        sound.copy_to_vec_interleaved(&mut self.block);
        Ok(())
    }
}

impl std::fmt::Debug for Compressed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressed")
            .field("file", &self.file)
            .field("format", &self.format)
            .field("damaged", &self.damaged)
            .finish_non_exhaustive()
    }
}

impl Stream {
    /// Begins at the start of the file.
    fn start(file: &File) -> Result<Self, Fault> {
        let mut file = file.try_clone()?;
        let sound = tag_bytes(&mut file)?;
        file.rewind()?;
        let mut bytes = MediaSourceStream::new(Box::new(file), Default::default());
        bytes.seek(SeekFrom::Start(sound))?;
        let packets = known_formats()
            .probe(&Hint::new(), bytes, FormatOptions::default(), MetadataOptions::default())
            .map_err(fault)?;
        let track = Track::find(packets.as_ref())?;
        Ok(Self { packets, track })
    }
}

impl Track {
    fn find(packets: &dyn FormatReader) -> Result<Self, Fault> {
        let unknown = || Fault::Unknown("it holds no sound of a kind that is known here".into());
        let track = packets.default_track(TrackType::Audio).ok_or_else(unknown)?;
        let params = track.codec_params.as_ref().and_then(|p| p.audio()).ok_or_else(unknown)?;
        let channels = params.channels.as_ref().map_or(0, |channels| channels.count());
        let format = believable(params.sample_rate.unwrap_or(0), channels)?;
        // Without an encoder's tag the length of an MP3 is guessed from its first packet's
        // bitrate, and the decoder would cut the sound there.
        let length_is_known =
            packets.format_info().format != FORMAT_ID_MP3 || track.delay.is_some();
        let options = AudioDecoderOptions::default().gapless(length_is_known);
        let decoder =
            symphonia::default::get_codecs().make_audio_decoder(params, &options).map_err(fault)?;
        let frames_total = track.num_frames.filter(|_| length_is_known);
        Ok(Self { id: track.id, decoder, format, frames_total })
    }
}

/// Bytes of ID3v2 tags in front of the sound. They may hold pictures of any size, which nobody
/// here wants in memory.
fn tag_bytes(file: &mut File) -> Result<u64, Fault> {
    let mut position = 0;
    loop {
        file.seek(SeekFrom::Start(position))?;
        let mut head = Vec::with_capacity(10);
        file.take(10).read_to_end(&mut head)?;
        if head.len() < 10 || !head.starts_with(b"ID3") {
            return Ok(position);
        }
        let has_footer = head[5] & 0x10 != 0;
        let size = head[6..].iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7f));
        position += size + if has_footer { 20 } else { 10 };
    }
}

fn known_formats() -> Probe {
    let options = ProbeOptions { max_probe_depth: MAX_JUNK_BYTES, ..ProbeOptions::default() };
    let mut probe = Probe::new_with_options(&options);
    probe.register_format::<FlacReader<'_>>();
    probe.register_format::<OggReader<'_>>();
    probe.register_format::<MpaReader<'_>>();
    probe
}

fn fault(error: DecodeError) -> Fault {
    match error {
        DecodeError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Fault::Damaged("it ends before its sound begins".into())
        }
        DecodeError::IoError(error) => Fault::Io(error),
        DecodeError::Unsupported(_) => Fault::Unknown("it is not a sound file known here".into()),
        error => Fault::Damaged(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
