//! Sound that is encoded for one listener alone.

use super::datagram_path::DatagramPath;
use super::datagrams::DatagramLog;
use super::{Log, Outbox};
use crate::wire::AudioFrame;
use crate::wire::datagram::Parities;

/// A listener's own log of frames, which takes the place of everybody's at the border of two frames:
/// no gap, no overlap.
#[derive(Debug)]
pub struct Own {
    log: Log,
    /// The same, cut into datagrams while it goes that way.
    cut: DatagramLog,
    /// The position from which on the listener hears its own frames.
    from: u64,
    /// Whether the listener has got to it.
    is_read: bool,
}

impl Own {
    /// Own logs, empty, of which the listener hears what lies behind the position `from`: that of the
    /// first frame, or as soon after it as what has gone out of everybody's allows. Own frames take
    /// longer to be made.
    pub(super) fn begin(log: Log, cut: DatagramLog, from: u64) -> Self {
        Self { log, cut, from, is_read: false }
    }

    /// The next frame. Its datagrams are kept for `keep_us`.
    pub(super) fn push(&mut self, frame: AudioFrame, keep_us: u64) {
        if frame.header().position >= self.from {
            self.cut.push(&frame, keep_us);
            self.log.push(frame);
        }
    }

    /// Turns `outbox` to this log once everything before it in `common` is written.
    pub(super) fn turn(&mut self, outbox: &mut Outbox, common: &Log) {
        if outbox.is_through(common) {
            outbox.go_on_in(&self.log);
            self.is_read = true;
        }
    }

    /// Turns `path` to these datagrams once everything before them in `cut`, everybody's, is sent. What
    /// still waits in `outbox` has had its time.
    pub(super) fn turn_path(
        &mut self,
        path: &mut DatagramPath,
        outbox: &mut Outbox,
        common: &Log,
        cut: &DatagramLog,
    ) {
        if path.is_through(cut, self.from) && (outbox.rests() || path.is_past(common)) {
            outbox.give_up(common);
            path.go_on_behind(self.cut.first());
            self.is_read = true;
        }
    }

    /// Both logs.
    pub(super) fn logs(&mut self) -> (&Log, &mut DatagramLog) {
        (&self.log, &mut self.cut)
    }

    /// Nothing goes by datagram any more.
    pub(super) fn end_path(&mut self) {
        self.cut.set_heard(false, Parities::NONE);
    }

    /// The log that a listener reads at the moment.
    #[must_use]
    pub fn read_or<'a>(own: Option<&'a Self>, common: &'a Log) -> &'a Log {
        own.filter(|own| own.is_read).map_or(common, |own| &own.log)
    }

    /// The datagrams that a listener gets at the moment.
    pub(super) fn cut_or<'a>(own: Option<&'a Self>, common: &'a DatagramLog) -> &'a DatagramLog {
        own.filter(|own| own.is_read).map_or(common, |own| &own.cut)
    }

    /// The position where everybody's sound ends for a listener, while it still gets that.
    pub(super) fn until(own: Option<&Self>) -> Option<u64> {
        own.filter(|own| !own.is_read).map(|own| own.from)
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
                        Some(own) => own.push(frame(ready, true), 0),
                        None => {
                            let from = outbox.end_at(ready * 2);
                            let (log, cut) = (Log::new(1_000), DatagramLog::new(0, 48_000));
                            own.insert(Own::begin(log, cut, from)).push(frame(ready, true), 0);
                        }
                    }
                }
                let mut room = if number == 59 { usize::MAX } else { rooms[number as usize] };
                if let Some(own) = own.as_mut().filter(|own| !own.is_read()) {
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
