//! Both command lines, and what they mean.
//!
//! clap reads the words; `settings()` turns them into something ready to run, or into an error that
//! says what to type instead. Flags that a preset's key can also set are `Option`s, so that a
//! missing flag never replaces what the preset says.

mod client;
mod computer;
pub mod ctl;
mod server;
mod target;
mod words;

use std::path::PathBuf;

pub(crate) use client::ask;
pub use client::{ClientArgs, ClientSettings, Output, ask_for_host, host_missing};
pub use server::{ServerArgs, ServerSettings};
pub(crate) use target::check_adapter;
pub use target::{Target, Wanted};
pub(crate) use words::FARTHEST_MS;

use crate::error::Error;

/// The port of the page for browsers, unless somebody says otherwise.
pub const DEFAULT_WEB_PORT: u16 = 8080;

/// Where the statistics of every second go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatsTarget {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// How much a program tells about what it does.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Verbosity {
    /// Tell more about what happens; twice for still more.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Tell only about problems.
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
}

impl Verbosity {
    /// The least important level that is still shown, unless `RUST_LOG` says otherwise.
    #[must_use]
    pub fn level(self) -> log::LevelFilter {
        match (self.quiet, self.verbose) {
            (true, _) => log::LevelFilter::Warn,
            (false, 0) => log::LevelFilter::Info,
            (false, 1) => log::LevelFilter::Debug,
            (false, _) => log::LevelFilter::Trace,
        }
    }
}

/// What clap says about a wrong command line, in one line like every other error. Not for its
/// `--help` and `--version`, which it also returns as errors: there
/// [`use_stderr`](clap::Error::use_stderr) is false.
#[must_use]
pub fn usage_error(program: &str, error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim);
    let first = lines.next().unwrap_or_default();
    let what = first.strip_prefix("error: ").unwrap_or(first);
    let tip = lines.find_map(|line| line.strip_prefix("tip: "));
    let tip = tip.map(|tip| format!("{}. ", capitalised(tip))).unwrap_or_default();
    Error::usage(what, format!("{tip}To see every flag: {program} --help"))
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn wrong(line: &str) -> String {
        let error = ServerArgs::try_parse_from(line.split(' ')).unwrap_err();
        assert!(error.use_stderr());
        let error = usage_error("auralync-server", &error);
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn a_wrong_command_line_gets_one_line_that_says_what_to_do() {
        let cases = [
            (
                "auralync-server --prest smooth",
                "unexpected argument '--prest' found. A similar argument exists: '--preset'. \
                 To see every flag: auralync-server --help",
            ),
            (
                "auralync-server --chunk-size many",
                "invalid value 'many' for '--chunk-size <FRAMES>': this is not a whole number. \
                 To see every flag: auralync-server --help",
            ),
            (
                "auralync-server --port 99999",
                "invalid value '99999' for '--port <PORT>': this number is too large. \
                 To see every flag: auralync-server --help",
            ),
            (
                "auralync-server --bind localhost",
                "invalid value 'localhost' for '--bind <ADDRESS>': this is not an address in \
                 digits, like 192.168.1.100 or fd00::100. To see every flag: auralync-server --help",
            ),
            (
                "auralync-server -q -v",
                "the argument '--quiet' cannot be used with '--verbose...'. \
                 To see every flag: auralync-server --help",
            ),
            (
                "auralync-server 192.168.1.5",
                "unexpected argument '192.168.1.5' found. \
                 To see every flag: auralync-server --help",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(wrong(line), expected);
        }
        let error = wrong("auralync-server --preset");
        assert!(
            error.starts_with("a value is required for '--preset <PRESET>' but none"),
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn each_v_tells_more_and_q_tells_less() {
        for (flags, level) in [
            ("", log::LevelFilter::Info),
            ("-v", log::LevelFilter::Debug),
            ("-vv", log::LevelFilter::Trace),
            ("-vvvv", log::LevelFilter::Trace),
            ("-q", log::LevelFilter::Warn),
        ] {
            let line = ["auralync-client", flags];
            let line = line.into_iter().filter(|word| !word.is_empty());
            let settings = ClientArgs::try_parse_from(line).unwrap().settings().unwrap();
            assert_eq!(settings.level, level, "{flags}");
        }
    }
}
