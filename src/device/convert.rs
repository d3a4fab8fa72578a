//! Runs on the audio thread: no allocation, free, lock, log or system call.
//!
//! Between the samples that a card wants and the floats that everything else wants.

use cpal::traits::DeviceTrait;
use cpal::{FromSample, I24, Sample, SampleFormat, SizedSample};

use crate::Format;

/// How many frames are converted at a time; longer slices take several turns.
const PIECE_FRAMES: usize = 1024;

/// The largest float below 1: what 1 itself becomes on a 24-bit card would wrap to full negative.
const ALMOST_ONE: f32 = 1.0 - f32::EPSILON / 2.0;

/// Whether [`Converter`] knows the card's samples. DSD is no list of amplitudes.
pub(super) fn is_known(format: SampleFormat) -> bool {
    !matches!(format, SampleFormat::DsdU8 | SampleFormat::DsdU16 | SampleFormat::DsdU32)
        && (format.is_float() || format.is_int() || format.is_uint())
}

/// `config` in floats if the device takes it so, else as it is. Sound servers convert better than we do.
pub(super) fn prefer_floats(
    device: &cpal::Device,
    config: cpal::SupportedStreamConfig,
    input: bool,
) -> cpal::SupportedStreamConfig {
    let floats = |range: &cpal::SupportedStreamConfigRange| {
        range.sample_format() == SampleFormat::F32
            && range.channels() == config.channels()
            && (range.min_sample_rate()..=range.max_sample_rate()).contains(&config.sample_rate())
    };
    let takes_floats = config.sample_format() == SampleFormat::F32
        || if input {
            device.supported_input_configs().is_ok_and(|mut ranges| ranges.any(|r| floats(&r)))
        } else {
            device.supported_output_configs().is_ok_and(|mut ranges| ranges.any(|r| floats(&r)))
        };
    if !takes_floats {
        return config;
    }
    cpal::SupportedStreamConfig::new(
        config.channels(),
        config.sample_rate(),
        *config.buffer_size(),
        SampleFormat::F32,
    )
}

/// Hands a card's samples over as floats, a piece at a time where they are none.
pub(super) struct Converter {
    format: Format,
    scratch: Vec<f32>,
}

impl Converter {
    pub(super) fn new(format: Format) -> Self {
        Self { format, scratch: vec![0.0; format.samples(PIECE_FRAMES).max(1)] }
    }

    /// Calls `on_input` with all of `data`, whose first frame was captured at `first_us`.
    pub(super) fn input(
        &mut self,
        data: &cpal::Data,
        first_us: u64,
        on_input: &mut impl FnMut(&[f32], u64),
    ) {
        match data.sample_format() {
            SampleFormat::F32 => {
                if let Some(samples) = data.as_slice() {
                    on_input(samples, first_us);
                }
            }
            // PulseAudio leaves the fourth byte clear instead of extending the sign.
            SampleFormat::I24 => self.read(data, first_us, on_input, |sample: I24| {
                ((sample.inner() << 8) >> 8) as f32 / 8_388_608.0
            }),
            SampleFormat::I8 => self.read(data, first_us, on_input, i8::to_sample),
            SampleFormat::I16 => self.read(data, first_us, on_input, i16::to_sample),
            SampleFormat::I32 => self.read(data, first_us, on_input, i32::to_sample),
            SampleFormat::I64 => self.read(data, first_us, on_input, i64::to_sample),
            SampleFormat::U8 => self.read(data, first_us, on_input, u8::to_sample),
            SampleFormat::U16 => self.read(data, first_us, on_input, u16::to_sample),
            SampleFormat::U24 => self.read(data, first_us, on_input, cpal::U24::to_sample),
            SampleFormat::U32 => self.read(data, first_us, on_input, u32::to_sample),
            SampleFormat::U64 => self.read(data, first_us, on_input, u64::to_sample),
            SampleFormat::F64 => self.read(data, first_us, on_input, f64::to_sample),
            _ => {}
        }
    }

    /// Has `on_output` fill all of `data`, whose first frame will be heard at `first_us`.
    pub(super) fn output(
        &mut self,
        data: &mut cpal::Data,
        first_us: u64,
        on_output: &mut impl FnMut(&mut [f32], u64),
    ) {
        match data.sample_format() {
            SampleFormat::F32 => {
                if let Some(samples) = data.as_slice_mut() {
                    on_output(samples, first_us);
                }
            }
            SampleFormat::I8 => self.write::<i8>(data, first_us, on_output),
            SampleFormat::I16 => self.write::<i16>(data, first_us, on_output),
            SampleFormat::I24 => self.write::<I24>(data, first_us, on_output),
            SampleFormat::I32 => self.write::<i32>(data, first_us, on_output),
            SampleFormat::I64 => self.write::<i64>(data, first_us, on_output),
            SampleFormat::U8 => self.write::<u8>(data, first_us, on_output),
            SampleFormat::U16 => self.write::<u16>(data, first_us, on_output),
            SampleFormat::U24 => self.write::<cpal::U24>(data, first_us, on_output),
            SampleFormat::U32 => self.write::<u32>(data, first_us, on_output),
            SampleFormat::U64 => self.write::<u64>(data, first_us, on_output),
            SampleFormat::F64 => self.write::<f64>(data, first_us, on_output),
            _ => {}
        }
    }

