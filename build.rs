//! What is told to the compiler: the version with the commit that a release was built from, and on Windows
//! the programs' icon and what Explorer shows of them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Hexadecimal digits of a commit that are told: no two of a project's begin alike in so many.
const COMMIT_DIGITS: usize = 9;

const ICON: &str = "packaging/windows/auralync.ico";

/// The programs, with what Explorer says each is.
const PROGRAMS: [(&str, &str); 2] = [
    ("auralync-server", "AuraLync server: sends what this PC plays"),
    ("auralync-client", "AuraLync client: plays what another PC sends"),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let version = told("CARGO_PKG_VERSION");
    let told_version = match commit() {
        Some(commit) => format!("{version} ({commit})"),
        None => version.clone(),
    };
    println!("cargo::rustc-env=AURALYNC_VERSION={told_version}");
    if told("CARGO_CFG_TARGET_OS") == "windows" {
        for (program, what) in PROGRAMS {
            resources(program, what, &version, &told_version);
        }
    }
}

/// What Cargo tells, empty where it does not.
fn told(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// The commit, where one is known: of this folder's own repository, or noted by `cargo package`, or by
/// whoever builds from neither. Only for releases: else each commit would build everything anew.
fn commit() -> Option<String> {
    println!("cargo::rerun-if-env-changed=AURALYNC_COMMIT");
    if told("PROFILE") != "release" {
        return None;
    }
    let commit = env::var("AURALYNC_COMMIT").ok().or_else(packaged_commit).or_else(git_commit)?;
    let commit: String = commit.trim().chars().take(COMMIT_DIGITS).collect();
    commit.chars().all(|c| c.is_ascii_hexdigit()).then_some(commit).filter(|it| !it.is_empty())
}

/// From the note that `cargo package` leaves beside the manifest.
fn packaged_commit() -> Option<String> {
    let note = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = note.split_once("\"sha1\"")?;
    Some(rest.split('"').nth(1)?.to_owned())
}

fn git_commit() -> Option<String> {
    // Unpacked in somebody else's repository, its commit says nothing about this.
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let is_ours =
        fs::canonicalize(top).ok()? == fs::canonicalize(told("CARGO_MANIFEST_DIR")).ok()?;
    if !is_ours {
        return None;
    }
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Links icon and version into a program. Where nothing here can compile them it is built without.
fn resources(program: &str, what: &str, version: &str, told_version: &str) {
    println!("cargo::rerun-if-changed={ICON}");
    let folder = PathBuf::from(told("OUT_DIR"));
    let source = folder.join(format!("{program}.rc"));
    let icon = fs::canonicalize(ICON).unwrap_or_else(|_| ICON.into());
    let text = script(program, what, version, told_version, &icon.display().to_string());
    let compiled = fs::write(&source, text).map_err(|e| e.to_string()).and_then(|()| {
        if told("CARGO_CFG_TARGET_ENV") == "msvc" {
            let made = folder.join(format!("{program}.res"));
            run(Command::new("rc").args(["/nologo", "/fo"]).arg(&made).arg(&source)).map(|()| made)
        } else {
            let made = folder.join(format!("{program}.o"));
            let compiler = match told("CARGO_CFG_TARGET_ARCH").as_str() {
                _ if cfg!(windows) => "windres".to_owned(),
                arch => format!("{arch}-w64-mingw32-windres"),
            };
            run(Command::new(compiler).arg("--input").arg(&source).arg("--output").arg(&made))
                .map(|()| made)
        }
    });
    match compiled {
        Ok(made) => println!("cargo::rustc-link-arg-bin={program}={}", made.display()),
        Err(why) => println!("cargo::warning={program} gets no icon and no version: {why}"),
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} failed: {status}")),
        Err(e) => Err(format!("cannot run {:?}: {e}", command.get_program())),
    }
}

/// In the language of resource compilers. Explorer wants four numbers for a version.
fn script(program: &str, what: &str, version: &str, told_version: &str, icon: &str) -> String {
    let mut numbers: Vec<u16> =
        version.split(['.', '-']).map_while(|part| part.parse().ok()).take(3).collect();
    numbers.resize(4, 0);
    let numbers = numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
    let icon = icon.trim_start_matches(r"\\?\").replace('\\', "/");
    let shown = [
        ("CompanyName", "The AuraLync authors"),
        ("FileDescription", what),
        ("FileVersion", told_version),
        ("InternalName", program),
        ("LegalCopyright", "MIT licence"),
        ("OriginalFilename", &format!("{program}.exe")),
        ("ProductName", "AuraLync"),
        ("ProductVersion", told_version),
    ];
    let shown: String = shown
        .iter()
        .map(|(name, value)| format!("      VALUE \"{name}\", \"{value}\"\n"))
        .collect();
    format!(
        "1 ICON \"{icon}\"\n\
         1 VERSIONINFO\n\
         FILEVERSION {numbers}\n\
         PRODUCTVERSION {numbers}\n\
         FILEOS 0x40004\n\
         FILETYPE 1\n\
         BEGIN\n\
         \x20 BLOCK \"StringFileInfo\"\n\
         \x20 BEGIN\n\
         \x20   BLOCK \"040904B0\"\n\
         \x20   BEGIN\n\
         {shown}\
         \x20   END\n\
         \x20 END\n\
         \x20 BLOCK \"VarFileInfo\"\n\
         \x20 BEGIN\n\
         \x20   VALUE \"Translation\", 0x409, 1200\n\
         \x20 END\n\
         END\n"
    )
}
