//! One block of sound as a FLAC frame (RFC 9639). Pure: samples in, bytes out.
//!
//! Fixed predictors and Rice codes, which save about as much as anything on sound that is recorded
//! live and cost next to no time. Written here because the crate that encodes FLAC takes no last
//! block of any length, knows no Rice parameters for 24 bits, and brings fifteen crates along.

/// Highest order of a fixed predictor.
const MAX_ORDER: usize = 4;

/// A block is cut into so many partitions at most, each with a Rice parameter of its own: two to
/// the power of this.
const PARTITION_ORDER: u32 = 4;

/// Largest Rice parameter in its five bits; the next value means something else.
const MAX_PARAMETER: u32 = 30;

/// A frame of one or two channels, each as long as the other, the `number`th of its stream.
/// `rate` stands in the stream's header. Samples lie within so many bits, 16 or 24.
pub(crate) fn frame(number: u64, channels: &[Vec<i32>], sample_bits: u32) -> Vec<u8> {
    let frames = channels.first().map_or(0, Vec::len);
    let mut bits = Bits::default();
    // Sync code, fixed block size; a 16-bit block size follows, the rate is the header's.
    bits.put(0xfff8, 16);
    bits.put(0x70, 8);
    let (assignment, coded) = assign(channels, sample_bits);
    let told = if sample_bits == 16 { 0x4 } else { 0x6 };
    bits.put(assignment << 4 | told << 1, 8);
    put_number(&mut bits, number);
    bits.put(frames.saturating_sub(1) as u64, 16);
    let check = crc(&bits.bytes, 8, 0x07);
    bits.put(check.into(), 8);
    for channel in &coded {
        channel.put(&mut bits);
    }
    bits.align();
    let check = crc(&bits.bytes, 16, 0x8005);
    bits.put(check.into(), 16);
    bits.bytes
}

/// Which channels are coded: as they are, or one of them, or their middle, with the difference.
fn assign(channels: &[Vec<i32>], bits: u32) -> (u64, Vec<Channel>) {
    let [left, right] = channels else {
        let coded = channels.iter().map(|channel| Channel::new(channel.clone(), bits));
        return (channels.len().saturating_sub(1) as u64, coded.collect());
    };
    let pairs = || left.iter().zip(right);
    let side = Channel::new(pairs().map(|(l, r)| l - r).collect(), bits + 1);
    let middle = Channel::new(pairs().map(|(l, r)| (l + r) >> 1).collect(), bits);
    let (left, right) = (Channel::new(left.clone(), bits), Channel::new(right.clone(), bits));
    let choices = [
        (left.size + right.size, 1),
        (left.size + side.size, 8),
        (side.size + right.size, 9),
        (middle.size + side.size, 10),
    ];
    let (_, assignment) = choices.into_iter().min().unwrap_or_default();
    let coded = match assignment {
        8 => vec![left, side],
        9 => vec![side, right],
        10 => vec![middle, side],
        _ => vec![left, right],
    };
    (assignment, coded)
}

/// A channel of a block and the best way found to code it.
struct Channel {
    /// Without the zero bits at the end of every one, as sound of 16 bits has them.
    samples: Vec<i32>,
    zeros: u32,
    bits: u32,
    way: Way,
    /// Bits that it takes.
    size: u64,
}

enum Way {
    Constant,
    Verbatim,
    /// What a predictor of this order leaves, and how it is cut and coded.
    Predicted {
        order: usize,
        residual: Vec<i32>,
        partition_order: u32,
        parameters: Vec<u32>,
    },
}

