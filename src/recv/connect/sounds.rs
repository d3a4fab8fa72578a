//! Sound on its way to the player: put together from both ways, then decoded.
//!
//! No socket, no clock: time is an argument.

use super::joint::Joint;
use crate::clock::Offset;
use crate::codec::{Codec, check_payload};
use crate::format::Format;
use crate::playout::frames::{FrameDecoder, Sound};
use crate::playout::reading::Reading;
use crate::recv::decode;
use crate::recv::repair::Wanted;
use crate::recv::repair::{Deadline, Release, Repair};
use crate::wire::{AudioHeader, Switch, Violation, Welcome};

/// Sound has to be there so long before it is read, in µs: to be decoded and handed over, by threads of which
/// the first may wake a millisecond late.
const HANDING_US: u64 = 2_500;

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
    coming: Option<Box<Coming>>,
}

/// Another codec's sound, which is heard from a place on.
struct Coming {
    sounds: Sounds,
    joint: Joint,
    /// Frames by TCP are of this codec already.
    is_by_tcp: bool,
    mixed: Vec<f32>,
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
            coming: None,
        })
    }

    /// Sound comes in another codec from a place on, as the server says; frames by TCP `is_by_tcp` from now
    /// on. `None` where this version does not play it, or cannot join it.
    pub(super) fn switch(&mut self, switch: &Switch, is_by_tcp: bool) -> Option<()> {
        if let Some(coming) = self.coming.as_mut().filter(|coming| coming.is(switch)) {
            coming.is_by_tcp |= is_by_tcp;
            return Some(());
        }
        let codec = Codec::parse(&switch.codec)?;
        let (format, delay) = (self.format, switch.algorithmic_delay.into());
        if switch.position_rate != format.sample_rate || self.coming.is_some() {
            return None;
        }
        let sounds = Self {
            repair: Repair::new(format, codec),
            decoder: FrameDecoder::new(codec.name(), format, delay)?.mending(),
            codec,
            format,
            lag: delay,
            delay_us: self.delay_us,
            newest: None,
            samples: Vec::new(),
            coming: None,
        };
        // So far the old sound reaches.
        let joint = Joint::new(format, switch.from.saturating_sub(self.lag));
        self.coming = Some(Box::new(Coming { sounds, joint, is_by_tcp, mixed: Vec::new() }));
        Some(())
    }

    /// The codec that is heard, or will be soon.
    pub(super) fn codec(&self) -> Codec {
        self.coming.as_ref().map_or(self.codec, |coming| coming.sounds.codec)
    }

    /// The playout delay is another one.
    pub(super) fn set_delay_ms(&mut self, playout_delay_ms: u32) {
        self.delay_us = u64::from(playout_delay_ms) * 1_000;
    }

    /// How long after its capture sound is heard, in µs.
    pub(super) fn delay_us(&self) -> u64 {
        self.delay_us
    }

    /// Frames in a second.
    pub(super) fn rate_hz(&self) -> u32 {
        self.format.sample_rate
    }

    /// A frame came by TCP.
    ///
    /// # Errors
    /// The [`Violation`] of a payload that cannot be as many frames.
    pub(super) fn frame(&mut self, header: AudioHeader, payload: &[u8]) -> Result<(), Violation> {
        if let Some(coming) = self.coming.as_mut().filter(|coming| coming.is_by_tcp) {
            return coming.sounds.frame(header, payload);
        }
        check_payload(self.codec, payload, header.frames, self.format.channels)?;
        self.note(header);
        self.repair.frame(header, payload);
        Ok(())
    }

    /// A datagram of sound came, of the stream of that number.
    pub(super) fn datagram(&mut self, stream: u8, header: AudioHeader, bytes: &[u8], now_us: u64) {
        if let Some(coming) = self.coming.as_mut().filter(|coming| coming.is_stream(stream)) {
            return coming.sounds.datagram(stream, header, bytes, now_us);
        }
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
        if let Some(coming) = &mut self.coming {
            coming.sounds.look(reading, offset, now_us);
        }
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
        let Some(mut coming) = self.coming.take() else {
            return self.release_alone(now_us, give);
        };
        self.release_alone(now_us, |sound| {
            coming.joint.old(sound).map(&mut give);
        })?;
        let Coming { sounds, joint, mixed, .. } = &mut *coming;
        let mut reached = 0;
        sounds.release_alone(now_us, |sound| {
            reached = sound.position + u64::from(sound.frames);
            joint.new_sound(sound, mixed).map(&mut give);
        })?;
        if reached < joint.place() {
            self.coming = Some(coming);
            return Ok(());
        }
        let counts = self.repair.counts().and(coming.sounds.repair.counts());
        *self = coming.sounds;
        self.repair.count_on_from(counts);
        Ok(())
    }

    fn release_alone(
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

    /// What is to be asked for at `now_us`, of which stream.
    pub(super) fn ask(&mut self, now_us: u64) -> Option<(u8, Wanted)> {
        let coming = &mut self.coming;
        self.repair.ask(now_us).or_else(|| coming.as_mut()?.sounds.repair.ask(now_us))
    }

    /// An ask was answered after that long, in µs.
    pub(super) fn answered(&mut self, round_trip_us: u64, now_us: u64) {
        self.repair.answered(round_trip_us, now_us);
        if let Some(coming) = &mut self.coming {
            coming.sounds.repair.answered(round_trip_us, now_us);
        }
    }

    /// When something leaves, or is to be asked for, in µs.
    pub(super) fn due_us(&self, now_us: u64) -> Option<u64> {
        let coming = self.coming.as_ref().and_then(|coming| coming.sounds.repair.due_us(now_us));
        self.repair.due_us(now_us).into_iter().chain(coming).min()
    }
}

impl Coming {
    fn is(&self, switch: &Switch) -> bool {
        Codec::parse(&switch.codec) == Some(self.sounds.codec)
    }

    fn is_stream(&self, stream: u8) -> bool {
        usize::from(stream) == self.sounds.codec.index()
    }
}
