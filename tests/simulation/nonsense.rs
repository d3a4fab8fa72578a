//! Servers and cards that talk nonsense: it ends in sound that is whole, and as well timed as what
//! is left to go by allows.

use crate::simulated::{HOUR, Listener, Path, Pc, SECOND, Setting, World};

/// Time to find out what cannot be believed.
const FINDS_OUT: f64 = 45.0 * SECOND;

/// Sound must be whole for so long once it is known what cannot be believed.
const WHOLE: f64 = 20.0 * SECOND;

/// In step, where something can still be believed. Where only the coming of sound tells its time,
/// it is heard a chunk and the network's delay later.
const IN_STEP_US: f64 = 500.0;
const NEARLY_US: f64 = 60_000.0;

/// The chunk with which nonsense begins: after some ten seconds.
const BEGINS: u64 = 500;

const HOUR_US: u64 = HOUR as u64;

/// Breaks a PC.
type Break = fn(&mut Pc);

fn world() -> World {
    let setting = Setting {
        name: "cable",
        card_ppm: 40.0,
        host_ppm: 8.0,
        path: Path::new(1_000.0, 0.0, 7),
        filtered: false,
        old: false,
        locked_after: 3.0 * SECOND,
        seed: 1,
    };
    World::new(Pc::new(-30.0, 9), vec![Listener::new(setting)])
}

/// Runs until the nonsense must have been found out, and holds what follows to its promise.
#[track_caller]
fn assert_ends_well(name: &str, mut world: World, off_us: f64) {
    world.run(FINDS_OUT);
    let before = world.listeners[0].seen();
    world.run(WHOLE);
    let listener = &world.listeners[0];
    let after = listener.seen();
    println!("{name}: {after}, at last {:.0} µs", after.latest_us);
    assert!(listener.is_playing(), "{name}");
    for (before, after) in [
        (before.underruns, after.underruns),
        (before.lost, after.lost),
        (before.late, after.late),
        (before.jumps, after.jumps),
    ] {
        assert_eq!(before, after, "{name}: not whole yet");
    }
    assert!(after.latest_us.abs() <= off_us, "{name}: {} µs off", after.latest_us);
}

/// A world in which the PC is broken.
fn with_pc(break_it: impl FnOnce(&mut Pc)) -> World {
    let mut world = world();
    break_it(&mut world.pc);
    world
}

#[test]
fn a_server_whose_capture_times_jump_lie_or_stand_still_is_played_by_when_its_sound_comes() {
    let rows: [(&str, Break, f64); 8] = [
        (
            "an hour forth",
            |pc| pc.heading = |h, n| h.captured_us += if n < BEGINS { 0 } else { HOUR_US },
            NEARLY_US,
        ),
        (
            "an hour back",
            |pc| pc.heading = |h, n| h.captured_us -= if n < BEGINS { 0 } else { HOUR_US },
            NEARLY_US,
        ),
        ("always an hour forth", |pc| pc.heading = |h, _| h.captured_us += HOUR_US, NEARLY_US),
        ("always an hour back", |pc| pc.heading = |h, _| h.captured_us -= HOUR_US, NEARLY_US),
        (
            "one in fifty wrong",
            |pc| pc.heading = |h, n| h.captured_us += if n % 50 == 0 { HOUR_US } else { 0 },
            IN_STEP_US,
        ),
        (
            "standing still later",
            |pc| {
                pc.heading = |h, n| {
                    if n > BEGINS {
                        h.captured_us = 5_010_000_000
                    }
                }
            },
            NEARLY_US,
        ),
        ("always nothing", |pc| pc.heading = |h, _| h.captured_us = 0, NEARLY_US),
        (
            "running backwards",
            |pc| pc.heading = |h, n| h.captured_us = 9_000_000_000 - n * 21_333,
            NEARLY_US,
        ),
    ];
    for (name, break_it, off_us) in rows {
        assert_ends_well(name, with_pc(break_it), off_us);
    }
}

