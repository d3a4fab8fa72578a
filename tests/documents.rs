//! The project's prose: lines of pages can be read, their links lead somewhere, the entry page of the
//! design lists all of its pages, and each documentation comment stands alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A line is no longer than this, in characters: what fits beside another window.
const COLUMNS: usize = 120;

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What lies in a folder, in order.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    files
}

fn is_kind(file: &Path, kind: &str) -> bool {
    file.extension().is_some_and(|extension| extension == kind)
}

/// The Markdown files in a folder, in order.
fn pages_in(folder: &Path) -> Vec<PathBuf> {
    listed(folder).into_iter().filter(|file| is_kind(file, "md")).collect()
}

/// The Rust files in a folder and below it.
fn sources_in(folder: &Path) -> Vec<PathBuf> {
    let (folders, files): (Vec<_>, Vec<_>) = listed(folder).into_iter().partition(|at| at.is_dir());
    let below = folders.iter().filter(|folder| !folder.ends_with("node_modules"));
    let below = below.flat_map(|folder| sources_in(folder));
    files.into_iter().filter(|file| is_kind(file, "rs")).chain(below).collect()
}

/// Every page that people read, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let at_the_door = ["README.md", "CONTRIBUTING.md"].map(|page| here().join(page));
    let folders = ["docs", "docs/design"].map(|folder| pages_in(&here().join(folder)));
    let pages = at_the_door.into_iter().chain(folders.into_iter().flatten());
    pages.map(|page| (page.clone(), fs::read_to_string(page).unwrap())).collect()
}

/// The lines outside of code, each with its number.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    let lines = text.lines().enumerate().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence && !line.starts_with("    ")
    });
    lines.map(|(before, line)| (before + 1, line))
}

/// The targets of the links in a line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// A line as it is read: without the targets of its links.
fn visible(line: &str) -> String {
    targets(line).fold(line.to_owned(), |line, target| line.replace(&format!("({target})"), ""))
}

/// What a heading is called in links.
fn anchor(heading: &str) -> String {
    let letters = heading.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ => letter.is_alphanumeric().then(|| letter.to_ascii_lowercase()),
    });
    letters.collect()
}

/// What the headings of a page are called in links.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter_map(|(_, line)| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len()).then(|| anchor(heading.trim()))
    });
    headings.collect()
}

#[test]
fn no_line_of_a_page_is_longer_than_a_window_is_wide() {
    let mut long = Vec::new();
    for (page, text) in pages() {
        for (number, line) in prose(&text) {
            let is_prose = !line.starts_with('|') && !line.starts_with('<');
            let columns = visible(line).chars().count();
            if is_prose && columns > COLUMNS {
                long.push(format!("{}:{number}: {columns} columns", page.display()));
            }
        }
    }
    assert!(long.is_empty(), "these lines are longer than {COLUMNS}:\n{}", long.join("\n"));
}

#[test]
fn every_link_leads_to_a_page_and_a_heading_that_are_there() {
    let mut broken = Vec::new();
    for (page, text) in pages() {
        for (number, line) in prose(&text) {
            for target in targets(line).filter(|target| !target.contains("://")) {
                let (file, heading) = target.split_once('#').unwrap_or((target, ""));
                let to = match file {
                    "" => page.clone(),
                    file => page.parent().unwrap().join(file),
                };
                let leads = heading.is_empty() && to.exists()
                    || fs::read_to_string(&to).is_ok_and(|text| anchors(&text).contains(heading));
                if !leads {
                    broken.push(format!("{}:{number}: {target}", page.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn the_entry_page_of_the_design_lists_each_of_its_pages_once() {
    let entry = fs::read_to_string(here().join("docs/design.md")).unwrap();
    let rows = entry.lines().filter_map(|line| line.strip_prefix("| [")?.split_once(')'));
    let mut listed: Vec<&str> =
        rows.filter_map(|(link, _)| Some(link.split_once("](design/")?.1)).collect();
    listed.sort_unstable();
    let there = pages_in(&here().join("docs/design"));
    let there: Vec<_> = there.iter().map(|page| page.file_name().unwrap()).collect();
    assert_eq!(listed, there);
}

#[test]
fn no_documentation_comment_goes_on_in_the_next_ones() {
    let folders = ["src", "tests", "benches", "examples"];
    let mut broken = Vec::new();
    for file in folders.iter().flat_map(|folder| sources_in(&here().join(folder))) {
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<_> =
            text.lines().map(|line| line.trim_start().strip_prefix("///")).collect();
        let before = std::iter::once(&None).chain(&lines);
        let after = lines.iter().skip(1).chain(std::iter::once(&None));
        for (number, ((before, line), after)) in before.zip(&lines).zip(after).enumerate() {
            let Some(line) = line else { continue };
            let begins = before.is_none()
                && ["…", "The same "].iter().any(|with| line.trim_start().starts_with(with));
            let goes_on = after.is_none() && line.ends_with('…');
            if begins || goes_on {
                broken.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    assert!(broken.is_empty(), "these cannot be read alone:\n{}", broken.join("\n"));
}
