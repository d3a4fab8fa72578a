use super::*;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };
const MONO: Format = Format { sample_rate: 48_000, channels: 1 };
const CHUNK: usize = 480;

fn tone(hz: f64, amplitude: f64, first: usize, frames: usize, channels: usize) -> Vec<f32> {
    let step = std::f64::consts::TAU * hz / 48_000.0;
    (first..first + frames)
        .flat_map(|n| vec![(amplitude * (step * n as f64).sin()) as f32; channels])
        .collect()
}

/// A mono mix with inputs that are there from the start.
fn mix(inputs: &[(u64, Role)]) -> Combine {
    let mut combine = Combine::new(MONO);
    for (id, role) in inputs {
        assert!(combine.add(Id(*id), *role, Settings::default()));
    }
    combine
}

/// What comes out of `chunks` chunks into which `give` puts input `id`'s part.
fn run(
    combine: &mut Combine,
    chunks: std::ops::Range<usize>,
    mut give: impl FnMut(&mut Combine, usize),
) -> Vec<f32> {
    let mut heard = Vec::new();
    for chunk in chunks {
        combine.begin(CHUNK);
        give(combine, chunk);
        heard.extend_from_slice(combine.common());
    }
    heard
}

fn give_tone(combine: &mut Combine, id: u64, hz: f64, amplitude: f64, chunk: usize, speaks: bool) {
    combine.input(Id(id), &tone(hz, amplitude, chunk * CHUNK, CHUNK, 1), speaks);
}

/// The amplitude of `hz` in a mono sound of whole periods.
fn amplitude(sound: &[f32], hz: f64) -> f64 {
    let step = std::f64::consts::TAU * hz / 48_000.0;
    let part = |wave: fn(f64) -> f64| {
        sound.iter().enumerate().map(|(n, s)| f64::from(*s) * wave(step * n as f64)).sum::<f64>()
    };
    2.0 * part(f64::sin).hypot(part(f64::cos)) / sound.len() as f64
}

fn db(ratio: f64) -> f64 {
    20.0 * ratio.max(1e-12).log10()
}

