//! A talker's sound on its way into the mix, and the mix.

use auralync::clock::CardClock;
use auralync::codec::{Codec, check_payload};
use auralync::format::Format;
use auralync::send::mix::combine::{Combine, Id, Role, Settings};
use auralync::send::mix::voice::{Players, Voice};
use auralync::send::presence::Spoken;
use auralync::wire::{AudioHeader, Microphone};

use super::input::Input;
use super::watch::{Body, once};

/// A player's buffer for the longest lag at the highest rate, a resampler's table, and the mix.
pub const BODY: Body = Body { name: "voice", run, most_bytes: 8 << 20, tries: 40 };

/// Most operations of a run: beyond it nothing new happens.
const MOST_STEPS: usize = 24;

/// Microphones: every codec, the rate that needs no conversion, the lowest and the highest.
const MICROPHONES: [(&str, u32, usize); 4] =
    [("s16", 48_000, 2), ("opus", 48_000, 1), ("f32", 8_000, 4), ("s24", 192_000, 3)];

/// A talker and the mix that it is heard in.
struct Room {
    voice: Voice,
    players: Players,
    mix: Format,
    combine: Combine,
    clock: CardClock,
    position: u64,
    captured_us: u64,
    /// Where the talker's next frame belongs.
    said: u64,
    codec: Codec,
    channels: u16,
    sample_bytes: usize,
}

/// Bits of the first byte: the mix is stereo, which microphone (two bits), it is stereo, its delay.
fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(mode) = input.byte() else { return };
    let Some(mut room) = Room::new(mode) else { return };
    for _ in 0..MOST_STEPS {
        let Some(what) = input.byte() else { return };
        match what & 3 {
            0 | 1 => room.says(what, &mut input),
            2 => room.chunks(1 + (input.small() & 7), 1 + input.small() as usize * 4),
            _ => room.card_leaps(input.small() * 5_000, input.small() * 100_000),
        }
    }
}

impl Room {
    fn new(mode: u8) -> Option<Self> {
        let mix = Format { sample_rate: 48_000, channels: 1 + u16::from(mode & 1) };
        let (name, rate, sample_bytes) = MICROPHONES[usize::from(mode >> 1 & 3)];
        let channels = 1 + u16::from(mode >> 3 & 1);
        let algorithmic_delay = u32::from(mode >> 4) * 600;
        let microphone = Microphone { codec: name.into(), rate, channels, algorithmic_delay };
        let voice = Voice::new(&microphone, mix).expect("two channels at most")?;
        let mut combine = once(|| Combine::new(mix));
        assert!(combine.add(Id(1), Role::Voice, Settings::default()));
        let mut clock = CardClock::told(mix.sample_rate);
        let captured_us = 2_000_000_000;
        clock.anchor(0, captured_us);
        let codec = Codec::parse(name)?;
        Some(Self {
            voice,
            players: Players::new(mix),
            mix,
            combine,
            clock,
            position: 0,
            captured_us,
            said: 0,
            codec,
            channels,
            sample_bytes,
        })
    }

    /// A frame of sound, at its place or at another one.
    fn says(&mut self, what: u8, input: &mut Input<'_>) {
        let (size, aside) = (input.small() as usize * 5, input.small());
        let payload = input.take(size);
        let (payload, frames) = self.whole(payload);
        if check_payload(self.codec, payload, frames, self.channels).is_err() {
            return;
        }
        let position = match what >> 2 & 15 {
            0 => 1 << 61,
            1 => (1 << 62) - 1,
            2 => 0,
            3 => self.said.saturating_sub(aside * 100),
            4 => self.said + aside * 40,
            5 => self.said + aside * 4_000,
            _ => self.said,
        };
        let position = position.min((1 << 62) - 1);
        let captured_us = self.captured_us.wrapping_add_signed(i64::from(aside as i8) * 700);
        let header = AudioHeader { flags: what >> 4, frames, position, captured_us };
        self.said = position + u64::from(frames);
        let spoken =
            Spoken { header, payload: payload.into(), came_us: self.captured_us + aside * 300 };
        self.voice
            .take(&spoken, size as f64 * 10.0, &mut self.players)
            .expect("rates that can be converted");
        assert!((0.0..=400_000.0).contains(&self.voice.lag_us()));
    }

    /// Whole frames of a payload, and how many they are.
    fn whole<'a>(&self, payload: &'a [u8]) -> (&'a [u8], u32) {
        if let Codec::Opus(_) = self.codec {
            let fits = [120, 240, 480, 960, 1_920, 2_880, 5_760];
            let of =
                |frames: &u32| check_payload(self.codec, payload, *frames, self.channels).is_ok();
            return (payload, fits.into_iter().find(of).unwrap_or_default());
        }
        let size = self.sample_bytes * usize::from(self.channels);
        let frames = payload.len() / size;
        (&payload[..frames * size], frames as u32)
    }

    /// The mix's next chunks.
    fn chunks(&mut self, count: u64, frames: usize) {
        for _ in 0..count {
            self.voice.speak(self.position, frames, &self.clock);
            let spoken = self.voice.spoken();
            assert!(spoken.is_empty() || spoken.len() == self.mix.samples(frames));
            assert!(spoken.iter().all(|sample| sample.is_finite() && sample.abs() < 1e3));
            self.combine.begin(frames);
            self.combine.input(Id(1), spoken, self.voice.is_speaking());
            let mix = self.combine.common();
            assert_eq!(mix.len(), self.mix.samples(frames));
            assert!(mix.iter().all(|sample| sample.abs() <= 1.0), "louder than full scale");
            self.position += frames as u64;
            self.captured_us += frames as u64 * 1_000_000 / 48_000;
            let _ = self.clock.stamp(self.position, self.captured_us, self.captured_us);
        }
    }

    fn card_leaps(&mut self, frames: u64, us: u64) {
        self.position += frames;
        self.captured_us += us;
        self.clock.anchor(self.position, self.captured_us);
    }
}
