use proptest::prelude::*;

use super::*;

#[cfg(target_os = "linux")] // Where setup.sh can install espeak-ng.
mod film;
mod nights;
mod vector;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

/// Everything on.
const ALL: Hearing =
    Hearing { dialogue_db: 6, night: true, mono: true, balance: -50, bass_db: 6, treble_db: -6 };

/// Each thing on by itself.
fn each() -> [Hearing; 6] {
    Control::ALL
        .map(|control| (0..3).fold(Hearing::default(), |hearing, _| hearing.turned(control, true)))
}

/// So many frames of two tones that differ between the channels.
fn tones(format: Format, frames: usize) -> Vec<f32> {
    let rate = f64::from(format.sample_rate);
    let tone = |n: usize, hz: f64| (std::f64::consts::TAU * hz * n as f64 / rate).sin();
    let frame = |n: usize| {
        (0..format.channels).map(move |channel| {
            (0.2 * tone(n, 220.0 + 30.0 * f64::from(channel)) + 0.1 * tone(n, 1_200.0)) as f32
        })
    };
    (0..frames).flat_map(frame).collect()
}

fn largest_step(samples: &[f32], channels: usize) -> f32 {
    let steps = samples.iter().zip(samples.iter().skip(channels));
    steps.map(|(one, next)| (next - one).abs()).fold(0.0, f32::max)
}

proptest! {
    #[test]
    fn off_every_sample_passes_bit_for_bit(
        bits in proptest::collection::vec(any::<u32>(), 0..500),
        channels in 1..9_u16,
    ) {
        let mut ear = Ear::new(Format { sample_rate: 44_100, channels });
        ear.set(Hearing::default());
        let mut samples: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
        ear.process(&mut samples);
        let out: Vec<u32> = samples.iter().map(|sample| sample.to_bits()).collect();
        prop_assert_eq!(out, bits);
    }

    #[test]
    fn whatever_comes_in_what_comes_out_is_a_number_and_no_louder_than_can_be(
        bits in proptest::collection::vec(any::<u32>(), 0..2_000),
        channels in 1..9_u16,
        rate in 8_000..192_001_u32,
    ) {
        let mut ear = Ear::new(Format { sample_rate: rate, channels });
        ear.set(ALL);
        let mut samples: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
        let frames = samples.len() / usize::from(channels) * usize::from(channels);
        let whole = &mut samples[..frames];
        ear.process(whole);
        for sample in whole {
            // Full scale beyond full scale, raised by each of the stages as far as they go.
            prop_assert!(sample.abs() < 16.0 * 4.0 * 6.0 * 4.0 * 4.0, "{}", sample);
        }
    }
}

#[test]
fn nothing_of_what_was_not_sound_is_left_in_the_filters() {
    let mut ear = Ear::new(STEREO);
    ear.set(ALL);
    ear.process(&mut [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN]);
    let mut samples = tones(STEREO, 4_800);
    ear.process(&mut samples);
    assert!(samples.iter().all(|sample| sample.abs() < 4.0));
}

#[test]
fn off_again_every_sample_passes_bit_for_bit_as_soon_as_it_has_faded() {
    for (sample_rate, channels) in [(8_000, 1), (44_100, 2), (48_000, 6), (192_000, 8)] {
        let format = Format { sample_rate, channels };
        for hearing in each().into_iter().chain([ALL]) {
            let mut ear = Ear::new(format);
            let second = format.samples(sample_rate as usize);
            let sound = tones(format, sample_rate as usize * 2);
            ear.set(hearing);
            ear.process(&mut sound.clone()[..second]);
            ear.set(Hearing::default());
            let mut out = sound[second..].to_vec();
            out.chunks_mut(format.samples(100)).for_each(|piece| ear.process(piece));
            let faded = format.samples(format.frames_in_ms(200.0));
            assert!(out[faded..] == sound[second + faded..], "{format}: {hearing:?}");
        }
    }
}

#[test]
fn a_change_while_it_plays_does_not_click() {
    let sound = tones(STEREO, 48_000);
    let usual = largest_step(&sound, 2);
    for hearing in each().into_iter().chain([ALL]) {
        let mut ear = Ear::new(STEREO);
        let mut out = Vec::new();
        for (turn, piece) in sound.chunks(2 * 4_800).enumerate() {
            ear.set(if turn % 2 == 1 { hearing } else { Hearing::default() });
            let mut piece = piece.to_vec();
            piece.chunks_mut(2 * 100).for_each(|few| ear.process(few));
            out.extend(piece);
        }
        // What is raised has larger steps of its own: at rest as they come, by nothing more when it changes.
        let mut raised = sound.clone();
        let mut ear = Ear::new(STEREO);
        ear.set(hearing);
        ear.process(&mut raised);
        let most = usual.max(largest_step(&raised, 2)) * 1.02;
        let step = largest_step(&out, 2);
        assert!(step <= most, "{hearing:?}: {step} beside {most}");
    }
}

