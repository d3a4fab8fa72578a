use proptest::prelude::*;

use super::*;

const MONO: Format = Format { sample_rate: 48_000, channels: 1 };
const CHUNK: u32 = 480;
const PATIENCE_US: u64 = 30_000;
const START_US: u64 = 1_000_000_000;

/// A card that delivers a ramp: sample n is n, captured at the card's own pace.
struct Card {
    rate: f64,
    period: u64,
    next: u64,
    /// Added to every capture time from here on, in µs.
    late_us: f64,
}

impl Card {
    fn new(ppm: f64) -> Self {
        Self { rate: 48_000.0 * (1.0 + ppm * 1e-6), period: 480, next: 0, late_us: 0.0 }
    }

    fn time_of(&self, frame: u64) -> u64 {
        START_US + (frame as f64 / self.rate * 1e6 + self.late_us) as u64
    }

    /// Delivers what is complete at `now_us`.
    fn deliver(&mut self, now_us: u64, chunker: &mut Chunker) {
        while self.time_of(self.next + self.period) <= now_us {
            let at_us = self.time_of(self.next);
            chunker.stamp(self.next, 0, at_us, at_us);
            let samples: Vec<f32> =
                (self.next..self.next + self.period).map(|n| n as f32).collect();
            chunker.samples(&samples);
            self.next += self.period;
        }
    }
}

/// Every chunk: header and samples.
type Taken = Vec<(AudioHeader, Vec<f32>)>;

fn take(chunker: &mut Chunker, now_us: u64, taken: &mut Taken) {
    while let Some(chunk) = chunker.next_chunk(now_us) {
        taken.push((chunk.header, chunk.samples.to_vec()));
    }
}

/// Runs card and chunker from `from_us` to `to_us` after the start, a millisecond at a time.
fn run(
    card: Option<&mut Card>,
    chunker: &mut Chunker,
    from_us: u64,
    to_us: u64,
    taken: &mut Taken,
) {
    let mut card = card;
    for now in (from_us..to_us).step_by(1000).map(|t| START_US + t) {
        if let Some(card) = &mut card {
            card.deliver(now, chunker);
        }
        take(chunker, now, taken);
    }
}

fn chunker() -> Chunker {
    Chunker::new(MONO, CHUNK, PATIENCE_US, START_US)
}

fn assert_contiguous(taken: &Taken) {
    for pair in taken.windows(2) {
        assert_eq!(pair[1].0.position, pair[0].0.position + u64::from(CHUNK));
    }
}

#[test]
fn a_ramp_comes_through_whole_and_each_chunk_knows_its_time() {
    for ppm in [-200.0, 0.0, 150.0] {
        let (mut card, mut chunker, mut taken) = (Card::new(ppm), chunker(), Taken::new());
        chunker.plug(MONO, &Layout::usual(1), None).unwrap();
        run(Some(&mut card), &mut chunker, 0, 6_000_000, &mut taken);
        assert_contiguous(&taken);
        let sound: Vec<_> =
            taken.iter().skip_while(|(_, samples)| samples.contains(&0.0)).collect();
        assert!(sound.len() > 570, "{}", sound.len());
        for pair in sound.windows(2) {
            assert_eq!(pair[1].1[0], pair[0].1[479] + 1.0);
        }
        for (header, samples) in &sound[300..] {
            let exact = card.time_of(samples[0] as u64) as f64;
            assert!((header.captured_us as f64 - exact).abs() < 5.0, "{ppm} ppm");
        }
    }
}

#[test]
fn with_no_card_silence_flows_at_the_right_pace() {
    let (mut chunker, mut taken) = (chunker(), Taken::new());
    run(None, &mut chunker, 0, 10_000_000, &mut taken);
    assert_contiguous(&taken);
    assert!((995..=1000).contains(&taken.len()), "{}", taken.len());
    assert!(taken.iter().all(|(_, samples)| samples.iter().all(|s| *s == 0.0)));
    assert_eq!(taken[100].0.captured_us, START_US + 1_000_000);
}

