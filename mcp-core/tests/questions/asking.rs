//! Every kind of question, in both eras, from tools, resources and prompts.

use mcp_core::{
    Ability, Annotations, Call, Contents, Form, ListRoots, Messages, OpenUrl, Prompt, RawForm, RequestError,
    Resource, Revision, Sample, Server, Text, Tool, ToolError, resource_fn,
    testing::{Asked, Client, Options, Reaction},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Greet, Person, server};

const ERAS: [Revision; 2] = [Revision::V2025_11_25, Revision::V2026_07_28];

/// A person who answers what they are asked.
fn ada(asked: &Asked) -> Reaction {
    match asked.method.as_str() {
        "sampling/createMessage" => asked.say("Paris"),
        "roots/list" => asked.roots(&["file:///home/ada"]),
        _ if asked.params["mode"] == "url" => asked.accept(Value::Null),
        _ => asked.accept(json!({"name": "Ada", "age": 36})),
    }
}

async fn client(server: Server, revision: Revision) -> Client {
    Client::with(server, Options::new().revision(revision).answering(ada)).await
}

#[tokio::test]
async fn a_form_is_asked_and_its_answer_is_typed_in_both_eras() {
    for revision in ERAS {
        let client = client(server(), revision).await;
        let reply = client.call("greet", json!({"how": "Welcome"})).await;
        assert_eq!(reply.text(), "Welcome, Ada (36)!", "{revision}");
    }
}

#[tokio::test]
async fn what_goes_over_the_wire_is_what_the_specification_shows() {
    let client = client(server(), Revision::V2026_07_28).await;
    client.call("greet", json!({})).await;
    let said = client.transcript();
    let asked = &said[1].1["result"];
    assert_eq!(asked["resultType"], "input_required");
    assert_eq!(
        asked["inputRequests"],
        json!({"who": {"method": "elicitation/create", "params": {
            "mode": "form",
            "message": "Who are you?",
            "requestedSchema": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "What are you called?"},
                    "age": {"type": "integer", "description": "How old are you?", "minimum": 0, "maximum": 150},
                },
                "required": ["name"],
            },
        }}})
    );
    assert_eq!(said[2].1["params"]["requestState"], asked["requestState"]);
    assert_ne!(said[0].1["id"], said[2].1["id"]);
    assert_eq!(said[3].1["result"]["resultType"], "complete");
}

#[tokio::test]
async fn in_a_session_a_question_is_a_request_and_the_work_goes_on_where_it_was() {
    let client = client(server(), Revision::V2025_11_25).await;
    client.call("greet", json!({})).await;
    let said = client.transcript();
    let asked = said.iter().find(|(_, message)| message["method"] == "elicitation/create").unwrap();
    assert_eq!(asked.1["params"]["message"], "Who are you?");
    let calls = said.iter().filter(|(_, message)| message["method"] == "tools/call").count();
    assert_eq!(calls, 1);
}

/// Asks everything there is.
#[derive(Deserialize, JsonSchema)]
struct AskEverything {}

impl Tool for AskEverything {
    const NAME: &'static str = "ask_everything";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let (person, words, roots) = tokio::join!(
            call.ask("person", Form::<Person>::new("Who are you?")),
            call.ask("words", Sample::new("What is the capital of France?", 100).system_prompt("Be brief.")),
            call.ask("roots", ListRoots),
        );
        let visit = call.ask("visit", OpenUrl::new("Log in, please.", "https://example.com/login")).await;
        let raw = RawForm::new(
            "Once more?",
            json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}),
        );
        let raw = call.ask("raw", raw).await.accepted()?;
        visit.accepted()?;
        let (name, uri) = (person.accepted()?.name, &roots[0].uri);
        Ok(Text::new(format!("{name} in {uri} says {} ({}), {}", words.text(), words.model, raw["name"])))
    }
}

