//! What a server shows.

use zeroize::Zeroizing;

use super::{Key, fit, meter, pad};
use crate::stats::{EngineStats, IcecastState, ListenerStats, ServerStats};

/// Most listeners that have a line of their own; the room of a small window.
const MOST: usize = 12;

/// Cells of the columns.
const ADDRESS: usize = 21;
const NAME: usize = 18;

/// What only whoever runs a private room sees.
#[derive(Debug, Default)]
pub struct Host {
    /// The code, and for how many seconds it holds.
    pub code: Option<(Zeroizing<String>, u64)>,
    /// Whether keys are taken.
    pub has_keys: bool,
}

/// The lines of a private room, below all others.
#[must_use]
pub fn host_lines(stats: &ServerStats, host: &Host) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if let Some(first) = stats.waiting.first() {
        let keys = if host.has_keys { ": y lets in, n does not" } else { "" };
        let name = fit(&first.name, NAME);
        lines.push(format!("“{name}” ({}) wants to come in{keys}", first.address));
        if stats.waiting.len() > 1 {
            lines.push(format!("and {} more wait", stats.waiting.len() - 1));
        }
    }
    if let Some((code, left_s)) = &host.code {
        let minutes = left_s.div_ceil(60);
        lines.push(format!("code {} lets one person in, for {minutes} min", **code));
    }
    if host.has_keys {
        lines.push(Key::HELP_HOST.to_owned());
    }
    lines
}

/// The lines to show. The level in `stats` is the latest, not a second's.
#[must_use]
pub fn lines(stats: &ServerStats, playout_delay_ms: u32) -> Vec<String> {
    let listening = match stats.listening {
        0 => "nobody listens".to_owned(),
        1 => "1 listener".to_owned(),
        n => format!("{n} listeners"),
    };
    let mut lines = vec![format!(
        "{}  {listening}  {playout_delay_ms} ms  drops {}",
        meter(stats.level_dbfs),
        stats.dropped_frames
    )];
    if stats.capture_overruns > 0 {
        lines[0] += &format!("  overruns {}", stats.capture_overruns);
    }
    match stats.snapclients.as_deref() {
        None | Some([]) => {}
        Some([one]) => lines[0] += &format!("  1 snapclient: {}", fit(&one.name, NAME)),
        Some(many) => lines[0] += &format!("  {} snapclients", many.len()),
    }
    if stats.private {
        lines[0] += "  private";
    }
    if stats.recordings > 0 {
        lines[0] += "  recording";
    }
    if !stats.icecast.is_empty() {
        let sending = stats.icecast.iter().filter(|one| one.state == IcecastState::Sending);
        lines[0] += &format!("  Icecast {} of {}", sending.count(), stats.icecast.len());
    }
    lines.extend(stats.engine.as_ref().map(engine_line));
    // Longest here first, so that lines keep their place while others come and go.
    let mut listeners: Vec<&ListenerStats> = stats.listeners.iter().collect();
    listeners.sort_by(|a, b| {
        b.connected_s.total_cmp(&a.connected_s).then_with(|| a.address.cmp(&b.address))
    });
    lines.extend(listeners.iter().take(MOST).map(|one| line(one, playout_delay_ms)));
    if listeners.len() > MOST {
        lines.push(format!("and {} more", listeners.len() - MOST));
    }
    lines
}

/// How the way between servers is.
fn engine_line(engine: &EngineStats) -> String {
    let way = match &engine.url {
        Some(url) => format!("engine {url}"),
        None => "engine: not there".to_owned(),
    };
    if engine.role == "origin" {
        let edges = if engine.edge_count == 1 { "server" } else { "servers" };
        return format!(
            "{way}  {} {edges} elsewhere, with {} listeners",
            engine.edge_count, engine.listening_there
        );
    }
    match engine.clock_bound_us {
        Some(bound_us) => {
            format!("{way}  clock within {:.1} ms  gaps {}", bound_us / 1e3, engine.gaps)
        }
        None => way,
    }
}

