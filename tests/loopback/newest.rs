//! A queue of one frame: who is slow gets the newest and conceals what is missing, and nobody else
//! loses anything.

use std::io::Write;
use std::time::{Duration, Instant};

use auralync::codec::opus::LONGEST_CONCEALED;
use auralync::playout::frames::FrameDecoder;
use auralync::wire::{AudioHeader, Hello, Welcome, kind};

use crate::support::flags::wav;
use crate::support::ramp::frames_on_disk;
use crate::support::servers::{client, server};
use crate::support::{Scratch, socket, wait_until};

/// A chunk becomes several packets, all of which are there at once.
const CHUNK: &str = "4096";

#[test]
fn with_a_queue_of_one_the_slow_get_the_newest_opus_frame_and_the_others_every_one() {
    let scratch = Scratch::new();
    let stats = scratch.path("server.json");
    let mut server = server([
        "--source",
        "tone:1000",
        "--sample-rate",
        "48000",
        "--chunk-size",
        CHUNK,
        "--playout-delay-ms",
        "5000",
        "--codecs",
        "opus",
        "--max-queue-size",
        "1",
        "--stats",
        stats.to_str().unwrap(),
    ]);
    let address = server.address();
    let recorded = [0, 1].map(|n| scratch.path(format!("{n}.wav")));
    let output = |path| ["--codec".to_owned(), "opus".to_owned(), "--output".to_owned(), wav(path)];
    let mut fast = recorded.each_ref().map(|path| client(address, output(path)));

    let mut slow = socket::connect_with_little_room(address);
    slow.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let hello = Hello {
        version: 2,
        id: "slow".into(),
        name: "slow".into(),
        codecs: vec!["opus".into()],
        talk: None,
        datagrams: false,
    };
    slow.write_all(&hello.frame()).unwrap();
    let welcome = Welcome::read(&socket::skip_to_welcome(&mut slow)).unwrap();
    assert_eq!(welcome.codec, "opus");
    let mut next_frame = || loop {
        if let (kind::AUDIO, body) = socket::typed(&mut slow) {
            let (header, payload) = AudioHeader::split(&body).unwrap();
            return (header, payload.to_vec());
        }
    };
    let (first, _) = next_frame();
    let asleep = Instant::now();
    wait_until("the slow one has slept", || asleep.elapsed() > Duration::from_secs(4));

    // What the system held is old and whole; then the newest comes, with a gap before it.
    let mut decoder =
        FrameDecoder::new("opus", welcome.format, welcome.algorithmic_delay.into()).unwrap();
    let (mut samples, mut next, mut gap, mut after) = (Vec::new(), None, 0, 0);
    let mut last_us = 0;
    while after < 25 {
        let (header, payload) = next_frame();
        if let Some(next) = next
            && header.position > next
        {
            assert_eq!(gap, 0, "it is fast now and still loses something");
            let slept_us = asleep.elapsed().as_micros() as u64;
            let since_us = header.captured_us - first.captured_us;
            // The system may take a little in between, while nothing is read.
            if since_us + 500_000 > slept_us {
                gap = header.position - next;
            }
        }
        let samples = decoder.decode(header, &payload, &mut samples).unwrap().samples;
        if gap > 0 {
            after += 1;
            assert!(samples.iter().all(|sample| sample.abs() < 1.0));
        }
        assert!(header.captured_us > last_us);
        (next, last_us) = (Some(header.position + u64::from(header.frames)), header.captured_us);
    }
    assert!(gap > LONGEST_CONCEALED, "only {gap} frames were missing");

    for path in &recorded {
        let enough = frames_on_disk(path, 2) + 48_000;
        wait_until("a second more", || frames_on_disk(path, 2) > enough);
    }
    let lines = std::fs::read_to_string(&stats).unwrap();
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let listeners = last["listeners"].as_array().unwrap();
    assert_eq!(listeners.len(), 3, "{last}");
    for listener in listeners {
        let dropped = listener["dropped_full"].as_u64().unwrap();
        let is_slow = listener["name"] == "slow";
        assert_eq!(is_slow, dropped > 0, "{listener}");
    }
    for listener in &mut fast {
        listener.stop();
    }
}
