//! Reads compressed sound a packet at a time. It has one format from its start to its end, whatever
//! the file does on its way.

use crate::format::Format;
use crate::mixdown::{Layout, Mixdown, Position};
use crate::rate::WholeConverter;
use crate::soundless::block::Block;
use crate::soundless::fault::{Fault, believable};
use crate::soundless::flac::Flac;
use crate::soundless::input::Input;
use crate::soundless::kind::{FileKind, recognise};
use crate::soundless::mp3::Mp3;
use crate::soundless::mp4::Mp4;
use crate::soundless::ogg::Ogg;

enum Packets {
    Mp3(Mp3),
    Mp4(Box<Mp4>),
    Flac(Flac),
    Ogg(Box<Ogg>),
    /// A file that could not be started again.
    None,
}

impl Packets {
    fn open(input: Input, kind: FileKind) -> Result<Self, Fault> {
        Ok(match kind {
            FileKind::Mp3 => Self::Mp3(Mp3::open(input)),
            FileKind::Mp4 => Self::Mp4(Box::new(Mp4::open(input)?)),
            FileKind::Flac => Self::Flac(Flac::open(input)?),
            _ => Self::Ogg(Box::new(Ogg::open(input)?)),
        })
    }

    fn next(&mut self, block: &mut Block) -> Result<bool, Fault> {
        match self {
            Self::Mp3(mp3) => mp3.next(block),
            Self::Mp4(mp4) => mp4.next(block),
            Self::Flac(flac) => flac.next(block),
            Self::Ogg(ogg) => ogg.next(block),
            Self::None => Ok(false),
        }
    }

    fn into_input(self) -> Option<Input> {
        match self {
            Self::Mp3(mp3) => Some(mp3.into_input()),
            Self::Mp4(mp4) => Some(mp4.into_input()),
            Self::Flac(flac) => Some(flac.into_input()),
            Self::Ogg(ogg) => Some(ogg.into_input()),
            Self::None => None,
        }
    }
}

/// The sound of a compressed file.
pub(super) struct Compressed {
    packets: Packets,
    kind: FileKind,
    format: Format,
    layout: Layout,
    block: Block,
    /// How much of the block has been read.
    taken: usize,
    /// Brings what comes in another format into that of the start.
    fit: Option<Fit>,
    /// Damaged packets of earlier passes.
    damaged: u64,
    has_ended: bool,
}

impl Compressed {
    /// Opens a file of this kind, whose sound begins at `input`'s place.
    pub(super) fn open(input: Input, kind: FileKind) -> Result<Self, Fault> {
        let mut packets = Packets::open(input, kind)?;
        let mut block = Block::default();
        if !packets.next(&mut block)? {
            return Err(Fault::Damaged("nothing in it can be decoded".into()));
        }
        let format = believable(block.sample_rate, block.layout.channels().into())?;
        let layout = block.layout.clone();
        let (fit, taken) = (None, 0);
        Ok(Self { packets, kind, format, layout, block, taken, fit, damaged: 0, has_ended: false })
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Frames from start to end, where the file says.
    pub(super) fn frames_total(&self) -> Option<u64> {
        match &self.packets {
            Packets::Mp3(mp3) => mp3.frames_total(),
            Packets::Mp4(mp4) => mp4.frames_total(),
            Packets::Flac(flac) => flac.frames_total(),
            Packets::Ogg(_) | Packets::None => None,
        }
    }

    /// Pieces that could not be decoded so far; each is silent.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
            + match &self.packets {
                Packets::Mp3(mp3) => mp3.damaged(),
                Packets::Mp4(mp4) => mp4.damaged(),
                Packets::Flac(flac) => flac.damaged(),
                Packets::Ogg(ogg) => ogg.damaged(),
                Packets::None => 0,
            }
    }

    /// Fills whole interleaved frames; returns how many samples, 0 at the end.
    pub(super) fn read(&mut self, out: &mut [f32]) -> Result<usize, Fault> {
        while self.taken == self.block.samples.len() {
            if self.has_ended {
                return Ok(0);
            }
            self.next_block()?;
        }
        let ready = &self.block.samples[self.taken..];
        let count = ready.len().min(out.len());
        out[..count].copy_from_slice(&ready[..count]);
        self.taken += count;
        Ok(count)
    }

