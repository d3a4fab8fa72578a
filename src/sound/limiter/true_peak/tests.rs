use proptest::prelude::*;

use super::*;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };
const MONO: Format = Format { sample_rate: 48_000, channels: 1 };

/// −1 dBTP.
const LIMIT: f64 = 0.891_250_938;

/// The highest point of the curve through one channel's samples, found by another and much finer
/// filter than the limiter's own: 16 points a sample, 96 taps, a Blackman window.
fn true_peak(samples: &[f32]) -> f64 {
    const HALF: usize = 48;
    const POINTS: usize = 16;
    let table: Vec<Vec<f64>> = (0..POINTS)
        .map(|point| {
            let at = point as f64 / POINTS as f64;
            (0..2 * HALF)
                .map(|tap| {
                    let x = tap as f64 - (HALF - 1) as f64 - at;
                    let phase = PI * x / HALF as f64;
                    let window = 0.42 + 0.5 * phase.cos() + 0.08 * (2.0 * phase).cos();
                    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) * window }
                })
                .collect()
        })
        .collect();
    let mut padded = vec![0.0; HALF];
    padded.extend(samples.iter().map(|sample| f64::from(*sample)));
    padded.extend(vec![0.0; HALF]);
    let mut highest = 0.0_f64;
    for window in padded.windows(2 * HALF) {
        // Where even the loudest window cannot reach the limit there is nothing to find.
        if window.iter().all(|sample| sample.abs() < 0.1) {
            continue;
        }
        for taps in &table {
            let point: f64 = taps.iter().zip(window).map(|(tap, sample)| tap * sample).sum();
            highest = highest.max(point.abs());
        }
    }
    highest
}

fn limited(format: Format, mut samples: Vec<f32>) -> Vec<f32> {
    TruePeak::new(format).process(&mut samples);
    samples
}

/// The true peak of limited sound and its end, which is a sound of its own where it breaks off.
fn true_peak_limited(mut samples: Vec<f32>) -> f64 {
    samples.extend([0.0; 200]);
    true_peak(&limited(MONO, samples))
}

fn sine(amplitude: f64, hz: f64, phase: f64, frames: usize) -> Vec<f32> {
    let step = 2.0 * PI * hz / 48_000.0;
    (0..frames).map(|n| (amplitude * (step * n as f64 + phase).sin()) as f32).collect()
}

/// Noise that is the same on every run.
struct Noise(u64);

