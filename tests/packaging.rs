//! What packages are made of says the same as the programs: their version, their names, their flags.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

use std::fs;
use std::path::PathBuf;

const VERSION: &str = env!("CARGO_PKG_VERSION");

const PROGRAMS: [&str; 2] = ["auralync-server", "auralync-client"];

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What stands in a file's line behind `key`, without its quotes.
fn value(path: &str, key: &str) -> String {
    let text = read(path);
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(key));
    let line = line.unwrap_or_else(|| panic!("{path} has no line with {key}"));
    line.trim().trim_matches(['"', '\'']).to_owned()
}

#[test]
fn every_recipe_is_for_this_version() {
    for (recipe, key) in [
        ("packaging/winget/AuraLync.AuraLync.yaml", "PackageVersion:"),
        ("packaging/homebrew/auralync.rb", "version"),
        ("packaging/aur/PKGBUILD", "pkgver="),
    ] {
        assert_eq!(value(recipe, key), VERSION, "{recipe}");
    }
}

#[test]
fn every_file_that_a_recipe_fetches_is_of_this_version() {
    for (recipe, files) in [
        ("packaging/winget/AuraLync.AuraLync.yaml", 1),
        ("packaging/homebrew/auralync.rb", 1),
        ("packaging/flatpak/org.auralync.AuraLync.yaml", 1),
        ("packaging/aur/PKGBUILD", 1),
    ] {
        let text = read(recipe).replace("$pkgver", VERSION).replace("$pkgname", "auralync");
        let fetched: Vec<&str> = text.split("https://auralync.example/").skip(1).collect();
        assert_eq!(fetched.len(), files, "{recipe}");
        for file in fetched {
            assert!(file.starts_with(&format!("{VERSION}/auralync-{VERSION}")), "{recipe}: {file}");
        }
    }
}

#[test]
fn the_newest_release_that_is_described_is_this_version() {
    let text = read("packaging/linux/auralync.metainfo.xml");
    let newest = text.split("<release version=\"").nth(1).unwrap();
    assert_eq!(newest.split('"').next(), Some(VERSION));
}

#[test]
fn each_program_has_a_unit_that_waits_for_the_sound_server_and_starts_it_again() {
    for program in PROGRAMS {
        let unit = format!("packaging/linux/{program}.service");
        let text = read(&unit);
        // Packages and `install.sh` replace this line, and only one like it.
        assert_eq!(text.matches("\nExecStart=/").count(), 1, "{unit}");
        assert_eq!(value(&unit, "ExecStart="), format!("/usr/bin/{program}"));
        assert_eq!(value(&unit, "Documentation="), format!("man:{program}(1)"));
        assert_eq!(value(&unit, "Restart="), "on-failure");
        assert_eq!(value(&unit, "WantedBy="), "default.target");
        let after = value(&unit, "After=");
        assert!(after.contains("pipewire.service") && after.contains("pulseaudio.service"));
    }
}

#[test]
fn each_program_has_an_entry_in_a_desktops_menu_and_in_the_description() {
    let description = read("packaging/linux/auralync.metainfo.xml");
    for program in PROGRAMS {
        let entry = format!("packaging/linux/{program}.desktop");
        // Where somebody clicks, the server's page opens too, and the window stays where it says what is wrong.
        let flags =
            if program == "auralync-server" { "--open --keep-window" } else { "--keep-window" };
        assert_eq!(value(&entry, "Exec="), format!("{program} {flags}"));
        assert_eq!(value(&entry, "Icon="), "auralync");
        for said in [
            format!("<launchable type=\"desktop-id\">{program}.desktop</launchable>"),
            format!("<binary>{program}</binary>"),
        ] {
            assert!(description.contains(&said), "{said}");
        }
    }
}

#[test]
fn the_installer_removes_what_it_writes_into_the_registry() {
    let script = read("packaging/windows/installer.nsi");
    let (_, removal) = script.split_once("Section Uninstall").unwrap();
    for value in ["${RUN_SERVER}", "${RUN_CLIENT}"] {
        let written = format!("WriteRegStr HKCU \"${{RUN}}\" \"{value}\"");
        assert!(script.contains(&written), "{value}");
        let removed = format!("DeleteRegValue HKCU \"${{RUN}}\" \"{value}\"");
        assert!(removal.contains(&removed), "{value}");
    }
    assert!(removal.contains("DeleteRegKey HKCU \"${UNINSTALL}\""));
}
