use super::*;
use crate::codec::Bitrate;
use crate::playout::frames::Sound;
use crate::recv::decode::{Conversation, Event};
use crate::wire::{AuralyncKey, Config, Frame, Hello, Welcome, kind};

const WAVE_HZ: f64 = 700.0;

/// A wave whose place can be told to a fraction of a frame, at `time` in seconds.
fn wave(time: f64) -> f32 {
    ((time * WAVE_HZ * std::f64::consts::TAU).sin() * 0.4
        + (time * WAVE_HZ * 3.7 * std::f64::consts::TAU).sin() * 0.2) as f32
}

fn in_use(codecs: &[Codec]) -> InUse {
    let in_use = InUse::default();
    codecs.iter().for_each(|codec| in_use.add(*codec));
    in_use
}

/// Two seconds of the wave in chunks, through every encoder in use; the stream's clock starts at
/// one second, on position 5,120.
fn frames(rate: u32, layout: Layout, in_use: &InUse) -> Vec<AudioFrame> {
    let mut encoders = Encoders::new(Format { sample_rate: rate, channels: 1 }, 512, layout);
    let mut all = Vec::new();
    for chunk in 0..u64::from(rate) * 2 / 512 {
        let position = 5_120 + chunk * 512;
        let time = |n: u64| (chunk * 512 + n) as f64 / f64::from(rate);
        let samples: Vec<f32> = (0..512).map(|n| wave(time(n))).collect();
        let captured_us = 1_000_000 + (time(0) * 1e6).round() as u64;
        let header = AudioHeader { flags: 0, frames: 512, position, captured_us };
        encoders.encode(header, &samples, in_use, |frame| all.push(frame));
    }
    all
}

/// A listener that was welcomed with a codec.
fn listener(codec: Codec, rate: u32, layout: Layout) -> Conversation {
    let is_opus = matches!(codec, Codec::Opus(_));
    let hello = Hello {
        version: 2,
        id: "x".into(),
        name: String::new(),
        codecs: vec![codec.to_string()],
        talk: None,
        datagrams: false,
    };
    let mut conversation = Conversation::new(hello, false);
    let auralync = Some(AuralyncKey { version: 2, hold: false, room: None });
    let config = Config { sample_rate: rate, channels: 1, chunk_size: 512, auralync };
    assert!(conversation.take(Frame::Plain(&config.frame()[4..])).is_ok());
    let rate = if is_opus { 48_000 } else { rate };
    let welcome = Welcome {
        version: 2,
        session: "1".into(),
        name: String::new(),
        format: Format { sample_rate: rate, channels: 1 },
        codec: codec.name().into(),
        chunk_size: 512,
        position_rate: rate,
        algorithmic_delay: if is_opus { layout.delay } else { 0 },
        playout_delay_ms: 300,
        ping_ms: 250,
        accepts: std::collections::BTreeMap::new(),
        person: None,
        captured_output: None,
        also_captured: Vec::new(),
        within_ms: None,
        via: Vec::new(),
        datagrams: None,
        room: None,
    };
    let frame = welcome.frame();
    let body = &frame[5..];
    assert!(conversation.take(Frame::Typed { kind: kind::WELCOME, body }).is_ok());
    conversation
}

#[test]
fn an_opus_ear_and_a_pcm_ear_hear_the_same_sample_at_the_same_time() {
    for (rate, delay_ms) in [(48_000, 300), (48_000, 80), (48_000, 25), (44_100, 300)] {
        let layout = Layout::for_delay(delay_ms);
        let codecs = Codec::all();
        let frames = frames(rate, layout, &in_use(&codecs));
        for codec in codecs {
            let mut listener = listener(codec, rate, layout);
            let heard_at = if matches!(codec, Codec::Opus(_)) { 48_000.0 } else { f64::from(rate) };
            // How far the wave that is heard lies from where its time says, in µs: that shift
            // which fits best.
            let mut points = Vec::new();
            for frame in frames.iter().filter(|frame| frame.codec() == codec) {
                let body = &frame.typed()[5..];
                let event = listener.take(Frame::Typed { kind: kind::AUDIO, body }).unwrap();
                let Event::Audio(Sound { captured_us: Some(at_us), samples, .. }) = event else {
                    panic!("{event:?}");
                };
                for (n, sample) in samples.iter().enumerate() {
                    let time = at_us as f64 / 1e6 - 1.0 + n as f64 / heard_at;
                    if (0.5..1.5).contains(&time) {
                        points.push((time, f64::from(*sample)));
                    }
                }
            }
            assert!(points.len() as f64 > heard_at * 0.9, "{codec} at {rate} Hz");
            let error = |shift_us: f64| -> f64 {
                let apart = |(time, sample): &(f64, f64)| {
                    (f64::from(wave(time + shift_us / 1e6)) - sample).powi(2)
                };
                points.iter().map(apart).sum()
            };
            let best = (-60..=60).map(f64::from).min_by(|a, b| error(*a).total_cmp(&error(*b)));
            let best = best.unwrap_or(f64::NAN);
            println!("{codec} at {rate} Hz, {delay_ms} ms: {best} µs from its place");
            assert!(best.abs() <= 15.0, "{codec} at {rate} Hz lies {best} µs off");
        }
    }
}

