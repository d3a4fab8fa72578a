use std::net::IpAddr;

use proptest::prelude::*;

use super::message::{ANY, INTERNET, Name, kind};
use super::*;

const LINK: LinkId = LinkId { adapter: 2, ipv6: false };
const EAR: &str = "192.0.2.2:5353";
const OTHER_PC: &str = "192.0.2.3:5353";
const TEXT: &[u8] = b"\x09version=2";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn links() -> BTreeMap<LinkId, Vec<Local>> {
    let local = |ip: &str, prefix| Local { ip: ip.parse().unwrap(), prefix };
    BTreeMap::from([(LINK, vec![local("192.0.2.1", 24), local("fd00::1", 64)])])
}

fn server(label: &str, random: u64) -> Responder {
    let mut responder = Responder::new(Service::Auralync, label, 5555, TEXT.to_vec(), random);
    responder.set_links(Duration::ZERO, &links());
    responder
}

/// What is sent until `until`, each at its time.
fn run(responder: &mut Responder, until: Duration) -> Vec<(Duration, Datagram)> {
    let mut sent = Vec::new();
    while let Some(now) = responder.next().filter(|next| *next <= until) {
        sent.extend(responder.due(now).into_iter().map(|datagram| (now, datagram)));
    }
    sent
}

/// A server whose name is its own, and which has said all that it says unasked.
fn settled() -> (Responder, Duration) {
    let mut responder = server("attic", 7);
    run(&mut responder, ms(5000));
    (responder, ms(10_000))
}

fn heard(from: &str, bytes: &[u8]) -> (SocketAddr, Vec<u8>) {
    (from.parse().unwrap(), bytes.to_vec())
}

fn hear(responder: &mut Responder, now: Duration, from: &str, bytes: &[u8]) -> Option<Datagram> {
    let (from, bytes) = heard(from, bytes);
    responder.hear(now, Heard { link: LINK, from, to_all: false, bytes: &bytes })
}

fn service() -> Name {
    Name::of(&["_auralync", "_tcp", "local"])
}

fn instance(label: &str) -> Name {
    Name::of(&[label, "_auralync", "_tcp", "local"])
}

fn host() -> Name {
    Name::of(&["auralync-0000000000000007", "local"])
}

fn question(name: &Name, kind: u16, class: u16) -> Vec<u8> {
    let mut writer = Writer::question();
    writer.ask(name, kind, class);
    writer.finish()
}

/// The types of records in a message, in its three sections together, and how long each holds.
fn records(bytes: &[u8]) -> Vec<(u16, u32)> {
    all(bytes).into_iter().map(|record| (record.kind, record.ttl)).collect()
}

fn all(bytes: &[u8]) -> Vec<Record> {
    let mut reader = Reader::new(bytes);
    let header = reader.header().unwrap();
    (0..header.questions).for_each(|_| drop(reader.question().unwrap()));
    let count = header.records.iter().sum::<u16>();
    (0..count).map(|_| reader.record().unwrap()).collect()
}

fn kinds(bytes: &[u8]) -> Vec<u16> {
    records(bytes).into_iter().map(|(kind, _)| kind).collect()
}

/// What somebody else says of that name: SRV with another host.
fn claim(label: &str) -> Vec<u8> {
    let mut writer = Writer::answer(0);
    let what = (&instance(label), kind::SRV, INTERNET | TOP_BIT, 120);
    let elsewhere = Name::of(&["other", "local"]);
    writer.record(Section::Answer, what, (&[0, 0, 0, 0, 0x15, 0xb3], Some(&elsewhere)));
    writer.finish()
}

const ALL_KINDS: [u16; 5] = [kind::PTR, kind::SRV, kind::TXT, kind::A, kind::AAAA];

#[test]
fn the_name_is_asked_for_three_times_and_then_announced_twice() {
    let mut responder = server("attic", 7);
    let sent = run(&mut responder, ms(60_000));
    let times: Vec<_> = sent.iter().map(|(at, _)| *at - sent[0].0).collect();
    assert_eq!(times, [0, 250, 500, 750, 1750].map(ms));
    assert!(sent[0].0 < ms(FIRST_PROBE_MS));
    for (_, probe) in &sent[..3] {
        assert_eq!(kinds(&probe.bytes), [kind::TXT, kind::SRV]);
        assert_eq!(probe.to, None);
    }
    for (_, announcement) in &sent[3..] {
        assert_eq!(kinds(&announcement.bytes), ALL_KINDS);
        assert!(announcement.bytes.len() < 512, "{}", announcement.bytes.len());
    }
}

