//! Where players of this user can be told something: by their command lines, their settings, and places that are usual.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::conf::{Http, socket_of_conf};
#[cfg(not(windows))]
use super::conf::{socket_of_words, socket_path};
use super::process::{Found, called};
use super::{Place, Players, VLC_PORT};

/// Most places that are looked at.
pub(super) const MOST_PLACES: usize = 16;

/// Longest settings of a player that are read, in bytes: VLC's have 150 KiB.
const LONGEST_CONF: u64 = 1024 * 1024;

/// Names that people give mpv's socket.
#[cfg(not(windows))]
const USUAL: [&str; 4] = ["mpvsocket", "mpv-socket", "mpv.sock", "mpv.socket"];

/// The variable with VLC's password: what is typed behind a flag, every program on the PC sees.
const PASSWORD: &str = "AURALYNC_VLC_PASSWORD";

/// Whether the system says what runs.
pub(super) const CAN_ASK: bool = cfg!(target_os = "linux");

/// What a search has found.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub(super) places: Vec<Place>,
    /// Players that run and cannot be told anything.
    pub(super) deaf: Vec<&'static str>,
    /// VLC's password, where one is known.
    pub(super) password: Option<Zeroizing<String>>,
}

/// Looks for the players that are wanted.
pub(super) fn search(players: &Players) -> Search {
    let mut search = Search::default();
    match players {
        Players::Off => {}
        Players::Auto => {
            search.mpvs();
            search.vlcs(false);
        }
        Players::Mpv(None) => search.mpvs(),
        Players::Mpv(Some(path)) => search.places.push(Place::Mpv(path.clone())),
        Players::Vlc(None) => search.vlcs(true),
        Players::Vlc(Some(at)) => {
            search.places.push(Place::Vlc(*at));
            let _ = search.http(&called("vlc"));
        }
    }
    search.places.truncate(MOST_PLACES);
    search
}

/// VLC's password, for who has to put something back.
pub(super) fn password() -> Option<Zeroizing<String>> {
    let mut search = Search::default();
    let _ = search.http(&called("vlc"));
    search.password
}

impl Search {
    #[cfg(not(windows))]
    fn mpvs(&mut self) {
        let home = std::env::home_dir().unwrap_or_default();
        let mut named = BTreeSet::new();
        let own = configs().join("mpv");
        let conf = read(&own.join("mpv.conf"));
        let of_conf = conf.as_deref().and_then(socket_of_conf);
        let running = called("mpv");
        for Found { words, folder } in &running {
            let socket = socket_of_words(words).or(of_conf);
            named.extend(socket.map(|socket| socket_path(socket, (&home, &own), folder)));
        }
        // One that is not seen among the processes, as in a box of its own.
        named.extend(of_conf.map(|socket| socket_path(socket, (&home, &own), &home)));
        let folders = [std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from), Some("/tmp".into())];
        for folder in folders.into_iter().flatten() {
            named.extend(USUAL.map(|name| folder.join(name)));
        }
        let there: BTreeSet<PathBuf> = named
            .into_iter()
            .filter(|path| is_own_socket(path))
            .map(|path| fs::canonicalize(&path).unwrap_or(path))
            .collect();
        if there.is_empty() && !running.is_empty() {
            self.deaf.push("mpv");
        }
        self.places.extend(there.into_iter().map(Place::Mpv));
    }

    /// Windows has named pipes instead, and asks nobody for another's command line.
    #[cfg(windows)]
    fn mpvs(&mut self) {
        let conf = std::env::var_os("APPDATA").map(PathBuf::from);
        let conf = conf.and_then(|folder| read(&folder.join("mpv/mpv.conf")));
        let named = conf.as_deref().and_then(socket_of_conf).unwrap_or("mpvsocket");
        let pipe = match named.starts_with(r"\\") {
            true => PathBuf::from(named),
            false => PathBuf::from(format!(r"\\.\pipe\{named}")),
        };
        if fs::exists(&pipe).unwrap_or(false) {
            self.places.push(Place::Mpv(pipe));
        }
    }

    fn vlcs(&mut self, is_wanted: bool) {
        let running = called("vlc");
        // Where nobody can be asked what runs, a password in VLC's settings says that its interface may.
        if running.is_empty() && CAN_ASK && !is_wanted {
            return;
        }
        let ports = self.http(&running);
        if self.password.is_none() && !is_wanted {
            self.deaf.extend((!running.is_empty()).then_some("VLC"));
            return;
        }
        let here = |port| Place::Vlc(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        self.places.extend(ports.into_iter().map(here));
    }

    /// The ports at which VLCs may listen; notes the password.
    fn http(&mut self, running: &[Found]) -> BTreeSet<u16> {
        let conf = read(&vlcrc()).map(|text| Http::of_conf(&text)).unwrap_or_default();
        let of_words = running.iter().map(|found| conf.clone().or_words(&found.words));
        let mut all: Vec<Http> = of_words.collect();
        if all.is_empty() {
            all.push(conf);
        }
        let given = std::env::var(PASSWORD).ok().filter(|password| !password.is_empty());
        let known = given.or_else(|| all.iter().find_map(|http| http.password.clone()));
        self.password = known.map(Zeroizing::new);
        all.iter().map(|http| http.port.unwrap_or(VLC_PORT)).collect()
    }
}

/// Where this user's programs keep their settings.
#[cfg(not(windows))]
fn configs() -> PathBuf {
    let named = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let named = named.filter(|folder| folder.is_absolute());
    named.unwrap_or_else(|| std::env::home_dir().unwrap_or_default().join(".config"))
}

/// VLC's settings.
fn vlcrc() -> PathBuf {
    #[cfg(windows)]
    return PathBuf::from(std::env::var_os("APPDATA").unwrap_or_default()).join("vlc/vlcrc");
    #[cfg(target_os = "macos")]
    return std::env::home_dir()
        .unwrap_or_default()
        .join("Library/Preferences/org.videolan.vlc/vlcrc");
    #[cfg(not(any(windows, target_os = "macos")))]
    configs().join("vlc/vlcrc")
}

/// What stands in a file of settings, if it is one.
fn read(path: &Path) -> Option<String> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(LONGEST_CONF).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a socket of this user's lies there: another user's is not asked what it is.
#[cfg(unix)]
fn is_own_socket(path: &Path) -> bool {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let own = rustix::process::geteuid().as_raw();
    fs::metadata(path).is_ok_and(|what| what.file_type().is_socket() && what.uid() == own)
}
