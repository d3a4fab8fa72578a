//! What changes while people listen.

use crate::support::flags::{source, wav};
use crate::support::ramp::{self, Recording, Stretch, frames_on_disk};
use crate::support::servers::{client, server};
use crate::support::{Scratch, numbers, wait_until};

#[test]
fn saving_the_preset_moves_everybody_to_the_new_delay_and_loses_nothing() {
    let scratch = Scratch::new();
    let sound = scratch.path("ramp.wav");
    ramp::write(&sound, 0, 48_000 * 30, 48_000, 2);
    let preset = |delay_ms: u32| {
        let text = format!("chunk_size = 480\nplayout_delay_ms = {delay_ms}\n");
        scratch.file("room.toml", text)
    };
    let file = preset(140);
    let mut server = server([
        "--preset".as_ref(),
        file.as_os_str(),
        "--source".as_ref(),
        source(&sound).as_ref(),
    ]);
    // What a listener hears whose delay becomes one after the other.
    let mut hear = |name: &str, delays_ms: [u32; 2]| {
        let recorded = scratch.path(format!("{name}.wav"));
        let stats = scratch.path(format!("{name}.json"));
        let output = wav(&recorded);
        let arguments =
            ["--output".as_ref(), output.as_ref(), "--stats".as_ref(), stats.as_os_str()];
        let mut listener = client(server.address(), arguments);
        wait_until("sound", || frames_on_disk(&recorded, 2) > 0);
        for delay_ms in delays_ms {
            preset(delay_ms);
            listener.wait_for(&format!("the server's delay is {delay_ms} ms from here on"));
            wait_until("the new delay", || {
                let last = numbers(&stats, "delay_ms").last().copied().unwrap_or_default();
                (last - f64::from(delay_ms)).abs() < 20.0
            });
        }
        listener.stop();
        Recording::read_finished(&recorded).stretches()
    };
    let is_whole = |heard: &[Stretch]| matches!(heard, [Stretch::Sound { .. }]);
    let patient = hear("patient", [400, 200]);
    assert!(is_whole(&patient), "{patient:?}");
    // A busy machine may stall for longer than this delay: one of three has to hear all.
    let mut hasty = Vec::new();
    while hasty.len() < 3 && !hasty.last().is_some_and(|heard: &Vec<_>| is_whole(heard)) {
        hasty.push(hear(&format!("hasty-{}", hasty.len()), [400, 50]));
    }
    assert!(is_whole(hasty.last().unwrap()), "{hasty:?}");
    // Made for 140 ms.
    server.wait_for("Opus goes on in packets of 10 ms");
    scratch.file("room.toml", "playout_delay_ms = 1\n");
    server.wait_for("Going on as before");
    // It would fit the chunks in the file, but those are fixed while the server runs.
    scratch.file("room.toml", "chunk_size = 64\nplayout_delay_ms = 15\n");
    server.wait_for("two chunks of 480 frames");
}