impl Noise {
    /// −1…1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// One source of a sum.
#[derive(Debug, Clone)]
enum Sound {
    Sine { hz: f64, phase: f64, from: usize },
    Noise { seed: u64, from: usize },
    Square { half: usize, from: usize },
    Click { at: usize },
}

const FRAMES: usize = 2_400;

fn add(sum: &mut [f32], sound: &Sound, amplitude: f64) {
    match *sound {
        Sound::Sine { hz, phase, from } => {
            for (n, sample) in sum.iter_mut().enumerate().skip(from) {
                *sample += (amplitude * (2.0 * PI * hz / 48_000.0 * n as f64 + phase).sin()) as f32;
            }
        }
        Sound::Noise { seed, from } => {
            let mut noise = Noise(seed);
            sum[from..].iter_mut().for_each(|s| *s += (amplitude * noise.next()) as f32);
        }
        Sound::Square { half, from } => {
            for (n, sample) in sum.iter_mut().enumerate().skip(from) {
                *sample += if n / half % 2 == 0 { amplitude } else { -amplitude } as f32;
            }
        }
        Sound::Click { at } => sum[at] += amplitude as f32,
    }
}

fn sound() -> impl Strategy<Value = Sound> {
    let from = 0..FRAMES / 2;
    prop_oneof![
        (20.0..23_500.0, 0.0..7.0, from.clone()).prop_map(|(hz, phase, from)| Sound::Sine {
            hz,
            phase,
            from
        }),
        (any::<u64>(), from.clone()).prop_map(|(seed, from)| Sound::Noise { seed, from }),
        // One that turns at every sample lies at half the rate, where no curve is defined.
        (2..200_usize, from).prop_map(|(half, from)| Sound::Square { half, from }),
        (0..FRAMES).prop_map(|at| Sound::Click { at }),
    ]
}

proptest! {
    #[test]
    fn no_sum_of_sources_leaves_with_a_true_peak_above_the_limit(
        sounds in prop::collection::vec((sound(), -30.0..30.0_f64), 1..12),
    ) {
        let mut sum = vec![0.0; FRAMES];
        for (sound, db) in &sounds {
            add(&mut sum, sound, 10_f64.powf(db / 20.0));
        }
        let peak = true_peak_limited(sum);
        prop_assert!(peak <= LIMIT, "{:.3} dBTP", 20.0 * peak.log10());
    }

    #[test]
    fn what_stays_below_passes_bit_for_bit(
        samples in prop::collection::vec(-0.28..0.28_f32, 0..1_500),
        cut in 1..700_usize,
    ) {
        let mut limiter = TruePeak::new(STEREO);
        let delay = limiter.delay() * 2;
        let mut out = samples[..samples.len() / 2 * 2].to_vec();
        let expected: Vec<f32> =
            vec![0.0; delay].iter().chain(&out).copied().take(out.len()).collect();
        out.chunks_mut(cut * 2).for_each(|piece| limiter.process(piece));
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn how_the_sound_is_cut_makes_no_difference(seed: u64, cut in 1..300_usize) {
        let mut noise = Noise(seed);
        let loud: Vec<f32> = (0..6_000)
            .map(|n| (noise.next() * if n % 3_000 < 1_000 { 4.0 } else { 0.3 }) as f32)
            .collect();
        let whole = limited(STEREO, loud.clone());
        let mut limiter = TruePeak::new(STEREO);
        let mut out = loud;
        out.chunks_mut(cut * 2).for_each(|piece| limiter.process(piece));
        let apart = out.iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        prop_assert!(apart < 1e-5, "{apart}");
    }
}

/// The margin below −1 dBTP, on what limiters find hardest: `cargo test --release -- --nocapture`.
#[test]
fn the_hardest_sounds_stay_below_the_limit_and_near_it() {
    let mut worst = 0.0_f64;
    for seed in 0..40 {
        let mut noise = Noise(seed);
        let gain = 10_f64.powf(seed as f64 / 20.0);
        let white: Vec<f32> = (0..9_600).map(|_| (gain * noise.next()) as f32).collect();
        let mut bursts = sine(gain, 997.0 + 550.0 * seed as f64, 0.3, 9_600);
        for (n, sample) in bursts.iter_mut().enumerate() {
            *sample *= if n / 300 % 2 == 0 { 1.0 } else { 0.05 };
        }
        // Full scale at a quarter of the rate, between whose samples the curve is 3 dB higher.
        let between = sine(gain, 12_000.0, PI / 4.0, 9_600);
        for sound in [white, bursts, between] {
            worst = worst.max(true_peak_limited(sound));
        }
    }
    println!("worst {:.3} dBTP", 20.0 * worst.log10());
    assert!(worst <= LIMIT && worst > LIMIT * 0.9, "{:.3} dBTP", 20.0 * worst.log10());
}

#[test]
fn a_tone_just_below_the_limit_is_left_alone_and_one_above_it_is_turned_down() {
    for hz in [100.0, 997.0, 5_000.0, 11_000.0] {
        let mut quiet = sine(0.83, hz, 0.2, 9_600);
        // A tone that begins at once overshoots.
        (0..500).for_each(|n| quiet[n] *= n as f32 / 500.0);
        let delay = TruePeak::new(MONO).delay();
        assert_eq!(limited(MONO, quiet.clone())[delay..], quiet[..9_600 - delay], "{hz} Hz");
        let peak = 20.0 * true_peak_limited(sine(2.0, hz, 0.2, 9_600)).log10();
        assert!((-1.8..=-1.0).contains(&peak), "{hz} Hz leaves at {peak:.2} dBTP");
    }
}

#[test]
fn the_look_ahead_is_about_a_millisecond() {
    for rate in [44_100, 48_000, 96_000, 192_000] {
        let delay = TruePeak::new(Format { sample_rate: rate, channels: 2 }).delay();
        assert!((delay as f64 * 1e3 / f64::from(rate) - 1.2).abs() < 0.02, "{rate} Hz: {delay}");
    }
    for rate in [8_000, 16_000, 22_050] {
        assert_eq!(TruePeak::new(Format { sample_rate: rate, channels: 2 }).delay(), 52);
    }
}

#[test]
fn channels_share_one_gain() {
    let frames: Vec<f32> =
        sine(3.0, 440.0, 0.0, 24_000).iter().flat_map(|sample| [*sample, sample / 16.0]).collect();
    for frame in limited(STEREO, frames).chunks(2) {
        assert!((frame[0] / 16.0 - frame[1]).abs() < 1e-6);
    }
}

#[test]
fn after_a_peak_the_identity_comes_back() {
    let mut limiter = TruePeak::new(MONO);
    limiter.process(&mut sine(16.0, 440.0, 0.0, 4_800));
    limiter.process(&mut sine(0.5, 440.0, 0.0, 240_000));
    let quiet = sine(0.8, 440.0, 0.0, 4_800);
    let mut out = quiet.clone();
    limiter.process(&mut out);
    let delay = limiter.delay();
    assert_eq!(out[delay..], quiet[..4_800 - delay]);
}

#[test]
fn a_peak_is_not_bent_but_turned_down_as_a_whole() {
    let loud = sine(2.0, 50.0, 0.0, 96_000);
    let out = limited(MONO, loud.clone());
    let delay = TruePeak::new(MONO).delay();
    let gains: Vec<f32> = (48_000..96_000 - delay)
        .filter(|n| loud[*n].abs() > 0.1)
        .map(|n| out[n + delay] / loud[n])
        .collect();
    let (least, most) = gains.iter().fold((9.0_f32, 0.0_f32), |(a, b), g| (a.min(*g), b.max(*g)));
    assert!(most / least < 1.001, "{least} to {most}");
}
