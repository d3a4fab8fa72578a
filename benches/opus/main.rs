//! What Opus sounds like and costs: ours beside libopus at every bitrate, and ours at every
//! complexity.
//!
//! libopus is Debian's `opus-tools`, where they are installed. Costs are the thread's own CPU time,
//! so that other programs do not count. Run as a test (`cargo test --bench opus`), a second of sound
//! goes through everything once.

mod libopus;
mod masking;
#[path = "../measuring.rs"]
mod measuring;
#[path = "../../tests/support/scratch.rs"]
mod scratch;
#[path = "../../src/codec/opus/tests/signals.rs"]
mod signals;

use std::process::ExitCode;
use std::time::Duration;

use auralync::codec::opus::{Decoder, Encoder, Layout};
use auralync::codec::{BITRATES, Bitrate};
use measuring::{Result, is_measuring};

/// What has a playout delay that packets of 20 ms suit: as `smooth` and `stable`.
const DELAY_MS: u32 = 300;

/// An encoder may take this much of a core at 128 kbit/s.
const TARGET_PERCENT: f64 = 1.0;

/// Each cost is the least of so many runs: what disturbs one only ever adds.
const RUNS: usize = 3;

fn main() -> ExitCode {
    let is_measuring = is_measuring();
    let seconds = if is_measuring { 12 } else { 1 };
    match compare(seconds, if is_measuring { RUNS } else { 1 }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("opus: {e}");
            ExitCode::FAILURE
        }
    }
}

/// A stereo sound.
struct Sound {
    name: &'static str,
    samples: Vec<f32>,
}

fn sounds(seconds: usize) -> [Sound; 2] {
    [("music", signals::music as fn(usize, usize) -> f32), ("speech", signals::speech)].map(
        |(name, signal)| {
            let frames = 0..seconds * 48_000;
            Sound { name, samples: frames.flat_map(|n| [signal(n, 0), signal(n, 1)]).collect() }
        },
    )
}

/// What came out of an encoder and a decoder.
struct Coded {
    /// Aligned with what went in.
    decoded: Vec<f32>,
    /// The bitrate of the packets alone.
    kbps: f64,
    /// What the encoder takes, in percent of a core.
    encoder_percent: f64,
    decoder_percent: f64,
}

fn compare(seconds: usize, runs: usize) -> Result<()> {
    let sounds = sounds(seconds);
    println!("\nOpus in packets of 20 ms, {seconds} s of sound that is made here");
    println!("(NMR: what is wrong against what the ear masks, below 0 dB is below the threshold;");
    println!(" heard: pieces of 43 ms with a critical band where it is above)\n");
    println!(
        "{:>7}  {:>6}  {:>9}  {:>6}  {:>8}  {:>8}  {:>6}  {:>8}  {:>8}",
        "", "kbit/s", "", "real", "SNR dB", "NMR dB", "heard", "encoder", "decoder"
    );
    for Sound { name, samples } in &sounds {
        for kbps in BITRATES.into_iter().filter(|kbps| *kbps <= 192) {
            let bitrate = Bitrate::nearest(kbps);
            let ours = ours(samples, bitrate, None, runs)?;
            let cost = |percent: f64| format!("{percent:.2} %");
            let costs = (cost(ours.encoder_percent), cost(ours.decoder_percent));
            println!("{}", row(name, kbps, "ours", samples, &ours, costs));
            if let Some(theirs) = libopus::there_and_back(samples, ours.kbps)? {
                let costs = (String::new(), String::new());
                println!("{}", row(name, kbps, "libopus", samples, &theirs, costs));
            }
        }
    }
    if !libopus::is_installed() {
        println!("\nlibopus is not compared: opusenc and opusdec are not installed (opus-tools)");
    }
    println!("\n128 kbit/s at every complexity (encoder: {TARGET_PERCENT} % of a core or less)\n");
    println!(
        "{:>7}  {:>10}  {:>8}  {:>8}  {:>6}  {:>8}",
        "", "complexity", "SNR dB", "NMR dB", "heard", "encoder"
    );
    for Sound { name, samples } in &sounds {
        for complexity in 0..=10 {
            let coded = ours(samples, Bitrate::nearest(128), Some(complexity), runs)?;
            let masking::Heard { nmr_db, share } = masking::compare(samples, &coded.decoded);
            println!(
                "{name:>7}  {complexity:>10}  {:>8.1}  {nmr_db:>8.1}  {:>4.1} %  {:>6.2} %",
                snr_db(samples, &coded.decoded),
                share * 100.0,
                coded.encoder_percent
            );
        }
    }
    Ok(())
}

