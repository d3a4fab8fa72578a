//! The thread that writes, and the bounded queue in front of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use log::{debug, error, info, warn};

use super::file::{RecordingFile, STDOUT};
use super::name::{check_name, refuse_at_once};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::shutdown::Shutdown;
use crate::stats;
use crate::threads::{Priority, spawn};

/// Samples that may wait for the disk, all files together: 32 MiB, which is 87 s of 48 kHz stereo.
/// A disk that was asleep takes ten seconds to answer.
const MOST_WAITING: usize = 8 << 20;

/// Pieces that may wait: at 375 chunks a second, the smallest there are, 43 s.
const MOST_PIECES: usize = 16_384;

/// What was written becomes readable this often, so that a crash costs less than a second.
const CHECKPOINT: Duration = Duration::from_millis(500);

/// How long somebody who begins or ends a recording waits for the disk.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long the files may take to be completed when the program stops.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// Which of a recorder's files; [`MIX`] where there is but one.
pub(super) type FileId = u64;

/// The one file of a recorder that records no tracks.
const MIX: FileId = 0;

/// What goes to the thread.
pub(super) enum Message {
    /// The one file begins with the next sound. It is made now if its format is known.
    Begin { path: PathBuf, format: Option<Format>, answer: SyncSender<Result<PathBuf>> },
    /// It ends.
    End { answer: SyncSender<Result<PathBuf>> },
    /// A track, which begins with the very first frame that was offered.
    BeginTrack { id: FileId, path: PathBuf },
    /// It ends.
    EndTrack { id: FileId },
    /// Sound, of which the first frame is the `at`th that was offered.
    Sound { id: FileId, at: u64, format: Format, samples: Vec<f32> },
    /// Look whether to stop.
    Wake,
}

/// What the thread and those around it share.
#[derive(Debug, Default)]
struct Shared {
    counters: Arc<stats::Recording>,
    /// Samples in the queue.
    waiting: AtomicUsize,
    must_stop: AtomicBool,
    /// Why the file could not be written, where somebody asks.
    failure: Mutex<Option<Error>>,
}

/// A running recorder.
#[derive(Debug)]
pub struct Recorder {
    thread: JoinHandle<()>,
    queue: Queue,
    overwrite: bool,
}

/// What becomes of a file that cannot be written any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The log says so, and all else goes on.
    IsSaid,
    /// [`Tap::failure`] tells whoever cannot do without it.
    IsKept,
}

impl Recorder {
    /// Starts a thread that writes. `overwrite` lets it replace files. A panic in it requests `stop`.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the system gives no thread.
    pub fn start(
        overwrite: bool,
        failure: Failure,
        counters: Arc<stats::Recording>,
        stop: &Shutdown,
    ) -> Result<Self> {
        let shared = Arc::new(Shared { counters, ..Shared::default() });
        let (to, from) = sync_channel(MOST_PIECES);
        let writing = Writing {
            overwrite,
            failure,
            shared: Arc::clone(&shared),
            reels: BTreeMap::new(),
            has_said: false,
        };
        let thread = spawn("recorder", Priority::Ordinary, stop, move || writing.run(&from))?;
        Ok(Self { thread, queue: Queue { to, shared }, overwrite })
    }

    /// Begins a recording in the file at `path`. With a `format` the file is made at once, without
    /// it when the first sound comes.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for a file that cannot be made, or that exists and may not be replaced.
    pub fn begin(&self, path: PathBuf, format: Option<Format>) -> Result<PathBuf> {
        self.queue.begin(path, format)
    }

    /// A tap through which sound is given to this recorder.
    #[must_use]
    pub fn tap(&self) -> Tap {
        Tap { queue: self.queue.clone(), at: 0, next: None }
    }

    /// Lets others begin and end recordings in `folder`, of sound in that format if it is known.
    #[must_use]
    pub fn control(&self, folder: PathBuf, format: Option<Format>) -> Control {
        Control { queue: self.queue.clone(), folder, format, overwrite: self.overwrite }
    }

    /// The queue, for [`RecordTracks`](super::RecordTracks).
    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// Writes what waits and completes the files.
    pub fn finish(self) {
        self.queue.shared.must_stop.store(true, Ordering::Relaxed);
        // A full queue wakes the thread as well.
        let _ = self.queue.to.try_send(Message::Wake);
        let until = Instant::now() + FINISH_WITHIN;
        while !self.thread.is_finished() {
            if Instant::now() > until {
                warn!("the disk is too slow: the end of the recording may be missing");
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.thread.join().is_err() {
            error!("the recorder thread broke: the end of the recording may be missing");
        }
    }
}

/// The way to the thread.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    to: SyncSender<Message>,
    shared: Arc<Shared>,
}

impl Queue {
    /// Whether anything is being recorded.
    pub(super) fn is_on(&self) -> bool {
        self.shared.counters.files.get() > 0
    }

