//! Film mode: the players on this PC show their picture as much later as listeners hear their sound.
//!
//! [`film`] decides what a player's property is to be, [`mpv`] and [`vlc`] say it in their words; none of them has a
//! socket or a clock. `way` has the sockets, and `keep` the thread. `docs/design/film.md` says why it is so.

mod conf;
pub mod film;
mod find;
mod keep;
mod kept;
pub mod mpv;
mod process;
mod session;
pub mod vlc;
mod way;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::home;

pub(crate) use keep::{Keeping, Shown, start};

/// The port of VLC's HTTP interface where nothing else is said.
pub const VLC_PORT: u16 = 8080;

/// The port that is advised for it: VLC's own is that of a server's page too.
const VLC_ADVISED: u16 = 9090;

/// Which players are to follow the delay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Players {
    /// None.
    #[default]
    Off,
    /// Whichever of this user run and can be told.
    Auto,
    /// The mpv that listens at this place, or any.
    Mpv(Option<PathBuf>),
    /// The VLC whose HTTP interface listens there on this PC, or any.
    Vlc(Option<SocketAddr>),
}

impl Players {
    /// Whether there are any.
    #[must_use]
    pub fn are_wanted(&self) -> bool {
        *self != Self::Off
    }
}

impl FromStr for Players {
    type Err = String;

    /// Reads what is typed behind `--player`.
    fn from_str(typed: &str) -> Result<Self, String> {
        let (kind, place) = match typed.split_once(':') {
            Some((kind, place)) => (kind, Some(place.trim())),
            None => (typed, None),
        };
        if place.is_some_and(str::is_empty) {
            return Err(format!("nothing follows “{kind}:”"));
        }
        match (kind.to_ascii_lowercase().as_str(), place) {
            ("off", None) => Ok(Self::Off),
            ("auto", None) => Ok(Self::Auto),
            ("mpv", place) => Ok(Self::Mpv(place.map(home::expanded))),
            ("vlc", None) => Ok(Self::Vlc(None)),
            ("vlc", Some(place)) => vlc_place(place).map(|at| Self::Vlc(Some(at))),
            _ => Err(
                "it can be auto, mpv, mpv:SOCKET, vlc, vlc:HOST:PORT (HOST is this PC: localhost, 127.0.0.1 or [::1]) \
                 or off"
                    .to_owned(),
            ),
        }
    }
}

/// Where a VLC listens, as somebody typed it: an address with a port, or one of both.
fn vlc_place(typed: &str) -> Result<SocketAddr, String> {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let named = match typed.rsplit_once(':') {
        Some(("localhost", port)) => format!("127.0.0.1:{port}"),
        None if typed == "localhost" => here.to_string(),
        _ => typed.to_owned(),
    };
    let at = (named.parse())
        .or_else(|_| named.parse::<u16>().map(|port| SocketAddr::new(here, port)))
        .or_else(|_| named.parse::<IpAddr>().map(|address| SocketAddr::new(address, VLC_PORT)));
    match at {
        Ok(at) if !at.ip().is_loopback() => Err(format!(
            "{} is not this PC, and VLC's password would cross the network for all to read: name a VLC here, such as \
             vlc:127.0.0.1:{VLC_ADVISED}",
            at.ip()
        )),
        Ok(at) if at.port() != 0 => Ok(at),
        _ => Err(format!("a VLC is vlc:ADDRESS:PORT, such as vlc:127.0.0.1:{VLC_ADVISED}")),
    }
}

impl fmt::Display for Players {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Auto => f.write_str("auto"),
            Self::Mpv(None) => f.write_str("mpv"),
            Self::Mpv(Some(path)) => write!(f, "mpv:{}", path.display()),
            Self::Vlc(None) => f.write_str("vlc"),
            Self::Vlc(Some(at)) => write!(f, "vlc:{at}"),
        }
    }
}

/// Where a player can be told something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Place {
    /// mpv's socket, or its named pipe on Windows.
    Mpv(PathBuf),
    /// VLC's HTTP interface.
    Vlc(SocketAddr),
}

impl Place {
    /// The player's name.
    pub(crate) fn player(&self) -> &'static str {
        match self {
            Self::Mpv(_) => "mpv",
            Self::Vlc(_) => "vlc",
        }
    }

    /// Where it is, without its kind.
    pub(crate) fn at(&self) -> String {
        match self {
            Self::Mpv(path) => path.display().to_string(),
            Self::Vlc(at) => at.to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Mpv(_) => "mpv",
            Self::Vlc(_) => "VLC",
        };
        write!(f, "{name} ({})", crate::format::printable(&self.at(), 120))
    }
}

/// Why a player cannot be told something, by what somebody can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nobody listens there.
    NotThere,
    /// Whoever listens there is another user.
    OtherUser,
    /// It was there and is no more.
    Gone,
    /// It took too long to answer.
    Silent,
    /// What it answers is not what such a player says.
    Nonsense,
    /// VLC wants a password, and none is known.
    NoPassword,
    /// VLC does not take the password that is known.
    WrongPassword,
    /// It does not do what it is told.
    Refuses,
    /// Another server on this PC sees to it.
    Taken,
    /// Nobody can say whose it is: the system's table of sockets is too long.
    #[cfg_attr(
        not(any(target_os = "linux", test)),
        allow(dead_code, reason = "only Linux has such a table")
    )]
    Unknown,
    /// This server's own page is there.
    OwnPage,
}

