//! The audio callbacks neither allocate nor free, whatever state their rings are in.

use std::hint::black_box;
use std::sync::Arc;

use auralync::Format;
use auralync::capture::{self, Piece};
use auralync::recv::speaker;
use auralync::sound::ear::{Control, Ear, Hearing};
use auralync::sound::limiter::Limiter;

use super::watch;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

/// A card's usual callback: 10 ms.
const PERIOD: usize = 480;

/// A number of stamps that is more than either side keeps.
const MANY: usize = 5_000;

#[test]
fn an_allocation_and_a_free_would_be_seen() {
    let (kept, calls) = watch(|| black_box(Box::new(1_u8)));
    assert_eq!(calls, 1);
    let ((), calls) = watch(|| drop(kept));
    assert_eq!(calls, 1);
    let (_, calls) = watch(|| black_box(vec![1_u8]).into_iter().chain([2]).collect::<Vec<_>>());
    assert!(calls >= 2, "{calls}");
}

#[test]
fn capturing_with_room_in_the_ring_allocates_nothing() {
    let (mut capture, mut captured) = capture::ring(STEREO, Arc::default());
    let sound = vec![0.25; STEREO.samples(PERIOD)];
    for round in 0..200 {
        let (taken, calls) = watch(|| capture.on_input(&sound, round * 10_000, round * 10_000));
        assert_eq!((taken, calls), (PERIOD, 0), "round {round}");
        captured.drain(|_| {});
    }
}

#[test]
fn capturing_into_a_full_ring_allocates_nothing_and_counts_the_overrun() {
    let counters: Arc<auralync::stats::Capture> = Arc::default();
    let (mut capture, mut captured) = capture::ring(STEREO, Arc::clone(&counters));
    let sound = vec![0.25; STEREO.samples(PERIOD)];
    let mut refused = 0;
    for round in 0..200 {
        let (taken, calls) = watch(|| capture.on_input(&sound, round * 10_000, round * 10_000));
        assert_eq!(calls, 0, "round {round}");
        refused += PERIOD - taken;
    }
    assert!(refused > 0, "two seconds do not fit the ring");
    assert_eq!(counters.overruns.get(), refused as u64);
    captured.drain(|_| {});
    let (taken, calls) = watch(|| capture.on_input(&sound, 2_000_000, 2_000_000));
    assert_eq!((taken, calls), (PERIOD, 0), "after the overrun");
}

#[test]
fn capturing_with_nowhere_to_put_a_stamp_allocates_nothing() {
    let (mut capture, mut captured) = capture::ring(STEREO, Arc::default());
    let ((), calls) = watch(|| {
        for round in 0..MANY {
            capture.on_input(&[0.5, -0.5], round as u64, round as u64);
        }
        capture.on_input(&[], 0, 0);
    });
    assert_eq!(calls, 0);
    let (mut stamps, mut frames) = (0, 0);
    captured.drain(|piece| match piece {
        Piece::Stamp(_) => stamps += 1,
        Piece::Samples(samples) => frames += STEREO.frames(samples.len()),
    });
    assert!(stamps < MANY, "{stamps} stamps found room: the ring was never full");
    assert_eq!(frames, MANY);
}

#[test]
fn playing_what_the_ring_holds_allocates_nothing() {
    let (mut speaker, mut feed) = speaker::ring(STEREO, 4 * PERIOD, Arc::default());
    let sound = vec![0.25; STEREO.samples(PERIOD)];
    let mut out = vec![0.0; STEREO.samples(PERIOD)];
    for round in 0..200 {
        feed.write(&sound);
        let (taken, calls) = watch(|| speaker.fill(&mut out, round * 10_000, round * 10_000));
        assert_eq!((taken, calls), (PERIOD, 0), "round {round}");
        assert!(feed.played().is_some());
    }
}

#[test]
fn running_dry_and_coming_back_allocates_nothing() {
    let counters: Arc<auralync::stats::Playback> = Arc::default();
    let (mut speaker, mut feed) = speaker::ring(STEREO, 4 * PERIOD, Arc::clone(&counters));
    let mut out = vec![0.0; STEREO.samples(PERIOD)];
    let (taken, calls) = watch(|| speaker.fill(&mut out, 0, 0));
    assert_eq!((taken, calls), (0, 0), "before the first sound");
    for round in 0..20 {
        feed.write(&vec![0.25; STEREO.samples(PERIOD + PERIOD / 2)]);
        for _ in 0..3 {
            let (_, calls) = watch(|| speaker.fill(&mut out, round * 10_000, round * 10_000));
            assert_eq!(calls, 0, "round {round}");
        }
    }
    assert_eq!(counters.underruns.get(), 20);
}

#[test]
fn skipping_what_was_written_allocates_nothing() {
    let (mut speaker, mut feed) = speaker::ring(STEREO, 8 * PERIOD, Arc::default());
    let sound = vec![0.25; STEREO.samples(PERIOD)];
    let mut out = vec![0.0; STEREO.samples(PERIOD)];
    for round in 0..20 {
        feed.write(&sound);
        feed.write(&sound);
        let (_, calls) = watch(|| speaker.fill(&mut out, 0, 0));
        assert_eq!(calls, 0, "round {round}, before the skip");
        let ((), calls) = watch(|| feed.skip_written());
        assert_eq!(calls, 0, "round {round}, the order to skip");
        feed.write(&sound);
        let (taken, calls) = watch(|| speaker.fill(&mut out, 0, 0));
        assert_eq!((taken, calls), (PERIOD, 0), "round {round}, the skip");
        assert_eq!(feed.waiting(), 0, "round {round}");
    }
}

#[test]
fn playing_with_nowhere_to_put_a_stamp_allocates_nothing() {
    let (mut speaker, mut feed) = speaker::ring(STEREO, 4 * PERIOD, Arc::default());
    let mut out = [0.0; 8];
    let ((), calls) = watch(|| {
        for round in 0..MANY {
            speaker.fill(&mut out, round as u64, round as u64);
        }
        speaker.fill(&mut [], 0, 0);
    });
    assert_eq!(calls, 0);
    let stamps = std::iter::from_fn(|| feed.played()).count();
    assert!(stamps < MANY, "{stamps} stamps found room: the ring was never full");
}

#[test]
fn what_makes_sound_as_one_person_wants_it_allocates_nothing_whatever_changes() {
    for channels in [1, 2, 6] {
        let format = Format { sample_rate: 48_000, channels };
        let (mut ear, mut limiter) = (Ear::new(format), Limiter::new(format));
        let mut sound = vec![0.25; format.samples(PERIOD)];
        let mut hearing = Hearing::NONE;
        for round in 0..200 {
            let control = Control::ALL[round / 3 % Control::ALL.len()];
            hearing = hearing.turned(control, round % 40 < 30);
            let ((), calls) = watch(|| {
                ear.set(if round % 50 == 49 { Hearing::NONE } else { hearing });
                sound.chunks_mut(format.samples(32)).for_each(|piece| {
                    ear.process(piece);
                    limiter.process(piece);
                });
            });
            assert_eq!(calls, 0, "{channels} channels, round {round}: {hearing:?}");
            sound.fill(if round % 2 == 0 { f32::NAN } else { 0.25 });
        }
    }
}