#[tokio::test]
async fn every_kind_of_question_is_answered_and_several_go_out_at_once() {
    for revision in ERAS {
        let client = client(Server::new("test", "1").tool::<AskEverything>(), revision).await;
        let reply = client.call("ask_everything", json!({})).await;
        assert_eq!(reply.text(), "Ada in file:///home/ada says Paris (test), \"Ada\"", "{revision}");
        let said = client.transcript();
        let rounds: Vec<_> = said
            .iter()
            .filter_map(|(_, message)| message["result"]["inputRequests"].as_object())
            .map(|questions| questions.keys().map(String::as_str).collect::<Vec<_>>())
            .collect();
        if revision.is_modern() {
            assert_eq!(rounds, [vec!["person", "roots", "words"], vec!["visit"], vec!["raw"]]);
        }
        let visit = said.iter().find_map(|(_, message)| {
            let in_round = &message["result"]["inputRequests"]["visit"]["params"];
            [in_round, &message["params"]].into_iter().find(|params| params["mode"] == "url").cloned()
        });
        let visit = visit.unwrap();
        assert_eq!(visit["url"], "https://example.com/login");
        // Required up to 2025-11-25, and unknown after.
        assert_eq!(visit.get("elicitationId").is_some(), !revision.is_modern());
    }
}

#[tokio::test]
async fn a_person_may_decline_or_turn_away() {
    for revision in ERAS {
        for (reaction, code) in [("decline", "declined"), ("cancel", "cancelled")] {
            let answering = move |asked: &Asked| match reaction {
                "decline" => asked.decline(),
                _ => asked.cancel(),
            };
            let client = Client::with(server(), Options::new().revision(revision).answering(answering)).await;
            assert_eq!(client.call("greet", json!({})).await.error_code(), code);
        }
    }
}

/// The diary of whoever is asked.
#[derive(Deserialize, JsonSchema)]
struct Diary {
    /// A day, such as 2026-11-24.
    day: String,
}

impl Resource for Diary {
    const URI: &'static str = "diary://{day}";
    const NAME: &'static str = "diary";

    async fn read(self, (): &(), call: &Call) -> Result<Contents, RequestError> {
        let person = call.ask("who", Form::<Person>::new("Whose diary?")).await.accepted()?;
        Ok(Contents::text(format!("{}: {} did nothing.", self.day, person.name)))
    }
}

/// A letter to whoever is asked.
#[derive(Deserialize, JsonSchema)]
struct Letter {
    /// About what.
    subject: String,
}

impl Prompt for Letter {
    const NAME: &'static str = "letter";

    async fn get(self, (): &(), call: &Call) -> Result<Messages, RequestError> {
        let person = call.ask("who", Form::<Person>::new("To whom?")).await.accepted()?;
        Ok(Messages::user(format!("Write to {} about {}.", person.name, self.subject)))
    }
}

#[tokio::test]
async fn resources_and_prompts_ask_as_tools_do() {
    for revision in ERAS {
        let client = client(server().resource::<Diary>().prompt::<Letter>(), revision).await;
        let read = client.read("diary://2026-11-24").await;
        assert_eq!(read.result()["contents"][0]["text"], "2026-11-24: Ada did nothing.");
        let letter = client.prompt("letter", json!({"subject": "the engine"})).await;
        assert_eq!(
            letter.result()["messages"][0]["content"]["text"],
            "Write to Ada about the engine.",
            "{revision}"
        );
        let declining = Options::new().revision(revision).answering(Asked::decline);
        let client = Client::with(server().resource::<Diary>(), declining).await;
        let refused = client.read("diary://2026-11-24").await;
        assert_eq!(refused.error()["code"], -32602);
        assert_eq!(refused.error()["message"], "Not done: the person who was asked declined");
    }
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_is_told_what_it_takes() {
    let client = Client::new(server()).await;
    let refused = client.request("tools/call", json!({"name": "greet", "arguments": {}})).await;
    assert_eq!(refused.error()["code"], -32021);
    assert_eq!(refused.error()["data"], json!({"requiredCapabilities": {"elicitation": {"form": {}}}}));

    let older = Client::with_revision(server().resource::<Diary>(), Revision::V2025_11_25).await;
    let refused = older.call("greet", json!({})).await;
    assert_eq!(refused.error_code(), "client_cannot_answer");
    assert!(refused.text().starts_with("This needs a client that can show its user a form (elicitation)"));
    let refused = older.read("diary://x").await;
    assert_eq!(refused.error()["code"], -32603);
    assert!(refused.error()["message"].as_str().unwrap().contains("show its user a form"));
}

#[tokio::test]
async fn capabilities_are_taken_by_their_word() {
    let everything = || Server::new("test", "1").tool::<AskEverything>().tool::<Greet>();
    for (capabilities, required) in [
        (json!({"elicitation": {}}), json!({"sampling": {}})),
        (
            json!({"elicitation": {"url": {}}, "sampling": {}, "roots": {}}),
            json!({"elicitation": {"form": {}}}),
        ),
        (json!({"elicitation": {"form": {}}, "sampling": {}}), json!({"roots": {}})),
    ] {
        let client = Client::with(everything(), Options::new().capabilities(capabilities)).await;
        let refused = client.request("tools/call", json!({"name": "ask_everything"})).await;
        assert_eq!(refused.error()["data"], json!({ "requiredCapabilities": required }));
    }
    // Without a word on its modes a client that asks its user shows forms.
    let client = Client::with(everything(), Options::new().capabilities(json!({"elicitation": {}}))).await;
    let asks = client.request("tools/call", json!({"name": "greet"})).await;
    assert_eq!(asks.questions().len(), 1);
}

/// Does without where it has to.
#[derive(Deserialize, JsonSchema)]
struct Modest {}

impl Tool for Modest {
    const NAME: &'static str = "modest";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        if !call.can_ask(Ability::Sample) {
            return Ok(Text::new("I say it myself."));
        }
        Ok(Text::new(call.ask("words", Sample::new("Say it.", 10)).await.text()))
    }
}

