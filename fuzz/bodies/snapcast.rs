//! One snapclient: bytes that it says, sound that comes, time that passes, and a socket that takes any number of bytes.
//! What it gets are whole messages, the first of which answer its hello.

use std::io;
use std::sync::Arc;

use auralync::Format;
use auralync::snapcast::guest::{Guest, Terms};
use auralync::snapcast::kept::Kept;
use auralync::snapcast::message::{self, HEADER, kind};
use auralync::snapcast::outbox::{MOST_CHUNKS, MOST_WORDS};
use auralync::snapcast::packing::{Packing, SnapCodec};

use super::input::Input;
use super::watch::Body;

/// What it says last, all that was written, and its queue.
pub const BODY: Body = Body { name: "snapcast", run, most_bytes: 2 << 20, tries: 3_000 };

/// Most bytes of a hello that are said in one piece.
const PIECE: usize = 64 * 1024;

const HELLO: &[u8] = br#"{"ID":"a","HostName":"b","SnapStreamProtocolVersion":2}"#;

/// Messages as a client may write them, so that what lies behind the hello is reached.
fn said(kind: u16, id: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[0..2].copy_from_slice(&kind.to_le_bytes());
    bytes[2..4].copy_from_slice(&id.to_le_bytes());
    bytes[22..26].copy_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn text(kind: u16, text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    said(kind, 7, &[&length, text].concat())
}

fn run(data: &[u8]) {
    let mut input = Input(data);
    let format = Format { sample_rate: 48_000, channels: 2 };
    let mut terms = Terms { packing: Packing::new(SnapCodec::Pcm, format, 480), delay_ms: 300 };
    let (mut guest, mut kept, mut now_us) = (Guest::new(1_000_000), Kept::default(), 1_000_000);
    let (mut taken, mut played) = (Vec::new(), 0_u64);
    while let Some(what) = input.byte() {
        let bytes = match what % 16 {
            0 => text(kind::HELLO, HELLO),
            1 => said(kind::TIME, what.into(), &[0; 8]),
            2 => text(kind::CLIENT_INFO, br#"{"volume":3,"muted":true}"#),
            3 => {
                let length = usize::from(what);
                text(kind::HELLO, input.take(length))
            }
            4 => {
                let (kind, size) = (input.large(), input.large() as usize);
                said(u16::try_from(kind).unwrap_or(0), 0, &vec![0; size.min(PIECE)])
            }
            5..=8 => {
                let length = input.small() as usize;
                input.take(length).to_vec()
            }
            9 | 10 => {
                let chunk: Arc<[u8]> = message::chunk(&[1; 16], now_us, now_us).into();
                guest.play(now_us, &chunk);
                played += u64::from(guest.hello().is_some());
                continue;
            }
            11 => {
                now_us += input.large() * 100;
                continue;
            }
            12 => {
                let settings = guest.set(&kept).with_delay(terms.delay_ms);
                if guest.tell(&settings, now_us).is_err() {
                    return;
                }
                continue;
            }
            13 => {
                let format = Format { sample_rate: 44_100, channels: 1 };
                let packing = Packing::new(SnapCodec::Flac, format, 960);
                terms = Terms { packing, delay_ms: u32::from(what) };
                if guest.begin_anew(&terms, &kept, now_us).is_err() {
                    return;
                }
                continue;
            }
            _ => {
                let mut room = input.large() as usize;
                write(&mut guest, &mut room, &mut taken, now_us);
                continue;
            }
        };
        if guest
            .hear(&bytes, &terms, &mut kept, now_us)
            .and_then(|_| guest.mind(&terms, now_us))
            .is_err()
        {
            // Nothing more is heard of it; what it was told before is whole.
            break;
        }
        assert!(guest.waiting() <= MOST_CHUNKS + MOST_WORDS + 1);
    }
    let mut any = usize::MAX;
    write(&mut guest, &mut any, &mut taken, now_us);
    let counts = guest.counts();
    assert_eq!(counts.bytes, taken.len() as u64);
    assert_eq!(counts.chunks + counts.dropped, played, "what was played was written or counted");
    are_whole(&taken, counts.chunks);
}

fn write(guest: &mut Guest, room: &mut usize, taken: &mut Vec<u8>, now_us: u64) {
    let done = guest.write(
        || now_us,
        |bytes| {
            let count = bytes.len().min(*room);
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            *room -= count;
            taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        },
    );
    assert!(done.is_ok(), "{done:?}");
}

/// Settings and the header come first, sound behind them, and nothing is cut.
fn are_whole(mut bytes: &[u8], chunks: u64) {
    let (mut kinds, mut sounds) = (Vec::new(), 0);
    while !bytes.is_empty() {
        let size = bytes.get(22..26).and_then(|size| <[u8; 4]>::try_from(size).ok());
        let size = u32::from_le_bytes(size.expect("a header")) as usize;
        let kind = u16::from_le_bytes([bytes[0], bytes[1]]);
        sounds += u64::from(kind == kind::WIRE_CHUNK);
        kinds.push(kind);
        bytes = bytes.get(HEADER + size..).expect("a whole message");
    }
    assert_eq!(sounds, chunks);
    assert!(
        kinds.is_empty() || kinds.starts_with(&[kind::SERVER_SETTINGS, kind::CODEC_HEADER]),
        "{kinds:?}"
    );
}
