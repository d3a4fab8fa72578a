use super::*;
use crate::soundless::played::{as_floats, play, refusal};

const SAMPLES: [i16; 8] = [0, 1, -1, 32_767, -32_768, 1_000, 77, -4_321];

fn big_endian() -> Vec<u8> {
    SAMPLES.iter().flat_map(|sample| sample.to_be_bytes()).collect()
}

fn little_endian() -> Vec<u8> {
    SAMPLES.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// Two channels at 44,100 Hz in 16 bits.
fn aiff(compression: &[u8], sound: &[u8]) -> Vec<u8> {
    let mut bytes = b"FORM\0\0\0\0AIFF".to_vec();
    if !compression.is_empty() {
        bytes[11] = b'C';
    }
    bytes.extend(b"COMM\0\0\0");
    bytes.push(18 + compression.len() as u8);
    bytes.extend([0, 2, 0, 0, 0, 4, 0, 16, 0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0]);
    bytes.extend(compression);
    bytes.extend(b"SSND");
    bytes.extend((8 + sound.len() as u32).to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend(sound);
    bytes
}

fn w64(sound: &[u8]) -> Vec<u8> {
    let chunk = |name: &[u8], body: &[u8]| {
        let size = (24 + body.len() as u64).to_le_bytes();
        let mut bytes = [name, W64_CHUNK, &size, body].concat();
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    let format = [1, 0, 2, 0, 0x44, 0xac, 0, 0, 0x10, 0xb1, 2, 0, 4, 0, 16, 0];
    [
        &[b"riff", &W64_RIFF[..], &[0; 8], b"wave", W64_CHUNK].concat()[..],
        &chunk(b"fact", &[1, 2, 3]),
        &chunk(b"fmt ", &format),
        &chunk(b"data", sound),
    ]
    .concat()
}

fn au(sound: &[u8], size: u32) -> Vec<u8> {
    let numbers = [28, size, 3, 44_100, 2, 0].map(u32::to_be_bytes).concat();
    [b".snd", &numbers[..], sound].concat()
}

fn caf(flags: u32, sound: &[u8], size: u64) -> Vec<u8> {
    let numbers = [flags, 4, 1, 2, 16].map(u32::to_be_bytes).concat();
    let rate = 44_100_f64.to_be_bytes();
    [
        &b"caff\0\x01\0\0desc\0\0\0\0\0\0\0\x20"[..],
        &rate,
        b"lpcm",
        &numbers,
        b"free\0\0\0\0\0\0\0\x03abc",
        b"data",
        &size.to_be_bytes(),
        &[0; 4],
        sound,
    ]
    .concat()
}

#[test]
fn every_other_container_of_plain_samples_is_played_to_the_sample() {
    let (be, le) = (big_endian(), little_endian());
    for (name, bytes) in [
        ("AIFF", aiff(b"", &be)),
        ("AIFF-C", aiff(b"NONE\0\0", &be)),
        ("AIFF-C, turned around", aiff(b"sowt\0\0", &le)),
        ("W64", w64(&le)),
        ("AU", au(&be, 16)),
        ("AU from a pipe", au(&be, u32::MAX)),
        ("CAF", caf(0, &be, 20)),
        ("CAF, turned around", caf(2, &le, 20)),
        ("CAF from a pipe", caf(0, &be, u64::MAX)),
    ] {
        let played = play(&bytes);
        assert_eq!(played.format, crate::Format { sample_rate: 44_100, channels: 2 }, "{name}");
        assert_eq!(played.samples, as_floats(&SAMPLES), "{name}");
        // Cut off anywhere, it plays what is there, or is refused.
        for kept in 0..bytes.len() {
            if let Ok(part) = crate::soundless::played::try_play(&bytes[..kept]) {
                assert!(played.samples.starts_with(&part.samples), "{name}, {kept} bytes");
            }
        }
    }
}

#[test]
fn what_is_compressed_in_them_is_called_by_its_name() {
    let text = refusal(&aiff(b"ima4\0\0", &[0; 34]));
    assert!(text.contains("it is an AIFF file with IMA ADPCM in it, which"), "{text}");
    let mut bytes = caf(0, &[0; 34], 38);
    bytes[28..32].copy_from_slice(b"alac");
    let text = refusal(&bytes);
    assert!(text.contains("it is a CAF file with Apple Lossless in it, which"), "{text}");
}
