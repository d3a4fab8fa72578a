//! `make demo-mix`: three generated WAV files, mixed as the server mixes them, one of which ends
//! before the others; then what each is in the mix, and how high the mix's curve goes.

#[path = "../../tests/support/scratch.rs"]
mod scratch;

use std::f64::consts::TAU;
use std::path::PathBuf;
use std::process::ExitCode;

use auralync::Result;
use auralync::format::{Format, dbfs};
use auralync::recording::WavFile;
use auralync::send::mix::combine::{Combine, Id, Role, Settings};
use auralync::soundless::Generator;
use auralync::source::Kind;
use scratch::Scratch;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };
const CHUNK: usize = 480;

/// How long the mix is; the second file ends at half of it.
const SECONDS: usize = 6;

/// Name, Hz, peak, seconds, level in dB.
const FILES: [(&str, f64, f64, usize, f32); 3] =
    [("low", 250.0, 0.7, 6, 0.0), ("middle", 600.0, 0.5, 3, 0.0), ("high", 1_500.0, 0.5, 6, -6.0)];

fn main() -> ExitCode {
    match demo(&Scratch::new()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("demo-mix: a level or the peak is not what it should be: see above.");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("demo-mix: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo(folder: &Scratch) -> Result<bool> {
    let mut combine = Combine::new(STEREO);
    let mut files = Vec::new();
    for (n, (name, hz, peak, seconds, level_db)) in FILES.into_iter().enumerate() {
        let path = write(folder, name, hz, peak, seconds)?;
        combine.add(Id(n as u64), Role::Film, Settings { level_db, ..Settings::default() });
        files.push(Some(Generator::open(&Kind::File(path), false, STEREO)?));
    }
    let mut mix = Vec::new();
    let mut samples = vec![0.0; STEREO.samples(CHUNK)];
    while STEREO.frames(mix.len()) < SECONDS * STEREO.sample_rate as usize {
        combine.begin(CHUNK);
        for (id, file) in (0..).zip(&mut files) {
            let Some(generator) = file else { continue };
            let frames = generator.read(&mut samples)?;
            combine.input(Id(id), &samples[..STEREO.samples(frames)], false);
            if frames == 0 {
                combine.remove(Id(id));
                *file = None;
            }
        }
        mix.extend_from_slice(combine.common());
    }
    Ok(print(&mix))
}

fn write(folder: &Scratch, name: &str, hz: f64, peak: f64, seconds: usize) -> Result<PathBuf> {
    let path = folder.path(format!("{name}.wav"));
    let mut file = WavFile::create(&path, STEREO, false)?;
    let step = TAU * hz / f64::from(STEREO.sample_rate);
    let frames = seconds * STEREO.sample_rate as usize;
    let samples: Vec<f32> =
        (0..frames).flat_map(|n| [(peak * (step * n as f64).sin()) as f32; 2]).collect();
    file.write(&samples)?;
    file.finish()?;
    Ok(path)
}

/// Prints what is in the mix; `false` if it is not as it should be.
fn print(mix: &[f32]) -> bool {
    let second = STEREO.samples(STEREO.sample_rate as usize);
    let (three, two) = (&mix[second..2 * second], &mix[5 * second..]);
    let turned_down = |part: &[f32]| {
        // The loudest file tells by how much the limiter has turned down all of them.
        dbfs(amplitude(part, FILES[0].1)) - dbfs(FILES[0].2 as f32)
    };
    let mut is_right = true;
    println!("file     alone      with all three   after the second has ended");
    for (name, hz, peak, seconds, level_db) in FILES {
        let alone = dbfs(peak as f32) + level_db;
        let [first, later] = [three, two].map(|part| dbfs(amplitude(part, hz)));
        println!("{name:<7} {alone:>6.1} dBFS {first:>10.1} dBFS {later:>16.1} dBFS");
        is_right &= (first - turned_down(three) - alone).abs() < 0.2;
        is_right &= if seconds == SECONDS {
            (later - turned_down(two) - alone).abs() < 0.2
        } else {
            later < -60.0
        };
    }
    println!(
        "the limiter turns all of them down by {:.1} dB, then by {:.1} dB",
        -turned_down(three),
        -turned_down(two)
    );
    let peak = dbfs(true_peak(mix));
    println!("true peak of the mix: {peak:.2} dBTP (limit -1.00)");
    is_right && peak <= -1.0
}

/// The amplitude of `hz` on the left.
fn amplitude(stereo: &[f32], hz: f64) -> f32 {
    let step = TAU * hz / f64::from(STEREO.sample_rate);
    let (sine, cosine) =
        stereo.chunks_exact(2).enumerate().fold((0.0, 0.0), |(sine, cosine), (n, frame)| {
            let (s, c) = (step * n as f64).sin_cos();
            (sine + f64::from(frame[0]) * s, cosine + f64::from(frame[0]) * c)
        });
    (2.0 * f64::hypot(sine, cosine) / (stereo.len() / 2) as f64) as f32
}

/// The highest point of the curve through the left channel, at eight points a sample.
fn true_peak(stereo: &[f32]) -> f32 {
    const HALF: usize = 24;
    const POINTS: usize = 8;
    let left: Vec<f64> = stereo.chunks_exact(2).map(|frame| f64::from(frame[0])).collect();
    let taps = |point: usize| -> Vec<f64> {
        let at = point as f64 / POINTS as f64;
        (0..2 * HALF)
            .map(|tap| {
                let x = tap as f64 - (HALF - 1) as f64 - at;
                let window = 0.5 + 0.5 * (std::f64::consts::PI * x / HALF as f64).cos();
                let phase = std::f64::consts::PI * x;
                if x == 0.0 { 1.0 } else { phase.sin() / phase * window }
            })
            .collect()
    };
    let table: Vec<Vec<f64>> = (0..POINTS).map(taps).collect();
    let highest = left.windows(2 * HALF).fold(0.0_f64, |highest, window| {
        table.iter().fold(highest, |highest, taps| {
            let point: f64 = taps.iter().zip(window).map(|(tap, sample)| tap * sample).sum();
            highest.max(point.abs())
        })
    });
    highest as f32
}
