use std::collections::VecDeque;

use super::*;
use crate::recv::speaker::{self, Speaker};
use crate::sound::ear::Hearing;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

/// Frames that the card asks for at once: 10 ms.
const PERIOD: usize = 480;

const NO_WISHES: Wishes = Wishes { volume_percent: 100, trim_ms: 0, hearing: Hearing::NONE };

/// A player, and what has not reached it yet.
struct Bench {
    play: Play,
    queue: VecDeque<Heard>,
    counters: Arc<stats::Playback>,
    now_us: u64,
    /// The callback of the card, where there is one.
    card: Option<Speaker>,
}

impl Bench {
    /// Without a card.
    fn new() -> Self {
        Self::playing_to(Output::Cardless)
    }

    fn playing_to(output: Output) -> Self {
        let counters: Arc<stats::Playback> = Arc::default();
        let choice = Choice { fallback_delay_ms: 300, adaptive: false, wishes: NO_WISHES };
        let play = Play::new(output, choice, Arc::clone(&counters));
        let now_us = 1_000_000_000;
        let mut bench = Self { play, queue: VecDeque::new(), counters, now_us, card: None };
        bench.say(Heard::Stream(stream("one", 10_000)));
        bench
    }

    /// With a card that is plugged in.
    fn with_card(playout_delay_ms: u32) -> Self {
        let mut bench = Self::playing_to(Output::Card);
        let (speaker, feed) = speaker::ring(STEREO, 48_000, Arc::clone(&bench.counters));
        bench.play.plug(Plugged { feed, format: STEREO, period: PERIOD });
        bench.card = Some(speaker);
        bench.say(Heard::Stream(stream("two", playout_delay_ms)));
        bench.say(Heard::Offset(Offset::NONE));
        bench
    }

    fn say(&mut self, heard: Heard) {
        self.queue.push_back(heard);
    }

    /// One sample at `position`, captured and read at `at_us`.
    fn sound(&mut self, position: u64, at_us: u64, broken: bool) {
        let samples = vec![0.1; 2];
        let captured_us = Some(at_us);
        self.say(Heard::Audio { position, captured_us, arrived_us: at_us, broken, samples });
    }

    /// 10 ms of sound, captured `age_us` ago.
    fn period(&mut self, position: u64, age_us: u64) {
        let (arrived_us, captured_us) = (self.now_us, Some(self.now_us - age_us));
        let samples = vec![0.1; STEREO.samples(PERIOD)];
        self.say(Heard::Audio { position, captured_us, arrived_us, broken: false, samples });
    }

    fn take(&mut self) -> bool {
        let (now_us, queue) = (self.now_us, &mut self.queue);
        self.play.take(|| now_us, || queue.pop_front()).unwrap()
    }

    /// Turns that it takes until nothing waits.
    fn turns(&mut self) -> usize {
        (1..).find(|_| !self.take()).unwrap()
    }

    /// Plays for so many periods, with sound that is 5 ms old; its position is the first one's. What
    /// the card got last.
    fn plays(&mut self, periods: u64, position: u64) -> Vec<f32> {
        let period = PERIOD as u64;
        let positions = (0..periods).map(|n| position + n * period);
        positions.map(|position| self.plays_one(position, 5_000)).last().unwrap_or_default()
    }

    /// Plays for one period, in which sound comes that is `age_us` old. What the card got.
    fn plays_one(&mut self, position: u64, age_us: u64) -> Vec<f32> {
        let mut out = vec![0.0; STEREO.samples(PERIOD)];
        self.now_us += 10_000;
        self.period(position, age_us);
        if let Some(speaker) = &mut self.card {
            speaker.fill(&mut out, self.now_us + 20_000, self.now_us);
        }
        self.turns();
        let _ = self.play.turn(self.now_us, NO_WISHES).unwrap();
        out
    }
}

fn stream(session: &str, playout_delay_ms: u32) -> Stream {
    Stream {
        format: STEREO,
        chunk: PERIOD,
        playout_delay_ms: Some(playout_delay_ms),
        session: Some(session.into()),
    }
}

#[test]
fn the_card_is_looked_at_between_64_messages_however_many_there_are() {
    let mut bench = Bench::new();
    bench.say(Heard::Offset(Offset::NONE));
    let now_us = bench.now_us;
    (0..1000).for_each(|n| bench.sound(n * 3, now_us, false));
    assert!(bench.turns() >= 1000 / 64);
}

#[test]
fn what_waited_for_the_servers_clock_is_taken_in_turns_too() {
    let mut bench = Bench::new();
    let now_us = bench.now_us;
    (0..1000).for_each(|n| bench.sound(n, now_us + n * 21, false));
    bench.turns();
    bench.say(Heard::Offset(Offset::NONE));
    bench.sound(1000, now_us + 21_000, false);
    assert!(bench.turns() >= 1000 / 64);
    let cardless = bench.play.cardless.as_ref().unwrap();
    assert_eq!(cardless.buffered(), 1001);
}

#[test]
fn a_stream_that_begins_anew_ten_times_at_once_and_more_than_ten_a_second_is_dropped_and_counted() {
    let mut bench = Bench::new();
    bench.say(Heard::Offset(Offset::NONE));
    let now_us = bench.now_us;
    (0..2000).for_each(|n| bench.sound(n * 100_000, now_us + n * 1000, true));
    bench.turns();
    // Ten at once, and ten in each of the two seconds.
    assert_eq!(bench.counters.refused.get(), 2000 - 29);
}

