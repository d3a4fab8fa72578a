//! M4A, MP4 and QuickTime files: AAC-LC and Apple Lossless.
//!
//! The index is read here and not by a library, because none of its sizes may be believed, and because what
//! the encoder has put in front and behind is left out to the sample.

mod aac;
mod index;
mod table;

use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_ALAC};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use crate::sound::mixdown::Layout;
use crate::soundless::block::Block;
use crate::soundless::fault::{Fault, believable};
use crate::soundless::input::Input;
use index::Coded;
use table::{MAX_PACKET, Places};

/// Most frames in a packet of Apple Lossless; encoders write 4,096.
const MAX_ALAC_FRAMES: u32 = 16_384;

/// Packets that are decoded before what is heard first: a packet of AAC goes on in the next one.
const WARM_UP: u64 = 2;

/// Packets in a row that must end in what makes AAC-LC to HE-AAC before it counts as such.
const HE_PACKETS: u32 = 4;

/// The sound of an M4A, MP4 or QuickTime file.
pub(super) struct Mp4 {
    input: Input,
    decoder: Box<dyn AudioDecoder>,
    places: Places,
    sample_rate: u32,
    layout: Layout,
    /// Frames in a packet but for the last.
    packet_frames: usize,
    /// Frames that are still to be left out at the start.
    to_skip: u64,
    /// Frames from start to end, and how many of them are still to come.
    total: u64,
    left: u64,
    damaged: u64,
}

impl Mp4 {
    /// Reads the index.
    pub(super) fn open(mut input: Input) -> Result<Self, Fault> {
        let track = index::read(&mut input)?;
        let mut params = AudioCodecParameters::new();
        let (format, layout, packet_frames) = match &track.coded {
            Coded::Aac(config) => {
                let format = aac::format(config)?;
                if is_he_aac(&mut input, track.places.clone())? {
                    return Err(aac::he_aac());
                }
                params.for_codec(CODEC_ID_AAC).with_extra_data(config.as_slice().into());
                (format, Layout::usual(format.channels), aac::PACKET_FRAMES)
            }
            Coded::Alac(config) => {
                let (frames, channels, rate) = alac_config(config)?;
                let format = believable(rate, channels.into())?;
                params.for_codec(CODEC_ID_ALAC).with_extra_data(config.as_slice().into());
                (format, alac_layout(channels), frames as usize)
            }
        };
        let made = symphonia::default::get_codecs()
            .make_audio_decoder(&params, &AudioDecoderOptions::default());
        let decoder = made.map_err(|_| aac::rare())?;
        let (mut to_skip, total) = track.played(format.sample_rate);
        let mut places = track.places;
        while to_skip >= (WARM_UP + 1) * packet_frames as u64 && places.next().is_some() {
            to_skip -= packet_frames as u64;
        }
        Ok(Self {
            input,
            decoder,
            places,
            sample_rate: format.sample_rate,
            layout,
            packet_frames,
            to_skip,
            total,
            left: total,
            damaged: 0,
        })
    }

    pub(super) fn into_input(self) -> Input {
        self.input
    }

    /// Frames from start to end.
    pub(super) fn frames_total(&self) -> Option<u64> {
        Some(self.total)
    }

    /// Packets that could not be decoded so far.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Decodes the next packet that has sound in it. False at the end.
    pub(super) fn next(&mut self, block: &mut Block) -> Result<bool, Fault> {
        let channels = usize::from(self.layout.channels());
        while self.left > 0 {
            let Some((place, bytes)) = self.places.next() else { return Ok(false) };
            let samples = match packet(&mut self.input, place, bytes)? {
                Some(packet) => decode(&mut *self.decoder, packet, channels),
                // The file was cut off.
                None if bytes <= MAX_PACKET => {
                    self.damaged += 1;
                    return Ok(false);
                }
                None => None,
            };
            let mut samples = samples.unwrap_or_else(|| {
                self.damaged += 1;
                vec![0.0; self.packet_frames * channels]
            });
            let frames = samples.len() / channels;
            let skipped = usize::try_from(self.to_skip).unwrap_or(usize::MAX).min(frames);
            self.to_skip -= skipped as u64;
            samples.drain(..skipped * channels);
            let heard = usize::try_from(self.left).unwrap_or(usize::MAX).min(frames - skipped);
            samples.truncate(heard * channels);
            self.left -= heard as u64;
            if heard > 0 {
                block.sample_rate = self.sample_rate;
                block.layout = self.layout.clone();
                block.samples.append(&mut samples);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The bytes of a packet; none where the file ends before, or nobody would write so long a one.
fn packet(input: &mut Input, place: u64, bytes: u32) -> Result<Option<&[u8]>, Fault> {
    if bytes > MAX_PACKET {
        return Ok(None);
    }
    match place.checked_sub(input.position()) {
        Some(ahead) => input.skip(ahead)?,
        None => input.go_to(place)?,
    }
    Ok(input.peek(bytes as usize)?.get(..bytes as usize))
}

fn decode(decoder: &mut dyn AudioDecoder, bytes: &[u8], channels: usize) -> Option<Vec<f32>> {
    let sound = decoder.decode(&Packet::new(0, Timestamp::ZERO, Duration::ZERO, bytes)).ok()?;
    if sound.spec().channels().count() != channels {
        return None;
    }
    let mut samples = Vec::new();
    sound.copy_to_vec_interleaved(&mut samples);
    Some(samples).filter(|samples| !samples.is_empty())
}

/// Whether the first packets have what HE-AAC adds to AAC-LC: some encoders do not say so in front.
fn is_he_aac(input: &mut Input, mut places: Places) -> Result<bool, Fault> {
    if input.is_pipe() {
        // They could not be read again.
        return Ok(false);
    }
    for _ in 0..HE_PACKETS {
        let Some((place, bytes)) = places.next() else { return Ok(false) };
        let has_it = packet(input, place, bytes)?.is_some_and(aac::ends_in_high_band);
        if !has_it {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Frames in a packet, channels and rate, where they can be right.
fn alac_config(config: &[u8]) -> Result<(u32, u16, u32), Fault> {
    let number = |at: usize| config.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four));
    let (Some(frames), Some(rate), Some([_, bits, _, _, _, channels])) =
        (number(0), number(20), config.get(4..).and_then(|rest| rest.first_chunk::<6>()))
    else {
        return Err(Fault::Damaged("its format is cut off".into()));
    };
    if !(1..=MAX_ALAC_FRAMES).contains(&frames) {
        return Err(Fault::Damaged(format!("its header claims {frames} frames a packet")));
    }
    if ![16, 20, 24, 32].contains(bits) {
        return Err(Fault::Damaged(format!("its header claims {bits} bits a sample")));
    }
    if !(1..=8).contains(channels) {
        return Err(Fault::Damaged(format!("its header claims {channels} channels")));
    }
    Ok((frames, u16::from(*channels), rate))
}

/// What the channels are that the library gives, in the order of WAV's mask.
fn alac_layout(channels: u16) -> Layout {
    match channels {
        3 => Layout::from_mask(0x007, 3),
        4 => Layout::from_mask(0x107, 4),
        5 => Layout::from_mask(0x607, 5),
        6 => Layout::from_mask(0x60f, 6),
        7 => Layout::from_mask(0x70f, 7),
        8 => Layout::from_mask(0x6cf, 8),
        few => Layout::usual(few),
    }
}

#[cfg(test)]
mod tests;
