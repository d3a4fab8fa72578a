//! `auralync-client`: flags → settings → play → exit code.

use std::ffi::OsString;
#[cfg(unix)]
use std::process::Command;
use std::process::ExitCode;

use auralync::Listener;
use auralync::control;
use auralync::discovery::follow::Whereabouts;
use auralync::discovery::{list, seek};
use auralync::error::Error;
use auralync::program::{self, print};
use auralync::recording::STDOUT;
use auralync::recv::Client;
use auralync::self_test::Wanted;
use auralync::service;
use auralync::settings::ctl::{CTL, CtlCommand};
use auralync::settings::service::{ClientService, as_typed, is_meant};
use auralync::settings::{
    CalibrateCommand, ClientArgs, ClientSettings, Output, code, join_mode, parse,
};
use auralync::shutdown::Shutdown;
use auralync::stats::StatsTarget;

const NAME: &str = "auralync-client";

/// A link or a code on the command line would be read by everybody on this computer as long as the program runs:
/// so it starts itself again without.
///
/// # Errors
/// The exit code where that fails.
#[cfg(unix)]
fn hide_keys(words: Vec<OsString>) -> Result<Vec<OsString>, ExitCode> {
    use std::os::unix::process::CommandExt;

    use auralync::settings::link;

    let (words, code) = code::take(words);
    let (words, link) = link::take(words);
    if link.is_none() && code.is_none() {
        return Ok(words);
    }
    let failed = match std::env::current_exe() {
        Ok(program) => {
            let mut again = Command::new(program);
            again.args(&words[1..]).envs(link.map(|link| (link::VARIABLE, link.to_string())));
            again.envs(code.map(|code| (code::VARIABLE, code.to_string())));
            again.exec()
        }
        Err(e) => e,
    };
    eprintln!(
        "{NAME}: cannot take the key from the command line, where everybody on this computer may read it: \
         {failed}. Use --link FILE, or type the code when it is asked for."
    );
    Err(ExitCode::FAILURE)
}

/// On Windows a user's command lines are read by that user and administrators alone.
#[cfg(not(unix))]
fn hide_keys(words: Vec<OsString>) -> Result<Vec<OsString>, ExitCode> {
    let (mut words, code) = code::take(words);
    words.extend(code.map(|code| format!("--code={}", *code).into()));
    Ok(words)
}

fn main() -> ExitCode {
    let words = program::words();
    // Before a link is taken away: there it is refused.
    if is_meant(&words) {
        return program::run(NAME, &words, |command: ClientService| {
            let said = service::run(service::Program::Client, command.order(), agree)?;
            said.into_iter().for_each(print);
            Ok(())
        });
    }
    let words = match hide_keys(words) {
        Ok(words) => words,
        Err(code) => return code,
    };
    if words.get(1).is_some_and(|word| word == CTL) {
        return program::run(NAME, &words, |command: CtlCommand| {
            print(control::ctl::run(command.args())?);
            Ok(())
        });
    }
    if CalibrateCommand::is_meant(&words) {
        return program::run(NAME, &words, |command: CalibrateCommand| {
            let settings = command.settings()?;
            program::show_log(NAME, settings.level);
            program::calibrate(&settings)
        });
    }
    program::run(NAME, &join_mode(words), |args: ClientArgs| {
        let settings = args.settings()?;
        program::show_log(NAME, settings.level);
        if settings.list_devices {
            return program::list_devices();
        }
        if settings.self_test {
            let output = settings.device;
            return program::self_test(&Wanted { output, ..Wanted::default() }, settings.level);
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
        let (place, shutdown) = if service::is_one() {
            let shutdown = program::stop_on_signals()?;
            let Some(place) = seek::patiently(settings.sought(), &shutdown)? else { return Ok(()) };
            (place, shutdown)
        } else {
            // Until it is answered, Ctrl-C ends the question.
            let place = seek::server(settings.sought(), program::is_interactive())?;
            (place, program::stop_on_signals()?)
        };
        let may_ask =
            program::is_interactive() && settings.link.is_none() && settings.code.is_none();
        match listen(settings.clone(), place.anew(), &shutdown) {
            Err(Error::Private { address }) if may_ask => {
                let code = Some(program::ask_for_code(address)?);
                // A file that was begun is this program's own.
                listen(ClientSettings { code, overwrite: true, ..settings }, place, &shutdown)
            }
            outcome => outcome,
        }
    })
}

/// Whether the client could be started with these flags.
fn agree(flags: &[OsString]) -> auralync::Result<()> {
    parse::<ClientArgs>(&join_mode(as_typed(NAME, flags)))?.settings().map(drop)
}

/// Listens to the server at `place` until `shutdown`.
fn listen(
    settings: ClientSettings,
    place: Whereabouts,
    shutdown: &Shutdown,
) -> auralync::Result<()> {
    let server = place.to_string();
    let is_piped = settings.output == Output::Wav(STDOUT.into());
    let quiet = is_piped
        || settings.stats == Some(StatsTarget::Stdout)
        || settings.level < log::LevelFilter::Info;
    let (level, stats) = (settings.level, settings.stats.clone());
    let network = settings.simulate.as_ref();
    let network = network.map(|n| format!(" over a simulated network ({n})")).unwrap_or_default();
    let mut client = Client::open(settings, place)?;
    if !quiet {
        let output = client.output_name();
        print(format_args!("Listening to {server} on {output}{network}. Ctrl-C stops."));
    }
    client.show_on(program::status(level, stats.as_ref()));
    Listener::start(client, shutdown.clone())?.wait()
}
