//! Private rooms for the page: src/secure, which the programs are made of too. JavaScript writes bytes to
//! `place()`, calls a function with how many they are, and reads as many there as it returns; below 0 it
//! has refused them. scripts/wasm.sh makes web/secure.wasm of it.

use std::sync::Mutex;

use base64ct::{Base64UrlUnpadded, Encoding};
use qrcode::{Color, EcLevel, QrCode};
use zeroize::{Zeroize, Zeroizing};

#[allow(dead_code, reason = "the server's half of it is for the programs")]
#[path = "../../src/secure"]
mod secure {
    mod derive;
    pub(crate) mod handshake;
    pub(crate) mod keyring;
    pub(crate) mod room;
    pub(crate) mod seal;
    mod window;

    pub(crate) use derive::Key;
    pub(crate) use window::{Window, nearest};
}

use secure::Key;
use secure::handshake::{Asking, Channel, Pair, Terms};
use secure::keyring::{Keyring, Kind};
use secure::room::{Link, SECRET, SERVER, Secret, name_of};

/// Bytes that fit at [`place`]: the longest frame, sealed.
const ROOM: usize = 262_400;

/// Characters of 32 bytes as text.
const KEY_TEXT: usize = 43;

/// Bytes of a sealed frame's body, of a sealed datagram of sound, and of one of parity, that lie open.
const FRAME_HEADER: usize = 23;
const SOUND_HEADER: usize = 28;
const PARITY_HEADER: usize = 12;

/// First bytes of datagrams, and what the eleventh of parity says where that is over two.
const SOUND: u8 = 0xa1;
const PARITY: u8 = 0xa2;
const EPOCHS: u8 = 0xa8;
const PAIR: u8 = 2;

/// What was given is not what it should be, or is sealed wrongly.
const REFUSED: i32 = -1;

/// The link is for another server.
const OTHER_SERVER: i32 = -2;

#[derive(Default)]
struct State {
    link: Option<Link>,
    asking: Option<Asking>,
    channel: Option<Channel>,
    ring: Option<Keyring>,
    /// What was opened last.
    opened: Vec<u8>,
}

// JavaScript has one thread here, so neither is ever held by another.
static PLACE: Mutex<[u8; ROOM]> = Mutex::new([0; ROOM]);
static STATE: Mutex<Option<State>> = Mutex::new(None);

/// Where bytes are to be written, and read.
#[unsafe(no_mangle)]
pub extern "C" fn place() -> *mut u8 {
    PLACE.lock().map_or(std::ptr::null_mut(), |mut place| place.as_mut_ptr())
}

/// How many bytes there are at [`place`].
#[unsafe(no_mangle)]
pub extern "C" fn room() -> usize {
    ROOM
}

/// Runs with the first `bytes` bytes at [`place`], wipes those, and puts there what comes of it.
fn run(bytes: usize, what: impl FnOnce(&mut State, &[u8]) -> Result<Vec<u8>, i32>) -> i32 {
    let (Ok(mut place), Ok(mut state)) = (PLACE.lock(), STATE.lock()) else { return REFUSED };
    let Some(given) = place.get_mut(..bytes) else { return REFUSED };
    let made = what(state.get_or_insert_default(), given).map(Zeroizing::new);
    given.zeroize();
    match made {
        Ok(made) => match (place.get_mut(..made.len()), i32::try_from(made.len())) {
            (Some(room), Ok(length)) => {
                room.copy_from_slice(&made);
                length
            }
            _ => REFUSED,
        },
        Err(refused) => refused,
    }
}

/// Takes what stands behind the `#` of a link.
#[unsafe(no_mangle)]
pub extern "C" fn link(bytes: usize) -> i32 {
    run(bytes, |state, text| {
        let link = read_text::<{ SECRET + SERVER }>(text)?;
        let (secret, server) = link.split_first_chunk().ok_or(REFUSED)?;
        let server = *server.first_chunk().ok_or(REFUSED)?;
        state.link = Some(Link { secret: Secret::new(*secret), server });
        Ok(Vec::new())
    })
}

/// Makes the body of an `enter` frame of: the text of the server's key, a private key of 32 bytes, 32 random
/// bytes that are used for nothing else, a config's payload of `config` bytes, and a hello's body.
/// [`OTHER_SERVER`] where the link is not for the server with that key.
#[unsafe(no_mangle)]
pub extern "C" fn enter(bytes: usize, config: usize) -> i32 {
    run(bytes, |state, given| {
        let (server, given) = split(given, KEY_TEXT)?;
        let (private, given) = given.split_first_chunk::<32>().ok_or(REFUSED)?;
        let (random, given) = given.split_first_chunk::<32>().ok_or(REFUSED)?;
        let (config, hello) = split(given, config)?;
        let link = state.link.as_ref().ok_or(REFUSED)?;
        let server = *read_text::<32>(server)?;
        if name_of(&server) != link.server {
            return Err(OTHER_SERVER);
        }
        let own = Pair::new(Key::new(*private));
        let random = Key::new(*random);
        let terms = Terms { secret: &link.secret, own: &own, config, random: &random };
        let (asking, message) = terms.ask(&server, hello).ok_or(REFUSED)?;
        (state.asking, state.channel, state.ring) = (Some(asking), None, None);
        Ok(message)
    })
}

/// The body of the welcome that the body of an `entered` frame holds; all that is sealed follows.
#[unsafe(no_mangle)]
pub extern "C" fn entered(bytes: usize) -> i32 {
    run(bytes, |state, body| {
        let asking = state.asking.take().ok_or(REFUSED)?;
        let (channel, welcome) = asking.finish(body).map_err(|_| REFUSED)?;
        state.channel = Some(channel);
        Ok(welcome.to_vec())
    })
}

