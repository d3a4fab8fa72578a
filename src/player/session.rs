//! One player that is told something: its words, its way and what is decided for it, joined.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

use super::film::{Film, News, Reading, State, is_close};
use super::kept::{Kept, Record};
use super::process::Process;
use super::way::{ToMpv, ask_vlc};
use super::{Place, Trouble, mpv, vlc};
use crate::stats::{PlayerState, PlayerStats};

/// A player that takes longer to answer stands still.
const WITHIN: Duration = Duration::from_millis(300);

/// How often a player is asked, in µs: a change by hand, or of the film, is seen this soon.
const EVERY_US: u64 = 200_000;

/// How soon it is asked again after it was told something, in µs.
const SOON_US: u64 = 50_000;

/// So many answers in a row may be missing.
const MOST_SILENT: u32 = 3;

/// How often it is looked whether a player has taken its own audio delay back.
const LOOKS: u32 = 5;

/// One player.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) place: Place,
    line: Line,
    film: Film,
    process: Option<Process>,
    /// mpv remembers its audio delay with the place in a film, but for us.
    remembers: bool,
    /// A server that was killed has kept it from that.
    was_kept_from: bool,
    /// When it is asked next, in µs.
    pub(super) next_us: u64,
    silent: u32,
    /// What is kept of it already, in s: its own and ours.
    kept: Option<(f64, f64)>,
}

#[derive(Debug)]
enum Line {
    Mpv { way: ToMpv, talk: mpv::Talk },
    Vlc { at: SocketAddr, password: Zeroizing<String>, films: vlc::Films },
}

impl Line {
    fn open(
        place: &Place,
        password: Option<&Zeroizing<String>>,
    ) -> Result<(Self, Option<Process>), Trouble> {
        Ok(match place {
            Place::Mpv(path) => {
                let (way, process) = ToMpv::open(path)?;
                (Self::Mpv { way, talk: mpv::Talk::default() }, process)
            }
            Place::Vlc(at) => {
                let password = password.ok_or(Trouble::NoPassword)?.clone();
                (Self::Vlc { at: *at, password, films: vlc::Films::default() }, None)
            }
        })
    }

    fn read(&mut self) -> Result<Reading, Trouble> {
        match self {
            Self::Mpv { way, talk } => {
                let said = talk.ask("audio-delay");
                let value_s = ask_mpv(way, talk, &said)?.as_f64().ok_or(Trouble::Nonsense)?;
                Reading::new(value_s, Some(talk.films())).ok_or(Trouble::Nonsense)
            }
            Self::Vlc { at, password, films } => films.read(&ask(*at, password, None)?),
        }
    }

    fn set(&mut self, value_s: f64) -> Result<(), Trouble> {
        match self {
            Self::Mpv { way, talk } => {
                let said = talk.set(value_s);
                ask_mpv(way, talk, &said).map(drop)
            }
            Self::Vlc { at, password, .. } => ask(*at, password, Some(value_s)).map(drop),
        }
    }

