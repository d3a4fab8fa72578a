//! Opus as it is used: packets of any make, gaps, and sound of any kind there and back.

use std::cell::RefCell;

use auralync::codec::Bitrate;
use auralync::codec::opus::{Decoder, Encoder, Layout, check_packet};

use super::input::Input;
use super::watch::{Body, once};

/// A decoder or an encoder's state, and the longest packet as samples.
pub const BODY: Body = Body { name: "opus", run, most_bytes: 1 << 20, tries: 150 };

/// Packets of a run: what the third leaves behind the fourth meets.
const MOST_PACKETS: usize = 6;

thread_local! {
    /// To make one takes longer than to decode a packet.
    static ENCODERS: RefCell<Vec<(Layout, u16, Encoder)>> = const { RefCell::new(Vec::new()) };
}

fn run(data: &[u8]) {
    let mut input = Input(data);
    match input.byte() {
        Some(mode) if mode & 0x80 != 0 => there_and_back(mode, &mut input),
        Some(mode) => packets(1 + u16::from(mode & 1), &mut input),
        None => {}
    }
}

fn packets(channels: u16, input: &mut Input<'_>) {
    let mut decoder = Decoder::new(channels).expect("one or two channels");
    let mut out = Vec::new();
    for _ in 0..MOST_PACKETS {
        let Some(what) = input.byte() else { return };
        match what >> 5 {
            7 => decoder.reset(),
            6 => {
                out.clear();
                let wanted = input.small() * 60;
                let made = decoder.conceal(wanted, &mut out);
                assert!(made <= wanted && out.len() as u64 == made * u64::from(channels));
            }
            _ => {
                let packet = input.take(usize::from(what & 31) * 40 + 1);
                // Who says another length is refused before the packet is looked at.
                let frames = said(packet);
                assert!(packet.is_empty() || check_packet(packet, frames + 1).is_err());
                let is_right = check_packet(packet, frames).is_ok();
                let done = decoder.decode(packet, frames, &mut out);
                assert!(done.is_ok() || !is_right, "{done:?}");
                if done.is_ok() {
                    assert_eq!(out.len(), frames as usize * usize::from(channels));
                }
            }
        }
        assert!(out.iter().all(|sample| sample.abs() <= 2.0));
    }
}

/// Frames that a packet says it holds.
fn said(packet: &[u8]) -> u32 {
    let Some(first) = packet.first() else { return 0 };
    let config = usize::from(first >> 3);
    let each = match config {
        0..12 => [480, 960, 1920, 2880][config % 4],
        12..16 => [480, 960][config % 2],
        _ => [120, 240, 480, 960][config % 4],
    };
    match first & 3 {
        0 => each,
        1 | 2 => 2 * each,
        _ => each * u32::from(packet.get(1).copied().unwrap_or_default() & 63),
    }
}

/// Bits of the first byte: stereo, the layout (two bits).
fn there_and_back(mode: u8, input: &mut Input<'_>) {
    let channels = 1 + u16::from(mode & 1);
    let layout = match mode >> 1 & 3 {
        0 => Layout::VOICE,
        1 => Layout::for_delay(0),
        2 => Layout::for_delay(120),
        _ => Layout::for_delay(300),
    };
    let wanted = layout.frames as usize * usize::from(channels);
    let samples: Vec<f32> = (0..wanted)
        .map(|n| {
            let Some(byte) = input.byte() else { return (n as f32 * 0.05).sin() };
            // A few bits of a float32 decide what it is; the others come from where it stands.
            f32::from_bits(u32::from(byte) << 24 | (n as u32).wrapping_mul(0x9e37_79b9) >> 8)
        })
        .collect();
    let mut decoder = Decoder::new(channels).expect("one or two channels");
    ENCODERS.with_borrow_mut(|encoders| {
        let known = encoders.iter().position(|(of, n, _)| (*of, *n) == (layout, channels));
        let known = known.unwrap_or_else(|| {
            once(|| {
                let encoder = Encoder::new(layout, channels, Bitrate::default());
                encoders.push((layout, channels, encoder.expect("one of our layouts")));
            });
            encoders.len() - 1
        });
        let encoder = &mut encoders[known].2;
        assert!(encoder.encode(&samples[1..]).is_none());
        let packet = encoder.encode(&samples).expect("a packet");
        check_packet(packet, layout.frames).expect("as long as it says");
        let mut out = Vec::new();
        decoder.decode(packet, layout.frames, &mut out).expect("our own packet");
        assert_eq!(out.len(), wanted);
        assert!(out.iter().all(|sample| sample.abs() <= 2.0));
    });
}
