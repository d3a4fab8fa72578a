//! What launchd reads: a property list with the program and its flags. It starts the keeper, whose log is bounded:
//! a file that launchd writes into grows for ever.

use super::{Job, Program, VARIABLE};

/// How launchd knows the program.
pub(super) fn label(program: Program) -> String {
    let name = program.name().trim_start_matches("auralync-");
    format!("org.auralync.{name}")
}

/// What stands before the flags, so that the program keeps itself running and keeps a log.
const KEEPER: [&str; 2] = ["service", "run"];

/// The list's whole text.
pub(super) fn text(job: &Job) -> String {
    let flags = job.flags.iter().map(String::as_str);
    let words = std::iter::once(job.file.as_str()).chain(KEEPER).chain(flags);
    let words: String =
        words.map(|word| format!("    <string>{}</string>\n", escaped(word))).collect();
    let folder =
        job.folder.as_ref().map(|folder| entry("WorkingDirectory", folder)).unwrap_or_default();
    let (label, name) = (label(job.program), job.program.name());
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <!-- {MARK}{name} service install”, taken away by “{name} service remove”. -->\n\
         <plist version=\"1.0\">\n<dict>\n\
         \x20 <key>Label</key>\n  <string>{label}</string>\n\
         \x20 <key>ProgramArguments</key>\n  <array>\n{words}  </array>\n\
         \x20 <key>EnvironmentVariables</key>\n  <dict>\n    <key>{VARIABLE}</key>\n    <string>1</string>\n  </dict>\n\
         {folder}\
         \x20 <key>RunAtLoad</key>\n  <true/>\n\
         \x20 <key>KeepAlive</key>\n  <dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>\n\
         \x20 <key>ProcessType</key>\n  <string>Interactive</string>\n\
         </dict>\n</plist>\n"
    )
}

/// How a list says that it is ours to change and to remove.
const MARK: &str = "Written by “";

/// Whether `service install` has written this list.
pub(super) fn is_ours(text: &str) -> bool {
    text.contains(&format!("<!-- {MARK}auralync-"))
}

/// The flags that a list starts its program with.
pub(super) fn flags(text: &str) -> Vec<String> {
    let words = text.split_once("<array>").and_then(|(_, rest)| rest.split_once("</array>"));
    let words = words.map(|(words, _)| words).unwrap_or_default();
    let words =
        words.split("<string>").skip(1).filter_map(|word| Some(word.split_once("</string>")?.0));
    words.skip(1 + KEEPER.len()).map(read).collect()
}

/// Whether the program runs, of what `launchctl print` says.
pub(super) fn runs(printed: &str) -> String {
    let value = |name: &str| {
        printed.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(" = "))
    };
    match (value("state"), value("last exit code")) {
        (Some("running"), _) => "runs".to_owned(),
        (Some(_), Some(code)) if code != "(never exited)" => {
            format!("does not run now: it ended with code {code}")
        }
        (Some(_), _) => "does not run now".to_owned(),
        (None, _) => "does not run".to_owned(),
    }
}

fn entry(key: &str, value: &str) -> String {
    format!("  <key>{key}</key>\n  <string>{}</string>\n", escaped(value))
}

fn escaped(word: &str) -> String {
    word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn read(word: &str) -> String {
    word.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_in_the_list_as_they_are_meant_and_are_read_again() {
        let flags = ["--name", "Küche <&> \"1\" &amp; 100 %", "", "--talk=open"].map(str::to_owned);
        let job = Job {
            program: Program::Client,
            file: "/Users/jö & co/auralync-client".to_owned(),
            flags: flags.to_vec(),
            folder: Some("/Users/jö".to_owned()),
        };
        let text = text(&job);
        assert_eq!(super::flags(&text), job.flags);
        assert!(is_ours(&text));
        assert!(!is_ours(&text.replace("Written", "Typed")));
        for part in [
            "<string>org.auralync.client</string>",
            "<string>/Users/jö &amp; co/auralync-client</string>\n    <string>service</string>\n    <string>run</string>\n    \
             <string>--name</string>",
            "<key>SuccessfulExit</key>\n    <false/>",
            "<key>WorkingDirectory</key>\n  <string>/Users/jö</string>",
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        // Nothing bounds a file that launchd writes into.
        assert!(!text.contains("StandardOutPath") && !text.contains("StandardErrorPath"), "{text}");
    }

    #[test]
    fn what_launchd_prints_says_whether_it_runs() {
        let running = "gui/501/org.auralync.server = {\n\tstate = running\n\tpid = 7\n}";
        assert_eq!(runs(running), "runs");
        let ended = "x = {\n\tstate = not running\n\tlast exit code = 2\n}";
        assert_eq!(runs(ended), "does not run now: it ended with code 2");
        assert_eq!(
            runs("\tstate = waiting\n\tlast exit code = (never exited)"),
            "does not run now"
        );
        assert_eq!(runs(""), "does not run");
    }
}
