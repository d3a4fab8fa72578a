//! What answers is not AuraLync, or is broken: the client says so, with the right code, in bounded
//! time and memory.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use super::{assert_one_line, for_each};
#[cfg(unix)]
use crate::support::ramp;
use crate::support::servers::client;
use crate::support::{PATIENCE, old};

/// A server that says `bytes` to one caller and holds the line until the caller hangs up.
fn says(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    serve(move |mut socket| {
        // A caller that hangs up in the middle has heard enough.
        let _ = socket.write_all(&bytes);
        let mut unread = [0; 1024];
        while matches!(socket.read(&mut unread), Ok(1..)) {}
    })
}

/// A server of one caller, gone with the test.
fn serve(answer: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = door.local_addr().unwrap();
    thread::spawn(move || {
        let (socket, _) = door.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        answer(socket);
    });
    address
}

/// A plain frame.
fn plain(payload: &[u8]) -> Vec<u8> {
    [&u32::try_from(payload.len()).unwrap().to_be_bytes(), payload].concat()
}

fn config(json: &str) -> Vec<u8> {
    plain(json.as_bytes())
}

/// Bytes as random as they need to be, the same in every run.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[test]
fn whatever_is_not_auralync_is_one_line_with_exit_code_5() {
    let ten_megabytes =
        plain(&[b"{\"sample_rate\": 44100, ".to_vec(), vec![b' '; 10 << 20]].concat());
    let deep = config(&format!("{{\"sample_rate\": {}", "[".repeat(10_000)));
    let rows: Vec<(&str, SocketAddr)> = vec![
        ("an HTTP server, which waits for a question", says("")),
        ("an HTTP server that complains", says("HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n")),
        ("a TLS server that complains", says(*b"\x15\x03\x03\x00\x02\x02\x32")),
        ("an SSH server", says("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")),
        ("a mail server", says("220 mail.example.org ESMTP\r\n")),
        ("random bytes", says(noise(100_000))),
        ("other random bytes", says([&[0, 0, 1, 0][..], &noise(100_000)].concat())),
        ("a length of 0x7fffffff", says([&[0x7f, 0xff, 0xff, 0xff][..], &noise(50_000)].concat())),
        ("a length of 0", says([0; 64])),
        ("JSON of 10 MB", says(ten_megabytes)),
        ("JSON of 10,000 brackets", says(deep)),
        ("JSON that is no config", says(config("[1, 2, 3]"))),
        ("a config that is no JSON", says(config("sample_rate=44100 channels=2"))),
        ("half a config, then nothing", says(&old::CONFIG[..30])),
        ("an error of another sort", says(config(r#"{"error": "go away"}"#))),
        ("a typed frame first", says(*b"\x80\x00\x00\x02\x02{}")),
        ("a close at once", serve(drop)),
        ("a rate of 0", says(config(r#"{"sample_rate": 0, "channels": 2, "chunk_size": 1024}"#))),
        (
            "99 channels",
            says(config(r#"{"sample_rate": 44100, "channels": 99, "chunk_size": 1024}"#)),
        ),
        (
            "a chunk of 4 GiB",
            says(config(r#"{"sample_rate": 44100, "channels": 2, "chunk_size": 4294967295}"#)),
        ),
        (
            "a chunk of nothing",
            says(config(r#"{"sample_rate": 44100, "channels": 2, "chunk_size": 0}"#)),
        ),
        (
            "a rate that is a text",
            says(config(r#"{"sample_rate": "44100", "channels": 2, "chunk_size": 1024}"#)),
        ),
    ];
    for_each(&rows, |name, address| {
        let ended = client(*address, ["--output", "null"]).wait();
        let own = address.to_string();
        assert_one_line(name, &ended, 5, &["is not an AuraLync server", "5555"]);
        assert!(ended.stderr[0].contains(&own), "{name}: which one? {ended:?}");
    });
}

#[test]
fn a_server_that_breaks_the_protocol_later_is_given_up_with_once_and_asked_again_without() {
    let welcome = |json: &str| {
        let body = [&[2], json.as_bytes()].concat();
        let length = 0x8000_0000 | u32::try_from(body.len()).unwrap();
        let config = config(
            r#"{"sample_rate": 48000, "channels": 2, "chunk_size": 4, "auralync": {"version": 2}}"#,
        );
        [config, length.to_be_bytes().to_vec(), body].concat()
    };
    let old = |frames: &[u8]| [old::CONFIG, frames].concat();
    let broken: Vec<(&str, Vec<u8>)> = vec![
        ("a chunk of another size", old(&plain(&[0; 100]))),
        ("a chunk of 2 GiB", old(&[0x7f, 0xff, 0xff, 0xff])),
        ("a typed frame of an old server", old(&[0x80, 0, 0, 1, 3])),
        ("a welcome that is no JSON", welcome("welcome")),
        ("a welcome of nothing", welcome("{}")),
    ];
    for_each(&broken, |name, bytes| {
        let ended = client(says(bytes.clone()), ["--once", "--output", "null"]).wait();
        assert_eq!(ended.code, Some(5), "{name}: {ended:?}");
        let last = ended.stderr.last().unwrap();
        assert!(last.contains("is not an AuraLync server"), "{name}: {ended:?}");
        assert!(ended.peak_kib < 64 * 1024, "{name}: {} KiB", ended.peak_kib);
    });

    let mut patient = client(says(old(&plain(&[0; 100]))), ["--output", "null"]);
    patient.wait_for("connected to");
    patient.wait_for("Trying again");
    assert!(patient.is_running(), "what was a server once may be one again");
}

#[test]
fn a_connection_that_breaks_is_told_of_in_plain_words() {
    let (order, orders) = channel();
    let address = serve(move |mut socket| {
        socket.write_all(old::CONFIG).unwrap();
        orders.recv().unwrap();
        // Closed with no time to linger, the connection is reset.
        socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let mut listener = client(address, ["--once", "--output", "null"]);
    // A reset overtakes what was not read yet.
    listener.wait_for("connected to");
    order.send(()).unwrap();
    let ended = listener.wait();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let last = ended.stderr.last().unwrap();
    assert!(last.contains("the other side broke it off"), "{ended:?}");
    assert!(!last.contains("os error"), "{ended:?}");
}

#[cfg(unix)] // Stopping the client so that it finishes its recording takes a signal.
#[test]
fn samples_that_are_no_sound_are_recorded_as_silence_or_within_full_scale() {
    use crate::support::flags::wav;
    use crate::support::{Scratch, wait_until};

    let scratch = Scratch::new();
    let recorded = scratch.path("recorded.wav");
    let strange = [f32::NAN, 1e30, f32::INFINITY, -1e30, f32::NEG_INFINITY, -f32::NAN, 3.0, 1e-42];
    let payload: Vec<u8> =
        strange.iter().cycle().take(old::CHUNK * 2).flat_map(|s| s.to_le_bytes()).collect();
    let frame = plain(&payload);
    let address = serve(move |mut socket| {
        let _ = socket.write_all(old::CONFIG);
        // Until the client hangs up; a chunk lasts 23 ms.
        while socket.write_all(&frame).is_ok() {
            thread::sleep(Duration::from_millis(23));
        }
    });
    let mut listener = client(address, ["--output", &wav(&recorded)]);
    wait_until("sound", || ramp::frames_on_disk(&recorded, 2) > 44_100);
    let ended = listener.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let recording = ramp::Recording::read_finished(&recorded);
    assert!(recording.samples.iter().all(|sample| (-1.0..=1.0).contains(sample)));
    assert!(recording.samples.iter().any(|sample| *sample != 0.0));
}
