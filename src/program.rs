//! What both binaries do around the library: read flags, show the log, hear signals, end with a
//! code and a sentence.

mod browser;
#[cfg(windows)]
mod closing;

use std::ffi::OsString;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use clap::Parser;
use zeroize::Zeroizing;

use crate::error::{Error, Result, exit};
use crate::format::printable;
use crate::secure::code::Code;
use crate::self_test;
use crate::service;
use crate::settings::{self, CalibrateSettings, KEEP_WINDOW};
use crate::shutdown::Shutdown;
use crate::stats::StatsTarget;
use crate::status::{self, LogLines, Terminal};
use crate::threads::{Priority, spawn};
pub use browser::open_page;

/// Longest sentence on the terminal, in characters. The longest of ours names a page of devices.
const LONGEST_SENTENCE: usize = 4_000;

/// How often what may wait for long looks whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Runs a program called `name`: its flags are `Args`, which `words` (the program's own first) say;
/// its work is `work`.
pub fn run<Args: Parser>(
    name: &str,
    words: &[OsString],
    work: impl FnOnce(Args) -> Result<()>,
) -> ExitCode {
    let code = match Args::try_parse_from(words) {
        Ok(args) => finish(name, work(args)),
        Err(e) if !e.use_stderr() => {
            // Help and version. A reader that went away is no failure.
            let _ = e.print();
            0
        }
        Err(e) => finish(name, Err(settings::usage_error(&Args::command(), words, &e))),
    };
    if code != 0 {
        keep_window(words);
    }
    ExitCode::from(code)
}

/// What was typed, the program's own name first.
#[must_use]
pub fn words() -> Vec<OsString> {
    std::env::args_os().collect()
}

fn finish(name: &str, result: Result<()>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(e) => {
            let mut stderr = std::io::stderr().lock();
            let _ = writeln!(stderr, "{name}: {}.", on_one_line(&e.to_string()));
            e.exit_code()
        }
    }
}

/// A sentence without what a terminal would obey: names in it come from devices, files and strangers.
fn on_one_line(sentence: &str) -> String {
    printable(sentence, LONGEST_SENTENCE)
}

/// The terminal that shows a live status, if a person looks at one: not with `-q`, and not where the
/// statistics scroll.
#[must_use]
pub fn status(level: log::LevelFilter, stats: Option<&StatsTarget>) -> Option<Terminal> {
    let scrolls = stats == Some(&StatsTarget::Stdout) && std::io::stdout().is_terminal();
    if level < log::LevelFilter::Info || scrolls { None } else { Terminal::open() }
}

/// Shows log lines of `level` and above on stderr, above the status if there is one; `RUST_LOG` says otherwise.
pub fn show_log(name: &'static str, level: log::LevelFilter) {
    let mut log = env_logger::Builder::new();
    // Libraries complain while they guess formats or wait for a sound server, and tell what Windows
    // did for them; our own sentences say what matters.
    log.filter_level(log::LevelFilter::Off).filter_module("auralync", level).parse_default_env();
    log.format(move |out, record| {
        let time = out.timestamp_seconds();
        let said = on_one_line(&record.args().to_string());
        match record.level() {
            log::Level::Info => writeln!(out, "{name}: {said}"),
            log::Level::Warn | log::Level::Error => writeln!(out, "{name}: {said}."),
            level => writeln!(out, "{time} {level} {}: {said}", record.target()),
        }
    });
    log.target(env_logger::Target::Pipe(Box::new(LogLines)));
    // A second call in one process keeps the first.
    let _ = log.try_init();
}

/// A [`Shutdown`] that Ctrl-C, SIGTERM, closing the window and whoever keeps this program running ask for; a
/// second Ctrl-C ends the process at once, but for a service: whoever keeps that running may say so once more.
///
/// # Errors
/// [`Error::Internal`] if the system takes no handler or gives no thread.
pub fn stop_on_signals() -> Result<Shutdown> {
    let shutdown = Shutdown::default();
    let asked = shutdown.clone();
    let is_service = service::is_one();
    ctrlc::set_handler(move || {
        if asked.is_requested() && !is_service {
            status::release();
            std::process::exit(exit::INTERNAL.into());
        }
        asked.request();
    })
    .map_err(|e| Error::internal("cannot hear Ctrl-C", e))?;
    #[cfg(windows)]
    closing::stop_when_closed(&shutdown)
        .map_err(|e| Error::internal("cannot hear that the window is closed", e))?;
    #[cfg(windows)]
    service::stop_when_let_go(&shutdown)?;
    Ok(shutdown)
}