#[test]
fn a_pause_of_the_player_is_silence_of_its_length_and_loses_nothing() {
    let (mut card, mut chunker, mut taken) = (Card::new(50.0), chunker(), Taken::new());
    chunker.plug(MONO, &Layout::usual(1), None).unwrap();
    run(Some(&mut card), &mut chunker, 0, 3_000_000, &mut taken);
    run(None, &mut chunker, 3_000_000, 7_200_000, &mut taken);
    card.late_us = 4_200_000.0;
    run(Some(&mut card), &mut chunker, 7_200_000, 10_000_000, &mut taken);
    assert_contiguous(&taken);
    let samples: Vec<f32> = taken.iter().flat_map(|(_, s)| s.clone()).collect();
    let sound: Vec<f32> = samples.iter().copied().filter(|s| *s != 0.0).collect();
    assert!(sound.windows(2).all(|pair| pair[1] == pair[0] + 1.0), "frames lost or repeated");
    let (header, last) = taken.last().unwrap();
    let error = header.captured_us as f64 - card.time_of(last[0] as u64) as f64;
    assert!(error.abs() < 25.0, "{error} µs off after the pause");
}

#[test]
fn frames_that_the_card_lost_are_replaced_by_silence_of_the_same_length() {
    let (mut card, mut chunker, mut taken) = (Card::new(0.0), chunker(), Taken::new());
    chunker.plug(MONO, &Layout::usual(1), None).unwrap();
    run(Some(&mut card), &mut chunker, 0, 3_000_000, &mut taken);
    let before = chunker.silence();
    card.late_us = 15_000.0;
    run(Some(&mut card), &mut chunker, 3_000_000, 6_000_000, &mut taken);
    assert_contiguous(&taken);
    let (header, last) = taken.last().unwrap();
    let error = header.captured_us as f64 - card.time_of(last[0] as u64) as f64;
    assert!(error.abs() < 25.0, "{error}");
    assert_eq!((chunker.silence() - before) / 48, 15);
}

#[test]
fn a_step_within_what_stamps_get_wrong_moves_the_times_and_makes_no_hole() {
    let (mut card, mut chunker, mut taken) = (Card::new(0.0), chunker(), Taken::new());
    chunker.plug(MONO, &Layout::usual(1), None).unwrap();
    run(Some(&mut card), &mut chunker, 0, 3_000_000, &mut taken);
    let before = chunker.silence();
    card.late_us = 900.0;
    run(Some(&mut card), &mut chunker, 3_000_000, 6_000_000, &mut taken);
    assert_contiguous(&taken);
    assert_eq!(chunker.silence(), before);
    let (header, last) = taken.last().unwrap();
    let error = header.captured_us as f64 - card.time_of(last[0] as u64) as f64;
    assert!(error.abs() < 25.0, "{error}");
}

#[test]
fn frames_that_found_no_room_in_the_ring_are_silence_where_they_were() {
    let (mut chunker, mut taken) = (chunker(), Taken::new());
    chunker.plug_exact(START_US).unwrap();
    chunker.stamp(0, 0, START_US, START_US);
    chunker.samples(&[1.0; 480]);
    chunker.stamp(960, 480, START_US + 20_000, START_US + 20_000);
    chunker.samples(&[3.0; 480]);
    take(&mut chunker, START_US + 30_000, &mut taken);
    let levels: Vec<f32> = taken.iter().map(|(_, samples)| samples[100]).collect();
    assert_eq!(levels, [1.0, 0.0, 3.0]);
}

#[test]
fn a_suspended_pc_sends_no_burst_but_jumps_and_says_so() {
    let (mut chunker, mut taken) = (chunker(), Taken::new());
    run(None, &mut chunker, 0, 1_000_000, &mut taken);
    let before = taken.len();
    run(None, &mut chunker, 3_601_000_000, 3_602_000_000, &mut taken);
    assert!(taken.len() - before <= 105, "{}", taken.len() - before);
    let (header, _) = &taken[before];
    assert_eq!(header.flags, FLAG_BROKEN);
    let exact = START_US + header.position * 1_000_000 / 48_000;
    assert!(header.captured_us.abs_diff(exact) < 5);
    assert_eq!(taken[before + 1].0.flags, 0);
}

