//! The private rooms that this user was let into, and the key by which they know them again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use crate::error::Result;
use crate::secret_file::{self, KeyFile, Writer};
use crate::secure::Key;
use crate::secure::code::Code;
use crate::secure::handshake::Pair;
use crate::secure::room::{LINK, Link, SERVER, Secret};

/// The files' names, in the folder of this user's settings.
const IDENTITY: &str = "identity.key";
const ROOMS: &str = "rooms.key";

/// Rooms that are remembered; the one that was entered longest ago goes.
const MOST_ROOMS: usize = 256;

/// What is said when a room could not be remembered, with the reason behind it.
const LOST: &str =
    "this room is not remembered, so that its link or a code is needed again the next time";

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
    /// Whoever enters and hears cannot wait for a disk.
    keeper: Arc<Writer<Vec<Link>>>,
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
    /// [`Error::File`](crate::Error::File) where one of the files cannot be read or written,
    /// [`Error::Internal`](crate::Error::Internal) where there is a link and no place for them, or the system gives no
    /// thread.
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
        Ok(Some(Self { own: identity()?, keys, keeper: Arc::new(keeper_of(path)?) }))
    }

    /// Rooms for a test, which are kept in that file.
    #[cfg(test)]
    pub(crate) fn of(
        (given, code): (Option<Link>, Option<Code>),
        known: Vec<Link>,
        path: PathBuf,
    ) -> Result<Self> {
        let own = Pair::new(Key::new([7; 32]));
        let is_strict = given.is_some() || code.is_some();
        let keys = Arc::new(Mutex::new(Keys { is_strict, given, code, known }));
        Ok(Self { own, keys, keeper: Arc::new(keeper_of(path)?) })
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

    /// The code that was given: it is tried at the first private room that answers.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.lock().code.clone()
    }

    /// A server has answered to the code, which is good for no other try.
    pub fn forget_code(&self) {
        self.lock().code = None;
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
        self.change(&ticket.server, ticket.secret.clone());
    }

    fn keep(&self, link: Link) {
        let known = &mut self.lock().known;
        if !known.contains(&link) {
            add(known, link.clone());
            self.keeper.put(vec![link]);
        }
    }
}

/// Adds a room as the newest; the oldest of too many goes.
fn add(rooms: &mut Vec<Link>, link: Link) {
    rooms.retain(|other| other.server != link.server);
    rooms.push(link);
    rooms.drain(..rooms.len().saturating_sub(MOST_ROOMS));
}

/// Adds rooms to those in a file, on a thread of its own: a disk may take its time.
fn keeper_of(path: PathBuf) -> Result<Writer<Vec<Link>>> {
    let both = |mut older: Vec<Link>, newer: Vec<Link>| {
        newer.into_iter().for_each(|link| add(&mut older, link));
        older
    };
    Writer::start("keep rooms", LOST, both, move |news: &Vec<Link>| add_in(&path, news))
}

/// Adds rooms to those in a file. What other programs of this user's have added meanwhile stays.
fn add_in(path: &Path, news: &[Link]) -> Result<()> {
    let file = secret_file::alone(path)?;
    let mut all = file.read()?.map_or(Vec::new(), |text| links(&text));
    news.iter().for_each(|link| add(&mut all, link.clone()));
    let mut text = Zeroizing::new(String::with_capacity(all.len() * (LINK + 1)));
    for link in &all {
        text.push_str(&link.fragment());
        text.push('\n');
    }
    file.write(text.as_bytes())
}

/// The links in a file, the newest; lines that are none are skipped.
fn links(text: &[u8]) -> Vec<Link> {
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    let mut links: Vec<_> = lines.filter_map(|line| Link::read(line).ok()).collect();
    links.drain(..links.len().saturating_sub(MOST_ROOMS));
    links
}

