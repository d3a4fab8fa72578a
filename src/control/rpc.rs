//! JSON-RPC 2.0: texts in, texts out. No I/O.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// What is said to one call. The id is the caller's own text: numbers beyond what is reckoned with
/// here, and those that are written in an unusual way, come back as they came.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refusal>,
    id: &'a RawValue,
}

impl<'a> Answer<'a> {
    fn new(done: Result<Value, Refusal>, id: &'a RawValue) -> Self {
        let (result, error) = match done {
            Ok(result) => (Some(result), None),
            Err(refusal) => (None, Some(refusal)),
        };
        Self { jsonrpc: "2.0", result, error, id }
    }

    fn no_call(why: &str, id: &'a RawValue) -> Self {
        Self::new(Err(Refusal { code: code::NO_CALL, message: why.to_owned() }), id)
    }
}

/// Answers a text that holds a call, a notification or a batch of both. `call` does what a method
/// (its name and parameters) asks for. `None` where nothing is to be answered.
pub fn answer(
    text: &str,
    mut call: impl FnMut(&str, &Value) -> Result<Value, Refusal>,
) -> Option<String> {
    let nobody = RawValue::NULL;
    let Ok(whole) = serde_json::from_str::<&RawValue>(text) else {
        let message = "this is not JSON".to_owned();
        let unreadable = Refusal { code: code::UNREADABLE, message };
        return written(&Answer::new(Err(unreadable), nobody));
    };
    match serde_json::from_str::<Vec<&RawValue>>(whole.get()) {
        Ok(calls) if calls.is_empty() || calls.len() > MAX_BATCH => {
            written(&Answer::no_call(&format!("a batch holds 1 to {MAX_BATCH} calls"), nobody))
        }
        Ok(calls) => {
            let answers: Vec<_> = calls.iter().filter_map(|one| single(one, &mut call)).collect();
            if answers.is_empty() { None } else { written(&answers) }
        }
        Err(_) => single(whole, &mut call).and_then(|answer| written(&answer)),
    }
}

/// Texts, numbers and what was JSON already always serialise.
fn written(answer: &impl Serialize) -> Option<String> {
    serde_json::to_string(answer).ok()
}

fn single<'a>(
    request: &'a RawValue,
    call: &mut impl FnMut(&str, &Value) -> Result<Value, Refusal>,
) -> Option<Answer<'a>> {
    const A_CALL: &str =
        "a call is {\"jsonrpc\": \"2.0\", \"method\": …, \"params\": …, \"id\": …}";
    let Ok(parts) = serde_json::from_str::<HashMap<String, &RawValue>>(request.get()) else {
        return Some(Answer::no_call(A_CALL, RawValue::NULL));
    };
    let id = parts.get("id").copied();
    if id.is_some_and(|id| id.get().starts_with(['[', '{', 't', 'f'])) {
        return Some(Answer::no_call("the id is no text or number", RawValue::NULL));
    }
    let text = |name: &str| serde_json::from_str::<String>(parts.get(name)?.get()).ok();
    let (Some("2.0"), Some(method)) = (text("jsonrpc").as_deref(), text("method")) else {
        return Some(Answer::no_call(A_CALL, id.unwrap_or(RawValue::NULL)));
    };
    let given = parts.get("params").map_or("{}", |params| params.get());
    let wrong = |message: String| Refusal { code: code::WRONG_PARAMS, message };
    let done = match serde_json::from_str::<Value>(given) {
        Ok(params) if params.is_object() => call(&method, &params),
        Ok(_) => Err(wrong("parameters are given by name".to_owned())),
        Err(e) => Err(wrong(format!("the parameters are wrong: {e}"))),
    };
    // Without an id nobody waits for an answer.
    id.map(|id| Answer::new(done, id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
    fn an_id_comes_back_as_it_came_however_it_is_written() {
        for id in [
            "12345678901234567890123",
            "-18446744073709551617",
            "1.0",
            "1e2",
            "1E+02",
            "1e400",
            "-0",
            r#""a\u0000b""#,
            r#""\u00e4""#,
        ] {
            for (method, part) in [("yes", "\"result\":{}"), ("no", "it cannot be")] {
                let text = format!(r#" {{"id": {id} ,"jsonrpc":"2.0","method":"{method}"}} "#);
                let answer = answer(&text, |method, params| match method {
                    "yes" => Ok(params.clone()),
                    _ => Err(Refusal::because("it cannot be")),
                });
                let answer = answer.unwrap();
                assert!(answer.ends_with(&format!("\"id\":{id}}}")), "{answer}");
                assert!(answer.contains(part), "{answer}");
            }
        }
        let batch = r#"[{"jsonrpc":"2.0","method":"yes","id":1e2},7]"#;
        let answers = answer(batch, |_, _| Ok(Value::Null)).unwrap();
        assert!(answers.starts_with(r#"[{"jsonrpc":"2.0","result":null,"id":1e2},"#), "{answers}");
    }

    #[test]
    fn parameters_beyond_any_number_are_wrong_and_their_caller_learns_it() {
        let text = r#"{"jsonrpc":"2.0","method":"yes","params":{"db":1e999},"id":5}"#;
        let answer = ask(text).0.unwrap();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32602), &json!(5)));
        for wrong in ["true", "{}", "[1]", "false"] {
            let text = format!(r#"{{"jsonrpc":"2.0","method":"yes","id":{wrong}}}"#);
            let answer = ask(&text).0.unwrap();
            assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32600), &Value::Null));
        }
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
