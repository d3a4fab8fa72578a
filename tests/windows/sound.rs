//! Sound from the Windows programs and to them.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Test;
use crate::steady;
use crate::support::compare::{Window, compare};
use crate::support::median::median;
use crate::support::program::Program;
use crate::support::recorder::Recorder;
use crate::support::room::{EAR1, EAR2, PC, RATE, Room, Sink};
use crate::support::waiting::wait_until;
use crate::wine::{self, CLIENT, ctrl_c};

pub(crate) const TESTS: &[Test] = &[
    ("a_tone_is_heard_as_high_and_as_loud_as_it_is_and_when_it_should_be", a_tone),
    ("a_windows_listener_hears_what_others_hear_when_they_hear_it", a_listener_beside_another),
    ("what_a_windows_server_captures_from_a_monitor_is_heard", a_captured_monitor),
    ("the_first_sound_comes_soon_after_the_double_click", the_first_sound),
];

/// How long a tone is looked at, in seconds.
const TONE_S: f64 = 10.0;

/// How far off the clock of a card may be that Wine makes up: 1,371 ppm were seen.
const WINES_CLOCK: f64 = 0.003;

/// How much of the sound has to be right, of what Wine takes in and of what it plays, by that clock.
const CAPTURED_SHARE: f64 = 0.5;
const PLAYED_SHARE: f64 = 0.2;

/// How long the sound is that gets compared at a time, in seconds.
const COMPARED_S: f64 = 4.0;

/// What `--preset smooth` promises. Wine's server hands everything on, so that a busy machine needs it.
const SMOOTH_MS: f64 = 300.0;

/// How far from it the delay may be: PulseAudio lies under Wine, which moves 10 ms at a time and asks
/// it for the time, and everything runs on one small machine.
const TOLERANCE_MS: f64 = 25.0;

/// And how far it may be where sound is played under Wine, whose outputs always say that 60 ms lie between them
/// and the ear: PulseAudio holds from none of it to twice as much, and a period more.
const WINES_EAR_MS: f64 = 75.0;

/// How soon after its double click a program has to be heard, even here, where every start of a process takes Wine
/// long and the machine is busy.
const SOON: Duration = Duration::from_secs(10);

/// How long the WAV file that the tests play is: longer than any of them takes.
const MUSIC_S: usize = 90;

fn native(room: &Room, program: &str, words: &[&str]) -> Program {
    let mut command: Command = room.command(program);
    command.args(words);
    Program::start(command)
}

/// The last line of a listener's statistics.
fn stats(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default()
}

fn is_heard(recorder: &Recorder, sink: Sink) -> bool {
    let seconds = recorder.seconds();
    let latest = recorder.played(sink, seconds - 0.4).left;
    let is_loud = |piece: &[f32]| piece.iter().any(|sample| sample.abs() > 0.003);
    seconds > 0.4 && !latest.is_empty() && latest.chunks(RATE as usize / 50).all(is_loud)
}

fn a_tone() {
    let room = Room::open_alone();
    let (mut server, address) = wine::server(&room, &["--source", "tone", "--no-web"]);
    let figures = room.path("figures.json");
    let said = wine::windows_path(&figures);
    let mut listener =
        wine::start(&room, CLIENT, &[&address, "--device", "ear1", "--stats", &said]);
    let recorder = room.record();
    wait_until("the tone is heard", || is_heard(&recorder, EAR1));
    let counted = |key: &str| stats(&figures)[key].as_f64().unwrap_or(f64::NAN);
    wait_until("its delay is right", || (counted("delay_ms") - SMOOTH_MS).abs() < 1.0);

    wait_until("the right tone, on a card that never runs dry", || {
        let (from, before) = (recorder.seconds(), counted("jumps"));
        wait_until("enough is recorded", || recorder.seconds() > from + TONE_S);
        let steady = steady::look(&recorder.played(EAR1, from).left, 440.0, RATE);
        println!(
            "{:.3} Hz, {:.2} dBFS, {} jumps heard, {} of the listener's own making, {} underruns, {:.1} ms, {:.1} ppm, \
             {:.1} ms to the ear",
            steady.hz,
            steady.dbfs,
            steady.jumps,
            counted("jumps") - before,
            counted("underruns"),
            counted("delay_ms"),
            counted("ppm"),
            counted("output_latency_ms"),
        );
        // What jumps is Wine's clock: it tells of a period with each turn of a timer, whatever PulseAudio has
        // played since, and who follows it is led astray by a thousandth. Nothing runs dry meanwhile.
        (steady.hz - 440.0).abs() < WINES_CLOCK * 440.0
            && (steady.dbfs + 12.0).abs() < 0.5
            && (counted("delay_ms") - SMOOTH_MS).abs() < TOLERANCE_MS
    });
    ctrl_c(&mut listener);
    ctrl_c(&mut server);
}

