//! Who may have a data channel.

use auralync::wire::{Hello, Offer, kind};

use super::browser::{Message, WebSocket};
use super::serve;

#[test]
fn where_the_number_of_listeners_is_not_limited_an_offer_of_a_data_channel_is_read() {
    let (_server, _, page) = serve(&["--source", "tone", "--max-clients", "0"]);
    let mut browser = WebSocket::open(page);
    let (id, name) = ("phone".to_owned(), "a phone".to_owned());
    let codecs = vec!["s16".to_owned()];
    browser.send(&Hello { version: 3, id, name, codecs, talk: None, datagrams: false }.frame());
    let Message::Frame(kind::WELCOME, welcome) = browser.next() else { panic!("no welcome") };
    let welcome: serde_json::Value = serde_json::from_slice(&welcome).unwrap();
    assert!(welcome["accepts"]["13"].is_u64(), "{welcome}");
    browser.send(&Offer { sdp: "none".to_owned() }.frame());
    let answer = loop {
        match browser.next_word() {
            Message::Frame(kind::ANSWER, answer) => break answer,
            Message::Frame(..) => {}
            other => panic!("{other:?}"),
        }
    };
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["error"], "the offer of a data channel cannot be read");
}
