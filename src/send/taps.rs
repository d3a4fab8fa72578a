//! Others than listeners who get what is sent: other servers, players elsewhere. Each has a queue of its own, and
//! whoever is slow loses sound that was for it alone.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mio::Waker;

use super::transmit::Shape;
use crate::codec::{Codec, InUse, mask};
use crate::wire::AudioFrame;

/// Frames that wait for one of them: ten seconds of packets of 10 ms, which are shared and not copied. Whoever takes
/// none for so long has stopped.
const MOST_FRAMES: usize = 1_024;

/// What both ends of a tap know.
#[derive(Debug, Default)]
struct Shared {
    /// The codecs whose sound is wanted, a bit for each.
    wanted: AtomicU32,
    dropped: AtomicU64,
    /// The stream that has taken the place of the one whose frames come, with its own frames.
    next: Mutex<Option<(Shape, Receiver<AudioFrame>)>>,
}

/// The end of a tap where sound goes in.
#[derive(Debug)]
pub struct Tap {
    frames: SyncSender<AudioFrame>,
    waker: Option<Arc<Waker>>,
    shared: Arc<Shared>,
}

/// The end where it comes out.
#[derive(Debug)]
pub struct Tapped {
    frames: Receiver<AudioFrame>,
    shared: Arc<Shared>,
}

/// A tap of which nothing is wanted so far. `waker` ends the wait of whoever waits for more than sound.
#[must_use]
pub fn tap(waker: Option<Arc<Waker>>) -> (Tap, Tapped) {
    let (sender, frames) = sync_channel(MOST_FRAMES);
    let shared = Arc::<Shared>::default();
    (Tap { frames: sender, waker, shared: Arc::clone(&shared) }, Tapped { frames, shared })
}

/// Gives a frame to each tap that wants its codec. Pieces are for listeners alone.
pub fn give(taps: &[Tap], frame: &AudioFrame) {
    for tap in taps.iter().filter(|tap| !frame.is_piece() && tap.wants(frame.codec())) {
        if let Err(TrySendError::Full(_)) = tap.frames.try_send(frame.clone()) {
            tap.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
        tap.wake();
    }
}

/// Tells each tap that what it is given from now on is another stream. What waits of the one that was is let go.
pub fn begin_anew(taps: &mut [Tap], shape: &Shape) {
    for tap in taps {
        let (sender, frames) = sync_channel(MOST_FRAMES);
        *tap.shared.next.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((shape.clone(), frames));
        tap.frames = sender;
        tap.wake();
    }
}

/// Says which codecs are wanted by any of these taps.
pub fn note_wanted(taps: &[Tap], in_use: &InUse) {
    if !taps.is_empty() {
        let of = |tap: &Tap| tap.shared.wanted.load(Ordering::Relaxed);
        in_use.set_tapped(taps.iter().fold(0, |all, tap| all | of(tap)));
    }
}

impl Tap {
    fn wants(&self, codec: Codec) -> bool {
        self.shared.wanted.load(Ordering::Relaxed) & mask([codec].into_iter()) != 0
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            // A wake that fails means that nobody waits there any more.
            let _ = waker.wake();
        }
    }
}

impl Tapped {
    /// From now on exactly these are wanted, each in whole chunks or packets.
    pub fn want(&self, codecs: impl Iterator<Item = Codec>) {
        self.shared.wanted.store(mask(codecs), Ordering::Relaxed);
    }

    /// Whether another stream has begun, and what it is: all frames that come from now on are of that one.
    pub fn begun_anew(&mut self) -> Option<Shape> {
        let next = self.shared.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (shape, frames) = next?;
        self.frames = frames;
        Some(shape)
    }

    /// The next frame, if there is one.
    #[must_use]
    pub fn take(&self) -> Option<AudioFrame> {
        self.frames.try_recv().ok()
    }

