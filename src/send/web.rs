//! What a browser is answered: the page, the QR code of its address, figures, and whether it may
//! open a WebSocket. Pure: requests in, answers out.

pub mod metrics;
pub mod page;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::control;
use crate::qr;
use crate::stats::ServerStats;
use crate::wire::http::{Answer, Body, Request, Status};
use crate::wire::websocket;

/// Where browsers open their WebSocket.
pub const LISTEN: &str = "/listen";

/// Who may read the figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Readers {
    /// Programs on this machine.
    #[default]
    Local,
    /// Everybody who reaches the page.
    Public,
}

/// What a request leads to.
#[derive(Debug)]
pub enum Response {
    /// An answer, and the end.
    Answer(Answer),
    /// A listener's WebSocket, with the answer to its key.
    WebSocket(String),
    /// The WebSocket of a program that may tell the server what to do, with the answer to its key.
    Control(String),
}

/// The page and the figures.
#[derive(Debug)]
pub struct Web {
    readers: Readers,
    /// The entity tags of [`page::FILES`].
    tags: Vec<String>,
    stats: Option<ServerStats>,
    /// The figures as text, once somebody has asked for them.
    json: Option<Arc<[u8]>>,
    metrics: Option<Arc<[u8]>>,
    /// What a program that may tell the server what to do must show.
    token: Option<String>,
    /// The last QR code, and the address in it.
    qr: Option<(String, Arc<[u8]>)>,
}

impl Web {
    /// A page whose figures `readers` may read.
    #[must_use]
    pub fn new(readers: Readers) -> Self {
        let tags = page::FILES.iter().map(|file| tag(file.bytes)).collect();
        Self { readers, tags, stats: None, json: None, metrics: None, token: None, qr: None }
    }

    /// Lets programs on this machine that know `token` tell the server what to do.
    pub fn let_control(&mut self, token: String) {
        self.token = Some(token);
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
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            let answer = Answer::sentence(Status::MethodNotAllowed, "Only GET and HEAD do here.");
            return Response::Answer(answer.with("Allow", "GET, HEAD"));
        }
        Response::Answer(match request.path.as_str() {
            LISTEN => match open(request) {
                Ok(accept) => return Response::WebSocket(accept),
                Err(answer) => answer,
            },
            control::PATH if self.token.is_some() => match self.open_control(request, peer) {
                Ok(accept) => return Response::Control(accept),
                Err(answer) => answer,
            },
            "/qr.svg" => self.qr(page()),
            "/status.json" | "/metrics" => self.figures(request, peer),
            path => self.file(request, path),
        })
    }

    fn file(&self, request: &Request, path: &str) -> Answer {
        let found = page::FILES.iter().zip(&self.tags).find(|(file, _)| file.path == path);
        let Some((file, tag)) = found else {
            return Answer::sentence(Status::NotFound, "There is nothing here. The page is at /");
        };
        let is_known = request.field("if-none-match").is_some_and(|known| known == tag);
        let (status, body) = if is_known {
            (Status::NotModified, Body::BuiltIn(b""))
        } else {
            (Status::Ok, Body::BuiltIn(file.bytes))
        };
        let answer = Answer { status, fields: Vec::new(), body }
            .with("Content-Type", file.content_type)
            .with("ETag", tag);
        // They are a document's; with every script they would be an eighth of the page's bytes.
        if file.content_type.starts_with("text/html") {
            answer
                .with("Content-Security-Policy", page::POLICY)
                .with("Referrer-Policy", "no-referrer")
        } else {
            answer
        }
    }

    fn qr(&mut self, page: String) -> Answer {
        let known = self.qr.take().filter(|(address, _)| *address == page);
        let svg = known.map(|(_, svg)| svg).or_else(|| Some(qr::svg(&page)?.into_bytes().into()));
        let Some(svg) = svg else {
            return Answer::sentence(Status::Unavailable, "This address fits no QR code.");
        };
        self.qr = Some((page, Arc::clone(&svg)));
        let answer = Answer { status: Status::Ok, fields: Vec::new(), body: Body::Shared(svg) };
        answer.with("Content-Type", "image/svg+xml; charset=utf-8")
    }

    /// The answer to the key of a program that shows the token, or why there is none.
    fn open_control(&self, request: &Request, peer: SocketAddr) -> Result<String, Answer> {
        let is_local = peer.ip().to_canonical().is_loopback() && names_this_machine(request);
        if !is_local || (request.has("origin") && !is_own_page(request)) {
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
        let is_local = peer.ip().to_canonical().is_loopback() && names_this_machine(request);
        if self.readers == Readers::Local && !is_local {
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
        Answer { status: Status::Ok, fields: Vec::new(), body }.with("Content-Type", content_type)
    }
}

/// Whether the request's host is this machine in so many words. A name may be anybody's: a page
/// from elsewhere could have it lead here and read along.
fn names_this_machine(request: &Request) -> bool {
    let Some(host) = request.field("host") else {
        return true;
    };
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|digit| digit.is_ascii_digit()) { name } else { host }
    });
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |ip: std::net::IpAddr| ip.to_canonical().is_loopback();
    name.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_loopback)
}

/// Whether two tokens are one, in a time that does not tell how much of them is.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    let apart = shown.iter().zip(token).fold(0, |apart, (a, b)| apart | (a ^ b));
    shown.len() == token.len() && apart == 0
}

/// The answer to the key of the page's WebSocket, or why there is none.
fn open(request: &Request) -> Result<String, Answer> {
    let accept = handshake(request)?;
    if !is_own_page(request) {
        let text = "Only the page that this server serves may listen.";
        return Err(Answer::sentence(Status::Forbidden, text));
    }
    Ok(accept)
}

/// Whether a request comes from a page that this server has served.
fn is_own_page(request: &Request) -> bool {
    let origin = request.field("origin").and_then(|origin| {
        origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
    });
    match (origin, request.field("host")) {
        (Some(origin), Some(host)) => !host.is_empty() && origin.eq_ignore_ascii_case(host),
        _ => false,
    }
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

/// An entity tag: FNV-1a tells two versions of a file apart, and needs to do no more.
fn tag(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    format!("\"{:016x}\"", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

#[cfg(test)]
mod tests;