impl Trouble {
    /// When a player is tried again that is looked for, in a sentence behind that one.
    pub(crate) fn again(self) -> &'static str {
        match self {
            Self::NotThere => ". It is looked for every other second",
            Self::Silent | Self::Unknown => ". It is tried again every few seconds",
            Self::Nonsense | Self::Refuses => ". It is left alone for a minute",
            _ => "",
        }
    }

    /// What is wrong with a player, and what to do, in a sentence that has no point at its end.
    pub(crate) fn sentence(self, place: &Place) -> String {
        let what = match (self, place) {
            (Self::NotThere, Place::Mpv(path)) => format!(
                "nobody listens there. Start mpv with --input-ipc-server={}, or put that line into mpv.conf without \
                 its --",
                path.display()
            ),
            (Self::NotThere, Place::Vlc(at)) if at.port() == VLC_PORT => format!(
                "nobody listens there. Start VLC with --extraintf http --http-port {VLC_ADVISED} and a password in its \
                 settings, and the server with --player vlc:127.0.0.1:{VLC_ADVISED}"
            ),
            (Self::NotThere, Place::Vlc(at)) => format!(
                "nobody listens there. Start VLC with --extraintf http --http-port {} and a password in its settings",
                at.port()
            ),
            (Self::OwnPage, _) => format!(
                "this server's own page is there: start VLC with --http-port {VLC_ADVISED}, and the server with \
                 --player vlc:127.0.0.1:{VLC_ADVISED} where it does not find that by itself"
            ),
            (Self::OtherUser, _) => {
                "whoever listens there is another user of this PC, and is told nothing. Run the \
                 player as the same user as the server"
                    .to_owned()
            }
            (Self::Gone, _) => "it has gone. Start it again".to_owned(),
            (Self::Silent, _) => "it does not answer. End it where it hangs".to_owned(),
            (Self::Nonsense, place) => format!(
                "what listens there answers nothing that such a player says. Where that is another program's place, \
                 give {} one of its own",
                place.player()
            ),
            (Self::NoPassword, _) => {
                "VLC wants a password, and none is known. Set one in VLC (Tools, Preferences, \
                 All, Main interfaces, Lua), or give it in the environment as AURALYNC_VLC_PASSWORD"
                    .to_owned()
            }
            (Self::WrongPassword, _) => {
                "it does not take the password. Set the same in VLC and in the environment \
                 as AURALYNC_VLC_PASSWORD, or in VLC's settings alone"
                    .to_owned()
            }
            (Self::Refuses, _) => {
                "it refuses to have its sound and its picture moved. Take mpv 0.33 or VLC 3.0, or newer ones"
                    .to_owned()
            }
            (Self::Taken, _) => {
                "another server on this PC sees to its picture: stop that one, or start this one without --player"
                    .to_owned()
            }
            (Self::Unknown, _) => {
                "so many programs on this PC have connections that nobody can say whose it is, and it is told nothing. \
                 End some of them"
                    .to_owned()
            }
        };
        format!("film mode: {place}: {what}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_is_named_with_or_without_its_place() {
        for typed in ["off", "auto", "mpv", "mpv:/tmp/s", "vlc", "vlc:127.0.0.1:9090"] {
            assert_eq!(typed.parse::<Players>().unwrap().to_string(), typed);
        }
        for (typed, meant) in [
            ("VLC:9090", "vlc:127.0.0.1:9090"),
            ("vlc:localhost:9090", "vlc:127.0.0.1:9090"),
            ("vlc:localhost", "vlc:127.0.0.1:8080"),
            ("vlc:[::1]:81", "vlc:[::1]:81"),
            ("mpv:\\\\.\\pipe\\mpvsocket", "mpv:\\\\.\\pipe\\mpvsocket"),
        ] {
            assert_eq!(typed.parse::<Players>().unwrap().to_string(), meant);
        }
        for wrong in ["", "on", "mpv:", "vlc:", "vlc:0", "vlc:tv:9090", "auto:1", "mplayer"] {
            wrong.parse::<Players>().unwrap_err();
        }
    }

    #[test]
    fn a_vlc_on_another_pc_is_refused_for_its_password_would_cross_the_network() {
        for there in ["192.168.1.5:8080", "192.168.1.5", "0.0.0.0:9090", "[fd00::7]:9090"] {
            let said = format!("vlc:{there}").parse::<Players>().unwrap_err();
            assert!(said.contains("would cross the network"), "{there}: {said}");
        }
        for here in ["127.0.0.1:9090", "localhost:9090", "[::1]:9090", "127.0.0.5:1", "9090"] {
            format!("vlc:{here}").parse::<Players>().unwrap();
        }
    }

    #[test]
    fn where_vlc_is_looked_for_at_the_pages_port_another_is_advised() {
        let place = Place::Vlc(SocketAddr::from((Ipv4Addr::LOCALHOST, VLC_PORT)));
        let said = Trouble::OwnPage.sentence(&place);
        assert!(
            said.contains(
                "8080): this server's own page is there: start VLC with --http-port 9090"
            ),
            "{said}"
        );
        assert!(Trouble::NotThere.sentence(&place).contains("--http-port 9090"));
    }
}
