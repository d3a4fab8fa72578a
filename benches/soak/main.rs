//! `make soak HOURS=8`: a server and three listeners left alone for hours, and a table of what they
//! said of themselves and what they held.
//!
//! Two of the listeners play in a PulseAudio of our own, where there is one; nothing of this is
//! heard. Run without hours, it is only tried for a moment.

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "a soak records nothing")]
#[path = "../room/house.rs"]
mod house;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "a soak plays noise and compares none")]
#[path = "../room/listen.rs"]
mod listen;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "a soak reads what programs say as it comes")]
#[path = "../running.rs"]
mod running;
#[cfg(target_os = "linux")]
mod watched;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let hours = std::env::args().skip(1).find_map(|argument| argument.parse::<f64>().ok());
    match soak(hours) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("soak: {e}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
fn soak(hours: Option<f64>) -> running::Result<()> {
    use std::time::{Duration, Instant};

    use house::House;
    use watched::Watched;

    /// Long enough that every program has said something.
    const A_MOMENT: Duration = Duration::from_secs(6);
    /// Most rows that are printed for each program.
    const ROWS: u32 = 48;
    const SHORTEST_ROW: Duration = Duration::from_secs(3);

    let whole = hours.map_or(Ok(A_MOMENT), |hours| Duration::try_from_secs_f64(hours * 3600.0))?;
    let row = (whole / ROWS).max(SHORTEST_ROW);
    let house = House::open().inspect_err(|e| println!("{e}. Without it, nothing is played.")).ok();
    let _playing = house.as_ref().map(watched::play).transpose()?;

    let source = if house.is_some() { "loopback:pc" } else { "tone" };
    let mut server = Watched::server(house.as_ref(), source)?;
    let address = server.address()?;
    let mut programs = vec![server, Watched::listener(None, &address, "null")?];
    if let Some(house) = &house {
        for ear in ["ear1", "ear2"] {
            programs.push(Watched::listener(Some(house), &address, ear)?);
        }
    }

    println!("{}", watched::HEADING);
    let start = Instant::now();
    while start.elapsed() < whole {
        std::thread::sleep(row.min(whole.saturating_sub(start.elapsed())));
        for program in &mut programs {
            println!("{}", program.row(start.elapsed())?);
        }
    }
    println!("\nAll in all");
    for program in &mut programs {
        println!("{}", program.sum(start.elapsed())?);
    }
    // Listeners first: without a server they would complain.
    while programs.pop().is_some() {}
    Ok(())
}

/// What a program holds is read from /proc.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("soak: this measures on Linux only");
    ExitCode::SUCCESS
}
