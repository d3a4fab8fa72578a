//! What the fuzz targets try, tried with inputs that were kept and with some changes of them: a few
//! seconds of what `make fuzz` does for hours. `fuzz/corpus` holds them, `CONTRIBUTING.md` says more.

#![allow(clippy::expect_used, reason = "a test that cannot go on should stop where it stands")]

#[allow(unreachable_pub, reason = "the fuzz targets are other programs")]
#[path = "../../fuzz/bodies/mod.rs"]
mod bodies;
mod change;

use std::fs;
use std::path::Path;

use bodies::watch::{self, Body};
use change::Changes;

/// Inputs that were kept, in the order of their names.
fn kept(body: &Body) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(body.name);
    let files = fs::read_dir(&folder).expect("a folder of kept inputs");
    let mut kept: Vec<_> = files
        .map(|file| {
            let path = file.expect("a file").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(path).expect("a kept input"))
        })
        .collect();
    kept.sort();
    assert!(!kept.is_empty(), "nothing is kept in {}", folder.display());
    kept
}

/// Says which input it was if a body panics.
struct Tried<'a> {
    body: &'a Body,
    name: &'a str,
    input: &'a [u8],
}

impl Drop for Tried<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { body, name, input } = self;
            let at = std::env::temp_dir().join(format!("auralync-fuzz-{}", body.name));
            let kept =
                fs::write(&at, input).map_or_else(|e| e.to_string(), |()| at.display().to_string());
            eprintln!("the input was made of {name}: {kept}");
        }
    }
}

/// Every input that was kept, and as many changed ones as the body says.
fn try_all(body: &Body) {
    let kept = kept(body);
    let mut most = watch::Cost { bytes: 0, micros: 0 };
    let mut try_one = |name: &str, input: &[u8]| {
        let _tried = Tried { body, name, input };
        let cost = watch::hold(body, input);
        most.bytes = most.bytes.max(cost.bytes);
        most.micros = most.micros.max(cost.micros);
    };
    for (name, input) in &kept {
        try_one(name, input);
    }
    let mut changes = Changes::new();
    for _ in 0..body.tries {
        let (name, input) = &kept[changes.below(kept.len())];
        let other = &kept[changes.below(kept.len())].1;
        try_one(name, &changes.change(input, other));
    }
    println!("{}: {} + {} inputs, {most:?}", body.name, kept.len(), body.tries);
}

#[test]
fn whatever_a_server_says_what_is_heard_is_sound() {
    try_all(&bodies::conversation::BODY);
}

#[test]
fn whatever_an_engine_says_and_brings_it_is_held_within_bounds() {
    try_all(&bodies::engine::BODY);
}

#[test]
fn whatever_a_client_says_it_is_sent_whole_frames() {
    try_all(&bodies::listener::BODY);
}

#[test]
fn whatever_an_icecast_server_says_it_is_told_the_same_in_pieces_and_gets_nothing_but_pages() {
    try_all(&bodies::icecast::BODY);
}

#[test]
fn whatever_asks_come_nobody_is_sent_more_than_is_its_own() {
    try_all(&bodies::asks::BODY);
}

#[test]
fn nobody_comes_into_a_private_room_with_what_was_changed_or_made_up() {
    try_all(&bodies::entering::BODY);
}

#[test]
fn what_is_opened_was_sealed_so_and_comes_once() {
    try_all(&bodies::sealed::BODY);
}

#[test]
fn frames_come_out_of_a_stream_as_they_went_in_wherever_it_is_cut() {
    try_all(&bodies::deframer::BODY);
}

#[test]
fn whatever_is_queued_for_a_listener_is_written_whole_or_counted() {
    try_all(&bodies::outbox::BODY);
}

#[test]
fn whatever_a_browser_sends_is_messages_or_misuse() {
    try_all(&bodies::websocket::BODY);
}

#[test]
fn whatever_a_browser_asks_for_gets_one_answer() {
    try_all(&bodies::http::BODY);
}

#[cfg(feature = "https")]
#[test]
fn whatever_comes_to_the_encrypted_page_is_what_was_said_or_the_end() {
    try_all(&bodies::tls::BODY);
}

#[test]
fn whatever_a_player_answers_is_understood_or_refused_and_no_picture_goes_astray() {
    try_all(&bodies::player::BODY);
}

#[test]
fn whatever_a_program_calls_is_answered_in_json() {
    try_all(&bodies::control::BODY);
}

#[test]
fn what_is_read_of_a_message_can_be_written_and_read_again() {
    try_all(&bodies::messages::BODY);
}

#[test]
fn whatever_a_talker_sends_the_mix_is_sound() {
    try_all(&bodies::voice::BODY);
}

#[test]
fn whatever_comes_as_opus_is_sound_of_its_length() {
    try_all(&bodies::opus::BODY);
}

#[test]
fn whatever_comes_when_what_is_played_belongs_there() {
    try_all(&bodies::playout::BODY);
}

#[test]
fn whatever_comes_by_datagram_leaves_in_order_and_in_time() {
    try_all(&bodies::repair::BODY);
}

#[test]
fn whatever_a_file_holds_it_is_sound_or_an_error() {
    try_all(&bodies::files::BODY);
}

#[test]
fn whatever_a_preset_says_it_is_within_its_ranges_or_an_error() {
    try_all(&bodies::presets::BODY);
}

#[test]
fn whatever_the_network_says_of_servers_few_are_believed() {
    try_all(&bodies::discovery::BODY);
}

#[test]
fn whatever_the_network_asks_a_server_answers_little_and_in_time() {
    try_all(&bodies::responder::BODY);
}

#[test]
fn whatever_a_snapclient_says_it_is_sent_whole_messages() {
    try_all(&bodies::snapcast::BODY);
}

#[test]
fn every_target_is_built_by_make_fuzz() {
    let manifest = include_str!("../../fuzz/Cargo.toml");
    let declared = manifest.matches("path = \"fuzz_targets/").count();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    assert_eq!(fs::read_dir(folder).expect("the corpus").count(), declared);
}
