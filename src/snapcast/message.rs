//! What a server says to snapclients, as bytes. All numbers are little-endian.

use byteorder::{ByteOrder, LittleEndian};
use serde::Serialize;

use crate::format::Format;

/// Bytes before each message: type, id, what it answers, when it was sent and received, and its size.
pub const HEADER: usize = 26;

/// Bytes of an answer to a question for the time: header and difference.
const TIME: usize = HEADER + 8;

/// Bytes before the sound of a chunk: header, its time, and its size.
const CHUNK: usize = HEADER + 12;

/// A sample of ours on their way: an integer of 16 bits.
const SAMPLE: usize = 2;

/// Messages' types.
pub mod kind {
    /// How sound is packed.
    pub const CODEC_HEADER: u16 = 1;
    /// Sound.
    pub const WIRE_CHUNK: u16 = 2;
    /// The delay and what the client is set to.
    pub const SERVER_SETTINGS: u16 = 3;
    /// A question for the time, and its answer.
    pub const TIME: u16 = 4;
    /// Who the client is.
    pub const HELLO: u16 = 5;
    /// What the client's own volume was set to.
    pub const CLIENT_INFO: u16 = 7;
    /// Why the server does not serve.
    pub const ERROR: u16 = 8;
}

/// What a snapclient is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// From a chunk's time to its being heard, in ms.
    #[serde(rename = "bufferMs")]
    pub buffer_ms: u32,
    /// By how much earlier it hands its sound over, in ms: what its loudspeaker takes.
    #[serde(rename = "latency")]
    pub latency_ms: u32,
    /// Whether it is silent.
    #[serde(rename = "muted")]
    pub is_muted: bool,
    /// How loud it is, 0 to 100.
    pub volume: u8,
}

/// A message that answers the one with this id, or none (0).
fn message(
    kind: u16,
    answers: u16,
    now_us: u64,
    body: usize,
    fill: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let mut bytes = vec![0; HEADER + body];
    LittleEndian::write_u16(&mut bytes[0..2], kind);
    LittleEndian::write_u16(&mut bytes[4..6], answers);
    write_time(&mut bytes[6..14], i64::try_from(now_us).unwrap_or(i64::MAX));
    // When it came is for the receiver to fill in.
    LittleEndian::write_u32(&mut bytes[22..26], size(body));
    fill(&mut bytes[HEADER..]);
    bytes
}

