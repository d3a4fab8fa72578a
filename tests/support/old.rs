//! Both programs of the first generation, as they are out there: what they send, and how they read.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::ramp;
use super::waiting::PATIENCE;

pub(crate) const RATE: u32 = 44_100;
pub(crate) const CHUNK: usize = 1024;
pub(crate) const CONFIG: &[u8] =
    b"\x00\x00\x00\x39{\"sample_rate\": 44100, \"channels\": 2, \"chunk_size\": 1024}";
const FULL: &[u8] = b"\x00\x00\x00\x18{\"error\": \"Server full\"}";

/// A server of the first generation: config, then plain frames of the ramp at the pace of its
/// card. It never reads.
pub(crate) struct OldServer {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// A silence on the wire: before which chunk, and how long.
#[derive(Clone, Copy)]
pub(crate) struct Pause {
    pub(crate) before: u64,
    pub(crate) lasts: Duration,
}

impl OldServer {
    /// Serves one listener after another, each from the ramp's beginning.
    pub(crate) fn playing(pause: Option<Pause>) -> Self {
        Self::start(move |mut socket, stop| {
            let _ = play(&mut socket, pause, stop);
        })
    }

    /// Tells everybody that it is full.
    pub(crate) fn full() -> Self {
        Self::start(|mut socket, _| {
            // A listener that has gone already needs no answer.
            let _ = socket.write_all(FULL);
        })
    }

    fn start(serve: impl Fn(TcpStream, &AtomicBool) + Send + 'static) -> Self {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = door.local_addr().unwrap();
        let stop: Arc<AtomicBool> = Arc::default();
        let asked = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for socket in door.incoming() {
                if asked.load(Ordering::Relaxed) {
                    return;
                }
                serve(socket.unwrap(), &asked);
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for OldServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Whoever waits at the door is let in, sees the order and goes.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Until the listener goes, which shows as an error, or the test ends.
fn play(socket: &mut TcpStream, pause: Option<Pause>, stop: &AtomicBool) -> std::io::Result<()> {
    socket.write_all(CONFIG)?;
    let mut due = Instant::now();
    for number in 0.. {
        if let Some(Pause { before, lasts }) = pause
            && before == number
        {
            due += lasts;
        }
        // The card's pace: a chunk leaves when its last frame has been captured.
        due += Duration::from_secs_f64(CHUNK as f64 / f64::from(RATE));
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let samples = ramp::frames(number * CHUNK as u64, CHUNK, 2);
        let payload: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        socket.write_all(&[&length[..], &payload].concat())?;
    }
    Ok(())
}

/// A listener of the first generation. It sends nothing, ever.
pub(crate) struct OldClient(TcpStream);

impl OldClient {
    pub(crate) fn connect(server: SocketAddr) -> Self {
        let socket = TcpStream::connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// What follows the next header. The header is read by one call for four bytes: a listener of
    /// the first generation that gets fewer is lost.
    pub(crate) fn receive(&mut self) -> Vec<u8> {
        let mut header = [0; 4];
        let count = self.0.read(&mut header).unwrap();
        assert_eq!(count, 4, "a header in pieces");
        let mut payload = vec![0; u32::from_be_bytes(header) as usize];
        self.0.read_exact(&mut payload).unwrap();
        payload
    }

    /// Whether the server closed the connection, with nothing more to read.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0]).is_ok_and(|count| count == 0)
    }
}
