//! The command line of `auralync-client calibrate`, which measures how late an output really is.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};

use super::Verbosity;
use crate::discovery::seek::Sought;
use crate::discovery::target::Wanted;
use crate::error::{Error, Result};

/// The first word behind the program's name that makes it this.
pub const CALIBRATE: &str = "calibrate";

/// What is typed, from the program's name on.
#[derive(Debug, Clone, Parser)]
#[command(name = "auralync-client", version = env!("AURALYNC_VERSION"), disable_help_subcommand = true)]
pub struct CalibrateCommand {
    #[command(subcommand)]
    instead: Instead,
}

#[derive(Debug, Clone, Subcommand)]
enum Instead {
    /// Measure with a microphone how late an output really is, and remember it: play a quiet chirp for three
    /// seconds, hear when it comes.
    #[command(after_help = "Examples:
  auralync-client calibrate --device TV            how late the television is, and remember it
  auralync-client calibrate --known Speakers       what the microphone costs is learnt from those first
  auralync-client calibrate 192.168.1.100 --listen how late another listener's loudspeaker is

Hold the microphone where your ears are, and keep quiet. A headset's own microphone cannot measure it.")]
    Calibrate(CalibrateArgs),
}

/// What is typed behind `auralync-client calibrate`.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = false)]
struct CalibrateArgs {
    /// The server that is listened to: says whether its delay leaves room for what was found. With --listen
    /// it is what plays.
    #[arg(value_name = "HOST[:PORT]|NAME")]
    host: Option<String>,
    /// The headphones or speakers to measure: an id from --list-devices or a part of the name.
    #[arg(long, value_name = "NAME", conflicts_with = "listen")]
    device: Option<String>,
    /// The microphone: an id from --list-devices or a part of the name.
    #[arg(long, value_name = "NAME")]
    mic: Option<String>,
    /// An output that hides no delay, as wired speakers or headphones: what the microphone costs is learnt there
    /// first.
    #[arg(long, value_name = "NAME")]
    known: Option<String>,
    /// Play nothing: hear another listener's loudspeaker, and say how late that one is. Something must be
    /// playing, best with many sudden sounds.
    #[arg(long)]
    listen: bool,
    /// Say what was found, and remember nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    verbosity: Verbosity,
}

/// What is to be measured.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrateSettings {
    /// The server, if one was named.
    pub wanted: Option<Wanted>,
    /// The output: an id or a part of its name; `None` is the default one.
    pub device: Option<String>,
    /// The microphone: an id or a part of its name; `None` is the default one.
    pub microphone: Option<String>,
    /// The output that hides no delay, if one is told.
    pub known: Option<String>,
    /// Whether another listener is heard, and nothing is played.
    pub listen: bool,
    /// Whether nothing is to be remembered.
    pub dry_run: bool,
    /// The least important log level that is shown.
    pub level: log::LevelFilter,
}

impl CalibrateSettings {
    /// What is known of the server.
    #[must_use]
    pub fn sought(&self) -> Sought<'_> {
        Sought {
            wanted: self.wanted.as_ref(),
            port: None,
            discovery: true,
            hears: false,
            may_hear_unasked: false,
        }
    }
}

impl CalibrateCommand {
    /// Whether this is asked for instead of the program's own work. `words` are what was typed, the program's own
    /// name first.
    #[must_use]
    pub fn is_meant(words: &[OsString]) -> bool {
        words.get(1).is_some_and(|word| word == CALIBRATE)
    }

    /// What the command line means.
    ///
    /// # Errors
    /// [`Error::Usage`] for what cannot be.
    pub fn settings(self) -> Result<CalibrateSettings> {
        let Instead::Calibrate(args) = self.instead;
        if args.known.is_some() && args.known == args.device {
            return Err(Error::usage(
                "--known and --device are the same output, which cannot tell anything of itself",
                "With --known, name one that is wired; with --device, the one to be measured",
            ));
        }
        Ok(CalibrateSettings {
            wanted: args.host.map(|host| Wanted::parse(&host, None, true)).transpose()?,
            device: args.device,
            microphone: args.mic,
            known: args.known,
            listen: args.listen,
            dry_run: args.dry_run,
            level: args.verbosity.level(),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn read(line: &str) -> Option<Result<CalibrateSettings>> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        CalibrateCommand::is_meant(&words)
            .then(|| CalibrateCommand::try_parse_from(&words).map(CalibrateCommand::settings).ok())
            .flatten()
    }

    #[test]
    fn what_is_typed_reaches_its_setting() {
        CalibrateCommand::command().debug_assert();
        let line =
            "auralync-client calibrate pc:7000 --device TV --mic usb --known Speakers --dry-run -q";
        let settings = read(line).unwrap().unwrap();
        assert!(settings.wanted.is_some() && settings.dry_run && !settings.listen);
        assert_eq!(settings.device.as_deref(), Some("TV"));
        assert_eq!(settings.microphone.as_deref(), Some("usb"));
        assert_eq!(settings.known.as_deref(), Some("Speakers"));
        assert_eq!(settings.level, log::LevelFilter::Warn);
        assert!(read("auralync-client calibrate --listen").unwrap().unwrap().listen);
        assert!(read("auralync-client attic").is_none());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(read("auralync-client calibrate --device TV --listen").is_none());
        let same = read("auralync-client calibrate --device TV --known TV").unwrap().unwrap_err();
        assert!(same.to_string().contains("same output"), "{same}");
    }
}