impl Channel {
    fn new(mut samples: Vec<i32>, bits: u32) -> Self {
        let first = samples.first().copied().unwrap_or_default();
        if samples.iter().all(|sample| *sample == first) {
            let size = u64::from(8 + bits);
            return Self { samples, zeros: 0, bits, way: Way::Constant, size };
        }
        let zeros = samples.iter().fold(0, |all, sample| all | sample).trailing_zeros();
        samples.iter_mut().for_each(|sample| *sample >>= zeros);
        let bits = bits - zeros;
        let header = u64::from(8 + zeros);
        let verbatim = header + samples.len() as u64 * u64::from(bits);
        let (order, residual) = predict(&samples);
        // Every partition must be longer than the predictor.
        let divides = |order: u32| samples.len().is_multiple_of(1 << order);
        let partition_order = (0..=PARTITION_ORDER)
            .rev()
            .find(|order| divides(*order) && samples.len() >> order > MAX_ORDER)
            .unwrap_or(0);
        let mut size = header + order as u64 * u64::from(bits) + 6;
        let mut parameters = Vec::new();
        for part in partitions(&residual, samples.len(), order, partition_order) {
            let (parameter, bits) = rice(part);
            parameters.push(parameter);
            size += 5 + bits;
        }
        if size >= verbatim || samples.len() <= MAX_ORDER {
            return Self { samples, zeros, bits, way: Way::Verbatim, size: verbatim };
        }
        let way = Way::Predicted { order, residual, partition_order, parameters };
        Self { samples, zeros, bits, way, size }
    }

    fn put(&self, to: &mut Bits) {
        match &self.way {
            Way::Constant => {
                self.put_kind(0, to);
                to.put_signed(self.samples.first().copied().unwrap_or_default(), self.bits);
            }
            Way::Verbatim => {
                self.put_kind(1, to);
                for sample in &self.samples {
                    to.put_signed(*sample, self.bits);
                }
            }
            Way::Predicted { order, residual, partition_order, parameters } => {
                self.put_kind(8 | *order as u64, to);
                for sample in &self.samples[..*order] {
                    to.put_signed(*sample, self.bits);
                }
                // Rice codes with parameters of five bits.
                to.put(1, 2);
                to.put((*partition_order).into(), 4);
                let parts = partitions(residual, self.samples.len(), *order, *partition_order);
                for (part, parameter) in parts.zip(parameters) {
                    to.put((*parameter).into(), 5);
                    for left in part {
                        let folded = fold(*left);
                        to.put_zeros(folded >> parameter);
                        to.put(1, 1);
                        to.put(u64::from(folded) & ((1 << parameter) - 1), *parameter);
                    }
                }
            }
        }
    }

    /// The first byte, and how many zero bits samples lack, in as many.
    fn put_kind(&self, kind: u64, to: &mut Bits) {
        to.put(kind << 1 | u64::from(self.zeros > 0), 8);
        if self.zeros > 0 {
            to.put(1, self.zeros);
        }
    }
}

/// The order of the fixed predictor that leaves least, and what it leaves: differences of
/// differences.
fn predict(samples: &[i32]) -> (usize, Vec<i32>) {
    let weight = |left: &[i32]| left.iter().map(|l| u64::from(l.unsigned_abs())).sum::<u64>();
    let mut left = samples.to_vec();
    let (mut best, mut least) = ((0, left.clone()), weight(&left));
    for order in 1..=MAX_ORDER.min(samples.len().saturating_sub(1)) {
        left = left.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let weight = weight(&left);
        if weight < least {
            (best, least) = ((order, left.clone()), weight);
        }
    }
    best
}

/// The residual of a block of `frames`, cut as a block is; the first partition lacks what the
/// predictor needed.
fn partitions(
    residual: &[i32],
    frames: usize,
    order: usize,
    partition_order: u32,
) -> impl Iterator<Item = &[i32]> {
    let long = frames >> partition_order;
    let (first, rest) = residual.split_at((long - order.min(long)).min(residual.len()));
    std::iter::once(first).chain(rest.chunks(long.max(1)))
}

/// The Rice parameter for these, and the bits that they take with it.
fn rice(part: &[i32]) -> (u32, u64) {
    let sum: u64 = part.iter().map(|left| u64::from(fold(*left))).sum();
    let mean = sum / part.len().max(1) as u64;
    let guess = mean.checked_ilog2().unwrap_or(0);
    let size = |parameter: u32| {
        let quotients: u64 = part.iter().map(|left| u64::from(fold(*left) >> parameter)).sum();
        quotients + part.len() as u64 * u64::from(parameter + 1)
    };
    let near = [guess.saturating_sub(1), guess, guess + 1].map(|near| near.min(MAX_PARAMETER));
    near.into_iter()
        .map(|parameter| (size(parameter), parameter))
        .min()
        .map_or((0, 0), |(s, p)| (p, s))
}

