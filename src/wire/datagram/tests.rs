use proptest::prelude::*;

use super::*;

fn header(position: u64) -> AudioHeader {
    AudioHeader { flags: 1, frames: 240, position, captured_us: position * 20 }
}

fn sound(number: u32, payload: &[u8]) -> Vec<u8> {
    let header = header(u64::from(number) * 240);
    Piece { stream: 3, number, header, payload }.datagram().unwrap()
}

#[test]
fn a_datagram_of_sound_says_what_it_was_made_of() {
    let piece = Piece { stream: OWN_STREAM, number: 7, header: header(1 << 40), payload: &[1, 2] };
    let bytes = piece.datagram().unwrap();
    assert_eq!(bytes.len(), SOUND_HEADER + 2);
    assert_eq!(bytes[..12], [0xa1, 1, 0x40, 0, 0, 0, 0, 7, 0, 240, 0, 0]);
    assert_eq!(FromServer::read(&bytes), Some(FromServer::Sound(piece)));
}

#[test]
fn nothing_that_is_sent_is_longer_than_a_datagram_and_there_is_room_for_a_seal() {
    let most = [9; MAX_DATAGRAM_PAYLOAD];
    let four: Vec<Vec<u8>> = (4..8).map(|number| sound(number, &most)).collect();
    assert!(four[0].len() + SEAL_ROOM <= MAX_DATAGRAM);
    let parity = parity::<4>([&four[0], &four[1], &four[2], &four[3]]);
    assert!(parity.len() + SEAL_ROOM <= MAX_DATAGRAM);
    let longer = [9; MAX_DATAGRAM_PAYLOAD + 1];
    let piece = Piece { stream: 0, number: 0, header: header(0), payload: &longer };
    assert_eq!(piece.datagram(), None);
    let ask = Ask { missing: (0..2_000).map(|n| n * 2).collect(), ..opening() };
    assert!(Ask { cookie: 1, ..ask }.datagram().len() <= MAX_DATAGRAM);
}

fn opening() -> Ask {
    Ask {
        is_wanted: true,
        parity: Parities::NONE,
        stream: 5,
        token: *b"0123456789abcdef",
        cookie: 0,
        client_us: 99,
        missing: Vec::new(),
    }
}

#[test]
fn an_ask_without_a_cookie_is_as_long_as_a_datagram_may_be_and_asks_for_nothing() {
    let bytes = Ask { missing: vec![1, 2], ..opening() }.datagram();
    assert_eq!(bytes.len(), MAX_DATAGRAM);
    let Some(FromClient::Ask(read)) = FromClient::read(&bytes) else { panic!() };
    // What pads it reads as number 0, which nobody looks at before the address is proven.
    assert_eq!(Ask { missing: Vec::new(), ..read }, opening());
}

#[test]
fn an_answer_says_what_it_was_asked_and_may_be_padded() {
    let answer = Answer { is_proven: true, cookie: 5, client_us: 6, server_us: 7 };
    for length in [0, ANSWER, 500, 9_999] {
        let bytes = answer.datagram(length);
        assert_eq!(bytes.len(), length.clamp(ANSWER, MAX_DATAGRAM));
        assert_eq!(FromServer::read(&bytes), Some(FromServer::Answer(answer)));
    }
}

#[test]
fn a_microphones_sound_and_what_is_missing_of_it_are_read_as_they_were_written() {
    let token = *b"0123456789abcdef";
    let bytes = talk_datagram(&token, 8, 9, header(480), &[3; 100]).unwrap();
    let (header, payload) = (header(480), [3; 100].as_slice());
    let talk = FromClient::Talk { token, cookie: 8, number: 9, header, payload };
    assert_eq!(FromClient::read(&bytes), Some(talk));
    let bytes = missing_datagram(8, &[9, 11, 60]);
    let missing = FromServer::Missing { cookie: 8, numbers: vec![9, 11, 60] };
    assert_eq!(FromServer::read(&bytes), Some(missing));
}

#[test]
fn sound_of_no_frames_or_beyond_every_clock_is_skipped() {
    let good = sound(1, &[0; 8]);
    for (at, value) in [(8, 0), (12, 0xff), (20, 0xff)] {
        let mut bytes = good.clone();
        (bytes[at], bytes[9]) = (value, if at == 8 { 0 } else { bytes[9] });
        assert_eq!(FromServer::read(&bytes), None, "{at}");
    }
}

#[test]
fn a_number_is_found_from_its_lower_half_wherever_counting_stands() {
    let top = 1_u64 << 32;
    for (near, low, number) in [
        (0, 0, 0),
        (10, 5, 5),
        (5, 10, 10),
        (top - 1, 0, top),
        (top, u32::MAX, top - 1),
        (3, u32::MAX, 0),
        (7 * top + 100, 90, 7 * top + 90),
    ] {
        assert_eq!(nearest(near, low), number, "{near} {low}");
    }
}

proptest! {
    #[test]
    fn any_one_of_four_is_restored_from_the_others(
        lengths in prop::array::uniform4(1..300_usize),
        first in (0..1_000_000_u32).prop_map(|n| n * 4),
        lost in 0..4_usize,
    ) {
        let four: Vec<Vec<u8>> = lengths
            .iter()
            .zip(first..)
            .map(|(length, number)| sound(number, &vec![(number % 251) as u8; *length]))
            .collect();
        let parity = parity([&four[0], &four[1], &four[2], &four[3]]);
        let others: Vec<&[u8]> =
            (0..4).filter(|n| *n != lost).map(|n| four[n].as_slice()).collect();
        let restored = restore(&parity, &others);
        prop_assert_eq!(restored.as_ref(), Some(&four[lost]));
        prop_assert_eq!(restore(&parity, &[others[0], others[0], others[2]]), None);
    }

    #[test]
    fn what_is_missing_is_named_however_it_is_spread(
        numbers in prop::collection::btree_set(0..400_u32, 0..12),
        from in any::<u32>(),
    ) {
        let missing: Vec<u32> = numbers.iter().map(|n| from.wrapping_add(*n)).collect();
        let ask = Ask { cookie: 1, missing, ..opening() };
        let bytes = ask.datagram();
        prop_assert_eq!(FromClient::read(&bytes), Some(FromClient::Ask(ask)));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..1300)) {
        for kind in 0xa0..0xa8 {
            let mut bytes = bytes.clone();
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            let _ = (FromServer::read(&bytes), FromClient::read(&bytes));
            let three = [&bytes[..], &bytes[..], &bytes[..]];
            let _ = restore(&bytes, &three);
        }
    }
}
