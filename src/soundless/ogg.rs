//! Ogg files: Vorbis, Opus and FLAC, joined end to end or not.
//!
//! Pages are read here and not by a library, because a granule says how much was lost where a page
//! is, and because every part of a joined file has a beginning and an end of its own.

mod opus;
mod page;
mod sound;

use crate::soundless::block::Block;
use crate::soundless::fault::Fault;
use crate::soundless::input::Input;
use page::{Page, next_page};
use sound::{First, Sound};

/// Longest packet that is kept, in bytes. Comments may be longer, with their pictures; what they
/// say is not needed.
const MAX_PACKET: usize = 1024 * 1024;

/// Most streams that may stand beside each other.
const MAX_STREAMS: usize = 64;

/// Longest hole that becomes silence, in seconds. Beyond it a granule lies.
const LONGEST_HOLE_S: u64 = 60;

/// The sound of an Ogg file.
pub(super) struct Ogg {
    input: Input,
    link: Option<Link>,
    /// A page that was read, and belongs to what comes next.
    ahead: Option<Page>,
    is_torn: bool,
    has_sounded: bool,
    damaged: u64,
}

/// A part of a file that was joined: one stream from its first page to its last.
struct Link {
    serial: u32,
    sound: Sound,
    /// The packet that has begun, and whether it is of use.
    packet: Vec<u8>,
    is_whole: bool,
    sequence: Option<u32>,
    /// The granule of what is decoded next; none until the first page with one.
    granule: Option<i64>,
    /// Frames still to be left out at the start.
    to_skip: u64,
    /// Where in the block something is missing.
    hole: Option<usize>,
    has_ended: bool,
}

impl Ogg {
    pub(super) fn open(input: Input) -> Result<Self, Fault> {
        let mut ogg =
            Self { input, link: None, ahead: None, is_torn: false, has_sounded: false, damaged: 0 };
        ogg.next_link(true)?;
        Ok(ogg)
    }

    pub(super) fn into_input(self) -> Input {
        self.input
    }

    /// Holes, and packets that could not be decoded, so far.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Decodes the next page that has sound in it. False at the end.
    pub(super) fn next(&mut self, block: &mut Block) -> Result<bool, Fault> {
        loop {
            let Some(page) = self.page()? else { return Ok(false) };
            let is_own = self.link.as_ref().is_some_and(|link| {
                link.serial == page.serial && !link.has_ended && !page.is_first
            });
            if page.is_first && !is_own {
                self.ahead = Some(page);
                self.next_link(false)?;
                continue;
            }
            let (true, Some(link)) = (is_own, &mut self.link) else { continue };
            match link.take(page, std::mem::take(&mut self.is_torn), block) {
                Ok(damaged) => self.damaged += damaged,
                // What was heard so far stands; the next part may be well again.
                Err(_) if self.has_sounded => {
                    self.damaged += 1;
                    self.link = None;
                }
                Err(fault) => return Err(fault),
            }
            self.has_sounded |= !block.samples.is_empty();
            if !block.samples.is_empty() {
                return Ok(true);
            }
        }
    }

    fn page(&mut self) -> Result<Option<Page>, Fault> {
        match self.ahead.take() {
            Some(page) => Ok(Some(page)),
            None => Ok(next_page(&mut self.input, &mut self.is_torn)?),
        }
    }

    /// Looks at the streams that begin here side by side, and takes the first that can be played.
    fn next_link(&mut self, must_be: bool) -> Result<(), Fault> {
        let mut found = None;
        let mut refused = None;
        let mut others = Vec::new();
        for _ in 0..MAX_STREAMS {
            let Some(page) = self.page()? else { break };
            if !page.is_first {
                self.ahead = Some(page);
                break;
            }
            let packet = page.pieces.first().map_or(&[][..], |(bytes, _)| bytes);
            match First::read(packet) {
                Ok(First::Sound(sound)) if found.is_none() => {
                    found = Some(Link::new(&page, *sound));
                }
                Ok(First::Sound(_)) => {}
                Ok(First::Other(name, is_sound)) => others.push((!is_sound, name)),
                Err(fault) => refused = Some(fault),
            }
        }
        if let (None, true) = (&found, must_be) {
            others.sort_unstable();
            return Err(match (refused, others.first()) {
                (Some(fault), _) => fault,
                (None, Some((false, name))) => {
                    Fault::not_known(&format!("an Ogg file with {name} in it"))
                }
                (None, Some(_)) => Fault::Unknown("it is an Ogg file without sound".into()),
                (None, None) => Fault::Damaged("it ends before its sound begins".into()),
            });
        }
        self.link = found;
        Ok(())
    }
}

