//! What a browser is answered: the page, the QR code of its address, figures, and whether it may
//! open a WebSocket. Pure: requests in, answers out.

pub mod metrics;
pub mod names;
pub mod page;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use crate::control;
use crate::format::printable;
use crate::qr;
use crate::settings::Readers;
use crate::stats::ServerStats;
use crate::wire::http::{self, Answer, Body, Request, Status};
use crate::wire::websocket;
pub use names::Names;

/// Where browsers open their WebSocket.
pub const LISTEN: &str = "/listen";

/// Where the page asks why its WebSocket was refused, which browsers do not tell it.
pub const MAY_LISTEN: &str = "/may-listen";

/// Where a page listens whose WebSocket does not open: the answer never ends.
pub const STREAM: &str = "/stream";

/// Where such a page says what it would say by WebSocket.
pub const SAY: &str = "/say";

/// Where the page learns whether there is a secure one, and whether the room is private.
const SECURE: &str = "/secure.json";

/// Longest that is said in one request, in bytes: a third of a second of the largest microphone.
pub const MAX_SAID: usize = 64 * 1024;

/// What a page that listens so shows with what it says, in bytes.
pub const SESSION: usize = 16;

/// The header with which the page says there where it comes from; browsers send no `Origin` with
/// such a request.
const PAGE_FIELD: &str = "auralync-page";

/// Most characters of a name of others that an answer repeats.
const SHOWN_NAME: usize = 100;

/// What a request leads to.
#[derive(Debug)]
pub enum Response {
    /// An answer, and the end.
    Answer(Answer),
    /// A listener's WebSocket, with the answer to its key.
    WebSocket(String),
    /// The WebSocket of a program that may tell the server what to do, with the answer to its key.
    Control(String),
    /// The page may listen, if there is room.
    MayListen,
    /// A listener for whom sound is an answer that never ends.
    Stream,
    /// Such a listener says something, in the body of so many bytes.
    Says(Saying, usize),
}

/// Who says something by a request, and for the how manieth time, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saying {
    /// What its listener was given.
    pub session: [u8; SESSION],
    /// Which of its requests this is.
    pub count: u64,
}

/// The page and the figures.
#[derive(Debug)]
pub struct Web {
    readers: Readers,
    names: Names,
    stats: Option<ServerStats>,
    /// The figures as text, once somebody has asked for them.
    json: Option<Arc<[u8]>>,
    metrics: Option<Arc<[u8]>>,
    /// What a program that may tell the server what to do must show.
    token: Option<String>,
    /// The port of the secure page, where there is one.
    secure_port: Option<u16>,
    /// Whether the room is private.
    is_private: bool,
    /// The last QR code, and the address in it.
    qr: Option<(String, Arc<[u8]>)>,
}

impl Web {
    /// A page whose figures `readers` may read, and that may be called `names`.
    #[must_use]
    pub fn new(readers: Readers, names: Names) -> Self {
        // Packed now, so that no listener has to wait for it later.
        LazyLock::force(&page::SERVED);
        Self {
            readers,
            names,
            stats: None,
            json: None,
            metrics: None,
            token: None,
            secure_port: None,
            is_private: false,
            qr: None,
        }
    }

    /// Lets programs on this machine that know `token` tell the server what to do.
    pub fn let_control(&mut self, token: String) {
        self.token = Some(token);
    }

    /// There is a secure page at `port`.
    pub fn name_secure_page(&mut self, port: u16) {
        self.secure_port = Some(port);
    }

    /// The room is private: a page without its link has nothing to say there.
    pub fn name_private_room(&mut self) {
        self.is_private = true;
    }

    /// The figures to answer with from now on.
    pub fn tell(&mut self, stats: ServerStats) {
        self.stats = Some(stats);
        self.json = None;
        self.metrics = None;
    }

