//! Everybody hears everybody else, and nobody hears themselves.

use std::time::{Duration, Instant};

use super::conference;
use super::person::{Person, RATE, converse, converse_at_ease, microphone};
use super::tones::{assert_hears_others, level_db, tone};
use auralync::wire::Wish;
use std::collections::BTreeMap;

const TONES_HZ: [f64; 4] = [400.0, 700.0, 1_100.0, 1_700.0];
/// A second of what was heard, well after everybody began.
fn a_second_of(person: &Person, from_us: u64) -> Vec<f32> {
    let samples = person.heard_from(from_us);
    assert!(samples.len() >= RATE as usize, "{} samples", samples.len());
    samples[..RATE as usize].to_vec()
}

#[test]
fn a_talker_hears_every_tone_but_their_own_each_at_its_level() {
    let mut server = conference(&["--codecs", "f32"]);
    let address = server.address();
    let mut listener = Person::join(address, "listener", "f32", None);
    let talkers: Vec<Person> = (0..TONES_HZ.len())
        .map(|n| Person::join_in_time(address, &n.to_string(), "f32", microphone("f32")))
        .collect();
    let threads: Vec<_> = talkers
        .into_iter()
        .zip(TONES_HZ)
        .map(|(mut person, hz)| {
            std::thread::spawn(move || {
                let settled_us = person.server_us() + 2_500_000;
                converse_at_ease(&mut person, Duration::from_secs(5), tone(hz));
                let samples = a_second_of(&person, settled_us);
                let levels = TONES_HZ.map(|hz| level_db(&samples, hz));
                (person, settled_us, levels)
            })
        })
        .collect();
    let listening = std::thread::spawn(move || {
        let until = Instant::now() + Duration::from_secs(6);
        while Instant::now() < until {
            listener.listen();
        }
        listener
    });
    let mut last_settled_us = 0;
    for (n, thread) in threads.into_iter().enumerate() {
        let (_person, settled_us, levels) = thread.join().unwrap();
        assert_hears_others(n, &levels);
        last_settled_us = settled_us.max(last_settled_us);
    }
    let listener = listening.join().unwrap();
    let samples = a_second_of(&listener, last_settled_us);
    for hz in TONES_HZ {
        let level = level_db(&samples, hz);
        assert!(level.abs() <= 0.1, "a listener hears {hz} Hz at {level} dB");
    }
}

#[test]
fn a_listeners_own_wish_for_a_volume_changes_their_mix_alone_without_a_gap() {
    let mut server = conference(&["--codecs", "f32,opus"]);
    let address = server.address();
    for codec in ["f32", "opus"] {
        let mut talker = Person::join_in_time(address, "talker", "f32", microphone("f32"));
        let mut wishing = Person::join(address, "wishing", codec, None);
        let mut other = Person::join(address, "other", codec, None);
        let hz = TONES_HZ[0];
        let wish = Wish { volumes: BTreeMap::from([(talker.person(), 50)]), ..Wish::default() };
        let wished_us = talker.server_us() + 1_000_000;
        let speaking = std::thread::spawn(move || {
            converse_at_ease(&mut talker, Duration::from_secs(4), tone(hz));
            talker
        });
        let mut is_wished = false;
        while !speaking.is_finished() {
            wishing.listen();
            other.listen();
            let now = wishing.heard.last().map_or(0, |heard| heard.header.captured_us);
            if !is_wished && now > wished_us {
                is_wished = true;
                wishing.wish(&wish);
            }
        }
        let _talker = speaking.join().unwrap();
        for (person, expected_db) in [(&wishing, 20.0 * 0.5_f64.log10()), (&other, 0.0)] {
            let samples = a_second_of(person, wished_us + 1_000_000);
            let level = level_db(&samples, hz) - expected_db;
            println!("{codec}: {level:.3} dB off");
            assert!(level.abs() <= 0.1, "{codec}: {level} dB off");
        }
    }
}

/// The longest lag of a voice, in ms: with the 25 ms of `live` that is 50 ms from mouth to ear.
const LONGEST_LAG_MS: f64 = 25.0;

/// What a lag has to spare, in ms, and half a millisecond for the rounding of all that is read here.
const TO_SPARE_MS: f64 = 1.5;
const ROUNDING_MS: f64 = 0.5;

/// Words, and how long each is, in frames, of how many before the next: twice the longest lag there is, so
/// that none is taken for another.
const WORDS: u64 = 5;
const WORD: u64 = 4_800;
const WORDS_APART: u64 = 38_400;

/// How late somebody is depends on how late this machine lets them speak, so that is taken from the
/// server's own word. What it decides then, `mix::tests::mouth_to_ear` holds to the same time.
#[test]
fn from_mouth_to_ear_takes_no_longer_than_the_frames_need() {
    let mut server = conference(&["--codecs", "f32", "-v"]);
    let address = server.address();
    let mut talker = Person::join_in_time(address, "talker", "f32", microphone("opus"));
    let mut listener = Person::join(address, "listener", "f32", None);
    let speaking = std::thread::spawn(move || {
        // Silence, and then words that begin at once.
        let wave = tone(500.0);
        let speech = |n: u64| match n.checked_sub(u64::from(RATE)) {
            Some(n) if n % WORDS_APART < WORD => wave(n % WORDS_APART),
            _ => 0.0,
        };
        let frames = u64::from(RATE) + WORDS * WORDS_APART;
        converse(&mut talker, Duration::from_millis(frames * 1_000 / u64::from(RATE)), speech)
    });
    while !speaking.is_finished() {
        listener.listen();
    }
    let said_us = speaking.join().unwrap();
    let word_us =
        |word: u64| said_us + 1_000_000 + word * WORDS_APART * 1_000_000 / u64::from(RATE);
    listener.listen_until("the words", |listener| {
        let heard = listener.heard.last();
        heard.is_some_and(|heard| heard.header.captured_us > word_us(WORDS))
    });
    let channels = usize::from(listener.welcome.format.channels);
    let lag_ms = |word: u64| {
        // The wave needs a twentieth of a turn to be as loud as is looked for.
        let begins_us = word_us(word) + 100;
        let loud_us = listener.heard.iter().find_map(|heard| {
            let from_us = heard.header.captured_us;
            let time_us =
                |at: usize| from_us + (at / channels) as u64 * 1_000_000 / u64::from(RATE);
            let mut samples = heard.samples.iter().enumerate();
            samples
                .find(|(at, sample)| time_us(*at) >= begins_us && sample.abs() > 0.03)
                .map(|(at, _)| time_us(at))
        });
        // A machine that stalls for longer than the longest lag costs a word.
        loud_us.filter(|us| *us < word_us(word + 1)).map(|us| (us - begins_us) as f64 / 1e3)
    };
    let lags_ms: Vec<f64> = (0..WORDS).filter_map(lag_ms).collect();
    let line = server.wait_for("ms behind");
    println!("words stand {lags_ms:.1?} ms late in the mix: {line}");
    let numbers: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [_person, stood_ms, least_ms, most_ms, ..] = numbers[..] else { panic!("{line}") };
    let quickest_ms = lags_ms.into_iter().fold(f64::MAX, f64::min);
    assert!(quickest_ms <= stood_ms + ROUNDING_MS, "words stand where the server says");
    assert!(stood_ms <= most_ms + TO_SPARE_MS + ROUNDING_MS, "that is as late as frames need");
    assert!(least_ms + TO_SPARE_MS <= LONGEST_LAG_MS, "and frames need no longer");
}
