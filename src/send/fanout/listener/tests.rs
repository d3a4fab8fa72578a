use super::closing::HELLO_WITHIN_US;
use super::*;
use crate::wire::datagram::{Ask, Parities};
use crate::wire::typed;
use crate::wire::websocket::close;

fn listener() -> Listener {
    Listener::seated(([127, 0, 0, 1], 1).into(), Vec::new(), &Log::new(4), 0)
}

/// What a listener by datagram of these tests is known by, and the cookie of its address.
const TOKEN: [u8; 16] = [7; 16];
const COOKIE: u64 = 42;

/// A listener that has been welcomed and may take datagrams.
pub(super) fn that_may_take_datagrams(log: &Log) -> Listener {
    let mut listener = Listener::seated(([127, 0, 0, 1], 4_000).into(), Vec::new(), log, 0);
    listener.path = Some(DatagramPath::new(TOKEN));
    let hello = Hello {
        version: 3,
        id: "a run".to_owned(),
        name: String::new(),
        codecs: Vec::new(),
        talk: None,
        datagrams: true,
    };
    listener.welcome(hello, Vec::new(), log, 0);
    listener
}

/// Lets it prove its address and ask for its sound by datagram.
pub(super) fn ask_for_datagrams(listener: &mut Listener, now_us: u64) {
    let ask = Ask {
        is_wanted: true,
        parity: Parities::NONE,
        stream: 0,
        token: TOKEN,
        cookie: COOKIE,
        client_us: 0,
        missing: Vec::new(),
    };
    let from = ([127, 0, 0, 1], 4_001).into();
    listener.path.as_mut().unwrap().answer(&ask, (from, COOKIE), 36, now_us).unwrap();
}

fn hello() -> Hello {
    Hello {
        version: 2,
        id: "x".into(),
        name: "n".into(),
        codecs: vec![],
        talk: None,
        datagrams: false,
    }
}

#[test]
fn a_peer_that_says_nothing_may_stay() {
    assert_eq!(listener().overdue(u64::MAX / 2), None);
}

#[test]
fn half_a_hello_is_given_five_seconds() {
    let mut half = listener();
    assert_eq!(half.read(&hello().frame()[..9], 100), Ok(Asks::Nothing));
    assert_eq!(half.overdue(100 + HELLO_WITHIN_US), None);
    assert_eq!(half.overdue(101 + HELLO_WITHIN_US), Some(Overdue::HalfHello));
}

#[test]
fn a_second_hello_closes() {
    let mut twice = listener();
    assert_eq!(twice.read(&hello().frame(), 0), Ok(Asks::Welcome(hello())));
    twice.welcome(hello(), Vec::new(), &Log::new(4), 0);
    assert!(twice.read(&hello().frame(), 0).is_err());
}

#[test]
fn what_follows_a_hello_in_the_same_packet_is_read_once_it_is_welcomed() {
    let mut eager = listener();
    let report = Report { underruns: 7, ..Report::default() };
    let words = [hello().frame(), report.frame(), hello().frame()].concat();
    assert_eq!(eager.read(&words, 0), Ok(Asks::Welcome(hello())));
    eager.welcome(hello(), Vec::new(), &Log::new(4), 0);
    assert!(eager.read(&[], 0).is_err(), "the second hello");
    assert_eq!(eager.report, Some(report));
}

#[test]
fn twenty_pings_a_second_are_answered_and_one_more_closes() {
    let mut eager = listener();
    eager.welcome(hello(), Vec::new(), &Log::new(4), 0);
    let ping = Ping { client_us: 1 }.frame();
    for second in 1..4 {
        for _ in 0..20 {
            assert!(eager.read(&ping, second * 1_000_000).is_ok());
        }
    }
    assert!(eager.read(&ping, 3_500_000).is_err());
}

/// A listener that is a person of the room.
fn person() -> Listener {
    let mut listener = listener();
    listener.welcome(hello(), Vec::new(), &Log::new(4), 0);
    listener.person = Some(1);
    listener
}

#[test]
fn twenty_wishes_a_second_are_read_and_one_more_closes() {
    let mut eager = person();
    let empty = Wish::default();
    for second in 1..4 {
        for _ in 0..20 {
            let asked = eager.read(&empty.frame(), second * 1_000_000);
            assert_eq!(asked, Ok(Asks::Wish(empty.clone())));
        }
    }
    assert!(eager.read(&empty.frame(), 3_500_000).is_err());
}

#[test]
fn a_wish_for_what_is_so_already_changes_nothing() {
    let mut listener = person();
    let is_there = |who| who < 10;
    let wish = Wish {
        name: Some("Ann".into()),
        muted: Some(true),
        deaf: Some(true),
        volumes: BTreeMap::from([(2, 50), (3, 100)]),
    };
    assert!(!listener.grant(Wish::default(), is_there));
    assert!(listener.grant(wish.clone(), is_there));
    let volumes = Arc::clone(&listener.volumes);
    assert!(!listener.grant(wish, is_there));
    assert!(Arc::ptr_eq(&volumes, &listener.volumes), "and copies nothing");
    assert_eq!(*volumes, BTreeMap::from([(2, 50)]));
}

