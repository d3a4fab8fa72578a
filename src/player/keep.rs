//! The thread that keeps players' pictures as late as listeners hear.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use log::{info, warn};
use zeroize::Zeroizing;

use super::film::News;
use super::find::{self, search};
use super::kept::Kept;
use super::session::Session;
use super::{Place, Players, Trouble};
use crate::clock::Clock;
use crate::error::Result;
use crate::shutdown::Shutdown;
use crate::stats::PlayerStats;
use crate::threads::{Priority, join, spawn};

/// How often it is looked whether the delay has changed.
const LOOK: Duration = Duration::from_millis(50);

/// How often players are looked for, in µs.
const SEARCH_US: u64 = 2_000_000;

/// One that cannot be told anything is tried again after so long, in µs.
const AGAIN_US: u64 = 5_000_000;

/// One that talks nonsense is tried again after so long, in µs.
const NONSENSE_US: u64 = 60_000_000;

/// What is said of a player that could not be given back what it had before a server was killed.
const NOT_YET: &str = ". It has not got back what it had before a server was killed: the next start of a server tries \
                       that again";

/// Most players at a time: more than play films on one PC.
const MOST_PLAYERS: usize = 4;

/// What is seen of the players.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown(Arc<Mutex<Vec<PlayerStats>>>);

impl Shown {
    /// How they are.
    pub(crate) fn look(&self) -> Vec<PlayerStats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, players: Vec<PlayerStats>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = players;
    }
}

/// Film mode that runs.
pub(crate) struct Keeping {
    thread: JoinHandle<Result<()>>,
}

impl Keeping {
    /// Waits until all players have back what they had. They have been asked to end.
    ///
    /// # Errors
    /// If the thread broke.
    pub(crate) fn end(self) -> Result<()> {
        join(self.thread)
    }
}

/// Starts to keep the pictures of these players as late as `delay_ms` says, whose changes hold `notice_us` after they are
/// made, and to show them there. At `own_pages` this server listens itself. Where a server was killed, its players get
/// back what they had first. `None` where there is nothing to do.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) if the system gives no thread.
pub(crate) fn start(
    players: &Players,
    delay_ms: Arc<AtomicU32>,
    notice_us: u64,
    clock: Clock,
    own_pages: Vec<SocketAddr>,
    (shown, stop): (Option<Shown>, &Shutdown),
) -> Result<Option<Keeping>> {
    let kept = Kept::of_this_user();
    if !players.are_wanted() && kept.all().is_empty() {
        return Ok(None);
    }
    let delay = Delay { now_ms: delay_ms.load(Ordering::Relaxed), coming: None, notice_us };
    let keep = Keep {
        players: players.clone(),
        own_pages,
        kept,
        sessions: Vec::new(),
        troubles: BTreeMap::new(),
        said: Vec::new(),
        search_us: 0,
        delay,
        shown: shown.unwrap_or_default(),
    };
    let heard = stop.clone();
    let thread = spawn("film", Priority::Ordinary, stop, move || {
        keep.run(&delay_ms, clock, &heard);
        Ok(())
    })?;
    Ok(Some(Keeping { thread }))
}

/// The delay that holds: a new one does so a moment after it was told.
#[derive(Debug)]
struct Delay {
    now_ms: u32,
    coming: Option<(u32, u64)>,
    notice_us: u64,
}

impl Delay {
    /// Whether another delay holds from now on, where `told_ms` is the newest.
    fn changes(&mut self, told_ms: u32, now_us: u64) -> bool {
        match self.coming {
            Some((ms, at_us)) if ms == told_ms => {
                if now_us >= at_us {
                    (self.now_ms, self.coming) = (ms, None);
                    return true;
                }
            }
            _ if told_ms == self.now_ms => self.coming = None,
            _ => self.coming = Some((told_ms, now_us.saturating_add(self.notice_us))),
        }
        false
    }
}

struct Keep {
    players: Players,
    /// Where this server itself listens: no player does, and no password belongs there.
    own_pages: Vec<SocketAddr>,
    kept: Kept,
    sessions: Vec<Session>,
    /// What was wrong with each last, and when it is tried again, in µs.
    troubles: BTreeMap<Place, (Trouble, u64)>,
    /// Players that run and cannot be told anything, of which it was said.
    said: Vec<&'static str>,
    search_us: u64,
    delay: Delay,
    shown: Shown,
}

