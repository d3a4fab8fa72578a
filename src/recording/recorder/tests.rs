//! What is in the files when the recorder has finished.

use std::path::Path;

use super::*;
use crate::recording::RecordTracks;
use crate::scratch::Scratch;
use crate::shutdown::Shutdown;
use crate::soundless::Generator;
use crate::source::Kind;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

/// Whole steps of 24 bits, so that every lossless kind gives them back; none is silence.
fn ramp(first: u64, frames: usize) -> Vec<f32> {
    (first + 1..)
        .take(frames)
        .flat_map(|n| [n as f32 / 8_388_608.0, n as f32 / -8_388_608.0])
        .collect()
}

fn silence(frames: usize) -> Vec<f32> {
    vec![0.0; STEREO.samples(frames)]
}

fn read_back(path: &Path) -> Vec<f32> {
    let kind = Kind::File(path.to_owned());
    let mut sound = Generator::open(&kind, false, STEREO).unwrap();
    let mut samples = vec![0.0; STEREO.samples(1 << 20)];
    let frames = sound.read(&mut samples).unwrap();
    samples.truncate(STEREO.samples(frames));
    samples
}

fn recorder(counters: &Arc<stats::Recording>) -> Recorder {
    Recorder::start(false, Failure::IsKept, Arc::clone(counters), &Shutdown::default()).unwrap()
}

