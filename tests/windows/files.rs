//! Files where Windows has them.

use std::fs;

use crate::Test;
use crate::steady;
use crate::support::room::Room;
use crate::support::waiting::wait_until;
use crate::wine::{self, CLIENT, ctrl_c};
use crate::words::assert_in_words;

pub(crate) const TESTS: &[Test] = &[
    ("a_recording_is_a_right_file_in_a_folder_with_spaces_and_umlauts", a_recording),
    ("a_place_where_nothing_can_be_recorded_is_told_in_words", nowhere),
];

fn a_recording() {
    let room = Room::without_sound_server();
    let folder = wine::drive_c().join("Müllers Aufnahmen");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    let (mut server, address) = wine::server(&room, &["--source", "tone:1000", "--no-web"]);
    let path = "C:\\Müllers Aufnahmen\\der Abend.wav";
    let words = [&address, "--output", "null", "--transport", "tcp", "--record", path];
    let mut listener = wine::start(&room, CLIENT, &words);
    let file = folder.join("der Abend.wav");
    wait_until("three seconds", || {
        fs::metadata(&file).is_ok_and(|file| file.len() > 3 * 8 * 48_000)
    });
    ctrl_c(&mut listener);
    ctrl_c(&mut server);

    let wav = hound::WavReader::open(&file).unwrap();
    let spec = wav.spec();
    assert_eq!((spec.sample_rate, spec.channels), (48_000, 2));
    let left: Vec<f32> = wav.into_samples::<f32>().step_by(2).map(Result::unwrap).collect();
    let sound = left.iter().position(|sample| *sample != 0.0).unwrap();
    let heard = steady::look(&left[sound..], 1000.0, 48_000);
    // A busy machine may lose some of it, which is silence in its place.
    println!("{heard:?}");
    assert!((heard.hz - 1000.0).abs() < 0.1 && (heard.dbfs + 12.0).abs() < 0.5, "{heard:?}");
    fs::remove_dir_all(&folder).unwrap();
}

fn nowhere() {
    let room = Room::without_sound_server();
    let cases = ["C:\\none\\such.wav", "C:\\windows", "Q:\\such.wav"];
    for path in cases {
        let words = ["127.0.0.1:9", "--once", "--output", "null", "--record", path];
        let ended = wine::start(&room, CLIENT, &words).wait();
        let said = ended.stderr.last().unwrap();
        println!("{said}");
        assert!(matches!(ended.code, Some(2 | 7)), "{ended}");
        assert!(said.contains("such.wav") || said.contains(path), "{said}");
        assert_in_words(said);
    }
}
