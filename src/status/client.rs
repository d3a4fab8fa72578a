//! What a client shows.

use super::{Key, meter};
use crate::sound::ear::{Control, Hearing};
use crate::stats::{ClientStats, Via};
use crate::talking::{Mode, Other};

/// Cells that a line of people has at most; a terminal is often narrower, and cuts it.
const PEOPLE_CELLS: usize = 200;

/// What the statistics do not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// The volume that is set, in per cent.
    pub volume_percent: u16,
    /// Whether it is turned off for now.
    pub deaf: bool,
    /// The user's own trim in ms; positive plays later.
    pub trim_ms: i32,
    /// How much later than the others it plays because it must, in ms.
    pub extra_ms: u32,
    /// How it is to sound.
    pub hearing: Hearing,
    /// The control of that which keys move, once one was pressed.
    pub chosen: Option<Control>,
    /// Whether keys are taken.
    pub keys: bool,
    /// How this listener talks, where it does.
    pub mouth: Option<Mouth>,
    /// Who else is there, where the server says.
    pub others: Vec<Other>,
    /// How many more listen by way of other servers.
    pub elsewhere: u32,
    /// Whether what is heard is recorded.
    pub is_recording: bool,
    /// Whether the network is a simulated one.
    pub is_simulated: bool,
}

/// Where somebody who talks stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mouth {
    /// When sound goes out.
    pub mode: Mode,
    /// Whether the key to talk is held, rather than pressed twice.
    pub holds: bool,
    /// Whether the server lets it speak.
    pub is_allowed: bool,
    /// Whether a microphone is open.
    pub has_microphone: bool,
}

/// The lines to show, the most important first in each. The levels in `stats` are the latest, not a
/// second's.
#[must_use]
pub fn lines(stats: &ClientStats, view: &View) -> Vec<String> {
    let mut lines = vec![format!("{}  {}", meter(stats.level_dbfs), playing(stats))];
    let volume = match (view.deaf, view.volume_percent) {
        (true, percent) => format!("deaf ({percent} %)"),
        (false, percent) => format!("volume {percent} %"),
    };
    let mut line = format!(
        "underruns {}  lost {}  {:+.1} ppm  {volume}  delay {:+} ms{}",
        stats.underruns,
        stats.lost_frames,
        stats.ppm,
        view.trim_ms,
        path(stats)
    );
    if view.extra_ms > 0 {
        line += &format!("  {} ms after the others", view.extra_ms);
    }
    if view.is_recording {
        line += "  recording";
    }
    if view.is_simulated {
        line += "  simulated network";
    }
    lines.push(line);
    if !view.hearing.is_off() || view.chosen.is_some() {
        lines.push(ear(&view.hearing, view.chosen));
    }
    lines.extend(stats.air.clone());
    if let Some(mouth) = &view.mouth {
        lines.push(format!(
            "{}  {}",
            meter(stats.mic_level_dbfs),
            speaking(stats, mouth, view.keys)
        ));
    }
    if !view.others.is_empty() || view.elsewhere > 0 {
        lines.push(people(&view.others, view.elsewhere));
    }
    if view.keys {
        let people = if view.others.is_empty() { "" } else { Key::HELP_PEOPLE };
        let keys = if view.mouth.is_some() { Key::HELP_TALKING } else { Key::HELP };
        lines.push(format!("{people}{keys}"));
    }
    lines
}

/// What makes sound other than it comes: an arrow before the control that keys move, and what they do.
fn ear(hearing: &Hearing, chosen: Option<Control>) -> String {
    let mut line = "ear:".to_owned();
    for control in Control::ALL {
        if chosen == Some(control) {
            line += &format!("  ▸ {}", hearing.shows(control));
        } else if let Some(says) = hearing.says(control) {
            line += &format!("  {says}");
        }
    }
    if chosen.is_some() {
        line += "  (< less, > more, e next)";
    }
    line
}

/// What becomes of one's own voice.
fn speaking(stats: &ClientStats, mouth: &Mouth, keys: bool) -> String {
    let how = match (mouth.mode, mouth.holds, keys) {
        (Mode::Open, ..) => "speak, and you are heard",
        (Mode::Push, true, true) => "hold the space bar to talk",
        (Mode::Push, false, true) => "the space bar begins and ends talking",
        (Mode::Push, _, false) => "there is no key to push",
    };
    if stats.connected && !mouth.is_allowed {
        return "you only listen: the server lets nobody speak".to_owned();
    }
    let now = match stats {
        ClientStats { muted: true, .. } => return "muted: m ends that".to_owned(),
        _ if !mouth.is_allowed => "not connected",
        _ if !mouth.has_microphone => "microphone missing",
        ClientStats { talking: true, .. } => "you speak",
        _ => "you are silent",
    };
    format!("{now}  ({how})")
}

