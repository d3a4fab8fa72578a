//! AuraLync from `pc` to `ear1`, and the bare pipe to `ear2` with what AuraLync uses.

use crate::house::House;
use crate::pipe;
use crate::running::{Result, Running};

/// Both ways of the sound, flowing.
pub(crate) struct Pair {
    server: Running,
    client: Running,
    pipe: Running,
    capture_period: u32,
    output_period: u32,
}

impl Pair {
    /// Starts everything and waits until sound flows both ways. `flags` go to the server, and make
    /// the delay what it is.
    pub(crate) fn start(
        house: &House,
        preset: &str,
        flags: &[String],
        delay_ms: u32,
    ) -> Result<Self> {
        let mut command = house.command(env!("CARGO_BIN_EXE_auralync-server"));
        command.args(["--preset", preset, "--source", "loopback:pc", "-v"]).args(flags);
        command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"]);
        let mut server = Running::start("auralync-server", &mut command)?;
        let address = server.wait_for(|line| {
            let typed = line.trim().strip_prefix("auralync-client ")?;
            typed.split_whitespace().next().map(str::to_owned)
        })?;
        let capture_period = server.wait_for(period)?;

        let mut command = house.command(env!("CARGO_BIN_EXE_auralync-client"));
        command.args([&address, "--device", "ear1", "--stats", "-", "-v"]);
        let mut client = Running::start("auralync-client", &mut command)?;
        let output_period = client.wait_for(period)?;
        client.wait_for(|line| {
            let stats: serde_json::Value = serde_json::from_str(line).ok()?;
            stats["delay_ms"].as_f64().filter(|delay| *delay > 0.0)
        })?;

        let mut command = house.command(std::env::current_exe()?);
        command.arg(pipe::ROLE).args(["pc.monitor", "ear2"]);
        command.args([delay_ms, capture_period, output_period].map(|number| number.to_string()));
        let mut pipe = Running::start("the bare pipe", &mut command)?;
        pipe.wait_for(|line| (line == pipe::FLOWING).then_some(()))?;
        Ok(Self { server, client, pipe, capture_period, output_period })
    }

    /// What both ways ask their cards for, in words.
    pub(crate) fn periods(&self) -> String {
        format!("the same periods: {} frames in, {} out", self.capture_period, self.output_period)
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.pipe.stop()?;
        self.client.stop()?;
        self.server.stop()
    }
}

/// The period that a program says it uses.
fn period(line: &str) -> Option<u32> {
    line.strip_suffix(" frames a time")?.rsplit(' ').next()?.parse().ok()
}
