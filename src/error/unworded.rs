//! Words for errors that Windows itself has none for. Its sound system's errors are such: Rust shows
//! them as `OS Error -2004287478 (FormatMessageW() returned error 317)`, which tells nobody anything.

/// How Rust shows an error without words. A number and [`NO_WORDS`] follow.
const UNWORDED: &str = "OS Error ";

/// What follows the number.
const NO_WORDS: &str = " (FormatMessageW() returned ";

/// The number of an `HRESULT` that wraps an error of Windows of old.
const WRAPPED: u32 = 0x8007_0000;

/// What the system says, with words where it says a number alone, and no number behind words.
pub(crate) fn in_words(text: &str) -> String {
    without_number(&worded(text)).to_owned()
}

/// What the system says, with words in front of a number that would stand alone.
pub(super) fn worded(text: &str) -> String {
    let worded = (|| {
        let (before, rest) = text.split_once(UNWORDED)?;
        let (number, reason) = rest.split_once(NO_WORDS)?;
        let number = number.parse::<i32>().ok()?;
        let (_, after) = reason.split_once(')')?;
        Some(format!("{before}{}{after}", words(number.cast_unsigned())))
    })();
    worded.unwrap_or_else(|| text.to_owned())
}

fn without_number(text: &str) -> &str {
    text.split(" (os error ").next().unwrap_or_default()
}

/// What an error means that Windows has no words for, by Microsoft's description of it.
fn words(number: u32) -> String {
    let known = match number {
        0x8889_0003 => "it is an output where an input is needed, or the other way round",
        0x8889_0004 => "the device was unplugged, turned off or set up anew",
        0x8889_0006 => "the device wants less sound at a time",
        0x8889_0008 => "the device does not take sound in this format",
        0x8889_000a => "another program uses the device alone",
        0x8889_000e => "the device may not be used alone",
        0x8889_000f => "the device cannot be opened now: it may have been unplugged just then",
        0x8889_0010 => "the Windows Audio service does not run",
        0x8889_0012 => "the device can only be used by one program alone",
        0x8889_0016 => "the device does not take a buffer of this length",
        0x8889_0017 => "the sound system is too busy",
        0x8889_0018 => "the driver gave no room for sound",
        0x8889_0019 => "the device wants a buffer of another length",
        0x8889_0020 => "the device does not work at this pace",
        0x8889_0026 => "another use has taken the device's resources",
        0x8000_4001 => "this system cannot do that",
        0x8000_4002 => "this system has no such part of its sound",
        0x8000_4005 => "it failed, and no reason is given",
        0x8004_0154 => "this system comes without that part",
        0x800f_0000..=0x800f_ffff => "the driver is not installed right",
        _ => return unknown(number),
    };
    known.to_owned()
}

fn unknown(number: u32) -> String {
    let old = number & 0xffff;
    let is_wrapped = cfg!(windows) && number & 0xffff_0000 == WRAPPED;
    let wrapped = is_wrapped.then(|| i32::try_from(old).ok()).flatten();
    let said = wrapped.map(|old| std::io::Error::from_raw_os_error(old).to_string());
    let said = said.filter(|said| !said.starts_with(UNWORDED));
    match said.as_deref() {
        Some(said) => without_number(said).trim_end_matches('.').to_owned(),
        None => format!("Windows has no words for its error 0x{number:08X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As cpal hands them on.
    fn shown(number: u32) -> String {
        let number = number.cast_signed();
        format!(
            "Failed to initialize audio client: OS Error {number} (FormatMessageW() returned error \
             317) (os error {number})"
        )
    }

    #[test]
    fn an_error_that_windows_has_no_words_for_gets_ours() {
        assert_eq!(
            in_words(&shown(0x8889_000a)),
            "Failed to initialize audio client: another program uses the device alone"
        );
        assert_eq!(
            in_words("OS Error -2004287484 (FormatMessageW() returned error 317)"),
            "the device was unplugged, turned off or set up anew"
        );
    }

    #[test]
    fn no_error_is_a_number_alone() {
        for number in (0..=u16::MAX).map(u32::from) {
            for facility in [0, 0x8000_0000, 0x8004_0000, 0x8007_0000, 0x8889_0000] {
                let text = in_words(&shown(facility | number));
                let said = text.strip_prefix("Failed to initialize audio client: ").unwrap();
                assert!(said.starts_with(char::is_alphabetic), "{text}");
                assert!(!text.contains("FormatMessage") && !text.contains("OS Error"), "{text}");
                assert!(!text.contains("os error"), "{text}");
            }
        }
    }

    #[test]
    fn what_the_system_says_in_words_stays_as_it_is() {
        assert_eq!(in_words("Element not found. (os error 1168)"), "Element not found.");
        for text in ["", "OS Error", "OS Error x (FormatMessageW() returned error 317)", "wrong"] {
            assert_eq!(in_words(text), text);
        }
    }

    #[test]
    fn a_reason_that_is_no_text_either_gets_words_too() {
        let text = in_words("OS Error 5 (FormatMessageW() returned invalid UTF-16) (os error 5)");
        assert!(text.ends_with("0x00000005"), "{text}");
    }
}
