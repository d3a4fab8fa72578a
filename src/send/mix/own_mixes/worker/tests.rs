use super::*;
use crate::codec::Bitrate;
use crate::codec::opus::{Decoder, RATE};
use crate::send::mix::combine::{Combine, Role, Settings};

/// Who speaks, and who is looked at.
const OTHER: u64 = 2;
const OWN: u64 = 1;

fn sine(hz: f64, from: u64, frames: u64, rate: u32) -> Vec<f32> {
    let step = std::f64::consts::TAU * hz / f64::from(rate);
    (from..from + frames).map(|n| (0.1 * (step * n as f64).sin()) as f32).collect()
}

fn amplitude(sound: &[f32], hz: f64, rate: u32) -> f64 {
    let step = std::f64::consts::TAU * hz / f64::from(rate);
    let part = |wave: fn(f64) -> f64| {
        sound.iter().enumerate().map(|(n, s)| f64::from(*s) * wave(step * n as f64)).sum::<f64>()
    };
    2.0 * part(f64::sin).hypot(part(f64::cos)) / sound.len() as f64
}

/// A mono room of a film and two voices, whose worker has whom `ears` says.
struct Room {
    rate: u32,
    chunk: u64,
    combine: Combine,
    worker: Worker,
    seed: Option<Box<Personal>>,
    ears: Vec<(u32, Option<Ear>)>,
    made: u64,
}

impl Room {
    fn new(rate: u32, ears: Vec<(u32, Option<Ear>)>) -> Self {
        let format = Format { sample_rate: rate, channels: 1 };
        let mut combine = Combine::new(format);
        combine.set_duck_db(12.0);
        combine.add(Id(0), Role::Film, Settings::default());
        combine.add(Id(OWN), Role::Voice, Settings::default());
        combine.add(Id(OTHER), Role::Voice, Settings::default());
        let seed = Some(Box::new(combine.listener()));
        let worker = Worker::new(format, rate / 100, Layout::for_delay(80));
        Self { rate, chunk: u64::from(rate) / 100, combine, worker, seed, ears, made: 0 }
    }

    /// The next chunk, in which these speak; also taken by `reference`.
    fn next(
        &mut self,
        speaks: [bool; 2],
        reference: &mut Personal,
    ) -> (Vec<(u32, AudioFrame)>, Vec<f32>) {
        let (position, frames) = (self.made * self.chunk, self.chunk);
        let captured_us = self.made * 10_000;
        self.made += 1;
        self.combine.begin(frames as usize);
        let film = sine(300.0, position, frames, self.rate);
        self.combine.input(Id(0), &film, false);
        for ((id, hz), speaks) in [(OWN, 1_000.0), (OTHER, 600.0)].into_iter().zip(speaks) {
            if speaks {
                self.combine.input(Id(id), &sine(hz, position, frames, self.rate), true);
            }
        }
        let chunk = Arc::new(self.combine.shared());
        let heard = reference.mix(&chunk).to_vec();
        let frames = u32::try_from(frames).unwrap();
        let header = AudioHeader { flags: 0, frames, position, captured_us };
        let (ears, seed) = (std::mem::take(&mut self.ears), self.seed.take());
        let mut sent = Vec::new();
        self.worker.work(Job { header, chunk, ears, seed }, |person, f| sent.push((person, f)));
        self.combine.common();
        (sent, heard)
    }
}

fn ear(codec: Codec, own: Option<u64>) -> Option<Ear> {
    Some(Ear { codec, own: own.map(Id), volumes: BTreeMap::new() })
}

/// Whether the talker speaks in the chunk of that number: from 1 to 2 s, from 13.5 s on.
fn speaks(chunk: u64) -> bool {
    (100..200).contains(&chunk) || chunk >= 1_350
}

#[test]
fn who_begins_to_speak_after_a_silence_hears_neither_himself_nor_a_seam() {
    let mut room = Room::new(48_000, vec![(7, ear(Codec::Float32, Some(OWN)))]);
    let mut reference = room.combine.listener().without(Some(Id(OWN)));
    let (mut shared, mut alone) = (0, 0);
    for chunk in 0..1_500 {
        let (sent, heard) = room.next([speaks(chunk), chunk % 70 < 50], &mut reference);
        assert_eq!(sent.len(), 1, "chunk {chunk}");
        let frame = &sent[0].1;
        assert_eq!(frame.header().position, chunk * 480);
        let bytes = frame.plain().1.chunks_exact(4);
        let samples = bytes.map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        let apart = samples.zip(&heard).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-6, "chunk {chunk}: {apart}");
        let is_alone = room.worker.people[&7].alone.is_some();
        assert!(is_alone || !speaks(chunk));
        shared += u64::from(!is_alone);
        alone += u64::from(is_alone);
    }
    assert_eq!((shared, alone), (249, 1_251), "ten seconds of silence make it share again");
}

