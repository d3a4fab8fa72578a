//! The private rooms that this user was let into, and the key by which they know them again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64ct::{Base64UrlUnpadded, Encoding};
use log::warn;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::random;
use crate::secret_file;
use crate::secure::Key;
use crate::secure::code::Code;
use crate::secure::handshake::Pair;
use crate::secure::room::{Link, SERVER, Secret};

/// The files' names, in the folder of this user's settings.
const IDENTITY: &str = "identity.key";
const ROOMS: &str = "rooms.key";

/// Rooms that are remembered; the one that was entered longest ago goes.
const MOST_ROOMS: usize = 256;

/// What lets a listener into one private room.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// The room's secret.
    pub secret: Secret,
    /// Names the server's key: another server is not believed.
    pub server: [u8; SERVER],
    /// Who this listener is.
    pub own: Pair,
}

/// Rooms that may be entered.
#[derive(Debug, Clone)]
pub struct Rooms {
    own: Pair,
    keys: Arc<Mutex<Keys>>,
    path: PathBuf,
}

/// What opens rooms.
#[derive(Debug)]
struct Keys {
    /// A link or a code was given for this run, or it was in a private room.
    is_strict: bool,
    /// The link that was given, or that the code became.
    given: Option<Link>,
    /// The code that was given, until it is tried.
    code: Option<Code>,
    /// The links of the rooms that were entered, the newest last.
    known: Vec<Link>,
}

impl Rooms {
    /// The rooms that this user knows, and that of `link` or `code`. `None` where there is none.
    ///
    /// # Errors
    /// [`Error::File`] where one of the files cannot be read or written, [`Error::Internal`] where there is
    /// a link and no place for them.
    pub fn open(link: Option<Link>, code: Option<Code>) -> Result<Option<Self>> {
        let is_strict = link.is_some() || code.is_some();
        let path = match secret_file::place(ROOMS) {
            Ok(path) => path,
            // An open room needs none.
            Err(_) if !is_strict => return Ok(None),
            Err(e) => return Err(e),
        };
        let known = secret_file::read(&path)?.map_or(Vec::new(), |text| links(&text));
        if !is_strict && known.is_empty() {
            return Ok(None);
        }
        let keys = Arc::new(Mutex::new(Keys { is_strict, given: link, code, known }));
        Ok(Some(Self { own: identity()?, keys, path }))
    }

    /// Rooms for a test, which are kept in that file.
    #[cfg(test)]
    pub(crate) fn of(given: Option<Link>, known: Vec<Link>, path: PathBuf) -> Self {
        let own = Pair::new(Key::new([7; 32]));
        let is_strict = given.is_some();
        let keys = Arc::new(Mutex::new(Keys { is_strict, given, code: None, known }));
        Self { own, keys, path }
    }

    /// What lets us into the room of the server with that name.
    #[must_use]
    pub fn ticket(&self, server: &[u8; SERVER]) -> Option<Ticket> {
        let is_it = |link: &&Link| link.server == *server;
        let keys = self.lock();
        let link = keys.given.as_ref().filter(is_it);
        let link = link.or_else(|| keys.known.iter().rev().find(is_it))?;
        Some(Ticket { secret: link.secret.clone(), server: *server, own: self.own.clone() })
    }

    /// The room of that server has another secret from now on.
    pub fn change(&self, server: &[u8; SERVER], secret: Secret) {
        let link = Link { secret, server: *server };
        if let Some(given) = &mut self.lock().given
            && given.server == *server
        {
            *given = link.clone();
        }
        self.keep(link);
    }

    /// The code that was given, once: it is tried at the first private room.
    #[must_use]
    pub fn take_code(&self) -> Option<Code> {
        self.lock().code.take()
    }

    /// The code was right, and this is the room's link.
    pub fn give(&self, link: Link) {
        self.lock().given = Some(link);
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the room of a link is wanted, and no other will do.
    #[must_use]
    pub fn has_link(&self) -> bool {
        self.lock().given.is_some()
    }

    /// Whether a private room was asked for, or entered, so that no open one will do any more: whoever is
    /// between us and the server may say that it is open.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        self.lock().is_strict
    }

    /// Remembers a room that was entered.
    pub fn remember(&self, ticket: &Ticket) {
        self.lock().is_strict = true;
        self.keep(Link { secret: ticket.secret.clone(), server: ticket.server });
    }

    fn keep(&self, link: Link) {
        let known = &mut self.lock().known;
        if known.contains(&link) {
            return;
        }
        known.retain(|other| other.server != link.server);
        known.push(link);
        let surplus = known.len().saturating_sub(MOST_ROOMS);
        known.drain(..surplus);
        let lines: Vec<_> = known.iter().map(Link::fragment).collect();
        let mut text = Zeroizing::new(String::new());
        lines.iter().for_each(|line| {
            text.push_str(line);
            text.push('\n');
        });
        if let Err(e) = secret_file::write(&self.path, text.as_bytes()) {
            warn!("this room is not remembered: {e}");
        }
    }
}

/// The links in a file; lines that are none are skipped.
fn links(text: &[u8]) -> Vec<Link> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.lines().filter_map(|line| Link::read(line).ok()).take(MOST_ROOMS).collect()
}

/// This user's own keys, made where there are none.
fn identity() -> Result<Pair> {
    let path = secret_file::place(IDENTITY)?;
    let mut bytes = Zeroizing::new([0; 32]);
    match secret_file::read(&path)? {
        Some(text) => {
            let read = Base64UrlUnpadded::decode(text.trim_ascii(), &mut *bytes);
            if !read.is_ok_and(|read| read.len() == 32) {
                return Err(Error::file(
                    &path,
                    "this is no key, or a part of one",
                    "Remove it: a new one is made, and servers take you for somebody new",
                ));
            }
        }
        None => {
            bytes = random::secret()?;
            let text = Zeroizing::new(Base64UrlUnpadded::encode_string(&*bytes));
            secret_file::write(&path, text.as_bytes())?;
        }
    }
    Ok(Pair::new(Key::new(*bytes)))
}
