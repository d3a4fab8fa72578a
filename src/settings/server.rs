//! `auralync-server`'s command line.

mod engine;
mod film;
mod https;
mod icecast;
mod ports;
mod relay;
mod snapcast;
mod sources;

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::words::{address, certificate, duck, folder, host, recording, stats, whole_number};
use super::{DEFAULT_WEB_PORT, Desktop, Verbosity, computer};
use crate::dscp::Dscp;
use crate::error::{Error, Result};
use crate::icecast::target::Target;
use crate::player::Players;
use crate::preset::{self, Origin, Overrides, Preset};
use crate::snapcast::packing::SnapCodec;
use crate::source::{RoomName, Source, spec_from_os};
use crate::stats::StatsTarget;

/// The preset of a conference with no film, where none is named: there is no picture to wait for.
const CONFERENCE_PRESET: &str = "live";

/// By how many dB a film steps back for voices, unless a person says otherwise: half as loud, and
/// one still follows it.
const DEFAULT_DUCK_DB: u8 = 12;

/// What is typed behind `auralync-server`. A flag that is missing leaves the preset's value.
#[derive(Debug, Parser)]
#[command(
    name = "auralync-server",
    version = env!("AURALYNC_VERSION"),
    about = "Sends what this PC plays to everybody who listens with auralync-client.",
    after_help = "Examples:
  auralync-server                        what this PC plays, for music and films
  auralync-server --preset low-latency   a film without delaying the picture
  auralync-server --source tone          a test tone, to try it without any music
  auralync-server service --help         let it start by itself

