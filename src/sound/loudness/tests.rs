use std::f64::consts::PI;

use ebur128::{EbuR128, Mode};

use super::*;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

/// Something like speech or music: a dozen tones and noise, louder and softer several times a second.
fn programme(format: Format, level_db: f64, seconds: f64) -> Vec<f32> {
    let rate = f64::from(format.sample_rate);
    let scale = 10_f64.powf(level_db / 20.0) / 6.0;
    let mut state = 1_u64;
    (0..(seconds * rate) as usize)
        .flat_map(|n| {
            let t = n as f64 / rate;
            let tones: f64 = (1..=12)
                .map(|k| (2.0 * PI * 110.0 * f64::from(k) * t + f64::from(k * k)).sin())
                .sum();
            state =
                state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            let noise = (state >> 40) as f64 / f64::from(1 << 23) - 1.0;
            let swell = 0.6 + 0.4 * (2.0 * PI * 3.0 * t).sin();
            vec![((tones + noise) * swell * scale) as f32; format.channels.into()]
        })
        .collect()
}

/// What independent code measures, gated, in LUFS.
fn measured(format: Format, samples: &[f32]) -> f64 {
    let mut meter = EbuR128::new(format.channels.into(), format.sample_rate, Mode::I).unwrap();
    meter.add_frames_f32(samples).unwrap();
    meter.loudness_global().unwrap()
}

/// Brings samples to the target as the mix does, 10 ms at a time.
fn brought_to(loudness: &mut Loudness, format: Format, samples: &[f32]) -> Vec<f32> {
    let mut out = Vec::new();
    for chunk in samples.chunks(format.samples(format.frames_in_ms(10.0))) {
        let gain = loudness.measure(chunk);
        out.extend(chunk.iter().map(|sample| sample * gain));
    }
    out
}

#[test]
fn a_source_has_its_loudness_after_ten_seconds_whatever_its_rate_and_level() {
    for (sample_rate, channels, level_db) in [
        (48_000, 2, -6.0),
        (48_000, 2, -34.0),
        (44_100, 2, -20.0),
        (96_000, 1, -12.0),
        (22_050, 2, 4.0),
    ] {
        let format = Format { sample_rate, channels };
        let mut loudness = Loudness::new(format, -23.0);
        let out = brought_to(&mut loudness, format, &programme(format, level_db, 20.0));
        let after = &out[format.samples(sample_rate as usize * 10)..];
        let lufs = measured(format, after);
        println!("{format}, {level_db} dB: {lufs:.2} LUFS");
        assert!((lufs + 23.0).abs() < 1.0, "{format}, {level_db} dB: {lufs:.2} LUFS");
    }
}

#[test]
fn loudness_is_measured_as_others_measure_it() {
    for sample_rate in [44_100, 48_000, 96_000] {
        let format = Format { sample_rate, channels: 2 };
        let sound = programme(format, -18.0, 8.0);
        let mut loudness = Loudness::new(format, -23.0);
        loudness.measure(&sound);
        let (ours, theirs) = (loudness.loudness().unwrap(), measured(format, &sound));
        assert!((ours - theirs).abs() < 0.05, "{sample_rate} Hz: {ours:.3}, not {theirs:.3} LUFS");
    }
}

#[test]
fn silence_and_pauses_raise_nothing() {
    let mut loudness = Loudness::new(STEREO, -23.0);
    brought_to(&mut loudness, STEREO, &programme(STEREO, -12.0, 15.0));
    let before = loudness.gain_db();
    brought_to(&mut loudness, STEREO, &vec![0.0; STEREO.samples(48_000 * 90)]);
    brought_to(&mut loudness, STEREO, &programme(STEREO, -50.0, 90.0));
    assert!((loudness.gain_db() - before).abs() < 0.2, "{before} to {}", loudness.gain_db());

    let mut unheard = Loudness::new(STEREO, -23.0);
    brought_to(&mut unheard, STEREO, &vec![0.0; STEREO.samples(48_000 * 20)]);
    assert_eq!(unheard.gain_db(), 0.0);
}

#[test]
fn the_gain_is_bounded_and_moves_slowly_once_it_is_known() {
    let mut loudness = Loudness::new(STEREO, -16.0);
    brought_to(&mut loudness, STEREO, &programme(STEREO, -55.0, 20.0));
    assert!((loudness.gain_db() - MOST_GAIN_DB).abs() < 1e-9);

    let mut loudness = Loudness::new(STEREO, -23.0);
    brought_to(&mut loudness, STEREO, &programme(STEREO, -12.0, 20.0));
    let mut last = loudness.gain_db();
    for second in 0..60 {
        // Loud and quiet scenes of five seconds.
        let level_db = if second / 5 % 2 == 0 { -8.0 } else { -18.0 };
        brought_to(&mut loudness, STEREO, &programme(STEREO, level_db, 1.0));
        let moved = loudness.gain_db() - last;
        assert!((-2.5..=0.5).contains(&moved), "{moved} dB within a second");
        last = loudness.gain_db();
    }
}

#[test]
fn nonsense_in_a_rate_is_no_panic() {
    let mut loudness = Loudness::new(Format { sample_rate: 0, channels: 0 }, f32::MAX);
    assert!(loudness.measure(&[0.5; 100]).is_finite());
}