#[test]
fn a_card_that_comes_back_at_another_rate_is_converted_into_its_place() {
    let stereo = Format { sample_rate: 96_000, channels: 2 };
    let (mut card, mut chunker, mut taken) = (Card::new(0.0), chunker(), Taken::new());
    chunker.plug(MONO, &Layout::usual(1), None).unwrap();
    run(Some(&mut card), &mut chunker, 0, 2_000_000, &mut taken);
    chunker.unplug();
    run(None, &mut chunker, 2_000_000, 3_000_000, &mut taken);
    chunker.plug(stereo, &Layout::usual(2), None).unwrap();
    for n in 0..300_u64 {
        let at = 3_000_000 + n * 10_000;
        chunker.stamp(n * 960, 0, START_US + at, START_US + at);
        chunker.samples(&vec![0.25; 1920]);
        take(&mut chunker, START_US + at + 10_000, &mut taken);
    }
    assert_contiguous(&taken);
    let (header, samples) = taken.last().unwrap();
    assert!(samples.iter().all(|s| (s - 0.25).abs() < 1e-3));
    let exact = START_US + header.position * 1_000_000 / 48_000;
    assert!(header.captured_us.abs_diff(exact) < 50, "{} for {exact}", header.captured_us);
}

proptest! {
    #[test]
    fn any_callback_size_gives_the_same_chunks(sizes in prop::collection::vec(1..2000_usize, 1..60)) {
        let mut chunker = chunker();
        chunker.plug_exact(START_US).unwrap();
        let mut taken = Taken::new();
        let mut next = 0_u64;
        for size in sizes {
            let at_us = START_US + next * 1_000_000 / 48_000;
            chunker.stamp(next, 0, at_us, at_us);
            let samples: Vec<f32> = (0..size as u64).map(|n| (next + n) as f32).collect();
            chunker.samples(&samples);
            next += size as u64;
            take(&mut chunker, START_US, &mut taken);
        }
        prop_assert_eq!(taken.len() as u64, next / u64::from(CHUNK));
        let all: Vec<f32> = taken.iter().flat_map(|(_, s)| s.clone()).collect();
        prop_assert!(all.iter().enumerate().all(|(n, s)| *s == n as f32));
    }
}

#[test]
fn a_chunk_longer_than_any_gap_that_is_filled_comes_whole() {
    let slow = Format { sample_rate: 8_000, channels: 1 };
    let mut chunker = Chunker::new(slow, 8_192, PATIENCE_US, START_US);
    let mut taken = Taken::new();
    for now in (0..5_000_000).step_by(1_000) {
        take(&mut chunker, START_US + now, &mut taken);
    }
    assert_eq!(taken.len(), 4);
    assert!(taken.iter().all(|(_, samples)| samples.len() == 8_192));
}

#[test]
fn an_overrun_longer_than_any_gap_that_is_filled_leaves_later_sound_in_time() {
    let (mut chunker, mut taken) = (chunker(), Taken::new());
    chunker.plug_exact(START_US).unwrap();
    chunker.stamp(0, 0, START_US, START_US);
    chunker.samples(&[1.0; 480]);
    let after = START_US + 1_010_000;
    chunker.stamp(48_480, 48_000, after, after);
    chunker.samples(&[3.0; 480]);
    take(&mut chunker, after + 10_000, &mut taken);
    let (header, _) = taken.iter().find(|(_, samples)| samples[100] == 3.0).unwrap();
    assert_eq!((header.position, header.captured_us), (48_480, after));
}

#[test]
fn the_first_sound_after_a_short_pause_is_heard() {
    let (mut card, mut chunker, mut taken) = (Card::new(0.0), chunker(), Taken::new());
    chunker.plug(MONO, &Layout::usual(1), None).unwrap();
    run(Some(&mut card), &mut chunker, 0, 3_000_000, &mut taken);
    run(None, &mut chunker, 3_000_000, 3_200_000, &mut taken);
    card.late_us = 200_000.0;
    run(Some(&mut card), &mut chunker, 3_200_000, 5_000_000, &mut taken);
    assert_contiguous(&taken);
    let sound: Vec<f32> = taken.iter().flat_map(|(_, s)| s.clone()).filter(|s| *s != 0.0).collect();
    let lost: f32 = sound.windows(2).map(|pair| pair[1] - pair[0] - 1.0).sum();
    assert!(lost < 0.060 * 48_000.0, "{} ms lost", lost / 48.0);
}

#[test]
fn a_card_that_hands_over_long_pieces_is_not_silent_in_between() {
    let (mut card, mut chunker, mut taken) = (Card::new(0.0), chunker(), Taken::new());
    card.period = 3_840;
    chunker.plug(MONO, &Layout::usual(1), None).unwrap();
    run(Some(&mut card), &mut chunker, 0, 3_000_000, &mut taken);
    let before = chunker.silence();
    run(Some(&mut card), &mut chunker, 3_000_000, 6_000_000, &mut taken);
    assert_eq!(chunker.silence(), before);
    assert_contiguous(&taken);
}

