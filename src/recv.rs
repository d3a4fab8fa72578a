//! Joins the receiving stages: makes the rings and queues, starts and joins the threads.

pub mod cardless;
pub mod connect;
mod controls;
pub mod decode;
pub mod dry;
#[cfg(feature = "device")]
mod keep_card;
pub(crate) mod people;
mod play;
pub mod simulate;
pub mod speaker;
pub mod talk;
mod trim;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use log::{info, warn};

use crate::clock::Clock;
use crate::discovery::follow::Whereabouts;
use crate::error::Result;
use crate::recording::{Failure, Recorder, STDOUT};
use talk::speak;
use crate::settings::{ClientSettings, Output};
use crate::shutdown::Shutdown;
use crate::stats::{self, ClientStats, Lines, Loudest};
use crate::status::client::Mouth;
use crate::status::{self, Key, Keyboard, Terminal};
use crate::talking::{Mode, Talking};
use crate::threads::{Priority, join, spawn};
use crate::wire::{Hello, Report};
use connect::{Connect, Seen};
use controls::Controls;
use people::Gossip;
use play::{Choice, Play, Snapshot, Taps};
use trim::Trim;

/// Messages from the network to the playing thread, which takes them all every few milliseconds:
/// room for a stall of seconds.
const HEARD: usize = 1024;

/// How often the threads are asked how they are.
const LOOK: Duration = Duration::from_millis(50);

/// How long threads get to end when the client stops; the process's end takes the rest.
const STOP_WITHIN: Duration = Duration::from_millis(600);

/// A client that has its output and has not connected yet.
pub struct Client {
    settings: ClientSettings,
    place: Whereabouts,
    output: Where,
    lines: Lines,
    status: Option<Terminal>,
}

enum Where {
    /// Nowhere, or into the file of `--output wav:FILE`.
    Cardless,
    /// None yet, where there is none on this PC, or somebody only talks until there is one.
    #[cfg(feature = "device")]
    Card(Option<Box<crate::device::OutputDevice>>),
}

impl Client {
    /// Finds the output.
    ///
    /// # Errors
    /// Whatever keeps the client from starting, as a sentence for the user.
    pub fn open(settings: ClientSettings, place: Whereabouts) -> Result<Self> {
        let lines = Lines::open(settings.stats.as_ref())?;
        let output = match &settings.output {
            #[cfg(feature = "device")]
            Output::Speaker => {
                match crate::device::OutputDevice::find(settings.device.as_deref()) {
                    Ok(device) => Where::Card(Some(Box::new(device))),
                    // Who cannot hear can be heard, and an output may come: the card's keeper says what
                    // is wrong.
                    Err(_) if settings.talk.is_some() => Where::Card(None),
                    Err(_) if !settings.once && !crate::device::has_output() => Where::Card(None),
                    Err(e) => return Err(e),
                }
            }
            #[cfg(not(feature = "device"))]
            Output::Speaker => {
                return Err(crate::Error::NoDevice {
                    what: "no sound can be played".to_owned(),
                    why: "this program was built without sound cards".to_owned(),
                    fix: "Use --output wav:FILE, or build with --features device".to_owned(),
                });
            }
            Output::Null | Output::Wav(_) => Where::Cardless,
        };
        Ok(Self { settings, place, output, lines, status: None })
    }

    /// What the sound goes to, in words.
    #[must_use]
    pub fn output_name(&self) -> String {
        match &self.output {
            #[cfg(feature = "device")]
            Where::Card(Some(device)) => format!("“{}”", device.name()),
            #[cfg(feature = "device")]
            Where::Card(None) => "the first output that there is".to_owned(),
            Where::Cardless => match &self.settings.output {
                Output::Wav(path) if path == Path::new(STDOUT) => "standard output".to_owned(),
                Output::Wav(path) => path.display().to_string(),
                _ => "nothing (--output null)".to_owned(),
            },
        }
    }

    /// Shows how playing goes on that terminal while it runs, and takes keys from it.
    pub fn show_on(&mut self, terminal: Option<Terminal>) {
        self.status = terminal;
    }

