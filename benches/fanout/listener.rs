//! One listener that only counts: bytes, frames, and frames that never came.

use auralync::wire::{AUDIO_HEADER, FLAG_BROKEN, PLAIN_HEADER, TYPED, kind};

/// What has come so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) bytes: u64,
    pub(crate) frames: u64,
    /// Frames between two that came, by their positions.
    pub(crate) lost: u64,
}

/// Follows the framing without keeping the sound: decoding for two thousand would cost more than
/// serving them.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    pub(crate) counts: Counts,
    /// The config has come.
    pub(crate) greeted: bool,
    pub(crate) welcomed: bool,
    head: [u8; AUDIO_HEADER],
    have: usize,
    /// Bytes until the next frame begins.
    skip: usize,
    next_position: Option<u64>,
}

impl Follower {
    /// Takes what the socket gave.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) {
        self.counts.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = self.head_size() - self.have;
            let taken = wanted.min(bytes.len());
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == self.head_size() {
                self.read_head();
            }
        }
    }

    fn length_word(&self) -> u32 {
        u32::from_be_bytes([self.head[0], self.head[1], self.head[2], self.head[3]])
    }

    /// How much of a frame tells what it is.
    fn head_size(&self) -> usize {
        let is_typed = self.head[0] & 0x80 != 0;
        match self.have {
            0..PLAIN_HEADER => PLAIN_HEADER,
            _ if !is_typed => PLAIN_HEADER,
            PLAIN_HEADER => PLAIN_HEADER + 1,
            _ if [kind::AUDIO, kind::SEALED].contains(&self.head[4]) => AUDIO_HEADER,
            _ => PLAIN_HEADER + 1,
        }
    }

    fn read_head(&mut self) {
        let length = (self.length_word() & !TYPED) as usize;
        self.skip = (PLAIN_HEADER + length).saturating_sub(self.have);
        if self.have == PLAIN_HEADER {
            self.greeted = true;
        } else if self.head[4] == kind::WELCOME {
            self.welcomed = true;
        } else if self.have == AUDIO_HEADER {
            self.count_audio();
        }
        self.have = 0;
    }

    fn count_audio(&mut self) {
        let field = |from: usize| {
            self.head[from..from + 8].iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte))
        };
        let frames = field(4) & u64::from(u32::MAX);
        let position = field(12);
        let jumped = self.head[5] & FLAG_BROKEN != 0;
        if let Some(expected) = self.next_position.filter(|_| !jumped) {
            self.counts.lost += position.saturating_sub(expected) / frames.max(1);
        }
        self.next_position = Some(position + frames);
        self.counts.frames += 1;
    }
}
