//! What becomes of a voice between microphone and network, in simulated rooms: figures are printed with
//! `--nocapture`.

mod room;

use std::ops::Range;

use auralync::recv::talk::clean::Cleaner;
use auralync::recv::talk::voice_activity::VoiceActivity;
use auralync::talking::Clean;

use room::{CHUNK, Client, Noise, Place, RATE, db, echo, film, power, sentences, spoken};

const ECHO: Clean = Clean { echo: true, noise: false, gain: false };
const CLEAR: Clean = Clean { echo: true, noise: true, gain: false };

/// Chunks before the one in which a voice is heard that go out with it.
const LOOK_BACK: usize = 5;

/// A microphone's own noise, −80 dBFS.
fn with_floor(mut samples: Vec<f32>) -> Vec<f32> {
    let mut noise = Noise::new(3);
    samples.iter_mut().for_each(|sample| *sample += 1.7e-4 * noise.next());
    samples
}

fn sum(one: &[f32], other: &[f32]) -> Vec<f32> {
    one.iter().zip(other).map(|(one, other)| one + other).collect()
}

/// Makes the next sample of a noise, of which the number is given, from what it remembers and from chance.
type Sound = fn(usize, &mut [f32; 2], &mut Noise) -> f32;

/// How like two stretches are, −1 to 1, and the energy of the first that the second holds.
fn likeness(said: &[f32], heard: &[f32]) -> (f64, f64) {
    let (mut own, mut other, mut both) = (0.0, 0.0, 0.0);
    for (said, heard) in said.iter().zip(heard) {
        let (said, heard) = (f64::from(*said), f64::from(*heard));
        own += said * said;
        other += heard * heard;
        both += said * heard;
    }
    (both / (own * other).sqrt().max(1e-20), (both / own).powi(2))
}

fn place(hidden_ms: f64, ppm: [f64; 2]) -> Place {
    Place { hidden_ms, loss_db: 6.0, ppm }
}

#[test]
fn a_film_from_loudspeakers_does_not_come_back_whatever_the_output_hides_and_the_clocks_do() {
    let seconds = 20;
    let film = film(seconds);
    for (hidden_ms, ppm) in [
        (5.0, [0.0, 0.0]),
        (5.0, [100.0, -100.0]),
        (40.0, [-100.0, 100.0]),
        (120.0, [100.0, -100.0]),
        (250.0, [100.0, -100.0]),
    ] {
        let place = place(hidden_ms, ppm);
        let echo = echo(&film, place);
        let left = Client::new(ECHO, place).hear(&film, &with_floor(echo.clone()));
        let (all, late) = (less(&echo, &left, 3..seconds), less(&echo, &left, 10..seconds));
        println!(
            "{hidden_ms} ms hidden, cards off by {ppm:?} ppm: {:.1} dB less of the film in the first \
             3 s, {all:.1} after 3 s, {late:.1} after 10 s",
            less(&echo, &left, 0..3)
        );
        assert!(all >= 30.0, "{hidden_ms} ms, {ppm:?}: {all:.1} dB");
    }
}

/// How much less of an echo is left in these seconds, in dB.
fn less(echo: &[f32], left: &[f32], seconds: Range<usize>) -> f64 {
    let range = seconds.start * RATE..seconds.end * RATE;
    db(power(&echo[range.clone()])) - db(power(&left[range]))
}

#[test]
fn a_trim_that_changes_while_the_film_plays_is_not_heard_in_the_echo() {
    // What is played jumps by 40 ms, as it does behind each key; way and room stay as they are.
    let mut film = film(20);
    for side in &mut film {
        side.drain(8 * RATE..8 * RATE + RATE / 25);
        side.extend(vec![0.0; RATE / 25]);
    }
    let place = place(40.0, [100.0, -100.0]);
    let echo = echo(&film, place);
    let left = Client::new(ECHO, place).hear(&film, &with_floor(echo.clone()));
    let after = less(&echo, &left, 8..19);
    println!("{after:.1} dB less of the film from the jump on");
    assert!(after >= 30.0, "{after:.1} dB");
}

#[test]
fn an_output_that_hides_another_delay_from_now_on_is_learnt_anew() {
    // A headset that has lost its connection comes back with more in its buffer.
    let film = film(24);
    let (before, after) = (place(20.0, [0.0; 2]), place(180.0, [0.0; 2]));
    let moved = 10 * RATE;
    let echo = [&echo(&film, before)[..moved], &echo(&film, after)[moved..]].concat();
    let left = Client::new(ECHO, before).hear(&film, &with_floor(echo.clone()));
    let (soon, late) = (less(&echo, &left, 10..14), less(&echo, &left, 14..24));
    println!("{soon:.1} dB less of the film in the 4 s behind the change, {late:.1} after them");
    assert!(late >= 30.0, "{late:.1} dB");
}

