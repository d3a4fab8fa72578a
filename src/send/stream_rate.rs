//! At what rate sound is sent.

/// The stream's rate is the card's, but no higher than this unless a person asks for it.
const HIGHEST_RATE: u32 = 48_000;

/// Slowest stream, in Hz: what a preset may ask for.
const LOWEST_RATE: u32 = 8_000;

/// The highest rate of the card's own family that listeners are not surprised by: 96 kHz becomes
/// 48, 88.2 becomes 44.1. What is slower than any stream is brought to a multiple of its rate.
pub(super) fn stream_rate(card: u32) -> u32 {
    let mut rate = card;
    while rate > HIGHEST_RATE && rate.is_multiple_of(2) {
        rate /= 2;
    }
    while rate < LOWEST_RATE {
        rate = (2 * rate).max(1);
    }
    rate.min(HIGHEST_RATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_rate_is_the_sources_but_no_higher_than_48_khz_and_no_lower_than_8() {
        let pairs = [
            (44_100, 44_100),
            (48_000, 48_000),
            (96_000, 48_000),
            (192_000, 48_000),
            (88_200, 44_100),
            (40_000, 40_000),
            (50_001, 48_000),
            (4_000, 8_000),
            (1_000, 8_000),
            (0, 8_192),
        ];
        for (card, stream) in pairs {
            assert_eq!(stream_rate(card), stream, "{card}");
        }
    }
}
