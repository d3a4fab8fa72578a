//! What is refused before there is any sound.

use crate::support::program::Program;
use crate::support::scratch::Scratch;
use crate::support::servers::server_command;

fn refused(flags: &[&str], environment: Option<&str>) -> String {
    let mut command = server_command();
    command.args(["--source", "tone", "--no-web", "--no-discovery", "--port", "0"]).args(flags);
    command.env_remove("AURALYNC_ICECAST_PASSWORD");
    if let Some(password) = environment {
        command.env("AURALYNC_ICECAST_PASSWORD", password);
    }
    let ended = Program::start(command).wait();
    assert_ne!(ended.code, Some(0));
    assert_eq!((ended.stdout.len(), ended.stderr.len()), (0, 1), "{ended}");
    ended.stderr[0].clone()
}

#[test]
fn a_password_is_never_taken_from_a_command_line_and_must_come_from_somewhere() {
    let said = refused(&["--icecast", "icecast://source:hackme@localhost/x"], None);
    assert!(said.contains("stands where others on this computer may read it"), "{said}");
    assert!(!said.contains("hackme"), "{said}");
    let said = refused(&["--icecast", "icecast://localhost/x"], None);
    assert!(said.contains("there is no password for the Icecast server"), "{said}");
    let said = refused(&["--icecast", "icecast://localhost/x,password-file=/nowhere"], Some("pw"));
    assert!(said.contains("/nowhere"), "{said}");
}

#[test]
fn a_private_room_sends_nothing_to_icecast() {
    let said = refused(&["--private", "--icecast", "icecast://localhost/x"], Some("pw"));
    assert!(said.contains("where everybody may hear it, and this room is private"), "{said}");
    let scratch = Scratch::new();
    let preset = scratch.path("mine.toml");
    std::fs::write(&preset, "private = true\nicecast = \"icecast://localhost/x\"\n").unwrap();
    let said = refused(&["--preset", preset.to_str().unwrap()], Some("pw"));
    assert!(said.contains("this room is private"), "{said}");
}
