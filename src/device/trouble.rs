//! Carries what goes wrong with a running stream from the audio thread to whoever can do something.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cpal::ErrorKind;
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::{System, hints};
use crate::Error;
use crate::error::in_words;

/// How many reports wait to be read. They come once per stream but for underruns, which are
/// counted; what a broken driver sends beyond that says nothing new.
const WAITING: usize = 16;

/// Something that happened to a running stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The stream delivers no more. Drop it, find the device again and start anew.
    Lost {
        /// What the system said.
        why: String,
    },
    /// Sound was lost between card and program this many times since last asked. The stream goes
    /// on.
    Missed {
        /// How often.
        times: u32,
    },
    /// The system moved the stream to another device. It goes on.
    Rerouted,
    /// The system refused to run the audio thread ahead of the others: expect gaps under load. The
    /// stream goes on.
    NotRealTime,
}

/// The two ends of a stream's reports.
pub(super) fn reports() -> (Reporter, Reports) {
    let (waiting, unread) = HeapRb::new(WAITING).split();
    let missed = Arc::new(AtomicU32::new(0));
    let reporter = Reporter { missed: Arc::clone(&missed), waiting };
    (reporter, Reports { missed, unread: Mutex::new(unread) })
}

/// The end inside cpal's error callback, which on some systems is the audio thread: it neither
/// waits nor allocates.
pub(super) struct Reporter {
    missed: Arc<AtomicU32>,
    waiting: HeapProd<cpal::Error>,
}

impl Reporter {
    pub(super) fn report(&mut self, error: cpal::Error) {
        if error.kind() == ErrorKind::Xrun {
            // Relaxed: the count says nothing about other memory.
            self.missed.fetch_add(1, Ordering::Relaxed);
        } else {
            // Handed over whole, so that its text is freed elsewhere; only past the bound here.
            let _ = self.waiting.try_push(error);
        }
    }
}

/// The end that may wait.
pub(super) struct Reports {
    missed: Arc<AtomicU32>,
    unread: Mutex<HeapCons<cpal::Error>>,
}

impl Reports {
    /// The next thing that happened, `None` when all is told.
    pub(super) fn next(&self) -> Option<Trouble> {
        let times = self.missed.swap(0, Ordering::Relaxed);
        if times > 0 {
            return Some(Trouble::Missed { times });
        }
        let error = self.unread.lock().unwrap_or_else(PoisonError::into_inner).try_pop()?;
        Some(match error.kind() {
            ErrorKind::DeviceChanged => Trouble::Rerouted,
            ErrorKind::RealtimeDenied => Trouble::NotRealTime,
            _ => Trouble::Lost { why: why(&error) },
        })
    }
}

/// A device that cannot be used, in words for the user.
pub(super) fn device_error(device: &str, error: &cpal::Error) -> Error {
    device_error_on(System::current(), device, error)
}

fn device_error_on(system: System, device: &str, error: &cpal::Error) -> Error {
    Error::Device { device: device.to_owned(), why: why(error), fix: fix(system, kind(error)) }
}

/// A sound system that cannot be used, in words for the user.
pub(super) fn system_error(error: &cpal::Error) -> Error {
    Error::NoDevice {
        what: "cannot reach this PC's sound system".to_owned(),
        why: why(error),
        fix: hints::no_output(System::current()).to_owned(),
    }
}

/// How cpal shows that Windows denies access (`E_ACCESSDENIED`): it hands on the words, in the system's language, and
/// calls it an error like any other.
const ACCESS_DENIED: &str = "(os error -2147024891)";

fn kind(error: &cpal::Error) -> ErrorKind {
    let is_denied = || error.message().is_some_and(|message| message.contains(ACCESS_DENIED));
    match error.kind() {
        ErrorKind::BackendError if is_denied() => ErrorKind::PermissionDenied,
        kind => kind,
    }
}

fn why(error: &cpal::Error) -> String {
    let known = match kind(error) {
        ErrorKind::DeviceBusy => "another program is using it alone",
        ErrorKind::DeviceNotAvailable => "it is not there any more",
        ErrorKind::HostUnavailable => "the system's sound service does not answer",
        ErrorKind::PermissionDenied => "this program is not allowed to use it",
        ErrorKind::ResourceExhausted => "the system has no room for another stream",
        ErrorKind::StreamInvalidated => "the system closed the stream",
        ErrorKind::UnsupportedConfig => "it does not take sound in the format it asks for itself",
        ErrorKind::UnsupportedOperation => "it cannot be used that way",
        _ => "the system reports an error",
    };
    match error.message() {
        Some(message) if !message.is_empty() => {
            let said = crate::format::printable(&in_words(message), 200);
            format!("{known} ({})", said.trim_end_matches('.'))
        }
        _ => known.to_owned(),
    }
}

