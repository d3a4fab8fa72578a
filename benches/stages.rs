//! What each stage costs on its own: one line per stage, one item at a time, no thread or socket.
//!
//! Run as a test (`cargo test --bench stages`), every line is run once.

use std::hint::black_box;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use auralync::capture;
use auralync::capture::chunk::Chunker;
use auralync::clock::{CardClock, Offset, Timeline};
use auralync::codec::pcm;
use auralync::format::Format;
use auralync::playout::jitter::Jitter;
use auralync::playout::{BLOCK, Playout};
use auralync::recv::speaker;
use auralync::recv::talk::clean::Cleaner;
use auralync::recv::talk::clean::far_end::Output;
use auralync::secure::Key;
use auralync::secure::keyring::{Kind, StreamSeal};
use auralync::secure::seal::Opener;
use auralync::send::fanout::{Log, Outbox};
use auralync::sound::ear::{Control, Ear, Hearing};
use auralync::sound::limiter::Limiter;
use auralync::sound::rate::RateConverter;
use auralync::talking::Clean;
use auralync::wire::{
    AudioFrame, AudioHeader, Deframer, Frame, Limits, MAX_AUDIO_PAYLOAD, SEAL, SealedHeader,
};
use divan::Bencher;
use divan::counter::ItemsCount;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

/// Frames in a chunk: presets `live`, `smooth` and `stable`.
const CHUNKS: [usize; 3] = [128, 1024, 2048];

/// Frames that a sound card takes or gives at a time: 10 ms.
const PERIOD: usize = 480;

/// When simulated time begins, in µs: clocks may look a little further back.
const START_US: u64 = 1_000_000_000;

/// Each line is measured this long: the first calls find cold caches.
const AT_LEAST: Duration = Duration::from_millis(200);

fn main() {
    divan::Divan::from_args().min_time(AT_LEAST).main();
}

/// Frames of a stereo tone at a quarter of full scale.
fn tone(frames: usize) -> Vec<f32> {
    let step = 440.0 / f64::from(STEREO.sample_rate) * std::f64::consts::TAU;
    (0..frames).flat_map(|n| [(n as f64 * step).sin() as f32 * 0.25; 2]).collect()
}

fn audio_header(frames: usize, position: u64) -> AudioHeader {
    let captured_us = START_US + STEREO.micros(position) as u64;
    AudioHeader { flags: 0, frames: frames as u32, position, captured_us }
}

/// The capture callback's end of the ring and the chunking thread's, for one period.
#[divan::bench]
fn capture_a_period(bencher: Bencher<'_, '_>) {
    let (mut callback, mut thread) = capture::ring(STEREO, Arc::default());
    let period = tone(PERIOD);
    let mut at_us = START_US;
    bencher.bench_local(|| {
        callback.on_input(black_box(&period), at_us, at_us);
        at_us += 10_000;
        thread.drain(|piece| {
            black_box(piece);
        });
    });
}

/// Puts one period in and takes every chunk out that is complete.
#[divan::bench(args = CHUNKS)]
fn cut_a_period_into_chunks(bencher: Bencher<'_, '_>, chunk: usize) {
    let mut chunker = Chunker::new(STEREO, chunk as u32, 50_000, START_US);
    if let Err(e) = chunker.plug_exact(START_US) {
        panic!("a stereo source must fit a stereo stream: {e}");
    }
    let period = tone(PERIOD);
    let mut frame = 0;
    bencher.bench_local(|| {
        let now_us = START_US + STEREO.micros(frame) as u64;
        chunker.stamp(frame, 0, now_us, now_us);
        chunker.samples(black_box(&period));
        frame += PERIOD as u64;
        while let Some(chunk) = chunker.next_chunk(now_us) {
            black_box(chunk);
        }
    });
}

#[divan::bench(args = CHUNKS)]
fn encode_a_chunk(bencher: Bencher<'_, '_>, chunk: usize) {
    let samples = tone(chunk);
    bencher.bench_local(|| AudioFrame::float32(audio_header(chunk, 0), black_box(&samples)));
}

/// A frame to every outbox, into sockets that take everything: what deciding costs per listener.
#[divan::bench(args = [1, 50, 500, 2000])]
fn fan_a_chunk_out(bencher: Bencher<'_, '_>, listeners: usize) {
    let mut log = Log::new(50);
    let frame = AudioFrame::float32(audio_header(1024, 0), &tone(1024));
    let mut outboxes: Vec<Outbox> = (0..listeners)
        .map(|_| {
            let mut outbox = Outbox::plain(Vec::new(), &log, 0);
            outbox.upgrade(Vec::new(), &log, 0);
            outbox
        })
        .collect();
    bencher.counter(ItemsCount::new(listeners)).bench_local(|| {
        log.push(frame.clone());
        for outbox in &mut outboxes {
            let _ = black_box(outbox.write(&log, START_US, u64::MAX / 2, take_all));
        }
    });
}

