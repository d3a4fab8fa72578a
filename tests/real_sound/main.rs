//! Real sound: a WAV file played into a private PulseAudio, captured by the server, carried over
//! TCP, played by clients into the same PulseAudio, recorded, and compared with the original. And
//! what goes the other way: a client that talks, through microphones of that PulseAudio.
#![cfg(all(feature = "device", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calibrate;
mod channels;
mod comparing;
mod ears;
mod echo;
mod evening;
mod mouth_to_ear;
mod refused;
mod room;
mod snapclient;
mod sources;
mod speech;
#[path = "../support"]
mod support {
    mod address;
    pub(crate) mod compare;
    mod hearing;
    pub(crate) mod hidden_delay;
    mod likeness;
    mod line;
    pub(crate) mod median;
    pub(crate) mod microphones;
    mod music;
    pub(crate) mod program;
    pub(crate) mod recorder;
    pub(crate) mod room;
    pub(crate) mod room_server;
    mod said;
    mod scratch;
    pub(crate) mod stereo;
    pub(crate) mod tone;
    pub(crate) mod waiting;
    pub(crate) mod wav;
}

use std::path::PathBuf;

use evening::Evening;
use support::compare::{Window, compare, find, likeness};
use support::median::median;
use support::program::Program;
use support::recorder::Recorder;
use support::room::{EAR1, EAR2, PC, RATE, Room, Sink};
use support::stereo::noise;
use support::waiting::wait_until;
use support::wav::write_wav;

/// What `--preset low-latency` promises.
const PLAYOUT_DELAY_MS: f64 = 80.0;

/// How long the WAV file that the tests play is: longer than any of them takes.
const MUSIC_S: usize = 60;

/// How far from it the delay may be here, where everything runs on one small machine.
const DELAY_TOLERANCE_MS: f64 = 10.0;

/// The rate of an output that comes back with another one.
const OTHER_RATE: u32 = 44_100;

/// A device is back for so long before sound is: a second, and patience with a busy machine.
const BACK_WITHIN_S: f64 = 3.0;

/// How long the sound is that gets compared at a time.
const COMPARED_S: f64 = 3.0;

/// How much later than it was played a sound is looked for.
const SEARCHED_MS: u32 = 250;

fn server(room: &Room, source: &str) -> (Program, String) {
    server_of(room, &[source], &[])
}

fn server_of(room: &Room, sources: &[&str], more: &[&str]) -> (Program, String) {
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-server"));
    command.args(["--preset", "low-latency"]).args(more);
    sources.iter().for_each(|source| _ = command.args(["--source", source]));
    command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"]);
    let mut server = Program::start(command);
    let address = server.address().to_string();
    (server, address)
}

fn listener(room: &Room, address: &str, ear: Sink) -> Program {
    listener_with(room, address, ear, &[])
}

fn listener_with(room: &Room, address: &str, ear: Sink, flags: &[&str]) -> Program {
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    command.args([address, "--device", ear.name]).args(flags);
    Program::start(command)
}

#[track_caller]
fn assert_said_once(words: &[(&Program, &str)]) {
    for (program, words) in words {
        assert_eq!(program.times_said(words), 1, "“{words}” in {}", program.said());
    }
}

fn hear_music(recorder: &Recorder) {
    wait_until("the music is heard", || recorder.hears(EAR1));
}

/// Waits until `ears` hear what `source` plays, as it is and after the playout delay, and returns
/// what each of them heard. PulseAudio itself loses frames on a busy machine: most windows must be
/// right, not all, and a stretch that was disturbed gets another chance.
fn wait_until_right<const EARS: usize>(
    recorder: &Recorder,
    source: Sink,
    ears: [Sink; EARS],
) -> [Vec<Window>; EARS] {
    let mut heard = [const { Vec::new() }; EARS];
    wait_until("the right sound is heard at the right time", || {
        let from = recorder.seconds();
        wait_until("enough is recorded", || recorder.seconds() > from + COMPARED_S);
        let played = recorder.played(source, from);
        heard = ears.map(|ear| compare(&played, &recorder.played(ear, from), RATE, SEARCHED_MS));
        for (ear, windows) in ears.iter().zip(&heard) {
            let right = right(windows).count();
            println!(
                "{}: {right} of {} right, {:.2} ms after {}",
                ear.name,
                windows.len(),
                delay_ms(windows),
                source.name
            );
        }
        heard.iter().all(|windows| {
            right(windows).count() * 4 >= windows.len() * 3
                && (delay_ms(windows) - PLAYOUT_DELAY_MS).abs() < DELAY_TOLERANCE_MS
        })
    });
    heard
}

