//! Programs that have the library in them: they hear what the real server sends, and the real client hears what
//! they push.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use auralync::{
    Broadcaster, BroadcasterOptions, Error, Event, Format, Input, Listener, ListenerOptions, Sound,
};

use crate::memory::watch;
use crate::support::flags::wav;
use crate::support::median::median;
use crate::support::ramp::{self, Stretch, frames_on_disk};
use crate::support::servers::{client, server};
use crate::support::{Scratch, wait_until};

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

/// Frames that a program asks for at once.
const PERIOD: usize = 480;

/// So long before it is heard a program asks for sound.
const AHEAD: Duration = Duration::from_millis(20);

/// A program that asks for sound at the pace of a card, and keeps the left channel with when it is heard.
struct Card {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Heard>>,
}

/// What was heard on the left, and when the first of it was.
struct Heard {
    since: Instant,
    left: Vec<f32>,
}

impl Card {
    /// Plays `sound`; at first, for so long, every other period is silence and no sound is asked for.
    fn play(mut sound: Sound, skips_for: Duration) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let since = Instant::now();
            let mut heard = Heard { since: since + AHEAD, left: Vec::new() };
            let mut out = vec![0.0; PERIOD * 2];
            for period in 0_u32.. {
                let due = since + period * Duration::from_millis(10);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if over.load(Ordering::Relaxed) {
                    break;
                }
                out.fill(0.0);
                let is_skipped = due < since + skips_for && period % 2 == 1;
                if !is_skipped {
                    let (_, allocations) = watch(|| sound.fill(&mut out, due + AHEAD));
                    assert_eq!(allocations, 0);
                }
                heard.left.extend(out.chunks_exact(2).map(|frame| frame[0]));
            }
            heard
        });
        Self { is_over, thread: Some(thread) }
    }

    fn stop(mut self) -> Heard {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

/// Waits for an event that is so.
#[track_caller]
fn wait_for(listener: &mut Listener, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
    let until = Instant::now() + PATIENCE;
    loop {
        match listener.next_event(Duration::from_millis(200)) {
            Some(event) if is_it(&event) => return event,
            Some(Event::Ended(outcome)) => panic!("it ended before {what}: {outcome:?}"),
            _ => assert!(Instant::now() < until, "no {what}"),
        }
    }
}

/// The frequency of a tone, in Hz, by how long most of its periods are: a busy machine may lose a few.
fn frequency(left: &[f32]) -> f64 {
    let rises: Vec<f64> = left
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0] < 0.0 && pair[1] >= 0.0)
        .map(|(at, pair)| at as f64 + f64::from(-pair[0] / (pair[1] - pair[0])))
        .collect();
    let mut periods: Vec<f64> = rises.windows(2).map(|pair| pair[1] - pair[0]).collect();
    periods.sort_by(f64::total_cmp);
    48_000.0 / periods[periods.len() / 2]
}

#[test]
fn a_program_plays_what_a_server_sends_and_hears_of_what_happens() {
    let mut server = server(["--source", "tone:1000", "--preset", "low-latency"]);
    let address = server.address();
    let mut options = ListenerOptions::default();
    options.name = Some("Embedded".to_owned());
    let (mut listener, sound) = Listener::pull(&address.to_string(), STEREO, &options).unwrap();
    let card = Card::play(sound, Duration::ZERO);
    wait_for(&mut listener, "connection", |event| matches!(event, Event::Connected));
    let delay = wait_for(&mut listener, "delay", |event| matches!(event, Event::Delay(_)));
    assert!(matches!(delay, Event::Delay(ms) if ms == 80.0), "{delay:?}");
    server.wait_for("Embedded");
    wait_until("two seconds of sound", || listener.stats().frames > 3 * 48_000);
    let stats = listener.stats();
    assert!(stats.is_connected && (stats.delay_ms - 80.0).abs() < 20.0, "{stats:?}");
    server.stop();
    wait_for(&mut listener, "loss", |event| matches!(event, Event::Lost));
    drop(listener);
    let heard = card.stop().left;
    // The first sound fades in, and the last out.
    let loud: Vec<usize> = (0..heard.len()).filter(|at| heard[*at].abs() > 0.1).collect();
    let tone = &heard[loud[0] + 24_000..loud[loud.len() - 1] - 24_000];
    assert!(tone.len() > 48_000, "{}", tone.len());
    let hz = frequency(tone);
    assert!((hz - 1_000.0).abs() < 2.0, "{hz} Hz");
}

#[test]
fn two_listeners_in_one_program_hear_the_same_at_the_same_time_and_one_goes_on_without_the_other() {
    let mut server = server(["--source", "tone:100", "--preset", "smooth"]);
    let address = server.address().to_string();
    let listen = || {
        let options = ListenerOptions::default();
        let (listener, sound) = Listener::pull(&address, STEREO, &options).unwrap();
        (listener, Card::play(sound, Duration::ZERO))
    };
    let (first, first_card) = listen();
    let (second, second_card) = listen();
    wait_until("sound", || first.stats().frames > 3 * 48_000 && second.stats().frames > 3 * 48_000);
    let begun = Instant::now();
    drop(second);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let before = first.stats().frames;
    wait_until("more sound", || first.stats().frames > before + 48_000);
    let (one, other) = (first_card.stop(), second_card.stop());
    // When each rises through zero, in frames since the first card began.
    let rises = |heard: &Heard| -> Vec<f64> {
        let since = heard.since.duration_since(one.since).as_secs_f64() * 48_000.0;
        let pairs = heard.left.windows(2).enumerate();
        pairs
            .filter(|(_, pair)| pair[0] < 0.0 && pair[1] >= 0.0)
            .map(|(at, pair)| since + at as f64 + f64::from(-pair[0] / (pair[1] - pair[0])))
            .collect()
    };
    let (one, other) = (rises(&one), rises(&other));
    let nearest = |to: &f64| one.iter().map(|at| (at - to).abs()).fold(f64::INFINITY, f64::min);
    // One thread that this machine forgot for a moment is silent there.
    let apart = median(other.iter().map(nearest));
    assert!(apart / 48.0 < 1.0, "{} ms apart", apart / 48.0);
}