/// Sizes here are ours and small.
fn size(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Writes µs as whole seconds and the rest, which is never negative. What fits no more stays at the farthest.
fn write_time(bytes: &mut [u8], us: i64) {
    let (seconds, rest) = (us.div_euclid(1_000_000), us.rem_euclid(1_000_000));
    let farthest = if seconds < 0 { i32::MIN } else { i32::MAX };
    LittleEndian::write_i32(&mut bytes[0..4], i32::try_from(seconds).unwrap_or(farthest));
    LittleEndian::write_i32(&mut bytes[4..8], i32::try_from(rest).unwrap_or(0));
}

/// Says that a message leaves now.
pub fn stamp(message: &mut [u8], now_us: u64) {
    if let Some(sent) = message.get_mut(6..14) {
        write_time(sent, i64::try_from(now_us).unwrap_or(i64::MAX));
    }
}

/// What a client is set to: the answer to its hello, or on its own (0).
#[must_use]
pub fn settings(settings: &Settings, answers: u16, now_us: u64) -> Vec<u8> {
    // Numbers and a switch always serialise.
    let text = serde_json::to_string(settings).unwrap_or_default();
    message(kind::SERVER_SETTINGS, answers, now_us, 4 + text.len(), |body| {
        LittleEndian::write_u32(body, size(text.len()));
        body[4..].copy_from_slice(text.as_bytes());
    })
}

/// How sound is packed: the codec's name, and what its decoder reads first.
#[must_use]
pub fn codec_header(name: &str, header: &[u8], now_us: u64) -> Vec<u8> {
    message(kind::CODEC_HEADER, 0, now_us, 4 + name.len() + 4 + header.len(), |body| {
        LittleEndian::write_u32(body, size(name.len()));
        let (name_there, rest) = body[4..].split_at_mut(name.len());
        name_there.copy_from_slice(name.as_bytes());
        LittleEndian::write_u32(rest, size(header.len()));
        rest[4..].copy_from_slice(header);
    })
}

/// The header of a WAVE file that holds nothing: how integers of 16 bits are announced.
#[must_use]
pub fn wave_header(format: Format) -> [u8; 44] {
    let mut wave = [0; 44];
    let frame = usize::from(format.channels) * SAMPLE;
    wave[0..4].copy_from_slice(b"RIFF");
    LittleEndian::write_u32(&mut wave[4..8], 36);
    wave[8..16].copy_from_slice(b"WAVEfmt ");
    LittleEndian::write_u32(&mut wave[16..20], 16);
    // Plain integers.
    LittleEndian::write_u16(&mut wave[20..22], 1);
    LittleEndian::write_u16(&mut wave[22..24], format.channels);
    LittleEndian::write_u32(&mut wave[24..28], format.sample_rate);
    LittleEndian::write_u32(&mut wave[28..32], format.sample_rate.saturating_mul(size(frame)));
    LittleEndian::write_u16(&mut wave[32..34], u16::try_from(frame).unwrap_or(u16::MAX));
    LittleEndian::write_u16(&mut wave[34..36], 16);
    wave[36..40].copy_from_slice(b"data");
    wave
}

/// A chunk whose first frame was captured at `captured_us`.
#[must_use]
pub fn chunk(sound: &[u8], captured_us: u64, now_us: u64) -> Vec<u8> {
    message(kind::WIRE_CHUNK, 0, now_us, CHUNK - HEADER + sound.len(), |body| {
        write_time(&mut body[0..8], i64::try_from(captured_us).unwrap_or(i64::MAX));
        LittleEndian::write_u32(&mut body[8..12], size(sound.len()));
        body[12..].copy_from_slice(sound);
    })
}

/// The answer to the question `id` for the time, which by the client's clock was sent at `sent_us`. The client knows
/// both ways from it: the one from the difference in it, the other from when this leaves.
#[must_use]
pub fn time(id: u16, sent_us: i64, received_us: u64, now_us: u64) -> Vec<u8> {
    let received_us = i64::try_from(received_us).unwrap_or(i64::MAX);
    message(kind::TIME, id, now_us, TIME - HEADER, |body| {
        write_time(body, received_us.saturating_sub(sent_us));
    })
}

/// Why the message `id` is not done. Players before 0.32 do not know such a message, and pass it over.
#[must_use]
pub fn error(id: u16, code: u32, why: &str, now_us: u64) -> Vec<u8> {
    message(kind::ERROR, id, now_us, 8 + why.len(), |body| {
        LittleEndian::write_u32(body, code);
        LittleEndian::write_u32(&mut body[4..8], size(why.len()));
        body[8..].copy_from_slice(why.as_bytes());
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format { sample_rate: 48_000, channels: 2 };

    #[test]
    fn a_chunk_has_the_capture_time_and_its_sound_as_it_is() {
        let chunk = chunk(&[1, 2, 3, 4], 1_000_000_007, 2_500_000);
        assert_eq!(chunk[..6], [2, 0, 0, 0, 0, 0]);
        assert_eq!(chunk[6..14], [2, 0, 0, 0, 0x20, 0xa1, 7, 0]);
        assert_eq!(chunk[14..22], [0; 8]);
        assert_eq!(chunk[22..26], [16, 0, 0, 0]);
        assert_eq!(chunk[26..38], [0xe8, 3, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0]);
        assert_eq!(chunk[38..], [1, 2, 3, 4]);
    }

    #[test]
    fn sound_is_announced_by_the_header_of_a_wave_file() {
        let header = codec_header("pcm", &wave_header(FORMAT), 0);
        assert_eq!(header[..2], [1, 0]);
        assert_eq!(header[22..37], [55, 0, 0, 0, 3, 0, 0, 0, b'p', b'c', b'm', 44, 0, 0, 0]);
        let read = hound::WavReader::new(&header[37..]).unwrap();
        let spec = read.spec();
        assert_eq!((spec.sample_rate, spec.channels, spec.bits_per_sample), (48_000, 2, 16));
    }

    #[test]
    fn settings_answer_the_hello_that_they_are_for() {
        let told = Settings { buffer_ms: 300, latency_ms: 20, is_muted: true, volume: 80 };
        let bytes = settings(&told, 7, 0);
        assert_eq!(bytes[..6], [3, 0, 0, 0, 7, 0]);
        let text = br#"{"bufferMs":300,"latency":20,"muted":true,"volume":80}"#;
        assert_eq!(usize::from(bytes[26]), text.len());
        assert_eq!(&bytes[30..], text);
    }

    #[test]
    fn the_answer_for_the_time_holds_the_difference_whichever_clock_is_ahead() {
        let read = |bytes: &[u8]| {
            let at = |from: usize| i64::from(LittleEndian::read_i32(&bytes[from..from + 4]));
            (at(26) * 1_000_000 + at(30), at(30))
        };
        for (sent_us, received_us) in [(5, 1_000_000_000), (9_000_000_000, 1_000_000_001), (7, 7)] {
            let answer = time(515, sent_us, received_us, 2_000_000_003);
            assert_eq!(answer[..6], [4, 0, 0, 0, 3, 2]);
            assert_eq!(answer[6..14], [0xd0, 7, 0, 0, 3, 0, 0, 0]);
            let (difference, rest) = read(&answer);
            assert_eq!(difference, received_us as i64 - sent_us);
            assert!((0..1_000_000).contains(&rest));
        }
        // A clock that cannot be is answered as far as it can be.
        for sent_us in [i64::MIN, i64::MAX] {
            assert_eq!(time(1, sent_us, 1, 1).len(), TIME);
        }
    }

    #[test]
    fn an_error_has_its_code_and_words() {
        let bytes = error(2, 401, "no", 0);
        assert_eq!(bytes[..6], [8, 0, 0, 0, 2, 0]);
        assert_eq!(bytes[26..], [0x91, 1, 0, 0, 2, 0, 0, 0, b'n', b'o']);
    }
}
