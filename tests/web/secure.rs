//! The encrypted page: what is served there, who comes to the wrong door, and crowds that never finish.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use auralync::wire::{AudioHeader, Ping, kind, typed};

use super::browser::{WebSocket, exchange, hello, read_all, request};
use crate::support::program::Program;
use crate::support::servers::server_command;
use crate::support::{PATIENCE, Scratch, assert_follows, flags, ramp, socket, tls, wait_until};

const RATE: usize = 48_000;

/// Connections that begin TLS and never go on.
const CROWD: usize = 1_000;

/// A server with both pages that plays the ramp.
struct Server {
    scratch: Scratch,
    program: Program,
    listeners: SocketAddr,
    page: SocketAddr,
    secure: SocketAddr,
    fingerprint: String,
}

impl Server {
    fn start(more: &[&str]) -> Self {
        let scratch = Scratch::new();
        let mut program = Program::start(command(&scratch, more));
        let (listeners, page) = (program.address(), program.page());
        let secure = program.find(" open https://", |line| {
            line.split_once(" open https://")?.1.split_once('/')?.0.parse().ok()
        });
        let is_print = |line: &str| {
            let print = line.trim();
            (print.len() == 95 && print.matches(':').count() == 31).then(|| print.to_owned())
        };
        let fingerprint = program.find("    ", is_print);
        Self { scratch, program, listeners, page, secure, fingerprint }
    }

    /// A port that leads to the encrypted page for those who do not speak TLS.
    fn tunnel(&self) -> SocketAddr {
        tls::tunnel(self.secure, &self.fingerprint)
    }
}

fn command(scratch: &Scratch, more: &[&str]) -> std::process::Command {
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, 120 * RATE, RATE as u32, 2);
    let mut command = server_command();
    let home = scratch.path("home");
    command.env("XDG_CONFIG_HOME", &home).env("HOME", &home).env("APPDATA", &home);
    command
        .args([
            "--bind",
            "127.0.0.1",
            "--port",
            "0",
            "--no-discovery",
            "--web",
            "0",
            "--https",
            "0",
        ])
        .args(["--source", &flags::source(&path), "--playout-delay-ms", "2000"])
        .args(["--max-queue-size", "100"])
        .args(more);
    command
}

/// A hundred frames of sound, all of which follow one another.
fn follow_ramp(mut next_frame: impl FnMut() -> Vec<u8>) {
    let mut next = None;
    for _ in 0..100 {
        let body = next_frame();
        let (_, payload) = AudioHeader::split(&body).unwrap();
        assert_follows(&socket::samples(payload), 2, &mut next);
    }
}

