//! What a browser and a monitoring program ask for.

use std::net::TcpListener;

use super::browser::{WebSocket, exchange, request};
use super::serve;
use crate::support::servers::server;
use crate::support::{socket, wait_until};

#[test]
fn every_route_is_answered_and_head_says_the_same_without_the_body() {
    let (mut server, _, page) = serve(&["--source", "tone"]);
    wait_until("figures are there", || request(page, "GET", "/metrics").0.contains(" 200 "));
    for (path, content_type, part) in [
        ("/", "text/html", "<title>AuraLync"),
        ("/?from=qr", "text/html", "<title>AuraLync"),
        ("/qr.svg", "image/svg+xml", "<svg "),
        ("/status.json", "application/json", "\"listening\":0"),
        ("/metrics", "text/plain", "\nauralync_listening 0\n"),
    ] {
        let (head, body) = request(page, "GET", path);
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{path}: {head}");
        assert!(head.contains(&format!("Content-Type: {content_type}")), "{path}: {head}");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{path}: {head}");
        assert!(body.contains(part), "{path}: {body}");
        let (head, body) = request(page, "HEAD", path);
        assert!(head.starts_with("HTTP/1.1 200 OK") && body.is_empty(), "{path}: {head}");
        assert!(request(page, "POST", path).0.starts_with("HTTP/1.1 405 "), "{path}");
    }
    assert!(request(page, "GET", "/listen").0.starts_with("HTTP/1.1 426 "));
    for (method, origin, status, says) in [
        ("GET", format!("http://{page}"), "200", "This page may listen.\n"),
        ("HEAD", format!("http://{page}"), "200", ""),
        ("GET", "http://evil.example".to_owned(), "403", "This address may not listen here: use "),
    ] {
        let asked = format!(
            "{method} /may-listen HTTP/1.1\r\nHost: {page}\r\nAuraLync-Page: {origin}\r\n\r\n"
        );
        let answer = exchange(page, asked.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {origin}: {head}");
        assert!(body.starts_with(says) && body.is_empty() == says.is_empty(), "{answer}");
    }
    for path in ["/nothing", "/../Cargo.toml", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd"] {
        assert!(request(page, "GET", path).0.starts_with("HTTP/1.1 404 "), "{path}");
    }
    assert!(server.is_running());
}

#[test]
fn figures_count_a_browser_among_the_listeners() {
    let (_server, address, page) = serve(&["--source", "tone"]);
    let (mut browser, _) = WebSocket::listen(page, "a phone's run");
    let mut native = socket::connect(address);
    socket::greet(&mut native, "a pc's run");
    browser.sound();
    let mut status = serde_json::Value::Null;
    wait_until("both are counted", || {
        let (head, body) = request(page, "GET", "/status.json");
        status = if head.contains(" 200 ") {
            serde_json::from_str(&body).unwrap()
        } else {
            status.take()
        };
        status["listening"] == 2
    });
    let mut via: Vec<_> = status["listeners"]
        .as_array()
        .unwrap()
        .iter()
        .map(|listener| (listener["via"].as_str().unwrap(), listener["version"].as_u64().unwrap()))
        .collect();
    via.sort_unstable();
    assert_eq!(via, [("tcp", 2), ("websocket", 2)], "{status}");
    let (_, metrics) = request(page, "GET", "/metrics");
    assert!(metrics.contains("\nauralync_listening 2\n"), "{metrics}");
    assert!(metrics.contains("name=\"a phone\",codec=\"f32\",via=\"websocket\"} "), "{metrics}");
}

#[test]
fn a_busy_port_is_a_warning_and_the_server_serves_its_listeners() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut server = server(["--source", "tone", "--web", &port]);
    let mut native = socket::connect(server.address());
    assert!(!socket::greet(&mut native, "a run").is_empty());
    let warning = server.wait_for("the page for phones and browsers cannot be served");
    assert!(!warning.contains("  "), "{warning}");
    for part in [&port, "another program already uses that port", "--web ", "--no-web"] {
        assert!(warning.contains(part), "{warning}");
    }
    assert!(server.stdout().iter().all(|line| !line.contains("http://")));
}

#[test]
fn no_page_is_served_where_none_is_wanted() {
    let mut server = server(["--source", "none"]);
    server.wait_for("Ctrl-C stops");
    assert!(server.stdout().iter().all(|line| !line.contains("http://")));
    assert_eq!(server.times_said("page"), 0);
}
