//! Listening from within a program.

pub(crate) mod relay;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::discovery::seek;
use crate::discovery::target::Wanted;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::preset;
use crate::recv::controls::Controls;
pub use crate::recv::shown::Stats;
use crate::recv::shown::{Now, Shown};
use crate::recv::speaker::Speaker;
use crate::recv::{Client, Pulled};
use crate::secure::room::Link;
use crate::settings::{ClientArgs, ClientSettings, EarFlags, parse};
use crate::shutdown::Shutdown;
use crate::sound::ear::Hearing;
use crate::sound::limiter::MAX_VOLUME;
use crate::threads::{Priority, join, spawn};

/// How often it is looked whether there is news.
const LOOK: Duration = Duration::from_millis(20);

/// A delay that differs from the one that was told by less than this, in ms, is no news.
const DELAY_NEWS_MS: f64 = 1.0;

/// Rates in Hz, and numbers of channels, in which sound can be pulled: what sound cards have.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=384_000;
const CHANNELS: std::ops::RangeInclusive<u16> = 1..=64;

/// How to listen. What is left alone is as `auralync-client` has it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ListenerOptions {
    /// What the server and other listeners see, instead of this computer's name.
    pub name: Option<String>,
    /// The headphones or speakers: an id, or a part of their name, instead of the system's default output. Of no
    /// account where sound is [pulled](Listener::pull).
    pub device: Option<String>,
    /// Loudness in per cent, 0 to 200; 100, which `None` is, leaves sound as it is.
    pub volume_percent: Option<u16>,
    /// How much later than the others to play, in milliseconds, −5000 to 5000.
    pub delay_ms: Option<i32>,
    /// How it is to sound for this listener alone, instead of what is remembered for the output.
    pub hearing: Option<Hearing>,
    /// The link to a private room, as its server shows it. A room that was entered once on this computer, by any
    /// program of this user's, is remembered.
    pub link: Option<String>,
    /// Whether to end when the connection fails or ends, instead of trying again.
    pub once: bool,
}

/// A listener: it plays what a server sends, in step with all others, until it is dropped.
///
/// It runs on threads of its own. It prints nothing, takes no keys and no signals, and ends no program; what it does
/// is told to the `log` crate, which is silent unless the program installs a logger. A program may have several.
///
/// ```no_run
/// use std::time::Duration;
/// use auralync::{Event, Listener, ListenerOptions};
///
/// fn main() -> auralync::Result<()> {
///     let mut options = ListenerOptions::default();
///     options.name = Some("Kitchen".to_owned());
///     options.volume_percent = Some(80);
///     let mut listener = Listener::connect("192.168.1.100", &options)?;
///     loop {
///         match listener.next_event(Duration::from_secs(1)) {
///             Some(Event::Connected) => println!("here it is"),
///             Some(Event::Lost) => println!("the server is gone; it is tried again"),
///             Some(Event::Delay(ms)) => println!("heard {ms:.0} ms after it is played"),
///             Some(Event::People(names)) => println!("with {}", names.join(", ")),
///             Some(Event::Ended(outcome)) => return outcome,
///             Some(_) => {}
///             None if listener.stats().underruns > 100 => return Ok(()),
///             None => {}
///         }
///     }
/// }
/// ```
pub struct Listener {
    shown: Arc<Shown>,
    controls: Arc<Controls>,
    shutdown: Shutdown,
    thread: Option<JoinHandle<Result<()>>>,
    told: Told,
}

/// What has happened to a [`Listener`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A server is connected.
    Connected,
    /// It is no more; it is tried again.
    Lost,
    /// Sound is heard so many milliseconds after the server captured it, from now on.
    Delay(f64),
    /// These are in the room beside this listener, by their names, where the server lets people speak.
    People(Vec<String>),
    /// The listener has ended, and this is why: `Ok` where nothing went wrong. It is the last event.
    Ended(Result<()>),
}

/// The sound of a listener that a program plays by itself: see [`Listener::pull`].
pub struct Sound {
    speaker: Speaker,
    clock: Clock,
}

impl Sound {
    /// Fills `out` with interleaved frames in the format that was asked for, the first of which is heard at `heard`.
    /// What is not there yet is silence. Returns how many frames are sound.
    ///
    /// It never waits, allocates, locks or calls the system, and may be called from an audio callback. How well
    /// listeners agree depends on how well `heard` is known.
    pub fn fill(&mut self, out: &mut [f32], heard: Instant) -> usize {
        self.speaker.fill(out, self.clock.us(heard), self.clock.now_us())
    }
}

impl std::fmt::Debug for Sound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sound").finish_non_exhaustive()
    }
}

