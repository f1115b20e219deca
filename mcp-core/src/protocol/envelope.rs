//! The JSON-RPC envelope: what kind of message this is, and its parameters.

use std::{borrow::Cow, fmt};

use serde::de::{self, Deserialize, Deserializer as _, IgnoredAny, MapAccess};
use serde_json::{Value, value::RawValue};

use super::{
    error::{RpcError, without_value},
    id::RequestId,
    method,
    params::{ObjectParams, Params},
};

/// One message of a client.
#[derive(Debug)]
pub(crate) enum Incoming<'a> {
    /// Wants an answer.
    Request {
        /// To be echoed.
        id: RequestId,
        /// The method's name.
        method: Cow<'a, str>,
        /// Its parameters, or what is wrong with them.
        params: Result<Params, RpcError>,
    },
    /// Wants none.
    Notification {
        /// The notification's name.
        method: Cow<'a, str>,
        /// Its parameters, or what is wrong with them.
        params: Result<Params, RpcError>,
    },
    /// Answers a request of ours.
    Response {
        /// Which; ours are integers.
        id: Option<RequestId>,
        /// What came of it.
        answer: Answered<'a>,
    },
}

/// The result of a request of ours, or its error, each as it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answered<'a> {
    Result(&'a RawValue),
    Error(&'a RawValue),
}

impl Answered<'_> {
    /// The result, or the message of the error.
    pub(crate) fn read(self) -> Result<Value, String> {
        #[derive(serde::Deserialize)]
        struct Error {
            message: String,
        }

        match self {
            Self::Result(raw) => serde_json::from_str(raw.get()).map_err(|error| error.to_string()),
            Self::Error(raw) => Err(serde_json::from_str(raw.get())
                .map_or_else(|_| "an error without a message".to_owned(), |error: Error| error.message)),
        }
    }
}

/// A message that is none; the error to answer with, and the id where it could be read.
#[derive(Debug)]
pub(crate) struct Malformed {
    /// The id of the request, where there was one.
    pub(crate) id: Option<RequestId>,
    /// What was wrong.
    pub(crate) error: RpcError,
}

impl From<RpcError> for Malformed {
    fn from(error: RpcError) -> Self {
        Self { id: None, error }
    }
}

/// Reads one message.
///
/// In one pass, if all is well. If not, a second one skips over the parameters, which takes no stack however deep they
/// nest, to tell what is wrong with them from what is wrong with the message, and whom to answer.
///
/// # Errors
///
/// `-32700` for what is not JSON in UTF-8, `-32600` for JSON that is no JSON-RPC 2.0 message.
pub(crate) fn parse(bytes: &[u8]) -> Result<Incoming<'_>, Malformed> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| RpcError::parse("Parse error: the message is not UTF-8"))?;
    if let Ok(fields) = read::<ObjectParams>(text) {
        return fields.classify(|params| Ok(params.map(|ObjectParams(params)| params).unwrap_or_default()));
    }
    match read::<&RawValue>(text) {
        Ok(fields) => fields.classify(Params::parse),
        Err(error) => Err(diagnose(text, &error).into()),
    }
}

/// Reads the members, with the parameters in one form or another.
fn read<'a, P: Deserialize<'a>>(text: &'a str) -> serde_json::Result<Fields<'a, P>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let fields = deserializer.deserialize_map(FieldsVisitor(std::marker::PhantomData))?;
    deserializer.end().map(|()| fields)
}

/// Tells broken JSON from JSON of the wrong form.
fn diagnose(text: &str, error: &serde_json::Error) -> RpcError {
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(syntax) => RpcError::parse(format!("Parse error: {syntax}")),
        Ok(_) if text.trim_start().starts_with('[') => RpcError::invalid_request(
            "Batches of messages are not part of this protocol revision; send them one by one",
        ),
        Ok(_) => RpcError::invalid_request(format!("Invalid request: {}", without_value(error))),
    }
}

/// The members of the envelope, each as it stands but for the parameters.
struct Fields<'a, P> {
    jsonrpc: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<P>,
    answer: Option<Answered<'a>>,
}

impl<'a, P> Fields<'a, P> {
    fn classify(
        self,
        params: impl FnOnce(Option<P>) -> Result<Params, RpcError>,
    ) -> Result<Incoming<'a>, Malformed> {
        let id = self.id.map(|raw| serde_json::from_str::<RequestId>(raw.get()));
        let known_id = || id.as_ref().and_then(|parsed| parsed.as_ref().ok()).cloned();
        let refuse =
            |message: &'static str| Malformed { id: known_id(), error: RpcError::invalid_request(message) };

