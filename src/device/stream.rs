//! Starts, keeps and ends streams.
//!
//! Each stream has a thread of its own that opens it, waits, and closes it: opening can block, and
//! closing a stream whose device has vanished can block for ever (seen with cpal's on PulseAudio).

use std::convert::Infallible;
use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread;
use std::time::Duration;

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{BufferSize, ErrorKind, SupportedBufferSize};

use super::convert::{self, Converter};
use super::stamps::Stamps;
use super::trouble::{self, Reporter, Reports, Trouble};
use super::{Opened, System};
use crate::clock::Clock;
use crate::{Error, Result};

/// Longest wait for a stream to start. Some cards take a second or two.
const START: Duration = Duration::from_secs(5);

/// Longest wait for a stream to end in order; what takes longer is left to itself.
const END: Duration = Duration::from_millis(250);

/// Longest wait for a callback to come back from an attempt that failed.
const RETURN: Duration = Duration::from_secs(1);

/// A running stream. Dropping it ends it, in a quarter of a second at most.
pub struct Stream {
    reports: Reports,
    period_frames: u32,
    /// Nothing is ever sent: closing it is the signal.
    close: Option<Sender<Infallible>>,
    closed: Receiver<Infallible>,
}

impl Stream {
    /// The next thing that went wrong since the last call, `None` when all is told. Ask about once
    /// a second, until `None`.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.reports.next()
    }

    /// How many frames the system means to move at a time. A callback may still get any number.
    #[must_use]
    pub fn period_frames(&self) -> u32 {
        self.period_frames
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("period_frames", &self.period_frames).finish_non_exhaustive()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.close = None;
        let _ = self.closed.recv_timeout(END);
    }
}

pub(super) fn start_input(
    opened: &Opened,
    clock: Clock,
    period_frames: u32,
    mut on_input: impl FnMut(&[f32], u64) + Send + 'static,
) -> Result<Stream> {
    let mut converter = Converter::new(opened.format());
    let mut stamps = Stamps::new();
    let callback = move |data: &cpal::Data, info: &cpal::InputCallbackInfo| {
        let now_us = clock.now_us();
        let times = info.timestamp();
        let first_us = stamps.convert(times.callback.as_nanos(), times.capture.as_nanos(), now_us);
        converter.input(data, first_us, &mut on_input);
    };
    run(opened, capture_buffer(opened, period_frames), true, callback, build_input)
}

pub(super) fn start_output(
    opened: &Opened,
    clock: Clock,
    period_frames: u32,
    mut on_output: impl FnMut(&mut [f32], u64) + Send + 'static,
) -> Result<Stream> {
    let mut converter = Converter::new(opened.format());
    let mut stamps = Stamps::new();
    let callback = move |data: &mut cpal::Data, info: &cpal::OutputCallbackInfo| {
        let now_us = clock.now_us();
        let times = info.timestamp();
        let first_us = stamps.convert(times.callback.as_nanos(), times.playback.as_nanos(), now_us);
        converter.output(data, first_us, &mut on_output);
    };
    let buffer = play_buffer(System::current(), period_frames, opened.format().sample_rate);
    run(opened, buffer, true, callback, build_output)
}

/// Whether the device can be captured from at all, by opening and closing it.
pub(super) fn try_input(opened: &Opened) -> Result<()> {
    let ignore = |_: &cpal::Data, _: &cpal::InputCallbackInfo| {};
    let frames = capture_buffer(opened, opened.format().sample_rate / 100);
    run(opened, frames, false, ignore, build_input).map(drop)
}

/// On Windows the buffer's length does not change how often a callback comes, only how long we may
/// be kept from running before sound is lost.
fn capture_buffer(opened: &Opened, period_frames: u32) -> u32 {
    match System::current() {
        System::Windows => period_frames.max(opened.format().sample_rate / 5),
        System::MacOs | System::Linux => period_frames,
    }
}

