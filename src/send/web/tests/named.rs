//! What a request calls the server.

use super::*;

#[test]
fn a_websocket_is_for_the_servers_own_page() {
    let opening = |host: &str, origin: &str| {
        let headers = format!(
            "Host: {host}\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\n{KEY}{origin}"
        );
        ask(&mut web(Readers::Local), "10.0.0.9:1", "GET", LISTEN, &headers)
    };
    for (host, origin) in [
        ("192.168.1.5:8080", "http://192.168.1.5:8080"),
        ("pc.local", "http://PC.local"),
        ("[fd00::5]:8080", "http://[fd00::5]:8080"),
        ("music.example", "https://music.example"),
        // Browsers and proxies leave ports out, or name those that go without saying.
        ("pc.local:80", "http://pc.local"),
        ("pc.local:443", "https://pc.local"),
        ("pc.local", "http://pc.local:80"),
        ("music.example", "https://music.example:8443"),
        // A proxy that names the server as it knows it, and was named to the server.
        ("127.0.0.1:8080", "https://music.example"),
        ("127.0.0.1:8080", "https://MUSIC.example:8443"),
    ] {
        let response = opening(host, &format!("\r\nOrigin: {origin}"));
        assert!(
            matches!(response, Response::WebSocket(accept) if accept == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
    }
    for (host, origin) in [
        ("pc:8080", ""),
        ("pc:8080", "\r\nOrigin: null"),
        ("pc:8080", "\r\nOrigin: http://evil.example"),
        ("pc:8080", "\r\nOrigin: http://pc:9090"),
        ("pc:8080", "\r\nOrigin: http://pc:8080.evil.example"),
        ("pc:8080", "\r\nOrigin: pc:8080"),
        ("pc:8080", "\r\nOrigin: http://pc:8080\r\nOrigin: http://pc:8080"),
        ("pc:80", "\r\nOrigin: https://pc"),
        ("pc", "\r\nOrigin: http://other"),
        ("127.0.0.1:8080", "\r\nOrigin: https://evil.example"),
        ("pc:8080", "\r\nOrigin: http://music.example.evil.example"),
    ] {
        let refused = answer(opening(host, origin));
        assert_eq!(refused.status, Status::Forbidden, "{host} {origin}");
        let said = str::from_utf8(refused.body.bytes()).unwrap();
        assert!(said.starts_with("This address may not listen here: use http://192.168.1.5:8080/"));
    }
}

#[test]
fn a_page_learns_why_it_was_refused() {
    let asked = |host: &str, page: &str| {
        let headers = format!("Host: {host}\r\nAuraLync-Page: {page}");
        ask(&mut web(Readers::Local), "10.0.0.9:1", "GET", MAY_LISTEN, &headers)
    };
    assert!(matches!(asked("pc:8080", "http://pc:8080"), Response::MayListen));
    assert!(matches!(asked("127.0.0.1:8080", "https://music.example"), Response::MayListen));
    for (host, page, status) in [
        ("127.0.0.1:8080", "https://tunes.example", Status::Forbidden),
        ("pc:8080", "", Status::Forbidden),
        ("tunes.example", "https://tunes.example", Status::Misdirected),
    ] {
        let refused = answer(asked(host, page));
        assert_eq!(refused.status, status, "{host} {page}");
        assert!(str::from_utf8(refused.body.bytes()).unwrap().contains("--web-host"));
    }
}

#[test]
fn a_name_that_anybody_could_have_made_lead_here_is_refused_on_every_path() {
    let status = |host: &str, path: &str| {
        let headers = format!(
            "Host: {host}\r\nOrigin: http://{host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\n{KEY}"
        );
        match ask(&mut web(Readers::Public), LOCAL, "GET", path, &headers) {
            Response::Answer(answer) => answer.status,
            _ => Status::SwitchingProtocols,
        }
    };
    let paths = ["/", "/app.js", LISTEN, MAY_LISTEN, control::PATH, "/qr.svg", "/metrics", "/none"];
    for host in [
        "evil.example",
        "evil.example:8080",
        "evil.example.",
        "127.0.0.1.evil.example",
        "local.evil.example",
        "evil.xlocal",
        "xmusic.example",
        "a.music.example",
        ".local",
        "",
        "pc:80x",
        "pc:99999",
        "a@pc",
        "[evil.example]",
        "[::1",
        "[::1]x",
        "p\u{e4}c.local",
    ] {
        for path in paths {
            assert_eq!(status(host, path), Status::Misdirected, "{host} {path}");
        }
    }
    for host in [
        "192.168.1.5:8080",
        "127.0.0.1",
        "[fd00::5]:8080",
        "[::1]",
        "localhost:8080",
        "LOCALHOST.",
        "pc",
        "living_room:",
        "pc.local.:8080",
        "PC.Local",
        "pc.lan",
        "a.pc.home.arpa",
        "pc.internal",
        "pc.home",
        "attic.example.org:8080",
        "Music.Example",
    ] {
        assert_eq!(status(host, "/"), Status::Ok, "{host}");
        assert_eq!(status(host, LISTEN), Status::SwitchingProtocols, "{host}");
    }
    let said = answer(ask(&mut web(Readers::Local), LOCAL, "GET", "/", "Host: evil.example:8080"));
    assert_eq!(
        str::from_utf8(said.body.bytes()).unwrap(),
        "This server is not known as “evil.example:8080”. Open http://192.168.1.5:8080/ instead. If \
         that name is yours, start the server with --web-host and the name.\n"
    );
}