impl Link {
    fn new(page: &Page, sound: Sound) -> Self {
        Self {
            serial: page.serial,
            to_skip: sound.pre_skip(),
            sound,
            packet: Vec::new(),
            is_whole: true,
            sequence: Some(page.sequence),
            granule: None,
            hole: None,
            has_ended: page.is_last,
        }
    }

    /// Takes a page, and appends the sound of the packets that end on it. Returns how many holes
    /// and bad packets there were.
    fn take(&mut self, page: Page, is_torn: bool, block: &mut Block) -> Result<u64, Fault> {
        let mut damaged = 0;
        let follows = self.sequence.is_none_or(|last| last.wrapping_add(1) == page.sequence);
        self.sequence = Some(page.sequence);
        if !follows || is_torn {
            self.hole.get_or_insert(0);
        }
        if !follows || page.is_continued == self.packet.is_empty() {
            // The beginning or the end of a packet is missing.
            self.is_whole = !page.is_continued;
            self.packet.clear();
        }
        for (piece, ends) in page.pieces {
            if self.packet.len() + piece.len() <= MAX_PACKET {
                self.packet.extend(piece);
            }
            if !ends {
                continue;
            }
            let packet = std::mem::take(&mut self.packet);
            if std::mem::replace(&mut self.is_whole, true)
                && self.sound.decode(&packet, block)?.is_none()
            {
                damaged += 1;
                let end = self.frames(block);
                self.hole.get_or_insert(end);
            }
        }
        self.has_ended |= page.is_last;
        if let Some(granule) = page.granule {
            damaged += u64::from(self.place(granule, page.is_last, block));
        }
        let channels = usize::from(self.sound.layout.channels());
        let skipped = usize::try_from(self.to_skip).unwrap_or(usize::MAX).min(self.frames(block));
        self.to_skip -= skipped as u64;
        block.samples.drain(..skipped * channels);
        Ok(damaged)
    }

    fn frames(&self, block: &Block) -> usize {
        block.samples.len() / usize::from(self.sound.layout.channels())
    }

    /// Fits what was decoded to the granule at its end: cuts off what is too much, and fills holes.
    /// True if there was one.
    fn place(&mut self, granule: i64, is_last: bool, block: &mut Block) -> bool {
        let channels = usize::from(self.sound.layout.channels());
        let frames = self.frames(block);
        let made = i64::try_from(frames).unwrap_or(0);
        let hole = self.hole.take();
        let Some(begin) = self.granule.replace(granule) else {
            // The first page with sound. Of one that was cut off at its start all that is there is
            // heard; one that is the last as well says where it ends.
            let behind = made.saturating_sub(granule.max(0));
            if behind > 0 && is_last {
                block.samples.truncate((made - behind) as usize * channels);
            } else if frames == 0 && granule <= 0 {
                self.granule = None;
            }
            return false;
        };
        let missing = granule.saturating_sub(begin.saturating_add(made));
        if missing < 0 && is_last {
            let left = made.saturating_add(missing).max(0) as usize;
            block.samples.truncate(left * channels);
        }
        let longest = LONGEST_HOLE_S * u64::from(self.sound.sample_rate);
        let is_hole = hole.is_some() && (1..=longest as i64).contains(&missing);
        if let (Some(at), true) = (hole, is_hole) {
            let at = at.min(frames) * channels;
            let silence = std::iter::repeat_n(0.0, missing as usize * channels);
            block.samples.splice(at..at, silence);
        }
        is_hole
    }
}

#[cfg(test)]
mod tests;
