//! Programs that start by themselves: what they ask systemd for, what they write, and what they take away. A script
//! stands in for `systemctl`, and notes what it is asked.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::assert_one_line;
use super::terminal::{CLIENT, SERVER};
use crate::support::program::{Ended, Program};
use crate::support::{Scratch, wait_until};

/// Whom a test that root runs has the programs run as: they refuse root.
const NOBODY: u32 = 65_534;

/// Notes what it is asked, and answers that all runs.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >> "$HOME/asked"
[ -e "$HOME/broken" ] && [ "$2" = enable ] && { echo "Failed to enable unit: broken." >&2; exit 1; }
[ "$2" = show ] && printf 'ActiveState=active\nSubState=running\nResult=success\nUnitFileState=\nFragmentPath=\n'
exit 0
"#;

const LOGINCTL: &str = "#!/bin/sh\necho Linger=$(cat \"$HOME/linger\" 2>/dev/null || echo no)\n";

/// Does what a desktop's does, as far as can be seen.
const XDG_OPEN: &str = "#!/bin/sh\necho \"$*\" > \"$HOME/opened\"\n[ ! -e \"$HOME/broken\" ]\n";

/// A user with a home of a difficult name, and the programs in it.
struct User {
    scratch: Scratch,
}

impl User {
    fn new() -> Self {
        let user = Self { scratch: Scratch::new() };
        fs::create_dir(user.home()).unwrap();
        for (name, text) in
            [("systemctl", SYSTEMCTL), ("loginctl", LOGINCTL), ("xdg-open", XDG_OPEN)]
        {
            let path = user.scratch.file(name, text);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(user.scratch.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        if is_root() {
            chown(user.home(), Some(NOBODY), None).unwrap();
        }
        user
    }

    fn home(&self) -> PathBuf {
        self.scratch.path("Jörg & Co 100%")
    }

    fn in_home(&self, name: &str) -> String {
        fs::read_to_string(self.home().join(name)).unwrap_or_default()
    }

    /// What systemd was asked since the last time, without the questions.
    fn asked(&self) -> Vec<String> {
        let asked = self.in_home("asked");
        let _ = fs::remove_file(self.home().join("asked"));
        let changes = asked.lines().filter(|line| !line.starts_with("--user show"));
        changes.map(str::to_owned).collect()
    }

    fn unit(&self, program: &str) -> PathBuf {
        let folder = self.home().join(".config/systemd/user");
        let name = Path::new(program).file_name().unwrap().to_string_lossy();
        folder.join(format!("{name}.service"))
    }

    /// The program as this user starts it at home.
    fn command(&self, program: &str, words: &[&str]) -> Command {
        // A program that was linked elsewhere may stand in a folder that others cannot look into.
        let mut command = Command::new(program);
        let system = "/usr/bin:/bin";
        command
            .args(words)
            .current_dir(self.home())
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", format!("{}:{system}", self.scratch.path("").display()));
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn run(&self, program: &str, words: &[&str]) -> Ended {
        Program::start(self.command(program, words)).wait()
    }

    /// What it says where all is well.
    #[track_caller]
    fn says(&self, program: &str, words: &[&str]) -> String {
        let ended = self.run(program, words);
        assert_eq!(ended.code, Some(0), "{words:?} {ended}");
        ended.stdout.join("\n")
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_service_is_installed_changed_asked_for_and_removed() {
    let user = User::new();
    assert!(user.says(SERVER, &["service", "status"]).contains("does not start by itself"));
    let said =
        user.says(SERVER, &["service", "install", "--name", "Küche 100 %", "--preset", "stable"]);
    assert!(said.contains("loginctl enable-linger"), "{said}");
    let now = ["--user daemon-reload", "--user enable --now auralync-server.service"];
    assert_eq!(user.asked(), now);
    let unit = fs::read_to_string(user.unit(SERVER)).unwrap();
    assert!(unit.contains(r#" --name "Küche 100 %%" --preset stable"#), "{unit}");
    let said = user.says(SERVER, &["service", "status"]);
    assert!(said.contains("with --name “Küche 100 %” --preset stable."), "{said}");
    assert!(
        said.contains("It runs.") && said.contains("journalctl --user -u auralync-server"),
        "{said}"
    );

    fs::write(user.home().join("linger"), "yes").unwrap();
    let said = user.says(SERVER, &["service", "install", "--no-web"]);
    assert!(said.contains("goes on when you sign out"), "{said}");
    let again =
        ["daemon-reload", "enable auralync-server.service", "restart auralync-server.service"];
    assert_eq!(user.asked(), again.map(|words| format!("--user {words}")));
    assert!(user.says(SERVER, &["service", "status"]).contains("with --no-web."));

    user.says(CLIENT, &["service", "install", "attic"]);
    user.asked();
    user.says(SERVER, &["service", "remove"]);
    let gone = ["--user disable --now auralync-server.service", "--user daemon-reload"];
    assert_eq!(user.asked(), gone);
    assert!(!user.unit(SERVER).exists() && user.unit(CLIENT).exists());
    assert!(user.says(SERVER, &["service", "remove"]).contains("nothing to remove"));
}

#[test]
fn systemd_understands_the_unit() {
    let user = User::new();
    let flags = ["--name", "a;b $HOME \"x\" C:\\x", "--web-host", "music.example"];
    user.says(SERVER, &[&["service", "install"], &flags[..]].concat());
    // The program's own manual page comes with the package.
    let mut verify = Command::new("systemd-analyze");
    verify.args(["--user", "--man=no", "verify"]).arg(user.unit(SERVER));
    verify.env("XDG_RUNTIME_DIR", user.home());
    match verify.output() {
        Ok(output) => assert!(output.status.success() && output.stderr.is_empty(), "{output:?}"),
        Err(e) => eprintln!("not asked: systemd-analyze is not here ({e})"),
    }
}

#[test]
fn wrong_flags_are_refused_before_anything_is_written() {
    let user = User::new();
    for (program, words, code, says) in [
        (SERVER, &["--prest", "smooth"][..], 2, &["--prest", "--preset"][..]),
        (SERVER, &["--preset", "nix"], 2, &["nix", "smooth"]),
        (SERVER, &["--duck", "6"], 2, &["--talk"]),
        (SERVER, &["--source", "file:-"], 2, &["a service has neither"]),
        (SERVER, &["--list-devices"], 2, &["stops at once"]),
        (CLIENT, &["attic", "--code", "123456"], 2, &["lets somebody in once"]),
        (CLIENT, &["attic", "--mic", "x"], 2, &["--talk"]),
    ] {
        let ended = user.run(program, &[&["service", "install"], words].concat());
        assert_one_line(&words.join(" "), &ended, code, says);
    }
    assert_eq!(user.asked(), [""; 0]);
    assert!(!user.home().join(".config").exists());
}

#[test]
fn a_unit_that_somebody_wrote_is_neither_replaced_nor_removed() {
    let user = User::new();
    user.says(SERVER, &["service", "install"]);
    fs::write(user.unit(SERVER), "[Service]\nExecStart=/bin/true\n").unwrap();
    for order in ["install", "remove"] {
        let ended = user.run(SERVER, &["service", order]);
        assert_one_line(order, &ended, 7, &["was not written by auralync-server service install"]);
    }
    assert!(user.unit(SERVER).exists());
}

#[test]
fn where_systemd_refuses_all_stays_as_it_was() {
    let user = User::new();
    let broken = user.home().join("broken");
    fs::write(&broken, "").unwrap();
    let refused = || {
        let ended = user.run(SERVER, &["service", "install", "--no-web"]);
        assert_one_line("broken", &ended, 2, &["“Failed to enable unit: broken”", "service run"]);
    };
    refused();
    assert!(!user.unit(SERVER).exists());
    fs::remove_file(&broken).unwrap();
    user.says(SERVER, &["service", "install"]);
    let before = fs::read_to_string(user.unit(SERVER)).unwrap();
    fs::write(&broken, "").unwrap();
    refused();
    assert_eq!(fs::read_to_string(user.unit(SERVER)).unwrap(), before);
}

#[test]
fn without_systemd_or_a_home_a_sentence_says_what_to_do() {
    let user = User::new();
    let mut command = user.command(SERVER, &["service", "install"]);
    command.env("PATH", user.home());
    let ended = Program::start(command).wait();
    assert_one_line(
        "no systemctl",
        &ended,
        2,
        &["systemctl cannot be run", "auralync-server service run"],
    );
    let mut command = user.command(SERVER, &["service", "install"]);
    command.env_remove("HOME");
    assert_one_line("no home", &Program::start(command).wait(), 2, &["(HOME)"]);
    assert!(!user.unit(SERVER).exists());
}

#[test]
fn root_is_refused_with_the_reason() {
    if !is_root() {
        eprintln!("not tried: only root can be refused");
        return;
    }
    let user = User::new();
    for order in ["install", "remove", "run"] {
        let mut command = user.command(CLIENT, &["service", order]);
        command.uid(0).gid(0);
        let ended = Program::start(command).wait();
        assert_one_line(order, &ended, 2, &["sound belongs to a user", "without sudo"]);
    }
}

#[test]
fn where_nothing_else_does_the_program_keeps_itself_running_and_keeps_a_log() {
    let user = User::new();
    let flags =
        ["--source", "tone", "--bind", "127.0.0.1", "--port", "0", "--no-web", "--no-discovery"];
    let kept = user.command(SERVER, &[&["service", "run"], &flags[..]].concat());
    let mut kept = Program::start(kept);
    wait_until("the server runs", || {
        user.in_home(".local/state/auralync/auralync-server.log").contains("Ctrl-C stops.")
    });
    // A second one leaves the first alone.
    user.says(SERVER, &["service", "run"]);
    assert!(kept.is_running());
    fs::write(user.home().join(".local/state/auralync/auralync-server.stop"), "").unwrap();
    assert_eq!(kept.wait().code, Some(0));
    assert!(
        user.in_home(".local/state/auralync/auralync-server.log").contains("as it was asked for")
    );
}

#[test]
fn who_ends_the_keeper_ends_the_program_in_order_and_its_last_words_are_in_the_log() {
    let user = User::new();
    let log = ".local/state/auralync/auralync-server.log";
    let flags =
        ["--source", "tone", "--bind", "127.0.0.1", "--port", "0", "--no-web", "--no-discovery"];
    let mut kept =
        Program::start(user.command(SERVER, &[&["service", "run"], &flags[..]].concat()));
    wait_until("the server runs", || user.in_home(log).contains("Ctrl-C stops."));
    assert_eq!(kept.stop().code, Some(0));
    let said = user.in_home(log);
    assert!(said.contains("stopping") && said.ends_with("as it was asked for\n"), "{said}");
}

#[test]
fn what_is_wrong_when_the_system_starts_the_keeper_is_in_its_log_and_not_tried_again() {
    let user = User::new();
    let mut command = user.command(SERVER, &["service", "run", "--preset", "gone"]);
    command.env("AURALYNC_SERVICE", "1");
    let ended = Program::start(command).wait();
    assert_eq!(ended.code, Some(0), "{ended}");
    let said = user.in_home(".local/state/auralync/auralync-server.log");
    assert!(said.contains("“gone”") && said.lines().count() == 1, "{said}");
    // A person is told at once.
    let ended = user.run(SERVER, &["service", "run", "--preset", "gone"]);
    assert_one_line("--preset gone", &ended, 2, &["“gone”"]);
}

#[test]
fn a_service_looks_for_servers_until_there_is_one_and_says_so_once() {
    let user = User::new();
    let mut command =
        user.command(CLIENT, &["no-such-pc.invalid", "--no-discovery", "--output", "null"]);
    command.env("AURALYNC_SERVICE", "1");
    let mut client = Program::start(command);
    client.wait_for("cannot find “no-such-pc.invalid”");
    assert!(client.is_running());
    let ended = client.stop();
    let said = ended.stderr.iter().filter(|line| line.contains("cannot find")).count();
    assert_eq!(said, 1, "{ended}");
}

#[test]
fn the_page_is_opened_in_a_browser_where_that_is_asked_for() {
    let user = User::new();
    let flags =
        ["--source", "tone", "--bind", "127.0.0.1", "--port", "0", "--web", "0", "--no-discovery"];
    let start = |more: &[&str]| {
        let mut command = user.command(SERVER, &[&flags[..], more].concat());
        command.env("DISPLAY", ":77");
        Program::start(command)
    };
    let mut server = start(&["--open"]);
    wait_until("the page is opened", || user.in_home("opened").ends_with("/\n"));
    let opened = user.in_home("opened");
    assert!(opened.starts_with("http://localhost:") && !opened.contains('#'), "{opened}");
    server.wait_for("Closing this window ends the sound for everybody");
    server.stop();

    // The link stays out of what others on this computer see.
    let mut private = start(&["--private", "--open"]);
    private.wait_for("asks for the link");
    wait_until("the page is opened", || user.in_home("opened") != opened);
    assert!(!user.in_home("opened").contains('#'));
    private.stop();

    fs::write(user.home().join("broken"), "").unwrap();
    start(&["--open"]).wait_for("the page was not opened in a browser: xdg-open found none");
    let _ = fs::remove_file(user.home().join("opened"));
    start(&["--open", "--no-open"]).wait_for("Ctrl-C stops.");
    let mut command = user.command(SERVER, &[&flags[..], &["--open"]].concat());
    command.env_remove("DISPLAY");
    Program::start(command).wait_for("there is no desktop here");
    assert_eq!(user.in_home("opened"), "");
}
