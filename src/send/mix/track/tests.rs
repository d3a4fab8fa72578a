use std::f64::consts::TAU;

use super::*;

const MONO: Format = Format { sample_rate: 48_000, channels: 1 };
const START_US: f64 = 1e9;

/// A carrier and a talker in a world whose time is the server's.
struct World {
    carrier_ppm: f64,
    talker_ppm: f64,
    talker_rate: u32,
    /// From the capture of a talker's last frame to its coming, in µs, by its number.
    late_us: fn(u64) -> f64,
    speaks: fn(f64) -> bool,
}

const TALK: usize = 480;
const CHUNK: usize = 1000;

impl World {
    /// Runs for so many seconds; `hear` gets each chunk with the carrier time of its first frame.
    fn run(&self, track: &mut Track, seconds: f64, mut hear: impl FnMut(f64, &[f32])) {
        let carrier_us = 1e6 / (48_000.0 * (1.0 + self.carrier_ppm * 1e-6));
        let talk_us = 1e6 / (f64::from(self.talker_rate) * (1.0 + self.talker_ppm * 1e-6));
        let (mut position, mut spoken) = (0_u64, 0_u64);
        let mut out = vec![0.0; CHUNK];
        while (position as f64) * carrier_us < seconds * 1e6 {
            let now = (position + CHUNK as u64) as f64 * carrier_us;
            loop {
                let first = spoken * TALK as u64;
                let comes = (first + TALK as u64) as f64 * talk_us + (self.late_us)(spoken);
                if comes > now {
                    break;
                }
                let at = first as f64 * talk_us;
                if (self.speaks)(at / 1e6) {
                    let samples: Vec<f32> = (0..TALK)
                        .map(|n| ((at + n as f64 * talk_us) / 1e6 * 300.0 * TAU).sin() as f32)
                        .collect();
                    track.insert(first, (START_US + at) as u64, false, &samples).unwrap();
                }
                spoken += 1;
            }
            let at = position as f64 * carrier_us;
            track.read(position, (START_US + at) as u64, &mut out);
            hear(at / 1e6, &out);
            position += CHUNK as u64;
        }
    }
}

fn jitter(frame: u64) -> f64 {
    (frame * 7_919 % 13) as f64 * 700.0
}

fn always(_: f64) -> bool {
    true
}

#[test]
fn an_hour_of_talk_a_hundred_ppm_off_has_no_gap() {
    for (carrier_ppm, talker_ppm, talker_rate) in
        [(100.0, -100.0, 48_000), (-100.0, 100.0, 44_100), (100.0, -100.0, 16_000)]
    {
        let delay_ms = if talker_rate == 16_000 { 60 } else { 40 };
        let mut track = Track::counting(talker_rate, MONO, TALK, delay_ms).unwrap();
        let world = World { carrier_ppm, talker_ppm, talker_rate, late_us: jitter, speaks: always };
        world.run(&mut track, 3_600.0, |_, _| {});
        let counts = track.counts();
        println!("{carrier_ppm} against {talker_ppm} ppm at {talker_rate} Hz: {counts:?}");
        assert_eq!((counts.lost, counts.late, counts.jumps), (0, 0, 0));
    }
}

#[test]
fn what_was_captured_at_a_moment_stands_beside_the_carriers_frame_of_that_moment_and_the_delay() {
    for talker_rate in [48_000, 44_100] {
        let mut track = Track::new(talker_rate, MONO, TALK, 40).unwrap();
        let world = World {
            carrier_ppm: 100.0,
            talker_ppm: -100.0,
            talker_rate,
            late_us: jitter,
            speaks: always,
        };
        let frame_s = 1.0 / (48_000.0 * 1.0001);
        let mut worst = 0.0_f64;
        world.run(&mut track, 30.0, |at, samples| {
            if at > 10.0 {
                for (n, sample) in samples.iter().enumerate() {
                    let captured = at + n as f64 * frame_s - 0.040;
                    let error = f64::from(*sample) - (captured * 300.0 * TAU).sin();
                    worst = worst.max(error.abs());
                }
            }
        });
        // Of a sine of 300 Hz, one µs is 0.0019.
        println!("{talker_rate} Hz: off by {:.1} µs at most", worst / 0.0019);
        assert!(worst < 0.04, "{worst}");
    }
}