Exit codes: 0 stopped as asked, 1 internal, 2 command line or preset, 3 sound device,
4 network, 7 file, 9 the self-test found that not all is well."
)]
pub struct ServerArgs {
    /// The preset to start from: smooth, low-latency, stable, live, one of your own, or a
    /// .toml file. Without it smooth, or live for --source none --talk.
    #[arg(long, value_name = "PRESET")]
    preset: Option<String>,
    /// What to send: loopback (what this PC plays), loopback:OUTPUT, device:INPUT, file:PATH,
    /// file:- (what is piped in), auralync:HOST (what another server sends), tone, tone:HZ or none.
    /// Several times: all of them, mixed.
    /// ,level=-6dB ,muted ,pan=-1…1 ,loudness=-23 ,loop and ,ch=1+2 may follow.
    #[arg(long, value_name = "SOURCE", value_parser = OsStringValueParser::new().map(spec_from_os))]
    source: Vec<String>,
    /// The name that listeners see, instead of this PC's name.
    #[arg(long)]
    name: Option<String>,
    /// Accept listeners only on this one address of this PC.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    bind: Option<IpAddr>,
    /// The port that listeners connect to, 5555 if nothing else is said; 0 takes a free one.
    #[arg(long, value_parser = whole_number::<u16>,
        allow_negative_numbers = true)]
    port: Option<u16>,
    /// Frames of sound per second, 8000 to 192000, instead of the sound card's.
    #[arg(long, value_name = "HZ", value_parser = whole_number::<u32>,
        allow_negative_numbers = true)]
    sample_rate: Option<u32>,
    /// 1 for mono, 2 for stereo.
    #[arg(long, value_name = "1|2", value_parser = whole_number::<u16>,
        allow_negative_numbers = true)]
    channels: Option<u16>,
    /// Frames of sound that go over the network in one piece, 16 to 8192.
    #[arg(long, value_name = "FRAMES", value_parser = whole_number::<u32>,
        allow_negative_numbers = true)]
    chunk_size: Option<u32>,
    /// Chunks that wait for one slow listener at most, 1 to 1000.
    #[arg(long, value_name = "CHUNKS", value_parser = whole_number::<u32>,
        allow_negative_numbers = true)]
    max_queue_size: Option<u32>,
    /// People who can listen at the same time, 0 to 10000; 0 means 1000.
    #[arg(long, value_name = "LISTENERS", value_parser = whole_number::<u32>,
        allow_negative_numbers = true)]
    max_clients: Option<u32>,
    /// How many of them may come from one address, 1 to 10000, instead of a quarter and at least 4;
    /// this PC itself may always take all.
    #[arg(long, value_name = "LISTENERS", value_parser = whole_number::<u32>,
        allow_negative_numbers = true)]
    per_address: Option<u32>,
    /// People who may talk at the same time, with --talk, 1 to 200.
    #[arg(long, value_name = "PEOPLE", value_parser = whole_number::<u32>,
        allow_negative_numbers = true)]
    max_talkers: Option<u32>,
    /// Listeners that may wait at the same moment to be let in, 1 to 65535.
    #[arg(long, value_name = "CONNECTIONS", value_parser = whole_number::<u32>,
        allow_negative_numbers = true)]
    listen_backlog: Option<u32>,
    #[command(flatten)]
    film: film::FilmArgs,
    /// How sound may be packed for the network, best first, separated by commas: f32, s24, s16,
    /// opus, opus:KBPS. "f32 up to 6,opus" gives f32 while at most 6 listen.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    codecs: Option<Vec<String>>,
    /// The port of the page for phones and browsers, 8080 if nothing else is said; 0 takes a free
    /// one.
    #[arg(long, value_name = "PORT", value_parser = whole_number::<u16>,
        overrides_with = "no_web", allow_negative_numbers = true)]
    web: Option<u16>,
    /// Serve no page for phones and browsers.
    #[arg(long, overrides_with = "web")]
    no_web: bool,
    /// Serve the page encrypted too, at this port, 8443 if none is said: phones may speak there. 0 takes a free port.
    /// By itself with --talk --private.
    #[arg(long, value_name = "PORT", value_parser = whole_number::<u16>, num_args = 0..=1,
        default_missing_value = "8443", overrides_with = "no_https", allow_negative_numbers = true)]
    https: Option<u16>,
    /// Serve no encrypted page, with --talk --private either.
    #[arg(long, overrides_with = "https")]
    no_https: bool,
    /// With --https: the certificate to show (PEM, with those that lead to its root behind it), instead of one of the
    /// server's own. Read again when it changes.
    #[arg(long, value_name = "FILE", value_parser = certificate)]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert (PEM).
    #[arg(long, value_name = "FILE", value_parser = certificate)]
    tls_key: Option<PathBuf>,
    /// Who may read /status.json and /metrics on the page's port: programs on this PC, or everybody.
    #[arg(
        long,
        value_name = "local|public",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    web_status: Readers,
    /// A name that the page may be opened by, such as a proxy's. Addresses, this PC's own name and
    /// names that only homes have are known. Any number of times.
    #[arg(long, value_name = "NAME", value_parser = host)]
    web_host: Vec<String>,
    /// Do not show the page's address as a QR code.
    #[arg(long)]
    no_qr: bool,
    /// Open the page in this PC's browser. By itself where a double click started the server on Windows.
    #[arg(long, overrides_with = "no_open")]
    open: bool,
    /// Do not open the page in a browser.
    #[arg(long, overrides_with = "open")]
    no_open: bool,
    /// How packets are marked for access points and routers: ef (as voice is), cs6 (for the first
    /// queue of plain access points) or off.
    #[arg(long, value_name = "ef|cs6|off", default_value_t, value_parser = Dscp::from_str)]
    dscp: Dscp,
    /// Do not announce this server on the network: listeners must type its address.
    #[arg(long)]
    no_discovery: bool,
    /// Send sound by TCP alone. Without this flag those who can take it get it by UDP, from the same
    /// port, where a bad Wi-Fi is heard less.
    #[arg(long)]
    no_udp: bool,
    /// Let in only those who have the room's link or a code, and seal all sound and words.
    #[arg(long)]
    private: bool,
    /// With --private: make a new link, so that older ones are of no use any more.
    #[arg(long)]
    new_key: bool,
    /// Print the link of the private room, then stop. Whoever has it may listen.
    #[arg(long)]
    show_link: bool,
    /// With --private: whoever comes for the first time waits until auralync-client ctl let-in lets them in.
    #[arg(long)]
    ask: bool,
    /// Let listeners speak: everybody hears what is sent and everybody else, and nobody themselves. In a
    /// private room with names behind it, only those: --talk=Ann,Bob.
    #[arg(
        long,
        value_name = "NAME,NAME",
        num_args = 0..,
        require_equals = true,
        value_delimiter = ','
    )]
    talk: Option<Vec<String>>,
    /// With --talk: by how many decibels what is sent steps back while somebody speaks, 0 to 60; 0
    /// leaves it, and without this flag it is 12.
    #[arg(long, value_name = "DB", value_parser = duck, allow_negative_numbers = true)]
    duck: Option<u8>,
    /// A source that can be taken in while the server runs, with auralync-client ctl add; written as
    /// for --source. Any number of times.
    #[arg(long, value_name = "SOURCE", value_parser = OsStringValueParser::new().map(spec_from_os))]
    offer: Vec<String>,
    /// An Icecast server that gets what is sent, so that any player can play it: icecast://HOST/MOUNT. Several times:
    /// all of them. ,bitrate=96 ,name=… ,mount=/… ,password-file=PATH, and for https ,ca=FILE may follow.
    #[arg(long, value_name = "URL")]
    icecast: Vec<String>,
    /// Send to other servers too, by a NATS server at this address: nats://HOST[:4222], or tls://HOST.
    /// Several with a comma between. With --source engine:ROOM: get the sound from there.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    engine: Vec<String>,
    /// With --engine: what the room is called between servers, where it is not “room”.
    #[arg(long, value_name = "NAME", value_parser = RoomName::from_str)]
    engine_room: Option<RoomName>,
    /// With --engine tls://: the certificate of the engine, or of who signed it (PEM).
    #[arg(long, value_name = "FILE", value_parser = certificate)]
    engine_ca: Option<PathBuf>,
    /// Let snapclients join too, at this port, 1704 if none is said; 0 takes a free one. Not with --private.
    #[arg(long, value_name = "PORT", value_parser = whole_number::<u16>, num_args = 0..=1,
        default_missing_value = "1704", allow_negative_numbers = true)]
    snapcast: Option<u16>,
    /// With --snapcast: how sound is packed for them, pcm or flac, which is the same in about half the bytes.
    #[arg(long, value_name = "pcm|flac", value_enum, hide_possible_values = true)]
    snapcast_codec: Option<SnapCodec>,
    /// Keep what is sent in this file: .wav, .flac or .opus.
    #[arg(long, value_name = "FILE", value_parser = recording)]
    record: Option<PathBuf>,
    /// Keep each source and each person who speaks in a file of its own in this folder, all of
    /// which begin with the same moment.
    #[arg(long, value_name = "FOLDER", value_parser = folder)]
    record_tracks: Option<PathBuf>,
    /// The folder for recordings that are begun while the server runs.
    #[arg(long, value_name = "FOLDER", value_parser = folder)]
    record_dir: Option<PathBuf>,
    /// Replace the files of --record and --record-tracks if there are any.
    #[arg(long)]
    overwrite: bool,
    /// List the sound devices and what can be captured, then stop.
    #[arg(long)]
    list_devices: bool,
    /// Send a chirp through this server and two listeners in this program, and say whether all is well, then stop.
    #[arg(long)]
    self_test: bool,
    /// Print a preset (smooth, low-latency, stable, live), to start your own from, then stop.
    #[arg(long, value_name = "PRESET")]
    print_preset: Option<String>,
    /// Write one line of statistics (JSON) a second to a file, or to standard output with -.
    #[arg(long, value_name = "FILE|-", value_parser = stats)]
    stats: Option<StatsTarget>,
    #[command(flatten)]
    verbosity: Verbosity,
    #[command(flatten)]
    _desktop: Desktop,
}

