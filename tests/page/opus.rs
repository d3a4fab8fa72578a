//! What the page makes of Opus packets, beside what the programs make of them.

use std::path::Path;
use std::process::Command;

use auralync::codec::Bitrate;
use auralync::codec::opus::{Decoder, Encoder, Layout};

use crate::browser::{Browser, in_chromium};
use crate::support::compare::{find, likeness};
use crate::support::free_port::free_port;
use crate::support::room::Room;
use crate::support::scratch::Scratch;
use crate::support::stereo::noise;
use crate::{folder, server};

const RATE: u32 = 48_000;
const SECONDS: usize = 2;
const CHANNELS: u16 = 2;

/// Music is compared past its first tenth of a second, for so many frames, up to so many later.
const FROM: usize = 4_800;
const COMPARED: usize = 48_000;
const SEARCHED: usize = 2_000;

/// Noise as packets, in a file as decode.js reads it, and as the programs decode those.
fn packets(into: &Path) -> Vec<f32> {
    let layout = Layout::for_delay(300);
    let mut encoder = Encoder::new(layout, CHANNELS, Bitrate::default()).unwrap();
    let mut decoder = Decoder::new(CHANNELS).unwrap();
    let noise = noise(SECONDS * RATE as usize, RATE);
    let samples: Vec<f32> =
        noise.left.iter().zip(&noise.right).flat_map(|(l, r)| [*l, *r]).collect();
    let (mut file, mut decoded, mut out) = (Vec::new(), Vec::new(), Vec::new());
    for piece in samples.chunks_exact(layout.frames as usize * usize::from(CHANNELS)) {
        let packet = encoder.encode(piece).unwrap();
        file.extend(u16::try_from(packet.len()).unwrap().to_be_bytes());
        file.extend(packet);
        decoder.decode(packet, layout.frames, &mut out).unwrap();
        decoded.extend_from_slice(&out);
    }
    std::fs::write(into, file).unwrap();
    decoded
}

fn samples(file: &Path) -> Vec<f32> {
    let bytes = std::fs::read(file).unwrap();
    bytes.as_chunks().0.iter().map(|sample| f32::from_ne_bytes(*sample)).collect()
}

#[test]
fn the_pages_decoder_gives_sample_for_sample_what_the_programs_decoder_gives() {
    let scratch = Scratch::new();
    let [from, into] = ["packets", "samples"].map(|name| scratch.path(name));
    let expected = packets(&from);
    let node =
        Command::new("node").current_dir(folder()).arg("decode.js").args([&from, &into]).output();
    let node = node.unwrap();
    assert!(node.status.success(), "{}", String::from_utf8_lossy(&node.stderr));
    let decoded = samples(&into);
    assert_eq!(decoded.len(), expected.len());
    assert!(decoded == expected, "web/opus.wasm is not the programs' decoder: run scripts/wasm.sh");
}

#[test]
fn a_voice_that_the_browser_encodes_is_decoded_by_the_programs_as_late_as_the_page_says() {
    in_chromium(|| {
        let room = Room::open();
        let web = free_port();
        let _server = server(&room, "low-latency", free_port(), web);
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        let opened = browser.ask(&format!("open http://127.0.0.1:{web}/"));
        assert_eq!(opened["encodes"], true, "{opened}");
        let (from, into) = (room.path("voice"), room.path("voice-packets"));
        let voice = noise(SECONDS * RATE as usize, RATE).left;
        let bytes: Vec<u8> = voice.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
        std::fs::write(&from, bytes).unwrap();
        let delay = browser.ask(&format!("encode {} {}", from.display(), into.display()));
        let delay = usize::try_from(delay.as_u64().unwrap()).unwrap();
        let file = std::fs::read(&into).unwrap();
        let (mut rest, mut decoded, mut out) = (&file[..], Vec::new(), Vec::new());
        let mut decoder = Decoder::new(1).unwrap();
        while let [high, low, after @ ..] = rest {
            let (packet, next) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            decoder.decode(packet, Layout::VOICE.frames, &mut out).unwrap();
            decoded.extend_from_slice(&out);
            rest = next;
        }
        let piece = &voice[FROM..FROM + COMPARED];
        let at = find(piece, &decoded[FROM..FROM + COMPARED + SEARCHED]);
        let (like, gain) = likeness(piece, &decoded[FROM + at..][..COMPARED], 1);
        println!(
            "{} bytes a packet, {at} frames late of {delay}, likeness {like:.4}, gain {gain:.3}",
            file.len() / (SECONDS * 100)
        );
        assert_eq!(decoded.len(), voice.len());
        assert_eq!(at, delay, "frames late");
        assert!(like > 0.9, "{like}");
    });
}

/// Whatever decodes in `browser` lags as much as the programs' decoder, to the sample.
pub(crate) fn decodes_as_the_programs_do(room: &Room, browser: &mut Browser) {
    let (from, into) = (room.path("packets"), room.path("samples"));
    let left = |samples: &[f32]| samples.iter().step_by(2).copied().collect::<Vec<_>>();
    let expected = left(&packets(&from));
    browser.ask(&format!("decode {} {}", from.display(), into.display()));
    let decoded = left(&samples(&into));
    let piece = &expected[FROM..FROM + COMPARED];
    let around = FROM - SEARCHED..FROM + COMPARED + SEARCHED;
    assert!(decoded.len() >= around.end, "only {} frames", decoded.len());
    let at = find(piece, &decoded[around.clone()]);
    let (like, gain) = likeness(piece, &decoded[around.start + at..][..COMPARED], 1);
    println!(
        "decoded {} frames apart, likeness {like:.5}, gain {gain:.4}",
        at as i64 - SEARCHED as i64
    );
    assert_eq!(at, SEARCHED, "frames apart");
    assert!(like > 0.999 && (gain - 1.0).abs() < 0.01, "{like} {gain}");
}