#[test]
fn volumes_of_people_who_are_not_there_are_not_kept() {
    let mut listener = person();
    let all = |percent| (0..128).map(|who| (who, percent)).collect();
    let wish = Wish { volumes: all(50), ..Wish::default() };
    assert!(listener.grant(wish.clone(), |who| who < 10));
    assert_eq!(listener.volumes.len(), 10);
    assert!(!listener.grant(wish, |who| who < 10));
    // They have left, and others have come.
    let wish = Wish { volumes: all(60), ..Wish::default() };
    assert!(listener.grant(wish, |who| (100..105).contains(&who)));
    assert_eq!(*listener.volumes, (100..105).map(|who| (who, 60)).collect());
}

#[test]
fn a_flood_of_frames_we_do_not_know_closes() {
    let mut flood = listener();
    let frame = typed(200, &[0; 4000]);
    let verdicts: Vec<_> = (0..20).map(|_| flood.read(&frame, 0).is_ok()).collect();
    assert!(verdicts[0] && !verdicts[19]);
}

#[test]
fn one_that_was_told_to_go_and_floods_on_is_not_read_for_ever() {
    let mut flood = listener();
    flood.close(Reason::Violation, "", 0);
    let verdicts: Vec<_> = (0..20).map(|_| flood.read(&[0; 16_384], 0)).collect();
    assert_eq!(verdicts[0], Ok(Asks::Nothing));
    assert!(verdicts[19].is_err());
}

#[test]
fn a_listener_that_takes_nothing_for_ten_seconds_is_overdue() {
    let mut slow = listener();
    slow.wrote(false, true, 0);
    slow.wrote(true, true, 9_000_000);
    assert_eq!(slow.overdue(15_000_000), None);
    slow.wrote(false, true, 15_000_000);
    assert_eq!(slow.overdue(19_100_000), Some(Overdue::Stalled));
    slow.wrote(true, false, 19_200_000);
    assert_eq!(slow.overdue(60_000_000), None);
}

#[test]
fn a_refused_listener_leaves_after_a_second() {
    let refused = Listener::refused(([127, 0, 0, 1], 1).into(), Full::Server, 0);
    assert!(!refused.is_seated());
    assert_eq!(refused.overdue(REFUSED_FOR_US), None);
    assert_eq!(refused.overdue(REFUSED_FOR_US + 1), Some(Overdue::Refused));
}

#[test]
fn other_protocols_are_known_by_their_first_byte() {
    assert!(listener().read(b"GET / HTTP/1.1\r\n", 0).is_err());
    assert!(listener().read(&[0x16, 3, 1], 0).is_err());
    assert!(listener().read(&[0xff; 4], 0).is_err());
}

fn browser(refused: bool) -> Listener {
    let refused = refused.then_some(Full::Server);
    Listener::browser(([127, 0, 0, 1], 1).into(), b"101".to_vec(), refused, 0)
}

