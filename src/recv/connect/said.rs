//! What was said by datagram: cut so that each fits into one, and kept a while to be sent again.
//!
//! No socket, no clock: time is an argument.

use std::collections::VecDeque;

use crate::codec::Codec;
use crate::wire::AudioHeader;
use crate::wire::datagram::{
    MAX_DATAGRAM, PRIVATE_TO_SERVER, TALK_HEADER, Token, cut, talk_datagram,
};

/// What was said longer ago, in µs, comes too late to be heard.
const KEPT_US: u64 = 300_000;

/// Datagrams that are kept at most: those of that time, in pieces of 2.5 ms.
const MOST_KEPT: usize = 128;

/// Bytes of a microphone's sound that fit into one datagram.
const LONGEST: usize = MAX_DATAGRAM - PRIVATE_TO_SERVER - TALK_HEADER;

/// A piece that was sent.
#[derive(Debug)]
struct Sent {
    number: u32,
    at_us: u64,
    header: AudioHeader,
    payload: Vec<u8>,
}

/// What one connection has said by datagram.
#[derive(Debug, Default)]
pub(super) struct Said {
    next: u32,
    kept: VecDeque<Sent>,
}

impl Said {
    /// Cuts what is said at `now_us`, and hands the datagrams to `send`. Sound is at `rate` Hz.
    pub(super) fn say(
        &mut self,
        (token, cookie): (&Token, u64),
        (codec, rate): (Codec, u32),
        sound: (AudioHeader, &[u8]),
        now_us: u64,
        mut send: impl FnMut(&[u8]),
    ) {
        for (header, payload) in cut(codec, rate, LONGEST, sound) {
            if let Some(bytes) = talk_datagram(token, cookie, self.next, header, payload) {
                send(&bytes);
                self.keep(header, payload, now_us);
            }
        }
    }

    fn keep(&mut self, header: AudioHeader, payload: &[u8], now_us: u64) {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let is_old = |sent: &Sent| sent.at_us.saturating_add(KEPT_US) < now_us;
        while self.kept.len() >= MOST_KEPT || self.kept.front().is_some_and(is_old) {
            self.kept.pop_front();
        }
        self.kept.push_back(Sent { number, at_us: now_us, header, payload: payload.to_vec() });
    }

    /// Hands to `send` what is missing of what was said, as far as it may still be heard.
    pub(super) fn again(
        &self,
        (token, cookie): (&Token, u64),
        numbers: &[u32],
        now_us: u64,
        mut send: impl FnMut(&[u8]),
    ) {
        let kept = self.kept.iter().filter(|sent| numbers.contains(&sent.number));
        for sent in kept.filter(|sent| now_us.saturating_sub(sent.at_us) <= KEPT_US) {
            let bytes = talk_datagram(token, cookie, sent.number, sent.header, &sent.payload);
            bytes.iter().for_each(|bytes| send(bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::datagram::FromClient;
    use crate::wire::{FLAG_BROKEN, FLAG_LAST};

    const TOKEN: Token = *b"0123456789abcdef";

    fn header(flags: u8, frames: u32) -> AudioHeader {
        AudioHeader { flags, frames, position: 4_800, captured_us: 1_000_000 }
    }

    fn pieces(sent: &[Vec<u8>]) -> Vec<(u32, AudioHeader, Vec<u8>)> {
        let read = |bytes: &Vec<u8>| match FromClient::read(bytes) {
            Some(FromClient::Talk { number, header, payload, .. }) => {
                (number, header, payload.to_vec())
            }
            other => panic!("{other:?}"),
        };
        sent.iter().map(read).collect()
    }

    fn said(said: &mut Said, codec: Codec, header: AudioHeader, payload: &[u8]) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        let what = (header, payload);
        said.say((&TOKEN, 5), (codec, 48_000), what, 0, |bytes| sent.push(bytes.to_vec()));
        sent
    }

    #[test]
    fn sound_of_any_codec_fits_into_datagrams_and_nothing_of_it_is_lost() {
        for (codec, frame_bytes) in [(Codec::Float32, 8), (Codec::Int24, 6), (Codec::Int16, 2)] {
            let payload: Vec<u8> = (0..480 * frame_bytes).map(|byte| (byte % 251) as u8).collect();
            let sent =
                said(&mut Said::default(), codec, header(FLAG_BROKEN | FLAG_LAST, 480), &payload);
            let pieces = pieces(&sent);
            assert!(sent.iter().all(|bytes| bytes.len() <= MAX_DATAGRAM - PRIVATE_TO_SERVER));
            let joined: Vec<u8> = pieces.iter().flat_map(|piece| piece.2.clone()).collect();
            assert_eq!(joined, payload);
            let mut next = 4_800;
            for (index, (number, header, payload)) in pieces.iter().enumerate() {
                assert_eq!((*number, header.position), (index as u32, next));
                assert_eq!(header.frames as usize * frame_bytes, payload.len());
                let is_first = index == 0;
                let is_last = index + 1 == pieces.len();
                assert_eq!(header.flags & FLAG_BROKEN != 0, is_first, "{codec}");
                assert_eq!(header.flags & FLAG_LAST != 0, is_last, "{codec}");
                next += u64::from(header.frames);
            }
            assert_eq!(next, 4_800 + 480);
        }
    }

    #[test]
    fn a_packet_of_opus_is_one_datagram() {
        let opus = Codec::parse("opus:64").unwrap();
        let sent = said(&mut Said::default(), opus, header(0, 480), &[7; 80]);
        assert_eq!(pieces(&sent), [(0, header(0, 480), vec![7; 80])]);
    }

    #[test]
    fn what_is_missing_is_sent_again_as_it_was_as_long_as_it_may_be_heard() {
        let mut all = Said::default();
        let first = said(&mut all, Codec::Int16, header(0, 480), &[1; 960]);
        let _ = said(&mut all, Codec::Int16, header(0, 480), &[2; 960]);
        let again = |numbers: &[u32], now_us| {
            let mut sent = Vec::new();
            all.again((&TOKEN, 5), numbers, now_us, |bytes| sent.push(bytes.to_vec()));
            sent
        };
        assert_eq!(again(&[0, 9], KEPT_US), first);
        assert_eq!(again(&[0], KEPT_US + 1), [[0_u8; 0]; 0]);
        for _ in 0..1_000 {
            let _ = said(&mut all, Codec::Int16, header(0, 1), &[1; 2]);
        }
        assert_eq!(all.kept.len(), MOST_KEPT);
    }
}
