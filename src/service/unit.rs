//! What systemd reads: the package's own unit, with the program and the flags of this user in it.

use super::{Job, Program};

const SERVER: &str = include_str!("../../packaging/linux/auralync-server.service");
const CLIENT: &str = include_str!("../../packaging/linux/auralync-client.service");

/// How the line begins that says what is started.
const START: &str = "ExecStart=";

/// How a unit begins that is ours to change and to remove.
const MARK: &str = "# Written by “auralync-";

/// The unit's whole text.
pub(super) fn text(job: &Job) -> String {
    let unit = match job.program {
        Program::Server => SERVER,
        Program::Client => CLIENT,
    };
    let name = job.program.name();
    let mut text =
        format!("# Written by “{name} service install”. “{name} service remove” takes it away.\n");
    // The remarks in front are for whoever reads the package's own.
    for line in unit.lines().skip_while(|line| line.starts_with('#')) {
        if line.starts_with(START) {
            text.push_str(START);
            text.push_str(&start(job));
            if let Some(folder) = &job.folder {
                // With - in front a folder that has gone keeps nothing from starting.
                text.push_str("\nWorkingDirectory=-");
                text.push_str(&folder.replace('%', "%%"));
            }
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

/// Whether `service install` has written this unit.
pub(super) fn is_ours(text: &str) -> bool {
    text.starts_with(MARK)
}

/// The flags that a unit starts its program with.
pub(super) fn flags(text: &str) -> Vec<String> {
    let line = text.lines().rev().find_map(|line| line.strip_prefix(START)).unwrap_or_default();
    split(line).into_iter().skip(1).map(|word| word.replace("%%", "%").replace("$$", "$")).collect()
}

fn start(job: &Job) -> String {
    // Only behind the program's own name a $ begins a variable.
    let mut words = vec![quoted(&job.file.replace('%', "%%"))];
    words.extend(job.flags.iter().map(|flag| quoted(&flag.replace('%', "%%").replace('$', "$$"))));
    words.join(" ")
}

/// A word as systemd reads it: in quotation marks where anything in it could mean something else.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\""))
}

/// The words of a line, without their quotation marks.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', _) => word.get_or_insert_default().extend(letters.next()),
            (_, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (' ' | '\t', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job(file: &str, flags: &[&str]) -> Job {
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        Job { program: Program::Server, file: file.to_owned(), flags, folder: None }
    }

    #[test]
    fn without_flags_it_is_the_packages_own_unit_but_for_the_remarks() {
        let text = text(&job("/usr/bin/auralync-server", &[]));
        let (remark, unit) = text.split_once('\n').unwrap();
        assert!(remark.starts_with(MARK), "{remark}");
        assert!(is_ours(&text) && !is_ours(SERVER));
        assert!(SERVER.ends_with(unit), "{unit}");
        assert!(unit.starts_with("[Unit]"), "{unit}");
    }

    #[test]
    fn each_unit_of_the_packages_has_one_line_that_starts_its_program() {
        for unit in [SERVER, CLIENT] {
            assert_eq!(unit.lines().filter(|line| line.starts_with(START)).count(), 1);
        }
    }

    #[test]
    fn what_means_something_to_systemd_means_nothing_in_a_flag() {
        let job = job(
            "/home/jö $HOME/aura 100%/auralync-server",
            &[
                "--name",
                "Küche",
                "--name",
                "a;b",
                ";",
                "100 %",
                "$HOME",
                r#"say "hi""#,
                r"C:\x",
                "",
                "it's",
            ],
        );
        assert_eq!(
            start(&job),
            r#""/home/jö $HOME/aura 100%%/auralync-server" --name "Küche" --name "a;b" ";" "100 %%" "$$HOME" "say \"hi\"" "C:\\x" "" "it's""#
        );
        assert_eq!(flags(&text(&job)), job.flags);
    }

    #[test]
    fn file_names_among_the_flags_are_meant_where_they_were_typed() {
        let mut job = job("/usr/bin/auralync-server", &["--preset", "./mine.toml"]);
        job.folder = Some("/home/me/100 % film".to_owned());
        let text = text(&job);
        assert!(text.contains("\nWorkingDirectory=-/home/me/100 %% film\n"), "{text}");
    }

    proptest! {
        #[test]
        fn flags_are_read_as_they_were_written(flags in prop::collection::vec("[^\\x00-\\x1f\\x7f]*", 0..6)) {
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let job = job("/a b/%$", &flags);
            prop_assert_eq!(super::flags(&text(&job)), job.flags);
        }
    }
}
