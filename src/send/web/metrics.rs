//! The figures of `--stats` as Prometheus reads them: every key with `auralync_` in front.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, Value};

use crate::stats::ServerStats;

/// Version 0.0.4 is what every Prometheus reads.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Keys that only ever grow; all others come and go.
const COUNTERS: [&str; 23] = [
    "capture_overruns",
    "silence_frames",
    "chunks_dropped",
    "loop_cpu_ms",
    "recorded_frames",
    "record_lost_frames",
    "dropped_frames",
    "frames",
    "bytes",
    "datagrams",
    "resent",
    "resent_refused",
    "dropped_full",
    "dropped_old",
    "underruns",
    "lost_frames",
    "lost_datagrams",
    "repaired",
    "dropped",
    "again",
    "gaps",
    "refused",
    "breaks",
];

/// What tells one listener, or Icecast server, from another.
const LABELS: [&str; 5] = ["address", "name", "codec", "via", "url"];

/// The whole text.
#[must_use]
pub fn text(stats: &ServerStats) -> String {
    let mut text = String::new();
    let Ok(Value::Object(all)) = serde_json::to_value(stats) else {
        return text;
    };
    for (key, value) in numbers(&all) {
        family(&mut text, "auralync", key);
        line(&mut text, "auralync", key, "", value);
    }
    let each = |list: &str| -> Vec<_> {
        let list = all.get(list).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_object).map(|one| (labels(one), one)).collect()
    };
    samples(&mut text, "auralync_source", &each("sources"));
    samples(&mut text, "auralync_icecast", &each("icecast"));
    if let Some(engine) = all.get("engine").and_then(Value::as_object) {
        samples(&mut text, "auralync_engine", &[(String::new(), engine)]);
    }
    let listeners = each("listeners");
    samples(&mut text, "auralync_listener", &listeners);
    let reports: Vec<_> = listeners
        .into_iter()
        .filter_map(|(labels, listener)| Some((labels, listener.get("report")?.as_object()?)))
        .collect();
    samples(&mut text, "auralync_listener_report", &reports);
    text
}

/// All samples of a metric must follow one another, so the keys go round the listeners.
fn samples(text: &mut String, prefix: &str, listeners: &[(String, &Map<String, Value>)]) {
    // Some leave out what has not happened to them.
    let keys: BTreeSet<&str> =
        listeners.iter().flat_map(|(_, one)| numbers(one)).map(|(key, _)| key).collect();
    for key in keys {
        family(text, prefix, key);
        for (labels, listener) in listeners {
            if let Some(value) = listener.get(key).and_then(Value::as_f64) {
                line(text, prefix, key, labels, value);
            }
        }
    }
}

fn numbers(object: &Map<String, Value>) -> impl Iterator<Item = (&str, f64)> {
    object.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_f64()?)))
}

fn family(text: &mut String, prefix: &str, key: &str) {
    let (suffix, kind) = if is_counter(key) { ("_total", "counter") } else { ("", "gauge") };
    let _ = writeln!(text, "# TYPE {prefix}_{key}{suffix} {kind}");
}

fn line(text: &mut String, prefix: &str, key: &str, labels: &str, value: f64) {
    let suffix = if is_counter(key) { "_total" } else { "" };
    let _ = writeln!(text, "{prefix}_{key}{suffix}{labels} {value}");
}

fn is_counter(key: &str) -> bool {
    COUNTERS.contains(&key)
}

fn labels(listener: &Map<String, Value>) -> String {
    let labels = LABELS.iter().filter_map(|label| {
        let value = listener.get(*label)?.as_str()?;
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        Some(format!("{label}=\"{value}\""))
    });
    format!("{{{}}}", labels.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::stats::{Icecast, ListenerStats, Via};
    use crate::wire::Report;

    fn listener(name: &str, report: Option<Report>) -> ListenerStats {
        ListenerStats {
            address: ([192, 168, 1, 20], 53_412).into(),
            name: name.to_owned(),
            version: 2,
            via: Via::WebSocket,
            codec: Codec::Float32,
            connected_s: 1.5,
            queued: 1,
            frames: 2,
            bytes: 3,
            datagrams: 6,
            resent: 0,
            resent_refused: 0,
            dropped_full: 4,
            dropped_old: 5,
            report,
            person: None,
        }
    }

    #[test]
    fn every_figure_is_there_once_under_its_own_name() {
        let report = Report { underruns: 7, ..Report::default() };
        let stats = ServerStats {
            uptime_s: 12.5,
            listening: 2,
            listeners: vec![listener("no report", None), listener("a \"b\" \\", Some(report))],
            icecast: vec![Icecast::new("http://a:8000/x".to_owned()).now()],
            ..ServerStats::default()
        };
        let text = text(&stats);
        let who = "{address=\"192.168.1.20:53412\",name=\"a \\\"b\\\" \\\\\",codec=\"f32\",via=\"websocket\"}";
        for expected in [
            "# TYPE auralync_uptime_s gauge\nauralync_uptime_s 12.5\n",
            "\nauralync_listening 2\n",
            "# TYPE auralync_dropped_frames_total counter\nauralync_dropped_frames_total 0\n",
            "\nauralync_icecast_breaks_total{url=\"http://a:8000/x\"} 0\n",
            &format!("\nauralync_listener_frames_total{who} 2\n"),
            &format!("\nauralync_listener_report_underruns_total{who} 7\n"),
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        let mut families: Vec<_> = text.lines().filter(|line| line.starts_with('#')).collect();
        let count = families.len();
        families.sort_unstable();
        families.dedup();
        assert_eq!(families.len(), count, "each has one type");
    }

    #[test]
    fn what_grows_is_a_counter_that_the_statistics_have() {
        let report =
            Report { lost_datagrams: 1, repaired: 1, concealed_ms: 1.0, ..Report::default() };
        let icecast = vec![Icecast::new(String::new()).now()];
        let listeners = vec![listener("", Some(report))];
        let stats = ServerStats { listeners, icecast, ..ServerStats::default() };
        let text = text(&stats);
        for counter in COUNTERS {
            assert!(
                text.contains(&format!("_{counter}_total "))
                    || text.contains(&format!("_{counter}_total{{")),
                "{counter}"
            );
        }
    }
}