/// Sound must be back soon after second `since` of the recording, when what was gone came back.
#[track_caller]
fn assert_back_soon(what: &str, recorder: &Recorder, ear: Sink, since: f64) {
    let (first, _) = recorder.heard(ear, since, recorder.seconds()).unwrap();
    println!("{what}: sound {:.2} s after it is back", first - since);
    assert!(first - since < BACK_WITHIN_S, "{what}: only after {:.2} s", first - since);
}

fn right(windows: &[Window]) -> impl Iterator<Item = &Window> {
    windows.iter().filter(|window| window.is_right())
}

fn delay_ms(windows: &[Window]) -> f64 {
    median(right(windows).map(|window| window.delay_ms))
}

#[test]
fn listeners_hear_what_the_pc_plays_together_and_after_the_playout_delay() {
    let room = Room::open();
    let music = room.noise(MUSIC_S);
    let (server, address) = server(&room, "loopback:pc");
    let listeners = [EAR1, EAR2].map(|ear| listener(&room, &address, ear));
    let recorder = room.record();
    let player = room.play(&music, PC);
    wait_until("both ears hear the music", || recorder.hears(EAR1) && recorder.hears(EAR2));

    let original = noise(MUSIC_S * RATE as usize, RATE);
    wait_until("the PC plays the file itself", || {
        let piece = recorder.played(PC, recorder.seconds() - 0.05).left;
        let at = find(&piece, &original.left);
        let (like, gain) = likeness(&original.left[at..at + piece.len()], &piece, 1);
        like > 0.9 && (0.9..1.1).contains(&gain)
    });

    let [ear1, ear2] = wait_until_right(&recorder, PC, [EAR1, EAR2]);
    let both = ear1.iter().zip(&ear2).filter(|(one, two)| one.is_right() && two.is_right());
    let apart_ms = median(both.map(|(one, two)| (one.delay_ms - two.delay_ms).abs()));
    println!("{apart_ms:.2} ms apart");
    assert!(apart_ms < 2.0, "the ears are {apart_ms} ms apart: {ear1:?} {ear2:?}");

    drop(player);
    for mut program in listeners.into_iter().chain([server]) {
        program.stop();
    }
}

#[test]
fn loopback_alone_captures_the_default_output_and_follows_it() {
    let room = Room::open();
    let music = room.noise(MUSIC_S);
    let (mut server, address) = server(&room, "loopback");
    assert!(server.said().contains("“Monitor of pc”"), "{}", server.said());
    let _listener = listener(&room, &address, EAR1);
    let recorder = room.record();
    let player = room.play(&music, PC);
    wait_until("what the default output plays is heard", || recorder.hears(EAR1));
    drop(player);

    room.make_default(EAR2);
    server.wait_for("the default output has changed");
    let _player = room.play(&music, EAR2);
    wait_until("what the new default output plays is heard", || recorder.hears(EAR1));
    wait_until_right(&recorder, EAR2, [EAR1]);
}

#[test]
fn a_chosen_output_is_kept_when_the_default_one_changes() {
    let Evening { room, mut server, mut listener, recorder, player: _player, .. } =
        Evening::begin(EAR1, &[]);
    hear_music(&recorder);

    room.make_default(EAR2);
    listener.wait_for("staying on “ear1”");
    wait_until("the chosen output plays, and that one alone", || {
        recorder.hears(EAR1) && recorder.hears_nothing(EAR2)
    });
    wait_until_right(&recorder, PC, [EAR1]);
    listener.stop();
    server.stop();
}

