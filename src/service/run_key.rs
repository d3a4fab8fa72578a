//! The list of what Windows starts when this user signs in. It is asked by Windows' own functions, and not by
//! `reg.exe`, which loses umlauts on its way through the console.

#![allow(unsafe_code, reason = "no safe crate that is here already reads the registry")]

use std::ffi::c_void;
use std::os::windows::io::AsRawHandle;
use std::os::windows::process::CommandExt;
use std::process::{Command, Stdio};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{
    ERROR_FILE_NOT_FOUND, ERROR_SUCCESS, HANDLE_FLAG_INHERIT, SetHandleInformation,
};
use windows_sys::Win32::System::Registry::{
    HKEY_CURRENT_USER, REG_SZ, RRF_RT_REG_SZ, RegDeleteKeyValueW, RegGetValueW, RegSetKeyValueW,
};

use super::{Installed, Job, Program, State, keeper, place, run_value, with};
use crate::error::{Error, Result, plain};

const KEY: &str = r"Software\Microsoft\Windows\CurrentVersion\Run";

/// Longest value that is read, in UTF-16 units; Windows itself starts lines of 260.
const LONGEST: usize = 4_096;

/// Writes the value, and starts the program now.
pub(super) fn install(job: &Job) -> Result<String> {
    refuse_others(job.program)?;
    let line = run_value::text(job)?;
    keeper::end(job.program)?;
    let folder = place::typed_in(job.program)?;
    if let Some(above) = folder.parent() {
        std::fs::create_dir_all(above)
            .map_err(|e| Error::file(above, plain(&e), "Make it a folder that you may write to"))?;
    }
    let kept = match &job.folder {
        Some(typed_in) => std::fs::write(&folder, typed_in),
        None => std::fs::remove_file(&folder).or(Ok(())),
    };
    kept.map_err(|e| Error::file(&folder, plain(&e), "Mend that, and type it again"))?;
    write(job.program, &line)?;
    let mut command = Command::new(&job.file);
    command.args(["service", "run"]).args(&job.flags).creation_flags(keeper::NO_WINDOW);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    keep_own_streams();
    let name = job.program.name();
    let spawned = command.spawn();
    let mut started =
        spawned.map_err(|e| Error::internal(format!("cannot start {name}"), plain(&e)))?;
    // Until then nobody could end it: `remove` would find nothing that runs.
    keeper::wait_for_start(job.program, &mut started)?;
    let (with, log) = (with(&job.flags), place::log(job.program)?.display().to_string());
    Ok(format!(
        "{name} starts when you sign in from now on, {with}, and is started now.\n\
         What it says: {log}\nIt ends when you sign out: Windows lets nothing of a user's go on after that.\n\
         {name} service remove ends that."
    ))
}

/// Stops the program and takes its value away.
pub(super) fn remove(program: Program) -> Result<String> {
    let name = program.name();
    let is_there = read(program)?.is_some();
    // The installer takes the value away where its choice is no longer made, and ends nothing.
    if !is_there && !keeper::is_running(program)? {
        return Ok(format!("{name} does not start by itself: there is nothing to remove."));
    }
    refuse_others(program)?;
    if is_there {
        delete(program)?;
    }
    keeper::end(program)?;
    for file in [place::typed_in(program)?, place::lock(program)?] {
        // Where it is still open, it is of no harm.
        let _ = std::fs::remove_file(file);
    }
    Ok(format!("{name} is stopped, and does not start by itself any more."))
}

/// How the service is.
pub(super) fn state(program: Program) -> Result<State> {
    let installed = read(program)?.map(|line| Installed {
        flags: run_value::flags(&line),
        place: format!(r"HKEY_CURRENT_USER\{KEY}, {}", run_value::name(program)),
    });
    let runs = if keeper::is_running(program)? { "runs" } else { "does not run" }.to_owned();
    Ok(State { program, installed, runs, log: place::log(program)?.display().to_string() })
}

/// Refuses a value of that name which starts something else.
fn refuse_others(program: Program) -> Result<()> {
    match read(program)?.filter(|line| !run_value::is_ours(line, program)) {
        None => Ok(()),
        Some(_) => Err(Error::usage(
            format!(
                "“{}” in the registry's Run key starts another program",
                run_value::name(program)
            ),
            "Remove it there with regedit, if you do not want it",
        )),
    }
}

fn read(program: Program) -> Result<Option<String>> {
    let (key, value) = (wide(KEY), wide(run_value::name(program)));
    let mut text = [0_u16; LONGEST];
    let mut bytes = (LONGEST * 2) as u32;
    // SAFETY: both names end in 0; `bytes` says how much room `text` has, and the system writes no more.
    let code = unsafe {
        RegGetValueW(
            HKEY_CURRENT_USER,
            key.as_ptr(),
            value.as_ptr(),
            RRF_RT_REG_SZ,
            null_mut(),
            text.as_mut_ptr().cast::<c_void>(),
            &raw mut bytes,
        )
    };
    match code {
        ERROR_SUCCESS => {
            let end = text.iter().position(|&unit| unit == 0).unwrap_or(LONGEST);
            Ok(Some(String::from_utf16_lossy(&text[..end])))
        }
        ERROR_FILE_NOT_FOUND => Ok(None),
        code => Err(refused(code)),
    }
}

fn write(program: Program, line: &str) -> Result<()> {
    let (key, value, line) = (wide(KEY), wide(run_value::name(program)), wide(line));
    let bytes = u32::try_from(line.len() * 2).unwrap_or(u32::MAX);
    // SAFETY: both names end in 0, and `line` has as many bytes as `bytes` says: `run_value` holds it to 260 units.
    let code = unsafe {
        RegSetKeyValueW(
            HKEY_CURRENT_USER,
            key.as_ptr(),
            value.as_ptr(),
            REG_SZ,
            line.as_ptr().cast::<c_void>(),
            bytes,
        )
    };
    if code == ERROR_SUCCESS { Ok(()) } else { Err(refused(code)) }
}

fn delete(program: Program) -> Result<()> {
    let (key, value) = (wide(KEY), wide(run_value::name(program)));
    // SAFETY: both names end in 0 and live until the call returns.
    let code = unsafe { RegDeleteKeyValueW(HKEY_CURRENT_USER, key.as_ptr(), value.as_ptr()) };
    if code == ERROR_SUCCESS { Ok(()) } else { Err(refused(code)) }
}

/// From now on, what is started inherits nothing of what this program reads and writes: it goes on after this one, and
/// whoever reads what `service install` says would wait for its end.
fn keep_own_streams() {
    let streams = [
        std::io::stdin().as_raw_handle(),
        std::io::stdout().as_raw_handle(),
        std::io::stderr().as_raw_handle(),
    ];
    for stream in streams {
        // SAFETY: a handle that is none, or a console's of old, is refused, and is inherited by nobody then.
        unsafe { SetHandleInformation(stream, HANDLE_FLAG_INHERIT, 0) };
    }
}

/// The system's own words for a failure.
fn refused(code: u32) -> Error {
    let why = plain(&std::io::Error::from_raw_os_error(code.cast_signed()));
    Error::usage(
        format!(
            "Windows does not let its list of started programs be changed: {}",
            why.trim_end_matches('.')
        ),
        "Where somebody else runs this PC, ask them",
    )
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
