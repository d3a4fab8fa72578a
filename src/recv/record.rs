//! Outputs with no card: a WAV file, or nowhere. Nothing is resampled: every sample is written when
//! it would have been heard, and what is missing is silence of its length.

use std::path::Path;

use log::error;

use crate::clock::Timeline;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::limiter::Limiter;
use crate::recv::jitter::Jitter;
use crate::recv::resample::Counts;
use crate::settings::Output;
use crate::soundless::WavFile;

/// The header is rewritten this often, in µs: a crash costs no more.
const CHECKPOINT_US: u64 = 1_000_000;

/// Frames written at a time.
const PIECE: usize = 1024;

/// After a stall this much silence is made up for at most, in ms: a suspended laptop writes no
/// hours of it.
const LONGEST_GAP_MS: f64 = 10_000.0;

/// A timeline that lies this far behind what is written, in ms, began anew: the server's computer
/// was asleep, and its clock with it.
const BACK_MS: f64 = 1_000.0;

/// Positions that lie this much apart from time, in µs, lie elsewhere; less is a clock's noise.
const APART_US: f64 = 5_000.0;

/// A recording, or its absence.
pub struct Recorder {
    output: Output,
    overwrite: bool,
    file: Option<(WavFile, Format)>,
    checkpoint_us: u64,
    stream: Option<Stream>,
    /// What was playing before `stream`, and the position that it no longer reaches.
    ending: Option<(Stream, u64)>,
    counts: Counts,
    frames: u64,
}

struct Stream {
    format: Format,
    chunk: usize,
    delay_ms: u32,
    jitter: Jitter,
    timeline: Timeline,
    /// The next position to be written, once the first has come.
    next: Option<u64>,
}

impl Recorder {
    /// For `--output wav:PATH` or `null`. The file is made when the first stream tells its format,
    /// but what can be known before is refused at once.
    ///
    /// # Errors
    /// [`Error::File`] for a file that exists, or whose folder does not.
    pub fn new(output: &Output, overwrite: bool) -> Result<Self> {
        if let Output::Wav(path) = output {
            refuse_at_once(path, overwrite)?;
        }
        Ok(Self {
            output: output.clone(),
            overwrite,
            file: None,
            checkpoint_us: 0,
            stream: None,
            ending: None,
            counts: Counts::default(),
            frames: 0,
        })
    }

    /// A new stream, of which the frame at `position` comes first. It goes on in the same file, at
    /// the moment it belongs to; until then the old one does.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be made, or holds another format.
    pub fn stream(
        &mut self,
        format: Format,
        chunk: usize,
        delay_ms: u32,
        position: u64,
        timeline: Timeline,
    ) -> Result<()> {
        if let Output::Wav(path) = &self.output {
            match &self.file {
                None => {
                    let file = WavFile::create(path, format, self.overwrite)?;
                    self.file = Some((file, format));
                }
                Some((_, begun)) if *begun != format => {
                    return Err(Error::file(
                        path,
                        format!("the server now sends {format}, the file holds {begun}"),
                        "Record what follows into another file",
                    ));
                }
                Some(_) => {}
            }
        }
        let jitter = Jitter::new(format, chunk, delay_ms);
        self.follow(Stream { format, chunk, delay_ms, jitter, timeline, next: None }, position);
        Ok(())
    }

    /// Lets `new` follow what is playing, from its frame at `position` on.
    fn follow(&mut self, mut new: Stream, position: u64) {
        // One that has not had its turn yet never gets it.
        let current = self.stream.take();
        let old = self.ending.take().map(|(old, _)| old).or(current);
        if let Some(old) = old
            && let Some(next) = old.next
            && old.format == new.format
        {
            let until = old.timeline.position_at(new.timeline.heard_at(position as f64));
            if until > next as f64 {
                new.next = Some(position);
                self.ending = Some((old, until as u64));
            } else {
                let heard_us = old.timeline.heard_at(next as f64);
                new.next = Some(new.timeline.position_at(heard_us).max(0.0).round() as u64);
            }
            new.jitter.set_reader(new.next.unwrap_or(position));
        }
        self.stream = Some(new);
    }

