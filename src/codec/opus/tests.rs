mod signals;

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use signals::{music, speech};

const LAYOUTS: [u32; 3] = [20, 100, 300];

fn stereo(signal: fn(usize, usize) -> f32, frames: usize) -> Vec<f32> {
    (0..frames).flat_map(|frame| [signal(frame, 0), signal(frame, 1)]).collect()
}

/// Encodes and decodes; gives the decoded samples, bytes, and seconds for either way.
fn there_and_back(layout: Layout, kbps: u16, samples: &[f32]) -> (Vec<f32>, usize, f64, f64) {
    let mut encoder = Encoder::new(layout, 2, Bitrate::nearest(kbps)).unwrap();
    let mut decoder = Decoder::new(2).unwrap();
    let (mut all, mut out) = (Vec::new(), Vec::new());
    let (mut bytes, mut encoding, mut decoding) = (0, 0.0, 0.0);
    for piece in samples.chunks_exact(layout.frames as usize * 2) {
        let start = Instant::now();
        let packet = encoder.encode(piece).unwrap();
        encoding += start.elapsed().as_secs_f64();
        bytes += packet.len();
        let start = Instant::now();
        decoder.decode(packet, layout.frames, &mut out).unwrap();
        decoding += start.elapsed().as_secs_f64();
        all.extend_from_slice(&out);
    }
    (all, bytes, encoding, decoding)
}

/// Signal to noise in dB of decoded stereo against what went in, `delay` frames earlier.
fn snr_db(original: &[f32], decoded: &[f32], delay: usize) -> f64 {
    let pairs = || original.iter().zip(&decoded[delay * 2..]).skip(9600);
    let signal: f64 = pairs().map(|(o, _)| f64::from(*o).powi(2)).sum();
    let noise: f64 = pairs().map(|(o, d)| f64::from(o - d).powi(2)).sum();
    10.0 * (signal / noise).log10()
}

#[test]
fn every_layout_lags_by_as_much_as_its_welcome_says() {
    let samples = stereo(music, 48_000);
    for delay_ms in LAYOUTS {
        let layout = Layout::for_delay(delay_ms);
        assert_eq!(Encoder::new(layout, 2, Bitrate::default()).unwrap().delay(), layout.delay);
        let (decoded, ..) = there_and_back(layout, 128, &samples);
        let by_delay = |delay: usize| snr_db(&samples, &decoded, delay);
        let delay = layout.delay as usize;
        let best = (delay - 8..delay + 8).max_by(|a, b| by_delay(*a).total_cmp(&by_delay(*b)));
        assert_eq!(best, Some(delay), "{layout:?}");
    }
}

#[test]
fn packets_suit_every_delay_that_is_no_shorter_than_their_own() {
    for (begun_ms, suited, too_short) in [(300, 150, 149), (120, 101, 100), (80, 1, 0)] {
        let layout = Layout::for_delay(begun_ms);
        assert!(layout.suits(suited) && layout.suits(10_000), "{begun_ms}");
        assert!(!layout.suits(too_short) || too_short == 0, "{begun_ms}");
    }
}

/// What README and docs tell of quality and work; `--nocapture` shows it.
#[test]
fn opus_is_as_good_and_as_cheap_as_is_said() {
    let seconds = 4;
    for (name, signal) in [("music", music as fn(usize, usize) -> f32), ("speech", speech)] {
        let samples = stereo(signal, seconds * 48_000);
        let mut before = 0.0;
        for kbps in [64, 96, 128, 192] {
            let layout = Layout::for_delay(300);
            let (decoded, bytes, encoding, decoding) = there_and_back(layout, kbps, &samples);
            let snr = snr_db(&samples, &decoded, layout.delay as usize);
            let wire = bytes / seconds + 50 * crate::wire::AUDIO_HEADER;
            println!(
                "{name} {kbps} kbit/s: {wire} bytes/s on the wire, SNR {snr:.1} dB, encoder \
                 {:.2} %, decoder {:.2} % of a core",
                encoding * 100.0 / seconds as f64,
                decoding * 100.0 / seconds as f64
            );
            assert!(snr > before - 0.5, "more bits, less quality");
            before = snr;
            assert!(kbps != 128 || wire <= 17_000, "{wire}");
        }
        assert!(before > 15.0, "{name}: {before} dB at 192 kbit/s");
    }
}