fn largest_step(sound: &[f32]) -> f32 {
    sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

#[test]
fn a_lone_input_passes_bit_for_bit_one_millisecond_later() {
    let mut combine = Combine::new(STEREO);
    combine.add(Id(7), Role::Film, Settings::default());
    let sound = tone(440.0, 0.8, 0, 20 * 333, 2);
    let mut heard = Vec::new();
    for chunk in sound.chunks(2 * 333) {
        combine.begin(333);
        combine.input(Id(7), chunk, false);
        heard.extend_from_slice(combine.common());
    }
    let delay = STEREO.samples(combine.delay_frames());
    assert_eq!(delay, 2 * 58);
    assert!(heard[..delay].iter().all(|sample| *sample == 0.0));
    assert!(heard[delay..] == sound[..sound.len() - delay]);
}

#[test]
fn the_level_of_one_speaker_does_not_fall_because_another_joins() {
    let mut combine = mix(&[(1, Role::Voice), (2, Role::Voice)]);
    let heard = run(&mut combine, 0..200, |combine, chunk| {
        give_tone(combine, 1, 500.0, 0.2, chunk, true);
        if chunk >= 100 {
            give_tone(combine, 2, 800.0, 0.2, chunk, true);
        }
    });
    for part in [&heard[4_800..43_200], &heard[52_800..91_200]] {
        assert!(db(amplitude(part, 500.0) / 0.2).abs() < 0.01);
    }
    assert!(db(amplitude(&heard[52_800..91_200], 800.0) / 0.2).abs() < 0.01);
}

#[test]
fn levels_mutes_and_pans_change_without_a_step() {
    let mut combine = Combine::new(STEREO);
    combine.add(Id(1), Role::Film, Settings::default());
    let mut heard = Vec::new();
    for chunk in 0..100 {
        combine.begin(CHUNK);
        combine.input(Id(1), &tone(100.0, 0.5, chunk * CHUNK, CHUNK, 2), false);
        heard.extend_from_slice(combine.common());
        match chunk {
            10 => combine.set_level(Id(1), -12.0),
            20 => combine.set_muted(Id(1), true),
            30 => combine.set_muted(Id(1), false),
            40 => combine.set_level(Id(1), 0.0),
            50 => combine.set_pan(Id(1), 1.0),
            60 => combine.set_pan(Id(1), -1.0),
            _ => {}
        }
    }
    let [left, right]: [Vec<f32>; 2] =
        [0, 1].map(|channel| heard.iter().skip(channel).step_by(2).copied().collect());
    // The tone's own steps, and a ramp's of 20 ms.
    let most = 0.5 * std::f32::consts::TAU * 100.0 / 48_000.0 + 0.5 / 960.0;
    for channel in [&left, &right] {
        assert!(largest_step(channel) < most * 1.01, "{}", largest_step(channel));
    }
    let level = |channel: &[f32], chunk: usize| {
        db(amplitude(&channel[(chunk + 5) * CHUNK..(chunk + 9) * CHUNK], 100.0) / 0.5)
    };
    assert!((level(&left, 10) + 12.0).abs() < 0.1);
    assert!(level(&left, 20) < -100.0);
    assert!((level(&left, 30) + 12.0).abs() < 0.1);
    assert!(level(&left, 50) < -100.0 && level(&right, 50).abs() < 0.1);
    assert!(level(&left, 60).abs() < 0.1 && level(&right, 60) < -100.0);
}

#[test]
fn nobody_who_joins_breaks_off_or_leaves_clicks() {
    for leaves in ["is removed", "breaks off", "breaks off in the middle", "is removed and gone"] {
        let mut combine = mix(&[]);
        let heard = run(&mut combine, 0..60, |combine, chunk| {
            // A low tone at its highest where it begins and ends: every step would show.
            let sound: Vec<f32> = (0..CHUNK)
                .map(|n| (0.5 * (((chunk * CHUNK + n) as f64) * 0.01 + 1.6).cos()) as f32)
                .collect();
            if chunk == 9 {
                combine.add(Id(3), Role::Voice, Settings::default());
            }
            match (chunk, leaves) {
                (0..=9 | 50.., _) => {}
                (30.., "is removed") => {
                    combine.remove(Id(3));
                    combine.input(Id(3), &sound, true);
                }
                (30, "breaks off in the middle") => combine.input(Id(3), &sound[..100], true),
                (30, "is removed and gone") => combine.remove(Id(3)),
                (30.., _) => {}
                _ => combine.input(Id(3), &sound, true),
            }
        });
        assert!(largest_step(&heard) < 0.5 * 0.01 + 0.5 / 200.0, "{leaves}");
        assert!(heard[12 * CHUNK..29 * CHUNK].iter().any(|sample| *sample > 0.49), "{leaves}");
        assert!(heard[36 * CHUNK..].iter().all(|sample| *sample == 0.0), "{leaves}");
    }
}

#[test]
fn what_breaks_off_again_before_it_has_faded_does_not_click() {
    // Pieces of 2.7 ms, of which the fade needs two.
    const PIECE: usize = 128;
    for given in [0, 1, 60, 100, 127] {
        let mut combine = mix(&[(0, Role::Voice)]);
        let mut heard = Vec::new();
        for piece in 0..40 {
            let sound = tone(100.0, 0.25, piece * PIECE, PIECE, 1);
            combine.begin(PIECE);
            match piece {
                0..20 | 26 => combine.input(Id(0), &sound, false),
                20 | 22 | 23 | 25 => combine.input(Id(0), &sound[..given], false),
                _ => {}
            }
            heard.extend_from_slice(combine.common());
        }
        let step = largest_step(&heard[PIECE * 2..]);
        assert!(step < 0.01, "{given} of {PIECE}: a step of {step}");
    }
}

#[test]
fn what_was_removed_can_be_forgotten_and_the_same_id_is_taken_in_once() {
    let mut combine = mix(&[(1, Role::Film)]);
    assert!(!combine.add(Id(1), Role::Film, Settings::default()));
    run(&mut combine, 0..3, |combine, chunk| give_tone(combine, 1, 500.0, 0.5, chunk, false));
    combine.remove(Id(1));
    assert_eq!(combine.settings(Id(1)), None);
    run(&mut combine, 3..8, |_, _| {});
    assert_eq!(combine.take_level_dbfs(Id(1)), None);
    assert!(combine.add(Id(1), Role::Film, Settings::default()));
    for id in 2..=MAX_INPUTS as u64 {
        assert!(combine.add(Id(id), Role::Voice, Settings::default()));
    }
    assert!(!combine.add(Id(5_000), Role::Voice, Settings::default()));
}

#[test]
fn a_talker_hears_everybody_at_their_level_and_never_himself() {
    const TALKERS: usize = 8;
    let hz = |talker: usize| 300.0 + 100.0 * talker as f64;
    let talkers: Vec<_> = (0..TALKERS as u64).map(|id| (id, Role::Voice)).collect();
    let mut combine = mix(&talkers);
    let mut listeners: Vec<_> =
        (0..TALKERS as u64).map(|id| combine.listener().without(Some(Id(id)))).collect();
    let mut heard = vec![Vec::new(); TALKERS];
    for chunk in 0..110 {
        combine.begin(CHUNK);
        for talker in 0..TALKERS {
            give_tone(&mut combine, talker as u64, hz(talker), 0.05, chunk, true);
        }
        for (listener, heard) in listeners.iter_mut().zip(&mut heard) {
            heard.extend_from_slice(listener.mix(&combine.shared()));
        }
    }
    let mut least = f64::INFINITY;
    for (listener, heard) in heard.iter().enumerate() {
        let heard = &heard[4_800..52_800];
        for talker in 0..TALKERS {
            let level = db(amplitude(heard, hz(talker)) / 0.05);
            if talker == listener {
                least = least.min(-level);
            } else {
                assert!(level.abs() < 0.1, "{listener} hears {talker} at {level:.2} dB");
            }
        }
    }
    println!("own voice at least {least:.0} dB down");
    assert!(least > 60.0, "own voice only {least:.1} dB down");
}

#[test]
fn a_listeners_own_volumes_hold_for_that_listener_alone() {
    let mut combine = mix(&[(1, Role::Voice), (2, Role::Voice), (3, Role::Film)]);
    let mut listener = combine.listener();
    listener.set_volume(Id(1), 50);
    listener.set_volume(Id(2), 0);
    listener.set_volume(Id(3), 200);
    let (mut own, mut all) = (Vec::new(), Vec::new());
    for chunk in 0..60 {
        combine.begin(CHUNK);
        for (id, hz) in [(1, 500.0), (2, 800.0), (3, 1_100.0)] {
            give_tone(&mut combine, id, hz, 0.1, chunk, true);
        }
        own.extend_from_slice(listener.mix(&combine.shared()));
        all.extend_from_slice(combine.common());
    }
    let level = |sound: &[f32], hz| db(amplitude(&sound[4_800..28_800], hz) / 0.1);
    assert!((level(&own, 500.0) + 6.02).abs() < 0.05);
    assert!(level(&own, 800.0) < -100.0);
    assert!((level(&own, 1_100.0) - 6.02).abs() < 0.05);
    for hz in [500.0, 800.0, 1_100.0] {
        assert!(level(&all, hz).abs() < 0.01);
    }
    // What the three tones' own slopes add up to, and no more.
    assert!(largest_step(&own) < 0.1 * 0.36);
    assert!(listener.has_volumes());
    for id in 1..=3 {
        listener.set_volume(Id(id), 100);
    }
    for _ in 0..3 {
        combine.begin(CHUNK);
        listener.mix(&combine.shared());
    }
    assert!(!listener.has_volumes());
}

#[test]
fn a_listener_who_gets_a_mix_of_his_own_hears_no_seam() {
    let mut combine = mix(&[(1, Role::Film), (2, Role::Voice)]);
    combine.set_duck_db(12.0);
    let mut heard = run(&mut combine, 0..10, |combine, chunk| {
        give_tone(combine, 1, 500.0, 2.0, chunk, false);
        give_tone(combine, 2, 700.0, 0.2, chunk, chunk > 5);
    });
    let mut listener = combine.listener();
    for chunk in 10..20 {
        combine.begin(CHUNK);
        give_tone(&mut combine, 1, 500.0, 2.0, chunk, false);
        give_tone(&mut combine, 2, 700.0, 0.2, chunk, true);
        let own = listener.mix(&combine.shared()).to_vec();
        assert_eq!(own, combine.common());
        heard.extend_from_slice(&own);
    }
    assert!(largest_step(&heard) < 0.08);
}

/// The film's level in dB over time, in periods of 500 Hz, while somebody speaks from 1 s to 2 s.
fn ducked(depth_db: f32, chunk_frames: usize) -> Vec<f64> {
    let mut combine = mix(&[(1, Role::Film), (2, Role::Voice)]);
    combine.set_duck_db(depth_db);
    let mut heard = Vec::new();
    let mut at = 0;
    while at < 4 * 48_000 {
        combine.begin(chunk_frames);
        combine.input(Id(1), &tone(500.0, 0.5, at, chunk_frames, 1), false);
        let speaks = (48_000..96_000).contains(&at);
        combine.input(Id(2), &vec![0.0; chunk_frames], speaks);
        heard.extend_from_slice(combine.common());
        at += chunk_frames;
    }
    let periods = heard[combine.delay_frames()..].chunks_exact(96);
    periods.map(|period| db(amplitude(period, 500.0) / 0.5)).collect()
}

#[test]
fn a_film_steps_back_within_a_tenth_of_a_second_and_comes_back_within_one() {
    for (depth_db, chunk) in [(6.0, 480), (12.0, 128), (12.0, 480), (20.0, 2_000)] {
        let levels = ducked(depth_db, chunk);
        let at = |seconds: f64| levels[(seconds * 500.0) as usize];
        // Speech is known from the chunk on that holds its beginning.
        let late = chunk as f64 / 48_000.0;
        assert!(at(0.99).abs() < 0.01);
        for seconds in [1.1 + late, 1.5, 1.99] {
            let level = at(seconds);
            assert!((level + f64::from(depth_db)).abs() < 1.0, "{seconds} s: {level:.2} dB");
        }
        assert!(at(2.15) < -f64::from(depth_db) + 1.0);
        let back = (levels[1_000..].iter().position(|level| *level > -1.0).unwrap()) as f64 / 500.0;
        assert!((0.5..=1.0).contains(&back), "{depth_db} dB: back after {back} s");
        assert!(at(3.1).abs() < 1e-3);
        let most = levels.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f64::max);
        assert!(most < 1.5, "{most} dB within 2 ms");
    }
}

