use super::*;
use crate::wire::datagram::{ASK_HEADER, FromServer, MAX_DATAGRAM, Parities};
use crate::wire::{AudioFrame, AudioHeader};

const TOKEN: Token = [7; 16];
const COOKIE: u64 = 42;
const SECOND: u64 = 1_000_000;

fn home() -> SocketAddr {
    ([192, 168, 1, 20], 40_000).into()
}

fn ask(cookie: u64, missing: &[u32]) -> Ask {
    Ask {
        is_wanted: true,
        parity: Parities::NONE,
        stream: 0,
        token: TOKEN,
        cookie,
        client_us: 1_234,
        missing: missing.to_vec(),
    }
}

fn pace(now_us: u64) -> Pace {
    Pace { now_us, max_age_us: 300_000, bytes_per_second: 384_000 }
}

/// A path that is proven and used, from the beginning of a log on.
fn used(now_us: u64) -> DatagramPath {
    let mut path = DatagramPath::new(TOKEN);
    path.answer(&ask(COOKIE, &[]), (home(), COOKIE), ASK_HEADER, now_us).unwrap();
    path.begin(0, 0, 0);
    path
}

/// A log of so many frames, of four datagrams each, captured every 10 ms.
fn log(frames: u64) -> DatagramLog {
    let mut log = DatagramLog::new(0, 48_000);
    log.hear(Parities { of_four: true, of_two: true });
    for number in 0..frames {
        let (position, captured_us) = (number * 480, number * 10_000);
        let header = AudioHeader { flags: 0, frames: 480, position, captured_us };
        log.push(&AudioFrame::float32(header, &[0.5; 960]), SECOND);
    }
    log
}

/// The numbers of what a listener is handed.
fn numbers(give: impl FnOnce(&mut dyn FnMut(SocketAddr, &Arc<[u8]>))) -> Vec<u32> {
    let mut numbers = Vec::new();
    give(&mut |to, bytes| {
        assert_eq!(to, home());
        if let Some(FromServer::Sound(piece)) = FromServer::read(bytes) {
            numbers.push(piece.number);
        }
    });
    numbers
}

#[test]
fn an_address_is_proven_by_its_cookie_and_until_then_gets_no_byte_more_than_it_sent() {
    let mut path = DatagramPath::new(TOKEN);
    for length in [ASK_HEADER, 100, MAX_DATAGRAM] {
        for cookie in [0, 41, u64::MAX] {
            let answer = path.answer(&ask(cookie, &[1]), (home(), COOKIE), length, SECOND).unwrap();
            assert_eq!(answer.len(), length.max(ANSWER));
            let Some(FromServer::Answer(read)) = FromServer::read(&answer) else { panic!() };
            assert_eq!((read.is_proven, read.cookie, read.client_us), (false, COOKIE, 1_234));
        }
    }
    assert!(!path.is_awaited());
    let answer = path.answer(&ask(COOKIE, &[]), (home(), COOKIE), 36, SECOND).unwrap();
    assert_eq!(answer.len(), ANSWER);
    let Some(FromServer::Answer(read)) = FromServer::read(&answer) else { panic!() };
    assert_eq!((read.is_proven, read.server_us), (true, SECOND));
    assert!(path.is_awaited() && path.is_at(home()));
}

#[test]
fn asks_have_a_bound_in_every_second_and_those_that_prove_nothing_a_bound_of_their_own() {
    let mut path = DatagramPath::new(TOKEN);
    let mut answered = |cookie| {
        let asks = (0..10_000).map(|n| SECOND + n * 100);
        asks.filter(|us| path.answer(&ask(cookie, &[]), (home(), COOKIE), 36, *us).is_some())
            .count()
    };
    assert!((20..=41).contains(&answered(0)));
    assert!((500..=1_001).contains(&answered(COOKIE)));
    assert!(path.counts().asks_refused > 18_900);
}

#[test]
fn what_is_due_goes_out_once_and_nothing_that_nobody_could_play_in_time() {
    let (mut path, log) = (used(0), log(60));
    let sent = numbers(|send| path.give(&log, None, pace(595_000), send));
    let young = log.end() - sent.len() as u64;
    assert_eq!(sent, (young as u32..240).collect::<Vec<_>>());
    assert!(log.get(young).unwrap().captured_us >= 295_000);
    assert_eq!((path.counts().datagrams, path.counts().dropped_old), (240 - young, young));
    assert!(numbers(|send| path.give(&log, None, pace(595_000), send)).is_empty());
    assert_eq!(path.reached, 60 * 480);
}

