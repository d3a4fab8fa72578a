use super::*;
use crate::codec::Bitrate;
use crate::codec::opus::{Encoder, Layout};
use crate::wire::{AudioHeader, FLAG_HELD};

const RATE: u32 = 8_000;
const MIX: Format = Format { sample_rate: RATE, channels: 1 };
const CHUNK: u64 = 64;

fn microphone(codec: &str, rate: u32) -> Microphone {
    Microphone { codec: codec.into(), rate, channels: 1, algorithmic_delay: 0 }
}

/// A talker whose crystal is off by `ppm`, and a mix whose clock is right.
struct Room {
    voice: Voice,
    players: Players,
    ppm: f64,
    clock: CardClock,
    slack: Slack,
    /// Frames of a chunk, and how the carrier of the mix hands them over.
    chunk: u64,
    carrier: Carrier,
    /// Frames said and mixed so far.
    said: u64,
    mixed: u64,
}

/// A card that hands sound over in periods, some time after the last sample of each.
#[derive(Clone, Copy)]
struct Carrier {
    period_us: u64,
    held_us: u64,
}

impl Carrier {
    /// Hands over every sample by itself, at once.
    const PROMPT: Self = Self { period_us: 1, held_us: 0 };

    /// When sound up to `captured_us` has been handed over.
    fn has_us(self, captured_us: u64) -> u64 {
        captured_us.div_ceil(self.period_us) * self.period_us + self.held_us
    }
}

impl Room {
    fn new(ppm: f64) -> Self {
        let voice = Voice::new(&microphone("f32", RATE), MIX).unwrap().unwrap();
        let mut clock = CardClock::told(RATE);
        clock.anchor(0, START_US);
        let (slack, carrier) = (Slack::default(), Carrier::PROMPT);
        Self {
            voice,
            players: Players::new(MIX),
            ppm,
            clock,
            slack,
            chunk: CHUNK,
            carrier,
            said: 0,
            mixed: 0,
        }
    }

    /// A room with a mix of chunks of `chunk` frames that `carrier` hands over.
    fn with_carrier(self, chunk: u64, carrier: Carrier) -> Self {
        Self { chunk, carrier, ..self }
    }

    fn captured_us(&self, position: u64) -> u64 {
        let seconds = position as f64 / f64::from(RATE) / (1.0 + self.ppm * 1e-6);
        START_US + (seconds * 1e6).round() as u64
    }

    /// Everything up to `until_us`: frames of 10 ms that take `transit_us` after their last sample,
    /// chunks as soon as their time is over. `sample` is what is said at a position. Returns what
    /// was mixed.
    fn pass(
        &mut self,
        until_us: u64,
        transit_us: impl Fn(u64) -> u64,
        sample: impl Fn(u64) -> Option<f32>,
    ) -> Vec<f32> {
        let mut heard = Vec::new();
        loop {
            let at_us = |frame: u64| START_US + frame * 1_000_000 / u64::from(RATE);
            let mixed_us = self.carrier.has_us(at_us(self.mixed + self.chunk));
            let came_us = self.captured_us(self.said + 80) + transit_us(self.said / 80);
            if came_us.min(mixed_us) > until_us {
                return heard;
            }
            if came_us <= mixed_us {
                self.say(came_us, &sample);
            } else {
                let captured_us = at_us(self.mixed);
                let _ = self.clock.stamp(self.mixed, captured_us, captured_us);
                self.slack.chunk(mixed_us, self.mixed, self.chunk as usize, &self.clock);
                self.voice.speak(self.mixed, self.chunk as usize, &self.clock);
                let start = heard.len();
                heard.extend_from_slice(self.voice.spoken());
                heard.resize(start + self.chunk as usize, 0.0);
                self.mixed += self.chunk;
            }
        }
    }

    fn say(&mut self, came_us: u64, sample: impl Fn(u64) -> Option<f32>) {
        let position = self.said;
        self.said += 80;
        let samples: Option<Vec<f32>> = (position..self.said).map(sample).collect();
        let Some(samples) = samples else { return };
        let captured_us = self.captured_us(position);
        let header = AudioHeader { flags: 0, frames: 80, position, captured_us };
        let payload = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let spoken = Spoken { header, payload, came_us };
        self.voice.take(&spoken, self.slack.us(), &mut self.players).unwrap();
    }
}

const START_US: u64 = 1_000_000_000;
const SECOND_US: u64 = 1_000_000;

#[test]
fn a_microphone_that_is_off_by_100_ppm_speaks_without_a_gap() {
    speaks_without_a_gap(4);
}

#[test]
#[ignore = "takes most of a minute: cargo test --lib -- --ignored for_an_hour"]
fn a_microphone_that_is_off_by_100_ppm_speaks_for_an_hour_without_a_gap() {
    speaks_without_a_gap(60);
}