pub use engine::EngineSettings;

/// Who may read the figures on the page's port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Readers {
    /// Programs on this machine.
    #[default]
    Local,
    /// Everybody who reaches the page.
    Public,
}

/// What a server is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSettings {
    /// The preset with the flags on top.
    pub preset: Preset,
    /// What the preset was called.
    pub preset_name: String,
    /// Where the preset came from.
    pub origin: Origin,
    /// What the flags say, to put on top again when the preset's file changes.
    pub overrides: Overrides,
    /// What to send, mixed: at least one, and the first gives the others their time.
    pub sources: Vec<Source>,
    /// What may be taken in beside them while the server runs.
    pub offers: Vec<Source>,
    /// Players on this PC whose picture is to follow the delay.
    pub players: Players,
    /// Icecast servers that get what is sent.
    pub icecast: Vec<Target>,
    /// What listeners see.
    pub name: String,
    /// Whether to announce the server on the network.
    pub discovery: bool,
    /// Whether sound may go by datagram.
    pub datagrams: bool,
    /// How packets are marked.
    pub dscp: Dscp,
    /// Where statistics go, if anywhere.
    pub stats: Option<StatsTarget>,
    /// The port of the page for browsers, if there is to be one; 0 takes a free one.
    pub web: Option<u16>,
    /// The port of the encrypted page, if there is to be one; 0 takes a free one.
    pub https: Option<u16>,
    /// The certificate that is shown there and its key, where they are not the server's own.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Who may read the figures there.
    pub web_status: Readers,
    /// Names that the page may be opened by, beside those that everybody's home has.
    pub web_hosts: Vec<String>,
    /// Whether to show the page's address as a QR code.
    pub qr: bool,
    /// Whether to open the page in a browser, if that was said.
    pub opens: Option<bool>,
    /// Whether the room is private.
    pub private: bool,
    /// Whether its link is to be another one from now on.
    pub new_key: bool,
    /// Whether to print the link and stop.
    pub show_link: bool,
    /// Whether newcomers wait until somebody lets them in.
    pub asks: bool,
    /// Whether listeners may speak.
    pub talk: bool,
    /// The names of those who may, where not everybody may.
    pub talkers: Option<Vec<String>>,
    /// By how many dB the film steps back while somebody does.
    pub duck_db: u8,
    /// The engine by which sound goes to other servers or comes from one, if there is one.
    pub engine: Option<EngineSettings>,
    /// The port for snapclients, if they may join; 0 takes a free one.
    pub snapcast: Option<u16>,
    /// How sound is packed for them.
    pub snapcast_codec: SnapCodec,
    /// The file to record what is sent into.
    pub record: Option<PathBuf>,
    /// The folder to record each input of the mix into.
    pub record_tracks: Option<PathBuf>,
    /// The folder for recordings that are begun while the server runs.
    pub record_dir: Option<PathBuf>,
    /// Whether files that exist may be replaced by recordings.
    pub overwrite: bool,
    /// Whether to list the sound devices and stop.
    pub list_devices: bool,
    /// Whether to test the whole chain and stop.
    pub self_test: bool,
    /// The preset to print before stopping.
    pub print_preset: Option<String>,
    /// The least important log level that is shown.
    pub level: log::LevelFilter,
}

