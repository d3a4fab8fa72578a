//! The jitter buffer and what plays from it: frames at any place in any order, a clock that leaps,
//! a delay that changes.

use auralync::clock::{CardClock, Offset, Timeline};
use auralync::format::Format;
use auralync::playout::jitter::Jitter;
use auralync::playout::{BLOCK, Playout};
use auralync::rate::RateConverter;

use super::input::Input;
use super::watch::Body;

/// A buffer of ten seconds at the highest rate, once more while it grows, and what is put into it.
pub const BODY: Body = Body { name: "playout", run, most_bytes: 8 << 20, tries: 1_000 };

/// Positions end here, as the wire has it.
const END: u64 = 1 << 62;

/// Most operations of a run: beyond it nothing new happens.
const MOST_STEPS: usize = 200;

fn run(data: &[u8]) {
    let mut input = Input(data);
    match input.byte() {
        Some(mode) if mode & 1 == 0 => buffer(&mut input),
        Some(mode) => play(mode, &mut input),
        None => {}
    }
}

/// Whatever is put in, only what belongs somewhere is read there.
fn buffer(input: &mut Input<'_>) {
    let format = Format { sample_rate: 1_000, channels: 1 };
    // Twice 100 ms, no fewer than a hundred chunks, and 50 of history.
    let mut jitter = Jitter::new(format, 1, 100);
    let mut capacity = 250;
    let value = |position: u64| (position % 8_191) as f32 + 1.0;
    let mut out = [0.0; 64];
    let mut near = input.any() % END;
    for _ in 0..MOST_STEPS {
        let Some(what) = input.byte() else { return };
        let at = match what >> 6 {
            0 => near.saturating_add(input.small()).min(END - 1),
            1 => near.saturating_sub(input.small()),
            2 => near,
            _ => input.any() % END,
        };
        let frames = u64::from(what >> 3 & 7) * 9 + 1;
        match what & 7 {
            0..=3 => {
                let samples: Vec<f32> = (at..at + frames).map(value).collect();
                assert!(jitter.insert(at, &samples) <= frames);
                near = at + frames;
            }
            4 | 5 => {
                let out = &mut out[..frames as usize];
                let missing = jitter.read(at, out);
                assert_eq!(missing, out.iter().filter(|sample| **sample == 0.0).count());
                for (position, sample) in (at..).zip(out.iter()) {
                    assert!(*sample == 0.0 || *sample == value(position), "at {position}");
                }
                near = at + frames;
            }
            6 => jitter.set_reader(at),
            _ => {
                jitter.grow(format, 100 + frames as u32);
                capacity = capacity.max(250 + 2 * frames);
            }
        }
        if let (Some(start), Some(end)) = (jitter.start(), jitter.end()) {
            assert!(start < end && jitter.has(start) && jitter.has(end - 1) && !jitter.has(end));
            assert!(end - start <= capacity, "{start}..{end} in {capacity}");
        }
        assert!(jitter.ahead() <= jitter.end().unwrap_or_default());
    }
}

/// Bits of the first byte, from the second on: stereo, rates that differ, no delay.
fn play(mode: u8, input: &mut Input<'_>) {
    let channels = 1 + u16::from(mode >> 1 & 1);
    let stream = Format { sample_rate: 48_000, channels };
    let card = Format { sample_rate: if mode & 4 != 0 { 44_100 } else { 48_000 }, channels };
    let delay_ms = if mode & 8 != 0 { 0 } else { 40 };
    let (mut position, mut now_us) = (input.any() % END, 1_000_000_000 + input.any() % END / 2);
    let timeline = Timeline::new(48_000, position, now_us, Offset::NONE, f64::from(delay_ms) * 1e3);
    let converter = RateConverter::counting(48_000, card.sample_rate, channels, BLOCK);
    let mut playout = Playout::with_converter(stream, card, 480, delay_ms, timeline, converter);
    let mut clock = CardClock::told(card.sample_rate);
    let mut frame = 0_u64;
    clock.anchor(0, now_us);
    let sound = vec![0.5; stream.samples(2_048)];
    let mut before = playout.counts();
    for _ in 0..MOST_STEPS {
        let Some(what) = input.byte() else { return };
        let much = input.small();
        match what & 7 {
            0 | 1 => {
                let at = match what >> 3 & 7 {
                    0 => input.any() % END,
                    1 => position.saturating_sub(much * 40),
                    2 => position + much * 40,
                    _ => position,
                };
                let captured_us = now_us.saturating_add_signed((i64::from(what as i8)) * 500);
                let samples = &sound[..stream.samples(much as usize * 8)];
                playout.insert(at, captured_us.min(END), what & 0x80 != 0, samples);
                position = (at + much * 8).min(END - 1);
            }
            2..=4 => {
                for _ in 0..=much & 15 {
                    if let Some(block) = playout.block(frame as f64, &clock) {
                        assert_eq!(block.len(), card.samples(BLOCK));
                        assert!(playout.is_playing());
                    }
                    frame += BLOCK as u64;
                    now_us += 667;
                    let _ = clock.stamp(frame, now_us, now_us);
                }
            }
            5 => {
                now_us = (now_us + (input.any() >> 4)).min(END);
                clock.anchor(frame, now_us);
            }
            6 if what & 8 != 0 => playout.make_room_for(much as u32 * 4),
            6 => playout.timeline().set_delay_us(much as f64 * 400.0),
            _ if what & 8 != 0 => playout.timeline().set_delay_from(now_us + much, much as f64),
            _ if what & 16 != 0 => playout.expect(what & 32 != 0),
            _ => playout.pause(),
        }
        let counts = playout.counts();
        assert!(counts.lost >= before.lost && counts.late >= before.late);
        assert!(counts.jumps >= before.jumps && playout.stretch_ppm().is_finite());
        assert!(playout.delay_us().is_finite() && playout.ahead_us() > 0.0);
        assert!(playout.position().is_none_or(f64::is_finite));
        before = counts;
    }
}
