//! A room in which a film comes from two loudspeakers and somebody speaks: what its microphone hears, by
//! two cards of which neither keeps time.

use auralync::Format;
use auralync::capture::{Capture, ring};
use auralync::recv::talk::clean::Cleaner;
use auralync::recv::talk::clean::far_end::Output;
use auralync::talking::Clean;
use auralync::wire::AudioHeader;

use crate::espeak::{self, SPOKEN_HZ};

/// Of film, microphone and everything that is compared.
pub(super) const RATE: usize = 48_000;

/// A microphone's chunk, 10 ms, and an output's period.
pub(super) const CHUNK: usize = 480;
const PERIOD: usize = 256;

/// How long an output takes from its callback to the ear, as it says itself, in µs.
const LATENCY_US: f64 = 20_000.0;

/// Seconds that a room's answer takes to fall by 60 dB, and how many walls answer in it.
const TAIL: f64 = 0.2;
const WALLS: usize = 160;

/// Numbers without a pattern, −1 to 1; the same with every run.
pub(super) struct Noise(u64);

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed * 2 + 1)
    }

    pub(super) fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / 8_388_608.0 - 1.0
    }
}

pub(super) fn power(samples: &[f32]) -> f64 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    sum / samples.len().max(1) as f64
}

pub(super) fn db(power: f64) -> f64 {
    10.0 * power.max(1e-20).log10()
}

/// The power of what is speech in there, and no pause.
pub(super) fn spoken(samples: &[f32]) -> f64 {
    let powers: Vec<f64> = samples.chunks(CHUNK).map(power).collect();
    let loudest = powers.iter().copied().fold(0.0, f64::max);
    let loud: Vec<f64> = powers.into_iter().filter(|power| *power > loudest * 1e-3).collect();
    loud.iter().sum::<f64>() / loud.len().max(1) as f64
}

/// Makes samples as loud as `dbfs` says, as far as they are speech.
pub(super) fn at_level(mut samples: Vec<f32>, dbfs: f64) -> Vec<f32> {
    let gain = 10_f64.powf((dbfs - db(spoken(&samples))) / 20.0) as f32;
    samples.iter_mut().for_each(|sample| *sample *= gain);
    samples
}

/// What espeak-ng says of a text with a voice of its own, at [`RATE`].
pub(super) fn say(voice: &str, text: &str) -> Vec<f32> {
    let samples = espeak::spoken(&["-s", "150", "-v", voice, text]);
    let frames = samples.len() * RATE / SPOKEN_HZ as usize;
    let step = f64::from(SPOKEN_HZ) / RATE as f64;
    (0..frames).map(|at| between(&samples, at as f64 * step)).collect()
}

/// The value between two samples.
fn between(samples: &[f32], place: f64) -> f32 {
    const TAPS: i64 = 12;
    let whole = place.floor();
    let around = (1 - TAPS..=TAPS).filter_map(|tap| {
        let at = usize::try_from(whole as i64 + tap).ok()?;
        let away = place - whole - tap as f64;
        let turn = std::f64::consts::PI * away;
        let window = 0.5 + 0.5 * (turn / (TAPS as f64 + 0.5)).cos();
        let sinc = if away.abs() < 1e-9 { 1.0 } else { turn.sin() / turn };
        Some(samples.get(at)? * (sinc * window) as f32)
    });
    around.sum()
}

