//! The runner: plays the client of a script, and holds what comes against what must come.

use serde_json::{Value, json};

use super::{
    http::METHODS,
    layout,
    matching::Captured,
    script::{Action, Form, Hearing, Over, Saying, Script, Step},
    wire::{Arrival, Head, Outgoing, Wire},
};
use crate::support::wire_schema::Transcript;

/// Replays a script.
///
/// With `accepts` a line that says something else than what came is not a failure: it is written down with what came, to
/// stand in its place.
pub(crate) fn replay(
    script: &Script,
    wire: &mut dyn Wire,
    is_http: bool,
    accepts: Option<&mut Vec<(usize, String)>>,
) -> Result<(), String> {
    let schemas =
        cfg!(mcp_spec).then(|| Transcript::new(&script.revision).expect("the specification is there"));
    let names = Captured::default();
    let mut replay = Replay { script, wire, is_http, accepts, schemas, names, asked: 0, states: 0 };
    let steps: Vec<&Step> = script.steps.iter().filter(|step| step.is_for(is_http)).collect();
    let is_hearing = |step: &&Step| matches!(step.action, Action::Hear(_));
    for run in steps.chunk_by(|one, next| is_hearing(one) && is_hearing(next)) {
        match &run[0].action {
            Action::Hear(_) => replay.hear(run)?,
            Action::Say(saying) => replay.say(run[0], saying)?,
            Action::Handshake => replay.handshake(run[0])?,
            Action::HangUp(id) => replay.wire.hang_up(id),
            Action::Close => replay.wire.end(),
        }
    }
    replay.wire.end();
    while let Some(arrival) = replay.wire.receive() {
        if !is_taken(&arrival) {
            let end = format!("tests/transcripts/{}: after its end came\n{}", script.name, shown(&arrival));
            return Err(end);
        }
    }
    Ok(())
}

struct Replay<'a> {
    script: &'a Script,
    wire: &'a mut dyn Wire,
    is_http: bool,
    accepts: Option<&'a mut Vec<(usize, String)>>,
    /// Where the specification is there, every message is held against it.
    schemas: Option<Transcript>,
    names: Captured,
    /// How many requests of the server's have come.
    asked: usize,
    /// How many states have come for a further round.
    states: usize,
}