fn speaks_without_a_gap(minutes: u64) {
    for ppm in [-100.0, 100.0] {
        let mut room = Room::new(ppm);
        let mut worst: f32 = 0.0;
        for minute in 1..=minutes {
            let until_us = START_US + minute * 60 * SECOND_US;
            let jitter = |n: u64| 1_000 + n % 7 * 100;
            let heard = room.pass(until_us, jitter, |_| Some(0.5));
            let settled = if minute == 1 { RATE as usize } else { 0 };
            let off = heard[settled..].iter().map(|sample| (sample - 0.5).abs());
            worst = off.fold(worst, f32::max);
        }
        assert!(worst < 0.001, "{ppm} ppm: off by {worst}");
        assert!(room.voice.lag_us() < 30_000.0, "{}", room.voice.lag_us());
    }
}

#[test]
fn a_talker_has_as_much_more_time_as_the_mix_is_made_later_and_no_gap() {
    let lag_ms = |chunk: u64, carrier: Carrier| {
        let mut room = Room::new(70.0).with_carrier(chunk, carrier);
        // The mix is made before anybody speaks.
        room.pass(START_US + SECOND_US, |_| 1_000, |_| None);
        let jitter = |n: u64| 1_000 + n * 7 % 11 * 100;
        room.pass(START_US + 2 * SECOND_US, jitter, |_| Some(0.5));
        let heard = room.pass(START_US + 60 * SECOND_US, jitter, |_| Some(0.5));
        let gap = heard.iter().position(|sample| (sample - 0.5).abs() > 0.001);
        assert_eq!(gap, None, "chunks of {chunk}");
        room.voice.lag_us() / 1e3
    };
    // A frame, 1 to 2 ms on its way, what the converter looks ahead, a fade, and what is to spare.
    let at_once = lag_ms(64, Carrier::PROMPT);
    assert!((19.0..22.0).contains(&at_once), "{at_once}");
    // Chunks that are no whole blocks: a block of 4 ms may have just been begun for the last frame.
    let odd = lag_ms(100, Carrier::PROMPT);
    assert!((23.0..26.0).contains(&odd), "{odd}");
    let held = lag_ms(64, Carrier { period_us: 16_000, held_us: 5_000 });
    assert!((14.0..17.0).contains(&held), "{held}");
    // Whoever is 40 ms late may be sooner at any time.
    let late = lag_ms(64, Carrier { period_us: 16_000, held_us: 40_000 });
    assert!((13.0..16.0).contains(&late), "{late}");
}

#[test]
fn a_word_is_heard_from_its_first_sample_to_its_last_after_any_silence() {
    let mut room = Room::new(50.0);
    let mut heard = Vec::new();
    // Words of 400 ms, further and further apart.
    let words: [u64; 5] = [8_000, 16_000, 40_000, 160_000, 400_000];
    let says = |position: u64| {
        let is_word = |from: &u64| (*from..*from + 3_200).contains(&position);
        words.iter().any(is_word).then_some(0.5)
    };
    for second in 1..=55 {
        let until_us = START_US + second * SECOND_US;
        heard.extend(room.pass(until_us, |_| 1_000, says));
    }
    let loud: Vec<usize> = (0..heard.len()).filter(|n| heard[*n].abs() > 0.25).collect();
    let mut spoken: Vec<(usize, usize)> = Vec::new();
    for n in loud {
        match spoken.last_mut() {
            Some((_, end)) if n - *end < 80 => *end = n,
            _ => spoken.push((n, n)),
        }
    }
    assert_eq!(spoken.len(), words.len(), "{spoken:?}");
    for ((from, to), word) in spoken.into_iter().zip(words) {
        let lag = from as f64 - word as f64 / (1.0 + 50e-6);
        let lag_ms = lag / f64::from(RATE) * 1e3;
        // What a block and the fade take, at this rate.
        assert!((10.0..35.0).contains(&lag_ms), "a word at {word} came {lag_ms} ms later");
        assert!((3_130..3_210).contains(&(to - from)), "{} frames of 3,200", to - from);
    }
}

#[test]
fn a_talker_on_a_network_with_hiccups_stands_as_late_as_these_need() {
    let mut room = Room::new(0.0);
    let hiccups = |n: u64| if n.is_multiple_of(50) { 60_000 } else { 1_000 };
    room.pass(START_US + 5 * SECOND_US, hiccups, |_| Some(0.5));
    let heard = room.pass(START_US + 15 * SECOND_US, hiccups, |_| Some(0.5));
    assert!(heard.iter().all(|sample| (sample - 0.5).abs() < 0.001), "a gap");
    assert!((70_000.0..90_000.0).contains(&room.voice.lag_us()), "{}", room.voice.lag_us());
}

