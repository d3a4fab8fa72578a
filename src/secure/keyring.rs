//! The keys of sound: an epoch has one secret, and each stream of sound has keys made from it, one for
//! each way that it goes. Whoever was asked to leave knows the secrets of older epochs, so that these open
//! nothing but what the server can still have sealed with them.

use super::seal::{Opener, Sealer};
use super::{Key, nearest};

/// Epochs that a listener keeps, the newest: sound of the oldest has been heard long ago, because a
/// server begins no more than ten in a second and delays are ten seconds at most.
pub const EPOCHS_KEPT: usize = 128;

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Of sound that is for this listener alone.
    own: Epoch,
    /// Of everybody's, the oldest first.
    epochs: Vec<Epoch>,
    /// What is older is over: a datagram that tells it came too late.
    since: Option<u8>,
}

/// An epoch's secret, and what was opened with it.
#[derive(Debug)]
struct Epoch {
    number: u8,
    secret: Key,
    opened: Vec<Opened>,
}

/// What opens one kind of sound of one stream in one epoch.
#[derive(Debug)]
struct Opened {
    kind: Kind,
    stream: u8,
    opener: Opener,
    /// The lowest counter that was opened.
    lowest: u64,
}

/// Added to a stream's number where one listener alone gets it.
const OWN: u8 = 0x40;

impl Opened {
    /// Whether an older epoch can have sealed that counter: a server goes on to the next epoch once and counts
    /// on.
    fn is_behind(&self, counter: u64) -> bool {
        match self.kind {
            Kind::Frame => counter < self.lowest,
            // Of a datagram's number both have the lower half; what is above it is each epoch's own.
            _ => (self.lowest as u32).wrapping_sub(counter as u32) as i32 > 0,
        }
    }
}

/// Whether an epoch begins before another: their numbers begin anew behind 255, and no more than half of them
/// are known at a time.
fn is_before(epoch: u8, other: u8) -> bool {
    other.wrapping_sub(epoch) as i8 > 0
}

impl Epoch {
    fn new(number: u8, secret: Key) -> Self {
        Self { number, secret, opened: Vec::new() }
    }

    fn opened(&self, kind: Kind, stream: u8) -> Option<&Opened> {
        self.opened.iter().find(|opened| (opened.kind, opened.stream) == (kind, stream))
    }

    fn open(
        &mut self,
        (kind, stream): (Kind, u8),
        counter: u64,
        open: usize,
        message: &[u8],
        payload: &mut Vec<u8>,
    ) -> bool {
        let mut opened = self.opened.iter_mut();
        let opened = opened.find(|opened| (opened.kind, opened.stream) == (kind, stream));
        if let Some(Opened { opener, lowest, .. }) = opened {
            let is_right = opener.open(counter, open, message, payload);
            if is_right {
                *lowest = counter.min(*lowest);
            }
            return is_right;
        }
        // What does not open takes no memory.
        let mut opener = Opener::new(&kind.key(&self.secret, stream));
        let is_right = opener.open(counter, open, message, payload);
        if is_right {
            self.opened.push(Opened { kind, stream, opener, lowest: counter });
        }
        is_right
    }
}

impl Keyring {
    /// The keys of a listener whose own sound has that secret, in no epoch yet.
    #[must_use]
    pub fn new(own: Key) -> Self {
        Self { own: Epoch::new(0, own), epochs: Vec::new(), since: None }
    }

    /// An epoch has that secret. What is known is not learnt anew: what came under it would come twice.
    pub fn learn(&mut self, number: u8, secret: Key) {
        if self.since.is_some_and(|since| is_before(number, since)) {
            return;
        }
        if let Some(at) = self.epochs.iter().position(|epoch| epoch.number == number) {
            if self.epochs[at].secret == secret {
                return;
            }
            self.epochs.remove(at);
        }
        if self.epochs.len() == EPOCHS_KEPT {
            self.epochs.remove(0);
        }
        // A newcomer is told many at once, in the order of their numbers.
        let at = self.epochs.iter().take_while(|epoch| is_before(epoch.number, number)).count();
        self.epochs.insert(at, Epoch::new(number, secret));
    }

