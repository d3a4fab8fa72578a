//! What a client says of itself: to the server, in lines of statistics, on the terminal, in the log.

use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};

use super::air::Finding;
use super::connect::Seen;
use super::people::Gossip;
use super::play::Snapshot;
use super::running::Watched;
use super::shown::Shown;
use super::talk;
use crate::stats::{self, ClientStats, Lines, Loudest, Via};
use crate::status::client::{Mouth, View};
use crate::status::{self, Terminal};
use crate::wifi::Wifi;
use crate::wire::Report;

/// Reports how a client goes.
pub(super) struct Reporter {
    watched: Watched,
    lines: Lines,
    terminal: Option<Terminal>,
    /// Where a program looks.
    shown: Option<Arc<Shown>>,
    /// Whether the terminal takes keys.
    has_keys: bool,
    /// Whether the network is made worse than it is.
    is_simulated: bool,
    start_us: u64,
    /// The loudest of a second and of a moment, heard and said.
    second: Loudest,
    moment: Loudest,
    second_said: Loudest,
    moment_said: Loudest,
    gossip: Gossip,
    /// Held while a server is connected.
    wifi: Wifi,
    last: Snapshot,
}

impl Reporter {
    pub(super) fn new(
        watched: Watched,
        lines: Lines,
        (terminal, shown): (Option<Terminal>, Option<Arc<Shown>>),
        has_keys: bool,
        is_simulated: bool,
    ) -> Self {
        let start_us = watched.clock.now_us();
        let second = || Loudest::every(Duration::from_secs(1), start_us);
        let moment = || Loudest::every(status::EVERY, start_us);
        Self {
            watched,
            lines,
            terminal,
            shown,
            has_keys,
            is_simulated,
            start_us,
            second: second(),
            moment: moment(),
            second_said: second(),
            moment_said: moment(),
            gossip: Gossip::default(),
            wifi: Wifi::default(),
            last: Snapshot::default(),
        }
    }

    /// Looks at how it goes, and says what is due.
    pub(super) fn look(&mut self) {
        self.take_newest();
        self.wifi.while_playing(self.watched.seen.version.get() != 0);
        let now_us = self.watched.clock.now_us();
        let level_dbfs = self.watched.counters.peak.take_dbfs();
        let mic_level_dbfs = self.watched.said.microphone.peak.take_dbfs();
        let mic_second = self.second_said.over(now_us, mic_level_dbfs);
        if let Some(level_dbfs) = self.second.over(now_us, level_dbfs) {
            let _ = self.watched.reports.try_send(report(
                &self.last,
                &self.watched.counters,
                &self.watched.seen,
            ));
            let mic_level_dbfs = mic_second.unwrap_or(mic_level_dbfs);
            let stats = self.stats(now_us, level_dbfs, mic_level_dbfs);
            self.tell_of_air(now_us, stats.lost_frames);
            self.lines.write(&stats);
        }
        let others = self.watched.controls.room.others();
        if let Some(shown) = &self.shown {
            let people = others.iter().map(|other| other.person.name.clone()).collect();
            shown.put(&self.stats(now_us, level_dbfs, mic_level_dbfs), people);
        }
        let Some(terminal) = &self.terminal else {
            let news = self.gossip.news(&others, now_us);
            news.iter().for_each(|sentence| info!("{sentence}"));
            return;
        };
        let mic_moment = self.moment_said.over(now_us, mic_level_dbfs);
        if let Some(level_dbfs) = self.moment.over(now_us, level_dbfs) {
            let stats = self.stats(now_us, level_dbfs, mic_moment.unwrap_or(mic_level_dbfs));
            terminal.show(status::client::lines(&stats, &self.view()));
        }
    }

    /// Writes the last line, once everything has ended.
    pub(super) fn end(mut self) {
        self.take_newest();
        let level_dbfs = self.second.so_far(self.watched.counters.peak.take_dbfs());
        let said = &self.watched.said;
        let mic_level_dbfs = self.second_said.so_far(said.microphone.peak.take_dbfs());
        let stats = self.stats(self.watched.clock.now_us(), level_dbfs, mic_level_dbfs);
        self.lines.write(&stats);
    }

