//! Loss, holes, jitter and stalls: what is heard of them.

use crate::Test;
use crate::support::air::house::{House, Outcome, Set};

pub(crate) const TESTS: &[Test] = &[
    ("over_a_network_without_trouble_all_is_heard", no_trouble),
    ("where_packets_are_held_back_a_delay_that_is_longer_loses_nothing", held_back),
    ("a_twentieth_lost_is_not_heard_in_opus", lost_in_opus),
    ("a_twentieth_lost_is_not_heard_in_whole_samples", lost_in_s16),
    ("a_hole_costs_no_more_than_it_is_longer_than_the_delay_and_leaves_no_tail", holes),
    ("a_stall_costs_no_more_than_it_is_longer_than_the_delay_and_leaves_no_tail", stalls),
    (
        "a_network_too_slow_for_the_best_codec_carries_another_within_three_seconds_and_it_is_said",
        slow,
    ),
    ("datagrams_that_are_overtaken_or_come_twice_are_not_heard", mixed_up),
];

/// How long each is listened to, in seconds.
const SECONDS: u64 = 12;

/// How often a promise about sound is tried: a machine that is busy elsewhere may spoil one time, a
/// program that breaks its promise spoils all.
const TRIES: usize = 3;

fn set<'a>(network: &'a str, preset: &'a str, codec: &'a str) -> Set<'a> {
    Set { network, preset, codec, server: &[], listener: &[] }
}

/// Listens until what was heard is right, and returns how that was.
#[track_caller]
fn listen(set: Set<'_>, is_right: impl Fn(&Outcome) -> bool) -> Outcome {
    listen_and_read(set, is_right).0
}

/// Listens so, and reads what the listener said.
#[track_caller]
fn listen_and_read(set: Set<'_>, is_right: impl Fn(&Outcome) -> bool) -> (Outcome, String) {
    let mut outcomes = Vec::new();
    while outcomes.len() < TRIES {
        let house = House::open(set);
        house.listen(SECONDS);
        let said = house.listener.said();
        let outcome = house.close();
        let (heard, down, up) = (&outcome.heard, outcome.down_kbits(), outcome.up_kbits());
        let late = outcome.passed.late_us / 1_000;
        println!(
            "{} {}: {heard:?}, {down:.0} kbit/s down, {up:.0} up, {late} ms late",
            set.network, set.codec
        );
        if is_right(&outcome) {
            return (outcome, said);
        }
        outcomes.push(outcome);
    }
    panic!("{set:?}: {outcomes:#?}");
}

fn is_whole(outcome: &Outcome) -> bool {
    outcome.heard.damaged == 0 && outcome.heard.jumps == 0
}

fn no_trouble() {
    listen(set("delay=2", "low-latency", "opus"), is_whole);
}

fn held_back() {
    listen(set("delay=2 jitter=6 stall=120,5000 seed=2", "smooth", "s16"), is_whole);
}

/// What is lost is sent again, and a little more goes up and down for it.
const MOST_TRAFFIC: f64 = 1.15;

fn lost_in_opus() {
    let without = listen(set("delay=2", "low-latency", "opus"), is_whole).down_kbits();
    listen(set("delay=2 loss=0.05", "low-latency", "opus"), |outcome| {
        is_whole(outcome) && outcome.down_kbits() < without * MOST_TRAFFIC
    });
}

fn lost_in_s16() {
    listen(set("delay=2 loss=0.05", "low-latency", "s16"), is_whole);
}

/// What a hole of the network may cost, in windows of 20 ms: two, and what it is longer than 60 ms.
fn cost((_, length_us): &(u64, u64)) -> usize {
    2 + length_us.saturating_sub(60_000).div_ceil(20_000) as usize
}

fn holes() {
    listen(set("delay=2 gems=3000,60,1", "low-latency", "opus"), |outcome| {
        let costs: Vec<usize> = outcome.holes.iter().map(cost).collect();
        outcome.heard.damaged <= costs.iter().sum()
            && outcome.heard.longest <= costs.iter().max().copied().unwrap_or(0)
            && outcome.heard.jumps == 0
    });
}

/// Windows of 20 ms that a stall of 120 ms costs at 80 ms of delay. Four is what we want; what output and
/// network take of the delay costs one or two more.
const AFTER_A_STALL: usize = 6;

fn stalls() {
    listen(set("delay=2 jitter=6 stall=120,5000", "low-latency", "opus"), |outcome| {
        outcome.heard.longest <= AFTER_A_STALL && outcome.heard.jumps == 0
    });
}

/// Whole again within three seconds, in windows of 20 ms.
const SOON: usize = 150;

fn slow() {
    // Times that were learnt while all waited in a queue are put right within that time: a jump.
    let (_, said) = listen_and_read(set("rate=1 queue=200", "low-latency", "auto"), |outcome| {
        outcome.heard.until <= SOON
    });
    // One trouble is one sentence: what is wrong, what was done, what helps.
    let is_of_trouble = |line: &&str| {
        ["more than the network carries", "is lost", "are lost"]
            .iter()
            .any(|part| line.contains(part))
    };
    let troubles: Vec<&str> = said.lines().filter(is_of_trouble).collect();
    let [trouble] = troubles[..] else { panic!("{said}") };
    for part in ["so sound comes as opus", "a cable brings it back"] {
        assert!(trouble.contains(part), "{trouble}");
    }
}

fn mixed_up() {
    let network = "delay=2 late=0.05,50 twice=0.05";
    listen(set(network, "low-latency", "opus"), is_whole);
}
