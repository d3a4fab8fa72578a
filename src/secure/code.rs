//! A code of six digits, and how it is exchanged for a room's secret. `docs/keys.md` is the protocol.
//!
//! Four messages. Each side shows the other that it has the code before the secret is sent, and whoever
//! has it not learns of one code that it is wrong.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Key;
use super::cpace::{Context, SHARE, Side};
use super::handshake::Pair;
use super::room::{SECRET, Secret};
use super::seal::{Opener, Sealer, TAG};

/// Digits of a code.
pub const DIGITS: usize = 6;

/// Codes that there are.
const CODES: u32 = 1_000_000;

/// Bytes of the random number that a client names its try with.
const SESSION: usize = 16;

/// Bytes of what shows that somebody has the code.
const PROOF: usize = 32;

/// Bytes of the four messages.
pub const FIRST: usize = SESSION + SHARE;
/// The second.
pub const SECOND: usize = SHARE + PROOF;
/// The third.
pub const THIRD: usize = PROOF;
/// The fourth.
pub const FOURTH: usize = SECRET + 32 + TAG;

/// Random bytes that a client needs for a try, and a server.
pub const CLIENT_RANDOM: usize = SESSION + 64;
/// A server's.
pub const SERVER_RANDOM: usize = 64;

/// Six digits that let one person in, for some minutes.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Code([u8; DIGITS]);

/// A text that is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code is six digits, such as 123 456")]
pub struct NoCode;

impl Code {
    /// The code that a random number names; `None` for the few that would make some codes likelier.
    #[must_use]
    pub fn new(random: u32) -> Option<Self> {
        let mut rest = (random < u32::MAX / CODES * CODES).then_some(random % CODES)?;
        let mut digits = [0; DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Some(Self(digits))
    }

    /// Reads a code as a person types it: spaces and hyphens are forgiven.
    ///
    /// # Errors
    /// [`NoCode`] where anything else than six digits is there.
    pub fn read(text: &str) -> Result<Self, NoCode> {
        let is_forgiven = |c: &char| c.is_whitespace() || matches!(c, '-' | '‐' | '‑' | '–');
        let mut digits = text.chars().filter(|c| !is_forgiven(c));
        let mut code = Self([0; DIGITS]);
        for place in &mut code.0 {
            let digit = digits.next().filter(char::is_ascii_digit).ok_or(NoCode)?;
            *place = digit as u8;
        }
        if digits.next().is_some() { Err(NoCode) } else { Ok(code) }
    }

    /// The code as people read it to each other: `123 456`.
    #[must_use]
    pub fn spoken(&self) -> Zeroizing<String> {
        let digits = self.0.iter().map(|digit| char::from(*digit));
        let mut text = Zeroizing::new(String::with_capacity(DIGITS + 1));
        for (place, digit) in digits.enumerate() {
            if place == DIGITS / 2 {
                text.push(' ');
            }
            text.push(digit);
        }
        text
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(…)")
    }
}

/// The keys that both sides have who have the same code.
struct Keys {
    of_client: Key,
    of_server: Key,
    sealing: Key,
}

impl Keys {
    fn new(shared: &[u8; 64]) -> Self {
        let mut first = [0; 32];
        first.copy_from_slice(&shared[..32]);
        let key = Key::new(first);
        first.zeroize();
        Self {
            of_client: key.derive("auralync code client", &[]),
            of_server: key.derive("auralync code server", &[]),
            sealing: key.derive("auralync code secret", &[]),
        }
    }
}

/// Whether a message is the proof. What the time tells that this takes is of no use: each is tried once.
fn is_proof(message: &[u8], proof: &Key) -> bool {
    message == proof.bytes()
}

/// A client that has sent its first message.
pub struct Trying {
    side: Side,
    session: [u8; SESSION],
}

/// A client that knows that the server has the code.
pub struct Proven(Keys);

/// A server that has sent its answer.
pub struct Answered(Keys);

impl std::fmt::Debug for Trying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trying(…)")
    }
}

