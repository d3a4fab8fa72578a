//! A delay that is found while people listen.

use super::Room;
use crate::support::flags::wav;
use crate::support::servers::client;
use crate::support::{numbers, wait_until};

#[test]
fn a_listener_far_away_makes_the_delay_longer_until_it_hears_all() {
    let room = Room::new();
    room.set_delay(60);
    let stats = room.stats();
    let mut server = room.server(&["--playout-delay-ms", "auto"]);
    let address = server.address();
    let near = client(address, ["--output", &wav(&room.scratch.path("near.wav"))]);
    let far_stats = room.scratch.path("far.json");
    let far_wav = wav(&room.scratch.path("far.wav"));
    // It is slower on one way alone: the clocks take half of that for their own difference, and 80 ms are left.
    let far = ["--output", &far_wav, "--name", "Far", "--simulate", "delay=160ms", "--stats"];
    let far = client(address, far.iter().chain(&[far_stats.to_str().unwrap()]));
    server.wait_for("ran dry");
    let delay_ms = || numbers(&stats, "playout_delay_ms").last().copied().unwrap_or_default();
    wait_until("a delay that holds", || delay_ms() > 95.0);
    // And from then on nothing is missing.
    wait_until("sound without holes", || {
        let lost = numbers(&far_stats, "lost_frames");
        lost.len() > 5 && lost[lost.len() - 5] == lost[lost.len() - 1]
    });
    let ups = server.times_said("the delay goes up");
    println!("{} ms after {ups} steps up", delay_ms());
    drop((near, far));
}
