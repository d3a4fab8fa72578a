//! Streams on PulseAudio, and on PipeWire, which speaks the same.
//!
//! cpal finds the devices. Its streams there would make the server render half a millisecond at a
//! time (half a core), would lose what does not fit into one period, and would be stamped by when a
//! thread woke. Here one thread per stream answers the server's requests and asks it when which
//! frame meets the card, which it knows to the microsecond.

mod channels;
mod cookie;
mod link;
mod timing;

use std::convert::Infallible;
use std::ffi::CString;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, SystemTime};

use cpal::ErrorKind;
use pulseaudio::ClientError;
use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{
    Command, CorkStreamParams, CreatePlaybackStreamReply, CreateRecordStreamReply, GetSinkInfo,
    GetSourceInfo, LatencyParams, PlaybackStreamParams, Prop, Props, PulseError,
    RecordStreamParams, SampleFormat, SampleSpec, SinkInfo, SourceInfo,
};

use super::Opened;
use super::stream::{Ready, Stream, kept};
use super::trouble::{self, Reporter};
use crate::clock::Clock;
use crate::sound::mixdown::Layout;
use crate::threads::Priority;
use crate::{Format, Result};
pub(super) use cookie::make_sure as make_sure_of_a_cookie;
use link::{Link, Message};
use timing::Timing;

/// Stands before a device's name in its id.
const HOST: &str = "pulseaudio:";

/// What a mixer shows beside the program's name.
const PLAYING: &std::ffi::CStr = c"what another PC plays";
const RECORDING: &std::ffi::CStr = c"for those who listen";

/// The server keeps two periods of sound; it asks for the next third of them. What is left is its
/// card's, which then renders a sixth at a time.
const PERIODS: u32 = 2;
const REQUESTS: u32 = 3;

/// A server that says it keeps more than this, in bytes, gets no more at a time.
const LONGEST_BUFFER: u32 = 1 << 20;

/// The server keeps this much of a recording for us while we are kept from running, in ms; what
/// comes then is lost.
const KEPT_MS: f64 = 1_000.0;

/// How long the thread sleeps at most, when the server asks for nothing.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// How many frames the callback handles at a time; more take several turns.
const PIECE_FRAMES: usize = 1_024;

/// Bytes of one sample.
const SAMPLE: usize = size_of::<f32>();

/// Plays what `on_output` writes; see [`OutputDevice::start`](super::OutputDevice::start).
pub(super) fn play(
    opened: &Opened,
    clock: Clock,
    period_frames: u32,
    on_output: impl FnMut(&mut [f32], u64) + Send + 'static,
) -> Result<Stream> {
    let (name, format) = (name(opened), opened.format());
    kept(&opened.listed.name, move |ready, asked_to_close| {
        Priority::Now.ask();
        let opened = Player::open(name, format, clock, period_frames, on_output);
        let opened = opened.map(|(mut player, period)| {
            (period, move |reporter: &mut Reporter| player.turn(reporter))
        });
        run(opened, ready, asked_to_close);
    })
}

/// Hands to `on_input` what is recorded; see [`InputDevice::start`](super::InputDevice::start).
pub(super) fn record(
    opened: &Opened,
    clock: Clock,
    period_frames: u32,
    on_input: impl FnMut(&[f32], u64) + Send + 'static,
) -> Result<Stream> {
    let (name, format) = (name(opened), opened.format());
    kept(&opened.listed.name, move |ready, asked_to_close| {
        Priority::Now.ask();
        let opened = Recorder::open(name, format, clock, period_frames, on_input);
        let opened = opened.map(|(mut recorder, period)| {
            (period, move |reporter: &mut Reporter| recorder.turn(reporter))
        });
        run(opened, ready, asked_to_close);
    })
}

/// What the channels of an input are; see [`InputDevice::layout`](super::InputDevice::layout).
pub(super) fn layout(opened: &Opened) -> Layout {
    let channels = opened.format().channels;
    let found = channels::layout(name(opened)).unwrap_or_else(|error| {
        log::debug!("PulseAudio does not say what the channels are: {error}");
        Layout::usual(channels)
    });
    // What it says of a device that has changed meanwhile holds for another stream.
    if found.channels() == channels { found } else { Layout::usual(channels) }
}

/// What the server calls the device.
fn name(opened: &Opened) -> CString {
    let id = opened.listed.id.as_str();
    CString::new(id.strip_prefix(HOST).unwrap_or(id)).unwrap_or_default()
}

