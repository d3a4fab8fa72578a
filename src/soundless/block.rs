//! Sound between a file's decoder and what fits it to one format.

use crate::mixdown::Layout;

/// What came out of a packet.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) sample_rate: u32,
    pub(super) layout: Layout,
    /// Interleaved.
    pub(super) samples: Vec<f32>,
}

impl Default for Block {
    fn default() -> Self {
        Self { sample_rate: 0, layout: Layout::from_positions(&[]), samples: Vec::new() }
    }
}
