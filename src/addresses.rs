//! What listeners type: a full command per address of this PC, the likeliest first.

mod adapter;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use adapter::Adapter;

use crate::preset::DEFAULT_PORT;

/// One address of this PC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The network adapter's name, as the system shows it.
    pub name: String,
    /// The address; an adapter with several appears several times.
    pub ip: IpAddr,
    /// The system's number of it, where it has one.
    pub index: Option<u32>,
    /// Whether the system says that it leads to one other end, and not onto a cable or Wi-Fi.
    pub is_tunnel: bool,
}

/// Longest delay in milliseconds at which lips still seem to match: late sound is noticed from
/// 125 ms on, and sound card and headphones need some of that themselves.
const UNNOTICED_MS: u32 = 100;

/// The addresses of this PC, and which of them faces the rest of the network. Sends nothing.
#[must_use]
pub fn here() -> (Vec<Interface>, Option<IpAddr>) {
    let local = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .map(|interface| Interface {
            ip: interface.ip(),
            index: interface.index,
            is_tunnel: interface.is_p2p() || adapter::is_tunnel(&interface.name),
            name: interface.name,
        })
        .collect();
    // Addresses from the blocks for documentation: nobody's, so the system takes the default route.
    let outside: [IpAddr; 2] =
        [Ipv4Addr::new(192, 0, 2, 1).into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()];
    (local, outside.into_iter().find_map(address_towards))
}

/// What stands behind the `%` of a link-local IPv6 address, for each adapter that has one, those first on
/// which people are: its name, on Windows its number.
#[must_use]
pub fn zones(local: &[Interface]) -> Vec<String> {
    let mut zones: Vec<(bool, String)> = Vec::new();
    for interface in local {
        let Interface { name, ip, index, .. } = interface;
        let zone =
            if cfg!(windows) { index.map(|index| index.to_string()) } else { Some(name.clone()) };
        if let (true, Some(zone)) = (ip.is_ipv6() && is_link_local(*ip), zone) {
            zones.push((Adapter::of(interface) != Adapter::Ordinary, zone));
        }
    }
    zones.sort_by_key(|(is_last, _)| *is_last);
    zones.dedup();
    zones.into_iter().map(|(_, zone)| zone).collect()
}

/// The address that this PC would use to reach `destination`. Connecting a UDP socket asks the
/// system's routing table and sends nothing.
fn address_towards(destination: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match destination {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((destination, DEFAULT_PORT)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified() && !address.is_loopback()).then_some(address)
}

/// The lines to print for listeners: one full command per address that a server on `port` bound to
/// `bind` (`None`: every address) can be reached at, with a note where one helps to choose.
#[must_use]
pub fn commands(
    local: &[Interface],
    default_route: Option<IpAddr>,
    bind: Option<IpAddr>,
    port: u16,
) -> Vec<String> {
    let choices = choices(local, default_route, bind);
    let typed: Vec<_> = choices.iter().map(|(ip, _)| command(*ip, port)).collect();
    let width = typed.iter().map(|command| command.chars().count()).max().unwrap_or(0);
    typed
        .into_iter()
        .zip(choices)
        .map(
            |(command, (_, note))| {
                if note.is_empty() { command } else { format!("{command:width$}  ← {note}") }
            },
        )
        .collect()
}

/// Where browsers find the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The whole address.
    pub url: String,
    /// Whether other devices reach it, and not this PC alone.
    pub is_for_others: bool,
    /// Whether this PC itself reaches it, or only programs that can name a network adapter.
    pub is_for_browsers: bool,
}

impl Page {
    /// Where the page is over TLS, if the port is that of the secure one.
    #[must_use]
    pub fn secure(self) -> Self {
        Self { url: self.url.replacen("http:", "https:", 1), ..self }
    }

    /// Who opens it where, as a sentence for the person at the server.
    #[must_use]
    pub fn invitation(&self) -> String {
        match (self.is_for_browsers, self.is_for_others) {
            (false, _) => "No browser can open the page: this address is link-local, and only \
                           auralync-client can be told the adapter that it needs."
                .to_owned(),
            (true, false) => format!("Only browsers on this PC can open {}", self.url),
            (true, true) => format!("Phones and browsers open {}", self.url),
        }
    }
}

/// The page's likeliest address, as [`commands`] chooses it: that of the default route's network.
#[must_use]
pub fn page(
    local: &[Interface],
    default_route: Option<IpAddr>,
    bind: Option<IpAddr>,
    port: u16,
) -> Page {
    let mut choices = choices(local, default_route, bind);
    // A browser has no way to name the adapter of a link-local address.
    choices.retain(|(ip, _)| ip.is_ipv4() || !is_link_local(*ip));
    let ip = choices.first().map_or(Ipv4Addr::LOCALHOST.into(), |(ip, _)| ip.to_canonical());
    Page {
        url: format!("http://{}/", SocketAddr::new(ip, port)),
        is_for_others: !ip.is_loopback(),
        is_for_browsers: bind.is_none_or(|bind| bind.is_ipv4() || !is_link_local(bind)),
    }
}

/// Where a browser on this PC itself finds the page of a server that is bound to `bind`; `None` where none does.
#[must_use]
pub fn page_here(bind: Option<IpAddr>, port: u16) -> Option<String> {
    let only = bind.map(|bind| bind.to_canonical());
    match only.filter(|only| !only.is_unspecified() && !only.is_loopback()) {
        None => Some(format!("http://localhost:{port}/")),
        Some(only) if only.is_ipv6() && is_link_local(only) => None,
        Some(only) => Some(format!("http://{}/", SocketAddr::new(only, port))),
    }
}

