//! What mixing costs: a hundred sources, and a mix of their own for each who speaks, in shares of a
//! core by the thread's own processor time.
//!
//! Run as a test (`cargo test --bench mix`), it takes a hundredth of the time.

use std::hint::black_box;
use std::time::Duration;

use auralync::format::Format;
use auralync::send::mix::combine::{Combine, Id, Role, Settings};

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

/// Frames in a chunk: 10 ms.
const CHUNK: usize = 480;

fn main() {
    let seconds = if std::env::args().any(|word| word == "--bench") { 20.0 } else { 0.2 };
    println!("mixing at {STEREO}, {CHUNK} frames at a time, {seconds} s of sound");
    for (peak, what) in [(0.002, "far below the limit"), (0.5, "limited all the time")] {
        let share = sources(100, peak, seconds);
        println!("  100 sources, {what:<22} {:6.2} % of a core", share * 100.0);
    }
    for (peak, what) in [(0.002, "far below the limit"), (0.5, "limited all the time")] {
        for talkers in [2, 8, 16, 32, 64] {
            let share = talk(talkers, peak, seconds);
            println!(
                "  {talkers:3} talkers, {what:<22} {:6.2} % of a core, {:.3} % each",
                share * 100.0,
                share * 100.0 / f64::from(talkers)
            );
        }
    }
}

/// Sound of its own for each of them.
fn sound(of: u32, peak: f32) -> Vec<f32> {
    let step = (200.0 + 37.0 * of as f32) * std::f32::consts::TAU / STEREO.sample_rate as f32;
    (0..CHUNK).flat_map(|n| [(step * n as f32).sin() * peak; 2]).collect()
}

/// The share of a core that a mix of so many sources takes.
fn sources(count: u32, peak: f32, seconds: f64) -> f64 {
    let mut combine = Combine::new(STEREO);
    let sounds: Vec<_> = (0..count).map(|of| sound(of, peak)).collect();
    let settings = Settings { level_db: -3.0, pan: 0.3, ..Settings::default() };
    (0..count).for_each(|id| _ = combine.add(Id(id.into()), Role::Film, settings));
    share(seconds, || {
        combine.begin(CHUNK);
        for (id, sound) in (0..).zip(&sounds) {
            combine.input(Id(id), black_box(sound), false);
        }
        black_box(combine.common());
    })
}

/// The share of a core that a mix of a film takes and so many who all speak, and hear everybody but
/// themselves.
fn talk(talkers: u32, peak: f32, seconds: f64) -> f64 {
    let mut combine = Combine::new(STEREO);
    combine.set_duck_db(12.0);
    let sounds: Vec<_> = (0..=talkers).map(|of| sound(of, peak)).collect();
    for id in 0..=talkers {
        let role = if id == 0 { Role::Film } else { Role::Voice };
        combine.add(Id(id.into()), role, Settings::default());
    }
    let mut listeners: Vec<_> =
        (1..=talkers).map(|id| combine.listener().without(Some(Id(id.into())))).collect();
    share(seconds, || {
        combine.begin(CHUNK);
        for (id, sound) in (0..).zip(&sounds) {
            combine.input(Id(id), black_box(sound), true);
        }
        let shared = combine.shared();
        for listener in &mut listeners {
            black_box(listener.mix(&shared));
        }
        black_box(combine.common());
    })
}

/// Processor time per time of sound.
fn share(seconds: f64, mut chunk: impl FnMut()) -> f64 {
    let chunks = (seconds * f64::from(STEREO.sample_rate) / CHUNK as f64) as u32;
    let before = processor_time();
    (0..chunks).for_each(|_| chunk());
    let spent = processor_time().saturating_sub(before);
    spent.as_secs_f64() / (f64::from(chunks) * CHUNK as f64 / f64::from(STEREO.sample_rate))
}

/// The processor time of this thread so far.
#[cfg(unix)]
fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Where the thread cannot be asked, the clock must do: nothing else runs here.
#[cfg(not(unix))]
fn processor_time() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
