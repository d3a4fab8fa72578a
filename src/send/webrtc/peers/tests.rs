use std::collections::VecDeque;
use std::time::Duration;

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::crypto::dtls::DtlsVersion;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::*;

const MS: Duration = Duration::from_millis(1);

fn server() -> SocketAddr {
    ([10, 0, 0, 1], 8_080).into()
}

fn whose(seat: usize) -> Whose {
    Whose { seat, number: 1 }
}

/// A browser, as far as a channel goes.
struct Browser {
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    address: SocketAddr,
    channel: ChannelId,
    is_open: bool,
    heard: Vec<Vec<u8>>,
}

impl Browser {
    fn new(host: u8, config: ChannelConfig, now: Instant) -> (Self, String) {
        let address: SocketAddr = ([10, 0, 0, host], 40_000).into();
        let certificate = certificate::generate().unwrap();
        let mut rtc = Rtc::builder()
            .set_crypto_provider(Arc::new(crypto::provider()))
            .set_dtls_cert(certificate)
            .set_dtls_version(DtlsVersion::Auto)
            .set_mtu(1_400..=1_400)
            .build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        let mut change = rtc.sdp_api();
        let channel = change.add_channel_with_config(config);
        let (offer, pending) = change.apply().unwrap();
        let pending = Some(pending);
        let browser = Self { rtc, pending, address, channel, is_open: false, heard: Vec::new() };
        (browser, offer.to_sdp_string())
    }

    fn answer(&mut self, sdp: &str) {
        let answer = SdpAnswer::from_sdp_string(sdp).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
    }

    /// Packets that it sends.
    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(_) => return packets,
                Output::Transmit(packet) => packets.push(packet.contents.to_vec()),
                Output::Event(Event::ChannelOpen(..)) => self.is_open = true,
                Output::Event(Event::ChannelData(data)) => self.heard.push(data.data),
                Output::Event(_) => {}
            }
        }
    }

    fn take(&mut self, packet: &[u8], now: Instant) -> Vec<Vec<u8>> {
        let received = Receive::new(Protocol::Udp, server(), self.address, packet).unwrap();
        self.rtc.handle_input(Input::Receive(now, received)).unwrap();
        self.drain()
    }
}

fn for_sound() -> ChannelConfig {
    ChannelConfig {
        label: "sound".to_owned(),
        ordered: false,
        reliability: Reliability::MaxPacketLifetime { lifetime: 5 },
        ..ChannelConfig::default()
    }
}

/// A browser and a server, and the time that they have.
struct Home {
    peers: Peers,
    browser: Browser,
    start: Instant,
    now: Instant,
}

impl Home {
    fn new(config: ChannelConfig) -> Self {
        let now = Instant::now();
        let mut peers = Peers::new(4).unwrap();
        let (mut browser, offer) = Browser::new(2, config, now);
        peers.offer(whose(0), &offer, server(), now);
        let Some((_, Said::Answer(Ok(sdp)))) = peers.said.pop() else { panic!("no answer") };
        browser.answer(&sdp);
        Self { peers, browser, start: now, now }
    }

    fn us(&self) -> u64 {
        u64::try_from((self.now - self.start).as_micros()).unwrap()
    }

    /// Lets time pass, with all packets delivered at once.
    fn run(&mut self, ms: u32) {
        for _ in 0..ms {
            self.now += MS;
            self.browser.rtc.handle_input(Input::Timeout(self.now)).unwrap();
            self.peers.wake(self.now);
            let mut from_browser = self.browser.drain();
            while !from_browser.is_empty() || !self.peers.packets.is_empty() {
                for packet in std::mem::take(&mut from_browser) {
                    let (now, us) = (self.now, self.us());
                    self.peers.take(self.browser.address, &packet, (now, us));
                }
                for (to, packet) in std::mem::take(&mut self.peers.packets) {
                    assert_eq!(to, self.browser.address);
                    from_browser.extend(self.browser.take(&packet, self.now));
                }
            }
        }
    }

