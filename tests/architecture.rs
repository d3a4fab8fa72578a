//! Who names whom: reads the modules' paths, and holds them to the table in CONTRIBUTING.md.

#![allow(clippy::unwrap_used, reason = "these are a test's own files")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const CONTRIBUTING: &str = include_str!("../CONTRIBUTING.md");

/// The longest that a file may be, in lines.
const LONGEST: usize = 500;

/// Words that only `device` may say: the sound libraries.
const SOUND_LIBRARIES: [&str; 3] = ["cpal::", "libpulse_binding::", "pulseaudio::"];

type Module = Vec<String>;

/// One module's naming of another.
#[derive(Debug, Clone)]
struct Arrow {
    from: Module,
    to: Module,
    /// File and line.
    at: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_other = ["target", "node_modules"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !is_other {
            all.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
    all.sort();
    all
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string().replace('\\', "/")
}

/// What a file is as a module of the library.
fn module(path: &Path) -> Option<Module> {
    let path = shown(path);
    let name = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let is_program = name == "lib" || name.starts_with("bin/");
    (!is_program).then(|| name.split('/').map(str::to_owned).collect())
}

/// The file without its tests, line by line, comments left empty.
fn code(text: &str) -> Vec<&str> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line }).collect()
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn spread(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.trim().to_owned()];
    };
    let (mut depth, mut parts, mut part) = (0, Vec::new(), String::new());
    for c in rest.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    parts.push(part);
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts.flat_map(|part| spread(&format!("{}{part}", before.trim()))).collect()
}

/// The module that a path leads to, as seen from `from`.
fn resolve(from: &Module, path: &str, all: &BTreeSet<Module>) -> Option<Module> {
    let mut steps = path.split("::").map(|step| step.split(" as ").next().unwrap_or(step).trim());
    let mut at = Module::new();
    let mut pending = None;
    match steps.next()? {
        "crate" => {}
        "self" => at.clone_from(from),
        "super" => {
            at.clone_from(from);
            at.pop();
        }
        first => {
            at.clone_from(from);
            pending = Some(first);
        }
    }
    let begins_inside = pending.is_some();
    for step in pending.into_iter().chain(steps) {
        if step == "super" {
            at.pop();
            continue;
        }
        at.push(step.to_owned());
        if !all.contains(&at) {
            at.pop();
            break;
        }
    }
    let is_none = at.is_empty() || (begins_inside && at == *from);
    (!is_none).then_some(at)
}

/// Every naming of one module by another in the library, tests left out.
fn arrows() -> Vec<Arrow> {
    let sources = files(&root().join("src"));
    let all: BTreeSet<Module> = sources.iter().filter_map(|path| module(path)).collect();
    let mut arrows = Vec::new();
    for path in &sources {
        let Some(from) = module(path) else { continue };
        let text = fs::read_to_string(path).unwrap();
        if is_for_tests(&from, &sources) {
            continue;
        }
        let lines = code(&text);
        for (number, line) in lines.iter().enumerate() {
            for path_said in paths(&lines[number..], line) {
                for one in spread(&path_said) {
                    if let Some(to) = resolve(&from, &one, &all).filter(|to| *to != from) {
                        let at = format!("{}:{}", shown(path), number + 1);
                        arrows.push(Arrow { from: from.clone(), to, at });
                    }
                }
            }
        }
    }
    assert!(arrows.len() > 500, "only {} were found", arrows.len());
    arrows
}

/// Whether the module is only there while testing: its parent says so in the line before.
fn is_for_tests(module: &Module, sources: &[PathBuf]) -> bool {
    (1..=module.len()).any(|length| {
        let (name, parents) = module[..length].split_last().unwrap();
        let parent = match parents {
            [] => "src/lib.rs".to_owned(),
            parents => format!("src/{}.rs", parents.join("/")),
        };
        let Some(parent) = sources.iter().find(|path| shown(path) == parent) else { return false };
        let text = fs::read_to_string(parent).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.windows(2).any(|pair| {
            pair[0].starts_with("#[cfg(test)]") && pair[1].ends_with(&format!("mod {name};"))
        })
    })
}

/// What a line names: what it uses, to the end of the sentence, and paths that begin at the crate's root
/// or above the module.
fn paths(rest: &[&str], line: &str) -> Vec<String> {
    let is_use = |line: &str| {
        let line = line.trim_start();
        line.starts_with("use ") || line.starts_with("pub") && line.contains(" use ")
    };
    if is_use(line) {
        let sentence: String = rest.join(" ");
        let sentence = sentence.split(';').next().unwrap_or_default();
        let (_, path) = sentence.split_once("use ").unwrap_or_default();
        return vec![path.to_owned()];
    }
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let starts = line.match_indices("crate::").chain(line.match_indices("super::"));
    let is_start = |at: usize| !line[..at].ends_with([':', '/']);
    let after = starts.filter(|(at, _)| is_start(*at)).map(|(at, _)| &line[at..]);
    after.map(|path| path.split(ends).next().unwrap_or_default().to_owned()).collect()
}

