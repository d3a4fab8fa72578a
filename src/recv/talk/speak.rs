//! The talk thread: takes what a microphone gives, finds utterances, encodes them.
//!
//! A server captures in the same way: with the ring of [`capture`](crate::capture) and the timeline
//! of [`chunk`](crate::capture::chunk). Positions count from the thread's start, through silence.

mod gate;

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use crate::capture::cards::{Card, Cards};
use crate::capture::chunk::{Chunker, LONGEST_SLEEP_US, SHORTEST_SLEEP_US};
use crate::clock::Clock;
use crate::codec::Codec;
use crate::codec::opus::{Encoder, Layout, RATE};
use crate::codec::pcm::Dither;
use crate::error::Result;
use crate::format::Format;
use crate::shutdown::Shutdown;
use crate::talking::{Lets, Talking};
use crate::wire::{AudioFrame, AudioHeader, Microphone};
use gate::Gate;
#[cfg(test)]
pub(super) use gate::LOOK_BACK;

/// What goes out, whatever the microphone delivers: one voice needs one channel.
const FORMAT: Format = Format { sample_rate: RATE, channels: 1 };

/// A microphone that has not delivered by then is silent for now. Longer than a PC's ordinary
/// hiccups; what comes later still finds its place.
const PATIENCE_US: u64 = 50_000;

/// What a hello says of sound that is packed with `codec`.
#[must_use]
pub fn announced(codec: Codec) -> Microphone {
    let algorithmic_delay = match codec {
        Codec::Opus(_) => Layout::VOICE.delay,
        _ => 0,
    };
    Microphone {
        codec: codec.name().to_owned(),
        rate: FORMAT.sample_rate,
        channels: FORMAT.channels,
        algorithmic_delay,
    }
}

/// The thread's state.
pub struct Speak<S> {
    chunker: Chunker,
    gate: Gate,
    packer: Packer,
    microphones: Cards,
    clock: Clock,
    talking: Arc<Talking>,
    /// Takes a frame: its header, with the capture time by our clock, and its payload.
    send: S,
}

impl<S: FnMut(AudioHeader, &[u8])> Speak<S> {
    /// Talks with `codec`; frames go to `send`. Microphones are announced through what this returns.
    ///
    /// # Errors
    /// If the codec's library refuses.
    pub(crate) fn new(
        codec: Codec,
        clock: Clock,
        talking: Arc<Talking>,
        send: S,
    ) -> Result<(Self, SyncSender<Card>)> {
        let (microphones, sender) = Cards::new(None);
        let mut chunker = Chunker::new(FORMAT, Layout::VOICE.frames, PATIENCE_US, clock.now_us());
        chunker.end_with_pieces();
        let speak = Self {
            chunker,
            gate: Gate::new(FORMAT.sample_rate),
            packer: Packer::new(codec)?,
            microphones,
            clock,
            talking,
            send,
        };
        Ok((speak, sender))
    }

    /// Runs until `shutdown`.
    pub(crate) fn run(mut self, shutdown: &Shutdown) {
        while !shutdown.is_requested() {
            self.microphones.feed(&mut self.chunker);
            let now_us = self.clock.now_us();
            while let Some(chunk) = self.chunker.next_chunk(now_us) {
                let is_plugged = self.microphones.is_plugged();
                let lets = if is_plugged { self.talking.lets() } else { Lets::Nothing };
                self.gate.take(chunk.header, chunk.samples, lets, |header, samples| {
                    self.packer.pack(header, samples, &mut self.send);
                });
                self.talking.set_speaking(self.gate.is_open());
            }
            let wait = self.chunker.due_in_us(self.clock.now_us());
            let sleep = wait.clamp(SHORTEST_SLEEP_US, LONGEST_SLEEP_US);
            std::thread::sleep(Duration::from_micros(sleep));
        }
    }
}

/// Makes payloads of chunks.
enum Packer {
    Opus(Box<Encoder>),
    Pcm(Codec, Dither),
}

impl Packer {
    fn new(codec: Codec) -> Result<Self> {
        Ok(match codec {
            Codec::Opus(bitrate) => {
                Self::Opus(Box::new(Encoder::new(Layout::VOICE, FORMAT.channels, bitrate)?))
            }
            codec => Self::Pcm(codec, Dither::default()),
        })
    }

    fn pack(
        &mut self,
        header: AudioHeader,
        samples: &[f32],
        send: &mut impl FnMut(AudioHeader, &[u8]),
    ) {
        match self {
            Self::Opus(encoder) => {
                if let Some(packet) = encoder.encode(samples) {
                    send(header, packet);
                }
            }
            Self::Pcm(codec, dither) => {
                if let Some(frame) = AudioFrame::pcm(*codec, header, samples, dither) {
                    send(header, frame.plain().1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_makes_frames_that_a_server_takes() {
        for name in ["opus", "opus:96", "s16", "s24", "f32"] {
            let codec = Codec::parse_for_voice(name).unwrap();
            assert!(announced(codec).format().is_some(), "{name}");
            let mut packer = Packer::new(codec).unwrap();
            let header = AudioHeader { flags: 2, frames: 480, position: 7, captured_us: 9 };
            let mut packed = Vec::new();
            packer.pack(header, &[0.25; 480], &mut |header, payload: &[u8]| {
                packed.push(crate::wire::talk_frame(header, payload).unwrap());
            });
            assert_eq!(packed.len(), 1, "{name}");
        }
    }

    #[test]
    fn what_is_announced_of_opus_is_what_the_encoder_does() {
        let encoder = Encoder::new(Layout::VOICE, 1, crate::codec::Bitrate::nearest(64)).unwrap();
        assert_eq!(encoder.delay(), Layout::VOICE.delay);
        assert_eq!(
            Layout::VOICE.frames as usize * 1000,
            super::super::voice_activity::BLOCK_MS * RATE as usize
        );
    }
}
