//! What strangers say of servers on the network. The packets are read by a library.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use auralync::discovery::choose::{is_called, meant};
use auralync::discovery::found::{Found, MOST_ADDRESSES, MOST_SERVERS, Table};
use auralync::discovery::record::{Details, label};
use auralync::format::printable;

use super::input::Input;
use super::watch::Body;

/// A full table twice, and what is put into it.
pub const BODY: Body = Body { name: "discovery", run, most_bytes: 1 << 20, tries: 3_000 };

/// Longest name that is shown, in characters.
const LONGEST_NAME: usize = 64;

fn run(data: &[u8]) {
    let mut input = Input(data);
    let (mut table, mut name) = (Table::default(), String::new());
    while let Some(what) = input.byte() {
        let size = input.small() as usize;
        let text = String::from_utf8_lossy(input.take(size));
        match what & 3 {
            0 => table.remove(&text),
            1 => one_label(&text),
            _ => table.put(&text, read(what, &text, &mut input)),
        }
        name = text.into_owned();
    }
    let servers = table.servers();
    assert!(servers.len() <= MOST_SERVERS);
    assert!(servers.iter().all(|found| is_called(found, &found.name)));
    assert!(meant(&servers, Some(&name), None).len() <= servers.len());
}

/// A name fits one label of the name system, and nothing in it takes it apart.
fn one_label(name: &str) {
    let one = label(name);
    assert!(!one.is_empty() && one.len() <= 58 && !one.contains(['.', '\\']));
    assert_eq!(label(&one), one);
    assert!(!one.contains(char::is_control));
}

fn read(what: u8, name: &str, input: &mut Input<'_>) -> Option<Found> {
    let addresses: Vec<_> = (0..what >> 4).map(|_| address(input)).collect();
    let details = details(input);
    let found = Found::read(name, addresses.iter().copied(), details)?;
    assert_eq!(found.name, printable(&found.name, LONGEST_NAME));
    assert!(!found.name.is_empty() && (1..=MOST_ADDRESSES).contains(&found.addresses.len()));
    assert!(found.addresses.iter().all(|known| known.port() != 0 && addresses.contains(known)));
    assert_eq!(found.likeliest(), found.addresses.first().copied());
    Some(found)
}

fn address(input: &mut Input<'_>) -> SocketAddr {
    let port = input.large() as u16;
    let bytes = input.take(16);
    match bytes.first_chunk() {
        Some(ip) => SocketAddrV6::new(Ipv6Addr::from(*ip), port, 0, u32::from(port & 3)).into(),
        None => SocketAddr::from((
            bytes.first_chunk().map_or(Ipv4Addr::LOCALHOST, |ip: &[u8; 4]| (*ip).into()),
            port,
        )),
    }
}

/// What a record's strings say: `key=value`, one behind the other.
fn details(input: &mut Input<'_>) -> Details {
    let size = input.small() as usize;
    let text = String::from_utf8_lossy(input.take(size)).into_owned();
    let strings: Vec<_> = text.split('\n').filter_map(|string| string.split_once('=')).collect();
    let find = |key: &str| strings.iter().find(|(k, _)| *k == key).map(|(_, value)| *value);
    let details = Details::read(find);
    assert!(details.version > 0 && details.web != Some(0));
    assert_eq!(details.preset, printable(&details.preset, 60));
    let written = details.write();
    assert!(written.iter().all(|(key, value)| key.len() + value.len() < 255));
    let again = |key: &str| written.iter().find(|(k, _)| *k == key).map(|(_, v)| v.as_str());
    let read = Details::read(again);
    let Details { version, full, private, web, .. } = details;
    assert_eq!((read.version, read.full, read.private, read.web), (version, full, private, web));
    details
}
