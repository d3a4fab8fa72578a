//! A listener in a private room that opens nothing: it comes in, and says what keeps its seat.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use auralync::secure::Key;
use auralync::secure::handshake::{Channel, Pair, Terms};
use auralync::secure::room::Secret;
use auralync::wire::{Hello, PLAIN_HEADER, Ping, ServerFirst, TYPED, Welcome, kind, typed};

use super::waiting::PATIENCE;

/// A server lets 200 in within a second.
const APART: Duration = Duration::from_millis(7);

/// Comes into the room with that secret as the listener of that number.
pub(crate) fn enter(
    server: SocketAddr,
    secret: [u8; 16],
    number: usize,
    hello: &Hello,
) -> (TcpStream, Welcome, Channel) {
    thread::sleep(APART);
    let mut tcp = TcpStream::connect(server).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let (_, config) = read_frame(&mut tcp);
    let Ok(ServerFirst::Private(room)) = ServerFirst::read(&config) else {
        panic!("the room is open");
    };
    // Nobody else is to hear what is measured, and no two listeners are one.
    let own = |n: u8| {
        let mut bytes = [n; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Key::new(bytes)
    };
    let (secret, pair, random) = (Secret::new(secret), Pair::new(own(1)), own(2));
    let terms = Terms { secret: &secret, own: &pair, config: &config, random: &random };
    let body = hello.frame().split_off(PLAIN_HEADER + 1);
    let (asking, message) = terms.ask(&room.key, &body).unwrap();
    tcp.write_all(&typed(kind::ENTER, &message)).unwrap();
    let (_, body) = read_frame(&mut tcp);
    let is_in = body.first() == Some(&kind::ENTERED);
    assert!(is_in, "not let in: {}", String::from_utf8_lossy(&body));
    let (mut channel, welcome) = asking.finish(&body[1..]).unwrap();
    ping(&mut tcp, &mut channel);
    (tcp, Welcome::read(&welcome).unwrap(), channel)
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
