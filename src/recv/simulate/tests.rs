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
    let words = "jitter=30ms,delay=20ms,rate=4mbit,stall=500ms/7s,loss=10%";
    let schedule = |seed: u64, number: u64| {
        let simulation = format!("{words},seed={seed}").parse().unwrap();
        let mut network = Network::new(&simulation, number);
        let times = deliver(&mut network, 7_000, 60).0;
        let lost: Vec<bool> = (0..1_000).map(|_| network.loses_frame()).collect();
        (times, lost)
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
    ] {
        let error = words.parse::<Simulation>().unwrap_err();
        assert!(error.contains("cannot be") && error.contains("it can be"), "{error}");
    }
    let all = "loss=2%,jitter=30ms,delay=20ms,rate=2mbit,stall=500ms/30s,quality=50%,seed=9";
    let simulation: Simulation = all.parse().unwrap();
    assert_eq!(simulation.to_string(), all.replace(',', ", "));
}
