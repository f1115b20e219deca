//! The way through the matrix: every thing of the table, in every way that one can ask for it, held against its letter.

use std::collections::HashSet;

use mcp_core::{Endpoint, Revision};
use serde_json::{Value, json};

use super::table::{OfTemplate, Prompt, Resource, THINGS, Thing, Tool};

/// A client of one caller, over some transport and one revision.
pub(crate) trait Way {
    /// Sends a request, and waits for its answer.
    async fn request(&mut self, method: &str, params: Value) -> Told;

    /// Opens a subscription of the modern era; what it is answered with first is its acknowledgement, or why there is none.
    async fn listen(&mut self, params: Value) -> Told;

    /// What the subscription tells next or, in a session, what that is told besides its answers.
    async fn told(&mut self) -> Value;

    /// Ends the subscription.
    async fn hang_up(&mut self);
}

/// What a client is told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) message: Value,
    /// What the transport says beside the message, if anything, in which no name stands.
    pub(crate) beside: String,
}

/// Goes through the whole table for one caller.
pub(crate) async fn walk(
    way: &mut impl Way,
    endpoint: &Endpoint,
    row: &str,
    letters: &[char],
    revision: Revision,
) {
    let mut case = Case { way, row, revision };
    case.lists(letters).await;
    for (thing, letter) in THINGS.into_iter().zip(letters.iter().copied()) {
        case.ask("use", thing, letter, |name| thing.using(name)).await;
        case.ask("complete", thing, letter, |name| thing.completing(name)).await;
        case.subscribe(endpoint, thing, letter).await;
    }
}

/// Who asks, over which revision and what way.
struct Case<'a, W> {
    way: &'a mut W,
    row: &'a str,
    revision: Revision,
}