    /// Plays until `shutdown`.
    ///
    /// # Errors
    /// What cannot be mended by trying again; with `--once` whatever ended the connection.
    pub fn run(self, shutdown: &Shutdown) -> Result<()> {
        let Self { settings, place, output, mut lines, status } = self;
        let clock = Clock::start();
        let counters: Arc<stats::Playback> = Arc::default();
        let seen: Arc<Seen> = Arc::default();
        let (to_player, heard) = sync_channel(HEARD);
        let (snapshots_in, snapshots) = sync_channel(1);
        // A report that the network thread has not taken is worth less than the next.
        let (reports_in, reports) = sync_channel(1);
        // Everything below ends with this, whether the user or a thread asks for it.
        let stop = Shutdown::default();

        // A delay that the card's keeper has not taken is followed by the one that counts.
        let (delays_in, delays) = sync_channel(8);
        #[cfg(not(feature = "device"))]
        drop(delays);

        let trim = Trim::new(settings.delay_ms);
        let talking = settings.talk.map(|mode| Arc::new(Talking::new(mode)));
        let said: Arc<stats::Talk> = Arc::default();
        let controls = Arc::new(Controls::new(settings.volume_percent, trim, talking.clone()));
        let voice = talking
            .map(|talking| talk::start(&settings, talking, &said, clock, &stop))
            .transpose()?;
        let talking = voice.as_ref().map(|voice| Arc::clone(&voice.talking));
        let is_file = matches!(output, Where::Cardless);
        let (play_output, own_output) = match output {
            Where::Cardless => (play::Output::Cardless, None),
            #[cfg(feature = "device")]
            Where::Card(device) => {
                let (cards_in, cards) = sync_channel(4);
                let own = device.as_ref().map(|device| {
                    controls.trim.on_device(device.id(), device.name());
                    device.id().to_owned()
                });
                let keeper = keep_card::KeepCard {
                    name: settings.device.clone(),
                    found: device.map(|device| *device),
                    delays,
                    controls: Arc::clone(&controls),
                    clock,
                    counters: Arc::clone(&counters),
                    player: cards_in,
                };
                let heard = stop.clone();
                // Opening a card can take seconds; nobody waits for this thread to end.
                let _keeper = spawn("card", Priority::Ordinary, &stop, move || keeper.run(&heard))?;
                (play::Output::Card(cards), own)
            }
        };
        let recordings = Recordings::start(&settings, &stop)?;
        let choice = Choice {
            fallback_delay_ms: settings.fallback_delay_ms,
            adaptive: settings.adaptive,
            controls: Arc::clone(&controls),
        };
        let mut player = Play::new(
            clock,
            heard,
            play_output,
            choice,
            Arc::clone(&counters),
            snapshots_in,
            delays_in,
        );
        player.record(recordings.taps());
        let network = Connect {
            place,
            keeps_codec: is_file && settings.codec == crate::codec::AUTO,
            hello: Hello {
                codecs: crate::codec::wishes(&settings.codec),
                talk: voice.as_ref().map(|_| speak::announced(settings.talk_codec)),
                ..decode::hello(format!("{:016x}", crate::random::random()), &settings.name)
            },
            once: settings.once,
            discovery: settings.discovery,
            own_output: own_output.filter(|_| !settings.allow_feedback),
            clock,
            player: to_player,
            reports,
            seen: Arc::clone(&seen),
            simulation: settings.simulate.clone(),
            tried: stats::Counter::default(),
            warn_of_delay_flags: settings.delay_flags_given,
            voice,
            room: Arc::clone(&controls.room),
        };
        let heard = stop.clone();
        let player = spawn("player", Priority::Now, &stop, move || player.run(&heard))?;
        let heard = stop.clone();
        let network = spawn("network", Priority::Soon, &stop, move || network.run(&heard))?;

        let pushes = settings.talk == Some(Mode::Push);
        let keyboard = status.as_ref().and_then(|terminal| terminal.keyboard(pushes));
        let keys = keyboard.is_some();
        if pushes && !keys {
            warn!("there is no keyboard to push a key on, so nobody hears you. Use --talk=open");
        }
        if let Some(keyboard) = keyboard {
            if keyboard.tells_release() {
                controls.expect_release();
            }
            let (controls, shutdown, heard) =
                (Arc::clone(&controls), shutdown.clone(), stop.clone());
            let _keys = spawn("keys", Priority::Ordinary, &stop, move || {
                take_keys(keyboard, &controls, &shutdown, &heard)
            })?;
        }

        let start_us = clock.now_us();
        let mut second = Loudest::every(Duration::from_secs(1), start_us);
        let mut moment = Loudest::every(status::EVERY, start_us);
        let mut second_said = Loudest::every(Duration::from_secs(1), start_us);
        let mut moment_said = Loudest::every(status::EVERY, start_us);
        let mut gossip = Gossip::default();
        let mut last = Snapshot::default();
        let is_over = || player.is_finished() || network.is_finished() || stop.is_requested();
        while !shutdown.sleep(LOOK) && !is_over() {
            take_newest(&snapshots, &mut last);
            let now_us = clock.now_us();
            let level_dbfs = counters.peak.take_dbfs();
            let mic_level_dbfs = said.microphone.peak.take_dbfs();
            let stats = |level_dbfs, mic_level_dbfs| {
                let uptime_us = now_us - start_us;
                let recorded = &recordings.counters;
                let listening =
                    client_stats(&last, &counters, &seen, recorded, uptime_us, level_dbfs);
                talk::stats(listening, talking.as_deref(), &said, mic_level_dbfs)
            };
            let mic_second = second_said.over(now_us, mic_level_dbfs);
            if let Some(level_dbfs) = second.over(now_us, level_dbfs) {
                let _ = reports_in.try_send(report(&last, &counters));
                lines.write(&stats(level_dbfs, mic_second.unwrap_or(mic_level_dbfs)));
            }
            let Some(terminal) = &status else {
                let news = gossip.news(&controls.room.others(), now_us);
                news.iter().for_each(|sentence| info!("{sentence}"));
                continue;
            };
            let mic_moment = moment_said.over(now_us, mic_level_dbfs);
            if let Some(level_dbfs) = moment.over(now_us, level_dbfs) {
                let view = status::client::View {
                    volume_percent: controls.volume_set_percent(),
                    deaf: controls.is_deaf(),
                    trim_ms: controls.trim.ms(),
                    extra_ms: last.extra_ms,
                    keys,
                    mouth: talking.as_ref().map(|talking| Mouth {
                        mode: talking.mode(),
                        holds: controls.tells_release(),
                        is_allowed: talking.is_allowed(),
                        has_microphone: talking.has_microphone(),
                    }),
                    others: controls.room.others(),
                    is_recording: recordings.counters.files.get() > 0,
                    is_simulated: settings.simulate.is_some(),
                };
                let stats = stats(level_dbfs, mic_moment.unwrap_or(mic_level_dbfs));
                terminal.show(status::client::lines(&stats, &view));
            }
        }
        stop.request();
        if shutdown.is_requested() {
            info!("stopping");
        }
        let outcome = join_soon(network).and(join_soon(player));
        let outcome = stop.breakage().map_or(outcome, Err);
        let recorded = recordings.finish();
        controls.trim.save();
        take_newest(&snapshots, &mut last);
        let level_dbfs = second.so_far(counters.peak.take_dbfs());
        let uptime_us = clock.now_us() - start_us;
        let listened = client_stats(&last, &counters, &seen, &recorded, uptime_us, level_dbfs);
        let mic_level_dbfs = second_said.so_far(said.microphone.peak.take_dbfs());
        lines.write(&talk::stats(listened, talking.as_deref(), &said, mic_level_dbfs));
        outcome
    }
}

