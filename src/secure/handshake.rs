//! Who is let in: Noise around hello and welcome, and the channel between the two that it opens.
//!
//! The pattern is IK with the room's secret mixed in first: the client knows the server's key from its
//! link, the server learns the client's, which is its identity, and nobody else reads either. Two
//! messages, as hello and welcome are.

use snow::params::{
    BaseChoice, CipherChoice, DHChoice, HandshakeChoice, HandshakeModifier, HandshakeModifierList,
    HandshakePattern, HashChoice, NoiseParams,
};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher as NoiseCipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

use super::Key;
use super::room::Secret;
use super::seal::{Cipher, Opener, Sealer, TAG};

/// The pattern's name, as the Noise protocol framework (revision 34) writes it.
pub const PATTERN: &str = "Noise_IKpsk0_25519_ChaChaPoly_BLAKE2s";

/// Bytes in front of a first message that strangers cannot make.
pub const FIRST_LOOK: usize = 16;

/// Longest message, in bytes, and longest payload: Noise's own limit, and its tags.
pub const MAX_MESSAGE: usize = 65_535;
const TAGS: usize = 512;

/// What does not belong to the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was made without the room's secret.
    #[error("it was made without the room's secret")]
    Stranger,
    /// It was made for another server, was changed on its way, or came twice.
    #[error("it was made for another server, or was changed on its way")]
    Broken,
}

/// Somebody's pair of keys.
#[derive(Debug, Clone)]
pub struct Pair {
    private: Key,
    /// The key that others may know.
    pub public: [u8; 32],
}

impl Pair {
    /// The pair whose private key these random bytes are (X25519, RFC 7748).
    #[must_use]
    pub fn new(private: Key) -> Self {
        let public = x25519_dalek::x25519(*private.bytes(), x25519_dalek::X25519_BASEPOINT_BYTES);
        Self { private, public }
    }

    /// The private key, to be kept where only its owner reads it.
    #[must_use]
    pub fn private(&self) -> &Key {
        &self.private
    }
}

/// Both sides' keys of one handshake, and the config that it begins with: nobody changes that on its way.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The room's secret.
    pub secret: &'a Secret,
    /// The keys of whoever looks at these.
    pub own: &'a Pair,
    /// All bytes of the config's payload. A server says another to each connection, so that a message that was
    /// made for one is worth nothing on the next.
    pub config: &'a [u8],
    /// 256 random bits, for this handshake alone: the private half of what Noise calls the ephemeral key.
    pub random: &'a Key,
}

/// Noise's own algorithms, with random numbers that were given.
struct Given(Key);

/// Hands out a key once: a second would be the same.
struct Once(Option<Key>);

impl Random for Once {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        let key = self.0.take().ok_or(snow::Error::Rng)?;
        let bytes = key.bytes().get(..dest.len()).ok_or(snow::Error::Rng)?;
        dest.copy_from_slice(bytes);
        Ok(())
    }
}

impl CryptoResolver for Given {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once(Some(self.0.clone()))))
    }

    // What PATTERN says; so nothing else of snow gets into the page's module.
    fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(&DHChoice::Curve25519)
    }

    fn resolve_hash(&self, _: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(&HashChoice::Blake2s)
    }

    fn resolve_cipher(&self, _: &CipherChoice) -> Option<Box<dyn NoiseCipher>> {
        DefaultResolver.resolve_cipher(&CipherChoice::ChaChaPoly)
    }
}

/// What [`PATTERN`] says.
fn pattern() -> NoiseParams {
    let modifiers = HandshakeModifierList { list: vec![HandshakeModifier::Psk(0)] };
    let handshake = HandshakeChoice { pattern: HandshakePattern::IK, modifiers };
    NoiseParams::new(
        PATTERN.to_owned(),
        BaseChoice::Noise,
        handshake,
        DHChoice::Curve25519,
        CipherChoice::ChaChaPoly,
        HashChoice::Blake2s,
    )
}

/// A client that has sent its first message.
pub struct Asking(HandshakeState);

impl std::fmt::Debug for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asking(…)")
    }
}

/// A server that has taken it.
pub struct Asked {
    state: HandshakeState,
    /// Who the client is: its public key.
    pub client: [u8; 32],
    /// What it said.
    pub hello: Zeroizing<Vec<u8>>,
}