/// Waits until the thread has nothing more to do.
fn wait_for_quiet(recorder: &Recorder) {
    let until = Instant::now() + Duration::from_secs(20);
    while recorder.queue.shared.waiting.load(Ordering::Relaxed) > 0 {
        assert!(Instant::now() < until, "the recorder does not take what was given");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn every_sample_lies_where_its_position_puts_it_in_every_lossless_kind() {
    let scratch = Scratch::new();
    for name in ["a.wav", "a.flac"] {
        let path = scratch.path(name);
        let recorder = recorder(&Arc::default());
        recorder.begin(path.clone(), Some(STEREO)).unwrap();
        let mut tap = recorder.tap();
        // Two chunks fell out between the third and the fourth.
        for position in [5_000, 5_512, 6_024, 7_560, 8_072] {
            tap.chunk(STEREO, position, &ramp(position, 512));
        }
        recorder.finish();
        let expected = [ramp(5_000, 1_536), silence(1_024), ramp(7_560, 1_024)].concat();
        assert!(read_back(&path) == expected, "{name}");
    }
}

#[test]
fn a_pc_that_was_asleep_for_a_night_records_ten_seconds_of_it() {
    let scratch = Scratch::new();
    let path = scratch.path("a.wav");
    let recorder = recorder(&Arc::default());
    recorder.begin(path.clone(), None).unwrap();
    let mut tap = recorder.tap();
    tap.chunk(STEREO, 0, &ramp(0, 100));
    tap.chunk(STEREO, 8 * 3600 * 48_000, &ramp(100, 100));
    recorder.finish();
    assert!(read_back(&path) == [ramp(0, 100), silence(480_000), ramp(100, 100)].concat());
}

#[test]
fn what_finds_no_room_is_counted_and_silence_of_its_length() {
    let scratch = Scratch::new();
    let path = scratch.path("a.wav");
    let counters = Arc::default();
    let recorder = recorder(&counters);
    recorder.begin(path.clone(), Some(STEREO)).unwrap();
    let mut tap = recorder.tap();
    tap.sound(STEREO, &ramp(0, 100));
    // A disk that stands still: as if all room were taken.
    wait_for_quiet(&recorder);
    let shared = Arc::clone(&recorder.queue.shared);
    shared.waiting.fetch_add(MOST_WAITING, Ordering::Relaxed);
    tap.sound(STEREO, &ramp(100, 300));
    shared.waiting.fetch_sub(MOST_WAITING, Ordering::Relaxed);
    tap.sound(STEREO, &ramp(400, 50));
    recorder.finish();
    assert_eq!((counters.lost.get(), counters.frames.get()), (300, 150));
    assert!(read_back(&path) == [ramp(0, 100), silence(300), ramp(400, 50)].concat());
}

#[test]
fn a_recording_begins_and_ends_while_sound_goes_on() {
    let scratch = Scratch::new();
    let counters: Arc<stats::Recording> = Arc::default();
    let recorder = recorder(&counters);
    let control = recorder.control(scratch.path(""), Some(STEREO));
    let mut tap = recorder.tap();
    tap.chunk(STEREO, 0, &ramp(0, 100));
    assert_eq!(control.end().unwrap_err().exit_code(), crate::error::exit::USAGE);

    let path = control.begin("first.wav").unwrap();
    assert_eq!((path.as_path(), counters.files.get()), (scratch.path("first.wav").as_path(), 1));
    assert!(control.begin("other.wav").unwrap_err().to_string().contains("first.wav"));
    tap.chunk(STEREO, 100, &ramp(100, 100));
    assert_eq!(control.end().unwrap(), path);
    tap.chunk(STEREO, 200, &ramp(200, 100));
    control.begin("second.flac").unwrap();
    tap.chunk(STEREO, 300, &ramp(300, 100));
    assert!(control.begin("../out.wav").is_err());
    recorder.finish();

    assert!(read_back(&path) == ramp(100, 100));
    assert!(read_back(&scratch.path("second.flac")) == ramp(300, 100));
    assert!(!scratch.path("other.wav").exists() && counters.files.get() == 0);
}

#[test]
fn a_file_that_exists_is_refused_and_kept() {
    let scratch = Scratch::new();
    let path = scratch.path("a.wav");
    std::fs::write(&path, "precious").unwrap();
    let recorder = recorder(&Arc::default());
    let error = recorder.begin(path.clone(), None).unwrap_err();
    assert!(error.to_string().contains("--overwrite"), "{error}");
    // Who may choose a name alone has no such flag.
    let error = recorder.control(scratch.path(""), None).begin("a.wav").unwrap_err().to_string();
    assert!(error.ends_with("already exists. Choose another name"), "{error}");
    recorder.finish();
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_stream_of_another_format_ends_the_recording_and_harms_nothing() {
    let scratch = Scratch::new();
    let path = scratch.path("a.wav");
    let recorder = recorder(&Arc::default());
    recorder.begin(path.clone(), None).unwrap();
    let mut tap = recorder.tap();
    tap.sound(STEREO, &ramp(0, 100));
    tap.sound(Format { sample_rate: 44_100, ..STEREO }, &ramp(0, 100));
    tap.sound(STEREO, &ramp(0, 100));
    wait_for_quiet(&recorder);
    assert!(tap.failure().unwrap().to_string().contains("44100 Hz"));
    assert!(tap.failure().is_none());
    recorder.finish();
    assert!(read_back(&path) == ramp(0, 100));
}

#[cfg(unix)]
#[test]
fn a_file_that_vanishes_ends_the_recording() {
    let scratch = Scratch::new();
    for name in ["a.wav", "a.flac", "a.opus"] {
        let path = scratch.path(name);
        let recorder = recorder(&Arc::default());
        recorder.begin(path.clone(), Some(STEREO)).unwrap();
        let mut tap = recorder.tap();
        tap.sound(STEREO, &ramp(0, 5_000));
        std::fs::remove_file(&path).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        let error = loop {
            match tap.failure() {
                Some(error) => break error.to_string(),
                None => assert!(Instant::now() < until, "nobody misses {name}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(error.contains("removed"), "{error}");
        recorder.finish();
    }
}

#[test]
fn tracks_begin_with_the_same_sample_whenever_they_come() {
    let scratch = Scratch::new();
    let folder = scratch.path("tracks");
    let counters = Arc::default();
    let recorder = recorder(&counters);
    let mut tracks = RecordTracks::new(&recorder, &folder, false).unwrap();
    let chunk = |position: u64| position * 256 + 9_000;
    for position in 0..10 {
        let at = chunk(position);
        tracks.input(7, "loopback", STEREO, at, &ramp(at, 256));
        // Comes with the fourth chunk, and pauses in the seventh.
        if position >= 3 && position != 6 {
            tracks.input(9, "Anna/B.", STEREO, at, &ramp(at + 50_000, 256));
        }
        if position == 8 {
            tracks.end(9);
        }
    }
    recorder.finish();
    assert!(read_back(&folder.join("01-loopback.wav")) == ramp(9_000, 2_560));
    let anna = [
        silence(3 * 256),
        ramp(chunk(3) + 50_000, 3 * 256),
        silence(256),
        ramp(chunk(7) + 50_000, 2 * 256),
    ];
    assert!(read_back(&folder.join("02-Anna-B.wav")) == anna.concat());
    // She is heard again after she has left: another file, from the same beginning.
    assert!(
        read_back(&folder.join("03-Anna-B.wav"))
            == [silence(9 * 256), ramp(chunk(9) + 50_000, 256)].concat()
    );
}

#[test]
fn who_leaves_and_comes_again_without_end_has_one_track_and_leaves_the_others_theirs() {
    let scratch = Scratch::new();
    let folder = scratch.path("tracks");
    let recorder = recorder(&Arc::default());
    let mut tracks = RecordTracks::new(&recorder, &folder, false).unwrap();
    for visit in 0..600 {
        tracks.person("a1b2", &format!("Anna {visit}"), STEREO, visit * 16, &ramp(visit * 16, 16));
    }
    tracks.person("c3", "Bert", STEREO, 599 * 16, &ramp(0, 16));
    // Another one at the same moment, under her id.
    tracks.person("a1b2", "Mallory", STEREO, 599 * 16, &ramp(7, 16));
    recorder.finish();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    assert!(read_back(&folder.join("01-Anna-0.wav")) == ramp(0, 600 * 16));
    assert!(read_back(&folder.join("02-Bert.wav")) == [silence(599 * 16), ramp(0, 16)].concat());
}

#[test]
fn a_folder_with_something_in_it_is_refused() {
    let scratch = Scratch::new();
    let recorder = recorder(&Arc::default());
    std::fs::write(scratch.path("mine.wav"), "precious").unwrap();
    let error = RecordTracks::new(&recorder, &scratch.path(""), false).unwrap_err();
    assert!(error.to_string().contains("there are files in this folder already"), "{error}");
    RecordTracks::new(&recorder, &scratch.path(""), true).unwrap();
    assert!(RecordTracks::new(&recorder, &scratch.path("mine.wav"), true).is_err());
    assert!(RecordTracks::new(&recorder, &scratch.path("a/b"), true).is_err());
    recorder.finish();
}