/// On Windows what is asked for is all that the card holds, not one of the two periods that it holds
/// elsewhere: so it gets two, and the 10 ms that it is about to take. It holds 20 ms or so at least.
fn play_buffer(system: System, period_frames: u32, rate_hz: u32) -> u32 {
    match system {
        System::Windows => period_frames.saturating_mul(2).saturating_add(rate_hz / 100),
        System::MacOs | System::Linux => period_frames,
    }
}

fn build_input<F>(
    opened: &Opened,
    size: BufferSize,
    mut lent: Lent<F>,
    mut reporter: Reporter,
) -> std::result::Result<cpal::Stream, cpal::Error>
where
    F: FnMut(&cpal::Data, &cpal::InputCallbackInfo) + Send + 'static,
{
    opened.device.build_input_stream_raw(
        cpal::StreamConfig { buffer_size: size, ..opened.config.config() },
        opened.config.sample_format(),
        move |data, info| {
            if let Some(callback) = &mut lent.callback {
                callback(data, info);
            }
        },
        move |error| reporter.report(error),
        None,
    )
}

fn build_output<F>(
    opened: &Opened,
    size: BufferSize,
    mut lent: Lent<F>,
    mut reporter: Reporter,
) -> std::result::Result<cpal::Stream, cpal::Error>
where
    F: FnMut(&mut cpal::Data, &cpal::OutputCallbackInfo) + Send + 'static,
{
    opened.device.build_output_stream_raw(
        cpal::StreamConfig { buffer_size: size, ..opened.config.config() },
        opened.config.sample_format(),
        move |data, info| {
            if let Some(callback) = &mut lent.callback {
                callback(data, info);
            }
        },
        move |error| reporter.report(error),
        None,
    )
}

type Build<F> =
    fn(&Opened, BufferSize, Lent<F>, Reporter) -> std::result::Result<cpal::Stream, cpal::Error>;

/// A callback lent to the audio thread: it comes home when that is done with it, so that it is not
/// freed there, and so that a second attempt to open the device can use it.
struct Lent<F> {
    callback: Option<F>,
    home: SyncSender<F>,
}

impl<F> Drop for Lent<F> {
    fn drop(&mut self) {
        if let Some(callback) = self.callback.take() {
            let _ = self.home.try_send(callback);
        }
    }
}