#[test]
fn a_server_that_keeps_its_pongs_or_lies_in_them_is_played_by_when_its_sound_comes() {
    let rows: [(&str, Break); 5] = [
        ("no pong", |pc| pc.answering = |_| false),
        ("pongs three seconds late", |pc| pc.holds_pongs_us = 3.0 * SECOND),
        ("pongs a quarter of a second late", |pc| pc.holds_pongs_us = 0.25 * SECOND),
        ("pongs an hour ahead", |pc| {
            pc.answering = |pong| {
                pong.received_us += HOUR_US;
                pong.sent_us += HOUR_US;
                true
            };
        }),
        ("pongs of nothing", |pc| {
            pc.answering = |pong| {
                (pong.received_us, pong.sent_us) = (0, 0);
                true
            };
        }),
    ];
    for (name, break_it) in rows {
        assert_ends_well(name, with_pc(break_it), NEARLY_US);
    }
}

#[test]
fn positions_that_leap_are_followed() {
    let rows: [(&str, Break); 4] = [
        ("forth", |pc| pc.heading = |h, n| h.position += if n < BEGINS { 0 } else { 1 << 40 }),
        ("back", |pc| pc.heading = |h, n| h.position += if n < BEGINS { 1 << 40 } else { 0 }),
        ("by half a second", |pc| {
            pc.heading = |h, n| h.position += if n < BEGINS { 0 } else { 24_000 }
        }),
        ("back by half a second", |pc| {
            pc.heading = |h, n| h.position += if n < BEGINS { 24_000 } else { 0 }
        }),
    ];
    for (name, break_it) in rows {
        // Where what was captured lies is beyond knowing then.
        assert_ends_well(name, with_pc(break_it), f64::INFINITY);
    }
}

#[test]
fn gaps_and_overlaps_move_nothing() {
    let mut gaps = with_pc(|pc| pc.withheld = |n| n % 40 == 39);
    gaps.run(FINDS_OUT);
    let seen = gaps.listeners[0].seen();
    println!("gaps: {seen}");
    assert!(seen.lost >= 40 * 1024 && seen.lost.is_multiple_of(1024), "{seen}");
    assert_eq!((seen.jumps, seen.late, seen.underruns), (0, 0, 0), "{seen}");
    assert!(seen.worst_us.abs() < IN_STEP_US, "{seen}");

    // A frame that begins before its predecessor ended leaves as much missing at its own end.
    let mut overlaps =
        with_pc(|pc| pc.heading = |h, n| h.position -= if n % 40 == 39 { 200 } else { 0 });
    overlaps.run(FINDS_OUT);
    let seen = overlaps.listeners[0].seen();
    println!("overlaps: {seen}");
    assert!(seen.lost > 0 && seen.lost.is_multiple_of(200), "{seen}");
    assert_eq!((seen.jumps, seen.underruns), (0, 0), "{seen}");
    assert!(seen.worst_us.abs() < IN_STEP_US, "{seen}");
}

/// What broken cards say of a frame, and what for.
type Nonsense = (&'static str, fn(u64, u64, u64) -> (u64, u64));

const NONSENSE: [Nonsense; 5] = [
    ("nothing", |_, _, came_us| (0, came_us)),
    ("always the same", |_, _, came_us| (2_500_000_000, came_us)),
    ("the far future", |_, _, came_us| (1 << 60, came_us)),
    ("backwards", |n, _, came_us| (8_000_000_000_u64.saturating_sub(n * 10_000), came_us)),
    ("noise of hours", |n, at_us, came_us| {
        (at_us ^ (n.wrapping_mul(0x9E37_79B9) & 0xFFFF_FFFF), came_us)
    }),
];

#[test]
fn a_speaker_that_stamps_nonsense_plays_by_its_callbacks() {
    for (name, stamping) in NONSENSE {
        let mut world = world();
        world.listeners[0].stamping = stamping;
        assert_ends_well(name, world, NEARLY_US);
    }
}

#[test]
fn a_captured_card_that_stamps_nonsense_is_placed_by_its_callbacks() {
    for (name, stamping) in NONSENSE {
        assert_ends_well(name, with_pc(|pc| pc.stamping = stamping), NEARLY_US);
    }
}

#[test]
fn a_computer_that_was_asleep_finds_its_place_again() {
    let mut world = world();
    world.run(20.0 * SECOND);
    let now = world.now;
    world.listeners[0].jump_clock(now, HOUR);
    assert_ends_well("a listener", world, IN_STEP_US);
}
