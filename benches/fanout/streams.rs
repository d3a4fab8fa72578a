//! The streams that are sent, and the rooms in which they are.

use auralync::codec::Offers;
use auralync::codec::opus::Layout;
use auralync::dscp::Dscp;
use auralync::format::Format;
use auralync::send::captured::CapturedOutputs;
use auralync::send::transmit::Room;
use auralync::upstreams::Upstreams;
use auralync::wire::{AuralyncKey, Config, VERSION, Welcome};

/// What all streams have but those that are compared with datagrams, in ms.
pub(crate) const PLAYOUT_DELAY_MS: u32 = 800;

/// A stream that is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) format: Format,
    pub(crate) chunk: u32,
    pub(crate) playout_delay_ms: u32,
    pub(crate) opus: bool,
}

/// The streams that the presets `smooth` and `stable` send on common cards.
pub(crate) const STREAMS: [Stream; 2] = [
    Stream {
        format: Format { sample_rate: 44_100, channels: 2 },
        chunk: 1024,
        playout_delay_ms: PLAYOUT_DELAY_MS,
        opus: false,
    },
    Stream {
        format: Format { sample_rate: 48_000, channels: 2 },
        chunk: 2048,
        playout_delay_ms: PLAYOUT_DELAY_MS,
        opus: false,
    },
];

/// Frames in a piece of a chunk, as datagrams hold it.
pub(crate) const PIECE: u32 = 128;

/// What goes by datagram and, beside it, by TCP: as in the presets `low-latency`, `smooth` and
/// `stable`. For Opus a chunk is a packet.
pub(crate) fn streams_by_datagram() -> Vec<Stream> {
    let format = Format { sample_rate: 48_000, channels: 2 };
    let opus = [(960, 800), (960, 300), (240, 80)].map(|chunk| (chunk, true));
    let float32 = [(2048, 800), (1024, 300), (512, 80)].map(|chunk| (chunk, false));
    let all = opus.into_iter().chain(float32);
    all.map(|((chunk, playout_delay_ms), opus)| Stream { format, chunk, playout_delay_ms, opus })
        .collect()
}

/// A server's room that sends `stream`.
pub(crate) fn room(stream: Stream) -> Room {
    let Stream { format, chunk, playout_delay_ms, opus } = stream;
    let offers = if opus { vec!["opus".to_owned()] } else { vec!["f32".to_owned()] };
    let key = AuralyncKey { version: VERSION, hold: false, room: None };
    Room {
        config: Config {
            sample_rate: format.sample_rate,
            channels: format.channels,
            chunk_size: chunk,
            auralync: Some(key),
        },
        welcome: Welcome {
            version: VERSION,
            session: "bench".to_owned(),
            name: "bench".to_owned(),
            format,
            codec: "f32".to_owned(),
            chunk_size: chunk,
            position_rate: format.sample_rate,
            algorithmic_delay: 0,
            playout_delay_ms,
            ping_ms: 250,
            accepts: std::collections::BTreeMap::new(),
            person: None,
            captured_output: None,
            also_captured: Vec::new(),
            within_ms: None,
            via: Vec::new(),
            datagrams: None,
            room: None,
        },
        captured: CapturedOutputs::default(),
        upstreams: Upstreams::default(),
        max_clients: 10_000,
        per_address: 10_000,
        max_talkers: 16,
        max_queue_size: 100,
        offers: Offers::parse(&offers).unwrap_or_default(),
        opus: Layout::for_delay(playout_delay_ms),
        dscp: Dscp::default(),
    }
}