/// How long after each chunk's end was captured it is there, at most, and all chunks.
fn waits_us(mut card: Card, mut chunker: Chunker) -> (u64, Taken) {
    let (mut longest_us, mut taken) = (0, Taken::new());
    for now in (0..5_000_000).step_by(100).map(|t| START_US + t) {
        card.deliver(now, &mut chunker);
        let before = taken.len();
        take(&mut chunker, now, &mut taken);
        for (header, _) in &taken[before..] {
            if now > START_US + 2_000_000 {
                longest_us = longest_us.max(now.saturating_sub(header.captured_us + 10_000));
            }
        }
    }
    (longest_us, taken)
}

#[test]
fn a_microphone_of_another_rate_waits_for_little_more_than_what_its_converter_looks_ahead() {
    let mut card = Card::new(0.0);
    (card.rate, card.period) = (40_000.0, 20);
    let mut chunker = chunker();
    chunker.plug(Format { sample_rate: 40_000, ..MONO }, &Layout::usual(1), None).unwrap();
    chunker.end_with_pieces();
    let ahead_us = RateConverter::new(40_000, 48_000, 1, BLOCK).unwrap().delay() / 48e3 * 1e6;
    let (longest_us, _) = waits_us(card, chunker);
    // A piece, by how much chunks end sooner, and the steps of this test.
    assert!((longest_us as f64) < ahead_us + 850.0, "{longest_us} µs, {ahead_us} µs");
}

#[test]
fn chunks_that_end_with_a_microphones_pieces_never_wait_for_the_next_one() {
    for period in [240, 480] {
        let mut anyhow_us = 0;
        for after_us in [0, 1_300, 3_900, 7_770, 9_990] {
            let microphone = || Card { period, late_us: f64::from(after_us), ..Card::new(60.0) };
            let plugged = |mut chunker: Chunker| {
                chunker.plug(MONO, &Layout::usual(1), None).unwrap();
                chunker
            };
            anyhow_us = waits_us(microphone(), plugged(chunker())).0.max(anyhow_us);
            let mut chunker = plugged(chunker());
            chunker.end_with_pieces();
            let (longest_us, taken) = waits_us(microphone(), chunker);
            assert!(longest_us <= 600, "{period}, {after_us}: {longest_us} µs");
            assert_contiguous(&taken);
            let sound = taken.iter().flat_map(|(_, s)| s).skip_while(|s| **s == 0.0);
            let sound: Vec<f32> = sound.copied().collect();
            assert!(sound.windows(2).all(|pair| pair[1] == pair[0] + 1.0));
            let (header, samples) = taken.last().unwrap();
            let exact = microphone().time_of(samples[0] as u64) as f64;
            let error = header.captured_us as f64 - exact;
            assert!(error.abs() < 5.0, "each chunk knows its time: {error}");
        }
        assert!(anyhow_us > 2_500, "without it some wait: {anyhow_us} µs");
    }
}

#[test]
fn pieces_that_a_stall_has_moved_end_with_chunks_again() {
    let (mut card, mut chunker, mut taken) = (Card::new(0.0), chunker(), Taken::new());
    card.period = 240;
    chunker.plug(MONO, &Layout::usual(1), None).unwrap();
    chunker.end_with_pieces();
    run(Some(&mut card), &mut chunker, 0, 3_000_000, &mut taken);
    run(None, &mut chunker, 3_000_000, 3_100_000, &mut taken);
    // What it heard meanwhile is lost.
    card.late_us = 103_300.0;
    run(Some(&mut card), &mut chunker, 3_100_000, 4_000_000, &mut taken);
    assert_contiguous(&taken);
    let broken = taken.iter().rposition(|(header, _)| header.flags & FLAG_BROKEN != 0).unwrap();
    assert!((305..330).contains(&broken), "{broken}");
    for now in (4_000_000..5_000_000).step_by(100).map(|t| START_US + t) {
        card.deliver(now, &mut chunker);
        let before = taken.len();
        take(&mut chunker, now, &mut taken);
        for (header, _) in &taken[before..] {
            let late_us = now.saturating_sub(header.captured_us + 10_000);
            assert!(late_us <= 600 || now < START_US + 4_002_000, "{late_us}");
        }
    }
}
