//! Icecast servers that refuse, break, stall and lie.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::attempts::thrice;
use crate::ogg_pages::pages;
use crate::real::Local;
use crate::support::program::Program;
use crate::support::scratch::Scratch;
use crate::support::servers::server_command;
use crate::support::waiting::PATIENCE;
use crate::support::within::within;

const CONSENT: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\n";

/// A port where whoever comes gets `answer`, on a thread of its own. It ends with the test.
fn bad(answer: impl Fn(TcpStream) + Send + Clone + 'static) -> SocketAddr {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = door.local_addr().unwrap();
    thread::spawn(move || {
        for socket in door.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || answer(socket));
        }
    });
    address
}

/// The request of a source, to its empty line.
fn request(socket: &mut TcpStream) -> String {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") && matches!(socket.read(&mut byte), Ok(1)) {
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

fn says(answer: &'static [u8]) -> SocketAddr {
    bad(move |mut socket| {
        request(&mut socket);
        let _ = socket.write_all(answer);
        // As Icecast does: the other end reads all of it, then the end.
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let _ = socket.read_to_end(&mut Vec::new());
    })
}

fn sender(targets: impl IntoIterator<Item = SocketAddr>, flags: &[&str]) -> Program {
    let mut command = server_command();
    command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"]);
    command.args(["--source", "tone:440"]).args(flags).env("AURALYNC_ICECAST_PASSWORD", "hackme");
    for target in targets {
        command.args(["--icecast", &format!("icecast://{target}/x,bitrate=256")]);
    }
    Program::start(command)
}

#[test]
fn each_way_to_fail_has_one_sentence_which_is_said_once() {
    let silent = bad(|socket| {
        drop(socket.try_clone().unwrap().read(&mut [0; 1]).map(|_| {
            thread::sleep(Duration::from_secs(60));
            drop(socket);
        }))
    });
    let cases = [
        (
            says(b"HTTP/1.0 401 Authentication Required\r\n\r\nno"),
            "it does not accept the password",
        ),
        (
            says(b"HTTP/1.0 403 Forbidden\r\n\r\ntoo many sources connected"),
            "it takes no source there now: it says “too many sources connected”. End the other",
        ),
        (says(b"HTTP/1.0 404 Not Found\r\n\r\n"), "it has no place for sources at this address. "),
        (
            says(b"HTTP/1.0 500 Internal Server Error\r\n\r\n<html>"),
            "it answered with 500. Its error log says more",
        ),
        (silent, "there is no answer. Is it on"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "what answers is no Icecast server"),
        (says(b""), "it hung up without an answer"),
        (says(CONSENT), "it ended the connection"),
    ];
    let mut server = sender(cases.iter().map(|(address, _)| *address), &[]);
    for (address, said) in &cases {
        server.wait_for(&format!("Icecast server http://{address}/x gets no sound: {said}"));
    }
    // Each but the silent one has failed several times by now.
    server.stop();
    let said = server.said();
    for (address, sentence) in cases {
        assert_eq!(said.matches(sentence).count(), 1, "{sentence}: {said}");
        let times = said.matches(&format!("http://{address}/x")).count();
        // Who consents is said to get the sound, too.
        assert!(times <= 2, "{times} times: {said}");
    }
    assert!(!said.contains("hackme") && !said.contains("panicked"), "{said}");
}

/// A server that takes everything, and hangs up after so many bytes: each request with what came behind it.
fn greedy(most: usize) -> (SocketAddr, Receiver<(String, Vec<u8>, Instant)>) {
    let (sender, receiver) = channel();
    let address = bad(move |mut socket| {
        let request = request(&mut socket);
        let began = Instant::now();
        socket.write_all(CONSENT).unwrap();
        let mut sound = Vec::new();
        let _ = socket.try_clone().unwrap().take(most as u64).read_to_end(&mut sound);
        let _ = sender.send((request, sound, began));
    });
    (address, receiver)
}

#[test]
fn a_connection_that_breaks_is_made_anew_with_a_new_stream() {
    let (address, came) = greedy(60_000);
    let mut server = sender([address], &["--stats", "-"]);
    let next = || {
        let (request, sound, began) = came.recv_timeout(PATIENCE).unwrap();
        let ended = Instant::now();
        assert!(request.starts_with("PUT /x HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nExpect: 100-continue\r\n"), "{request}");
        let pages = pages(&sound);
        assert!(pages[0].is_first && pages[0].sequence == 0 && pages.len() > 5);
        assert_eq!((pages[2].granule, pages[2].packets.len()), (960, 1), "the first goes at once");
        (pages[0].serial, began, ended)
    };
    let mut last = next();
    within(Duration::from_secs(1), "hung up → the next request", || {
        let this = next();
        assert_ne!(this.0, last.0, "the stream is the old one");
        let took = this.1.saturating_duration_since(last.2);
        last = this;
        took
    });
    server.find("breaks in --stats", |line| line.contains("\"breaks\":2").then_some(()));
    server.stop();
}

#[test]
fn a_server_that_reads_nothing_is_given_up_and_local_listeners_hear_on() {
    let door = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    // What connections from here take over: little, so that it is full soon.
    door.set_recv_buffer_size(4_096).unwrap();
    door.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    door.listen(8).unwrap();
    let door = TcpListener::from(door);
    let address = door.local_addr().unwrap();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for mut socket in door.incoming().flatten() {
            request(&mut socket);
            let _ = socket.write_all(CONSENT);
            kept.push(socket);
        }
    });
    let scratch = Scratch::new();
    thrice(|| {
        let mut server = sender([address], &[]);
        let local = Local::to(server.address(), &scratch, &format!("{}.wav", server.pid()));
        server.wait_for("takes less sound than there is, or none at all. Choose a lower bitrate=");
        let heard = local.has_heard_all();
        server.stop();
        heard
    });
}