/// This user's own keys, made where there are none. They are in the file: of two programs that make them at
/// the same time, both have the same.
fn identity() -> Result<Pair> {
    identity_in(&secret_file::place(IDENTITY)?)
}

fn identity_in(path: &Path) -> Result<Pair> {
    let why = "this is no key, or a part of one";
    let fix = "Remove it: a new one is made, and servers take you for somebody new";
    KeyFile { path, wrong: (why, fix) }.own().map(|bytes| Pair::new(Key::new(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn link(secret: u8, server: u8) -> Link {
        Link { secret: Secret::new([secret; 16]), server: [server; 16] }
    }

    #[test]
    fn a_line_that_is_no_room_costs_no_other_and_the_newest_rooms_are_read() {
        let lines =
            [b"\xff\xfe".to_vec(), link(1, 1).fragment().as_bytes().to_vec(), b"#".to_vec()];
        assert_eq!(links(&lines.join(&b'\n')), [link(1, 1)]);
        let many: Vec<_> = (0..=MOST_ROOMS).map(|n| link((n / 2) as u8, (n % 256) as u8)).collect();
        let text: Vec<_> = many.iter().map(|link| link.fragment().to_string()).collect();
        assert_eq!(links(text.join("\n").as_bytes()), many[1..]);
    }

    #[test]
    fn a_secret_that_a_welcome_tells_takes_the_place_of_the_links_that_was_given() {
        let folder = Scratch::new();
        let rooms = Rooms::of((Some(link(1, 1)), None), Vec::new(), folder.path(ROOMS)).unwrap();
        let ticket = rooms.ticket(&[1; 16]).unwrap();
        rooms.remember(&Ticket { secret: Secret::new([2; 16]), ..ticket });
        assert_eq!(*rooms.ticket(&[1; 16]).unwrap().secret.bytes(), [2; 16]);
        drop(rooms);
    }

    #[test]
    fn what_two_programs_learn_of_rooms_at_the_same_time_is_all_kept() {
        let folder = Scratch::new();
        let path = folder.path(ROOMS);
        add_in(&path, &[link(1, 1)]).unwrap();
        let keepers = [keeper_of(path.clone()).unwrap(), keeper_of(path.clone()).unwrap()];
        for n in 2..=41 {
            keepers[usize::from(n % 2)].put(vec![link(n, n)]);
        }
        keepers[0].put(vec![link(99, 1)]);
        drop(keepers);
        let mut rooms = links(&secret_file::read(&path).unwrap().unwrap());
        rooms.sort_by_key(|room| room.server);
        let all: Vec<_> = (1..=41).map(|n| link(if n == 1 { 99 } else { n }, n)).collect();
        assert_eq!(rooms, all);
    }

    #[test]
    fn a_room_that_could_not_be_remembered_is_with_the_next_one() {
        let folder = Scratch::new();
        let path = folder.path(ROOMS);
        std::fs::create_dir_all(&path).unwrap();
        let keeper = keeper_of(path.clone()).unwrap();
        keeper.put(vec![link(1, 1)]);
        let why = keeper.watch().written().unwrap_err();
        assert!(why.contains("a link or a folder"), "{why}");
        std::fs::remove_dir(&path).unwrap();
        keeper.put(vec![link(2, 2)]);
        assert_eq!(keeper.watch().written(), Ok(()));
        let rooms = links(&secret_file::read(&path).unwrap().unwrap());
        assert_eq!(rooms, [link(1, 1), link(2, 2)]);
    }

    #[test]
    fn of_two_programs_that_start_for_the_first_time_at_once_both_are_the_same_listener() {
        let folder = Scratch::new();
        let path = folder.path(IDENTITY);
        let made = std::thread::scope(|scope| {
            let make = || scope.spawn(|| identity_in(&path).unwrap().public);
            let made: Vec<_> = (0..8).map(|_| make()).collect();
            made.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(made.iter().all(|public| *public == identity_in(&path).unwrap().public));
    }
}
