//! The four bytes in front of every packet of MPEG audio (ISO 11172-3, section 2.4.1.3), and the
//! tag that encoders leave in the first one.

/// Bitrates in kbit/s by their number, of MPEG 1 and of 2 and 2.5, each for layers I to III.
const KBPS: [[[u16; 15]; 3]; 2] = [
    [
        [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    ],
    [
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ],
];

/// What a packet's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// I, II or III.
    pub(crate) layer: u8,
    pub(crate) sample_rate: u32,
    pub(crate) channels: u16,
    /// Bytes of the packet, this header included; 0 for the free format, which does not say.
    pub(crate) bytes: usize,
    /// Frames in the packet.
    pub(crate) frames: usize,
    /// Whether it is MPEG 1, and not 2 or 2.5.
    is_first: bool,
    version: u8,
}

impl Header {
    /// Reads a header, `None` where there is none.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[sync, kind, rates, mode, ..] = bytes else { return None };
        if sync != 0xff || kind & 0xe0 != 0xe0 {
            return None;
        }
        let version = kind >> 3 & 3;
        let layer = match kind >> 1 & 3 {
            0 => return None,
            number => 4 - number,
        };
        let halvings = match version {
            3 => 0,
            2 => 1,
            0 => 2,
            _ => return None,
        };
        let is_first = halvings == 0;
        let base = *[44_100, 48_000, 32_000].get(usize::from(rates >> 2 & 3))?;
        let sample_rate = base >> halvings;
        let table = &KBPS[usize::from(!is_first)][usize::from(layer) - 1];
        let bits = u32::from(*table.get(usize::from(rates >> 4))?) * 1_000;
        let padding = u32::from(rates >> 1 & 1);
        let frames = match (layer, is_first) {
            (1, _) => 384,
            (3, false) => 576,
            _ => 1_152,
        };
        let bytes = match (layer, bits) {
            (_, 0) => 0,
            (1, _) => (12 * bits / sample_rate + padding) * 4,
            _ => frames / 8 * bits / sample_rate + padding,
        };
        Some(Self {
            layer,
            sample_rate,
            channels: if mode >> 6 == 3 { 1 } else { 2 },
            bytes: bytes as usize,
            frames: frames as usize,
            is_first,
            version,
        })
    }

    /// Whether `next` can follow this one in the same stream.
    pub(crate) fn is_followed_by(&self, next: &Self) -> bool {
        self.layer == next.layer
            && self.version == next.version
            && self.sample_rate == next.sample_rate
            && (self.bytes == 0) == (next.bytes == 0)
    }

    /// Bytes between the header and the sound itself, in layer III.
    fn side_bytes(&self) -> usize {
        match (self.is_first, self.channels) {
            (true, 1) => 17,
            (true, _) => 32,
            (false, 1) => 9,
            (false, _) => 17,
        }
    }
}

/// What an encoder says of the whole, in a packet that holds no sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tag {
    /// Packets behind this one.
    pub(crate) packets: Option<u64>,
    /// Frames before the sound and behind it that the encoder has added.
    pub(crate) added: Option<(usize, usize)>,
}

/// By how much a decoder lags behind what it is given, in frames: 528 and 1.
const DECODER_DELAY: usize = 529;

impl Tag {
    /// The tag in a packet: “Xing”, “Info” or “VBRI”.
    pub(crate) fn find(header: &Header, packet: &[u8]) -> Option<Self> {
        if header.layer != 3 {
            return None;
        }
        let number = |bytes: &[u8]| bytes.first_chunk().map(|four| u32::from_be_bytes(*four));
        if let Some(vbri) = packet.get(36..).filter(|rest| rest.starts_with(b"VBRI")) {
            let packets = vbri.get(14..).and_then(number).map(u64::from);
            return Some(Self { packets, added: None });
        }
        let body = packet.get(4 + header.side_bytes()..)?;
        let rest = body.strip_prefix(b"Xing").or_else(|| body.strip_prefix(b"Info"))?;
        let fields = number(rest)?;
        let mut at = 4;
        let mut packets = None;
        for (bit, size) in [(1, 4), (2, 4), (4, 100), (8, 4)] {
            if fields & bit != 0 {
                if bit == 1 {
                    packets = rest.get(at..).and_then(number).map(u64::from);
                }
                at += size;
            }
        }
        // Who made it in nine bytes, and its delay and padding in twelve bits each.
        let added = rest.get(at..).filter(|maker| maker.first().is_some_and(|b| *b != 0));
        let added = added.and_then(|maker| maker.get(21..24)).map(|three| {
            let both = u32::from_be_bytes([0, three[0], three[1], three[2]]) as usize;
            (both >> 12, both & 0xfff)
        });
        // What is behind grows shorter as what is before grows longer.
        let added = added
            .map(|(before, behind)| (before + DECODER_DELAY, behind.saturating_sub(DECODER_DELAY)));
        Some(Self { packets, added })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_how_long_its_packet_is() {
        for (bytes, layer, sample_rate, channels, length, frames) in [
            ([0xff, 0xfb, 0x90, 0x00], 3, 44_100, 2, 417, 1_152),
            ([0xff, 0xfb, 0x92, 0xc0], 3, 44_100, 1, 418, 1_152),
            ([0xff, 0xf3, 0x88, 0x40], 3, 16_000, 2, 288, 576),
            ([0xff, 0xe3, 0x28, 0xc0], 3, 8_000, 1, 144, 576),
            ([0xff, 0xfd, 0xa4, 0x00], 2, 48_000, 2, 576, 1_152),
            ([0xff, 0xff, 0x80, 0x00], 1, 44_100, 2, 276, 384),
            ([0xff, 0xfb, 0x00, 0x00], 3, 44_100, 2, 0, 1_152),
        ] {
            let header = Header::parse(&bytes).unwrap();
            let said =
                (header.layer, header.sample_rate, header.channels, header.bytes, header.frames);
            assert_eq!(said, (layer, sample_rate, channels, length, frames), "{bytes:x?}");
        }
    }

    #[test]
    fn what_no_packet_can_begin_with_is_no_header() {
        for bytes in [
            &[0xff, 0xfb, 0x90][..],
            &[0xfe, 0xfb, 0x90, 0],
            &[0xff, 0x1b, 0x90, 0],
            &[0xff, 0xeb, 0x90, 0],
            &[0xff, 0xf9, 0x90, 0],
            &[0xff, 0xfb, 0xf0, 0],
            &[0xff, 0xfb, 0x9c, 0],
            &[0xff; 4],
        ] {
            assert_eq!(Header::parse(bytes), None, "{bytes:x?}");
        }
    }
}
