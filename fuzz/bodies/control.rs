//! What programs on this machine tell a server to do: JSON-RPC.

use std::cell::Cell;

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
    serde_json::from_str::<&RawValue>(&answer).expect("an answer is JSON");
    // An id comes back as it was written, numbers that nobody can reckon with among them.
    let Ok(answer) = serde_json::from_str::<Value>(&answer) else { return };
    let asked = serde_json::from_str(text);
    let is_readable = asked.is_ok();
    let asked = asked.unwrap_or(Value::Null);
    let one = std::slice::from_ref;
    let answers = answer.as_array().map_or(one(&answer), Vec::as_slice);
    assert!(!answers.is_empty() && answers.len() <= MAX_BATCH);
    let ids: Vec<_> = asked.as_array().map_or(one(&asked), Vec::as_slice).iter().collect();
    for answer in answers {
        assert_eq!(answer["jsonrpc"], "2.0");
        assert!(answer.get("result").is_some() != answer.get("error").is_some(), "{answer}");
        if let Some(error) = answer.get("error") {
            assert!(error["code"].as_i64().is_some_and(|code| code < 0));
            assert!(error["message"].is_string());
        }
        let id = &answer["id"];
        assert!(
            !is_readable || id.is_null() || ids.iter().any(|call| call.get("id") == Some(id)),
            "{answer}"
        );
    }
}