/// The threads that write what is heard into files.
#[derive(Default)]
struct Recordings {
    /// The recorder of `--output wav:FILE`.
    output: Option<Recorder>,
    /// The recorder of `--record`.
    heard: Option<Recorder>,
    counters: Arc<stats::Recording>,
}

impl Recordings {
    fn start(settings: &ClientSettings, stop: &Shutdown) -> Result<Self> {
        let mut recordings = Self::default();
        if let Output::Wav(path) = &settings.output {
            // Without its file such an output is none.
            let output =
                Recorder::start(settings.overwrite, Failure::IsKept, Arc::default(), stop)?;
            output.begin(path.clone(), None)?;
            recordings.output = Some(output);
        }
        if let Some(path) = &settings.record {
            let counters = Arc::clone(&recordings.counters);
            let heard = Recorder::start(settings.overwrite, Failure::IsSaid, counters, stop)?;
            heard.begin(path.clone(), None)?;
            recordings.heard = Some(heard);
        }
        Ok(recordings)
    }

    fn taps(&self) -> Taps {
        let tap = |recorder: &Option<Recorder>| recorder.as_ref().map(Recorder::tap);
        Taps { output: tap(&self.output), heard: tap(&self.heard) }
    }

    /// Completes the files; what was counted.
    fn finish(self) -> Arc<stats::Recording> {
        for recorder in [self.output, self.heard].into_iter().flatten() {
            recorder.finish();
        }
        self.counters
    }
}

/// Does what keys ask for, until there are no more or the client stops.
fn take_keys(mut keyboard: Keyboard, controls: &Controls, shutdown: &Shutdown, stop: &Shutdown) {
    while !stop.is_requested()
        && let Ok(keys) = keyboard.pressed()
    {
        for key in keys {
            match key {
                Key::Quit => shutdown.request(),
                key => controls.press(key),
            }
        }
    }
}

fn take_newest(snapshots: &Receiver<Snapshot>, last: &mut Snapshot) {
    while let Ok(snapshot) = snapshots.try_recv() {
        *last = snapshot;
    }
}

fn report(now: &Snapshot, counters: &stats::Playback) -> Report {
    Report {
        buffered_ms: now.buffered_ms,
        underruns: counters.underruns.get(),
        lost_frames: now.counts.lost,
        ppm: now.ppm,
        output_latency_ms: now.output_latency_ms,
        extra_ms: now.extra_ms,
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

/// Joins a thread that may be inside a system call that takes longer than a user waits.
fn join_soon(handle: thread::JoinHandle<Result<()>>) -> Result<()> {
    let until = std::time::Instant::now() + STOP_WITHIN;
    while !handle.is_finished() {
        if std::time::Instant::now() > until {
            warn!(
                "the {} thread is busy and was left behind",
                handle.thread().name().unwrap_or("?")
            );
            return Ok(());
        }
        thread::sleep(Duration::from_millis(5));
    }
    join(handle)
}
