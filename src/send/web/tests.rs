use super::*;
use crate::wire::http::Head;

const LOCAL: &str = "127.0.0.1:50000";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

fn web(readers: Readers) -> Web {
    let names =
        Names { pc: "attic.example.org".to_owned(), added: vec!["music.example".to_owned()] };
    let mut web = Web::new(readers, names);
    web.tell(ServerStats { listening: 7, ..ServerStats::default() });
    web
}

fn ask(web: &mut Web, peer: &str, method: &str, path: &str, headers: &str) -> Response {
    let text = format!("{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n");
    let request = Head::default().take(text.as_bytes()).unwrap().unwrap();
    web.respond(&request, peer.parse().unwrap(), || "http://192.168.1.5:8080/".to_owned())
}

#[track_caller]
fn answer(response: Response) -> Answer {
    match response {
        Response::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn get(path: &str) -> Answer {
    answer(ask(&mut web(Readers::Local), LOCAL, "GET", path, "Host: localhost:8080"))
}

fn has(answer: &Answer, name: &str, value: &str) -> bool {
    answer.fields.iter().any(|(field, is)| *field == name && is.contains(value))
}

#[test]
fn every_file_of_the_page_is_served_with_its_type_and_known_again_by_its_tag() {
    for file in page::FILES {
        let served = get(file.path);
        assert_eq!((served.status, served.body.bytes()), (Status::Ok, file.bytes));
        assert!(has(&served, "Content-Type", file.content_type));
        let (_, tag) = served.fields.iter().find(|(name, _)| *name == "ETag").unwrap();
        let again = format!("Host: pc\r\nIf-None-Match: {tag}");
        let known = ask(&mut web(Readers::Local), "10.0.0.9:1", "GET", file.path, &again);
        let known = answer(known);
        assert_eq!((known.status, known.body.bytes()), (Status::NotModified, &b""[..]));
        assert!(file.path.starts_with('/') && !file.bytes.is_empty());
    }
    assert_eq!(get("/?from=qr").status, Status::Ok, "what follows a question mark is nobody's");
}

#[test]
fn what_is_said_by_a_request_has_one_length_that_nobody_reads_otherwise_and_comes_from_the_page() {
    let say = |headers: &str| {
        let headers = format!(
            "Host: pc\r\nAuraLync-Session: {}\r\nAuraLync-Count: 1{headers}",
            "0a".repeat(SESSION)
        );
        ask(&mut web(Readers::Local), "10.0.0.9:1", "POST", SAY, &headers)
    };
    let own = "\r\nOrigin: http://pc";
    let taken = say(&format!("{own}\r\nContent-Length: 65536"));
    assert!(matches!(taken, Response::Says(_, MAX_SAID)), "{taken:?}");
    for (headers, status) in [
        ("\r\nContent-Length: +5", Status::BadRequest),
        ("\r\nContent-Length: -5", Status::BadRequest),
        ("\r\nContent-Length: ", Status::BadRequest),
        ("\r\nContent-Length: 5\r\nContent-Length: 6", Status::BadRequest),
        ("\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", Status::BadRequest),
        ("\r\nTransfer-Encoding: chunked", Status::BadRequest),
        ("\r\nContent-Length: 65537", Status::TooLarge),
        ("\r\nContent-Length: 18446744073709551616", Status::BadRequest),
    ] {
        assert_eq!(answer(say(&format!("{own}{headers}"))).status, status, "{headers}");
    }
    for origin in ["", "\r\nOrigin: http://evil.example", "\r\nOrigin: null"] {
        let refused = say(&format!("{origin}\r\nContent-Length: 5"));
        assert_eq!(answer(refused).status, Status::Forbidden, "{origin}");
    }
}

#[test]
fn a_browser_that_takes_packed_files_gets_them_with_tags_of_their_own() {
    for file in page::FILES {
        let fetch = |more: &str| {
            let headers = format!("Host: pc{more}");
            answer(ask(&mut web(Readers::Local), "10.0.0.9:1", "GET", file.path, &headers))
        };
        let tag = |answer: &Answer| {
            answer.fields.iter().find(|(name, _)| *name == "ETag").unwrap().1.clone()
        };
        let plain = fetch("\r\nAccept-Encoding: gzip, br");
        assert!(plain.fields.iter().all(|(name, _)| *name != "Content-Encoding"));
        let packed = fetch("\r\nAccept-Encoding: gzip, deflate, br");
        assert!(has(&packed, "Content-Encoding", "deflate"));
        assert!([&plain, &packed].iter().all(|answer| has(answer, "Vary", "Accept-Encoding")));
        let unpacked = miniz_oxide::inflate::decompress_to_vec_zlib(packed.body.bytes()).unwrap();
        let is_script = file.content_type.starts_with("text/javascript");
        let whole = file.bytes.to_vec();
        let sent = if is_script { page::without_comments(file.bytes) } else { whole };
        assert!(unpacked == sent, "{}", file.path);
        assert!(packed.body.bytes().len() * 5 < file.bytes.len() * 4, "{}", file.path);
        assert_ne!(tag(&plain), tag(&packed));
        let again = format!("\r\nAccept-Encoding: deflate\r\nIf-None-Match: {}", tag(&packed));
        assert_eq!(fetch(&again).status, Status::NotModified);
        let other = format!("\r\nIf-None-Match: {}", tag(&packed));
        assert_eq!(fetch(&other).status, Status::Ok, "it is not what that browser has");
    }
}

#[test]
fn a_script_is_packed_without_its_comments_and_with_its_lines() {
    let script = "// why\n/**\n * More: `x`.\n */\nlet a = 1; // so\n\t/** @type {X} */\n\
                  /** @type {Y} */ (a);\nconst page = `\n// text\n/* text\n`;\n\t// end";
    let code = "\n\n\n\nlet a = 1; // so\n\n (a);\nconst page = `\n// text\n/* text\n`;\n";
    assert_eq!(String::from_utf8(page::without_comments(script.as_bytes())).unwrap(), code);
    let is_script = |file: &&page::PageFile| file.content_type.starts_with("text/javascript");
    for file in page::FILES.iter().filter(is_script) {
        let sent = String::from_utf8(page::without_comments(file.bytes)).unwrap();
        let lines = |text: &str| text.lines().count();
        assert_eq!(lines(&sent), lines(std::str::from_utf8(file.bytes).unwrap()), "{}", file.path);
        // Where a backtick stands alone, what comes after it would be taken for text.
        assert!(sent.matches('`').count().is_multiple_of(2), "{}", file.path);
        assert!(!sent.contains("@param") && !sent.contains("\n// "), "{}", file.path);
    }
}

#[test]
fn what_can_be_opened_by_itself_says_what_it_may_load_and_nothing_is_for_other_sites() {
    for (path, policy) in [
        ("/", "connect-src 'self';"),
        ("/icon.svg", "default-src 'none'"),
        ("/qr.svg", "default-src 'none'"),
        ("/status.json", "default-src 'none'"),
        ("/metrics", "default-src 'none'"),
        ("/none", "default-src 'none'"),
    ] {
        let served = get(path);
        assert!(has(&served, "Content-Security-Policy", policy), "{path}");
        assert!(has(&served, "Content-Security-Policy", "frame-ancestors 'none'"), "{path}");
    }
    assert!(has(&get("/"), "Permissions-Policy", "microphone=(self)"));
    let head = String::from_utf8(get("/app.js").head()).unwrap();
    assert!(head.contains("\r\nCross-Origin-Resource-Policy: same-origin\r\n"), "{head}");
}

#[test]
fn paths_that_are_no_files_lead_nowhere() {
    for path in [
        "/index.html/..",
        "/../Cargo.toml",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/",
        "//",
        "/./",
        "/listen/",
        "/LISTEN",
        "/qr.svg/",
        "/%00",
        "\\..\\",
        "*",
        "httpx://pc/",
        "/etc/passwd",
    ] {
        assert_eq!(get(path).status, Status::NotFound, "{path}");
    }
}

#[test]
fn only_get_and_head_are_answered() {
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"] {
        for path in ["/", "/listen", "/metrics", "/nothing"] {
            let refused = answer(ask(&mut web(Readers::Public), LOCAL, method, path, "Host: pc"));
            assert_eq!(refused.status, Status::MethodNotAllowed, "{method} {path}");
            assert!(has(&refused, "Allow", "GET, HEAD"));
        }
    }
    let head = answer(ask(&mut web(Readers::Local), LOCAL, "HEAD", "/", "Host: pc"));
    assert_eq!(head.status, Status::Ok);
}

#[test]
fn figures_are_for_this_machine_unless_everybody_may_read_them() {
    let cases = [
        (LOCAL, "Host: localhost:8080", true),
        (LOCAL, "Host: 127.0.0.1", true),
        ("[::1]:5", "Host: [::1]:8080", true),
        ("[::ffff:127.0.0.1]:5", "Host: LOCALHOST", true),
        (LOCAL, "Host: music.example", false),
        (LOCAL, "Host: pc.local:8080", false),
        // A proxy on this machine that asks for somebody else.
        (LOCAL, "Host: localhost:8080\r\nX-Forwarded-For: 192.168.1.7", false),
        (LOCAL, "Host: localhost:8080\r\nForwarded: for=192.168.1.7", false),
        (LOCAL, "Host: localhost:8080\r\nX-Real-IP: 192.168.1.7", false),
        (LOCAL, "Host: localhost:8080\r\nVia: 1.1 squid", false),
        ("192.168.1.7:5", "Host: localhost:8080", false),
        ("[fd00::7]:5", "Host: [::1]:8080", false),
    ];
    for path in ["/status.json", "/metrics"] {
        for (peer, host, may_read) in cases {
            let asked = answer(ask(&mut web(Readers::Local), peer, "GET", path, host));
            let expected = if may_read { Status::Ok } else { Status::Forbidden };
            assert_eq!(asked.status, expected, "{path} {peer} {host}");
            let public = answer(ask(&mut web(Readers::Public), peer, "GET", path, host));
            assert_eq!(public.status, Status::Ok);
        }
    }
}

#[test]
fn figures_are_those_of_the_statistics_and_follow_them() {
    let mut web = Web::new(Readers::Public, Names::default());
    let first = answer(ask(&mut web, LOCAL, "GET", "/status.json", "Host: pc"));
    assert_eq!(first.status, Status::Unavailable);
    for listening in [3, 4] {
        let stats = ServerStats { listening, ..ServerStats::default() };
        web.tell(stats.clone());
        let json = answer(ask(&mut web, LOCAL, "GET", "/status.json", "Host: pc"));
        assert!(has(&json, "Content-Type", "application/json"));
        assert_eq!(json.body.bytes(), serde_json::to_vec(&stats).unwrap());
        let metrics = answer(ask(&mut web, LOCAL, "GET", "/metrics", "Host: pc"));
        let metrics = str::from_utf8(metrics.body.bytes()).unwrap().to_owned();
        assert!(metrics.contains(&format!("\nauralync_listening {listening}\n")), "{metrics}");
    }
}

#[test]
fn a_page_learns_whether_there_is_an_encrypted_one_and_whether_the_room_is_private() {
    let mut web = web(Readers::Local);
    for said in ["{\"port\": null, \"private\": false}\n", "{\"port\": 8443, \"private\": true}\n"]
    {
        let way = answer(ask(&mut web, "10.0.0.9:1", "GET", "/secure.json", "Host: pc"));
        assert!(has(&way, "Content-Type", "application/json"));
        assert_eq!(way.body.bytes(), said.as_bytes());
        web.name_secure_page(8443);
        web.name_private_room();
    }
}

#[test]
fn the_qr_code_is_a_picture_of_the_pages_address() {
    let svg = get("/qr.svg");
    assert!(has(&svg, "Content-Type", "image/svg+xml"));
    assert_eq!(svg.body.bytes(), qr::svg("http://192.168.1.5:8080/").unwrap().as_bytes());
}

#[test]
fn what_opens_no_websocket_is_told_what_would() {
    const GOOD: [&str; 6] = [
        "Host: pc",
        "Origin: http://pc",
        "Upgrade: websocket",
        "Connection: upgrade",
        "Sec-WebSocket-Version: 13",
        KEY,
    ];
    let without = |left_out: usize, instead: &str| {
        let mut lines = GOOD.to_vec();
        lines[left_out] = instead;
        lines.retain(|line| !line.is_empty());
        ask(&mut web(Readers::Local), LOCAL, "GET", LISTEN, &lines.join("\r\n"))
    };
    assert!(matches!(without(0, GOOD[0]), Response::WebSocket(_)));
    for (left_out, instead, status) in [
        (2, "", Status::UpgradeRequired),
        (2, "Upgrade: h2c", Status::UpgradeRequired),
        (3, "", Status::BadRequest),
        (4, "", Status::UpgradeRequired),
        (4, "Sec-WebSocket-Version: 8", Status::UpgradeRequired),
        (5, "", Status::BadRequest),
        (5, "Sec-WebSocket-Key: short", Status::BadRequest),
    ] {
        let refused = answer(without(left_out, instead));
        assert_eq!(refused.status, status, "{left_out} {instead}");
        assert!(status != Status::UpgradeRequired || has(&refused, "Upgrade", "websocket"));
    }
    assert!(has(&answer(without(4, "")), "Sec-WebSocket-Version", "13"));
}

#[test]
fn only_who_is_on_this_machine_and_shows_the_token_may_tell_the_server_what_to_do() {
    let opening = |host: &str, more: &str| {
        format!(
            "Host: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\n{KEY}{more}"
        )
    };
    let mut web = web(Readers::Public);
    let token = "\r\nAuthorization: Bearer 0123abcd";
    fn status(web: &mut Web, peer: &str, headers: &str) -> Option<Status> {
        match ask(web, peer, "GET", control::PATH, headers) {
            Response::Answer(answer) => Some(answer.status),
            Response::Control(_) => None,
            other => panic!("{other:?}"),
        }
    }
    let known = opening("localhost:8080", token);
    assert_eq!(status(&mut web, LOCAL, &known), Some(Status::NotFound), "there is no token");
    web.let_control("0123abcd".to_owned());
    for (peer, host) in [
        (LOCAL, "localhost:8080"),
        (LOCAL, "127.0.0.1"),
        ("[::1]:9", "[::1]:8080"),
        ("[::ffff:127.0.0.1]:9", "LOCALHOST"),
    ] {
        assert_eq!(status(&mut web, peer, &opening(host, token)), None, "{peer} {host}");
        let own_page = format!("{token}\r\nOrigin: http://{host}");
        assert_eq!(status(&mut web, peer, &opening(host, &own_page)), None, "{peer} {host}");
        assert_eq!(
            status(&mut web, peer, &opening(host, "")),
            Some(Status::Unauthorized),
            "{peer} {host}"
        );
    }
    for (peer, host, more) in [
        ("192.168.1.7:9", "localhost:8080", ""),
        ("192.168.1.7:9", "192.168.1.5:8080", ""),
        ("[fd00::7]:9", "[::1]:8080", ""),
        (LOCAL, "192.168.1.5:8080", ""),
        (LOCAL, "music.example", ""),
        (LOCAL, "localhost:8080", "\r\nX-Forwarded-For: 127.0.0.1"),
        (LOCAL, "localhost:8080", "\r\nForwarded: for=127.0.0.1"),
        (LOCAL, "localhost:8080", "\r\nX-Real-IP: 127.0.0.1"),
        (LOCAL, "localhost:8080", "\r\nOrigin: http://evil.example"),
        (LOCAL, "localhost:8080", "\r\nOrigin: null"),
        (LOCAL, "localhost:8080", "\r\nOrigin: http://localhost:8080\r\nOrigin: http://x"),
    ] {
        let more = format!("{token}{more}");
        assert_eq!(
            status(&mut web, peer, &opening(host, &more)),
            Some(Status::Forbidden),
            "{peer} {host} {more}"
        );
    }
}

mod named;