    /// What `request` from `peer` leads to; `page` is the address that other devices reach the page
    /// at.
    pub fn respond(
        &mut self,
        request: &Request,
        peer: SocketAddr,
        page: impl FnOnce() -> String,
    ) -> Response {
        if !self.names.include_host_of(request) {
            return Response::Answer(misdirected(request, &page()));
        }
        if request.method == "POST" && request.path == SAY {
            return self.says(request, page).unwrap_or_else(Response::Answer);
        }
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            let answer = Answer::sentence(Status::MethodNotAllowed, "Only GET and HEAD do here.");
            return Response::Answer(answer.with("Allow", "GET, HEAD"));
        }
        Response::Answer(match request.path.as_str() {
            LISTEN => match self.open(request, page) {
                Ok(accept) => return Response::WebSocket(accept),
                Err(answer) => answer,
            },
            MAY_LISTEN => match self.own_page(request.field(PAGE_FIELD), request, page) {
                Ok(()) => return Response::MayListen,
                Err(answer) => answer,
            },
            STREAM => match self.own_page(request.field(PAGE_FIELD), request, page) {
                Ok(()) if request.method == "GET" => return Response::Stream,
                Ok(()) => Answer::sentence(Status::MethodNotAllowed, "Only GET does here."),
                Err(answer) => answer,
            },
            SECURE => self.secure_page(),
            control::PATH if self.token.is_some() => match self.open_control(request, peer) {
                Ok(accept) => return Response::Control(accept),
                Err(answer) => answer,
            },
            "/qr.svg" => self.qr(page()),
            "/status.json" | "/metrics" => self.figures(request, peer),
            path => file(request, path),
        })
    }

    /// Who says what in the request's body, or why it is not listened to.
    fn says(&self, request: &Request, page: impl FnOnce() -> String) -> Result<Response, Answer> {
        self.own_page(request.field("origin"), request, page)?;
        let bad = || Answer::refusal(Status::BadRequest);
        // Digits alone: a proxy in front might read “+5” otherwise.
        let digits = |text: &&str| text.bytes().all(|digit| digit.is_ascii_digit());
        let number = |name| request.field(name).filter(digits)?.parse::<u64>().ok();
        let length = number("content-length").filter(|_| !request.has("transfer-encoding"));
        let length = usize::try_from(length.ok_or_else(bad)?).unwrap_or(usize::MAX);
        if length > MAX_SAID {
            let text = "Less is said in one request.";
            return Err(Answer::sentence(Status::TooLarge, text));
        }
        let session = request.field("auralync-session").and_then(session).ok_or_else(bad)?;
        let count = number("auralync-count").ok_or_else(bad)?;
        Ok(Response::Says(Saying { session, count }, length))
    }

    /// Where the page is encrypted, for who wants to speak; and whether the room is private, for who has no link.
    fn secure_page(&self) -> Answer {
        // Browsers complain to their users of what is not there, so it is, and says so.
        let port = self.secure_port.map_or("null".to_owned(), |port| port.to_string());
        let is_private = self.is_private;
        let body = Body::Text(format!("{{\"port\": {port}, \"private\": {is_private}}}\n"));
        let answer = Answer { status: Status::Ok, fields: Vec::new(), body };
        answer.with("Content-Type", "application/json")
    }

    fn qr(&mut self, page: String) -> Answer {
        let known = self.qr.take().filter(|(address, _)| *address == page);
        let svg = known.map(|(_, svg)| svg).or_else(|| Some(qr::svg(&page)?.into_bytes().into()));
        let Some(svg) = svg else {
            return Answer::sentence(Status::Unavailable, "This address fits no QR code.");
        };
        self.qr = Some((page, Arc::clone(&svg)));
        let answer = Answer { status: Status::Ok, fields: Vec::new(), body: Body::Shared(svg) };
        answer
            .with("Content-Type", "image/svg+xml; charset=utf-8")
            .with("Content-Security-Policy", http::BARE)
    }

    /// The answer to the key of the page's WebSocket, or why there is none.
    fn open(&self, request: &Request, page: impl FnOnce() -> String) -> Result<String, Answer> {
        let accept = handshake(request)?;
        self.own_page(request.field("origin"), request, page)?;
        Ok(accept)
    }

    /// Whether `origin` is the page that this server serves, or what to say if it is not.
    fn own_page(
        &self,
        origin: Option<&str>,
        request: &Request,
        page: impl FnOnce() -> String,
    ) -> Result<(), Answer> {
        if self.names.include_page(origin, request) {
            return Ok(());
        }
        let text = format!(
            "This address may not listen here: use {}, or, behind a proxy of yours, start the \
             server with --web-host and the proxy's name.",
            page()
        );
        Err(Answer::sentence(Status::Forbidden, &text))
    }

    /// The answer to the key of a program that shows the token, or why there is none.
    fn open_control(&self, request: &Request, peer: SocketAddr) -> Result<String, Answer> {
        let is_of_others =
            request.has("origin") && !self.names.include_page(request.field("origin"), request);
        if !names::is_from_here(request, peer) || is_of_others {
            let text = "Only programs on the server itself may tell it what to do.";
            return Err(Answer::sentence(Status::Forbidden, text));
        }
        let accept = handshake(request)?;
        let shown = request.field("authorization").and_then(|shown| shown.strip_prefix("Bearer "));
        let is_known = match (shown, &self.token) {
            (Some(shown), Some(token)) => is_same(shown.as_bytes(), token.as_bytes()),
            _ => false,
        };
        if !is_known {
            let text = "The server's token must be shown: Authorization: Bearer TOKEN";
            let answer = Answer::sentence(Status::Unauthorized, text);
            return Err(answer.with("WWW-Authenticate", "Bearer"));
        }
        Ok(accept)
    }

    fn figures(&mut self, request: &Request, peer: SocketAddr) -> Answer {
        if self.readers == Readers::Local && !names::is_from_here(request, peer) {
            let text = "Only programs on the server itself may read its figures. \
                        Start it with --web-status public to let everybody read them.";
            return Answer::sentence(Status::Forbidden, text);
        }
        let Some(stats) = &self.stats else {
            let text = "The first figures come a second after the start.";
            return Answer::sentence(Status::Unavailable, text).with("Retry-After", "1");
        };
        let (body, content_type) = if request.path == "/metrics" {
            let metrics = || metrics::text(stats).into_bytes().into();
            (self.metrics.get_or_insert_with(metrics), metrics::CONTENT_TYPE)
        } else {
            // Our own struct of numbers, texts and lists always serialises.
            let json = || serde_json::to_vec(stats).unwrap_or_default().into();
            (self.json.get_or_insert_with(json), "application/json")
        };
        let body = Body::Shared(Arc::clone(body));
        Answer { status: Status::Ok, fields: Vec::new(), body }
            .with("Content-Type", content_type)
            .with("Content-Security-Policy", http::BARE)
    }
}

