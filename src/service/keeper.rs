//! Keeps a program running, and its log bounded, where the system does not: on Windows, on macOS, and wherever there
//! is no systemd.

use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[cfg(any(windows, test))]
use super::Program;
use super::log_file::LogFile;
use super::tie::Tie;
use super::{Job, VARIABLE, place};
use crate::error::{Error, Result, exit, plain};
use crate::home;
use crate::shutdown::Shutdown;
use crate::threads::{Priority, spawn};

/// A program that has failed is started again after this long: what it waits for is not there sooner, and the
/// packages' units say the same.
const AGAIN: Duration = Duration::from_secs(5);

/// How often it is looked whether the program has ended, or is to.
const LOOK: Duration = Duration::from_millis(200);

/// How long a program may take to end in order, once it is asked: as long as Windows lets one whose window is closed.
const GRACE: Duration = Duration::from_secs(5);

/// How long the last words of a program may take into the log, where somebody else holds its output open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Most bytes of a line that are held: no line of the programs is that long.
const LONGEST_LINE: u64 = 16 * 1024;

/// Whether the program goes on after it has ended with this code: a wrong flag or preset is wrong the next time, too.
fn is_started_again(code: Option<i32>) -> bool {
    code != Some(0) && code != Some(exit::USAGE.into())
}

/// Runs the program, again and again as long as it fails, until it is stopped.
///
/// # Errors
/// [`Error::File`] where there is no place for its log, [`Error::Internal`] where it cannot be started at all.
pub(super) fn run(job: &Job) -> Result<()> {
    let program = job.program;
    let lock = place::lock(program)?;
    let Some(_held) = hold_patiently(&lock)? else { return Ok(()) };
    let stop = place::stop(program)?;
    let _ = fs::remove_file(&stop);
    let path = place::log(program)?;
    let log = LogFile::open(path.clone())
        .map_err(|e| Error::file(&path, plain(&e), "Make it a file that you may write"))?;
    without_window();
    let asked = Shutdown::default();
    stop_on_signals(&asked)?;
    keep(job, &Arc::new(Mutex::new(log)), &|| asked.is_requested() || stop.exists())?;
    let _ = fs::remove_file(&stop);
    Ok(())
}

/// Whether the program is kept running now.
#[cfg(windows)]
pub(super) fn is_running(program: Program) -> Result<bool> {
    let lock = place::lock(program)?;
    Ok(lock.exists() && hold(&lock)?.is_none())
}

/// Asks whoever keeps the program running to end it, and waits until that is done, for a while.
#[cfg(windows)]
pub(super) fn end(program: Program) -> Result<()> {
    /// The keeper has ended the program before, or hangs.
    const WITHIN: Duration = GRACE.saturating_mul(2);
    let stop = place::stop(program)?;
    let begun = Instant::now();
    while is_running(program)? {
        fs::write(&stop, b"").map_err(|e| Error::file(&stop, plain(&e), "Free some space"))?;
        if begun.elapsed() > WITHIN {
            let name = program.name();
            return Err(Error::usage(
                format!("{name} does not end"),
                "End it in the Task Manager, and type this again",
            ));
        }
        std::thread::sleep(LOOK);
    }
    let _ = fs::remove_file(stop);
    Ok(())
}

/// Waits until whoever was started to keep the program running does so, has ended, or takes too long.
#[cfg(windows)]
pub(super) fn wait_for_start(program: Program, keeper: &mut Child) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < GRACE && !is_running(program)? && matches!(keeper.try_wait(), Ok(None))
    {
        std::thread::sleep(LOOK / 10);
    }
    Ok(())
}

/// The lock, for who is to keep the program running: who only asks whether somebody does has it for a moment.
fn hold_patiently(path: &Path) -> Result<Option<File>> {
    const TRIES: usize = 5;
    for _ in 1..TRIES {
        match hold(path)? {
            None => std::thread::sleep(LOOK),
            held => return Ok(held),
        }
    }
    hold(path)
}

