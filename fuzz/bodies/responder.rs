//! A server's answers on the network: whatever a stranger's packet says.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use auralync::discovery::responder::{Heard, LinkId, Local, PORT, Responder, Service};

use super::input::Input;
use super::watch::Body;

/// What it keeps of a few links, and what it is about to say.
pub const BODY: Body = Body { name: "responder", run, most_bytes: 256 * 1024, tries: 2_000 };

/// A datagram of ours is never longer: it fits an Ethernet frame.
const LONGEST: usize = 1_472;

/// Most operations of a run: beyond it nothing new happens.
const MOST_STEPS: usize = 64;

/// Datagrams that are sent in a second at most, to all and to who asks, on two links.
const MOST_A_SECOND: usize = 200;

fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut responder =
        Responder::new(Service::Auralync, "den", 5_555, b"\x09version=2".to_vec(), 7);
    let mut now = Duration::ZERO;
    let links: BTreeMap<_, _> = [false, true].map(|ipv6| (link(ipv6), addresses())).into();
    responder.set_links(now, &links);
    let (mut second, mut sent) = (0, 0);
    for _ in 0..MOST_STEPS {
        let Some(what) = input.byte() else { break };
        match what & 7 {
            0..=3 => {
                let size = input.large() as usize;
                let bytes = input.take(size);
                let from = SocketAddr::from((
                    [192, 0, 2, what >> 4],
                    if what & 8 == 0 { PORT } else { 9 },
                ));
                let heard = Heard { link: link(what & 2 != 0), from, to_all: what & 4 == 0, bytes };
                let answer = responder.hear(now, heard);
                sent += usize::from(answer.is_some());
                assert!(answer.is_none_or(|answer| answer.bytes.len() <= LONGEST));
            }
            4 | 5 => now += Duration::from_millis(input.small() * 8),
            6 => responder.failed(now, link(what & 8 != 0)),
            _ if what & 8 != 0 => responder.set_text(now, vec![1, what]),
            _ => {
                let one = links.iter().take(usize::from(what >> 4) % 3);
                responder.set_links(now, &one.map(|(id, of)| (*id, of.clone())).collect());
            }
        }
        for datagram in responder.due(now) {
            sent += 1;
            assert!(datagram.bytes.len() <= LONGEST && datagram.bytes.len() > 12);
        }
        assert!(responder.next().is_none_or(|next| next > now), "due and not said");
        assert!(responder.name().starts_with("den") && responder.name().len() <= 63);
        if second != now.as_secs() {
            (second, sent) = (now.as_secs(), 0);
        }
        assert!(sent <= MOST_A_SECOND, "a flood");
    }
    assert!(responder.goodbye().iter().all(|datagram| datagram.bytes.len() <= LONGEST));
}

fn link(ipv6: bool) -> LinkId {
    LinkId { adapter: 2, ipv6 }
}

fn addresses() -> Vec<Local> {
    let ip: IpAddr = [192, 0, 2, 1].into();
    vec![Local { ip, prefix: 24 }]
}