impl<W: Way> Case<'_, W> {
    /// Holds an answer against the letter of the table.
    fn check(&self, what: &str, thing: Thing, letter: char, told: &Told, misnamed: &Told) {
        let place = format!("{} over {}: {what} {thing:?}: {}", self.row, self.revision, told.message);
        let error = &told.message["error"];
        match letter {
            'y' => assert!(told.message.get("result").is_some(), "{place}"),
            's' => {
                let refused = (&error["code"], &error["data"]);
                assert_eq!(refused, (&json!(403), &json!({"requiredScopes": ["read"]})), "{place}");
            }
            '-' => {
                let said = |told: &Told, name: &str| told.message["error"].to_string().replace(name, "…");
                assert_eq!(said(told, thing.name()), said(misnamed, &thing.misnamed()), "{place}");
                assert_eq!(told.beside, misnamed.beside, "{place}");
                let missing = if self.revision.is_modern() { -32602 } else { -32002 };
                let code = if matches!(thing, Tool(_) | Prompt(_)) { -32602 } else { missing };
                assert_eq!(error["code"], code, "{place}");
            }
            _ => assert_eq!(error["code"], 401, "{place}"),
        }
    }

    /// Sends the same under the right name and under one that stands for nothing.
    async fn ask(
        &mut self,
        what: &str,
        thing: Thing,
        letter: char,
        request: impl Fn(&str) -> Option<(&'static str, Value)>,
    ) {
        let misnamed = thing.misnamed();
        let (Some((method, params)), Some((_, other))) = (request(thing.name()), request(&misnamed)) else {
            return;
        };
        let told = self.way.request(method, params).await;
        let misnamed = self.way.request(method, other).await;
        self.check(what, thing, letter, &told, &misnamed);
    }

    async fn subscribe(&mut self, endpoint: &Endpoint, thing: Thing, letter: char) {
        let (Resource(uri) | OfTemplate(uri)) = thing else { return };
        if !self.revision.is_modern() {
            self.ask("subscribe", thing, letter, |uri| Some(("resources/subscribe", json!({ "uri": uri }))))
                .await;
            return self.hear_in_session(endpoint, uri, letter).await;
        }
        let params = json!({"notifications": {"resourceSubscriptions": [uri, "nothing://here"]}});
        let first = self.way.listen(params).await;
        if first.message.get("error").is_some() {
            return self.check("subscribe", thing, letter, &first, &first);
        }
        let agreed = first.message["params"]["notifications"].get("resourceSubscriptions").cloned();
        // What is not there may come yet, so it is agreed to; but nothing is told of what is hidden.
        let expected = if letter == 's' { json!(["nothing://here"]) } else { json!([uri, "nothing://here"]) };
        assert_eq!(agreed, Some(expected), "{} subscribes to {uri}", self.row);
        endpoint.resource_updated(uri);
        endpoint.resource_updated("nothing://here");
        let told = self.way.told().await;
        let first = if letter == 'y' { uri } else { "nothing://here" };
        assert_eq!(told["params"]["uri"], first, "{} is told of {uri}", self.row);
        self.way.hang_up().await;
    }

    /// What a session is told of a resource that it has asked to hear of, and of one that every caller may read.
    async fn hear_in_session(&mut self, endpoint: &Endpoint, uri: &str, letter: char) {
        if letter == 'x' {
            return;
        }
        let open = if self.row == "allow-listed" { "fixed://acme" } else { "fixed://open" };
        let subscribed = self.way.request("resources/subscribe", json!({ "uri": open })).await;
        assert!(subscribed.message["result"].is_object(), "{}: {subscribed:?}", self.row);
        // What happens together is told in any order, so that only what happens next shows that there was nothing else.
        for updated in HashSet::from([uri, open]) {
            endpoint.resource_updated(updated);
        }
        let mut expected = if letter == 'y' && uri != open { vec![uri, open] } else { vec![open] };
        expected.sort_unstable();
        let mut told = Vec::new();
        for _ in &expected {
            told.push(self.way.told().await["params"]["uri"].as_str().unwrap().to_owned());
        }
        told.sort_unstable();
        assert_eq!(told, expected, "{} is told of {uri}", self.row);
        endpoint.resource_updated(open);
        assert_eq!(self.way.told().await["params"]["uri"], open, "{} is told of {uri}", self.row);
        for uri in [uri, open] {
            self.way.request("resources/unsubscribe", json!({ "uri": uri })).await;
        }
    }

    /// Whole lists, a page of one item after the other.
    async fn lists(&mut self, letters: &[char]) {
        for first in [THINGS[0], THINGS[5], THINGS[8], THINGS[13]] {
            let list = first.list();
            let (method, member, key) = list.unwrap();
            let mut expected: Vec<_> = THINGS
                .into_iter()
                .zip(letters)
                .filter(|(thing, letter)| thing.list() == list && matches!(letter, 'y' | 's'))
                .map(|(thing, _)| thing.name())
                .collect();
            expected.sort_unstable();
            let (mut listed, mut params) = (Vec::new(), json!({}));
            loop {
                let Told { message, .. } = self.way.request(method, params).await;
                if letters.contains(&'x') {
                    assert_eq!(message["error"]["code"], 401, "{}", self.row);
                    break;
                }
                let result = &message["result"];
                let page = result[member].as_array().unwrap_or_else(|| panic!("{method}: {message}"));
                assert!(page.len() == 1 || expected.is_empty(), "{method} for {}: {page:?}", self.row);
                listed.extend(page.iter().map(|item| item[key].as_str().unwrap().to_owned()));
                let scope = if self.revision.is_modern() { json!("private") } else { Value::Null };
                assert_eq!(result["cacheScope"], scope, "{method}");
                match result.get("nextCursor") {
                    Some(cursor) => params = json!({ "cursor": cursor }),
                    None => break,
                }
            }
            if !letters.contains(&'x') {
                assert_eq!(listed, expected, "{method} for {} over {}", self.row, self.revision);
            }
        }
    }
}
