//! Somebody on the network who announces servers that are none.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::cable::PC;

/// The word that makes this program the liar.
pub(crate) const LIE: &str = "lie-on-the-network";

const GROUP: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);

const NAMES: usize = 300;

/// Record types.
const A: u16 = 1;
const PTR: u16 = 12;
const TXT: u16 = 16;
const SRV: u16 = 33;

/// Announces, again and again, more servers than there can be, at addresses where nobody answers,
/// two that cannot be connected to at all, and names that would take a terminal over.
pub(crate) fn tell() {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, GROUP.1)).into()).unwrap();
    socket.set_multicast_if_v4(&PC.parse().unwrap()).unwrap();
    let socket = UdpSocket::from(socket);
    let elsewhere = Ipv4Addr::new(192, 0, 2, 99);
    loop {
        let mut lies = vec![
            lie("nowhere by port", elsewhere, 0),
            lie("nowhere by address", Ipv4Addr::LOCALHOST, 5555),
            lie("\u{7}\u{8}", elsewhere, 5555),
        ];
        lies.extend((0..NAMES).map(|n| lie(&format!("\u{1b}[2J\r\nevil {n}"), elsewhere, 5555)));
        for lie in lies {
            // Nobody may be there yet.
            let _ = socket.send_to(&lie, GROUP);
            std::thread::sleep(Duration::from_micros(500));
        }
    }
}

/// The word that makes this program flood the network with what is nobody's business, and end.
pub(crate) const FLOOD: &str = "flood-the-network";

/// Says of 180,000 hosts where they are, for a year.
pub(crate) fn flood() {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let mut foreign = [0; 4].to_vec();
    for n in 0..4000 {
        let mut packet = Vec::new();
        for word in [0, 0x8400, 0, HOSTS, 0, 0] {
            packet.extend(u16::to_be_bytes(word));
        }
        for m in 0..HOSTS {
            foreign[2..].copy_from_slice(&m.to_be_bytes());
            record(
                &mut packet,
                &labels(&[&format!("{n:x}-{m:x}"), "local"]),
                A,
                &foreign,
                31_536_000,
            );
        }
        // It may be more than the system takes at once.
        let _ = socket.send_to(&packet, GROUP);
        std::thread::sleep(Duration::from_micros(300));
    }
    std::process::exit(0);
}

/// Hosts in one packet.
const HOSTS: u16 = 45;

/// What a server of that name would announce.
fn lie(name: &str, ip: Ipv4Addr, port: u16) -> Vec<u8> {
    let service = labels(&["_auralync", "_tcp", "local"]);
    let instance = labels(&[name, "_auralync", "_tcp", "local"]);
    let host = labels(&[&format!("{name}'s"), "local"]);
    let mut packet = Vec::new();
    for word in [0, 0x8400, 0, 4, 0, 0] {
        packet.extend(u16::to_be_bytes(word));
    }
    record(&mut packet, &service, PTR, &instance, 120);
    let place = [&[0, 0, 0, 0], &port.to_be_bytes()[..], &host].concat();
    record(&mut packet, &instance, SRV, &place, 120);
    let strings: Vec<u8> = ["version=-7", "preset=\u{1b}]0;x\u{7}", "full=yes", "web=0"]
        .iter()
        .flat_map(|text| std::iter::once(text.len() as u8).chain(text.bytes()))
        .collect();
    record(&mut packet, &instance, TXT, &strings, 120);
    record(&mut packet, &host, A, &ip.octets(), 120);
    packet
}

fn labels(names: &[&str]) -> Vec<u8> {
    let mut bytes: Vec<u8> = names
        .iter()
        .flat_map(|name| std::iter::once(name.len() as u8).chain(name.bytes()))
        .collect();
    bytes.push(0);
    bytes
}

fn record(packet: &mut Vec<u8>, name: &[u8], kind: u16, data: &[u8], ttl: u32) {
    packet.extend(name);
    packet.extend(kind.to_be_bytes());
    packet.extend([0, 1]); // Internet
    packet.extend(ttl.to_be_bytes());
    packet.extend((data.len() as u16).to_be_bytes());
    packet.extend(data);
}