    /// No sound of epochs before that one comes any more: whoever knows no newer one seals nothing from now on.
    pub fn forget_before(&mut self, number: u8) {
        self.since = Some(number);
        while self.epochs.first().is_some_and(|oldest| is_before(oldest.number, number)) {
            self.epochs.remove(0);
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

    /// Where that epoch is, if it is known.
    fn find(&mut self, number: u8, stream: u8) -> Option<(&mut Epoch, &[Epoch])> {
        if stream & OWN != 0 {
            return (number == 0).then_some((&mut self.own, &[]));
        }
        let at = self.epochs.iter().position(|epoch| epoch.number == number)?;
        let (until, newer) = self.epochs.split_at_mut(at + 1);
        Some((until.last_mut()?, newer))
    }

    /// Opens a message whose first `open` bytes lie open, into `payload`. `false`, and `payload` holds nothing,
    /// where the epoch is not known, the seal is not right, it came before, or a newer epoch had begun by then.
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
        let Some((epoch, newer)) = self.find(epoch, stream) else { return false };
        let mut newer = newer.iter().filter_map(|epoch| epoch.opened(kind, stream));
        newer.all(|opened| opened.is_behind(counter))
            && epoch.open((kind, stream), counter, open, message, payload)
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
        let opened = self.find(epoch, stream).and_then(|(epoch, _)| epoch.opened(kind, stream));
        let counter = opened.map_or(number.into(), |of| nearest(of.opener.end(), number));
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
                let counter = u64::from(2 * epoch + u32::from(back > 0));
                let sealed = message(&mut seal, Kind::Sound, counter);
                let of = (Kind::Sound, epoch as u8, 1);
                assert_eq!(ring.open(of, counter, 4, &sealed, &mut out), is_known, "{n} {back}");
            }
            assert!(ring.epochs.len() <= EPOCHS_KEPT);
        }
    }

    /// A ring that knows those epochs, told in that order.
    fn ring(told: &[u8]) -> Keyring {
        let mut ring = Keyring::new(Key::new([0; 32]));
        told.iter().for_each(|epoch| ring.learn(*epoch, Key::new([*epoch; 32])));
        ring
    }

    /// Whether a ring opens what somebody who knows `epoch` seals of the stream 2.
    fn opens(ring: &mut Keyring, kind: Kind, epoch: u8, number: u64) -> bool {
        let mut seal = StreamSeal::new(&Key::new([epoch; 32]), epoch, 2);
        // Whoever seals counts on in their epoch as the one who opens does.
        seal.base = ring
            .find(epoch, 2)
            .and_then(|(epoch, _)| epoch.opened(kind, 2))
            .map(|opened| number - nearest(opened.opener.end(), number as u32));
        let sealed = message(&mut seal, kind, number);
        let (of, mut out) = ((kind, epoch, 2), Vec::new());
        match kind {
            Kind::Frame => ring.open(of, number, 4, &sealed, &mut out),
            _ => ring.open_number(of, number as u32, 4, &sealed, &mut out),
        }
    }

    #[test]
    fn where_a_newer_epoch_has_begun_an_older_one_opens_only_what_lies_before_it() {
        for kind in [Kind::Frame, Kind::Sound, Kind::OfFour, Kind::OfTwo] {
            // Also where the lower halves of numbers begin anew, and the numbers of epochs.
            for first in [1_000, 1 << 32] {
                for [older, between, newer] in [[7, 8, 9], [254, 255, 0], [255, 0, 1]] {
                    let mut ring = ring(&[older, between, newer]);
                    for number in [first - 20, first - 18, first - 10] {
                        assert!(opens(&mut ring, kind, older, number));
                    }
                    for number in [first + 2, first, first + 7] {
                        assert!(opens(&mut ring, kind, newer, number), "{kind:?} {number}");
                    }
                    for forged in [first, first + 1, first + 8, first + 900, first + (1 << 30)] {
                        assert!(!opens(&mut ring, kind, older, forged), "{kind:?} {forged}");
                        assert!(!opens(&mut ring, kind, between, forged), "{kind:?} {forged}");
                    }
                    assert!(opens(&mut ring, kind, older, first - 19), "it came late");
                    assert!(opens(&mut ring, kind, between, first - 2), "it came late");
                    assert!(!opens(&mut ring, kind, older, first - 1), "behind what is between");
                    assert!(opens(&mut ring, kind, newer, first + 1), "and nothing is the matter");
                }
            }
        }
    }

    #[test]
    fn what_is_forged_in_an_older_epoch_changes_nothing_in_a_newer_one() {
        for kind in [Kind::Frame, Kind::Sound] {
            let mut ring = ring(&[7, 8]);
            for forged in [0, 5_000, 1 << 30] {
                opens(&mut ring, kind, 7, forged);
            }
            for number in [1_001, 1_000, 1_002] {
                assert!(opens(&mut ring, kind, 8, number));
            }
        }
    }

    #[test]
    fn what_is_forged_with_a_wrong_key_changes_nothing() {
        let mut ring = ring(&[7, 8]);
        assert!(opens(&mut ring, Kind::Sound, 7, 1_000));
        let mut seal = StreamSeal::new(&Key::new([99; 32]), 8, 2);
        let forged = message(&mut seal, Kind::Sound, 3);
        assert!(!ring.open_number((Kind::Sound, 8, 2), 3, 4, &forged, &mut Vec::new()));
        assert!(opens(&mut ring, Kind::Sound, 7, 1_001));
    }

    #[test]
    fn an_epoch_that_is_over_opens_nothing_of_any_stream_and_newer_ones_go_on() {
        let mut ring = ring(&[254, 255, 0, 1]);
        for epoch in [254, 255, 0] {
            assert!(opens(&mut ring, Kind::Sound, epoch, 10 + u64::from(epoch.wrapping_add(2))));
        }
        ring.forget_before(0);
        for epoch in [254, 255] {
            assert!(
                !opens(&mut ring, Kind::Sound, epoch, 3)
                    && !opens(&mut ring, Kind::Frame, epoch, 3)
            );
        }
        assert!(!opens(&mut ring, Kind::Sound, 0, 12), "again");
        assert!(opens(&mut ring, Kind::Sound, 0, 13) && opens(&mut ring, Kind::Frame, 1, 0));
        // A datagram that tells keys may be held up.
        ring.learn(255, Key::new([255; 32]));
        ring.forget_before(0);
        assert_eq!(ring.epochs.len(), 2);
    }

    #[test]
    fn a_newcomer_who_is_told_epochs_in_the_order_of_their_numbers_keeps_the_newest() {
        // As JSON has them where their numbers have begun anew.
        let told: Vec<u8> = (0..60).chain(200..=255).collect();
        let mut ring = ring(&told);
        for epoch in 60..160 {
            ring.learn(epoch, Key::new([epoch; 32]));
            assert!(opens(&mut ring, Kind::Sound, epoch, u64::from(epoch)), "{epoch}");
        }
        let kept: Vec<_> = ring.epochs.iter().map(|epoch| epoch.number).collect();
        assert_eq!(kept, (32..160).collect::<Vec<u8>>());
    }
}
