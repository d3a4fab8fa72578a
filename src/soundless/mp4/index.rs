//! The index of an M4A, MP4 or QuickTime file: boxes in boxes (ISO/IEC 14496-12).

use std::io::ErrorKind;

use super::table::{MAX_ENTRIES, Places, Tables};
use crate::soundless::fault::Fault;
use crate::soundless::input::Input;

/// Most boxes that are looked at. A film with all its tags has a few hundred; each may cost a seek.
const MAX_BOXES: u32 = 10_000;

/// How deep boxes may stand in each other; eight are usual.
const MAX_DEPTH: u32 = 20;

/// Most bytes of a description of sound, or of a tag, that are read.
const MAX_BODY: u64 = 4_096;

/// A description of what decodes a track.
pub(super) enum Coded {
    /// AAC's own description.
    Aac(Vec<u8>),
    /// Apple Lossless' own.
    Alac(Vec<u8>),
}

/// A track of sound that can be played.
pub(super) struct Track {
    pub(super) coded: Coded,
    pub(super) places: Places,
    /// How long all packets are, in units of which there are so many a second.
    length: u64,
    timescale: u64,
    /// Where the sound starts and how long it is in these units, where a cut was made.
    cut: Option<(u64, Option<u64>)>,
    /// Frames in front and frames of sound, as iTunes writes them.
    gapless: Option<(u64, u64)>,
}

impl Track {
    /// Frames to leave out at the start, and frames that are heard behind them, at that rate in Hz.
    pub(super) fn played(&self, rate: u32) -> (u64, u64) {
        let frames = |units: u64| match self.timescale {
            0 => units,
            timescale if timescale == u64::from(rate) => units,
            timescale => (u128::from(units) * u128::from(rate) / u128::from(timescale)) as u64,
        };
        let all = frames(self.length);
        let (front, sound) = match (self.gapless, self.cut) {
            (Some((front, sound)), _) => (front, sound),
            (None, Some((start, length))) => (frames(start), length.map_or(all, frames)),
            (None, None) => (0, all),
        };
        (front, sound.min(all.saturating_sub(front)))
    }
}

/// What a track says of itself.
#[derive(Default)]
struct Said {
    handler: [u8; 4],
    /// Units of time a second.
    timescale: u64,
    /// Where the sound starts, and how long it is in the film's units, where a single cut was made.
    cut: Option<(u64, Option<u64>)>,
    description: Vec<u8>,
    tables: Tables,
}

/// What stands in the index.
#[derive(Default)]
struct Index {
    timescale: u64,
    tracks: Vec<Said>,
    /// What iTunes says of it: frames in front, and frames of sound.
    gapless: Option<(u64, u64)>,
    is_in_fragments: bool,
}

/// Reads the index, wherever in the file it is, and takes the first track of sound that can be played.
///
/// # Errors
/// If there is none, with what there is instead, or the index lies.
pub(super) fn read(input: &mut Input) -> Result<Track, Fault> {
    let mut reader = Reader { input, boxes: 0, depth: 0, entries_left: MAX_ENTRIES };
    while let Some((name, end)) = reader.next_box(u64::MAX)? {
        if &name == b"mdat" && reader.input.is_pipe() {
            // The index is behind the sound.
            return Err(Fault::Io(ErrorKind::NotSeekable.into()));
        }
        if &name == b"moov" {
            let mut index = Index::default();
            reader.film(end, &mut index)?;
            return choose(index);
        }
        reader.go_to(end)?;
    }
    Err(Fault::Damaged("its end is missing, and the index of its sound with it".into()))
}

fn choose(index: Index) -> Result<Track, Fault> {
    let mut refused = None;
    let is_picture = |track: &Said| {
        let kind = track.description.get(4..8).unwrap_or_default();
        kind.starts_with(b"jpeg") || kind.starts_with(b"png ") || kind.starts_with(b"mjp")
    };
    if index.tracks.iter().any(|track| &track.handler == b"vide" && !is_picture(track)) {
        return Err(Fault::not_known("a video"));
    }
    for track in index.tracks.into_iter().filter(|track| &track.handler == b"soun") {
        let coded = match coded(&track.description) {
            Ok(coded) => coded,
            Err(fault) => {
                refused.get_or_insert(fault);
                continue;
            }
        };
        // The length of a cut is given in coarse units: only what is shorter by more than one is one.
        let cut = track.cut.map(|(start, length)| {
            let scaled = |length: u64| {
                let units = u128::from(length) + 1;
                let scaled =
                    units * u128::from(track.timescale) / u128::from(index.timescale.max(1));
                u64::try_from(scaled).ok()
            };
            (start, length.and_then(scaled))
        });
        let (length, timescale, gapless) = (track.tables.frames, track.timescale, index.gapless);
        match track.tables.places() {
            Some(places) if length > 0 => {
                return Ok(Track { coded, places, length, timescale, cut, gapless });
            }
            _ if index.is_in_fragments => {
                refused.get_or_insert(Fault::not_known("an MP4 file in fragments"));
            }
            _ => {
                refused.get_or_insert(Fault::Damaged("it ends before its sound begins".into()));
            }
        }
    }
    Err(refused.unwrap_or_else(|| Fault::Unknown("it is an MP4 file without sound".into())))
}