#[test]
fn a_program_that_asks_too_slowly_is_in_step_again_when_it_asks_in_time() {
    let mut server = server(["--source", "tone:1000", "--preset", "smooth"]);
    let address = server.address().to_string();
    let options = ListenerOptions::default();
    let (mut listener, sound) = Listener::pull(&address, STEREO, &options).unwrap();
    let card = Card::play(sound, Duration::from_secs(3));
    wait_for(&mut listener, "connection", |event| matches!(event, Event::Connected));
    wait_until("the time after it", || listener.stats().frames > 9 * 48_000);
    let stats = listener.stats();
    assert!((stats.delay_ms - stats.playout_delay_ms).abs() < 20.0, "{stats:?}");
    drop(listener);
    let heard = card.stop().left;
    let tone = &heard[7 * 48_000..8 * 48_000];
    let hz = frequency(tone);
    assert!((hz - 1_000.0).abs() < 10.0, "{hz} Hz");
}

#[test]
fn a_listener_that_cannot_go_on_says_why_and_nothing_after_that() {
    let mut options = ListenerOptions::default();
    options.once = true;
    let (mut listener, _sound) = Listener::pull("127.0.0.1:1", STEREO, &options).unwrap();
    let until = Instant::now() + PATIENCE;
    let outcome = loop {
        assert!(Instant::now() < until, "it never ends");
        if let Some(Event::Ended(outcome)) = listener.next_event(Duration::from_millis(100)) {
            break outcome;
        }
    };
    assert!(outcome.unwrap_err().to_string().contains("127.0.0.1"));
    assert!(listener.next_event(Duration::ZERO).is_none());
}

/// A broadcaster on this machine alone.
fn broadcast() -> (Broadcaster, Input) {
    let mut options = BroadcasterOptions::default();
    options.name = Some("Game".to_owned());
    options.port = 0;
    options.bind = Some([127, 0, 0, 1].into());
    options.discovery = false;
    Broadcaster::open(STEREO, &options).unwrap()
}

#[test]
fn every_frame_that_a_program_pushes_is_heard_once_and_in_order() {
    let (broadcaster, mut input) = broadcast();
    let scratch = Scratch::new();
    let file = scratch.path("heard.wav");
    let words = ["--codec", "f32", "--no-discovery", "--name", "Ann", "--output", &wav(&file)];
    let mut client = client(broadcaster.address(), words);
    wait_until("a listener", || broadcaster.listeners() == ["Ann"]);
    let pushing = thread::spawn(move || {
        for block in 0..400 {
            assert_eq!(input.write(&ramp::frames(block * 480, 480, 2)), 480);
        }
    });
    pushing.join().unwrap();
    // What was pushed last is heard a second later at most.
    let pushed = frames_on_disk(&file, 2);
    wait_until("the last of it", || frames_on_disk(&file, 2) > pushed + 2 * 48_000);
    client.stop();
    let begun = Instant::now();
    drop(broadcaster);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let samples: Vec<f32> =
        hound::WavReader::open(&file).unwrap().samples().map(Result::unwrap).collect();
    let sounds: Vec<Stretch> = ramp::stretches(&samples, 2)
        .into_iter()
        .filter(|stretch| matches!(stretch, Stretch::Sound { .. }))
        .collect();
    let mut next = 0;
    for stretch in &sounds {
        let Stretch::Sound { first, frames } = stretch else { continue };
        assert_eq!(*first, next, "{sounds:?}");
        next = first + frames;
    }
    assert_eq!(next, 400 * 480, "{sounds:?}");
}

#[test]
fn who_pushes_to_a_broadcaster_that_has_ended_is_not_kept_waiting() {
    let (broadcaster, mut input) = broadcast();
    drop(broadcaster);
    let samples = vec![0.5; 2 * 48_000];
    let (_, allocations) = watch(|| input.push(&samples));
    assert_eq!(allocations, 0);
    assert!(input.write(&samples) < 48_000);
    assert_eq!(input.write(&samples), 0);
}

#[test]
fn a_broadcaster_that_cannot_be_is_refused_with_the_reason() {
    let mut options = BroadcasterOptions::default();
    options.discovery = false;
    options.preset = "louder".to_owned();
    let refused = |format, options: &BroadcasterOptions| {
        Broadcaster::open(format, options).map(drop).unwrap_err()
    };
    assert!(matches!(refused(STEREO, &options), Error::Preset { .. } | Error::Usage { .. }));
    options.preset = "smooth".to_owned();
    for (sample_rate, channels) in [(1, 2), (48_000, 0), (48_000, 3)] {
        let error = refused(Format { sample_rate, channels }, &options);
        assert!(error.to_string().contains("Choose 8000 to 192000 Hz"), "{error}");
    }
}
