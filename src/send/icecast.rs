//! A thread for each Icecast server: the socket, the tap, the clock and sleep. What is decided is decided in
//! `crate::icecast`.

mod road;

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use log::{info, warn};
use zeroize::Zeroizing;

use super::taps::{Tap, Tapped, tap};
use crate::clock::Clock;
use crate::codec::Codec;
use crate::error::Result;
use crate::format::Format;
use crate::icecast::fault::Fault;
use crate::icecast::pages::{About, Pages};
use crate::icecast::password;
use crate::icecast::request::request;
use crate::icecast::retry::Retry;
use crate::icecast::session::Session;
use crate::icecast::target::{PASSWORD_VARIABLE, Target};
use crate::outgoing::Trust;
use crate::random::random;
use crate::settings::ServerSettings;
use crate::shutdown::Shutdown;
use crate::stats::{Icecast, IcecastState};
use crate::threads::{Priority, join, spawn};
use road::Road;

/// How long the thread waits for sound before it looks at its socket.
const TURN: Duration = Duration::from_millis(20);

/// How long it waits where there is no server: it ends so soon.
const REST: Duration = Duration::from_millis(100);

/// How long the last page is waited for, and a thread that asks for an address by a name.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Bytes read at a time; nothing of use is longer.
const READ_BYTES: usize = 4096;

/// A server that gets sound, and has not been asked yet.
pub(super) struct Cast {
    target: Target,
    trust: Option<Trust>,
    request: Zeroizing<Vec<u8>>,
    about: About,
    counters: Arc<Icecast>,
    tapped: Tapped,
    retry: Retry,
}

/// The servers that `settings` name, with the taps that feed them.
///
/// # Errors
/// What is wrong with a password or with authorities, as a sentence for the user.
pub(super) fn open(settings: &ServerSettings, format: Format) -> Result<(Vec<Cast>, Vec<Tap>)> {
    let casts = settings.icecast.iter().map(|target| {
        let password = password::find(target, std::env::var_os(PASSWORD_VARIABLE))?;
        let name = target.name.clone().unwrap_or_else(|| settings.name.clone());
        let (tap, tapped) = tap(None);
        let cast = Cast {
            request: request(target, &password, &name),
            about: About { format, name },
            counters: Arc::new(Icecast::new(target.to_string())),
            target: target.clone(),
            trust: target.ca.as_deref().map(Trust::read).transpose()?,
            tapped,
            retry: Retry::default(),
        };
        Ok((cast, tap))
    });
    Ok(casts.collect::<Result<Vec<_>>>()?.into_iter().unzip())
}

/// The threads that send to them.
pub(super) struct Casting {
    threads: Vec<JoinHandle<Result<()>>>,
    counters: Vec<Arc<Icecast>>,
}

impl Casting {
    /// Starts a thread for each.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::error::Error::Internal) if the system gives no thread.
    pub(super) fn start(casts: Vec<Cast>, clock: Clock, stop: &Shutdown) -> Result<Self> {
        let counters = casts.iter().map(|cast| Arc::clone(&cast.counters)).collect();
        let threads = casts.into_iter().map(|cast| {
            let heard = stop.clone();
            spawn("icecast", Priority::Ordinary, stop, move || {
                cast.run(clock, &heard);
                Ok(())
            })
        });
        Ok(Self { threads: threads.collect::<Result<_>>()?, counters })
    }

    /// What they have counted.
    pub(super) fn counters(&self) -> Vec<Arc<Icecast>> {
        self.counters.clone()
    }

    /// Waits until they have said their last words. One that waits for the system is left to it.
    ///
    /// # Errors
    /// What went wrong while they ran.
    pub(super) fn end(self) -> Result<()> {
        let until = Instant::now() + 2 * LAST_WORDS;
        for thread in self.threads {
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            if thread.is_finished() {
                join(thread)?;
            }
        }
        Ok(())
    }
}

