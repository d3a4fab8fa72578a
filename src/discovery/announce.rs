//! Announces a server on the network, for as long as it runs.

mod sockets;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use log::{info, warn};
use mio::{Events, Poll, Token, Waker};

use super::identity;
use super::record::{Details, label};
pub use super::responder::Service;
use super::responder::{Heard, Responder};
use crate::error::{Error, Result};
use crate::shutdown::Shutdown;
use crate::threads::{Priority, spawn};
use sockets::Sockets;

/// How often this PC's networks are looked at: they come and go.
const LOOK: Duration = Duration::from_secs(2);

/// Datagrams that are read of each socket at a time, and the pause after that: somebody who floods the
/// network costs a bounded share of a processor, here some 3,000 datagrams a second and network.
const BATCH: usize = 32;
const PAUSE: Duration = Duration::from_millis(10);

/// Longest message (RFC 6762, section 17), in bytes.
const LONGEST: usize = 9000;

const WAKER: Token = Token(0);

/// An announced server. Dropping it says goodbye.
pub struct Announcer {
    wish: Arc<Wish>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is to know.
#[derive(Default)]
struct Wish {
    is_full: AtomicBool,
    stop: AtomicBool,
}

/// What is announced.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// The server's name.
    pub name: String,
    /// The address that it is bound to; nothing, or an unspecified one: all of this PC.
    pub bind: Option<IpAddr>,
    /// The port that listeners connect to.
    pub port: u16,
    /// What it is looked for as.
    pub service: Service,
    /// What else it says of itself; its id is set where it is announced.
    pub details: Details,
}

impl Announcement {
    /// Of what it says of itself, players of Snapcast know nothing.
    fn text(&self) -> Vec<u8> {
        match self.service {
            Service::Auralync => self.details.text(),
            Service::Snapcast => NO_TEXT.to_vec(),
        }
    }
}

/// A TXT record that says nothing holds one empty word (RFC 6763, section 6.1).
const NO_TEXT: [u8; 1] = [0];

/// Whether anybody else can reach a server that is bound to `bind`.
fn is_reachable(bind: Option<IpAddr>) -> bool {
    bind.is_none_or(|ip| !ip.to_canonical().is_loopback())
}

impl Announcer {
    /// Announces a server; nothing for one that only this PC reaches. Where the system does not let
    /// it, the user is warned: a server is of use without.
    #[must_use]
    pub fn start(what: Announcement, stop: &Shutdown) -> Option<Self> {
        if !is_reachable(what.bind) {
            return None;
        }
        let what_service = what.service;
        Self::try_start(what, stop)
            .inspect_err(|e| {
                let who = match what_service {
                    Service::Auralync => "Listeners",
                    Service::Snapcast => "Snapclients",
                };
                warn!("this server cannot be found by its name: {e}. {who} must type its address");
            })
            .ok()
    }

    fn try_start(mut what: Announcement, stop: &Shutdown) -> Result<Self> {
        let failed = |e| Error::internal("cannot speak on the network", e);
        let poll = Poll::new().map_err(failed)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(failed)?);
        let mut sockets = Sockets::new(what.bind);
        sockets.look(poll.registry()).map_err(failed)?;
        what.details.id = Some(identity::own());
        let wish = Arc::new(Wish::default());
        let responder = Responder::new(
            what.service,
            &label(&what.name),
            what.port,
            what.text(),
            crate::random::random(),
        );
        let speak = Speak { poll, sockets, responder, what, wish: Arc::clone(&wish) };
        let thread = spawn("announce", Priority::Ordinary, stop, move || speak.run())?;
        Ok(Self { wish, waker, thread: Some(thread) })
    }

    /// Whether the server is full from now on; told to the network when it is due. Call it often.
    pub fn set_full(&mut self, full: bool) {
        if self.wish.is_full.swap(full, Ordering::Relaxed) != full {
            // It looks every few seconds anyway.
            let _ = self.waker.wake();
        }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.wish.stop.store(true, Ordering::Relaxed);
        let woken = self.waker.wake();
        if let (Ok(()), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// The thread's state.
struct Speak {
    poll: Poll,
    sockets: Sockets,
    responder: Responder,
    what: Announcement,
    wish: Arc<Wish>,
}

impl Speak {
    fn run(mut self) {
        let begun = Instant::now();
        let (mut looked, mut renamed) = (Duration::ZERO, false);
        let mut events = Events::with_capacity(16);
        let mut buffer = [0; LONGEST];
        self.responder.set_links(begun.elapsed(), &self.sockets.links());
        while !self.wish.stop.load(Ordering::Relaxed) {
            let now = begun.elapsed();
            if now >= looked + LOOK {
                looked = now;
                // What cannot be spoken through now may be later.
                let _ = self.sockets.look(self.poll.registry());
                self.responder.set_links(now, &self.sockets.links());
            }
            self.what.details.full = self.wish.is_full.load(Ordering::Relaxed);
            self.responder.set_text(now, self.what.text());
            let is_busy = self.hear(now, &mut buffer);
            self.say(begun.elapsed());
            renamed = renamed || self.tell_of_another_name();
            if is_busy {
                sleep(PAUSE);
                continue;
            }
            let next = self.responder.next().unwrap_or(Duration::MAX).min(looked + LOOK);
            let wait = next.saturating_sub(begun.elapsed());
            if self.poll.poll(&mut events, Some(wait)).is_err() {
                sleep(PAUSE);
            }
        }
        for datagram in self.responder.goodbye() {
            let _ = self.sockets.send(&datagram);
        }
    }

    /// Takes what has come, up to a bound; whether there may be more.
    fn hear(&mut self, now: Duration, buffer: &mut [u8]) -> bool {
        let mut is_busy = false;
        for link in self.sockets.ids() {
            for count in 1..=BATCH {
                let Some((from, length, to_all)) = self.sockets.receive(link, buffer) else {
                    break;
                };
                let bytes = buffer.get(..length).unwrap_or_default();
                let answer = self.responder.hear(now, Heard { link, from, to_all, bytes });
                if let Some(datagram) = answer {
                    let _ = self.sockets.send(&datagram);
                }
                is_busy |= count == BATCH;
            }
        }
        is_busy
    }

    fn say(&mut self, now: Duration) {
        for datagram in self.responder.due(now) {
            let is_to_all = datagram.to.is_none();
            // An asker that cannot be reached asks again.
            if self.sockets.send(&datagram).is_err() && is_to_all {
                self.responder.failed(now, datagram.link);
            }
        }
    }

    fn tell_of_another_name(&self) -> bool {
        let (name, found_as) = (label(&self.what.name), self.responder.name());
        let is_renamed = name != found_as;
        if is_renamed {
            info!(
                "another server here is called “{}”: listeners find this one as “{found_as}”",
                self.what.name
            );
        }
        is_renamed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_only_this_pc_reaches_is_not_announced() {
        for (bind, reachable) in [
            (None, true),
            (Some("0.0.0.0"), true),
            (Some("::"), true),
            (Some("192.0.2.1"), true),
            (Some("127.0.0.1"), false),
            (Some("127.1.2.3"), false),
            (Some("::1"), false),
            (Some("::ffff:127.0.0.1"), false),
        ] {
            let bind = bind.map(|ip| ip.parse().unwrap());
            assert_eq!(is_reachable(bind), reachable, "{bind:?}");
        }
    }
}