    /// Takes decoded frames captured at `captured_us` of the server's clock.
    pub fn insert(&mut self, position: u64, captured_us: u64, broken: bool, samples: &[f32]) {
        if broken {
            self.mend(position, captured_us);
        }
        let Some(stream) = &mut self.stream else {
            return;
        };
        stream.timeline.note(position, captured_us, broken);
        let late = stream.jitter.insert(position, samples);
        if stream.next.is_some() {
            self.counts.late += late;
        }
    }

    /// Where positions and time have come apart, what follows is a stream of its own: what was
    /// written under a position may come again under it at another time.
    fn mend(&mut self, position: u64, captured_us: u64) {
        let Some(Stream { format, chunk, delay_ms, timeline, .. }) = &self.stream else {
            return;
        };
        let (format, chunk, delay_ms) = (*format, *chunk, *delay_ms);
        let mut mended = timeline.clone();
        mended.note(position, captured_us, true);
        let at = position as f64;
        if (mended.heard_at(at) - timeline.heard_at(at)).abs() < APART_US {
            return;
        }
        let jitter = Jitter::new(format, chunk, delay_ms);
        let new = Stream { format, chunk, delay_ms, jitter, timeline: mended, next: None };
        self.follow(new, position);
    }

    /// Makes room for a longer delay.
    pub fn make_room_for(&mut self, delay_ms: u32) {
        if let Some(stream) = &mut self.stream {
            stream.jitter.grow(stream.format, delay_ms);
            stream.delay_ms = delay_ms;
        }
    }

    /// The timeline, to change delay or offset.
    pub fn timeline(&mut self) -> Option<&mut Timeline> {
        self.stream.as_mut().map(|stream| &mut stream.timeline)
    }

    /// Writes everything that has been heard by `now_us`, and shows it to `heard`.
    ///
    /// # Errors
    /// [`Error::File`] if the disk is full or gone.
    pub fn advance(
        &mut self,
        now_us: u64,
        expecting: bool,
        limiter: &mut Limiter,
        heard: impl FnMut(&[f32]),
    ) -> Result<()> {
        self.write_due(now_us, expecting, limiter, heard)?;
        if now_us.saturating_sub(self.checkpoint_us) >= CHECKPOINT_US {
            self.checkpoint_us = now_us;
            if let Some((file, _)) = &mut self.file {
                file.checkpoint()?;
            }
        }
        Ok(())
    }

    fn write_due(
        &mut self,
        now_us: u64,
        expecting: bool,
        limiter: &mut Limiter,
        mut heard: impl FnMut(&[f32]),
    ) -> Result<()> {
        if let Some((old, until)) = &mut self.ending {
            let due = (old.timeline.position_at(now_us as f64).max(0.0) as u64).min(*until);
            let (from, ended) = (old.next.unwrap_or(due), due == *until);
            let written = Writing { file: &mut self.file, limiter, heard: &mut heard }
                .write(old, from, due)?;
            self.frames += written.frames;
            if !ended {
                return Ok(());
            }
            self.ending = None;
        }
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        if let Some(next) = stream.next {
            stream.timeline.reach(next as f64);
        }
        let due = stream.timeline.position_at(now_us as f64);
        if stream.next.is_some_and(|next| {
            next as f64 - due > BACK_MS * stream.format.frames_in_ms(1.0) as f64
        }) {
            stream.next = None;
            stream.jitter.set_reader(due.max(0.0) as u64);
        }
        let from = match stream.next {
            Some(next) => next,
            // The first sample that is there and not yet past its time.
            None => match stream.jitter.start() {
                Some(start)
                    if (start as f64) < due
                        && stream.jitter.end().is_some_and(|e| due < e as f64) =>
                {
                    start.max(due as u64)
                }
                _ => return Ok(()),
            },
        };
        let due = due.max(0.0) as u64;
        let written = Writing { file: &mut self.file, limiter, heard: &mut heard }
            .write(stream, from, due)?;
        self.frames += written.frames;
        if expecting {
            self.counts.lost += written.missing;
        }
        Ok(())
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Frames written so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Sound waiting, in frames of the stream.
    #[must_use]
    pub fn buffered(&self) -> u64 {
        self.stream.as_ref().map_or(0, |stream| stream.jitter.ahead())
    }

    /// How long after its capture the last written sample was written, in µs.
    #[must_use]
    pub fn delay_us(&self, now_us: u64) -> f64 {
        self.stream.as_ref().map_or(0.0, |stream| {
            let Some(next) = stream.next else {
                return 0.0;
            };
            now_us as f64 - stream.timeline.captured_at(next as f64)
        })
    }

    /// Completes the file.
    pub fn finish(self) {
        if let Some((file, _)) = self.file
            && let Err(e) = file.finish()
        {
            error!("{e}");
        }
    }
}

/// Where sound is written to.
struct Writing<'a, F> {
    file: &'a mut Option<(WavFile, Format)>,
    limiter: &'a mut Limiter,
    heard: &'a mut F,
}

