//! One revision's schema: which definition a message must fit, and whether it does.

use std::borrow::Cow;
use std::collections::HashMap;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, ValidatorMap};
use serde_json::{Value, json};

use super::{Problem, Problems, Sender};

/// One revision's schema, ready to check messages.
#[derive(Debug)]
pub(crate) struct Revision {
    name: String,
    pub(super) document: Value,
    /// The keyword under which this draft of JSON Schema keeps definitions.
    definitions: &'static str,
    /// By JSON pointer into the document, with a leading `#`.
    validators: ValidatorMap,
    /// The definition of each message that has a method, as a JSON pointer into the document.
    pub(super) methods: HashMap<(Sender, String), String>,
    /// Definitions of errors with a code of their own: of the whole response (at ``) or of its `/error`.
    errors: Vec<(i64, &'static str, String)>,
}

impl Revision {
    pub(super) fn new(name: &str, text: &str) -> Result<Revision, Box<dyn std::error::Error>> {
        let mut document: Value = serde_json::from_str(text)?;
        let definitions = if document.get("$defs").is_some() { "$defs" } else { "definitions" };
        let filled_in = format!("/{definitions}/ElicitResult/properties/content/additionalProperties");
        document.pointer_mut(&filled_in).into_iter().for_each(allow_fractions);
        // `format` asserts nothing in 2020-12 unless asked to; a relative URI on the wire is a mistake all the same.
        let options = jsonschema::options().should_validate_formats(true).with_format("byte", is_base64);
        let validators = options.build_map(&document)?;
        let (methods, errors) = (HashMap::new(), Vec::new());
        let mut revision = Revision { name: name.into(), document, definitions, validators, methods, errors };
        revision.index();
        Ok(revision)
    }

    fn index(&mut self) {
        for (union, sender) in [
            ("ClientRequest", Sender::Client),
            ("ClientNotification", Sender::Client),
            ("ServerRequest", Sender::Server),
            ("ServerNotification", Sender::Server),
        ] {
            for pointer in self.alternatives(&self.pointer(union)) {
                let method = self.at(&format!("{pointer}/properties/method/const")).as_str();
                self.methods.extend(method.map(|method| ((sender, method.to_owned()), pointer.clone())));
            }
        }
        let mut errors = Vec::new();
        for (name, definition) in self.document[self.definitions].as_object().into_iter().flatten() {
            let properties = &definition["properties"];
            let parts = properties["error"]["allOf"].as_array().into_iter().flatten();
            let whole = parts.filter_map(|part| part["properties"]["code"]["const"].as_i64());
            let pointer = self.pointer(name);
            errors.extend(whole.map(|code| (code, "", pointer.clone())));
            let inner = properties["code"]["const"].as_i64();
            errors.extend(inner.map(|code| (code, "/error", pointer)));
        }
        self.errors = errors;
    }

    /// The date that names this revision.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether `sender` may send a request or notification of this method in this revision.
    pub(crate) fn defines(&self, sender: Sender, method: &str) -> bool {
        self.methods.contains_key(&(sender, method.to_owned()))
    }

    /// Every method, and whose it is.
    pub(crate) fn methods(&self) -> impl Iterator<Item = (Sender, &str)> {
        self.methods.keys().map(|(sender, method)| (*sender, method.as_str()))
    }

    /// Whether messages may come as arrays.
    pub(crate) fn has_batches(&self) -> bool {
        self.has("JSONRPCBatchRequest")
    }

    /// Checks a request of `sender`.
    pub(crate) fn check_request(&self, sender: Sender, message: &Value) -> Result<(), Problems> {
        self.check_called(sender, "JSONRPCRequest", message)
    }

    /// Checks a notification of `sender`.
    pub(crate) fn check_notification(&self, sender: Sender, message: &Value) -> Result<(), Problems> {
        self.check_called(sender, "JSONRPCNotification", message)
    }

    /// Checks only that a message has the form of a request, for methods that this revision does not know.
    pub(crate) fn check_any_request(&self, message: &Value) -> Result<(), Problems> {
        let mut found = Vec::new();
        self.check_envelope(self.pointer("JSONRPCRequest"), message, "params", &mut found);
        finish(found)
    }

    fn check_called(&self, sender: Sender, envelope: &str, message: &Value) -> Result<(), Problems> {
        let mut found = Vec::new();
        let mut pointers = vec![self.pointer(envelope)];
        let method = message["method"].as_str().unwrap_or_default();
        match self.methods.get(&(sender, method.to_owned())) {
            // The newer definitions name the envelope's keys themselves; up to 2025-06-18 they leave them out.
            Some(own) if self.at(own)["properties"].get("jsonrpc").is_some() => pointers = vec![own.clone()],
            Some(own) => pointers.push(own.clone()),
            None => {
                let what = format!("no such {} of the {sender}", envelope.trim_start_matches("JSONRPC"));
                found.push(Problem { pointer: "/method".into(), what });
            }
        }
        self.check(pointers, message, "", &mut found);
        finish(found)
    }

