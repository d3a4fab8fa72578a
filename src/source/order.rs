//! What can be told of a source while a server runs.

use serde::{Deserialize, Serialize};

use super::{LEVEL_DB, PAN};
use crate::error::{Error, Result};

/// What becomes of a source that is in the mix. As JSON it is the `method` and `params` of a call.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceOrder {
    /// It is this loud from now on.
    Level {
        /// Its number, as the list of sources gives it.
        source: u64,
        /// The level in dB, within [`LEVEL_DB`].
        db: f32,
    },
    /// It is silent from now on, or is heard again.
    Mute {
        /// Its number, as the list of sources gives it.
        source: u64,
        /// Whether it is silent.
        muted: bool,
    },
    /// It stands there from now on.
    Pan {
        /// Its number, as the list of sources gives it.
        source: u64,
        /// The place between left and right, within [`PAN`].
        pan: f32,
    },
    /// It leaves the mix.
    Remove {
        /// Its number, as the list of sources gives it.
        source: u64,
    },
}

impl SourceOrder {
    /// The order, if its level and place can be.
    ///
    /// # Errors
    /// [`Error::Usage`] that names what can be.
    pub fn checked(self) -> Result<Self> {
        match self {
            Self::Level { db, .. } if !LEVEL_DB.contains(&db) => {
                let (least, most) = (LEVEL_DB.start(), LEVEL_DB.end());
                Err(Error::usage(
                    format!("a level of {db} dB cannot be set"),
                    format!("Choose one between {least} and {most} dB"),
                ))
            }
            Self::Pan { pan, .. } if !PAN.contains(&pan) => Err(Error::usage(
                format!("a source cannot stand at {pan}"),
                "Choose a place between -1 (left) and 1 (right)",
            )),
            order => Ok(order),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    const ALL: [SourceOrder; 4] = [
        SourceOrder::Level { source: 1, db: -6.0 },
        SourceOrder::Mute { source: 1, muted: true },
        SourceOrder::Pan { source: 1, pan: 0.5 },
        SourceOrder::Remove { source: 1 },
    ];

    /// Methods and the names of their parameters.
    type Calls = BTreeSet<(String, BTreeSet<String>)>;

    #[test]
    fn the_document_has_a_method_with_the_same_parameters_for_every_order_and_no_others() {
        let of_code: Calls = ALL
            .iter()
            .map(|order| {
                let call = serde_json::to_value(order).unwrap();
                let params = call["params"].as_object().unwrap().keys().cloned().collect();
                (call["method"].as_str().unwrap().to_owned(), params)
            })
            .collect();
        let page = include_str!("../../docs/control.md");
        // Names stand in backquotes: every second part of a cell.
        let quoted = |cell: &str| -> BTreeSet<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let of_document: Calls = page
            .lines()
            .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
            .filter(|cells| cells.len() == 5 && quoted(cells[2]).contains("source"))
            .map(|cells| (cells[1].trim_matches('`').to_owned(), quoted(cells[2])))
            .collect();
        assert_eq!(of_code, of_document);
    }

    #[test]
    fn every_order_reads_back_as_it_was_said_and_nothing_may_be_added() {
        for order in ALL {
            let mut call = serde_json::to_value(order).unwrap();
            assert_eq!(serde_json::from_value::<SourceOrder>(call.clone()).unwrap(), order);
            call["params"]["more"] = Value::Null;
            assert!(serde_json::from_value::<SourceOrder>(call).is_err(), "{order:?}");
        }
    }

    #[test]
    fn a_level_or_a_place_that_cannot_be_is_refused_and_what_can_be_is_named() {
        for order in ALL {
            assert_eq!(order.checked().unwrap(), order);
        }
        for db in [-96.1, 24.1, f32::NAN, f32::INFINITY] {
            let error = SourceOrder::Level { source: 1, db }.checked().unwrap_err().to_string();
            assert!(error.contains("between -96 and 24 dB"), "{error}");
        }
        for pan in [-1.1, 1.1, f32::NAN] {
            let error = SourceOrder::Pan { source: 1, pan }.checked().unwrap_err().to_string();
            assert!(error.contains("between -1 (left) and 1 (right)"), "{error}");
        }
    }
}