    /// Says what the way does, where sound is missing for it and it was not said of late.
    fn tell_of_air(&self, now_us: u64, missing: u64) {
        let mut air = self.watched.seen.air();
        if let Some(finding) = air.look(now_us, missing) {
            warn!("{}", air.sentence(finding));
        }
    }

    fn take_newest(&mut self) {
        while let Ok(snapshot) = self.watched.snapshots.try_recv() {
            self.last = snapshot;
        }
    }

    fn stats(&self, now_us: u64, level_dbfs: f32, mic_level_dbfs: f32) -> ClientStats {
        let Watched { counters, seen, recorded, talking, said, .. } = &self.watched;
        let uptime_us = now_us - self.start_us;
        let mut listening =
            client_stats(&self.last, counters, seen, recorded, uptime_us, level_dbfs);
        listening.air = seen.air().finding(now_us).map(Finding::what);
        talk::stats(listening, talking.as_deref(), said, mic_level_dbfs)
    }

    fn view(&self) -> View {
        let Watched { controls, talking, recorded, .. } = &self.watched;
        View {
            volume_percent: controls.volume_set_percent(),
            deaf: controls.is_deaf(),
            trim_ms: controls.trim.ms(),
            hearing: controls.ears.hearing(),
            chosen: controls.ears.chosen(),
            extra_ms: self.last.extra_ms,
            keys: self.has_keys,
            mouth: talking.as_ref().map(|talking| Mouth {
                mode: talking.mode(),
                holds: controls.tells_release(),
                is_allowed: talking.is_allowed(),
                has_microphone: talking.has_microphone(),
            }),
            others: controls.room.others(),
            elsewhere: controls.room.elsewhere(),
            is_recording: recorded.files.get() > 0,
            is_simulated: self.is_simulated,
        }
    }
}

fn report(now: &Snapshot, counters: &stats::Playback, seen: &Seen) -> Report {
    Report {
        buffered_ms: now.buffered_ms,
        underruns: counters.underruns.get(),
        lost_frames: now.counts.lost,
        ppm: now.ppm,
        output_latency_ms: now.output_latency_ms,
        extra_ms: now.extra_ms,
        lost_datagrams: seen.lost_datagrams.get(),
        repaired: seen.repaired.get(),
        concealed_ms: seen.concealed_us.get() as f64 / 1e3,
        round_trip_ms: seen.round_trip_us.get() as f64 / 1e3,
        spare_ms: now.spare_ms,
    }
}

fn client_stats(
    now: &Snapshot,
    counters: &stats::Playback,
    seen: &Seen,
    recorded: &stats::Recording,
    uptime_us: u64,
    level_dbfs: f32,
) -> ClientStats {
    let version = u32::try_from(seen.version.get()).unwrap_or(0);
    ClientStats {
        uptime_s: uptime_us as f64 / 1e6,
        connected: version != 0,
        version,
        frames_received: seen.frames.get(),
        lost_frames: now.counts.lost + seen.concealed.get(),
        chunks_refused: seen.refused.get() + counters.refused.get(),
        late_frames: now.counts.late,
        via: if seen.by_datagram.get() != 0 { Via::Udp } else { Via::Tcp },
        datagrams: seen.datagrams.get(),
        lost_datagrams: seen.lost_datagrams.get(),
        repaired: seen.repaired.get(),
        concealed_ms: seen.concealed_us.get() as f64 / 1e3,
        round_trip_ms: seen.round_trip_us.get() as f64 / 1e3,
        buffered_ms: now.buffered_ms,
        delay_ms: now.delay_ms,
        playout_delay_ms: now.playout_delay_ms,
        underruns: counters.underruns.get(),
        silence_frames: counters.silence.get(),
        jumps: now.counts.jumps,
        ppm: now.ppm,
        clock_uncertainty_us: seen.uncertainty_ns.get() as f64 / 1e3,
        card_uncertainty_us: now.card_uncertainty_us,
        output_latency_ms: now.output_latency_ms,
        recordings: recorded.files.get(),
        recorded_frames: recorded.frames.get(),
        record_lost_frames: recorded.lost.get(),
        connections: seen.connections.get(),
        level_dbfs,
        ..ClientStats::default()
    }
}