    fn open() -> Self {
        let mut home = Self::new(for_sound());
        home.run(2_000);
        assert!(home.browser.is_open);
        home
    }
}

#[test]
fn a_browser_that_offers_gets_a_channel_and_datagrams_go_both_ways_each_in_one_packet() {
    let mut home = Home::open();
    let longest = vec![0xa1; 1_200];
    home.peers.send(whose(0), &longest, home.now);
    let sizes: Vec<usize> = home.peers.packets.iter().map(|(_, packet)| packet.len()).collect();
    assert!(sizes.len() == 1 && sizes[0] < 1_300, "{sizes:?}");
    let mut channel = home.browser.rtc.channel(home.browser.channel).unwrap();
    assert!(channel.write(true, b"ask").unwrap());
    home.run(10);
    assert_eq!(home.browser.heard, [longest]);
    let said = home.peers.said.pop();
    assert!(matches!(&said, Some((_, Said::Heard(bytes))) if bytes == b"ask"), "{said:?}");
}

#[test]
fn what_a_network_that_takes_nothing_has_no_room_for_is_dropped_and_counted() {
    let mut home = Home::open();
    for _ in 0..1_000 {
        home.peers.send(whose(0), &[0xa1; 1_000], home.now);
    }
    let refused = home.peers.said.drain(..);
    let refused = refused.filter(|(_, said)| matches!(said, Said::Refused(1_000))).count();
    assert!((940..990).contains(&refused), "{refused}");
    home.peers.packets.clear();
}

#[test]
fn a_channel_that_is_made_for_something_else_is_closed() {
    for config in [
        ChannelConfig { ordered: true, ..for_sound() },
        ChannelConfig { reliability: Reliability::Reliable, ..for_sound() },
    ] {
        let mut home = Home::new(config);
        home.run(2_000);
        let said = home.peers.said.pop();
        assert!(matches!(said, Some((_, Said::Closed))), "{said:?}");
        assert!(home.peers.peers.is_empty());
    }
}

#[test]
fn one_that_does_not_open_in_time_or_falls_silent_is_given_up() {
    let mut home = Home::new(for_sound());
    for _ in 0..11 {
        home.now += 1_000 * MS;
        home.peers.wake(home.now);
    }
    assert!(matches!(home.peers.said.pop(), Some((_, Said::Closed))));

    let mut home = Home::open();
    for _ in 0..600 {
        home.now += 100 * MS;
        home.peers.wake(home.now);
    }
    assert!(matches!(home.peers.said.pop(), Some((_, Said::Closed))));
    assert_eq!((home.peers.peers.len(), home.peers.homes.len()), (0, 0));
}

#[test]
fn offers_that_are_none_and_more_than_there_may_be_are_answered_with_a_sentence() {
    let now = Instant::now();
    let mut peers = Peers::new(2).unwrap();
    for (seat, sdp) in
        ["", "v=0\r\n", "no offer", "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"]
            .into_iter()
            .enumerate()
    {
        peers.offer(whose(seat), sdp, server(), now);
        assert!(matches!(peers.said.pop(), Some((_, Said::Answer(Err(_))))), "{sdp:?}");
    }
    let (_, offer) = Browser::new(2, for_sound(), now);
    for seat in 0..3 {
        peers.offer(whose(seat), &offer, server(), now);
        let said = peers.said.pop();
        assert_eq!(matches!(said, Some((_, Said::Answer(Ok(_))))), seat < 2, "{said:?}");
    }
    // Who asks again has gone from where they were.
    peers.offer(Whose { seat: 1, number: 2 }, &offer, server(), now);
    assert!(matches!(peers.said.pop(), Some((_, Said::Answer(Ok(_))))));
}