    /// Whether mpv remembers its audio delay. One that does not know what that is does not.
    fn remembers(&mut self) -> Result<bool, Trouble> {
        let Self::Mpv { way, talk } = self else { return Ok(false) };
        let said = talk.ask("watch-later-options");
        match ask_mpv(way, talk, &said) {
            Ok(Value::Array(names)) => Ok(names.iter().any(|name| name == "audio-delay")),
            Ok(_) | Err(Trouble::Refuses) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    fn remember(&mut self, whether: bool) -> Result<(), Trouble> {
        let Self::Mpv { way, talk } = self else { return Ok(()) };
        let said = talk.remember(whether);
        match ask_mpv(way, talk, &said) {
            Ok(_) | Err(Trouble::Refuses) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }
}

fn ask_mpv(way: &mut ToMpv, talk: &mut mpv::Talk, said: &[u8]) -> Result<Value, Trouble> {
    let mut answer = None;
    way.exchange(said, WITHIN, &mut |bytes| {
        answer = talk.hear(bytes)?.or(answer.take());
        Ok(answer.is_some())
    })?;
    answer.ok_or(Trouble::Gone)?.map_err(|()| Trouble::Refuses)
}

fn ask(at: SocketAddr, password: &str, set_s: Option<f64>) -> Result<Value, Trouble> {
    let mut answer = vlc::Answer::default();
    let said = vlc::request(at, password, set_s);
    ask_vlc(at, &said, WITHIN, &mut |bytes| answer.hear(bytes))?;
    answer.body()
}

impl Session {
    /// Calls a player, and makes it this server's if it answers. One that a server has left as it was not is known
    /// again.
    pub(super) fn open(
        place: &Place,
        password: Option<&Zeroizing<String>>,
        kept: &Kept,
    ) -> Result<Self, Trouble> {
        let (mut line, process) = Line::open(place, password)?;
        // A place where nobody is needs no lock.
        line.read()?;
        if !kept.claim(place) {
            return Err(Trouble::Taken);
        }
        // Both anew: another server had it until now.
        let record = kept.of(place);
        let value_s = line.read()?.value_s;
        let record = record.filter(|left| left.player == process && !left.is_over());
        let was_kept_from = record.as_ref().is_some_and(|left| left.remembers);
        let remembers = line.remembers()? || was_kept_from;
        // Where the value is another, somebody has set it since.
        let record = record.filter(|left| is_close(value_s, left.set_s));
        let film = record.map(|left| Film::left_behind(left.own_s, left.set_s));
        if film.is_none() {
            kept.forget(place);
        }
        Ok(Self {
            place: place.clone(),
            line,
            film: film.unwrap_or_default(),
            process,
            remembers,
            was_kept_from,
            next_us: 0,
            silent: 0,
            kept: None,
        })
    }

    /// How it is called.
    pub(super) fn name(&self) -> String {
        match self.process {
            Some(process) => format!("{}, process {}", self.place, process.id),
            None => self.place.to_string(),
        }
    }

    /// Asks the player, and tells it what follows.
    pub(super) fn look(
        &mut self,
        delay_ms: u32,
        now_us: u64,
        kept: &Kept,
    ) -> Result<Option<News>, Trouble> {
        let reading = match self.line.read() {
            Err(Trouble::Silent) if self.silent < MOST_SILENT => {
                self.silent += 1;
                self.next_us = now_us.saturating_add(EVERY_US);
                return Ok(None);
            }
            reading => reading?,
        };
        self.silent = 0;
        let mut next = self.film.look(reading, delay_ms, now_us);
        if let Some(set_s) = next.set_s {
            // First what is to be put back, so that it is known whatever ends us then.
            self.keep(set_s, kept);
            self.line.set(set_s)?;
            // At once, so that what a person sets a moment later is known as theirs.
            let seen = self.film.look(self.line.read()?, delay_ms, now_us);
            next.news = seen.news.or(next.news);
        } else if self.film.state() == State::Held && !self.film.is_waiting() {
            self.keep(reading.value_s, kept);
        }
        let soon = if self.film.is_waiting() { SOON_US } else { EVERY_US };
        self.next_us = now_us.saturating_add(soon);
        Ok(next.news)
    }

    fn keep(&mut self, set_s: f64, kept: &Kept) {
        let Some(own_s) = self.film.own_s() else { return };
        let is_kept = |(own, set): (f64, f64)| is_close(own, own_s) && is_close(set, set_s);
        if self.kept.is_some_and(is_kept) {
            return;
        }
        if self.kept.is_none() && self.remembers {
            let _ = self.line.remember(false);
        }
        let record = Record {
            place: (&self.place).into(),
            player: self.process,
            own_s,
            set_s,
            remembers: self.remembers,
        };
        if let Err(e) = kept.keep(&record)
            && self.kept.is_none()
        {
            log::warn!(
                "film mode: what {} had is not kept in a file ({}): should this server be killed, nobody puts it back",
                self.place,
                crate::error::plain(&e)
            );
        }
        self.kept = Some((own_s, set_s));
    }

    /// Gives the player back what it had; whether there was something to give back.
    pub(super) fn restore(&mut self, kept: &Kept) -> Result<bool, Trouble> {
        let value_s = self.line.read()?.value_s;
        let own_s = self.film.restored_s(value_s);
        if let Some(own_s) = own_s {
            self.line.set(own_s)?;
            let mut looks = 0;
            while !is_close(self.line.read()?.value_s, own_s) {
                looks += 1;
                if looks == LOOKS {
                    return Err(Trouble::Refuses);
                }
                self.line.set(own_s)?;
            }
        } else if let Some(own_s) = self.film.repeated_s(value_s) {
            self.line.set(own_s)?;
        }
        if self.remembers && (self.kept.is_some() || self.was_kept_from) {
            self.line.remember(true)?;
        }
        kept.forget(&self.place);
        Ok(own_s.is_some())
    }

    /// What is shown of it.
    pub(super) fn stats(&self) -> PlayerStats {
        PlayerStats {
            player: self.place.player().to_owned(),
            at: self.place.at(),
            process: self.process.map(|process| process.id),
            state: match self.film.state() {
                State::Waiting => PlayerState::Waiting,
                State::Held => PlayerState::Held,
                State::PutBack => PlayerState::PutBack,
                State::Lies => PlayerState::Lies,
            },
            delay_ms: self.film.delay_ms(),
            own_ms: self.film.own_s().unwrap_or(0.0) * 1e3,
        }
    }
}