fn row(
    sound: &str,
    kbps: u16,
    who: &str,
    original: &[f32],
    coded: &Coded,
    (encoder, decoder): (String, String),
) -> String {
    let masking::Heard { nmr_db, share } = masking::compare(original, &coded.decoded);
    format!(
        "{sound:>7}  {kbps:>6}  {who:>9}  {:>6.1}  {:>8.1}  {nmr_db:>8.1}  {:>4.1} %  {encoder:>8}  {decoder:>8}",
        coded.kbps,
        snr_db(original, &coded.decoded),
        share * 100.0
    )
}

/// Through our own encoder and decoder, at the complexity that the program uses unless another is
/// named.
fn ours(samples: &[f32], bitrate: Bitrate, complexity: Option<u8>, runs: usize) -> Result<Coded> {
    let layout = Layout::for_delay(DELAY_MS);
    let (frames, channels) = (layout.frames as usize, 2_u16);
    let seconds = samples.len() as f64 / 2.0 / 48_000.0;
    let percent = |spent: Duration| spent.as_secs_f64() / seconds * 100.0;
    let mut best: Option<Coded> = None;
    for _ in 0..runs {
        let mut encoder = match complexity {
            Some(complexity) => Encoder::with_complexity(layout, channels, bitrate, complexity)?,
            None => Encoder::new(layout, channels, bitrate)?,
        };
        let begun = cpu();
        let mut packets = Vec::new();
        for piece in samples.chunks_exact(frames * 2) {
            packets.push(encoder.encode(piece).ok_or("a piece was not encoded")?.to_vec());
        }
        let encoding = cpu().saturating_sub(begun);
        let mut decoder = Decoder::new(channels).ok_or("no decoder")?;
        let (mut decoded, mut piece) = (Vec::with_capacity(samples.len()), Vec::new());
        let begun = cpu();
        for packet in &packets {
            decoder.decode(packet, layout.frames, &mut piece).map_err(|e| e.to_string())?;
            decoded.extend_from_slice(&piece);
        }
        let decoding = cpu().saturating_sub(begun);
        decoded.drain(..layout.delay as usize * 2);
        let bytes: usize = packets.iter().map(Vec::len).sum();
        let before = best
            .as_ref()
            .map_or((f64::MAX, f64::MAX), |best| (best.encoder_percent, best.decoder_percent));
        best = Some(Coded {
            decoded,
            kbps: bytes as f64 * 8.0 / 1e3 / seconds,
            encoder_percent: percent(encoding).min(before.0),
            decoder_percent: percent(decoding).min(before.1),
        });
    }
    best.ok_or_else(|| "nothing was run".into())
}

/// Signal to noise, in dB, behind a fifth of a second in which codecs settle.
fn snr_db(original: &[f32], decoded: &[f32]) -> f64 {
    let pairs = || original.iter().zip(decoded).skip(19_200);
    let signal: f64 = pairs().map(|(o, _)| f64::from(*o).powi(2)).sum();
    let noise: f64 = pairs().map(|(o, d)| f64::from(o - d).powi(2)).sum();
    10.0 * (signal / noise).log10()
}

/// CPU time of this thread.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Elsewhere it is time on the clock, which other programs lengthen.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn cpu() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    BEGUN.get_or_init(Instant::now).elapsed()
}