impl Listener {
    /// Listens to `server` on headphones or speakers. A server is `HOST`, `HOST:PORT`, or the name that one on this
    /// network has; empty, it is the only one on this network, which is looked for now, for five seconds at most.
    /// Whether it answers is told by [events](Self::next_event).
    ///
    /// # Errors
    /// [`Error::Usage`] for options that cannot be, [`Error::NoDevice`] where the output does not exist, and what
    /// keeps a server from being found.
    pub fn connect(server: &str, options: &ListenerOptions) -> Result<Self> {
        let settings = settings(server, options)?;
        let place = seek::server(settings.sought(), false)?;
        Self::shown(Client::open(settings, place)?)
    }

    /// Listens to `server`, named as for [`connect`](Self::connect), for a program that plays the sound by itself,
    /// and asks for it in `format` with [`Sound::fill`], at the pace of what it plays on.
    ///
    /// # Errors
    /// [`Error::Usage`] for options or a format that cannot be (8,000 to 384,000 Hz, 1 to 64 channels), and what keeps
    /// a server from being found.
    pub fn pull(server: &str, format: Format, options: &ListenerOptions) -> Result<(Self, Sound)> {
        if !RATES.contains(&format.sample_rate) || !CHANNELS.contains(&format.channels) {
            return Err(Error::usage(
                format!("sound cannot be pulled as {format}"),
                "Choose 8000 to 384000 Hz, and 1 to 64 channels",
            ));
        }
        let settings = settings(server, options)?;
        let place = seek::server(settings.sought(), false)?;
        let clock = Clock::start();
        let (pulled, speaker) = Pulled::new(format, clock);
        let listener = Self::shown(Client::pulled(settings, place, pulled)?)?;
        Ok((listener, Sound { speaker, clock }))
    }

    /// Listens as `client` does, and shows to whoever asks how it does.
    fn shown(mut client: Client) -> Result<Self> {
        let shown: Arc<Shown> = Arc::default();
        client.show_to(Arc::clone(&shown));
        Self::begin(client, Shutdown::default(), shown)
    }

    /// Listens as `client` does, until `shutdown`. Nobody is shown how it does: it can be waited for, and no more.
    ///
    /// # Errors
    /// A file that cannot be written, or a thread that the system does not give.
    #[doc(hidden)]
    pub fn start(client: Client, shutdown: Shutdown) -> Result<Self> {
        Self::begin(client, shutdown, Arc::default())
    }

    fn begin(client: Client, shutdown: Shutdown, shown: Arc<Shown>) -> Result<Self> {
        let begun = client.begin(&shutdown)?;
        let (controls, stop) = (begun.controls(), shutdown.clone());
        let thread = spawn("listener", Priority::Ordinary, &shutdown, move || begun.run(&stop))?;
        let told = Told::default();
        Ok(Self { shown, controls, shutdown, thread: Some(thread), told })
    }

    /// The next thing that has happened, or `None` where nothing has `within` that time. What has changed twice since
    /// is told once, as it is now.
    pub fn next_event(&mut self, within: Duration) -> Option<Event> {
        let until = Instant::now() + within;
        loop {
            if let Some(event) = self.told.next(&self.shown.look()) {
                return Some(event);
            }
            // Whatever it said last has been told above.
            if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
                return self.thread.take().map(|thread| Event::Ended(join(thread)));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.thread.is_none() {
                return None;
            }
            std::thread::sleep(LOOK.min(left));
        }
    }

    /// How it does.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shown.look().stats
    }

    /// Plays so loud from now on: 0 to 200 per cent. What is more is 200.
    pub fn set_volume(&self, percent: u16) {
        self.controls.set_volume(percent.min(MAX_VOLUME));
    }

    /// Sets how it is to sound for this listener alone; a number beyond its range counts as the end of that.
    pub fn set_hearing(&self, hearing: Hearing) {
        self.controls.set_hearing(hearing);
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// What it ended with.
    pub fn wait(mut self) -> Result<()> {
        self.thread.take().map_or(Ok(()), join)
    }
}

