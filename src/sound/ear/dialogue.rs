//! Dialogue up: what is in the middle and sounds like speech is louder, and the sides stay.
//!
//! Where there is a centre channel, that is the middle. In stereo it is what both sides have alike: in each of five
//! bands, what left and right have in common is compared with what they have not. Only where the former is much more is
//! it raised, and it alone; it is added to what passes, so that nothing is delayed and nothing changes where nothing is
//! raised.

use super::{GLIDE_S, STEPS_PER_S, glide};
use crate::sound::biquad::{Biquad, Memory};
use crate::sound::mixdown::{Layout, Position};
use crate::sound::ramp::Ramp;

/// What speech is made of lies between the first and the last of these, in Hz: from the voice of a man to the
/// hiss of an s. Narrower bands would find it better beside music, and follow it later.
const EDGES_HZ: [f64; 6] = [100.0, 280.0, 600.0, 1_300.0, 3_000.0, 9_000.0];
const BANDS: usize = EDGES_HZ.len() - 1;

/// How narrowly a band is looked at: an octave.
const LOOK_Q: f64 = 1.4;

/// For so long sound is compared, in s: longer than noise takes to look like a middle by chance, and shorter than a
/// syllable.
const COMPARED_S: f64 = 0.030;

/// How fast a band follows, in s: up in time for a consonant, and down without a tremble.
const RISES_S: f64 = 0.004;
const FALLS_S: f64 = 0.080;

/// The share of the middle that is no side's, where raising it begins, and where it is raised in full. What has
/// nothing to do with each other on both sides stays below the first but for moments.
const BEGINS: f64 = 0.35;
const IN_FULL: f64 = 0.60;

/// Below this mean square, −100 dBFS, there is nothing to compare.
const NOTHING: f64 = 1e-10;

/// Where the middle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Middle {
    /// One channel has it, and nothing else.
    Centre(usize),
    /// There is one channel.
    Alone,
    /// Two channels have it alike.
    Between(usize, usize),
    /// Nobody says where.
    Nowhere,
}

impl Middle {
    fn of(layout: &Layout) -> Self {
        let at = |wanted| layout.positions().iter().position(|position| *position == wanted);
        match (at(Position::FrontCentre), at(Position::FrontLeft), at(Position::FrontRight)) {
            (Some(_), None, None) if layout.channels() == 1 => Self::Alone,
            (Some(centre), ..) => Self::Centre(centre),
            (None, Some(left), Some(right)) => Self::Between(left, right),
            _ => Self::Nowhere,
        }
    }
}

/// What one band is compared by.
#[derive(Debug, Clone, Copy)]
struct Band {
    look: Biquad,
    middle: Memory,
    side: Memory,
    /// Of the step that is filling.
    energy: [f64; 2],
    /// Mean squares of middle and side.
    power: [f64; 2],
    /// How much of the middle is raised, 0 to 1, and by how much more with each frame.
    share: f64,
    change: f64,
}

/// Raises dialogue.
#[derive(Debug, Clone)]
pub(super) struct Dialogue {
    channels: usize,
    middle: Middle,
    /// What is added of the middle: nothing, or what makes it so many dB louder.
    amount: Ramp,
    /// How far each edge's filter follows in a frame, and where it is.
    edges: [(f64, f64); EDGES_HZ.len()],
    high_pass: Biquad,
    passed: [Memory; 2],
    bands: [Band; BANDS],
    /// Whether there is anything to forget.
    has_heard: bool,
    step_frames: usize,
    frames: usize,
    compared: f64,
    rises: f64,
    falls: f64,
}

impl Dialogue {
    pub(super) fn new(layout: &Layout, rate: f64) -> Self {
        let follows = |s: f64| 1.0 - (-1.0 / (s * STEPS_PER_S)).exp();
        let mut bands = [Band {
            look: Biquad::band(1.0, LOOK_Q, rate),
            middle: Memory::default(),
            side: Memory::default(),
            energy: [0.0; 2],
            power: [0.0; 2],
            share: 0.0,
            change: 0.0,
        }; BANDS];
        for (band, edges) in bands.iter_mut().zip(EDGES_HZ.windows(2)) {
            let hz = edges.iter().product::<f64>().sqrt();
            band.look = Biquad::band(hz, LOOK_Q, rate);
        }
        Self {
            channels: usize::from(layout.channels()),
            middle: Middle::of(layout),
            amount: Ramp::new(0.0, glide(GLIDE_S, rate)),
            edges: EDGES_HZ.map(|hz| (1.0 - (-std::f64::consts::TAU * hz / rate).exp(), 0.0)),
            high_pass: Biquad::high_pass(EDGES_HZ[0], rate),
            passed: Default::default(),
            bands,
            has_heard: false,
            step_frames: super::step_frames(rate),
            frames: 0,
            compared: follows(COMPARED_S),
            rises: follows(RISES_S),
            falls: follows(FALLS_S),
        }
    }