fn fix(system: System, kind: ErrorKind) -> String {
    match kind {
        ErrorKind::DeviceBusy | ErrorKind::ResourceExhausted => {
            "Close other programs that use it, or choose another one from --list-devices"
        }
        ErrorKind::PermissionDenied => hints::permission(system),
        ErrorKind::DeviceNotAvailable | ErrorKind::StreamInvalidated => {
            "Plug it in again, or choose another one from --list-devices"
        }
        _ => "Choose another one from --list-devices, or unplug it and plug it in again",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_is_told_once_and_underruns_are_counted() {
        let (mut reporter, reports) = reports();
        assert_eq!(reports.next(), None);
        for _ in 0..3 {
            reporter.report(ErrorKind::Xrun.into());
        }
        reporter.report(ErrorKind::RealtimeDenied.into());
        reporter.report(ErrorKind::DeviceChanged.into());
        reporter.report(ErrorKind::DeviceNotAvailable.into());
        assert_eq!(reports.next(), Some(Trouble::Missed { times: 3 }));
        assert_eq!(reports.next(), Some(Trouble::NotRealTime));
        assert_eq!(reports.next(), Some(Trouble::Rerouted));
        let why = "it is not there any more".to_owned();
        assert_eq!(reports.next(), Some(Trouble::Lost { why }));
        assert_eq!(reports.next(), None);
    }

    #[test]
    fn a_storm_of_errors_stays_bounded_and_keeps_the_first() {
        let (mut reporter, reports) = reports();
        for turn in 0..10_000 {
            let message = format!("error {turn}");
            reporter.report(cpal::Error::with_message(ErrorKind::BackendError, message));
        }
        let why = "the system reports an error (error 0)".to_owned();
        assert_eq!(reports.next(), Some(Trouble::Lost { why }));
        assert_eq!(std::iter::from_fn(|| reports.next()).count(), WAITING - 1);
    }

    /// As cpal 0.18 tells them on Windows, and what a person reads.
    #[test]
    fn what_windows_tells_in_numbers_is_read_in_words() {
        let told = [
            (
                ErrorKind::BackendError,
                "Failed to get capture client: OS Error -2004287485 (FormatMessageW() returned \
                 error 317) (os error -2004287485)",
                "the system reports an error (Failed to get capture client: it is an output where an \
                 input is needed, or the other way round)",
            ),
            (
                ErrorKind::HostUnavailable,
                "OS Error -2004287472 (FormatMessageW() returned error 317) (os error -2004287472)",
                "the system's sound service does not answer (the Windows Audio service does not run)",
            ),
            (
                ErrorKind::BackendError,
                "Element not found. (os error -2147023728)",
                "the system reports an error (Element not found)",
            ),
        ];
        for (kind, message, read) in told {
            assert_eq!(why(&cpal::Error::with_message(kind, message)), read);
        }
    }

    /// What WASAPI answers on Windows 10 and 11, and the whole sentence that a person reads.
    #[test]
    fn what_windows_answers_to_who_opens_a_device_says_what_to_do() {
        let answers = [
            (
                ErrorKind::DeviceNotAvailable,
                "Failed to get current padding: OS Error -2004287484 (FormatMessageW() returned error 317) (os error \
                 -2004287484)",
                "it is not there any more (Failed to get current padding: the device was unplugged, turned off or set \
                 up anew). Plug it in again, or choose another one from --list-devices",
            ),
            (
                ErrorKind::DeviceBusy,
                "Failed to initialize audio client: OS Error -2004287478 (FormatMessageW() returned error 317) (os \
                 error -2004287478)",
                "another program is using it alone (Failed to initialize audio client: another program uses the device \
                 alone). Close other programs that use it, or choose another one from --list-devices",
            ),
            (
                ErrorKind::BackendError,
                "Failed to build audio client: Access is denied. (os error -2147024891)",
                "this program is not allowed to use it (Failed to build audio client: Access is denied). Allow desktop \
                 apps to use the microphone: Settings > Privacy & security > Microphone",
            ),
            (
                ErrorKind::BackendError,
                "Failed to initialize audio client: Zugriff verweigert (os error -2147024891)",
                "this program is not allowed to use it (Failed to initialize audio client: Zugriff verweigert). Allow \
                 desktop apps to use the microphone: Settings > Privacy & security > Microphone",
            ),
            (
                ErrorKind::UnsupportedConfig,
                "Failed to initialize audio client: OS Error -2004287480 (FormatMessageW() returned error 317) (os \
                 error -2004287480)",
                "it does not take sound in the format it asks for itself (Failed to initialize audio client: the \
                 device does not take sound in this format). Choose another one from --list-devices, or unplug it and \
                 plug it in again",
            ),
        ];
        let name = "Microphone (HD Pro Webcam C920)";
        for (kind, message, read) in answers {
            let error = cpal::Error::with_message(kind, message);
            let said = device_error_on(System::Windows, name, &error).to_string();
            assert_eq!(said, format!("sound device “{name}”: {read}"));
        }
    }

    #[test]
    fn an_error_says_what_to_do() {
        let text = device_error("Speakers", &ErrorKind::DeviceBusy.into()).to_string();
        assert_eq!(
            text,
            "sound device “Speakers”: another program is using it alone. Close other programs \
             that use it, or choose another one from --list-devices"
        );
    }
}
