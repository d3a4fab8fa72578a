//! Bytes as a sequence of operations.

/// What is left of an input.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte; `None` at the end.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next byte; 0 at the end.
    pub fn small(&mut self) -> u64 {
        self.byte().unwrap_or_default().into()
    }

    /// The next two bytes; what is missing of them is 0.
    pub fn large(&mut self) -> u64 {
        self.small() << 8 | self.small()
    }

    /// A number of any size: most are small, and some at the borders of what fits.
    pub fn any(&mut self) -> u64 {
        let (how, much) = (self.small(), self.large());
        match how % 8 {
            0..=3 => much,
            4 => much << (how / 8),
            5 => (1 << 62) - 1 - much,
            6 => u64::MAX - much,
            _ => much * 1_000,
        }
    }

    /// Up to so many bytes.
    pub fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
