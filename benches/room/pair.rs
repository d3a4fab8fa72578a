//! AuraLync from `pc` to `ear1`, and the bare pipe to `ear2` with what AuraLync uses.

use std::process::ChildStdin;

use crate::measuring::Result;
use crate::pipe;
use crate::support::program::Program;
use crate::support::room::{EAR1, EAR2, Room};

/// Both ways of the sound, flowing.
pub(crate) struct Pair {
    server: Program,
    client: Program,
    pipe: Program,
    /// The pipe ends with this.
    runs: ChildStdin,
    capture_period: u32,
    output_period: u32,
}

impl Pair {
    /// Starts everything and waits until sound flows both ways. `flags` go to the server, and make
    /// the delay what it is.
    pub(crate) fn start(
        room: &Room,
        preset: &str,
        flags: &[String],
        delay_ms: u32,
    ) -> Result<Self> {
        let mut command = room.command(env!("CARGO_BIN_EXE_auralync-server"));
        command.args(["--preset", preset, "--source", "loopback:pc", "-v"]).args(flags);
        command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"]);
        let mut server = Program::start(command);
        let address = server.address().to_string();
        let capture_period = server.find("its period", period);

        let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
        command.args([&address, "--device", EAR1.name, "--stats", "-", "-v"]);
        let mut client = Program::start(command);
        let output_period = client.find("its period", period);
        client.find("its delay", |line| {
            let stats: serde_json::Value = serde_json::from_str(line).ok()?;
            stats["delay_ms"].as_f64().filter(|delay| *delay > 0.0)
        });

        let mut command = room.command(&std::env::current_exe()?.display().to_string());
        command.arg(pipe::ROLE).args(["pc.monitor", EAR2.name]);
        command.args([delay_ms, capture_period, output_period].map(|number| number.to_string()));
        let (mut pipe, runs) = Program::start_told(command);
        pipe.wait_for(pipe::FLOWING);
        Ok(Self { server, client, pipe, runs, capture_period, output_period })
    }

    /// What both ways ask their cards for, in words.
    pub(crate) fn periods(&self) -> String {
        format!("the same periods: {} frames in, {} out", self.capture_period, self.output_period)
    }

    pub(crate) fn stop(mut self) {
        drop(self.runs);
        self.pipe.wait();
        self.client.stop();
        self.server.stop();
    }
}

/// The period that a program says it uses.
fn period(line: &str) -> Option<u32> {
    line.strip_suffix(" frames a time")?.rsplit(' ').next()?.parse().ok()
}
