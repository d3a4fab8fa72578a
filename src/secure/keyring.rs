//! The keys of sound: an epoch has one secret, and each stream of sound has keys made from it, one for
//! each way that it goes.

use std::collections::{BTreeMap, VecDeque};

use super::seal::{Opener, Sealer};
use super::{Key, nearest};

/// Epochs that a listener keeps, the newest: sound of the oldest has been heard long ago, because a
/// server begins no more than ten in a second and delays are ten seconds at most.
pub const EPOCHS_KEPT: usize = 128;

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A frame that goes by TCP. Its counter is its position.
    Frame,
    /// A datagram of sound. Its counter is its number.
    Sound,
    /// Parity over four. Its counter is the number of the first.
    OfFour,
    /// Parity over two. Its counter is the number of the first.
    OfTwo,
}

impl Kind {
    fn key(self, secret: &Key, stream: u8) -> Key {
        let label = match self {
            Self::Frame => "auralync frame",
            Self::Sound => "auralync sound",
            Self::OfFour => "auralync parity of 4",
            Self::OfTwo => "auralync parity of 2",
        };
        secret.derive(label, &[stream])
    }
}

/// Seals one stream's sound in one epoch, once for everybody.
#[derive(Debug)]
pub struct StreamSeal {
    /// The stream's number.
    pub stream: u8,
    /// The epoch's.
    pub epoch: u8,
    /// What is taken off a datagram's number to make its counter: all but the lower half of the first one's, so
    /// that whoever comes later can tell a counter from what is on the wire.
    base: Option<u64>,
    frames: Sealer,
    sound: Sealer,
    of_four: Sealer,
    of_two: Sealer,
}

impl StreamSeal {
    /// The seal of a stream in the epoch with that secret. No other seal may have the same three.
    #[must_use]
    pub fn new(secret: &Key, epoch: u8, stream: u8) -> Self {
        let sealer = |kind: Kind| Sealer::new(&kind.key(secret, stream));
        Self {
            stream,
            epoch,
            base: None,
            frames: sealer(Kind::Frame),
            sound: sealer(Kind::Sound),
            of_four: sealer(Kind::OfFour),
            of_two: sealer(Kind::OfTwo),
        }
    }

    /// Seals what follows the first `open` bytes of a message: `number` is a frame's position, or that of a
    /// datagram. `None` where it is not higher than all before it of its kind.
    #[must_use]
    pub fn seal(
        &mut self,
        kind: Kind,
        number: u64,
        open: usize,
        message: &mut Vec<u8>,
    ) -> Option<()> {
        let counter = match kind {
            Kind::Frame => number,
            _ => number.checked_sub(*self.base.get_or_insert(number & !u64::from(u32::MAX)))?,
        };
        let sealer = match kind {
            Kind::Frame => &mut self.frames,
            Kind::Sound => &mut self.sound,
            Kind::OfFour => &mut self.of_four,
            Kind::OfTwo => &mut self.of_two,
        };
        sealer.seal(counter, open, message)
    }
}

/// The keys that a listener has.
#[derive(Debug)]
pub struct Keyring {
    /// The secret of sound that is for this listener alone.
    own: Key,
    epochs: VecDeque<(u8, Key)>,
    openers: BTreeMap<(u8, u8, Kind), Opener>,
}

/// Added to a stream's number where one listener alone gets it.
const OWN: u8 = 0x40;

impl Keyring {
    /// The keys of a listener whose own sound has that secret, in no epoch yet.
    #[must_use]
    pub fn new(own: Key) -> Self {
        Self { own, epochs: VecDeque::new(), openers: BTreeMap::new() }
    }

    /// An epoch has that secret. What is known is not learnt anew: what came under it would come twice.
    pub fn learn(&mut self, epoch: u8, secret: Key) {
        if self.epochs.iter().any(|(known, same)| *known == epoch && *same == secret) {
            return;
        }
        self.forget(epoch);
        self.epochs.push_back((epoch, secret));
        while self.epochs.len() > EPOCHS_KEPT
            && let Some((oldest, _)) = self.epochs.front()
        {
            self.forget(*oldest);
        }
    }

    /// Learns the epochs of `told`, each a number and a secret of 32 bytes, one behind the other.
    pub fn learn_all(&mut self, told: &[u8]) {
        for epoch in told.chunks_exact(33) {
            if let Some((number, secret)) = epoch.split_first()
                && let Some(secret) = secret.first_chunk()
            {
                self.learn(*number, Key::new(*secret));
            }
        }
    }

    fn forget(&mut self, epoch: u8) {
        self.epochs.retain(|(other, _)| *other != epoch);
        self.openers.retain(|(other, stream, _), _| *other != epoch || stream & OWN != 0);
    }

    /// Opens a message whose first `open` bytes lie open, into `payload`. `false`, and `payload` holds nothing, where the epoch is not known, the seal is not
    /// right, or it came before.
    #[must_use]
    pub fn open(
        &mut self,
        (kind, epoch, stream): (Kind, u8, u8),
        counter: u64,
        open: usize,
        message: &[u8],
        payload: &mut Vec<u8>,
    ) -> bool {
        payload.clear();
        let secret = match stream & OWN {
            0 => self.epochs.iter().find(|(known, _)| *known == epoch).map(|(_, secret)| secret),
            _ => Some(&self.own).filter(|_| epoch == 0),
        };
        let Some(secret) = secret else { return false };
        if let Some(opener) = self.openers.get_mut(&(epoch, stream, kind)) {
            return opener.open(counter, open, message, payload);
        }
        // What does not open takes no memory.
        let mut opener = Opener::new(&kind.key(secret, stream));
        let is_right = opener.open(counter, open, message, payload);
        if is_right {
            self.openers.insert((epoch, stream, kind), opener);
        }
        is_right
    }

