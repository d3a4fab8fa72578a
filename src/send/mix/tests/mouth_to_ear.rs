//! How much later than it was said a word stands in the mix, to the sample: time is an argument here.

use std::sync::mpsc::{SyncSender, sync_channel};

use super::*;
use crate::codec::Bitrate;
use crate::codec::opus::Encoder;
use crate::send::presence::{Presence, QUEUE, Speech, Spoken};
use crate::shutdown::Shutdown;
use crate::soundless::Generator;
use crate::source::Kind;
use crate::wire::Microphone;

/// The longest lag that is promised: with the 25 ms of `live` that is 50 ms from mouth to ear.
const LONGEST_LAG_MS: f64 = 25.0;

/// What frames may take on their way for that, in µs: a cable takes a tenth of it, Wi-Fi hardly ever more.
const LONGEST_WAY_US: u64 = 8_000;

/// Frames of a talker's Opus packet: 10 ms.
const SAID: u64 = 480;

/// When the wave begins, in frames after the start.
const WAVE_AT: u64 = 48_000;

/// A talker in a room where nothing else is heard.
struct Room {
    mix: Mix,
    in_use: InUse,
    says: SyncSender<Message>,
    encoder: Encoder,
    said: u64,
}

impl Room {
    fn new(chunk_size: u32) -> Self {
        let mut mix = Mix::new(
            STEREO,
            chunk_size,
            opus::Layout::for_delay(25),
            ("none", Settings::default()),
            Arc::default(),
            START_US,
        );
        let (says, room) = sync_channel(QUEUE);
        mix.let_people_speak(room, OwnMixes::none(), 0.0);
        let nothing = Generator::open(&Kind::None, false, STEREO).unwrap();
        let nothing = ReadAhead::start("none", nothing, None, STEREO, &Shutdown::default());
        mix.generate(nothing.unwrap(), START_US).unwrap();
        let layout = opus::Layout::VOICE;
        let microphone = Microphone {
            codec: "opus".into(),
            rate: 48_000,
            channels: 1,
            algorithmic_delay: layout.delay,
        };
        let presence = Presence {
            connection: 1,
            id: "1".into(),
            name: "a talker".into(),
            codec: Codec::Float32,
            microphone: Some(microphone),
            speech: Speech::default(),
            is_muted: false,
            is_deaf: false,
            volumes: Arc::default(),
        };
        says.try_send(Message::Here { person: 1, presence }).unwrap();
        let in_use = InUse::default();
        in_use.add(Codec::Float32);
        let encoder = Encoder::new(layout, 1, Bitrate::default()).unwrap();
        Self { mix, in_use, says, encoder, said: 0 }
    }

    /// When the talker's next frame comes, `way_us` after its last sample was captured.
    fn comes_us(&self, way_us: u64) -> u64 {
        START_US + (self.said + SAID) * 1_000_000 / 48_000 + way_us
    }

    /// Says the next frame: silence, and then a wave that begins at once.
    fn say(&mut self, way_us: u64) {
        let sample = |n: u64| match n.checked_sub(WAVE_AT) {
            None => 0.0,
            Some(n) => 0.1 * (std::f32::consts::TAU * 500.0 * n as f32 / 48_000.0).sin(),
        };
        let samples: Vec<f32> = (self.said..self.said + SAID).map(sample).collect();
        let payload = self.encoder.encode(&samples).unwrap().into();
        let captured_us = START_US + self.said * 1_000_000 / 48_000;
        let header = AudioHeader { flags: 0, frames: 480, position: self.said, captured_us };
        let spoken = Spoken { header, payload, came_us: self.comes_us(way_us) };
        self.says.try_send(Message::Said { person: 1, spoken }).unwrap();
        self.said += SAID;
    }

    /// How much later than it was said the wave stands in the mix, in ms, where each frame takes as
    /// long on its way as `way_us` says of its number, and the mix's thread wakes `wakes_us` late.
    fn lag_ms(&mut self, way_us: impl Fn(u64) -> u64, wakes_us: u64) -> f64 {
        let mut now_us = START_US;
        let mut heard_us = None;
        while heard_us.is_none() {
            assert!(now_us < START_US + 2_000_000, "nobody hears it");
            loop {
                let way_us = way_us(self.said / SAID);
                if self.comes_us(way_us) > now_us {
                    break;
                }
                self.say(way_us);
            }
            let silenced = self.mix.turn(
                now_us,
                25,
                &self.in_use,
                || 0,
                |frame| {
                    let (header, (_, payload)) = (*frame.header(), frame.plain());
                    let mut samples = Vec::new();
                    crate::codec::pcm::read_float32(payload, header.frames, 2, &mut samples)
                        .unwrap();
                    if let (None, Some(at)) =
                        (heard_us, samples.iter().position(|s| s.abs() > 0.03))
                    {
                        heard_us = Some(header.captured_us as f64 + STEREO.micros(at as u64 / 2));
                    }
                    true
                },
            );
            assert_eq!(silenced, None);
            now_us += self.mix.rest_us(now_us) + wakes_us;
        }
        // The wave needs a twentieth of a turn to be that loud.
        let said_us = START_US as f64 + STEREO.micros(WAVE_AT) + 100.0;
        (heard_us.unwrap() - said_us) / 1e3
    }
}

#[test]
fn from_mouth_to_ear_takes_no_longer_than_the_frames_need() {
    for chunk in [64, 240, 480, 509, 512, 1_024] {
        for wakes_us in [0, 60, 1_000] {
            for way_us in [0, 2_000, LONGEST_WAY_US] {
                let lag_ms = Room::new(chunk).lag_ms(|_| way_us, wakes_us);
                // What is not spent on the way is not spent.
                let spared_ms = (LONGEST_WAY_US - way_us) as f64 / 1e3;
                assert!(
                    lag_ms <= LONGEST_LAG_MS - spared_ms,
                    "{lag_ms} ms after {way_us} µs, in chunks of {chunk} made {wakes_us} µs late"
                );
            }
            let uneven = |n: u64| n * 7 % 9 * LONGEST_WAY_US / 8;
            let lag_ms = Room::new(chunk).lag_ms(uneven, wakes_us);
            assert!(lag_ms <= LONGEST_LAG_MS, "{lag_ms} ms in chunks of {chunk}, unevenly");
        }
    }
}
