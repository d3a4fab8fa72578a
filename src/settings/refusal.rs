//! What is wrong with a command line, in whole sentences: what clap found, said for people.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Parser};

use crate::error::{Error, Result};
use crate::format::printable;

/// Longest typed word that an answer repeats, in characters.
const SHOWN: usize = 100;

/// Longest reason that is shown, in characters; it may repeat what was typed.
const LONGEST_REASON: usize = 400;

/// What was typed, the program's own name first, as flags.
///
/// # Errors
/// [`Error::Usage`] where it is wrong, and for `--help` and `--version`, which ask for no work.
pub fn parse<Args: Parser>(words: &[OsString]) -> Result<Args> {
    Args::try_parse_from(words).map_err(|e| usage_error(&Args::command(), words, &e))
}

/// What clap says about a wrong command line, in one line like every other error. `words` are what
/// was typed, the program's own name first. Not for `--help` and `--version`, which clap also returns
/// as errors: there [`use_stderr`](clap::Error::use_stderr) is false.
#[must_use]
pub fn usage_error(command: &Command, words: &[OsString], error: &clap::Error) -> Error {
    let place = Place::find(command, words);
    let (what, fix) = place.explain(error);
    let all = match place.command.has_subcommands() && place.path.contains(' ') {
        true => "To see what it can do",
        false => "To see every flag",
    };
    let fix = match fix.ends_with(' ') || fix.is_empty() {
        true => fix,
        false => format!("{fix}. "),
    };
    Error::usage(what, format!("{fix}{all}: {} --help", place.path))
}

/// Where in a command line of orders within orders a word is wrong.
struct Place<'a> {
    command: &'a Command,
    /// The program and its orders, as they are typed.
    path: String,
}

impl<'a> Place<'a> {
    fn find(command: &'a Command, words: &[OsString]) -> Self {
        let mut place = Self { command, path: command.get_name().to_owned() };
        for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
            if let Some(order) = place.command.find_subcommand(word) {
                place.path = format!("{} {word}", place.path);
                place.command = order;
            }
        }
        place
    }

    /// The orders without the program's name, which stands in front of every error.
    fn orders(&self) -> &str {
        self.path.split_once(' ').map_or(self.path.as_str(), |(_, orders)| orders)
    }

    /// What is wrong, and what to do about it, which may be nothing special.
    fn explain(&self, error: &clap::Error) -> (String, String) {
        let said = |kind| said(error, kind);
        let (flag, value) = flag_and_value(&said(ContextKind::InvalidArg));
        let typed = printable(&said(ContextKind::InvalidValue), SHOWN);
        let nothing = String::new;
        match error.kind() {
            ErrorKind::UnknownArgument if flag.starts_with('-') => {
                let (meant, _) = flag_and_value(&said(ContextKind::SuggestedArg));
                let meant =
                    if meant.is_empty() { meant } else { format!("Did you mean {meant}? ") };
                let flag = printable(&said(ContextKind::InvalidArg), SHOWN);
                (format!("there is no flag {flag}"), meant)
            }
            ErrorKind::UnknownArgument => (
                format!(
                    "“{}” is one word too many",
                    printable(&said(ContextKind::InvalidArg), SHOWN)
                ),
                "What has spaces in it stands in quotation marks, and a flag begins with --"
                    .to_owned(),
            ),
            ErrorKind::InvalidValue | ErrorKind::ValueValidation if typed.is_empty() => {
                (format!("{flag} needs {value} behind it"), nothing())
            }
            ErrorKind::InvalidValue => (
                format!("{flag} cannot be “{typed}”"),
                format!("It can be {}", said(ContextKind::ValidValue).replace(", ", " or ")),
            ),
            ErrorKind::ValueValidation => {
                let why = std::error::Error::source(error).map(ToString::to_string);
                let why = why.unwrap_or_else(|| "this is not understood".to_owned());
                let why = printable(&why, LONGEST_REASON);
                match flag.starts_with('-') {
                    true => (format!("{flag} cannot be “{typed}”: {why}"), nothing()),
                    // Such a word says for itself what it is.
                    false => (format!("{}: {why}", self.orders()), nothing()),
                }
            }
            ErrorKind::TooManyValues => (
                format!("{flag} takes no value, and “{typed}” was given"),
                format!("Write {flag} alone"),
            ),
            ErrorKind::ArgumentConflict => match flag_and_value(&said(ContextKind::PriorArg)).0 {
                other if other == flag => {
                    (format!("{flag} was given twice"), "Give it once".to_owned())
                }
                other => (
                    format!("{flag} and {other} contradict each other"),
                    "Leave one of the two out".to_owned(),
                ),
            },
            ErrorKind::MissingRequiredArgument => (self.missing(error), nothing()),
            ErrorKind::InvalidSubcommand => {
                let meant = said(ContextKind::SuggestedSubcommand);
                let meant =
                    if meant.is_empty() { meant } else { format!("Did you mean {meant}? ") };
                let typed = printable(&said(ContextKind::InvalidSubcommand), SHOWN);
                (
                    format!("{} does not know “{typed}”", self.orders()),
                    format!("{meant}It knows {}", self.known()),
                )
            }
            ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                (format!("{} needs {} behind it", self.orders(), self.known()), nothing())
            }
            ErrorKind::InvalidUtf8 => (
                "one of the words is no text in UTF-8".to_owned(),
                "Write it anew, or give the file another name".to_owned(),
            ),
            _ => (
                error.render().to_string().lines().next().unwrap_or_default().to_owned(),
                nothing(),
            ),
        }
    }

    /// What an order needs, and what of it was not typed.
    fn missing(&self, error: &clap::Error) -> String {
        let names = |arg: &Arg| {
            arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect()
        };
        let needed: Vec<String> =
            self.command.get_positionals().flat_map(|arg| -> Vec<String> { names(arg) }).collect();
        let missing: Vec<String> = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::Strings(all)) => {
                all.iter().map(|arg| arg.trim_matches(['<', '>']).to_owned()).collect()
            }
            _ => Vec::new(),
        };
        let all = format!("{} needs {}", self.orders(), listed(&needed, "and"));
        if missing.is_empty() || missing == needed {
            return all;
        }
        let are = if missing.len() == 1 { "is" } else { "are" };
        format!("{all}, and {} {are} missing", listed(&missing, "and"))
    }

    /// The orders that may follow.
    fn known(&self) -> String {
        let known: Vec<String> =
            self.command.get_subcommands().map(|order| order.get_name().to_owned()).collect();
        listed(&known, "or")
    }
}

/// What clap noted down about an error, "" if nothing.
fn said(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(all)) => all.join(", "),
        _ => String::new(),
    }
}

/// “--port” and “PORT” of clap's `--port <PORT>`, “--talk” and “open or push” of
/// “--talk[=<open|push>]”.
fn flag_and_value(written: &str) -> (String, String) {
    let end = written.find([' ', '[', '=']).filter(|&end| end > 0).unwrap_or(written.len());
    let (flag, value) = written.split_at(end);
    let value = value.split_once('<').and_then(|(_, value)| value.rsplit_once('>'));
    let value = value.map(|(value, _)| value.replace('|', " or ")).unwrap_or_default();
    (flag.trim_end_matches("...").to_owned(), value)
}

/// “a, b and c”.
fn listed(names: &[String], last: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., end] => format!("{} {last} {end}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests;
