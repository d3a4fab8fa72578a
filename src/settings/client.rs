//! `auralync-client`'s command line.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Parser;

use super::words::{
    clean, client_port, codec, delay, output, recording, room_code, stats, talk, talk_codec,
    transport, volume, whole_number,
};
use super::{Desktop, EarFlags, Simulation, Verbosity, code, computer, link};
use crate::codec::Codec;
use crate::discovery::seek::Sought;
use crate::discovery::target::Wanted;
use crate::dscp::Dscp;
use crate::error::{Error, Result};
use crate::preset;
use crate::recording::{Kind, STDOUT, refuse_at_once};
use crate::secure::code::Code;
use crate::secure::room::Link;
use crate::stats::StatsTarget;
use crate::talking::{Clean, Mode};

/// What is typed behind `auralync-client`.
#[derive(Debug, Parser)]
#[command(
    name = "auralync-client",
    version = env!("AURALYNC_VERSION"),
    about = "Plays what a PC with auralync-server sends, in step with every other listener.",
    after_help = "Examples:
  auralync-client                                      listen to the server on this network
  auralync-client attic                                listen to the server of this name
  auralync-client 192.168.1.100                        listen to the PC at this address
  auralync-client 192.168.1.100 --volume 60            quieter
  auralync-client 192.168.1.100 --output wav:film.wav  into a file instead of the headphones
  auralync-client 192.168.1.100 --talk                 talk, too, where the server lets you
  auralync-client calibrate --help                     measure how late an output really is
  auralync-client ctl --help                           tell a server on this PC what to do
  auralync-client service --help                       let it start by itself

Exit codes: 0 stopped as asked, 1 internal, 2 command line or preset, 3 sound device,
4 network, 5 the other end is not AuraLync, 6 server full, 7 file, 8 private room,
9 the self-test found that not all is well."
)]
pub struct ClientArgs {
    /// The PC that plays: its address, with a port if it is not 5555, or the server's name. Without
    /// it, the servers on this network are looked for.
    #[arg(value_name = "HOST[:PORT]|NAME")]
    host: Option<String>,
    /// The link to a private room, in this file, or typed where it is -. A room that was entered once is
    /// remembered.
    #[arg(long, value_name = "FILE|-")]
    link: Option<PathBuf>,
    /// The code of a private room: six digits that its server shows. Without it, a terminal is asked.
    #[arg(long, value_name = "CODE", value_parser = room_code, allow_negative_numbers = true)]
    code: Option<Code>,
    /// The server's port, if it is not 5555.
    #[arg(long, value_parser = client_port, allow_negative_numbers = true)]
    port: Option<u16>,
    /// The headphones or speakers to play on: an id from --list-devices or a part of the name.
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Where the sound goes: speaker, wav:FILE (a sound file), wav:- (another program, by standard
    /// output) or null (nowhere).
    #[arg(long, value_name = "OUTPUT", default_value = "speaker", value_parser = output)]
    output: Output,
    /// Loudness in per cent, 0 to 200; 100 leaves it as it is.
    #[arg(long, value_name = "0-200", default_value = "100", value_parser = volume,
        allow_negative_numbers = true)]
    volume: u16,
    /// Play this many milliseconds later than the others, or earlier with a minus, up to 5000.
    /// Remembered for the output it was given for; 0 forgets it.
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = delay)]
    delay: Option<i32>,
    #[command(flatten)]
    hearing: EarFlags,
    /// Play later by itself, step by step, as long as sound keeps running dry.
    #[arg(long)]
    adaptive: bool,
    /// How the sound is packed for the network: auto (as the server thinks best), f32, s24, s16,
    /// opus, or opus:KBPS with 64 to 256 kilobits a second.
    #[arg(long, value_name = "CODEC", default_value = crate::codec::AUTO, value_parser = codec)]
    codec: String,
    /// How sound comes: auto (by UDP where that gets through, else by TCP), udp (the same, and says so where
    /// it does not) or tcp (nothing else).
    #[arg(long, value_name = "auto|udp|tcp", default_value = "auto", value_parser = transport)]
    transport: Transport,
    /// Talk, too, where the server lets you: open (also without a word: whenever you speak) or push
    /// (while you hold the space bar; where the terminal cannot tell, from one press to the next).
    #[arg(
        long,
        value_name = "open|push",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "open",
        value_parser = talk
    )]
    talk: Option<Mode>,
    /// With --talk: speak to a server that was found on the network without asking whether it may hear
    /// you. Anybody there can announce one.
    #[arg(long)]
    talk_to_found: bool,
    /// With --talk: the microphone, an id from --list-devices or a part of the name.
    #[arg(long, value_name = "NAME")]
    mic: Option<String>,
    /// With --talk: how your voice is packed: opus, opus:KBPS with 64 to 256 kilobits a second, s16,
    /// s24 or f32.
    #[arg(long, value_name = "CODEC", default_value = "opus", value_parser = talk_codec)]
    talk_codec: Codec,
    /// With --talk: what is taken out of your microphone and made better: echo (the film, from your
    /// loudspeakers), noise, gain (as loud as the others), with commas between them, or off. auto is all
    /// of it, and nothing where --talk-codec is f32.
    #[arg(long, value_name = "auto|off|echo,noise,gain", default_value = "auto", value_parser = clean)]
    clean: Asked,

    /// The name that the server shows for you, instead of this PC's name.
    #[arg(long)]
    name: Option<String>,
    /// With a server of the first generation: take the delay from this preset.
    #[arg(long, value_name = "PRESET")]
    preset: Option<String>,
    /// With a server of the first generation: the delay in milliseconds, 5 to 10000.
    #[arg(long, value_name = "MS", value_parser = whole_number::<u32>,
        allow_negative_numbers = true)]
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
    /// stall=500ms/30s,burst=60ms/3s,quality=50%,seed=7.
    #[arg(long, value_name = "WORDS", value_parser = Simulation::from_str)]
    simulate: Option<Simulation>,
    /// How packets are marked for access points and routers: ef (as voice is), cs6 (for the first
    /// queue of plain access points) or off.
    #[arg(long, value_name = "ef|cs6|off", default_value_t, value_parser = Dscp::from_str)]
    dscp: Dscp,
    /// List the sound devices, then stop.
    #[arg(long)]
    list_devices: bool,
    /// Send a chirp through a server and two listeners in this program, and say whether all is well, then stop.
    #[arg(long)]
    self_test: bool,
    /// List the servers on this network, then stop.
    #[arg(long)]
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
    #[command(flatten)]
    _desktop: Desktop,
}