impl Keep {
    fn run(mut self, delay_ms: &AtomicU32, clock: Clock, stop: &Shutdown) {
        self.mend();
        while self.players.are_wanted() && !stop.sleep(LOOK) {
            self.turn(delay_ms.load(Ordering::Relaxed), clock.now_us());
        }
        for mut session in std::mem::take(&mut self.sessions) {
            let name = session.name();
            match session.restore(&self.kept) {
                Ok(true) => info!("film mode: {name}: the picture is as it was"),
                Ok(false) | Err(Trouble::Gone | Trouble::NotThere) => {}
                Err(_) => warn!(
                    "film mode: {name} could not be given back what it had: the next start of a server does, or set \
                     its audio delay to what it was"
                ),
            }
        }
        self.forget_the_gone();
        self.kept.let_go(|_| false);
    }

    /// Gives players back what they had before a server was killed.
    fn mend(&mut self) {
        let password = find::password();
        for record in self.kept.all() {
            let place = Place::from(&record.place);
            // A server that runs keeps its own.
            if !self.kept.claim(&place) {
                continue;
            }
            let restored = self
                .open(&place, password.as_ref())
                .and_then(|mut session| session.restore(&self.kept));
            match restored {
                Ok(true) => info!(
                    "film mode: {place}: the picture is as it was before a server that could not put it back"
                ),
                // Where the page is, nobody is asked: it stays for a start whose page is elsewhere.
                Ok(false) | Err(Trouble::Taken | Trouble::OwnPage) => {}
                Err(Trouble::NotThere | Trouble::Gone) => self.kept.forget(&place),
                Err(trouble) => self.complain(&place, trouble, (0, NOT_YET)),
            }
        }
        self.forget_the_gone();
        self.kept.let_go(|_| false);
    }

    fn open(
        &self,
        place: &Place,
        password: Option<&Zeroizing<String>>,
    ) -> std::result::Result<Session, Trouble> {
        if is_own_page(place, &self.own_pages) {
            return Err(Trouble::OwnPage);
        }
        Session::open(place, password, &self.kept)
    }

    /// Players that run no more need nothing back.
    fn forget_the_gone(&self) {
        for record in self.kept.all().iter().filter(|record| record.is_over()) {
            self.kept.forget(&Place::from(&record.place));
        }
    }

    fn turn(&mut self, told_ms: u32, now_us: u64) {
        if self.delay.changes(told_ms, now_us) {
            self.sessions.iter_mut().for_each(|session| session.next_us = 0);
        }
        if now_us >= self.search_us {
            self.search_us = now_us.saturating_add(SEARCH_US);
            self.search(now_us);
        }
        let mut was_asked = false;
        for mut session in std::mem::take(&mut self.sessions) {
            if now_us < session.next_us {
                self.sessions.push(session);
                continue;
            }
            was_asked = true;
            match session.look(self.delay.now_ms, now_us, &self.kept) {
                Ok(news) => {
                    self.tell(&session, news);
                    self.sessions.push(session);
                }
                Err(Trouble::NotThere | Trouble::Gone) => self.lose(&session),
                Err(trouble) => self.complain(&session.place, trouble, (now_us, trouble.again())),
            }
        }
        if was_asked {
            self.show();
        }
    }

    fn show(&self) {
        self.shown.put(self.sessions.iter().map(Session::stats).collect());
    }

    fn tell(&self, session: &Session, news: Option<News>) {
        let name = session.name();
        match news {
            None => {}
            Some(News::Holds) => info!(
                "film mode: {name}: the picture is {} ms later, as the sound is for listeners",
                self.delay.now_ms
            ),
            Some(News::PutBack) => info!(
                "film mode: {name}: somebody there has put the picture back. It is left so until the next film"
            ),
            Some(News::Lies) => warn!(
                "film mode: {name} says that it moves its picture and does not. It is tried again every half minute"
            ),
        }
    }

    fn lose(&mut self, session: &Session) {
        info!("film mode: {} has gone", session.name());
        if matches!(session.place, Place::Vlc(_)) {
            self.kept.forget(&session.place);
        }
        self.forget_the_gone();
        self.show();
    }

    /// Says what is wrong with a player, where that was not said, and what comes then, and leaves it alone for a while.
    fn complain(&mut self, place: &Place, trouble: Trouble, (now_us, then): (u64, &str)) {
        let wait_us = match trouble {
            Trouble::Nonsense | Trouble::Refuses => NONSENSE_US,
            Trouble::NotThere | Trouble::Gone => 0,
            _ => AGAIN_US,
        };
        let known = self.troubles.insert(place.clone(), (trouble, now_us.saturating_add(wait_us)));
        if known.is_none_or(|(known, _)| known != trouble) {
            warn!("{}{then}", trouble.sentence(place));
        }
        self.show();
    }

