//! What somebody on the same network makes of the packets that pass.

use std::collections::BTreeMap;

use auralync::wire::datagram::{SOUND_HEADER, kind as datagram};
use auralync::wire::{
    AUDIO_HEADER, AudioHeader, Deframer, Frame, Limits, MAX_JSON, MAX_SERVER_FRAME, PLAIN_HEADER,
    SEAL, kind,
};
use byteorder::{BigEndian, ByteOrder};

/// A piece of sound that passed: its position, which is open, and its payload, whatever that is.
pub(crate) struct Piece {
    pub(crate) position: u64,
    pub(crate) payload: Vec<u8>,
}

/// The pieces of sound from the server's side in packets of IPv4, those by TCP and those by datagram.
pub(crate) fn pieces(packets: &[Vec<u8>], server: [u8; 4], port: u16) -> (Vec<Piece>, Vec<Piece>) {
    let mut stream = BTreeMap::new();
    let mut by_datagram = Vec::new();
    for packet in packets {
        let is_ours = packet.first().is_some_and(|first| first >> 4 == 4)
            && packet.get(12..16) == Some(&server);
        let header = usize::from(packet.first().copied().unwrap_or(0) & 15) * 4;
        let Some(inside) = packet.get(header..).filter(|_| is_ours) else { continue };
        match packet.get(9) {
            Some(6) if inside.len() >= 20 && BigEndian::read_u16(inside) == port => {
                let sequence = BigEndian::read_u32(&inside[4..]);
                let data = usize::from(inside[12] >> 4) * 4;
                if let Some(data) = inside.get(data..).filter(|data| !data.is_empty()) {
                    stream.entry(sequence).or_insert_with(|| data.to_vec());
                }
            }
            Some(17) => by_datagram.extend(inside.get(8..).and_then(sound)),
            _ => {}
        }
    }
    (frames(stream), by_datagram)
}

/// What a datagram of sound holds.
fn sound(bytes: &[u8]) -> Option<Piece> {
    let is_sound = bytes.first() == Some(&datagram::SOUND) && bytes.len() > SOUND_HEADER;
    let position = BigEndian::read_u64(bytes.get(12..20)?);
    is_sound.then(|| Piece { position, payload: bytes[SOUND_HEADER..].to_vec() })
}

/// The frames of sound in a stream that begins with its lowest sequence number.
fn frames(stream: BTreeMap<u32, Vec<u8>>) -> Vec<Piece> {
    let mut deframer = Deframer::new(Limits { plain: MAX_JSON, typed: MAX_SERVER_FRAME + SEAL });
    let (mut pieces, mut next) = (Vec::new(), None);
    for (sequence, data) in stream {
        let again = next.unwrap_or(sequence).wrapping_sub(sequence) as usize;
        deframer.push(data.get(again..).unwrap_or_default());
        next = Some(sequence.wrapping_add(data.len() as u32));
        while let Some(frame) = deframer.next_frame().unwrap() {
            if let Frame::Typed { kind: kind::AUDIO | kind::SEALED, body } = frame {
                let (header, payload) = AudioHeader::split(body).unwrap();
                pieces.push(Piece { position: header.position, payload: payload.to_vec() });
            }
        }
    }
    assert_eq!(AUDIO_HEADER, PLAIN_HEADER + 24);
    pieces
}

/// How like the pieces are to a sound that goes round and round, at the lag where they are most like it:
/// 1 where they are the sound, 0 where they have nothing to do with it. They are taken for float32 in
/// stereo, and what is none for silence.
pub(crate) fn likeness(pieces: &[Piece], sound: &[f32]) -> f64 {
    let length = sound.len();
    // What is one period apart is compared with the same.
    let mut folded = vec![0_f32; length];
    let (mut power, mut count) = (0.0, 0);
    for Piece { position, payload } in pieces {
        for (frame, bytes) in payload.chunks_exact(8).enumerate() {
            let sample = f32::from_le_bytes(bytes[..4].try_into().unwrap());
            let sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
            folded[(*position as usize + frame) % length] += sample;
            power += f64::from(sample).powi(2);
            count += 1;
        }
    }
    let of_sound: f64 = sound.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let whole = (power * of_sound * count as f64 / length as f64).sqrt();
    let mut planner = realfft::RealFftPlanner::<f32>::new();
    let (forward, back) = (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
    let spectrum = |samples: &[f32]| {
        let (mut samples, mut spectrum) = (samples.to_vec(), forward.make_output_vec());
        forward.process(&mut samples, &mut spectrum).unwrap();
        spectrum
    };
    let mut product: Vec<_> =
        spectrum(&folded).iter().zip(spectrum(sound)).map(|(a, b)| a.conj() * b).collect();
    // What is real stays real but for what is rounded.
    product[0].im = 0.0;
    if let Some(last) = product.last_mut().filter(|_| length.is_multiple_of(2)) {
        last.im = 0.0;
    }
    let mut lags = back.make_output_vec();
    back.process(&mut product, &mut lags).unwrap();
    let most = lags.iter().fold(0.0_f32, |most, lag| most.max(lag.abs()));
    f64::from(most) / length as f64 / whole
}