impl std::fmt::Debug for Proven {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proven(…)")
    }
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answered(…)")
    }
}

impl Trying {
    /// Begins to try a code at the server whose config had these bytes as its payload. Returns the first
    /// message too, of [`FIRST`] bytes.
    #[must_use]
    pub fn begin(code: &Code, config: &[u8], random: &[u8; CLIENT_RANDOM]) -> (Self, Vec<u8>) {
        let (session, number) = random.split_first_chunk().unwrap_or((&[0; SESSION], &[]));
        let number = Zeroizing::new(number.try_into().unwrap_or([0; 64]));
        let side = Side::new(Context { code: &code.0, channel: config, session }, &number);
        let message = [&session[..], &side.share].concat();
        (Self { side, session: *session }, message)
    }

    /// What the server's answer shows: that it has the code too. Returns the third message, of [`THIRD`]
    /// bytes. `None` where it has another.
    #[must_use]
    pub fn prove(self, answer: &[u8]) -> Option<(Proven, Vec<u8>)> {
        let (share, proof) = answer.split_first_chunk::<SHARE>()?;
        let keys = Keys::new(&*self.side.key(&self.session, true, (b"", share), b"")?);
        let message = keys.of_client.bytes().to_vec();
        is_proof(proof, &keys.of_server).then_some((Proven(keys), message))
    }
}

impl Proven {
    /// The room's secret and the server's public key, which the fourth message holds. `None` where it was
    /// changed on its way.
    #[must_use]
    pub fn open(self, sealed: &[u8]) -> Option<(Secret, [u8; 32])> {
        let mut opened = Zeroizing::new(Vec::with_capacity(FOURTH));
        let is_right = Opener::new(&self.0.sealing).open(0, 0, sealed, &mut opened);
        let (secret, key) = opened.split_first_chunk::<SECRET>().filter(|_| is_right)?;
        Some((Secret::new(*secret), key.try_into().ok()?))
    }
}

impl Answered {
    /// Answers a client's first message. Returns the second message too, of [`SECOND`] bytes. `None` where
    /// the first is none.
    #[must_use]
    pub fn answer(
        code: &Code,
        config: &[u8],
        first: &[u8],
        random: &[u8; SERVER_RANDOM],
    ) -> Option<(Self, Vec<u8>)> {
        let (session, share) = first.split_first_chunk::<SESSION>()?;
        let share = share.try_into().ok()?;
        let side = Side::new(Context { code: &code.0, channel: config, session }, random);
        let keys = Keys::new(&*side.key(session, false, (b"", share), b"")?);
        let message = [&side.share[..], keys.of_server.bytes()].concat();
        Some((Self(keys), message))
    }