#[test]
fn the_encrypted_page_serves_what_the_other_does_and_shows_the_certificate_that_the_server_prints()
{
    let server = Server::start(&["--web-status", "public"]);
    let tunnel = server.tunnel();
    for path in ["/", "/app.js", "/opus.wasm", "/qr.svg", "/nothing"] {
        let (plain, secure) = (request(server.page, "GET", path), request(tunnel, "GET", path));
        let status = |head: &str| head.lines().next().unwrap().to_owned();
        assert_eq!(status(&plain.0), status(&secure.0), "{path}");
        if path != "/qr.svg" {
            assert_eq!(plain.1, secure.1, "{path}");
        }
    }
    let mut certificate = None;
    wait_until("the status names the certificate", || {
        let (_, status) = request(server.page, "GET", "/status.json");
        let status: serde_json::Value = serde_json::from_str(&status).unwrap_or_default();
        certificate = status["certificate"].as_str().map(str::to_owned);
        certificate.is_some()
    });
    assert_eq!(certificate.as_ref(), Some(&server.fingerprint));
    let (_, way) = request(server.page, "GET", "/secure.json");
    assert_eq!(way, format!("{{\"port\": {}, \"private\": false}}\n", server.secure.port()));

    // A listener's WebSocket, with all of the sound.
    let (mut browser, _) = WebSocket::listen(tunnel, "behind TLS");
    follow_ramp(|| browser.sound());
    // One who has compared another fingerprint hears nothing.
    let wrong = tls::tunnel(server.secure, &server.fingerprint.replace(':', ";"));
    assert_eq!(exchange(wrong, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "");
}

#[test]
fn a_connection_over_tls_serves_one_request_after_the_other() {
    let server = Server::start(&[]);
    let mut socket = socket::connect(server.tunnel());
    for (path, connection) in [("/", "keep-alive"), ("/app.js", "keep-alive"), ("/no", "close")] {
        write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let head = head(&mut socket);
        assert!(head.contains(&format!("Connection: {connection}\r\n")), "{head}");
        let length = value(&head, "Content-Length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        socket.read_exact(&mut body).unwrap();
    }
    assert_eq!(read_all(socket), "");
}

fn head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn value(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.map(str::to_owned)
}

#[test]
fn http_at_the_door_of_https_is_told_where_to_go_and_https_at_that_of_http_ends_at_once() {
    let mut server = Server::start(&[]);
    let answer = exchange(server.secure, b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let there = format!("https://{}/", server.secure);
    assert!(answer.starts_with("HTTP/1.1 307 "), "{answer}");
    assert!(answer.contains(&format!("Location: {there}\r\n")), "{answer}");
    assert!(answer.ends_with(&format!("Open {there} instead.\n")), "{answer}");
    let answer = exchange(server.secure, b"noise\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");

    let config = tls::trusting(&server.fingerprint);
    for _ in 0..3 {
        let (mut client, mut socket) = (tls::begin(&config), socket::connect(server.page));
        client.write_tls(&mut socket).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        client.read_tls(&mut socket).unwrap();
        let told = client.process_new_packets().unwrap_err().to_string();
        assert!(told.contains("ProtocolVersion"), "{told}");
        let mut rest = Vec::new();
        // The system may tell of what was never read.
        let _ = socket.read_to_end(&mut rest);
        assert_eq!(rest, b"");
    }
    let said = format!("spoke https at port {}", server.page.port());
    server.program.wait_for(&said);
    assert_eq!(server.program.said().matches(&said).count(), 1, "it is said once");
}

#[test]
fn a_thousand_handshakes_that_never_end_cost_listeners_nothing_and_let_others_in_again() {
    let server = Server::start(&[]);
    let config = tls::trusting(&server.fingerprint);
    let mut hello = Vec::new();
    tls::begin(&config).write_tls(&mut hello).unwrap();
    std::thread::scope(|scope| {
        for n in 0..50 {
            let mut listener = socket::connect(server.listeners);
            socket::plain(&mut listener);
            socket::greet(&mut listener, &format!("listener {n}"));
            scope.spawn(move || follow_ramp(|| socket::typed(&mut listener).1));
        }
        // Cut anywhere, and answered by nobody.
        let crowd: Vec<TcpStream> = (0..CROWD)
            .filter_map(|n| {
                let address = (server.secure.ip(), server.secure.port()).into();
                let mut socket = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
                let _ = socket.write_all(&hello[..hello.len() - n % hello.len()]);
                Some(socket)
            })
            .collect();
        assert!(crowd.len() > CROWD / 2, "{}", crowd.len());
        drop(crowd);
    });
    let (mut browser, _) = WebSocket::listen(server.tunnel(), "after the crowd");
    follow_ramp(|| browser.sound());
}

/// A page that listens to an answer and says by requests.
struct Page {
    address: SocketAddr,
    stream: TcpStream,
    session: String,
}

impl Page {
    fn open(address: SocketAddr) -> Self {
        let mut stream = socket::connect(address);
        write!(
            stream,
            "GET /stream HTTP/1.1\r\nHost: {address}\r\nAuraLync-Page: http://{address}\r\n\r\n"
        )
        .unwrap();
        let head = head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let session = value(&head, "AuraLync-Session").unwrap();
        assert!(session.len() == 32 && session.bytes().all(|digit| digit.is_ascii_hexdigit()));
        Self { address, stream, session }
    }

    fn say(&self, count: u64, body: &[u8]) -> String {
        let origin = format!("http://{}", self.address);
        self.say_from(&origin, &self.session, count, body)
    }

    /// The answer's status.
    fn say_from(&self, origin: &str, session: &str, count: u64, body: &[u8]) -> String {
        let head = format!(
            "POST /say HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nAuraLync-Session: {session}\r\n\
             AuraLync-Count: {count}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            body.len()
        );
        let answer = exchange(self.address, &[head.as_bytes(), body].concat());
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }
}

#[test]
fn a_page_without_a_websocket_listens_to_an_answer_and_speaks_by_requests_in_their_order() {
    let server = Server::start(&[]);
    let tunnel = server.tunnel();
    let mut page = Page::open(tunnel);
    let whole = hello("by fetch");
    // Cut anywhere: the requests are one stream.
    assert_eq!(page.say(1, &whole[..9]), "204");
    assert_eq!(page.say(1, &whole[..9]), "204", "sent again by the browser, and heard once");
    assert_eq!(page.say(3, &whole[9..]), "410", "one is missing");
    assert_eq!(page.say(2, &whole[9..]), "204");
    let (first, _) = socket::typed(&mut page.stream);
    assert_eq!(first, kind::WELCOME);
    follow_ramp(|| {
        loop {
            match socket::typed(&mut page.stream) {
                (kind::AUDIO, body) => break body,
                (other, _) => assert_ne!(other, 0, "it goes on"),
            }
        }
    });
    assert_eq!(page.say(3, &Ping { client_us: 5 }.frame()), "204");
    let pong = loop {
        match socket::typed(&mut page.stream) {
            (kind::PONG, body) => break body,
            (other, _) => assert_ne!(other, 0, "it goes on"),
        }
    };
    assert_eq!(pong[..8], 5_u64.to_be_bytes());

    // Nobody else speaks for it.
    let here = format!("http://{tunnel}");
    assert_eq!(page.say_from("http://evil.example", &page.session, 4, b""), "403");
    assert_eq!(page.say_from(&here, &"0".repeat(32), 4, b""), "410");
    for wrong in ["", "0", &"x".repeat(32), &"é".repeat(16)] {
        assert_eq!(page.say_from(&here, wrong, 4, b""), "400", "{wrong}");
    }
    assert_eq!(page.say(4, &vec![0; 65 * 1024]), "413");
    // What breaks the protocol ends it with a word.
    assert_eq!(page.say(4, &typed(kind::HELLO, b"{}")), "204");
    let last = loop {
        if let (0, body) = socket::typed(&mut page.stream) {
            break body;
        }
    };
    assert_eq!(last[..2], 1008_u16.to_be_bytes());
    wait_until("it has gone", || page.say(5, b"") == "410");
}

#[test]
fn a_stream_has_the_same_checks_as_a_websocket() {
    let server = Server::start(&[]);
    let ask = |headers: &str| {
        let text = format!("GET /stream HTTP/1.1\r\n{headers}\r\n\r\n");
        exchange(server.page, text.as_bytes()).split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let page = server.page;
    assert_eq!(ask(&format!("Host: {page}")), "403");
    assert_eq!(ask(&format!("Host: {page}\r\nAuraLync-Page: http://evil.example")), "403");
    assert_eq!(ask("Host: evil.example\r\nAuraLync-Page: http://evil.example"), "421");
    // Whoever speaks on it is let go.
    let mut talks = Page::open(page);
    talks.stream.write_all(b"more").unwrap();
    let mut rest = Vec::new();
    let _ = talks.stream.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    // Who says nothing is told to go after a few seconds.
    let mut silent = Page::open(page);
    silent.stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (kind, why) = socket::typed(&mut silent.stream);
    assert_eq!((kind, &why[..2]), (0, &1008_u16.to_be_bytes()[..]));
}

#[test]
fn a_certificate_of_ones_own_is_shown_and_a_wrong_one_keeps_the_server_from_starting() {
    let scratch = Scratch::new();
    let made = rcgen::generate_simple_self_signed(["pc.example".to_owned()]).unwrap();
    let certificate = scratch.file("cert.pem", made.cert.pem());
    let key = scratch.file("key.pem", made.signing_key.serialize_pem());
    let other = rcgen::generate_simple_self_signed(["pc.example".to_owned()]).unwrap();
    let other = scratch.file("other.pem", other.signing_key.serialize_pem());
    let shown = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (certificate, key, other) = (shown(&certificate), shown(&key), shown(&other));
    let server = Server::start(&["--tls-cert", &certificate, "--tls-key", &key]);
    let head = request(server.tunnel(), "GET", "/").0;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(!server.scratch.path("home/auralync/https.pem").exists(), "it needs none of its own");

    for (more, sentence) in [
        (
            vec!["--tls-cert", &*certificate, "--tls-key", &*other],
            "is not the key of the certificate",
        ),
        (vec!["--tls-cert", &*certificate], "--tls-cert and --tls-key belong together"),
        (vec!["--tls-cert", "/none.pem", "--tls-key", &*key], "none.pem"),
        (vec!["--no-https", "--tls-cert", &*certificate, "--tls-key", &*key], "Leave one"),
    ] {
        let out = command(&scratch, &more).output().unwrap();
        let said = String::from_utf8(out.stderr).unwrap();
        assert!(!out.status.success(), "{said}");
        assert!(said.contains(sentence) && said.trim_end().lines().count() == 1, "{said}");
    }
    // Its own, where others could read the key.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let own = Server::start(&[]);
        let path = own.scratch.path("home/auralync/https.pem");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn in_a_private_room_a_stream_begins_with_the_config_and_no_sound_comes_before_somebody_enters() {
    let server = Server::start(&["--private"]);
    let mut page = Page::open(server.tunnel());
    let config: serde_json::Value =
        serde_json::from_slice(&socket::plain(&mut page.stream)).unwrap();
    assert!(config["error"].as_str().unwrap().contains("private"), "{config}");
    assert!(config["auralync"]["room"]["key"].is_string(), "{config}");
    assert_eq!(page.say(1, &hello("nobody")), "204");
    let (kind, why) = socket::typed(&mut page.stream);
    assert_eq!((kind, &why[..2]), (0, &1008_u16.to_be_bytes()[..]), "an open hello is refused");
}
