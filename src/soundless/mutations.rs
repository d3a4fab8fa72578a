//! No file, however broken, breaks the reader or keeps it.

use proptest::prelude::*;

use super::flac_writer::flac;
use super::played::try_play;

const MP3: &[u8] = include_bytes!("mp3/tone.mp3");
const OGG: &[u8] = include_bytes!("ogg/tone.ogg");
const AAC: &[u8] = include_bytes!("mp4/tone.m4a");
const ALAC: &[u8] = include_bytes!("mp4/steps.m4a");

/// The most that a byte can become: a FLAC block of silence is 12 bytes for 65,535 frames.
const SAMPLES_PER_BYTE: usize = 64 * 1024;

fn seed(kind: u8) -> Vec<u8> {
    let ramp: Vec<i16> = (0..2_000).collect();
    let wav = || {
        let mut bytes = b"RIFF\x24\x08\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x80\xbb\0\0".to_vec();
        bytes.extend(b"\0\xee\x02\0\x04\0\x10\0data\0\x08\0\0");
        bytes.extend([7; 2_048]);
        bytes
    };
    match kind {
        0 => wav(),
        1 => flac(48_000, 2, &ramp, 100),
        2 => MP3.to_vec(),
        3 => OGG.to_vec(),
        4 => [MP3, MP3].concat(),
        5 => AAC.to_vec(),
        6 => ALAC.to_vec(),
        _ => [OGG, OGG].concat(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damage_anywhere_ends_in_sound_or_in_one_sentence(
        kind in 0..8_u8,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        front in proptest::collection::vec(any::<u8>(), 0..3),
    ) {
        let mut bytes = seed(kind);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes.splice(0..0, front);
        match try_play(&bytes) {
            Ok(played) => prop_assert!(played.samples.len() <= bytes.len() * SAMPLES_PER_BYTE),
            Err(refusal) => prop_assert!(!refusal.contains('\n'), "{refusal}"),
        }
    }

    #[test]
    fn noise_is_no_sound(bytes in proptest::collection::vec(any::<u8>(), 0..4_000)) {
        prop_assert!(try_play(&bytes).is_err());
    }
}
