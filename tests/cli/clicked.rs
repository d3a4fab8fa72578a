//! Programs that a click on a desktop's entry has started, in a window that closes with them.

use super::terminal::{CLIENT, SERVER, Window, tone};

#[test]
fn a_window_that_a_click_has_opened_stays_until_enter_where_something_is_wrong() {
    for (program, flags, says) in [
        (CLIENT, &["no-such-pc.invalid", "--no-discovery", "--output", "null"][..], "cannot find"),
        (CLIENT, &["--volum", "5"], "--volume"),
        (SERVER, &["--preset", "loud"], "“loud”"),
    ] {
        let mut window = Window::open(program, &[flags, &["--keep-window"]].concat());
        window.wait_for(says);
        window.wait_for("Press Enter to close this window.");
        assert!(window.is_open());
        window.press("\n");
        assert_ne!(window.ended().0, 0);
        // In a terminal of a person's own nobody is asked.
        let (_, screen) = Window::open(program, flags).ended();
        assert!(screen.contains(says) && !screen.contains("Press Enter"), "{screen}");
    }
}

#[test]
fn a_window_that_a_click_has_opened_closes_where_all_was_well() {
    let (_server, address) = tone();
    let mut window = Window::open(CLIENT, &[&address, "--output", "null", "--keep-window"]);
    window.wait_for("q quit");
    window.press("q");
    let (code, screen) = window.ended();
    assert!(code == 0 && !screen.contains("Press Enter"), "{screen}");
}