#[test]
fn whoever_speaks_during_a_film_is_kept_and_every_sentence_is_found_again() {
    let (said, places) = sentences(6 * RATE, -26.0);
    let film = film(said.len().div_ceil(RATE));
    for (name, clean) in [("echo", ECHO), ("echo and noise", CLEAR)] {
        let place = place(40.0, [100.0, -100.0]);
        let heard = sum(&with_floor(echo(&film, place)), &said);
        let out = Client::new(clean, place).hear(&film, &heard);
        let found: Vec<(f64, f64)> = places
            .iter()
            .map(|place| likeness(&said[place.clone()], &out[place.clone()]))
            .collect();
        let count = found.len() as f64;
        let kept = found.iter().map(|found| found.1).sum::<f64>() / count;
        let like = found.iter().map(|found| found.0).sum::<f64>() / count;
        let least = found.iter().map(|found| found.0).fold(1.0, f64::min);
        println!(
            "{name}: {:.1} % of the energy kept, alike by {like:.3}, the least {least:.3}",
            kept * 100.0
        );
        assert!(kept >= 0.9, "{name}: {kept:.3} of the energy");
        let found = found.iter().filter(|found| found.0 >= 0.8).count();
        assert!(found >= 19, "{name}: {found} of 20 sentences");
    }
}

#[test]
fn fan_hum_and_hiss_become_much_softer_and_the_voice_stays() {
    let (said, places) = sentences(3 * RATE, -26.0);
    let noises: [(&str, Sound); 3] = [
        ("white noise", |_, _, noise| noise.next()),
        ("a fan", |at, state, noise| {
            state[0] = state[0] * 0.97 + noise.next() * 0.03;
            state[1] = state[1] * 0.8 + noise.next() * 0.2;
            let blades = (at as f32 / RATE as f32 * std::f32::consts::TAU * 190.0).sin();
            state[0] * 8.0 + state[1] * 0.7 + 0.05 * blades
        }),
        ("hum", |at, _, noise| {
            let turn = at as f32 / RATE as f32 * std::f32::consts::TAU * 50.0;
            let harmonics = (1..12).map(|n| (turn * n as f32 + n as f32).sin() / n as f32);
            harmonics.sum::<f32>() + 0.02 * noise.next()
        }),
    ];
    for (name, make) in noises {
        let (mut state, mut noise) = ([0.0; 2], Noise::new(5));
        let sound: Vec<f32> = (0..said.len()).map(|at| make(at, &mut state, &mut noise)).collect();
        let gain = 10_f64.powf((-36.0 - db(power(&sound))) / 20.0) as f32;
        let sound: Vec<f32> = sound.iter().map(|sample| sample * gain).collect();
        let clean = Clean { echo: false, noise: true, gain: false };
        let nothing = [Vec::new(), Vec::new()];
        let out = Client::new(clean, place(0.0, [0.0; 2])).hear(&nothing, &sum(&said, &sound));
        // From the sixth sentence on, in the pauses behind each.
        let (mut before, mut after, mut level) = (0.0, 0.0, 0.0);
        // And of the noise, while somebody speaks.
        let mut beside = Vec::new();
        for place in &places[5..] {
            let pause = place.end + RATE / 8..place.end + RATE * 7 / 16;
            before += power(&sound[pause.clone()]);
            after += power(&out[pause]);
            level += db(spoken(&out[place.clone()])) - db(spoken(&said[place.clone()]));
            let noisy = sum(&said[place.clone()], &sound[place.clone()]);
            let [was, is] = [&noisy, &out[place.clone()]]
                .map(|heard| 1.0 - likeness(&said[place.clone()], heard).0.powi(2));
            beside.push(db(was / is));
        }
        let (less, level) = (db(before / after), level / (places.len() - 5) as f64);
        let beside = beside.iter().sum::<f64>() / beside.len() as f64;
        println!(
            "{name}: {less:.1} dB softer, {beside:.1} dB beside a voice; speech {level:+.2} dB"
        );
        assert!(less >= 20.0, "{name}: {less:.1} dB");
        assert!(beside >= 1.5, "{name}: {beside:.1} dB beside a voice");
        assert!(level.abs() <= 1.0, "{name}: speech {level:+.2} dB");
    }
}