struct Reader<'a> {
    input: &'a mut Input,
    boxes: u32,
    depth: u32,
    /// Entries that tables may still have.
    entries_left: u32,
}

impl Reader<'_> {
    /// Goes into the next box before `end`: its name, and where it ends.
    fn next_box(&mut self, end: u64) -> Result<Option<([u8; 4], u64)>, Fault> {
        let begin = self.input.position();
        if begin.saturating_add(8) > end {
            return Ok(None);
        }
        self.boxes += 1;
        if self.boxes > MAX_BOXES || self.depth > MAX_DEPTH {
            return Err(Fault::Damaged("it has too many parts".into()));
        }
        let Some([a, b, c, d, name @ ..]) = self.input.take::<8>()? else { return Ok(None) };
        let size = match u32::from_be_bytes([a, b, c, d]) {
            0 => end.saturating_sub(begin),
            1 => self.input.take().map(|eight| eight.map_or(0, u64::from_be_bytes))?,
            size => size.into(),
        };
        let stop = begin.saturating_add(size).min(end);
        if stop < self.input.position() {
            return Err(Fault::Damaged(
                "a part of it says that it is smaller than its name".into(),
            ));
        }
        Ok(Some((name, stop)))
    }

    fn go_to(&mut self, place: u64) -> Result<(), Fault> {
        match place.checked_sub(self.input.position()) {
            Some(ahead) => Ok(self.input.skip(ahead)?),
            None => Err(Fault::Damaged("a part of it is larger than what it stands in".into())),
        }
    }

    /// The first bytes of a box that ends there.
    fn body(&mut self, end: u64) -> Result<Vec<u8>, Fault> {
        let bytes = end.saturating_sub(self.input.position()).min(MAX_BODY) as usize;
        let there = self.input.peek(bytes)?;
        Ok(there[..bytes.min(there.len())].to_vec())
    }

    fn film(&mut self, end: u64, index: &mut Index) -> Result<(), Fault> {
        self.depth += 1;
        while let Some((name, stop)) = self.next_box(end)? {
            match &name {
                b"mvhd" => index.timescale = timescale(&self.body(stop)?),
                b"mvex" => index.is_in_fragments = true,
                b"trak" => {
                    let mut track = Said::default();
                    self.track(stop, &mut track)?;
                    index.tracks.push(track);
                }
                b"udta" | b"ilst" => self.film(stop, index)?,
                b"meta" => {
                    // QuickTime's has no version.
                    let has_version = self.input.peek(8)?.get(4..8) != Some(b"hdlr");
                    self.input.skip(if has_version { 4 } else { 0 })?;
                    self.film(stop, index)?;
                }
                b"----" => index.gapless = gapless(&self.body(stop)?).or(index.gapless),
                _ => {}
            }
            self.go_to(stop)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn track(&mut self, end: u64, said: &mut Said) -> Result<(), Fault> {
        self.depth += 1;
        while let Some((name, stop)) = self.next_box(end)? {
            match &name {
                b"mdia" | b"minf" | b"stbl" | b"edts" => self.track(stop, said)?,
                b"mdhd" => said.timescale = timescale(&self.body(stop)?),
                // A second one speaks of where the data is.
                b"hdlr" if said.handler == [0; 4] => {
                    let body = self.body(stop)?;
                    said.handler =
                        body.get(8..12).and_then(|four| four.try_into().ok()).unwrap_or([0; 4]);
                }
                b"elst" => said.cut = cut(&self.body(stop)?),
                b"stsd" => {
                    said.description = self.body(stop)?.get(8..).unwrap_or_default().to_vec()
                }
                b"stts" | b"stsc" | b"stsz" | b"stco" | b"co64" => {
                    said.tables.take(&name, self.input, &mut self.entries_left)?
                }
                _ => {}
            }
            self.go_to(stop)?;
        }
        self.depth -= 1;
        Ok(())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|eight| u64::from_be_bytes(*eight))
}

/// The units a second in the head of a film or a track.
fn timescale(body: &[u8]) -> u64 {
    let at = if body.first() == Some(&1) { 20 } else { 12 };
    u32_at(body, at).unwrap_or(0).into()
}

/// Where the first cut begins, and how long it is where it is the only one.
fn cut(body: &[u8]) -> Option<(u64, Option<u64>)> {
    let is_long = body.first() == Some(&1);
    let count = u32_at(body, 4)?;
    let mut cuts = (0..count.min(100)).map_while(|n| {
        let at = 8 + n as usize * if is_long { 20 } else { 12 };
        if is_long {
            Some((u64_at(body, at)?, u64_at(body, at + 8)?))
        } else {
            // A start of −1 is a pause.
            let start = u32_at(body, at + 4)? as i32;
            Some((u32_at(body, at)?.into(), i64::from(start) as u64))
        }
    });
    let is_pause = |(_, start): &(u64, u64)| *start == u64::MAX;
    let (length, start) = cuts.find(|cut| !is_pause(cut))?;
    let is_only = cuts.all(|cut| is_pause(&cut));
    Some((start, Some(length).filter(|length| is_only && *length > 0)))
}

/// What iTunes writes of the frames that its encoder has added: `iTunSMPB`, numbers in hexadecimal.
fn gapless(body: &[u8]) -> Option<(u64, u64)> {
    const KEY: &[u8] = b"iTunSMPB";
    let at = body.windows(KEY.len()).position(|bytes| bytes == KEY)?;
    let rest = &body[at + KEY.len()..];
    let data = rest.windows(4).position(|bytes| bytes == b"data")?;
    let text = std::str::from_utf8(rest.get(data + 12..)?).ok()?;
    let mut numbers = text.split_ascii_whitespace().map(|number| u64::from_str_radix(number, 16));
    let (_, front, _, sound) = (
        numbers.next()?.ok()?,
        numbers.next()?.ok()?,
        numbers.next()?.ok()?,
        numbers.next()?.ok()?,
    );
    (sound > 0).then_some((front, sound))
}

/// What a description of sound says that its packets are.
fn coded(description: &[u8]) -> Result<Coded, Fault> {
    let cut_off = || Fault::Damaged("its format is cut off".into());
    let name: [u8; 4] =
        description.get(4..8).and_then(|name| name.try_into().ok()).ok_or_else(cut_off)?;
    let size = u32_at(description, 0).unwrap_or(0) as usize;
    let entry = &description[..size.min(description.len())];
    let version = entry.get(17).copied().unwrap_or(0);
    let inner = entry.get(36 + [0, 16, 36][usize::from(version.min(2))]..).unwrap_or_default();
    match &name {
        b"alac" => {
            let config =
                child(inner, b"alac").and_then(|body| body.get(4..)).ok_or_else(cut_off)?;
            Ok(Coded::Alac(config.to_vec()))
        }
        b"mp4a" => decoder_config(child(inner, b"esds").ok_or_else(cut_off)?),
        other => Err(Fault::not_known(&format!("an MP4 file with {} in it", name_of(other)))),
    }
}

/// The box of that name among `boxes`, or in what QuickTime puts around it.
fn child<'a>(mut boxes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    while let (Some(size), Some(is)) = (u32_at(boxes, 0), boxes.get(4..8)) {
        let size = (size as usize).clamp(8, boxes.len());
        let body = &boxes[8..size];
        if is == name {
            return Some(body);
        }
        if is == b"wave" {
            return child(body, name);
        }
        boxes = &boxes[size..];
    }
    None
}

