//! How the page's modules lead to each other.

use std::fs;
use std::path::{Path, PathBuf};

use auralync::send::web::page::FILES;

/// A line with which one module imports another, at once or later.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Import {
    file: String,
    line: usize,
    imports: String,
}

impl std::fmt::Display for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "web/{}:{} imports {}", self.file, self.line, self.imports)
    }
}

fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("web")
}

/// The imports of a module: `from './x.js'` ends a list of names, `import('./x.js')` is fetched when
/// it is wanted. Comments import nothing.
fn imports_of(file: &str, text: &str) -> Vec<Import> {
    let lines = text.lines().enumerate();
    let code = lines.filter(|(_, line)| {
        let line = line.trim_start();
        !["//", "/*", "*"].iter().any(|comment| line.starts_with(comment))
    });
    let found = code.flat_map(|(at, line)| {
        let after = [" from './", "import('./", "import './"].map(|before| line.split(before));
        let names = after.into_iter().flat_map(|parts| parts.skip(1));
        names.filter_map(move |rest| Some((at + 1, rest.split_once('\'')?.0.to_owned())))
    });
    found.map(|(line, imports)| Import { file: file.to_owned(), line, imports }).collect()
}

fn all_imports() -> Vec<Import> {
    let mut files: Vec<String> = fs::read_dir(web())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "js"))
        .collect();
    files.sort_unstable();
    let read = |file: &String| imports_of(file, &fs::read_to_string(web().join(file)).unwrap());
    files.iter().flat_map(read).collect()
}

/// The imports that lead from a module back to itself, if any do.
fn circle(all: &[Import]) -> Option<Vec<Import>> {
    fn follow(all: &[Import], path: &mut Vec<Import>, done: &mut Vec<String>) -> bool {
        let at = path[path.len() - 1].imports.clone();
        if let Some(first) = path.iter().position(|step| step.file == at) {
            path.drain(..first);
            return true;
        }
        if done.contains(&at) {
            return false;
        }
        for next in all.iter().filter(|import| import.file == at) {
            path.push(next.clone());
            if follow(all, path, done) {
                return true;
            }
            path.pop();
        }
        done.push(at);
        false
    }
    let mut done = Vec::new();
    all.iter().find_map(|start| {
        let mut path = vec![start.clone()];
        follow(all, &mut path, &mut done).then_some(path)
    })
}

#[test]
fn no_module_of_the_page_leads_back_to_itself() {
    let all = all_imports();
    assert!(all.iter().any(|import| import.file == "app.js" && import.imports == "playing.js"));
    if let Some(circle) = circle(&all) {
        let steps: Vec<String> = circle.iter().map(ToString::to_string).collect();
        panic!("these lead in a circle:\n{}", steps.join("\n"));
    }
}

#[test]
fn every_module_that_the_page_imports_is_served() {
    for import in all_imports() {
        let path = format!("/{}", import.imports);
        assert!(FILES.iter().any(|file| file.path == path), "{import}, which is not served");
    }
}

#[test]
fn a_circle_is_found_wherever_it_begins_and_named_by_its_lines() {
    let text = [
        ("a.js", "import {b} from './b.js';\n"),
        ("b.js", "// from './a.js'\nimport {\n\tc,\n} from './c.js';\n"),
        ("c.js", "import './d.js';\nconst late = () => import('./b.js');\n"),
        ("d.js", "export {e} from './e.js';\n"),
    ];
    let all: Vec<Import> = text.iter().flat_map(|(file, text)| imports_of(file, text)).collect();
    let said: Vec<String> = circle(&all).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(said, ["web/b.js:4 imports c.js", "web/c.js:2 imports b.js"]);
    let straight: Vec<Import> = all.into_iter().filter(|import| import.line != 2).collect();
    assert_eq!(circle(&straight), None);
}
