//! What changes while people listen.

use crate::support::flags::{source, wav};
use crate::support::ramp::{self, Recording, frames_on_disk};
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
    // No sample is missing on the way to a delay that any machine keeps; to a shorter one it is gone to.
    for (name, delays_ms) in [("patient", &[400, 200][..]), ("hasty", &[50])] {
        let recorded = scratch.path(format!("{name}.wav"));
        let stats = scratch.path(format!("{name}.json"));
        let output = wav(&recorded);
        let arguments =
            ["--output".as_ref(), output.as_ref(), "--stats".as_ref(), stats.as_os_str()];
        let mut listener = client(server.address(), arguments);
        wait_until("sound", || frames_on_disk(&recorded, 2) > 0);
        for delay_ms in delays_ms {
            preset(*delay_ms);
            listener.wait_for(&format!("the server's delay is {delay_ms} ms from here on"));
            wait_until("the new delay", || {
                let last = numbers(&stats, "delay_ms").last().copied().unwrap_or_default();
                (last - f64::from(*delay_ms)).abs() < 20.0
            });
        }
        listener.stop();
        if name == "patient" {
            Recording::read_finished(&recorded).unbroken();
        }
    }
    // Made for 140 ms.
    server.wait_for("Opus goes on in packets of 10 ms");
    scratch.file("room.toml", "playout_delay_ms = 1\n");
    server.wait_for("Going on as before");
    // It would fit the chunks in the file, but those are fixed while the server runs.
    scratch.file("room.toml", "chunk_size = 64\nplayout_delay_ms = 15\n");
    server.wait_for("two chunks of 480 frames");
}