/// The lock of the one who keeps the program running; none where somebody else has it. It goes with the process,
/// however that ends.
fn hold(path: &Path) -> Result<Option<File>> {
    let failed =
        |e: std::io::Error| Error::file(path, plain(&e), "Make it a file that you may write");
    let file = home::lock_file(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}

fn keep(job: &Job, log: &Arc<Mutex<LogFile>>, is_stopped: &dyn Fn() -> bool) -> Result<()> {
    let name = job.program.name();
    let tie = Tie::new()?;
    let say = |line: &str| log.lock().unwrap_or_else(PoisonError::into_inner).say(line);
    loop {
        let mut child = start(job, &tie)?;
        let heard = [listen(child.stdout.take(), log)?, listen(child.stderr.take(), log)?];
        let code = loop {
            if is_stopped() {
                let how = match stop(&mut child, &tie, GRACE) {
                    true => "stopped, as it was asked for",
                    false => "it did not end when it was asked to, and was killed",
                };
                hear_out(heard);
                say(&format!("{name}: {how}"));
                return Ok(());
            }
            match child.try_wait() {
                Ok(None) => std::thread::sleep(LOOK),
                Ok(Some(status)) => break status.code(),
                Err(_) => break None,
            }
        };
        hear_out(heard);
        if !is_started_again(code) {
            return Ok(());
        }
        let seconds = AGAIN.as_secs();
        say(&format!("{name}: it has ended, and is started again in {seconds} s"));
        let begun = Instant::now();
        while begun.elapsed() < AGAIN {
            if is_stopped() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Lets the program end as Ctrl-C does, which tells those who listen; whether it did within `grace`. Else it is killed.
fn stop(child: &mut Child, tie: &Tie, grace: Duration) -> bool {
    tie.let_go(child);
    let begun = Instant::now();
    while begun.elapsed() < grace {
        if let Ok(Some(_)) = child.try_wait() {
            return true;
        }
        std::thread::sleep(LOOK / 10);
    }
    // It has ended just now, or nothing is left to do about it.
    let _ = child.kill();
    let _ = child.wait();
    false
}

fn start(job: &Job, tie: &Tie) -> Result<Child> {
    let mut command = Command::new(&job.file);
    command.args(&job.flags).env(VARIABLE, "1");
    tie.to(&mut command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(folder) = folder(job).filter(|folder| Path::new(folder).is_dir()) {
        command.current_dir(folder);
    }
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt;
        command.creation_flags(NO_WINDOW);
    }
    let what = || format!("cannot start {}", job.program.name());
    command.spawn().map_err(|e| Error::internal(what(), plain(&e)))
}

/// The folder in which the flags were typed: on Windows the Run key's line has no room for it.
#[cfg(windows)]
fn folder(job: &Job) -> Option<String> {
    fs::read_to_string(place::typed_in(job.program).ok()?).ok()
}

#[cfg(not(windows))]
fn folder(job: &Job) -> Option<String> {
    job.folder.clone()
}

/// Puts each line of what a program says into the log, until it says no more.
fn listen(
    from: Option<impl Read + Send + 'static>,
    log: &Arc<Mutex<LogFile>>,
) -> Result<Option<JoinHandle<()>>> {
    let Some(from) = from else { return Ok(None) };
    let log = Arc::clone(log);
    let nobody = Shutdown::default();
    let ends_with_the_program = spawn("log", Priority::Ordinary, &nobody, move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while let Ok(1..) = from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line);
            log.lock().unwrap_or_else(PoisonError::into_inner).say(text.trim_end());
            line.clear();
        }
    })?;
    Ok(Some(ends_with_the_program))
}

/// Waits until the last words of a program that has ended are in the log: they say why. What it has started may go on,
/// and hold its output open, so that is not for ever.
fn hear_out(heard: [Option<JoinHandle<()>>; 2]) {
    let begun = Instant::now();
    for thread in heard.into_iter().flatten() {
        while !thread.is_finished() && begun.elapsed() < LAST_WORDS {
            std::thread::sleep(LOOK / 10);
        }
    }
}

/// What Windows calls a program that gets no window: `CREATE_NO_WINDOW`.
#[cfg(windows)]
pub(super) const NO_WINDOW: u32 = 0x0800_0000;

/// Lets signals ask the keeper to end, and with it the program: without that, the program would go on alone.
#[cfg(unix)]
fn stop_on_signals(asked: &Shutdown) -> Result<()> {
    let asked = asked.clone();
    ctrlc::set_handler(move || asked.request())
        .map_err(|e| Error::internal("cannot hear Ctrl-C", e))
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "elsewhere the system may refuse")]
fn stop_on_signals(_asked: &Shutdown) -> Result<()> {
    Ok(())
}