#[test]
fn nothing_is_encoded_that_nobody_uses() {
    let layout = Layout::for_delay(300);
    assert!(frames(48_000, layout, &in_use(&[])).is_empty());
    let both = frames(48_000, layout, &in_use(&[Codec::Int16, Codec::Opus(Bitrate::default())]));
    assert!(both.iter().all(|frame| matches!(frame.codec(), Codec::Int16 | Codec::Opus(_))));
    let int16 = both.iter().filter(|frame| frame.codec() == Codec::Int16).count();
    assert_eq!(int16, 96_000 / 512, "each chunk once");
    let opus = both.len() - int16;
    let end = 5_120 + 96_000 / 512 * 512;
    assert_eq!(opus, end / 960 - 5_120_usize.div_ceil(960), "cut at whole multiples");
}

#[test]
fn who_comes_late_gets_what_was_said_before_once_and_without_a_gap() {
    let opus = |kbps| Codec::Opus(Bitrate::nearest(kbps));
    let (early, late) = ([Codec::Float32, opus(128)], [Codec::Int16, opus(64)]);
    for rate in [48_000, 44_100] {
        let layout = Layout::for_delay(300);
        let mut encoders = Encoders::new(Format { sample_rate: rate, channels: 1 }, 512, layout);
        encoders.remember(400_000);
        let in_use = in_use(&early);
        let mut all: Vec<AudioFrame> = Vec::new();
        // Two seconds. Others come, go, and come again within what is remembered.
        let chunk_us = |n: u64| (n as f64 * 512e6 / f64::from(rate)).round() as u64;
        for n in 0..u64::from(rate) * 2 / 512 {
            match n {
                150 => late.into_iter().for_each(|codec| in_use.add(codec)),
                160 => in_use.set(early.into_iter()),
                165 => late.into_iter().for_each(|codec| in_use.add(codec)),
                _ => {}
            }
            let captured_us = chunk_us(n);
            let header = AudioHeader { flags: 0, frames: 512, position: n * 512, captured_us };
            encoders.encode(header, &[0.25; 512], &in_use, |frame| all.push(frame));
        }
        let of = |codec: Codec| -> Vec<AudioHeader> {
            all.iter().filter(|f| f.codec() == codec).map(|f| *f.header()).collect()
        };
        for codec in early.into_iter().chain(late) {
            let headers = of(codec);
            for pair in headers.windows(2) {
                let next = pair[0].position + u64::from(pair[0].frames);
                assert_eq!(pair[1].position, next, "{codec} at {rate} Hz");
            }
            if let Codec::Opus(_) = codec {
                assert!(headers.iter().all(|h| h.position % 960 == 0), "{codec} at {rate} Hz");
            }
        }
        for codec in late {
            // 400 ms before chunk 150, and not much less.
            let first_us = of(codec)[0].captured_us;
            let came_us = chunk_us(150);
            assert!((350_000..=412_000).contains(&(came_us - first_us)), "{codec}: {first_us}");
        }
    }
}

