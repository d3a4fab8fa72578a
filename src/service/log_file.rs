//! A log in a file that never grows large.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// A file that has this many bytes becomes the older one of two, and the older one goes: weeks of an ordinary
/// service, and two of these are no burden to any disk.
const LONGEST: u64 = 1024 * 1024;

/// Longest line that is kept, in bytes; our own are shorter.
const LONGEST_LINE: usize = 8 * 1024;

/// A log that is written into.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    length: u64,
    longest: u64,
}

impl LogFile {
    /// Opens the log, which goes on where it ended.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        Self::bounded(path, LONGEST)
    }

    fn bounded(path: PathBuf, longest: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let length = file.metadata()?.len();
        Ok(Self { path, file, length, longest })
    }

    /// Adds a line, with the time in front. What a full disk does not take is lost.
    pub(super) fn say(&mut self, line: &str) {
        let longest = line.len().min(LONGEST_LINE);
        let end = (0..=longest).rev().find(|&end| line.is_char_boundary(end)).unwrap_or(0);
        let line = format!("{} {}\n", time(SystemTime::now()), &line[..end]);
        if self.length + line.len() as u64 > self.longest {
            self.turn();
        }
        if self.file.write_all(line.as_bytes()).is_ok() {
            self.length += line.len() as u64;
        }
    }

    /// Begins anew. Where the file cannot be put aside it is emptied: it must not grow.
    fn turn(&mut self) {
        let _ = fs::rename(&self.path, self.path.with_extension("old.log"));
        let anew = OpenOptions::new().create(true).append(true).open(&self.path);
        if let Ok(file) = anew {
            self.file = file;
        }
        if self.file.metadata().is_ok_and(|metadata| metadata.len() > 0) {
            let _ = self.file.set_len(0);
        }
        self.length = 0;
    }
}

/// The time of the world as people write it, whatever the zone is here.
fn time(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that the day that some have more is their last one.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_log_never_has_more_than_two_files_of_its_length() {
        let scratch = Scratch::new();
        let path = scratch.path("auralync-server.log");
        let mut log = LogFile::bounded(path.clone(), 1_000).unwrap();
        for number in 0..200 {
            log.say(&format!("line {number}"));
        }
        drop(log);
        let mut log = LogFile::bounded(path.clone(), 1_000).unwrap();
        log.say("the last one");
        let files: Vec<u64> = fs::read_dir(scratch.path(""))
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(files.len(), 2);
        assert!(files.iter().all(|&length| length <= 1_000), "{files:?}");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(" UTC the last one\n") && text.contains("line 199"), "{text}");
    }

    #[test]
    fn a_line_that_never_ends_is_cut_between_letters() {
        let scratch = Scratch::new();
        let path = scratch.path("log");
        LogFile::open(path.clone()).unwrap().say(&"ü".repeat(LONGEST_LINE));
        assert!(fs::metadata(path).unwrap().len() <= LONGEST_LINE as u64 + 30);
    }

    #[test]
    fn the_time_is_that_of_the_calendar() {
        let at = |seconds| time(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(at(1_796_000_000), "2026-11-30 00:53:20 UTC");
        assert_eq!(at(4_107_542_399), "2100-02-28 23:59:59 UTC");
        assert_eq!(at(4_107_542_400), "2100-03-01 00:00:00 UTC");
    }
}