    /// Waits for the next frame.
    ///
    /// # Errors
    /// Whether none came in time, or none can come any more: none at all, or none of this stream.
    pub fn wait(&self, longest: Duration) -> Result<AudioFrame, RecvTimeoutError> {
        self.frames.recv_timeout(longest)
    }

    /// Frames that nobody took in time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Offers;
    use crate::codec::opus::Layout;
    use crate::format::Format;
    use crate::wire::AudioHeader;

    fn frame(codec: Codec, position: u64) -> AudioFrame {
        let header = AudioHeader { position, captured_us: position, flags: 0, frames: 1 };
        AudioFrame::new(codec, header, 4, |_| {})
    }

    #[test]
    fn a_tap_gets_what_it_wants_in_order_and_nothing_else() {
        let (tap, tapped) = tap(None);
        let taps = [tap];
        give(&taps, &frame(Codec::Int16, 0));
        tapped.want([Codec::Int16].into_iter());
        give(&taps, &frame(Codec::Int16, 1));
        give(&taps, &frame(Codec::Float32, 2));
        give(&taps, &frame(Codec::Int16, 3).into_piece());
        give(&taps, &frame(Codec::Int16, 4));
        let positions: Vec<u64> =
            std::iter::from_fn(|| tapped.take()).map(|frame| frame.header().position).collect();
        assert_eq!(positions, [1, 4]);
    }

    #[test]
    fn whoever_takes_nothing_loses_what_comes_then_and_knows_how_much() {
        let (slow, tapped) = tap(None);
        let (other, quick) = tap(None);
        tapped.want([Codec::Int16].into_iter());
        quick.want([Codec::Int16].into_iter());
        let taps = [slow, other];
        for position in 0..MOST_FRAMES as u64 + 10 {
            give(&taps, &frame(Codec::Int16, position));
            assert!(quick.take().is_some());
        }
        assert_eq!((tapped.dropped(), quick.dropped()), (10, 0));
        assert_eq!(std::iter::from_fn(|| tapped.take()).count(), MOST_FRAMES);
    }

    fn shape(channels: u16) -> Shape {
        Shape {
            session: "0123456789abcdef".to_owned(),
            format: Format { sample_rate: 48_000, channels },
            chunk_size: 480,
            playout_delay_ms: 300,
            opus: Layout::for_delay(300),
            offers: Offers::default(),
        }
    }

    #[test]
    fn what_waits_of_a_stream_is_gone_when_another_begins_and_none_of_that_one_is() {
        let (tap, mut tapped) = tap(None);
        let mut taps = [tap];
        tapped.want([Codec::Int16].into_iter());
        for position in 0..MOST_FRAMES as u64 + 1 {
            give(&taps, &frame(Codec::Int16, position));
        }
        assert!(tapped.begun_anew().is_none());
        for channels in [1, 2] {
            begin_anew(&mut taps, &shape(channels));
            give(&taps, &frame(Codec::Int16, 7 + u64::from(channels)));
        }
        give(&taps, &frame(Codec::Int16, 10));
        assert_eq!(tapped.begun_anew(), Some(shape(2)), "the newest one, at whatever fill");
        assert!(tapped.begun_anew().is_none());
        let positions: Vec<u64> =
            std::iter::from_fn(|| tapped.take()).map(|frame| frame.header().position).collect();
        assert_eq!(positions, [9, 10]);
    }

    #[test]
    fn what_taps_want_is_encoded_as_long_as_they_do_whatever_listeners_want() {
        let in_use = InUse::default();
        let (tap, tapped) = tap(None);
        let taps = [tap];
        tapped.want([Codec::Int16].into_iter());
        note_wanted(&taps, &in_use);
        in_use.set([Codec::Float32].into_iter());
        assert!(in_use.contains(Codec::Int16) && in_use.contains(Codec::Float32));
        assert!(!in_use.contains_pieces(Codec::Int16));
        tapped.want([].into_iter());
        note_wanted(&taps, &in_use);
        assert!(!in_use.contains(Codec::Int16) && in_use.contains(Codec::Float32));
    }
}
