//! How late and how whole sound arrives: what plays on `pc`, heard on `ear1` through AuraLync and
//! on `ear2` through a bare pipe from card to card, both read off one recording.
//!
//! The pipe has no network and no second clock, but the same delay and the same periods: what goes
//! wrong on it too is the sound system's doing. The room is a PulseAudio of our own; nothing of
//! this is heard. Run as a test (`cargo test --bench room`), one preset is listened to for a moment;
//! `cargo bench --bench room -- live` listens to that preset alone, and `-- sweep` tries delays and
//! chunks around it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that cannot go on should stop where it stands"
)]

#[cfg(target_os = "linux")]
mod listen;
#[cfg(target_os = "linux")]
#[path = "../measuring.rs"]
mod measuring;
#[cfg(target_os = "linux")]
mod pair;
#[cfg(target_os = "linux")]
mod pipe;
#[cfg(target_os = "linux")]
#[path = "../../tests/support"]
mod support {
    mod address;
    pub(crate) mod compare;
    mod likeness;
    pub(crate) mod median;
    mod music;
    pub(crate) mod program;
    pub(crate) mod recorder;
    #[allow(dead_code, reason = "no room is beside one here")]
    pub(crate) mod room;
    mod scratch;
    pub(crate) mod stereo;
    mod told;
    pub(crate) mod waiting;
    mod wav;
}

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
fn sweep(room: &support::room::Room) -> measuring::Result<()> {
    for delay_ms in SWEEP.0 {
        for chunk in SWEEP.1 {
            let flags = ["--playout-delay-ms", &delay_ms.to_string()]
                .into_iter()
                .chain(["--chunk-size", &chunk.to_string()])
                .map(str::to_owned)
                .collect::<Vec<_>>();
            let pair = pair::Pair::start(room, "live", &flags, delay_ms)?;
            let [ours, pipe] = listen::listen(room, delay_ms, 4, 20);
            println!("{}", ours.row(&format!("{delay_ms} ms, {chunk}: AuraLync"), ""));
            println!("{}", pipe.row(&format!("{delay_ms} ms: bare pipe"), &pair.periods()));
            pair.stop();
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn measure() -> measuring::Result<()> {
    let measuring = measuring::is_measuring();
    let (settle, listening) = if measuring { (4, 60) } else { (2, 2) };
    let room = support::room::Room::open();
    println!("\nSound from “pc” to an ear in one room, {listening} s each\n");
    println!("{}", listen::HEADING);
    if measuring && std::env::args().any(|argument| argument == "sweep") {
        return sweep(&room);
    }
    let named = |preset: &str| std::env::args().any(|argument| argument == preset);
    let some_are_named = PRESETS.iter().any(|(preset, ..)| named(preset));
    let presets = if measuring { &PRESETS[..] } else { &PRESETS[..1] };
    for &(preset, delay_ms, target) in presets {
        if some_are_named && !named(preset) {
            continue;
        }
        let pair = pair::Pair::start(&room, preset, &[], delay_ms)?;
        let [through_auralync, through_pipe] = listen::listen(&room, delay_ms, settle, listening);
        println!("{}", through_auralync.row(&format!("{preset}: AuraLync"), target));
        println!("{}", through_pipe.row(&format!("{preset}: bare pipe"), &pair.periods()));
        pair.stop();
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