impl Terms<'_> {
    /// The first message to the server with that public key, around a hello. `None` where the hello is
    /// longer than a message, or the key is none.
    #[must_use]
    pub fn ask(&self, server: &[u8; 32], hello: &[u8]) -> Option<(Asking, Vec<u8>)> {
        let mut state =
            self.build(|builder| builder.remote_public_key(server)?.build_initiator())?;
        let noise = write(&mut state, hello)?;
        let mut message = self.first_look(&noise).to_vec();
        message.extend_from_slice(&noise);
        Some((Asking(state), message))
    }

    /// What a client's first message says.
    ///
    /// # Errors
    /// [`Refusal::Stranger`] after a microsecond, [`Refusal::Broken`] after the price of a handshake.
    pub fn take(&self, message: &[u8]) -> Result<Asked, Refusal> {
        if !self.is_from_member(message) {
            return Err(Refusal::Stranger);
        }
        let noise = &message[FIRST_LOOK..];
        let taken = || {
            let mut state = self.build(|builder| builder.build_responder())?;
            let hello = read(&mut state, noise)?;
            let client = state.get_remote_static()?.try_into().ok()?;
            Some(Asked { state, client, hello })
        };
        taken().ok_or(Refusal::Broken)
    }

    /// Whether whoever made that first message knows the room's secret, and made it for this config. It takes
    /// a microsecond.
    #[must_use]
    pub fn is_from_member(&self, message: &[u8]) -> bool {
        // What a stranger learns from the time that this takes is of no use without the key.
        let parts = message.split_at_checked(FIRST_LOOK);
        parts.is_some_and(|(look, noise)| self.first_look(noise) == *look)
    }

    fn first_look(&self, noise: &[u8]) -> [u8; FIRST_LOOK] {
        let mut look = [0; FIRST_LOOK];
        let whole = [self.config, noise].concat();
        look.copy_from_slice(&self.secret.first_look().derive("", &whole).bytes()[..FIRST_LOOK]);
        look
    }

    fn build(
        &self,
        build: impl FnOnce(Builder<'_>) -> Result<HandshakeState, snow::Error>,
    ) -> Option<HandshakeState> {
        let shared = self.secret.shared();
        let resolver = Box::new(Given(self.random.clone()));
        let builder = Builder::with_resolver(pattern(), resolver);
        let builder = builder.prologue(self.config).ok()?.psk(0, shared.bytes()).ok()?;
        build(builder.local_private_key(self.own.private.bytes()).ok()?).ok()
    }
}

impl Asking {
    /// The channel and the welcome that the server's message says.
    ///
    /// # Errors
    /// [`Refusal::Broken`] where the server has another key than the one that was asked.
    pub fn finish(mut self, message: &[u8]) -> Result<(Channel, Zeroizing<Vec<u8>>), Refusal> {
        let welcome = read(&mut self.0, message).ok_or(Refusal::Broken)?;
        Ok((Channel::new(self.0), welcome))
    }
}

impl Asked {
    /// The answer around a welcome, and the channel. `None` where the welcome is longer than a message.
    #[must_use]
    pub fn answer(mut self, welcome: &[u8]) -> Option<(Channel, Vec<u8>)> {
        let message = write(&mut self.state, welcome)?;
        Some((Channel::new(self.state), message))
    }
}

fn write(state: &mut HandshakeState, payload: &[u8]) -> Option<Vec<u8>> {
    let mut message = vec![0; payload.len() + TAGS];
    let length = state.write_message(payload, &mut message).ok()?;
    message.truncate(length);
    Some(message)
}

fn read(state: &mut HandshakeState, message: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if message.len() > MAX_MESSAGE {
        return None;
    }
    let mut payload = Zeroizing::new(vec![0; message.len()]);
    let length = state.read_message(message, &mut payload).ok()?;
    payload.truncate(length);
    Some(payload)
}

/// Bytes before what a channel has sealed: a counter.
pub const COUNTER: usize = 8;

/// Bytes by which a message is longer once a channel has sealed it.
pub const CHANNEL_ROOM: usize = COUNTER + TAG;

/// What is one person's own goes through this: sealed, in order, each once.
#[derive(Debug)]
pub struct Channel {
    /// What goes out.
    pub sealing: Sealing,
    /// What comes in.
    pub opening: Opening,
    /// What goes out by datagram.
    pub sealing_datagrams: Sealing,
    /// What comes in by datagram.
    pub opening_datagrams: AnyOrder,
}

/// Seals what one side says.
#[derive(Debug)]
pub struct Sealing {
    sealer: Sealer,
    /// The counter of the next message.
    next: u64,
}

/// Opens what the other side says.
#[derive(Debug)]
pub struct Opening {
    cipher: Cipher,
    /// The lowest counter that may come.
    expected: u64,
}