#[test]
fn sound_is_where_it_was_whatever_is_on() {
    let mut next = white(7);
    for hearing in each() {
        let mut ear = Ear::new(STEREO);
        ear.set(hearing);
        let sound: Vec<f32> = (0..9_600).map(|_| next() * 0.1).collect();
        let mut out = sound.clone();
        ear.process(&mut out);
        let left = |both: &[f32]| -> Vec<f32> { both.iter().step_by(2).copied().collect() };
        let (before, after) = (left(&sound), left(&out));
        let alike = |by: usize| -> f32 {
            before.iter().zip(&after[by..]).map(|(one, other)| one * other).sum::<f32>().abs()
        };
        let best = (0..48).max_by(|a, b| alike(*a).total_cmp(&alike(*b)));
        assert_eq!(best, Some(0), "{hearing:?} came later");
    }
}

#[test]
fn how_sound_is_cut_into_pieces_changes_nothing() {
    let sound = tones(STEREO, 9_600);
    let [whole, cut] = [usize::MAX, 2 * 37].map(|most| {
        let mut ear = Ear::new(STEREO);
        ear.set(ALL);
        let mut out = sound.clone();
        out.chunks_mut(most).for_each(|piece| ear.process(piece));
        out
    });
    assert!(whole == cut);
}

#[test]
fn mono_is_the_same_on_both_sides_and_balance_turns_the_other_side_down() {
    let heard = |hearing: Hearing, mut frame: Vec<f32>| {
        let mut ear = Ear::new(Format { channels: frame.len() as u16, ..STEREO });
        ear.set(hearing);
        ear.process(&mut frame);
        frame
    };
    let mono = Hearing { mono: true, ..Hearing::default() };
    assert_eq!(heard(mono, vec![0.5, 0.25]), [0.375, 0.375]);
    let surround = heard(mono, vec![0.5, 0.25, 0.0, 0.5, 0.0, 0.0]);
    assert!(surround[0] == surround[1] && surround[0] > 0.1 && surround[2..] == [0.0; 4]);
    let balance = |balance| Hearing { balance, ..Hearing::default() };
    assert_eq!(heard(balance(100), vec![0.5, 0.25]), [0.0, 0.25]);
    assert_eq!(heard(balance(-100), vec![0.5, 0.25]), [0.5, 0.0]);
    let half = heard(balance(50), vec![0.5, 0.25]);
    assert!((half[0] - 0.5 * std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-6 && half[1] == 0.25);
    assert_eq!(heard(balance(100), vec![0.5]), [0.5], "one channel has no side");
    assert_eq!(heard(balance(100), vec![0.5; 6]), [0.0, 0.5, 0.5, 0.5, 0.0, 0.5]);
}

#[test]
fn what_is_set_before_the_first_sound_holds_at_once() {
    for (hearing, frame) in [
        (Hearing { mono: true, ..Hearing::default() }, [0.375, 0.375]),
        (Hearing { balance: -100, ..Hearing::default() }, [0.5, 0.0]),
    ] {
        let mut ear = Ear::new(STEREO);
        ear.set(hearing);
        let mut first = [0.5, 0.25];
        ear.process(&mut first);
        assert_eq!(first, frame);
    }
}

#[test]
fn bass_and_treble_raise_low_and_high_tones_and_leave_the_rest() {
    let gain_db = |hearing: Hearing, hz: f64| {
        let mut ear = Ear::new(Format { channels: 1, ..STEREO });
        ear.set(hearing);
        let tone = |n: usize| (0.1 * (std::f64::consts::TAU * hz * n as f64 / 48e3).sin()) as f32;
        let sound: Vec<f32> = (0..48_000).map(tone).collect();
        let mut out = sound.clone();
        ear.process(&mut out);
        let power = |of: &[f32]| of[24_000..].iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
        10.0 * (power(&out) / power(&sound)).log10()
    };
    for (bass_db, treble_db, hz, expected) in [
        (6, 0, 30.0, 6.0),
        (6, 0, 2_000.0, 0.0),
        (-12, 0, 30.0, -12.0),
        (0, 12, 15_000.0, 12.0),
        (0, 12, 400.0, 0.0),
        (0, -6, 15_000.0, -6.0),
    ] {
        let gain = gain_db(Hearing { bass_db, treble_db, ..Hearing::default() }, hz);
        assert!((gain - expected).abs() < 0.5, "{hz} Hz: {gain:.2} dB instead of {expected}");
    }
}

/// Even noise, other for each seed.
fn white(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}
