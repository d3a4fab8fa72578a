//! What one peer can make the server's core hold, against what `docs/protocol.md` says.

use std::io::{self, IoSlice};

use auralync::send::fanout::{Asks, Listener, Log};
use auralync::wire::{
    Hello, MAX_CLIENT_FRAME, MAX_NAME_BYTES, MAX_PEOPLE, Notice, People, Person, Ping, Reason,
    Wish, typed,
};

use super::held;

const DOCUMENT: &str = include_str!("../../docs/protocol.md");

/// Bytes that a server reads at a time.
const READ_BYTES: usize = 16_384;

/// The bytes that the document allows for whatever its line says.
fn allowed(line: &str) -> usize {
    let start = DOCUMENT.find("### What a peer can make a server allocate").unwrap();
    let row = DOCUMENT[start..].lines().find(|row| row.starts_with("| ") && row.contains(line));
    let number = row.unwrap().trim_start_matches("| ").split([' ', '|']).next().unwrap();
    number.replace(',', "").parse().unwrap()
}

/// The longest list of people, each name of which is escaped in JSON.
fn longest_list() -> Vec<u8> {
    let person = Person {
        person: u32::MAX,
        name: "\"".repeat(MAX_NAME_BYTES),
        can_talk: false,
        is_muted: false,
        is_deaf: false,
        is_speaking: false,
    };
    People { you: u32::MAX, people: vec![person; MAX_PEOPLE], elsewhere: 0 }.frame()
}

#[test]
fn a_hostile_listener_makes_the_server_hold_no_more_than_the_document_says() {
    let log = Log::new(4);
    let list = longest_list();
    let before = held();
    let peer = ([127, 0, 0, 1], 1).into();
    let mut listener = Listener::seated(peer, vec![b' '; 88], &log, 0);
    // A socket that takes nothing, and one byte where something must have been begun.
    let blocked = |_: &[IoSlice<'_>]| Err(io::ErrorKind::WouldBlock.into());
    let id = "\u{1f600}".repeat(64);
    let codecs = vec!["x".repeat(10); 16];
    let hello =
        Hello { version: 2, id: id.clone(), name: id, codecs, talk: None, datagrams: false };
    let Ok(Asks::Welcome(hello)) = listener.read(&hello.frame(), 0) else { panic!("no hello") };
    listener.welcome(hello, vec![0; 600], &log, 0);
    listener.person = Some(1);
    let volumes = (0..128).map(|who| (who * 1_000, 1)).collect();
    let wish = Wish { volumes, ..Wish::default() };
    let Ok(Asks::Wish(wish)) = listener.read(&wish.frame(), 0) else { panic!("no wish") };
    assert!(listener.grant(wish, |_| true));
    // The config, the welcome and a list go out but for the list's last bytes; the next one waits.
    listener.outbox.people(list.clone());
    let mut room = 88 + 600 + 1;
    let most = |slices: &[IoSlice<'_>]| {
        let count = slices[0].len().min(room);
        room -= count;
        if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    };
    listener.outbox.write(&log, 0, 0, most).unwrap();
    listener.outbox.people(list);
    for reason in [Reason::PlayoutDelay, Reason::Muted] {
        listener.outbox.notice(&Notice::because(reason, &"x".repeat(300)));
    }
    assert_eq!(listener.read(&Ping { client_us: 1 }.frame(), 0), Ok(Asks::Nothing));
    listener.outbox.write(&log, 0, 0, blocked).unwrap();
    // All but the last byte of the longest frame, and then as much as is read at a time.
    let longest = typed(200, &vec![0; MAX_CLIENT_FRAME - 1]);
    let (last, head) = longest.split_last().unwrap();
    assert_eq!(listener.read(head, 0), Ok(Asks::Nothing));
    let mut more = [&[*last], &longest[..], &longest, &longest, &longest].concat();
    more.truncate(READ_BYTES);
    assert_eq!(listener.read(&more, 0), Ok(Asks::Nothing));

    let held = usize::try_from(held() - before).unwrap() + size_of::<Listener>();
    let parts = [allowed("is no whole frame yet"), allowed("its seat"), allowed("list of people")];
    let most: usize = parts.iter().sum();
    println!("{held} bytes of {most}");
    assert!(held <= most, "{held} bytes, and the document allows {most}");
    // A bound that is far from what can be is none.
    assert!(held * 2 >= most, "{held} bytes, and the document allows {most}");
}
