//! Sound on its way to the player: put together from both ways, then decoded.
//!
//! No socket, no clock: time is an argument.

use crate::clock::Offset;
use crate::codec::{Codec, check_payload};
use crate::format::Format;
use crate::playout::frames::{FrameDecoder, Sound};
use crate::playout::reading::Reading;
use crate::recv::decode;
use crate::recv::repair::{Deadline, Release, Repair};
use crate::wire::{AudioHeader, Violation, Welcome};

/// Sound has to be there so long before it is read, in µs: to be decoded and handed over.
const HANDING_US: u64 = 4_000;

/// Before a player reads, sound is thought to be needed so long before it is heard, in µs, or half the
/// delay where that is less: what a card and its ring take.
const OUTPUT_US: u64 = 30_000;

/// One server's sound.
pub(super) struct Sounds {
    pub(super) repair: Repair,
    decoder: FrameDecoder,
    codec: Codec,
    format: Format,
    /// Frames by which decoded sound lags its positions.
    lag: u64,
    delay_us: u64,
    /// The newest place in time that is known: a position and its capture, in µs of the server's clock.
    newest: Option<(u64, u64)>,
    samples: Vec<f32>,
}

impl Sounds {
    /// The sound that a welcome promises; `None` where this version does not play it.
    pub(super) fn new(welcome: &Welcome) -> Option<Self> {
        let codec = Codec::parse(&welcome.codec)?;
        Some(Self {
            repair: Repair::new(welcome.format, codec),
            decoder: decode::decoder(welcome)?.mending(),
            codec,
            format: welcome.format,
            lag: welcome.algorithmic_delay.into(),
            delay_us: u64::from(welcome.playout_delay_ms) * 1_000,
            newest: None,
            samples: Vec::new(),
        })
    }

    /// The playout delay is another one.
    pub(super) fn set_delay_ms(&mut self, playout_delay_ms: u32) {
        self.delay_us = u64::from(playout_delay_ms) * 1_000;
    }

    /// How long after its capture sound is heard, in µs.
    pub(super) fn delay_us(&self) -> u64 {
        self.delay_us
    }

    /// A frame came by TCP.
    ///
    /// # Errors
    /// The [`Violation`] of a payload that cannot be as many frames.
    pub(super) fn frame(&mut self, header: AudioHeader, payload: &[u8]) -> Result<(), Violation> {
        check_payload(self.codec, payload, header.frames, self.format.channels)?;
        self.note(header);
        self.repair.frame(header, payload);
        Ok(())
    }

    /// A datagram of sound came.
    pub(super) fn datagram(&mut self, header: AudioHeader, bytes: &[u8], now_us: u64) {
        self.note(header);
        self.repair.datagram(bytes, now_us);
    }

    fn note(&mut self, header: AudioHeader) {
        self.newest = Some((header.position, header.captured_us));
    }

    /// Looks at the player: sound has to be there before it is read.
    pub(super) fn look(&mut self, reading: &Reading, offset: Option<Offset>, now_us: u64) {
        let rate_hz = self.format.sample_rate;
        let read = reading.position(now_us + HANDING_US, rate_hz).map(|position| {
            let position = position.saturating_add(self.lag);
            Deadline { position, at_us: now_us, rate_hz }
        });
        let deadline = read.or_else(|| {
            let (position, captured_us) = self.newest?;
            let output_us = OUTPUT_US.min(self.delay_us / 2);
            let heard_us = captured_us.saturating_add(self.delay_us);
            let at_us = offset?.ours_us(heard_us as f64) - output_us as f64;
            Some(Deadline { position, at_us: at_us.max(0.0) as u64, rate_hz })
        });
        self.repair.expect_by(deadline, self.delay_us);
    }

    /// Gives all sound that may leave at `now_us`, decoded.
    ///
    /// # Errors
    /// The [`Violation`] of a frame that came by TCP and cannot be decoded.
    pub(super) fn release(
        &mut self,
        now_us: u64,
        mut give: impl FnMut(Sound<'_>),
    ) -> Result<(), Violation> {
        while let Some(release) = self.repair.next(now_us) {
            match release {
                Release::Missing { frames, .. } => {
                    self.decoder.conceal(frames, &mut self.samples).map(&mut give);
                }
                Release::Piece(piece) => {
                    match self.decoder.decode(piece.header, &piece.payload, &mut self.samples) {
                        Ok(sound) => give(sound),
                        // Who sent it is not known for certain.
                        Err(_) if piece.is_datagram => {}
                        Err(violation) => return Err(violation),
                    }
                }
            }
        }
        Ok(())
    }

    /// When something leaves, or is to be asked for, in µs.
    pub(super) fn due_us(&self, now_us: u64) -> Option<u64> {
        self.repair.due_us(now_us)
    }
}
