//! A player that reads the bytes of Ogg by itself, and forgives nothing that a decoder would.

/// Bytes of a page before the table of its segments.
const HEAD: usize = 27;

/// The longest page that there can be, in bytes: 255 segments of 255 bytes.
const LONGEST_PAGE: usize = HEAD + 255 + 255 * 255;

/// One stream, from its first page on.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) serial: u32,
    /// The number of its first packet, and of the one behind its last.
    pub(super) first: u64,
    pub(super) next: u64,
    /// Packets in the place of those that never came.
    pub(super) concealed: u64,
    pub(super) has_ended: bool,
    /// The number of its next page.
    page: u32,
}

/// What has come over all connections.
pub(super) struct Player {
    /// Frames of a packet.
    frames: u64,
    /// Bytes that are no whole page yet.
    begun: Vec<u8>,
    pub(super) streams: Vec<Stream>,
    /// Whether another connection has begun since the last page.
    is_new: bool,
    table: [u32; 256],
}

impl Player {
    pub(super) fn new(frames: u64) -> Self {
        let table = std::array::from_fn(|byte| {
            let shift =
                |sum: u32, _| if sum >> 31 == 1 { sum << 1 ^ 0x04c1_1db7 } else { sum << 1 };
            (0..8).fold((byte as u32) << 24, shift)
        });
        Self { frames, begun: Vec::new(), streams: Vec::new(), is_new: true, table }
    }

    /// Another connection begins. What the one before has left is no whole page.
    pub(super) fn connect(&mut self) {
        self.begun.clear();
        self.is_new = true;
    }

    /// Reads all pages that are complete.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(length) = length(&self.begun[at..]) {
            let page = self.begun[at..at + length].to_vec();
            self.read(&page);
            at += length;
        }
        self.begun.drain(..at);
        assert!(self.begun.len() < LONGEST_PAGE);
    }

    fn read(&mut self, page: &[u8]) {
        let number = |at: usize| u32::from_le_bytes(page[at..at + 4].try_into().unwrap());
        let granule = u64::from_le_bytes(page[6..14].try_into().unwrap());
        let (serial, sequence, flags) = (number(14), number(18), page[5]);
        let without_sum = page.iter().enumerate();
        let without_sum =
            without_sum.map(|(at, byte)| if (22..26).contains(&at) { 0 } else { *byte });
        let sum = without_sum
            .fold(0, |sum: u32, byte| sum << 8 ^ self.table[usize::from((sum >> 24) as u8 ^ byte)]);
        assert_eq!((page[4], number(22)), (0, sum), "page {sequence} of {serial}");
        assert_eq!(flags & 1, 0, "no packet of ours goes on in another page");
        let mut packets = packets(page);
        if flags & 2 != 0 {
            let has_ended = self.streams.last().is_none_or(|stream| stream.has_ended);
            assert!(has_ended || self.is_new, "one stream ends before the next");
            assert!(self.streams.iter().all(|stream| stream.serial != serial), "one more {serial}");
            assert!(packets.len() == 1 && packets[0].starts_with(b"OpusHead\x01\x02"));
            assert_eq!((sequence, granule), (0, 0));
            let stream =
                Stream { serial, first: 0, next: 0, concealed: 0, has_ended: false, page: 1 };
            self.streams.push(stream);
            self.is_new = false;
            return;
        }
        assert!(!self.is_new, "a connection begins with a stream's first page");
        let stream = self.streams.last_mut().unwrap();
        assert!(!stream.has_ended);
        assert_eq!((stream.serial, stream.page), (serial, sequence), "a page is missing");
        stream.page += 1;
        if sequence == 1 {
            assert!(packets.len() == 1 && packets[0].starts_with(b"OpusTags"));
            assert_eq!(granule, 0);
            return;
        }
        if flags & 4 != 0 {
            stream.has_ended = true;
            // Nothing is played of the last packet: the page ends before it.
            assert_eq!(packets.pop().map(|packet| packet.len()), Some(1));
        }
        for packet in packets {
            if sequence == 2 && stream.next == 0 {
                stream.first = u64::from_le_bytes(packet[1..9].try_into().unwrap());
                stream.next = stream.first;
            }
            if packet.len() == 1 {
                assert!(super::is_lost(stream.next), "packet {} is concealed", stream.next);
                stream.concealed += 1;
            } else {
                assert_eq!(packet, super::packet(stream.next), "packet {}", stream.next);
            }
            stream.next += 1;
        }
        assert_eq!(granule, (stream.next - stream.first) * self.frames, "page {sequence}");
    }
}

/// How long the page is that begins here, once all of it is there.
fn length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..HEAD)?;
    assert_eq!(&head[..4], b"OggS");
    let segments = usize::from(head[26]);
    let lengths = bytes.get(HEAD..HEAD + segments)?;
    let length = HEAD + segments + lengths.iter().map(|length| usize::from(*length)).sum::<usize>();
    (bytes.len() >= length).then_some(length)
}

fn packets(page: &[u8]) -> Vec<&[u8]> {
    let (lengths, mut body) = page[HEAD..].split_at(usize::from(page[26]));
    let (mut packets, mut length) = (Vec::new(), 0);
    for segment in lengths {
        length += usize::from(*segment);
        if *segment < 255 {
            let (packet, rest) = body.split_at(length);
            packets.push(packet);
            (body, length) = (rest, 0);
        }
    }
    assert!(body.is_empty() && length == 0);
    packets
}

#[test]
fn the_player_finds_a_bit_that_was_changed_a_page_that_is_missing_and_a_packet_in_anothers_place() {
    use super::*;
    let bytes = |numbers: &[u64]| {
        let mut pages = Pages::new(about(), 1);
        let mut ends = Vec::new();
        let mut out = Vec::new();
        for (at, number) in numbers.iter().enumerate() {
            let header =
                AudioHeader { position: at as u64 * 960, captured_us: 0, flags: 0, frames: 960 };
            pages.take(&header, &packet(*number), &mut out);
            ends.push(out.len());
        }
        pages.end(&mut out);
        (out, ends)
    };
    let is_right = |bytes: &[u8]| {
        let read = std::panic::catch_unwind(|| Player::new(960).hear(bytes));
        read.is_ok()
    };
    let (right, ends) = bytes(&(0..20).collect::<Vec<_>>());
    assert!(is_right(&right));
    for at in [ends[0], ends[0] + 20, ends[4] - 1] {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        assert!(!is_right(&wrong), "{at}");
    }
    assert!(!is_right(&[&right[..ends[0]], &right[ends[5]..]].concat()));
    assert!(!is_right(&bytes(&[0, 1, 2, 4, 3, 5, 6, 7, 8, 9]).0));
}
