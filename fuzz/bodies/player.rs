//! What players answer that are told to delay their picture, and what is decided for them.

use auralync::player::film::{Film, Reading};
use auralync::player::{mpv, vlc};

use super::input::Input;
use super::watch::Body;

/// A line or an answer, and what JSON makes of it.
pub const BODY: Body = Body { name: "player", run, most_bytes: 8 * 1024 * 1024, tries: 3_000 };

/// Longer than any player can want its sound and its picture to be apart, in s.
const FARTHEST_S: f64 = 3_700.0;

fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(mode) = input.byte() else { return };
    let piece = input.large() as usize % 500 + 1;
    match mode % 3 {
        0 => {
            let makes_sense = |piece: usize| {
                let mut talk = mpv::Talk::default();
                let asked = talk.ask("audio-delay");
                assert_eq!(asked.iter().filter(|&&byte| byte == b'\n').count(), 1);
                input.0.chunks(piece).all(|bytes| mpv::makes_sense(&mut talk, bytes))
            };
            assert_eq!(makes_sense(piece), makes_sense(input.0.len().max(1)));
        }
        1 => {
            let read = |piece: usize| vlc::read(input.0.chunks(piece));
            let whole = read(input.0.len().max(1));
            assert_eq!(read(piece), whole);
            assert!(whole.is_none_or(|reading| reading.value_s.abs() <= FARTHEST_S));
        }
        _ => decide(input),
    }
}

/// A player that does as it likes.
fn decide(mut input: Input<'_>) {
    let (mut film, mut now_us) = (Film::default(), 0_u64);
    while let Some(what) = input.byte() {
        let number = input.large();
        now_us = now_us.saturating_add(number * 50);
        let value_s = (number as f64 - 32_768.0) / 10.0;
        let number_of_film = (what & 4 == 0).then_some(u64::from(what >> 5));
        let Some(reading) = Reading::new(value_s, number_of_film) else { continue };
        let next = film.look(reading, number as u32 % 10_000, now_us);
        assert!(next.set_s.is_none_or(|set_s| set_s.abs() < 10.0 * FARTHEST_S));
        if let Some(restored_s) = film.restored_s(value_s) {
            assert_eq!(Some(restored_s), film.own_s());
        }
        assert!(film.delay_ms().is_finite());
    }
}
