//! The page's files, as they are built into the program: one line for each.

use std::sync::{Arc, LazyLock};

use miniz_oxide::deflate::compress_to_vec_zlib;

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
    ("/asking.js", SCRIPT, "asking.js"),
    ("/awake.js", SCRIPT, "awake.js"),
    ("/by-fetch.js", SCRIPT, "by-fetch.js"),
    ("/channel.js", SCRIPT, "channel.js"),
    ("/clock.js", SCRIPT, "clock.js"),
    ("/datagram.js", SCRIPT, "datagram.js"),
    ("/ear-filters.js", SCRIPT, "ear-filters.js"),
    ("/ear.js", SCRIPT, "ear.js"),
    ("/fetched.js", SCRIPT, "fetched.js"),
    ("/for-ears.js", SCRIPT, "for-ears.js"),
    ("/gaps.js", SCRIPT, "gaps.js"),
    ("/gate.js", SCRIPT, "gate.js"),
    ("/icon.svg", PICTURE, "icon.svg"),
    ("/jitter.js", SCRIPT, "jitter.js"),
    ("/lane.js", SCRIPT, "lane.js"),
    ("/limiter.js", SCRIPT, "limiter.js"),
    ("/link.js", SCRIPT, "link.js"),
    ("/listener.js", SCRIPT, "listener.js"),
    ("/opus.js", SCRIPT, "opus.js"),
    ("/opus.wasm", WASM, "opus.wasm"),
    ("/page.js", SCRIPT, "page.js"),
    ("/patience.js", SCRIPT, "patience.js"),
    ("/people.css", STYLE, "people.css"),
    ("/people.js", SCRIPT, "people.js"),
    ("/player.js", SCRIPT, "player.js"),
    ("/playing.js", SCRIPT, "playing.js"),
    ("/refusal.js", SCRIPT, "refusal.js"),
    ("/private.js", SCRIPT, "private.js"),
    ("/repair.js", SCRIPT, "repair.js"),
    ("/resample.js", SCRIPT, "resample.js"),
    ("/room.js", SCRIPT, "room.js"),
    ("/schedule.js", SCRIPT, "schedule.js"),
    ("/secure.js", SCRIPT, "secure.js"),
    ("/secure.wasm", WASM, "secure.wasm"),
    ("/secure-page.js", SCRIPT, "secure-page.js"),
    ("/style.css", STYLE, "style.css"),
    ("/calibrate.js", SCRIPT, "calibrate.js"),
    ("/chirp.js", SCRIPT, "chirp.js"),
    ("/talk-opus.js", SCRIPT, "talk-opus.js"),
    ("/talk-worklet.js", SCRIPT, "talk-worklet.js"),
    ("/talk.js", SCRIPT, "talk.js"),
    ("/voice-activity.js", SCRIPT, "voice-activity.js"),
    ("/wire-room.js", SCRIPT, "wire-room.js"),
    ("/wire.js", SCRIPT, "wire.js"),
    ("/worklet-sink.js", SCRIPT, "worklet-sink.js"),
    ("/worklet.js", SCRIPT, "worklet.js"),
];

/// What the page may load and where it may connect to: its own server, and nothing else. Browsers
/// take `'self'` for WebSockets too.
pub const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the page may use of the device, besides its speakers.
pub const PERMISSIONS: &str = "microphone=(self)";

/// The coding of [`SERVED`]'s packed files, as HTTP calls it (RFC 9110: zlib's format).
pub const PACKED: &str = "deflate";

/// How hard zlib tries, of 10. It is done once, and the level beyond gains a thousandth.
const LEVEL: u8 = 9;

/// A file as it goes out.
#[derive(Debug)]
pub struct Served {
    /// What it is.
    pub file: &'static PageFile,
    /// Tells its versions apart.
    pub tag: String,
    /// It in [`PACKED`], a script without its comments, which leaves a quarter of one.
    pub packed: Arc<[u8]>,
    /// Tells versions of that apart.
    pub packed_tag: String,
}

/// Every file, packed when it is first asked for anything.
pub static SERVED: LazyLock<Vec<Served>> = LazyLock::new(|| {
    let served = |file: &'static PageFile| {
        let packed = match file.content_type {
            SCRIPT => compress_to_vec_zlib(&without_comments(file.bytes), LEVEL),
            _ => compress_to_vec_zlib(file.bytes, LEVEL),
        };
        let packed_tag = tag(&packed);
        Served { file, tag: tag(file.bytes), packed: packed.into(), packed_tag }
    };
    FILES.iter().map(served).collect()
});

/// A script of the page without the lines that are nothing but comments, which are a third of what it
/// weighs when it is packed. They become empty ones, so that errors name the lines of the file.
#[must_use]
pub fn without_comments(script: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(script.len());
    let mut is_comment = false;
    // Lines within a template belong to it, whatever they look like.
    let mut is_template = false;
    for line in script.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii();
        is_comment |= text.starts_with(b"/*") && !is_template;
        let is_short = text.starts_with(b"//") && !is_comment && !is_template;
        let end = text.windows(2).position(|two| two == b"*/").filter(|_| is_comment);
        let rest = match end {
            Some(end) => text.get(end + 2..).unwrap_or_default(),
            None if is_comment || is_short => &[],
            None => line.strip_suffix(b"\n").unwrap_or(line),
        };
        is_comment &= end.is_none();
        is_template ^= rest.iter().filter(|byte| **byte == b'`').count() % 2 == 1;
        out.extend_from_slice(rest);
        if line.ends_with(b"\n") {
            out.push(b'\n');
        }
    }
    out
}

/// An entity tag: FNV-1a tells two versions of a file apart, and needs to do no more.
fn tag(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    format!("\"{:016x}\"", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}
