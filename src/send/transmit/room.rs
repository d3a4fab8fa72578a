//! What is the same for all listeners of a stream, and what depends on their codec.

use super::handle::Shape;
use super::sockets::Buffering;
use crate::codec::opus::{self, Layout};
use crate::codec::{Codec, Offers};
use crate::dscp::Dscp;
use crate::format::Format;
use crate::send::captured::CapturedOutputs;
use crate::upstreams::Upstreams;
use crate::wire::{AUDIO_HEADER, Config, Switch, Welcome};

/// Most chunks that wait for one listener because another server's stream has a long delay in short ones.
const MOST_OF_DELAY: u64 = 2_000;

/// What the loop knows of its stream.
#[derive(Debug, Clone)]
pub struct Room {
    /// The first thing that every listener hears.
    pub config: Config,
    /// What a hello is answered with, but for what depends on the listener.
    pub welcome: Welcome,
    /// The outputs whose sound is captured: told to listeners on this machine.
    pub captured: CapturedOutputs,
    /// The servers that the sound comes through: told to everybody.
    pub upstreams: Upstreams,
    /// Most listeners at a time.
    pub max_clients: u32,
    /// Most of them from one address elsewhere.
    pub per_address: u32,
    /// Most of them who may talk, where any may.
    pub max_talkers: u32,
    /// Chunks that may wait for one listener, or as long a time of another codec's frames.
    pub max_queue_size: u32,
    /// Which codecs there are, and who gets what.
    pub offers: Offers,
    /// How Opus is cut.
    pub opus: Layout,
    /// How packets are marked.
    pub dscp: Dscp,
}

impl Room {
    /// The room of another stream.
    pub(in crate::send) fn take(&mut self, shape: &Shape) {
        let Format { sample_rate, channels } = shape.format;
        self.config.sample_rate = sample_rate;
        self.config.channels = channels;
        self.config.chunk_size = shape.chunk_size;
        self.welcome.session.clone_from(&shape.session);
        self.welcome.format = shape.format;
        self.welcome.chunk_size = shape.chunk_size;
        self.welcome.position_rate = sample_rate;
        self.welcome.playout_delay_ms = shape.playout_delay_ms;
        self.opus = shape.opus;
        self.offers = shape.offers.clone();
        // A bound of this server's own is in chunks of its own preset's length; and what an engine held up comes all at
        // once.
        let delay = u64::from(shape.playout_delay_ms) * u64::from(sample_rate) / 1_000;
        let chunks = delay.div_ceil(u64::from(shape.chunk_size.max(1))).min(MOST_OF_DELAY);
        self.max_queue_size = self.max_queue_size.max(chunks as u32);
    }

    /// How many frames of a codec may wait for one listener: as many as last as long as the chunks
    /// that may, and at least what one chunk becomes, because that is there all at once.
    pub(super) fn queue_bound(&self, codec: Codec) -> usize {
        let Codec::Opus(_) = codec else {
            return self.max_queue_size as usize;
        };
        let (rate, packet) = (self.config.sample_rate.max(1), u64::from(self.opus.frames.max(1)));
        let chunk = u64::from(self.config.chunk_size) * u64::from(opus::RATE);
        let most = u64::from(self.max_queue_size) * chunk / u64::from(rate) / packet;
        // A converter of rates gives now a block less, now one more.
        let held_back = u64::from(rate != opus::RATE);
        let at_once = chunk.div_ceil(u64::from(rate)).div_ceil(packet) + held_back;
        most.max(at_once) as usize
    }

    /// How long a chunk lasts, in µs.
    pub(super) fn chunk_us(&self) -> u64 {
        let Config { chunk_size, sample_rate, .. } = self.config;
        u64::from(chunk_size) * 1_000_000 / u64::from(sample_rate.max(1))
    }

    /// How long a frame of a codec lasts, in µs.
    pub(super) fn frame_us(&self, codec: Codec) -> u64 {
        match codec {
            Codec::Opus(_) => u64::from(self.opus.frames) * 1_000_000 / u64::from(opus::RATE),
            _ => self.chunk_us(),
        }
    }

    /// Positions per second of a codec's sound.
    pub(super) fn position_rate(&self, codec: Codec) -> u32 {
        if matches!(codec, Codec::Opus(_)) { opus::RATE } else { self.config.sample_rate }
    }

    /// What a listener with a codec is sent.
    pub(super) fn buffering(&self, codec: Codec) -> Buffering {
        let Config { chunk_size, sample_rate, channels, .. } = self.config;
        let bits_per_sample = match codec {
            Codec::Float32 => 32,
            Codec::Int24 => 24,
            Codec::Int16 => 16,
            Codec::Opus(bitrate) => {
                let bytes_per_second = usize::from(bitrate.kbps()) * 1000 / 8;
                let packets_per_second = opus::RATE / self.opus.frames.max(1);
                let headers = AUDIO_HEADER * packets_per_second as usize;
                return Buffering {
                    frame_bytes: bytes_per_second / packets_per_second.max(1) as usize
                        + AUDIO_HEADER,
                    bytes_per_second: bytes_per_second + headers,
                    playout_delay_ms: self.welcome.playout_delay_ms,
                };
            }
        };
        let frame = usize::from(channels) * bits_per_sample / 8;
        Buffering {
            frame_bytes: chunk_size as usize * frame + AUDIO_HEADER,
            bytes_per_second: sample_rate as usize * frame,
            playout_delay_ms: self.welcome.playout_delay_ms,
        }
    }

    /// What a listener is told that hears another codec from a position on.
    pub(super) fn switch(&self, codec: Codec, from: u64) -> Switch {
        let mut welcome = self.welcome.clone();
        self.describe(codec, &mut welcome);
        Switch {
            codec: codec.to_string(),
            from,
            position_rate: welcome.position_rate,
            algorithmic_delay: welcome.algorithmic_delay,
            chunk_size: welcome.chunk_size,
        }
    }

    /// What a welcome says of a codec.
    pub(super) fn describe(&self, codec: Codec, welcome: &mut Welcome) {
        codec.name().clone_into(&mut welcome.codec);
        if let Codec::Opus(_) = codec {
            welcome.format.sample_rate = opus::RATE;
            welcome.position_rate = opus::RATE;
            welcome.chunk_size = self.opus.frames;
            welcome.algorithmic_delay = self.opus.delay;
        }
    }
}
