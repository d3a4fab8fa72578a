//! What a server says of itself besides name, address and port: the TXT record's keys and values.

use crate::format::printable;

/// Longest instance name, in bytes: one DNS label, with room for the number that a name gets which
/// somebody else has already.
const LONGEST_LABEL: usize = 63 - " (99)".len();

/// Longest preset name that is said or believed, in characters: four bytes each leave room for the
/// key in the 255 bytes that one TXT string holds.
const LONGEST_PRESET: usize = 60;

/// Digits of an id: 64 random bits.
pub(super) const ID_DIGITS: usize = 16;

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The protocol's version that it speaks; 1 where it does not say.
    pub version: u32,
    /// What its preset is called; empty where it does not say.
    pub preset: String,
    /// Whether it takes no more listeners for now.
    pub full: bool,
    /// Whether its room is private.
    pub private: bool,
    /// The port of its web page, if it has one.
    pub web: Option<u16>,
    /// Which installation it is: 16 hexadecimal digits. No secret, and no proof.
    pub id: Option<String>,
}

impl Details {
    /// What to know before choosing it: whether it is private, whether it is full.
    #[must_use]
    pub fn remarks(&self) -> String {
        let remarks = [(self.private, "private"), (self.full, "full")];
        let remarks = remarks.into_iter().filter_map(|(is_so, word)| is_so.then_some(word));
        remarks.collect::<Vec<_>>().join(", ")
    }

    /// The TXT record's strings.
    #[must_use]
    pub fn write(&self) -> Vec<(&'static str, String)> {
        let mut strings = vec![
            ("version", self.version.to_string()),
            ("preset", preset_name(&self.preset)),
            ("full", u8::from(self.full).to_string()),
        ];
        strings.extend(self.private.then(|| ("private", "1".to_owned())));
        strings.extend(self.web.map(|port| ("web", port.to_string())));
        strings.extend(self.id.clone().map(|id| ("id", id)));
        strings
    }

    /// The TXT record's content: each string behind its length.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (key, value) in self.write() {
            let string = format!("{key}={value}");
            // Longer ones are not written; see the limits above.
            if let Ok(length) = u8::try_from(string.len()) {
                bytes.push(length);
                bytes.extend(string.bytes());
            }
        }
        bytes
    }

    /// Reads them; `value` is what the record says of a key. What makes no sense counts as unsaid.
    #[must_use]
    pub fn read<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Self {
        let number = |key| value(key).and_then(|text| text.parse::<u32>().ok());
        let port = number("web").and_then(|port| u16::try_from(port).ok());
        Self {
            version: number("version").filter(|version| *version > 0).unwrap_or(1),
            preset: printable(value("preset").unwrap_or_default(), LONGEST_PRESET),
            full: value("full") == Some("1"),
            private: value("private") == Some("1"),
            web: port.filter(|port| *port != 0),
            id: value("id").filter(|id| is_id(id)).map(str::to_lowercase),
        }
    }
}

/// Whether that is an id, whatever the case.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// What a preset is called among strangers: of a file only its name, since the folders are nobody's
/// business.
fn preset_name(preset: &str) -> String {
    let file = preset.rsplit(['/', '\\']).next().unwrap_or_default();
    printable(file.strip_suffix(".toml").unwrap_or(file), LONGEST_PRESET)
}

/// A server's name as an instance of the service: at most 58 bytes, cut between characters, and
/// without dots, at which the name system would take it apart.
#[must_use]
pub fn label(name: &str) -> String {
    let mut label = String::new();
    for c in printable(name, LONGEST_LABEL).chars() {
        let c = if matches!(c, '.' | '\\') { ' ' } else { c };
        if label.len() + c.len_utf8() > LONGEST_LABEL {
            break;
        }
        label.push(c);
    }
    let label = label.trim();
    if label.is_empty() { "AuraLync".to_owned() } else { label.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(strings: &[(&str, &str)]) -> Details {
        Details::read(|key| strings.iter().find(|(k, _)| *k == key).map(|(_, value)| *value))
    }

    #[test]
    fn what_is_written_reads_back() {
        for (full, web) in [(false, None), (true, Some(8080))] {
            let id = web.map(|_| "0123456789abcdef".to_owned());
            let (preset, private) = ("smooth".into(), full);
            let details = Details { version: 2, preset, full, private, web, id };
            let written = details.write();
            let strings: Vec<_> = written.iter().map(|(k, v)| (*k, v.as_str())).collect();
            assert_eq!(read(&strings), details);
        }
    }

    #[test]
    fn what_makes_no_sense_counts_as_unsaid() {
        let unsaid = Details {
            version: 1,
            preset: String::new(),
            full: false,
            private: false,
            web: None,
            id: None,
        };
        assert_eq!(read(&[]), unsaid);
        let odd = [
            ("version", "-1"),
            ("full", "yes"),
            ("private", "true"),
            ("web", "65536"),
            ("preset", "\u{1b}\n"),
        ];
        assert_eq!(read(&odd), unsaid);
        assert_eq!(read(&[("version", "0"), ("web", "0"), ("id", "../../0123456789")]), unsaid);
        let long = "x".repeat(255);
        assert_eq!(read(&[("preset", &long)]).preset.len(), LONGEST_PRESET);
    }

    #[test]
    fn of_a_presets_file_only_the_name_is_told() {
        for (preset, told) in [
            ("smooth", "smooth"),
            ("/home/ann/secret/mine.toml", "mine"),
            (r"C:\Users\Ann\mine.toml", "mine"),
            ("./a.b.toml", "a.b"),
        ] {
            assert_eq!(preset_name(preset), told);
        }
        let details = Details {
            version: 2,
            preset: "ü".repeat(300),
            full: false,
            private: true,
            web: None,
            id: None,
        };
        assert!(details.write().iter().all(|(key, value)| key.len() + value.len() < 255));
    }

    #[test]
    fn a_name_becomes_one_label() {
        for (name, expected) in [
            ("living room", "living room"),
            ("Küche", "Küche"),
            ("mr. pc.local", "mr  pc local"),
            ("\u{1b}[2Jpc", "[2Jpc"),
            (" . ", "AuraLync"),
        ] {
            assert_eq!(label(name), expected);
        }
        let long = label(&"ü".repeat(64));
        assert_eq!((long.len(), long.chars().count()), (58, 29));
    }
}