/// What `work` returns, unless stopping is asked for before: then nothing, at once, whatever it waits for.
///
/// # Errors
/// What `work` says, and [`Error::Internal`] if the system gives no thread.
pub fn unless_stopped<T: Send + 'static>(
    shutdown: &Shutdown,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<Option<T>> {
    let (sender, receiver) = sync_channel(1);
    let broken = Shutdown::default();
    let _worker = spawn("start", Priority::Ordinary, &broken, move || {
        let _ = sender.send(work());
    })?;
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(result) => return result.map(Some),
            Err(RecvTimeoutError::Timeout) if shutdown.is_requested() => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::internal("cannot start", "a thread broke"));
            }
        }
    }
}

/// Whether a person sits at the keyboard.
#[must_use]
pub fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks the person at the keyboard for the code of the private room at `address`.
///
/// # Errors
/// [`Error::Private`] where nothing is typed, [`Error::Usage`] for what is no code.
pub fn ask_for_code(address: SocketAddr) -> Result<Code> {
    eprint!("The room at {address} is private. Type the code that its server shows: ");
    let mut line = Zeroizing::new(String::new());
    let read = std::io::stdin().lock().take(LONGEST_LINE).read_line(&mut line);
    if read.is_err() || line.trim().is_empty() {
        return Err(Error::Private { address });
    }
    settings::code::typed(&line)
}

/// Longest line that is read as a code, in bytes.
const LONGEST_LINE: u64 = 100;

/// Writes to stdout. A reader that went away (`… | head`) is no failure.
pub fn print(text: impl std::fmt::Display) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Waits for a key where the window closes with the program: the sentence must be readable before that.
fn keep_window(words: &[OsString]) {
    let flag = |word: &OsString| {
        word.to_str().and_then(|word| word.strip_prefix("--")) == Some(KEEP_WINDOW)
    };
    if is_double_clicked() || words.iter().any(flag) && is_interactive() {
        eprintln!("Press Enter to close this window.");
        let _ = std::io::stdin().read_line(&mut String::new());
    }
}

/// Whether a double click has opened a console for this program alone, which closes with it.
#[must_use]
#[cfg(windows)]
#[allow(unsafe_code, reason = "there is no other way to ask who else uses the console")]
pub fn is_double_clicked() -> bool {
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetConsoleProcessList(processes: *mut u32, count: u32) -> u32;
    }
    let mut processes = [0_u32; 2];
    // SAFETY: the pointer is to two u32, as the count says; the system writes no more than that.
    let users = unsafe { GetConsoleProcessList(processes.as_mut_ptr(), 2) };
    // What is started without a window has a console for itself as well.
    users == 1 && !service::is_one()
}

/// Whether a double click has opened a window for this program alone: elsewhere nothing says so.
#[must_use]
#[cfg(not(windows))]
pub fn is_double_clicked() -> bool {
    false
}

/// Answers `--list-devices`.
///
/// # Errors
/// If the sound system does not answer, or this program was built without sound cards.
#[cfg(feature = "device")]
pub fn list_devices() -> Result<()> {
    use crate::device::{self, Listing, System};
    let devices = device::list()?;
    print(Listing::new(System::current(), &devices).to_string().trim_end());
    Ok(())
}

/// Answers `--self-test`.
///
/// # Errors
/// What is not well, or keeps it from being tested.
pub fn self_test(wanted: &self_test::Wanted, level: log::LevelFilter) -> Result<()> {
    let shutdown = stop_on_signals()?;
    self_test::run(wanted, &shutdown, |said| {
        if level >= log::LevelFilter::Info {
            print(said);
        }
    })
}

/// Does what `auralync-client calibrate` asks for.
///
/// # Errors
/// What keeps it from measuring, or why what was heard says nothing.
#[cfg(feature = "device")]
pub fn calibrate(settings: &CalibrateSettings) -> Result<()> {
    let shutdown = stop_on_signals()?;
    let is_quiet = settings.level < log::LevelFilter::Info;
    crate::calibrate::run::run(settings, &shutdown, |said| {
        if !is_quiet {
            print(said);
        }
    })
}

/// Does what `auralync-client calibrate` asks for.
///
/// # Errors
/// Always: this program was built without sound cards.
#[cfg(not(feature = "device"))]
pub fn calibrate(_settings: &CalibrateSettings) -> Result<()> {
    Err(Error::NoDevice {
        what: "nothing can be measured".to_owned(),
        why: "this program was built without sound cards".to_owned(),
        fix: "Build it with --features device".to_owned(),
    })
}

/// Answers `--list-devices`.
///
/// # Errors
/// Always: this program was built without sound cards.
#[cfg(not(feature = "device"))]
pub fn list_devices() -> Result<()> {
    Err(Error::NoDevice {
        what: "no sound devices can be listed".to_owned(),
        why: "this program was built without sound cards".to_owned(),
        fix: "Build it with --features device".to_owned(),
    })
}