impl Drop for Listener {
    /// Ends it, within a second.
    fn drop(&mut self) {
        // Where it has ended already, others may still need what would stop them, too.
        if let Some(thread) = self.thread.take() {
            self.shutdown.request();
            let _ = join(thread);
        }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// What has been told of a listener.
#[derive(Debug, Default)]
struct Told {
    is_connected: bool,
    delay_ms: f64,
    people: Vec<String>,
}

impl Told {
    /// What is to be told next of a listener that is so `now`.
    fn next(&mut self, now: &Now) -> Option<Event> {
        if now.stats.is_connected != self.is_connected {
            self.is_connected = now.stats.is_connected;
            return Some(if self.is_connected { Event::Connected } else { Event::Lost });
        }
        let delay_ms = now.stats.playout_delay_ms;
        let is_heard = self.is_connected && now.stats.delay_ms > 0.0;
        if is_heard && (delay_ms - self.delay_ms).abs() >= DELAY_NEWS_MS {
            self.delay_ms = delay_ms;
            return Some(Event::Delay(delay_ms));
        }
        if now.people != self.people {
            self.people.clone_from(&now.people);
            return Some(Event::People(now.people.clone()));
        }
        None
    }
}

/// What `auralync-client` would be asked to do.
fn settings(server: &str, options: &ListenerOptions) -> Result<ClientSettings> {
    let usual = parse::<ClientArgs>(&["auralync-client".into()])?.settings()?;
    let ListenerOptions { name, device, volume_percent, delay_ms, hearing, link, once } =
        options.clone();
    if let Some(name) = &name {
        preset::check_name(name)?;
    }
    if volume_percent.is_some_and(|percent| percent > MAX_VOLUME) {
        return Err(Error::usage(
            format!("a volume of {} % cannot be", volume_percent.unwrap_or_default()),
            format!("Choose 0 to {MAX_VOLUME}"),
        ));
    }
    let farthest = crate::clock::FARTHEST_MS;
    if delay_ms.is_some_and(|ms| !(-farthest..=farthest).contains(&ms)) {
        return Err(Error::usage(
            format!("a listener cannot play {} ms later", delay_ms.unwrap_or_default()),
            format!("Choose {} to {farthest}", -farthest),
        ));
    }
    if hearing.is_some_and(|hearing| !hearing.is_possible()) {
        return Err(Error::usage(
            "a listener cannot hear with numbers beyond their ranges",
            "Choose 0 to 12 dB for dialogue, -12 to 12 dB for bass and treble, -100 to 100 for balance",
        ));
    }
    let wanted = (!server.is_empty()).then(|| Wanted::parse(server, None, usual.discovery));
    Ok(ClientSettings {
        wanted: wanted.transpose()?,
        link: link.map(|link| read_link(&link)).transpose()?,
        code: None,
        device,
        volume_percent: volume_percent.unwrap_or(usual.volume_percent),
        delay_ms,
        hearing: hearing.map_or(usual.hearing, EarFlags::from),
        name: name.unwrap_or(usual.name.clone()),
        once,
        ..usual
    })
}

fn read_link(text: &str) -> Result<Link> {
    Link::read(text).map_err(|_| {
        Error::usage(
            "what was given as the link to a private room is none, or only a part of one",
            "Take the whole link, as the server shows it",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(is_connected: bool, playout_delay_ms: f64, people: &[&str]) -> Now {
        let people = people.iter().map(|name| (*name).to_owned()).collect();
        let delay_ms = playout_delay_ms;
        Now {
            stats: Stats { is_connected, delay_ms, playout_delay_ms, ..Stats::default() },
            people,
        }
    }

    fn all(told: &mut Told, now: &Now) -> Vec<String> {
        std::iter::from_fn(|| told.next(now)).map(|event| format!("{event:?}")).collect()
    }

    #[test]
    fn what_has_changed_is_told_once_and_in_order() {
        let mut told = Told::default();
        assert!(all(&mut told, &now(false, 0.0, &[])).is_empty());
        let events = all(&mut told, &now(true, 300.0, &["Ann"]));
        assert_eq!(events, ["Connected", "Delay(300.0)", "People([\"Ann\"])"]);
        assert!(all(&mut told, &now(true, 300.4, &["Ann"])).is_empty());
        assert_eq!(all(&mut told, &now(false, 300.0, &[])), ["Lost", "People([])"]);
        assert_eq!(all(&mut told, &now(true, 300.0, &[])), ["Connected"]);
    }

    fn loud() -> Hearing {
        let mut hearing = Hearing::NONE;
        hearing.dialogue_db = 13;
        hearing
    }

    #[test]
    fn options_that_cannot_be_are_refused_with_what_can() {
        let refused = |change: fn(&mut ListenerOptions)| {
            let mut options = ListenerOptions::default();
            change(&mut options);
            settings("127.0.0.1", &options).unwrap_err().to_string()
        };
        assert!(refused(|o| o.volume_percent = Some(201)).contains("Choose 0 to 200"));
        assert!(refused(|o| o.hearing = Some(loud())).contains("Choose 0 to 12 dB for dialogue"));
        assert!(refused(|o| o.delay_ms = Some(5_001)).contains("-5000 to 5000"));
        assert!(refused(|o| o.link = Some("http://x/#half".to_owned())).contains("whole link"));
        assert!(refused(|o| o.name = Some("a\nb".to_owned())).contains("name"));
        for format in [(1, 2), (48_000, 0), (48_000, 65), (400_000, 2)] {
            let format = Format { sample_rate: format.0, channels: format.1 };
            let options = ListenerOptions::default();
            assert!(Listener::pull("127.0.0.1", format, &options).is_err());
        }
    }

    #[test]
    fn what_is_not_said_is_as_the_program_has_it() {
        let settings = settings("192.0.2.1:7000", &ListenerOptions::default()).unwrap();
        assert_eq!((settings.volume_percent, settings.once), (100, false));
        assert_eq!(settings.codec, crate::codec::AUTO);
        assert!(settings.stats.is_none() && settings.record.is_none() && settings.talk.is_none());
    }
}