#[tokio::test]
async fn a_tool_may_look_before_it_asks() {
    let modest = || Server::new("test", "1").tool::<Modest>();
    assert_eq!(Client::new(modest()).await.call("modest", json!({})).await.text(), "I say it myself.");
    for revision in ERAS {
        assert_eq!(client(modest(), revision).await.call("modest", json!({})).await.text(), "Paris");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_its_form_is_asked_for_again_with_what_is_wrong() {
    for revision in ERAS {
        let seen: std::sync::Arc<std::sync::Mutex<Vec<String>>> = std::sync::Arc::default();
        let note = std::sync::Arc::clone(&seen);
        let clumsy = move |asked: &Asked| {
            let mut seen = note.lock().unwrap();
            seen.push(asked.message().to_owned());
            match seen.len() {
                1 => asked.accept(json!({"name": 7})),
                2 => asked.accept(json!({"age": 200, "name": "Ada"})),
                _ => asked.accept(json!({"age": 36.0, "name": "Ada", "and": "more"})),
            }
        };
        let client = Client::with(server(), Options::new().revision(revision).answering(clumsy)).await;
        assert_eq!(client.call("greet", json!({})).await.text(), "Hello, Ada (36)!");
        assert_eq!(
            *seen.lock().unwrap(),
            [
                "Who are you?",
                "Who are you?\n\nPlease look again: name: must be of type string.",
                "Who are you?\n\nPlease look again: age: must be at most 150.",
            ]
        );

        // Whoever never learns it is told what was wrong.
        let hopeless = |asked: &Asked| asked.accept(json!({"name": 7}));
        let client = Client::with(server(), Options::new().revision(revision).answering(hopeless)).await;
        let refused = client.call("greet", json!({})).await;
        assert_eq!(refused.error_code(), "invalid_answer", "{revision}");
        assert!(refused.text().contains("name: must be of type string"), "{}", refused.text());
    }
}

#[tokio::test]
async fn what_is_no_answer_at_all_is_an_error() {
    for response in
        [json!(7), json!({}), json!({"action": "perhaps"}), json!({"action": "accept", "content": [1]})]
    {
        let nonsense = {
            let response = response.clone();
            move |_: &Asked| Reaction::Answer(response.clone())
        };
        let client = Client::with(server(), Options::new().answering(nonsense.clone())).await;
        let refused = client.request("tools/call", json!({"name": "greet"})).await;
        assert_eq!(refused.error()["code"], -32602, "{response}");
        assert!(refused.error()["message"].as_str().unwrap().contains("params.inputResponses.who"));
        let older =
            Client::with(server(), Options::new().revision(Revision::V2025_11_25).answering(nonsense)).await;
        assert_eq!(older.call("greet", json!({})).await.error_code(), "invalid_answer");
    }
    let client = Client::new(server()).await;
    let refused = client.request("tools/call", json!({"name": "greet", "inputResponses": [1]})).await;
    assert_eq!(refused.error()["code"], -32602);
}

#[tokio::test]
async fn a_client_of_a_session_may_refuse_a_question() {
    let refusing = |_: &Asked| Reaction::Refuse("User rejected sampling request".into());
    let options = Options::new().revision(Revision::V2025_11_25).answering(refusing);
    let client = Client::with(server(), options).await;
    let refused = client.call("greet", json!({})).await;
    assert_eq!(refused.error_code(), "question_refused");
    assert!(refused.text().contains("User rejected sampling request"));
}

#[tokio::test]
async fn first_answers_need_no_state_and_extra_ones_are_ignored() {
    let capabilities = json!({"elicitation": {}});
    let client = Client::with(server(), Options::new().capabilities(capabilities)).await;
    let ask = async |responses: Value| {
        let params = json!({"name": "greet", "arguments": {}, "inputResponses": responses});
        client.request("tools/call", params).await
    };
    let accepted = json!({"action": "accept", "content": {"name": "Ada"}});
    let reply = ask(json!({"who": accepted, "unheard_of": 1})).await;
    assert_eq!(reply.result()["content"][0]["text"], "Hello, Ada!");
    let again = ask(json!({"another": accepted})).await;
    assert_eq!(again.questions()[0].key, "who");
}

#[derive(Deserialize, JsonSchema)]
struct Nested {
    #[allow(dead_code)]
    address: Person,
}

/// Makes a mistake, as told.
#[derive(Deserialize, JsonSchema)]
struct Mistaken {
    which: String,
}

impl Tool for Mistaken {
    const NAME: &'static str = "mistaken";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        match self.which.as_str() {
            "nested" => _ = call.ask("form", Form::<Nested>::new("Where?")).await,
            "twice" => {
                _ = call.ask("who", Form::<Person>::new("Who?")).await;
                _ = call.ask("who", Form::<Person>::new("Who?")).await;
            }
            _ => _ = call.ask("url", OpenUrl::new("Go.", "javascript:alert(1)")).await,
        }
        Ok(Text::new("unreachable"))
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_asked_fails_its_authors_first_test() {
    for revision in ERAS {
        let client = client(Server::new("test", "1").tool::<Mistaken>(), revision).await;
        for (which, why) in [
            ("nested", "field `address`"),
            ("twice", "a question of this key was asked already"),
            ("url", "not an absolute `https:` URL"),
        ] {
            let refused = client.call("mistaken", json!({ "which": which })).await;
            assert_eq!(refused.error_code(), "internal");
            assert!(refused.text().contains(why), "{}", refused.text());
        }
    }
}

/// Lists what it has to ask for first.
#[derive(Deserialize, JsonSchema)]
struct Curious {
    #[allow(dead_code)]
    id: String,
}

impl Resource for Curious {
    const URI: &'static str = "curious://{id}";
    const NAME: &'static str = "curious";

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text(""))
    }

    async fn list((): &(), call: &Call) -> Result<Vec<mcp_core::ResourceDefinition>, RequestError> {
        call.ask("who", Form::<Person>::new("Who?")).await.accepted()?;
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn lists_cannot_ask() {
    for revision in ERAS {
        let client = client(Server::new("test", "1").resource::<Curious>(), revision).await;
        let refused = client.request("resources/list", json!({})).await;
        assert!(refused.error()["message"].as_str().unwrap().contains("cannot be asked"), "{revision}");
    }
}

#[tokio::test]
async fn work_in_a_task_of_its_own_can_ask() {
    let spawned = resource_fn("spawned://it", "spawned", async |_: mcp_core::Empty, call: Call| {
        let asking = tokio::spawn(async move {
            tokio::task::yield_now().await;
            call.ask("who", Form::<Person>::new("Who?")).await.accepted()
        });
        let person = asking.await.map_err(|error| RequestError::failed("lost").caused_by(error))??;
        Ok(Contents::text(person.name))
    });
    let client = client(Server::new("test", "1").add(spawned), Revision::V2026_07_28).await;
    let read = client.read("spawned://it").await;
    assert_eq!(read.result()["contents"][0]["text"], "Ada");
}

#[tokio::test]
async fn a_test_whose_answers_panic_fails_instead_of_waiting_for_ever() {
    for revision in ERAS {
        let options =
            Options::new().revision(revision).answering(|asked| panic!("asked: {}", asked.message()));
        let client = Client::with(server(), options).await;
        let caller = client.clone();
        let calling = tokio::spawn(async move { caller.call("greet", json!({})).await });
        assert!(calling.await.unwrap_err().is_panic());
        if !revision.is_modern() {
            let next = tokio::spawn(async move { client.notification().await });
            assert!(next.await.unwrap_err().is_panic());
        }
    }
}
