//! A private room: who enters, and which keys seal its sound.

use log::{debug, info, warn};
use zeroize::Zeroizing;

use super::keys::{Keys, Refused};
use super::limits::PLEASE_LEAVE;
use super::{Seat, Transmit};
use crate::codec::Codec;
use crate::format::hex;
use crate::random::{self, new_key};
use crate::secure::Key;
use crate::secure::code::Code;
use crate::secure::handshake::Asked;
use crate::secure::host::Host;
use crate::secure::keyring::StreamSeal;
use crate::secure::room::{SECRET, Secret};
use crate::send::fanout::Phase;
use crate::send::webrtc::Order;
use crate::wire::{AuralyncKey, Config, Hello, Reason, VERSION, Welcome, kind, typed};

/// What those are told whose key is another room's, or an old one.
const WRONG_KEY: &str = "this room has another key: ask for its link or a code";

/// What those are told who come when too many others do.
const CROWDED: &str = "too many want to come in at the same moment: try again in a few seconds";

impl Transmit {
    /// Makes the room private, before anybody is in it, and shows that code.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn make_private(
        &mut self,
        secrets: Host,
        code: Code,
        keep: Keep,
    ) -> crate::error::Result<()> {
        let first = new_key()?;
        let now = self.clock.now_us();
        self.keys = Some(Keys::new(secrets, (first, 0), now));
        self.keep_secrets = Some(keep);
        self.invitation.show(code, now);
        self.seal_logs(now);
        Ok(())
    }

    /// The config of a private room for one connection. `None` where the room is open, or the system gives no
    /// random numbers.
    pub(super) fn private_config(&self) -> Option<Vec<u8>> {
        let keys = self.keys.as_ref()?;
        let once = random::secret().inspect_err(|e| warn!("nobody is let in: {e}")).ok()?;
        let room = Some(keys.describe(*once));
        let key = AuralyncKey { version: VERSION, hold: true, room };
        Some(Config { auralync: Some(key), ..self.room.config.clone() }.frame())
    }

    /// Tells new keys, and begins to use those whose time has come.
    pub(super) fn mind_keys(&mut self) {
        let now = self.clock.now_us();
        let Some(keys) = &mut self.keys else { return };
        let kept = |e: &_| warn!("the room goes on with the keys that it has: {e}");
        let secret = keys.is_due(now).then(|| new_key().inspect_err(kept).ok()).flatten();
        let news = match secret {
            Some(secret) => Some(keys.begin(secret, now)),
            None => keys.end(now),
        };
        if let Some(news) = news {
            for index in 0..self.seats.len() {
                if let Some(Some(seat)) = self.seats.get_mut(index) {
                    seat.listener.outbox.learn(news.clone());
                    self.touch(index);
                }
            }
        }
        if let Some(told) = self.keys.as_mut().and_then(|keys| keys.tell_again(now)) {
            self.tell_by_datagram(&told, now);
        }
        self.seal_logs(now);
    }

    /// Tells all who have sound by datagram something that way too. Whoever it does not reach hears of it by TCP.
    fn tell_by_datagram(&mut self, told: &[u8], now: u64) {
        for seat in self.seats.iter_mut().flatten() {
            let Seat { listener, channel, .. } = seat;
            // Whoever is to leave is not told.
            if listener.phase != Phase::Typed {
                continue;
            }
            let (Some(path), Some(member)) = (&mut listener.path, &mut listener.member) else {
                continue;
            };
            if let Some((channels, whose)) = self.channels.as_mut().zip(*channel) {
                path.say(told.len());
                let _ = channels.give(Order::Send(whose, told.into()));
            } else if let Some((datagrams, (_, to))) = self.datagrams.as_ref().zip(path.whose())
                && path.is_alive(now)
                && let Some(sealed) = member.seal_datagram(told)
            {
                path.say(sealed.len());
                datagrams.tell(to, &sealed);
            }
        }
        if let Some(channels) = &mut self.channels {
            channels.flush();
        }
    }

    /// What is encoded from now on is sealed with the key whose time it is.
    fn seal_logs(&mut self, now: u64) {
        let Some(epoch) = self.keys.as_mut().and_then(|keys| keys.turn(now)) else {
            return;
        };
        for codec in Codec::all() {
            let (at, stream) = (codec.index(), self.cut[codec.index()].stream());
            let seal = || StreamSeal::new(&epoch.secret, epoch.number, stream);
            self.logs[at].seal_with(seal());
            self.cut[at].seal_with(seal());
        }
    }

    /// Makes room at the door for one more, if there is none.
    pub(super) fn make_room_at_door(&mut self) {
        if self.at_door.is_full(self.room.max_clients) {
            self.send_from_door();
        }
    }

    /// Sends one away who has not shown the key. `false` where there is none.
    pub(super) fn send_from_door(&mut self) -> bool {
        let Some(index) = self.at_door.goes_first(self.invitation.tries()) else { return false };
        let now = self.clock.now_us();
        if let Some(Some(seat)) = self.seats.get_mut(index)
            && !seat.listener.is_leaving()
        {
            seat.listener.close(Reason::Stopping, CROWDED, now);
            self.write(index);
        }
        self.leave(index, "made room at the door");
        true
    }

    /// Lets the listener at `index` in, if its first message says that it has the key.
    pub(super) fn enter(&mut self, index: usize, message: &[u8]) {
        let now = self.clock.now_us();
        let (Some(keys), Some(Some(seat))) = (&mut self.keys, self.seats.get_mut(index)) else {
            return;
        };
        let Ok(random) = new_key().inspect_err(|e| warn!("nobody is let in: {e}")) else { return };
        let said = (message, &seat.listener.config[..]);
        let asked = match keys.take(said, &random, now) {
            Ok(asked) => asked,
            Err(refused) => {
                debug!("{} does not enter: {refused:?}", seat.listener.label());
                let (reason, text) = match refused {
                    Refused::Busy => (Reason::Stopping, CROWDED),
                    Refused::Key | Refused::Broken => (Reason::WrongKey, WRONG_KEY),
                };
                seat.listener.close(reason, text, now);
                return;
            }
        };
        match Hello::read(&asked.hello) {
            Ok(mut hello) => {
                // Nobody else can say so, whatever id their hello has.
                hello.id = format!("{}-{}", short(&asked.client), hello.id);
                if self.guests.must_knock(&asked.client) {
                    self.knock(index, hello, asked);
                } else {
                    self.welcome(index, hello, Some(asked));
                }
            }
            Err(violation) => {
                debug!("{} enters with no hello: {violation}", seat.listener.label());
                seat.listener.close(Reason::Violation, "this is not AuraLync's protocol", now);
            }
        }
    }

    /// The frame that welcomes the listener at `index`: openly, or as the answer to `asked`, from when on
    /// all that is said to it is sealed. `None` where the system gives no random numbers.
    pub(super) fn welcome_frame(
        &self,
        mut welcome: Welcome,
        asked: Option<Asked>,
    ) -> Option<(Vec<u8>, Option<Entered>)> {
        let (Some(keys), Some(asked)) = (&self.keys, asked) else {
            return Some((welcome.frame(), None));
        };
        let own = new_key().inspect_err(|e| warn!("nobody is let in: {e}")).ok()?;
        welcome.room = Some(Box::new(keys.for_newcomer(&own)));
        let (key, body) = (asked.client, Zeroizing::new(welcome.frame()));
        let (channel, message) = asked.answer(body.get(5..).unwrap_or_default())?;
        Some((typed(kind::ENTERED, &message), Some(Entered { key, own, channel })))
    }

    /// Those who have these keys, and were asked to leave, are not to hear what follows, nor to come again with
    /// the link.
    pub(super) fn shut_out(&mut self, keys: &[[u8; 32]]) {
        if keys.is_empty() {
            return;
        }
        if !self.give_other_secret(keys) {
            warn!("whoever left may come again");
        }
        for key in keys {
            if let Some(left) = self.guests.forget(key) {
                self.keep_guests(left);
            }
            let knocks = self.guests.knocking().find(|knock| knock.asked.client == *key);
            if let Some(index) = knocks.map(|knock| knock.index) {
                self.turn_away(index, PLEASE_LEAVE);
            }
        }
    }

    /// Gives the room another secret. `false` where it is open, or keeps the one that it has.
    pub(super) fn change_secret(&mut self) -> bool {
        self.give_other_secret(&[])
    }

    fn give_other_secret(&mut self, removed: &[[u8; 32]]) -> bool {
        let now = self.clock.now_us();
        let Some(keys) = &mut self.keys else { return false };
        for member in self.seats.iter().flatten().filter_map(|seat| seat.listener.member.as_ref()) {
            keys.was_there(&member.key, now);
        }
        let kept = |e: &_| warn!("the room keeps its key: {e}");
        let Ok(bytes) = random::secret::<SECRET>().inspect_err(kept) else { return false };
        let host = keys.change(Secret::new(*bytes), removed, now);
        if let Some(keep) = &self.keep_secrets {
            keep(host);
        }
        info!("the room has a new link: auralync-client ctl link shows it");
        true
    }

    /// What stands behind the `#` of the room's link.
    pub(super) fn link(&self) -> Option<Zeroizing<String>> {
        let host = self.keys.as_ref()?.secrets();
        Some(host.link().fragment())
    }
}

/// Keeps what a room has from now on. It must not wait.
pub(super) type Keep = Box<dyn Fn(Host) + Send>;

/// Somebody who is in.
pub(super) struct Entered {
    pub(super) key: [u8; 32],
    pub(super) own: Key,
    pub(super) channel: crate::secure::handshake::Channel,
}

impl Seat {
    /// By what its listener is known again, whatever its hello says: its key, in a private room.
    pub(super) fn identity(&self) -> String {
        self.listener.member.as_ref().map_or(self.listener.id.clone(), |member| short(&member.key))
    }
}

/// A public key in few letters: nobody makes another with the same.
pub(super) fn short(key: &[u8; 32]) -> String {
    hex(&key[..16])
}
