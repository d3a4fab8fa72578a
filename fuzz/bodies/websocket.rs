//! Messages out of a browser's bytes, and a server's texts out of a program's.

use auralync::wire::websocket::{
    self, Heard, MAX_CLIENT_MESSAGE, MAX_CONTROL, Messages, Misuse, masked_text, server_text,
};

use super::input::Input;
use super::watch::Body;

/// What came, what is whole of it, and copies for comparison.
pub const BODY: Body = Body { name: "websocket", run, most_bytes: 1 << 20, tries: 3_000 };

fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(mode) = input.byte() else { return };
    let piece = input.small() as usize + 1;
    let bytes = input.0;
    let takes_texts = mode & 1 != 0;
    match mode >> 1 & 3 {
        0 => drop(hear(bytes, piece, takes_texts)),
        1 => {
            let whole = hear(bytes, bytes.len().max(1), takes_texts);
            assert_eq!(hear(bytes, piece, takes_texts), whole, "wherever TCP cut");
        }
        2 => back_again(&String::from_utf8_lossy(bytes), piece),
        _ => from_a_server(bytes, piece << 4),
    }
}

/// All that was heard, each as a text, and how it ended.
fn hear(bytes: &[u8], piece: usize, takes_texts: bool) -> (Vec<String>, Option<Misuse>) {
    let mut messages = if takes_texts { Messages::texts() } else { Messages::default() };
    let mut heard = Vec::new();
    for piece in bytes.chunks(piece) {
        messages.push(piece);
        loop {
            match messages.next_heard() {
                Ok(None) => break,
                Ok(Some(one)) => {
                    match &one {
                        Heard::Frame { body, .. } => {
                            assert!(!takes_texts && body.len() + 5 <= MAX_CLIENT_MESSAGE);
                        }
                        Heard::Text(text) => {
                            assert!(takes_texts && text.len() <= MAX_CLIENT_MESSAGE);
                        }
                        Heard::Ping(payload) => {
                            assert!(payload.len() <= MAX_CONTROL);
                            assert_eq!(websocket::pong(payload).len(), 2 + payload.len());
                        }
                        Heard::Close(code) => {
                            assert!((1000..5000).contains(code));
                            assert_eq!(websocket::closing(*code, "").len(), 4);
                        }
                    }
                    if heard.len() < 64 {
                        heard.push(format!("{one:?}"));
                    }
                }
                Err(misuse) => {
                    assert!((1000..1014).contains(&misuse.close_code()));
                    return (heard, Some(misuse));
                }
            }
        }
    }
    (heard, None)
}

/// A text goes out as programs send it and as servers do, and comes in as it was.
fn back_again(text: &str, piece: usize) {
    let mask = [1, 0x80, 0xff, piece as u8];
    let mut messages = Messages::texts();
    messages.push(&masked_text(text, mask));
    match messages.next_heard() {
        Ok(Some(Heard::Text(heard))) => assert_eq!(heard, text),
        other => {
            assert_eq!(other, Err(Misuse::TooBig));
            assert!(text.len() > MAX_CLIENT_MESSAGE);
        }
    }
    let said = websocket::text(text);
    assert_eq!(server_text(&said, text.len()), Ok(Some((text.as_bytes().to_vec(), said.len()))));
    let reason = websocket::closing(1000, text);
    assert!(reason.len() <= 2 + MAX_CONTROL && str::from_utf8(&reason[4..]).is_ok());
    if let Some(accept) = websocket::accept(text) {
        assert_eq!(accept.len(), 28);
    }
}

/// What is not whole yet becomes no other text when more comes.
fn from_a_server(bytes: &[u8], most: usize) {
    let whole = server_text(bytes, most);
    if let Ok(Some((text, end))) = &whole {
        assert!(text.len() <= most && *end <= bytes.len());
    }
    for end in (0..bytes.len()).step_by(1 + bytes.len() / 8) {
        let part = server_text(&bytes[..end], most);
        assert!(part == Ok(None) || part == whole, "{part:?} of {whole:?}");
    }
}
