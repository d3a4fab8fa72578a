//! What this PC is called.

/// The name of a PC that does not tell its own.
const NAMELESS: &str = "AuraLync";

/// Longest name that listeners show, in characters.
const LONGEST: usize = 64;

/// This PC's name, fit to print.
pub(crate) fn name() -> String {
    let name = own_name().map(|name| crate::format::printable(name.trim(), LONGEST));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| NAMELESS.to_owned())
}

#[cfg(windows)]
fn own_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

#[cfg(target_os = "macos")]
fn own_name() -> Option<String> {
    // The name that its owner gave it and sees everywhere, which the host name only resembles.
    let answer =
        std::process::Command::new("scutil").args(["--get", "ComputerName"]).output().ok()?;
    String::from_utf8(answer.stdout).ok()
}

#[cfg(not(any(windows, target_os = "macos")))]
fn own_name() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/hostname").ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_name_is_one_short_line() {
        let name = super::name();
        assert!((1..=super::LONGEST).contains(&name.chars().count()), "{name:?}");
        assert!(!name.chars().any(char::is_control), "{name:?}");
    }
}
