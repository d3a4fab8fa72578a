//! The talk thread: takes what a microphone gives, finds utterances, encodes them.
//!
//! A server captures in the same way: with the ring of [`capture`](crate::capture) and the timeline
//! of [`chunk`](crate::capture::chunk). Positions count from the thread's start, through silence.

mod gate;

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use log::warn;

use super::clean::Cleaner;
use super::clean::far_end::Output;
use crate::capture::cards::{Card, Cards};
use crate::capture::chunk::{Chunker, LONGEST_SLEEP_US, SHORTEST_SLEEP_US};
use crate::clock::Clock;
use crate::codec::Codec;
use crate::codec::opus::{Encoder, Layout, RATE};
use crate::codec::pcm::Dither;
use crate::error::Result;
use crate::format::Format;
use crate::shutdown::Shutdown;
use crate::talking::{Clean, Lets, Talking};
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

/// What a voice is made of, as its person asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    /// How it is packed.
    pub(crate) codec: Codec,
    /// What is made better of it.
    pub(crate) clean: Clean,
}

/// Where cards are announced to a [`Speak`].
pub(crate) struct Announce {
    /// Microphones.
    pub(crate) microphones: SyncSender<Card>,
    /// Outputs, of whose sound microphones may hear an echo; `None` where that is not asked for.
    pub(crate) outputs: Option<SyncSender<Output>>,
}

/// The thread's state.
pub struct Speak<S, V> {
    chunker: Chunker,
    cleaner: Cleaner,
    gate: Gate,
    packer: Packer,
    microphones: Cards,
    clock: Clock,
    talking: Arc<Talking>,
    /// How loud the output plays, 1 being as the server sends it; `None` where it differs from that in other ways.
    volume: V,
    /// Somebody was told that the microphone is too loud.
    told_of_clipping: bool,
    /// Takes a frame: its header, with the capture time by our clock, and its payload.
    send: S,
}

impl<S: FnMut(AudioHeader, &[u8]), V: Fn() -> Option<f32>> Speak<S, V> {
    /// Talks as `voice` says; frames go to `send`, and `volume` says how loud the output plays. Cards
    /// are announced through what this returns.
    ///
    /// # Errors
    /// If the codec's library refuses.
    pub(crate) fn new(
        voice: Voice,
        clock: Clock,
        talking: Arc<Talking>,
        volume: V,
        send: S,
    ) -> Result<(Self, Announce)> {
        let (microphones, sender) = Cards::new(None);
        let (cleaner, outputs) = Cleaner::new(voice.clean);
        let mut chunker = Chunker::new(FORMAT, Layout::VOICE.frames, PATIENCE_US, clock.now_us());
        chunker.end_with_pieces();
        let speak = Self {
            chunker,
            cleaner,
            gate: Gate::new(FORMAT.sample_rate),
            packer: Packer::new(voice.codec)?,
            microphones,
            clock,
            talking,
            volume,
            told_of_clipping: false,
            send,
        };
        Ok((speak, Announce { microphones: sender, outputs }))
    }

    /// Runs until `shutdown`.
    pub(crate) fn run(mut self, shutdown: &Shutdown) {
        while !shutdown.is_requested() {
            self.microphones.feed(&mut self.chunker);
            self.cleaner.hear_output();
            let now_us = self.clock.now_us();
            let volume = (self.volume)();
            while let Some(chunk) = self.chunker.next_chunk(now_us) {
                let is_plugged = self.microphones.is_plugged();
                let lets = if is_plugged { self.talking.lets() } else { Lets::Nothing };
                // Also while nobody is to hear it, so that the room is known when somebody is.
                let (header, samples) = self.cleaner.clean(chunk.header, chunk.samples, volume);
                let chunk = samples.to_vec();
                let lets = (lets, self.cleaner.may_be_voice());
                self.gate.take(header, &chunk, lets, |header, samples| {
                    let mut samples = samples.to_vec();
                    self.cleaner.set_gain(&mut samples);
                    self.packer.pack(header, &samples, &mut self.send);
                });
                self.talking.set_speaking(self.gate.is_open());
            }
            if self.cleaner.is_clipping() && !std::mem::replace(&mut self.told_of_clipping, true) {
                warn!(
                    "your microphone is too loud, so your voice is distorted: turn it down in the \
                     system's sound settings"
                );
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
