//! The page's files, as they are built into the program: one line for each.

/// A file of the page.
#[derive(Debug, Clone, Copy)]
pub struct PageFile {
    /// The path that browsers ask for.
    pub path: &'static str,
    /// What it is.
    pub content_type: &'static str,
    /// The file.
    pub bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const WASM: &str = "application/wasm";
const PICTURE: &str = "image/svg+xml; charset=utf-8";

/// A line of the table: a path, a content type, a file in `web/`.
macro_rules! files {
    ($(($path:literal, $content_type:expr, $file:literal)),* $(,)?) => {
        &[$(PageFile {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../../../web/", $file)),
        }),*]
    };
}

/// Every file. Content types: `text/javascript`, `text/css` and `image/svg+xml` with
/// `; charset=utf-8`, `application/wasm`, `application/manifest+json`.
pub const FILES: &[PageFile] = files![
    ("/", HTML, "index.html"),
    ("/app.js", SCRIPT, "app.js"),
    ("/arrivals.js", SCRIPT, "arrivals.js"),
    ("/clock.js", SCRIPT, "clock.js"),
    ("/gate.js", SCRIPT, "gate.js"),
    ("/icon.svg", PICTURE, "icon.svg"),
    ("/jitter.js", SCRIPT, "jitter.js"),
    ("/limiter.js", SCRIPT, "limiter.js"),
    ("/listener.js", SCRIPT, "listener.js"),
    ("/opus.js", SCRIPT, "opus.js"),
    ("/opus.wasm", WASM, "opus.wasm"),
    ("/patience.js", SCRIPT, "patience.js"),
    ("/people.css", STYLE, "people.css"),
    ("/people.js", SCRIPT, "people.js"),
    ("/player.js", SCRIPT, "player.js"),
    ("/playing.js", SCRIPT, "playing.js"),
    ("/resample.js", SCRIPT, "resample.js"),
    ("/schedule.js", SCRIPT, "schedule.js"),
    ("/style.css", STYLE, "style.css"),
    ("/talk-opus.js", SCRIPT, "talk-opus.js"),
    ("/talk-worklet.js", SCRIPT, "talk-worklet.js"),
    ("/talk.js", SCRIPT, "talk.js"),
    ("/voice-activity.js", SCRIPT, "voice-activity.js"),
    ("/wire-room.js", SCRIPT, "wire-room.js"),
    ("/wire.js", SCRIPT, "wire.js"),
    ("/worklet-sink.js", SCRIPT, "worklet-sink.js"),
    ("/worklet.js", SCRIPT, "worklet.js"),
];

/// What the page may load and where it may connect to: its own server, and nothing else.
pub const POLICY: &str = "default-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; \
    script-src 'self' blob: 'wasm-unsafe-eval'; connect-src 'self' ws: wss:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