#[test]
fn nobodys_own_voice_makes_his_film_step_back() {
    let mut combine = mix(&[(1, Role::Film), (2, Role::Voice)]);
    combine.set_duck_db(12.0);
    let mut speaker = combine.listener().without(Some(Id(2)));
    let mut deaf_to_him = combine.listener();
    deaf_to_him.set_volume(Id(2), 0);
    let mut heard = [Vec::new(), Vec::new(), Vec::new()];
    for chunk in 0..120 {
        combine.begin(CHUNK);
        give_tone(&mut combine, 1, 500.0, 0.5, chunk, false);
        give_tone(&mut combine, 2, 800.0, 0.1, chunk, true);
        heard[0].extend_from_slice(speaker.mix(&combine.shared()));
        heard[1].extend_from_slice(deaf_to_him.mix(&combine.shared()));
        heard[2].extend_from_slice(combine.common());
    }
    // A second later, because the volume took its 20 ms to be down.
    let level = |n: usize| db(amplitude(&heard[n][48_000..57_600], 500.0) / 0.5);
    assert!(level(0).abs() < 0.01 && level(1).abs() < 0.01);
    assert!((level(2) + 12.0).abs() < 0.1);
}

#[test]
fn who_is_muted_does_not_hold_the_film_back() {
    let mut combine = mix(&[(1, Role::Film), (2, Role::Voice)]);
    combine.set_duck_db(12.0);
    combine.set_muted(Id(2), true);
    let heard = run(&mut combine, 0..30, |combine, chunk| {
        give_tone(combine, 1, 500.0, 0.5, chunk, false);
        give_tone(combine, 2, 800.0, 0.1, chunk, true);
    });
    assert!(db(amplitude(&heard[4_800..14_400], 500.0) / 0.5).abs() < 0.01);
    assert!(amplitude(&heard[4_800..14_400], 800.0) < 1e-6);
}

