//! `--list-servers`.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::browse::Browser;
use super::found::Found;
use crate::error::Result;

/// How long servers have to answer: one that missed the first question hears the second after a
/// second.
const LISTEN: Duration = Duration::from_secs(2);

/// What there is on the network now, by name. Takes two seconds.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) if the system gives no thread or socket.
pub fn servers() -> Result<Vec<Found>> {
    let mut browser = Browser::start()?;
    browser.listen(LISTEN);
    Ok(browser.servers())
}

/// The list for people: a row for each server.
#[must_use]
pub fn table(servers: &[Found]) -> String {
    if servers.is_empty() {
        return "No server was found on this network. If one runs, it is in another network, or a \
                firewall keeps discovery (UDP port 5353) from it; its address can be typed all the \
                same."
            .to_owned();
    }
    let mut rows = vec![["NAME".to_owned(), "ADDRESS".to_owned(), "PRESET".to_owned()]];
    for found in servers {
        let preset = match found.details.remarks().as_str() {
            "" => found.details.preset.clone(),
            remarks => format!("{} ({remarks})", found.details.preset),
        };
        let address = found.likeliest().map(|address| address.to_string()).unwrap_or_default();
        rows.push([found.name.clone(), address, preset]);
    }
    columns(&rows)
}

/// Rows with their columns below each other, however wide the letters are.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] =
        std::array::from_fn(|n| rows.iter().map(|row| row[n].width()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (word, width) in row.iter().zip(widths) {
            let space = " ".repeat(width - word.width() + 2);
            // Writing to a String does not fail.
            let _ = write!(line, "{word}{space}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// The list for programs: an array with an object for each server.
#[must_use]
pub fn json(servers: &[Found]) -> Value {
    servers
        .iter()
        .map(|found| {
            let addresses: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
            json!({
                "name": found.name,
                "addresses": addresses,
                "version": found.details.version,
                "preset": found.details.preset,
                "full": found.details.full,
                "private": found.details.private,
                "web": found.details.web,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::found::example;
    use super::*;

    #[test]
    fn the_list_shows_each_server_in_a_row() {
        let mut full = example("客厅", "[fd00::1]:6000");
        full.details.full = true;
        let mut private = example("cellar", "192.0.2.2:5555");
        private.details.private = true;
        assert_eq!(
            table(&[example("attic", "192.0.2.1:5555"), private, full]),
            "NAME    ADDRESS         PRESET\n\
             attic   192.0.2.1:5555  smooth\n\
             cellar  192.0.2.2:5555  smooth (private)\n\
             客厅    [fd00::1]:6000  smooth (full)"
        );
        assert!(table(&[]).starts_with("No server was found on this network. "));
    }

    #[test]
    fn as_json_it_is_an_array_of_objects() {
        assert_eq!(json(&[]).to_string(), "[]");
        assert_eq!(
            json(&[example("attic", "192.0.2.1:5555")]),
            json!([{
                "name": "attic", "addresses": ["192.0.2.1:5555"], "version": 2,
                "preset": "smooth", "full": false, "private": false, "web": null,
            }])
        );
    }
}
