//! What `auralync-client ctl` does: finds what was meant, asks the server, shows the answer.

use serde_json::{Value, json};

use super::ask::Caller;
use crate::error::{Error, Result};
use crate::format::printable;
use crate::settings::ctl::{CtlArgs, Order, Recording, SnapclientChange};
use crate::source::SourceOrder;

/// Longest name that is shown, in characters.
const SHOWN: usize = 64;

/// Longest link that is shown, in characters.
const LONGEST_LINK: usize = 400;

/// Does it. What there is to show comes back.
///
/// # Errors
/// [`Error::Usage`] for a source or a listener that is not there, or could be several; and as
/// [`Caller`].
pub fn run(args: &CtlArgs) -> Result<String> {
    let target = args.target()?;
    let mut caller = Caller::connect(&target.host, target.port)?;
    let mut source = |typed: &str| {
        let list = caller.call("list", &json!({}))?;
        let id = find("source", typed, &list["sources"], "id", "name")?;
        number(&id)
    };
    let (method, params) = match &args.order {
        Order::List => call("list", json!({})),
        Order::Level { source: typed, db } => {
            tell(SourceOrder::Level { source: source(typed)?, db: *db })?
        }
        Order::Mute { whom } => mute(&caller.call("list", &json!({}))?, whom, true)?,
        Order::Unmute { whom } => mute(&caller.call("list", &json!({}))?, whom, false)?,
        Order::Pan { source: typed, pan } => {
            tell(SourceOrder::Pan { source: source(typed)?, pan: *pan })?
        }
        Order::Remove { source: typed } => tell(SourceOrder::Remove { source: source(typed)? })?,
        Order::Add { name } => {
            let list = caller.call("list", &json!({}))?;
            let names = list["offered"].as_array().cloned().unwrap_or_default();
            let named: Vec<Value> = names.into_iter().map(|name| json!({"name": name})).collect();
            let name = find("source", name, &Value::Array(named), "name", "name")?;
            call("add", json!({"name": name}))
        }
        Order::Kick { listener, address: by_address } => {
            let list = caller.call("list", &json!({}))?;
            let address = find("listener", listener, &list["listeners"], "address", "name")?;
            call("kick", json!({"listener": address, "by_address": by_address}))
        }
        Order::LetIn { who } => answer(&caller.call("list", &json!({}))?, who, "let_in")?,
        Order::Refuse { who } => answer(&caller.call("list", &json!({}))?, who, "refuse")?,
        Order::Code { new } => call("code", json!({"new": new})),
        Order::Link => call("link", json!({})),
        Order::Newkey => call("new_key", json!({})),
        Order::Snapclients => call("snapclients", json!({})),
        Order::Snapclient { name, change } => {
            let list = caller.call("snapclients", &json!({}))?;
            let id = find("snapclient", name, &list["snapclients"], "id", "name")?;
            call("snapclient", set_snapclient(&id, change))
        }
        Order::Record { action: Recording::Start { name } } => {
            call("record_start", json!({"name": name}))
        }
        Order::Record { action: Recording::Stop } => call("record_stop", json!({})),
    };
    let answer = caller.call(&method, &params)?;
    Ok(if args.json { answer.to_string() } else { shown(&answer) })
}

/// What a snapclient is to be.
fn set_snapclient(id: &Value, change: &SnapclientChange) -> Value {
    match change {
        SnapclientChange::Volume { percent } => json!({"id": id, "volume": percent}),
        SnapclientChange::Mute => json!({"id": id, "muted": true}),
        SnapclientChange::Unmute => json!({"id": id, "muted": false}),
        SnapclientChange::Latency { ms } => json!({"id": id, "latency_ms": ms}),
    }
}

/// Lets in whoever waits and is meant, or does not.
fn answer(list: &Value, who: &str, method: &str) -> Result<Call> {
    let waiting = find("waiting listener", who, &list["waiting"], "address", "name")?;
    Ok(call(method, json!({"listener": waiting})))
}

/// A source's number in a server's list.
fn number(id: &Value) -> Result<u64> {
    id.as_u64().ok_or_else(|| Error::internal("reading the server's list of sources", id))
}

/// What a server is asked: a method and its parameters.
type Call = (String, Value);

fn call(method: &str, params: Value) -> Call {
    (method.to_owned(), params)
}

