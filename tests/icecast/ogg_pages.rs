//! The pages of an Ogg stream, as bytes have them: what a decoder would forgive is seen here.

/// One page.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) serial: u32,
    pub(crate) sequence: u32,
    pub(crate) granule: u64,
    pub(crate) is_first: bool,
    pub(crate) is_last: bool,
    pub(crate) packets: Vec<Vec<u8>>,
    /// Where it ends among all bytes.
    pub(crate) end: usize,
}

/// The pages in `bytes`, without a last one that is not whole. No packet of ours goes on in another page.
pub(crate) fn pages(bytes: &[u8]) -> Vec<Page> {
    let (mut pages, mut at) = (Vec::new(), 0);
    while let Some(head) = bytes.get(at..at + 27) {
        assert_eq!(&head[..5], b"OggS\0", "at {at}, behind {} pages", pages.len());
        let number = |range: std::ops::Range<usize>| {
            head[range].iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let segments = usize::from(head[26]);
        let Some(lacing) = bytes.get(at + 27..at + 27 + segments) else { break };
        let length: usize = lacing.iter().map(|length| usize::from(*length)).sum();
        let begin = at + 27 + segments;
        let Some(mut body) = bytes.get(begin..begin + length) else { break };
        let (mut packets, mut packet) = (Vec::new(), Vec::new());
        for segment in lacing {
            let (piece, rest) = body.split_at(usize::from(*segment));
            packet.extend_from_slice(piece);
            body = rest;
            if *segment < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
        assert!(packet.is_empty() && head[5] & 1 == 0, "a packet goes on in another page");
        at = begin + length;
        pages.push(Page {
            serial: number(14..18) as u32,
            sequence: number(18..22) as u32,
            granule: number(6..14),
            is_first: head[5] & 2 != 0,
            is_last: head[5] & 4 != 0,
            packets,
            end: at,
        });
    }
    pages
}
