//! The command lines of `auralync-server service` and `auralync-client service`, which let a program start by
//! itself.

use std::ffi::{OsStr, OsString};

use clap::{Args, Parser, Subcommand};

use crate::error::{Error, Result};

/// The first word behind a program's name that makes it this.
pub const SERVICE: &str = "service";

/// What is typed, from the server's name on.
#[derive(Debug, Clone, Parser)]
#[command(name = "auralync-server", version = env!("AURALYNC_VERSION"), disable_help_subcommand = true)]
pub struct ServerService {
    #[command(subcommand)]
    instead: Instead,
}

/// What is typed, from the client's name on.
#[derive(Debug, Clone, Parser)]
#[command(name = "auralync-client", version = env!("AURALYNC_VERSION"), disable_help_subcommand = true)]
pub struct ClientService {
    #[command(subcommand)]
    instead: Instead,
}

#[derive(Debug, Clone, Subcommand)]
enum Instead {
    /// Let this program start with your session, and be kept running.
    Service(ServiceArgs),
}

/// What is typed behind `service`.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = false)]
pub struct ServiceArgs {
    #[command(subcommand)]
    order: Order,
}

/// What becomes of the service.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Order {
    /// Start the program now and with each session of yours, with the flags behind this word. Again: with
    /// other flags.
    #[command(disable_help_flag = true)]
    Install {
        /// The program's own flags.
        #[arg(value_name = "FLAGS", trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<OsString>,
    },
    /// Stop it, and do not start it again.
    Remove,
    /// Say whether it starts by itself, whether it runs, with which flags, and where its log is.
    Status,
    /// Run the program here, start it again whenever it fails, and keep a log: for what else starts programs.
    #[command(disable_help_flag = true)]
    Run {
        /// The program's own flags.
        #[arg(value_name = "FLAGS", trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<OsString>,
    },
}

impl ServerService {
    /// What stands behind the first word.
    #[must_use]
    pub fn order(self) -> Order {
        let Instead::Service(args) = self.instead;
        args.order
    }
}

impl ClientService {
    /// What stands behind the first word.
    #[must_use]
    pub fn order(self) -> Order {
        let Instead::Service(args) = self.instead;
        args.order
    }
}

/// Whether this is asked for instead of the program's own work. `words` are what was typed, the program's own
/// name first.
#[must_use]
pub fn is_meant(words: &[OsString]) -> bool {
    words.get(1).is_some_and(|word| word == SERVICE)
}

/// Flags behind which a program does one thing and stops.
const ONCE_AND_DONE: [&str; 9] = [
    "--list-devices",
    "--self-test",
    "--list-servers",
    "--print-preset",
    "--show-link",
    "--help",
    "-h",
    "--version",
    "-V",
];

/// Refuses flags with which a program is of no use when nobody sits in front of it.
///
/// # Errors
/// [`Error::Usage`] with the first such flag.
pub fn refuse_what_needs_a_person(flags: &[OsString]) -> Result<()> {
    let flags: Vec<&str> = flags.iter().filter_map(|flag| flag.to_str()).collect();
    let has = |name: &str| {
        flags.iter().any(|flag| {
            flag.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    };
    let refused = |what: String, fix: &str| Err(Error::usage(what, fix));
    if let Some(flag) = ONCE_AND_DONE.into_iter().find(|flag| has(flag)) {
        return refused(
            format!("with {flag} the program stops at once, and a service is to run"),
            "Leave it out",
        );
    }
    if flags.iter().any(|flag| super::link::is_one(flag)) {
        return refused(
            "a link behind service install would stand in a file, and in what others see of this computer"
                .to_owned(),
            "Join the room once without “service install”: it is remembered. Then give the server's address",
        );
    }
    if has("--code") {
        return refused(
            "a code lets somebody in once, and a service starts again and again".to_owned(),
            "Join the room once without “service install”: it is remembered",
        );
    }
    if has("--new-key") {
        return refused(
            "with --new-key each start would make another link, and the old one be of no use"
                .to_owned(),
            "Leave it out, and use auralync-client ctl newkey once the server runs",
        );
    }
    if has("--record") && !has("--overwrite") {
        return refused(
            "--record refuses a file that is there, and after the second start it would be"
                .to_owned(),
            "Add --overwrite, which replaces it at each start, or leave --record out",
        );
    }
    let follows = |name: &str, value: &str| {
        let joined = format!("{name}={value}");
        flags.windows(2).any(|pair| pair == [name, value]) || flags.contains(&joined.as_str())
    };
    let piped =
        [("--link", "-"), ("--source", "file:-"), ("--offer", "file:-"), ("--output", "wav:-")];
    match piped.into_iter().find(|(name, value)| follows(name, value)) {
        Some((name, value)) => refused(
            format!(
                "{name} {value} needs a terminal or another program, and a service has neither"
            ),
            "Name a file",
        ),
        None => Ok(()),
    }
}

/// The program's own name and then its flags, as its own parser reads them.
#[must_use]
pub fn as_typed(name: &str, flags: &[OsString]) -> Vec<OsString> {
    std::iter::once(OsStr::new(name))
        .chain(flags.iter().map(OsString::as_os_str))
        .map(Into::into)
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn read(line: &str) -> Option<Order> {
        ServerService::try_parse_from(line.split(' ')).ok().map(ServerService::order)
    }

    #[test]
    fn all_behind_install_is_the_programs_own() {
        ServerService::command().debug_assert();
        ClientService::command().debug_assert();
        for flags in
            ["--preset low-latency", "-v", "--help", "-q --no-web", "attic --talk=open", "remove"]
        {
            let expected = flags.split(' ').map(OsString::from).collect();
            let read = read(&format!("auralync-server service install {flags}"));
            assert_eq!(read, Some(Order::Install { flags: expected }), "{flags}");
        }
        assert_eq!(read("auralync-server service install"), Some(Order::Install { flags: vec![] }));
        assert_eq!(read("auralync-server service remove"), Some(Order::Remove));
        for wrong in ["service", "service remove --now", "service dance"] {
            assert_eq!(read(&format!("auralync-server {wrong}")), None, "{wrong}");
        }
    }

    #[test]
    fn flags_that_need_a_person_are_refused_with_the_reason() {
        let refused = |line: &str| {
            let flags: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            refuse_what_needs_a_person(&flags).map_err(|e| e.to_string()).err()
        };
        let link = format!("http://192.168.1.100:8080/#{}", "A".repeat(crate::secure::room::LINK));
        for (line, says) in [
            ("--list-devices", "stops at once"),
            ("--print-preset=smooth", "stops at once"),
            ("--link -", "needs a terminal"),
            ("--source=file:-", "needs a terminal"),
            ("attic --output wav:-", "needs a terminal"),
            ("attic --code 123456", "lets somebody in once"),
            ("--private --new-key", "another link"),
            ("--record film.flac", "--overwrite"),
            (link.as_str(), "would stand in a file"),
        ] {
            let said = refused(line).unwrap_or_default();
            assert!(said.contains(says), "{line}: {said}");
        }
        for line in [
            "attic",
            "--record a.flac --overwrite",
            "--record-dir tapes",
            "--codec s16",
            "--name -",
        ] {
            assert_eq!(refused(line), None, "{line}");
        }
    }
}