        if self.jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
            return Err(refuse("Invalid request: jsonrpc must be \"2.0\""));
        }
        let Some(method) = self.method else {
            return match self.answer {
                Some(answer) => Ok(Incoming::Response { id: known_id(), answer }),
                None => Err(refuse("Invalid request: method is missing")),
            };
        };
        // A name without escapes, as all that are served are, is not copied.
        let method = match serde_json::from_str::<&str>(method.get()) {
            Ok(method) => Cow::Borrowed(method),
            Err(_) => match serde_json::from_str::<String>(method.get()) {
                Ok(method) => Cow::Owned(method),
                Err(_) => return Err(refuse("Invalid request: method must be a string")),
            },
        };
        // A method that is not served has no parameters that could be wrong.
        let params = params(self.params).map_err(|error| {
            if method::is_known(&method) { error } else { RpcError::method_not_found(&method) }
        });
        match id {
            None => Ok(Incoming::Notification { method, params }),
            Some(Ok(id)) => Ok(Incoming::Request { id, method, params }),
            Some(Err(_)) => Err(RpcError::invalid_request(format!(
                "Invalid request: id must be a string of at most {} bytes or an integer of 64 bits",
                RequestId::MAX_BYTES
            ))
            .into()),
        }
    }
}

/// Collects the members; a repeated one is an error, since peers would disagree on which counts.
struct FieldsVisitor<P>(std::marker::PhantomData<P>);

impl<'de, P: Deserialize<'de>> de::Visitor<'de> for FieldsVisitor<P> {
    type Value = Fields<'de, P>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de, P>, A::Error> {
        let mut fields = Fields { jsonrpc: None, id: None, method: None, params: None, answer: None };
        while let Some(name) = map.next_key::<Name>()? {
            let is_repeated = match name {
                Name::Jsonrpc => fields.jsonrpc.replace(map.next_value()?).is_some(),
                Name::Id => fields.id.replace(map.next_value()?).is_some(),
                Name::Method => fields.method.replace(map.next_value()?).is_some(),
                Name::Params => fields.params.replace(map.next_value()?).is_some(),
                Name::Result => fields.answer.replace(Answered::Result(map.next_value()?)).is_some(),
                Name::Error => fields.answer.replace(Answered::Error(map.next_value()?)).is_some(),
                Name::Other => {
                    map.next_value::<IgnoredAny>()?;
                    false
                }
            };
            if is_repeated {
                return Err(de::Error::custom("a member stands there twice"));
            }
        }
        Ok(fields)
    }
}

/// The names of the members, told apart without allocating.
enum Name {
    Jsonrpc,
    Id,
    Method,
    Params,
    Result,
    Error,
    Other,
}

