//! Listeners as bare sockets: they do only what a test makes them do.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use auralync::wire::{self, Hello};

pub(crate) use super::connecting::{connect, skip_to_welcome};
use super::connecting::{exactly, header};
use super::waiting::PATIENCE;

/// A connection that has room for next to nothing that it does not read.
pub(crate) fn connect_with_little_room(server: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    // Before connecting, or the system has promised more already.
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect_timeout(&server.into(), PATIENCE).unwrap();
    socket.into()
}

/// What follows a plain length: generation one's frames.
pub(crate) fn plain(socket: &mut TcpStream) -> Vec<u8> {
    let length = header(socket);
    assert!(length & wire::TYPED == 0, "a typed frame where a plain one should be");
    exactly(socket, length as usize)
}

/// Kind and body of the next typed frame.
pub(crate) fn typed(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let length = header(socket);
    assert!(length & wire::TYPED != 0, "a plain frame where a typed one should be");
    let mut body = exactly(socket, (length & !wire::TYPED) as usize);
    (body.remove(0), body)
}

/// Says hello after the config and skips to the welcome, whose body this is.
pub(crate) fn greet(socket: &mut TcpStream, id: &str) -> Vec<u8> {
    let hello = Hello {
        version: 2,
        id: id.into(),
        name: "test".into(),
        codecs: vec!["f32".into()],
        talk: None,
        datagrams: false,
    };
    socket.write_all(&hello.frame()).unwrap();
    skip_to_welcome(socket)
}

/// Interleaved float32 samples.
pub(crate) fn samples(payload: &[u8]) -> Vec<f32> {
    assert_eq!(payload.len() % 4, 0);
    payload.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