/// Closes the window that Windows has opened for this program alone.
#[cfg(windows)]
#[allow(unsafe_code, reason = "there is no other way to do without a console")]
fn without_window() {
    // SAFETY: it takes nothing, and where there is no console it does nothing.
    unsafe { windows_sys::Win32::System::Console::FreeConsole() };
}

#[cfg(not(windows))]
fn without_window() {}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn what_is_wrong_the_next_time_too_is_not_started_again() {
        assert!(is_started_again(Some(exit::NETWORK.into())));
        assert!(is_started_again(None), "it was killed");
        assert!(!is_started_again(Some(0)));
        assert!(!is_started_again(Some(exit::USAGE.into())));
    }

    #[test]
    fn only_one_keeps_a_program_running() {
        let scratch = Scratch::new();
        let path = scratch.path("deep/lock");
        let held = hold(&path).unwrap();
        assert!(held.is_some() && hold(&path).unwrap().is_none());
        drop(held);
        assert!(hold(&path).unwrap().is_some());
    }

    #[test]
    fn who_only_asks_whether_a_program_is_kept_running_keeps_nobody_from_it() {
        let scratch = Scratch::new();
        let path = scratch.path("lock");
        let held = hold(&path).unwrap();
        let asks = std::thread::spawn(move || {
            std::thread::sleep(LOOK / 2);
            drop(held);
        });
        assert!(hold_patiently(&path).unwrap().is_some());
        asks.join().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_a_program_says_is_in_the_log_and_it_is_ended_in_order_when_that_is_asked_for() {
        let scratch = Scratch::new();
        let path = scratch.path("log");
        let log = Arc::new(Mutex::new(LogFile::open(path.clone()).unwrap()));
        let ended = scratch.path("ended");
        let script = format!(
            "trap 'echo in order > {}; exit 0' TERM; echo sound; echo broken >&2; while :; do sleep 0.01; done",
            ended.display()
        );
        let job = Job {
            program: Program::Server,
            file: "/bin/sh".to_owned(),
            flags: vec!["-c".to_owned(), script],
            folder: None,
        };
        let looks = Cell::new(0);
        let has_said = || {
            looks.set(looks.get() + 1);
            let text = fs::read_to_string(&path).unwrap();
            text.contains("UTC sound\n") && text.contains("UTC broken\n") || looks.get() > 300
        };
        keep(&job, &log, &has_said).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.ends_with("stopped, as it was asked for\n") && text.contains("UTC sound"),
            "{text}"
        );
        assert_eq!(fs::read_to_string(ended).unwrap(), "in order\n");
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_does_not_end_when_it_is_asked_is_killed() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' TERM; echo deaf; exec sleep 100"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = [0; 5];
        child.stdout.take().unwrap().read_exact(&mut said).unwrap();
        assert!(!stop(&mut child, &Tie::new().unwrap(), Duration::from_millis(50)));
        assert!(child.try_wait().unwrap().is_some());
    }
}
