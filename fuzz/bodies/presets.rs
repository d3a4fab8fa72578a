//! A preset's text, and what is typed where a server is wanted.

use auralync::discovery::target::Target;
use auralync::preset::{self, Preset};
use auralync::source::Source;

use super::watch::Body;

/// A text of the longest size that is read, as a table.
pub const BODY: Body = Body { name: "presets", run, most_bytes: 8 << 20, tries: 1_500 };

fn run(data: &[u8]) {
    let Some((mode, data)) = data.split_first() else { return };
    let Ok(text) = str::from_utf8(data) else { return };
    match mode % 4 {
        0 => source(text),
        1 => target(text),
        _ => preset(text),
    }
}

fn preset(text: &str) {
    match preset::read(text) {
        Ok(preset) => {
            assert!((16..=8_192).contains(&preset.chunk_size));
            assert!((1..=1_000).contains(&preset.max_queue_size) && preset.max_clients <= 10_000);
            assert!((5..=10_000).contains(&preset.playout_delay_ms));
            assert!(preset.sample_rate.is_none_or(|hz| (8_000..=192_000).contains(&hz)));
            assert!((1..=2).contains(&preset.channels));
            let rate = preset.sample_rate.unwrap_or(48_000);
            let two_chunks_ms = f64::from(preset.chunk_size) * 2e3 / f64::from(rate);
            assert!(f64::from(preset.playout_delay_ms) >= two_chunks_ms);
            assert_eq!(preset::read(&written(&preset)).expect("our own text"), preset);
        }
        Err(error) => is_a_sentence(&error.to_string()),
    }
}

/// A text that says what `preset` is.
fn written(preset: &Preset) -> String {
    let quoted = |text: &String| serde_json::to_string(text).expect("a text");
    let list = |texts: &Vec<String>| texts.iter().map(quoted).collect::<Vec<_>>().join(",");
    let Preset { chunk_size, max_queue_size, max_clients, listen_backlog, .. } = preset;
    let Preset { playout_delay_ms, channels, port, .. } = preset;
    let mut text = format!(
        "chunk_size = {chunk_size}\nmax_queue_size = {max_queue_size}\nmax_clients = {max_clients}\n\
         listen_backlog = {listen_backlog}\nplayout_delay_ms = {playout_delay_ms}\n\
         channels = {channels}\nport = {port}\n"
    );
    let lines = [
        preset.sample_rate.map(|hz| format!("sample_rate = {hz}\n")),
        preset.bind.map(|ip| format!("bind = \"{ip}\"\n")),
        preset.source.as_ref().map(|sources| format!("source = [{}]\n", list(sources))),
        preset.name.as_ref().map(|name| format!("name = {}\n", quoted(name))),
        preset.codecs.as_ref().map(|codecs| format!("codecs = [{}]\n", list(codecs))),
    ];
    text.extend(lines.into_iter().flatten());
    text
}

/// What is shown of a source reads back as that source.
fn source(text: &str) {
    match text.parse::<Source>() {
        Ok(source) => {
            let shown = source.to_string();
            assert_eq!(shown.parse::<Source>().ok(), Some(source), "{shown:?} of {text:?}");
        }
        Err(error) => is_a_sentence(&error.to_string()),
    }
}

fn target(text: &str) {
    match Target::parse(text, None) {
        Ok(target) => {
            assert!(target.port != 0 && !target.host.is_empty());
            let shown = target.to_string();
            assert_eq!(Target::parse(&shown, None).ok(), Some(target), "{shown:?} of {text:?}");
        }
        Err(error) => is_a_sentence(&error.to_string()),
    }
}

fn is_a_sentence(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
}