impl Replay<'_> {
    fn say(&mut self, step: &Step, saying: &Saying) -> Result<(), String> {
        let fail = |what: String| self.fail(step, &what);
        let (mut text, mut message) = (saying.text.clone(), Value::Null);
        match serde_json::from_str::<Value>(&text) {
            Ok(json) => {
                message = json;
                let as_written = message.clone();
                self.names.fill_in(&mut message).map_err(fail)?;
                if !saying.is_verbatim {
                    self.complete(&mut message);
                }
                // What stands there in every detail is sent so.
                if message != as_written {
                    text = message.to_string();
                }
            }
            Err(_) if saying.is_verbatim || METHODS.contains(&&*text) => {}
            Err(error) => return Err(fail(error.to_string())),
        }
        let is_message = message.is_object() || message.is_array();
        if let Some(schemas) = &mut self.schemas {
            match saying.is_wrong || !is_message {
                true => schemas.client_wrong_on_purpose(&message),
                false => schemas.client(&message),
            }
        }
        self.check_schemas(step, &text)?;
        self.wire.send(&Outgoing { text: &text, json: &message, headers: &saying.headers });
        Ok(())
    }

    /// Adds what a script need not say each time.
    fn complete(&self, message: &mut Value) {
        let is_modern = self.script.revision.as_str() >= "2026";
        match message {
            Value::Array(members) => members.iter_mut().for_each(|member| self.complete(member)),
            Value::Object(members) => {
                members.entry("jsonrpc").or_insert_with(|| json!("2.0"));
                if is_modern && members.contains_key("id") && members.contains_key("method") {
                    let meta = &mut message["params"]["_meta"];
                    for (key, value) in [
                        ("protocolVersion", json!(self.script.revision)),
                        ("clientCapabilities", self.script.capabilities.clone()),
                        ("clientInfo", client()),
                    ] {
                        let key = format!("io.modelcontextprotocol/{key}");
                        if meta.get(&key).is_none() {
                            meta[key] = value;
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn handshake(&mut self, step: &Step) -> Result<(), String> {
        let params = json!({
            "protocolVersion": self.script.revision,
            "capabilities": self.script.capabilities,
            "clientInfo": client(),
        });
        let say = |message: Value| Saying {
            text: message.to_string(),
            is_verbatim: false,
            is_wrong: false,
            headers: Vec::new(),
        };
        self.say(step, &say(json!({"id": "handshake", "method": "initialize", "params": params})))?;
        let Some(Arrival { message: Some(answer), .. }) = self.wire.receive() else {
            return Err(self.fail(step, "no answer"));
        };
        self.see(step, &answer)?;
        if answer["result"]["protocolVersion"] != *self.script.revision {
            return Err(self.fail(step, &format!("it did not settle on the revision:\n{answer}")));
        }
        self.say(step, &say(json!({"method": "notifications/initialized"})))
    }

    /// Waits for everything that a run of lines says.
    fn hear(&mut self, run: &[&Step]) -> Result<(), String> {
        let mut pending: Vec<(&Step, &Hearing)> = run
            .iter()
            .filter_map(|step| match &step.action {
                Action::Hear(hearing) => Some((*step, hearing)),
                _ => None,
            })
            .collect();
        while let Some(&(first, _)) = pending.first() {
            let Some(arrival) = self.wire.receive() else {
                return Err(self.fail(first, "nothing came any more"));
            };
            let says_so = pending.iter().any(|(_, hearing)| hearing.message.is_none() && !hearing.is_blank);
            if is_taken(&arrival) && !says_so {
                continue;
            }
            if let Some(message) = &arrival.message {
                self.see(first, message)?;
            }
            // The next in order, or one that may come any time.
            let next = pending.iter().position(|(_, hearing)| !hearing.is_unordered);
            let (mut right, mut why) = (None, String::new());
            for at in (0..pending.len()).filter(|at| Some(*at) == next || pending[*at].1.is_unordered) {
                match self.compare(pending[at].1, &arrival) {
                    Ok(()) => {
                        right = Some(at);
                        break;
                    }
                    Err(other) if why.is_empty() || Some(at) == next => why = other,
                    Err(_) => {}
                }
            }
            let (step, hearing) = pending.remove(right.or(next).unwrap_or(0));
            if right.is_none() {
                self.differs(step, hearing, &arrival, &why)?;
            }
        }
        Ok(())
    }

    /// Compares, and takes over what the line gives names to.
    fn compare(&mut self, hearing: &Hearing, arrival: &Arrival) -> Result<(), String> {
        if let Some(Head { status, form }) = arrival.http {
            let expected = hearing.status.unwrap_or(200);
            if status != expected {
                return Err(format!("the status is {status}, not {expected}"));
            }
            if hearing.form.is_some() && hearing.form != form {
                return Err(format!("the form is {form:?}"));
            }
        }
        match (&hearing.message, &arrival.message) {
            (Some(expected), Some(got)) => {
                let mut got = got.clone();
                if !hearing.is_verbatim {
                    shorten(&mut got)?;
                }
                self.names.compare(expected, &got)
            }
            (None, None) if !hearing.is_blank => Ok(()),
            (Some(_), None) => Err("no message came".to_owned()),
            (None, _) => Err("what has to come is not said".to_owned()),
        }
    }

    fn differs(
        &mut self,
        step: &Step,
        hearing: &Hearing,
        arrival: &Arrival,
        why: &str,
    ) -> Result<(), String> {
        if self.accepts.is_none() {
            let expected = hearing.message.as_ref().map(|message| layout::message("  ", message));
            let expected = expected.unwrap_or_else(|| "   nothing but a status".to_owned());
            return Err(self.fail(step, &format!("{why}\nexpected\n{expected}\ngot\n{}", shown(arrival))));
        }
        let mut head = self.script.marks(step).to_owned();
        if let Some(status) = arrival.http.map(|head| head.status).or(hearing.status).filter(|s| *s != 200) {
            head = format!("{head} {status}");
        }
        let form = arrival.http.and_then(|head| head.form).filter(|_| hearing.form.is_some());
        match form.or(hearing.form) {
            Some(Form::Json) => head.push_str(" json"),
            Some(Form::Events) => head.push_str(" events"),
            None => {}
        }
        let line = match &arrival.message {
            None => head,
            Some(message) => {
                let mut message = message.clone();
                if !hearing.is_verbatim {
                    shorten(&mut message)?;
                }
                // Where all else is right, placeholders stay.
                let fits = |expected: &&Value| self.names.compare(expected, &message).is_ok();
                match hearing.message.as_ref().filter(fits) {
                    Some(expected) => layout::message(&head, expected),
                    None if self.is_http && step.over == Over::Both && !hearing.is_blank => {
                        return Err(self.fail(step, &format!("{why}\ngot over HTTP\n{}", shown(arrival))));
                    }
                    None => {
                        self.give_names(&mut message);
                        layout::message(&head, &message)
                    }
                }
            }
        };
        self.accepts.iter_mut().for_each(|accepted| accepted.push((step.line, line.clone())));
        Ok(())
    }

    /// Names what the client has to repeat and cannot know: `$ask1`, `$state1` and so on.
    fn give_names(&mut self, message: &mut Value) {
        let mut name = |value: &mut Value, name: String| {
            let named = Value::from(name);
            // A name of this form with another value is the author's, who will see.
            let _ = self.names.compare(&named, value);
            *value = named;
        };
        if is_request(message) {
            name(&mut message["id"], format!("$ask{}", self.asked));
        }
        if let Some(state) = message.pointer_mut(STATE) {
            name(state, format!("$state{}", self.states));
        }
    }

    /// Shows a message of the server's to the schemas.
    fn see(&mut self, step: &Step, message: &Value) -> Result<(), String> {
        self.asked += usize::from(is_request(message));
        self.states += usize::from(message.pointer(STATE).is_some());
        if let Some(schemas) = &mut self.schemas {
            // Where HTTP itself refuses, the error is of no revision: it may come without an id in all of them.
            let is_status = message["error"]["code"].as_i64().is_some_and(|code| code > 0);
            let is_refusal = self.is_http && is_status && message.get("id").is_none();
            if !is_refusal {
                schemas.server(message);
            }
        }
        self.check_schemas(step, &message.to_string())
    }

    fn check_schemas(&self, step: &Step, message: &str) -> Result<(), String> {
        match self.schemas.as_ref().map_or(&[][..], Transcript::problems) {
            [] => Ok(()),
            problems => Err(self.fail(step, &format!("{}\nin {message}", problems.join("\n")))),
        }
    }

    fn fail(&self, step: &Step, what: &str) -> String {
        format!("tests/transcripts/{}:{}: {what}", self.script.name, step.line)
    }
}

/// What the client has to carry into a further round.
const STATE: &str = "/result/requestState";

fn is_request(message: &Value) -> bool {
    message.get("id").is_some() && message.get("method").is_some()
}

/// Whether it only says that a message was taken, which a script need not say.
fn is_taken(arrival: &Arrival) -> bool {
    arrival.message.is_none() && arrival.http.is_some_and(|head| head.status == 202)
}

fn shown(arrival: &Arrival) -> String {
    let head = arrival.http.map_or_else(|| "  ".to_owned(), |head| format!("   {}", head.status));
    arrival.message.as_ref().map_or(head.clone(), |message| layout::message(&head, message))
}

/// Takes out what every message says, or every result of a revision.
fn shorten(message: &mut Value) -> Result<(), String> {
    let members = match message {
        Value::Array(members) => return members.iter_mut().try_for_each(shorten),
        Value::Object(members) => members,
        _ => return Ok(()),
    };
    if members.remove("jsonrpc") != Some(json!("2.0")) {
        return Err("/jsonrpc is not \"2.0\"".to_owned());
    }
    let Some(result) = members.get_mut("result").filter(|result| result.get("resultType").is_some()) else {
        return Ok(());
    };
    let meta = result["_meta"].as_object_mut();
    let server = meta.and_then(|meta| meta.remove("io.modelcontextprotocol/serverInfo"));
    if server.is_none_or(|server| server["name"] != "everything") {
        return Err("/result/_meta does not say which server this is".to_owned());
    }
    if result["_meta"] == json!({}) {
        result.as_object_mut().map(|result| result.remove("_meta"));
    }
    Ok(())
}

fn client() -> Value {
    json!({"name": "script", "version": "1"})
}
