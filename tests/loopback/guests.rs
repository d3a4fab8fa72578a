//! A private room whose host is asked about newcomers, and says who may talk.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::codes::{Host, says};
use crate::support::eavesdropper::Eavesdropper;
use crate::support::program::{Ended, Program};
use crate::support::ramp::frames_on_disk;
use crate::support::wait_until;

const ASK: [&str; 1] = ["--ask"];

/// A listener who has the link.
fn guest(host: &Host, who: &str, flags: &[&str]) -> Program {
    let file = host.room.file(&format!("{who}.link"), &host.room.link);
    let flags = [&["--link", file.to_str().unwrap(), "--name", who][..], flags].concat();
    host.room.listener(host.room.address, who, &flags)
}

fn list(host: &Host) -> Value {
    serde_json::from_str(&host.ctl(&["list", "--json"])).unwrap()
}

#[test]
fn a_newcomer_hears_nothing_before_the_host_lets_them_in_and_is_known_from_then_on() {
    let host = Host::open(&ASK);
    let between = Eavesdropper::before(host.room.address, 4);
    let recorded = host.room.scratch.path("Ann.wav");
    let output = crate::support::flags::wav(&recorded);
    let file = host.room.file("link", &host.room.link);
    let flags = ["--link", file.to_str().unwrap(), "--name", "Ann", "--output", &output];
    let mut ann = host.room.listener(between.address, "Ann", &flags);
    ann.wait_for("waiting to be let in");
    wait_until("the host sees her", || list(&host)["waiting"][0]["name"] == "Ann");
    let seen = list(&host);
    assert_eq!(seen["listeners"], Value::Array(Vec::new()), "she is not in");
    assert_eq!(seen["waiting"][0]["id"].as_str().unwrap().len(), 8);
    let heard = between.heard.lock().unwrap().len();
    assert!(heard < 2_000, "{heard} bytes, of which sound would be many more");
    assert!(host.ctl(&["let-in", "ann"]).contains("is let in"));
    wait_until("a second", || frames_on_disk(&recorded, 2) > 48_000);
    assert_eq!(ann.stop().code, Some(0));
    let guests = host.room.scratch.path("host").join("auralync/guests.keys");
    wait_until("she is remembered", || guests.exists());
    assert_eq!(guests.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    host.room.hears(host.room.address, "Ann", &[]);
}

#[test]
fn whoever_is_not_let_in_is_told_so_and_hears_nothing() {
    let host = Host::open(&ASK);
    let mut eve = guest(&host, "Eve", &["--output", "null"]);
    eve.wait_for("waiting to be let in");
    wait_until("the host sees her", || list(&host)["waiting"][0]["name"] == "Eve");
    assert!(host.ctl(&["refuse", "Eve"]).contains("is not let in"));
    let refused = |ended: Ended| {
        assert_eq!(ended.code, Some(8), "{ended:?}");
        says(&ended, "you were not let in at");
    };
    refused(eve.wait());
    // She may ask again in a minute.
    refused(guest(&host, "Eve", &["--output", "null"]).wait());
    let nobody = host.ask(&["let-in", "Eve"]);
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("there is no waiting listener"));
}

#[test]
fn only_those_talk_who_were_named_and_nobody_else_under_their_names() {
    let host = Host::open(&["--talk=Ann,Bob"]);
    let flags = ["--output", "null", "--talk", "--mic", "no such microphone"];
    let can_talk = |name: &str| {
        let list = list(&host);
        let listeners = list["listeners"].as_array().unwrap();
        let found = listeners.iter().find(|one| one["name"] == name)?;
        found["person"]["can_talk"].as_bool()
    };
    let mut ann = guest(&host, "Ann", &flags);
    wait_until("Ann talks", || can_talk("Ann") == Some(true));
    let mut carol = guest(&host, "Carol", &flags);
    carol.wait_for("only those may talk here");
    assert_eq!(can_talk("Carol"), Some(false));
    assert_eq!(ann.stop().code, Some(0));
    wait_until("Ann has left", || can_talk("Ann").is_none());
    // Carol comes as Ann, with her own key.
    assert_eq!(carol.stop().code, Some(0));
    let as_ann = [&flags[..], &["--name", "Ann"]].concat();
    let mut carol = host.room.listener(host.room.address, "Carol", &as_ann);
    carol.wait_for("only those may talk here");
    assert_eq!(can_talk("Ann"), Some(false));
    assert_eq!(carol.stop().code, Some(0));
}