#[test]
fn all_bitrates_at_once_have_their_past_encoded_a_few_packets_with_each_chunk() {
    let bitrates: Vec<Codec> =
        Codec::all().into_iter().filter(|codec| matches!(codec, Codec::Opus(_))).collect();
    // Chunks as the presets have them, and the longest there are.
    for (rate, chunk, seconds) in [(48_000_u32, 2_048_u32, 3), (44_100, 8_192, 6)] {
        let layout = Layout::for_delay(5_000);
        let mut encoders = Encoders::new(Format { sample_rate: rate, channels: 1 }, chunk, layout);
        encoders.remember(seconds * 1_000_000);
        let in_use = InUse::default();
        let samples = vec![0.25; chunk as usize];
        let mut calls: Vec<Vec<AudioFrame>> = Vec::new();
        let came = seconds * u64::from(rate) / u64::from(chunk) + 2;
        for n in 0..came * 4 {
            if n == came {
                bitrates.iter().for_each(|codec| in_use.add(*codec));
            }
            let position = n * u64::from(chunk);
            let captured_us = (position as f64 * 1e6 / f64::from(rate)) as u64;
            let header = AudioHeader { flags: 0, frames: chunk, position, captured_us };
            let mut call = Vec::new();
            encoders.encode(header, &samples, &in_use, |frame| call.push(frame));
            calls.push(call);
        }
        let each = f64::from(chunk) / f64::from(rate) * 50.0;
        let most = (10.0 * each).max(20.0) + 5.0 * (each.ceil() + 1.0) + each.ceil();
        let worst = calls.iter().map(Vec::len).max().unwrap();
        assert!(worst as f64 <= most, "{worst} packets with one chunk of {each} packets");
        for codec in &bitrates {
            let of = |call: &[AudioFrame]| call.iter().any(|frame| frame.codec() == *codec);
            let first = calls.iter().position(|call| of(call)).unwrap() as u64;
            assert!(first - came <= 5, "{codec} begins {} chunks later", first - came);
            let frames = calls.iter().flatten().filter(|frame| frame.codec() == *codec);
            let headers: Vec<AudioHeader> = frames.map(|frame| *frame.header()).collect();
            let next = |header: &AudioHeader| header.position + u64::from(header.frames);
            assert!(headers.windows(2).all(|pair| pair[1].position == next(&pair[0])), "{codec}");
            let end = (came * 4 * u64::from(chunk)) as f64 / f64::from(rate) * 48e3;
            let behind = end - next(headers.last().unwrap()) as f64;
            assert!(behind < 2_000.0, "{codec} is {behind} frames behind after {came} chunks");
        }
    }
}

#[test]
fn a_bitrate_that_was_used_a_moment_ago_is_not_begun_anew() {
    let codec = Codec::Opus(Bitrate::default());
    let layout = Layout::for_delay(300);
    let mut encoders = Encoders::new(Format { sample_rate: 48_000, channels: 1 }, 960, layout);
    encoders.remember(300_000);
    let in_use = InUse::default();
    let mut encode = |n: u64, in_use: &InUse| {
        let header =
            AudioHeader { flags: 0, frames: 960, position: n * 960, captured_us: n * 20_000 };
        let mut packets = 0;
        encoders.encode(header, &[0.25; 960], in_use, |_| packets += 1);
        packets
    };
    let mut packets = Vec::new();
    for n in 0..400 {
        // Somebody who comes and goes every 100 ms, for two seconds.
        let is_there = (50..150).contains(&n) && n / 5 % 2 == 0;
        in_use.set(is_there.then_some(codec).into_iter());
        packets.push(encode(n, &in_use));
    }
    assert_eq!(packets.iter().max(), Some(&17), "the past, once");
    assert_eq!(packets.iter().filter(|count| **count > 1).count(), 1);
    assert!(packets[51..150].iter().all(|count| *count == 1));
    assert!(packets[260..].iter().all(|count| *count == 0), "two seconds later nobody needs it");
}

#[test]
fn a_gap_that_opus_can_bridge_is_bridged_and_counted() {
    let layout = Layout::for_delay(300);
    let codec = Codec::Opus(Bitrate::default());
    let frames = frames(48_000, layout, &in_use(&[codec]));
    let mut listener = listener(codec, 48_000, layout);
    let (mut next, mut made_up) = (None, 0);
    for (n, frame) in frames.iter().enumerate() {
        // One packet is missing, later two, later half a second.
        if n == 20 || (30..32).contains(&n) || (40..65).contains(&n) {
            continue;
        }
        let body = &frame.typed()[5..];
        let event = listener.take(Frame::Typed { kind: kind::AUDIO, body }).unwrap();
        let Event::Audio(Sound { position, frames, concealed, samples, .. }) = event else {
            panic!()
        };
        assert_eq!(samples.len(), frames as usize);
        if n == 65 {
            assert_eq!(position - next.unwrap(), 25 * 960, "too long to be made up");
        } else {
            assert_eq!(position, next.unwrap_or(position), "packet {n}");
        }
        next = Some(position + u64::from(frames));
        made_up += concealed;
    }
    assert_eq!(made_up, 3 * 960);
}

#[test]
fn silence_stays_silent_in_every_codec() {
    let mut encoders =
        Encoders::new(Format { sample_rate: 48_000, channels: 2 }, 480, Layout::for_delay(300));
    let header = AudioHeader { flags: 0, frames: 480, position: 0, captured_us: 0 };
    let in_use = in_use(&[Codec::Int24, Codec::Int16]);
    let mut seen = 0;
    encoders.encode(header, &[0.0; 960], &in_use, |frame| {
        assert!(frame.plain().1.iter().all(|byte| *byte == 0));
        seen += 1;
    });
    assert_eq!(seen, 2);
}