#[test]
fn a_level_is_what_came_in_since_it_was_asked_for() {
    let mut combine = mix(&[(1, Role::Film)]);
    combine.set_level(Id(1), -20.0);
    combine.begin(4);
    combine.input(Id(1), &[0.1, -0.5, 0.2, 0.0], false);
    assert!((combine.take_level_dbfs(Id(1)).unwrap() + 6.02).abs() < 0.01);
    assert_eq!(combine.take_level_dbfs(Id(1)), Some(-120.0));
}

#[test]
fn samples_that_are_not_sound_and_settings_that_are_none_do_no_harm() {
    let mut combine = mix(&[(1, Role::Film)]);
    combine.set_level(Id(1), f32::NAN);
    combine.set_pan(Id(1), f32::INFINITY);
    combine.set_duck_db(f32::NAN);
    combine.begin(6);
    combine.input(Id(1), &[f32::NAN, f32::INFINITY, 1e30, 0.5], true);
    combine.input(Id(1), &[0.1; 100], true);
    combine.input(Id(99), &[0.1; 100], true);
    assert!(combine.common().iter().all(|sample| sample.is_finite()));
    let heard = run(&mut combine, 0..10, |combine, _| combine.input(Id(1), &[0.25; CHUNK], false));
    assert!(heard.iter().all(|sample| sample.abs() <= 1.0));
}

#[test]
fn a_thousand_quick_mutes_leave_nothing_behind() {
    let mut combine = mix(&[(1, Role::Voice)]);
    let mut heard = run(&mut combine, 0..1_000, |combine, chunk| {
        combine.set_muted(Id(1), chunk % 2 == 0);
        give_tone(combine, 1, 500.0, 0.5, chunk, true);
    });
    combine.set_muted(Id(1), false);
    heard.extend(run(&mut combine, 1_000..1_010, |combine, chunk| {
        give_tone(combine, 1, 500.0, 0.5, chunk, true);
    }));
    assert!(largest_step(&heard) < 0.5 * 0.067);
    let end = &heard[heard.len() - 4 * CHUNK..];
    assert!(db(amplitude(end, 500.0) / 0.5).abs() < 0.01);
}