#[test]
fn who_asks_for_all_to_hear_is_answered_so_and_who_asks_alone_alone() {
    let (mut responder, now) = settled();
    assert_eq!(hear(&mut responder, now, EAR, &question(&service(), kind::PTR, INTERNET)), None);
    let sent = run(&mut responder, now + ms(500));
    assert_eq!(sent.len(), 1);
    assert!(sent[0].0 >= now + ms(20) && sent[0].0 < now + ms(120), "{:?}", sent[0].0);
    assert_eq!((sent[0].1.to, kinds(&sent[0].1.bytes)), (None, ALL_KINDS.to_vec()));
    let alone = question(&service(), kind::PTR, INTERNET | TOP_BIT);
    let answer = hear(&mut responder, now, EAR, &alone).unwrap();
    assert_eq!((answer.to, kinds(&answer.bytes)), (EAR.parse().ok(), ALL_KINDS.to_vec()));
    assert_eq!(run(&mut responder, now + ms(5000)), []);
}

#[test]
fn each_of_its_names_is_answered_and_no_other() {
    let addresses = [kind::A, kind::AAAA];
    for (name, asked, expected) in [
        (Name::of(&["_services", "_dns-sd", "_udp", "local"]), kind::PTR, &[kind::PTR][..]),
        (Name::of(&["_AuraLync", "_TCP", "local"]), ANY, &ALL_KINDS),
        (instance("ATTIC"), kind::SRV, &[kind::SRV, kind::A, kind::AAAA]),
        (instance("attic"), kind::TXT, &[kind::TXT]),
        (instance("attic"), kind::A, &[kind::NSEC]),
        (host(), kind::A, &addresses),
        (host(), kind::AAAA, &addresses),
        (host(), kind::SRV, &[kind::NSEC]),
        (instance("cellar"), kind::SRV, &[]),
        (service(), kind::SRV, &[]),
        (Name::of(&["_http", "_tcp", "local"]), kind::PTR, &[]),
    ] {
        let (mut responder, now) = settled();
        hear(&mut responder, now, EAR, &question(&name, asked, INTERNET));
        let sent = run(&mut responder, now + ms(500));
        let said: Vec<u16> = sent.iter().flat_map(|(_, sent)| kinds(&sent.bytes)).collect();
        assert_eq!(said, expected, "{name:?} {asked}");
    }
}

#[test]
fn players_of_snapcast_find_a_service_of_theirs_and_ours_are_not_sent_there() {
    let mut responder = Responder::new(Service::Snapcast, "attic", 1704, vec![0], 7);
    responder.set_links(Duration::ZERO, &links());
    run(&mut responder, ms(5000));
    let snapcast = Name::of(&["_snapcast", "_tcp", "local"]);
    let ask = question(&snapcast, kind::PTR, INTERNET | TOP_BIT);
    let answer = hear(&mut responder, ms(10_000), EAR, &ask).unwrap();
    assert_eq!(kinds(&answer.bytes), ALL_KINDS);
    let place = all(&answer.bytes).into_iter().find(|record| record.kind == kind::SRV).unwrap();
    assert_eq!(place.data[4..6], 1704_u16.to_be_bytes());
    let ask = question(&service(), kind::PTR, INTERNET | TOP_BIT);
    assert_eq!(hear(&mut responder, ms(20_000), EAR, &ask), None);
}

#[test]
fn what_there_is_not_is_said_with_the_types_that_there_are() {
    let (mut responder, now) = settled();
    hear(&mut responder, now, EAR, &question(&host(), kind::SRV, INTERNET));
    let sent = run(&mut responder, now);
    let record = all(&sent[0].1.bytes).pop().unwrap();
    // A is bit 1, AAAA bit 28.
    assert_eq!(record.data[host().bytes().len()..], [0, 4, 0x40, 0, 0, 0x08]);
}

#[test]
fn what_the_asker_knows_is_not_said_again() {
    let (mut responder, now) = settled();
    let ask = |ttl| {
        let mut writer = Writer::question();
        writer.ask(&service(), kind::PTR, INTERNET);
        let known = (&service(), kind::PTR, INTERNET, ttl);
        writer.record(Section::Answer, known, (&[], Some(&instance("attic"))));
        writer.finish()
    };
    hear(&mut responder, now, EAR, &ask(4500));
    assert_eq!(run(&mut responder, now + ms(500)), []);
    hear(&mut responder, now, EAR, &ask(100));
    assert_eq!(run(&mut responder, now + ms(500)).len(), 1, "it will have forgotten soon");
}

