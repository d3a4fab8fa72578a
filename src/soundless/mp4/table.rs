//! Where the packets of a track are, by the tables of its index (ISO/IEC 14496-12, 8.6 and 8.7).

use std::sync::Arc;

use crate::soundless::fault::Fault;
use crate::soundless::input::Input;

/// Most packets of a track, and most entries of all tables of a file together: four days of AAC at
/// 44.1 kHz. Each entry costs 4 bytes of memory, or 8.
pub(super) const MAX_ENTRIES: u32 = 1 << 24;

/// Longest packet, in bytes: 16,384 frames of eight channels of 32 bits, which Apple Lossless may store
/// as they are, and some more. AAC has 1,536 bytes at most for two channels.
pub(super) const MAX_PACKET: u32 = 1024 * 1024;

/// How large each packet is.
#[derive(Debug, Clone)]
pub(super) enum Sizes {
    Same(u32),
    Each(Arc<[u32]>),
}

/// The tables of a track, as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Tables {
    sizes: Option<Sizes>,
    packets: u64,
    chunks: Vec<u64>,
    /// From which chunk on, counted from 0, there are how many packets in each.
    runs: Vec<(u32, u32)>,
    /// Frames in all of the packets.
    pub(super) frames: u64,
}

/// Goes from packet to packet.
#[derive(Debug, Clone)]
pub(super) struct Places {
    sizes: Sizes,
    packets: u64,
    chunks: Arc<[u64]>,
    runs: Arc<[(u32, u32)]>,
    packet: u64,
    chunk: usize,
    in_chunk: u32,
    run: usize,
    offset: u64,
}

fn cut_off() -> Fault {
    Fault::Damaged("its index is cut off".into())
}

fn too_long() -> Fault {
    Fault::Damaged("its index claims more packets than four days of sound have".into())
}

fn number(input: &mut Input) -> Result<u32, Fault> {
    input.take().map(|four| four.map(u32::from_be_bytes))?.ok_or_else(cut_off)
}

/// The number of entries of a table that begins here, behind its version. They are taken off those
/// that are `left` to the file.
fn entries(input: &mut Input, left: &mut u32) -> Result<u32, Fault> {
    input.skip(4)?;
    let entries = number(input)?;
    *left = left.checked_sub(entries).ok_or_else(too_long)?;
    Ok(entries)
}

impl Tables {
    /// Takes a table of this name, whose body begins at `input`'s place. No memory is taken for
    /// entries before they have come, and for no more than are `left` to the file.
    pub(super) fn take(
        &mut self,
        name: &[u8; 4],
        input: &mut Input,
        left: &mut u32,
    ) -> Result<(), Fault> {
        match name {
            b"stts" => {
                self.frames = 0;
                for _ in 0..entries(input, left)? {
                    let (count, frames) = (number(input)?, number(input)?);
                    let frames = u64::from(count).saturating_mul(frames.into());
                    self.frames = self.frames.saturating_add(frames);
                }
            }
            b"stsc" => {
                self.runs.clear();
                for _ in 0..entries(input, left)? {
                    let (first, packets, _) = (number(input)?, number(input)?, number(input)?);
                    self.runs.push((first.saturating_sub(1), packets));
                }
            }
            b"stco" | b"co64" => {
                self.chunks.clear();
                for _ in 0..entries(input, left)? {
                    let offset = match name {
                        b"stco" => number(input)?.into(),
                        _ => u64::from(number(input)?) << 32 | u64::from(number(input)?),
                    };
                    self.chunks.push(offset);
                }
            }
            b"stsz" => {
                input.skip(4)?;
                let (same, count) = (number(input)?, number(input)?);
                if count > MAX_ENTRIES {
                    return Err(too_long());
                }
                self.packets = count.into();
                self.sizes = Some(if same > MAX_PACKET {
                    return Err(Fault::Damaged(format!("its index claims {same} bytes a packet")));
                } else if same > 0 {
                    Sizes::Same(same)
                } else {
                    *left = left.checked_sub(count).ok_or_else(too_long)?;
                    let mut each = Vec::new();
                    for _ in 0..count {
                        each.push(number(input)?);
                    }
                    Sizes::Each(each.into())
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Where the packets are; none where there is none.
    pub(super) fn places(self) -> Option<Places> {
        let sizes = self.sizes?;
        let is_any = self.packets > 0 && !self.chunks.is_empty() && !self.runs.is_empty();
        is_any.then(|| Places {
            sizes,
            packets: self.packets,
            chunks: self.chunks.into(),
            runs: self.runs.into(),
            packet: 0,
            chunk: 0,
            in_chunk: 0,
            run: 0,
            offset: 0,
        })
    }
}

impl Iterator for Places {
    /// Where a packet begins in the file, and its bytes.
    type Item = (u64, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let size = match &self.sizes {
            Sizes::Same(size) => Some(*size).filter(|_| self.packet < self.packets),
            Sizes::Each(each) => each.get(usize::try_from(self.packet).ok()?).copied(),
        }?;
        loop {
            let begin = *self.chunks.get(self.chunk)?;
            if self.in_chunk == 0 {
                self.offset = begin;
                let chunk = u32::try_from(self.chunk).ok()?;
                while self.runs.get(self.run + 1).is_some_and(|(first, _)| *first <= chunk) {
                    self.run += 1;
                }
            }
            if self.in_chunk < self.runs.get(self.run)?.1 {
                break;
            }
            self.chunk += 1;
            self.in_chunk = 0;
        }
        let place = self.offset;
        self.offset = self.offset.saturating_add(size.into());
        self.in_chunk += 1;
        self.packet += 1;
        Some((place, size))
    }
}