fn take_all(slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
    Ok(slices.iter().map(|slice| slice.len()).sum())
}

#[divan::bench(args = CHUNKS)]
fn deframe_and_decode_a_chunk(bencher: Bencher<'_, '_>, chunk: usize) {
    let frame = AudioFrame::float32(audio_header(chunk, 0), &tone(chunk));
    let mut deframer = Deframer::new(Limits { plain: 0, typed: MAX_AUDIO_PAYLOAD + 64 });
    let mut samples = Vec::new();
    bencher.bench_local(|| {
        deframer.push(black_box(frame.typed()));
        while let Ok(Some(Frame::Typed { body, .. })) = deframer.next_frame() {
            if let Ok((header, payload)) = AudioHeader::split(body) {
                let _ = pcm::read_float32(payload, header.frames, STEREO.channels, &mut samples);
            }
        }
        black_box(samples.len())
    });
}

/// A chunk in, and out again in blocks.
#[divan::bench(args = CHUNKS)]
fn pass_a_chunk_through_the_jitter_buffer(bencher: Bencher<'_, '_>, chunk: usize) {
    let mut jitter = Jitter::new(STEREO, chunk, 300);
    let samples = tone(chunk);
    let mut block = vec![0.0; STEREO.samples(BLOCK)];
    let (mut written, mut read) = (0, 0);
    bencher.bench_local(|| {
        jitter.insert(written, black_box(&samples));
        written += chunk as u64;
        while read + (BLOCK as u64) <= written {
            black_box(jitter.read(read, &mut block));
            read += BLOCK as u64;
        }
    });
}

/// Chunks in as they come, one block out: jitter buffer, steering and resampler together.
#[divan::bench(args = [44_100, 48_000])]
fn play_a_block_on_a_card_at(bencher: Bencher<'_, '_>, card_rate: u32) {
    const CHUNK: usize = 1024;
    const DELAY_MS: u32 = 300;
    let card = Format { sample_rate: card_rate, ..STEREO };
    let timeline =
        Timeline::new(STEREO.sample_rate, 0, START_US, Offset::NONE, f64::from(DELAY_MS) * 1e3);
    let mut playout = match Playout::new(STEREO, card, CHUNK, DELAY_MS, timeline) {
        Ok(playout) => playout,
        Err(e) => panic!("these rates must be convertible: {e}"),
    };
    let mut clock = CardClock::new(card_rate);
    clock.anchor(0, START_US);
    let samples = tone(CHUNK);
    let (mut position, mut frame) = (0_u64, 0_u64);
    // The playout delay is over and the buffer is as full as it stays.
    while STEREO.micros(position) < card.micros(frame) + f64::from(DELAY_MS) * 1e3 {
        playout.insert(position, START_US + STEREO.micros(position) as u64, false, &samples);
        position += CHUNK as u64;
    }
    while playout.block(frame as f64, &clock).is_none() && card.micros(frame) < 1e6 {
        frame += 1;
    }
    bencher.counter(ItemsCount::new(BLOCK)).bench_local(|| {
        if STEREO.micros(position) < card.micros(frame) {
            playout.insert(position, START_US + STEREO.micros(position) as u64, false, &samples);
            position += CHUNK as u64;
        }
        frame += BLOCK as u64;
        black_box(playout.block(frame as f64, &clock).is_some())
    });
}

#[divan::bench(args = [44_100, 48_000, 96_000])]
fn convert_a_block_from(bencher: Bencher<'_, '_>, from_rate: u32) {
    let mut converter =
        match RateConverter::new(from_rate, STEREO.sample_rate, STEREO.channels, BLOCK) {
            Ok(converter) => converter,
            Err(e) => panic!("these rates must be convertible: {e}"),
        };
    let samples = tone(BLOCK * 4);
    bencher.counter(ItemsCount::new(BLOCK)).bench_local(|| {
        let needed = STEREO.samples(converter.needed());
        black_box(converter.block(&samples[..needed]).len())
    });
}