    /// The fourth message, of [`FOURTH`] bytes, for a client whose third shows that it has the code. `None`
    /// where it does not.
    #[must_use]
    pub fn grant(self, proof: &[u8], secret: &Secret, pair: &Pair) -> Option<Vec<u8>> {
        if !is_proof(proof, &self.0.of_client) {
            return None;
        }
        // Room for the seal, so that no copy of the secret stays behind.
        let mut message = Vec::with_capacity(FOURTH);
        message.extend_from_slice(secret.bytes());
        message.extend_from_slice(&pair.public);
        Sealer::new(&self.0.sealing).seal(0, 0, &mut message)?;
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &[u8] = b"{\"error\": \"This room is private\"}";

    fn code(text: &str) -> Code {
        Code::read(text).unwrap()
    }

    fn pair() -> Pair {
        Pair::new(Key::new([2; 32]))
    }

    fn secret() -> Secret {
        Secret::new(*b"secret of a room")
    }

    /// All four messages, where the client has one code and the server another.
    fn messages(client: &str, server: &str) -> Option<[Vec<u8>; 4]> {
        let random: [u8; CLIENT_RANDOM] = std::array::from_fn(|n| n as u8);
        let (trying, first) = Trying::begin(&code(client), CONFIG, &random);
        let random = std::array::from_fn(|n| 0xff - n as u8);
        let (answered, second) = Answered::answer(&code(server), CONFIG, &first, &random)?;
        let (proven, third) = trying.prove(&second)?;
        let fourth = answered.grant(&third, &secret(), &pair())?;
        assert_eq!(proven.open(&fourth), Some((secret(), pair().public)));
        Some([first, second, third, fourth])
    }

    #[test]
    fn whoever_has_the_code_gets_the_secret() {
        let messages = messages("123456", "123 456").unwrap();
        let lengths = messages.each_ref().map(Vec::len);
        assert_eq!(lengths, [FIRST, SECOND, THIRD, FOURTH]);
    }

    #[test]
    fn with_another_code_the_client_learns_so_and_shows_nothing() {
        for server in ["123457", "000000", "654321"] {
            assert_eq!(messages("123456", server), None);
        }
    }

    #[test]
    fn a_message_that_was_changed_cut_or_made_for_another_config_ends_it() {
        let [first, second, third, fourth] = messages("123456", "123456").unwrap();
        let random: [u8; CLIENT_RANDOM] = std::array::from_fn(|n| n as u8);
        let begin = |config| Trying::begin(&code("123456"), config, &random).0;
        let answer = |first: &[u8]| {
            let random = std::array::from_fn(|n| 0xff - n as u8);
            Answered::answer(&code("123456"), CONFIG, first, &random)
        };
        assert!(begin(CONFIG).prove(&second).is_some());
        assert!(begin(b"another").prove(&second).is_none());
        let changed = |message: &[u8], bit: usize| {
            let mut message = message.to_vec();
            message[bit / 8] ^= 1 << (bit % 8);
            message
        };
        for bit in 0..8 * FIRST {
            let proof = answer(&changed(&first, bit)).map(|(_, second)| second);
            assert!(proof.is_none_or(|second| begin(CONFIG).prove(&second).is_none()), "{bit}");
        }
        for bit in (0..8 * SECOND).step_by(7) {
            assert!(begin(CONFIG).prove(&changed(&second, bit)).is_none(), "{bit}");
        }
        for bit in (0..8 * THIRD).step_by(7) {
            let granted =
                answer(&first).unwrap().0.grant(&changed(&third, bit), &secret(), &pair());
            assert!(granted.is_none(), "{bit}");
        }
        for bit in (0..8 * FOURTH).step_by(7) {
            let (proven, _) = begin(CONFIG).prove(&second).unwrap();
            assert!(proven.open(&changed(&fourth, bit)).is_none(), "{bit}");
        }
        for length in 0..FIRST {
            assert!(answer(&first[..length]).is_none(), "{length}");
        }
        for length in 0..SECOND {
            assert!(begin(CONFIG).prove(&second[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn a_code_is_read_as_people_type_it_and_nothing_else_is() {
        for text in ["123456", " 123 456\n", "123-456", "1 2 3 4 5 6", "12-34‑56"] {
            assert_eq!(Code::read(text), Ok(code("123456")), "{text}");
        }
        for text in ["", "12345", "1234567", "12345a", "１２３４５６", "123.456"] {
            assert_eq!(Code::read(text), Err(NoCode), "{text}");
        }
        assert_eq!(*code("004200").spoken(), "004 200");
        assert_eq!(format!("{:?}", code("123456")), "Code(…)");
    }

    #[test]
    fn every_code_is_as_likely_as_every_other() {
        assert_eq!(Code::new(42), Some(code("000042")));
        assert_eq!(Code::new(1_999_999), Some(code("999999")));
        assert_eq!(Code::new(4_293_999_999), Some(code("999999")));
        assert_eq!(Code::new(4_294_000_000), None);
        assert_eq!(Code::new(u32::MAX), None);
    }
}