#[test]
fn an_unplugged_output_is_said_once_on_either_side_and_sound_resumes_when_it_is_back() {
    let Evening { mut room, music, mut server, mut listener, recorder, player } =
        Evening::begin(EAR2, &[]);
    hear_music(&recorder);

    room.unplug(EAR1);
    listener.wait_for("“ear1” plays no more");
    wait_until("the unplugged ear is silent", || recorder.hears_nothing(EAR1));
    room.plug(EAR1);
    let plugged = recorder.seconds();
    listener.wait_for("sound is back, on “ear1”");
    wait_until("the ear hears again", || recorder.hears(EAR1));
    assert_back_soon("ear1", &recorder, EAR1, plugged);

    drop(player);
    room.unplug(PC);
    server.wait_for("“Monitor of pc” delivers no more");
    wait_until("silence is heard", || recorder.hears_nothing(EAR1));
    room.plug(PC);
    let plugged = recorder.seconds();
    let _player = room.play(&music, PC);
    server.wait_for("sound is captured again");
    wait_until("the PC is heard again", || recorder.hears(EAR1));
    assert_back_soon("pc", &recorder, EAR1, plugged);

    assert_said_once(&[(&listener, "plays no more"), (&server, "delivers no more")]);
    listener.stop();
    server.stop();
}

#[test]
fn sound_resumes_when_the_sound_server_is_restarted() {
    let Evening { mut room, music, mut server, mut listener, recorder, player } =
        Evening::begin(PC, &[]);
    hear_music(&recorder);

    room.kill();
    server.wait_for("delivers no more");
    listener.wait_for("plays no more");
    drop((player, recorder));
    room.start();
    let recorder = room.record();
    let _player = room.play(&music, PC);
    let started = recorder.seconds();
    server.wait_for("sound is captured again");
    listener.wait_for("sound is back");
    wait_until("the music is heard again", || recorder.hears(EAR1));
    assert_back_soon("the sound server", &recorder, EAR1, started);

    assert_said_once(&[(&listener, "plays no more"), (&server, "delivers no more")]);
    listener.stop();
    server.stop();
}

#[test]
fn an_output_that_comes_back_at_another_rate_is_played_on_at_that() {
    let Evening { mut room, mut server, mut listener, recorder, player: _player, .. } =
        Evening::begin(EAR2, &["-v"]);
    listener.wait_for(&format!("playing on “ear1” at {RATE} Hz"));
    hear_music(&recorder);

    room.unplug(EAR1);
    listener.wait_for("“ear1” plays no more");
    wait_until("nothing is heard", || recorder.hears_nothing(EAR1));
    room.plug_at(OTHER_RATE, EAR1);
    let plugged = recorder.seconds();
    listener.wait_for(&format!("playing on “ear1” at {OTHER_RATE} Hz"));
    wait_until("the music is heard again", || recorder.hears(EAR1));
    assert_back_soon("ear1 at another rate", &recorder, EAR1, plugged);
    wait_until_right(&recorder, PC, [EAR1]);

    assert_said_once(&[(&listener, "plays no more"), (&listener, "connected to")]);
    listener.stop();
    server.stop();
}

#[test]
fn a_player_that_pauses_and_seeks_leaves_no_stale_tail_and_no_burst() {
    let Evening { room, music, mut server, mut listener, recorder, player } =
        Evening::begin(PC, &[]);
    hear_music(&recorder);

    // A player that is ended may be silent from the very sample on that was recorded last.
    let playing = recorder.seconds() - 0.1;
    drop(player);
    wait_until("silence is heard", || recorder.hears_nothing(PC) && recorder.hears_nothing(EAR1));
    let paused = recorder.seconds();
    let _player = room.play(&music, PC);
    wait_until("the music is heard again", || recorder.hears(EAR1));
    let now = recorder.seconds();
    let [(_, pc_ended), (_, ear_ended)] =
        [PC, EAR1].map(|sink| recorder.heard(sink, playing, paused).unwrap());
    let [(pc_began, _), (ear_began, _)] =
        [PC, EAR1].map(|sink| recorder.heard(sink, paused, now).unwrap());
    let [ended_ms, began_ms] = [ear_ended - pc_ended, ear_began - pc_began].map(|s| s * 1e3);
    println!("the ear's silence begins {ended_ms:.1} ms after the PC's and ends {began_ms:.1} ms");
    for ms in [ended_ms, began_ms] {
        assert!((ms - PLAYOUT_DELAY_MS).abs() < DELAY_TOLERANCE_MS, "{ended_ms} {began_ms}");
    }
    wait_until_right(&recorder, PC, [EAR1]);
    listener.stop();
    server.stop();
}

