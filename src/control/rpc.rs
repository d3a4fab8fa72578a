//! JSON-RPC 2.0: texts in, texts out. No I/O.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Most calls of a batch.
pub const MAX_BATCH: usize = 32;

/// The standard's codes.
mod code {
    pub(super) const UNREADABLE: i32 = -32700;
    pub(super) const NO_CALL: i32 = -32600;
    pub(super) const UNKNOWN_METHOD: i32 = -32601;
    pub(super) const WRONG_PARAMS: i32 = -32602;
    /// The first of those that are ours to give away.
    pub(super) const REFUSED: i32 = -32000;
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    code: i32,
    message: String,
}

impl Refusal {
    /// There is no such method.
    #[must_use]
    pub fn unknown_method() -> Self {
        Self { code: code::UNKNOWN_METHOD, message: "there is no such method".to_owned() }
    }

    /// The method was understood, and what it asks cannot be.
    #[must_use]
    pub fn because(why: impl ToString) -> Self {
        Self { code: code::REFUSED, message: why.to_string() }
    }

    fn no_call(why: &str) -> Self {
        Self { code: code::NO_CALL, message: why.to_owned() }
    }
}

/// A method's parameters, by name.
///
/// # Errors
/// A [`Refusal`] for missing, unknown or wrong ones.
pub fn params<T: DeserializeOwned>(params: &Value) -> Result<T, Refusal> {
    T::deserialize(params).map_err(|e| {
        let message =
            format!("the parameters are wrong: {}", crate::format::printable(&e.to_string(), 200));
        Refusal { code: code::WRONG_PARAMS, message }
    })
}

/// Answers a text that holds a call, a notification or a batch of both. `call` does what a method
/// (its name and parameters) asks for. `None` where nothing is to be answered.
pub fn answer(
    text: &str,
    mut call: impl FnMut(&str, &Value) -> Result<Value, Refusal>,
) -> Option<String> {
    let answer = match serde_json::from_str(text) {
        Err(_) => {
            let message = "this is not JSON".to_owned();
            Some(error(&Value::Null, Refusal { code: code::UNREADABLE, message }))
        }
        Ok(Value::Array(calls)) if calls.is_empty() || calls.len() > MAX_BATCH => {
            let why = format!("a batch holds 1 to {MAX_BATCH} calls");
            Some(error(&Value::Null, Refusal::no_call(&why)))
        }
        Ok(Value::Array(calls)) => {
            let answers: Vec<_> = calls.iter().filter_map(|one| single(one, &mut call)).collect();
            (!answers.is_empty()).then_some(Value::Array(answers))
        }
        Ok(one) => single(&one, &mut call),
    };
    answer.map(|answer| answer.to_string())
}

fn single(
    request: &Value,
    call: &mut impl FnMut(&str, &Value) -> Result<Value, Refusal>,
) -> Option<Value> {
    let id = request.get("id");
    let known_id = match id {
        None | Some(Value::Null | Value::String(_) | Value::Number(_)) => {
            id.unwrap_or(&Value::Null)
        }
        Some(_) => {
            return Some(error(&Value::Null, Refusal::no_call("the id is no text or number")));
        }
    };
    let nothing = Value::Object(serde_json::Map::new());
    let (version, method) = (request.get("jsonrpc"), request.get("method").and_then(Value::as_str));
    let params = request.get("params").unwrap_or(&nothing);
    let (Some("2.0"), Some(method)) = (version.and_then(Value::as_str), method) else {
        let why = "a call is {\"jsonrpc\": \"2.0\", \"method\": …, \"params\": …, \"id\": …}";
        return Some(error(known_id, Refusal::no_call(why)));
    };
    let done = if params.is_object() {
        call(method, params)
    } else {
        let message = "parameters are given by name".to_owned();
        Err(Refusal { code: code::WRONG_PARAMS, message })
    };
    // Without an id nobody waits for an answer.
    let id = id?;
    Some(match done {
        Ok(result) => json!({"jsonrpc": "2.0", "result": result, "id": id}),
        Err(refusal) => error(id, refusal),
    })
}

fn error(id: &Value, Refusal { code, message }: Refusal) -> Value {
    json!({"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": id})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with the method's name and notes it.
    fn ask(text: &str) -> (Option<Value>, Vec<String>) {
        let mut called = Vec::new();
        let answer = answer(text, |method, params| {
            called.push(method.to_owned());
            match method {
                "no" => Err(Refusal::because("it cannot be")),
                "yes" => Ok(params.clone()),
                _ => Err(Refusal::unknown_method()),
            }
        });
        (answer.map(|answer| serde_json::from_str(&answer).unwrap()), called)
    }

    fn code(text: &str) -> i64 {
        ask(text).0.unwrap()["error"]["code"].as_i64().unwrap()
    }

    #[test]
    fn a_call_is_answered_under_its_own_id() {
        for id in ["7", "\"seven\"", "null", "-1.5"] {
            let text =
                format!(r#"{{"jsonrpc":"2.0","method":"yes","params":{{"a":1}},"id":{id}}}"#);
            let answer = ask(&text).0.unwrap();
            assert_eq!(answer["id"].to_string(), id);
            assert_eq!(answer["result"], json!({"a": 1}));
        }
        assert_eq!(code(r#"{"jsonrpc":"2.0","method":"no","id":1}"#), -32000);
    }

    #[test]
    fn a_notification_is_done_and_not_answered() {
        let (answer, called) = ask(r#"{"jsonrpc":"2.0","method":"no"}"#);
        assert_eq!((answer, called), (None, vec!["no".to_owned()]));
    }

    #[test]
    fn what_is_no_call_is_told_so_with_the_standards_code() {
        assert_eq!(code("{"), -32700);
        assert_eq!(code("\u{1b}[2J"), -32700);
        assert_eq!(code(&"[".repeat(4000)), -32700);
        for text in ["1", "{}", "[]", r#"{"jsonrpc":"1.0","method":"yes","id":1}"#] {
            assert_eq!(code(text), -32600, "{text}");
        }
        assert_eq!(code(r#"{"jsonrpc":"2.0","method":"yes","id":[1]}"#), -32600);
        assert_eq!(code(r#"{"jsonrpc":"2.0","method":"shutdown","id":1}"#), -32601);
        assert_eq!(code(r#"{"jsonrpc":"2.0","method":"yes","params":[1],"id":1}"#), -32602);
    }

    #[test]
    fn a_batch_is_done_in_order_and_answered_together() {
        let call =
            |method: &str, id: &str| format!(r#"{{"jsonrpc":"2.0","method":"{method}"{id}}}"#);
        let batch =
            [call("yes", r#","id":1"#), call("yes", ""), call("no", r#","id":2"#), "3".to_owned()];
        let (answer, called) = ask(&format!("[{}]", batch.join(",")));
        let answers = answer.unwrap();
        assert_eq!(called, ["yes", "yes", "no"]);
        let ids: Vec<_> = answers.as_array().unwrap().iter().map(|a| a["id"].clone()).collect();
        assert_eq!(ids, [json!(1), json!(2), json!(null)]);
        assert_eq!(ask(&format!("[{}]", call("yes", ""))).0, None);
        let many = vec![call("yes", ""); MAX_BATCH + 1].join(",");
        let (answer, called) = ask(&format!("[{many}]"));
        assert_eq!((answer.unwrap()["error"]["code"].as_i64(), called.len()), (Some(-32600), 0));
    }
}