fn line(listener: &ListenerStats, playout_delay_ms: u32) -> String {
    let name = match listener.name.as_str() {
        "" => "(first generation)",
        name => name,
    };
    // What a listener does not report is not made up.
    let (delay, buffer) = match (&listener.report, listener.version) {
        (Some(report), _) => (
            format!("{} ms", playout_delay_ms.saturating_add(report.extra_ms)),
            format!("{:.0} ms", report.buffered_ms.clamp(0.0, 99_999.0)),
        ),
        (None, 2..) => (format!("{playout_delay_ms} ms"), "?".to_owned()),
        (None, _) => ("?".to_owned(), "?".to_owned()),
    };
    let state = match &listener.person {
        Some(person) if person.is_muted => "  muted",
        Some(person) if person.is_speaking => "  speaks",
        Some(person) if person.can_talk => "  can talk",
        Some(_) | None => "",
    };
    format!(
        "{}  {}  {:<4}  {delay:>8}  buffer {buffer:>8}  drops {}{state}",
        pad(&listener.address.to_string(), ADDRESS),
        pad(&fit(name, NAME), NAME),
        listener.codec,
        listener.dropped_full + listener.dropped_old
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::stats::{Icecast, PersonStats, Via};
    use crate::wire::Report;

    fn listener(name: &str, connected_s: f64, report: Option<Report>) -> ListenerStats {
        ListenerStats {
            address: ([192, 168, 1, 20], 53_412).into(),
            name: name.to_owned(),
            version: if name.is_empty() { 1 } else { 2 },
            via: Via::Tcp,
            codec: Codec::Float32,
            connected_s,
            queued: 0,
            frames: 0,
            bytes: 0,
            datagrams: 0,
            resent: 0,
            resent_refused: 0,
            dropped_full: 2,
            dropped_old: 1,
            report,
            person: None,
        }
    }

    fn shown(listeners: Vec<ListenerStats>) -> Vec<String> {
        let listening = listeners.len();
        let level_dbfs = -60.0;
        lines(&ServerStats { level_dbfs, listening, listeners, ..ServerStats::default() }, 300)
    }

    #[test]
    fn an_empty_room_is_one_line() {
        assert_eq!(
            shown(vec![]),
            ["[░░░░░░░░░░░░░░░░░░░░] -60 dB  nobody listens  300 ms  drops 0"]
        );
    }

    #[test]
    fn how_many_icecast_servers_get_sound_stands_in_the_first_line() {
        let counters = [(), ()].map(|()| Icecast::new("http://a:8000/x".to_owned()));
        counters[0].set(IcecastState::Sending);
        let icecast = counters.iter().map(Icecast::now).collect();
        let stats = ServerStats { icecast, ..ServerStats::default() };
        assert!(lines(&stats, 300)[0].ends_with("drops 0  Icecast 1 of 2"));
    }

    #[test]
    fn each_listener_has_a_line_in_the_order_they_came() {
        let report = Report { buffered_ms: 271.3, extra_ms: 20, ..Report::default() };
        let room = vec![listener("", 1.0, None), listener("living room", 9.0, Some(report))];
        assert_eq!(
            shown(room)[1..],
            [
                "192.168.1.20:53412     living room         f32     320 ms  buffer   271 ms  drops 3",
                "192.168.1.20:53412     (first generation)  f32          ?  buffer        ?  drops 3",
            ]
        );
    }

    #[test]
    fn people_say_at_the_end_of_their_line_whether_they_speak() {
        let can_talk = PersonStats { can_talk: true, ..PersonStats::default() };
        for (person, end) in [
            (PersonStats::default(), "drops 3"),
            (can_talk, "drops 3  can talk"),
            (PersonStats { is_speaking: true, ..can_talk }, "drops 3  speaks"),
            (PersonStats { is_muted: true, ..can_talk }, "drops 3  muted"),
        ] {
            let somebody = ListenerStats { person: Some(person), ..listener("n", 1.0, None) };
            assert!(shown(vec![somebody])[1].ends_with(end), "{person:?}");
        }
    }

    #[test]
    fn a_big_room_ends_with_how_many_more_there_are() {
        let lines = shown((0..50).map(|n| listener("n", f64::from(n), None)).collect());
        assert_eq!(lines.len(), MOST + 2);
        assert_eq!(lines.last().unwrap(), "and 38 more");
    }

    #[test]
    fn neither_a_long_name_nor_a_strange_report_moves_the_columns() {
        let report = Report { buffered_ms: f64::MAX, ..Report::default() };
        let long = "居".repeat(200);
        for name in ["n", &long, "\u{1b}[2J"] {
            let line = &shown(vec![listener(name, 1.0, Some(report))])[1];
            assert!(line.contains("f32     300 ms  buffer 99999 ms"), "{line}");
            assert!(!line.contains('\u{1b}'));
        }
    }
}
