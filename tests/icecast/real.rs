//! A real Icecast server between a server of ours and a player.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::attempts::thrice;
use crate::icecast::{Icecast, PASSWORD, SHORT_BURST, USUAL_BURST};
use crate::ogg_pages::Page;
use crate::player::{FRAMES, Heard, decoded, listen};
use crate::support::program::Program;
use crate::support::scratch::Scratch;
use crate::support::servers::{client, server};
use crate::support::tone::amplitude;
use crate::support::waiting::wait_until;

const HZ: f64 = 440.0;
pub(crate) const RATE: usize = 48_000;

/// What players leave out at a stream's beginning.
const PRE_SKIP: usize = 3_840;

/// Until then a decoder that comes in the middle may be a little louder or softer.
pub(crate) const COMES_LATE: usize = RATE / 2;

/// A file that holds the password.
pub(crate) fn password(scratch: &Scratch) -> PathBuf {
    let path = scratch.path("password");
    let mut file = File::create(&path).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
    writeln!(file, "{PASSWORD}").unwrap();
    path
}

fn sender(icecast: &Icecast, scratch: &Scratch) -> Program {
    sender_with(icecast, scratch, &[])
}

fn sender_with(icecast: &Icecast, scratch: &Scratch, flags: &[&str]) -> Program {
    let url =
        format!("{},password-file={}", icecast.url("/room.opus"), password(scratch).display());
    server(["--source", "tone:440", "--name", "Küche", "--icecast", &url].iter().chain(flags))
}

/// Whether each tenth of a second is the tone, as loud as the others, and nothing else.
pub(crate) fn is_the_tone(sound: &[f32]) -> Result<(), String> {
    let Some(first) = sound.get(..RATE) else {
        return Err(format!("{} frames are no second", sound.len()));
    };
    let loudness = amplitude(first, HZ, RATE as u32);
    if !(0.2..0.3).contains(&loudness) {
        return Err(format!("a loudness of {loudness}"));
    }
    for (number, part) in sound.chunks_exact(RATE / 10).enumerate() {
        let tone = amplitude(part, HZ, RATE as u32);
        let other = amplitude(part, 700.0, RATE as u32);
        if (tone / loudness - 1.0).abs() > 0.02 || other > loudness / 100.0 {
            return Err(format!("{number}: {tone}, not {loudness}, and {other} of another tone"));
        }
    }
    // A sample that is missing is a leap that a loudness may not show.
    let steps = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    let steepest = loudness * HZ * std::f64::consts::TAU / RATE as f64;
    let step = f64::from(steps.fold(0.0, f32::max));
    if step > steepest * 1.1 {
        return Err(format!("a step of {step}, and the steepest is {steepest}"));
    }
    Ok(())
}

/// Somebody who listens without Icecast.
pub(crate) struct Local {
    listener: Program,
    recorded: PathBuf,
}

impl Local {
    pub(crate) fn to(server: SocketAddr, scratch: &Scratch, name: &str) -> Self {
        let recorded = scratch.path(name);
        let mut listener = client(server, ["--output", &format!("wav:{}", recorded.display())]);
        listener.wait_for("connected to");
        Self { listener, recorded }
    }

    /// Whether they have heard the tone without a gap from the first to the last.
    pub(crate) fn has_heard_all(mut self) -> Result<(), String> {
        self.listener.stop();
        let mut recorded = hound::WavReader::open(self.recorded).unwrap();
        let samples: Vec<f32> = recorded.samples().map(Result::unwrap).collect();
        let left: Vec<f32> = samples.chunks_exact(2).map(|frame| frame[0]).collect();
        let begins = left.iter().position(|sample| sample.abs() > 0.1).unwrap_or(left.len());
        let whole = left.get(begins + RATE / 10..left.len() - RATE / 10);
        is_the_tone(whole.unwrap_or_default()).map_err(|why| format!("a local listener: {why}"))
    }
}

#[test]
fn a_player_gets_all_the_sound_in_order_for_twenty_seconds() {
    let (scratch, icecast) = (Scratch::new(), Icecast::start(SHORT_BURST));
    thrice(|| {
        let mut server = sender(&icecast, &scratch);
        server.wait_for("the Icecast server gets the sound");
        let began = Instant::now();
        let heard = listen(icecast.address, "/room.opus", Duration::from_secs(20)).unwrap();
        let title = "TITLE=Küche".as_bytes();
        assert!(heard.pages()[1].packets[0].windows(title.len()).any(|part| part == title));
        let last = until_it_ends(server, icecast.address);
        assert!(last.pages().last().unwrap().is_last, "the stream has an end");
        let sound = heard.sound()?;
        is_the_tone(&sound[PRE_SKIP..])?;
        let expected = 20.0 - heard.when(1).duration_since(began).as_secs_f64();
        let seconds = sound.len() as f64 / RATE as f64;
        if !(expected - 0.5..expected + 1.0).contains(&seconds) {
            return Err(format!("{seconds} s in {expected} s"));
        }
        Ok(())
    });
}

/// What a player gets until the server has ended.
fn until_it_ends(mut server: Program, icecast: SocketAddr) -> Heard {
    let player = thread::spawn(move || listen(icecast, "/room.opus", Duration::from_secs(10)));
    thread::sleep(Duration::from_secs(1));
    server.stop();
    player.join().unwrap().unwrap()
}

