//! The page behind a proxy that keeps it in a folder of its own and names the server as it knows it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

use crate::browser::{Browser, HOST, in_chromium};
use crate::support::room::EAR1;
use crate::support::waiting::wait_until;
use crate::{Evening, folder, server_with};

/// The folder that the proxy has put the page into.
const PREFIX: &str = "/aura";

/// A proxy for the page at `web`; its port. It ends with the test.
fn proxy(web: u16) -> u16 {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = door.local_addr().unwrap().port();
    thread::spawn(move || {
        for browser in door.incoming() {
            thread::spawn(move || pass_on(browser.unwrap(), web));
        }
    });
    port
}

/// Passes one connection on. A browser that goes in the middle of it is no matter.
fn pass_on(mut browser: TcpStream, web: u16) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        browser.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    if !head.contains(&format!(" {PREFIX}/")) {
        let none = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return browser.write_all(none).ok();
    }
    let host = head.lines().find(|line| line.to_ascii_lowercase().starts_with("host:")).unwrap();
    let head = head
        .replacen(&format!(" {PREFIX}/"), " /", 1)
        .replace(host, &format!("Host: 127.0.0.1:{web}"));
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, web)).ok()?;
    server.write_all(head.as_bytes()).ok()?;
    let (mut from, mut to) = (browser.try_clone().ok()?, server.try_clone().ok()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut browser);
    browser.shutdown(Shutdown::Both).ok()
}

#[test]
fn a_page_behind_a_proxy_says_what_it_lacks_and_plays_once_its_name_was_given() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin();
        let running = server_with(&room, "smooth", port, web, &[]);
        let proxied = proxy(web);
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        browser.ask(&format!("open http://{HOST}:{proxied}{PREFIX}/"));
        browser.ask("tap #listen");
        let mut said = String::new();
        wait_until("the page says why it may not listen", || {
            said = browser.ask("show")["status"].as_str().unwrap().to_owned();
            said.starts_with("This address may not listen here: use http://")
        });
        assert!(said.contains("--web-host"), "{said}");
        assert_eq!(browser.ask("show")["state"], "refused");
        browser.ask("tap #listen");

        drop(running);
        let _running = server_with(&room, "smooth", port, web, &["--web-host", HOST]);
        browser.ask("tap #listen");
        wait_until("it is heard through the proxy", || recorder.hears(EAR1));
        browser.ask("tap #less");
        wait_until("it has fetched the decoder", || browser.ask("show")["codec"] == "opus, 48 kHz");
        let status = browser.ask("show");
        assert_eq!(status["state"], "playing", "{status}");
        // The browser's own word of each refused opening, and of nothing else.
        let errors = status["errors"].as_array().unwrap();
        assert!(errors.iter().all(|error| error.as_str().unwrap().contains("403")), "{errors:?}");
    });
}