impl ServerArgs {
    /// What the command line means.
    ///
    /// # Errors
    ///
    /// [`Error::Preset`] for a preset that cannot be used, [`Error::Usage`] for flags that cannot
    /// be.
    pub fn settings(self) -> Result<ServerSettings> {
        if self.duck.is_some() && self.talk.is_none() {
            return Err(Error::usage(
                "--duck needs --talk: what is sent steps back only for those who may speak",
                "Type both, or neither",
            ));
        }
        let overrides = Overrides {
            chunk_size: self.chunk_size,
            max_queue_size: self.max_queue_size,
            max_clients: self.max_clients,
            max_talkers: self.max_talkers,
            listen_backlog: self.listen_backlog,
            per_address: self.per_address,
            playout_delay_ms: self.film.delay_ms(),
            auto_delay: self.film.auto_delay(),
            sample_rate: self.sample_rate,
            channels: self.channels,
            port: self.port,
            bind: self.bind,
            source: Some(self.source.clone()).filter(|sources| !sources.is_empty()),
            name: self.name.clone(),
            private: self.private.then_some(true),
            codecs: self.codecs.clone(),
            icecast: Some(self.icecast.clone()).filter(|targets| !targets.is_empty()),
            engine: Some(self.engine.clone()).filter(|urls| !urls.is_empty()),
            engine_room: self.engine_room.clone(),
        };
        let preset_name = self.preset.clone().unwrap_or_else(|| {
            let is_conference =
                self.talk.is_some() && overrides.source.as_deref() == Some(&["none".into()]);
            if is_conference { CONFERENCE_PRESET } else { preset::DEFAULT }.to_owned()
        });
        let (preset, origin) = preset::load(&preset_name)?;
        let preset = preset.with(overrides.clone())?;
        let https = self.https(preset.private)?;
        if self.new_key && !preset.private && !self.show_link {
            return Err(Error::usage(
                "--new-key makes a new link for a private room, and this one is open",
                "Type both, or neither",
            ));
        }
        if self.ask && !preset.private {
            return Err(Error::usage(
                "--ask lets people into a private room one by one, and this one is open",
                "Type --private as well, or leave --ask out",
            ));
        }
        let talkers = self.talk.iter().flatten();
        if talkers.clone().any(|name| preset::check_name(name).is_err()) {
            return Err(Error::usage(
                "--talk needs names that can be shown, of at most 64 characters",
                "Write --talk alone, or names with a comma between two: --talk=Ann,Bob",
            ));
        }
        if talkers.count() > 0 && !preset.private {
            return Err(Error::usage(
                "--talk with names needs a private room: in an open one anybody can take a name",
                "Add --private, or leave the names out",
            ));
        }
        if !self.no_web && !self.list_devices && !self.self_test && self.print_preset.is_none() {
            ports::refuse_one_port_for_both(&preset, overrides.port, self.web)?;
        }
        let sources = sources::sources(&preset)?;
        let offers: Vec<Source> =
            self.offer.iter().map(|offer| offer.parse()).collect::<Result<_>>()?;
        relay::check(sources.iter().chain(&offers), &preset, !self.no_discovery)?;
        let engine = self.engine(&preset, &sources, &offers)?;
        self.film.check(&preset, engine.as_ref(), self.snapcast.is_some())?;
        Ok(ServerSettings {
            private: preset.private,
            snapcast: self.snapcast(&preset, https)?,
            snapcast_codec: self.snapcast_codec.unwrap_or_default(),
            engine,
            sources,
            icecast: icecast::targets(&preset)?,
            name: preset.name.clone().unwrap_or_else(computer::name),
            preset,
            preset_name,
            origin,
            overrides,
            offers,
            players: self.film.players(),
            discovery: !self.no_discovery,
            datagrams: !self.no_udp,
            dscp: self.dscp,
            stats: self.stats,
            web: (!self.no_web).then_some(self.web.unwrap_or(DEFAULT_WEB_PORT)),
            https,
            certificate: self.tls_cert.zip(self.tls_key),
            web_status: self.web_status,
            web_hosts: self.web_host,
            qr: !self.no_qr,
            opens: (self.open || self.no_open).then_some(self.open),
            new_key: self.new_key,
            show_link: self.show_link,
            asks: self.ask,
            talk: self.talk.is_some(),
            talkers: self.talk.filter(|names| !names.is_empty()),
            duck_db: self.duck.unwrap_or(DEFAULT_DUCK_DB),
            record: self.record,
            record_tracks: self.record_tracks,
            record_dir: self.record_dir,
            overwrite: self.overwrite,
            list_devices: self.list_devices,
            self_test: self.self_test,
            print_preset: self.print_preset,
            level: self.verbosity.level(),
        })
    }
}

#[cfg(test)]
mod tests;
