use std::collections::BTreeMap;

use super::*;
use crate::format::Format;
use crate::scratch::Scratch;
use crate::secure::Key;
use crate::secure::code::Code;
use crate::secure::handshake::{Pair, Terms};
use crate::secure::room::{Link, Secret};
use crate::wire::{AudioFrame, AuralyncKey, RoomKeys, SERVER_FULL, SecretText, typed};

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

fn config(version: Option<u32>) -> Config {
    let auralync = version.map(|version| AuralyncKey { version, hold: false, room: None });
    Config { sample_rate: 48_000, channels: 2, chunk_size: 2, auralync }
}

fn welcome(codec: &str) -> Welcome {
    Welcome {
        version: 2,
        session: "00".into(),
        name: String::new(),
        format: STEREO,
        codec: codec.into(),
        chunk_size: 2,
        position_rate: 48_000,
        algorithmic_delay: 0,
        playout_delay_ms: 80,
        ping_ms: 250,
        accepts: BTreeMap::new(),
        person: None,
        captured_output: None,
        also_captured: Vec::new(),
        within_ms: None,
        via: Vec::new(),
        datagrams: None,
        room: None,
    }
}

fn conversation(known: bool) -> Conversation {
    Conversation::new(hello("id".into(), "me"), known)
}

fn typed_frame(bytes: &[u8]) -> Frame<'_> {
    Frame::Typed { kind: bytes[4], body: &bytes[5..] }
}

#[test]
fn an_old_servers_frames_are_numbered_by_count() {
    let mut old = conversation(false);
    let first = config(None).frame();
    assert_eq!(old.take(Frame::Plain(&first[4..])), Ok(Event::Plain(config(None))));
    assert_eq!(old.limits(), Limits { plain: 16, typed: 0 });
    for position in [0, 2, 4] {
        let event = old.take(Frame::Plain(&[0; 16])).unwrap();
        let samples = [0.0; 4].as_slice();
        let (captured_us, broken, frames, concealed) = (None, false, 2, 0);
        let sound = Sound { position, captured_us, broken, frames, concealed, samples };
        let expected = Event::Audio(sound);
        assert_eq!(event, expected);
    }
    assert!(old.take(Frame::Plain(&[0; 12])).is_err(), "a frame of another size");
}

#[test]
fn a_new_server_is_greeted_and_its_plain_frames_are_dropped_until_the_welcome() {
    let mut new = conversation(false);
    let first = config(Some(2)).frame();
    let Ok(Event::Say(bytes)) = new.take(Frame::Plain(&first[4..])) else { panic!() };
    assert_eq!(bytes[4], kind::HELLO);
    assert_eq!(new.take(Frame::Plain(&[0; 16])), Ok(Event::Nothing));
    assert!(!new.is_typed());
    let frame = welcome("f32").frame();
    assert_eq!(new.take(typed_frame(&frame)), Ok(Event::Welcome(welcome("f32"))));
    assert!(new.is_typed());
    let header = AudioHeader { flags: 1, frames: 1, position: 7, captured_us: 8 };
    let audio = AudioFrame::float32(header, &[0.5, f32::NAN]);
    let expected = Event::Audio(Sound {
        position: 7,
        captured_us: Some(8),
        broken: true,
        frames: 1,
        concealed: 0,
        samples: &[0.5, 0.0],
    });
    assert_eq!(new.take(typed_frame(audio.typed())), Ok(expected));
    assert!(new.take(Frame::Plain(&[0; 16])).is_err());
}

#[test]
fn a_server_of_the_future_is_spoken_to_in_our_version() {
    let first = config(Some(9)).frame();
    assert!(matches!(conversation(false).take(Frame::Plain(&first[4..])), Ok(Event::Say(_))));
}

#[test]
fn a_full_server_is_asked_again_only_by_one_that_it_knows() {
    assert_eq!(
        conversation(false).take(Frame::Plain(&SERVER_FULL[4..])),
        Ok(Event::Full(Full::Server))
    );
    let mut ghost = conversation(true);
    assert!(matches!(ghost.take(Frame::Plain(&SERVER_FULL[4..])), Ok(Event::Say(_))));
    assert!(ghost.is_refused() && ghost.awaits_welcome());
    let frame = welcome("f32").frame();
    assert!(matches!(ghost.take(typed_frame(&frame)), Ok(Event::Welcome(_))));
    assert!(!ghost.is_refused() && !ghost.awaits_welcome());
}

#[test]
fn a_codec_that_was_not_asked_for_is_refused_and_float32_is_always_asked_for() {
    for (asked, answer, is_fine) in
        [("s16", "f32", true), ("s16", "s16", true), ("f32", "s16", false), ("s24", "opus", false)]
    {
        let hello = Hello { codecs: vec![asked.into()], ..hello("id".into(), "me") };
        let mut new = Conversation::new(hello, false);
        let _ = new.take(Frame::Plain(&config(Some(2)).frame()[4..]));
        let frame = welcome(answer).frame();
        assert_eq!(new.take(typed_frame(&frame)).is_ok(), is_fine, "{asked}: {answer}");
    }
}

#[test]
fn positions_at_another_rate_than_the_sounds_are_refused() {
    for wrong in [
        Welcome { position_rate: 44_100, ..welcome("f32") },
        Welcome { algorithmic_delay: 1 << 20, ..welcome("f32") },
    ] {
        let mut new = conversation(false);
        let _ = new.take(Frame::Plain(&config(Some(2)).frame()[4..]));
        assert!(new.take(typed_frame(&wrong.frame())).is_err());
    }
}

