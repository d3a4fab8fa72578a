//! The self-test without a card: a chirp is pushed into a server, and two listeners are asked for it.

use std::time::{Duration, Instant};

use super::{Measured, Report, Wanted, server};
use crate::broadcaster::{Broadcaster, Input};
use crate::calibrate::chirp::Chirp;
use crate::calibrate::find::arrivals;
use crate::calibrate::pulled::{AHEAD, Stream};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::listener::{Listener, ListenerOptions, Sound};
use crate::shutdown::Shutdown;

/// What is pushed and pulled.
const FORMAT: Format = Format { sample_rate: 48_000, channels: 1 };

/// What is pushed waits for so long at most until it is read, in ms: see [`Input::push`].
const STORE_MS: f64 = 120.0;

/// How long listeners play before the chirp, so that they are in step, and after it, in ms.
const BEFORE_MS: f64 = 4_000.0;
const AFTER_MS: f64 = 1_500.0;

/// How often sound is pushed and pulled.
const LOOK: Duration = Duration::from_millis(5);

/// A listener whose sound is pulled and kept.
pub(super) struct Pulled {
    pub(super) listener: Listener,
    sound: Sound,
    stream: Stream,
}

impl Pulled {
    /// Listens to a server on this computer.
    pub(super) fn connect(port: u16) -> Result<Self> {
        let options = ListenerOptions { once: true, ..ListenerOptions::default() };
        let (listener, sound) = Listener::pull(&format!("127.0.0.1:{port}"), FORMAT, &options)?;
        Ok(Self { listener, sound, stream: Stream::new(FORMAT, Instant::now() + AHEAD) })
    }

    /// Plays what is due.
    pub(super) fn turn(&mut self) {
        self.stream.pull(&mut self.sound);
    }

    /// How late each sweep was that was to be heard at these times, in µs of `clock`.
    pub(super) fn measured(
        &self,
        name: &str,
        clock: Clock,
        chirp: Chirp,
        due_us: &[f64],
    ) -> Measured {
        let recording = self.stream.recording(clock);
        let late_ms = arrivals(&recording, chirp, due_us);
        Measured { name: name.to_owned(), asked_ms: 0, trim_ms: 0.0, late_ms }
    }
}

/// A tested chain; `None` if stopping is asked for.
pub(super) fn measure(
    wanted: &Wanted,
    shutdown: &Shutdown,
    say: &mut impl FnMut(String),
) -> Result<Option<Report>> {
    say("A chirp goes through a server and two listeners in this program, for ten seconds."
        .to_owned());
    let clock = Clock::start();
    let settings = server(wanted, "none")?;
    let promised_ms = f64::from(settings.preset.playout_delay_ms);
    let (broadcaster, mut input) = Broadcaster::of(FORMAT, settings)?;
    let port = broadcaster.address().port();
    let mut listeners = [Pulled::connect(port)?, Pulled::connect(port)?];
    let chirp = Chirp::between(FORMAT.sample_rate, FORMAT.sample_rate);
    let (sound, starts) = chirp.played(FORMAT.sample_rate);
    let begins = FORMAT.frames_in_ms(BEFORE_MS);
    let mut push = Push { from: Instant::now(), pushed: 0, begins, sound };
    let first_us = clock.us(push.from) as f64 + FORMAT.micros(begins as u64);
    let length_ms = BEFORE_MS + Chirp::length_ms() + promised_ms + AFTER_MS;
    let until = push.from + Duration::from_secs_f64(length_ms / 1e3);
    while Instant::now() < until {
        if shutdown.sleep(LOOK) {
            return Ok(None);
        }
        push.turn(&mut input);
        listeners.iter_mut().for_each(Pulled::turn);
    }
    if !listeners.iter().all(|one| one.listener.stats().is_connected) {
        return Err(Error::Unwell {
            why: "a listener in this very program cannot reach its server. Does a firewall forbid \
                  connections from this computer to itself?"
                .to_owned(),
        });
    }
    let due: Vec<f64> =
        starts.iter().map(|at| first_us + FORMAT.micros(*at as u64) + promised_ms * 1e3).collect();
    let [one, other] = &listeners;
    Ok(Some(Report {
        promised_ms,
        store_ms: STORE_MS,
        starts_ms: Chirp::starts_ms().collect(),
        listeners: [
            one.measured("One listener", clock, chirp, &due),
            other.measured("another listener", clock, chirp, &due),
        ],
        not_covered: Some(
            "sound cards and what captures from them; what an output plays can be captured on none of them here"
                .to_owned(),
        ),
    }))
}

/// What is pushed: silence, the chirp, silence.
struct Push {
    from: Instant,
    pushed: usize,
    begins: usize,
    sound: Vec<f32>,
}

impl Push {
    /// Pushes what is due.
    fn turn(&mut self, input: &mut Input) {
        let due = FORMAT.frames_in_ms(self.from.elapsed().as_secs_f64() * 1e3);
        let sample = |frame: usize| {
            let at = frame.checked_sub(self.begins);
            at.and_then(|at| self.sound.get(at)).copied().unwrap_or(0.0)
        };
        let samples: Vec<f32> = (self.pushed..due.max(self.pushed)).map(sample).collect();
        self.pushed += input.push(&samples);
    }
}
