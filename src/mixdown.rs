//! Fits a card's channels to a stream's and back. Pure; no call allocates but for growth of an
//! output vector.
//!
//! Channels go by what they are and not by their number: a [`Layout`] says it. Down to stereo or
//! mono by ITU-R BS.775: centre and surrounds at −3 dB, no LFE, all of it turned down so far that
//! full scale on every input at once just reaches full scale.

mod layout;

pub use layout::{Layout, Position};

use crate::{Error, Result};

/// Mixes interleaved sound of any channel count down to one or two channels.
#[derive(Debug, Clone)]
pub struct Mixdown {
    from: usize,
    /// One row per output channel, one weight per input channel. Empty: the sound passes as it is.
    weights: Vec<f32>,
}

impl Mixdown {
    /// Makes a mixdown from the channels of `from` to `to` (1 or 2). With `pick` those two input
    /// channels, counted from 1, become left and right, and the others are left out.
    ///
    /// As many channels out as in pass as they are, but for two that are not left and right.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if `pick` names a channel that is not there; [`Error::Internal`] if `from`
    /// has no channels or `to` is neither 1 nor 2.
    pub fn new(from: &Layout, to: u16, pick: Option<(u16, u16)>) -> Result<Self> {
        let channels = from.channels();
        if channels == 0 || !(1..=2).contains(&to) {
            return Err(Error::internal(
                "cannot mix sound",
                format!("{channels} to {to} channels"),
            ));
        }
        let count = usize::from(channels);
        let passes = to == 1 || from.positions().iter().all(|p| *p == Position::Unknown);
        if pick.is_none() && channels == to && (passes || *from == Layout::usual(channels)) {
            return Ok(Self { from: count, weights: Vec::new() });
        }
        let [left, right] = match pick {
            Some((left, right)) => [one(left, channels)?, one(right, channels)?],
            None => from.weights(),
        };
        let weights = if to == 2 {
            [left, right].concat()
        } else {
            left.iter().zip(&right).map(|(left, right)| (left + right) / 2.0).collect()
        };
        Ok(Self { from: count, weights })
    }

    /// Appends the mix of the whole frames in `input` to `out`; a torn frame at the end is left
    /// out.
    pub fn apply(&self, input: &[f32], out: &mut Vec<f32>) {
        let frames = input.chunks_exact(self.from);
        if self.weights.is_empty() {
            out.extend_from_slice(&input[..frames.len() * self.from]);
            return;
        }
        out.reserve(frames.len() * (self.weights.len() / self.from));
        for frame in frames {
            for row in self.weights.chunks_exact(self.from) {
                out.push(row.iter().zip(frame).map(|(weight, sample)| weight * sample).sum());
            }
        }
    }
}

/// The row that takes one channel, counted from 1, alone.
fn one(channel: u16, from: u16) -> Result<Vec<f32>> {
    if !(1..=from).contains(&channel) {
        return Err(Error::usage(
            format!("there is no channel {channel}: the source has {from}"),
            format!("Choose two between 1 and {from} in ch=, or leave ch= out to hear them all"),
        ));
    }
    let mut row = vec![0.0; usize::from(from)];
    row[usize::from(channel) - 1] = 1.0;
    Ok(row)
}

/// Spreads a mono or stereo stream over a card's channels: front left and right, the rest silent.
#[derive(Debug, Clone, Copy)]
pub struct Upmix {
    from: usize,
    to: usize,
}

impl Upmix {
    /// Makes an upmix from `from` channels (1 or 2) to the card's `to`. Mono goes to both fronts;
    /// stereo on a mono card is averaged.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if `from` is neither 1 nor 2, or `to` is 0.
    pub fn new(from: u16, to: u16) -> Result<Self> {
        if !(1..=2).contains(&from) || to == 0 {
            return Err(Error::internal("cannot mix sound", format!("{from} to {to} channels")));
        }
        Ok(Self { from: from.into(), to: to.into() })
    }