#[test]
fn who_speaks_now_and_then_is_in_place_from_the_first_frame_on_and_leaves_without_a_click() {
    let mut track = Track::new(48_000, MONO, TALK, 40).unwrap();
    let speaks = |at: f64| (at / 7.0).fract() < 0.3;
    let world = World {
        carrier_ppm: 80.0,
        talker_ppm: -60.0,
        talker_rate: 48_000,
        late_us: jitter,
        speaks,
    };
    let mut last = 0.0_f32;
    let mut most = 0.0_f32;
    let mut worst = 0.0_f64;
    world.run(&mut track, 60.0, |at, samples| {
        for (n, sample) in samples.iter().enumerate() {
            most = most.max((sample - last).abs());
            last = *sample;
            let captured = at + n as f64 / 48_000.0 - 0.040;
            let phase = (captured / 7.0).fract() * 7.0;
            if captured > 14.0 && (0.03..2.05).contains(&phase) {
                let error = f64::from(*sample) - (captured * 300.0 * TAU).sin();
                worst = worst.max(error.abs());
            }
        }
    });
    // The sine's own steps of 0.04, and those of a fade of 0.6 ms.
    assert!(most < 0.08, "a step of {most}");
    assert!(worst < 0.3, "off by {:.0} µs", worst / 0.0019);
}

#[test]
fn a_carrier_that_jumps_takes_the_track_along() {
    let mut track = Track::new(48_000, MONO, TALK, 20).unwrap();
    let mut out = vec![0.0; 480];
    let one = vec![0.5; TALK];
    let us = |position: u64| START_US as u64 + position * 1_000 / 48;
    for n in 0..200_u64 {
        track.insert(n * 480, us(n * 480), false, &one).unwrap();
        if !(50..150).contains(&n) {
            track.read(n * 480, us(n * 480), &mut out);
        }
    }
    assert!(out.iter().all(|sample| (sample - 0.5).abs() < 1e-3));
}

#[test]
fn before_anything_came_there_is_silence() {
    let mut track = Track::new(16_000, MONO, TALK, 20).unwrap();
    let mut out = [1.0; 7];
    assert!(!track.read(0, 1_000_000, &mut out));
    assert_eq!(out, [0.0; 7]);
}

#[test]
fn positions_and_times_that_make_no_sense_are_no_panic() {
    let mut track = Track::new(48_000, MONO, TALK, 20).unwrap();
    let mut out = vec![0.0; 480];
    for (position, captured_us) in
        [(0, 0), (u64::MAX - 100, u64::MAX), (5, 1), (1 << 62, 3), (7, u64::MAX / 2)]
    {
        let _ = track.insert(position, captured_us, false, &[0.5; 480]);
        track.read(0, 1_000_000_000, &mut out);
        track.read(480, 1_000_010_000, &mut out);
        assert!(out.iter().all(|sample| sample.is_finite()));
    }
}

#[test]
fn a_source_whose_periods_have_grown_has_no_gap_once_its_delay_has_grown_too() {
    // Five frames of 10 ms come at a time, far too late for a delay of 20 ms.
    let late_us: fn(u64) -> f64 = |frame| 10_000.0 * (4 - frame % 5) as f64;
    let world = World {
        carrier_ppm: 50.0,
        talker_ppm: -50.0,
        talker_rate: 48_000,
        late_us,
        speaks: always,
    };
    let heard = |delay_ms: Option<u32>| {
        let mut track = Track::new(48_000, MONO, TALK, 20).unwrap();
        track.insert(0, START_US as u64, false, &[0.0; TALK]).unwrap();
        if let Some(delay_ms) = delay_ms {
            track.set_delay_ms(delay_ms);
        }
        let mut softest = f32::MAX;
        world.run(&mut track, 5.0, |at, samples| {
            let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            softest = if at < 1.0 { softest } else { softest.min(peak) };
        });
        softest
    };
    assert!(heard(None) < 0.1);
    assert!(heard(Some(100)) > 0.9);
}