/// A stereo film: people who speak in the middle, music that is not the same on both sides, wind, and
/// now and then something loud.
pub(super) fn film(seconds: usize) -> [Vec<f32>; 2] {
    const TEXT: &str = "Long ago in a town by the sea there lived an old captain who had lost his ship \
        and his crew in a storm that nobody remembered any more. He told the story to whoever would \
        listen, in the tavern, at the market, on the steps of the church. One evening a stranger came \
        in, shook the rain from her coat, and asked him for the name of the ship.";
    const NOTES: [f32; 8] = [110.0, 138.6, 164.8, 220.0, 277.2, 329.6, 440.0, 554.4];
    let frames = seconds * RATE;
    let voices = ["en-us+f2", "en+m3", "en+m5", "en+f4"];
    let speech: Vec<f32> = voices.iter().flat_map(|voice| say(voice, TEXT)).collect();
    let speech = at_level(speech, -22.0);
    let mut noise = Noise::new(77);
    let (mut wind, mut sides) = ([0.0_f32; 2], [Vec::new(), Vec::new()]);
    for at in 0..frames {
        let time = at as f32 / RATE as f32;
        let struck = (-(time * 2.0).fract() * 3.0).exp() * 0.05;
        let chord = (time * 0.5) as usize;
        let gust = if (time * 0.3).fract() < 0.1 { 0.25 } else { 0.04 };
        for (side, (sound, wind)) in sides.iter_mut().zip(&mut wind).enumerate() {
            let note = |voice: usize| {
                let hz = NOTES[(chord * 3 + voice * 2) % 8] * (1.0 + (voice / 2) as f32);
                let turn = std::f32::consts::TAU * hz * time;
                (turn * (1.0 + 0.001 * side as f32)).sin()
                    + 0.35 * (turn * (2.0 + side as f32) * 1.001).sin()
            };
            let music: f32 = (0..4).map(note).sum();
            *wind = *wind * 0.9 + noise.next() * 0.1;
            sound.push(music * struck + *wind * gust + speech[at % speech.len()]);
        }
    }
    sides
}

/// A place to be heard in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// What lies between output and microphone and nobody says, in ms.
    pub(super) hidden_ms: f64,
    /// How much softer the film comes back than it was played, in dB.
    pub(super) loss_db: f64,
    /// By how much the clocks of output and microphone are wrong, in parts per million.
    pub(super) ppm: [f64; 2],
}

/// What comes from the loudspeakers at the output's own rate, as one loudspeaker's sound reaches the
/// microphone.
fn answered(sound: &[f32], seed: u64) -> Vec<f32> {
    let mut noise = Noise::new(seed);
    let mut walls = vec![(0, 1.0_f32)];
    for _ in 0..WALLS {
        let share = (f64::from(noise.next()) + 1.0) / 2.0;
        let at = (0.002 + share * TAIL) * RATE as f64;
        let size = 0.35 * 10_f64.powf(-3.0 * share);
        walls.push((at as usize, noise.next().signum() * size as f32));
    }
    let size = walls.iter().map(|wall| wall.1 * wall.1).sum::<f32>().sqrt();
    let mut out = vec![0.0; sound.len()];
    for (at, gain) in walls {
        for (to, from) in out.iter_mut().skip(at).zip(sound) {
            *to += from * gain / size;
        }
    }
    out
}

/// What the microphone hears of the film, at its own rate.
pub(super) fn echo(film: &[Vec<f32>; 2], place: Place) -> Vec<f32> {
    let [left, right] = [answered(&film[0], 5), answered(&film[1], 9)];
    // A little more to the left.
    let late = 61;
    let mixed: Vec<f32> = (0..left.len())
        .map(|at| left[at] + at.checked_sub(late).map_or(0.0, |at| right[at]))
        .collect();
    let gain = (db(power(&film[0])) - place.loss_db - db(power(&mixed))) / 20.0;
    let gain = 10_f64.powf(gain) as f32;
    // Card frame n is heard at n / rate + latency; microphone frame m is heard at m / its rate.
    let [output, microphone] = place.ppm.map(|ppm| RATE as f64 * (1.0 + ppm * 1e-6));
    let late_us = LATENCY_US + place.hidden_ms * 1e3;
    let heard = |at: usize| (at as f64 / microphone - late_us / 1e6) * output;
    (0..mixed.len()).map(|at| gain * between(&mixed, heard(at))).collect()
}

/// A client's output and microphone, in time that is an argument.
pub(super) struct Client {
    pub(super) cleaner: Cleaner,
    place: Place,
    tap: Option<Capture>,
    played: usize,
    said: usize,
    /// Whether each chunk may be a voice.
    pub(super) voices: Vec<bool>,
}

impl Client {
    pub(super) fn new(clean: Clean, place: Place) -> Self {
        let (cleaner, outputs) = Cleaner::new(clean);
        let format = Format { sample_rate: RATE as u32, channels: 2 };
        let (tap, played) = ring(format, std::sync::Arc::default());
        let tap = outputs.map(|outputs| {
            outputs.send(Output::Plugged { played, format }).unwrap();
            tap
        });
        Self { cleaner, place, tap, played: 0, said: 0, voices: Vec::new() }
    }