/// Serves a stream, which comes with its period in frames, until it is to be closed or breaks. A turn
/// does what there is to do, after a short wait for it.
fn run(
    opened: link::Result<(u32, impl FnMut(&mut Reporter) -> link::Result<()>)>,
    ready: &Ready,
    asked_to_close: &Receiver<Infallible>,
) {
    let (period_frames, mut turn) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let _ = ready.send(Err(error.into()));
            return;
        }
    };
    let (mut reporter, reports) = trouble::reports();
    let _ = ready.send(Ok((reports, period_frames)));
    while asked_to_close.try_recv() == Err(TryRecvError::Empty) {
        if let Err(error) = turn(&mut reporter) {
            reporter.report(error.into());
            let _: std::result::Result<Infallible, _> = asked_to_close.recv();
            return;
        }
    }
}

/// What both directions have.
struct Line {
    link: Link,
    channel: u32,
    format: Format,
    clock: Clock,
    timing: Timing,
    /// Frames that have gone or come so far.
    frames: u64,
    /// Samples on their way between bytes and the callback.
    piece: Vec<f32>,
}

impl Line {
    fn new(link: Link, channel: u32, format: Format, clock: Clock) -> link::Result<Self> {
        link.wait_at_most(LONGEST_WAIT)?;
        let timing = Timing::new(format, clock.now_us());
        let piece = vec![0.0; format.samples(PIECE_FRAMES).max(1)];
        Ok(Self { link, channel, format, clock, timing, frames: 0, piece })
    }

    /// Asks when which frame meets the card, if it is time to.
    fn ask(&mut self, question: fn(LatencyParams) -> Command) -> link::Result<()> {
        let now_us = self.clock.now_us();
        if self.timing.is_due(now_us) {
            let question =
                question(LatencyParams { channel: self.channel, now: SystemTime::now() });
            let number = self.link.tell(&question)?;
            self.timing.ask(number, now_us, self.frames);
        }
        self.link.flush()
    }
}

/// Something went wrong. An error if the stream is no more.
fn report(what: &Message<'_>, reporter: &mut Reporter) -> link::Result<()> {
    match what {
        Message::Killed => return Err(ClientError::ServerError(PulseError::NoEntity)),
        Message::Moved => reporter.report(ErrorKind::DeviceChanged.into()),
        Message::Missed => reporter.report(ErrorKind::Xrun.into()),
        _ => {}
    }
    Ok(())
}

struct Player<F> {
    line: Line,
    /// Bytes that the server wants, and what it keeps at most.
    requested: u32,
    whole: u32,
    on_output: F,
}

impl<F: FnMut(&mut [f32], u64)> Player<F> {
    fn open(
        name: CString,
        format: Format,
        clock: Clock,
        period_frames: u32,
        on_output: F,
    ) -> link::Result<(Self, u32)> {
        let mut link = Link::open()?;
        let ask = Command::GetSinkInfo(GetSinkInfo { index: None, name: Some(name) });
        let sink: SinkInfo = link.ask(&ask)?;
        let whole = bytes(format, period_frames.saturating_mul(PERIODS).max(REQUESTS));
        let third = bytes(format, (period_frames.saturating_mul(PERIODS) / REQUESTS).max(1));
        let created: CreatePlaybackStreamReply =
            link.ask(&Command::CreatePlaybackStream(PlaybackStreamParams {
                sample_spec: spec(format),
                channel_map: channels::fronts_first(sink.channel_map, format),
                sink_index: Some(sink.index),
                buffer_attr: BufferAttr {
                    target_length: whole,
                    minimum_request_length: third,
                    // What came too late is skipped, not played later than its time.
                    pre_buffering: 0,
                    ..BufferAttr::default()
                },
                props: called(PLAYING),
                flags: flags(),
                ..PlaybackStreamParams::default()
            }))?;
        let frame = bytes(format, 1).max(1);
        let mut player = Self {
            line: Line::new(link, created.channel, format, clock)?,
            requested: created.requested_bytes,
            whole: whole.max(created.buffer_attr.target_length.min(LONGEST_BUFFER)),
            on_output,
        };
        player.write();
        let uncork = CorkStreamParams { channel: created.channel, cork: false };
        player.line.link.tell(&Command::CorkPlaybackStream(uncork))?;
        player.line.ask(Command::GetPlaybackLatency)?;
        Ok((player, created.buffer_attr.minimum_request_length / frame))
    }

    /// Gives the server what it wants. Of more than it keeps, the first should have come long ago.
    fn write(&mut self) {
        let Self { line: Line { link, channel, format, clock, timing, frames, piece }, .. } = self;
        let frame = bytes(*format, 1).max(1);
        let requested = std::mem::take(&mut self.requested) / frame * frame;
        if requested == 0 {
            return;
        }
        let wanted = requested.min(self.whole / frame * frame);
        let skipped = requested - wanted;
        *frames += u64::from(skipped / frame);
        link.sound(*channel, skipped, wanted, |sound| {
            for sound in sound.chunks_mut(piece.len() * SAMPLE) {
                let samples = &mut piece[..sound.len() / SAMPLE];
                samples.fill(0.0);
                let heard_us = timing.time_of(*frames).unwrap_or_else(|| clock.now_us());
                (self.on_output)(samples, heard_us);
                for (bytes, sample) in sound.chunks_exact_mut(SAMPLE).zip(samples.iter()) {
                    bytes.copy_from_slice(&sample.to_le_bytes());
                }
                *frames += format.frames(samples.len()) as u64;
            }
        });
    }