fn right(windows: &[Window]) -> impl Iterator<Item = &Window> {
    windows.iter().filter(|window| window.is_right())
}

fn delay_ms(windows: &[Window]) -> f64 {
    median(right(windows).map(|window| window.delay_ms))
}

/// Waits until `ear` hears what the PC plays, within so many ms of when it should, and so much of it as it is.
fn wait_until_right(recorder: &Recorder, ear: Sink, least_share: f64, tolerance_ms: f64) {
    wait_until("the right sound is heard at the right time", || {
        let from = recorder.seconds();
        wait_until("enough is recorded", || recorder.seconds() > from + COMPARED_S);
        let played = recorder.played(PC, from);
        let windows = compare(&played, &recorder.played(ear, from), RATE, 600);
        let (count, delay_ms) = (right(&windows).count(), delay_ms(&windows));
        println!("{count} of {} right, {delay_ms:.2} ms later", windows.len());
        count as f64 >= windows.len() as f64 * least_share
            && (delay_ms - SMOOTH_MS).abs() < tolerance_ms
    });
}

fn a_listener_beside_another() {
    let room = Room::open_alone();
    let music = room.noise(MUSIC_S);
    let mut server = native(
        &room,
        env!("CARGO_BIN_EXE_auralync-server"),
        &[
            "--source",
            "loopback:pc",
            "--preset",
            "smooth",
            "--bind",
            "127.0.0.1",
            "--port",
            "0",
            "--no-discovery",
            "--no-web",
        ],
    );
    let address = server.address().to_string();
    let mut listener = wine::start(&room, CLIENT, &[&address, "--device", "ear1"]);
    let mut other =
        native(&room, env!("CARGO_BIN_EXE_auralync-client"), &[&address, "--device", "ear2"]);
    let recorder = room.record();
    let _player = room.play(&music, PC);
    wait_until("both hear the music", || is_heard(&recorder, EAR1) && is_heard(&recorder, EAR2));
    println!("the listener of this system:");
    wait_until_right(&recorder, EAR2, CAPTURED_SHARE, TOLERANCE_MS);
    println!("the listener under Wine:");
    wait_until_right(&recorder, EAR1, PLAYED_SHARE, WINES_EAR_MS);
    ctrl_c(&mut listener);
    other.stop();
    server.stop();
}

fn a_captured_monitor() {
    let room = Room::open_alone();
    let music = room.noise(MUSIC_S);
    let words = ["--source", "device:Monitor of pc", "--preset", "smooth", "--no-web"];
    let (mut server, address) = wine::server(&room, &words);
    let mut listener =
        native(&room, env!("CARGO_BIN_EXE_auralync-client"), &[&address, "--device", "ear1"]);
    let recorder = room.record();
    let _player = room.play(&music, PC);
    wait_until("the music is heard", || is_heard(&recorder, EAR1));
    wait_until_right(&recorder, EAR1, CAPTURED_SHARE, TOLERANCE_MS);
    listener.stop();
    ctrl_c(&mut server);
}

/// A double click gives no flags at all. Those here keep the test's sound on this machine, name what Wine can capture,
/// and stand for the address that is typed.
fn the_first_sound() {
    let room = Room::open();
    let music = room.noise(MUSIC_S);
    let recorder = room.record();
    let _player = room.play(&music, PC);
    wait_until("the music plays", || is_heard(&recorder, PC));

    let clicked = Instant::now();
    let (mut server, address) =
        wine::server(&room, &["--source", "device:Monitor of pc", "--web", "0"]);
    let ready = clicked.elapsed();
    // What is recorded by now was played a moment ago, so that what follows is rather too much than too little.
    let (clicked, from) = (Instant::now(), recorder.seconds());
    let mut listener = wine::start(&room, CLIENT, &[&address, "--device", "ear1"]);
    listener.wait_for("connected to");
    let connected = clicked.elapsed();
    let mut first = None;
    wait_until("the first sound", || {
        let heard = recorder.played(EAR1, from).left;
        first = heard.iter().position(|sample| sample.abs() > 0.003);
        first.is_some()
    });
    let sound = Duration::from_secs_f64(first.unwrap() as f64 / f64::from(RATE));
    println!(
        "double click to sound: the server shows its address after {} ms; the client is connected after {} ms, and \
         its first sound is played after {} ms, {SMOOTH_MS:.0} of them as the preset has it",
        ready.as_millis(),
        connected.as_millis(),
        sound.as_millis(),
    );
    assert!(ready < SOON && sound < SOON, "{ready:?}, {sound:?}");
    ctrl_c(&mut listener);
    ctrl_c(&mut server);
}
