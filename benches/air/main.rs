//! What a listener hears over a bad network: for each network damaged windows of 20 ms, the longest
//! piece and the traffic, by TCP beside datagrams, and Snapcast where it is installed.
//!
//! Several listen at the same time, each over a network of its own with the same schedule. The machine
//! must be quiet: where its processors have no time, sound is missing everywhere. `cargo bench --bench air -- 60` listens for so many seconds, and
//! `-- 60 gems` only over networks whose words hold that. Run as a test, each is tried for a moment.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that cannot go on should stop where it stands"
)]

#[cfg(target_os = "linux")]
#[path = "../measuring.rs"]
mod measuring;
#[cfg(target_os = "linux")]
mod snapcast;
#[cfg(target_os = "linux")]
#[path = "../../tests/support"]
mod support {
    pub(crate) mod air;
    pub(crate) mod flags;
    pub(crate) mod heard;
    mod likeness;
    mod namespaces;
    pub(crate) mod program;
    pub(crate) mod recorded;
    pub(crate) mod scratch;
    mod stereo;
    pub(crate) mod waiting;
}

#[cfg(target_os = "linux")]
fn main() -> measuring::Result<()> {
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let part = std::env::args().skip(1).find(|argument| argument.starts_with(char::is_alphabetic));
    let seconds = seconds.unwrap_or(if measuring::is_measuring() { SECONDS } else { A_MOMENT });
    measure(seconds, &part.unwrap_or_default())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("air: only Linux has network namespaces");
}

/// How long each is listened to.
#[cfg(target_os = "linux")]
const SECONDS: u64 = 20;
#[cfg(target_os = "linux")]
const A_MOMENT: u64 = 3;

/// Networks, in the words of `tests/support/air/bend.rs`.
#[cfg(target_os = "linux")]
const NETWORKS: [&str; 7] = [
    "delay=2",
    "delay=2 loss=0.05",
    "delay=2 loss=0.11",
    "delay=2 gems=3000,60,1",
    "delay=4 loss=0.05",
    "delay=2 jitter=6 stall=120,5000",
    SLOW,
];

/// A network that cannot carry what is asked for.
#[cfg(target_os = "linux")]
const SLOW: &str = "rate=1 queue=200";

/// Who listens: a preset, a codec and a way.
#[cfg(target_os = "linux")]
type Listener = (&'static str, &'static str, &'static str);

#[cfg(target_os = "linux")]
const LISTENERS: [Listener; 8] = [
    ("low-latency", "opus", "tcp"),
    ("low-latency", "opus", "udp"),
    ("low-latency", "s16", "tcp"),
    ("low-latency", "s16", "udp"),
    ("smooth", "opus", "tcp"),
    ("smooth", "opus", "udp"),
    ("live", "opus", "tcp"),
    ("live", "opus", "udp"),
];

/// Who does where the network is slow: with too much, and with what is found to be best.
#[cfg(target_os = "linux")]
const ASK_TOO_MUCH: [Listener; 4] = [
    ("low-latency", "f32", "tcp"),
    ("low-latency", "auto", "auto"),
    ("smooth", "f32", "tcp"),
    ("smooth", "auto", "auto"),
];

/// How many listen at the same time, by TCP beside by datagram: what disturbs one disturbs the other.
#[cfg(target_os = "linux")]
const AT_ONCE: usize = 4;

/// Delays of Snapcast's server, in ms.
#[cfg(target_os = "linux")]
const SNAPCAST_MS: [u32; 2] = [1000, 300];

#[cfg(target_os = "linux")]
fn measure(seconds: u64, part: &str) -> measuring::Result<()> {
    use std::panic::catch_unwind;
    use std::thread::scope;

    use support::air::house::{House, Set};

    let has_snapcast = snapcast::is_installed();
    if !has_snapcast {
        println!("snapserver and snapclient are not installed: nothing stands beside.");
    }
    println!("{seconds} s each; damaged windows of 20 ms, the longest piece, kbit/s down and up\n");
    for network in NETWORKS.into_iter().filter(|network| network.contains(part)) {
        println!("{network}");
        let listeners = if network == SLOW { &ASK_TOO_MUCH[..] } else { &LISTENERS[..] };
        for together in listeners.chunks(AT_ONCE) {
            scope(|scope| {
                let runs: Vec<_> = together
                    .iter()
                    .map(|(preset, codec, transport)| {
                        let run = move || {
                            let listener = &["--transport", transport];
                            let set = Set { network, preset, codec, server: &[], listener };
                            let house = House::open(set);
                            house.listen(seconds);
                            house.close()
                        };
                        let name = format!("{preset} {codec} {transport}");
                        (name, scope.spawn(move || catch_unwind(run)))
                    })
                    .collect();
                runs.into_iter().for_each(|(name, run)| say(&name, run.join().unwrap()));
            });
        }
        for delay_ms in SNAPCAST_MS.into_iter().filter(|_| has_snapcast) {
            let heard = catch_unwind(|| snapcast::listen(network, delay_ms, seconds));
            say(&format!("Snapcast opus {delay_ms} ms"), heard);
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn say(name: &str, outcome: std::thread::Result<support::air::house::Outcome>) {
    let row = outcome.map_or_else(|_| "did not run".to_owned(), |outcome| row(&outcome));
    println!("  {name:<24} {row}");
}

#[cfg(target_os = "linux")]
fn row(outcome: &support::air::house::Outcome) -> String {
    let heard = &outcome.heard;
    let down = outcome.passed.down;
    format!(
        "{:>5} of {:>5}, {:>3} times, {:>5} ms, whole after {:>4.1} s, {} jumps; {:>6.0} and {:>4.0}, {:.1} % lost; {} holes; {:.0} ms late \
         here",
        heard.damaged,
        heard.windows,
        heard.bursts,
        heard.longest_ms(),
        heard.until as f64 * 0.02,
        heard.jumps,
        outcome.down_kbits(),
        outcome.up_kbits(),
        down.lost as f64 * 100.0 / down.packets.max(1) as f64,
        outcome.holes.len(),
        outcome.passed.late_us as f64 / 1e3,
    )
}