/// The call that tells a source what becomes of it.
fn tell(order: SourceOrder) -> Result<Call> {
    let wrong = |e| Error::internal("telling a source what becomes of it", e);
    let mut call = serde_json::to_value(order).map_err(wrong)?;
    let method = call["method"].as_str().unwrap_or_default().to_owned();
    Ok((method, call["params"].take()))
}

/// The call that mutes what was typed: a source, or where there is none of that name, a person.
fn mute(list: &Value, typed: &str, muted: bool) -> Result<Call> {
    let source = find("source or person", typed, &list["sources"], "id", "name");
    let listener = find("source or person", typed, &list["listeners"], "address", "name");
    match (source, listener) {
        (Ok(source), _) => tell(SourceOrder::Mute { source: number(&source)?, muted }),
        (Err(_), Ok(listener)) => Ok(call("mute", json!({"listener": listener, "muted": muted}))),
        (Err(why), Err(_)) => Err(why),
    }
}

/// The `key` of the one among `all` that `typed` means: its key itself, its `name`, or a part of
/// that which no other name has, whatever the case.
fn find(what: &str, typed: &str, all: &Value, key: &str, name: &str) -> Result<Value> {
    let all = all.as_array().map_or(&[][..], Vec::as_slice);
    let text = |one: &Value, key: &str| match &one[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let wanted = typed.to_lowercase();
    let tries: [&dyn Fn(&Value) -> bool; 3] =
        [&|one| text(one, key) == typed, &|one| text(one, name).to_lowercase() == wanted, &|one| {
            text(one, name).to_lowercase().contains(&wanted)
        }];
    for is_meant in tries {
        let mut found: Vec<&Value> = all.iter().filter(|one| is_meant(one)).collect();
        if found.iter().any(|one| one["state"] != "ended") {
            // What has ended is hardly meant where another of that name plays.
            found.retain(|one| one["state"] != "ended");
        }
        match found[..] {
            [] => {}
            [one] => return Ok(one[key].clone()),
            _ => {
                return Err(Error::usage(
                    format!("“{}” could be several {what}s", printable(typed, SHOWN)),
                    format!("Name one by its {key}: auralync-client ctl list shows it"),
                ));
            }
        }
    }
    Err(Error::usage(
        format!("there is no {what} “{}”", printable(typed, SHOWN)),
        "auralync-client ctl list shows what there is",
    ))
}

/// An answer for a person.
fn shown(answer: &Value) -> String {
    let mut lines = Vec::new();
    let name = |value: &Value| printable(value.as_str().unwrap_or_default(), SHOWN);
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    if let Some(sources) = answer["sources"].as_array() {
        lines.push("Sources".to_owned());
        for source in sources {
            let level = if source["is_muted"] == true {
                "muted".to_owned()
            } else {
                format!("{:+.1} dB", number(&source["level_db"]))
            };
            let behind = source["behind_ms"].as_u64();
            let behind = behind.map(|ms| format!(", {ms} ms behind")).unwrap_or_default();
            lines.push(format!(
                "  {:>3}  {:<32}  {level:>9}  pan {:+.1}  {}{behind}",
                source["id"],
                name(&source["name"]),
                number(&source["pan"]),
                name(&source["state"])
            ));
        }
    }
    if let Some(offered) = answer["offered"].as_array() {
        lines.push("Can be added".to_owned());
        lines.extend(offered.iter().map(|offered| format!("       {}", name(offered))));
    }
    if let Some(listeners) = answer["listeners"].as_array() {
        lines.push("Listeners".to_owned());
        for listener in listeners {
            let muted = if listener["person"]["is_muted"] == true { "  muted" } else { "" };
            lines.push(format!(
                "       {:<32}  {:<24}  {}{muted}",
                name(&listener["name"]),
                name(&listener["address"]),
                name(&listener["codec"])
            ));
        }
    }
    if let Some(snapclients) = answer["snapclients"].as_array() {
        lines.push("Snapclients".to_owned());
        for one in snapclients {
            let muted = if one["is_muted"] == true { "  muted" } else { "" };
            lines.push(format!(
                "       {:<32}  {:<24}  volume {}  {} ms, {} ms for its loudspeaker{muted}",
                name(&one["name"]),
                name(&one["id"]),
                number(&one["volume"]),
                number(&one["delay_ms"]),
                number(&one["latency_ms"])
            ));
        }
    }
    if let Some(players) = answer["players"].as_array() {
        lines.push("Film".to_owned());
        for one in players {
            let (player, at, state) = (name(&one["player"]), name(&one["at"]), name(&one["state"]));
            let late_ms = number(&one["delay_ms"]);
            lines.push(format!(
                "       {player:<32}  {at:<24}  {late_ms:.0} ms  {}",
                state.replace('_', " ")
            ));
        }
    }
    if let Some(waiting) = answer["waiting"].as_array().filter(|waiting| !waiting.is_empty()) {
        lines.push("Wait to be let in".to_owned());
        for one in waiting {
            let (called, address) = (name(&one["name"]), name(&one["address"]));
            lines.push(format!("       {called:<32}  {address:<24}  {}", name(&one["id"])));
        }
    }
    let said = [
        ("kicked", "was asked to leave"),
        ("let_in", "is let in"),
        ("refused", "is not let in"),
        ("file", "is the recording"),
    ];
    for (key, said) in said {
        if answer[key].is_string() {
            lines.push(format!("{} {said}", name(&answer[key])));
        }
    }
    if answer["code"].is_string() {
        let minutes = number(&answer["left_s"]) / 60.0;
        let code = name(&answer["code"]);
        lines.push(format!("{code} lets one person in, within {:.0} minutes", minutes.ceil()));
    }
    if let Some(link) = answer["link"].as_str() {
        lines.push(printable(link, LONGEST_LINK));
    }
    if answer["listener"].is_string() {
        let is_muted = answer["is_muted"] == true;
        let said = if is_muted { "is muted" } else { "may be heard again" };
        lines.push(format!("{} {said}", name(&answer["listener"])));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Value {
        json!([
            {"id": 0, "name": "loopback"},
            {"id": 1, "name": "file:Intro.wav"},
            {"id": 7, "name": "file:film.wav"},
            {"id": 9, "name": "1"},
        ])
    }

    fn found(typed: &str) -> Option<u64> {
        find("source", typed, &sources(), "id", "name").ok().and_then(|id| id.as_u64())
    }

    #[test]
    fn a_source_is_meant_by_number_before_name_before_part_of_a_name() {
        for (typed, id) in [("1", 1), ("7", 7), ("intro", 1), ("LOOPBACK", 0), ("film.wav", 7)] {
            assert_eq!(found(typed), Some(id), "{typed}");
        }
    }

    #[test]
    fn a_person_is_muted_where_no_source_is_called_so() {
        let list = json!({
            "sources": sources(),
            "listeners": [
                {"address": "10.0.0.1:5", "name": "Ann"},
                {"address": "10.0.0.2:5", "name": "film"},
            ],
        });
        let muted = |typed| mute(&list, typed, true).map(|(_, params)| params).unwrap();
        assert_eq!(muted("ann"), json!({"listener": "10.0.0.1:5", "muted": true}));
        assert_eq!(muted("film"), json!({"source": 7, "muted": true}));
        assert_eq!(muted("10.0.0.2:5"), json!({"listener": "10.0.0.2:5", "muted": true}));
        let error = mute(&list, "carol", true).unwrap_err().to_string();
        assert!(error.contains("there is no source or person “carol”"), "{error}");
    }

    #[test]
    fn of_two_sources_of_one_name_the_one_that_has_not_ended_is_meant() {
        let sources = json!([
            {"id": 0, "name": "file:jingle.wav", "state": "ended"},
            {"id": 5, "name": "file:jingle.wav", "state": "playing"},
        ]);
        assert_eq!(find("source", "jingle", &sources, "id", "name").unwrap(), 5);
        assert_eq!(find("source", "0", &sources, "id", "name").unwrap(), 0);
    }

    #[test]
    fn what_means_none_or_several_is_told_in_one_line() {
        for typed in ["file", "mic", "../../etc/passwd", "\u{1b}[2J", &"x".repeat(10_000)] {
            let error = find("source", typed, &sources(), "id", "name").unwrap_err().to_string();
            assert!(error.len() < 200 && !error.contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn nothing_that_a_server_says_reaches_the_terminal_as_it_is() {
        let answer = json!({"listeners": [{"name": "\u{1b}[2J", "address": "a\nb", "codec": 5}]});
        let shown = shown(&answer);
        assert!(!shown.contains('\u{1b}') && shown.lines().count() == 2, "{shown:?}");
    }
}