#[test]
fn what_we_cannot_play_is_refused_and_what_we_do_not_know_is_skipped() {
    let mut new = conversation(false);
    let first = config(Some(2)).frame();
    let _ = new.take(Frame::Plain(&first[4..]));
    assert_eq!(new.take(Frame::Typed { kind: 99, body: &[] }), Ok(Event::Nothing));
    let frame = welcome("quantum").frame();
    assert!(new.take(typed_frame(&frame)).is_err());
}

/// A private room's server, as far as somebody enters.
struct Host {
    pair: Pair,
    config: Vec<u8>,
}

impl Host {
    fn new() -> Self {
        let pair = Pair::new(Key::new([2; 32]));
        let room = PrivateRoom { key: pair.public, id: "id".into(), once: [3; 16] };
        let key = AuralyncKey { version: VERSION, hold: true, room: Some(room) };
        let config = Config { auralync: Some(key), ..config(None) }.frame().split_off(4);
        Self { pair, config }
    }

    fn link(&self) -> Link {
        Link { secret: Secret::new([1; 16]), server: name_of(&self.pair.public) }
    }

    /// What lets whoever says that first message in.
    fn answer(&self, first: &[u8]) -> Vec<u8> {
        let link = self.link();
        let random = &Key::new([4; 32]);
        let terms = Terms { secret: &link.secret, own: &self.pair, config: &self.config, random };
        let asked = terms.take(&first[5..]).unwrap();
        let text = SecretText::new(&[5; 32]);
        let secret = SecretText::new(&[1; 16]);
        let keys = RoomKeys { own: text, epochs: BTreeMap::new(), secret };
        let room = Some(Box::new(keys));
        let body = Welcome { room, ..welcome("f32") }.frame().split_off(5);
        typed(kind::ENTERED, &asked.answer(&body).unwrap().1)
    }
}

fn greets(conversation: &mut Conversation, payload: &[u8]) -> Vec<u8> {
    match conversation.take(Frame::Plain(payload)) {
        Ok(Event::Say(said)) => said,
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_was_in_a_private_room_or_has_its_link_says_no_hello_openly_any_more() {
    let host = Host::new();
    let scratch = Scratch::new();
    let rooms = |given, known| Rooms::of((given, None), known, scratch.path("rooms")).unwrap();
    let open = config(Some(3)).frame();
    let full = &SERVER_FULL[4..];
    let remembers = rooms(None, vec![host.link()]);
    let with = |rooms: &Rooms| conversation(true).with(Some(rooms.clone()));
    assert_eq!(greets(&mut with(&remembers), &open[4..])[4], kind::HELLO, "it never was there");
    let mut enters = with(&remembers);
    let answer = host.answer(&greets(&mut enters, &host.config));
    assert!(matches!(enters.take(typed_frame(&answer)), Ok(Event::Welcome(_))));
    for rooms in [remembers, rooms(Some(host.link()), Vec::new())] {
        assert_eq!(with(&rooms).take(Frame::Plain(&open[4..])), Ok(Event::Shut(Shut::Open)));
        assert_eq!(with(&rooms).take(Frame::Plain(full)), Ok(Event::Full(Full::Server)));
    }
}

#[test]
fn what_comes_openly_before_we_are_in_ends_it_or_lets_us_wait_and_changes_nothing() {
    let host = Host::new();
    let scratch = Scratch::new();
    let rooms = Rooms::of((Some(host.link()), None), Vec::new(), scratch.path("rooms")).unwrap();
    let notice = |reason| Notice::because(reason, "text").frame();
    let after = |frame: &[u8]| {
        let mut enters = conversation(false).with(Some(rooms.clone()));
        let answer = host.answer(&greets(&mut enters, &host.config));
        let said = format!("{:?}", enters.take(typed_frame(frame)));
        (said, matches!(enters.take(typed_frame(&answer)), Ok(Event::Welcome(_))))
    };
    for reason in [Reason::Muted, Reason::MayNotTalk, Reason::PlayoutDelay, Reason::Captured] {
        assert_eq!(after(&notice(reason)), ("Ok(Nothing)".to_owned(), true), "{reason:?}");
    }
    assert!(after(&notice(Reason::Waiting)).1, "it waits, and comes in");
    for (reason, said) in [
        (Reason::WrongKey, "Ok(Shut(OtherRoom))"),
        (Reason::NotLetIn, "Ok(Shut(NotLetIn))"),
        (Reason::ServerFull, "Ok(Full(Server))"),
        (Reason::AddressFull, "Ok(Full(Address))"),
    ] {
        assert_eq!(after(&notice(reason)).0, said);
    }
    let pong = Pong { client_us: 1, received_us: 2, sent_us: 3 };
    assert!(after(&pong.frame()).0.starts_with("Err"));
}

#[test]
fn a_code_is_kept_until_a_server_answers_to_it() {
    let host = Host::new();
    let scratch = Scratch::new();
    let code = Code::new(123_456);
    let rooms = Rooms::of((None, code), Vec::new(), scratch.path("rooms")).unwrap();
    let tries = || {
        let mut tries = conversation(false).with(Some(rooms.clone()));
        assert_eq!(greets(&mut tries, &host.config)[4], kind::CODE);
        tries
    };
    let notice = |reason| Notice::because(reason, "text").frame();
    let mut full = tries();
    assert_eq!(full.take(typed_frame(&notice(Reason::Muted))), Ok(Event::Nothing));
    let says_full = notice(Reason::ServerFull);
    assert_eq!(full.take(typed_frame(&says_full)), Ok(Event::Full(Full::Server)));
    assert!(full.is_refused());
    let wrong = typed(kind::CODE_ANSWER, &[9; 64]);
    assert_eq!(tries().take(typed_frame(&wrong)), Ok(Event::Shut(Shut::WrongCode)));
}
