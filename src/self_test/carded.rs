//! The self-test with a card: a chirp is played on an output, captured and sent by the server, played there again by
//! a listener, and captured once more.

use std::time::{Duration, Instant};

use super::cardless::Pulled;
use super::{Measured, Report, Wanted, server};
use crate::broadcaster::Broadcaster;
use crate::calibrate::find::arrivals;
use crate::calibrate::room;
use crate::clock::{Clock, earliest_trim_ms};
use crate::device::{InputDevice, OutputDevice};
use crate::discovery::seek;
use crate::error::{Error, Result};
use crate::listener::Listener;
use crate::recv::{Client, trim};
use crate::send::Server;
use crate::settings::{ClientArgs, ClientSettings, parse};
use crate::shutdown::Shutdown;
use crate::source::Kind;

/// The listener plays so much softer, in per cent, that what it plays dies away when the server hears it again.
const VOLUME: u16 = 30;

/// How long listeners may take to be heard of, and play before the chirp.
const PATIENCE: Duration = Duration::from_secs(10);
const SETTLING: Duration = Duration::from_secs(2);

/// How often it is looked whether they are.
const LOOK: Duration = Duration::from_millis(10);

/// An output, and what captures what it plays.
pub(super) struct Cards {
    output: OutputDevice,
    monitor: InputDevice,
}

impl Cards {
    pub(super) fn find(wanted: &Wanted) -> Result<Self> {
        let output = OutputDevice::find(wanted.output.as_deref())?;
        let monitor = InputDevice::find(&Kind::Loopback(Some(output.id().to_owned())))?;
        Ok(Self { output, monitor })
    }
}

/// A tested chain; `None` if stopping is asked for.
pub(super) fn measure(
    wanted: &Wanted,
    cards: &Cards,
    shutdown: &Shutdown,
    say: &mut impl FnMut(String),
) -> Result<Option<Report>> {
    let Cards { output, monitor } = cards;
    say(format!(
        "A quiet chirp goes from “{0}” through a server and two listeners in this program, and back to “{0}”, for \
         ten seconds. Nothing else should play there.",
        output.name()
    ));
    let clock = Clock::start();
    let source = format!("loopback:{}", output.id());
    let mut server_ends = Server::open(server(wanted, &source)?)?;
    let promised_ms = f64::from(server_ends.playout_delay_ms());
    server_ends.show_on(None);
    let broadcaster = Broadcaster::start(server_ends, Shutdown::default())?;
    let port = broadcaster.address().port();
    let settings = client(port, output.id())?;
    let place = seek::server(settings.sought(), false)?;
    let stop = Shutdown::default();
    let _played = Stop(Some(Listener::start(Client::open(settings, place)?, stop.clone())?), stop);
    let mut pulled = Pulled::connect(port)?;
    if !wait(&mut pulled, shutdown)? {
        return Ok(None);
    }
    let ear = room::open(monitor, clock)?;
    let take = room::chirp(output, monitor, ear, promised_ms, shutdown, || pulled.turn())?;
    let Some(take) = take else { return Ok(None) };
    // When the monitor says that it was played, on the clock by which it is heard again.
    let played = arrivals(&take.recording, take.chirp, &take.due_us);
    let due: Vec<f64> = take
        .due_us
        .iter()
        .zip(&played)
        .map(|(due_us, late_ms)| due_us + late_ms.unwrap_or_default() * 1e3)
        .collect();
    if played.iter().flatten().count() == 0 {
        return Err(Error::Unwell {
            why: format!(
                "what “{}” plays is not captured from “{}”. Is it muted, or does something else play \
                 there?",
                output.name(),
                monitor.name()
            ),
        });
    }
    let asked_ms = trim::remembered_for(output.id());
    let trim_ms = f64::from(asked_ms.max(earliest_trim_ms(promised_ms as i32)));
    let after = |ms: f64| due.iter().map(|due_us| due_us + ms * 1e3).collect::<Vec<f64>>();
    let again = Measured {
        name: format!("“{}”", output.name()),
        asked_ms,
        trim_ms,
        late_ms: arrivals(&take.recording, take.chirp, &after(promised_ms + trim_ms)),
    };
    let second = pulled.measured("a second listener", clock, take.chirp, &after(promised_ms));
    Ok(Some(Report {
        promised_ms,
        store_ms: 0.0,
        starts_ms: crate::calibrate::chirp::Chirp::starts_ms().collect(),
        listeners: [again, second],
        not_covered: None,
    }))
}

/// A listener that ends with this.
struct Stop(Option<Listener>, Shutdown);

impl Drop for Stop {
    fn drop(&mut self) {
        self.1.request();
        self.0 = None;
    }
}

/// A listener that plays on the very output that is captured. It changes nothing of the sound: by night the chirp would
/// be another one, and with a balance half of it.
fn client(port: u16, output: &str) -> Result<ClientSettings> {
    let words = [
        "auralync-client".to_owned(),
        format!("127.0.0.1:{port}"),
        format!("--device={output}"),
        format!("--volume={VOLUME}"),
        "--allow-feedback".to_owned(),
        "--no-discovery".to_owned(),
    ];
    let settings = parse::<ClientArgs>(&words.map(Into::into))?.settings()?;
    Ok(ClientSettings { remembers_hearing: false, ..settings })
}

/// Waits until a listener is connected, and a moment more. `false` if stopping is asked for.
fn wait(pulled: &mut Pulled, shutdown: &Shutdown) -> Result<bool> {
    let until = Instant::now() + PATIENCE;
    let mut connected = None;
    while connected.is_none_or(|since: Instant| since.elapsed() < SETTLING) {
        if shutdown.sleep(LOOK) {
            return Ok(false);
        }
        pulled.turn();
        if connected.is_none() && pulled.listener.stats().delay_ms > 0.0 {
            connected = Some(Instant::now());
        }
        if connected.is_none() && Instant::now() > until {
            return Err(Error::Unwell {
                why:
                    "a listener in this very program hears nothing of its server. Does a firewall \
                      forbid connections from this computer to itself?"
                        .to_owned(),
            });
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_wants_to_hear_changes_no_test() {
        let settings = client(5_555, "usb").unwrap();
        assert!(!settings.remembers_hearing);
        assert_eq!(settings.hearing, crate::settings::EarFlags::default());
    }
}