    /// Checks the answer to a request of `method`: its result, or its error.
    ///
    /// In 2026 `resultType` tells which result it is. In 2025-11-25 a task may stand in for it, where
    /// the request may ask for one.
    pub(crate) fn check_response(&self, method: &str, message: &Value) -> Result<(), Problems> {
        if message.get("error").is_some() {
            return self.check_error(message);
        }
        let mut found = Vec::new();
        let envelope = ["JSONRPCResultResponse", "JSONRPCResponse"].into_iter().find(|name| self.has(name));
        let envelope = self.pointer(envelope.expect("each revision defines responses"));
        self.check_envelope(envelope, message, "result", &mut found);
        match self.result_definition(method, &message["result"]) {
            Ok(definition) => self.check(vec![definition], &message["result"], "/result", &mut found),
            Err(problem) => found.push(problem),
        }
        finish(found)
    }

    pub(super) fn result_definition(&self, method: &str, result: &Value) -> Result<String, Problem> {
        let asked =
            [Sender::Client, Sender::Server].map(|sender| self.methods.get(&(sender, method.to_owned())));
        let Some(request) = asked.into_iter().flatten().next() else {
            let what = format!("{} knows no request \"{method}\", so no result of it", self.name);
            return Err(Problem { pointer: "/result".into(), what });
        };
        let stem = name_of(request).trim_end_matches("Request").to_owned();
        let response = self.pointer(&format!("{stem}ResultResponse"));
        let mut possible = if self.document.pointer(&response).is_some() {
            self.alternatives(&format!("{response}/properties/result"))
        } else if self.has(&format!("{stem}Result")) {
            vec![self.pointer(&format!("{stem}Result"))]
        } else {
            vec![self.pointer("EmptyResult")]
        };
        let named = |name: &str| possible.iter().find(|pointer| name_of(pointer) == name).cloned();

        if self.has("CreateTaskResult") && result.get("task").is_some() {
            let params = self.resolve(format!("{request}/properties/params"));
            // A union of two forms of parameters: both name `task`, or neither does.
            let params = self.alternatives(&params).swap_remove(0);
            if self.at(&params)["properties"].get("task").is_some() {
                return Ok(self.pointer("CreateTaskResult"));
            }
        }
        match result["resultType"].as_str().filter(|_| self.has("ResultType")) {
            Some("input_required") => named("InputRequiredResult").ok_or_else(|| Problem {
                pointer: "/result/resultType".into(),
                what: format!("\"{method}\" cannot ask for input"),
            }),
            Some(other) if other != "complete" => Err(Problem {
                pointer: "/result/resultType".into(),
                what: format!("{} knows no \"{other}\"", self.name),
            }),
            _ => {
                possible.retain(|pointer| name_of(pointer) != "InputRequiredResult");
                Ok(possible.swap_remove(0))
            }
        }
    }

    /// Checks an error response, also by its code where the revision defines that code.
    ///
    /// An id that could not be read is absent from 2025-11-25 on, and null before, as JSON-RPC 2.0 has it.
    pub(crate) fn check_error(&self, message: &Value) -> Result<(), Problems> {
        let mut found = Vec::new();
        let base = ["JSONRPCErrorResponse", "JSONRPCError"].into_iter().find(|name| self.has(name));
        let base = self.pointer(base.expect("each revision defines errors"));
        let mut message = Cow::Borrowed(message);
        let id_required =
            self.at(&base)["required"].as_array().is_some_and(|keys| keys.contains(&json!("id")));
        if id_required && message.get("id") == Some(&Value::Null) {
            // The schemas up to 2025-06-18 forget this case; any id will do to look at the rest.
            message.to_mut()["id"] = json!(0);
        }
        let mut pointers = vec![base];
        for (_, place, own) in self.errors.iter().filter(|(code, ..)| message["error"]["code"] == *code) {
            match *place {
                "" => pointers.push(own.clone()),
                place => self.check(vec![own.clone()], &message["error"], place, &mut found),
            }
        }
        self.check(pointers, &message, "", &mut found);
        finish(found)
    }

    /// Checks any value against a definition by its name.
    pub(crate) fn check_definition(&self, definition: &str, value: &Value) -> Result<(), Problems> {
        let mut found = Vec::new();
        match self.has(definition) {
            true => self.check(vec![self.pointer(definition)], value, "", &mut found),
            false => found.push(Problem {
                pointer: String::new(),
                what: format!("{} has no definition {definition}", self.name),
            }),
        }
        finish(found)
    }

