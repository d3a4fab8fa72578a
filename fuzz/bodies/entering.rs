//! What somebody says to come into a private room, and what is answered: nobody gets in who has not the
//! room's secret, and nothing that was changed is taken for what it was.

use std::sync::OnceLock;

use auralync::secure::Key;
use auralync::secure::handshake::{FIRST_LOOK, Pair, Refusal, Terms};
use auralync::secure::room::{Link, Secret};
use auralync::wire::{Epochs, ServerFirst, Welcome};

use super::input::Input;
use super::watch::Body;

/// A handshake and the bodies of both sides.
pub const BODY: Body = Body { name: "entering", run, most_bytes: 256 * 1024, tries: 2_000 };

const CONFIG: &[u8] = b"{\"error\":\"This room is private\"}";
const HELLO: &[u8] = b"{\"version\":3,\"id\":\"a\",\"name\":\"b\"}";

struct Room {
    secret: Secret,
    server: Pair,
    client: Pair,
    random: Key,
    /// A first message that is right, and the answer to it.
    first: Vec<u8>,
    second: Vec<u8>,
}

impl Room {
    fn terms<'a>(&'a self, own: &'a Pair) -> Terms<'a> {
        Terms { secret: &self.secret, own, config: CONFIG, random: &self.random }
    }
}

fn room() -> &'static Room {
    static ROOM: OnceLock<Room> = OnceLock::new();
    ROOM.get_or_init(|| {
        let pair = |n| Pair::new(Key::new([n; 32]));
        let (first, second) = (Vec::new(), Vec::new());
        let secret = Secret::new([1; 16]);
        let (server, client, random) = (pair(2), pair(3), Key::new([4; 32]));
        let mut room = Room { secret, server, client, random, first, second };
        let terms = room.terms(&room.client);
        let (_, first) = terms.ask(&room.server.public, HELLO).expect("a short hello");
        let asked = room.terms(&room.server).take(&first).expect("it is right");
        let (_, second) = asked.answer(b"{\"version\":3}").expect("a short welcome");
        (room.first, room.second) = (first, second);
        room
    })
}

fn run(data: &[u8]) {
    let mut input = Input(data);
    let room = room();
    match input.small() % 8 {
        // Whatever a stranger sends, it costs one hash.
        0 | 1 => {
            let refused = room.terms(&room.server).take(input.0).err();
            assert!(input.0 == room.first || refused == Some(Refusal::Stranger));
        }
        // Somebody who has the room's secret makes the first look right, and nothing else.
        2 => {
            let mut padded = [0; 32];
            padded[..16].copy_from_slice(room.secret.bytes());
            let look = Key::new(padded).derive("auralync room first look", &[]);
            let noise = input.0;
            let whole = [CONFIG, noise].concat();
            let message = [&look.derive("", &whole).bytes()[..FIRST_LOOK], noise].concat();
            let refused = room.terms(&room.server).take(&message).err();
            assert!(message == room.first || refused == Some(Refusal::Broken));
        }
        3 => {
            let message = change(&room.first, &mut input);
            let taken = room.terms(&room.server).take(&message);
            assert_eq!(taken.is_ok(), message == room.first);
        }
        4 => {
            let message = change(&room.second, &mut input);
            let (asking, _) =
                room.terms(&room.client).ask(&room.server.public, HELLO).expect("a short hello");
            assert_eq!(asking.finish(&message).is_ok(), message == room.second);
        }
        5 => {
            let text = String::from_utf8_lossy(input.0);
            if let Ok(link) = Link::read(&text) {
                assert_eq!(Link::read(&link.fragment()), Ok(link));
            }
        }
        6 => {
            let _ = ServerFirst::read(input.0);
        }
        _ => {
            let _ = (Epochs::read(input.0), Welcome::read(input.0));
        }
    }
}

/// Some bytes of a message changed, cut or added.
fn change(message: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let mut changed = message.to_vec();
    while let Some(how) = input.byte() {
        let at = input.large() as usize % (changed.len() + 1);
        match how % 4 {
            0 => changed.truncate(at),
            1 => changed.insert(at, how),
            _ => changed.get_mut(at).into_iter().for_each(|byte| *byte ^= how),
        }
        if changed.len() > 2 * message.len() {
            break;
        }
    }
    changed
}
