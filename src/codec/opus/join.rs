//! Several packets in one, as the standard has it (RFC 6716, section 3.2.5). No library.

/// Bits of a packet's first byte that say how many frames it holds; all others say how it is coded.
const COUNT: u8 = 3;

/// Stands there where the second byte says how many.
const MANY: u8 = 3;

/// Bit of the second byte: the frames are not of one length.
const OF_MANY_LENGTHS: u8 = 0x80;

/// Frames that one packet can count.
const MOST: usize = 48;

/// A length from this on takes two bytes.
const LONG: usize = 252;

/// Bytes that each packet adds to the one they are joined to, at most, beyond its own.
pub const JOINED_MORE: usize = 2;

/// Whether a packet holds one frame, and is coded as `first` is: such can be joined.
#[must_use]
pub fn joins(first: &[u8], packet: &[u8]) -> bool {
    match (first.first(), packet.first()) {
        (Some(first), Some(other)) => first == other && other & COUNT == 0,
        _ => false,
    }
}

/// One packet of the frames of all `packets`, in order: a decoder makes the same sound of it. `None`
/// where they do not [join](joins), are none, or more than 48.
#[must_use]
pub fn join(packets: &[&[u8]]) -> Option<Vec<u8>> {
    let [first, ..] = packets else { return None };
    if packets.len() > MOST || !packets.iter().all(|packet| joins(first, packet)) {
        return None;
    }
    if packets.len() == 1 {
        return Some(first.to_vec());
    }
    let count = u8::try_from(packets.len()).ok()?;
    let mut joined = vec![first.first()? | MANY, OF_MANY_LENGTHS | count];
    // The last is as long as what is left.
    for packet in &packets[..packets.len() - 1] {
        let length = packet.len() - 1;
        let low = if length < LONG { length } else { LONG + length % 4 };
        joined.push(u8::try_from(low).ok()?);
        if length >= LONG {
            joined.push(u8::try_from((length - low) / 4).ok()?);
        }
    }
    packets.iter().for_each(|packet| joined.extend_from_slice(&packet[1..]));
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::super::{Decoder, Encoder, Layout, MAX_PACKET, check_packet};
    use super::*;
    use crate::codec::Bitrate;

    #[test]
    fn joined_packets_sound_as_each_alone() {
        let layout = Layout::for_delay(800);
        let mut encoder = Encoder::new(layout, 2, Bitrate::nearest(128)).unwrap();
        let samples: Vec<f32> = (0..layout.frames as usize * 24)
            .map(|n| ((n / 2) as f32 * 0.03).sin() * 0.4 + (n as f32 * 0.41).sin() * 0.1)
            .collect();
        let packets: Vec<Vec<u8>> = samples
            .chunks_exact(layout.frames as usize * 2)
            .map(|samples| encoder.encode(samples).unwrap().to_vec())
            .collect();
        for count in 1..=3 {
            let (mut alone, mut together) = (Decoder::new(2).unwrap(), Decoder::new(2).unwrap());
            let (mut out, mut heard, mut joined_heard) = (Vec::new(), Vec::new(), Vec::new());
            for group in packets.chunks_exact(count) {
                for packet in group {
                    alone.decode(packet, layout.frames, &mut out).unwrap();
                    heard.extend_from_slice(&out);
                }
                let group: Vec<&[u8]> = group.iter().map(Vec::as_slice).collect();
                let joined = join(&group).unwrap();
                let frames = layout.frames * count as u32;
                assert_eq!(check_packet(&joined, frames), Ok(()));
                let bytes: usize = group.iter().map(|packet| packet.len() + JOINED_MORE).sum();
                assert!(joined.len() <= bytes);
                together.decode(&joined, frames, &mut out).unwrap();
                joined_heard.extend_from_slice(&out);
            }
            assert_eq!(heard, joined_heard, "{count} together");
        }
    }

    #[test]
    fn packets_of_every_length_are_told_apart() {
        for length in [1, 2, 251, 252, 253, 254, 255, 256, 600, MAX_PACKET] {
            let packet = vec![0xfc; length];
            let joined = join(&[&packet, &packet]).unwrap();
            // As the standard reads it.
            let next: usize = joined.get(3).copied().unwrap_or_default().into();
            let low: usize = joined[2].into();
            let read = if low < 252 { low } else { low + 4 * next };
            assert_eq!(read, length - 1);
        }
    }

    #[test]
    fn what_is_coded_another_way_is_not_joined() {
        let (one, mono, two, nothing) = ([0xfc, 1], [0xf8, 1], [0xfd, 1, 1], []);
        assert!(join(&[&one, &one]).is_some());
        for other in [&mono[..], &two, &nothing] {
            assert!(!joins(&one, other) && join(&[&one, other]).is_none());
        }
        assert!(join(&[]).is_none() && join(&[&two, &two]).is_none());
        assert!(join(&vec![&one[..]; 49]).is_none());
    }
}