/// What `--clean` asks for; `None` is auto. A name of its own: clap takes an `Option` for a flag that
/// may be left out.
type Asked = Option<Clean>;

/// Where received sound goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A sound card.
    Speaker,
    /// A sound file, or a WAV stream to standard output where that is [`STDOUT`].
    Wav(PathBuf),
    /// Nowhere, at the pace of a sound card.
    Null,
}

/// How sound comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// By datagram where that gets through, else by TCP.
    Auto,
    /// As [`Auto`](Self::Auto), and it is said where datagrams do not get through.
    Udp,
    /// By TCP.
    Tcp,
}

/// What a client is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientSettings {
    /// The server, if one was named. Without it, see [`seek`](crate::discovery::seek).
    pub wanted: Option<Wanted>,
    /// The link to a private room, if one was given.
    pub link: Option<Link>,
    /// The code of a private room, if one was given.
    pub code: Option<Code>,
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
    /// How it is to sound, as far as flags say so.
    pub hearing: EarFlags,
    /// Whether that is remembered for the output, and what was remembered counts.
    pub remembers_hearing: bool,
    /// Whether to play later by itself where sound keeps running dry.
    pub adaptive: bool,
    /// The codec wished for, or `auto`.
    pub codec: String,
    /// How sound comes.
    pub transport: Transport,
    /// When the microphone's sound goes out; `None` only listens.
    pub talk: Option<Mode>,
    /// Whether a server that was found gets the microphone unasked.
    pub talk_to_found: bool,
    /// The microphone: an id or a part of its name; `None` is the default one.
    pub microphone: Option<String>,
    /// How its sound is packed.
    pub talk_codec: Codec,
    /// What is made better of it before.
    pub clean: Clean,
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
    /// How packets are marked.
    pub dscp: Dscp,
    /// Whether to list the sound devices and stop.
    pub list_devices: bool,
    /// Whether to test the whole chain and stop.
    pub self_test: bool,
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
        if self.list_servers && (self.host.is_some() || self.no_discovery) {
            return Err(Error::usage(
                match self.host {
                    Some(_) => "--list-servers lists every server, and one was named",
                    None => "--list-servers looks for servers, and --no-discovery forbids it",
                },
                "Leave one of the two out",
            ));
        }
        if self.json && !self.list_servers {
            return Err(Error::usage(
                "--json says how --list-servers lists, which was not asked for",
                "Type both, or neither",
            ));
        }
        if self.mic.is_some() && self.talk.is_none() {
            return Err(Error::usage(
                "--mic chooses a microphone to talk into, and --talk was not asked for",
                "Type both, or neither",
            ));
        }
        if self.clean.is_some() && self.talk.is_none() {
            return Err(Error::usage(
                "--clean says what becomes of your microphone, and --talk was not asked for",
                "Type both, or neither",
            ));
        }
        if self.talk_to_found && self.talk.is_none() {
            return Err(Error::usage(
                "--talk-to-found says who hears your microphone, and --talk was not asked for",
                "Type both, or neither",
            ));
        }
        if let Some(name) = &self.name {
            preset::check_name(name)?;
        }
        self.check_files(std::io::stdout().is_terminal())?;
        let discovery = !self.no_discovery;
        let given = match (&self.link, &self.host) {
            (Some(path), _) => Some(link::given(path)?),
            (None, Some(host)) if host.contains('#') => Some(link::understand(host)?),
            (None, _) => link::from_environment()?,
        };
        let host = self.host.filter(|host| !host.contains('#'));
        let wanted = host.map(|host| Wanted::parse(&host, self.port, discovery)).transpose()?;
        let (link, target) = given.map_or((None, None), |given| (Some(given.link), given.target));
        Ok(ClientSettings {
            wanted: wanted.or_else(|| target.map(Wanted::Host)),
            link,
            code: self.code.map_or_else(code::from_environment, |code| Ok(Some(code)))?,
            port: self.port,
            discovery,
            device: self.device,
            output: self.output,
            volume_percent: self.volume,
            delay_ms: self.delay,
            hearing: self.hearing,
            remembers_hearing: true,
            adaptive: self.adaptive,
            codec: self.codec,
            transport: self.transport,
            talk: self.talk,
            talk_to_found: self.talk_to_found,
            microphone: self.mic,
            talk_codec: self.talk_codec,
            clean: self.clean.unwrap_or_else(|| Clean::usual(self.talk_codec)),
            name: self.name.unwrap_or_else(computer::name),
            fallback_delay_ms: fallback_delay(self.preset.as_deref(), self.playout_delay_ms)?,
            delay_flags_given: self.preset.is_some() || self.playout_delay_ms.is_some(),
            once: self.once,
            allow_feedback: self.allow_feedback,
            record: self.record,
            overwrite: self.overwrite,
            simulate: self.simulate,
            dscp: self.dscp,
            list_devices: self.list_devices,
            self_test: self.self_test,
            list_servers: self.list_servers,
            json: self.json,
            stats: self.stats,
            level: self.verbosity.level(),
        })
    }
}

