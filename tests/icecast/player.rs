//! A player: gets a stream by HTTP and keeps what comes, with when it came.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use auralync::codec::opus::Decoder;

use crate::ogg_pages::{Page, pages};

/// Frames in a packet at the delay that the tests run with.
pub(crate) const FRAMES: u64 = 960;

/// What came.
pub(crate) struct Heard {
    pub(crate) bytes: Vec<u8>,
    /// How many bytes there were when.
    arrived: Vec<(usize, Instant)>,
}

/// Gets what is at `mount` for so long, or until it ends; `None` where nothing is there.
pub(crate) fn listen(server: SocketAddr, mount: &str, longest: Duration) -> Option<Heard> {
    let mut socket = TcpStream::connect(server).ok()?;
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    write!(socket, "GET {mount} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let (mut all, mut arrived) = (Vec::new(), Vec::new());
    let mut buffer = [0; 4096];
    let begin = Instant::now();
    while begin.elapsed() < longest {
        match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                all.extend_from_slice(&buffer[..count]);
                arrived.push((all.len(), Instant::now()));
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    let head = all.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    all.starts_with(b"HTTP/1.0 200 OK").then_some(())?;
    assert!(String::from_utf8_lossy(&all[..head]).contains("application/ogg"));
    let arrived = arrived.into_iter().filter_map(|(all, at)| Some((all.checked_sub(head)?, at)));
    Some(Heard { arrived: arrived.collect(), bytes: all.split_off(head) })
}

impl Heard {
    pub(crate) fn pages(&self) -> Vec<Page> {
        pages(&self.bytes)
    }

    /// When so many bytes were there.
    pub(crate) fn when(&self, bytes: usize) -> Instant {
        self.arrived.iter().find(|(all, _)| *all >= bytes).unwrap().1
    }

    /// The one stream that came, as left channel. Else what is wrong with it.
    pub(crate) fn sound(&self) -> Result<Vec<f32>, String> {
        let pages = self.pages();
        match &pages.chunk_by(|one, next| one.serial == next.serial).collect::<Vec<_>>()[..] {
            [stream] => decoded(stream),
            streams => Err(format!("{} streams", streams.len())),
        }
    }
}

/// What a stream holds, as left channel: it begins with its two headers, no page is missing, and each granule is the
/// last one and what is in the page. Else what is wrong with it.
pub(crate) fn decoded(stream: &[Page]) -> Result<Vec<f32>, String> {
    let [head, tags, sound @ ..] = stream else {
        return Err(format!("{} pages", stream.len()));
    };
    assert!(head.is_first && head.packets[0].starts_with(b"OpusHead\x01\x02"));
    assert!(tags.packets[0].starts_with(b"OpusTags"));
    let mut decoder = Decoder::new(2).unwrap();
    let (mut all, mut part) = (Vec::new(), Vec::new());
    for (number, page) in sound.iter().enumerate() {
        // The packet that says that this is the end is cut off.
        let packets = page.packets.len() - usize::from(page.is_last);
        let frames = packets as u64 * FRAMES;
        if let Some(before) = number.checked_sub(1).map(|before| &sound[before]) {
            assert_eq!(page.sequence, before.sequence + 1, "a page is missing");
            assert_eq!(page.granule, before.granule + frames, "a granule is wrong");
        }
        for packet in &page.packets[..packets] {
            if packet.len() == 1 {
                return Err(format!("something is concealed in page {number}"));
            }
            decoder.decode(packet, FRAMES as u32, &mut part).unwrap();
            all.extend(part.chunks_exact(2).map(|frame| frame[0]));
        }
    }
    Ok(all)
}