/// The people who are there: a dot before those who speak, an arrow before the one whom the keys
/// turn.
fn people(others: &[Other], elsewhere: u32) -> String {
    let mut line = "in the room:".to_owned();
    for (at, other) in others.iter().enumerate() {
        if line.chars().count() > PEOPLE_CELLS {
            line += &format!("  and {} more", others.len() - at);
            break;
        }
        let person = &other.person;
        line += if other.is_selected { "  ▸ " } else { "  " };
        line += if person.is_speaking { "● " } else { "" };
        line += &person.label();
        if person.is_muted {
            line += " (muted)";
        } else if person.is_deaf {
            line += " (deaf)";
        } else if !person.can_talk {
            line += " (listens)";
        }
        if other.is_selected || other.volume_percent != 100 {
            line += &format!(" {} %", other.volume_percent);
        }
    }
    if elsewhere > 0 {
        line += &format!("  and {elsewhere} elsewhere");
    }
    line
}

/// Which way sound comes, and what the network loses of it.
fn path(stats: &ClientStats) -> String {
    let lost = match (stats.lost_datagrams, stats.repaired) {
        (0, _) => String::new(),
        (lost, repaired) => format!(" ({lost} lost, {repaired} mended)"),
    };
    match stats.via {
        Via::Udp => format!("  UDP {:.0} ms{lost}", stats.round_trip_ms),
        _ if stats.datagrams > 0 => format!("  TCP now{lost}"),
        _ => String::new(),
    }
}