/// Sealing is to cost no more than 15 µs for 8 KiB, which are 1,024 frames of float32: once, for everybody.
#[divan::bench(args = CHUNKS)]
fn seal_a_chunk(bencher: Bencher<'_, '_>, chunk: usize) {
    let mut seal = StreamSeal::new(&Key::new([1; 32]), 7, 2);
    let sound = AudioFrame::float32(audio_header(chunk, 0), &tone(chunk)).typed().to_vec();
    let mut position = 0;
    let mut sealed = Vec::with_capacity(sound.len() + SEAL);
    bencher.bench_local(|| {
        position += 1;
        sealed.clear();
        sealed.extend_from_slice(&sound);
        seal.seal(Kind::Frame, position, SealedHeader::OPEN, black_box(&mut sealed))
    });
}

/// What each listener pays for a chunk that is sealed.
#[divan::bench(args = CHUNKS)]
fn open_a_chunk(bencher: Bencher<'_, '_>, chunk: usize) {
    let secret = Key::new([1; 32]);
    let mut sealed = AudioFrame::float32(audio_header(chunk, 0), &tone(chunk)).typed().to_vec();
    let is_sealed =
        StreamSeal::new(&secret, 7, 2).seal(Kind::Frame, 1, SealedHeader::OPEN, &mut sealed);
    assert!(is_sealed.is_some());
    let key = secret.derive("auralync frame", &[2]);
    let mut opened = Vec::with_capacity(sealed.len());
    // Each opens it for the first time: a counter is taken once.
    bencher.with_inputs(|| Opener::new(&key)).bench_local_values(|mut opener| {
        opener.open(1, SealedHeader::OPEN, black_box(&sealed), &mut opened)
    });
}

/// Below the knee samples pass untouched; above it the gain works.
#[divan::bench(args = [0.25, 2.0])]
fn limit_a_block_of_peak(bencher: Bencher<'_, '_>, peak: f64) {
    let mut limiter = Limiter::new(STEREO);
    let loud: Vec<f32> = tone(BLOCK).iter().map(|sample| sample * 4.0 * peak as f32).collect();
    let mut block = loud.clone();
    bencher.counter(ItemsCount::new(BLOCK)).bench_local(|| {
        block.copy_from_slice(&loud);
        limiter.process(black_box(&mut block));
    });
}

/// A voice during a film, 10 ms of it: echo, noise and gain. A core has 10 ms for it.
#[divan::bench]
fn clean_a_microphone(bencher: Bencher<'_, '_>) {
    let (mut cleaner, outputs) = Cleaner::new(Clean::ALL);
    let (mut overheard, played) = capture::ring(STEREO, Arc::default());
    let plugged = Output::Plugged { played, format: STEREO };
    assert!(outputs.is_some_and(|outputs| outputs.send(plugged).is_ok()));
    let mut random = 1_u32;
    let mut noise = move || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let film: Vec<f32> = (0..2 * PERIOD).map(|_| 0.2 * noise()).collect();
    let heard: Vec<f32> =
        film.chunks_exact(2).map(|frame| 0.5 * frame[0] + 0.3 * frame[1]).collect();
    let mut now_us = START_US;
    let mut position = 0;
    bencher.bench_local(|| {
        overheard.on_input(&film, now_us + 20_000, now_us + 10_000);
        cleaner.hear_output();
        let header = AudioHeader { captured_us: now_us, ..audio_header(PERIOD, position) };
        let mut clean = cleaner.clean(header, black_box(&heard), Some(1.0)).1.to_vec();
        cleaner.set_gain(&mut clean);
        now_us += 10_000;
        position += PERIOD as u64;
        clean
    });
}

/// Sound as one person wants to hear it: as it comes, and with everything on.
#[divan::bench(args = [false, true])]
fn make_a_block_as_an_ear_wants_it(bencher: Bencher<'_, '_>, is_on: bool) {
    let mut ear = Ear::new(STEREO);
    if is_on {
        ear.set(Control::ALL.iter().fold(Hearing::NONE, |all, control| all.turned(*control, true)));
    }
    let sound = tone(BLOCK);
    let mut block = sound.clone();
    bencher.counter(ItemsCount::new(BLOCK)).bench_local(|| {
        block.copy_from_slice(&sound);
        ear.process(black_box(&mut block));
    });
}

/// The playing thread's end of the ring and the output callback's, for one period.
#[divan::bench]
fn hand_a_period_to_the_speaker(bencher: Bencher<'_, '_>) {
    let (mut callback, mut feed) = speaker::ring(STEREO, PERIOD * 4, Arc::default());
    let period = tone(PERIOD);
    let mut out = vec![0.0; period.len()];
    let mut heard_us = START_US;
    bencher.bench_local(|| {
        feed.write(black_box(&period));
        callback.fill(&mut out, heard_us, heard_us);
        heard_us += 10_000;
        while let Some(played) = feed.played() {
            black_box(played);
        }
    });
}
