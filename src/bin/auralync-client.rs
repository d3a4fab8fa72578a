//! `auralync-client`: flags → settings → play → exit code.

use std::ffi::OsString;
#[cfg(unix)]
use std::process::Command;
use std::process::ExitCode;

use auralync::control;
use auralync::discovery::{list, seek};
use auralync::program::{self, print};
use auralync::recording::STDOUT;
use auralync::recv::Client;
use auralync::settings::ctl::{CTL, CtlCommand};
use auralync::settings::{ClientArgs, Output, join_mode, link};
use auralync::stats::StatsTarget;

const NAME: &str = "auralync-client";

/// A link on the command line would be read by everybody on this computer as long as the program runs: so it
/// starts itself again without. Returns only where that fails, or there is nothing to hide.
#[cfg(unix)]
fn hide_link(words: &[OsString]) -> Option<ExitCode> {
    use std::os::unix::process::CommandExt;
    let is_link = |word: &&OsString| word.to_str().is_some_and(link::is_one);
    let link = words.iter().skip(1).find(is_link)?;
    let others = words.iter().skip(1).filter(|word| *word != link);
    let program = std::env::current_exe().ok()?;
    let failed = Command::new(program).args(others).env(link::VARIABLE, link).exec();
    eprintln!("{NAME}: cannot take the link from the command line: {failed}. Use --link FILE.");
    Some(ExitCode::FAILURE)
}

/// On Windows a user's command lines are read by that user and administrators alone.
#[cfg(not(unix))]
fn hide_link(_words: &[OsString]) -> Option<ExitCode> {
    None
}

fn main() -> ExitCode {
    let words = program::words();
    if let Some(code) = hide_link(&words) {
        return code;
    }
    if words.get(1).is_some_and(|word| word == CTL) {
        return program::run(NAME, &words, |command: CtlCommand| {
            print(control::ctl::run(command.args())?);
            Ok(())
        });
    }
    program::run(NAME, &join_mode(words), |args: ClientArgs| {
        let settings = args.settings()?;
        program::show_log(NAME, settings.level);
        if settings.list_devices {
            return program::list_devices();
        }
        if settings.list_servers {
            let servers = list::servers()?;
            if settings.json {
                print(list::json(&servers));
            } else {
                print(list::table(&servers));
            }
            return Ok(());
        }
        let place = seek::server(settings.sought(), program::is_interactive())?;
        let server = place.to_string();
        let shutdown = program::stop_on_signals()?;
        let is_piped = settings.output == Output::Wav(STDOUT.into());
        let quiet = is_piped
            || settings.stats == Some(StatsTarget::Stdout)
            || settings.level < log::LevelFilter::Info;
        let (level, stats) = (settings.level, settings.stats.clone());
        let network = settings.simulate.as_ref();
        let network =
            network.map(|n| format!(" over a simulated network ({n})")).unwrap_or_default();
        let mut client = Client::open(settings, place)?;
        if !quiet {
            let output = client.output_name();
            print(format_args!("Listening to {server} on {output}{network}. Ctrl-C stops."));
        }
        client.show_on(program::status(level, stats.as_ref()));
        client.run(&shutdown)
    })
}
