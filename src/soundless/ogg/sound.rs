//! The kinds of sound that stand in Ogg files, each from its first packet on.

use symphonia::core::codecs::audio::well_known::CODEC_ID_VORBIS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::opus::OpusSound;
use crate::mixdown::Layout;
use crate::soundless::block::Block;
use crate::soundless::fault::{Fault, believable};
use crate::soundless::flac::{Blocks, Header, StreamInfo, channel_mask};

/// What is known of a stream by its first packet.
pub(super) enum First {
    Sound(Box<Sound>),
    /// Something that is called so, and is sound where the second is true.
    Other(&'static str, bool),
}

/// A stream of sound.
pub(super) struct Sound {
    kind: Kind,
    /// Packets of headers that are still to come.
    headers: usize,
    pub(super) sample_rate: u32,
    pub(super) layout: Layout,
}

enum Kind {
    Vorbis { head: Vec<u8>, decoder: Option<Box<dyn AudioDecoder>> },
    Opus(OpusSound),
    Flac(Blocks, StreamInfo),
}

impl First {
    /// Looks at the first packet of a stream.
    ///
    /// # Errors
    /// If it is sound that cannot be played.
    pub(super) fn read(packet: &[u8]) -> Result<Self, Fault> {
        if let Some(rest) = packet.strip_prefix(b"\x01vorbis") {
            let cut = || Fault::Damaged("its header is cut off".into());
            let channels = u16::from(*rest.get(4).ok_or_else(cut)?);
            let rate = rest.get(5..9).and_then(|four| four.first_chunk()).ok_or_else(cut)?;
            let format = believable(u32::from_le_bytes(*rate), channels.into())?;
            if channels > 8 {
                let name = format!("Ogg Vorbis with {channels} channels");
                return Err(Fault::not_known(&name));
            }
            return Ok(Self::Sound(Box::new(Sound {
                kind: Kind::Vorbis { head: packet.to_vec(), decoder: None },
                headers: 2,
                sample_rate: format.sample_rate,
                // The library brings the channels into this order.
                layout: Layout::usual(channels),
            })));
        }
        if packet.starts_with(b"OpusHead") {
            let opus = OpusSound::open(packet)?;
            let (sample_rate, layout) = (OpusSound::RATE, opus.layout());
            let (kind, headers) = (Kind::Opus(opus), 1);
            return Ok(Self::Sound(Box::new(Sound { kind, headers, sample_rate, layout })));
        }
        if packet.starts_with(b"\x7fFLAC") {
            let info = packet.get(17..).and_then(StreamInfo::parse);
            let info = info.ok_or_else(|| Fault::Damaged("its header is cut off".into()))?;
            let format = believable(info.sample_rate, info.channels.into())?;
            return Ok(Self::Sound(Box::new(Sound {
                kind: Kind::Flac(Blocks::new(info, 0), info),
                headers: 0,
                sample_rate: format.sample_rate,
                layout: Layout::usual(format.channels),
            })));
        }
        let names: [(&[u8], &str, bool); 10] = [
            (b"Speex   ", "Speex", true),
            (b"fLaC", "FLAC in an early form", true),
            (b"PCM     ", "OggPCM", true),
            (b"CELT    ", "CELT", true),
            (b"\x80theora", "Theora", false),
            (b"\x80kate", "subtitles", false),
            (b"BBCD", "Dirac", false),
            (b"OVP80", "VP8", false),
            (b"fishead", "Skeleton", false),
            (b"\x01video", "a video", false),
        ];
        let named = names.iter().find(|(start, ..)| packet.starts_with(start));
        let (_, name, is_sound) = named.copied().unwrap_or((b"", "something else", false));
        Ok(Self::Other(name, is_sound))
    }
}

impl Sound {
    /// Frames that the encoder has put in front of the sound.
    pub(super) fn pre_skip(&self) -> u64 {
        match &self.kind {
            Kind::Opus(opus) => opus.pre_skip(),
            Kind::Vorbis { .. } | Kind::Flac(..) => 0,
        }
    }

    /// Decodes a packet, and appends what is in it. `None` if it cannot be decoded; nothing, too,
    /// is in headers.
    ///
    /// # Errors
    /// If a header is one that cannot be played.
    pub(super) fn decode(&mut self, packet: &[u8], out: &mut Block) -> Result<Option<()>, Fault> {
        out.sample_rate = self.sample_rate;
        if self.headers > 0 {
            self.headers -= 1;
            return self.read_header(packet).map(Some);
        }
        let is_sound = match &mut self.kind {
            Kind::Vorbis { decoder, .. } => {
                decoder.as_mut().is_some_and(|decoder| decode_vorbis(decoder, packet, out))
            }
            Kind::Opus(opus) => opus.decode(packet, &mut out.samples),
            // What does not begin as a block is one of the headers, of which there may be any.
            Kind::Flac(blocks, info) if packet.first() != Some(&0xff) => {
                if let Some(mask) = channel_mask(packet) {
                    *blocks = Blocks::new(*info, mask);
                    self.layout = Layout::from_mask(mask, info.channels);
                }
                true
            }
            Kind::Flac(blocks, info) => Header::parse(packet).is_some_and(|header| {
                let mut block = Block::default();
                let is_sound = header.channels == info.channels
                    && blocks.decode(&header, packet, &mut block)
                    && block.sample_rate == info.sample_rate;
                if is_sound {
                    out.samples.append(&mut block.samples);
                }
                is_sound
            }),
        };
        out.layout = self.layout.clone();
        Ok(is_sound.then_some(()))
    }

    fn read_header(&mut self, packet: &[u8]) -> Result<(), Fault> {
        let Kind::Vorbis { head, decoder } = &mut self.kind else { return Ok(()) };
        if self.headers > 0 {
            return Ok(());
        }
        head.extend_from_slice(packet);
        let mut params = AudioCodecParameters::new();
        params.for_codec(CODEC_ID_VORBIS).with_extra_data(std::mem::take(head).into());
        // Without it a decoder gives half a block of nothing first.
        let options = AudioDecoderOptions::default().gapless(true);
        let made = symphonia::default::get_codecs().make_audio_decoder(&params, &options);
        *decoder = Some(made.map_err(|e| Fault::Damaged(e.to_string()))?);
        Ok(())
    }
}

fn decode_vorbis(decoder: &mut Box<dyn AudioDecoder>, packet: &[u8], out: &mut Block) -> bool {
    // An empty packet stands for a block without sound, and is allowed.
    if packet.is_empty() {
        return true;
    }
    let packet = Packet::new(0, Timestamp::ZERO, Duration::ZERO, packet);
    let Ok(sound) = decoder.decode(&packet) else { return false };
    let mut samples = Vec::new();
    sound.copy_to_vec_interleaved(&mut samples);
    out.samples.append(&mut samples);
    true
}