    /// Goes back to the first frame.
    pub(super) fn restart(&mut self) -> Result<(), Fault> {
        // Anew and not by seeking, which need not lead to the very first sample again.
        self.damaged = self.damaged();
        let packets = std::mem::replace(&mut self.packets, Packets::None);
        self.block.samples.clear();
        self.taken = 0;
        self.fit = None;
        self.has_ended = true;
        let Some(mut input) = packets.into_input() else { return Ok(()) };
        input.go_to(0)?;
        if recognise(&mut input).is_ok_and(|kind| kind == self.kind) {
            self.packets = Packets::open(input, self.kind)?;
            self.has_ended = false;
        }
        Ok(())
    }

    fn next_block(&mut self) -> Result<(), Fault> {
        let before = self.damaged();
        self.taken = 0;
        self.block.samples.clear();
        self.has_ended = !self.packets.next(&mut self.block)?;
        if before == 0 && self.damaged() > 0 {
            log::warn!("a sound file is damaged: what cannot be read of it is silent");
        }
        let Block { sample_rate, layout, samples } = &mut self.block;
        let is_own = *sample_rate == self.format.sample_rate && *layout == self.layout;
        let fits = |fit: &Fit| fit.sample_rate == *sample_rate && fit.from == *layout;
        let mut fitted = Vec::new();
        if let Some(mut done) = self.fit.take_if(|fit| self.has_ended || !fits(fit)) {
            done.finish(&mut fitted);
        }
        if self.has_ended {
            *samples = fitted;
            return Ok(());
        }
        if is_own && self.fit.is_none() {
            samples.splice(0..0, fitted);
            return Ok(());
        }
        if self.fit.is_none() {
            if believable(*sample_rate, layout.channels().into()).is_err() {
                // A block that lies is none; what was heard so far stands.
                *samples = fitted;
                return Ok(());
            }
            let fit = Fit::new(*sample_rate, layout, self.format, &self.layout);
            self.fit = Some(fit.map_err(|e| Fault::Damaged(e.to_string()))?);
        }
        if let Some(fit) = &mut self.fit {
            fit.push(samples, &mut fitted);
        }
        *samples = fitted;
        Ok(())
    }
}

impl std::fmt::Debug for Compressed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressed")
            .field("kind", &self.kind)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// Brings sound of one format into another: the rest of a file that changes on its way.
struct Fit {
    sample_rate: u32,
    from: Layout,
    mixdown: Mixdown,
    converter: Option<WholeConverter>,
    /// Where left and right stand among how many channels, where there are more than two.
    spread: Option<(usize, usize, usize)>,
    mixed: Vec<f32>,
}

impl Fit {
    fn new(sample_rate: u32, from: &Layout, format: Format, to: &Layout) -> crate::Result<Self> {
        let channels = format.channels.min(2);
        let place = |position, instead| {
            to.positions().iter().position(|p| *p == position).unwrap_or(instead)
        };
        let spread = (format.channels > 2).then(|| {
            (
                place(Position::FrontLeft, 0),
                place(Position::FrontRight, 1),
                usize::from(format.channels),
            )
        });
        let converter = (sample_rate != format.sample_rate)
            .then(|| WholeConverter::new(sample_rate, format.sample_rate, channels))
            .transpose()?;
        let mixdown = Mixdown::new(from, channels, None)?;
        let (from, mixed) = (from.clone(), Vec::new());
        Ok(Self { sample_rate, from, mixdown, converter, spread, mixed })
    }

    fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.mixed.clear();
        self.mixdown.apply(samples, &mut self.mixed);
        match &mut self.converter {
            None => place(&self.mixed, self.spread, out),
            Some(converter) => {
                let mut converted = Vec::new();
                converter.push(&self.mixed, &mut converted);
                place(&converted, self.spread, out);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<f32>) {
        let mut rest = Vec::new();
        if let Some(converter) = &mut self.converter {
            converter.finish(&mut rest);
        }
        place(&rest, self.spread, out);
    }
}

/// Appends mono or stereo as it is, or stereo at the left and right of more channels.
fn place(samples: &[f32], spread: Option<(usize, usize, usize)>, out: &mut Vec<f32>) {
    let Some((left, right, channels)) = spread else {
        out.extend_from_slice(samples);
        return;
    };
    for pair in samples.chunks_exact(2) {
        let start = out.len();
        out.resize(start + channels, 0.0);
        out[start + left] = pair[0];
        out[start + right] = pair[1];
    }
}