    /// Hands sound over, or counts it where there is no room.
    pub(super) fn sound(&self, id: FileId, at: u64, format: Format, samples: &[f32]) {
        let count = samples.len();
        let waiting = self.shared.waiting.fetch_add(count, Ordering::Relaxed);
        let has_room = waiting + count <= MOST_WAITING;
        let sound = || Message::Sound { id, at, format, samples: samples.to_vec() };
        if !has_room || self.to.try_send(sound()).is_err() {
            self.shared.waiting.fetch_sub(count, Ordering::Relaxed);
            self.shared.counters.lost.add(format.frames(count) as u64);
        }
    }

    /// Hands anything else over; `false` where there is no room.
    pub(super) fn tell(&self, message: Message) -> bool {
        self.to.try_send(message).is_ok()
    }

    fn begin(&self, path: PathBuf, format: Option<Format>) -> Result<PathBuf> {
        self.ask(|answer| Message::Begin { path, format, answer })
    }

    fn ask(
        &self,
        question: impl FnOnce(SyncSender<Result<PathBuf>>) -> Message,
    ) -> Result<PathBuf> {
        let (to, answer) = sync_channel(1);
        let asked = match self.to.try_send(question(to)) {
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
            Ok(()) => answer.recv_timeout(ANSWER_WITHIN).ok(),
        };
        asked.unwrap_or_else(|| {
            Err(Error::usage(
                "the disk has not answered for too long",
                "Wait for it, then ask again",
            ))
        })
    }
}

/// A tap, through which one thread gives sound to a recorder. It never waits.
#[derive(Debug)]
pub struct Tap {
    queue: Queue,
    /// Frames offered so far, gaps included.
    at: u64,
    /// The position behind them, where they have positions.
    next: Option<u64>,
}

impl Tap {
    /// Takes interleaved samples, whole frames, right behind the last ones.
    pub fn sound(&mut self, format: Format, samples: &[f32]) {
        if self.queue.is_on() {
            self.queue.sound(MIX, self.at, format, samples);
        }
        self.at += format.frames(samples.len()) as u64;
    }

    /// Takes interleaved samples, whole frames, of which the first has this position: what lies
    /// between them and the last ones is silence, at most [`LONGEST_GAP_MS`] of it.
    pub fn chunk(&mut self, format: Format, position: u64, samples: &[f32]) {
        self.at += gap(self.next, position, format);
        self.next = Some(position + format.frames(samples.len()) as u64);
        self.sound(format, samples);
    }

    /// Why the recording could not go on, told once.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.queue.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A gap in positions becomes this much silence at most, in ms: a PC that was asleep records no
/// hours of it.
pub const LONGEST_GAP_MS: f64 = 10_000.0;

/// Frames of silence between `next` and `position`.
pub(super) fn gap(next: Option<u64>, position: u64, format: Format) -> u64 {
    let missing = position.saturating_sub(next.unwrap_or(position));
    missing.min(format.frames_in_ms(LONGEST_GAP_MS) as u64)
}

/// Begins and ends recordings while sound plays, for somebody who may choose a name in one folder
/// and nothing else.
#[derive(Debug, Clone)]
pub struct Control {
    queue: Queue,
    folder: PathBuf,
    format: Option<Format>,
    overwrite: bool,
}

impl Control {
    /// Begins a recording called `name`; the path that it is written to.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a name that is none, and while a recording goes on; [`Error::File`] for
    /// a file that exists already or cannot be made.
    pub fn begin(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        let path = self.folder.join(name);
        if path.exists() && !self.overwrite {
            // Who asks has chosen a name and nothing else, and cannot have a file replaced.
            return Err(Error::file(&path, "this file already exists", "Choose another name"));
        }
        self.queue.begin(path, self.format)
    }

