//! The second connection of a session: opened while nothing comes on the first, and kept if it
//! delivers sooner.

use std::net::SocketAddr;

use log::{debug, info, warn};
use mio::Token;

use super::super::line::{Got, Line};
use super::super::rescue::{Delivered, Rescue, Step};
use super::super::{End, Heard, is_hopeless, is_shut};
use super::Session;
use crate::discovery::follow::Search;
use crate::error::{Error, Result};
use crate::recv::decode::Event;
use crate::wire::{Config, Full, Reason, Welcome};

const RIVAL: Token = Token(1);

impl Session<'_> {
    /// Bytes have come on the connection in use.
    pub(super) fn delivered(&mut self) {
        let now_us = self.now_us();
        let Some(rescue) = self.rescue.as_mut().filter(|_| self.line.conversation.is_typed())
        else {
            return;
        };
        let delivered = rescue.heard(now_us);
        self.is_alive(delivered);
    }

    /// A datagram of sound has come.
    pub(super) fn lives(&mut self, now_us: u64) {
        if let Some(rescue) = &mut self.rescue {
            let delivered = rescue.heard_beside(now_us);
            self.is_alive(delivered);
        }
    }

    fn is_alive(&mut self, Delivered { back_after_us, hang_up }: Delivered) {
        self.search = None;
        if hang_up {
            self.rival = None;
        }
        if let Some(gone_us) = back_after_us {
            say_back(self.line.address, gone_us);
            self.connect.seen.version.set(u64::from(self.version));
            let _ = self.connect.player.send(Heard::Back);
        }
    }

    /// What is due because nothing comes from a server that has welcomed us.
    pub(super) fn mind_the_path(&mut self, now_us: u64) -> Result<()> {
        if !self.line.conversation.is_typed() {
            return Ok(());
        }
        while let Some(rescue) = &mut self.rescue
            && let Some(step) = rescue.next(now_us)
        {
            match step {
                Step::Mourn => {
                    warn!(
                        "nothing comes from {} any more: it stands still, or the network does. \
                         Sound resumes by itself",
                        self.line.address
                    );
                    self.connect.seen.version.set(0);
                    let _ = self.connect.player.send(Heard::Gone);
                    if self.connect.discovery && !self.line.address.ip().is_loopback() {
                        let search = Search::start(&self.name);
                        self.search = search.inspect_err(|e| debug!("{e}")).ok();
                    }
                }
                Step::Call => self.call()?,
                Step::HangUp => self.rival = None,
                Step::GiveUp => {
                    let quiet_s = rescue.quiet_for_us(now_us) / 1_000_000;
                    return Err(self.line.lost(format!("nothing came for {quiet_s} s")));
                }
            }
        }
        Ok(())
    }

    /// Opens a second connection to the same server, or to where it says that it is now.
    fn call(&mut self) -> Result<()> {
        let was = self.line.address;
        let address = self.search.as_mut().map_or(was, |search| search.next(was));
        let hello = self.connect.introduction();
        match Line::call(address, hello, self.connect.network(), self.now_us()) {
            Ok(mut rival) => {
                rival.mark(self.connect.dscp);
                rival.register(self.poll.registry(), RIVAL)?;
                self.rival = Some(rival);
            }
            Err(e) => {
                debug!("{e}");
                if let Some(rescue) = &mut self.rescue {
                    rescue.failed();
                }
            }
        }
        Ok(())
    }

    /// Listens on the second connection until it has a greeting for us: then it is the first.
    pub(super) fn hear_rival(&mut self, buffer: &mut [u8]) -> Result<Option<End>> {
        let now_us = self.now_us();
        let (Some(rival), Some(rescue)) = (&mut self.rival, &mut self.rescue) else {
            return Ok(None);
        };
        match greeting(rival, rescue, buffer, now_us) {
            Ok(None) => return Ok(None),
            // Somebody else who calls itself so.
            Ok(Some(greeting))
                if is_elsewhere(rival, &self.line) && !is_run(&greeting, &self.clocks.session) =>
            {
                debug!("{} is another server", rival.address);
                self.rival = None;
                rescue.failed();
                return Ok(None);
            }
            Ok(Some(greeting)) => {
                if let Some(rival) = self.rival.take() {
                    if is_elsewhere(&rival, &self.line) {
                        info!("{} is where “{}” is now", rival.address, self.name);
                    }
                    self.line = rival;
                }
                match greeting {
                    Greeting::Welcome(welcome) => self.welcomed(welcome)?,
                    Greeting::Plain(config) => self.begin_plain(&config),
                }
                // What else has come is acted on in the next turn.
                self.has_more = true;
                return Ok(None);
            }
            // On a connection that delivers we are in, whatever is said beside it.
            Err(e)
                if rescue.is_dead()
                    && is_hopeless(&e, true)
                    && !is_elsewhere(rival, &self.line) =>
            {
                return Err(e);
            }
            Err(e) => debug!("the second connection: {e}"),
        }
        rescue.failed();
        let refused = self
            .rival
            .take()
            .filter(|rival| rival.conversation.is_refused() && !is_elsewhere(rival, &self.line));
        // Our seat there is gone, so the first connection is too.
        Ok(refused.map(|rival| End::Full(rival.address, Full::Server)))
    }

    /// The connection in use is lost: the second one takes its place, if it has got anywhere.
    pub(super) fn fall_back_on_rival(&mut self, lost: Error) -> Result<()> {
        // Who answers elsewhere may be somebody else.
        let line = &self.line;
        let is_usable =
            |rival: &mut Line| !is_elsewhere(rival, line) && rival.is_made().unwrap_or(false);
        let Some(rival) = self.rival.take_if(is_usable) else {
            return Err(lost);
        };
        debug!("{lost}: going on with the second connection");
        self.line = rival;
        if let Some(rescue) = &mut self.rescue {
            rescue.failed();
        }
        Ok(())
    }
}

/// What a second connection is opened for.
enum Greeting {
    Welcome(Welcome),
    Plain(Config),
}

/// Whether the second connection goes to another address than the one in use.
fn is_elsewhere(rival: &Line, line: &Line) -> bool {
    rival.address.ip() != line.address.ip()
}

/// Whether a greeting comes from that run of a server.
fn is_run(greeting: &Greeting, session: &str) -> bool {
    matches!(greeting, Greeting::Welcome(welcome) if welcome.session == session)
}

/// Listens on a second connection for what the server says of itself.
fn greeting(
    rival: &mut Line,
    rescue: &mut Rescue,
    buffer: &mut [u8],
    now_us: u64,
) -> Result<Option<Greeting>> {
    if !rival.is_made()? {
        return Ok(None);
    }
    rescue.reached();
    loop {
        match rival.read(buffer, now_us)? {
            Got::Bytes => {}
            Got::Nothing => break,
            Got::End => return Err(rival.lost("the server closed it")),
        }
        let address = rival.address;
        while let Some(event) = rival.next_event()? {
            match event {
                Event::Shut(shut) => return Err(is_shut(address, shut)),
                Event::Notice(notice) if notice.reason == Reason::Removed => {
                    return Err(Error::Removed { address });
                }
                Event::Welcome(welcome) => return Ok(Some(Greeting::Welcome(welcome))),
                Event::Plain(config) => return Ok(Some(Greeting::Plain(config))),
                Event::Say(bytes) => {
                    rival.say(bytes);
                    rescue.greeted();
                }
                _ => {}
            }
        }
    }
    rival.flush().map(|()| None)
}

pub(super) fn say_back(address: SocketAddr, gone_us: u64) {
    info!("sound comes from {address} again, after {:.1} s", gone_us as f64 / 1e6);
}