/// What was written.
#[derive(Default)]
struct Written {
    frames: u64,
    missing: u64,
}

impl<F: FnMut(&[f32])> Writing<'_, F> {
    /// Writes the frames of `stream` from `from` until `due`.
    fn write(self, stream: &mut Stream, from: u64, due: u64) -> Result<Written> {
        let Stream { format, jitter, next, .. } = stream;
        let longest = format.frames_in_ms(LONGEST_GAP_MS) as u64;
        let mut at = from.max(due.saturating_sub(longest));
        let mut piece = vec![0.0; format.samples(PIECE)];
        let mut written = Written::default();
        while at < due {
            let frames = usize::try_from(due - at).unwrap_or(PIECE).min(PIECE);
            let samples = &mut piece[..format.samples(frames)];
            written.missing += jitter.read(at, samples) as u64;
            self.limiter.process(samples);
            (self.heard)(samples);
            if let Some((file, _)) = self.file {
                file.write(samples)?;
            }
            at += frames as u64;
            written.frames += frames as u64;
        }
        *next = Some(at.max(from));
        Ok(written)
    }
}

/// A recording that cannot be made: better said before the server is asked.
fn refuse_at_once(path: &Path, overwrite: bool) -> Result<()> {
    if path.is_dir() {
        return Err(Error::file(path, "this is a folder", "Add a file's name to it"));
    }
    if path.exists() && !overwrite {
        return Err(Error::file(
            path,
            "this file already exists",
            "Choose another name, or add --overwrite to replace it",
        ));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => Err(Error::file(
            path,
            "its folder does not exist",
            "Make the folder, or choose another",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Offset;

    /// A frame lasts a millisecond.
    const SLOW: Format = Format { sample_rate: 1000, channels: 1 };
    const DELAY_MS: u32 = 100;

    /// Samples that tell their position.
    fn ramp(positions: std::ops::Range<u64>) -> Vec<f32> {
        positions.map(|position| (position + 1) as f32 / 8192.0).collect()
    }

    /// A timeline on which `position` was captured at `captured_ms` of a server whose clock began
    /// when ours showed `began_ms`.
    fn timeline(position: u64, captured_ms: u64, began_ms: f64) -> Timeline {
        let offset = Offset { offset_us: -began_ms * 1e3, ..Offset::NONE };
        let delay_us = f64::from(DELAY_MS) * 1e3;
        Timeline::new(SLOW.sample_rate, position, captured_ms * 1000, offset, delay_us)
    }

    fn recorder(first: Timeline) -> Recorder {
        let mut recorder = Recorder::new(&Output::Null, false).unwrap();
        recorder.stream(SLOW, 10, DELAY_MS, 0, first).unwrap();
        recorder
    }

    /// What is written until then, a few milliseconds at a time.
    fn advance(recorder: &mut Recorder, until_ms: u64, written: &mut Vec<f32>) {
        let mut limiter = Limiter::new(SLOW);
        for ms in (0..=until_ms).step_by(7).chain([until_ms]) {
            let take = |samples: &[f32]| written.extend_from_slice(samples);
            recorder.advance(ms * 1000, true, &mut limiter, take).unwrap();
        }
    }

    #[test]
    fn another_server_begins_when_its_first_frame_is_due_and_silence_fills_the_rest() {
        let mut recorder = recorder(timeline(0, 0, 0.0));
        recorder.insert(0, 0, false, &ramp(0..200));
        let mut written = Vec::new();
        advance(&mut recorder, 150, &mut written);
        assert_eq!(written, ramp(5..50), "it begins with what is due when it is looked at");

        // Heard from 500 ms of our clock on; the old server's next sample from 150 on.
        recorder.stream(SLOW, 10, DELAY_MS, 1000, timeline(1000, 0, 400.0)).unwrap();
        recorder.insert(1000, 0, false, &ramp(1000..1200));
        advance(&mut recorder, 560, &mut written);
        assert_eq!(written, [ramp(5..200), vec![0.0; 200], ramp(1000..1060)].concat());
    }

    #[test]
    fn another_server_whose_sound_is_due_already_goes_on_at_that_moment() {
        let mut recorder = recorder(timeline(0, 0, 0.0));
        recorder.insert(0, 0, false, &ramp(0..200));
        let mut written = Vec::new();
        advance(&mut recorder, 150, &mut written);
        // Heard from 120 ms on: thirty of its frames are past.
        recorder.stream(SLOW, 10, DELAY_MS, 1000, timeline(1000, 0, 20.0)).unwrap();
        recorder.insert(1000, 0, false, &ramp(1000..1200));
        advance(&mut recorder, 200, &mut written);
        assert_eq!(written, [ramp(5..50), ramp(1030..1080)].concat());
    }

    #[test]
    fn a_server_that_pauses_loses_nothing_of_what_comes_before_and_after() {
        let mut recorder = recorder(timeline(0, 0, 0.0));
        recorder.insert(0, 0, false, &ramp(0..200));
        let mut written = Vec::new();
        // A pause is known only when it is over: by then its first silence is written.
        advance(&mut recorder, 450, &mut written);
        assert_eq!(written, [ramp(5..200), vec![0.0; 150]].concat());
        recorder.insert(200, 500_000, true, &ramp(200..400));
        advance(&mut recorder, 700, &mut written);
        assert_eq!(written, [ramp(5..200), vec![0.0; 300], ramp(200..300)].concat());
    }

    #[test]
    fn a_server_whose_clock_stood_still_for_an_hour_is_written_on_at_once() {
        let mut recorder = recorder(timeline(0, 0, 0.0));
        recorder.insert(0, 0, false, &ramp(0..200));
        let mut written = Vec::new();
        advance(&mut recorder, 20_000, &mut written);
        // It sends what comes after position 200, as if nothing had happened, and its clock says so.
        let asleep_us = -19_800e3;
        let offset = Offset { offset_us: asleep_us, ..Offset::NONE };
        recorder.timeline().unwrap().set_offset(offset);
        advance(&mut recorder, 20_001, &mut written);
        recorder.insert(200, 200_000, false, &ramp(200..600));
        written.clear();
        advance(&mut recorder, 20_300, &mut written);
        assert_eq!(written, ramp(204..400), "it begins with what is due when it is looked at");
    }

    #[test]
    fn a_broken_timeline_whose_positions_kept_time_changes_nothing() {
        let mut recorder = recorder(timeline(0, 0, 0.0));
        recorder.insert(0, 0, false, &ramp(0..200));
        recorder.insert(300, 300_000, true, &ramp(300..400));
        let mut written = Vec::new();
        advance(&mut recorder, 450, &mut written);
        assert_eq!(written, [ramp(5..200), vec![0.0; 100], ramp(300..350)].concat());
    }
}
