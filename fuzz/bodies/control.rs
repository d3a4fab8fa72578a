//! What programs on this machine tell a server to do: JSON-RPC.

use std::cell::Cell;
use std::collections::HashMap;

use auralync::control::rpc::{self, MAX_BATCH, Refusal};
use auralync::wire::websocket::MAX_CLIENT_MESSAGE;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::watch::Body;

/// A text as values, and as many answers. The smallest value takes two bytes and becomes 32, a map's
/// node several hundred.
pub const BODY: Body =
    Body { name: "control", run, most_bytes: 400 * MAX_CLIENT_MESSAGE as i64, tries: 3_000 };

fn run(data: &[u8]) {
    // Longer texts are refused before they get here.
    let data = &data[..data.len().min(MAX_CLIENT_MESSAGE)];
    let Ok(text) = str::from_utf8(data) else { return };
    let calls = Cell::new(0);
    let answer = rpc::answer(text, |method, params| {
        calls.set(calls.get() + 1);
        assert!(params.is_object());
        match method {
            "list" => Ok(params.clone()),
            "level" => rpc::params::<(u64, f32)>(params).map(|(of, db)| json!([of, db])),
            "kick" => Err(Refusal::because(params)),
            "add" => rpc::params::<Map<String, Value>>(params).map(Value::Object),
            _ => Err(Refusal::unknown_method()),
        }
    });
    assert!(calls.get() <= MAX_BATCH);
    let Some(answer) = answer else { return };
    // All of it said back, with every character escaped, in as many envelopes.
    assert!(answer.len() <= 12 * text.len() + 200 * MAX_BATCH, "{} bytes", answer.len());
    let one: &RawValue = serde_json::from_str(&answer).expect("an answer is JSON");
    let answers: Vec<&RawValue> = serde_json::from_str(&answer).unwrap_or_else(|_| vec![one]);
    assert!(!answers.is_empty() && answers.len() <= MAX_BATCH);
    for answer in answers {
        let parts: HashMap<String, &RawValue> =
            serde_json::from_str(answer.get()).expect("it is an object");
        assert_eq!(parts["jsonrpc"].get(), "\"2.0\"");
        assert!(parts.contains_key("result") != parts.contains_key("error"), "{answer}");
        if let Some(error) = parts.get("error") {
            let error: Value = serde_json::from_str(error.get()).expect("it is JSON");
            assert!(error["code"].as_i64().is_some_and(|code| code < 0));
            assert!(error["message"].is_string());
        }
        // Letter for letter: it may be a number that is none here.
        let id = parts["id"].get();
        assert!(id == "null" || text.contains(id), "{answer}");
    }
}