impl ClientArgs {
    /// Refuses files that could not be written later: nobody should learn that when the film has
    /// begun. `is_seen` says that somebody looks at standard output.
    fn check_files(&self, is_seen: bool) -> Result<()> {
        if let Some(path) = &self.record {
            refuse_at_once(path, self.overwrite)?;
        }
        match &self.output {
            Output::Wav(path) if path == Path::new(STDOUT) => {
                if self.stats == Some(StatsTarget::Stdout) {
                    return Err(Error::usage(
                        "--output wav:- and --stats - would both write to standard output",
                        "Leave one of the two out, or name a file",
                    ));
                }
                if is_seen {
                    return Err(Error::usage(
                        "--output wav:- gives the sound to another program, and there is none",
                        "Add it behind a | sign, or name a file",
                    ));
                }
                Ok(())
            }
            Output::Wav(path) => {
                Kind::of(path)?;
                refuse_at_once(path, self.overwrite)
            }
            _ => Ok(()),
        }
    }
}

impl ClientSettings {
    /// What is known of the server.
    #[must_use]
    pub fn sought(&self) -> Sought<'_> {
        Sought {
            wanted: self.wanted.as_ref(),
            port: self.port,
            discovery: self.discovery,
            hears: self.talk.is_some(),
            may_hear_unasked: self.talk_to_found,
        }
    }
}

/// Writes `--talk push` and `--talk open` as clap reads them, with an equals sign. Otherwise the mode
/// would be taken for the server's name.
#[must_use]
pub fn join_mode(words: Vec<OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::with_capacity(words.len());
    for word in words {
        let is_mode = word.to_str().is_some_and(|word| talk(word).is_ok());
        match joined.last_mut() {
            Some(flag) if is_mode && flag == "--talk" => {
                flag.push("=");
                flag.push(word);
            }
            _ => joined.push(word),
        }
    }
    joined
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

#[cfg(test)]
mod tests;