#[test]
fn what_the_asker_knows_may_come_in_several_messages() {
    let goes_on = |mut bytes: Vec<u8>| {
        bytes[2] |= 2;
        bytes
    };
    let first = goes_on(question(&service(), kind::PTR, INTERNET));
    let rest = || {
        let mut writer = Writer::question();
        let known = (&service(), kind::PTR, INTERNET, 4500);
        writer.record(Section::Answer, known, (&[], Some(&instance("attic"))));
        writer.finish()
    };
    let (mut responder, now) = settled();
    hear(&mut responder, now, EAR, &first);
    assert_eq!(run(&mut responder, now + ms(390)), [], "the rest is waited for");
    hear(&mut responder, now + ms(390), EAR, &rest());
    assert_eq!(run(&mut responder, now + ms(2_000)), []);
    // Somebody else's rest is not this one's, and who never says more is answered.
    hear(&mut responder, now + ms(3_000), EAR, &first);
    hear(&mut responder, now + ms(3_010), OTHER_PC, &rest());
    let sent = run(&mut responder, now + ms(6_000));
    let [(at, _)] = &sent[..] else { panic!("{sent:?}") };
    assert!((now + ms(3_400)..now + ms(3_700)).contains(at), "{at:?}");
    // Nobody holds us up, however often it says that more comes, and whoever else does.
    for n in 0..40 {
        hear(&mut responder, now + ms(10_000 + n), &format!("192.0.2.{}:5353", 10 + n), &first);
    }
    for n in 0..20 {
        hear(
            &mut responder,
            now + ms(10_050 + n),
            "192.0.2.10:5353",
            &goes_on(question(&host(), 99, INTERNET)),
        );
        hear(
            &mut responder,
            now + ms(10_050 + n),
            "192.0.2.10:5353",
            &goes_on(Writer::question().finish()),
        );
    }
    assert!(responder.unfinished.len() <= MOST_UNFINISHED);
    // Once for those that found no room, and a second later for the others.
    assert!(run(&mut responder, now + ms(11_000)).len() <= 2);
    assert!(responder.unfinished.is_empty());
}

#[test]
fn nothing_is_said_to_all_twice_within_a_second_however_often_it_is_asked() {
    let (mut responder, start) = settled();
    let mut said: BTreeMap<u16, Vec<Duration>> = BTreeMap::new();
    for n in 0..5000 {
        let now = start + ms(n);
        for (name, kind) in [(service(), kind::PTR), (instance("attic"), ANY), (host(), kind::A)] {
            hear(&mut responder, now, EAR, &question(&name, kind, INTERNET));
        }
        for datagram in responder.due(now) {
            kinds(&datagram.bytes)
                .into_iter()
                .for_each(|kind| said.entry(kind).or_default().push(now));
        }
    }
    assert_eq!(said.keys().copied().collect::<Vec<_>>(), [1, 12, 16, 28, 33]);
    for (kind, times) in said {
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= ms(1000)), "{kind}: {times:?}");
        assert!(times.len() >= 4, "{kind}: {times:?}");
    }
}

#[test]
fn answers_to_one_alone_are_so_many_a_second() {
    let (mut responder, start) = settled();
    let alone = question(&service(), kind::PTR, INTERNET | TOP_BIT);
    let mut answers = 0;
    for n in 0..3000 {
        answers += u32::from(hear(&mut responder, start + ms(n), EAR, &alone).is_some());
    }
    assert_eq!(answers, 3 * 20);
    assert!(!run(&mut responder, start + ms(4000)).is_empty(), "the others hear it with all");
}