#[test]
fn nothing_that_strangers_or_a_browser_send_breaks_a_channel() {
    let mut home = Home::open();
    let mut seed = 1_u32;
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    for n in 0..20_000_u32 {
        let length = usize::from(random()) * 5;
        let mut packet: Vec<u8> = (0..length).map(|_| random()).collect();
        // What STUN, DTLS and RTP begin with.
        if let Some(first) = packet.first_mut() {
            *first = [0, 1, 20, 22, 23, 128][n as usize % 6];
        }
        let from = if n % 2 == 0 { home.browser.address } else { ([10, 0, 0, 9], 5).into() };
        home.peers.take(from, &packet, (home.now, home.us() + u64::from(n) * 1_000));
    }
    home.peers.packets.clear();
    home.run(100);
    home.peers.send(whose(0), b"sound", home.now);
    home.run(10);
    assert_eq!(home.browser.heard, [b"sound"]);
}

/// How late the latest of those datagrams comes that a network does not lose, and how many come: one each
/// 4 ms for 6 s, over `way_ms` each way. Nothing gets through for `hole_ms` each second, and one packet in
/// `lost_one_in` is lost.
fn latest_ms(way_ms: u32, hole_ms: u32, lost_one_in: u32) -> (u32, u32) {
    let mut home = Home::open();
    let (mut down, mut up) = (VecDeque::new(), VecDeque::new());
    let (mut latest, mut came, mut sent) = (0, 0, 0_u32);
    for ms in 0..6_000_u32 {
        home.now += MS;
        let is_hole = ms % 1_000 >= 1_000 - hole_ms;
        home.browser.rtc.handle_input(Input::Timeout(home.now)).unwrap();
        home.peers.wake(home.now);
        if ms % 4 == 0 {
            let mut datagram = vec![0xa1; 1_170];
            datagram[..4].copy_from_slice(&ms.to_be_bytes());
            home.peers.send(whose(0), &datagram, home.now);
        }
        let mut from_browser = home.browser.drain();
        while down.front().is_some_and(|(due, _)| *due <= ms) {
            let (_, packet): (u32, Vec<u8>) = down.pop_front().unwrap();
            from_browser.extend(home.browser.take(&packet, home.now));
        }
        while up.front().is_some_and(|(due, _)| *due <= ms) {
            let (_, packet): (u32, Vec<u8>) = up.pop_front().unwrap();
            let (now, us) = (home.now, home.us());
            home.peers.take(home.browser.address, &packet, (now, us));
        }
        for heard in home.browser.heard.drain(..) {
            let set_out = u32::from_be_bytes(heard[..4].try_into().unwrap());
            latest = latest.max(ms - set_out);
            came += 1;
        }
        let mut passes = |_: &_| {
            sent += 1;
            !is_hole && !sent.is_multiple_of(lost_one_in)
        };
        let packets = home.peers.packets.drain(..).map(|(_, packet)| packet);
        down.extend(packets.filter(&mut passes).map(|packet| (ms + way_ms, packet)));
        up.extend(from_browser.into_iter().filter(&mut passes).map(|packet| (ms + way_ms, packet)));
    }
    (latest, came)
}

/// What SCTP holds back waits for its timer, which takes a second.
const AT_ONCE_MS: u32 = 10;

#[test]
fn what_sets_out_behind_a_hole_or_behind_what_was_lost_waits_for_word_of_neither() {
    for (hole_ms, lost_one_in) in [(60, u32::MAX), (0, 9), (200, 9)] {
        let (latest, _) = latest_ms(2, hole_ms, lost_one_in);
        assert!(latest < 2 + AT_ONCE_MS, "{hole_ms} ms, 1 of {lost_one_in}: {latest} ms");
    }
}

#[test]
fn a_way_that_is_slow_carries_as_much_as_one_that_is_not() {
    for way_ms in [2, 25, 100] {
        let (latest, came) = latest_ms(way_ms, 0, u32::MAX);
        assert!(latest < way_ms + AT_ONCE_MS, "{latest} ms, {way_ms} each way");
        assert!(came >= (6_000 - way_ms - AT_ONCE_MS) / 4, "{came} came, {way_ms} ms each way");
    }
}