    /// Writes as many frames as both slices hold, all channels of each. Returns how many.
    ///
    /// Fit for the audio thread: it allocates nothing.
    pub fn apply(&self, input: &[f32], out: &mut [f32]) -> usize {
        let frames = input.chunks_exact(self.from).zip(out.chunks_exact_mut(self.to));
        let count = frames.len();
        for (input, out) in frames {
            let (left, right) = (input[0], input[self.from - 1]);
            match out {
                [mono] => *mono = (left + right) / 2.0,
                [front_left, front_right, rest @ ..] => {
                    *front_left = left;
                    *front_right = right;
                    rest.fill(0.0);
                }
                [] => {}
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Position::{BackCentre, BackLeft, FrontCentre, FrontLeft, FrontRight, Lfe, SideRight};

    fn mix_of(from: &Layout, to: u16, pick: Option<(u16, u16)>, input: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        Mixdown::new(from, to, pick).unwrap().apply(input, &mut out);
        out
    }

    fn mix(from: u16, to: u16, pick: Option<(u16, u16)>, input: &[f32]) -> Vec<f32> {
        mix_of(&Layout::usual(from), to, pick, input)
    }

    fn assert_near(got: &[f32], expected: &[f32]) {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{got} instead of {expected}");
        }
    }

    #[test]
    fn full_scale_on_every_input_reaches_full_scale_and_no_more() {
        for from in 1..=32 {
            for to in 1..=2 {
                let full = vec![1.0; usize::from(from)];
                for sample in mix(from, to, None, &full) {
                    assert!(sample <= 1.0 + 1e-6, "{from} to {to}: {sample}");
                    assert!(sample > 0.7, "{from} to {to}: {sample}");
                }
            }
        }
    }

    #[test]
    fn centre_and_surrounds_are_three_decibels_down_and_lfe_is_left_out() {
        let unit = 1.0 / (1.0 + 2.0 * std::f32::consts::FRAC_1_SQRT_2);
        let down = std::f32::consts::FRAC_1_SQRT_2 * unit;
        let alone = |channel: usize| {
            let mut frame = [0.0; 6];
            frame[channel] = 1.0;
            mix(6, 2, None, &frame)
        };
        assert_near(&alone(0), &[unit, 0.0]);
        assert_near(&alone(1), &[0.0, unit]);
        assert_near(&alone(2), &[down, down]);
        assert_near(&alone(3), &[0.0, 0.0]);
        assert_near(&alone(4), &[down, 0.0]);
        assert_near(&alone(5), &[0.0, down]);
    }

    /// What of each channel alone, at full scale, reaches the left and the right.
    fn ears(layout: &Layout) -> Vec<[f32; 2]> {
        let channels = usize::from(layout.channels());
        let alone = |channel: usize| {
            let mut frame = vec![0.0; channels];
            frame[channel] = 1.0;
            mix_of(layout, 2, None, &frame).try_into().unwrap()
        };
        (0..channels).map(alone).collect()
    }

    #[test]
    fn a_channel_is_heard_where_its_name_says_wherever_it_stands() {
        for order in [
            [FrontLeft, FrontRight, BackLeft, SideRight, FrontCentre, Lfe],
            [Lfe, FrontCentre, SideRight, FrontRight, FrontLeft, BackLeft],
        ] {
            for (position, [left, right]) in
                order.into_iter().zip(ears(&Layout::from_positions(&order)))
            {
                let is_heard = (left > 0.0, right > 0.0);
                let expected = match position {
                    FrontLeft | BackLeft => (true, false),
                    FrontRight | SideRight => (false, true),
                    FrontCentre => (true, true),
                    _ => (false, false),
                };
                assert_eq!(is_heard, expected, "{position:?}");
                assert!(left == right || left * right == 0.0);
            }
        }
    }

    #[test]
    fn the_middle_behind_is_on_both_sides_alike() {
        let ears = ears(&Layout::from_mask(0x107, 4));
        let unit = 1.0 / (1.0 + std::f32::consts::FRAC_1_SQRT_2 + 0.5);
        assert_near(&ears[0], &[unit, 0.0]);
        assert_near(&ears[2], &[std::f32::consts::FRAC_1_SQRT_2 * unit; 2]);
        assert_near(&ears[3], &[0.5 * unit; 2]);
        assert_eq!(Layout::from_mask(0x107, 4).positions()[3], BackCentre);
    }

    #[test]
    fn two_channels_that_are_not_left_and_right_are_put_where_they_belong() {
        let swapped = Layout::from_positions(&[FrontRight, FrontLeft]);
        assert_eq!(mix_of(&swapped, 2, None, &[0.1, 0.2]), [0.2, 0.1]);
        let centre_and_lfe = Layout::from_positions(&[FrontCentre, Lfe]);
        assert_near(&mix_of(&centre_and_lfe, 2, None, &[0.1, 0.2]), &[0.1, 0.1]);
        let nobody_says = Layout::from_positions(&[Position::Unknown; 2]);
        assert_eq!(mix_of(&nobody_says, 2, None, &[0.1, 0.2]), [0.1, 0.2]);
    }

    #[test]
    fn mono_and_stereo_turn_into_each_other() {
        assert_eq!(mix(2, 2, None, &[0.5, -0.25]), [0.5, -0.25]);
        assert_eq!(mix(1, 1, None, &[0.5]), [0.5]);
        assert_eq!(mix(1, 2, None, &[0.5, 0.25]), [0.5, 0.5, 0.25, 0.25]);
        assert_eq!(mix(2, 1, None, &[0.5, -0.25]), [0.125]);
    }

    #[test]
    fn an_unknown_layout_is_averaged() {
        assert_near(&mix(9, 2, None, &[0.3, 0.6, 0.9].repeat(3)), &[0.6, 0.6]);
    }

    #[test]
    fn two_chosen_channels_become_left_and_right() {
        let frame = [0.1, 0.2, 0.3, 0.4];
        assert_eq!(mix(4, 2, Some((4, 1)), &frame), [0.4, 0.1]);
        assert_near(&mix(4, 1, Some((1, 3)), &frame), &[0.2]);
        assert_eq!(mix(2, 2, Some((2, 1)), &[0.1, 0.2]), [0.2, 0.1]);
    }

    #[test]
    fn a_channel_that_is_not_there_is_refused_with_those_that_are() {
        for pick in [(1, 3), (0, 1)] {
            let text = Mixdown::new(&Layout::usual(2), 2, Some(pick)).unwrap_err().to_string();
            assert!(text.contains("between 1 and 2"), "{text}");
        }
        assert!(Mixdown::new(&Layout::usual(0), 2, None).is_err());
        assert!(Mixdown::new(&Layout::usual(2), 3, None).is_err());
    }

    #[test]
    fn a_torn_frame_is_left_out_and_what_was_there_stays() {
        let mut out = vec![9.0];
        Mixdown::new(&Layout::usual(2), 2, None).unwrap().apply(&[0.1, 0.2, 0.3], &mut out);
        Mixdown::new(&Layout::usual(4), 2, Some((1, 2))).unwrap().apply(&[0.1; 7], &mut out);
        assert_eq!(out, [9.0, 0.1, 0.2, 0.1, 0.1]);
    }

    #[test]
    fn a_card_plays_at_the_front_and_stays_silent_elsewhere() {
        let mut out = [9.0; 8];
        assert_eq!(Upmix::new(2, 4).unwrap().apply(&[0.1, 0.2, 0.3, 0.4], &mut out), 2);
        assert_eq!(out, [0.1, 0.2, 0.0, 0.0, 0.3, 0.4, 0.0, 0.0]);
        assert_eq!(Upmix::new(1, 4).unwrap().apply(&[0.5, 0.6], &mut out), 2);
        assert_eq!(out, [0.5, 0.5, 0.0, 0.0, 0.6, 0.6, 0.0, 0.0]);
    }

    #[test]
    fn a_mono_card_hears_both_sides() {
        let mut out = [9.0; 3];
        assert_eq!(Upmix::new(2, 1).unwrap().apply(&[0.5, -0.25, 1.0, 1.0], &mut out), 2);
        assert_eq!(out, [0.125, 1.0, 9.0]);
        assert_eq!(Upmix::new(1, 1).unwrap().apply(&[0.7], &mut out), 1);
        assert_eq!(out[0], 0.7);
        assert!(Upmix::new(3, 2).is_err() && Upmix::new(2, 0).is_err());
    }
}
