//! What Windows starts when its user signs in: one line with the program and its flags, as a value of the Run key.

use super::{Job, Program};
use crate::error::{Error, Result};

/// Longest line that Windows starts, in UTF-16 units: Microsoft's own description of the Run key says so.
const LONGEST: usize = 260;

/// What stands between the program and its flags.
const BETWEEN: [&str; 2] = ["service", "run"];

/// The value's name: the installer's own, so that both mean the same.
pub(super) fn name(program: Program) -> &'static str {
    match program {
        Program::Server => "AuraLync Server",
        Program::Client => "AuraLync Client",
    }
}

/// The line that starts the keeper of the program, without a window.
///
/// # Errors
/// [`Error::Usage`] where it is longer than Windows takes.
pub(super) fn text(job: &Job) -> Result<String> {
    let mut words = vec![quoted(&job.file, true)];
    words.extend(BETWEEN.map(str::to_owned));
    words.extend(job.flags.iter().map(|flag| quoted(flag, false)));
    let line = words.join(" ");
    let length = line.encode_utf16().count();
    if length > LONGEST {
        return Err(Error::usage(
            format!(
                "Windows starts lines of up to {LONGEST} characters, and this one has {length}"
            ),
            "Put what can be said there into a preset of your own, or move the program to a shorter folder",
        ));
    }
    Ok(line)
}

/// Whether a value starts this program: then it is this command's, or the installer's choice.
pub(super) fn is_ours(line: &str, program: Program) -> bool {
    let words = split(line);
    let file = words.first().and_then(|file| file.rsplit(['\\', '/']).next()).unwrap_or_default();
    let file = file.to_lowercase();
    file.strip_suffix(".exe").unwrap_or(&file) == program.name()
}

/// The flags that a value starts the program with.
pub(super) fn flags(line: &str) -> Vec<String> {
    let words = split(line).split_off(1);
    words.strip_prefix(&BETWEEN.map(str::to_owned)[..]).unwrap_or(&words).to_vec()
}

/// A word as programs on Windows read it: a backslash is one only before a quotation mark.
fn quoted(word: &str, always: bool) -> String {
    if !always && !word.is_empty() && !word.contains([' ', '\t', '"']) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    let mut backslashes = 0;
    for letter in word.chars() {
        match letter {
            '\\' => backslashes += 1,
            '"' => {
                quoted.push_str(&"\\".repeat(backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        quoted.push(letter);
    }
    quoted.push_str(&"\\".repeat(backslashes));
    quoted.push('"');
    quoted
}

/// The words of a line, as programs on Windows read it; never none.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_open, mut is_word) = (Vec::new(), String::new(), false, false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                let mut count = 1;
                while letters.next_if_eq(&'\\').is_some() {
                    count += 1;
                }
                let is_quote = letters.peek() == Some(&'"');
                word.push_str(&"\\".repeat(if is_quote { count / 2 } else { count }));
                if is_quote && count % 2 == 1 {
                    word.extend(letters.next());
                }
                is_word = true;
            }
            '"' => {
                is_open = !is_open;
                is_word = true;
            }
            ' ' | '\t' if !is_open => {
                if std::mem::take(&mut is_word) {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => {
                word.push(letter);
                is_word = true;
            }
        }
    }
    if is_word || words.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job(flags: &[&str]) -> Job {
        Job {
            program: Program::Server,
            file: r"C:\Users\Jörg B\auralync-server.exe".to_owned(),
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
            folder: None,
        }
    }

    #[test]
    fn the_value_starts_the_keeper_with_the_flags() {
        let flags = ["--name", "Küche 1", r#"say "hi""#, r"C:\a b\", "", "%PATH%"];
        let line = text(&job(&flags)).unwrap();
        assert_eq!(
            line,
            r#""C:\Users\Jörg B\auralync-server.exe" service run --name "Küche 1" "say \"hi\"" "C:\a b\\" "" %PATH%"#
        );
        assert_eq!(super::flags(&line), flags);
        assert!(is_ours(&line, Program::Server) && !is_ours(&line, Program::Client));
    }

    #[test]
    fn what_the_installer_has_chosen_is_known_and_others_values_are_left() {
        let chosen = r#""C:\Users\Ann\AppData\Local\Programs\AuraLync\Auralync-Server.EXE""#;
        assert!(is_ours(chosen, Program::Server));
        assert!(flags(chosen).is_empty());
        assert_eq!(name(Program::Server), "AuraLync Server");
        for other in ["", r"C:\Windows\notepad.exe", "auralync-server.exe.exe"] {
            assert!(!is_ours(other, Program::Server), "{other}");
        }
    }

    #[test]
    fn a_line_that_is_longer_than_windows_takes_is_refused() {
        let name = "n".repeat(LONGEST);
        let error = text(&job(&["--name", &name])).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("260"), "{error}");
    }

    proptest! {
        #[test]
        fn flags_are_read_as_they_were_written(
            flags in prop::collection::vec("[a \\\\\"]{0,5}", 0..5)
        ) {
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let line = text(&job(&flags)).unwrap();
            prop_assert_eq!(super::flags(&line), flags);
        }
    }
}
