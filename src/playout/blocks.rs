//! A playout whose card is a mix: its blocks, cut as the mix asks for them.

use super::BLOCK;

/// What has come out of a playout and is not in the mix yet.
#[derive(Debug)]
pub struct Blocks {
    channels: usize,
    /// The mix's position of the next block; `None` before the first.
    next: Option<u64>,
    /// Interleaved samples between what the mix has and the next block.
    ready: Vec<f32>,
}

impl Blocks {
    /// Blocks of so many channels.
    #[must_use]
    pub fn new(channels: u16) -> Self {
        Self { channels: channels.into(), next: None, ready: Vec::new() }
    }

    /// Reading goes on at `position` of the mix. Returns whether that is elsewhere than expected; what
    /// was left of the old place is forgotten then.
    pub fn go_to(&mut self, position: u64) -> bool {
        let waiting = (self.ready.len() / self.channels) as u64;
        let is_elsewhere = self.next.and_then(|next| next.checked_sub(waiting)) != Some(position);
        if is_elsewhere {
            self.begin_at(position);
        }
        is_elsewhere
    }

    /// The next block is the one at `position`, whatever is left of the last one.
    pub fn begin_at(&mut self, position: u64) {
        self.ready.clear();
        self.next = Some(position);
    }

    /// Whether nothing of the last block is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// The next `frames` frames, interleaved. `make` appends one block each time that it is asked,
    /// and is told the mix's position of it; what it leaves out is silence.
    pub fn take(
        &mut self,
        frames: usize,
        mut make: impl FnMut(u64, &mut Vec<f32>),
    ) -> std::vec::Drain<'_, f32> {
        let wanted = frames * self.channels;
        while self.ready.len() < wanted {
            let next = self.next.get_or_insert_default();
            let whole = self.ready.len() + BLOCK * self.channels;
            make(*next, &mut self.ready);
            // Whatever was made, the next block lies behind this one.
            self.ready.resize(whole, 0.0);
            *next += BLOCK as u64;
        }
        self.ready.drain(..wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of two channels whose samples tell their positions.
    fn ramp(position: u64, out: &mut Vec<f32>) {
        (position..position + BLOCK as u64).for_each(|at| out.extend([at as f32, at as f32]));
    }

    #[test]
    fn pieces_of_any_length_follow_one_another_without_a_gap() {
        let mut blocks = Blocks::new(2);
        assert!(blocks.go_to(1_000));
        let mut position = 1_000;
        for frames in [1, 31, 32, 33, 480, 7, 1_024] {
            assert!(!blocks.go_to(position) || position == 1_000);
            let samples: Vec<f32> = blocks.take(frames, ramp).collect();
            assert_eq!(samples.len(), 2 * frames);
            assert_eq!((samples[0], samples[1]), (position as f32, position as f32));
            position += frames as u64;
            assert_eq!(*samples.last().unwrap(), (position - 1) as f32);
        }
    }

    #[test]
    fn another_place_begins_with_a_block_of_its_own() {
        let mut blocks = Blocks::new(2);
        blocks.go_to(0);
        let _ = blocks.take(5, ramp);
        assert!(!blocks.is_empty());
        assert!(blocks.go_to(99));
        assert!(blocks.is_empty());
        assert_eq!(blocks.take(1, ramp).next(), Some(99.0));
        blocks.begin_at(100);
        assert!(blocks.is_empty(), "what is left of the block at 99 is not the next one's");
        assert_eq!(blocks.take(1, ramp).next(), Some(100.0));
    }
}