#[test]
fn what_is_missing_is_made_up_without_a_click() {
    for delay_ms in LAYOUTS {
        let layout = Layout::for_delay(delay_ms);
        let sine = |frame: usize, _: usize| {
            (frame as f64 / 48_000.0 * 440.0 * std::f64::consts::TAU).sin() as f32 * 0.5
        };
        let samples: Vec<f32> =
            (0..24_000).flat_map(|frame| [sine(frame, 0), sine(frame, 1)]).collect();
        let mut encoder = Encoder::new(layout, 2, Bitrate::default()).unwrap();
        let mut decoder = Decoder::new(2).unwrap();
        let (mut all, mut out) = (Vec::<f32>::new(), Vec::new());
        for (n, piece) in samples.chunks_exact(layout.frames as usize * 2).enumerate() {
            let packet = encoder.encode(piece).unwrap();
            out.clear();
            if n == 12 {
                let frames = decoder.conceal(layout.frames.into(), &mut out);
                assert_eq!(frames, u64::from(layout.frames));
            } else {
                decoder.decode(packet, layout.frames, &mut out).unwrap();
            }
            all.extend(out.iter().step_by(2));
        }
        let steepest = 0.5 * 440.0 * std::f64::consts::TAU as f32 / 48_000.0;
        let around = layout.frames as usize * 11..layout.frames as usize * 15;
        let step = all[around].windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0_f32, f32::max);
        assert!(step < steepest * 2.5, "{layout:?}: a step of {step}, {steepest} is the sine's");
    }
}

#[test]
fn a_packet_of_another_size_or_none_is_refused() {
    let mut decoder = Decoder::new(2).unwrap();
    let mut out = Vec::new();
    let layout = Layout::for_delay(300);
    let mut encoder = Encoder::new(layout, 2, Bitrate::default()).unwrap();
    let packet = encoder.encode(&vec![0.0; 1920]).unwrap().to_vec();
    assert!(decoder.decode(&packet, 960, &mut out).is_ok());
    for (packet, frames) in [
        (&packet[..], 480),
        (&packet[..], 0),
        (&packet[..], u32::MAX),
        (&packet[..], 961),
        (&[][..], 960),
        (&[0; MAX_PACKET + 1][..], 960),
    ] {
        assert!(decoder.decode(packet, frames, &mut out).is_err(), "{frames}");
    }
    assert!(encoder.encode(&[0.0; 3]).is_none());
    assert!(encoder.encode(&vec![f32::NAN; 1920]).is_some());
}

#[test]
fn a_packet_that_cannot_be_decoded_is_concealed_in_its_whole_length() {
    // 44 and 48 times 2.5 ms, whose lengths are not there.
    for count in [44, 48] {
        for channels in [1, 2] {
            let mut out = Vec::new();
            let frames = u32::from(count) * 120;
            let packet = [0xe3, 0x80 | count, 200];
            check_packet(&packet, frames).unwrap();
            Decoder::new(channels).unwrap().decode(&packet, frames, &mut out).unwrap();
            assert_eq!(out.len(), frames as usize * usize::from(channels));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_corrupt_packet_harms(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<prop::sample::Index>(),
        random in prop::collection::vec(any::<u8>(), 1..400),
    ) {
        let layout = Layout::for_delay(300);
        let mut encoder = Encoder::new(layout, 2, Bitrate::default()).unwrap();
        let mut packet = encoder.encode(&stereo(music, 960)).unwrap().to_vec();
        let whole = packet.clone();
        for (at, byte) in flips {
            let at = at.index(packet.len());
            packet[at] = byte;
        }
        packet.truncate(cut.index(packet.len()) + 1);
        let mut decoder = Decoder::new(2).unwrap();
        let mut out = Vec::new();
        for bytes in [&packet, &random, &whole] {
            if decoder.decode(bytes, 960, &mut out).is_ok() {
                prop_assert_eq!(out.len(), 1920);
                prop_assert!(out.iter().all(|s| s.abs() <= 2.0));
            }
        }
    }
}
