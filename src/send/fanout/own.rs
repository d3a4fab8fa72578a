//! Sound that is encoded for one listener alone.

use super::{Log, Outbox};
use crate::wire::AudioFrame;

/// A listener's own log of frames, which takes the place of everybody's at the border of two frames:
/// no gap, no overlap.
#[derive(Debug)]
pub struct Own {
    log: Log,
    /// The position from which on the listener hears its own frames.
    from: u64,
    /// Whether the listener has got to it.
    is_read: bool,
}

impl Own {
    /// An own log that begins with `frame`, or as soon after it as what has been written of
    /// everybody's allows: own frames take longer to be made.
    pub(super) fn begin(frame: AudioFrame, bound: usize, outbox: &mut Outbox) -> Self {
        let from = outbox.end_at(frame.header().position);
        let mut own = Self { log: Log::new(bound), from, is_read: false };
        own.push(frame);
        own
    }

    /// The next frame.
    pub(super) fn push(&mut self, frame: AudioFrame) {
        if frame.header().position >= self.from {
            self.log.push(frame);
        }
    }

    /// Turns `outbox` to this log once everything before it in `common` is written.
    pub(super) fn turn(&mut self, outbox: &mut Outbox, common: &Log) {
        if !self.is_read && outbox.is_through(common) {
            outbox.go_on_in(&self.log);
            self.is_read = true;
        }
    }

    /// The log that a listener reads at the moment.
    #[must_use]
    pub fn read_or<'a>(own: Option<&'a Self>, common: &'a Log) -> &'a Log {
        own.filter(|own| own.is_read).map_or(common, |own| &own.log)
    }

    /// Whether nothing of everybody's log is wanted any more.
    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, IoSlice};

    use proptest::prelude::*;

    use super::*;
    use crate::wire::AudioHeader;

    /// A frame whose samples say where it belongs and whose it is.
    fn frame(number: u64, is_own: bool) -> AudioFrame {
        let header =
            AudioHeader { flags: 0, frames: 2, position: number * 2, captured_us: number * 10_000 };
        AudioFrame::float32(header, &[number as f32, f32::from(u8::from(is_own))])
    }

    /// Numbers of the frames that were written, and whether each was the listener's own.
    fn heard(bytes: &[u8]) -> Vec<(u64, bool)> {
        let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
        let frames = bytes.chunks_exact(36);
        frames.map(|f| (number(&f[28..32]) as u64, number(&f[32..36]) > 0.0)).collect()
    }

    proptest! {
        #[test]
        fn a_listener_goes_over_to_its_own_sound_without_a_gap_or_an_overlap(
            first in 0..40_u64,
            late in 0..6_u64,
            rooms in prop::collection::vec(0..200_usize, 60),
        ) {
            let mut common = Log::new(1_000);
            let mut outbox = Outbox::plain(Vec::new(), &common, 0);
            outbox.upgrade(Vec::new(), &common, 0);
            let mut own: Option<Own> = None;
            let mut taken = Vec::new();
            for number in 0..60 {
                common.push(frame(number, false));
                if let Some(ready) = number.checked_sub(late).filter(|ready| *ready >= first) {
                    match &mut own {
                        Some(own) => own.push(frame(ready, true)),
                        None => own = Some(Own::begin(frame(ready, true), 1_000, &mut outbox)),
                    }
                }
                let mut room = if number == 59 { usize::MAX } else { rooms[number as usize] };
                if let Some(own) = &mut own {
                    own.turn(&mut outbox, &common);
                }
                let log = Own::read_or(own.as_ref(), &common);
                let send = |slices: &[IoSlice<'_>]| {
                    let count = room.min(slices[0].len());
                    if count == 0 {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    room -= count;
                    taken.extend_from_slice(&slices[0][..count]);
                    Ok(count)
                };
                outbox.write(log, 0, u64::MAX / 2, send).unwrap();
            }
            let heard = heard(&taken);
            for (n, (number, _)) in heard.iter().enumerate() {
                prop_assert_eq!(*number, n as u64);
            }
            prop_assert!(heard.windows(2).all(|pair| pair[1].1 || !pair[0].1), "and stays there");
        }
    }
}
