//! Only so many may talk at the same time.

use auralync::wire::{MAX_TALK_BYTES, Reason};

use super::conference;
use super::person::{Person, microphone};

#[test]
fn who_comes_when_as_many_talk_as_may_hears_that_it_only_listens() {
    let mut server = conference(&["--max-talkers", "2"]);
    let address = server.address();
    let talks = |person: &Person| person.welcome.longest_talk() == Some(MAX_TALK_BYTES);
    let first = Person::join(address, "first", "f32", Some(microphone("opus")));
    let second = Person::join(address, "second", "f32", Some(microphone("s16")));
    assert!(talks(&first) && talks(&second));
    let mut third = Person::join(address, "third", "f32", Some(microphone("s16")));
    assert!(!talks(&third));
    third.listen_until("why", |third| third.notice.is_some());
    let notice = third.notice.clone().unwrap();
    assert_eq!(notice.reason, Reason::MayNotTalk);
    assert!(notice.text.starts_with("as many people as this server lets talk (2)"), "{notice:?}");
    third.listen_until("sound", |third| third.heard.len() > 100);
    third.heard_from(0);
    assert!(!third.has_ended);

    // Who comes again takes its own place.
    let again = Person::join(address, "first", "f32", Some(microphone("opus")));
    assert!(talks(&again));
    drop(second);
    let mut asked = 0;
    crate::support::wait_until("the place that has become free", || {
        asked += 1;
        talks(&Person::join(address, &format!("late {asked}"), "f32", Some(microphone("s16"))))
    });
}

#[test]
fn a_microphone_that_gives_more_than_48_khz_only_listens() {
    let mut server = conference(&[]);
    let mut fast = microphone("s16");
    fast.rate = 48_001;
    let mut person = Person::join(server.address(), "x", "f32", Some(fast));
    assert_eq!(person.welcome.longest_talk(), None);
    person.listen_until("why", |person| person.notice.is_some());
    let text = person.notice.clone().unwrap().text;
    assert_eq!(text, "this server cannot take sound as this microphone gives it");
}
