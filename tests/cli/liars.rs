//! Servers that speak the protocol well and lie about time: the client says so once and plays on.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::for_each;
use crate::support::flags::wav;
use crate::support::ramp::{self, Recording, Stretch, frames_on_disk};
use crate::support::servers::client;
use crate::support::{PATIENCE, Scratch, wait_until};

const RATE: u64 = 48_000;
const CHUNK: u64 = 960;
const CHUNK_LASTS: Duration = Duration::from_millis(20);

/// µs that the server's clock shows when it starts.
const START_US: u64 = 7_200_000_000;
const HOUR_US: u64 = 3_600_000_000;

/// How a server lies.
#[derive(Clone, Copy)]
struct Lie {
    /// What it says of when a chunk was captured, in place of the truth.
    captured_us: fn(u64) -> u64,
    answers_pings: bool,
}

fn typed(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = 0x8000_0000 | u32::try_from(body.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[kind], body].concat()
}

/// A server of one listener, gone with the test.
fn start(lie: Lie) -> SocketAddr {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = door.local_addr().unwrap();
    thread::spawn(move || {
        let (socket, _) = door.accept().unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        let start = Instant::now();
        let mut reading = socket.try_clone().unwrap();
        let writing = Arc::new(Mutex::new(socket));
        let config = br#"{"sample_rate": 48000, "channels": 2, "chunk_size": 960, "auralync": {"version": 2}}"#;
        let welcome =
            br#"{"version": 2, "session": "1", "name": "liar", "codec": "f32", "chunk_size": 960,
            "format": {"sample_rate": 48000, "channels": 2}, "position_rate": 48000,
            "algorithmic_delay": 0, "playout_delay_ms": 300, "ping_ms": 250}"#;
        let length = u32::try_from(config.len()).unwrap().to_be_bytes();
        let greeting = [&length[..], config, &typed(2, welcome)].concat();
        writing.lock().unwrap().write_all(&greeting).unwrap();
        let answering = Arc::clone(&writing);
        // Until the listener hangs up.
        thread::spawn(move || while answer(&mut reading, &answering, start, lie).is_ok() {});
        play(&writing, start, lie);
    });
    address
}

fn play(socket: &Mutex<TcpStream>, start: Instant, lie: Lie) {
    for number in 0_u64.. {
        let captured = CHUNK_LASTS * u32::try_from(number).unwrap();
        thread::sleep((captured + CHUNK_LASTS).saturating_sub(start.elapsed()));
        let truth = START_US + captured.as_micros() as u64;
        let mut body = vec![0, 0, 0];
        body.extend(u32::try_from(CHUNK).unwrap().to_be_bytes());
        body.extend((number * CHUNK).to_be_bytes());
        body.extend((lie.captured_us)(truth).to_be_bytes());
        let samples = ramp::frames(number * CHUNK, CHUNK as usize, 2);
        body.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        if socket.lock().unwrap().write_all(&typed(3, &body)).is_err() {
            return;
        }
    }
}

/// Reads one frame, and answers if it is a ping that should be.
fn answer(
    reading: &mut TcpStream,
    writing: &Mutex<TcpStream>,
    start: Instant,
    lie: Lie,
) -> std::io::Result<()> {
    let mut header = [0; 4];
    reading.read_exact(&mut header)?;
    let mut body = vec![0; (u32::from_be_bytes(header) & 0x7fff_ffff) as usize];
    reading.read_exact(&mut body)?;
    if body[0] == 4 && lie.answers_pings {
        let now = (START_US + start.elapsed().as_micros() as u64).to_be_bytes();
        let pong = typed(5, &[&body[1..9], &now, &now].concat());
        writing.lock().unwrap().write_all(&pong)?;
    }
    Ok(())
}

#[test]
fn a_server_that_lies_about_time_is_told_of_once_and_played() {
    let honest = |truth| truth;
    let lies = [
        ("no pongs", Lie { captured_us: honest, answers_pings: false }),
        ("from the future", Lie { captured_us: |t| t + HOUR_US, answers_pings: true }),
        ("of long ago", Lie { captured_us: |t| t - HOUR_US, answers_pings: true }),
    ];
    for_each(&lies, |name, lie| {
        let scratch = Scratch::new();
        let recorded = scratch.path("recorded.wav");
        let mut listener = client(start(*lie), ["--output", &wav(&recorded)]);
        listener.wait_for("what the server says of time cannot be");
        let before = frames_on_disk(&recorded, 2);
        wait_until("three more seconds", || frames_on_disk(&recorded, 2) > before + 3 * RATE);
        let ended = listener.stop();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let told = ended.stderr.iter().filter(|line| line.contains("says of time")).count();
        assert_eq!(told, 1, "{ended:?}");
        let stretches = Recording::read_finished(&recorded).stretches();
        let Some(Stretch::Sound { frames, .. }) = stretches.last() else {
            panic!("{name}: it ends in silence: {stretches:?}");
        };
        assert!(*frames > 2 * RATE, "{name}: {stretches:?}");
    });
}
