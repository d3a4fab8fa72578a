//! A datagram made again from a parity and the others that it stands for.

use std::collections::VecDeque;

use crate::wire::datagram::restore;

/// Datagrams that are kept for a parity that comes behind them: four groups.
const MOST_KEPT: usize = 16;

/// Parities that wait for datagrams that come behind them: of four groups, or as many as there are datagrams
/// where each has one.
const MOST_WAITING: usize = 16;

/// Datagrams and parities of the last groups.
#[derive(Debug, Default)]
pub(super) struct Group {
    kept: VecDeque<(u64, Vec<u8>)>,
    waiting: VecDeque<Parity>,
}

/// A parity: the first number of those that it stands for, and how many they are.
#[derive(Debug)]
struct Parity {
    first: u64,
    of: usize,
    bytes: Vec<u8>,
}

impl Group {
    /// Keeps a datagram.
    pub(super) fn keep(&mut self, number: u64, bytes: &[u8]) {
        if self.kept.iter().any(|(there, _)| *there == number) {
            return;
        }
        if self.kept.len() == MOST_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((number, bytes.to_vec()));
    }

    /// Takes a parity over `of` datagrams from `first` on.
    pub(super) fn parity(&mut self, first: u64, of: usize, bytes: &[u8]) {
        if self.waiting.iter().any(|there| (there.first, there.of) == (first, of)) {
            return;
        }
        if self.waiting.len() == MOST_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Parity { first, of, bytes: bytes.to_vec() });
    }

    /// A datagram that can be made again. Ask until there is none.
    pub(super) fn restore(&mut self) -> Option<Vec<u8>> {
        loop {
            let is_enough = |parity: &Parity| self.of(parity).count() + 1 >= parity.of;
            let at = self.waiting.iter().position(is_enough)?;
            let parity = self.waiting.remove(at)?;
            let others: Vec<&[u8]> = self.of(&parity).collect();
            // Where all are there, nothing is restored.
            if let Some(restored) = restore(&parity.bytes, &others) {
                return Some(restored);
            }
        }
    }

    fn of(&self, parity: &Parity) -> impl Iterator<Item = &[u8]> {
        let group = parity.first..parity.first.saturating_add(parity.of as u64);
        self.kept
            .iter()
            .filter(move |(number, _)| group.contains(number))
            .map(|(_, bytes)| bytes.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::AudioHeader;
    use crate::wire::datagram::{Piece, parity};

    fn datagram(number: u32) -> Vec<u8> {
        let position = u64::from(number) * 240;
        let header = AudioHeader { flags: 0, frames: 240, position, captured_us: 7 };
        let payload = vec![number as u8; 40 + number as usize * 3];
        Piece { stream: 5, number, header, payload: &payload }.datagram().unwrap()
    }

    fn over(sent: &[Vec<u8>]) -> Vec<u8> {
        parity::<4>(std::array::from_fn(|at| sent[at].as_slice()))
    }

    #[test]
    fn any_one_of_four_comes_back_as_it_was_whatever_came_first() {
        for lost in 0..4_usize {
            for is_first in [false, true] {
                let sent: Vec<_> = (8..12).map(datagram).collect();
                let mut group = Group::default();
                if is_first {
                    group.parity(8, 4, &over(&sent));
                }
                for (at, bytes) in sent.iter().enumerate().filter(|(at, _)| *at != lost) {
                    assert_eq!(group.restore(), None);
                    group.keep(8 + at as u64, bytes);
                }
                group.parity(8, 4, &over(&sent));
                assert_eq!(group.restore(), Some(sent[lost].clone()));
                assert_eq!(group.restore(), None);
            }
        }
    }

    #[test]
    fn nothing_is_made_of_a_group_that_lacks_two_or_is_whole() {
        let sent: Vec<_> = (0..4).map(datagram).collect();
        let mut group = Group::default();
        group.keep(0, &sent[0]);
        group.keep(1, &sent[1]);
        group.parity(0, 4, &over(&sent));
        assert_eq!(group.restore(), None);
        group.keep(2, &sent[2]);
        group.keep(3, &sent[3]);
        assert_eq!(group.restore(), None);
    }

    #[test]
    fn what_neighbours_bring_back_brings_back_their_neighbours() {
        let sent: Vec<_> = (0..4).map(datagram).collect();
        let mut group = Group::default();
        group.keep(3, &sent[3]);
        for first in 0..3 {
            let pair = parity([&sent[first], &sent[first + 1]]);
            group.parity(first as u64, 2, &pair);
        }
        for lost in [2, 1, 0] {
            let restored = group.restore().unwrap();
            assert_eq!(restored, sent[lost]);
            group.keep(lost as u64, &restored);
        }
        assert_eq!(group.restore(), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut group = Group::default();
        for number in 0..100 {
            group.keep(number, &[0; 40]);
            group.parity(number * 4, 4, &[0; 40]);
        }
        assert_eq!((group.kept.len(), group.waiting.len()), (MOST_KEPT, MOST_WAITING));
    }
}
