//! Writes answers, each in the form of the revision it goes out under, straight into the output buffer.

use serde::Serialize;

use crate::{
    completion::Completion,
    prompt::Messages,
    protocol::{
        JsonObject,
        content::Block,
        error::{RpcError, code},
        id::RequestId,
        meta::key,
        revision::Revision,
        shape::{self, Feature, Kind},
    },
    questions::InputRequired,
    request::{Outcome, OutcomeKind, Reply},
    resource::ReadReply,
    tool::ToolReply,
    tool_error::ToolError,
};

/// Under which terms answers go out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) revision: Revision,
    /// The encoded `_meta` that every modern result carries.
    pub(crate) server_meta: &'a str,
    /// How large an answer may be. Lists are as large as they were registered.
    pub(crate) result_bytes: usize,
}

/// Appends the answer to a request, without any framing.
pub(crate) fn answer(out: &mut Vec<u8>, id: &RequestId, outcome: &Outcome, terms: Terms<'_>) {
    let start = out.len();
    let mut writer = Writer { out, revision: terms.revision, server_meta: terms.server_meta };
    match &outcome.0 {
        OutcomeKind::Complete(reply) => writer.result(id, reply),
        OutcomeKind::InputRequired(required) => writer.input_required(id, required),
        OutcomeKind::Failed(error) => writer.error(Some(id), error),
    }
    let length = writer.out.len() - start;
    let is_bounded = !matches!(outcome.0, OutcomeKind::Complete(Reply::Ready(_)) | OutcomeKind::Failed(_));
    if length <= terms.result_bytes || !is_bounded {
        return;
    }
    // What was written is let go, not kept as room for further answers.
    writer.out.truncate(start);
    writer.out.shrink_to(start + 256);
    let message = format!(
        "The answer of {length} bytes is over the limit of {}; ask for less at once",
        terms.result_bytes
    );
    match &outcome.0 {
        OutcomeKind::Complete(Reply::Tool(_)) => {
            writer.result(id, &Reply::Tool(ToolError::new("result_too_large", message).into()))
        }
        _ => writer.error(Some(id), &RpcError::new(code::INTERNAL_ERROR, message)),
    }
}

/// Appends an error; without an id where the request's could not be read.
pub(crate) fn error(out: &mut Vec<u8>, id: Option<&RequestId>, error: &RpcError, revision: Revision) {
    Writer { out, revision, server_meta: "" }.error(id, error);
}

/// The answer to a request of a handshake session that the adapter serves itself.
pub(crate) fn plain_result(out: &mut Vec<u8>, id: &RequestId, result: &impl Serialize) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    json(out, id);
    out.extend_from_slice(br#","result":"#);
    json(out, result);
    out.push(b'}');
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    revision: Revision,
    server_meta: &'a str,
}

