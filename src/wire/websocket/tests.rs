use proptest::prelude::*;

use super::*;
use crate::wire::{kind, typed};

/// A masked frame, as clients send them.
fn masked(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = header(0, payload.len());
    bytes[0] = first;
    bytes[1] |= MASKED;
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn client(first: u8, payload: &[u8]) -> Vec<u8> {
    masked(first, payload, [0x37, 0xfa, 0x21, 0x3d])
}

/// What was heard, in words that outlive the buffer, and how it ended.
fn hear(pieces: &[&[u8]]) -> (Vec<String>, Option<Misuse>) {
    let mut messages = Messages::default();
    let mut heard = Vec::new();
    for piece in pieces {
        messages.push(piece);
        loop {
            match messages.next_heard() {
                Ok(Some(one)) => heard.push(format!("{one:?}")),
                Ok(None) => break,
                Err(misuse) => return (heard, Some(misuse)),
            }
        }
    }
    (heard, None)
}

fn misuse(bytes: &[u8]) -> Option<Misuse> {
    hear(&[bytes]).1
}

#[test]
fn the_key_of_the_standard_is_answered_as_the_standard_answers_it() {
    let answer = accept("dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(answer.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

#[test]
fn what_is_no_key_is_not_answered() {
    for key in ["", "==", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j ZQ==", "dGhlIHNhbXBsZQ=="]
    {
        assert_eq!(accept(key), None, "{key}");
    }
    assert_eq!(accept(&"A".repeat(100_000)), None);
}

#[test]
fn base64_is_the_standards() {
    for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
}

#[test]
fn headers_have_the_three_lengths_of_the_standard() {
    for (payload, expected) in [
        (5, vec![0x82, 5]),
        (125, vec![0x82, 125]),
        (126, vec![0x82, 126, 0, 126]),
        (0xffff, vec![0x82, 126, 0xff, 0xff]),
        (0x1_0000, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut room = [0; 12];
        write_header(&mut room, payload);
        assert_eq!(header_size(payload), expected.len());
        assert_eq!(room[12 - expected.len()..], expected, "{payload}");
    }
}

#[test]
fn a_message_in_fragments_with_a_ping_between_is_one_message() {
    let frame = typed(kind::PING, &[7; 8]);
    let bytes = [
        client(opcode::BINARY, &frame[..3]),
        client(FIN | opcode::PING, b"hi"),
        client(opcode::CONTINUATION, &frame[3..4]),
        client(FIN | opcode::PONG, b"nobody asked"),
        client(FIN | opcode::CONTINUATION, &frame[4..]),
        client(FIN | opcode::CLOSE, b"\x03\xe8bye"),
    ]
    .concat();
    let expected = [
        format!("{:?}", Heard::Ping(b"hi")),
        format!("{:?}", Heard::Frame { kind: kind::PING, body: &[7; 8] }),
        format!("{:?}", Heard::Close(1000)),
    ];
    assert_eq!(hear(&[&bytes]), (expected.to_vec(), None));
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(hear(&single), (expected.to_vec(), None));
    for cut in 0..=bytes.len() {
        assert_eq!(hear(&[&bytes[..cut], &bytes[cut..]]), (expected.to_vec(), None), "{cut}");
    }
}

#[test]
fn what_the_standard_forbids_is_refused() {
    let frame = typed(kind::PING, &[0; 8]);
    let unmasked = message(opcode::BINARY, &frame);
    let long_form = [&[0x82, MASKED | 126, 0, 5][..], &[0; 9]].concat();
    let cases: [(&str, Vec<u8>, Misuse); 13] = [
        ("no mask", unmasked, Misuse::Unmasked),
        ("text", client(FIN | opcode::TEXT, b"hello"), Misuse::Text),
        ("a text's beginning", client(opcode::TEXT, b"h"), Misuse::Text),
        ("an extension's bit", client(0xc2, &frame), Misuse::Malformed),
        ("an unknown opcode", client(FIN | 3, &frame), Misuse::Malformed),
        ("an unknown control", client(FIN | 11, b""), Misuse::Malformed),
        ("a fragment of nothing", client(FIN, &frame), Misuse::Malformed),
        ("a ping in fragments", client(opcode::PING, b""), Misuse::Malformed),
        ("a long ping", client(FIN | opcode::PING, &[0; 126]), Misuse::Malformed),
        ("a length written too long", long_form, Misuse::Malformed),
        ("half a close code", client(FIN | opcode::CLOSE, b"\x03"), Misuse::Malformed),
        ("a close code never sent", client(FIN | opcode::CLOSE, b"\x03\xee"), Misuse::Malformed),
        ("a reason that is no text", client(0x88, b"\x03\xe8\xff"), Misuse::Malformed),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(misuse(&bytes), Some(expected), "{name}");
    }
    let in_message =
        [client(opcode::BINARY, &frame), client(FIN | opcode::BINARY, &frame)].concat();
    assert_eq!(misuse(&in_message), Some(Misuse::Malformed), "a message within a message");
}

#[test]
fn a_message_beyond_the_limit_is_refused_before_it_comes() {
    let header = [0x82, MASKED | 126, 0x10, 0x05];
    assert_eq!(misuse(&header), Some(Misuse::TooBig));
    assert_eq!(misuse(&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1]), Some(Misuse::TooBig));
    let half = vec![0; MAX_CLIENT_MESSAGE / 2 + 1];
    let halves = [client(opcode::BINARY, &half), client(FIN, &half)].concat();
    assert_eq!(misuse(&halves), Some(Misuse::TooBig));
    let longest = typed(kind::REPORT, &vec![b' '; MAX_CLIENT_FRAME - 1]);
    assert_eq!(longest.len(), MAX_CLIENT_MESSAGE);
    let (heard, misuse) = hear(&[&client(FIN | opcode::BINARY, &longest)]);
    assert_eq!((heard.len(), misuse), (1, None));
}

#[test]
fn a_message_is_exactly_one_frame() {
    let frame = typed(kind::PING, &[0; 8]);
    let cases = [
        Vec::new(),
        frame[..4].to_vec(),
        frame[..frame.len() - 1].to_vec(),
        [&frame[..], &[0]].concat(),
        [&frame[..], &frame[..]].concat(),
        crate::wire::plain(b"abcd"),
    ];
    for bytes in cases {
        let sent = client(FIN | opcode::BINARY, &bytes);
        assert_eq!(misuse(&sent), Some(Misuse::NotOneFrame), "{bytes:?}");
    }
}

#[test]
fn a_close_says_its_reason_as_far_as_it_fits_and_never_half_a_letter() {
    assert_eq!(closing(1000, "bye"), b"\x88\x05\x03\xe8bye");
    let long = closing(1000, &"ä".repeat(200));
    assert_eq!((long.len(), long[1]), (2 + 2 + 122, 124));
    assert!(str::from_utf8(&long[4..]).is_ok());
}

proptest! {
    #[test]
    fn whatever_comes_is_heard_alike_however_it_is_cut(
        frames in prop::collection::vec(
            (0..16_u8, any::<bool>(), prop::collection::vec(any::<u8>(), 0..200), any::<[u8; 4]>()),
            0..8),
        noise in prop::collection::vec(any::<u8>(), 0..40),
        cuts in prop::collection::vec(1..50_usize, 1..40),
    ) {
        let mut bytes = Vec::new();
        for (opcode, fin, payload, mask) in frames {
            bytes.extend(masked(if fin { FIN | opcode } else { opcode }, &payload, mask));
        }
        bytes.extend(noise);
        let mut pieces: Vec<&[u8]> = Vec::new();
        let mut rest = bytes.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = later;
        }
        prop_assert_eq!(hear(&pieces), hear(&[&bytes]));
    }

    #[test]
    fn typed_frames_come_through_whatever_the_mask_and_the_fragments(
        body in prop::collection::vec(any::<u8>(), 0..600),
        mask in any::<[u8; 4]>(),
        cuts in prop::collection::vec(0..600_usize, 0..5),
    ) {
        let frame = typed(9, &body);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(frame.len())).collect();
        cuts.extend([0, frame.len()]);
        cuts.sort_unstable();
        let mut bytes = Vec::new();
        for (n, pair) in cuts.windows(2).enumerate() {
            let opcode = if n == 0 { opcode::BINARY } else { opcode::CONTINUATION };
            let fin = if n + 2 == cuts.len() { FIN } else { 0 };
            bytes.extend(masked(fin | opcode, &frame[pair[0]..pair[1]], mask));
        }
        let expected = format!("{:?}", Heard::Frame { kind: 9, body: &body });
        prop_assert_eq!(hear(&[&bytes]), (vec![expected], None));
    }
}

#[test]
fn a_conversation_in_texts_takes_texts_alone_in_one_piece_or_several() {
    let hear = |bytes: &[u8]| {
        let mut messages = Messages::texts();
        messages.push(bytes);
        messages.next_heard().map(|heard| heard.map(|one| format!("{one:?}")))
    };
    let whole = masked_text("ü[1]", [9, 8, 7, 6]);
    assert_eq!(hear(&whole), Ok(Some(format!("{:?}", Heard::Text("ü[1]")))));
    let bytes = "ü[1]".as_bytes();
    // Cut within a letter.
    let pieces = [client(opcode::TEXT, &bytes[..1]), client(0x80, &bytes[1..])].concat();
    assert_eq!(hear(&pieces), Ok(Some(format!("{:?}", Heard::Text("ü[1]")))));
    assert_eq!(hear(&client(0x80 | opcode::TEXT, b"\xff")), Err(Misuse::Malformed));
    assert_eq!(hear(&client(0x80 | opcode::BINARY, b"{}")), Err(Misuse::NotText));
    assert_eq!(
        hear(&masked_text(&"x".repeat(MAX_CLIENT_MESSAGE + 1), [0; 4])),
        Err(Misuse::TooBig)
    );
    assert_eq!(misuse(&whole), Some(Misuse::Text), "a listener's conversation takes none");
}

#[test]
fn a_servers_texts_are_read_wherever_they_are_cut_and_nothing_longer_than_is_wanted() {
    let long = "x".repeat(70_000);
    for said in ["", "ü", &"y".repeat(200), &long] {
        let bytes = [pong(b"1"), text(said), text("next")].concat();
        let end = bytes.len() - text("next").len();
        assert_eq!(server_text(&bytes, 1 << 20), Ok(Some((said.as_bytes().to_vec(), end))));
        for cut in [0, 1, 2, 3, end - 1] {
            assert_eq!(server_text(&bytes[..cut.min(end - 1)], 1 << 20), Ok(None), "{cut}");
        }
    }
    assert_eq!(server_text(&text(&long), 1000), Err(None));
    assert_eq!(server_text(&closing(close::POLICY, "why"), 1000), Err(Some(close::POLICY)));
    assert_eq!(server_text(&binary(b"x"), 1000), Err(None));
    assert_eq!(server_text(b"HTTP/1.1 200 OK", 1000), Err(None));
}