/// Takes the text of the secret of sound that is for this page alone; epochs are to be told anew.
#[unsafe(no_mangle)]
pub extern "C" fn own(bytes: usize) -> i32 {
    run(bytes, |state, text| {
        state.ring = Some(Keyring::new(Key::new(*read_text::<32>(text)?)));
        Ok(Vec::new())
    })
}

/// Takes the text of an epoch's secret.
#[unsafe(no_mangle)]
pub extern "C" fn epoch(bytes: usize, number: u32) -> i32 {
    run(bytes, |state, text| {
        let number = u8::try_from(number).map_err(|_| REFUSED)?;
        let ring = state.ring.as_mut().ok_or(REFUSED)?;
        ring.learn(number, Key::new(*read_text::<32>(text)?));
        Ok(Vec::new())
    })
}

/// No sound of epochs before that one comes any more.
#[unsafe(no_mangle)]
pub extern "C" fn since(bytes: usize, epoch: u32) -> i32 {
    run(bytes, |state, _| {
        let epoch = u8::try_from(epoch).map_err(|_| REFUSED)?;
        state.ring.as_mut().ok_or(REFUSED)?.forget_before(epoch);
        Ok(Vec::new())
    })
}

/// Takes the text of the room's secret as it is from now on; returns the link's text behind its `#`.
#[unsafe(no_mangle)]
pub extern "C" fn secret(bytes: usize) -> i32 {
    run(bytes, |state, text| {
        let link = state.link.as_mut().ok_or(REFUSED)?;
        link.secret = Secret::new(*read_text::<16>(text)?);
        Ok(link.fragment().as_bytes().to_vec())
    })
}

/// Seals a kind and a body as the body of a `private` frame.
#[unsafe(no_mangle)]
pub extern "C" fn seal(bytes: usize) -> i32 {
    run(bytes, |state, message| {
        let channel = state.channel.as_mut().ok_or(REFUSED)?;
        channel.sealing.seal(message).ok_or(REFUSED)
    })
}

/// The kind and the body that the body of a `private` frame holds.
#[unsafe(no_mangle)]
pub extern "C" fn open(bytes: usize) -> i32 {
    run(bytes, |state, sealed| {
        let channel = state.channel.as_mut().ok_or(REFUSED)?;
        Ok(channel.opening.open(sealed).map_err(|_| REFUSED)?.to_vec())
    })
}

/// Opens the body of a `sealed` frame: what lies open of it, and its payload.
#[unsafe(no_mangle)]
pub extern "C" fn sound(bytes: usize) -> i32 {
    run(bytes, |state, body| {
        let header = body.first_chunk::<FRAME_HEADER>().ok_or(REFUSED)?;
        let [_, stream, epoch, _, _, _, _, position @ ..] = *header;
        let counter = position.first_chunk().map(|counter| u64::from_be_bytes(*counter));
        let counter = counter.ok_or(REFUSED)?;
        let ring = state.ring.as_mut().ok_or(REFUSED)?;
        let which = (Kind::Frame, epoch, stream);
        let is_right = ring.open(which, counter, FRAME_HEADER, body, &mut state.opened);
        joined(is_right, header, &state.opened)
    })
}

/// Opens a datagram; what is never sealed stays as it is, and of keys nothing is left.
#[unsafe(no_mangle)]
pub extern "C" fn datagram(bytes: usize) -> i32 {
    run(bytes, |state, datagram| {
        let (kind, open) = match *datagram {
            [SOUND, ..] => (Kind::Sound, SOUND_HEADER),
            [PARITY, _, _, _, _, _, _, _, _, _, PAIR, ..] => (Kind::OfTwo, PARITY_HEADER),
            [PARITY, ..] => (Kind::OfFour, PARITY_HEADER),
            [EPOCHS, _, _, _, ref told @ ..] => {
                state.ring.as_mut().ok_or(REFUSED)?.learn_all(told);
                return Ok(Vec::new());
            }
            _ => return Ok(datagram.to_vec()),
        };
        let (header, _) = split(datagram, open)?;
        let [_, _, stream, epoch, number @ ..] = header else { return Err(REFUSED) };
        let number = number.first_chunk().map(|number| u32::from_be_bytes(*number));
        let (which, number) = ((kind, *epoch, *stream), number.ok_or(REFUSED)?);
        let ring = state.ring.as_mut().ok_or(REFUSED)?;
        let is_right = ring.open_number(which, number, open, datagram, &mut state.opened);
        joined(is_right, header, &state.opened)
    })
}

/// A text as a QR code: a row behind the other, a byte for each square, 1 where it is dark.
#[unsafe(no_mangle)]
pub extern "C" fn code(bytes: usize) -> i32 {
    run(bytes, |_, text| {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).map_err(|_| REFUSED)?;
        Ok(code.to_colors().iter().map(|color| u8::from(*color == Color::Dark)).collect())
    })
}

fn split(bytes: &[u8], at: usize) -> Result<(&[u8], &[u8]), i32> {
    bytes.split_at_checked(at).ok_or(REFUSED)
}

fn joined(is_right: bool, header: &[u8], payload: &[u8]) -> Result<Vec<u8>, i32> {
    if is_right { Ok([header, payload].concat()) } else { Err(REFUSED) }
}

fn read_text<const LENGTH: usize>(text: &[u8]) -> Result<Zeroizing<[u8; LENGTH]>, i32> {
    let mut key = Zeroizing::new([0; LENGTH]);
    match Base64UrlUnpadded::decode(text, &mut *key).map(<[u8]>::len) {
        Ok(length) if length == LENGTH => Ok(key),
        _ => Err(REFUSED),
    }
}
