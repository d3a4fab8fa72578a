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
    /// A link was given for this run.
    is_strict: bool,
    /// The link that was given, and those of the rooms that were entered, the newest last.
    links: Arc<Mutex<(Option<Link>, Vec<Link>)>>,
    path: PathBuf,
}

impl Rooms {
    /// The rooms that this user knows, and that of `link`. `None` where there is none.
    ///
    /// # Errors
    /// [`Error::File`] where one of the files cannot be read or written, [`Error::Internal`] where there is
    /// a link and no place for them.
    pub fn open(link: Option<Link>) -> Result<Option<Self>> {
        let path = match secret_file::place(ROOMS) {
            Ok(path) => path,
            // An open room needs none.
            Err(_) if link.is_none() => return Ok(None),
            Err(e) => return Err(e),
        };
        let known = secret_file::read(&path)?.map_or(Vec::new(), |text| links(&text));
        if link.is_none() && known.is_empty() {
            return Ok(None);
        }
        let (own, is_strict) = (identity()?, link.is_some());
        Ok(Some(Self { own, is_strict, links: Arc::new(Mutex::new((link, known))), path }))
    }

    /// What lets us into the room of the server with that name.
    #[must_use]
    pub fn ticket(&self, server: &[u8; SERVER]) -> Option<Ticket> {
        let is_it = |link: &&Link| link.server == *server;
        let links = self.lock();
        let link = links.0.as_ref().filter(is_it).or_else(|| links.1.iter().rev().find(is_it))?;
        Some(Ticket { secret: link.secret.clone(), server: *server, own: self.own.clone() })
    }

    /// The room of that server has another secret from now on.
    pub fn change(&self, server: &[u8; SERVER], secret: Secret) {
        let link = Link { secret, server: *server };
        if let Some(given) = &mut self.lock().0
            && given.server == *server
        {
            *given = link.clone();
        }
        self.keep(link);
    }

    fn lock(&self) -> MutexGuard<'_, (Option<Link>, Vec<Link>)> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the room of a link was asked for, and no other will do.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// Remembers a room that was entered.
    pub fn remember(&self, ticket: &Ticket) {
        self.keep(Link { secret: ticket.secret.clone(), server: ticket.server });
    }

    fn keep(&self, link: Link) {
        let known = &mut self.lock().1;
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
