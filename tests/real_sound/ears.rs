//! Who has the ear's stage on hears the film in step with who has not, and has it again the next time.

use crate::support::compare::compare;
use crate::support::median::median;
use crate::support::room::{EAR1, EAR2, PC, RATE, Room};
use crate::support::waiting::wait_until;
use crate::{COMPARED_S, MUSIC_S, SEARCHED_MS, listener, listener_with, server};

/// How far two listeners may be apart, in ms.
const IN_STEP_MS: f64 = 0.1;

/// What of the film such a listener hears is still like it.
const LIKE: f64 = 0.7;

#[test]
fn with_an_ear_sound_is_in_step_and_the_ear_is_remembered_for_its_output() {
    let room = Room::open();
    let (_server, address) = server(&room, "loopback:pc");
    let flags = ["--dialogue", "6", "--night", "--balance", "-20"];
    let mut with = listener_with(&room, &address, EAR1, &flags);
    let _without = listener(&room, &address, EAR2);
    with.wait_for("plays with dialogue +6 dB, night, balance 20 % left; this is remembered");
    let recorder = room.record();
    let _player = room.play(&room.noise(MUSIC_S), PC);
    wait_until("the music is heard", || recorder.hears(EAR1) && recorder.hears(EAR2));
    wait_until("both hear it at the same moment", || {
        let from = recorder.seconds();
        wait_until("enough is recorded", || recorder.seconds() > from + COMPARED_S);
        let played = recorder.played(PC, from);
        let [with, without] = [EAR1, EAR2].map(|ear| {
            let heard = compare(&played, &recorder.played(ear, from), RATE, SEARCHED_MS);
            let like = heard.iter().filter(|window| window.likeness > LIKE);
            println!("{}: {} of {} like it", ear.name, like.clone().count(), heard.len());
            median(like.map(|window| window.delay_ms))
        });
        println!("{with:.3} ms with an ear, {without:.3} ms without");
        (with - without).abs() < IN_STEP_MS
    });
    with.stop();

    let mut again = listener_with(&room, &address, EAR1, &["--night=off"]);
    again.wait_for("plays with dialogue +6 dB, balance 20 % left; this is remembered");
    again.stop();
}
