//! `auralync-client`'s command line.

use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, Subcommand};

use super::ctl::CtlArgs;
use super::words::{client_port, codec, delay, output, recording, stats, volume, whole_number};
use super::{StatsTarget, Target, Verbosity, Wanted, computer};
use crate::error::{Error, Result};
use crate::preset;
use crate::recv::simulate::Simulation;

/// Longest answer to the question for a server that is read, in bytes: a host name and a port.
const LONGEST_ANSWER: u64 = 1024;

/// How often an answer that cannot be a server is asked for again.
const QUESTIONS: u32 = 3;

/// What is typed behind `auralync-client`.
#[derive(Debug, Parser)]
#[command(
    name = "auralync-client",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    about = "Plays what a PC with auralync-server sends, in step with every other listener.",
    after_help = "Examples:
  auralync-client                                      listen to the server on this network
  auralync-client attic                                listen to the server of this name
  auralync-client 192.168.1.100                        listen to the PC at this address
  auralync-client 192.168.1.100 --volume 60            quieter
  auralync-client 192.168.1.100 --output wav:film.wav  into a file instead of the headphones

Exit codes: 0 stopped as asked, 1 internal, 2 command line or preset, 3 sound device,
4 network, 5 the other end is not AuraLync, 6 server full, 7 file."
)]
pub struct ClientArgs {
    /// The PC that plays: its address, with a port if it is not 5555, or the server's name. Without
    /// it, the servers on this network are looked for.
    #[arg(value_name = "HOST[:PORT]|NAME")]
    host: Option<String>,
    /// The server's port, if it is not 5555.
    #[arg(long, value_parser = client_port)]
    port: Option<u16>,
    /// The headphones or speakers to play on: an id from --list-devices or a part of the name.
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Where the sound goes: speaker, wav:FILE (a sound file) or null (nowhere).
    #[arg(long, value_name = "OUTPUT", default_value = "speaker", value_parser = output)]
    output: Output,
    /// Loudness in per cent, 0 to 200; 100 leaves it as it is.
    #[arg(long, value_name = "0-200", default_value = "100", value_parser = volume)]
    volume: u16,
    /// Play this many milliseconds later than the others, or earlier with a minus, up to 5000.
    /// Remembered for the output it was given for; 0 forgets it.
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = delay)]
    delay: Option<i32>,
    /// Play later by itself, step by step, as long as sound keeps running dry.
    #[arg(long)]
    adaptive: bool,
    /// How the sound is packed for the network: auto (as the server thinks best), f32, s24, s16,
    /// opus, or opus:KBPS with 64 to 256 kilobits a second.
    #[arg(long, value_name = "CODEC", default_value = crate::codec::AUTO, value_parser = codec)]
    codec: String,
    /// The name that the server shows for you, instead of this PC's name.
    #[arg(long)]
    name: Option<String>,
    /// With a server of the first generation: take the delay from this preset.
    #[arg(long, value_name = "PRESET")]
    preset: Option<String>,
    /// With a server of the first generation: the delay in milliseconds, 5 to 10000.
    #[arg(long, value_name = "MS", value_parser = whole_number::<u32>)]
    playout_delay_ms: Option<u32>,
    /// Stop when the connection fails or ends, instead of trying again.
    #[arg(long)]
    once: bool,
    /// Play even on the device that the server captures, which may howl.
    #[arg(long)]
    allow_feedback: bool,
    /// Also keep what is heard in this file: .wav, .flac or .opus. As loud as the server sends it,
    /// whatever the volume here.
    #[arg(long, value_name = "FILE", value_parser = recording)]
    record: Option<PathBuf>,
    /// Replace the file of --record or --output wav:FILE if there is one.
    #[arg(long)]
    overwrite: bool,
    /// Listen as if over a bad network, for example loss=2%,jitter=30ms,delay=20ms,rate=2mbit,
    /// stall=500ms/30s,quality=50%,seed=7.
    #[arg(long, value_name = "WORDS", value_parser = Simulation::from_str)]
    simulate: Option<Simulation>,
    /// List the sound devices, then stop.
    #[arg(long)]
    list_devices: bool,
    /// List the servers on this network, then stop.
    #[arg(long, conflicts_with_all = ["host", "no_discovery"])]
    list_servers: bool,
    /// With --list-servers: as JSON, one array.
    #[arg(long)]
    json: bool,
    /// Do not look for servers on this network: a host must be named.
    #[arg(long)]
    no_discovery: bool,
    /// Write one line of statistics (JSON) a second to a file, or to standard output with -.
    #[arg(long, value_name = "FILE|-", value_parser = stats)]
    stats: Option<StatsTarget>,
    #[command(flatten)]
    verbosity: Verbosity,
    #[command(subcommand)]
    instead: Option<Instead>,
}

