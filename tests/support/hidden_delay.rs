//! A loudspeaker that is late by what no card reports.
//!
//! What `ear1` plays is carried to where the microphone is by a module that holds it back. How long it really took is
//! seen in the room's one recording, where both lie sample beside sample.

use super::compare::find;
use super::median::median;
use super::microphones::MOUTH;
use super::recorder::Recorder;
use super::room::{EAR1, RATE, Room};

/// How many sweeps a chirp has.
const SWEEPS: usize = 8;

/// Carries what `ear1` plays to the microphone, about so much later, until what this returns is unloaded: within the
/// sound server, which a busy machine lets run before others, and by a delay that stays as it is.
pub(crate) fn hold_back(room: &Room, delay_ms: u64) -> String {
    room.pactl(&[
        "load-module",
        "module-loopback",
        "source=ear1.monitor",
        &format!("sink={}", MOUTH.name),
        &format!("latency_msec={delay_ms}"),
        "adjust_time=0",
        "remix=no",
        "source_dont_move=true",
        "sink_dont_move=true",
    ])
}

/// How much later than `ear1` played it the last chirp came to the microphone, in ms: most of its sweeps.
pub(crate) fn truth_ms(recorder: &Recorder, from: f64) -> f64 {
    let (played, heard) = (recorder.played(EAR1, from).left, recorder.played(MOUTH, from).left);
    // Farther than this the next sweep is as like a sweep.
    let (sweep, farthest) = (RATE as usize / 10, RATE as usize * 3 / 10);
    let mut late_ms = Vec::new();
    let mut at = 0;
    while let Some(next) = played[at..].iter().position(|sample| sample.abs() > 0.01) {
        let first = at + next;
        let Some(searched) = heard.get(first..first + sweep + farthest) else { break };
        let late = find(&played[first..first + sweep], searched);
        late_ms.push(late as f64 * 1e3 / f64::from(RATE));
        at = (first + 2 * sweep).min(played.len());
    }
    assert!(late_ms.len() >= SWEEPS, "a chirp was played: {late_ms:?}");
    median(late_ms[late_ms.len() - SWEEPS..].iter().copied())
}
