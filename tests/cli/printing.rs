//! What is printed on request, for reading or for pasting.

use super::for_each;
use crate::support::program::Program;
use crate::support::servers::{client_command, server, server_command};
use crate::support::{Scratch, socket};

const PRESETS: [&str; 4] = ["smooth", "low-latency", "stable", "live"];

/// Nothing where it is built for tests: else each commit would build everything anew.
fn is_commit_of_a_release(text: &str) -> bool {
    let inside = text.strip_prefix(" (").and_then(|text| text.strip_suffix(')'));
    let is_commit = |it: &str| it.len() == 9 && it.chars().all(|c| c.is_ascii_hexdigit());
    text.is_empty() || inside.is_some_and(is_commit)
}

#[test]
fn help_and_version_come_on_stdout_with_code_0() {
    for command in [server_command, client_command] {
        for flag in ["--help", "-h", "--version", "-V"] {
            let mut asked = command();
            asked.arg(flag);
            let ended = Program::start(asked).wait();
            assert_eq!(ended.code, Some(0), "{flag}: {ended:?}");
            assert!(ended.stderr.is_empty(), "{flag}: {ended:?}");
            let text = ended.stdout.join("\n");
            if flag.eq_ignore_ascii_case("-v") || flag == "--version" {
                let (program, version) = text.split_once(' ').unwrap();
                assert!(program.starts_with("auralync-"), "{text}");
                let commit = version.strip_prefix(env!("CARGO_PKG_VERSION")).unwrap();
                assert!(is_commit_of_a_release(commit), "{text}");
            } else {
                assert!(text.contains("Examples:") && text.contains("Exit codes:"), "{text}");
            }
        }
    }
}

#[test]
fn a_printed_preset_is_one_that_starts_the_same_server() {
    let scratch = Scratch::new();
    for_each(&PRESETS.map(|name| (name, ())), |name, ()| {
        let mut command = server_command();
        command.args(["--print-preset", name]);
        let ended = Program::start(command).wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.is_empty(), "{ended:?}");
        let text = ended.stdout.join("\n");
        let path = scratch.file(&format!("{name}.toml"), &text);
        let path = path.to_str().unwrap();

        let welcomes = [name, path].map(|preset| {
            let mut server = server(["--source", "none", "--name", "x", "--preset", preset]);
            let start = server.wait_for("sends");
            let from = if preset == path { path } else { "built in" };
            assert!(start.contains(from), "the start line says where it is from: {start}");
            let mut socket = socket::connect(server.address());
            socket::plain(&mut socket);
            let welcome = socket::greet(&mut socket, "a run");
            let mut welcome: serde_json::Value = serde_json::from_slice(&welcome).unwrap();
            welcome["session"] = serde_json::Value::Null;
            welcome
        });
        assert_eq!(welcomes[0], welcomes[1], "{name}");

        let mut command = server_command();
        command.args(["--print-preset", path]);
        assert_eq!(Program::start(command).wait().stdout.join("\n"), text, "{name}, once more");
    });
}

#[test]
fn quiet_leaves_the_screen_empty_and_statistics_leave_stdout_to_themselves() {
    let mut server = server(["--source", "tone"]);
    let address = server.address();
    let mut command = client_command();
    command.args([&address.to_string(), "--output", "null", "--stats", "-"]);
    let mut client = Program::start(command);
    client.wait_for("\"frames_received\"");
    for line in client.stdout() {
        let stats: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(stats["delay_ms"].is_number(), "{line}");
    }
    let mut command = server_command();
    command.args([
        "--source",
        "none",
        "--bind",
        "127.0.0.1",
        "--port",
        "0",
        "-q",
        "--no-discovery",
        "--no-web",
    ]);
    command.args(["--stats", "-"]);
    let mut quiet = Program::start(command);
    let line = quiet.wait_for("\"listeners\"");
    let stats: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(stats["listening"], 0, "{line}");
    assert_eq!(quiet.stderr(), [""; 0], "nothing on stderr");
}

/// Without sound cards there is nothing to list, and it says so; the table of wrong command lines
/// has the rest.
#[cfg(feature = "device")]
#[test]
fn a_list_of_devices_without_a_sound_system_says_what_to_do() {
    let nothing = Scratch::new();
    for mut command in [server_command(), client_command()] {
        command.arg("--list-devices");
        for variable in ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "PULSE_RUNTIME_PATH"] {
            command.env(variable, nothing.path(""));
        }
        command.env_remove("PULSE_SERVER");
        let ended = Program::start(command).wait();
        assert!(matches!(ended.code, Some(0 | 3)), "{ended:?}");
        assert!(ended.stderr.len() <= 1, "{ended:?}");
        let text = [ended.stdout, ended.stderr].concat().join("\n");
        assert!(!text.is_empty(), "an empty answer is none");
        #[cfg(target_os = "linux")]
        assert!(text.contains("PulseAudio") && text.contains("tone"), "{text}");
    }
}

#[cfg(not(feature = "device"))]
#[test]
fn a_program_without_sound_cards_says_so_when_asked_to_list_them() {
    for mut command in [server_command(), client_command()] {
        command.arg("--list-devices");
        let ended = Program::start(command).wait();
        super::assert_one_line("--list-devices", &ended, 3, &["without sound cards"]);
    }
}