/// AAC's description, out of the descriptions around it (ISO/IEC 14496-1, 7.2.6).
fn decoder_config(body: &[u8]) -> Result<Coded, Fault> {
    let cut_off = || Fault::Damaged("its format is cut off".into());
    let mut rest = body.get(4..).ok_or_else(cut_off)?;
    loop {
        let (tag, inner, behind) = descriptor(rest).ok_or_else(cut_off)?;
        match tag {
            3 => {
                let flags = *inner.get(2).ok_or_else(cut_off)?;
                let url = usize::from(inner.get(3).copied().unwrap_or(0)) + 1;
                let more = [(0x80, 2), (0x40, url), (0x20, 2)];
                let head: usize =
                    more.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, bytes)| bytes).sum();
                rest = inner.get(3 + head..).ok_or_else(cut_off)?;
            }
            4 => match *inner.first().ok_or_else(cut_off)? {
                // MPEG-4, and AAC-LC of MPEG-2.
                0x40 | 0x67 => rest = inner.get(13..).ok_or_else(cut_off)?,
                0x69 | 0x6b => return Err(Fault::not_known("an MP4 file with MP3 in it")),
                _ => return Err(Fault::not_known("an MP4 file with sound of a rare kind in it")),
            },
            5 => return Ok(Coded::Aac(inner.to_vec())),
            _ => rest = behind,
        }
    }
}

/// A description: its kind, what is in it, and what stands behind it.
fn descriptor(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, mut rest) = bytes.split_first()?;
    let mut size = 0;
    for _ in 0..4 {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        size = size << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (inner, behind) = rest.split_at(size.min(rest.len()));
    Some((*tag, inner, behind))
}

/// A kind of sound by its four letters.
fn name_of(letters: &[u8; 4]) -> String {
    let name = match letters {
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b"ac-4" => "AC-4",
        b"Opus" => "Opus",
        b"fLaC" => "FLAC",
        b".mp3" => "MP3",
        b"drms" | b"enca" => "protected sound",
        b"samr" | b"sawb" => "AMR",
        b"sowt" | b"twos" | b"lpcm" | b"in24" | b"in32" | b"fl32" | b"fl64" => "PCM",
        other => return format!("sound of kind “{}”", other.escape_ascii()),
    };
    name.to_owned()
}
