//! What each channel is, for every order of channels that files and cards have.

use std::f32::consts::FRAC_1_SQRT_2;

/// Where a channel is meant to be heard from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// In front, on the left.
    FrontLeft,
    /// In front, on the right.
    FrontRight,
    /// In front, in the middle.
    FrontCentre,
    /// Low-frequency effects, which stereo leaves out.
    Lfe,
    /// Behind, on the left.
    BackLeft,
    /// Behind, on the right.
    BackRight,
    /// Between front left and front centre.
    FrontLeftOfCentre,
    /// Between front right and front centre.
    FrontRightOfCentre,
    /// Behind, in the middle.
    BackCentre,
    /// Beside, on the left.
    SideLeft,
    /// Beside, on the right.
    SideRight,
    /// Above the listener.
    TopCentre,
    /// Above the front left.
    TopFrontLeft,
    /// Above the front centre.
    TopFrontCentre,
    /// Above the front right.
    TopFrontRight,
    /// Above the back left.
    TopBackLeft,
    /// Above the back centre.
    TopBackCentre,
    /// Above the back right.
    TopBackRight,
    /// Nobody says.
    Unknown,
}

use Position::{
    BackCentre, BackLeft, BackRight, FrontCentre, FrontLeft, FrontLeftOfCentre, FrontRight,
    FrontRightOfCentre, Lfe, SideLeft, SideRight, TopBackCentre, TopBackLeft, TopBackRight,
    TopCentre, TopFrontCentre, TopFrontLeft, TopFrontRight, Unknown,
};

/// The positions by their bits in a channel mask, from the lowest (`dwChannelMask` of
/// `WAVEFORMATEXTENSIBLE`, which FLAC, CAF and Windows use too).
const MASK_BITS: [Position; 18] = [
    FrontLeft,
    FrontRight,
    FrontCentre,
    Lfe,
    BackLeft,
    BackRight,
    FrontLeftOfCentre,
    FrontRightOfCentre,
    BackCentre,
    SideLeft,
    SideRight,
    TopCentre,
    TopFrontLeft,
    TopFrontCentre,
    TopFrontRight,
    TopBackLeft,
    TopBackCentre,
    TopBackRight,
];

impl Position {
    /// What of this channel reaches the left and the right ear, by ITU-R BS.775: a centre on both
    /// sides at −3 dB, surrounds on theirs at −3 dB. What is behind or above in the middle is a
    /// surround on both sides.
    pub(super) fn weights(self) -> [f32; 2] {
        const C: f32 = FRAC_1_SQRT_2;
        match self {
            FrontLeft | FrontLeftOfCentre => [1.0, 0.0],
            FrontRight | FrontRightOfCentre => [0.0, 1.0],
            FrontCentre | Unknown => [C, C],
            Lfe => [0.0, 0.0],
            BackLeft | SideLeft | TopFrontLeft | TopBackLeft => [C, 0.0],
            BackRight | SideRight | TopFrontRight | TopBackRight => [0.0, C],
            BackCentre | TopCentre | TopFrontCentre | TopBackCentre => [0.5, 0.5],
        }
    }
}

/// What each channel of a frame is, in the order of the channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout(Vec<Position>);

impl Layout {
    /// Channels at these positions.
    #[must_use]
    pub fn from_positions(positions: &[Position]) -> Self {
        Self(positions.to_vec())
    }

    /// The usual order of so many channels, where nothing says what they are: that of FLAC
    /// (RFC 9639, section 9.1.3), Windows and macOS. Beyond 8 channels there is none.
    #[must_use]
    pub fn usual(channels: u16) -> Self {
        let positions: &[Position] = match channels {
            1 => &[FrontCentre],
            2 => &[FrontLeft, FrontRight],
            3 => &[FrontLeft, FrontRight, FrontCentre],
            4 => &[FrontLeft, FrontRight, BackLeft, BackRight],
            5 => &[FrontLeft, FrontRight, FrontCentre, BackLeft, BackRight],
            6 => &[FrontLeft, FrontRight, FrontCentre, Lfe, BackLeft, BackRight],
            7 => &[FrontLeft, FrontRight, FrontCentre, Lfe, BackCentre, SideLeft, SideRight],
            8 => {
                &[FrontLeft, FrontRight, FrontCentre, Lfe, BackLeft, BackRight, SideLeft, SideRight]
            }
            _ => return Self(vec![Unknown; channels.into()]),
        };
        Self::from_positions(positions)
    }

    /// The layout of so many channels in the order of Vorbis and Opus (Vorbis I, section 4.3.9).
    /// Beyond 8 channels there is none.
    #[must_use]
    pub fn vorbis(channels: u16) -> Self {
        let positions: &[Position] = match channels {
            3 => &[FrontLeft, FrontCentre, FrontRight],
            5 => &[FrontLeft, FrontCentre, FrontRight, BackLeft, BackRight],
            6 => &[FrontLeft, FrontCentre, FrontRight, BackLeft, BackRight, Lfe],
            7 => &[FrontLeft, FrontCentre, FrontRight, SideLeft, SideRight, BackCentre, Lfe],
            8 => {
                &[FrontLeft, FrontCentre, FrontRight, SideLeft, SideRight, BackLeft, BackRight, Lfe]
            }
            _ => return Self::usual(channels),
        };
        Self::from_positions(positions)
    }