    /// Both checks: `value`, found `at` a place of the message, is all that `pointers` say, and nothing else.
    fn check(&self, pointers: Vec<String>, value: &Value, at: &str, found: &mut Vec<Problem>) {
        pointers.iter().for_each(|pointer| self.validate(pointer, value, at, found));
        self.unknown_keys(pointers, value, at, found);
    }

    /// Checks the keys of a message but, beyond what its envelope says of every message, not its `body`.
    fn check_envelope(&self, envelope: String, message: &Value, body: &str, found: &mut Vec<Problem>) {
        self.validate(&envelope, message, "", found);
        let mut outside = message.clone();
        outside.as_object_mut().map(|keys| keys.remove(body));
        self.unknown_keys(vec![envelope], &outside, "", found);
    }

    fn validate(&self, pointer: &str, value: &Value, at: &str, found: &mut Vec<Problem>) {
        self.validator(pointer).iter_errors(value).for_each(|error| explain(&error, at, found));
    }

    pub(super) fn validator(&self, pointer: &str) -> &jsonschema::Validator {
        let compiled = self.validators.get(&format!("#{pointer}"));
        compiled.unwrap_or_else(|| panic!("{} has no compiled schema at {pointer}", self.name))
    }

    /// The branches of a union, each followed to its definition; of anything else, itself.
    pub(super) fn alternatives(&self, pointer: &str) -> Vec<String> {
        let schema = self.at(pointer);
        let branches = ["anyOf", "oneOf"].into_iter().find(|keyword| schema.get(keyword).is_some());
        match branches {
            Some(keyword) => (0..schema[keyword].as_array().map_or(0, Vec::len))
                .map(|index| self.resolve(format!("{pointer}/{keyword}/{index}")))
                .collect(),
            None => vec![self.resolve(pointer.to_owned())],
        }
    }

    pub(super) fn resolve(&self, pointer: String) -> String {
        match self.at(&pointer)["$ref"].as_str() {
            Some(target) => self.resolve(target.trim_start_matches('#').to_owned()),
            None => pointer,
        }
    }

    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.document.pointer(pointer).unwrap_or(&Value::Null)
    }

    fn has(&self, definition: &str) -> bool {
        self.document[self.definitions].get(definition).is_some()
    }

    fn pointer(&self, definition: &str) -> String {
        format!("/{}/{definition}", self.definitions)
    }
}

fn finish(found: Vec<Problem>) -> Result<(), Problems> {
    let mut distinct = Vec::new();
    for problem in found {
        // An envelope and a method's own definition often say the same.
        if !distinct.contains(&problem) {
            distinct.push(problem);
        }
    }
    if distinct.is_empty() { Ok(()) } else { Err(Problems(distinct)) }
}

/// How people call the schema at a pointer: the definition, then the path of keys in it.
pub(super) fn name_of(pointer: &str) -> String {
    let steps = pointer.split('/').skip(2).filter(|step| *step != "properties");
    steps.collect::<Vec<_>>().join(".")
}

/// Reports an error of the validator; of a failed union, what is wrong with the one branch that was meant.
fn explain(error: &ValidationError<'_>, at: &str, found: &mut Vec<Problem>) {
    if let ValidationErrorKind::AnyOf { context } = error.kind() {
        // A constant, such as `type`, tells the branches apart: where it fits, the branch was meant.
        let is_constant =
            |error: &ValidationError<'_>| matches!(error.kind(), ValidationErrorKind::Constant { .. });
        let mut meant = context.iter().filter(|errors| !errors.iter().any(is_constant));
        if let (Some(errors), None) = (meant.next(), meant.next()) {
            return errors.iter().for_each(|error| explain(error, at, found));
        }
    }
    let full = error.to_string();
    let what = if full.len() > 160 { error.masked_with("the value").to_string() } else { full };
    found.push(Problem { pointer: format!("{at}{}", error.instance_path()), what });
}

/// Whether `text` is base64 with its padding, as binary contents must be.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    text.len().is_multiple_of(4) && text.len() - body.len() <= 2 && body.bytes().all(in_alphabet)
}

/// Lets the answer to a form hold any number. The published schemas take whole ones only, where the specification has
/// form fields of type `number` ("Requested Schema").
fn allow_fractions(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(allow_fractions),
        Value::Object(members) => members.values_mut().for_each(allow_fractions),
        Value::String(name) if name == "integer" => *name = "number".into(),
        _ => {}
    }
}
