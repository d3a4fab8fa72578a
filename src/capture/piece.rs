//! How long the pieces are in which sound goes through the server.

/// A piece lasts no longer than this, in ms: what waits for a piece's end is gone from the playout
/// delay, and what is lost with one must be short.
const LONGEST_MS: u64 = 5;

/// Shorter pieces, in ms, would only cost: a chunk whose size has no better divisor is cut into longer
/// ones.
const SHORTEST_MS: u64 = 1;

/// Frames in a piece of a chunk of `chunk_size` frames at `rate` Hz: all pieces of a chunk are as long,
/// and as few as make each 5 ms at most.
#[must_use]
pub fn piece_of(chunk_size: u32, rate: u32) -> u32 {
    let frames = |ms: u64| u64::from(rate) * ms / 1000;
    let pieces = (1..=chunk_size.max(1)).filter(|count| chunk_size.is_multiple_of(*count));
    let mut sizes = pieces.map(|count| chunk_size / count);
    let mut longer = chunk_size;
    sizes
        .find(|size| {
            if u64::from(*size) >= frames(SHORTEST_MS) {
                longer = *size;
            }
            u64::from(*size) <= frames(LONGEST_MS)
        })
        .filter(|size| u64::from(*size) >= frames(SHORTEST_MS))
        .unwrap_or(longer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_a_whole_share_of_its_chunk_and_lasts_5_ms_at_most() {
        let sizes = [
            (64, 48_000, 64),
            (512, 48_000, 128),
            (1_024, 44_100, 128),
            (2_048, 48_000, 128),
            (480, 48_000, 240),
            (441, 44_100, 147),
            (960, 192_000, 960),
        ];
        for (chunk, rate, piece) in sizes {
            assert_eq!(piece_of(chunk, rate), piece, "{chunk} at {rate} Hz");
        }
    }

    #[test]
    fn a_chunk_that_cannot_be_cut_well_is_cut_into_longer_pieces() {
        // A prime, three times a prime, and less than a millisecond.
        for (chunk, piece) in [(509, 509), (1_527, 509), (16, 16), (17, 17)] {
            assert_eq!(piece_of(chunk, 48_000), piece, "{chunk}");
        }
        for chunk in 16..=8_192 {
            let piece = piece_of(chunk, 44_100);
            assert!(chunk % piece == 0 && (piece == chunk || piece >= 44), "{piece} of {chunk}");
        }
    }
}
