//! Sealed sound and sealed words in any order, changed, doubled and from other epochs: what is opened is
//! what was sealed, each once.

use std::collections::BTreeSet;

use auralync::secure::Key;
use auralync::secure::keyring::{Keyring, Kind, StreamSeal};
use auralync::wire::SealedHeader;
use auralync::wire::datagram::{read_private_to_client, read_private_to_server};

use super::input::Input;
use super::watch::Body;

/// Keys of every epoch that is kept, and what was sealed.
pub const BODY: Body = Body { name: "sealed", run, most_bytes: 2 << 20, tries: 2_000 };

const STREAM: u8 = 2;
const OPEN: usize = 4;

/// What was sealed: its kind, epoch and counter, and its bytes.
type Sealed = (Kind, u8, u64, Vec<u8>);

fn secret(epoch: u64) -> Key {
    Key::new([7; 32]).derive("", &epoch.to_be_bytes())
}

fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut ring = Keyring::new(Key::new([3; 32]));
    let mut epoch = 0_u64;
    let mut seal = StreamSeal::new(&secret(0), 0, STREAM);
    ring.learn(0, secret(0));
    let mut learnt = vec![0];
    let mut sealed: Vec<(u64, Sealed)> = Vec::new();
    let mut opened = BTreeSet::new();
    let mut payload = Vec::new();
    while let Some(what) = input.byte() {
        let kind = [Kind::Frame, Kind::Sound, Kind::OfFour, Kind::OfTwo][usize::from(what >> 6)];
        match what % 8 {
            0 => {
                epoch += 1;
                seal = StreamSeal::new(&secret(epoch), epoch as u8, STREAM);
                if what & 8 == 0 {
                    ring.learn(epoch as u8, secret(epoch));
                    learnt.push(epoch);
                }
            }
            1..=3 => {
                let counter = input.any();
                let mut message = [&[what; OPEN][..], input.take(16)].concat();
                let before = message.clone();
                if seal.seal(kind, counter, OPEN, &mut message).is_some() {
                    sealed.push((epoch, (kind, epoch as u8, counter, message)));
                } else {
                    assert_eq!(message, before);
                }
            }
            4 | 5 => {
                let at = input.small() as usize;
                let Some((whole, (kind, number, counter, message))) = sealed.get(at) else {
                    continue;
                };
                let mut changed = message.clone();
                let (byte, bit) = (input.small() as usize % message.len(), input.small());
                if what & 8 != 0 {
                    changed[byte] ^= bit as u8;
                }
                let which = (*kind, *number, STREAM);
                if ring.open(which, *counter, OPEN, &changed, &mut payload) {
                    assert_eq!(&changed, message);
                    assert!(learnt.contains(whole));
                    assert!(opened.insert((*kind as u8, *whole, *counter)), "opened twice");
                    assert_eq!(payload.len() + OPEN + 16, message.len());
                } else {
                    assert!(payload.is_empty());
                }
            }
            6 => {
                let (number, counter) = (input.small() as u8, input.any());
                let which = (kind, number, input.small() as u8);
                assert!(!ring.open(which, counter, OPEN, input.take(64), &mut payload));
            }
            _ => {
                let bytes = input.take(usize::from(what));
                let _ = SealedHeader::read(bytes);
                let _ = (read_private_to_client(bytes), read_private_to_server(bytes));
            }
        }
        if sealed.len() > 255 {
            break;
        }
    }
}
