//! The bad network itself: its schedule, in time that is an argument.

use crate::Test;
use crate::support::air::bend::{Bend, Direction, Way};

pub(crate) const TESTS: &[Test] = &[
    ("one_seed_is_one_schedule_another_and_the_way_back_are_others", seeds),
    ("packets_are_lost_as_often_as_said_and_only_on_the_way_that_is_bent", loss),
    ("bad_spells_by_packets_and_by_time_lose_what_is_sent_in_them", spells),
    ("delay_and_jitter_keep_the_order_and_a_packet_that_others_overtake_does_not", order),
    ("a_stall_holds_all_back_until_its_end", stalls),
    ("a_slow_line_carries_its_rate_and_loses_what_its_queue_has_no_room_for", rate),
    ("words_that_say_nothing_of_a_network_are_refused", words),
];

const SECOND: u64 = 1_000_000;

fn way(words: &str, direction: Direction) -> Way {
    Way::new(&words.parse().unwrap(), direction)
}

/// Sends a packet of 1,000 bytes every 2 ms for so long: when each set out, and when it arrived.
fn sent(way: &mut Way, seconds: u64) -> Vec<(u64, Option<u64>)> {
    let times = (0..seconds * SECOND).step_by(2_000);
    times.map(|now| (now, way.send(now, 1_000)[0])).collect()
}

fn lost(sent: &[(u64, Option<u64>)]) -> usize {
    sent.iter().filter(|(_, arrives)| arrives.is_none()).count()
}

fn seeds() {
    let words = "loss=0.1 gems=300,60,1 delay=5 jitter=6 stall=120,5000 rate=10";
    let schedule =
        |seed: u64, direction| sent(&mut way(&format!("{words} seed={seed}"), direction), 60);
    assert_eq!(schedule(7, Direction::Down), schedule(7, Direction::Down));
    assert_ne!(schedule(7, Direction::Down), schedule(8, Direction::Down));
    assert_ne!(schedule(7, Direction::Down), schedule(7, Direction::Up));
}

fn loss() {
    for (words, down, up) in [("loss=0.05", 5_000_usize, 5_000), ("loss=0.05 only=up", 0, 5_000)] {
        for (direction, expected) in [(Direction::Down, down), (Direction::Up, up)] {
            let lost = lost(&sent(&mut way(words, direction), 200));
            assert!(expected.abs_diff(lost) <= expected / 10, "{words} {direction:?}: {lost}");
        }
    }
}

fn spells() {
    let mut by_time = way("gems=3000,60,1", Direction::Down);
    let sent_by_time = sent(&mut by_time, 600);
    let holes = by_time.holes(600 * SECOND);
    assert!((150..250).contains(&holes.len()), "{}", holes.len());
    for (at, arrives) in sent_by_time {
        let is_within =
            holes.iter().any(|(start, length)| (*start..=start + length + 1).contains(&at));
        assert_eq!(arrives.is_none(), is_within, "at {at}");
    }
    // Bad for a packet in 31, and then for three on average.
    let mut by_packet = way("ge=0.011,0.333,1", Direction::Down);
    let lost = lost(&sent(&mut by_packet, 200));
    assert!((2_600..4_000).contains(&lost), "{lost}");
}

fn order() {
    let all = sent(&mut way("delay=2 jitter=6", Direction::Down), 60);
    let arrivals: Vec<u64> = all.iter().map(|(_, arrives)| arrives.unwrap()).collect();
    assert!(arrivals.is_sorted());
    assert!(all.iter().all(|(at, arrives)| arrives.unwrap() >= at + 2_000));
    let mut mixed = way("delay=2 late=0.1,50 twice=0.2", Direction::Down);
    let (mut late, mut twice) = (0, 0);
    for now in (0..60 * SECOND).step_by(2_000) {
        let [first, again] = mixed.send(now, 100);
        late += usize::from(first == Some(now + 52_000));
        assert!(first == Some(now + 2_000) || first == Some(now + 52_000), "{first:?} at {now}");
        twice += usize::from(again.is_some());
    }
    assert!(late.abs_diff(3_000) < 300 && twice.abs_diff(6_000) < 300, "{late} {twice}");
}

fn stalls() {
    let all = sent(&mut way("stall=120,5000", Direction::Down), 600);
    assert_eq!(lost(&all), 0);
    let held: Vec<u64> =
        all.iter().map(|(at, arrives)| arrives.unwrap() - at).filter(|held| *held > 0).collect();
    let share = held.len() as f64 / all.len() as f64;
    assert!((share - 120.0 / 5_120.0).abs() < 0.01, "{share}");
    assert!(held.iter().all(|held| *held <= 120_000));
}

fn rate() {
    // 1,000 bytes every 2 ms are 4 Mbit/s.
    let all = sent(&mut way("rate=1 queue=200", Direction::Down), 60);
    let carried = all.len() - lost(&all);
    assert!(carried.abs_diff(all.len() / 4) < 50, "{carried} of {}", all.len());
    let waited = all.iter().filter_map(|(at, arrives)| Some((*arrives)? - at)).max().unwrap();
    assert!((200_000..=216_000).contains(&waited), "{waited}");
}

fn words() {
    for words in ["los=1", "loss", "loss=x", "gems=1,2", "stall=1", "only=sideways", "seed=-1"] {
        assert!(words.parse::<Bend>().unwrap_err().contains(words));
    }
}
