//! The simplest FLAC there is, for tests: 16 bits, nothing compressed.

use crate::recording::crc;

/// Makes a FLAC file of interleaved samples in blocks of `block` frames.
pub(crate) fn flac(sample_rate: u32, channels: u16, samples: &[i16], block: usize) -> Vec<u8> {
    let channels = usize::from(channels);
    let mut file = b"fLaC\x80\x00\x00\x22".to_vec();
    let block_size = u16::try_from(block).unwrap().to_be_bytes();
    file.extend([block_size, block_size].concat());
    file.extend([0; 6]); // sizes of the smallest and largest block: unknown
    let frames = (samples.len() / channels) as u64;
    let about =
        u64::from(sample_rate) << 44 | (channels as u64 - 1) << 41 | (16 - 1) << 36 | frames;
    file.extend(about.to_be_bytes());
    file.extend([0; 16]); // no checksum of the whole
    for (number, samples) in samples.chunks(block * channels).enumerate() {
        file.extend(flac_block(u8::try_from(number).unwrap(), channels, samples));
    }
    file
}

fn flac_block(number: u8, channels: usize, samples: &[i16]) -> Vec<u8> {
    assert!(number < 128, "longer numbers take another form");
    let frames = u16::try_from(samples.len() / channels).unwrap();
    let mut bytes = vec![0xff, 0xf8, 0x70, (channels as u8 - 1) << 4 | 0x08, number];
    bytes.extend((frames - 1).to_be_bytes());
    bytes.push(crc(&bytes, 8, 0x07) as u8);
    for channel in 0..channels {
        bytes.push(0x02);
        for sample in samples.iter().skip(channel).step_by(channels) {
            bytes.extend(sample.to_be_bytes());
        }
    }
    let check = crc(&bytes, 16, 0x8005);
    bytes.extend(check.to_be_bytes());
    bytes
}