impl Writer<'_> {
    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn json(&mut self, value: &impl Serialize) {
        json(self.out, value);
    }

    fn error(&mut self, id: Option<&RequestId>, error: &RpcError) {
        self.raw(r#"{"jsonrpc":"2.0","#);
        match id {
            Some(id) => {
                self.raw(r#""id":"#);
                self.json(id);
                self.raw(",");
            }
            None if self.revision.has(Feature::ErrorsWithoutId) => {}
            None => self.raw(r#""id":null,"#),
        }
        self.raw(r#""error":"#);
        if error.is_missing_resource && !self.revision.is_modern() {
            self.json(&RpcError { code: code::RESOURCE_NOT_FOUND, ..error.clone() });
        } else {
            self.json(error);
        }
        self.raw("}");
    }

    fn result(&mut self, id: &RequestId, reply: &Reply) {
        self.raw(r#"{"jsonrpc":"2.0","id":"#);
        self.json(id);
        self.raw(r#","result":"#);
        match reply {
            Reply::Ready(bytes) => {
                // The answer's end as well, so that a large list is copied once.
                self.out.reserve(bytes.len() + 1);
                self.out.extend_from_slice(bytes);
            }
            Reply::Tool(reply) => self.tool(reply),
            Reply::Resource(reply) => self.resource(reply),
            Reply::Prompt(messages) => self.prompt(messages),
            Reply::Completion(completion) => self.completion(completion),
            Reply::Ended => self.ended(id),
        }
        self.raw("}");
    }

    /// The questions of a round; only modern revisions have them in a result.
    fn input_required(&mut self, id: &RequestId, required: &InputRequired) {
        self.raw(r#"{"jsonrpc":"2.0","id":"#);
        self.json(id);
        self.raw(r#","result":{"resultType":"input_required","inputRequests":{"#);
        for (index, question) in required.questions.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            self.json(&question.key);
            self.raw(r#":{"method":"#);
            self.json(&question.method);
            self.raw(r#","params":"#);
            self.raw(&one_line(question.params.get()));
            self.raw("}");
        }
        self.raw(r#"},"requestState":"#);
        self.json(&required.state);
        self.close(None);
        self.raw("}");
    }

    fn tool(&mut self, reply: &ToolReply) {
        self.open();
        self.raw(r#""content":["#);
        for (index, block) in reply.content.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            self.block(block, index + 1);
        }
        let structured = reply.structured.as_deref().map(|raw| one_line(raw.get()));
        // Room for data and mirror at once: growing step by step would copy large answers several times over.
        self.out.reserve(structured.as_ref().map_or(0, |json| 2 * json.len() + json.len() / 4));
        if let Some(structured) = &structured {
            if !reply.content.is_empty() {
                self.raw(",");
            }
            self.raw(r#"{"type":"text","text":""#);
            escape_into(self.out, structured);
            self.raw(r#""}"#);
        }
        self.raw("]");
        // Before 2026 structured content is always an object.
        let is_known = |json: &str| {
            self.revision.names(Kind::ToolResult, "structuredContent")
                && (self.revision.is_modern() || json.starts_with('{'))
        };
        if let Some(structured) = structured.filter(|json| is_known(json)) {
            self.raw(r#","structuredContent":"#);
            self.raw(&structured);
        }
        if reply.is_error {
            self.raw(r#","isError":true"#);
        }
        self.close(reply.meta.as_ref());
    }

    fn resource(&mut self, reply: &ReadReply) {
        self.open();
        self.raw(r#""contents":["#);
        for (index, contents) in reply.contents.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            match shape::contents(contents, self.revision) {
                Some(shaped) => self.json(&shaped),
                None => self.json(contents),
            }
        }
        self.raw("]");
        if self.revision.is_modern() {
            let scope = if reply.public { "public" } else { "private" };
            let ttl_ms = reply.fresh_for.as_millis();
            self.raw(&format!(r#","ttlMs":{ttl_ms},"cacheScope":"{scope}""#));
        }
        self.close(None);
    }

    fn prompt(&mut self, prompt: &Messages) {
        self.open();
        if let Some(description) = &prompt.description {
            self.raw(r#""description":"#);
            self.json(description);
            self.raw(",");
        }
        self.raw(r#""messages":["#);
        for (index, message) in prompt.messages.iter().enumerate() {
            self.raw(if index > 0 { r#",{"role":"# } else { r#"{"role":"# });
            self.json(&message.role);
            self.raw(r#","content":"#);
            self.block(&message.content, index + 1);
            self.raw("}");
        }
        self.raw("]");
        self.close(None);
    }

    /// The block at this position, counted from 1.
    fn block(&mut self, block: &Block, position: usize) {
        match shape::block(block, position, self.revision) {
            Some(shaped) => self.json(&shaped),
            None => self.json(block),
        }
    }

    fn completion(&mut self, completion: &Completion) {
        self.open();
        self.raw(r#""completion":"#);
        self.json(completion);
        self.close(None);
    }

    fn ended(&mut self, id: &RequestId) {
        self.raw(r#"{"resultType":"complete""#);
        let mut meta = JsonObject::new();
        meta.insert(key::SUBSCRIPTION_ID.to_owned(), serde_json::json!(id));
        self.close(Some(&meta));
    }

    fn open(&mut self) {
        self.raw(if self.revision.is_modern() { r#"{"resultType":"complete","# } else { "{" });
    }

    /// Ends a result with its `_meta`: that of the server, in modern revisions, and its own.
    fn close(&mut self, own: Option<&JsonObject>) {
        let server_meta = if self.revision.is_modern() { self.server_meta } else { "" };
        match own {
            None if server_meta.is_empty() => {}
            None => {
                self.raw(r#","_meta":"#);
                self.raw(server_meta);
            }
            Some(own) if server_meta.is_empty() => {
                self.raw(r#","_meta":"#);
                self.json(own);
            }
            Some(own) => {
                self.raw(r#","_meta":"#);
                self.raw(server_meta);
                // `{…}` and `{…}` become one object; neither is empty.
                self.out.pop();
                let seam = self.out.len();
                self.json(own);
                self.out[seam] = b',';
            }
        }
        self.raw("}");
    }
}

/// Serializes into a buffer. A value that turns out not to be JSON leaves `null` behind; ours always are.
fn json(out: &mut Vec<u8>, value: &impl Serialize) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// JSON without line breaks, which newline framing cannot bear; only pretty-printed text has any.
fn one_line(json: &str) -> std::borrow::Cow<'_, str> {
    // By bytes: looking for characters would decode all of a large answer.
    if !json.as_bytes().contains(&b'\n') && !json.as_bytes().contains(&b'\r') {
        return json.into();
    }
    // In valid JSON a line break can only stand between tokens.
    json.replace(['\n', '\r'], " ").into()
}

/// Appends JSON text as the inside of a JSON string.
fn escape_into(out: &mut Vec<u8>, json: &str) {
    let bytes = json.as_bytes();
    let mut copied = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if byte == b'"' || byte == b'\\' || byte < b' ' {
            out.extend_from_slice(&bytes[copied..index]);
            copied = index + 1;
            match byte {
                b'"' => out.extend_from_slice(br#"\""#),
                b'\\' => out.extend_from_slice(br"\\"),
                b'\t' => out.extend_from_slice(br"\t"),
                // Other control characters cannot stand in valid JSON but for the line breaks replaced above.
                _ => out.push(b' '),
            }
        }
    }
    out.extend_from_slice(&bytes[copied..]);
}
