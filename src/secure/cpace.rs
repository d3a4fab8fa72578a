//! A key from a code of a few digits, which nobody can try codes on who has heard all that was said.
//!
//! CPace between initiator and responder, over ristretto255 with SHA-512: CPACE-RISTR255-SHA512 of
//! draft-irtf-cfrg-cpace-21. Who has another code ends with another key, and learns of
//! one code alone whether it is the right one.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of what each side sends.
pub(super) const SHARE: usize = 32;

/// The draft's names for the group and for the key.
const GROUP: &[u8] = b"CPaceRistretto255";
const KEY: &[u8] = b"CPaceRistretto255_ISK";

/// Bytes that SHA-512 takes at a time: the code alone fills the first of them.
const BLOCK: usize = 128;

/// What both sides must agree on.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// The code.
    pub(super) code: &'a [u8],
    /// Between whom: the draft's `CI`.
    pub(super) channel: &'a [u8],
    /// Random, for this one try: the draft's `sid`.
    pub(super) session: &'a [u8],
}

/// One side, once it has its number.
pub(super) struct Side {
    number: Zeroizing<Scalar>,
    /// What it sends.
    pub(super) share: [u8; SHARE],
}

impl Side {
    /// A side whose number is made of these random bytes.
    pub(super) fn new(context: Context<'_>, random: &[u8; 64]) -> Self {
        Self::with(context, Scalar::from_bytes_mod_order_wide(random))
    }

    fn with(context: Context<'_>, number: Scalar) -> Self {
        let mut generator = generator(context);
        let number = Zeroizing::new(number);
        let share = (generator * *number).compress().to_bytes();
        generator.zeroize();
        Self { number, share }
    }

    /// The key that both sides have if both have the code, with what associated data each sent beside its
    /// share. `None` where the other's share is none.
    pub(super) fn key(
        &self,
        session: &[u8],
        is_initiator: bool,
        (own_data, other): (&[u8], &[u8; SHARE]),
        other_data: &[u8],
    ) -> Option<Zeroizing<[u8; 64]>> {
        let mut point = CompressedRistretto(*other).decompress()? * *self.number;
        let is_none = point.is_identity();
        let secret = Zeroizing::new(point.compress().to_bytes());
        point.zeroize();
        if is_none {
            return None;
        }
        let (own, other) = ((&self.share[..], own_data), (&other[..], other_data));
        let (first, second) = if is_initiator { (own, other) } else { (other, own) };
        let parts = [KEY, session, &*secret, first.0, first.1, second.0, second.1];
        Some(hash(&parts))
    }
}

/// The point of the group that the code names.
fn generator(Context { code, channel, session }: Context<'_>) -> RistrettoPoint {
    let lengths = with_length(code) + with_length(GROUP);
    let padding = [0; BLOCK];
    let padding = &padding[..(BLOCK - 1).saturating_sub(lengths)];
    RistrettoPoint::from_uniform_bytes(&hash(&[GROUP, code, padding, channel, session]))
}

/// Bytes of a part, its length in front.
fn with_length(part: &[u8]) -> usize {
    length(part.len()).count() + part.len()
}

/// SHA-512 over parts, each behind its length.
fn hash(parts: &[&[u8]]) -> Zeroizing<[u8; 64]> {
    let mut hash = Sha512::new();
    for part in parts {
        length(part.len()).for_each(|byte| hash.update([byte]));
        hash.update(part);
    }
    Zeroizing::new(hash.finalize().into())
}

/// A length in LEB128: seven bits to a byte, the lowest first.
fn length(length: usize) -> impl Iterator<Item = u8> {
    let steps =
        std::iter::successors(Some(length), |rest| Some(rest >> 7).filter(|rest| *rest > 0));
    steps.map(|rest| (rest & 0x7f) as u8 | if rest > 0x7f { 0x80 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appendix B.3 of the draft.
    const SESSION: &str = "7e4b4791d6a8ef019b936c79fb7f2c57";
    const A: &str = "da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08";
    const A_SENT: &str = "d40fb265a7abeaee7939d91a585fe59f7053f982c296ec413c624c669308f87a";
    const B: &str = "d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d";
    const B_SENT: &str = "08bcf6e9777a9c313a3db6daa510f2d398403319c2341bd506a92e672eb7e307";
    const BOTH: &str = "4c5469a16b2364c4b944ebc1a79e51d1674ad47db26e8718154f59faebfaa52d\
                        8346f30aa58377117eb20d527f2cbc5c76381f7fd372e89df8239f87f2e02ed1";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            hex.bytes().map(|c| (c as char).to_digit(16).unwrap() as u8).collect();
        digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect()
    }

    fn scalar(hex: &str) -> Scalar {
        Scalar::from_canonical_bytes(bytes(hex).try_into().unwrap()).unwrap()
    }

    #[test]
    fn both_sides_come_to_the_key_of_the_drafts_test_vector() {
        let session = bytes(SESSION);
        let channel = b"oc\x0bB_responder\x0bA_initiator";
        let context = Context { code: b"Password", channel, session: &session };
        let point = generator(context).compress().to_bytes();
        let expected = "a6fc82c3b8968fbb2e06fee81ca858586dea50d248f0c7ca6a18b0902a30b36b";
        assert_eq!(point[..], bytes(expected));
        let (a, b) = (Side::with(context, scalar(A)), Side::with(context, scalar(B)));
        assert_eq!((&a.share[..], &b.share[..]), (&bytes(A_SENT)[..], &bytes(B_SENT)[..]));
        let of_a = a.key(&session, true, (b"ADa", &b.share), b"ADb").unwrap();
        let of_b = b.key(&session, false, (b"ADb", &a.share), b"ADa").unwrap();
        assert_eq!((&of_a[..], &of_b[..]), (&bytes(BOTH)[..], &bytes(BOTH)[..]));
    }

    #[test]
    fn what_is_no_share_ends_it() {
        let context = Context { code: b"123456", channel: b"", session: b"" };
        let side = Side::new(context, &[7; 64]);
        // The draft's invalid points: one that is no element, and the neutral one.
        let wrong = "2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c";
        for other in [bytes(wrong).try_into().unwrap(), [0; SHARE], [0xff; SHARE]] {
            assert!(side.key(b"", true, (b"", &other), b"").is_none());
        }
    }

    #[test]
    fn lengths_are_those_of_the_draft() {
        for (number, written) in
            [(0, &[0][..]), (127, &[0x7f]), (128, &[0x80, 1]), (16_384, &[0x80, 0x80, 1])]
        {
            assert_eq!(length(number).collect::<Vec<_>>(), written);
        }
    }
}