    /// As [`open`](Self::open), where `number` is what is known of the counter: its lower 32 bits. The first
    /// that is opened of a stream has no others.
    #[must_use]
    pub fn open_number(
        &mut self,
        (kind, epoch, stream): (Kind, u8, u8),
        number: u32,
        open: usize,
        message: &[u8],
        payload: &mut Vec<u8>,
    ) -> bool {
        let opener = self.openers.get(&(epoch, stream, kind));
        let counter = opener.map_or(number.into(), |opener| nearest(opener.end(), number));
        self.open((kind, epoch, stream), counter, open, message, payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seal: &mut StreamSeal, kind: Kind, counter: u64) -> Vec<u8> {
        let mut message = b"headsound".to_vec();
        seal.seal(kind, counter, 4, &mut message).unwrap();
        message
    }

    #[test]
    fn each_stream_kind_and_epoch_has_a_key_of_its_own() {
        let (first, second) = (Key::new([1; 32]), Key::new([2; 32]));
        let mut ring = Keyring::new(Key::new([3; 32]));
        ring.learn(7, first.clone());
        ring.learn(8, second.clone());
        let mut out = Vec::new();
        let kinds = [Kind::Frame, Kind::Sound, Kind::OfFour, Kind::OfTwo];
        let all: Vec<_> = kinds
            .into_iter()
            .flat_map(|kind| [(7, &first), (8, &second)].map(|(epoch, key)| (kind, epoch, key)))
            .flat_map(|(kind, epoch, key)| [0, 2].map(|stream| (kind, epoch, key, stream)))
            .collect();
        for (kind, epoch, key, stream) in &all {
            let sealed = message(&mut StreamSeal::new(key, *epoch, *stream), *kind, 9);
            for (other, at, _, of) in &all {
                let is_it = (other, at, of) == (kind, epoch, stream);
                assert_eq!(ring.open((*other, *at, *of), 9, 4, &sealed, &mut out), is_it);
            }
            assert!(!ring.open((*kind, *epoch, *stream), 9, 4, &sealed, &mut out), "again");
        }
    }

    #[test]
    fn what_is_a_listeners_own_is_opened_in_every_epoch_and_by_nobody_else() {
        let own = Key::new([3; 32]);
        let (mut ring, mut other) = (Keyring::new(own.clone()), Keyring::new(Key::new([4; 32])));
        let mut seal = StreamSeal::new(&own, 0, 0x42);
        let mut out = Vec::new();
        for counter in 0..300 {
            let sealed = message(&mut seal, Kind::Frame, counter);
            let of = (Kind::Frame, 0, 0x42);
            assert!(!other.open(of, counter, 4, &sealed, &mut out) && out.is_empty());
            assert!(ring.open(of, counter, 4, &sealed, &mut out));
            ring.learn(counter as u8, Key::new([counter as u8; 32]));
            assert!(!ring.open(of, counter, 4, &sealed, &mut out), "a new epoch forgets nothing");
        }
    }

    #[test]
    fn datagrams_are_opened_by_half_of_their_number_whenever_somebody_comes() {
        let epoch = Key::new([1; 32]);
        let mut ring = Keyring::new(Key::new([0; 32]));
        ring.learn(7, epoch.clone());
        let mut out = Vec::new();
        for first in [0, 1 << 31, 0xffff_fff0, 3 << 31, (9 << 32) + 0xffff_fff0] {
            ring.learn(7, Key::new([2; 32]));
            ring.learn(7, epoch.clone());
            let mut seal = StreamSeal::new(&epoch, 7, 2);
            for number in first..first + 40 {
                let sealed = message(&mut seal, Kind::Sound, number);
                let of = (Kind::Sound, 7, 2);
                assert!(ring.open_number(of, number as u32, 4, &sealed, &mut out), "{number}");
                assert!(!ring.open_number(of, number as u32, 4, &sealed, &mut out), "{number}");
            }
            let mut low = b"headsound".to_vec();
            let below = (first & !u64::from(u32::MAX)).checked_sub(1);
            if let Some(below) = below {
                assert!(seal.seal(Kind::OfFour, below, 4, &mut low).is_none());
            }
        }
    }

    #[test]
    fn an_epoch_that_is_told_again_opens_nothing_twice() {
        let mut ring = Keyring::new(Key::new([0; 32]));
        let (of, mut out) = ((Kind::Sound, 7, 2), Vec::new());
        ring.learn(7, Key::new([1; 32]));
        let sealed = message(&mut StreamSeal::new(&Key::new([1; 32]), 7, 2), Kind::Sound, 9);
        assert!(ring.open(of, 9, 4, &sealed, &mut out));
        ring.learn(7, Key::new([1; 32]));
        assert!(!ring.open(of, 9, 4, &sealed, &mut out));
    }

    #[test]
    fn the_newest_epochs_are_kept_and_no_others() {
        let mut ring = Keyring::new(Key::new([0; 32]));
        let secret = |n: u32| Key::new([1; 32]).derive("", &n.to_be_bytes());
        let mut out = Vec::new();
        for n in 0..1_000_u32 {
            ring.learn(n as u8, secret(n));
            for (back, is_known) in [(0, true), (127, true), (128, false), (256, false)] {
                let Some(epoch) = n.checked_sub(back) else { continue };
                let mut seal = StreamSeal::new(&secret(epoch), epoch as u8, 1);
                let sealed = message(&mut seal, Kind::Sound, u64::from(n));
                let of = (Kind::Sound, epoch as u8, 1);
                assert_eq!(ring.open(of, n.into(), 4, &sealed, &mut out), is_known, "{n} {back}");
            }
            assert!(ring.openers.len() <= EPOCHS_KEPT);
        }
    }
}
