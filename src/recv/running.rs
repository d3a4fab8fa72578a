//! A client's threads: makes the queues between them, starts and joins them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use log::warn;

use super::connect::{Connect, Seen};
use super::controls::Controls;
use super::ears::Ears;
use super::play::{self, Choice, Play, Snapshot};
use super::play_thread::{Card, PlayThread};
use super::recordings::Recordings;
use super::rooms::Rooms;
use super::talk::{self, speak};
use super::trim::Trim;
use super::{Where, decode};
use crate::clock::Clock;
use crate::discovery::follow::Whereabouts;
use crate::error::Result;
use crate::settings::{ClientSettings, Transport};
use crate::shutdown::Shutdown;
use crate::stats;
use crate::status::{Key, Keyboard, Terminal};
use crate::talking::{Mode, Talking};
use crate::threads::{Priority, join, spawn};
use crate::upstreams::Upstream;
use crate::wire::{Hello, Report};

/// Messages from the network to the playing thread, which takes them all every few milliseconds:
/// room for a stall of seconds.
const HEARD: usize = 1024;

/// How long threads get to end when the client stops; the process's end takes the rest.
const STOP_WITHIN: Duration = Duration::from_millis(600);

/// How long the output gets to be given back in order. Opening one can take seconds, which nobody waits
/// for; but a process that ends while it gives one back has crashed in the sound system's library (Wine's).
const CARD_ENDS_WITHIN: Duration = Duration::from_millis(300);

/// What can be seen of a client that runs, and whom it is told.
pub(super) struct Watched {
    pub(super) clock: Clock,
    pub(super) counters: Arc<stats::Playback>,
    pub(super) seen: Arc<Seen>,
    pub(super) controls: Arc<Controls>,
    /// Where this listener talks.
    pub(super) talking: Option<Arc<Talking>>,
    pub(super) said: Arc<stats::Talk>,
    /// Counted of the files that are written.
    pub(super) recorded: Arc<stats::Recording>,
    /// What the playing thread says of itself.
    pub(super) snapshots: Receiver<Snapshot>,
    /// What the server is told. A report that the network thread has not taken is worth less than
    /// the next.
    pub(super) reports: SyncSender<Report>,
}

/// A client that runs.
pub(super) struct Running {
    controls: Arc<Controls>,
    recordings: Recordings,
    player: JoinHandle<Result<()>>,
    network: JoinHandle<Result<()>>,
    /// What keeps the output, if it is one.
    card: Option<JoinHandle<()>>,
    /// Everything ends with this, whether the user or a thread asks for it.
    stop: Shutdown,
}