/// A stream of noise in pieces; `sizes` says how long they are, `chunk` how long chunks are.
fn in_pieces(
    piece: u32,
    chunk: u32,
    in_use: &InUse,
    mut header_of: impl FnMut(u64) -> AudioHeader,
) -> (Vec<AudioFrame>, Encoders) {
    let mut encoders =
        Encoders::new(Format { sample_rate: 48_000, channels: 2 }, chunk, Layout::for_delay(80));
    let mut all = Vec::new();
    for n in 0..48 {
        let header = header_of(n);
        let first = header.position * 2;
        let samples: Vec<f32> =
            (first..first + u64::from(piece) * 2).map(|n| (n as f32 * 0.7).sin()).collect();
        encoders.encode(header, &samples, in_use, |frame| all.push(frame));
    }
    (all, encoders)
}

/// The `n`th piece, where nothing breaks.
fn whole(piece: u32) -> impl Fn(u64) -> AudioHeader {
    move |n| AudioHeader {
        flags: 0,
        frames: piece,
        position: n * u64::from(piece),
        captured_us: n * u64::from(piece) * 1_000_000 / 48_000,
    }
}

#[test]
fn pieces_put_together_are_the_very_chunks_byte_for_byte() {
    let (cut, _) = in_pieces(128, 512, &in_use(&[Codec::Float32, Codec::Int24]), whole(128));
    let in_one = &in_use(&[Codec::Float32, Codec::Int24]);
    let (uncut, _) = in_pieces(512, 512, in_one, whole(512));
    assert_eq!(cut.len(), 2 * 48 / 4);
    for (one, other) in cut.iter().zip(&uncut) {
        assert_eq!(one.plain(), other.plain());
        assert_eq!(one.typed(), other.typed());
        assert!(!one.is_piece());
    }
}

#[test]
fn each_piece_goes_to_those_who_use_pieces_and_chunks_only_to_those_who_use_them() {
    let in_use = in_use(&[]);
    in_use.add_pieces(Codec::Float32);
    in_use.add_pieces(Codec::Opus(Bitrate::default()));
    let (frames, _) = in_pieces(128, 512, &in_use, whole(128));
    let of = |codec: Codec| frames.iter().filter(move |frame| frame.codec() == codec);
    let pieces: Vec<&AudioFrame> = of(Codec::Float32).collect();
    assert_eq!(pieces.len(), 48);
    for (n, piece) in pieces.iter().enumerate() {
        assert!(piece.is_piece());
        assert_eq!(piece.header(), &whole(128)(n as u64));
    }
    let opus = of(Codec::Opus(Bitrate::default()));
    assert_eq!(opus.filter(|frame| !frame.is_piece()).count(), 48 * 128 / 240);
}

#[test]
fn of_a_chunk_within_which_the_timeline_breaks_nothing_is_sent_whole_and_that_is_counted() {
    // After the sixth piece, the second of its chunk, three chunks and two pieces are jumped over.
    let broken = |n: u64| {
        let gone = if n < 6 { 0 } else { 14 };
        AudioHeader { flags: u8::from(n == 6), ..whole(128)(n + gone) }
    };
    let in_use = in_use(&[Codec::Float32]);
    in_use.add_pieces(Codec::Int16);
    let (frames, mut encoders) = in_pieces(128, 512, &in_use, broken);
    let of = |codec: Codec| {
        let frames = frames.iter().filter(move |frame| frame.codec() == codec);
        frames.map(|frame| frame.header().position).collect::<Vec<u64>>()
    };
    let chunks = of(Codec::Float32);
    assert_eq!(chunks[..3], [0, 20 * 128, 24 * 128]);
    assert!(chunks.iter().all(|position| position % 512 == 0));
    assert_eq!(of(Codec::Int16).len(), 48, "no piece is left out");
    assert_eq!(encoders.take_halved(), 1);
    assert_eq!(encoders.take_halved(), 0);
}

#[test]
fn who_begins_to_use_pieces_gets_those_of_the_past_first_a_few_at_a_time() {
    let in_use = in_use(&[Codec::Int16]);
    let mut encoders =
        Encoders::new(Format { sample_rate: 48_000, channels: 1 }, 512, Layout::for_delay(80));
    encoders.remember(1_000_000);
    let mut most = 0;
    let mut next = None;
    for n in 0..600 {
        if n == 400 {
            in_use.add_pieces(Codec::Int16);
        }
        let mut count = 0;
        encoders.encode(whole(128)(n), &[0.25; 128], &in_use, |frame| {
            if frame.is_piece() {
                count += 1;
                let position = frame.header().position;
                assert_eq!(position, *next.get_or_insert(position));
                next = Some(position + 128);
            }
        });
        most = most.max(count);
    }
    assert_eq!(next, Some(600 * 128));
    assert_eq!(most, MOST_PCM_PIECES);
}