/// Where else a request belongs that came to the secure page's port without encryption.
#[must_use]
pub fn elsewhere(page: &str) -> Answer {
    let text =
        format!("This page is encrypted: its address begins with https. Open {page} instead.");
    Answer::sentence(Status::TemporaryRedirect, &text).with("Location", page)
}

/// Reads what a page shows with what it says: two hexadecimal digits for each byte.
fn session(text: &str) -> Option<[u8; SESSION]> {
    let digits = text.as_bytes();
    let is_one = digits.len() == 2 * SESSION && digits.iter().all(u8::is_ascii_hexdigit);
    let mut session = [0; SESSION];
    for (byte, pair) in session.iter_mut().zip(digits.chunks_exact(2)).filter(|_| is_one) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    is_one.then_some(session)
}

/// A file of the page, packed where the browser takes it.
fn file(request: &Request, path: &str) -> Answer {
    let Some(served) = page::SERVED.iter().find(|served| served.file.path == path) else {
        return Answer::sentence(Status::NotFound, "There is nothing here. The page is at /");
    };
    let is_packed = request.lists("accept-encoding", page::PACKED);
    let (tag, body) = if is_packed {
        (&served.packed_tag, Body::Shared(Arc::clone(&served.packed)))
    } else {
        (&served.tag, Body::BuiltIn(served.file.bytes))
    };
    let is_known = request.field("if-none-match").is_some_and(|known| known == tag);
    let (status, body) =
        if is_known { (Status::NotModified, Body::BuiltIn(b"")) } else { (Status::Ok, body) };
    let content_type = served.file.content_type;
    let mut answer = Answer { status, fields: Vec::new(), body }
        .with("Content-Type", content_type)
        .with("ETag", tag)
        .with("Vary", "Accept-Encoding");
    if is_packed {
        answer = answer.with("Content-Encoding", page::PACKED);
    }
    // They are for what is opened by itself; with every script they would be a tenth of all bytes.
    if content_type.starts_with("text/html") {
        answer
            .with("Content-Security-Policy", page::POLICY)
            .with("Permissions-Policy", page::PERMISSIONS)
            .with("Referrer-Policy", "no-referrer")
    } else if content_type.starts_with("image/") {
        answer.with("Content-Security-Policy", http::BARE)
    } else {
        answer
    }
}

/// The answer to a request that calls this server by a name that anybody could have made lead here.
fn misdirected(request: &Request, page: &str) -> Answer {
    let name = printable(request.field("host").unwrap_or_default(), SHOWN_NAME);
    let text = format!(
        "This server is not known as “{name}”. Open {page} instead. If that name is yours, start \
         the server with --web-host and the name."
    );
    Answer::sentence(Status::Misdirected, &text)
}

/// Whether two tokens are one, in a time that does not tell how much of them is.
#[must_use]
pub fn is_same(shown: &[u8], token: &[u8]) -> bool {
    let apart = shown.iter().zip(token).fold(0, |apart, (a, b)| apart | (a ^ b));
    shown.len() == token.len() && apart == 0
}

/// The answer to a WebSocket's key, or why there is none.
fn handshake(request: &Request) -> Result<String, Answer> {
    if request.method != "GET" || !request.lists("upgrade", "websocket") {
        let text = "This is where the page connects to by WebSocket. The page itself is at /";
        return Err(Answer::sentence(Status::UpgradeRequired, text).with("Upgrade", "websocket"));
    }
    if request.field("sec-websocket-version") != Some("13") {
        let answer = Answer::sentence(Status::UpgradeRequired, "Only WebSocket version 13 does.");
        return Err(answer.with("Upgrade", "websocket").with("Sec-WebSocket-Version", "13"));
    }
    let accept = request.field("sec-websocket-key").and_then(websocket::accept);
    accept
        .filter(|_| request.lists("connection", "upgrade"))
        .ok_or_else(|| Answer::sentence(Status::BadRequest, "This is no WebSocket's opening."))
}

#[cfg(test)]
mod tests;
