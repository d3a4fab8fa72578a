//! Decodes Opus for the page. JavaScript writes a packet to `packet()`, calls `decode`, and reads
//! samples from `sound()`. scripts/wasm.sh makes web/opus.wasm of it.

use std::sync::Mutex;

use ropus::{Channels, DecodeMode};

const RATE: u32 = 48_000;

/// Longest packet, in bytes: what the standard lets one frame have.
const MAX_PACKET: usize = 1275;

/// Most frames in a packet: 120 ms.
const MAX_FRAMES: usize = 5760;

/// Decoded sound is a little louder than full scale at most; corrupt packets may be anything.
const LOUDEST: f32 = 2.0;

struct Stream {
    decoder: ropus::Decoder,
    channels: usize,
}

// JavaScript has one thread here, so none of these is ever held by another.
static STREAM: Mutex<Option<Stream>> = Mutex::new(None);
static PACKET: Mutex<[u8; MAX_PACKET]> = Mutex::new([0; MAX_PACKET]);
static SOUND: Mutex<[f32; 2 * MAX_FRAMES]> = Mutex::new([0.0; 2 * MAX_FRAMES]);

/// Where a packet of up to 1275 bytes is to be written.
#[unsafe(no_mangle)]
pub extern "C" fn packet() -> *mut u8 {
    PACKET.lock().map_or(std::ptr::null_mut(), |mut packet| packet.as_mut_ptr())
}

/// Where decoded samples are, interleaved.
#[unsafe(no_mangle)]
pub extern "C" fn sound() -> *const f32 {
    SOUND.lock().map_or(std::ptr::null(), |sound| sound.as_ptr())
}

/// Begins a stream of one or two channels; what came before is forgotten. Whether it could.
#[unsafe(no_mangle)]
pub extern "C" fn begin(channels: u32) -> bool {
    let (layout, channels) = match channels {
        1 => (Channels::Mono, 1),
        2 => (Channels::Stereo, 2),
        _ => return false,
    };
    let (Ok(mut stream), Ok(decoder)) = (STREAM.lock(), ropus::Decoder::new(RATE, layout)) else {
        return false;
    };
    *stream = Some(Stream { decoder, channels });
    true
}

/// Decodes the first `bytes` bytes at [`packet`]. Returns how many frames are at [`sound`] now, or
/// -1 if that is no packet.
#[unsafe(no_mangle)]
pub extern "C" fn decode(bytes: usize) -> i32 {
    let Ok(packet) = PACKET.lock() else { return -1 };
    match packet.get(..bytes) {
        Some(packet) if !packet.is_empty() => run(packet, MAX_FRAMES),
        _ => -1,
    }
}

/// Makes up `frames` frames (120, 240, 480 or 960) that probably came next. Returns as [`decode`].
#[unsafe(no_mangle)]
pub extern "C" fn conceal(frames: usize) -> i32 {
    run(&[], frames.min(MAX_FRAMES))
}

fn run(packet: &[u8], room: usize) -> i32 {
    let (Ok(mut stream), Ok(mut sound)) = (STREAM.lock(), SOUND.lock()) else { return -1 };
    let Some(Stream { decoder, channels }) = stream.as_mut() else { return -1 };
    let sound = &mut sound[..room * *channels];
    let Ok(frames) = decoder.decode_float(packet, sound, DecodeMode::Normal) else { return -1 };
    for sample in sound {
        *sample = if sample.is_nan() { 0.0 } else { sample.clamp(-LOUDEST, LOUDEST) };
    }
    i32::try_from(frames).unwrap_or(-1)
}