/// The address at which others reach a server that is bound to `bind`, as [`commands`] chooses it.
#[must_use]
pub fn likeliest(
    local: &[Interface],
    default_route: Option<IpAddr>,
    bind: Option<IpAddr>,
) -> IpAddr {
    let choices = choices(local, default_route, bind);
    choices.first().map_or(Ipv4Addr::LOCALHOST.into(), |(ip, _)| ip.to_canonical())
}

/// The addresses to reach a server that is bound to `bind`, the likeliest first, each with a note.
fn choices(
    local: &[Interface],
    default_route: Option<IpAddr>,
    bind: Option<IpAddr>,
) -> Vec<(IpAddr, String)> {
    let mut choices = match bind.filter(|bind| !bind.is_unspecified()) {
        Some(only) if only.to_canonical().is_loopback() => {
            vec![(only, "only this PC itself can listen".to_owned())]
        }
        Some(only) => vec![(only, zone_note(only))],
        None => reachable(local, default_route, bind),
    };
    if choices.is_empty() {
        let here = if bind.is_some_and(|bind| bind.is_ipv6()) {
            Ipv6Addr::LOCALHOST.into()
        } else {
            Ipv4Addr::LOCALHOST.into()
        };
        choices.push((here, "this PC is in no network: only it can listen".to_owned()));
    }
    choices
}

/// What to do about the picture when sound is heard `playout_delay_ms` after it.
#[must_use]
pub fn lip_sync_hint(playout_delay_ms: u32) -> String {
    if playout_delay_ms <= UNNOTICED_MS {
        return format!(
            "Listeners hear {playout_delay_ms} ms after the picture. That is too little to be \
             noticed: nothing needs to be set in the video player."
        );
    }
    let thousandths = format!("{:03}", playout_delay_ms % 1000);
    let seconds = format!("{}.{thousandths}", playout_delay_ms / 1000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    format!(
        "Listeners hear {playout_delay_ms} ms after the picture. mpv: --audio-delay=-{seconds}; \
         VLC: audio synchronisation −{playout_delay_ms} ms"
    )
}

/// How an address is listed, first to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Likely,
    Ordinary,
    LinkLocal,
    Elsewhere,
}

fn reachable(
    local: &[Interface],
    default_route: Option<IpAddr>,
    bind: Option<IpAddr>,
) -> Vec<(IpAddr, String)> {
    let ipv4_only = bind.is_some_and(|bind| bind.is_ipv4());
    let mut found: Vec<(Rank, bool, IpAddr, String)> = Vec::new();
    let likely = likely(local, default_route);
    for interface @ Interface { name, ip, .. } in local {
        let known = found.iter().any(|(_, _, other, _)| other == ip);
        if known || ip.is_loopback() || ip.is_unspecified() || (ipv4_only && ip.is_ipv6()) {
            continue;
        }
        let (rank, note) = match (Adapter::of(interface), is_link_local(*ip)) {
            _ if likely == Some(*ip) => (Rank::Likely, "most likely this one".to_owned()),
            (Adapter::Ordinary, false) => (Rank::Ordinary, String::new()),
            (Adapter::Ordinary, true) => (Rank::LinkLocal, link_local_note(*ip, name)),
            // Nobody is on the other end of it, and every container brings one.
            (_, true) if ip.is_ipv6() => continue,
            (elsewhere, _) => (Rank::Elsewhere, elsewhere.note(name)),
        };
        found.push((rank, ip.is_ipv6(), *ip, note));
    }
    found.sort_by_key(|&(rank, ipv6, _, _)| (rank, ipv6));
    found.into_iter().map(|(_, _, ip, note)| (ip, note)).collect()
}

/// The address that listeners most likely need: the default route's, unless that leads into a VPN.
/// Then the people around are on the first ordinary network.
fn likely(local: &[Interface], default_route: Option<IpAddr>) -> Option<IpAddr> {
    let default_route = default_route?;
    let route = local.iter().find(|interface| interface.ip == default_route)?;
    if Adapter::of(route) != Adapter::Vpn {
        return Some(default_route);
    }
    let ordinary = |interface: &&Interface| {
        Adapter::of(interface) == Adapter::Ordinary
            && interface.ip.is_ipv4()
            && !interface.ip.is_loopback()
            && !is_link_local(interface.ip)
    };
    local.iter().find(ordinary).map(|interface| interface.ip)
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn link_local_note(ip: IpAddr, adapter: &str) -> String {
    match ip {
        IpAddr::V4(_) => format!("only on the cable or Wi-Fi of {adapter}, where no router is"),
        IpAddr::V6(_) => zone_note(ip),
    }
}

/// An IPv6 link-local address means nothing without the adapter to send through, and its name is
/// the listener's, which nobody knows here.
fn zone_note(ip: IpAddr) -> String {
    if ip.is_ipv6() && is_link_local(ip) {
        "ADAPTER is the listener's own network adapter: its name, on Windows its number".to_owned()
    } else {
        String::new()
    }
}

fn command(ip: IpAddr, port: u16) -> String {
    let zone = if zone_note(ip).is_empty() { "" } else { "%ADAPTER" };
    match (ip, port) {
        (_, DEFAULT_PORT) => format!("auralync-client {ip}{zone}"),
        (IpAddr::V6(_), _) => format!("auralync-client [{ip}{zone}]:{port}"),
        (IpAddr::V4(_), _) => format!("auralync-client {ip}:{port}"),
    }
}

#[cfg(test)]
mod tests;