    fn read<T: SizedSample>(
        &mut self,
        data: &cpal::Data,
        first_us: u64,
        on_input: &mut impl FnMut(&[f32], u64),
        to_float: impl Fn(T) -> f32,
    ) {
        let Some(samples) = data.as_slice::<T>() else { return };
        let mut done = 0;
        for piece in samples.chunks(self.scratch.len()) {
            let floats = &mut self.scratch[..piece.len()];
            for (float, &sample) in floats.iter_mut().zip(piece) {
                *float = to_float(sample);
            }
            on_input(floats, later(self.format, first_us, done));
            done += piece.len();
        }
    }

    fn write<T: SizedSample + FromSample<f32>>(
        &mut self,
        data: &mut cpal::Data,
        first_us: u64,
        on_output: &mut impl FnMut(&mut [f32], u64),
    ) {
        let Some(samples) = data.as_slice_mut::<T>() else { return };
        let mut done = 0;
        for piece in samples.chunks_mut(self.scratch.len()) {
            let floats = &mut self.scratch[..piece.len()];
            floats.fill(0.0);
            on_output(floats, later(self.format, first_us, done));
            for (sample, float) in piece.iter_mut().zip(floats) {
                *sample = T::from_sample(float.clamp(-1.0, ALMOST_ONE));
            }
            done += piece.len();
        }
    }
}

/// When the frame after `samples` samples comes, the first coming at `first_us`.
fn later(format: Format, first_us: u64, samples: usize) -> u64 {
    first_us + format.micros(format.frames(samples) as u64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

    #[allow(unsafe_code)] // cpal makes its buffers no other way, and the tests have no card.
    fn data<T: SizedSample>(samples: &mut [T]) -> cpal::Data {
        // SAFETY: pointer, length and type are those of one slice, which outlives every use here.
        unsafe { cpal::Data::from_parts(samples.as_mut_ptr().cast(), samples.len(), T::FORMAT) }
    }

    fn read<T: SizedSample>(samples: &mut [T]) -> Vec<f32> {
        let mut heard = Vec::new();
        Converter::new(STEREO).input(&data(samples), 0, &mut |floats, _| heard.extend(floats));
        heard
    }

    fn written<T: SizedSample>(floats: [f32; 4], empty: T) -> [T; 4] {
        let mut samples = [empty; 4];
        Converter::new(STEREO).output(&mut data(&mut samples), 0, &mut |out, _| {
            out.copy_from_slice(&floats);
        });
        samples
    }

    #[test]
    fn whole_numbers_become_the_same_amplitude_as_floats() {
        assert_eq!(read(&mut [0_i16, 16_384, -32_768, -16_384]), [0.0, 0.5, -1.0, -0.5]);
        assert_eq!(read(&mut [0_i32, 1 << 30, i32::MIN, -(1 << 30)]), [0.0, 0.5, -1.0, -0.5]);
        assert_eq!(read(&mut [128_u8, 192, 0, 64]), [0.0, 0.5, -1.0, -0.5]);
        assert_eq!(read(&mut [0.0_f64, 0.5]), [0.0, 0.5]);
        assert_eq!(read(&mut [0.25_f32, 3.0]), [0.25, 3.0]);
    }

    #[test]
    fn a_negative_sample_of_24_bits_stays_negative_with_and_without_its_sign_extended() {
        let mut samples = [-4_194_304, 0x00C0_0000, 4_194_304, 0].map(I24::new_unchecked);
        assert_eq!(read(&mut samples), [-0.5, -0.5, 0.5, 0.0]);
    }

    #[test]
    fn floats_beyond_full_scale_do_not_wrap_on_any_card() {
        let loud = [2.0, -2.0, 0.5, f32::NAN];
        assert_eq!(written(loud, 0_i16), [32_767, -32_768, 16_384, 0]);
        assert_eq!(written(loud, 0_u8), [255, 0, 192, 128]);
        let [high, low, half, _] = written(loud, I24::new_unchecked(0)).map(I24::inner);
        assert_eq!([high, low, half], [8_388_607, -8_388_608, 4_194_304]);
        let [high, low, half, _] = written(loud, 0_i32);
        assert!(high > 2_147_483_000 && low == i32::MIN && half == 1 << 30);
    }

    #[test]
    fn a_slice_longer_than_the_scratch_arrives_whole_and_on_time() {
        let mut samples: Vec<i16> = (0..5_000).collect();
        let mut heard = Vec::new();
        let mut times = Vec::new();
        Converter::new(STEREO).input(&data(&mut samples), 1_000, &mut |floats, at| {
            heard.extend(floats.iter().map(|float| (float * 32_768.0) as i16));
            times.push(at);
        });
        assert_eq!(heard, samples);
        assert_eq!(times, [1_000, 1_000 + 21_333, 1_000 + 42_666]);
    }

    #[test]
    fn what_a_callback_leaves_unwritten_is_silent_in_every_piece() {
        let mut samples = vec![77_i16; 5_000];
        let mut turn = 0;
        Converter::new(STEREO).output(&mut data(&mut samples), 0, &mut |out, _| {
            turn += 1;
            if turn == 1 {
                out.fill(0.5);
            }
        });
        assert_eq!(turn, 3);
        assert!(samples[..2_048].iter().all(|&sample| sample == 16_384));
        assert!(samples[2_048..].iter().all(|&sample| sample == 0));
    }

    #[test]
    fn samples_that_are_no_amplitudes_are_known_to_be_unknown() {
        assert!(is_known(SampleFormat::F32) && is_known(SampleFormat::U24));
        assert!(!is_known(SampleFormat::DsdU16));
    }
}
