//! Ways that close, open and change: how sound comes then, and what is heard of the change.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Test;
use crate::support::air::house::{House, Outcome, Set};
use crate::support::air::{Air, Passed};

pub(crate) const TESTS: &[Test] = &[
    ("sound_comes_by_tcp_where_no_datagram_gets_through", no_way),
    ("sound_comes_by_tcp_where_datagrams_are_longer_than_what_passes", narrow),
    ("a_port_that_another_program_has_is_told_and_sound_comes_by_tcp", port_taken),
    ("sound_comes_by_datagram_where_the_smallest_packets_of_ipv6_pass", as_narrow_as_ipv6),
    ("sound_comes_by_tcp_within_a_second_of_a_firewalls_and_by_datagram_when_it_opens", cut_off),
    ("nothing_is_missing_where_only_the_way_of_the_asks_is_closed", asks_cut_off),
    ("sound_follows_to_a_new_address_within_a_tenth_of_a_second", moved),
];

/// How often a promise about time is tried: a machine that is busy elsewhere may spoil one time.
const TRIES: usize = 3;

/// How sound comes is seen over so much of it.
const LOOK: Duration = Duration::from_millis(500);

/// How long datagrams may take to be tried again, and more on a busy machine.
const TRIED_AGAIN: Duration = Duration::from_secs(20);

const SET: Set<'static> =
    Set { network: "delay=2", preset: "low-latency", codec: "opus", server: &[], listener: &[] };

/// What came down in a moment from now on.
fn next(house: &House) -> Passed {
    let before = house.air.passed();
    sleep(LOOK);
    house.air.passed().since(before)
}

fn is_by_datagram(house: &House) -> bool {
    let next = next(house);
    next.down.udp_bytes > 2 * next.down.tcp_bytes
}

/// Waits until most comes by datagram.
#[track_caller]
pub(crate) fn wait_for_datagrams(house: &House) {
    let deadline = Instant::now() + TRIED_AGAIN;
    while !is_by_datagram(house) {
        assert!(Instant::now() < deadline, "sound comes by TCP: {:?}", house.air.passed());
    }
}

/// Lets `attempt` do what it does to a house until sound came the right way, as it says, and what was
/// heard is right.
#[track_caller]
pub(crate) fn attempt(attempt: impl Fn() -> (Outcome, bool), is_right: impl Fn(&Outcome) -> bool) {
    let mut outcomes = Vec::new();
    while outcomes.len() < TRIES {
        let (outcome, is_right_way) = attempt();
        println!("{is_right_way} {:?} {:?}", outcome.heard, outcome.passed);
        if is_right_way && is_right(&outcome) {
            return;
        }
        outcomes.push(outcome);
    }
    panic!("{outcomes:#?}");
}

pub(crate) fn is_whole(outcome: &Outcome) -> bool {
    outcome.heard.damaged == 0 && outcome.heard.jumps == 0
}

/// A house in a network that is made ready first.
#[track_caller]
fn open_in(ready: impl FnOnce(&Air)) -> House {
    let air = Air::make(&SET.network.parse().unwrap()).unwrap();
    ready(&air);
    House::open_in(air, SET)
}

#[track_caller]
fn whole_by_tcp(ready: impl Fn(&Air) + Copy) {
    let listen = || {
        let house = open_in(ready);
        house.listen(5);
        let is_by_tcp = !is_by_datagram(&house);
        (house.close(), is_by_tcp)
    };
    attempt(listen, is_whole);
}

fn no_way() {
    whole_by_tcp(|air| {
        air.cut(true, true);
    });
}

fn narrow() {
    whole_by_tcp(|air| air.narrow(576));
}

fn port_taken() {
    let listen = || {
        let air = Air::make(&SET.network.parse().unwrap()).unwrap();
        let _taken = air.take_port(PORT);
        let mut house = House::open_in(air, SET);
        house.server.wait_for("UDP");
        house.listen(4);
        let is_by_tcp = house.air.passed().down.udp_bytes == 0;
        (house.close(), is_by_tcp)
    };
    attempt(listen, is_whole);
}

/// The port of a server that was told of none.
const PORT: u16 = 5555;

fn as_narrow_as_ipv6() {
    let listen = || {
        let house = open_in(|air| air.narrow(1280));
        wait_for_datagrams(&house);
        house.listen(5);
        let is_by_datagram = is_by_datagram(&house);
        (house.close(), is_by_datagram)
    };
    attempt(listen, is_whole);
}

fn cut_off() {
    let listen = || {
        let house = House::open(SET);
        wait_for_datagrams(&house);
        house.air.cut(true, false);
        house.listen(3);
        let meanwhile = next(&house);
        house.air.cut(false, false);
        wait_for_datagrams(&house);
        house.listen(2);
        (house.close(), meanwhile.down.tcp_bytes > meanwhile.down.udp_bytes)
    };
    attempt(listen, |outcome| {
        let heard = &outcome.heard;
        heard.longest_ms() <= 1_000 && heard.bursts <= 1 && heard.jumps == 0
    });
}

fn asks_cut_off() {
    let listen = || {
        let house = House::open(SET);
        wait_for_datagrams(&house);
        house.air.cut(false, true);
        // The server hears of no ask for longer than it waits for one.
        house.listen(13);
        (house.close(), true)
    };
    attempt(listen, is_whole);
}

fn moved() {
    let listen = || {
        let house = House::open(SET);
        wait_for_datagrams(&house);
        house.air.roam();
        house.listen(5);
        let is_by_datagram = is_by_datagram(&house);
        (house.close(), is_by_datagram)
    };
    attempt(listen, |outcome| outcome.heard.longest_ms() <= 100 && outcome.heard.jumps == 0);
}