impl Channel {
    /// The channel of a handshake that is through, with the two keys that it ends with.
    fn new(mut state: HandshakeState) -> Self {
        let is_client = state.is_initiator();
        let (to_server, to_client) = state.dangerously_get_raw_split();
        let (to_server, to_client) = (Key::new(to_server), Key::new(to_client));
        let (ours, theirs) =
            if is_client { (to_server, to_client) } else { (to_client, to_server) };
        let datagrams = |key: &Key| key.derive("auralync datagrams", &[]);
        Self {
            sealing: Sealing::new(&ours),
            opening: Opening { cipher: Cipher::new(&theirs), expected: 0 },
            sealing_datagrams: Sealing::new(&datagrams(&ours)),
            opening_datagrams: AnyOrder(Opener::new(&datagrams(&theirs))),
        }
    }
}

/// Opens what the other side says by datagram: in any order, each once.
#[derive(Debug)]
pub struct AnyOrder(Opener);

impl AnyOrder {
    /// Opens what the other side has sealed.
    ///
    /// # Errors
    /// [`Refusal::Broken`] where it came before, is old, was changed, or is another's.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let counter = sealed.first_chunk::<COUNTER>().ok_or(Refusal::Broken)?;
        let mut message = Zeroizing::new(Vec::new());
        let counter = u64::from_be_bytes(*counter);
        if self.0.open(counter, COUNTER, sealed, &mut message) {
            return Ok(message);
        }
        Err(Refusal::Broken)
    }
}

impl Sealing {
    fn new(key: &Key) -> Self {
        Self { sealer: Sealer::new(key), next: 0 }
    }

    /// Seals a message; `None` after 2⁶⁴ of them.
    #[must_use]
    pub fn seal(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = Vec::with_capacity(CHANNEL_ROOM + message.len());
        sealed.extend_from_slice(&self.next.to_be_bytes());
        sealed.extend_from_slice(message);
        self.sealer.seal(self.next, COUNTER, &mut sealed)?;
        self.next += 1;
        Some(sealed)
    }
}

impl Opening {
    /// Opens what the other side has sealed, where it is later than all before it.
    ///
    /// # Errors
    /// [`Refusal::Broken`] where it came before, was changed, or is another's.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let counter = sealed.first_chunk::<COUNTER>().ok_or(Refusal::Broken)?;
        let counter = u64::from_be_bytes(*counter);
        let mut message = Zeroizing::new(Vec::new());
        let is_new = (self.expected..u64::MAX).contains(&counter);
        if !is_new || !self.cipher.open(counter, COUNTER, sealed, &mut message) {
            return Err(Refusal::Broken);
        }
        self.expected = counter + 1;
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Room {
        secret: Secret,
        server: Pair,
        client: Pair,
        random: [Key; 2],
    }

    impl Room {
        fn new() -> Self {
            let pair = |n| Pair::new(Key::new([n; 32]));
            let random = [Key::new([4; 32]), Key::new([5; 32])];
            Self { secret: Secret::new([1; 16]), server: pair(2), client: pair(3), random }
        }

        fn at_client<'a>(&'a self, config: &'a [u8]) -> Terms<'a> {
            Terms { secret: &self.secret, own: &self.client, config, random: &self.random[0] }
        }

        fn at_server<'a>(&'a self, config: &'a [u8]) -> Terms<'a> {
            Terms { secret: &self.secret, own: &self.server, config, random: &self.random[1] }
        }

        fn open(&self) -> (Channel, Channel) {
            let (asking, first) =
                self.at_client(b"config").ask(&self.server.public, b"hello").unwrap();
            let asked = self.at_server(b"config").take(&first).unwrap();
            assert_eq!((&**asked.hello, asked.client), (&b"hello"[..], self.client.public));
            let (at_server, second) = asked.answer(b"welcome").unwrap();
            let (at_client, welcome) = asking.finish(&second).unwrap();
            assert_eq!(&**welcome, b"welcome");
            (at_client, at_server)
        }
    }

    #[test]
    fn hello_and_welcome_open_a_channel_and_say_who_came() {
        assert_eq!(PATTERN.parse(), Ok(pattern()));
        let (mut client, mut server) = Room::new().open();
        for n in 0..3_u8 {
            let sealed = client.sealing.seal(&[n; 40]).unwrap();
            assert_eq!(&**server.opening.open(&sealed).unwrap(), &[n; 40]);
            let sealed = server.sealing.seal(b"pong").unwrap();
            assert_eq!(&**client.opening.open(&sealed).unwrap(), b"pong");
        }
    }

    #[test]
    fn a_stranger_is_told_from_a_member_before_anything_is_computed() {
        let room = Room::new();
        let other = Room { secret: Secret::new([4; 16]), ..Room::new() };
        let (_, first) = other.at_client(b"config").ask(&room.server.public, b"hello").unwrap();
        let terms = room.at_server(b"config");
        assert_eq!(terms.take(&first).err(), Some(Refusal::Stranger));
        for length in 0..FIRST_LOOK {
            assert_eq!(terms.take(&first[..length]).err(), Some(Refusal::Stranger));
        }
    }