#[test]
fn whose_microphone_is_taken_away_while_they_speak_gets_nothing_twice() {
    let mut room = Room::new(48_000, vec![(7, ear(Codec::Float32, Some(OWN)))]);
    let mut reference = room.combine.listener();
    let mut next = 0;
    for chunk in 0..100 {
        if chunk == 50 {
            room.ears = vec![(7, ear(Codec::Float32, None))];
        }
        let (sent, _) = room.next([chunk < 50, true], &mut reference);
        for (_, frame) in sent {
            assert_eq!(frame.header().position, next, "chunk {chunk}");
            next += u64::from(frame.header().frames);
        }
    }
    assert_eq!(next, 100 * 480);
}

#[test]
fn opus_goes_over_from_the_shared_mix_to_the_own_one_and_back_without_a_gap() {
    for rate in [48_000, 44_100] {
        let codec = Codec::Opus(Bitrate::nearest(96));
        let mut room = Room::new(rate, vec![(7, ear(codec, Some(OWN)))]);
        let mut reference = room.combine.listener().without(Some(Id(OWN)));
        let mut decoder = Decoder::new(1).unwrap();
        let (mut next, mut heard, mut packet) = (None, Vec::new(), Vec::new());
        for chunk in 0..1_500 {
            let (sent, _) = room.next([speaks(chunk), true], &mut reference);
            for (_, frame) in sent {
                let AudioHeader { position, frames, .. } = *frame.header();
                assert_eq!(position, next.unwrap_or(position), "chunk {chunk} at {rate} Hz");
                next = Some(position + u64::from(frames));
                decoder.decode(&frame.typed()[28..], frames, &mut packet).unwrap();
                heard.extend_from_slice(&packet);
            }
        }
        assert!(heard.len() > 48_000 * 1_490 / 100);
        let mut worst: f64 = 0.0;
        for (n, tenth) in heard.chunks_exact(4_800).enumerate().skip(5) {
            let (own, other) = (amplitude(tenth, 1_000.0, RATE), amplitude(tenth, 600.0, RATE));
            worst = worst.max(own);
            assert!((0.09..0.11).contains(&other), "{n} tenths of a second: {other}");
        }
        assert!(worst < 0.002, "hears himself at {worst} of 0.1, {rate} Hz");
    }
}

#[test]
fn people_who_listen_share_what_is_encoded_until_one_of_them_wishes_something() {
    let codec = Codec::Opus(Bitrate::default());
    let ears = (10..18).map(|person| (person, ear(codec, Some(u64::from(person))))).collect();
    let mut room = Room::new(48_000, ears);
    let mut reference = room.combine.listener();
    let distinct = |sent: &[(u32, AudioFrame)]| {
        let places: std::collections::BTreeSet<_> =
            sent.iter().map(|(_, frame)| frame.typed().as_ptr()).collect();
        (sent.len(), places.len())
    };
    for chunk in 0..20 {
        let (sent, _) = room.next([true, true], &mut reference);
        // Two packets with each chunk.
        assert!(sent.is_empty() || distinct(&sent) == (16, 2), "chunk {chunk}");
    }
    let volumes = BTreeMap::from([(Id(OTHER), 50)]);
    let wishing = Ear { volumes, ..ear(codec, Some(10)).unwrap() };
    room.ears = vec![(10, Some(wishing)), (11, None)];
    for chunk in 0..20 {
        let (sent, _) = room.next([true, true], &mut reference);
        assert!(sent.is_empty() || distinct(&sent) == (14, 4), "chunk {chunk}");
    }
    room.ears = vec![(10, ear(codec, Some(10)))];
    let last = (0..20).map(|_| distinct(&room.next([true, true], &mut reference).0)).last();
    assert_eq!(last, Some((14, 2)), "who wishes nothing any more shares again");
}