fn playing(stats: &ClientStats) -> String {
    if !stats.connected {
        return "not connected".to_owned();
    }
    if stats.delay_ms == 0.0 {
        return "waiting for sound".to_owned();
    }
    // Where the others are is where this one should be.
    let off_us = (stats.delay_ms - stats.playout_delay_ms) * 1e3;
    format!(
        "{:.1} ms after the PC  {off_us:+.0} µs off  buffer {:.0} ms",
        stats.delay_ms, stats.buffered_ms
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Person;

    fn stats() -> ClientStats {
        ClientStats {
            connected: true,
            delay_ms: 300.012,
            playout_delay_ms: 300.0,
            buffered_ms: 271.3,
            underruns: 2,
            lost_frames: 480,
            ppm: -12.34,
            level_dbfs: -30.0,
            ..ClientStats::default()
        }
    }

    #[test]
    fn a_playing_client_shows_where_it_stands() {
        let view = View { volume_percent: 80, trim_ms: -5, ..View::default() };
        assert_eq!(
            lines(&stats(), &view),
            [
                "[██████████░░░░░░░░░░] -30 dB  300.0 ms after the PC  +12 µs off  buffer 271 ms",
                "underruns 2  lost 480  -12.3 ppm  volume 80 %  delay -5 ms",
            ]
        );
    }

    #[test]
    fn deafness_extra_delay_and_keys_show_where_there_are_any() {
        let view = View { deaf: true, extra_ms: 20, keys: true, ..View::default() };
        let lines = lines(&stats(), &view);
        assert!(lines[1].contains("deaf") && lines[1].contains("20 ms after the others"));
        assert_eq!(lines[2], Key::HELP);
    }

    #[test]
    fn which_way_sound_comes_and_what_is_lost_there_shows() {
        let stats = ClientStats {
            via: Via::Udp,
            datagrams: 9_000,
            round_trip_ms: 4.2,
            lost_datagrams: 7,
            repaired: 6,
            ..stats()
        };
        let shown = |stats: &ClientStats| lines(stats, &View::default())[1].clone();
        assert!(shown(&stats).ends_with("  UDP 4 ms (7 lost, 6 mended)"), "{}", shown(&stats));
        let by_tcp = ClientStats { via: Via::Tcp, ..stats };
        assert!(shown(&by_tcp).ends_with("  TCP now (7 lost, 6 mended)"));
    }

    fn mouth(mode: Mode) -> Mouth {
        Mouth { mode, holds: false, is_allowed: true, has_microphone: true }
    }

    fn own_line(stats: &ClientStats, mouth: Mouth) -> String {
        let view = View { mouth: Some(mouth), keys: true, ..View::default() };
        lines(stats, &view).swap_remove(2)
    }

    #[test]
    fn who_talks_sees_whether_they_are_heard_and_how() {
        let stats = ClientStats { mic_level_dbfs: -30.0, ..stats() };
        assert_eq!(
            own_line(&stats, mouth(Mode::Open)),
            "[██████████░░░░░░░░░░] -30 dB  you are silent  (speak, and you are heard)"
        );
        let talking = ClientStats { talking: true, ..stats.clone() };
        let push = own_line(&talking, mouth(Mode::Push));
        assert!(push.ends_with("you speak  (the space bar begins and ends talking)"), "{push}");
        let hold = own_line(&stats, Mouth { holds: true, ..mouth(Mode::Push) });
        assert!(hold.ends_with("you are silent  (hold the space bar to talk)"), "{hold}");
        let muted = ClientStats { muted: true, ..stats.clone() };
        assert!(own_line(&muted, mouth(Mode::Open)).ends_with("muted: m ends that"));
        let missing = own_line(&stats, Mouth { has_microphone: false, ..mouth(Mode::Open) });
        assert!(missing.contains("microphone missing"), "{missing}");
        let listens = own_line(&stats, Mouth { is_allowed: false, ..mouth(Mode::Open) });
        assert!(listens.ends_with("you only listen: the server lets nobody speak"), "{listens}");
    }

    #[test]
    fn everybody_else_stands_there_with_what_they_do() {
        let other = |number, name: &str, can_talk| Other {
            person: Person {
                person: number,
                name: name.into(),
                can_talk,
                is_muted: false,
                is_deaf: false,
                is_speaking: false,
            },
            volume_percent: 100,
            is_selected: false,
        };
        let mut others = vec![other(1, "Anna", true), other(2, "Ben", true), other(3, "TV", false)];
        others[0].person.is_speaking = true;
        others[1].person.is_muted = true;
        others[1].is_selected = true;
        let view = View { others, keys: true, ..View::default() };
        let shown = lines(&stats(), &view);
        assert_eq!(shown[2], "in the room:  ● Anna  ▸ Ben (muted) 100 %  TV (listens)");
        assert_eq!(shown[3], format!("{}{}", Key::HELP_PEOPLE, Key::HELP));
        let crowd = (0..128).map(|n| other(n, &"x".repeat(64), true)).collect();
        let shown = lines(&stats(), &View { others: crowd, ..View::default() });
        assert!(shown[2].ends_with("more") && shown[2].len() < 400, "{}", shown[2]);
        let view =
            View { others: vec![other(1, "Anna", true)], elsewhere: 1_204, ..View::default() };
        let shown = lines(&stats(), &view);
        assert!(shown.last().unwrap().ends_with("Anna  and 1204 elsewhere"), "{shown:?}");
    }

    #[test]
    fn what_an_ear_has_on_shows_and_an_arrow_before_what_keys_move() {
        let shown = |hearing, chosen| {
            let view = View { hearing, chosen, ..View::default() };
            lines(&stats(), &view).into_iter().find(|line| line.starts_with("ear:"))
        };
        assert_eq!(shown(Hearing::NONE, None), None);
        let mut hearing = Hearing::NONE.turned(Control::Dialogue, true);
        assert_eq!(shown(hearing, None).unwrap(), "ear:  dialogue +3 dB");
        hearing.night = true;
        let chosen = shown(hearing, Some(Control::Bass)).unwrap();
        assert_eq!(chosen, "ear:  dialogue +3 dB  night  ▸ bass 0 dB  (< less, > more, e next)");
    }

    #[test]
    fn a_recording_and_a_simulated_network_are_named() {
        let view = View { is_recording: true, is_simulated: true, ..View::default() };
        assert!(lines(&stats(), &view)[1].ends_with("  recording  simulated network"));
    }

    #[test]
    fn what_the_network_does_stands_below_what_is_lost() {
        let air = Some("the Wi-Fi pauses for 120 ms about every 30 s".to_owned());
        let shown = lines(&ClientStats { air: air.clone(), ..stats() }, &View::default());
        assert!(shown[1].starts_with("underruns"), "{shown:?}");
        assert_eq!(shown.get(2), air.as_ref());
        assert_eq!(lines(&stats(), &View::default()).len(), 2, "nothing is said of a good one");
    }

    #[test]
    fn before_there_is_sound_it_says_so() {
        let silent = |connected| ClientStats { connected, ..ClientStats::default() };
        let first = |stats| lines(&stats, &View::default()).swap_remove(0);
        assert!(first(silent(false)).ends_with("not connected"));
        assert!(first(silent(true)).ends_with("waiting for sound"));
    }
}
