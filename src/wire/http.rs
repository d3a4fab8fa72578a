//! HTTP/1.1, as much of it as a page, a few figures and a WebSocket need: bytes ⇄ requests and
//! answers. One request per connection; no I/O and no clock.

use std::sync::Arc;

/// Longest request, line and headers together, in bytes. Browsers send less than one KiB.
pub const MAX_HEAD: usize = 8 * 1024;

/// Most headers of a request.
pub const MAX_FIELDS: usize = 64;

/// What an answer that is opened by itself may load and be shown in: nothing (a content security
/// policy).
pub const BARE: &str = "default-src 'none'; frame-ancestors 'none'";

/// What an answer begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum Status {
    SwitchingProtocols = 101,
    Ok = 200,
    NoContent = 204,
    NotModified = 304,
    TemporaryRedirect = 307,
    BadRequest = 400,
    Unauthorized = 401,
    Forbidden = 403,
    NotFound = 404,
    MethodNotAllowed = 405,
    RequestTimeout = 408,
    Gone = 410,
    TooLarge = 413,
    Misdirected = 421,
    UpgradeRequired = 426,
    HeadersTooLarge = 431,
    Unavailable = 503,
}

impl Status {
    fn reason(self) -> &'static str {
        match self {
            Self::SwitchingProtocols => "Switching Protocols",
            Self::Ok => "OK",
            Self::NoContent => "No Content",
            Self::NotModified => "Not Modified",
            Self::BadRequest => "Bad Request",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::RequestTimeout => "Request Timeout",
            Self::Gone => "Gone",
            Self::TooLarge => "Content Too Large",
            Self::TemporaryRedirect => "Temporary Redirect",
            Self::Misdirected => "Misdirected Request",
            Self::UpgradeRequired => "Upgrade Required",
            Self::HeadersTooLarge => "Request Header Fields Too Large",
            Self::Unavailable => "Service Unavailable",
        }
    }
}

/// A request, but for its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD` …, as it was sent.
    pub method: String,
    /// The target up to its query, as it was sent: `%2e` stays what it is.
    pub path: String,
    /// Whether its connection may be kept for another request (RFC 9112, section 9.3).
    pub keeps: bool,
    /// Header names in lower case, and their values.
    fields: Vec<(String, String)>,
}

impl Request {
    /// The value of a header (named in lower case) that is there exactly once.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(field, _)| field == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// Whether a header (named in lower case) is there at all.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }

    /// Whether a header that is a list, perhaps in several lines, holds `word`, whatever the case.
    #[must_use]
    pub fn lists(&self, name: &str, word: &str) -> bool {
        let lines = self.fields.iter().filter(|(field, _)| field == name);
        let mut words = lines.flat_map(|(_, line)| line.split(','));
        words.any(|listed| listed.trim().eq_ignore_ascii_case(word))
    }
}

/// A request that is coming in. Holds at most [`MAX_HEAD`] bytes and what came with the last of
/// them.
#[derive(Debug, Default)]
pub struct Head {
    bytes: Vec<u8>,
    end: Option<usize>,
    /// Whether the request line has begun: one empty line may come before it.
    has_begun: bool,
}

impl Head {
    /// Whether nothing has come yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds what the socket gave; the request once it is whole. Add nothing after that.
    ///
    /// # Errors
    /// The status to refuse it with.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Request>, Status> {
        // An end that was cut in two began at most three bytes ago.
        let searched = self.bytes.len().saturating_sub(3);
        self.bytes.extend_from_slice(bytes);
        self.skip_an_empty_line();
        // No method begins otherwise: whoever speaks TLS or noise is told at once.
        if self.has_begun && self.bytes.first().is_some_and(|first| !first.is_ascii_uppercase()) {
            return Err(Status::BadRequest);
        }
        let Some(end) = end_of_head(&self.bytes, searched) else {
            let too_long = self.bytes.len() > MAX_HEAD;
            return if too_long { Err(Status::HeadersTooLarge) } else { Ok(None) };
        };
        if end > MAX_HEAD {
            return Err(Status::HeadersTooLarge);
        }
        self.end = Some(end);
        parse(&self.bytes[..end]).map(Some)
    }

    /// Takes away the empty line that old programs send before a request (RFC 9112, section 2.2).
    fn skip_an_empty_line(&mut self) {
        if self.has_begun || matches!(self.bytes[..], [] | [b'\r']) {
            return;
        }
        self.has_begun = true;
        if self.bytes.starts_with(b"\r\n") {
            self.bytes.drain(..2);
        }
    }

    /// What came behind the request.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        self.end.map_or(&[], |end| &self.bytes[end..])
    }
}