#[test]
fn icecast_that_is_started_again_has_a_new_stream_within_two_seconds_and_nobody_else_hears_of_it() {
    let scratch = Scratch::new();
    let mut icecast = Icecast::start(SHORT_BURST);
    let mut server = sender(&icecast, &scratch);
    let address = server.address();
    server.wait_for("the Icecast server gets the sound");
    let mut serials = vec![serial(&icecast)];
    thrice(|| {
        let local = Local::to(address, &scratch, &format!("{}.wav", serials.len()));
        icecast.end();
        // Away for so long that attempts have grown rare.
        thread::sleep(Duration::from_secs(3));
        icecast.begin();
        let begin = Instant::now();
        let serial = serial(&icecast);
        let took = begin.elapsed();
        println!("Icecast listens again → sound for its players: {took:?}");
        assert!(!serials.contains(&serial), "the stream is the old one");
        serials.push(serial);
        local.has_heard_all()?;
        if took < Duration::from_secs(2) { Ok(()) } else { Err(format!("{took:?}")) }
    });
    server.stop();
    let said = server.said();
    let restarts = serials.len() - 1;
    assert_eq!(said.matches("it ended the connection").count(), restarts, "{said}");
    assert_eq!(said.matches("nothing listens at that port").count(), restarts, "{said}");
}

/// The number of the stream that players get there.
#[track_caller]
fn serial(icecast: &Icecast) -> u32 {
    let mut found = None;
    wait_until("a stream", || {
        let heard = listen(icecast.address, "/room.opus", Duration::from_millis(300));
        let pages = heard.map(|heard| heard.pages()).unwrap_or_default();
        found = pages.first().filter(|_| pages.len() > 2).map(|page| page.serial);
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn icecast_says_itself_what_is_wrong_and_a_user_reads_it() {
    let (scratch, icecast) = (Scratch::new(), Icecast::start(SHORT_BURST));
    let mut first = sender(&icecast, &scratch);
    first.wait_for("the Icecast server gets the sound");
    let mut second = sender(&icecast, &scratch);
    second.wait_for(
        "it takes no source there now: it says “Mountpoint in use”. End the other source",
    );
    let wrong = scratch.path("wrong");
    std::fs::write(&wrong, "wrong").unwrap();
    let url = format!("{},password-file={}", icecast.url("/b"), wrong.display());
    let mut third = server(["--source", "tone", "--icecast", &url]);
    third.wait_for("others on this computer may read the Icecast password in it. Type chmod 600");
    third.wait_for("it does not accept the password, or the user");
    // The place becomes free.
    first.stop();
    second.wait_for("the Icecast server gets the sound");
}

/// Prints what docs/icecast.md says of delays, and listens for five minutes:
/// `cargo test --test icecast -- --ignored --nocapture`.
#[test]
#[ignore = "takes five minutes"]
fn figures_of_five_minutes() {
    for burst in [SHORT_BURST, USUAL_BURST] {
        let (scratch, icecast) = (Scratch::new(), Icecast::start(burst));
        let stats = scratch.path("stats");
        let flags = ["--stats", stats.to_str().unwrap()];
        let mut server = sender_with(&icecast, &scratch, &flags);
        server.wait_for("the Icecast server gets the sound");
        let began = Instant::now();
        thread::sleep(Duration::from_secs(10));
        let seconds = if burst == SHORT_BURST { 300 } else { 10 };
        let heard = listen(icecast.address, "/room.opus", Duration::from_secs(seconds)).unwrap();
        let pages = heard.pages();
        let mut frames = 0;
        let mut streams = Vec::new();
        // Where this machine was too busy for its sound, one stream ends and the next begins.
        for stream in pages.chunk_by(|one, next| one.serial == next.serial) {
            let sound = decoded(stream).unwrap();
            frames += sound.len();
            let tone = is_the_tone(&sound[COMES_LATE.min(sound.len())..]);
            streams.push((sound.len() as f64 / RATE as f64, tone));
        }
        let first = &pages[..pages.partition_point(|page| page.serial == pages[0].serial)];
        // The stream began with granule 0 about when the server said so.
        let seconds_at = |granule| granule as f64 / RATE as f64;
        let arrived = |page: &Page| heard.when(page.end).duration_since(began).as_secs_f64();
        let begin = seconds_at(first[2].granule - first[2].packets.len() as u64 * FRAMES);
        let late = arrived(&first[2]) - begin;
        let behind = |page: &Page| arrived(page) - seconds_at(page.granule);
        let mut ages: Vec<f64> = first[first.len() / 2..].iter().map(behind).collect();
        ages.sort_by(f64::total_cmp);
        println!(
            "burst {burst}: {} pages, {:.2} s of sound in {seconds} s, the first {:.2} s older than what comes live; \
             pages come at most {:.3} s later than in the middle; {:.1} kbit/s; streams {streams:?}",
            pages.len(),
            seconds_at(frames as u64),
            late - ages[ages.len() / 2],
            ages[ages.len() - 1] - ages[ages.len() / 2],
            heard.bytes.len() as f64 * 8e-3 / seconds as f64,
        );
        // What the server itself was too late for is silence in everybody's ears.
        server.stop();
        let stats = std::fs::read_to_string(stats).unwrap();
        let last: serde_json::Value = serde_json::from_str(stats.lines().last().unwrap()).unwrap();
        println!("silence {}, Icecast {}", last["silence_frames"], last["icecast"]);
    }
}
