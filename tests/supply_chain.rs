//! Dependencies are what `deny.toml` lets in: where they come from, what is there twice, and their
//! licences. What cargo-deny would say, without its installation.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use toml::Table;

const LOCKS: [&str; 4] =
    ["Cargo.lock", "fuzz/Cargo.lock", "web/opus/Cargo.lock", "web/secure/Cargo.lock"];

fn read(path: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn texts(list: &toml::Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The packages of a lock file that are not ours.
fn locked(path: &str) -> Vec<Table> {
    let lock = read(path);
    let packages = lock["package"].as_array().unwrap().iter();
    packages
        .map(|package| package.as_table().unwrap().clone())
        .filter(|p| p.contains_key("source"))
        .collect()
}

fn versions(path: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in locked(path) {
        let text = |key: &str| package[key].as_str().unwrap().to_owned();
        versions.entry(text("name")).or_default().insert(text("version"));
    }
    versions
}

#[test]
fn everything_comes_from_the_registry_and_has_a_checksum() {
    let allowed = texts(&read("deny.toml")["sources"]["allow-registry"]);
    for lock in LOCKS {
        for package in locked(lock) {
            let name = &package["name"];
            let source = package["source"].as_str().unwrap();
            let registry = source.strip_prefix("registry+").unwrap_or_default();
            assert!(allowed.iter().any(|allowed| allowed == registry), "{name} is from {source}");
            assert!(package.contains_key("checksum"), "{name} has no checksum");
        }
    }
}

#[test]
fn what_is_there_in_several_versions_has_a_reason_for_each_but_the_newest() {
    let deny = read("deny.toml");
    let skipped = deny["bans"]["skip"].as_array().unwrap().iter();
    let skipped: BTreeSet<_> =
        skipped.map(|one| one["crate"].as_str().unwrap().to_owned()).collect();
    let mut older = BTreeSet::new();
    for (name, versions) in versions("Cargo.lock") {
        let number = |version: &String| -> Vec<u64> {
            version.split('.').map_while(|part| part.parse().ok()).collect()
        };
        let newest = versions.iter().max_by_key(|version| number(version)).cloned();
        let old = versions.into_iter().filter(|version| Some(version) != newest.as_ref());
        older.extend(old.map(|version| format!("{name}@{version}")));
    }
    assert_eq!(older, skipped, "the left is what Cargo.lock has, the right what deny.toml lists");
}

#[test]
fn what_is_tried_by_the_fuzz_targets_and_what_the_page_runs_is_what_the_programs_are_made_of() {
    let programs = versions("Cargo.lock");
    for lock in &LOCKS[1..] {
        for (name, versions) in versions(lock) {
            let Some(ours) = programs.get(&name) else { continue };
            assert!(versions.is_subset(ours), "{lock}: {name} {versions:?}, and ours is {ours:?}");
        }
    }
}

#[test]
fn every_licence_is_one_that_a_program_of_ours_can_be_given_away_with() {
    let allowed: BTreeSet<_> = texts(&read("deny.toml")["licenses"]["allow"]).into_iter().collect();
    // Of other systems' crates only what is on this machine already: a test needs no network.
    let everywhere = metadata(&[]);
    let packages = everywhere.or_else(|| metadata(&["--filter-platform", host()])).unwrap();
    for package in packages["packages"].as_array().unwrap() {
        let (name, licence) = (&package["name"], package["license"].as_str().unwrap_or_default());
        assert!(is_allowed(licence, &allowed), "{name}: {licence:?}");
    }
}

fn metadata(more: &[&str]) -> Option<serde_json::Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--offline", "--format-version", "1"]).args(more);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// The system that this was built for, as near as a licence can tell.
fn host() -> &'static str {
    if cfg!(windows) {
        "x86_64-pc-windows-msvc"
    } else if cfg!(target_os = "macos") {
        "aarch64-apple-darwin"
    } else {
        "x86_64-unknown-linux-gnu"
    }
}

/// Whether what may be chosen of an SPDX expression is allowed; a slash is an old “or”. `OR` binds
/// least, and no expression that we met nests brackets.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ");
    if let Some((before, rest)) = spaced.split_once('(') {
        let Some((inside, behind)) = rest.split_once(')') else { return false };
        let word = if is_allowed(inside, allowed) { "MIT" } else { "no licence" };
        return is_allowed(&format!("{before}{word}{behind}"), allowed);
    }
    spaced.split(" OR ").any(|either| either.split(" AND ").all(|one| allowed.contains(one.trim())))
}

#[test]
fn a_licence_is_allowed_where_one_of_each_choice_is() {
    let allowed = ["MIT", "Unicode-3.0"].map(str::to_owned).into_iter().collect();
    for (expression, is_right) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only/MIT", true),
        ("Apache-2.0 / MIT", true),
        ("MIT AND GPL-3.0-only", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(BSD-2-Clause OR Apache-2.0) AND Unicode-3.0", false),
        ("Apache-2.0 WITH LLVM-exception", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), is_right, "{expression}");
    }
}