    /// The layout of so many channels in the order of ALSA, which has surrounds before the centre.
    /// Where it has no order of its own it is the usual one.
    #[must_use]
    pub fn alsa(channels: u16) -> Self {
        let all =
            [FrontLeft, FrontRight, BackLeft, BackRight, FrontCentre, Lfe, SideLeft, SideRight];
        match channels {
            4 | 5 | 6 | 8 => Self::from_positions(&all[..channels.into()]),
            _ => Self::usual(channels),
        }
    }

    /// The channels of a mask: each takes the next bit that is set. Channels beyond the last bit
    /// are unknown; with no bit at all they stand in the usual order.
    #[must_use]
    pub fn from_mask(mask: u32, channels: u16) -> Self {
        let mut set = (0..u32::BITS)
            .filter(|bit| mask >> bit & 1 == 1)
            .map(|bit| MASK_BITS.get(bit as usize).copied().unwrap_or(Unknown))
            .peekable();
        if set.peek().is_none() {
            return Self::usual(channels);
        }
        Self(set.chain(std::iter::repeat(Unknown)).take(channels.into()).collect())
    }

    /// What each channel is, in order.
    #[must_use]
    pub fn positions(&self) -> &[Position] {
        &self.0
    }

    /// How many channels there are.
    #[must_use]
    pub fn channels(&self) -> u16 {
        u16::try_from(self.0.len()).unwrap_or(u16::MAX)
    }

    /// The weights of all channels on the left and on the right, turned down so far that full
    /// scale on every channel at once just reaches full scale on the louder side.
    pub(crate) fn weights(&self) -> [Vec<f32>; 2] {
        // One channel alone is in the middle, whatever it is called.
        if self.0.len() == 1 {
            return [vec![1.0], vec![1.0]];
        }
        let side = |side: usize| self.0.iter().map(move |position| position.weights()[side]);
        let loudest = side(0).sum::<f32>().max(side(1).sum());
        if loudest == 0.0 {
            return [vec![0.0; self.0.len()], vec![0.0; self.0.len()]];
        }
        [side(0).map(|w| w / loudest).collect(), side(1).map(|w| w / loudest).collect()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_names_its_channels_from_the_lowest_bit() {
        let named = |mask, channels| Layout::from_mask(mask, channels).0;
        assert_eq!(named(0x107, 4), [FrontLeft, FrontRight, FrontCentre, BackCentre]);
        assert_eq!(named(0x60f, 6), [FrontLeft, FrontRight, FrontCentre, Lfe, SideLeft, SideRight]);
        assert_eq!(named(0x3f, 2), [FrontLeft, FrontRight]);
        assert_eq!(named(0x3, 4), [FrontLeft, FrontRight, Unknown, Unknown]);
        assert_eq!(named(0, 6), Layout::usual(6).0);
        assert_eq!(named(0x8000_0000, 2), [Unknown, Unknown]);
        assert_eq!(
            named(0x2_d63f, 12)[8..],
            [TopFrontLeft, TopFrontRight, TopBackLeft, TopBackRight]
        );
    }

    #[test]
    fn the_orders_of_vorbis_and_alsa_name_the_channels_of_the_usual_order() {
        let sorted = |layout: Layout| {
            let mut positions = layout.0;
            positions.sort_by_key(|position| *position as u8);
            positions
        };
        for channels in 1..=20 {
            let usual = sorted(Layout::usual(channels));
            assert_eq!(usual.len(), usize::from(channels));
            for other in [Layout::vorbis(channels), Layout::alsa(channels)] {
                assert_eq!(sorted(other), usual);
            }
        }
    }

    #[test]
    fn every_usual_layout_is_its_own_mirror_image() {
        for channels in 1..=12 {
            for layout in
                [Layout::usual(channels), Layout::vorbis(channels), Layout::alsa(channels)]
            {
                let [mut left, mut right] = layout.weights();
                left.sort_by(f32::total_cmp);
                right.sort_by(f32::total_cmp);
                assert_eq!(left, right, "{layout:?}");
            }
        }
    }

    #[test]
    fn a_layout_that_leans_to_one_side_is_not_turned_up_on_the_other() {
        let [left, right] = Layout::from_positions(&[FrontLeft, BackLeft, FrontRight]).weights();
        assert!((left[0] + left[1] - 1.0).abs() < 1e-6);
        assert_eq!(left[0], right[2]);
    }

    #[test]
    fn low_frequencies_alone_are_silence_in_stereo_and_no_division_by_nothing() {
        assert_eq!(Layout::from_positions(&[Lfe, Lfe]).weights(), [[0.0; 2], [0.0; 2]]);
        assert_eq!(Layout::from_positions(&[Lfe]).weights(), [[1.0], [1.0]]);
    }
}