/// PulseAudio hands sound over in blocks as long as those who want it allow. Anybody who records
/// with little latency makes them short, and hides what happens to a server that is alone.
#[test]
fn nothing_is_lost_of_an_ordinary_player_whom_nobody_else_records() {
    let room = Room::open();
    let music = room.noise(MUSIC_S);
    let stats = room.path("server.json");
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-server"));
    command.args(["--source", "loopback:pc", "--bind", "127.0.0.1", "--port", "0"]);
    command.args(["--no-discovery", "--no-web"]).arg("--stats").arg(&stats);
    let mut server = Program::start(command);
    let last = |key: &str| -> Option<f64> {
        let text = std::fs::read_to_string(&stats).ok()?;
        let line: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
        line[key].as_f64()
    };
    let _player = room.play(&music, PC);
    wait_until("music is captured", || last("level_dbfs").is_some_and(|level| level > -60.0));
    let begun = last("uptime_s").unwrap() + 1.0;
    wait_until("it plays", || last("uptime_s").is_some_and(|now| now > begun));
    let (from, lost_before) = (last("uptime_s").unwrap(), last("silence_frames").unwrap());
    wait_until("it has played on", || last("uptime_s").is_some_and(|now| now > from + 5.0));
    let (until, lost) = (last("uptime_s").unwrap(), last("silence_frames").unwrap());
    let share = (lost - lost_before) / ((until - from) * f64::from(RATE));
    println!("{:.1} % lost", share * 100.0);
    // A busy machine may cost a block; without the pacer it was a tenth to three quarters.
    assert!(share < 0.05, "{:.1} % lost", share * 100.0);
    server.stop();
}

#[test]
fn a_listener_on_a_captured_output_is_refused_unless_feedback_is_allowed() {
    let room = Room::open();
    let music = format!("file:{}", room.noise(1).display());
    let several: [&[&str]; 3] =
        [&["loopback:pc"], &[&music, "loopback:pc"], &["loopback:ear2", "tone", "loopback:pc"]];
    for sources in several {
        let (mut server, address) = server_of(&room, sources, &[]);
        let start = |more: &[&str]| {
            let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
            command.args([&address, "--device", "pc"]).args(more);
            Program::start(command)
        };
        let mut refused = start(&["--once"]);
        assert_eq!(refused.wait().code, Some(2), "{sources:?}: {}", refused.said());
        assert_eq!(refused.times_said("would send the sound round and round"), 1);
        assert!(refused.said().contains("--allow-feedback"), "{}", refused.said());

        let mut allowed = start(&["--allow-feedback"]);
        allowed.wait_for("connected to");
        allowed.stop();
        server.stop();
    }
}

#[test]
fn what_is_played_on_a_card_is_recorded_sample_by_sample_as_it_was_sent() {
    let room = Room::open();
    // Every sample tells its number; below −6 dB no limiter touches it.
    let told = |number: u32| (number + 1) as f32 / (1 << 24) as f32;
    let ramp = room.path("ramp.wav");
    let samples = (0..60 * RATE).flat_map(|number| [told(number), -told(number)]);
    write_wav(&ramp, RATE, 2, samples);

    let (_server, address) = server(&room, &format!("file:{}", ramp.display()));
    let heard = room.path("heard.wav");
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    command.args([&address, "--device", EAR1.name, "--volume", "20", "--codec", "f32"]);
    command.arg("--record").arg(&heard);
    let mut listener = Program::start(command);
    let bytes = || std::fs::metadata(&heard).map_or(0, |file| file.len());
    wait_until("three seconds of recording", || bytes() > u64::from(3 * RATE) * 8);
    listener.stop();

    let samples: Vec<f32> =
        hound::WavReader::open(&heard).unwrap().into_samples().map(Result::unwrap).collect();
    let frames: Vec<_> = samples.chunks_exact(2).collect();
    let first = frames.iter().position(|frame| frame[0] != 0.0).unwrap();
    let number = (f64::from(frames[first][0]) * f64::from(1 << 24)).round() as u32 - 1;
    let mut right = 0;
    for (frame, number) in frames[first..].iter().zip(number..) {
        // What came too late for 80 ms on a busy machine is silence in its place.
        if **frame != [0.0, 0.0] {
            assert_eq!(**frame, [told(number), -told(number)]);
            right += 1;
        }
    }
    assert!(right > 2 * RATE, "{right} of {} frames", frames.len());
}

