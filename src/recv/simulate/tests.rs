//! Simulated time: hours of a bad network at once.

use super::*;

const SECOND: u64 = 1_000_000;

fn network(words: &str) -> Network {
    Network::new(&words.parse().unwrap(), 0)
}

/// Sends `bytes` every 20 ms for so long; when each part came, and what came.
fn deliver(network: &mut Network, bytes: usize, seconds: u64) -> (Vec<(u64, usize)>, Vec<u8>) {
    let (mut times, mut came, mut sent) = (Vec::new(), Vec::new(), 0_usize);
    for now_us in (SECOND..(seconds + 12) * SECOND).step_by(1_000) {
        if now_us < (seconds + 1) * SECOND && now_us % 20_000 == 0 {
            let part: Vec<u8> = (sent..sent + bytes).map(|n| (n % 251) as u8).collect();
            network.take(now_us, &part);
            sent += bytes;
        }
        while let Some(part) = network.give(now_us) {
            times.push((now_us, part.len()));
            came.extend(part);
        }
    }
    assert_eq!(came.len(), sent, "TCP loses nothing");
    assert!(came.iter().enumerate().all(|(n, byte)| *byte == (n % 251) as u8), "nor mixes it up");
    (times, came)
}

#[test]
fn one_seed_is_one_schedule_and_another_is_another() {
    let words = "jitter=30ms,delay=20ms,rate=4mbit,stall=500ms/7s,loss=10%,burst=1s/9s";
    let schedule = |seed: u64, number: u64| {
        let simulation = format!("{words},seed={seed}").parse().unwrap();
        let mut network = Network::new(&simulation, number);
        let times = deliver(&mut network, 7_000, 60).0;
        let lost: Vec<bool> = (0..1_000).map(|_| network.loses_frame()).collect();
        let came = post(&mut network, 100, 20);
        (times, lost, came)
    };
    assert_eq!(schedule(7, 0), schedule(7, 0));
    assert_ne!(schedule(7, 0), schedule(8, 0));
    assert_ne!(schedule(7, 0), schedule(7, 1), "a second connection has luck of its own");
}

#[test]
fn delay_and_jitter_hold_back_and_never_reorder() {
    let mut network = network("delay=20ms,jitter=30ms");
    let (times, _) = deliver(&mut network, 1_000, 60);
    assert_eq!(times.len(), 3_000);
    let late: Vec<u64> =
        times.iter().zip(0..).map(|((came, _), n)| came - (SECOND + n * 20_000)).collect();
    assert!(late.iter().all(|us| (20_000..=51_000).contains(us)));
    let mean = late.iter().sum::<u64>() as f64 / late.len() as f64;
    assert!((34_000.0..40_000.0).contains(&mean), "{mean}");
}

#[test]
fn a_slow_line_carries_its_rate_and_makes_its_sender_wait() {
    // 400 kbit/s are 1,000 bytes every 20 ms.
    let mut slow = network("rate=400kbit");
    assert_eq!(slow.most_held(), LEAST_HELD);
    let (times, _) = deliver(&mut slow, 1_100, 10);
    let (last, _) = times.last().unwrap();
    assert!((last - SECOND).abs_diff(11 * SECOND) < 50_000, "ten per cent too much: {last}");
    let mut slow = network("rate=2mbit");
    let mut taken = 0;
    while slow.has_room() {
        slow.take(SECOND, &[0; 1_000]);
        taken += 1_000;
    }
    // A fifth of a second.
    assert_eq!((slow.most_held(), taken), (50_000, 50_000));
    assert!(slow.give(SECOND).is_none() && slow.next_us().unwrap() > SECOND);
}

#[test]
fn nothing_comes_through_a_stall_and_all_of_it_at_its_end() {
    let mut network = network("stall=500ms/30s,seed=3");
    let (times, _) = deliver(&mut network, 1_000, 600);
    let gaps: Vec<u64> =
        times.windows(2).map(|pair| pair[1].0 - pair[0].0).filter(|gap| *gap > 100_000).collect();
    assert_eq!(gaps.len(), 20, "one in each half minute of ten");
    assert!(gaps.iter().all(|gap| gap.abs_diff(500_000) <= 21_000), "{gaps:?}");
}

