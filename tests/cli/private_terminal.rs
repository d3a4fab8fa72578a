//! A private room in two terminals: the host's, which shows the code and lets people in by keys, and that of
//! somebody who types the code.

use super::terminal::{CLIENT, SERVER, Window};
use crate::support::wait_until;

/// A host's terminal, and the address that it shows.
fn host(more: &[&str]) -> (Window, String) {
    let usual = ["--source", "tone", "--bind", "127.0.0.1", "--port", "0", "--no-discovery"];
    let private = ["--private", "--no-web", "--no-qr"];
    let window = Window::open(SERVER, &[&usual[..], &private, more].concat());
    window.wait_for("nobody listens");
    let screen = window.contents();
    let typed = screen.split_whitespace().find(|word| word.starts_with("127.0.0.1:"));
    (window, typed.unwrap().to_owned())
}

/// The code behind these words.
fn code(screen: &str, before: &str) -> String {
    let (_, behind) = screen.split_once(before).unwrap_or_else(|| panic!("{screen}"));
    behind.chars().filter(char::is_ascii_digit).take(6).collect()
}

#[test]
fn a_host_sees_a_code_and_whoever_types_it_where_it_is_asked_for_is_in() {
    let (mut window, address) = host(&[]);
    let first = code(&window.contents(), "this code does as well:");
    let mut guest = Window::open(CLIENT, &[&address, "--output", "null"]);
    guest.wait_for("is private. Type the code that its server shows:");
    guest.press(&format!("{}-{}\n", &first[..3], &first[3..]));
    guest.wait_for("q quit");
    window.wait_for("had the code, which lets nobody else in now");
    window.wait_for("1 listener ");
    // The next one, by a key.
    window.press("c");
    window.wait_for("lets one person in, for 10 min");
    let screen = window.contents();
    assert_ne!(code(&screen, "  private"), first);
    assert_ne!(code(&screen, "\ncode "), first);
    window.press("c");
    guest.press("q");
    assert_eq!(guest.ended().0, 0);
    window.wait_for("nobody listens");
    window.press("q");
    let (code, screen) = window.ended();
    assert_eq!(code, 0);
    assert!(!screen.contains("lets one person in, for"), "{screen}");
}

#[test]
fn whoever_types_no_code_or_half_of_one_is_told_what_a_code_is() {
    let (mut window, address) = host(&[]);
    for (typed, words) in [("\n", "Ask whoever runs it for the link"), ("123\n", "six digits")] {
        let mut guest = Window::open(CLIENT, &[&address, "--output", "null"]);
        guest.wait_for("Type the code");
        guest.press(typed);
        let (code, screen) = guest.ended();
        assert!(code == 8 || code == 2, "{code}: {screen}");
        assert!(screen.replace("\r\n", "").replace('\n', "").contains(words), "{screen}");
    }
    window.press("q");
    assert_eq!(window.ended().0, 0);
}

#[test]
fn a_key_answers_for_whom_the_terminal_asks_about_and_for_nobody_behind_them() {
    let (mut window, address) = host(&["--ask"]);
    let mut guests = ["Ann", "Eve"].map(|name| {
        window.press("c");
        window.wait_for("lets one person in, for");
        let typed = code(&window.contents(), "\ncode ");
        window.press("c");
        wait_until("the code is hidden", || !window.contents().contains("lets one person in, for"));
        let flags = [&address, "--output", "null", "--code", &typed, "--name", name];
        let guest = Window::open(CLIENT, &flags);
        guest.wait_for("waiting to be let in");
        guest
    });
    window.wait_for("“Ann” (127.0.0.1:");
    window.wait_for("and 1 more wait");
    // A finger that stays on the key for too long.
    window.press("yyyy");
    guests[0].wait_for("q quit");
    window.wait_for("“Eve” (127.0.0.1:");
    window.wait_for("1 listener ");
    for guest in &mut guests {
        guest.press("q");
    }
    window.press("q");
    assert_eq!(window.ended().0, 0);
}

#[test]
fn a_host_lets_one_in_and_another_not_by_keys() {
    let (mut window, address) = host(&["--ask"]);
    for (name, key, is_in) in [("Ann", "y", true), ("Eve", "n", false)] {
        window.press("c");
        window.wait_for("lets one person in, for");
        let typed = code(&window.contents(), "\ncode ");
        window.press("c");
        let mut guest =
            Window::open(CLIENT, &[&address, "--output", "null", "--code", &typed, "--name", name]);
        guest.wait_for("waiting to be let in");
        window.wait_for(&format!("“{name}” (127.0.0.1:"));
        window.wait_for("wants to come in: y lets in, n does not");
        window.press(key);
        if is_in {
            guest.wait_for("q quit");
            window.wait_for("1 listener ");
            guest.press("q");
        }
        let (code, screen) = guest.ended();
        assert_eq!(code, if is_in { 0 } else { 8 }, "{screen}");
        window.wait_for("nobody listens");
    }
    window.press("q");
    assert_eq!(window.ended().0, 0);
}