    fn search(&mut self, now_us: u64) {
        self.forget_the_gone();
        self.call(now_us);
        // One that only does not answer at the moment is kept from other servers.
        let (sessions, kept) = (&self.sessions, &self.kept);
        kept.let_go(|place| {
            sessions.iter().any(|session| session.place == *place) || kept.of(place).is_some()
        });
    }

    fn call(&mut self, now_us: u64) {
        let found = search(&self.players);
        for player in found.deaf {
            if !self.said.contains(&player) {
                self.said.push(player);
                info!("{}", deaf(player));
            }
        }
        self.troubles.retain(|place, _| found.places.contains(place));
        for place in &found.places {
            let waits = self.troubles.get(place).is_some_and(|&(_, until_us)| now_us < until_us);
            if waits || self.sessions.iter().any(|session| session.place == *place) {
                continue;
            }
            if self.sessions.len() == MOST_PLAYERS {
                if !self.said.contains(&"many") {
                    self.said.push("many");
                    warn!(
                        "film mode: more than {MOST_PLAYERS} players run: the others are told nothing"
                    );
                }
                return;
            }
            match self.open(place, found.password.as_ref()) {
                Ok(session) => {
                    self.troubles.remove(place);
                    self.sessions.push(session);
                }
                // A socket that a player left behind is nothing to speak of where any will do.
                Err(Trouble::NotThere | Trouble::Gone) if !self.is_named() => {}
                // Where nobody can be asked what runs, VLC may not.
                Err(Trouble::OwnPage) if !self.is_named() && !find::CAN_ASK => {}
                Err(trouble) => self.complain(place, trouble, (now_us, trouble.again())),
            }
        }
    }

    /// Whether somebody has named the very place.
    fn is_named(&self) -> bool {
        matches!(self.players, Players::Mpv(Some(_)) | Players::Vlc(_))
    }
}

/// Whether this server itself listens there: at another address of this PC the same port is another program's.
fn is_own_page(place: &Place, own_pages: &[SocketAddr]) -> bool {
    let Place::Vlc(at) = place else { return false };
    own_pages.iter().any(|own| {
        own.port() == at.port()
            && (own.ip().is_unspecified() || own.ip().to_canonical() == at.ip().to_canonical())
    })
}

fn deaf(player: &str) -> String {
    let how = match player {
        "mpv" => {
            "the line input-ipc-server=~~/socket in ~/.config/mpv/mpv.conf, and a new start of mpv"
        }
        _ => {
            "--extraintf http --http-port 9090 behind vlc, and a password in its settings (Tools, Preferences, All, \
             Main interfaces, Lua)"
        }
    };
    format!(
        "film mode: {player} runs and cannot be told to delay its picture. What it needs: {how}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlc_where_this_servers_page_is_is_none_and_is_not_called() {
        let here = Place::Vlc("127.0.0.1:8080".parse().unwrap());
        let six = Place::Vlc("[::1]:8080".parse().unwrap());
        for (page, is_here, is_six) in [
            ("0.0.0.0:8080", true, true),
            ("[::]:8080", true, true),
            ("127.0.0.1:8080", true, false),
            ("[::ffff:127.0.0.1]:8080", true, false),
            ("[::1]:8080", false, true),
            ("192.168.1.5:8080", false, false),
            ("127.0.0.1:9090", false, false),
        ] {
            let pages = ["10.0.0.1:1".parse().unwrap(), page.parse().unwrap()];
            assert_eq!(
                (is_own_page(&here, &pages), is_own_page(&six, &pages)),
                (is_here, is_six),
                "{page}"
            );
            assert!(!is_own_page(&Place::Mpv("8080".into()), &pages));
        }
        assert!(!is_own_page(&here, &[]), "no page");
    }

    #[test]
    fn a_new_delay_holds_as_soon_as_it_does_for_listeners() {
        let mut delay = Delay { now_ms: 300, coming: None, notice_us: 300_000 };
        assert!(!delay.changes(300, 0));
        assert!(!delay.changes(400, 10_000) && !delay.changes(400, 309_999));
        assert!(delay.changes(400, 310_000));
        assert_eq!(delay.now_ms, 400);
        // One that is taken back was never there.
        assert!(!delay.changes(500, 400_000) && !delay.changes(400, 450_000));
        assert!(!delay.changes(500, 500_000) && !delay.changes(500, 799_999));
        assert!(delay.changes(500, 800_000) && !delay.changes(500, 900_000));
    }
}
