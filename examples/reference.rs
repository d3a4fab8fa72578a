//! Writes what packages bring along to look things up: manual pages into `FOLDER/man`, and completions for
//! four shells into `FOLDER/completions`. All of it is made from the command lines themselves.
//!
//! Usage: `cargo run --example reference -- FOLDER`

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use auralync::settings::ctl::{CTL, CtlCommand};
use auralync::settings::service::{ClientService, SERVICE, ServerService};
use auralync::settings::{CALIBRATE, CalibrateCommand, ClientArgs, ServerArgs};
use clap::{Command, CommandFactory};
use clap_complete::Shell;

const SHELLS: [(Shell, &str); 4] = [
    (Shell::Bash, "bash"),
    (Shell::Zsh, "zsh"),
    (Shell::Fish, "fish"),
    (Shell::PowerShell, "powershell"),
];

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("reference: where to is missing. Usage: cargo run --example reference -- FOLDER");
        return ExitCode::from(2);
    };
    match write(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("reference: cannot write into {}: {e}", folder.display());
            ExitCode::FAILURE
        }
    }
}

/// Both programs, with what they take behind `service`, `ctl` and `calibrate`: they read that by themselves.
fn programs() -> [Command; 2] {
    let order = |of: Command, name: &str| of.find_subcommand(name).cloned();
    let server = order(ServerService::command(), SERVICE);
    let client = order(ClientService::command(), SERVICE);
    let ctl = order(CtlCommand::command(), CTL);
    let calibrate = order(CalibrateCommand::command(), CALIBRATE);
    [
        ServerArgs::command().subcommands(server),
        ClientArgs::command().subcommands(ctl.into_iter().chain(calibrate).chain(client)),
    ]
}

fn write(folder: &Path) -> io::Result<()> {
    let man = folder.join("man");
    fs::create_dir_all(&man)?;
    for program in programs() {
        clap_mangen::generate_to(program.clone(), &man)?;
        for (shell, name) in SHELLS {
            let folder = folder.join("completions").join(name);
            fs::create_dir_all(&folder)?;
            let called = program.get_name().to_owned();
            clap_complete::generate_to(shell, &mut program.clone(), called, &folder)?;
        }
    }
    Ok(())
}
