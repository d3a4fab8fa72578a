//! Opus in Ogg (RFC 7845).

use crate::codec::opus::{FilePackets, RATE};
use crate::mixdown::Layout;
use crate::soundless::fault::Fault;

/// Frames in a packet of 120 ms, the longest.
const MAX_FRAMES: usize = 5_760;

/// The sound of one stream of Opus, of up to eight channels.
pub(super) struct OpusSound {
    pre_skip: u64,
    gain: f32,
    layout: Layout,
    /// The streams in a packet, of two channels as far as they are coupled.
    streams: Vec<FilePackets>,
    /// For every channel of the file, which of the streams' channels it is, if any.
    mapping: Vec<Option<usize>>,
    /// Where each stream's channels begin among all of them.
    decoded: Vec<Vec<f32>>,
    /// Frames in the last packet.
    last_frames: usize,
}

impl OpusSound {
    pub(super) const RATE: u32 = RATE;

    /// Reads the first packet.
    pub(super) fn open(head: &[u8]) -> Result<Self, Fault> {
        let cut_off = || Fault::Damaged("its header is cut off".into());
        let number = |at: usize| head.get(at..at + 2).map(|two| [two[0], two[1]]);
        let channels = usize::from(*head.get(9).ok_or_else(cut_off)?);
        let pre_skip = u16::from_le_bytes(number(10).ok_or_else(cut_off)?);
        let gain_db = f32::from(i16::from_le_bytes(number(16).ok_or_else(cut_off)?)) / 256.0;
        let family = *head.get(18).ok_or_else(cut_off)?;
        let (streams, coupled, table) = match (family, channels) {
            (0, 1 | 2) => (1, channels - 1, vec![0, 1]),
            (1 | 255, 1..=8) => {
                let table = head.get(21..21 + channels).ok_or_else(cut_off)?;
                (usize::from(head[19]), usize::from(head[20]), table.to_vec())
            }
            (0 | 1 | 255, _) => {
                return Err(Fault::not_known(&format!("Opus with {channels} channels")));
            }
            _ => return Err(Fault::not_known("Opus in ambisonics")),
        };
        if streams == 0 || coupled > streams || streams + coupled > 16 {
            let why =
                format!("its header claims {streams} streams, and {coupled} of them in stereo");
            return Err(Fault::Damaged(why));
        }
        let mapping = table[..channels].iter().map(|index| match usize::from(*index) {
            255 => Ok(None),
            index if index < streams + coupled => Ok(Some(index)),
            index => Err(Fault::Damaged(format!("its header claims a channel {index}"))),
        });
        let decoders = (0..streams).map(|n| FilePackets::new(if n < coupled { 2 } else { 1 }));
        let made: Option<Vec<_>> = decoders.collect();
        let channels = channels as u16;
        Ok(Self {
            pre_skip: pre_skip.into(),
            gain: 10_f32.powf(gain_db / 20.0),
            layout: match family {
                255 => Layout::from_mask(1 << 31, channels),
                _ => Layout::vorbis(channels),
            },
            mapping: mapping.collect::<Result<_, _>>()?,
            streams: made.ok_or_else(|| Fault::Damaged("its header cannot be".into()))?,
            decoded: Vec::new(),
            last_frames: 960,
        })
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout.clone()
    }

    pub(super) fn pre_skip(&self) -> u64 {
        self.pre_skip
    }

    /// Appends the sound of a packet. False if it cannot be decoded: then it is concealed.
    pub(super) fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> bool {
        self.decoded.clear();
        let count = self.streams.len();
        let mut rest = packet;
        let mut is_whole = true;
        for (n, stream) in self.streams.iter_mut().enumerate() {
            let (own, behind) = match n + 1 == count {
                true => (rest.to_vec(), &rest[rest.len()..]),
                false => match split(rest) {
                    Some((own, behind)) => (own, behind),
                    None => (Vec::new(), &rest[rest.len()..]),
                },
            };
            rest = behind;
            let mut sound = Vec::new();
            if !stream.decode(&own, &mut sound) {
                is_whole = false;
                stream.conceal(self.last_frames, &mut sound);
            }
            self.decoded.push(sound);
        }
        let channels_of = |n: usize| self.streams[n].channels();
        let frames = (0..count).map(|n| self.decoded[n].len() / channels_of(n)).min().unwrap_or(0);
        let frames = frames.min(MAX_FRAMES);
        self.last_frames = frames.max(120);
        let places: Vec<Option<(usize, usize)>> = self
            .mapping
            .iter()
            .map(|index| {
                let mut left = (*index)?;
                (0..count).find_map(|n| match left.checked_sub(channels_of(n)) {
                    None => Some((n, left)),
                    Some(rest) => {
                        left = rest;
                        None
                    }
                })
            })
            .collect();
        for frame in 0..frames {
            for place in &places {
                let sample = place.map_or(0.0, |(stream, channel)| {
                    self.decoded[stream][frame * channels_of(stream) + channel]
                });
                out.push(sample * self.gain);
            }
        }
        is_whole
    }
}

/// Takes the first stream's packet off a packet of several: it says how long it is (RFC 6716,
/// appendix B). Returns it in the ordinary form, and what follows.
fn split(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let toc = *bytes.first()?;
    let mut rest = &bytes[1..];
    let mut packet = vec![toc];
    let size = |rest: &mut &[u8]| -> Option<(usize, Vec<u8>)> {
        let first = *rest.first()?;
        let length = if first < 252 { 1 } else { 2 };
        let bytes = rest.get(..length)?;
        *rest = &rest[length..];
        let more = bytes.get(1).map_or(0, |more| usize::from(*more) * 4);
        Some((usize::from(first) + more, bytes.to_vec()))
    };
    let length = match toc & 3 {
        0 => size(&mut rest)?.0,
        1 => 2 * size(&mut rest)?.0,
        2 => {
            let (first, written) = size(&mut rest)?;
            packet.extend(written);
            first + size(&mut rest)?.0
        }
        _ => {
            let about = *rest.first()?;
            rest = &rest[1..];
            packet.push(about);
            let count = usize::from(about & 63);
            let mut padding = 0;
            if about & 0x40 != 0 {
                loop {
                    let byte = *rest.first()?;
                    rest = &rest[1..];
                    packet.push(byte);
                    padding += usize::from(byte.min(254));
                    if byte < 255 {
                        break;
                    }
                }
            }
            let mut all = 0;
            if about & 0x80 != 0 {
                for _ in 1..count {
                    let (one, written) = size(&mut rest)?;
                    packet.extend(written);
                    all += one;
                }
                all += size(&mut rest)?.0;
            } else {
                all = count * size(&mut rest)?.0;
            }
            all + padding
        }
    };
    packet.extend_from_slice(rest.get(..length)?);
    Some((packet, &rest[length..]))
}