    /// The output's callbacks up to `now_us`, each a little late, as callbacks are.
    fn play(&mut self, film: &[Vec<f32>; 2], now_us: f64) {
        let us_per_frame = 1e6 / (RATE as f64 * (1.0 + self.place.ppm[0] * 1e-6));
        while let Some(tap) = &mut self.tap
            && self.played as f64 * us_per_frame <= now_us
        {
            let came_us = self.played as f64 * us_per_frame + 137.0;
            let heard_us = self.played as f64 * us_per_frame + LATENCY_US;
            let sample = |at: usize, side: usize| film[side].get(at).copied().unwrap_or_default();
            let frames = self.played..self.played + PERIOD;
            let samples: Vec<f32> = frames.flat_map(|at| [sample(at, 0), sample(at, 1)]).collect();
            // A second after the start, as if everything had begun long ago.
            tap.on_input(&samples, heard_us as u64 + 1_000_000, came_us as u64 + 1_000_000);
            self.played += PERIOD;
        }
    }

    /// Cleans what the microphone hears while the film plays; what comes out lies where it was captured.
    pub(super) fn hear(&mut self, film: &[Vec<f32>; 2], microphone: &[f32]) -> Vec<f32> {
        let delay = self.cleaner.delay();
        let us_per_frame = 1e6 / (RATE as f64 * (1.0 + self.place.ppm[1] * 1e-6));
        let mut out = Vec::with_capacity(microphone.len());
        for chunk in microphone.chunks_exact(CHUNK) {
            let captured_us = self.said as f64 * us_per_frame;
            self.said += CHUNK;
            // The microphone hands it over 5 ms after its last sample.
            self.play(film, self.said as f64 * us_per_frame + 5_000.0);
            self.cleaner.hear_output();
            let header = AudioHeader {
                flags: 0,
                frames: CHUNK as u32,
                position: 0,
                captured_us: captured_us as u64 + 1_000_000,
            };
            let (came, samples) = self.cleaner.clean(header, chunk, Some(1.0));
            let behind = header.captured_us - came.captured_us;
            assert_eq!(behind, delay as u64 * 1_000_000 / RATE as u64);
            out.extend_from_slice(samples);
            self.voices.push(self.cleaner.may_be_voice());
        }
        out.drain(..delay);
        out.extend(std::iter::repeat_n(0.0, delay));
        out
    }
}

/// Twenty sentences, each with its place, half a second of silence between them.
pub(super) fn sentences(from: usize, dbfs: f64) -> (Vec<f32>, Vec<std::ops::Range<usize>>) {
    const SAID: [&str; 20] = [
        "The kettle is boiling, who wants tea with milk?",
        "I think the man in the grey coat did it.",
        "Can you pass me the blanket, please?",
        "We should have seen this film years ago.",
        "My sister lives in that street, near the river.",
        "Wait, what did he just say about the letter?",
        "There is more popcorn in the kitchen cupboard.",
        "Do not tell me the end, I have not read the book.",
        "That dog looks exactly like ours when he was young.",
        "Somebody is at the door, I will be right back.",
        "The music in this scene is really beautiful.",
        "Let us stop here and watch the rest tomorrow.",
        "He has forgotten his umbrella in the taxi again.",
        "Seven people know about the money by now.",
        "I would never go down those stairs alone.",
        "The train leaves at half past nine in the morning.",
        "Your phone is ringing, shall I bring it to you?",
        "She was the best actress of the whole decade.",
        "It is getting cold, could you close the window?",
        "I knew it, the gardener had the second key.",
    ];
    let (mut all, mut places) = (vec![0.0; from], Vec::new());
    for (number, text) in SAID.iter().enumerate() {
        let voice = ["en", "en+f3", "en-us+m2", "en+f1"][number % 4];
        let spoken = at_level(say(voice, text), dbfs);
        places.push(all.len()..all.len() + spoken.len());
        all.extend(spoken);
        all.extend(std::iter::repeat_n(0.0, RATE / 2));
    }
    (all, places)
}
