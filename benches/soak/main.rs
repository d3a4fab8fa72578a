//! `make soak HOURS=8`: a server and three listeners left alone for hours, and a table of what they
//! said of themselves and what they held.
//!
//! Two of the listeners play in a PulseAudio of our own, where there is one; nothing of this is
//! heard. Run without hours, it is only tried for a moment.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that cannot go on should stop where it stands"
)]

#[cfg(target_os = "linux")]
#[path = "../../tests/support"]
mod support {
    mod address;
    mod held;
    mod memory;
    pub(crate) mod program;
    #[allow(dead_code, reason = "no room is beside one here")]
    pub(crate) mod room;
    pub(crate) mod scratch;
    pub(crate) mod stereo;
    mod waiting;
}
#[cfg(target_os = "linux")]
mod watched;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let hours = std::env::args().skip(1).find_map(|argument| argument.parse::<f64>().ok());
    soak(hours);
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn soak(hours: Option<f64>) {
    use std::time::{Duration, Instant};

    use support::room::{EAR1, EAR2, Room};
    use support::scratch::Scratch;
    use watched::Watched;

    /// Long enough that every program has said something.
    const A_MOMENT: Duration = Duration::from_secs(6);
    /// Most rows that are printed for each program.
    const ROWS: u32 = 48;
    const SHORTEST_ROW: Duration = Duration::from_secs(3);

    let whole = hours.map_or(A_MOMENT, |hours| Duration::from_secs_f64(hours * 3600.0));
    let row = (whole / ROWS).max(SHORTEST_ROW);
    let room = watched::has_sound().then(Room::open);
    if room.is_none() {
        println!("There is no PulseAudio. Without it, nothing is played.");
    }
    let _playing = room.as_ref().map(watched::play);
    let scratch = Scratch::new();

    let source = if room.is_some() { "loopback:pc" } else { "tone" };
    let mut server = Watched::server(room.as_ref(), source);
    let address = server.address();
    let ears = room.iter().flat_map(|room| [(Some(room), EAR1.name), (Some(room), EAR2.name)]);
    let mut programs = vec![server];
    programs.extend(
        ears.chain([(None, "null")])
            .map(|(room, output)| Watched::listener(room, &address, output, &scratch)),
    );

    println!("{}", watched::HEADING);
    let start = Instant::now();
    while start.elapsed() < whole {
        std::thread::sleep(row.min(whole.saturating_sub(start.elapsed())));
        for program in &mut programs {
            println!("{}", program.row(start.elapsed()));
        }
    }
    println!("\nAll in all");
    for program in &mut programs {
        println!("{}", program.sum(start.elapsed()));
    }
    // Listeners first: without a server they would complain.
    programs.into_iter().rev().for_each(Watched::stop);
}

/// What a program holds is read from /proc.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("soak: this measures on Linux only");
    ExitCode::SUCCESS
}
