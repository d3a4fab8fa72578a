use proptest::prelude::*;

use super::*;

/// An operation that nobody borrows.
fn owned(operation: Operation<'_>) -> String {
    format!("{operation:?}")
}

fn all(reader: &mut Reader) -> Result<Vec<String>, Broken> {
    let mut found = Vec::new();
    while let Some(operation) = reader.next()? {
        found.push(owned(operation));
    }
    Ok(found)
}

fn read(bytes: &[u8]) -> Result<Vec<String>, Broken> {
    let mut reader = Reader::default();
    reader.push(bytes);
    all(&mut reader)
}

#[test]
fn what_an_engine_says_is_understood() {
    let said = b"INFO {\"version\":\"2.9.10\",\"nonce\":\"abc\",\"max_payload\":32768}\r\nPING\r\n+OK\r\n\
        MSG al.1.audio 7 5\r\nhel\r\n\r\nMSG al.1.time 8 _INBOX.q 0\r\n\r\n-ERR 'Slow Consumer'\r\npong\r\n";
    let mut reader = Reader::default();
    reader.push(said);
    let Ok(Some(Operation::Info(info))) = reader.next() else { panic!("no info") };
    assert_eq!((info.nonce.as_deref(), info.max_payload), (Some("abc"), 32_768));
    assert_eq!(reader.next(), Ok(Some(Operation::Ping)));
    assert_eq!(reader.next(), Ok(Some(Operation::Ok)));
    let (subject, payload) = ("al.1.audio", &b"hel\r\n"[..]);
    let message = Operation::Message { subject, subscription: 7, reply: None, payload };
    assert_eq!(reader.next(), Ok(Some(message)));
    let (subject, reply) = ("al.1.time", Some("_INBOX.q"));
    let message = Operation::Message { subject, subscription: 8, reply, payload: b"" };
    assert_eq!(reader.next(), Ok(Some(message)));
    assert_eq!(reader.next(), Ok(Some(Operation::Refused("Slow Consumer"))));
    assert_eq!(reader.next(), Ok(Some(Operation::Pong)));
    assert_eq!(reader.next(), Ok(None));
}

#[test]
fn what_is_no_engine_is_refused_with_what_it_says() {
    assert_eq!(read(b"HTTP/1.1 400 Bad\r\n"), Err(Broken::Unknown("HTTP/1.1 400 Bad".to_owned())));
    for broken in [
        &b"PING\n"[..],
        b"\r\n",
        b"INFO nothing\r\n",
        b"INFO [1]\r\n",
        b"MSG\r\n",
        b"MSG a 1\r\n",
        b"MSG a one 1\r\nx\r\n",
        b"MSG a 1 2 3 4\r\n",
        b"MSG a 1 -1\r\n",
        b"MSG a 1 99999999999999999999\r\n",
        b"\xff\xfe\r\n",
    ] {
        assert!(matches!(read(broken), Err(Broken::Unknown(_))), "{broken:?}");
    }
    assert_eq!(read(b"MSG a 1 2\r\nxyz\r\n"), Err(Broken::Unfinished));
}

#[test]
fn nothing_is_kept_that_is_longer_than_it_may_be() {
    assert_eq!(read(b"MSG a 1 67108864\r\n"), Err(Broken::LongPayload(64 << 20)));
    let mut reader = Reader::default();
    reader.push(&vec![b'x'; MAX_LINE]);
    assert_eq!(reader.next(), Ok(None));
    reader.push(b"xx");
    assert_eq!(reader.next(), Err(Broken::LongLine));
    let mut line = vec![b'x'; MAX_LINE + 1];
    line.extend(b"\r\n");
    assert_eq!(read(&line), Err(Broken::LongLine));
}

#[test]
fn what_is_said_is_as_the_protocol_has_it() {
    let mut writer = Writer::default();
    writer.subscribe("al.1.meta", 3);
    writer.publish("al.1.audio", None, &[b"ab", b"c"]);
    writer.publish("al.1.time", Some("_INBOX.q"), &[]);
    writer.unsubscribe(3);
    writer.ping();
    writer.pong();
    let said = b"SUB al.1.meta 3\r\nPUB al.1.audio 3\r\nabc\r\nPUB al.1.time _INBOX.q 0\r\n\r\nUNSUB 3\r\nPING\r\nPONG\r\n";
    assert_eq!(writer.waiting(), said);
    writer.wrote(said.len() - 6);
    assert_eq!(writer.waiting(), b"PONG\r\n");
}

proptest! {
    #[test]
    fn operations_are_the_same_however_the_stream_is_cut(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..12),
        cuts in prop::collection::vec(1..40_usize, 1..30),
    ) {
        let mut bytes = b"INFO {\"version\":\"2.15.1\"}\r\n".to_vec();
        for payload in &payloads {
            bytes.extend(format!("MSG al.1.audio 1 {}\r\n", payload.len()).as_bytes());
            bytes.extend(payload);
            bytes.extend(b"\r\nPING\r\n");
        }
        let whole = read(&bytes).unwrap();
        let (mut reader, mut found, mut rest) = (Reader::default(), Vec::new(), &*bytes);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            reader.push(now);
            found.extend(all(&mut reader).unwrap());
            rest = later;
        }
        prop_assert_eq!(found, whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
        let _ = read(&[b"MSG ", &*bytes].concat());
    }
}
