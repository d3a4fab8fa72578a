//! `auralync-client`: flags → settings → play → exit code.

use std::process::ExitCode;

use auralync::program::{self, print};
use auralync::recv::Client;
use auralync::settings::{ClientArgs, StatsTarget, ask_for_host, host_missing};

const NAME: &str = "auralync-client";

fn main() -> ExitCode {
    program::run(NAME, |args: ClientArgs| {
        let settings = args.settings()?;
        program::show_log(NAME, settings.level);
        if settings.list_devices {
            return program::list_devices();
        }
        let target = match settings.target.clone() {
            Some(target) => target,
            None if program::is_interactive() => {
                let mut stdin = std::io::stdin().lock();
                ask_for_host(&mut stdin, &mut std::io::stderr(), settings.port)?
            }
            None => return Err(host_missing()),
        };
        let shutdown = program::stop_on_signals()?;
        let quiet =
            settings.stats == Some(StatsTarget::Stdout) || settings.level < log::LevelFilter::Info;
        let (level, stats) = (settings.level, settings.stats.clone());
        let mut client = Client::open(settings, target.clone())?;
        if !quiet {
            print(format_args!("Listening to {target} on {}. Ctrl-C stops.", client.output_name()));
        }
        client.show_on(program::status(level, stats.as_ref()));
        client.run(&shutdown)
    })
}