/// What else the program does.
#[derive(Debug, Clone, Subcommand)]
enum Instead {
    /// Tell a server on this computer what to do: sources, listeners, recordings.
    Ctl(CtlArgs),
}

/// Where received sound goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A sound card.
    Speaker,
    /// A WAV file.
    Wav(PathBuf),
    /// Nowhere, at the pace of a sound card.
    Null,
}

/// What a client is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientSettings {
    /// The server, if one was named. Without it, see [`seek`](crate::discovery::seek).
    pub wanted: Option<Wanted>,
    /// What `--port` says, for a server that is looked or asked for.
    pub port: Option<u16>,
    /// Whether servers may be looked for on the network.
    pub discovery: bool,
    /// The sound card to play on: an id or a part of its name; `None` is the default one.
    pub device: Option<String>,
    /// Where the sound goes.
    pub output: Output,
    /// Loudness in per cent, 0 to 200.
    pub volume_percent: u16,
    /// How much later to play, in milliseconds, −5000 to 5000; `None` when nothing was said.
    pub delay_ms: Option<i32>,
    /// Whether to play later by itself where sound keeps running dry.
    pub adaptive: bool,
    /// The codec wished for, or `auto`.
    pub codec: String,
    /// What the server shows.
    pub name: String,
    /// The playout delay in milliseconds for a server that does not say one itself.
    pub fallback_delay_ms: u32,
    /// Whether a flag chose `fallback_delay_ms`, so that a server's own delay contradicts it.
    pub delay_flags_given: bool,
    /// Whether to stop instead of connecting again.
    pub once: bool,
    /// Whether to play on the very device that the server captures.
    pub allow_feedback: bool,
    /// The file to record what is heard into.
    pub record: Option<PathBuf>,
    /// Whether files that exist may be replaced by recordings.
    pub overwrite: bool,
    /// The bad network to listen over.
    pub simulate: Option<Simulation>,
    /// Whether to list the sound devices and stop.
    pub list_devices: bool,
    /// Whether to list the servers on the network and stop.
    pub list_servers: bool,
    /// Whether that list is JSON.
    pub json: bool,
    /// Where statistics go, if anywhere.
    pub stats: Option<StatsTarget>,
    /// The least important log level that is shown.
    pub level: log::LevelFilter,
}

impl ClientArgs {
    /// What a server is to be told, if that is what was typed.
    #[must_use]
    pub fn ctl(&self) -> Option<&CtlArgs> {
        self.instead.as_ref().map(|Instead::Ctl(args)| args)
    }

    /// What the command line means.
    ///
    /// # Errors
    ///
    /// [`Error::Preset`] for a preset that cannot be used, [`Error::Usage`] for flags that cannot
    /// be.
    pub fn settings(self) -> Result<ClientSettings> {
        if self.device.is_some() && self.output != Output::Speaker {
            return Err(Error::usage(
                "--device chooses a sound card, and --output sends the sound elsewhere",
                "Leave one of the two out",
            ));
        }
        if self.json && !self.list_servers {
            return Err(Error::usage(
                "--json says how --list-servers lists, which was not asked for",
                "Type both, or neither",
            ));
        }
        if let Some(name) = &self.name {
            preset::check_name(name)?;
        }
        let discovery = !self.no_discovery;
        let wanted =
            self.host.map(|host| Wanted::parse(&host, self.port, discovery)).transpose()?;
        Ok(ClientSettings {
            wanted,
            port: self.port,
            discovery,
            device: self.device,
            output: self.output,
            volume_percent: self.volume,
            delay_ms: self.delay,
            adaptive: self.adaptive,
            codec: self.codec,
            name: self.name.unwrap_or_else(computer::name),
            fallback_delay_ms: fallback_delay(self.preset.as_deref(), self.playout_delay_ms)?,
            delay_flags_given: self.preset.is_some() || self.playout_delay_ms.is_some(),
            once: self.once,
            allow_feedback: self.allow_feedback,
            record: self.record,
            overwrite: self.overwrite,
            simulate: self.simulate,
            list_devices: self.list_devices,
            list_servers: self.list_servers,
            json: self.json,
            stats: self.stats,
            level: self.verbosity.level(),
        })
    }
}

fn fallback_delay(preset: Option<&str>, milliseconds: Option<u32>) -> Result<u32> {
    // A preset that was named is checked even when the other flag decides.
    let preset_ms = match (preset, milliseconds) {
        (None, Some(milliseconds)) => milliseconds,
        (name, _) => preset::load(name.unwrap_or(preset::DEFAULT))?.0.playout_delay_ms,
    };
    let Some(milliseconds) = milliseconds else { return Ok(preset_ms) };
    preset::check_playout_delay(milliseconds)?;
    Ok(milliseconds)
}