/// For every folder: which of its modules names which other, below whatever, and where.
fn siblings(arrows: &[Arrow]) -> BTreeMap<Module, BTreeMap<(String, String), String>> {
    let mut levels: BTreeMap<Module, BTreeMap<(String, String), String>> = BTreeMap::new();
    for Arrow { from, to, at } in arrows {
        let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        if let (Some(a), Some(b)) = (from.get(shared), to.get(shared)) {
            let level = levels.entry(from[..shared].to_vec()).or_default();
            level.entry((a.clone(), b.clone())).or_insert_with(|| at.clone());
        }
    }
    levels
}

/// The table's rows: a module, and the siblings that it may name.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let table = CONTRIBUTING.split("| module | names of its siblings |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let words = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        (words(cells[0]).remove(0), words(cells[1]).into_iter().collect())
    })
    .collect()
}

#[test]
fn no_module_leads_back_to_itself_at_any_level() {
    for (level, named) in siblings(&arrows()) {
        let names: BTreeSet<&String> = named.keys().flat_map(|(a, b)| [a, b]).collect();
        let mut reached: BTreeSet<(String, String)> = named.keys().cloned().collect();
        for via in &names {
            for from in &names {
                for to in &names {
                    let step = |a: &String, b: &String| (a.clone(), b.clone());
                    if reached.contains(&step(from, via)) && reached.contains(&step(via, to)) {
                        reached.insert(step(from, to));
                    }
                }
            }
        }
        let circle = named.iter().filter(|((a, b), _)| reached.contains(&(b.clone(), a.clone())));
        let circle: Vec<String> = circle.map(|((a, b), at)| format!("{at}: {a} → {b}")).collect();
        let level = level.join("/");
        assert!(circle.is_empty(), "in src/{level} these lead in a circle:\n{}", circle.join("\n"));
    }
}

#[test]
fn sending_and_receiving_know_nothing_of_each_other() {
    let levels = siblings(&arrows());
    for pair in [("send", "recv"), ("recv", "send")] {
        let at = levels[&Module::new()].get(&(pair.0.to_owned(), pair.1.to_owned()));
        assert_eq!(at, None, "{} names {}", pair.0, pair.1);
    }
}

#[test]
fn a_stage_names_only_the_siblings_that_the_table_allows() {
    let (allowed, levels) = (allowed(), siblings(&arrows()));
    let mut seen = BTreeSet::new();
    for parent in ["send", "recv", "send/mix"] {
        let level: Module = parent.split('/').map(str::to_owned).collect();
        for ((from, to), at) in &levels[&level] {
            let name = format!("{parent}/{from}");
            let may = allowed.get(&name).is_some_and(|allowed| allowed.contains(to));
            assert!(may, "{at}: {name} names {to}, which CONTRIBUTING.md's table does not allow");
            seen.insert((name, to.clone()));
        }
    }
    for (name, siblings) in allowed {
        for to in siblings {
            let is_there = seen.contains(&(name.clone(), to.clone()));
            assert!(is_there, "CONTRIBUTING.md allows {name} to name {to}, and it does not");
        }
    }
}

#[test]
fn no_file_is_longer_than_500_lines() {
    for folder in ["src", "tests", "benches", "examples", "fuzz"] {
        for path in files(&root().join(folder)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= LONGEST, "{} has {lines} lines", shown(&path));
        }
    }
}

#[test]
fn only_device_says_the_names_of_the_sound_libraries() {
    for path in files(&root().join("src")) {
        let name = shown(&path);
        if name == "src/device.rs" || name.starts_with("src/device/") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in code(&text).iter().enumerate() {
            let said = SOUND_LIBRARIES.iter().find(|library| line.contains(**library));
            assert_eq!(said, None, "{name}:{}", number + 1);
        }
    }
}

#[test]
fn paths_are_read_as_rust_reads_them() {
    assert_eq!(spread("a::{b, c::{d, e}}"), ["a::b", "a::c::d", "a::c::e"]);
    let module = |path: &str| -> Module { path.split('/').map(str::to_owned).collect() };
    let all = ["a", "a/b", "a/c", "d"].map(module).into();
    let found = |from: &str, path: &str| resolve(&module(from), path, &all);
    assert_eq!(found("a/b", "super::c::Thing"), Some(module("a/c")));
    assert_eq!(found("a/b", "crate::d::Thing"), Some(module("d")));
    assert_eq!(found("a", "b::Thing"), Some(module("a/b")));
    assert_eq!(found("a", "std::fmt"), None);
}
