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

/// Most tags in front of the sound. Editors leave one, or two.
const MAX_TAGS: usize = 16;

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
                    _ => {
                        log::warn!("a sound file changes its format half way: it ends there");
                        self.ended = true;
                    }
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
    for _ in 0..MAX_TAGS {
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
    Ok(position)
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
mod tests {
    use super::*;
    use crate::soundless::flac_writer::flac;
    use crate::soundless::scratch::Scratch;

    /// A quarter of a second of 441 Hz at −12 dBFS, 44,100 Hz mono.
    const OGG: &[u8] = include_bytes!("compressed/tone.ogg");
    /// The sound of [`OGG`] as MP3.
    const MP3: &[u8] = include_bytes!("compressed/tone.mp3");

    fn opened(bytes: &[u8]) -> Result<Compressed, Fault> {
        let scratch = Scratch::new();
        let path = scratch.path("sound");
        std::fs::write(&path, bytes).unwrap();
        Compressed::open(File::open(path).unwrap())
    }

    fn all(sound: &mut Compressed) -> Vec<f32> {
        let mut samples = Vec::new();
        let mut part = vec![0.0; sound.format().samples(700)];
        loop {
            match sound.read(&mut part).unwrap() {
                0 => return samples,
                got => samples.extend(&part[..got]),
            }
        }
    }

    fn ramp(frames: i16) -> Vec<i16> {
        (0..frames).flat_map(|n| [n, -n]).collect()
    }

    fn as_floats(samples: &[i16]) -> Vec<f32> {
        samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect()
    }

    #[test]
    fn flac_comes_out_sample_by_sample() {
        let samples = ramp(5_000);
        let mut sound = opened(&flac(44_100, 2, &samples, 1_024)).unwrap();
        assert_eq!(sound.format(), Format { sample_rate: 44_100, channels: 2 });
        assert_eq!(sound.frames_total(), Some(5_000));
        assert!(all(&mut sound) == as_floats(&samples));
        assert_eq!(sound.damaged(), 0);
    }

    #[test]
    fn mp3_and_ogg_vorbis_come_out_as_the_tone_they_were_without_what_the_encoder_added() {
        for (name, bytes) in [("MP3", MP3), ("Ogg Vorbis", OGG)] {
            let mut sound = opened(bytes).unwrap();
            assert_eq!(sound.format(), Format { sample_rate: 44_100, channels: 1 }, "{name}");
            assert_eq!(sound.frames_total(), Some(11_025), "{name}");
            let samples = all(&mut sound);
            assert_eq!(samples.len(), 11_025, "{name}");
            assert_eq!(sound.damaged(), 0, "{name}");
            // 441 Hz has 100 frames to a period: a sample and the one 50 later cancel out.
            for pair in samples[1_000..10_000].windows(51) {
                assert!((pair[0] + pair[50]).abs() < 0.02, "{name}");
            }
            let peak = samples[1_000..10_000].iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
            assert!((crate::format::dbfs(peak) + 12.0).abs() < 0.5, "{name}: {peak}");
        }
    }

    #[test]
    fn a_second_pass_is_the_same_as_the_first() {
        for bytes in [OGG, MP3, &flac(48_000, 2, &ramp(3_000), 512)] {
            let mut sound = opened(bytes).unwrap();
            let first = all(&mut sound);
            sound.restart().unwrap();
            assert!(all(&mut sound) == first);
        }
    }

    #[test]
    fn a_tag_with_a_picture_in_front_is_stepped_over() {
        let mut bytes = b"ID3\x04\0\0\0\x0c\0\0".to_vec();
        bytes.extend(vec![0xff; 0x0c << 14]);
        bytes.extend(b"ID3\x04\0\0\0\0\0\x02ab");
        for sound in [MP3, OGG, &flac(44_100, 1, &ramp(500), 400)] {
            let tagged = [&bytes, sound].concat();
            assert!(all(&mut opened(&tagged).unwrap()) == all(&mut opened(sound).unwrap()));
        }
    }

    #[test]
    fn a_file_that_is_cut_off_plays_what_is_there() {
        let samples = ramp(5_000);
        let bytes = flac(44_100, 2, &samples, 1_000);
        let cut = &bytes[..bytes.len() - 5_000];
        let heard = all(&mut opened(cut).unwrap());
        assert_eq!(heard.len(), 2 * 3_000);
        assert!(heard == as_floats(&samples[..2 * 3_000]));

        let whole = all(&mut opened(MP3).unwrap());
        let heard = all(&mut opened(&MP3[..MP3.len() / 2]).unwrap());
        assert!(!heard.is_empty() && whole.starts_with(&heard));
    }

    #[test]
    fn a_damaged_packet_is_skipped_and_counted() {
        let samples = ramp(5_000);
        let mut bytes = flac(44_100, 2, &samples, 1_000);
        bytes[10_000] ^= 0x55;
        let mut sound = opened(&bytes).unwrap();
        let heard = all(&mut sound);
        let expected = [&samples[..2 * 2_000], &samples[2 * 3_000..]].concat();
        assert_eq!((heard.len(), sound.damaged()), (expected.len(), 1));
        assert!(heard == as_floats(&expected));
    }

    /// An MP3 packet of silence: MPEG 1, 44,100 Hz stereo, of the bitrate with this number.
    fn silent_packet(bitrate: u8) -> Vec<u8> {
        let kbps = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
        let mut packet = vec![0; 144_000 * kbps[usize::from(bitrate)] / 44_100];
        packet[..4].copy_from_slice(&[0xff, 0xfb, bitrate << 4, 0]);
        packet
    }

    #[test]
    fn an_mp3_that_gets_quieter_on_bits_is_not_cut_where_its_start_would_end_it() {
        let mut bytes = silent_packet(14).repeat(2);
        bytes.extend(silent_packet(1).repeat(50));
        let mut sound = opened(&bytes).unwrap();
        assert_eq!(sound.frames_total(), None);
        assert_eq!(all(&mut sound).len(), 2 * 1_152 * 52);
    }

    #[test]
    fn ogg_files_joined_end_to_end_are_played_one_after_the_other() {
        let mut sound = opened(&[OGG, OGG].concat()).unwrap();
        assert_eq!(all(&mut sound).len(), 2 * 11_025);
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let bytes = flac(44_100, 2, &ramp(100), 50);
        let patched = |at: usize, patch: &[u8]| {
            let mut bytes = bytes.clone();
            bytes[at..at + patch.len()].copy_from_slice(patch);
            opened(&bytes).unwrap_err()
        };
        let rate_0 = patched(18, &[0, 0, 0x02]);
        assert!(matches!(rate_0, Fault::Damaged(_)), "{rate_0:?}");
        let cut = opened(&bytes[..30]).unwrap_err();
        assert!(matches!(cut, Fault::Damaged(_)), "{cut:?}");
        let only_a_header = opened(&bytes[..42]).unwrap_err();
        assert!(matches!(only_a_header, Fault::Damaged(_)), "{only_a_header:?}");
    }
}
