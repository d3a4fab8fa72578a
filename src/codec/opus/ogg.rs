//! The two packets that an Ogg Opus stream begins with (RFC 7845, section 5).

/// Who made the stream.
const MAKER: &str = "AuraLync";

/// The first packet: what the stream is. A player leaves out the first `pre_skip` frames at 48 kHz.
pub(crate) fn head(channels: u16, pre_skip: u16, sample_rate: u32) -> Vec<u8> {
    let mut bytes = b"OpusHead\x01".to_vec();
    bytes.push(channels as u8);
    bytes.extend(pre_skip.to_le_bytes());
    bytes.extend(sample_rate.to_le_bytes());
    bytes.extend([0; 3]); // no gain; one stream, of one channel or left and right
    bytes
}

/// The second packet: who made it, and remarks such as `TITLE` with what it is called.
pub(crate) fn tags(remarks: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = b"OpusTags".to_vec();
    put(&mut bytes, MAKER);
    bytes.extend((remarks.len() as u32).to_le_bytes());
    for (key, text) in remarks {
        put(&mut bytes, &format!("{key}={text}"));
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_are_byte_for_byte_what_the_standard_says() {
        assert_eq!(head(2, 312, 44_100), *b"OpusHead\x01\x02\x38\x01\x44\xac\0\0\0\0\0");
        assert_eq!(tags(&[]), *b"OpusTags\x08\0\0\0AuraLync\0\0\0\0");
        let named = tags(&[("TITLE", "Küche")]);
        assert_eq!(named[20..], *b"\x01\0\0\0\x0c\0\0\0TITLE=K\xc3\xbcche");
    }
}