#[test]
fn a_card_is_told_of_the_delay_of_the_stream_that_begins_and_of_each_new_one() {
    let mut bench = Bench::with_card(300);
    bench.turns();
    assert_eq!(bench.play.take_delay(), Some(300));
    assert_eq!(bench.play.take_delay(), None, "once");
    bench.say(Heard::Delay { playout_delay_ms: 500, from_us: 0 });
    bench.turns();
    assert_eq!(bench.play.take_delay(), Some(500));
}

#[test]
fn the_same_run_of_a_server_goes_on_where_it_was_and_another_begins_anew() {
    let mut bench = Bench::with_card(300);
    bench.plays(100, 0);
    assert!(bench.play.playout().is_some_and(|playout| playout.is_playing()));
    bench.say(Heard::Gone);
    bench.say(Heard::Stream(stream("two", 300)));
    bench.turns();
    assert!(bench.play.playout().is_some(), "nothing was lost by coming back");
    bench.say(Heard::Stream(stream("three", 300)));
    bench.turns();
    assert!(bench.play.playout().is_none());
    assert!(bench.play.offset.is_none(), "another server has another clock");
}

#[test]
fn a_server_whose_times_cannot_be_is_played_by_when_its_sound_comes() {
    let mut bench = Bench::with_card(300);
    bench.plays(100, 0);
    assert!(!bench.play.is_timed_by_arrivals());
    // What it says of its clock moves all that it sends by an hour.
    bench.say(Heard::Offset(Offset { offset_us: 3.6e9, ..Offset::NONE }));
    bench.plays(1_200, 100 * PERIOD as u64);
    assert!(bench.play.is_timed_by_arrivals());
    let out = bench.plays(100, 1_300 * PERIOD as u64);
    assert!(out.iter().all(|sample| *sample != 0.0), "it is heard");
}

#[test]
fn a_new_delay_holds_from_the_sound_on_that_the_server_names() {
    let mut bench = Bench::with_card(300);
    bench.plays(100, 0);
    let from_us = bench.now_us + 50_000;
    bench.say(Heard::Delay { playout_delay_ms: 500, from_us });
    let delay_us = |bench: &mut Bench| bench.play.timelines().next().unwrap().delay_us();
    bench.plays(20, 100 * PERIOD as u64);
    assert_eq!(delay_us(&mut bench), 300_000.0, "what is played was captured before");
    bench.plays(80, 120 * PERIOD as u64);
    assert_eq!(delay_us(&mut bench), 500_000.0);
}

#[test]
fn where_much_of_the_sound_comes_too_late_it_is_played_later() {
    let mut bench = Bench::with_card(80);
    bench.plays(700, 0);
    assert_eq!(bench.play.extra.ms(), 0, "it comes in time");
    for n in 700..1_200_u64 {
        // Every other period is on its way for 100 ms.
        let (position, age_us) = if n % 2 == 0 { (n, 5_000) } else { (n - 10, 105_000) };
        bench.plays_one(position * PERIOD as u64, age_us);
    }
    assert!(bench.play.extra.ms() > 0);
}

#[test]
fn a_clock_that_has_jumped_ends_what_was_played_later_by_the_old_one() {
    let mut bench = Bench::with_card(80);
    bench.plays(100, 0);
    bench.play.add_extra(3);
    let delay_us = |bench: &mut Bench| bench.play.timelines().next().unwrap().delay_us();
    assert_eq!(delay_us(&mut bench), 110_000.0);
    bench.say(Heard::Offset(Offset { offset_us: 3.6e9, ..Offset::NONE }));
    bench.turns();
    assert_eq!((bench.play.extra.ms(), delay_us(&mut bench)), (0, 80_000.0));
}

#[test]
fn an_outage_says_nothing_of_the_delay() {
    let mut bench = Bench::with_card(80);
    bench.plays(300, 0);
    bench.say(Heard::Gone);
    bench.turns();
    for _ in 0..500 {
        bench.now_us += 10_000;
        let _ = bench.play.turn(bench.now_us, NO_WISHES).unwrap();
    }
    bench.say(Heard::Back);
    bench.turns();
    assert_eq!(bench.play.extra.ms(), 0);
}

#[test]
fn a_trim_that_would_play_sound_before_it_was_captured_is_settled_for_less() {
    let mut bench = Bench::with_card(80);
    bench.plays(50, 0);
    let _ = bench.play.turn(bench.now_us, Wishes { trim_ms: -100, ..NO_WISHES }).unwrap();
    assert_eq!(bench.play.take_settled_trim(), Some((-100, -70)));
    assert_eq!(bench.play.take_settled_trim(), None, "said once");
}

#[test]
fn a_stream_of_one_channel_has_two_sides_on_a_card_that_has_them() {
    let mut bench = Bench::with_card(300);
    let format = Format { channels: 1, ..STEREO };
    bench.say(Heard::Stream(Stream { format, ..stream("mono", 300) }));
    bench.say(Heard::Offset(Offset::NONE));
    let mut hearing = Hearing::NONE;
    hearing.balance = 100;
    let mut out = vec![0.0; STEREO.samples(PERIOD)];
    for n in 0..100 {
        bench.now_us += 10_000;
        let captured_us = Some(bench.now_us - 5_000);
        let (position, arrived_us) = (n * PERIOD as u64, bench.now_us);
        let samples = vec![0.1; PERIOD];
        bench.say(Heard::Audio { position, captured_us, arrived_us, broken: false, samples });
        let speaker = bench.card.as_mut().unwrap();
        speaker.fill(&mut out, bench.now_us + 20_000, bench.now_us);
        bench.turns();
        let _ = bench.play.turn(bench.now_us, Wishes { hearing, ..NO_WISHES }).unwrap();
    }
    for frame in out.chunks_exact(2) {
        assert!(frame[0] == 0.0 && (frame[1] - 0.1).abs() < 1e-3, "{frame:?}");
    }
}