impl Running {
    /// Starts everything.
    ///
    /// # Errors
    /// A file that cannot be written, or a thread that the system does not give.
    pub(super) fn start(
        settings: &ClientSettings,
        place: Whereabouts,
        output: Where,
        upstream: Option<Upstream>,
    ) -> Result<(Self, Watched)> {
        let (clock, counters) = match &output {
            Where::Pulled(pulled) => (pulled.clock, Arc::clone(&pulled.counters)),
            _ => (Clock::start(), Arc::default()),
        };
        let seen: Arc<Seen> = Arc::default();
        let (to_player, heard) = sync_channel(HEARD);
        let (snapshots_in, snapshots) = sync_channel(1);
        let (reports_in, reports) = sync_channel(1);
        let stop = Shutdown::default();

        // A delay that the card's keeper has not taken is followed by the one that counts.
        let (delays_in, delays) = sync_channel(8);
        #[cfg(not(feature = "device"))]
        drop(delays);

        let trim = Trim::new(settings.delay_ms);
        let talking = settings.talk.map(|mode| Arc::new(Talking::new(mode)));
        let said: Arc<stats::Talk> = Arc::default();
        let controls = Arc::new(Controls::new(
            settings.volume_percent,
            trim,
            Ears::new(settings.hearing, settings.remembers_hearing),
            talking.clone(),
        ));
        let voice = talking
            .map(|talking| {
                let controls = Arc::clone(&controls);
                let volume = move || {
                    let wishes = controls.wishes();
                    let is_plain = wishes.hearing.is_off();
                    is_plain.then(|| f32::from(wishes.volume_percent) / 100.0)
                };
                talk::start(settings, talking, &said, clock, volume, &stop)
            })
            .transpose()?;
        let (voice, echoes) = voice.unzip();
        let echoes = echoes.flatten();
        #[cfg(not(feature = "device"))]
        drop(echoes);
        let talking = voice.as_ref().map(|voice| Arc::clone(&voice.talking));
        let is_file = matches!(output, Where::Cardless);
        let (cards, own_output, card) = match output {
            Where::Cardless => (None, None, None),
            Where::Pulled(pulled) => {
                let (cards_in, cards) = sync_channel(1);
                let _ = cards_in.try_send(Card::Plugged(pulled.plugged));
                (Some(cards), None, None)
            }
            #[cfg(feature = "device")]
            Where::Card(device) => {
                let (cards_in, cards) = sync_channel(4);
                let own = device.as_ref().map(|device| {
                    controls.on_device(device.id(), device.name());
                    device.id().to_owned()
                });
                let keeper = super::keep_card::KeepCard {
                    name: settings.device.clone(),
                    found: device.map(|device| *device),
                    delays,
                    controls: Arc::clone(&controls),
                    clock,
                    counters: Arc::clone(&counters),
                    player: cards_in,
                    echoes,
                };
                let heard = stop.clone();
                let card = spawn("card", Priority::Ordinary, &stop, move || keeper.run(&heard))?;
                (Some(cards), own, Some(card))
            }
        };
        let recordings = Recordings::start(settings, &stop)?;
        let choice = Choice {
            fallback_delay_ms: settings.fallback_delay_ms,
            adaptive: settings.adaptive,
            wishes: controls.wishes(),
        };
        let output = if cards.is_some() { play::Output::Card } else { play::Output::Cardless };
        let mut play = Play::new(output, choice, Arc::clone(&counters));
        play.record(recordings.taps());
        let reading = play.reading();
        let player = PlayThread {
            play,
            clock,
            network: heard,
            cards,
            controls: Arc::clone(&controls),
            snapshots: snapshots_in,
            delays: delays_in,
        };
        let network = Connect {
            place,
            keeps_codec: is_file && settings.codec == crate::codec::AUTO,
            hello: Hello {
                codecs: crate::codec::wishes(&settings.codec),
                datagrams: settings.transport != Transport::Tcp,
                talk: voice.as_ref().map(|_| speak::announced(settings.talk_codec)),
                ..decode::hello(format!("{:016x}", crate::random::random()), &settings.name)
            },
            rooms: Rooms::open(settings.link.clone(), settings.code.clone())?,
            transport: settings.transport,
            once: settings.once,
            discovery: settings.discovery,
            upstream,
            own_output: own_output.filter(|_| !settings.allow_feedback),
            clock,
            player: to_player,
            reports,
            seen: Arc::clone(&seen),
            reading,
            dscp: settings.dscp,
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
        let watched = Watched {
            clock,
            counters,
            seen,
            controls: Arc::clone(&controls),
            talking,
            said,
            recorded: Arc::clone(&recordings.counters),
            snapshots,
            reports: reports_in,
        };
        Ok((Self { controls, recordings, player, network, card, stop }, watched))
    }

    /// Takes keys from the terminal, if there is one. Returns whether there are keys.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn take_keys(
        &self,
        settings: &ClientSettings,
        terminal: Option<&Terminal>,
        shutdown: &Shutdown,
    ) -> Result<bool> {
        let pushes = settings.talk == Some(Mode::Push);
        let Some(keyboard) = terminal.and_then(|terminal| terminal.keyboard(pushes)) else {
            if pushes {
                warn!(
                    "there is no keyboard to push a key on, so nobody hears you. Use --talk=open"
                );
            }
            return Ok(false);
        };
        if keyboard.tells_release() {
            self.controls.expect_release();
        }
        let (controls, shutdown, heard) =
            (Arc::clone(&self.controls), shutdown.clone(), self.stop.clone());
        let _keys = spawn("keys", Priority::Ordinary, &self.stop, move || {
            take_keys(keyboard, &controls, &shutdown, &heard)
        })?;
        Ok(true)
    }

    /// Whether a thread has ended.
    pub(super) fn is_over(&self) -> bool {
        self.player.is_finished() || self.network.is_finished() || self.stop.is_requested()
    }

    /// Ends everything and completes the files.
    ///
    /// # Errors
    /// What went wrong while it ran.
    pub(super) fn end(self) -> Result<()> {
        self.stop.request();
        let outcome = join_soon(self.network).and(join_soon(self.player));
        let outcome = self.stop.breakage().map_or(outcome, Err);
        self.recordings.finish();
        self.controls.save();
        if let Some(card) = self.card {
            let _ = has_ended(&card, CARD_ENDS_WITHIN);
        }
        outcome
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

/// Joins a thread that may be inside a system call that takes longer than a user waits.
fn join_soon(handle: JoinHandle<Result<()>>) -> Result<()> {
    if has_ended(&handle, STOP_WITHIN) {
        return join(handle);
    }
    warn!("the {} thread is busy and was left behind", handle.thread().name().unwrap_or("?"));
    Ok(())
}

/// Whether a thread ends within that time.
fn has_ended<T>(handle: &JoinHandle<T>, within: Duration) -> bool {
    let until = std::time::Instant::now() + within;
    while !handle.is_finished() {
        if std::time::Instant::now() > until {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}