    fn turn(&mut self, reporter: &mut Reporter) -> link::Result<()> {
        let mut waits = true;
        let Line { link, timing, clock, .. } = &mut self.line;
        while let Some(message) = link.receive(std::mem::replace(&mut waits, false))? {
            match message {
                Message::Wanted(bytes) => self.requested = self.requested.saturating_add(bytes),
                Message::Answer(number, answer) => {
                    let answer = answer.map_err(ClientError::ServerError)?;
                    if let Some(asked) = timing.is_answer(number) {
                        let (wall, now_us) = (SystemTime::now(), clock.now_us());
                        timing.playing(asked, &answer.read()?, wall, now_us);
                    }
                }
                other => report(&other, reporter)?,
            }
        }
        self.write();
        self.line.ask(Command::GetPlaybackLatency)
    }
}

struct Recorder<F> {
    line: Line,
    on_input: F,
}

impl<F: FnMut(&[f32], u64)> Recorder<F> {
    fn open(
        name: CString,
        format: Format,
        clock: Clock,
        period_frames: u32,
        on_input: F,
    ) -> link::Result<(Self, u32)> {
        let mut link = Link::open()?;
        let ask = Command::GetSourceInfo(GetSourceInfo { index: None, name: Some(name) });
        let source: SourceInfo = link.ask(&ask)?;
        let kept = u32::try_from(format.frames_in_ms(KEPT_MS)).unwrap_or(u32::MAX);
        let created: CreateRecordStreamReply =
            link.ask(&Command::CreateRecordStream(RecordStreamParams {
                sample_spec: spec(format),
                channel_map: channels::as_it_is(source.channel_map, format),
                source_index: Some(source.index),
                buffer_attr: BufferAttr {
                    max_length: bytes(format, kept.max(period_frames.saturating_mul(PERIODS))),
                    fragment_size: bytes(format, period_frames.max(1)),
                    ..BufferAttr::default()
                },
                props: called(RECORDING),
                flags: flags(),
                ..RecordStreamParams::default()
            }))?;
        let frame = bytes(format, 1).max(1);
        let mut line = Line::new(link, created.channel, format, clock)?;
        let uncork = CorkStreamParams { channel: created.channel, cork: false };
        line.link.tell(&Command::CorkRecordStream(uncork))?;
        line.ask(Command::GetRecordLatency)?;
        Ok((Self { line, on_input }, created.buffer_attr.fragment_size / frame))
    }

    fn turn(&mut self, reporter: &mut Reporter) -> link::Result<()> {
        let mut waits = true;
        let Line { link, timing, clock, frames, piece, format, .. } = &mut self.line;
        while let Some(message) = link.receive(std::mem::replace(&mut waits, false))? {
            match message {
                Message::Sound(sound) => {
                    for sound in sound.chunks(piece.len() * SAMPLE) {
                        let samples = &mut piece[..sound.len() / SAMPLE];
                        for (sample, bytes) in samples.iter_mut().zip(sound.chunks_exact(SAMPLE)) {
                            *sample = f32::from_le_bytes(bytes.try_into().unwrap_or_default());
                        }
                        let captured_us = timing.time_of(*frames).unwrap_or_else(|| clock.now_us());
                        (self.on_input)(samples, captured_us);
                        *frames += format.frames(samples.len()) as u64;
                    }
                }
                Message::Answer(number, answer) => {
                    let answer = answer.map_err(ClientError::ServerError)?;
                    if let Some(asked) = timing.is_answer(number) {
                        let (wall, now_us) = (SystemTime::now(), clock.now_us());
                        timing.recording(asked, &answer.read()?, *frames, wall, now_us);
                    }
                }
                other => report(&other, reporter)?,
            }
        }
        self.line.ask(Command::GetRecordLatency)
    }
}

/// How many bytes `frames` frames are.
fn bytes(format: Format, frames: u32) -> u32 {
    frames.saturating_mul(u32::from(format.channels)).saturating_mul(SAMPLE as u32)
}

fn spec(format: Format) -> SampleSpec {
    SampleSpec {
        format: SampleFormat::Float32Le,
        channels: u8::try_from(format.channels).unwrap_or(u8::MAX),
        sample_rate: format.sample_rate,
    }
}

fn called(name: &std::ffi::CStr) -> Props {
    let mut props = Props::new();
    props.set(Prop::MediaName, name);
    props
}

/// The stream begins when it has something, and the device takes its periods into account.
fn flags() -> StreamFlags {
    StreamFlags { start_corked: true, adjust_latency: true, ..StreamFlags::default() }
}