/// Where the empty line ends, looked for from byte `from` on.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len()).filter(|&at| bytes[at] == b'\n').find_map(|at| {
        let rest = &bytes[at + 1..];
        let empty_line: [&[u8]; 2] = [b"\n", b"\r\n"];
        empty_line.iter().find(|line| rest.starts_with(line)).map(|line| at + 1 + line.len())
    })
}

fn parse(head: &[u8]) -> Result<Request, Status> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Status::HeadersTooLarge),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Status::BadRequest),
    }
    let (target, named) = split(parsed.path.unwrap_or_default())?;
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = if path.is_empty() { "/" } else { path };
    let fields = parsed.headers.iter().map(|field| {
        let value = str::from_utf8(field.value).map_err(|_| Status::BadRequest)?;
        Ok((field.name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let mut request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        keeps: parsed.version == Some(1),
        fields: fields.collect::<Result<_, Status>>()?,
    };
    request.keeps &= !request.lists("connection", "close");
    let hosts = request.fields.iter().filter(|(name, _)| name == "host").count();
    if hosts > 1 || (hosts == 0 && parsed.version == Some(1)) {
        return Err(Status::BadRequest);
    }
    if let Some(named) = named {
        request.fields.retain(|(name, _)| name != "host");
        request.fields.push(("host".to_owned(), named.to_owned()));
    }
    Ok(request)
}

/// A request's target without the scheme and host that it may begin with, and that host, which
/// then counts instead of the header's (RFC 9112, section 3.2.2).
fn split(target: &str) -> Result<(&str, Option<&str>), Status> {
    let schemes = ["http://", "https://"];
    let Some(scheme) = schemes.iter().find(|scheme| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    }) else {
        return Ok((target, None));
    };
    let rest = &target[scheme.len()..];
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if host.is_empty() || host.contains('@') {
        Err(Status::BadRequest)
    } else {
        Ok((path, Some(host)))
    }
}

/// What an answer carries: made for this one, built in, or shared by all who ask.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "see above")]
pub enum Body {
    Text(String),
    BuiltIn(&'static [u8]),
    Shared(Arc<[u8]>),
}

impl Body {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::BuiltIn(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What it begins with.
    pub status: Status,
    /// Headers beside those that every answer has.
    pub fields: Vec<(&'static str, String)>,
    /// What is sent behind the headers, unless the request was `HEAD`.
    pub body: Body,
}

impl Answer {
    /// A sentence for a person.
    #[must_use]
    pub fn sentence(status: Status, text: &str) -> Self {
        let body = Body::Text(format!("{text}\n"));
        Self { status, fields: Vec::new(), body }
            .with("Content-Type", "text/plain; charset=utf-8")
            .with("Content-Security-Policy", BARE)
    }

    /// The answer to a request that cannot be read, or never ends.
    #[must_use]
    pub fn refusal(status: Status) -> Self {
        let text = match status {
            Status::HeadersTooLarge => "This request is longer than anything AuraLync asks for.",
            Status::RequestTimeout => "This request did not end in time.",
            _ => "This is not a request that can be read.",
        };
        Self::sentence(status, text)
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Status line and headers, with the empty line behind them.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        self.head_and(false)
    }

    /// Status line and headers, with the empty line behind them; says whether the connection `stays` for another
    /// request.
    #[must_use]
    pub fn head_and(&self, stays: bool) -> Vec<u8> {
        let mut head = status_line(self.status);
        // There the length would be that of what is not sent again.
        if !matches!(self.status, Status::NotModified | Status::NoContent) {
            head += &format!("Content-Length: {}\r\n", self.body.bytes().len());
        }
        let always = [
            ("Cache-Control", "no-cache"),
            ("X-Content-Type-Options", "nosniff"),
            // No page from elsewhere shows it, or tells by it that this server is here.
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Connection", if stays { "keep-alive" } else { "close" }),
        ];
        let own = self.fields.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in own.chain(always) {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        head.into_bytes()
    }
}

/// The whole answer to a WebSocket's opening; `accept` answers its key.
#[must_use]
pub fn switching(accept: &str) -> Vec<u8> {
    let line = status_line(Status::SwitchingProtocols);
    format!(
        "{line}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

/// The beginning of an answer that never ends: what a listener hears follows as it is. `session` is what its page
/// shows with what it says.
#[must_use]
pub fn streaming(session: &str) -> Vec<u8> {
    let line = status_line(Status::Ok);
    format!(
        "{line}Content-Type: application/octet-stream\r\nCache-Control: no-store, no-transform\r\n\
         X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n\
         AuraLync-Session: {session}\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

fn status_line(status: Status) -> String {
    format!("HTTP/1.1 {} {}\r\n", status as u16, status.reason())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BROWSER: &[u8] = b"GET /listen?x=1 HTTP/1.1\r\nHost: pc:8080\r\nUpgrade: WebSocket\r\n\
        Connection: keep-alive, Upgrade\r\nOrigin: http://pc:8080\r\n\r\n\x82\x80abcd";

    fn whole(bytes: &[u8]) -> Result<Option<Request>, Status> {
        Head::default().take(bytes)
    }

    #[test]
    fn a_request_is_the_same_wherever_it_is_cut() {
        let expected = whole(BROWSER).unwrap().unwrap();
        assert_eq!((expected.method.as_str(), expected.path.as_str()), ("GET", "/listen"));
        assert_eq!(expected.field("host"), Some("pc:8080"));
        assert!(expected.lists("connection", "upgrade") && expected.lists("upgrade", "websocket"));
        let length = BROWSER.len() - 6;
        for cut in 1..BROWSER.len() {
            let mut head = Head::default();
            let first = head.take(&BROWSER[..cut]).unwrap();
            if cut < length {
                assert_eq!(first, None, "{cut}");
                assert_eq!(head.take(&BROWSER[cut..]).unwrap().as_ref(), Some(&expected));
                assert_eq!(head.rest(), b"\x82\x80abcd");
            } else {
                assert_eq!(first.as_ref(), Some(&expected));
                assert_eq!(head.rest(), &BROWSER[length..cut]);
            }
        }
        let mut head = Head::default();
        let mut single = BROWSER[..length].iter().map(|byte| head.take(&[*byte]).unwrap());
        assert_eq!(single.by_ref().take(length - 1).flatten().count(), 0);
        assert_eq!(single.next().flatten(), Some(expected));
    }

    #[test]
    fn a_request_that_grows_beyond_the_limit_is_refused_wherever_it_ends() {
        let long = |length: usize| {
            let mut bytes = b"GET / HTTP/1.1\r\nHost: pc\r\nX: ".to_vec();
            bytes.resize(length - 4, b'x');
            bytes.extend(b"\r\n\r\n");
            bytes
        };
        assert!(whole(&long(MAX_HEAD)).unwrap().is_some());
        assert_eq!(whole(&long(MAX_HEAD + 1)), Err(Status::HeadersTooLarge));
        let mut head = Head::default();
        let refused = long(1 << 20).chunks(1000).position(|piece| head.take(piece).is_err());
        assert_eq!(refused, Some(MAX_HEAD / 1000));
        let many = "X: y\r\n".repeat(MAX_FIELDS);
        let many = format!("GET / HTTP/1.1\r\nHost: pc\r\n{many}\r\n");
        assert_eq!(whole(many.as_bytes()), Err(Status::HeadersTooLarge));
    }

    #[test]
    fn what_is_no_request_is_refused_as_early_as_it_shows() {
        let cases: [&[u8]; 13] = [
            b"\x16\x03\x01\x02",
            b"\x80\0\0\x37",
            b"\r\n\r\n",
            b"\n",
            b"\r\r\nGET / HTTP/1.1\r\nHost: pc\r\n\r\n",
            b"GET http:/// HTTP/1.1\r\nHost: pc\r\n\r\n",
            b"GET http://a@pc/ HTTP/1.1\r\nHost: pc\r\n\r\n",
            b"get / HTTP/1.1\r\nHost: pc\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            b"GET / HTTP/9\r\nHost: a\r\n\r\n",
            b"GET /\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
        ];
        for case in cases {
            let text = String::from_utf8_lossy(case);
            assert_eq!(whole(case), Err(Status::BadRequest), "{text}");
        }
        assert!(whole(b"GET / HTTP/1.0\r\n\r\n").unwrap().is_some(), "1.0 needs no host");
    }

    #[test]
    fn one_empty_line_before_a_request_is_skipped_wherever_it_is_cut() {
        let expected = whole(BROWSER).unwrap();
        let behind = [b"\r\n", BROWSER].concat();
        assert_eq!(whole(&behind).unwrap(), expected);
        for cut in 1..10 {
            let mut head = Head::default();
            assert_eq!(head.take(&behind[..cut]), Ok(None), "{cut}");
            assert_eq!(head.take(&behind[cut..]).unwrap(), expected, "{cut}");
            assert_eq!(head.rest(), b"\x82\x80abcd");
        }
    }

    #[test]
    fn a_target_that_names_its_host_is_read_as_a_path_on_that_host() {
        for (target, path, host) in [
            ("http://pc:8080/", "/", "pc:8080"),
            ("HTTP://pc:8080", "/", "pc:8080"),
            ("https://[fd00::5]?from=qr", "/", "[fd00::5]"),
            ("http://pc/app.js?v=1", "/app.js", "pc"),
            ("http://pc//x", "//x", "pc"),
            ("httpx://pc/", "httpx://pc/", "else"),
        ] {
            let text = format!("GET {target} HTTP/1.1\r\nHost: else\r\n\r\n");
            let request = whole(text.as_bytes()).unwrap().unwrap();
            assert_eq!((request.path.as_str(), request.field("host")), (path, Some(host)));
        }
    }

    #[test]
    fn a_header_that_is_there_twice_has_no_value() {
        let twice = b"GET / HTTP/1.1\r\nHost: pc\r\nOrigin: a\r\nORIGIN: b\r\n\r\n";
        let request = whole(twice).unwrap().unwrap();
        assert_eq!((request.field("origin"), request.field("host")), (None, Some("pc")));
    }

    #[test]
    fn an_answer_says_how_long_it_is_and_that_nothing_follows() {
        let answer = Answer::sentence(Status::NotFound, "No.");
        let head = String::from_utf8(answer.head()).unwrap();
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Length: 4\r\n"), "{head}");
        assert!(head.contains("\r\nConnection: close\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_request_or_refused_and_never_kept_beyond_the_limit(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..60),
            start in any::<bool>(),
        ) {
            let mut head = Head::default();
            if start {
                prop_assert_eq!(head.take(b"GET / HTTP/1.1\r\nHost: "), Ok(None));
            }
            for piece in pieces {
                if !matches!(head.take(&piece), Ok(None)) {
                    break;
                }
                prop_assert!(head.bytes.len() <= MAX_HEAD);
            }
        }

        #[test]
        fn any_request_line_that_is_read_is_read_alike_in_pieces(
            target in "[ -~]{0,60}",
            cut in 0..60_usize,
        ) {
            let bytes = format!("GET {target} HTTP/1.1\r\nHost: pc\r\n\r\n").into_bytes();
            let cut = cut.min(bytes.len());
            let mut head = Head::default();
            let first = head.take(&bytes[..cut]);
            if first == Ok(None) {
                prop_assert_eq!(head.take(&bytes[cut..]), whole(&bytes));
            }
        }
    }
}
