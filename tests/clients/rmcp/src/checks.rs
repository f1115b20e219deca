//! What the client does with the server, in order. It offers the fixtures of the official conformance suite, and
//! `test_slow` with `test_slow_ended`.

use std::{error::Error, fmt::Debug, sync::Arc, time::Duration};

use rmcp::{
    ServiceError,
    model::{
        CallToolRequest, CallToolRequestParams, ClientRequest, GetPromptRequestParams,
        ReadResourceRequestParams, SubscriptionFilter,
    },
    service::{PeerRequestOptions, QuitReason, RoleClient, RunningService},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::ears::{Ears, to_json};

/// No single check may take longer than this; the whole run takes about a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);

const WATCHED: &str = "test://watched-resource";
const SIMPLE_TEXT: &str = "This is a simple text response for testing.";

pub(crate) type Checked = Result<(), Box<dyn Error>>;

/// A connected client.
pub(crate) struct Session {
    pub(crate) client: RunningService<RoleClient, Arc<Ears>>,
    pub(crate) ears: Arc<Ears>,
    pub(crate) modern: bool,
}

/// Prints the line of a check; whether it went well.
pub(crate) fn report(check: &str, outcome: Checked) -> bool {
    let line = match &outcome {
        Ok(()) => json!({"check": check, "ok": true}),
        Err(error) => json!({"check": check, "ok": false, "error": error.to_string()}),
    };
    println!("{line}");
    outcome.is_ok()
}

/// Runs the named checks one after the other, until one fails.
macro_rules! in_order {
    ($session:expr, $($check:ident)*) => {
        $(
            let checked = timeout(PATIENCE, $session.$check()).await;
            let checked = checked.unwrap_or_else(|_| Err(format!("it took longer than {PATIENCE:?}").into()));
            if !report(stringify!($check), checked) {
                return false;
            }
        )*
    };
}

impl Session {
    /// Runs all checks and ends the session; whether all went well.
    pub(crate) async fn run(mut self) -> bool {
        in_order!(self,
            connect list call content_kinds tool_error unknown_tool resources read read_binary read_template
            resource_not_found prompts prompt completion progress cancel concurrent logging elicitation
            elicitation_enums elicitation_url sampling roots confirm several_questions
            prompt_and_resource_questions streamed_question subscribe list_changed close
        );
        true
    }

    async fn connect(&self) -> Checked {
        let info = to_json(&*self.client.peer_info().ok_or("the server does not say who it is")?);
        let revision = if self.modern { "2026-07-28" } else { "2025-11-25" };
        equal(&info["protocolVersion"], &json!(revision))?;
        for name in ["tools", "resources", "prompts", "completions"] {
            check(info["capabilities"].get(name).is_some(), || {
                format!("the server declares no {name}: {info}")
            })?;
        }
        Ok(())
    }

    async fn list(&self) -> Checked {
        let mut names: Vec<_> =
            self.client.list_all_tools().await?.into_iter().map(|tool| tool.name).collect();
        for name in ["test_simple_text", "test_tool_with_progress", "test_slow"] {
            check(names.iter().any(|listed| listed == name), || format!("{name} is not listed"))?;
        }
        let listed = names.len();
        names.sort();
        names.dedup();
        equal(names.len(), listed)
    }

    async fn call(&self) -> Checked {
        equal(self.text_of("test_simple_text", json!({})).await?, SIMPLE_TEXT.into())
    }

    async fn content_kinds(&self) -> Checked {
        let result = self.result_of("test_multiple_content_types", json!({})).await?;
        let mut kinds: Vec<_> = items(&result["content"]).iter().map(|block| block["type"].clone()).collect();
        kinds.sort_by_key(Value::to_string);
        equal(kinds, vec![json!("image"), json!("resource"), json!("text")])
    }

    async fn tool_error(&self) -> Checked {
        let result = self.result_of("test_error_handling", json!({})).await?;
        equal(&result["isError"], &json!(true))
    }

    async fn unknown_tool(&self) -> Checked {
        refused(self.result_of("no_such_tool", json!({})).await, -32602)
    }

    async fn resources(&self) -> Checked {
        let uris: Vec<_> =
            self.client.list_all_resources().await?.into_iter().map(|found| found.uri).collect();
        check(uris.iter().any(|uri| uri == "test://static-text"), || format!("{uris:?}"))?;
        let templates = to_json(self.client.list_all_resource_templates().await?);
        let template = json!("test://template/{id}/data");
        check(items(&templates).iter().any(|found| found["uriTemplate"] == template), || {
            templates.to_string()
        })
    }

    async fn read(&self) -> Checked {
        let text = "This is the content of the static text resource.";
        let expected = json!([{"uri": "test://static-text", "mimeType": "text/plain", "text": text}]);
        equal(self.contents_of("test://static-text").await?, expected)
    }

    async fn read_binary(&self) -> Checked {
        let contents = self.contents_of("test://static-binary").await?;
        equal(&contents[0]["mimeType"], &json!("image/png"))?;
        // The first bytes of a PNG, in base64.
        check(contents[0]["blob"].as_str().is_some_and(|blob| blob.starts_with("iVBOR")), || {
            contents.to_string()
        })
    }

    async fn read_template(&self) -> Checked {
        let contents = self.contents_of("test://template/123/data").await?;
        let text: Value = serde_json::from_str(contents[0]["text"].as_str().unwrap_or_default())?;
        equal(&text["id"], &json!("123"))
    }

    async fn resource_not_found(&self) -> Checked {
        let answer = self.contents_of("test://no-such-resource").await;
        refused(answer, if self.modern { -32602 } else { -32002 })
    }

    async fn prompts(&self) -> Checked {
        let prompts = to_json(self.client.list_all_prompts().await?);
        let prompt = items(&prompts).iter().find(|prompt| prompt["name"] == "test_prompt_with_arguments");
        let arguments = items(&prompt.ok_or("the prompt is not listed")?["arguments"]);
        let arguments: Vec<_> =
            arguments.iter().map(|argument| (&argument["name"], &argument["required"])).collect();
        equal(arguments, vec![(&json!("arg1"), &json!(true)), (&json!("arg2"), &json!(true))])
    }

    async fn prompt(&self) -> Checked {
        let messages =
            self.messages_of("test_prompt_with_arguments", json!({"arg1": "hello", "arg2": "world"})).await?;
        let text = "Prompt with arguments: arg1='hello', arg2='world'";
        equal(messages, json!([{"role": "user", "content": {"type": "text", "text": text}}]))
    }

    async fn completion(&self) -> Checked {
        let values = self.client.complete_prompt_simple("test_prompt_with_arguments", "arg1", "par").await?;
        equal(values, ["paris", "park", "party"].map(String::from).to_vec())
    }

    async fn progress(&self) -> Checked {
        self.result_of("test_tool_with_progress", json!({})).await?;
        for expected in [0.0, 50.0, 100.0] {
            let step = self.ears.next("progress").await;
            equal((step["progress"].as_f64(), step["total"].as_f64()), (Some(expected), Some(100.0)))?;
        }
        Ok(())
    }

    async fn cancel(&self) -> Checked {
        let request =
            CallToolRequest::new(params(json!({"name": "test_slow", "arguments": {"ms": 600_000}})));
        let request = ClientRequest::CallToolRequest(request);
        let running = self.client.send_cancellable_request(request, PeerRequestOptions::no_options()).await?;
        self.ears.next("progress").await;
        running.cancel(Some("the user changed their mind".into())).await?;
        // It waits for the end of the work there, however long that takes.
        equal(self.text_of("test_slow_ended", json!({})).await?, "Given up: 1".into())?;
        equal(self.text_of("test_simple_text", json!({})).await?, SIMPLE_TEXT.into())
    }

    async fn concurrent(&self) -> Checked {
        let slow = self.text_of("test_slow", json!({"ms": 300}));
        let quick = self.text_of("test_simple_text", json!({}));
        tokio::pin!(slow);
        tokio::select! {
            biased;
            _ = &mut slow => Err("a slow call held up a quick one")?,
            quick = quick => equal(quick?, SIMPLE_TEXT.into())?,
        }
        slow.await?;
        Ok(())
    }

    async fn logging(&self) -> Checked {
        self.log_at("info").await?;
        for _ in 0..3 {
            equal(&self.ears.next("log").await["level"], &json!("info"))?;
        }
        // Above the level that is asked for, nothing comes.
        self.log_at("error").await?;
        equal(self.ears.all("log").await, vec![])
    }

    async fn elicitation(&self) -> Checked {
        let tool = "test_elicitation_sep1034_defaults";
        let filled_in = r#"{"name":"Ada","age":36,"score":99.5,"status":"inactive","verified":false}"#;
        let content: Value = serde_json::from_str(filled_in)?;
        let accepted = format!("Elicitation completed: action=accept, content={filled_in}");

        // What does not fit the form is asked for again.
        let mut tries = vec![content, json!({"age": "old"})];
        self.ears.answer_with(move |_| accept(tries.pop().unwrap_or_default()));
        equal(self.text_of(tool, json!({})).await?, accepted)?;
        let asked = self.ears.asked();
        equal(asked.len(), 2)?;
        equal(&asked[0]["message"], &json!("Please review and update the form fields with defaults"))?;
        let fields = &asked[0]["requestedSchema"]["properties"];
        equal(&fields["name"]["default"], &json!("John Doe"))?;
        equal(&fields["age"]["default"], &json!(30))?;
        equal(&fields["status"]["enum"], &json!(["active", "inactive", "pending"]))?;

        for action in ["decline", "cancel"] {
            self.ears.answer_with(move |_| json!({"action": action}));
            let said = format!("Elicitation completed: action={action}, content={{}}");
            equal(self.text_of(tool, json!({})).await?, said)?;
        }
        Ok(())
    }

    async fn elicitation_enums(&self) -> Checked {
        let chosen = r#"{"untitledSingle":"option1","titledSingle":"value2","legacyEnum":"opt3","untitledMulti":["option1","option3"],"titledMulti":[]}"#;
        let content: Value = serde_json::from_str(chosen)?;
        self.ears.answer_with(move |_| accept(content.clone()));
        let text = self.text_of("test_elicitation_sep1330_enums", json!({})).await?;
        equal(text, format!("Elicitation completed: action=accept, content={chosen}"))
    }

    async fn elicitation_url(&self) -> Checked {
        for action in ["accept", "decline", "cancel"] {
            self.ears.answer_with(move |_| json!({"action": action}));
            let text = self.text_of("test_elicitation_url", json!({})).await?;
            equal(text, format!("URL elicitation completed: action={action}"))?;
            let asked = self.ears.asked();
            equal(
                (&asked[0]["mode"], &asked[0]["url"]),
                (&json!("url"), &json!("https://example.com/login")),
            )?;
        }
        Ok(())
    }

    async fn sampling(&self) -> Checked {
        let prompt = "What is the capital of France?";
        self.ears.answer_with(|_| say("Paris"));
        equal(self.text_of("test_sampling", json!({"prompt": prompt})).await?, "LLM response: Paris".into())?;
        let asked = self.ears.asked();
        equal(&asked[0]["messages"][0]["content"]["text"], &json!(prompt))?;
        equal(&asked[0]["maxTokens"], &json!(100))
    }

    async fn roots(&self) -> Checked {
        self.ears.answer_with(|_| json!({"roots": [{"uri": "file:///home/ada"}, {"uri": "file:///srv"}]}));
        equal(self.text_of("test_roots", json!({})).await?, "Roots: file:///home/ada, file:///srv".into())
    }

    async fn confirm(&self) -> Checked {
        let what = json!({"what": "the archive"});
        self.ears.answer_with(|_| accept(json!({})));
        let text = self.text_of("test_confirm", what.clone()).await?;
        equal(text, "They agreed that the archive may be deleted.".into())?;
        equal(&self.ears.asked()[0]["message"], &json!("Delete the archive for good?"))?;
        for action in ["decline", "cancel"] {
            self.ears.answer_with(move |_| json!({"action": action}));
            equal(&self.result_of("test_confirm", what.clone()).await?["isError"], &json!(true))?;
        }
        Ok(())
    }

    async fn several_questions(&self) -> Checked {
        let answer = |question: &Value| match question["message"].as_str() {
            Some(message) if message.contains("color") => accept(json!({"color": "blue"})),
            Some(_) => accept(json!({"name": "Ada"})),
            None if question.get("messages").is_some() => say("Good day,"),
            None => json!({"roots": [{"uri": "file:///srv"}]}),
        };
        self.ears.answer_with(answer);
        let text = self.text_of("test_input_required_result_multiple_inputs", json!({})).await?;
        equal((text, self.ears.asked().len()), ("Good day, Ada works in file:///srv".into(), 3))?;
        self.ears.answer_with(answer);
        let text = self.text_of("test_input_required_result_multi_round", json!({})).await?;
        equal((text, self.ears.asked().len()), ("Ada likes blue.".into(), 2))
    }

    async fn prompt_and_resource_questions(&self) -> Checked {
        self.ears.answer_with(|_| accept(json!({"context": "a test", "name": "Ada"})));
        let messages = self.messages_of("test_input_required_result_prompt", json!({})).await?;
        equal(&messages[0]["content"]["text"], &json!("Use this context: a test"))?;
        equal(&self.contents_of("test://your-greeting").await?[0]["text"], &json!("Hello, Ada!"))
    }

    async fn streamed_question(&self) -> Checked {
        self.ears.all("progress").await;
        self.ears.answer_with(|_| accept(json!({"steps": 3})));
        let text = self.text_of("test_streaming_elicitation", json!({})).await?;
        equal(text, "The user has seen 3 of 3 steps.".into())?;
        // In the modern era the work runs a second time for its answer.
        for step in [1.0, 2.0, 3.0].repeat(if self.modern { 2 } else { 1 }) {
            equal(self.ears.next("progress").await["progress"].as_f64(), Some(step))?;
        }
        Ok(())
    }

    async fn subscribe(&self) -> Checked {
        if self.modern {
            let filter = SubscriptionFilter::builder().resource_subscription(WATCHED).build();
            return self
                .told_of_a_change(filter, "test_trigger_resource_update", &json!({"uri": WATCHED}))
                .await;
        }
        #[expect(deprecated, reason = "it is what the handshake era has")]
        self.client.subscribe(params(json!({"uri": WATCHED}))).await?;
        self.text_of("test_trigger_resource_update", json!({})).await?;
        equal(&self.ears.next("updated").await["uri"], &json!(WATCHED))?;
        #[expect(deprecated, reason = "it is what the handshake era has")]
        self.client.unsubscribe(params(json!({"uri": WATCHED}))).await?;
        Ok(())
    }

    async fn list_changed(&self) -> Checked {
        if self.modern {
            let filter = SubscriptionFilter::builder().tools_list_changed().build();
            return self.told_of_a_change(filter, "test_trigger_tool_change", &json!({})).await;
        }
        self.text_of("test_trigger_tool_change", json!({})).await?;
        self.ears.next("tools").await;
        Ok(())
    }

    async fn close(&mut self) -> Checked {
        let reason = self.client.close().await?;
        check(matches!(reason, QuitReason::Cancelled), || format!("the session had ended before: {reason:?}"))
    }

    /// Listens, has something change, hears of it and stops to listen.
    async fn told_of_a_change(&self, filter: SubscriptionFilter, trigger: &str, expected: &Value) -> Checked {
        let mut subscription = self.client.listen(filter.clone()).await?;
        equal(subscription.acknowledged(), &filter)?;
        self.text_of(trigger, json!({})).await?;
        let told = to_json(subscription.next().await?.ok_or("the server ended the subscription")?);
        for (key, value) in expected.as_object().into_iter().flatten() {
            equal(&told["params"][key], value)?;
        }
        subscription.cancel().await?;
        equal(self.text_of("test_simple_text", json!({})).await?, SIMPLE_TEXT.into())
    }

    /// Calls a tool that logs at level info, where `level` is asked for.
    async fn log_at(&self, level: &str) -> Checked {
        let mut call = json!({"name": "test_tool_with_logging", "arguments": {}});
        if self.modern {
            call["_meta"] = json!({"io.modelcontextprotocol/logLevel": level});
        } else {
            #[expect(deprecated, reason = "it is what the handshake era has")]
            self.client.set_level(params(json!({"level": level}))).await?;
        }
        self.client.call_tool(params(call)).await?;
        Ok(())
    }

    async fn result_of(&self, tool: &str, arguments: Value) -> Result<Value, ServiceError> {
        let call: CallToolRequestParams = params(json!({"name": tool, "arguments": arguments}));
        self.client.call_tool(call).await.map(to_json)
    }

    /// What a tool says, in its one block of text.
    async fn text_of(&self, tool: &str, arguments: Value) -> Result<String, Box<dyn Error>> {
        let result = self.result_of(tool, arguments).await?;
        check(result["isError"] != true, || format!("a tool error: {result}"))?;
        equal(items(&result["content"]).len(), 1)?;
        Ok(result["content"][0]["text"].as_str().ok_or("it is not text")?.to_owned())
    }

    async fn contents_of(&self, uri: &str) -> Result<Value, ServiceError> {
        let read: ReadResourceRequestParams = params(json!({"uri": uri}));
        self.client.read_resource(read).await.map(|result| to_json(result.contents))
    }

    async fn messages_of(&self, prompt: &str, arguments: Value) -> Result<Value, ServiceError> {
        let get: GetPromptRequestParams = params(json!({"name": prompt, "arguments": arguments}));
        self.client.get_prompt(get).await.map(|result| to_json(result.messages))
    }
}

/// Parameters from their JSON: the types of rmcp are not to be built from outside.
fn params<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("parameters as the wire has them")
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn accept(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

/// What a model says.
fn say(text: &str) -> Value {
    json!({"role": "assistant", "model": "test", "stopReason": "endTurn", "content": {"type": "text", "text": text}})
}

fn refused(answer: Result<impl Serialize, ServiceError>, code: i32) -> Checked {
    match answer {
        Err(ServiceError::McpError(error)) => equal(error.code.0, code),
        Err(other) => Err(format!("not an answer of the server: {other}").into()),
        Ok(answer) => Err(format!("expected error {code}, got {}", to_json(answer)).into()),
    }
}

fn equal<T: PartialEq + Debug>(actual: T, expected: T) -> Checked {
    check(actual == expected, || format!("expected {expected:?}, got {actual:?}"))
}

fn check(holds: bool, complaint: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(complaint().into()) }
}
