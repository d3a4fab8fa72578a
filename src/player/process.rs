//! Processes: which run, and what they were started with.

use std::path::PathBuf;

/// A process, and when it was started: numbers are given anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Process {
    pub(super) id: u32,
    /// In the system's own ticks; 0 where it does not tell.
    pub(super) started: u64,
}

impl Process {
    /// The process of that number that runs now.
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android")),
        allow(dead_code, reason = "there nobody tells who is behind a socket")
    )]
    pub(super) fn now(id: u32) -> Option<Self> {
        Some(Self { id, started: started(id)? })
    }

    /// Whether it still runs.
    pub(super) fn is_alive(self) -> bool {
        started(self.id) == Some(self.started)
    }
}

/// When a process was started; `None` if there is none of that number.
#[cfg(target_os = "linux")]
fn started(id: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in brackets and may hold anything.
    let mut behind = stat.rsplit_once(')')?.1.split_whitespace();
    // One that has ended and was not asked after yet runs no more.
    if behind.next()? == "Z" {
        return None;
    }
    behind.nth(18)?.parse().ok()
}

#[cfg(all(unix, not(target_os = "linux")))]
fn started(id: u32) -> Option<u64> {
    let id = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw)?;
    // One that we may not signal is there too.
    match rustix::process::test_kill_process(id) {
        Err(rustix::io::Errno::SRCH) => None,
        _ => Some(0),
    }
}

/// Nobody is asked: which process is behind a pipe is not known there either.
#[cfg(not(unix))]
fn started(_id: u32) -> Option<u64> {
    None
}

/// One that runs.
#[derive(Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "elsewhere nobody is asked"))]
pub(super) struct Found {
    /// What it was started with, its own name first.
    pub(super) words: Vec<String>,
    /// The folder that it runs in.
    pub(super) folder: PathBuf,
}

/// Longest command line that is read, in bytes: files to play stand behind what matters.
#[cfg(target_os = "linux")]
const LONGEST_WORDS: u64 = 64 * 1024;

/// Most processes that are looked at: what comes after them is on no PC that plays films.
#[cfg(target_os = "linux")]
const MOST_PROCESSES: usize = 10_000;

/// This user's processes of that name.
#[cfg(target_os = "linux")]
pub(super) fn called(name: &str) -> Vec<Found> {
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;

    let own = rustix::process::geteuid().as_raw();
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    let processes = all.flatten().take(MOST_PROCESSES).filter(|entry| {
        let is_number = entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit());
        is_number && entry.metadata().is_ok_and(|process| process.uid() == own)
    });
    let mut found = Vec::new();
    for process in processes {
        let path = process.path();
        if std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim_end() == name) {
            let mut words = Vec::new();
            let file = std::fs::File::open(path.join("cmdline"));
            let read = file.and_then(|file| file.take(LONGEST_WORDS).read_to_end(&mut words));
            if read.is_ok() {
                let words = words.split(|&byte| byte == 0);
                let words = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
                let folder = std::fs::read_link(path.join("cwd")).unwrap_or_default();
                found.push(Found { words, folder });
            }
        }
    }
    found
}

/// Elsewhere nobody is asked.
#[cfg(not(target_os = "linux"))]
pub(super) fn called(_name: &str) -> Vec<Found> {
    Vec::new()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_alive_and_one_that_was_started_at_another_time_is_not() {
        let own = Process::now(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert!(!Process { started: own.started + 1, ..own }.is_alive());
    }
}
