//! Frames out of a stream that TCP cut anywhere, in any order of pushing, taking and changing limits.

use auralync::wire::{Deframer, Frame, Limits, Violation, plain, typed};

use super::input::Input;
use super::watch::Body;

/// What was pushed, in the deframer and in the model, with room to grow.
pub const BODY: Body = Body { name: "deframer", run, most_bytes: 512 * 1024, tries: 3_000 };

fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut limits = Limits { plain: 300, typed: 300 };
    let mut deframer = Deframer::new(limits);
    // All that was pushed, and how much of it has come out.
    let (mut stream, mut read) = (Vec::new(), 0);
    while let Some(what) = input.byte() {
        let bytes = match what & 7 {
            0 => {
                limits = Limits { plain: input.large() as usize, typed: input.large() as usize };
                deframer.set_limits(limits);
                continue;
            }
            1 => plain(input.take(usize::from(what >> 3))),
            2 => typed(what, input.take(usize::from(what >> 3) * 8)),
            n => input.take(usize::from(what >> 3) * usize::from(n) + 1).to_vec(),
        };
        deframer.push(&bytes);
        stream.extend(bytes);
        loop {
            let expected = expect(&stream[read..], limits);
            let found = deframer.next_frame();
            assert_eq!(
                found,
                expected.as_ref().map(|frame| frame.map(|(frame, _)| frame)).map_err(Clone::clone)
            );
            match expected {
                Ok(Some((_, size))) => read += size,
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert_eq!(deframer.pending(), stream.len() - read);
    }
}

/// What must be found at the beginning of `stream`, and how long it is there.
fn expect(stream: &[u8], limits: Limits) -> Result<Option<(Frame<'_>, usize)>, Violation> {
    let Some(first) = stream.first() else { return Ok(None) };
    let is_typed = *first >= 0x80;
    let limit = if is_typed { limits.typed } else { limits.plain };
    if limit == 0 {
        return Err(Violation::Unframed);
    }
    let Some(word) = stream.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*word) & 0x7fff_ffff;
    if length as usize > limit {
        return Err(Violation::TooLong { length, limit });
    }
    if length == 0 {
        return Err(Violation::TooShort { length });
    }
    let size = 4 + length as usize;
    let Some(frame) = stream.get(4..size) else { return Ok(None) };
    let frame = match frame {
        [kind, body @ ..] if is_typed => Frame::Typed { kind: *kind, body },
        payload => Frame::Plain(payload),
    };
    Ok(Some((frame, size)))
}
