//! One datagram of four made again from the other three and their parity.

use std::collections::VecDeque;

use crate::wire::datagram::{PARITY_OF, restore};

/// Datagrams that are kept for a parity that comes behind them: four groups.
const MOST_KEPT: usize = 16;

/// Parities that wait for datagrams that come behind them.
const MOST_WAITING: usize = 4;

/// Datagrams and parities of the last groups.
#[derive(Debug, Default)]
pub(super) struct Group {
    kept: VecDeque<(u64, Vec<u8>)>,
    /// Each with the first number of its group.
    waiting: VecDeque<(u64, Vec<u8>)>,
}

impl Group {
    /// Keeps a datagram.
    pub(super) fn keep(&mut self, number: u64, bytes: &[u8]) {
        put(&mut self.kept, number, bytes, MOST_KEPT);
    }

    /// Takes a parity over `first` and the three behind it.
    pub(super) fn parity(&mut self, first: u64, bytes: &[u8]) {
        put(&mut self.waiting, first, bytes, MOST_WAITING);
    }

    /// A datagram that can be made again. Ask until there is none.
    pub(super) fn restore(&mut self) -> Option<Vec<u8>> {
        let enough = PARITY_OF - 1;
        loop {
            let is_enough = |&(first, _): &(u64, Vec<u8>)| self.of(first).count() >= enough;
            let at = self.waiting.iter().position(is_enough)?;
            let (first, parity) = self.waiting.remove(at)?;
            let others: Vec<&[u8]> = self.of(first).collect();
            // Of a whole group nothing is missing.
            if let Ok(others) = others.try_into()
                && let Some(restored) = restore(&parity, others)
            {
                return Some(restored);
            }
        }
    }

    fn of(&self, first: u64) -> impl Iterator<Item = &[u8]> {
        let group = first..first.saturating_add(PARITY_OF as u64);
        self.kept
            .iter()
            .filter(move |(number, _)| group.contains(number))
            .map(|(_, bytes)| bytes.as_slice())
    }
}

/// Puts bytes in behind the others, of which the oldest make room.
fn put(queue: &mut VecDeque<(u64, Vec<u8>)>, number: u64, bytes: &[u8], most: usize) {
    if queue.iter().any(|(there, _)| *there == number) {
        return;
    }
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back((number, bytes.to_vec()));
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
        parity(std::array::from_fn(|at| sent[at].as_slice()))
    }

    #[test]
    fn any_one_of_four_comes_back_as_it_was_whatever_came_first() {
        for lost in 0..4_usize {
            for is_first in [false, true] {
                let sent: Vec<_> = (8..12).map(datagram).collect();
                let mut group = Group::default();
                if is_first {
                    group.parity(8, &over(&sent));
                }
                for (at, bytes) in sent.iter().enumerate().filter(|(at, _)| *at != lost) {
                    assert_eq!(group.restore(), None);
                    group.keep(8 + at as u64, bytes);
                }
                group.parity(8, &over(&sent));
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
        group.parity(0, &over(&sent));
        assert_eq!(group.restore(), None);
        group.keep(2, &sent[2]);
        group.keep(3, &sent[3]);
        assert_eq!(group.restore(), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut group = Group::default();
        for number in 0..100 {
            group.keep(number, &[0; 40]);
            group.parity(number * 4, &[0; 40]);
        }
        assert_eq!((group.kept.len(), group.waiting.len()), (MOST_KEPT, MOST_WAITING));
    }
}