    /// From here on dialogue is to be so many dB louder.
    pub(super) fn aim(&mut self, db: i8) {
        self.amount.aim(10_f32.powf(f32::from(db) / 20.0) - 1.0);
    }

    /// Whether sound passes as it is, from now on and until something else is aimed at.
    pub(super) fn rests(&mut self) -> bool {
        let rests = self.amount.at_rest() == Some(0.0);
        if rests && self.has_heard {
            self.forget();
        }
        rests
    }

    fn forget(&mut self) {
        (self.has_heard, self.frames) = (false, 0);
        self.passed = Default::default();
        self.edges.iter_mut().for_each(|(_, low)| *low = 0.0);
        for band in &mut self.bands {
            *band = Band {
                middle: Memory::default(),
                side: Memory::default(),
                energy: [0.0; 2],
                power: [0.0; 2],
                share: 0.0,
                change: 0.0,
                ..*band
            };
        }
    }

    pub(super) fn process(&mut self, samples: &mut [f32]) {
        self.has_heard = true;
        for frame in samples.chunks_exact_mut(self.channels) {
            let amount = self.amount.next();
            match self.middle {
                Middle::Nowhere => {}
                Middle::Centre(centre) => {
                    if let Some(sample) = frame.get_mut(centre) {
                        *sample *= 1.0 + amount;
                    }
                }
                Middle::Alone => {
                    let [sample] = frame else { continue };
                    let speech = self.raised(f64::from(*sample), None);
                    *sample += amount * speech as f32;
                }
                Middle::Between(left, right) => {
                    let Ok([left, right]) = frame.get_disjoint_mut([left, right]) else { continue };
                    let (l, r) = (f64::from(*left), f64::from(*right));
                    let speech = self.raised(f64::midpoint(l, r), Some((l - r) / 2.0));
                    let more = amount * speech as f32;
                    *left += more;
                    *right += more;
                }
            }
        }
    }

    /// What of the middle's next sample is raised, where what is beside it is known.
    fn raised(&mut self, middle: f64, side: Option<f64>) -> f64 {
        let [first, rest @ ..] = &mut self.edges;
        let mut below = follow(first, middle);
        let mut raised = 0.0;
        for (band, edge) in self.bands.iter_mut().zip(rest) {
            let beneath = follow(edge, middle);
            raised += band.share * (beneath - below);
            band.share += band.change;
            below = beneath;
        }
        if let Some(side) = side {
            let [by_middle, by_side] = &mut self.passed;
            let middle = by_middle.next(&self.high_pass, middle);
            let side = by_side.next(&self.high_pass, side);
            for band in &mut self.bands {
                let middle = band.middle.next(&band.look, middle);
                let side = band.side.next(&band.look, side);
                band.energy[0] += middle * middle;
                band.energy[1] += side * side;
            }
        }
        self.frames += 1;
        if self.frames == self.step_frames {
            self.step(side.is_some());
        }
        raised
    }

    /// Looks at what has come in a thousandth of a second.
    fn step(&mut self, has_side: bool) {
        let frames = self.step_frames as f64;
        self.frames = 0;
        self.passed.iter_mut().for_each(Memory::calm);
        for band in &mut self.bands {
            band.middle.calm();
            band.side.calm();
            for (power, energy) in band.power.iter_mut().zip(&mut band.energy) {
                *power += (std::mem::take(energy) / frames - *power) * self.compared;
            }
            let [middle, side] = band.power;
            let wanted = match has_side {
                false => 1.0,
                // What cannot be told stays.
                true if middle < NOTHING => band.share,
                true => ((1.0 - side / middle - BEGINS) / (IN_FULL - BEGINS)).clamp(0.0, 1.0),
            };
            let speed = if wanted > band.share { self.rises } else { self.falls };
            band.change = (wanted - band.share) * speed / frames;
        }
    }
}

/// The next sample of a low pass of the first order.
fn follow((share, low): &mut (f64, f64), sample: f64) -> f64 {
    *low += (sample - *low) * *share;
    if low.abs() < 1e-30 {
        *low = 0.0;
    }
    *low
}
