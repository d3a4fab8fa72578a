//! What a server says that sound is sent to, and pages of whatever order packets come in.

use auralync::codec::Codec;
use auralync::format::Format;
use auralync::icecast::answer::{Answers, Rubbish};
use auralync::icecast::pages::{About, Pages};
use auralync::icecast::session::Session;
use auralync::wire::{AudioFrame, AudioHeader};

use super::input::Input;
use super::watch::Body;

/// A head of an answer twice over, a few words, and five seconds of pages.
pub const BODY: Body = Body { name: "icecast", run, most_bytes: 2 * 1024 * 1024, tries: 3_000 };

fn run(data: &[u8]) {
    let mut input = Input(data);
    let piece = input.small() as usize + 1;
    let said = input.take(4_096);
    assert_eq!(heard(said, piece), heard(said, said.len().max(1)), "in pieces, and as a whole");
    send(Input(data));
}

/// What was answered, and the words behind it.
fn heard(said: &[u8], piece: usize) -> (Vec<u16>, Result<String, Rubbish>) {
    let (mut answers, mut told) = (Answers::default(), Vec::new());
    let read = said
        .chunks(piece)
        .try_for_each(|some| answers.read(some, |answer| told.push(answer.status)));
    (told, read.map(|()| answers.words()))
}

/// A connection on which all happens in the order that the input says.
fn send(mut input: Input<'_>) {
    let about = About { format: Format { sample_rate: 48_000, channels: 2 }, name: "n".to_owned() };
    let request = b"PUT /x HTTP/1.1\r\n\r\n".to_vec().into();
    let (mut session, mut now_us) = (Session::new(request, Pages::new(about, 1), 0), 0);
    let mut written = Vec::new();
    while let Some(what) = input.byte() {
        let going_on = match what % 6 {
            0 => session.read(b"HTTP/1.1 100 Continue\r\n\r\n", now_us),
            1 => {
                let count = input.small() as usize;
                session.read(input.take(count), now_us)
            }
            2 | 3 => {
                let position =
                    if what < 128 { input.large() * 960 } else { input.any() % (1 << 62) };
                let [flags, frames] = [0, 0].map(|_| input.small());
                let header = AudioHeader {
                    position,
                    captured_us: 0,
                    flags: flags as u8 & 1,
                    frames: frames as u32 % 4 * 480,
                };
                let packet = input.take(frames as usize);
                let frame = AudioFrame::new(Codec::all()[6], header, packet.len(), |bytes| {
                    bytes.copy_from_slice(packet);
                });
                session.sound(&frame, now_us);
                Ok(())
            }
            4 => {
                let count = session.waiting().len().min(input.large() as usize);
                written.extend_from_slice(&session.waiting()[..count]);
                session.wrote(count);
                Ok(())
            }
            _ if what >= 192 => {
                session.begin_anew(Format { sample_rate: 44_100, channels: 1 }, now_us);
                Ok(())
            }
            _ => {
                now_us += input.large() * 100;
                Ok(())
            }
        };
        if let Err(fault) = going_on.and_then(|()| session.mind(now_us)) {
            assert!(!fault.to_string().chars().any(char::is_control));
            return;
        }
    }
    session.end(now_us);
    written.extend_from_slice(session.waiting());
    let sound =
        written.strip_prefix(b"PUT /x HTTP/1.1\r\n\r\n".as_slice()).expect("what came first");
    assert!(sound.is_empty() || sound.starts_with(b"OggS"), "nothing else stands before the sound");
}
