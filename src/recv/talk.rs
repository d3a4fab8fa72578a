//! Joins the microphone, the talk thread and the connection of a listener who talks.

pub mod clean;
#[cfg(feature = "device")]
mod keep_microphone;
pub mod speak;
pub mod voice_activity;

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

#[cfg(not(feature = "device"))]
use log::warn;

use super::connect::outbox::Outbox;
use super::connect::talk::Voice;
use crate::clock::Clock;
use crate::error::Result;
use crate::settings::ClientSettings;
use crate::shutdown::Shutdown;
use crate::stats::{self, ClientStats};
use crate::talking::Talking;
use crate::threads::{Priority, spawn};
use clean::far_end::Output;
use speak::Speak;

/// Starts to talk: a microphone, the thread that listens to it, and where what was said waits. `volume`
/// says how loud the output plays, 1 being as the server sends it, `None` where it differs from that in other ways. The
/// output is announced through what is returned, where that is wanted.
pub(super) fn start(
    settings: &ClientSettings,
    talking: Arc<Talking>,
    said: &Arc<stats::Talk>,
    clock: Clock,
    volume: impl Fn() -> Option<f32> + Send + 'static,
    stop: &Shutdown,
) -> Result<(Voice, Option<SyncSender<Output>>)> {
    let outbox = Arc::new(Outbox::new(Arc::clone(said)));
    let out = Arc::clone(&outbox);
    let send = move |header, payload: &[u8]| out.put(header, payload);
    let voice = speak::Voice { codec: settings.talk_codec, clean: settings.clean };
    let (speak, announce) = Speak::new(voice, clock, Arc::clone(&talking), volume, send)?;
    let heard = stop.clone();
    let _talk = spawn("talk", Priority::Now, stop, move || speak.run(&heard))?;
    #[cfg(feature = "device")]
    {
        let keeper = keep_microphone::KeepMicrophone {
            name: settings.microphone.clone(),
            clock,
            counters: Arc::clone(&said.microphone),
            talking: Arc::clone(&talking),
            talker: announce.microphones,
        };
        let heard = stop.clone();
        // Opening a microphone can take seconds; nobody waits for this thread to end.
        let _keeper = spawn("microphone", Priority::Ordinary, stop, move || keeper.run(&heard))?;
    }
    #[cfg(not(feature = "device"))]
    {
        drop(announce.microphones);
        warn!("this program was built without sound cards, so nobody can hear you");
    }
    Ok((Voice { talking, outbox }, announce.outputs))
}

/// The client's statistics, with what is known of its own voice put in.
pub(super) fn stats(
    stats: ClientStats,
    talking: Option<&Talking>,
    said: &stats::Talk,
    mic_level_dbfs: f32,
) -> ClientStats {
    ClientStats {
        talking: talking.is_some_and(Talking::is_speaking),
        muted: talking.is_some_and(Talking::is_muted),
        mic_level_dbfs,
        talk_frames_sent: said.sent.get(),
        talk_frames_dropped: said.dropped.get(),
        mic_overruns: said.microphone.overruns.get(),
        ..stats
    }
}