    #[test]
    fn a_member_who_was_told_of_another_server_or_another_config_is_refused() {
        let room = Room::new();
        let other = Pair::new(Key::new([9; 32]));
        let (_, first) = room.at_client(b"config").ask(&other.public, b"hello").unwrap();
        assert_eq!(room.at_server(b"config").take(&first).err(), Some(Refusal::Broken));
        let (_, first) = room.at_client(b"config").ask(&room.server.public, b"hello").unwrap();
        assert_eq!(room.at_server(b"konfig").take(&first).err(), Some(Refusal::Stranger));
    }

    #[test]
    fn a_server_that_knows_the_secret_alone_is_not_believed() {
        let room = Room::new();
        let impostor = Room { server: Pair::new(Key::new([9; 32])), ..Room::new() };
        let (asking, _) = room.at_client(b"config").ask(&room.server.public, b"hello").unwrap();
        let (_, first) = room.at_client(b"config").ask(&impostor.server.public, b"hello").unwrap();
        let (_, second) =
            impostor.at_server(b"config").take(&first).unwrap().answer(b"welcome").unwrap();
        assert_eq!(asking.finish(&second).err(), Some(Refusal::Broken));
    }

    #[test]
    fn each_changed_bit_of_either_message_ends_it() {
        let room = Room::new();
        let (asking, first) = room.at_client(b"config").ask(&room.server.public, b"hello").unwrap();
        for bit in 0..first.len() * 8 {
            let mut changed = first.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let terms = room.at_server(b"config");
            assert_eq!(terms.take(&changed).err(), Some(Refusal::Stranger), "bit {bit}");
        }
        let asked = room.at_server(b"config").take(&first).unwrap();
        let (_, mut second) = asked.answer(b"welcome").unwrap();
        let last = second.len() - 1;
        second[last] ^= 1;
        assert_eq!(asking.finish(&second).err(), Some(Refusal::Broken));
    }

    #[test]
    fn nothing_in_a_channel_comes_twice_late_changed_or_from_elsewhere() {
        let (mut client, mut server) = Room::new().open();
        let sealed: Vec<_> = (0..4).map(|n| client.sealing.seal(&[n]).unwrap()).collect();
        assert!(server.opening.open(&sealed[1]).is_ok());
        for old in &sealed[..2] {
            assert_eq!(server.opening.open(old).err(), Some(Refusal::Broken));
        }
        for bit in 0..sealed[3].len() * 8 {
            let mut changed = sealed[3].clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(server.opening.open(&changed).is_err(), "bit {bit}");
        }
        let random = [Key::new([6; 32]), Key::new([7; 32])];
        let (mut stranger, _) = Room { random, ..Room::new() }.open();
        let foreign = (0..9).map(|_| stranger.sealing.seal(b"x").unwrap()).next_back().unwrap();
        assert!(server.opening.open(&foreign).is_err() && server.opening.open(&[]).is_err());
        assert!(client.opening.open(&sealed[3]).is_err(), "its own message comes back");
        assert!(server.opening.open(&sealed[3]).is_ok());
    }

    #[test]
    fn datagrams_of_a_channel_come_in_any_order_each_once_and_under_keys_of_their_own() {
        let (mut client, mut server) = Room::new().open();
        let sealed: Vec<_> = (0..3).map(|n| client.sealing_datagrams.seal(&[n]).unwrap()).collect();
        for n in [2, 0, 1] {
            assert_eq!(**server.opening_datagrams.open(&sealed[n]).unwrap(), [n as u8]);
            assert!(server.opening_datagrams.open(&sealed[n]).is_err(), "again");
        }
        assert!(server.opening.open(&sealed[2]).is_err(), "it is none of the stream's");
        assert!(client.opening_datagrams.open(&sealed[2]).is_err(), "its own comes back");
        let back = server.sealing_datagrams.seal(b"answer").unwrap();
        for bit in 0..back.len() * 8 {
            let mut changed = back.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(client.opening_datagrams.open(&changed).is_err(), "bit {bit}");
        }
        assert_eq!(&**client.opening_datagrams.open(&back).unwrap(), b"answer");
    }

    #[test]
    fn the_keys_of_rfc_7748_are_ours() {
        // Section 6.1, Alice.
        let private = [
            0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2,
            0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5,
            0x1d, 0xb9, 0x2c, 0x2a,
        ];
        let public = Pair::new(Key::new(private)).public;
        assert_eq!(public[..4], [0x85, 0x20, 0xf0, 0x09]);
        assert_eq!(public[28..], [0xaa, 0x9b, 0x4e, 0x6a][..]);
    }
}