/// A masked frame of a client: the mask is nothing.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 126);
    [&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

fn written(listener: &mut Listener) -> Vec<u8> {
    let mut taken = Vec::new();
    let log = Log::new(4);
    let send = |slices: &[std::io::IoSlice<'_>]| {
        slices.iter().for_each(|slice| taken.extend_from_slice(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    };
    listener.outbox.write(&log, 0, 0, send).unwrap();
    taken
}

#[test]
fn a_browser_speaks_first_and_has_five_seconds_for_it() {
    let mut silent = browser(false);
    assert_eq!(silent.overdue(HELLO_WITHIN_US), None);
    assert_eq!(silent.overdue(HELLO_WITHIN_US + 1), Some(Overdue::HalfHello));
    assert_eq!(written(&mut silent), b"101", "and hears nothing before that");
    silent.read(&masked(2, &hello().frame()), 1).unwrap();
    silent.welcome(hello(), typed(kind::WELCOME, b"{}"), &Log::new(4), 0);
    assert_eq!(written(&mut silent), websocket::binary(&typed(kind::WELCOME, b"{}")));
    assert_eq!(silent.overdue(u64::MAX / 2), None);
}

#[test]
fn a_browsers_close_is_answered_with_the_same_code() {
    let mut leaving = browser(false);
    assert_eq!(leaving.read(&masked(8, b"\x03\xe9bye"), 0), Ok(Asks::Nothing));
    assert!(leaving.is_leaving());
    assert_eq!(written(&mut leaving), b"101\x88\x02\x03\xe9");
    assert_eq!(leaving.read(&masked(2, b"more"), 0), Ok(Asks::Nothing), "not read any more");
}

#[test]
fn a_browsers_own_pings_are_answered_the_newest_only_and_a_flood_closes() {
    let mut eager = browser(false);
    written(&mut eager);
    for n in 0..20 {
        assert!(eager.read(&masked(9, n.to_string().as_bytes()), 0).is_ok());
    }
    assert_eq!(written(&mut eager), b"\x8a\x0219");
    assert!(eager.read(&masked(9, b""), 0).is_err());
}

#[test]
fn what_a_browser_did_wrong_decides_the_code_it_is_closed_with() {
    for (bytes, code) in [
        (masked(1, b"text"), close::UNSUPPORTED),
        (b"\x82\x00".to_vec(), close::PROTOCOL_ERROR),
        (b"\x82\xff".to_vec(), close::TOO_BIG),
        (masked(2, b"no frame"), close::POLICY),
        (masked(2, &typed(kind::HELLO, b"no JSON")), close::POLICY),
    ] {
        let mut wrong = browser(false);
        written(&mut wrong);
        assert!(wrong.read(&bytes, 0).is_err());
        wrong.close(Reason::Violation, "no", 0);
        assert_eq!(written(&mut wrong), websocket::closing(code, "no"));
    }
}

#[test]
fn a_welcomed_browser_is_told_goodbye_twice_and_one_too_many_to_come_again() {
    let mut seated = browser(false);
    seated.welcome(hello(), Vec::new(), &Log::new(4), 0);
    written(&mut seated);
    seated.close(Reason::Stopping, "bye", 0);
    let notice = Notice::because(Reason::Stopping, "bye").frame();
    let both = [websocket::binary(&notice), websocket::closing(close::GOING_AWAY, "bye")].concat();
    assert_eq!(written(&mut seated), both);

    let mut refused = browser(true);
    written(&mut refused);
    assert_eq!(refused.overdue(REFUSED_FOR_US + 1), Some(Overdue::Refused));
    refused.close(Reason::Stopping, "full", 0);
    assert_eq!(written(&mut refused), websocket::closing(close::TRY_AGAIN, "full"));
}

#[test]
fn a_browser_that_may_not_come_again_is_told_so_by_the_code_before_its_welcome_too() {
    for (reason, code) in [
        (Reason::Removed, close::REMOVED),
        (Reason::WrongKey, close::WRONG_KEY),
        (Reason::NotLetIn, close::NOT_LET_IN),
    ] {
        for is_full in [false, true] {
            let mut again = browser(is_full);
            written(&mut again);
            again.close(reason, "leave", 0);
            assert_eq!(written(&mut again), websocket::closing(code, "leave"), "{is_full}");
        }
    }
    let mut seated = browser(false);
    seated.welcome(hello(), Vec::new(), &Log::new(4), 0);
    written(&mut seated);
    seated.close(Reason::Removed, "leave", 0);
    let notice = Notice::because(Reason::Removed, "leave").frame();
    let both = [websocket::binary(&notice), websocket::closing(close::REMOVED, "leave")].concat();
    assert_eq!(written(&mut seated), both);
}

#[test]
fn whoever_knocks_waits_two_minutes_and_listens_from_when_they_are_let_in() {
    let mut guest = Listener::held(([127, 0, 0, 1], 1).into(), b"    config".to_vec(), 0);
    let entering = typed(kind::ENTER, b"first message");
    assert_eq!(guest.read(&entering, 1), Ok(Asks::Enter(b"first message".to_vec())));
    assert!(!guest.is_seated(), "whoever has not shown a key holds no seat");
    guest.knock("wait", 1_000_000);
    assert!(guest.is_seated());
    assert_eq!(guest.read(&entering, 2_000_000), Ok(Asks::Nothing), "once is enough");
    for kind in [kind::CODE, kind::CODE_PROOF] {
        assert_eq!(guest.read(&typed(kind, b"code"), 2_000_000), Ok(Asks::Nothing));
    }
    assert!(!guest.is_inside());
    assert_eq!(guest.overdue(121_000_000), None);
    assert_eq!(guest.overdue(121_000_001), Some(Overdue::Unanswered));
    guest.is_let_in(100_000_000);
    assert_eq!(guest.since_us, 100_000_000);
}

#[test]
fn whoever_is_at_the_door_has_five_seconds_no_seat_and_is_told_of_it_when_the_key_is_shown() {
    let mut stranger = Listener::held(([127, 0, 0, 1], 1).into(), b"    config".to_vec(), 0);
    assert!(!stranger.is_seated() && !stranger.is_inside());
    assert_eq!((stranger.hears(), stranger.overdue(HELLO_WITHIN_US)), (None, None));
    assert_eq!(stranger.overdue(HELLO_WITHIN_US + 1), Some(Overdue::HalfHello));
    stranger.refuse(Full::Address, 0);
    assert!(stranger.is_leaving());
    let last = Notice::because(Reason::AddressFull, Full::Address.sentence()).frame();
    assert!(written(&mut stranger).ends_with(&last));

    let mut page = browser(false);
    page.hold(b"    config");
    written(&mut page);
    page.refuse(Full::Server, 0);
    let last = websocket::closing(close::TRY_AGAIN, Full::Server.sentence());
    assert_eq!(written(&mut page), last);
}
