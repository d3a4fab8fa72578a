//! Hears another listener's loudspeaker with a microphone, beside the stream that it plays: joins a
//! [`Listener`] that plays nothing with [`programme`].

use std::time::{Duration, Instant};

use super::pulled::{AHEAD, PIECE, Stream};
use super::side::{Measuring, MicrophoneSide, refused};
use super::verdict::{AGREED, judge};
use super::{programme, room};
use crate::device::InputDevice;
use crate::discovery::seek;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::listener::{Event, Listener, ListenerOptions, Sound};
use crate::settings::CalibrateSettings;
use crate::shutdown::Shutdown;

/// How long the room is listened to, in seconds.
const LISTENED_S: f64 = 18.0;

/// The stream's first moments, until its clocks are known, count for nothing, in seconds.
const SETTLING_S: f64 = 3.0;

/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How often a server is asked how it does.
const LOOK: Duration = Duration::from_millis(50);

/// Listens to the server that is named and to the room, and says how late the room is.
///
/// # Errors
/// What keeps it from listening, or why what was heard says nothing.
pub(super) fn run(
    measuring: &Measuring<'_>,
    side: MicrophoneSide,
    mut say: impl FnMut(String),
) -> Result<()> {
    let Measuring { settings, ear, clock, shutdown, .. } = *measuring;
    let microphone = InputDevice::microphone(Some(&ear.id))?;
    let format = Format { sample_rate: microphone.format().sample_rate, channels: 1 };
    let (mut listener, mut sound) = listener(settings, format)?;
    let Some(_) = wait_for_delay(&mut listener, &mut sound, format, shutdown)? else {
        return Ok(());
    };
    let mut open = room::open(&microphone, clock)?;
    say(format!(
        "Listening to the server and to the room for {LISTENED_S:.0} s. Something must be playing; please be quiet."
    ));
    let mut stream = Stream::new(format, Instant::now() + AHEAD);
    let until = Instant::now() + Duration::from_secs_f64(SETTLING_S + LISTENED_S);
    while Instant::now() < until {
        if shutdown.sleep(PIECE) {
            return Ok(());
        }
        stream.pull(&mut sound);
        open.take();
        if let Some(Event::Ended(outcome)) = listener.next_event(Duration::ZERO) {
            return outcome.and_then(|()| Err(silent()));
        }
    }
    let recorder = open.close();
    let clocks_ms = recorder.sure_ms();
    let Some(heard) = recorder.recording() else { return Err(deaf(microphone.name())) };
    let stream = stream.recording(clock);
    let Some((pieces, sounding)) = programme::pieces(&stream, &heard) else {
        return Err(deaf(microphone.name()));
    };
    log::debug!("{sounding} pieces had sound, found are {pieces:?}");
    if sounding == 0 {
        return Err(silent());
    }
    if sounding < AGREED {
        return Err(Error::Declined {
            why: "the server sent sound for too short a time, and nothing can be compared. Let it play for 20 s, and \
                  try again"
                .to_owned(),
        });
    }
    let found = judge(&programme::heard(&pieces, &heard));
    let verdict = found
        .map_err(|refusal| refused(microphone.name(), refusal, programme::sought(sounding)))?;
    let late_ms = verdict.lag_ms - side.ms;
    say(format!(
        "What is heard here is {:.1} ms {} than it is due, ± {:.1} ms ({} of {sounding} pieces agree). At that listener, \
         --delay {:.0} more than it has now makes it right.",
        late_ms.abs(),
        if late_ms < 0.0 { "earlier" } else { "later" },
        verdict.sure_ms + clocks_ms + side.sure_ms,
        verdict.agreed,
        -late_ms,
    ));
    Ok(())
}

/// The playout delay of the server that `settings` name, in ms, if they name one. `None` if stopping is asked for.
///
/// # Errors
/// What keeps it from answering.
pub(super) fn playout_delay_ms(
    settings: &CalibrateSettings,
    shutdown: &Shutdown,
) -> Result<Option<f64>> {
    if settings.wanted.is_none() {
        return Ok(None);
    }
    let format = Format { sample_rate: 48_000, channels: 1 };
    let (mut listener, mut sound) = listener(settings, format)?;
    wait_for_delay(&mut listener, &mut sound, format, shutdown)
}

/// A listener to that server whose sound is pulled.
fn listener(settings: &CalibrateSettings, format: Format) -> Result<(Listener, Sound)> {
    let place = seek::server(settings.sought(), false)?;
    let options = ListenerOptions { once: true, ..ListenerOptions::default() };
    Listener::pull(&place.to_string(), format, &options)
}

/// Pulls until the server has said its playout delay, in ms.
fn wait_for_delay(
    listener: &mut Listener,
    sound: &mut Sound,
    format: Format,
    shutdown: &Shutdown,
) -> Result<Option<f64>> {
    let until = Instant::now() + ANSWER;
    let mut stream = Stream::new(format, Instant::now() + AHEAD);
    while Instant::now() < until {
        stream.pull(sound);
        let stats = listener.stats();
        if stats.is_connected && stats.playout_delay_ms > 0.0 {
            return Ok(Some(stats.playout_delay_ms));
        }
        if let Some(Event::Ended(outcome)) = listener.next_event(Duration::ZERO) {
            return outcome.map(|()| None);
        }
        if shutdown.sleep(LOOK.min(PIECE)) {
            return Ok(None);
        }
    }
    Err(silent())
}

fn silent() -> Error {
    Error::Declined {
        why: "the server sends no sound now, and nothing can be compared. Play something there, and try again"
            .to_owned(),
    }
}

fn deaf(microphone: &str) -> Error {
    Error::Device {
        device: microphone.to_owned(),
        why: "too little sound came from it in all that time, or at a rate that cannot be"
            .to_owned(),
        fix: "Plug it in anew and try again, or choose another one with --mic".to_owned(),
    }
}
