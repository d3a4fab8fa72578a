//! How late and how whole sound arrives: what plays on `pc`, heard on `ear1` through AuraLync and
//! on `ear2` through a bare pipe from card to card, both read off one recording.
//!
//! The pipe has no network and no second clock, but the same delay and the same periods: what goes
//! wrong on it too is the sound system's doing. The room is a PulseAudio of our own; nothing of
//! this is heard. Run as a test (`cargo test --bench room`), one preset is listened to for a moment;
//! `cargo bench --bench room -- live` listens to that preset alone, and `-- sweep` tries delays and
//! chunks around it.

#[cfg(target_os = "linux")]
mod house;
#[cfg(target_os = "linux")]
mod listen;
#[cfg(target_os = "linux")]
mod pair;
#[cfg(target_os = "linux")]
mod pipe;
#[cfg(target_os = "linux")]
#[path = "../running.rs"]
mod running;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == pipe::ROLE => pipe::run(rest),
        _ => measure(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("room: {e}");
            ExitCode::FAILURE
        }
    }
}

/// A preset with the delay that its listeners should have, in ms.
#[cfg(target_os = "linux")]
const PRESETS: [(&str, u32, &str); 3] = [
    ("low-latency", 80, "80 ± 5 ms, undamaged"),
    ("smooth", 300, "300 ± 5 ms, undamaged"),
    ("live", 25, "25 ms or less, no more damage than the pipe"),
];

/// What a sweep tries: delays in ms, and chunks in frames. The cards' periods follow the delay.
#[cfg(target_os = "linux")]
const SWEEP: ([u32; 4], [u32; 2]) = ([10, 15, 20, 25], [64, 128]);

#[cfg(target_os = "linux")]
fn sweep(house: &house::House) -> running::Result<()> {
    use std::time::Duration;

    for delay_ms in SWEEP.0 {
        for chunk in SWEEP.1 {
            let flags = ["--playout-delay-ms", &delay_ms.to_string()]
                .into_iter()
                .chain(["--chunk-size", &chunk.to_string()])
                .map(str::to_owned)
                .collect::<Vec<_>>();
            let pair = pair::Pair::start(house, "live", &flags, delay_ms)?;
            let recording = house.record(Duration::from_secs(4), Duration::from_secs(20))?;
            let [ours, pipe] =
                [house::EAR1, house::EAR2].map(|ear| listen::compare(&recording, ear, delay_ms));
            println!("{}", ours.row(&format!("{delay_ms} ms, {chunk}: AuraLync"), ""));
            println!("{}", pipe.row(&format!("{delay_ms} ms: bare pipe"), &pair.periods()));
            pair.stop()?;
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn measure() -> running::Result<()> {
    use std::time::Duration;

    let measuring = running::is_measuring();
    let (settle, listening) = if measuring { (4, 60) } else { (2, 2) };
    let (settle, listening) = (Duration::from_secs(settle), Duration::from_secs(listening));
    let house = house::House::open()?;
    println!("\nSound from “pc” to an ear in one room, {} s each\n", listening.as_secs());
    println!("{}", listen::HEADING);
    if measuring && std::env::args().any(|argument| argument == "sweep") {
        return sweep(&house);
    }
    let named = |preset: &str| std::env::args().any(|argument| argument == preset);
    let some_are_named = PRESETS.iter().any(|(preset, ..)| named(preset));
    let presets = if measuring { &PRESETS[..] } else { &PRESETS[..1] };
    for &(preset, delay_ms, target) in presets {
        if some_are_named && !named(preset) {
            continue;
        }
        let pair = pair::Pair::start(&house, preset, &[], delay_ms)?;
        let recording = house.record(settle, listening)?;
        let [through_auralync, through_pipe] =
            [house::EAR1, house::EAR2].map(|ear| listen::compare(&recording, ear, delay_ms));
        println!("{}", through_auralync.row(&format!("{preset}: AuraLync"), target));
        println!("{}", through_pipe.row(&format!("{preset}: bare pipe"), &pair.periods()));
        pair.stop()?;
        // Too busy a machine can break every window of a short delay: that is a figure, too.
        if through_auralync.is_silent() && !measuring {
            return Err(format!("nothing was heard with preset {preset}").into());
        }
    }
    Ok(())
}

/// The room is made of PulseAudio.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("room: this measures on Linux only");
    ExitCode::SUCCESS
}