#[test]
fn no_word_loses_its_first_50_ms() {
    /// How much of a chunk is the loudest in its sentence, where it begins.
    const BEGINS: f64 = 1e-3;
    let (said, places) = sentences(6 * RATE, -26.0);
    let film = film(said.len().div_ceil(RATE));
    for (name, loss_db) in [("headphones", None), ("loudspeakers", Some(6.0))] {
        let place = Place { hidden_ms: 5.0, loss_db: loss_db.unwrap_or(0.0), ppm: [0.0; 2] };
        let heard = match loss_db {
            Some(_) => sum(&with_floor(echo(&film, place)), &said),
            None => with_floor(said.clone()),
        };
        let mut client = Client::new(CLEAR, place);
        let out = client.hear(&film, &heard);
        let mut voice = VoiceActivity::new(RATE as u32);
        let heard = out.chunks(CHUNK).map(|chunk| voice.hear(chunk));
        let is_voice: Vec<bool> =
            heard.zip(&client.voices).map(|(is_voice, may_be)| is_voice && *may_be).collect();
        let (mut kept, mut late) = (Vec::new(), Vec::new());
        for place in &places {
            let loudest = said[place.clone()].chunks(CHUNK).map(power).fold(0.0, f64::max);
            let begins = |chunk: &[f32]| power(chunk) > loudest * BEGINS;
            let from = said[place.clone()].chunks(CHUNK).position(begins).unwrap();
            let from = place.start / CHUNK * CHUNK + from * CHUNK;
            let first = from..from + 5 * CHUNK;
            kept.push(db(power(&out[first.clone()])) - db(power(&said[first])));
            let opens = is_voice[from / CHUNK..].iter().position(|is_voice| *is_voice);
            late.push(opens.unwrap_or(usize::MAX));
        }
        kept.sort_by(f64::total_cmp);
        let most_late = late.iter().max().unwrap();
        println!(
            "{name}: the first 50 ms are {:.1} dB of what was said (median), {:.1} the least; the gate \
             opens within {most_late} chunks",
            kept[kept.len() / 2],
            kept[0]
        );
        assert!(kept[kept.len() / 2] > -3.0, "{name}: {kept:.1?}");
        // What came before goes out with the chunk that opens.
        assert!(*most_late <= LOOK_BACK, "{name}: {late:?}");
    }
}

#[test]
fn soft_and_loud_voices_come_out_alike_and_as_loud_as_the_film() {
    let film = film(30);
    let mut loudness = Vec::new();
    for dbfs in [-45.0, -15.0] {
        let (said, _) = sentences(RATE, dbfs);
        let mut client = Client::new(Clean::ALL, place(5.0, [0.0; 2]));
        // Headphones: nothing of the film is in the microphone.
        let mut out = client.hear(&film, &with_floor(said[..30 * RATE].to_vec()));
        for chunk in out.chunks_mut(480) {
            client.cleaner.set_gain(chunk);
        }
        loudness.push(lufs(&[&out[15 * RATE..]]));
    }
    let film = lufs(&[&film[0][15 * RATE..30 * RATE], &film[1][15 * RATE..30 * RATE]]);
    println!(
        "−45 dBFS: {:.1} LUFS, −15 dBFS: {:.1} LUFS, film {film:.1}",
        loudness[0], loudness[1]
    );
    assert!((loudness[0] - loudness[1]).abs() <= 3.0, "{loudness:?}");
    assert!(loudness.iter().all(|voice| (voice - film).abs() <= 3.0), "{loudness:?}, {film:.1}");
}

/// Integrated loudness by code that is not ours.
fn lufs(channels: &[&[f32]]) -> f64 {
    let mut meter =
        ebur128::EbuR128::new(channels.len() as u32, RATE as u32, ebur128::Mode::I).unwrap();
    meter.add_frames_planar_f32(channels).unwrap();
    meter.loudness_global().unwrap()
}

#[test]
fn off_is_bit_for_bit_what_was_captured() {
    let mut noise = Noise::new(1);
    let heard: Vec<f32> = (0..RATE).map(|_| noise.next()).collect();
    let film = film(1);
    let out = Client::new(Clean::OFF, place(0.0, [0.0; 2])).hear(&film, &heard);
    assert!(out.iter().zip(&heard).all(|(out, heard)| out.to_bits() == heard.to_bits()));
}

#[test]
fn a_voice_is_cleaned_within_three_milliseconds() {
    let (cleaner, _) = Cleaner::new(Clean::ALL);
    assert!(cleaner.delay() <= 3 * RATE / 1_000, "{} frames", cleaner.delay());
}

#[test]
fn a_microphone_that_hands_over_nonsense_does_no_lasting_harm() {
    let film = film(8);
    let place = place(5.0, [0.0; 2]);
    let mut heard = with_floor(echo(&film, place));
    for (at, sample) in heard[RATE..RATE + 4_800].iter_mut().enumerate() {
        *sample = [f32::NAN, f32::INFINITY, -1e30, 1e30][at % 4];
    }
    let (said, _) = sentences(0, -26.0);
    let heard = [heard[..4 * RATE].to_vec(), sum(&heard[4 * RATE..], &said)].concat();
    let out = Client::new(CLEAR, place).hear(&film, &heard);
    assert!(out.iter().all(|sample| sample.is_finite() && sample.abs() <= 4.0));
    let (like, _) = likeness(&said[RATE..4 * RATE], &out[5 * RATE..8 * RATE]);
    assert!(like > 0.8, "{like:.3}");
}