/// Opens the device on a thread that keeps the stream until the returned [`Stream`] is dropped.
fn run<F: Send + 'static>(
    opened: &Opened,
    period_frames: u32,
    play: bool,
    callback: F,
    build: Build<F>,
) -> Result<Stream> {
    if !convert::is_known(opened.config.sample_format()) {
        return Err(trouble::device_error(
            &opened.listed.name,
            &ErrorKind::UnsupportedConfig.into(),
        ));
    }
    let name = opened.listed.name.clone();
    let opened = opened.clone();
    // Kept as long as the stream: some systems end that with the connection, which it holds.
    kept(&name, move |ready, asked_to_close| {
        let (home, returned) = mpsc::sync_channel(1);
        let stream = open(&opened, period_frames, callback, home, &returned, build);
        let started = stream.and_then(|(stream, reports)| {
            if play {
                stream.play()?;
            }
            let frames = stream.buffer_size().unwrap_or(period_frames);
            Ok((stream, reports, frames))
        });
        match started {
            Ok((stream, reports, frames)) => {
                // Whoever no longer waits has closed the other channel as well.
                let _ = ready.send(Ok((reports, frames)));
                let _: std::result::Result<Infallible, _> = asked_to_close.recv();
                drop(stream);
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    })
}

/// How a stream says that it has started, and the frames that it means to move at a time, or why not.
pub(super) type Ready = SyncSender<std::result::Result<(Reports, u32), cpal::Error>>;

/// Has `keep` open a stream on the device called `name`, say so, and keep it until nobody can ask it
/// to close any more; on a thread of its own.
pub(super) fn kept(
    name: &str,
    keep: impl FnOnce(&Ready, &Receiver<Infallible>) + Send + 'static,
) -> Result<Stream> {
    let (ready, started) = mpsc::sync_channel(1);
    let (close, asked_to_close) = mpsc::channel();
    let (closing, closed) = mpsc::channel();
    thread::Builder::new()
        .name("sound card".to_owned())
        .spawn(move || {
            // Closed when the stream has ended.
            let _closing: Sender<Infallible> = closing;
            keep(&ready, &asked_to_close);
        })
        .map_err(|error| Error::internal("starting a thread for a sound card", error))?;
    let failed = |error: cpal::Error| trouble::device_error(name, &error);
    match started.recv_timeout(START) {
        Ok(Ok((reports, period_frames))) => {
            Ok(Stream { reports, period_frames, close: Some(close), closed })
        }
        Ok(Err(error)) => Err(failed(error)),
        Err(RecvTimeoutError::Timeout) => Err(failed(cpal::Error::with_message(
            ErrorKind::HostUnavailable,
            format!("it did not start within {} s", START.as_secs()),
        ))),
        Err(RecvTimeoutError::Disconnected) => {
            Err(Error::internal("starting a sound card", "its thread ended"))
        }
    }
}

/// Builds the stream with the period asked for, else with the device's own.
fn open<F>(
    opened: &Opened,
    period_frames: u32,
    callback: F,
    home: SyncSender<F>,
    returned: &Receiver<F>,
    build: Build<F>,
) -> std::result::Result<(cpal::Stream, Reports), cpal::Error> {
    let fixed = BufferSize::Fixed(nearest(period_frames, *opened.config.buffer_size()));
    let (reporter, reports) = trouble::reports();
    let lent = Lent { callback: Some(callback), home: home.clone() };
    let error = match build(opened, fixed, lent, reporter) {
        Ok(stream) => return Ok((stream, reports)),
        Err(error) => error,
    };
    if !matches!(error.kind(), ErrorKind::UnsupportedConfig | ErrorKind::InvalidInput) {
        return Err(error);
    }
    let Ok(callback) = returned.recv_timeout(RETURN) else { return Err(error) };
    let (reporter, reports) = trouble::reports();
    let lent = Lent { callback: Some(callback), home };
    build(opened, BufferSize::Default, lent, reporter).map(|stream| (stream, reports))
}

/// The period within the limits that the device gives. A single value is none: it is what Windows
/// does anyway.
fn nearest(period_frames: u32, limits: SupportedBufferSize) -> u32 {
    match limits {
        SupportedBufferSize::Range { min, max } if min < max => period_frames.clamp(min, max),
        _ => period_frames.max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_stays_within_what_the_device_takes() {
        let limits = |min, max| SupportedBufferSize::Range { min, max };
        assert_eq!(nearest(480, limits(64, 4_096)), 480);
        assert_eq!(nearest(16, limits(64, 4_096)), 64);
        assert_eq!(nearest(9_600, limits(64, 4_096)), 4_096);
        assert_eq!(nearest(1_024, limits(480, 480)), 1_024);
        assert_eq!(nearest(480, limits(4_096, 64)), 480);
        assert_eq!(nearest(0, SupportedBufferSize::Unknown), 1);
    }

    #[test]
    fn a_card_on_windows_holds_two_periods_as_it_does_elsewhere() {
        assert_eq!(play_buffer(System::Linux, 960, 48_000), 960);
        // 50 ms for periods of 20 ms, and no more than it holds anyway for periods of 5 ms.
        assert_eq!(play_buffer(System::Windows, 960, 48_000), 2_400);
        assert_eq!(play_buffer(System::Windows, 240, 48_000), 960);
        assert_eq!(play_buffer(System::Windows, u32::MAX, 48_000), u32::MAX);
    }

    #[test]
    fn a_lent_callback_comes_home_when_it_is_dropped() {
        let (home, returned) = mpsc::sync_channel(1);
        drop(Lent { callback: Some("callback"), home });
        assert_eq!(returned.recv(), Ok("callback"));
    }
}
