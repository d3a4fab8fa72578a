//! The beginning of a connection.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};

use auralync::wire;

use super::waiting::PATIENCE;

/// A connection that fails a test instead of hanging it.
pub(crate) fn connect(server: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect_timeout(&server, PATIENCE).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The body of the welcome that follows a hello.
pub(crate) fn skip_to_welcome(socket: &mut TcpStream) -> Vec<u8> {
    loop {
        let length = header(socket);
        let mut body = exactly(socket, (length & !wire::TYPED) as usize);
        if length & wire::TYPED != 0 {
            assert_eq!(body.remove(0), wire::kind::WELCOME, "the first typed frame");
            return body;
        }
    }
}

pub(super) fn header(socket: &mut TcpStream) -> u32 {
    let bytes = exactly(socket, 4);
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

pub(super) fn exactly(socket: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    socket.read_exact(&mut bytes).unwrap();
    bytes
}