#[test]
fn parity_goes_to_those_alone_who_want_it() {
    let log = log(5);
    let all = [((false, false), 0), ((true, false), 5), ((false, true), 19), ((true, true), 24)];
    for ((of_four, of_two), expected) in all {
        let mut path = DatagramPath::new(TOKEN);
        let ask = Ask { parity: Parities { of_four, of_two }, ..ask(COOKIE, &[]) };
        path.answer(&ask, (home(), COOKIE), ASK_HEADER, 0).unwrap();
        path.begin(0, 0, 0);
        let mut parity = 0;
        path.give(&log, None, pace(0), |_, bytes| {
            parity +=
                usize::from(matches!(FromServer::read(bytes), Some(FromServer::Parity { .. })));
        });
        assert_eq!(parity, expected);
        assert_eq!(path.counts().parity, parity as u64);
    }
}

#[test]
fn what_is_missing_comes_again_if_it_was_sent_is_there_and_is_young_enough() {
    let (mut path, log) = (used(0), log(60));
    path.give(&log, None, pace(0), |_, _| {});
    let now_us = 595_000;
    // Long ago, too old, young, twice, and of the future.
    let wanted = [u32::MAX, 10, 200, 201, 201, 239, 240, 1_000, 1 << 31];
    let again = numbers(|send| path.give_again(&ask(COOKIE, &wanted), &log, pace(now_us), send));
    assert_eq!(again, [200, 201, 201, 239]);
    let other = Ask { stream: 1, ..ask(COOKIE, &wanted) };
    assert!(numbers(|send| path.give_again(&other, &log, pace(now_us), send)).is_empty());
    assert_eq!((path.counts().resent, path.counts().resent_refused), (4, 0));
}

#[test]
fn whoever_asks_for_everything_all_the_time_gets_half_of_its_stream_again_and_the_rest_is_counted()
{
    let mut path = used(0);
    let mut stream = log(0);
    let (mut again, seconds) = (0, 10);
    for number in 0..seconds * 100 {
        let captured_us = number * 10_000;
        let header = AudioHeader { flags: 0, frames: 480, position: number * 480, captured_us };
        stream.push(&AudioFrame::float32(header, &[0.5; 960]), SECOND);
        path.give(&stream, None, pace(captured_us), |_, _| {});
        let all: Vec<u32> = (stream.first() as u32..stream.end() as u32).collect();
        path.give_again(&ask(COOKIE, &all), &stream, pace(captured_us), |_, bytes| {
            again += bytes.len()
        });
    }
    let most = 384_000 / 2 * seconds as usize + 384_000 / 8;
    assert!((most - 384_000 / 8..=most).contains(&again), "{again} of {most}");
    assert!(path.counts().resent_refused > 10_000);
}

#[test]
fn after_going_back_to_tcp_datagrams_of_before_do_not_turn_the_sound_again() {
    let mut path = used(SECOND);
    path.end(2 * SECOND);
    let at = |path: &mut DatagramPath, now_us| {
        path.answer(&ask(COOKIE, &[]), (home(), COOKIE), ASK_HEADER, now_us);
        path.is_awaited()
    };
    assert!(!at(&mut path, 2 * SECOND + 1));
    assert!(!at(&mut path, 2 * SECOND + RESTS_FOR_US - 1));
    assert!(at(&mut path, 2 * SECOND + RESTS_FOR_US));
}

#[test]
fn an_address_that_changes_moves_the_sound_once_it_has_proven_itself() {
    let (mut path, log) = (used(0), log(2));
    let away: SocketAddr = ([10, 0, 0, 9], 5_000).into();
    let (there, elsewhere) = ((away, 99), (home(), COOKIE));
    let _ = elsewhere;
    path.answer(&ask(COOKIE, &[]), there, ASK_HEADER, 1).unwrap();
    assert!(path.is_at(home()), "the cookie is another address's");
    path.answer(&ask(99, &[]), there, ASK_HEADER, 2).unwrap();
    let mut sent = 0;
    path.give(&log, None, pace(2), |to, _| {
        assert_eq!(to, away);
        sent += 1;
    });
    assert_eq!(sent, 8);
}