impl<'de> de::Deserialize<'de> for Name {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(match name {
                    "jsonrpc" => Name::Jsonrpc,
                    "id" => Name::Id,
                    "method" => Name::Method,
                    "params" => Name::Params,
                    "result" => Name::Result,
                    "error" => Name::Error,
                    _ => Name::Other,
                })
            }
        }

        deserializer.deserialize_identifier(Visitor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(bytes: &[u8]) -> (Option<RequestId>, i32) {
        let bad = parse(bytes).unwrap_err();
        (bad.id, bad.error.code)
    }

    #[test]
    fn requests_notifications_and_answers_are_told_apart() {
        let request = br#" {"jsonrpc":"2.0","id":7,"method":"ping","params":{"name":"a","x":[1]}} "#;
        assert!(matches!(
            parse(request).unwrap(),
            Incoming::Request { id: RequestId::Number(7), method, params: Ok(params) }
                if method == "ping" && params.name.as_deref() == Some("a")
        ));
        assert!(matches!(
            parse(br#"{"method":"n","jsonrpc":"2.0"}"#).unwrap(),
            Incoming::Notification { params: Ok(_), .. }
        ));
        assert!(matches!(
            parse(br#"{"jsonrpc":"2.0","id":"a","result":{}}"#).unwrap(),
            Incoming::Response { .. }
        ));
    }

    #[test]
    fn broken_messages_name_their_id_where_it_can_be_read() {
        assert_eq!(code(b"{"), (None, -32700));
        assert_eq!(code(b""), (None, -32700));
        assert_eq!(code(b"\xff{}"), (None, -32700));
        assert_eq!(code(b"{\"a\":\"\0\"}"), (None, -32700));
        assert_eq!(code(b"{} {}"), (None, -32700));
        assert_eq!(code(b"7"), (None, -32600));
        assert_eq!(code(b"[]"), (None, -32600));
        assert_eq!(code(b"{}"), (None, -32600));
        assert_eq!(code(br#"{"id":3,"method":"ping"}"#), (Some(3.into()), -32600));
        assert_eq!(code(br#"{"jsonrpc":"1.0","id":3,"method":"ping"}"#), (Some(3.into()), -32600));
        assert_eq!(code(br#"{"jsonrpc":"2.0","id":3,"method":5}"#), (Some(3.into()), -32600));
        for id in ["null", "1.5", "true", "{}", "[]", "18446744073709551615", "1e3"] {
            assert_eq!(
                code(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#).as_bytes()),
                (None, -32600)
            );
        }
        assert_eq!(code(br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#).1, -32600);
    }

    /// Any JSON, with the names that mean something here in it now and then.
    fn json() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            prop::sample::select(vec![
                "2.0",
                "tools/call",
                "jsonrpc",
                "id",
                "method",
                "params",
                "_meta",
                "name"
            ])
            .prop_map(str::to_owned),
            any::<String>(),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 5, move |inner| {
            let members = prop::collection::hash_map(text.clone(), inner.clone(), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// Members as an object, in this order.
    fn object(members: &[(String, String)]) -> String {
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
        format!("{{{}}}", members.join(","))
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_none(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Err(malformed) = parse(&bytes) {
                let is_json = serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
                let code = if is_json { -32600 } else { -32700 };
                prop_assert_eq!(malformed.error.code, code);
            }
        }

        #[test]
        fn any_json_is_a_message_or_an_invalid_request(
            value in json(),
            parts in prop::collection::hash_map(
                prop::sample::select(vec!["jsonrpc", "id", "method", "params", "result", "error"]),
                prop_oneof![json(), Just(Value::from("2.0")), Just(Value::from(7))],
                0..6,
            ),
            is_versioned in any::<bool>(),
        ) {
            let mut message = value;
            if let Value::Object(members) = &mut message {
                members.extend(parts.into_iter().map(|(name, part)| (name.to_owned(), part)));
                if is_versioned {
                    members.insert("jsonrpc".to_owned(), "2.0".into());
                }
            }
            let id = message.get("id").and_then(|id| serde_json::from_value::<RequestId>(id.clone()).ok());
            // One member under two names is found before there is any id.
            let is_twofold = message.get("result").is_some() && message.get("error").is_some();
            let id = id.filter(|_| !is_twofold);
            let text = message.to_string();
            match parse(text.as_bytes()) {
                Err(malformed) => {
                    prop_assert_eq!(malformed.error.code, -32600);
                    prop_assert_eq!(malformed.id, id);
                    prop_assert!(malformed.error.message.len() < 400, "{}", malformed.error);
                }
                Ok(Incoming::Request { id: read, method, .. }) => {
                    prop_assert_eq!(Some(read), id);
                    prop_assert_eq!(Some(&*method), message["method"].as_str());
                }
                Ok(Incoming::Notification { method, .. }) => {
                    prop_assert!(message.get("id").is_none());
                    prop_assert_eq!(Some(&*method), message["method"].as_str());
                }
                Ok(Incoming::Response { id: read, .. }) => {
                    prop_assert_eq!(read, id);
                    prop_assert!(message.get("method").is_none());
                }
            }
        }

        #[test]
        fn neither_order_nor_what_is_not_known_changes_a_message(
            id in prop_oneof![any::<i64>().prop_map(Value::from), ".{0,8}".prop_map(Value::from)],
            method in prop_oneof![Just("tools/call".to_owned()), any::<String>()],
            arguments in json(),
            order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
            strangers in prop::collection::vec(("[^jimpre]{0,6}", json(), 0..5_usize), 0..4),
        ) {
            let params = serde_json::json!({ "name": "a", "arguments": { "a": arguments } });
            let members = [
                ("jsonrpc".to_owned(), "\"2.0\"".to_owned()),
                ("id".to_owned(), id.to_string()),
                ("method".to_owned(), Value::from(method).to_string()),
                ("params".to_owned(), params.to_string()),
            ];
            let mut shuffled: Vec<_> = order.into_iter().map(|index: usize| members[index].clone()).collect();
            for (name, value, place) in strangers {
                shuffled.insert(place.min(shuffled.len()), (name, value.to_string()));
            }
            let (plain, shuffled) = (object(&members), object(&shuffled));
            let (plain, shuffled) = (parse(plain.as_bytes()), parse(shuffled.as_bytes()));
            prop_assert!(plain.is_ok());
            prop_assert_eq!(format!("{plain:?}"), format!("{shuffled:?}"));
        }
    }

    #[test]
    fn deep_nesting_takes_no_stack() {
        let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{}"#, "[".repeat(1_000_000));
        assert_eq!(code(deep.as_bytes()), (None, -32700));
        let closed = format!("{deep}{}}}", "]".repeat(1_000_000));
        assert!(parse(closed.as_bytes()).is_ok());
    }
}
