//! What a browser asks for, and what the page answers.

use std::cell::RefCell;
use std::net::SocketAddr;

use auralync::send::web::{MAX_SAID, Names, Response, Web};
use auralync::settings::Readers;
use auralync::stats::ServerStats;
use auralync::wire::http::{Answer, Body as Content, Head, MAX_HEAD, Request, Status};

use super::input::Input;
use super::watch::{Body, once};

/// A head three times over (as it came, growing, and as fields), and a QR code.
pub const BODY: Body = Body { name: "http", run, most_bytes: 512 * 1024, tries: 3_000 };

/// What a program shows that may tell a server what to do.
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

thread_local! {
    static PAGES: RefCell<[Web; 2]> = RefCell::new(once(|| {
        [Readers::Local, Readers::Public].map(|readers| {
            let mut web = Web::new(readers, Names::default());
            web.let_control(TOKEN.to_owned());
            web.tell(ServerStats::default());
            web
        })
    }));
}

fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(mode) = input.byte() else { return };
    let piece = input.large() as usize % 2_000 + 1;
    let (asked, rest) = ask(input.0, piece);
    if mode & 1 != 0 {
        let (whole, _) = ask(input.0, input.0.len().max(1));
        // A head that ends beyond the limit is refused by what there is of it at a time.
        let is_long = input.0.len() > MAX_HEAD;
        assert!(is_long || asked == whole, "{asked:?} in pieces, {whole:?} as a whole");
    }
    let Ok(Some(request)) = asked else { return };
    assert!(rest <= input.0.len());
    let ip = if mode & 2 != 0 { [127, 0, 0, 1] } else { [192, 0, 2, 7] };
    let peer = SocketAddr::from((ip, 9));
    PAGES.with_borrow_mut(|pages| {
        let web = &mut pages[usize::from(mode >> 2 & 1)];
        let page = || "http://192.0.2.1:5580/".to_owned();
        match once(|| web.respond(&request, peer, page)) {
            Response::Answer(answer) => check(&answer),
            Response::MayListen => {}
            Response::Stream => assert!(request.field("auralync-page").is_some()),
            Response::Says(_, length) => {
                assert!(length <= MAX_SAID && request.field("origin").is_some());
            }
            Response::WebSocket(accept) => {
                assert_eq!(accept.len(), 28);
                assert!(request.field("origin").is_some(), "a page says where it is from");
            }
            Response::Control(accept) => {
                assert_eq!(accept.len(), 28);
                assert!(peer.ip().is_loopback());
                let shown = request.field("authorization").expect("what it shows");
                assert!(shown.ends_with(TOKEN));
            }
        }
    });
}

/// What the bytes ask for, and how many came behind it.
fn ask(bytes: &[u8], piece: usize) -> (Result<Option<Request>, Status>, usize) {
    let mut head = Head::default();
    for piece in bytes.chunks(piece) {
        let asked = head.take(piece);
        if !matches!(asked, Ok(None)) {
            return (asked, head.rest().len());
        }
    }
    (Ok(None), 0)
}

/// Nothing that was asked can put a line into an answer.
fn check(answer: &Answer) {
    let head = String::from_utf8(answer.head()).expect("a head is text");
    let lines: Vec<_> = head.split("\r\n").collect();
    assert!(lines[0].starts_with("HTTP/1.1 ") && head.ends_with("\r\n\r\n"));
    let has_length = usize::from(answer.status != Status::NotModified);
    let bare = Answer { status: answer.status, fields: Vec::new(), body: Content::BuiltIn(b"") };
    let always = String::from_utf8(bare.head()).expect("a head is text");
    assert_eq!(lines.len(), always.split("\r\n").count() + answer.fields.len());
    assert!(!lines.iter().any(|line| line.contains(char::is_control)), "{head:?}");
    let length = format!("Content-Length: {}", answer.body.bytes().len());
    assert_eq!(lines.contains(&length.as_str()), has_length == 1);
}