#[test]
fn a_client_that_is_started_before_the_sound_server_plays_when_that_is_there() {
    let mut room = Room::without_sound_server();
    let (_server, address) = server(&room, "tone");
    let mut client = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    client.args([&address, "--no-discovery"]);
    let mut client = Program::start(client);
    client.wait_for("Trying again until it works");
    room.start();
    client.wait_for("sound is back, on");
}

#[test]
fn a_server_that_is_started_before_the_sound_server_sends_when_that_is_there() {
    let mut room = Room::without_sound_server();
    let (mut server, address) = server(&room, "loopback:pc");
    server.wait_for("Trying again until it works");
    room.start();
    server.wait_for("sound is captured again");
    let music = room.noise(MUSIC_S);
    let _listener = listener(&room, &address, EAR1);
    let recorder = room.record();
    let _player = room.play(&music, PC);
    wait_until("the music is heard", || recorder.hears(EAR1));
    assert_eq!(server.times_said("Trying again"), 1, "{}", server.said());
}

#[test]
fn without_a_sound_server_a_client_that_may_not_wait_ends_with_a_sentence_and_exit_code_3() {
    let room = Room::without_sound_server();
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    command.args(["127.0.0.1", "--once", "--port", "9"]);
    let mut program = Program::start(command);
    assert_eq!(program.wait().code, Some(3), "{}", program.said());
    let said = program.said();
    // ALSA, which is asked next, complains by itself in front of the sentence.
    let sentence = said.lines().last().unwrap_or_default();
    assert!(sentence.contains("PulseAudio") && sentence.contains("pactl info"), "{said}");
}

#[test]
fn each_output_plays_with_the_delay_that_is_remembered_for_it() {
    let room = Room::open();
    let (_server, address) = server(&room, "loopback:pc");
    let start = |more: &[&str], name: &str| {
        let stats = room.path(&format!("{name}.json"));
        let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
        command.args([&address, "--stats", stats.to_str().unwrap()]).args(more);
        (Program::start(command), stats)
    };
    let plays_at = |stats: &PathBuf, expected_ms: f64| {
        wait_until(&format!("it plays at {expected_ms} ms"), || {
            let lines = std::fs::read_to_string(stats).unwrap_or_default();
            let last = lines.lines().last().and_then(|line| serde_json::from_str(line).ok());
            let last: serde_json::Value = last.unwrap_or_default();
            ["delay_ms", "playout_delay_ms"].iter().all(|key| {
                last[key].as_f64().is_some_and(|ms| (ms - expected_ms).abs() < DELAY_TOLERANCE_MS)
            })
        });
    };
    room.make_default(EAR1);
    let (mut first, stats) = start(&["--delay", "40"], "first");
    plays_at(&stats, PLAYOUT_DELAY_MS + 40.0);
    room.make_default(EAR2);
    plays_at(&stats, PLAYOUT_DELAY_MS);
    room.make_default(EAR1);
    plays_at(&stats, PLAYOUT_DELAY_MS + 40.0);
    first.stop();

    let (mut second, stats) = start(&[], "second");
    second.wait_for("plays 40 ms later than the others");
    plays_at(&stats, PLAYOUT_DELAY_MS + 40.0);
    second.stop();
    let (mut third, stats) = start(&["--delay", "0"], "third");
    plays_at(&stats, PLAYOUT_DELAY_MS);
    assert_eq!(third.times_said("plays with the others again"), 1, "{}", third.said());
    third.stop();
}