#[test]
fn an_asker_on_another_network_gets_no_answer() {
    let (mut responder, mut now) = settled();
    for class in [INTERNET, INTERNET | TOP_BIT] {
        for from in ["198.51.100.1:5353", "198.51.100.1:4000", "[2001:db8::1]:5353"] {
            let question = question(&service(), kind::PTR, class);
            assert_eq!(hear(&mut responder, now, from, &question), None);
            assert_eq!(run(&mut responder, now + ms(500)), [], "{from}");
            // What was sent to all comes from here, and so is answered to all, but never to it alone.
            let from = from.parse().unwrap();
            let heard = Heard { link: LINK, from, to_all: true, bytes: &question };
            assert_eq!(responder.hear(now, heard), None);
            let sent = run(&mut responder, now + ms(500));
            assert_eq!(sent.len(), usize::from(from.port() == PORT), "{from}");
            assert!(sent.iter().all(|(_, datagram)| datagram.to.is_none()));
            now += ms(5000);
        }
    }
}

#[test]
fn an_asker_without_mdns_gets_its_question_back_and_an_answer_for_ten_seconds() {
    let (mut responder, now) = settled();
    let mut asked = question(&instance("attic"), kind::SRV, INTERNET);
    asked[..2].copy_from_slice(&[0xab, 0xcd]);
    let answer = hear(&mut responder, now, "192.0.2.2:40000", &asked).unwrap();
    let mut reader = Reader::new(&answer.bytes);
    let header = reader.header().unwrap();
    assert_eq!((header.id, header.questions), (0xabcd, 1));
    assert_eq!(reader.question().unwrap().name, instance("attic"));
    let records = all(&answer.bytes);
    assert!(records.iter().all(|record| record.ttl == 10 && record.class == INTERNET));
    assert_eq!(run(&mut responder, now + ms(500)), []);
}

#[test]
fn a_name_that_somebody_has_becomes_another() {
    let mut responder = server("attic", 7);
    run(&mut responder, ms(300));
    hear(&mut responder, ms(300), OTHER_PC, &claim("attic"));
    assert_eq!(responder.name(), "attic (2)");
    hear(&mut responder, ms(310), OTHER_PC, &claim("Attic (2)"));
    assert_eq!(responder.name(), "attic (3)");
    let sent = run(&mut responder, ms(5000));
    let pointer = &all(&sent.last().unwrap().1.bytes)[0];
    assert_eq!(pointer.data, instance("attic (3)").bytes());
    // Somebody who says so when it is ours is asked first.
    hear(&mut responder, ms(6000), OTHER_PC, &claim("attic (3)"));
    assert_eq!((responder.name().as_str(), responder.is_ours(LINK)), ("attic (3)", false));
    run(&mut responder, ms(9000));
    assert!(responder.is_ours(LINK));
}

#[test]
fn a_longest_name_has_room_for_every_number() {
    let mut responder = server(&"x".repeat(58), 7);
    for n in 0..300 {
        let name = responder.name();
        assert!(name.len() < 64, "{name}");
        hear(&mut responder, ms(n * 10_000), OTHER_PC, &claim(&name));
    }
}

#[test]
fn who_takes_every_name_does_not_have_it_asked_for_without_end() {
    let mut responder = server("attic", 7);
    let mut probes = 0;
    for n in 0..60_000 {
        let now = ms(n);
        probes += responder.due(now).len();
        let name = responder.name();
        hear(&mut responder, now, OTHER_PC, &claim(&name));
    }
    assert!(probes < 300, "{probes} in a minute");
}

#[test]
fn servers_of_one_name_that_start_at_once_end_with_one_each() {
    let mut servers: Vec<Responder> = (1..=4).map(|n| server("attic", n * 0x9e37_79b9)).collect();
    for n in 0..20_000 {
        let now = ms(n);
        let sent: Vec<(usize, Datagram)> = servers
            .iter_mut()
            .enumerate()
            .flat_map(|(from, server)| server.due(now).into_iter().map(move |sent| (from, sent)))
            .collect();
        for (from, datagram) in sent {
            let address = format!("192.0.2.{}:5353", from + 1);
            // Everybody hears it, the sender too.
            for server in &mut servers {
                if let Some(answer) = hear(server, now, &address, &datagram.bytes) {
                    assert_eq!(answer.to, None);
                }
            }
        }
    }
    let mut names: Vec<String> = servers.iter().map(Responder::name).collect();
    names.sort();
    assert_eq!(names, ["attic", "attic (2)", "attic (3)", "attic (4)"]);
    assert!(servers.iter().all(|server| server.is_ours(LINK)));
}

