//! What an engine says of itself.

use serde::Deserialize;

/// Other addresses of the engine that are kept: one of them is tried at a time, and whoever names more is no
/// engine of ours.
pub const MOST_ADDRESSES: usize = 64;

/// Longest of them, in bytes: the longest host name, and a port.
const LONGEST_ADDRESS: usize = 261;

/// What an engine says of itself, as far as it matters here. A field that is missing is as if it were not so.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Info {
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// What is signed by those who are to show who they are.
    #[serde(default)]
    pub nonce: Option<String>,
    /// Whether they must.
    #[serde(default)]
    pub auth_required: bool,
    /// Whether it speaks TLS from here on, and nothing else.
    #[serde(default)]
    pub tls_required: bool,
    /// Whether it would.
    #[serde(default)]
    pub tls_available: bool,
    /// The longest payload that it takes, in bytes.
    #[serde(default)]
    pub max_payload: u64,
    /// Its other addresses, `HOST:PORT` each: [`MOST_ADDRESSES`] of them.
    #[serde(default)]
    pub connect_urls: Vec<String>,
    /// It is about to end: whoever is there should go to another address.
    #[serde(default)]
    pub ldm: bool,
}

impl Info {
    /// Reads it. `None` where it is no such thing.
    #[must_use]
    pub fn read(json: &str) -> Option<Self> {
        // A list would be taken for one whose fields have no names.
        let json = json.strip_prefix('{').map(|_| json)?;
        let mut info: Self = serde_json::from_str(json).ok()?;
        info.connect_urls.retain(|address| address.len() <= LONGEST_ADDRESS);
        info.connect_urls.truncate(MOST_ADDRESSES);
        Some(info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_ten_thousand_addresses_the_first_few_are_kept_and_none_that_is_no_address() {
        let addresses: Vec<String> = (0..10_000).map(|n| format!("10.0.0.1:{n}")).collect();
        let long = "x".repeat(LONGEST_ADDRESS + 1);
        let all = [vec![long], addresses.clone()].concat();
        let info = Info::read(&serde_json::json!({ "connect_urls": all }).to_string()).unwrap();
        assert_eq!(info.connect_urls, addresses[..MOST_ADDRESSES]);
    }

    #[test]
    fn what_it_does_not_say_is_not_so() {
        let info = Info::read("{}").unwrap();
        assert_eq!((info.tls_required, info.max_payload, info.nonce), (false, 0, None));
        assert_eq!(Info::read("[]"), None);
        assert_eq!(Info::read("{\"max_payload\":-1}"), None);
    }
}
