//! A listener calls a private room a second time while nothing comes, and is told that the room has another key.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use auralync::wire::{Notice, Reason, TYPED};

use super::private::Room;
use crate::support::flags::wav;
use crate::support::ramp::frames_on_disk;
use crate::support::wait_until;

const RATE: u64 = 48_000;

/// What the room's first connection does when the second one has asked to come in.
#[derive(Clone, Copy, PartialEq)]
enum First {
    StaysStill,
    GoesOn,
}

/// Somebody between a private room and one listener: the first connection is carried, but while it stands still, and
/// all others are told that the room has another key.
struct Between {
    address: SocketAddr,
    stands_still: Arc<AtomicBool>,
    /// How many were told.
    told: Arc<AtomicU64>,
}

impl Between {
    fn before(server: SocketAddr, first: First) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = door.local_addr().unwrap();
        let (stands_still, told) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (still, counted) = (Arc::clone(&stands_still), Arc::clone(&told));
        thread::spawn(move || {
            let (carried, mut is_first) = (Arc::<AtomicU64>::default(), true);
            for peer in door.incoming() {
                let (Ok(peer), Ok(server)) = (peer, TcpStream::connect(server)) else { return };
                if std::mem::take(&mut is_first) {
                    let (there, back) = (peer.try_clone().unwrap(), server.try_clone().unwrap());
                    let (still, carried) = (Arc::clone(&still), Arc::clone(&carried));
                    thread::spawn(move || {
                        carry(there, back, &AtomicBool::new(false), &Arc::default())
                    });
                    thread::spawn(move || carry(server, peer, &still, &carried));
                    continue;
                }
                let goes_on = || {
                    let before = carried.load(Ordering::SeqCst);
                    still.store(false, Ordering::SeqCst);
                    wait_until("the first goes on", || carried.load(Ordering::SeqCst) > before);
                };
                let told = say_that_the_key_is_another(peer, server, || match first {
                    First::StaysStill => {}
                    First::GoesOn => goes_on(),
                });
                // Who hangs up before it has asked is told nothing.
                counted.fetch_add(u64::from(told.is_ok()), Ordering::SeqCst);
            }
        });
        Self { address, stands_still, told }
    }
}

/// Carries bytes one way, and counts those that arrived.
fn carry(mut from: TcpStream, mut to: TcpStream, still: &AtomicBool, carried: &Arc<AtomicU64>) {
    let mut buffer = [0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        while still.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
        carried.fetch_add(count as u64, Ordering::SeqCst);
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Hands the room's config on, and answers what asks to come in.
fn say_that_the_key_is_another(
    mut peer: TcpStream,
    mut server: TcpStream,
    before: impl FnOnce(),
) -> std::io::Result<()> {
    peer.write_all(&frame(&mut server)?)?;
    frame(&mut peer)?;
    before();
    peer.write_all(&Notice::because(Reason::WrongKey, "another key").frame())
}

fn frame(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    from.read_exact(&mut frame)?;
    let word = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
    frame.resize(4 + (word & !TYPED) as usize, 0);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}

#[test]
fn whoever_is_told_of_another_key_when_it_calls_again_ends_with_the_same_sentence() {
    let room = Room::open(&[]);
    let between = Between::before(room.address, First::StaysStill);
    let file = room.file("link", &room.link);
    let flags = ["--transport", "tcp", "--output", "null", "--link", file.to_str().unwrap()];
    let mut listener = room.listener(between.address, "calls", &flags);
    listener.wait_for("connected to");
    between.stands_still.store(true, Ordering::SeqCst);
    let ended = listener.wait();
    assert_eq!(ended.code, Some(8), "{ended:?}");
    let words = "has another key than this link";
    assert!(ended.stderr.iter().any(|line| line.contains(words)), "{ended:?}");
    assert_eq!(between.told.load(Ordering::SeqCst), 1, "it does not ask again");
}

#[test]
fn a_connection_that_is_well_again_is_kept_whatever_the_second_one_is_told() {
    let room = Room::open(&[]);
    let between = Between::before(room.address, First::GoesOn);
    let file = room.file("link", &room.link);
    let recorded = room.scratch.path("kept.wav");
    let output = wav(&recorded);
    let flags = ["--transport", "tcp", "--output", &output, "--link", file.to_str().unwrap()];
    let mut listener = room.listener(between.address, "keeps", &flags);
    listener.wait_for("connected to");
    between.stands_still.store(true, Ordering::SeqCst);
    wait_until("the second connection", || between.told.load(Ordering::SeqCst) > 0);
    let then = frames_on_disk(&recorded, 2);
    wait_until("two more seconds", || {
        assert!(listener.is_running(), "{}", listener.said());
        frames_on_disk(&recorded, 2) > then + 2 * RATE
    });
    assert_eq!(listener.said().matches("connected to").count(), 1, "{}", listener.said());
    assert_eq!(listener.stop().code, Some(0));
}
