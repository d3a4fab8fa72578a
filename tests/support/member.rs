//! A listener in a private room that opens nothing: it comes in, and says what keeps its seat.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use auralync::secure::Key;
use auralync::secure::handshake::{Asking, Channel, Pair, Terms};
use auralync::secure::room::Secret;
use auralync::wire::{
    Hello, PLAIN_HEADER, Ping, PrivateRoom, ServerFirst, TYPED, Welcome, kind, typed,
};

use super::waiting::PATIENCE;

/// A server lets 200 in within a second.
pub(crate) const APART: Duration = Duration::from_millis(7);

/// Somebody at the door of a private room, who has been told its config.
pub(crate) struct AtDoor {
    pub(crate) tcp: TcpStream,
    room: PrivateRoom,
    config: Vec<u8>,
}

/// Comes to the door of the room at that server.
pub(crate) fn come(server: SocketAddr) -> AtDoor {
    thread::sleep(APART);
    let mut tcp = TcpStream::connect(server).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let (_, config) = read_frame(&mut tcp);
    let Ok(ServerFirst::Private(room)) = ServerFirst::read(&config) else {
        panic!("the room is open");
    };
    AtDoor { tcp, room, config }
}

impl AtDoor {
    /// Says a frame as it is.
    pub(crate) fn say(&mut self, frame: &[u8]) {
        self.tcp.write_all(frame).unwrap();
    }

    /// The next frame's kind and body.
    pub(crate) fn hear(&mut self) -> (u8, Vec<u8>) {
        let (_, mut frame) = read_frame(&mut self.tcp);
        let body = frame.split_off(1);
        (frame[0], body)
    }

    /// What the listener of that number says to enter the room with that secret.
    pub(crate) fn ask(&self, secret: [u8; 16], number: usize, hello: &Hello) -> (Asking, Vec<u8>) {
        // Nobody else is to hear what is measured, and no two listeners are one.
        let own = |n: u8| {
            let mut bytes = [n; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            Key::new(bytes)
        };
        let (secret, pair, random) = (Secret::new(secret), Pair::new(own(1)), own(2));
        let terms = Terms { secret: &secret, own: &pair, config: &self.config, random: &random };
        let body = hello.frame().split_off(PLAIN_HEADER + 1);
        let (asking, message) = terms.ask(&self.room.key, &body).unwrap();
        (asking, typed(kind::ENTER, &message))
    }
}

/// Comes into the room with that secret as the listener of that number.
pub(crate) fn enter(
    server: SocketAddr,
    secret: [u8; 16],
    number: usize,
    hello: &Hello,
) -> (TcpStream, Welcome, Channel) {
    let mut door = come(server);
    let (asking, message) = door.ask(secret, number, hello);
    door.say(&message);
    let (kind, body) = door.hear();
    assert_eq!(kind, kind::ENTERED, "not let in: {}", String::from_utf8_lossy(&body));
    let (mut channel, welcome) = asking.finish(&body).unwrap();
    ping(&mut door.tcp, &mut channel);
    (door.tcp, Welcome::read(&welcome).unwrap(), channel)
}

/// Says a ping, which keeps a seat.
pub(crate) fn ping(tcp: &mut TcpStream, channel: &mut Channel) {
    let ping = Ping { client_us: 1 }.frame();
    let sealed = channel.sealing.seal(&ping[PLAIN_HEADER..]).unwrap();
    tcp.write_all(&typed(kind::PRIVATE, &sealed)).unwrap();
}

/// A frame's first word, and what follows it.
fn read_frame(tcp: &mut TcpStream) -> (u32, Vec<u8>) {
    let mut word = [0; 4];
    tcp.read_exact(&mut word).unwrap();
    let word = u32::from_be_bytes(word);
    let mut body = vec![0; (word & !TYPED) as usize];
    tcp.read_exact(&mut body).unwrap();
    (word, body)
}