impl Cast {
    fn run(mut self, clock: Clock, stop: &Shutdown) {
        while !stop.is_requested() {
            if clock.now_us() < self.retry.due_us() {
                // What was meant for a connection that is over is nothing for the next.
                self.begun_anew();
                while self.tapped.take().is_some() {}
                let _ = stop.sleep(REST.min(self.rest(clock)));
                continue;
            }
            self.counters.set(IcecastState::Asked);
            let (had_worked, fault) = match Road::open(&self.target, self.trust.as_ref()) {
                Ok(road) => self.send(road, clock, stop),
                Err(fault) => (false, Some(fault)),
            };
            self.tapped.want([].into_iter());
            self.counters.set(IcecastState::Away);
            let Some(fault) = fault else { return };
            if had_worked {
                self.counters.breaks.add(1);
            }
            if let Some(sentence) = self.retry.failed(&fault, had_worked, clock.now_us()) {
                warn!("the Icecast server {} gets no sound: {sentence}", self.target);
            }
        }
    }

    /// Whether another stream has begun in place of the one that was: its format.
    fn begun_anew(&mut self) -> Option<Format> {
        let format = self.tapped.begun_anew()?.format;
        self.about.format = format;
        Some(format)
    }

    fn rest(&self, clock: Clock) -> Duration {
        Duration::from_micros(self.retry.due_us().saturating_sub(clock.now_us()).max(1_000))
    }

    /// Sends over one connection until it is over: whether it took sound, and why it ended; no fault at the end of all.
    fn send(&mut self, mut road: Road, clock: Clock, stop: &Shutdown) -> (bool, Option<Fault>) {
        let pages = Pages::new(self.about.clone(), random() as u32);
        let mut session = Session::new(self.request.clone(), pages, clock.now_us());
        let mut had_worked = false;
        while !stop.is_requested() {
            let now_us = clock.now_us();
            if let Err(fault) = self.turn(&mut session, &mut road, now_us) {
                return (had_worked, Some(fault));
            }
            if let Some(for_us) = session.sends_for_us(now_us) {
                if !had_worked {
                    had_worked = true;
                    self.counters.set(IcecastState::Sending);
                    self.tapped.want([Codec::Opus(self.target.bitrate)].into_iter());
                }
                if self.retry.works(for_us) {
                    info!("the Icecast server gets the sound; players open {}", self.target);
                }
            }
            if let Some(format) = self.begun_anew() {
                session.begin_anew(format, now_us);
            }
            match self.tapped.wait(TURN) {
                Ok(frame) => session.sound(&frame, clock.now_us()),
                Err(RecvTimeoutError::Timeout) => {}
                // Nothing comes any more: the end is near, or another stream.
                Err(RecvTimeoutError::Disconnected) => drop(stop.sleep(TURN)),
            }
            while let Some(frame) = self.tapped.take() {
                session.sound(&frame, clock.now_us());
            }
            self.counters.dropped.set(self.tapped.dropped());
        }
        let until_us = clock.now_us() + LAST_WORDS.as_micros() as u64;
        session.end(clock.now_us());
        while !session.waiting().is_empty() && clock.now_us() < until_us {
            if self.turn(&mut session, &mut road, clock.now_us()).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        (had_worked, None)
    }

    /// Reads and writes as far as the socket allows.
    fn turn(
        &mut self,
        session: &mut Session,
        road: &mut Road,
        now_us: u64,
    ) -> std::result::Result<(), Fault> {
        session.mind(now_us)?;
        if !road.is_open()? {
            return Ok(());
        }
        let mut buffer = [0; READ_BYTES];
        while let Some(count) =
            road.read(&mut buffer).map_err(|e| e.unwrap_or_else(|| session.hung_up()))?
        {
            session.read(&buffer[..count], now_us)?;
        }
        road.flush()?;
        loop {
            let waiting = session.waiting();
            if waiting.is_empty() {
                break;
            }
            let count = road.write(waiting)?;
            if count == 0 {
                break;
            }
            session.wrote(count);
            self.counters.bytes.add(count as u64);
        }
        Ok(())
    }
}
