//! What sound snapclients are served from, and how it becomes 16 bits.

use crate::codec::pcm::Dither;
use crate::codec::{Codec, Decoder, Offers};
use crate::wire::AudioFrame;

/// What is taken where a stream comes in several codecs, the best first: 16 bits are what everybody else hears who has
/// chosen those, to the bit, and take the least of a network.
const TAKEN: [Codec; 3] = [Codec::Int16, Codec::Int24, Codec::Float32];

/// The codec whose sound snapclients are served from, among those of a stream. `None` where all of them are compressed.
#[must_use]
pub fn taken(offers: &Offers) -> Option<Codec> {
    TAKEN.into_iter().find(|codec| offers.allowed(codec.name()).is_some())
}

/// Makes samples 16 bits wide.
#[derive(Debug, Default)]
pub struct Narrow {
    dither: Dither,
    samples: Vec<f32>,
}

impl Narrow {
    /// The frame with samples of 16 bits. `None` where it is compressed, or does not hold so many channels.
    pub fn sixteen(&mut self, frame: AudioFrame, channels: u16) -> Option<AudioFrame> {
        let codec = frame.codec();
        if codec == Codec::Int16 {
            return Some(frame);
        }
        TAKEN.contains(&codec).then_some(())?;
        let header = *frame.header();
        let (_, payload) = frame.plain();
        let mut decoder = Decoder::new(codec.name(), channels)?;
        decoder.decode(payload, header.frames, channels, &mut self.samples).ok()?;
        AudioFrame::pcm(Codec::Int16, header, &self.samples, &mut self.dither)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::AudioHeader;

    fn offers(list: &[&str]) -> Offers {
        Offers::parse(&list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn snapclients_are_served_from_16_bits_where_there_are_some_and_else_from_what_becomes_them() {
        for (list, codec) in [
            (&["f32 up to 6", "s16 up to 20", "opus", "s24"][..], Some(Codec::Int16)),
            (&["f32", "s24"], Some(Codec::Int24)),
            (&["opus:96", "f32"], Some(Codec::Float32)),
            (&["opus"], None),
        ] {
            assert_eq!(taken(&offers(list)), codec, "{list:?}");
        }
        assert_eq!(taken(&Offers::default()), Some(Codec::Float32));
    }

    #[test]
    fn wider_samples_become_the_nearest_of_16_bits_and_keep_their_place_and_time() {
        let header = AudioHeader { position: 960, captured_us: 7, flags: 1, frames: 2 };
        let samples = [0.25, -0.25, 0.5, -1.0];
        let mut narrow = Narrow::default();
        for codec in TAKEN {
            let frame = AudioFrame::pcm(codec, header, &samples, &mut Dither::default()).unwrap();
            let narrowed = narrow.sixteen(frame, 2).unwrap();
            assert_eq!((narrowed.codec(), *narrowed.header()), (Codec::Int16, header));
            let mut back = Vec::new();
            Decoder::Int16.decode(narrowed.plain().1, 2, 2, &mut back).unwrap();
            for (sample, back) in samples.iter().zip(&back) {
                // Rounding, and a step of noise.
                assert!((sample - back).abs() < 2.0 / 32_767.0, "{codec}: {sample} {back}");
            }
        }
    }

    #[test]
    fn what_is_compressed_or_has_other_channels_is_not_taken() {
        let header = AudioHeader { position: 0, captured_us: 0, flags: 0, frames: 2 };
        let mut narrow = Narrow::default();
        assert!(narrow.sixteen(AudioFrame::float32(header, &[0.0; 4]), 1).is_none());
        let opus = AudioFrame::new(Codec::all()[5], header, 4, |_| {});
        assert!(narrow.sixteen(opus, 2).is_none());
    }
}
