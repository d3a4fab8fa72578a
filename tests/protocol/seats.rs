//! Whose a seat is, with peers at two addresses.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::peer::{DEADLINE, Peer, Room, hello, ping};

/// A peer at the second loopback address, which every Linux has.
fn from_elsewhere(server: SocketAddr) -> Peer {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    Peer { stream }
}

#[test]
fn whoever_has_only_heard_an_id_takes_no_seat_from_another_address() {
    let room = Room::open("");
    let mut owner = room.welcomed("mine");
    // Whoever is silent for 400 ms may have lost its path, so the thief must be quicker than that.
    let was_quick = (0..50_u64).any(|n| {
        owner.say(&ping(n));
        let answered = owner.control().expect("nobody took the seat");
        assert_eq!(answered.0, 5, "a pong");
        let began = Instant::now();
        let mut thief = from_elsewhere(room.address());
        thief.config();
        thief.say(&hello("mine"));
        thief.welcome();
        let is_quick = began.elapsed() < Duration::from_millis(300);
        if !is_quick {
            owner = room.welcomed("mine");
        }
        is_quick
    });
    assert!(was_quick, "this PC is too busy to try");
    owner.say(&ping(99));
    let (kind, _) = owner.control().expect("nobody took the seat");
    assert_eq!(kind, 5, "a pong, and no notice");
}