#[test]
fn frames_are_lost_as_often_as_said() {
    let lost = |words: &str| {
        let mut network = network(words);
        (0..100_000).filter(|_| network.loses_frame()).count()
    };
    assert_eq!((lost("loss=0%"), lost("delay=1ms"), lost("loss=100%")), (0, 0, 100_000));
    assert!(lost("loss=2%").abs_diff(2_000) < 150);
}

/// Sends a datagram with its number in it every 5 ms for so long; when each came, and its number.
fn post(network: &mut Network, bytes: usize, seconds: u64) -> Vec<(u64, u64)> {
    let mut came = Vec::new();
    for now_us in (0..(seconds + 12) * SECOND).step_by(1_000) {
        if now_us < seconds * SECOND && now_us % 5_000 == 0 {
            let mut datagram = (now_us / 5_000).to_be_bytes().to_vec();
            datagram.resize(bytes, 7);
            network.take_datagram(now_us, &datagram);
        }
        while let Some(datagram) = network.give_datagram(now_us) {
            assert_eq!(datagram.len(), bytes, "whole or not at all");
            came.push((now_us, u64::from_be_bytes(*datagram.first_chunk().unwrap())));
        }
    }
    assert!(network.give_datagram(u64::MAX).is_none() && network.next_us().is_none());
    came
}

/// Where the numbers of what came leave some out: how many each time.
fn holes(came: &[(u64, u64)]) -> Vec<u64> {
    let steps = came.windows(2).map(|pair| pair[1].1 - pair[0].1 - 1);
    steps.filter(|hole| *hole > 0).collect()
}

#[test]
fn datagrams_are_lost_and_late_as_often_as_said_and_keep_their_order() {
    let came = post(&mut network("loss=5%,delay=20ms,jitter=30ms"), 100, 600);
    let lost = 120_000 - came.len();
    assert!(lost.abs_diff(6_000) < 300, "{lost}");
    assert!(came.is_sorted(), "order is kept");
    assert!(came.iter().all(|(at, number)| (20_000..=51_000).contains(&(at - number * 5_000))));
    assert_eq!(post(&mut network("delay=20ms"), 100, 10).len(), 2_000);
}

#[test]
fn what_sets_out_within_a_burst_never_arrives_and_all_else_does() {
    let came = post(&mut network("burst=60ms/3s,delay=40ms"), 100, 600);
    let holes = holes(&came);
    assert_eq!(holes.len(), 200, "one in each three seconds of ten minutes");
    assert!(holes.iter().all(|hole| *hole == 12), "60 ms of 5 ms each: {holes:?}");
    assert!(came.iter().all(|(at, number)| at - number * 5_000 == 40_000), "none is late");
}

#[test]
fn a_burst_takes_the_frames_of_sound_whose_last_bytes_set_out_in_it() {
    let mut network = network("burst=60ms/3s,delay=40ms");
    let mut lost = 0;
    for now_us in (0..600 * SECOND).step_by(5_000) {
        network.take(now_us, &[0; 100]);
        while network.give(now_us).is_some() {
            lost += usize::from(network.loses_frame());
        }
    }
    assert_eq!(lost, 200 * 12, "and TCP's bytes all come");
}

#[test]
fn datagrams_wait_for_the_end_of_a_stall_and_none_is_lost() {
    let came = post(&mut network("stall=500ms/30s,seed=3"), 100, 600);
    assert_eq!((came.len(), holes(&came)), (120_000, vec![]));
    let gaps: Vec<u64> =
        came.windows(2).map(|pair| pair[1].0 - pair[0].0).filter(|gap| *gap > 100_000).collect();
    assert_eq!(gaps.len(), 20, "one in each half minute of ten");
    assert!(gaps.iter().all(|gap| gap.abs_diff(500_000) <= 6_000), "{gaps:?}");
}