#[test]
fn what_the_server_says_anew_is_announced_twice_and_what_it_said_before_is_no_conflict() {
    let (mut responder, now) = settled();
    responder.set_text(now, TEXT.to_vec());
    assert_eq!(run(&mut responder, now + ms(3000)), [], "nothing is new");
    responder.set_text(now, b"\x06full=1".to_vec());
    let sent = run(&mut responder, now + ms(3000));
    assert_eq!(sent.len(), 2);
    responder.set_text(now + ms(4000), TEXT.to_vec());
    for (_, datagram) in sent {
        assert!(all(&datagram.bytes).iter().any(|record| record.data == b"\x06full=1"));
        hear(&mut responder, now + ms(4000), EAR, &datagram.bytes);
    }
    assert!(responder.is_ours(LINK));
}

#[test]
fn networks_come_and_go_and_change_their_addresses() {
    let (mut responder, now) = settled();
    let mut there = links();
    there.get_mut(&LINK).unwrap()[0].ip = "192.0.2.9".parse::<IpAddr>().unwrap();
    let late = LinkId { adapter: 3, ipv6: true };
    there.insert(late, vec![Local { ip: "fe80::1".parse().unwrap(), prefix: 64 }]);
    responder.set_links(now, &there);
    let sent = run(&mut responder, now + ms(5000));
    let on = |link| sent.iter().filter(|(_, sent)| sent.link == link).collect::<Vec<_>>();
    let moved = on(LINK);
    assert_eq!(moved.len(), 2);
    assert!(all(&moved[0].1.bytes).iter().any(|record| record.data == [192, 0, 2, 9]));
    assert_eq!(on(late).len(), 5, "it is asked there too");
    responder.set_links(now, &BTreeMap::new());
    assert_eq!(responder.next(), None);
}

#[test]
fn goodbye_is_said_where_the_server_was_announced() {
    assert_eq!(server("attic", 7).goodbye(), []);
    let (responder, _) = settled();
    let goodbye = responder.goodbye();
    assert_eq!(goodbye.len(), 1);
    assert_eq!(records(&goodbye[0].bytes), ALL_KINDS.map(|kind| (kind, 0)));
}

#[test]
fn what_could_not_be_sent_is_tried_again() {
    let mut responder = server("attic", 7);
    let first = responder.next().unwrap();
    assert_eq!(responder.due(first).len(), 1);
    responder.failed(first, LINK);
    let sent = run(&mut responder, ms(5000));
    assert_eq!(sent.iter().filter(|(_, sent)| kinds(&sent.bytes).len() == 2).count(), 3);
    assert!(sent[0].0 >= first + ms(1000));
}

#[test]
fn what_others_say_is_not_kept() {
    let (mut responder, now) = settled();
    let size = |responder: &Responder| format!("{responder:?}").len();
    let before = size(&responder);
    for n in 0..4000_u64 {
        let mut writer = Writer::answer(0);
        for m in 0..80 {
            let name = Name::of(&[&format!("{n:x}-{m:x}"), "local"]);
            let what = (&name, kind::A, INTERNET, 31_536_000);
            writer.record(Section::Answer, what, (&[0; 4], None));
        }
        hear(&mut responder, now + ms(n), EAR, &writer.finish());
    }
    assert!(size(&responder) <= before, "{} bytes grew to {}", before, size(&responder));
    let now = now + ms(5000);
    hear(&mut responder, now, EAR, &question(&service(), kind::PTR, INTERNET));
    assert_eq!(run(&mut responder, now + ms(500)).len(), 1);
}

proptest! {
    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..600), at in 0_u64..20_000, to_all: bool) {
        let mut responder = server("attic", 7);
        run(&mut responder, ms(at));
        for from in [EAR, "192.0.2.2:99"] {
            let from = from.parse().unwrap();
            responder.hear(ms(at), Heard { link: LINK, from, to_all, bytes: &bytes });
        }
        prop_assert!(run(&mut responder, ms(at + 10_000)).len() < 100);
    }

    #[test]
    fn no_message_with_wrong_bytes_breaks_it(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        which in 0_usize..4,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut responder = server("attic", 7);
        let probe = run(&mut responder, ms(300)).remove(0).1.bytes;
        let announcement = run(&mut responder, ms(5000)).pop().unwrap().1.bytes;
        let asked = question(&instance("attic"), ANY, INTERNET);
        let mut bytes = [probe, announcement, asked, claim("attic")][which].clone();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        hear(&mut responder, ms(6000), OTHER_PC, &bytes);
        prop_assert!(run(&mut responder, ms(20_000)).len() < 100);
    }
}
