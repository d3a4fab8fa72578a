//! What the main thread does while a server runs: tells how it goes.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use log::info;

use super::host_keys::HostKeys;
use super::shown::Shown;
use super::snapcast;
use super::tls;
use super::transmit::{Handle, Snapshot};
use crate::clock::Clock;
use crate::discovery::announce::Announcer;
use crate::player;
use crate::send::mix::desk::Desk;
use crate::shutdown::Shutdown;
use crate::stats::{self, EngineFigures, Lines, Loudest, ServerStats};
use crate::status::server::Host;
use crate::status::{self, Terminal};

/// How often the main thread looks around.
const LOOK: Duration = Duration::from_millis(100);

/// Everything that is told of, and whom it is told.
pub(super) struct Report {
    pub(super) counters: Arc<stats::Capture>,
    pub(super) desk: Desk,
    pub(super) recorded: Arc<stats::Recording>,
    pub(super) icecast: Vec<Arc<stats::Icecast>>,
    pub(super) clock: Clock,
    pub(super) lines: Lines,
    pub(super) status: Option<Terminal>,
    /// Where a program looks.
    pub(super) shown: Option<Arc<Shown>>,
    /// What keys have asked for, in a private room with a keyboard.
    pub(super) host: Option<HostKeys>,
    /// The encrypted page's certificate.
    pub(super) certificate: Option<Arc<tls::Shown>>,
    /// Where browsers can ask for the same.
    pub(super) figures: Option<Handle>,
    /// Where snapclients are asked after, where they may join.
    pub(super) snapclients: Option<snapcast::Handle>,
    /// Players here whose picture follows the delay, where any are to.
    pub(super) players: Option<player::Shown>,
    /// How the way between servers is, where there is one.
    pub(super) engine: Option<Arc<EngineFigures>>,
    /// Says goodbye when telling ends.
    pub(super) announcer: Option<Announcer>,
}

impl Report {
    /// Until the end: what the loop and the capture side say, as one line a second, and as a
    /// status where somebody looks.
    pub(super) fn run(
        mut self,
        snapshots: &Receiver<Snapshot>,
        shutdown: &Shutdown,
        is_over: &mut impl FnMut(Option<&[stats::ListenerStats]>) -> bool,
    ) {
        let start_us = self.clock.now_us();
        // A second is as long as the loop takes from one snapshot to the next.
        let mut second = Loudest::every(Duration::ZERO, start_us);
        let mut moment = Loudest::every(status::EVERY, start_us);
        let mut last = None;
        let mut sources = Vec::new();
        let mut listeners = None;
        let mut host = Host { code: None, has_keys: self.host.is_some() };
        while !shutdown.sleep(LOOK) && !is_over(listeners.take().as_deref()) {
            let now_us = self.clock.now_us();
            let level_dbfs = self.counters.peak.take_dbfs();
            if let Ok(snapshot) = snapshots.try_recv() {
                if let Some(announcer) = &mut self.announcer {
                    announcer.set_full(snapshot.full);
                }
                let delay_ms = snapshot.playout_delay_ms;
                let shown = self.host.as_ref().is_some_and(HostKeys::shows_code);
                host.code = snapshot
                    .code
                    .as_ref()
                    .filter(|_| shown)
                    .map(|shown| (shown.code.spoken(), shown.left_s));
                let level_dbfs = second.over(now_us, level_dbfs).unwrap_or(level_dbfs);
                let uptime_us = now_us.saturating_sub(start_us);
                let (counters, recorded) = (&self.counters, &self.recorded);
                let mut stats = server_stats(snapshot, counters, recorded, uptime_us, level_dbfs);
                // Where the mix has too much to do to answer, what played a second ago still does.
                if let Ok(now) = self.desk.list_within(LOOK) {
                    sources = now;
                }
                stats.sources.clone_from(&sources);
                if let Some(thread) = &self.snapclients {
                    // Where it has too much to do to answer, nobody is shown for a second.
                    stats.snapclients = Some(thread.list_within(LOOK).unwrap_or_default());
                }
                stats.icecast = self.icecast.iter().map(|one| one.now()).collect();
                stats.players = self.players.as_ref().map(player::Shown::look);
                stats.certificate = self.certificate.as_ref().map(|shown| shown.fingerprint());
                if let Some(engine) = &self.engine {
                    engine.set_listening(stats.listening);
                    stats.engine = engine.get();
                }
                self.lines.write(&stats);
                listeners = Some(stats.listeners.clone());
                if let Some(shown) = &self.shown {
                    shown.put(stats.listeners.iter().map(|one| one.name.clone()).collect());
                }
                if let Some(network) = &self.figures {
                    network.figures(stats.clone());
                }
                last = Some((stats, delay_ms));
            } else {
                let _ = second.so_far(level_dbfs);
            }
            if let (Some(terminal), Some((stats, delay_ms))) = (&self.status, &mut last)
                && let Some(level_dbfs) = moment.over(now_us, level_dbfs)
            {
                stats.level_dbfs = level_dbfs;
                let mut lines = status::server::lines(stats, *delay_ms);
                lines.extend(status::server::host_lines(stats, &host));
                terminal.show(lines);
                if let Some(keys) = &self.host {
                    keys.ask_about(stats.waiting.first().map(|first| first.address));
                }
            }
        }
        if shutdown.is_requested() {
            info!("stopping");
        }
    }
}

fn server_stats(
    now: Snapshot,
    counters: &stats::Capture,
    recorded: &stats::Recording,
    uptime_us: u64,
    level_dbfs: f32,
) -> ServerStats {
    let dropped = |l: &stats::ListenerStats| l.dropped_full + l.dropped_old;
    ServerStats {
        uptime_s: uptime_us as f64 / 1e6,
        level_dbfs,
        capture_overruns: counters.overruns.get(),
        silence_frames: counters.silence.get(),
        chunks_dropped: counters.chunks_dropped.get(),
        card_ppm: counters.ppm.get(),
        card_uncertainty_us: counters.uncertainty_us.get(),
        loop_cpu_ms: now.cpu_ms,
        recordings: recorded.files.get(),
        recorded_frames: recorded.frames.get(),
        record_lost_frames: recorded.lost.get(),
        talk_refused: now.talk_refused,
        talk_stale: counters.talk_stale.get(),
        talk_restless: counters.talk_restless.get(),
        private: now.members.is_some(),
        members: now.members.unwrap_or_default(),
        waiting: now.waiting,
        listening: now.listeners.len(),
        sources: Vec::new(),
        icecast: Vec::new(),
        players: None,
        playout_delay_ms: now.playout_delay_ms,
        certificate: None,
        engine: None,
        dropped_frames: now.dropped_before + now.listeners.iter().map(dropped).sum::<u64>(),
        listeners: now.listeners,
        snapclients: None,
    }
}