#[test]
fn positions_and_times_that_make_no_sense_harm_nobody() {
    let mut players = Players::new(MIX);
    let mut voice = Voice::new(&microphone("f32", RATE), MIX).unwrap().unwrap();
    let mut clock = CardClock::told(RATE);
    clock.anchor(0, START_US);
    let last = (1 << 62) - 1;
    let positions = [0, last, 5, 80, 1 << 40, last, 0, 160, last - 80];
    let times = [START_US, START_US + 1, START_US, START_US + SECOND_US];
    for n in 0..2_000_u64 {
        let position = positions[n as usize % positions.len()];
        let captured_us = times[n as usize % times.len()] + n * 10_000;
        let header = AudioHeader { flags: (n % 4) as u8, frames: 80, position, captured_us };
        let payload = vec![0x3f; 320].into();
        let spoken = Spoken { header, payload, came_us: START_US + n * 10_000 };
        voice.take(&spoken, 0.0, &mut players).unwrap();
        voice.speak(n * 80, 80, &clock);
        assert!(voice.spoken().iter().all(|sample| sample.is_finite()));
        assert!(voice.spoken().len() <= 80);
    }
}

#[test]
fn packets_that_cannot_be_decoded_are_counted_or_made_up_for() {
    let mut players = Players::new(MIX);
    let mut voice = Voice::new(&microphone("opus", 48_000), MIX).unwrap().unwrap();
    let mut encoder = Encoder::new(Layout::VOICE, 1, Bitrate::default()).unwrap();
    let good = encoder.encode(&[0.1; 480]).unwrap().to_vec();
    for n in 0..500_u64 {
        let mut packet = good.clone();
        // The first byte says how long it is; the network loop has looked at that.
        for (at, byte) in packet.iter_mut().enumerate().skip(1) {
            *byte ^= (n.wrapping_mul(at as u64 * 2_654_435_761) >> 7) as u8;
        }
        let captured_us = START_US + n * 10_000;
        let header = AudioHeader { flags: 0, frames: 480, position: n * 480, captured_us };
        let spoken = Spoken { header, payload: packet.into(), came_us: captured_us + 12_000 };
        voice.take(&spoken, 0.0, &mut players).unwrap();
    }
    let wrong = Spoken {
        header: AudioHeader { flags: 0, frames: 960, position: 0, captured_us: START_US },
        payload: good.into(),
        came_us: START_US,
    };
    let before = voice.counts().wrong;
    voice.take(&wrong, 0.0, &mut players).unwrap();
    assert_eq!(voice.counts().wrong, before + 1);
}

#[test]
fn what_a_talker_held_until_it_was_known_to_speak_makes_it_no_later() {
    let mut players = Players::new(MIX);
    let mut voice = Voice::new(&microphone("f32", RATE), MIX).unwrap().unwrap();
    let mut take = |frame: u64, flags: u8, came_us: u64| {
        let captured_us = START_US + frame * 10_000;
        let header = AudioHeader { flags, frames: 80, position: frame * 80, captured_us };
        let spoken = Spoken { header, payload: vec![0; 320].into(), came_us };
        voice.take(&spoken, 0.0, &mut players).unwrap();
        voice.lag_us()
    };
    // Words of a second, each with the 50 ms before it, all of which come with its first frame.
    let mut lags = Vec::new();
    for word in 0..20 {
        let first = word * 300 + 5;
        let came_us = |frame: u64| START_US + (frame + 1) * 10_000 + 1_000;
        for frame in first - 5..first {
            take(frame, FLAG_HELD, came_us(first));
        }
        lags.extend((first..first + 100).map(|frame| take(frame, 0, came_us(frame))));
    }
    assert!(lags.iter().all(|lag| *lag == lags[0] && *lag < 30_000.0), "{:?}", lags[0]);
}

#[test]
fn a_frame_that_was_late_first_makes_a_talker_late_for_the_first_words_only() {
    let mut room = Room::new(0.0);
    // Words of a second, half a second apart; the first frame of all is 40 ms late.
    let transit = |n: u64| if n == 0 { 41_000 } else { 1_000 };
    let words = |position: u64| (position % 12_000 < 8_000).then_some(0.5);
    room.pass(START_US + SECOND_US, transit, words);
    assert!(room.voice.lag_us() > 55_000.0, "{}", room.voice.lag_us());
    let heard = room.pass(START_US + 3 * SECOND_US, transit, words);
    assert!(room.voice.lag_us() < 25_000.0, "{}", room.voice.lag_us());
    let fades = heard.windows(2).filter(|pair| (pair[1] - pair[0]).abs() > 0.3).count();
    assert_eq!(fades, 0, "a click");
}