/// Puts the sign into the lowest bit: 0, −1, 1, −2 and so on become 0, 1, 2, 3 and so on.
fn fold(value: i32) -> u32 {
    (value << 1 ^ value >> 31) as u32
}

/// A frame's number takes UTF-8's form, of up to 36 bits.
fn put_number(bits: &mut Bits, number: u64) {
    if number < 0x80 {
        bits.put(number, 8);
        return;
    }
    // Each further byte holds six bits, and takes one away from the first, which has six at first.
    let further = (1..=6).find(|further| number < 1 << (5 * further + 6)).unwrap_or(6);
    let marks = 0xff80_u64 >> further & 0xff;
    bits.put(marks | number >> (6 * further), 8);
    for part in (0..further).rev() {
        bits.put(0x80 | number >> (6 * part) & 0x3f, 8);
    }
}

/// Bits in order, the highest of each value first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits that make no whole byte yet, in the lowest places.
    rest: u64,
    count: u32,
}

impl Bits {
    /// Adds the lowest `count` bits of `value`, at most 32.
    fn put(&mut self, value: u64, count: u32) {
        self.rest = self.rest << count | value & ((1 << count) - 1);
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.rest >> self.count) as u8);
        }
    }

    fn put_signed(&mut self, value: i32, count: u32) {
        self.put(i64::from(value) as u64, count);
    }

    fn put_zeros(&mut self, count: u32) {
        for _ in 0..count / 32 {
            self.put(0, 32);
        }
        self.put(0, count % 32);
    }

    /// Fills the last byte up.
    fn align(&mut self) {
        self.put(0, (8 - self.count) % 8);
    }
}

/// The checksum of `bits` bits that FLAC uses: 8 for headers, 16 for frames.
pub(crate) fn crc(bytes: &[u8], bits: u32, polynomial: u16) -> u16 {
    let top = 1_u16 << (bits - 1);
    let mask = top | (top - 1);
    let mut crc = 0_u16;
    for byte in bytes {
        crc ^= u16::from(*byte) << (bits - 8);
        for _ in 0..8 {
            let carry = crc & top != 0;
            crc = crc << 1 & mask;
            if carry {
                crc ^= polynomial;
            }
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frames_number_takes_as_many_bytes_as_it_needs() {
        for (number, bytes) in [
            (0x7f, &[0x7f][..]),
            (0x80, &[0xc2, 0x80]),
            (0x7ff, &[0xdf, 0xbf]),
            (0x800, &[0xe0, 0xa0, 0x80]),
            (0xffff, &[0xef, 0xbf, 0xbf]),
            (0x1_0000, &[0xf0, 0x90, 0x80, 0x80]),
            (0x7fff_ffff, &[0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf]),
        ] {
            let mut bits = Bits::default();
            put_number(&mut bits, number);
            assert_eq!(bits.bytes, bytes, "{number:x}");
        }
    }

    #[test]
    fn silence_takes_a_few_bytes_and_noise_no_more_than_it_has() {
        assert!(frame(0, &[vec![0; 4096], vec![0; 4096]], 24).len() < 24);
        let mut state = 1_u32;
        let noise: Vec<i32> = (0..4096)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state as i32) >> 8
            })
            .collect();
        assert!(frame(0, std::slice::from_ref(&noise), 24).len() < 4096 * 3 + 24);
        // Sound of 16 bits takes no more for being written as 24.
        let coarse: Vec<i32> = noise.iter().map(|sample| sample >> 8 << 8).collect();
        assert!(frame(0, &[coarse], 24).len() < 4096 * 2 + 24);
        // The same on both sides is coded once.
        assert!(frame(0, &[noise.clone(), noise], 24).len() < 4096 * 3 + 32);
    }
}