/// Asks whoever sits there for the server, a few times if need be. `port` is what `--port` says.
/// Only for a terminal: anything else gets [`host_missing`].
///
/// # Errors
///
/// [`Error::Usage`] when no answer could be a server's address, or none comes;
/// [`Error::Internal`] when the terminal cannot be read or written.
pub fn ask_for_host(
    input: &mut impl BufRead,
    output: &mut impl Write,
    port: Option<u16>,
) -> Result<Target> {
    let question = "Address of the PC that plays (auralync-server shows it there): ";
    ask(input, output, question, host_missing(), |typed| Target::parse(typed, port))
}

/// Asks a question a few times, until `understand` makes something of an answer. `missing` is the
/// error where no answer comes.
///
/// # Errors
///
/// As [`ask_for_host`].
pub(crate) fn ask<T>(
    input: &mut impl BufRead,
    output: &mut impl Write,
    question: &str,
    missing: Error,
    understand: impl Fn(&str) -> Result<T>,
) -> Result<T> {
    let broken = |error| Error::internal("cannot ask for the server", error);
    let mut last = missing;
    for asked in 0..QUESTIONS {
        if asked > 0 {
            writeln!(output, "{last}").map_err(broken)?;
        }
        write!(output, "{question}").and_then(|()| output.flush()).map_err(broken)?;
        let mut answer = Vec::new();
        input.by_ref().take(LONGEST_ANSWER).read_until(b'\n', &mut answer).map_err(broken)?;
        if answer.is_empty() {
            break;
        }
        let answer = String::from_utf8_lossy(&answer);
        // Whoever copies the whole command that the server prints means the address in it.
        let typed = answer.trim();
        match understand(typed.strip_prefix("auralync-client ").unwrap_or(typed)) {
            Ok(understood) => return Ok(understood),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Nobody named a server, and nobody can be asked.
#[must_use]
pub fn host_missing() -> Error {
    Error::usage(
        "no server was named",
        "Type the address that auralync-server printed when it started, for example: \
         auralync-client 192.168.1.100",
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn read(flags: &str) -> Result<ClientSettings> {
        let words = ["auralync-client"].into_iter().chain(flags.split_whitespace());
        ClientArgs::try_parse_from(words).unwrap().settings()
    }

    fn refused(flags: &str) -> String {
        let words = ["auralync-client"].into_iter().chain(flags.split_whitespace());
        let error = ClientArgs::try_parse_from(words).unwrap_err();
        super::super::usage_error("auralync-client", &error).to_string()
    }

    #[test]
    fn the_flags_are_the_promised_ones() {
        let command = ClientArgs::command();
        command.clone().debug_assert();
        let mut flags: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
        flags.sort_unstable();
        let expected = [
            "adaptive",
            "allow-feedback",
            "codec",
            "delay",
            "device",
            "json",
            "list-devices",
            "list-servers",
            "name",
            "no-discovery",
            "once",
            "output",
            "overwrite",
            "playout-delay-ms",
            "port",
            "preset",
            "quiet",
            "record",
            "simulate",
            "stats",
            "verbose",
            "volume",
        ];
        assert_eq!(flags, expected);
    }

    #[test]
    fn an_address_is_all_that_a_listener_has_to_type() {
        let settings = read("192.168.1.100 --preset presets/smooth.toml").unwrap();
        let target = Target { host: "192.168.1.100".into(), port: 5555 };
        assert_eq!(
            settings,
            ClientSettings {
                wanted: Some(Wanted::Host(target)),
                port: None,
                discovery: true,
                device: None,
                output: Output::Speaker,
                volume_percent: 100,
                delay_ms: None,
                adaptive: false,
                codec: "auto".into(),
                name: computer::name(),
                fallback_delay_ms: 300,
                delay_flags_given: true,
                once: false,
                allow_feedback: false,
                record: None,
                overwrite: false,
                simulate: None,
                list_devices: false,
                list_servers: false,
                json: false,
                stats: None,
                level: log::LevelFilter::Info,
            }
        );
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        let settings = read(
            "pc --port 6000 --output wav:a:b.wav --volume 150 --delay -250 --name me \
             --playout-delay-ms 77 --once --allow-feedback --overwrite --list-devices --stats s.json \
             --adaptive --no-discovery --codec opus:96 --record r.opus --simulate loss=5%",
        )
        .unwrap();
        let target = Target { host: "pc".into(), port: 6000 };
        assert_eq!(settings.wanted, Some(Wanted::Host(target)));
        assert!(!settings.discovery && !settings.list_servers && !settings.json);
        let listing = read("--list-servers --json").unwrap();
        assert!(listing.discovery && listing.list_servers && listing.json);
        assert_eq!((settings.port, settings.volume_percent), (Some(6000), 150));
        assert_eq!(settings.output, Output::Wav("a:b.wav".into()));
        assert_eq!((settings.delay_ms, settings.name.as_str()), (Some(-250), "me"));
        assert_eq!((settings.fallback_delay_ms, settings.delay_flags_given), (77, true));
        assert!(settings.once && settings.allow_feedback);
        assert!(settings.overwrite && settings.list_devices && settings.adaptive);
        assert_eq!(settings.stats, Some(StatsTarget::File("s.json".into())));
        assert_eq!((settings.codec.as_str(), settings.record), ("opus:96", Some("r.opus".into())));
        assert_eq!(settings.simulate, "loss=5%".parse().ok());
        assert_eq!(read("pc --device usb").unwrap().device.as_deref(), Some("usb"));
    }

    #[test]
    fn without_flags_nobody_chose_the_delay() {
        assert!(!read("pc").unwrap().delay_flags_given);
        let both = read("pc --preset presets/live.toml --playout-delay-ms 30").unwrap();
        assert_eq!(both.fallback_delay_ms, 30);
        assert_eq!(read("pc --preset presets/live.toml").unwrap().fallback_delay_ms, 25);
    }

    #[test]
    fn a_word_out_of_its_range_says_the_range() {
        for (flags, part) in [
            ("pc --volume 201", "the volume goes from 0 to 200 per cent"),
            ("pc --volume loud", "this is not a whole number"),
            ("pc --delay -5001", "the delay goes from -5000 to 5000 milliseconds"),
            ("pc --output mp3:x", "it can be speaker, wav:FILE (a sound file) or null (nothing)"),
            ("pc --output wav:", "it can be speaker, wav:FILE (a sound file) or null (nothing)"),
            ("pc --codec opus:9", "it can be auto, f32, s24, s16, opus, or opus:KBPS with 64"),
            ("pc --record a.mp3", "a recording's name ends in .wav, .flac or .opus"),
            ("pc --simulate bad", "“bad” says nothing of a network; it can be"),
            ("pc --port 0", "no server can listen on port 0"),
            ("pc pc2", "unexpected argument 'pc2' found"),
            ("pc --list-servers", "cannot be used with"),
            ("--list-servers --no-discovery", "cannot be used with"),
        ] {
            let error = refused(flags);
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(read("pc --delay −20 --volume 50%").unwrap().delay_ms, Some(-20));
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        for (flags, start) in [
            ("pc --device usb --output null", "--device chooses a sound card, and --output "),
            ("pc:6000 --port 7000", "“pc:6000” and --port 7000 name two ports. "),
            ("--json", "--json says how --list-servers lists"),
            ("pc --playout-delay-ms 4", "--playout-delay-ms cannot be 4. "),
            ("pc --preset smoth", "preset “smoth”: there is no preset of this name. Did you "),
        ] {
            let error = read(flags).unwrap_err();
            assert!(error.to_string().starts_with(start), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    fn ask(answers: &[u8], port: Option<u16>) -> (Result<Target>, String) {
        let mut shown = Vec::new();
        let answer = ask_for_host(&mut &*answers, &mut shown, port);
        (answer, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn who_names_no_server_is_asked_for_it() {
        assert_eq!(read("").unwrap().wanted, None);
        let (answer, shown) = ask(b"192.168.1.5\r\n", Some(6000));
        assert_eq!(answer.unwrap(), Target { host: "192.168.1.5".into(), port: 6000 });
        assert!(shown.starts_with("Address of the PC that plays"), "{shown}");
        let (answer, _) = ask(b"auralync-client 192.168.1.5:77", None);
        assert_eq!(answer.unwrap().to_string(), "192.168.1.5:77");
    }

    #[test]
    fn a_wrong_answer_is_explained_and_asked_again_a_few_times() {
        let (answer, shown) = ask(b"\nhttp://x\npc\n", None);
        assert_eq!(answer.unwrap().host, "pc");
        assert_eq!(shown.matches("Address of the PC").count(), 3);
        assert!(shown.contains("is not a server's address"), "{shown}");
        let (answer, shown) = ask(b"\n\n\n\npc\n", None);
        assert_eq!(answer.unwrap_err().exit_code(), 2);
        assert_eq!(shown.matches("Address of the PC").count(), 3);
        assert_eq!(shown.matches("is not a server's address").count(), 2, "the last is returned");
    }

    #[test]
    fn no_answer_and_an_endless_one_both_end() {
        let (answer, _) = ask(b"", None);
        assert!(answer.unwrap_err().to_string().starts_with("no server was named. Type "));
        let (answer, _) = ask(&[b'x'; 1 << 20], None);
        assert_eq!(answer.unwrap_err().exit_code(), 2);
    }
}
