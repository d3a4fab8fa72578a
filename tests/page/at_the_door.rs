//! A page at the door of a private room: it waits to be let in, has half a link or none, and says nothing openly.

use serde_json::json;

use crate::browser::{Browser, HOST, in_chromium};
use crate::private::{before, fragment, private_server, wait_until_it_says};
use crate::support::room::{EAR1, Room};
use crate::support::waiting::wait_until;
use crate::{COMES_BACK_WITHIN_S, Evening, folder, server};

/// Who comes; nobody else is called so.
const NAME: &str = "Wilhelmine";

/// Longer than a page believes a server that says nothing, in s.
const BELIEVES_NOTHING_S: f64 = 5.0;

/// What whoever runs the server at that port says about the newcomer.
fn host_says(room: &Room, web: u16, verb: &str) {
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    command.args(["ctl", verb, NAME, "--server", &format!("127.0.0.1:{web}")]);
    let answer = command.output().unwrap();
    assert!(answer.status.success(), "{answer:?}");
}

/// A browser that has tapped on a link of the room and says that it waits.
fn waiting(room: &Room, web: u16) -> Browser {
    let mut browser = Browser::start("chromium", room, &folder(), web);
    browser.ask(&format!("open http://{HOST}:{web}/#{}", fragment(room)));
    browser.ask(&format!("set #name {NAME}"));
    browser.ask("tap #listen");
    wait_until_it_says(&mut browser, "Waiting to be let in: ");
    browser
}

#[test]
fn a_newcomer_waits_for_the_host_and_hears_as_soon_as_they_are_let_in() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin();
        let _server = private_server(&room, port, web, &["--ask"]);
        let mut browser = waiting(&room, web);
        let from = recorder.seconds();
        wait_until("the server is silent for long", || {
            recorder.seconds() > from + BELIEVES_NOTHING_S
        });
        let shown = browser.ask("show");
        assert_eq!(shown["state"], "waiting", "{shown}");
        assert!(recorder.hears_nothing(EAR1));
        host_says(&room, web, "let-in");
        wait_until("the browser is heard", || recorder.hears(EAR1));
        let shown = browser.ask("show");
        assert_eq!((&shown["state"], &shown["errors"]), (&"playing".into(), &json!([])), "{shown}");
        assert_eq!(browser.ask("sockets"), 1, "all on the connection on which it waited");
    });
}

#[test]
fn a_newcomer_who_is_refused_is_told_so_and_asks_again_only_when_somebody_taps() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin();
        let _server = private_server(&room, port, web, &["--ask"]);
        let mut browser = waiting(&room, web);
        host_says(&room, web, "refuse");
        wait_until_it_says(&mut browser, "did not let you in");
        let refused = recorder.seconds();
        wait_until("it could have come back", || {
            recorder.seconds() > refused + COMES_BACK_WITHIN_S
        });
        assert_eq!(
            (&browser.ask("show")["state"], browser.ask("sockets")),
            (&"shut".into(), 1.into())
        );
        browser.ask("tap #again");
        wait_until("it has asked again", || browser.ask("sockets") == 2);
        wait_until_it_says(&mut browser, "did not let you in");
        assert!(recorder.hears_nothing(EAR1));
        assert_eq!(browser.ask("show")["errors"], json!([]));
    });
}

#[test]
fn with_half_a_link_a_page_says_so_and_nothing_else_to_nobody() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin();
        let running = private_server(&room, port, web, &[]);
        let right = fragment(&room);
        let page = format!("http://{HOST}:{web}/");
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        browser.ask(&format!("open {page}#{right}"));
        browser.ask("tap #listen");
        wait_until("the browser is heard", || recorder.hears(EAR1));

        // It leaves the room of the link before, and does not come back into it.
        browser.ask(&format!("follow {}", &right[1..]));
        wait_until_it_says(&mut browser, "only a part of a link");
        wait_until("it is silent", || recorder.hears_nothing(EAR1));
        for half in [&right[1..], "listen", "%3Cb%3E"] {
            // From elsewhere: otherwise the page would only be told of another hash.
            browser.ask("open about:blank");
            browser.ask(&format!("open {page}#{half}"));
            wait_until_it_says(&mut browser, "only a part of a link");
            browser.ask("tap #listen");
            wait_until_it_says(&mut browser, "only a part of a link");
            assert_eq!(browser.ask("sockets"), 0, "{half}");
            let kept = browser.ask("kept");
            assert_eq!((&kept["address"], &kept["link"]), (&page.as_str().into(), &"".into()));
            let stored = browser.ask("stored").to_string();
            assert!(!stored.contains(half), "{stored}");
        }
        browser.ask("reload");
        wait_until_it_says(&mut browser, "only a part of a link");

        // Whatever room there is: nobody is told a name openly.
        drop(running);
        let _open = server(&room, "smooth", port, web);
        browser.ask("open about:blank");
        browser.ask(&format!("open {page}"));
        browser.ask("tap #listen");
        wait_until_it_says(&mut browser, "only a part of a link");
        assert_eq!((browser.ask("sockets"), browser.ask("said")), (0.into(), json!([])));
        assert!(recorder.hears_nothing(EAR1));
        browser.ask("tap #forget");
        wait_until("the open room is heard", || recorder.hears(EAR1));
        assert_eq!(browser.ask("show")["errors"], json!([]));
    });
}

#[test]
fn a_page_without_a_link_says_no_word_to_a_private_room() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin();
        let _server = private_server(&room, port, web, &[]);
        let between = before(web);
        let page = format!("http://{HOST}:{}/", between.address.port());
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        browser.ask(&format!("open {page}"));
        browser.ask(&format!("set #name {NAME}"));
        browser.ask("tap #listen");
        wait_until_it_says(&mut browser, "This room is private: ask");
        assert_eq!(browser.ask("said"), json!([]));
        assert!(!between.has_heard(NAME.as_bytes()) && recorder.hears_nothing(EAR1));
        assert_eq!(browser.ask("show")["errors"], json!([]));
    });
}
