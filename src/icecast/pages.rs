//! Packets of Opus, as they come, made into pages of Ogg (RFC 3533, RFC 7845). Where positions leap, one stream ends
//! and the next begins: players go on with it.

use ogg::writing::{PacketWriteEndInfo, PacketWriter};

use crate::codec::opus::{RATE, ogg as headers};
use crate::format::Format;
use crate::wire::{AudioHeader, FLAG_BROKEN};

/// Sound in a page, in frames: 100 ms. Each page waits for its last packet.
const PAGE_FRAMES: u64 = 4_800;

/// What players leave out at the beginning, in frames: 80 ms, after which a decoder that has heard nothing before
/// makes what any other makes (RFC 7845, section 4.6).
const PRE_SKIP: u16 = 3_840;

/// The longest gap that is filled, in frames: a second. Beyond it a new stream begins, as players wait for no other.
const LONGEST_FILLED: u64 = RATE as u64;

/// What of a packet's first byte says how it is cut, and not how many frames are in it (RFC 6716, section 3.1).
const HOW_CUT: u8 = 0b1111_1100;

/// What is known of a stream before it begins.
#[derive(Debug, Clone)]
pub struct About {
    /// Rate of what was encoded, and channels.
    pub format: Format,
    /// What players show.
    pub name: String,
}

/// Makes pages.
#[derive(Debug)]
pub struct Pages {
    about: About,
    /// The number of the next stream.
    serial: u32,
    stream: Option<Stream>,
}

/// One stream, from its headers to its end.
struct Stream {
    writer: PacketWriter<'static, Vec<u8>>,
    serial: u32,
    /// Position of its first frame.
    first: u64,
    /// Position behind its last one.
    next: u64,
    /// Position where the page began that is not complete.
    page: u64,
    /// The first byte and the frames of its last packet.
    last: Option<(u8, u64)>,
}

impl Pages {
    /// Pages of streams that are numbered from `serial` on.
    #[must_use]
    pub fn new(about: About, serial: u32) -> Self {
        Self { about, serial, stream: None }
    }

    /// Takes a packet, and adds what is complete by it to `out`. What was missing before it is concealed by whoever
    /// plays; what was there already is left out.
    pub fn take(&mut self, header: &AudioHeader, packet: &[u8], out: &mut Vec<u8>) {
        let is_first = self.stream.is_none();
        if packet.is_empty() || header.frames == 0 {
            return;
        }
        let goes_on = self.stream.as_mut().is_some_and(|stream| stream.fill_up_to(header));
        if !goes_on {
            if let Some(stream) = &self.stream
                && header.flags & FLAG_BROKEN == 0
                && header.position < stream.next
                && stream.next - header.position < LONGEST_FILLED
            {
                return;
            }
            self.end(out);
            self.stream = Some(Stream::begin(&self.about, self.serial, header.position));
            self.serial = self.serial.wrapping_add(1);
        }
        if let Some(stream) = &mut self.stream {
            stream.put(packet, header.frames.into(), is_first || !goes_on);
            out.append(stream.writer.inner_mut());
        }
    }

    /// Another stream of sound begins, of that format: what comes from now on is a stream of its own here too.
    pub fn begin_anew(&mut self, format: Format, out: &mut Vec<u8>) {
        self.end(out);
        self.about.format = format;
    }

    /// Ends the stream that there is, and adds its last page to `out`.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if let Some(mut stream) = self.stream.take() {
            stream.end();
            out.append(stream.writer.inner_mut());
        }
    }
}

impl Stream {
    fn begin(about: &About, serial: u32, first: u64) -> Self {
        let writer = PacketWriter::new(Vec::new());
        let mut stream = Self { writer, serial, first, next: first, page: first, last: None };
        let Format { channels, sample_rate } = about.format;
        let remarks = [("ARTIST", &*about.name), ("TITLE", &*about.name)];
        stream.write(headers::head(channels, PRE_SKIP, sample_rate), PacketWriteEndInfo::EndPage);
        stream.write(headers::tags(&remarks), PacketWriteEndInfo::EndPage);
        stream
    }

    /// Fills what is missing before a packet, if it belongs to this stream at all.
    fn fill_up_to(&mut self, header: &AudioHeader) -> bool {
        if header.flags & FLAG_BROKEN != 0 {
            return false;
        }
        let missing = match header.position.checked_sub(self.next) {
            Some(0) => return true,
            Some(missing @ ..=LONGEST_FILLED) => missing,
            Some(_) | None => return false,
        };
        // A packet of nothing but its first byte is as long as any, and is concealed.
        let Some((first, frames)) = self.last.filter(|(first, _)| first & !HOW_CUT == 0) else {
            return false;
        };
        if !missing.is_multiple_of(frames) {
            return false;
        }
        (0..missing / frames).for_each(|_| self.put(&[first], frames, false));
        true
    }

    /// Adds a packet. The first ends its page, so that whoever listens hears something soon.
    fn put(&mut self, packet: &[u8], frames: u64, is_first: bool) {
        self.next += frames;
        self.last = packet.first().map(|first| (*first, frames));
        let is_page = is_first || self.next - self.page >= PAGE_FRAMES;
        let end = if is_page {
            self.page = self.next;
            PacketWriteEndInfo::EndPage
        } else {
            PacketWriteEndInfo::NormalPacket
        };
        self.write(packet.to_vec(), end);
    }

    /// Adds the page that says that this is the end. It needs a packet, of which nothing is played: the page says that
    /// the sound ended before it.
    fn end(&mut self) {
        let packet = self.last.map_or(Vec::new(), |(first, _)| vec![first & HOW_CUT]);
        self.write(packet, PacketWriteEndInfo::EndStream);
    }

    fn write(&mut self, packet: Vec<u8>, end: PacketWriteEndInfo) {
        let granule = self.next - self.first;
        // Memory takes everything.
        let _ = self.writer.write_packet(packet, self.serial, end, granule);
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { serial, first, next, .. } = self;
        write!(f, "Stream {{ serial: {serial}, first: {first}, next: {next} }}")
    }
}

#[cfg(test)]
mod tests;
