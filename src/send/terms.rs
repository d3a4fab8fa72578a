//! What listeners and the network are told of a server, and what of it may change while it runs.

use super::captured::CapturedOutputs;
use super::transmit::{Change, Room};
use crate::codec::opus::Layout;
use crate::codec::{Codec, Offers};
use crate::discovery::announce::{Announcement, Service};
use crate::discovery::record::Details;
use crate::format::Format;
use crate::preset::{Preset, Unreporting};
use crate::settings::ServerSettings;
use crate::upstreams::Upstreams;
use crate::wire::{AuralyncKey, Config, VERSION, Welcome};

/// Listeners ping this often, or every so many ms as there are listeners: a thousand pings a
/// second is what a big room may cost.
const PING_MS: u32 = 250;

/// Who listens here and does not say what delay they can hold.
pub(super) fn unreporting(settings: &ServerSettings) -> Option<Unreporting> {
    Unreporting::among(settings.engine.is_some(), settings.snapcast.is_some())
}

/// What every listener is told first.
pub(super) fn room(
    settings: &ServerSettings,
    format: Format,
    (captured, upstreams): (CapturedOutputs, Upstreams),
) -> Room {
    let preset = &settings.preset;
    let config = Config {
        sample_rate: format.sample_rate,
        channels: format.channels,
        chunk_size: preset.chunk_size,
        auralync: Some(AuralyncKey { version: VERSION, hold: false, room: None }),
    };
    let welcome = Welcome {
        version: VERSION,
        session: upstreams.own().to_owned(),
        name: settings.name.clone(),
        format,
        codec: Codec::Float32.name().to_owned(),
        chunk_size: preset.chunk_size,
        position_rate: format.sample_rate,
        algorithmic_delay: 0,
        playout_delay_ms: preset.playout_delay_ms,
        ping_ms: PING_MS,
        accepts: std::collections::BTreeMap::new(),
        person: None,
        captured_output: None,
        also_captured: Vec::new(),
        within_ms: None,
        via: Vec::new(),
        datagrams: None,
        room: None,
    };
    Room {
        config,
        welcome,
        captured,
        upstreams,
        max_clients: preset.listeners(),
        per_address: preset.listeners_per_address(),
        max_talkers: preset.max_talkers,
        max_queue_size: preset.max_queue_size,
        offers: offers(preset),
        opus: layout(settings),
        dscp: settings.dscp,
    }
}

/// Where the shortest delay is to be found, Opus is cut as for this one, in ms: 10 ms a packet.
const AUTO_PACKETS_MS: u32 = 120;

/// How Opus is cut: in a private room the lengths of its packets tell nothing of what is played and said.
pub(super) fn layout(settings: &ServerSettings) -> Layout {
    // A delay that is to become short must not begin with long packets.
    let preset = &settings.preset;
    let shortest_ms = if preset.auto_delay { AUTO_PACKETS_MS } else { u32::MAX };
    let layout = Layout::for_delay(preset.playout_delay_ms.min(shortest_ms));
    Layout { is_constant: settings.private, ..layout }
}

/// What the network is told of this server.
pub(super) fn announcement(settings: &ServerSettings, port: u16, web: Option<u16>) -> Announcement {
    Announcement {
        name: settings.name.clone(),
        bind: settings.preset.bind,
        port,
        service: Service::Auralync,
        details: Details {
            version: VERSION,
            preset: settings.preset_name.clone(),
            full: false,
            private: settings.private,
            web,
            id: None,
        },
    }
}

/// What snapclients look for on the network.
pub(super) fn snapcast_announcement(settings: &ServerSettings, port: u16) -> Announcement {
    Announcement { service: Service::Snapcast, ..announcement(settings, port, None) }
}

/// What listeners may have, and who gets what. The preset has been checked.
pub(super) fn offers(preset: &Preset) -> Offers {
    preset.codecs.as_deref().and_then(|list| Offers::parse(list).ok()).unwrap_or_default()
}

/// Listeners learn of a new delay this long before it holds, so that all of them know in time.
pub(super) const NOTICE_US: u64 = 300_000;

/// What of a preset may change while the server runs.
pub(super) fn change(preset: &Preset, now_us: u64) -> Change {
    Change {
        playout_delay_ms: preset.playout_delay_ms,
        from_us: now_us + NOTICE_US,
        max_clients: preset.listeners(),
        per_address: preset.listeners_per_address(),
        max_talkers: preset.max_talkers,
        offers: offers(preset),
    }
}
