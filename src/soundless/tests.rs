use super::*;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

#[test]
fn silence_and_a_tone_have_no_end_and_the_format_asked_for() {
    for kind in [Kind::None, Kind::Tone { hz: 440.0 }] {
        let mut generator = Generator::open(&kind, false, STEREO).unwrap();
        assert_eq!(generator.format(), STEREO);
        assert_eq!(generator.frames_total(), None);
        let mut out = [9.0; 2 * 500 + 1];
        assert_eq!(generator.read(&mut out).unwrap(), 500);
        assert!(out[..1_000].iter().all(|sample| sample.abs() < 1.0));
        assert_eq!(out[1_000], 9.0, "half a frame is left alone");
    }
}

#[test]
fn silence_is_exact() {
    let mut out = [1.0; 64];
    Generator::open(&Kind::None, false, STEREO).unwrap().read(&mut out).unwrap();
    assert_eq!(out, [0.0; 64]);
}

#[test]
fn a_source_that_needs_a_card_is_refused() {
    for kind in [Kind::Loopback(None), Kind::Device("mic".into())] {
        let error = Generator::open(&kind, false, STEREO).unwrap_err();
        assert_eq!(error.exit_code(), crate::error::exit::INTERNAL);
    }
}

#[test]
fn a_file_keeps_its_own_format() {
    let scratch = scratch::Scratch::new();
    let path = scratch.path("own.wav");
    let own = Format { sample_rate: 22_050, channels: 1 };
    let mut file = WavFile::create(&path, own, false).unwrap();
    file.write(&[0.1, 0.2, 0.3]).unwrap();
    file.finish().unwrap();

    let mut generator = Generator::open(&Kind::File(path), false, STEREO).unwrap();
    assert_eq!(generator.format(), own);
    assert_eq!(generator.frames_total(), Some(3));
    let mut out = [0.0; 8];
    assert_eq!(generator.read(&mut out).unwrap(), 3);
    assert_eq!(out[..3], [0.1, 0.2, 0.3]);
    assert_eq!(generator.read(&mut out).unwrap(), 0);
    assert_eq!(generator.damaged(), 0);
}