    /// Ends the recording that goes on; its path.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] when none does, [`Error::File`] when the disk did not take its end.
    pub fn end(&self) -> Result<PathBuf> {
        self.queue.ask(|answer| Message::End { answer })
    }
}

/// The thread's state.
struct Writing {
    overwrite: bool,
    failure: Failure,
    shared: Arc<Shared>,
    reels: BTreeMap<FileId, Reel>,
    /// One full disk ends all files, and is spoken of once.
    has_said: bool,
}

/// One file.
struct Reel {
    path: PathBuf,
    /// The number of its first frame among those that were offered.
    from: Option<u64>,
    file: Option<(RecordingFile, Format)>,
    /// Frames in it.
    frames: u64,
}

impl Writing {
    fn run(mut self, from: &Receiver<Message>) {
        let mut checkpoint = Instant::now() + CHECKPOINT;
        loop {
            let wait = checkpoint.saturating_duration_since(Instant::now());
            match from.recv_timeout(wait) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if Instant::now() >= checkpoint {
                self.checkpoint();
                checkpoint = Instant::now() + CHECKPOINT;
            }
            if self.shared.must_stop.load(Ordering::Relaxed) {
                while let Ok(message) = from.try_recv() {
                    self.take(message);
                }
                break;
            }
        }
        let ids: Vec<FileId> = self.reels.keys().copied().collect();
        for id in ids {
            if let Some(Err(e)) = self.close(id) {
                self.fail(id, e);
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Begin { path, format, answer } => {
                self.has_said = false;
                let _ = answer.try_send(self.open(MIX, path, None, format));
            }
            Message::End { answer } => {
                let nothing =
                    || Error::usage("nothing is being recorded", "Begin a recording first");
                let closed = self.close(MIX).unwrap_or_else(|| Err(nothing()));
                let _ = answer.try_send(closed);
            }
            Message::BeginTrack { id, path } => {
                if let Err(e) = self.open(id, path, Some(0), None) {
                    self.fail(id, e);
                }
            }
            Message::EndTrack { id } => {
                if let Some(Err(e)) = self.close(id) {
                    self.fail(id, e);
                }
            }
            Message::Sound { id, at, format, samples } => {
                if let Err(e) = self.sound(id, at, format, &samples) {
                    self.fail(id, e);
                }
                self.shared.waiting.fetch_sub(samples.len(), Ordering::Relaxed);
            }
            Message::Wake => {}
        }
    }

    fn open(
        &mut self,
        id: FileId,
        path: PathBuf,
        from: Option<u64>,
        format: Option<Format>,
    ) -> Result<PathBuf> {
        if let Some(reel) = self.reels.get(&id) {
            return Err(Error::usage(
                format!("a recording goes on already: {}", reel.path.display()),
                "End it before you begin another",
            ));
        }
        if path != Path::new(STDOUT) {
            refuse_at_once(&path, self.overwrite)?;
        }
        let file = match format {
            Some(format) => Some((RecordingFile::create(&path, format, self.overwrite)?, format)),
            None => None,
        };
        let reel = Reel { path: path.clone(), from, file, frames: 0 };
        self.reels.insert(id, reel);
        self.count();
        Ok(path)
    }

    fn sound(&mut self, id: FileId, at: u64, format: Format, samples: &[f32]) -> Result<()> {
        let Some(reel) = self.reels.get_mut(&id) else {
            return Ok(());
        };
        let from = *reel.from.get_or_insert(at);
        let file = match &mut reel.file {
            Some((_, begun)) if *begun != format => {
                return Err(Error::file(
                    &reel.path,
                    format!("the sound is {format} now, the file holds {begun}"),
                    "Record what follows into another file",
                ));
            }
            Some((file, _)) => file,
            none => {
                let file = RecordingFile::create(&reel.path, format, self.overwrite)?;
                &mut none.insert((file, format)).0
            }
        };
        let due = at.saturating_sub(from);
        if due > reel.frames {
            file.silence(due - reel.frames)?;
            reel.frames = due;
        }
        file.write(samples)?;
        let frames = format.frames(samples.len()) as u64;
        reel.frames += frames;
        self.shared.counters.frames.add(frames);
        Ok(())
    }

    fn checkpoint(&mut self) {
        let failed: Vec<_> = self
            .reels
            .iter_mut()
            .filter_map(|(id, reel)| Some((*id, reel.file.as_mut()?.0.checkpoint().err()?)))
            .collect();
        for (id, e) in failed {
            self.fail(id, e);
        }
    }

    /// Completes a file; its path. `None` where there is no such file.
    fn close(&mut self, id: FileId) -> Option<Result<PathBuf>> {
        let reel = self.reels.remove(&id)?;
        self.count();
        let Some((file, format)) = reel.file else {
            return Some(Ok(reel.path));
        };
        let seconds = format.micros(reel.frames) / 1e6;
        let finished = file.finish().map(|()| reel.path);
        if let Ok(path) = &finished {
            info!("recorded {seconds:.1} s into {}", path.display());
        }
        Some(finished)
    }

    /// A file that cannot be written any more is given up, and that is said once.
    fn fail(&mut self, id: FileId, e: Error) {
        self.reels.remove(&id);
        self.count();
        if self.failure == Failure::IsKept {
            *self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
        } else if !std::mem::replace(&mut self.has_said, true) {
            error!("the recording has ended: {e}");
        } else {
            debug!("the recording has ended: {e}");
        }
    }

    fn count(&self) {
        self.shared.counters.files.set(self.reels.len() as u64);
    }
}

#[cfg(test)]
mod tests;
