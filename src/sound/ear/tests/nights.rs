//! Films whose scenes differ by 20 LU, and a night that keeps them together.

use ebur128::{EbuR128, Mode};

use super::*;

/// A scene of so many seconds at so many LUFS: a few tones and noise, as loud as syllables are, several times a second.
fn scene(lufs: f64, seconds: f64, seed: u64) -> Vec<f32> {
    let mut next = white(seed);
    let frames = (seconds * 48e3) as usize;
    let sound: Vec<f32> = (0..frames)
        .flat_map(|n| {
            let t = n as f64 / 48e3;
            let tones: f64 = (1..=4)
                .map(|k| {
                    (std::f64::consts::TAU * 220.0 * f64::from(k) * t + f64::from(k * k)).sin()
                })
                .sum();
            let swell = 0.6 + 0.4 * (std::f64::consts::TAU * 3.0 * t).sin();
            let sample = ((tones + f64::from(next())) * swell / 10.0) as f32;
            [sample; 2]
        })
        .collect();
    let mut meter = EbuR128::new(2, 48_000, Mode::I).unwrap();
    meter.add_frames_f32(&sound).unwrap();
    let gain = 10_f64.powf((lufs - meter.loudness_global().unwrap()) / 20.0) as f32;
    sound.iter().map(|sample| sample * gain).collect()
}

/// EBU Tech 3342's loudness range, in LU, by code that is not ours.
fn range_lu(sound: &[f32]) -> f64 {
    let mut meter = EbuR128::new(2, 48_000, Mode::LRA).unwrap();
    meter.add_frames_f32(sound).unwrap();
    meter.loudness_range().unwrap()
}

/// The loudest 400 ms, in LUFS.
fn loudest(sound: &[f32]) -> f64 {
    let mut meter = EbuR128::new(2, 48_000, Mode::M).unwrap();
    let loudness = sound.chunks(2 * 4_800).map(|piece| {
        meter.add_frames_f32(piece).unwrap();
        meter.loudness_momentary().unwrap()
    });
    loudness.fold(f64::NEG_INFINITY, f64::max)
}

/// What a night makes of it, and the gain after each millisecond.
fn by_night(sound: &[f32]) -> (Vec<f32>, Vec<f64>) {
    let mut ear = Ear::new(STEREO);
    ear.set(Hearing { night: true, ..Hearing::default() });
    let mut out = sound.to_vec();
    let mut gains = Vec::new();
    for piece in out.chunks_mut(2 * 48) {
        ear.process(piece);
        gains.push(ear.night.gain_db());
    }
    (out, gains)
}

#[test]
fn a_night_keeps_20_lu_of_range_within_8() {
    for (loud, seconds) in [(-16.0, 20.0), (-20.0, 15.0)] {
        let film: Vec<f32> = (0..6)
            .flat_map(|n| scene(if n % 2 == 0 { loud } else { loud - 20.0 }, seconds, n))
            .collect();
        let (night, _) = by_night(&film);
        let (before, after) = (range_lu(&film), range_lu(&night));
        println!(
            "scenes of {seconds} s at {loud} LUFS and 20 LU less: {before:.1} LU, by night {after:.1} LU"
        );
        assert!(before > 19.0 && after <= 8.0, "{before:.1} LU, {after:.1} LU");
    }
}

#[test]
fn the_gain_moves_so_slowly_that_nobody_hears_it_pump() {
    let mut film = Vec::new();
    for (n, lufs) in [-40.0, -12.0, -45.0, -20.0, -35.0, -8.0, -50.0].into_iter().enumerate() {
        film.extend(scene(lufs, 4.0, n as u64));
    }
    let (_, gains) = by_night(&film);
    for pair in gains.windows(2) {
        let per_s = (pair[1] - pair[0]) * STEPS_PER_S;
        assert!(per_s <= night::UP_DB_PER_S + 1e-6, "up by {per_s:.1} dB/s");
        assert!(per_s >= -night::SUDDEN_DB_PER_S - 1e-6, "down by {per_s:.1} dB/s");
        assert!(pair[1].abs() <= night::MOST_DB + 1e-9);
    }
}

#[test]
fn within_a_scene_the_gain_stands_nearly_still() {
    for lufs in [-14.0, -24.0, -36.0] {
        let (_, gains) = by_night(&scene(lufs, 20.0, 3));
        let settled = &gains[8_000..];
        let most = settled.iter().copied().fold(f64::MIN, f64::max);
        let least = settled.iter().copied().fold(f64::MAX, f64::min);
        println!("{lufs} LUFS: {least:.2} to {most:.2} dB");
        assert!(most - least < 2.0, "{least:.2} to {most:.2} dB");
    }
}

#[test]
fn what_is_beside_speech_does_not_come_up_between_two_sentences() {
    let film: Vec<f32> =
        (0..10).flat_map(|n| [scene(-22.0, 2.0, n), scene(-45.0, 0.8, n)].concat()).collect();
    let (_, gains) = by_night(&film);
    let settled = &gains[8_000..];
    let most = settled.iter().copied().fold(f64::MIN, f64::max);
    let least = settled.iter().copied().fold(f64::MAX, f64::min);
    println!("sentences with pauses of 0.8 s: {least:.2} to {most:.2} dB");
    assert!(most - least < 3.0, "{least:.2} to {most:.2} dB");
}

#[test]
fn a_bang_after_a_soft_scene_is_soon_no_louder_than_a_loud_scene() {
    let mut film = scene(-44.0, 10.0, 1);
    let bang = film.len();
    film.extend(scene(-10.0, 3.0, 2));
    let (night, _) = by_night(&film);
    let after = |seconds: f64| &night[bang + 2 * (seconds * 48e3) as usize..];
    let (soon, before) = (loudest(after(0.5)), loudest(&film[bang..]));
    println!("a bang of {before:.1} LUFS is one of {soon:.1} LUFS half a second later");
    assert!(soon < -15.0, "{soon:.1} LUFS");
}

#[test]
fn silence_and_what_is_hardly_there_become_no_noise() {
    let mut film = scene(-30.0, 5.0, 1);
    let silence = film.len();
    film.extend(vec![0.0; 2 * 48_000 * 5]);
    let (night, gains) = by_night(&film);
    assert!(night[silence..].iter().all(|sample| *sample == 0.0));
    let (end, before) = (gains[gains.len() - 1], gains[4_900]);
    assert!((end - before).abs() < 2.5, "{before:.2} dB became {end:.2} dB in silence");
    let (_, hiss) = by_night(&scene(-65.0, 10.0, 2));
    assert!(hiss[hiss.len() - 1] < 1.0, "hiss is raised by {:.1} dB", hiss[hiss.len() - 1]);
    let (_, soft) = by_night(&scene(-55.0, 10.0, 2));
    // Three quarters of the way to -24 LUFS would be more than a night ever raises.
    let raised = soft[soft.len() - 1];
    assert!((raised - night::MOST_DB).abs() < 0.5, "what is soft is raised by {raised:.1} dB");
}