#[test]
fn datagrams_that_a_slow_line_has_no_room_for_are_lost() {
    // 1,000 bytes and their headers every 5 ms are 1,645 kbit/s.
    let came = post(&mut network("rate=800kbit"), 1_000, 60);
    let carried = came.len() as f64 / 12_000.0;
    assert!((carried - 800.0 / 1_645.0).abs() < 0.01, "{carried}");
    let late = came.iter().map(|(at, number)| at - number * 5_000).max().unwrap();
    assert!((200_000..220_000).contains(&late), "held back as long as a router does: {late}");
    assert_eq!(post(&mut network("rate=2mbit"), 1_000, 60).len(), 12_000);
    // None that is empty is for nothing: their number is bounded too.
    let mut full = network("delay=10s");
    (0..1_000_000).for_each(|_| full.take_datagram(0, &[]));
    let held = (0..).take_while(|_| full.give_datagram(u64::MAX).is_some()).count();
    assert_eq!(held, MOST_HELD / DATAGRAM_HEADERS);
}

#[test]
fn bytes_of_tcp_and_datagrams_share_a_line() {
    // 972 bytes and their headers take 10 ms.
    let mut network = network("rate=800kbit");
    network.take(0, &[0; 1_000]);
    network.take_datagram(0, &[0; 972]);
    network.take(0, &[0; 1_000]);
    assert_eq!(network.next_us(), Some(10_000));
    assert!(network.give(10_000).is_some() && network.give(u64::MAX - 1).is_some());
    assert_eq!(network.next_us(), Some(20_000));
    assert!(network.give_datagram(19_999).is_none() && network.give_datagram(20_000).is_some());
}

#[test]
fn noise_is_as_far_below_the_sound_as_said_and_silence_stays_silent() {
    for (words, db) in [("quality=50%", -30.0), ("quality=0%", 0.0), ("quality=90%", -54.0)] {
        let mut network = network(words);
        let sound: Vec<f32> = (0..48_000).map(|n| (n as f32 * 0.05).sin() * 0.5).collect();
        let mut noisy = sound.clone();
        noisy.chunks_mut(960).for_each(|part| network.add_noise(part));
        let power = |samples: &mut dyn Iterator<Item = f32>| -> f64 {
            samples.map(|sample| f64::from(sample).powi(2)).sum()
        };
        let noise = power(&mut noisy.iter().zip(&sound).map(|(a, b)| a - b));
        let level = 10.0 * (noise / power(&mut sound.iter().copied())).log10();
        assert!((level - db).abs() < 0.3, "{words}: {level}");
        let mut silence = [0.0; 960];
        network.add_noise(&mut silence);
        assert_eq!(silence, [0.0; 960]);
    }
    let mut untouched = [0.25; 10];
    network("quality=100%").add_noise(&mut untouched);
    assert_eq!(untouched, [0.25; 10]);
}

#[test]
fn wrong_words_are_refused_with_the_list_and_wrong_values_with_their_range() {
    for words in [
        "",
        "los=2%",
        "loss",
        "loss=2",
        "loss=x%",
        "delay=5",
        "rate=2",
        "stall=5s",
        "burst=60ms",
        "burst=60/3s",
        "seed=-1",
        "loss=2%,",
        "delay=-5ms",
        "delay=infs",
        "delay=1e3s",
        "loss=nan%",
        "delay=+5ms",
    ] {
        let error = words.parse::<Simulation>().unwrap_err();
        assert!(error.contains("loss=2%, delay=20ms") && error.contains("seed=7"), "{error}");
    }
    for words in [
        "loss=101%",
        "quality=200%",
        "delay=11s",
        "rate=1kbit",
        "rate=0mbit",
        "stall=5s/5s",
        "stall=0ms/1s",
        "stall=11s/60s",
        "stall=1s/9999s",
        "burst=3s/3s",
        "burst=0ms/3s",
    ] {
        let error = words.parse::<Simulation>().unwrap_err();
        assert!(error.contains("cannot be") && error.contains("it can be"), "{error}");
    }
    let all = "loss=2%,jitter=30ms,delay=20ms,rate=2mbit,stall=500ms/30s,burst=60ms/3s,quality=50%,seed=9";
    let simulation: Simulation = all.parse().unwrap();
    assert_eq!(simulation.to_string(), all.replace(',', ", "));
}
