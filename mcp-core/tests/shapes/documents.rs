//! Documents: found by their words, read by topic, a page at a time.
//!
//! bkend serves its own documentation: `search_docs` finds documents by their words, and each is a resource in
//! Markdown. A model reads what it is given as a whole, so long documents come in pages, cut where a section begins; a
//! page ends with a link to the next. Which page is a query variable that may be left out: the URI of a document is
//! that of its first page, so that nobody who links to it needs to know how long it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mcp_core::{
    About, Annotations, Call, Completing, Completion, Contents, RequestError, Resource, ResourceDefinition,
    Revision, Server, Tool, ToolError, testing::Client,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Finds documents by the words in them, best first.
#[derive(Deserialize, JsonSchema)]
struct SearchDocs {
    /// Words to look for, such as `refresh token`; documents that have more of them, and rarer ones, come first.
    #[schemars(length(min = 1, max = 200))]
    query: String,
    /// The most hits to return.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 20))]
    limit: usize,
    /// Where to go on: `next_cursor` of the page before, with the same `query`.
    cursor: Option<String>,
}

fn default_limit() -> usize {
    5
}

/// Hits, best first.
#[derive(Serialize, JsonSchema)]
struct Hits {
    /// Documents with at least one of the words.
    hits: Vec<Hit>,
    /// What to pass as `cursor` for the hits that follow; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A document that was found.
#[derive(Serialize, JsonSchema)]
struct Hit {
    /// The document's name.
    topic: String,
    /// Its heading.
    title: String,
    /// The first line that has one of the words.
    snippet: String,
    /// Where to read it, with `resources/read`.
    uri: String,
}

impl Tool<Docs> for SearchDocs {
    const NAME: &'static str = "search_docs";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Hits;

    async fn call(self, docs: &Docs, _: &Call) -> Result<Hits, ToolError> {
        let wanted: BTreeSet<String> = words(&self.query).collect();
        let ranking = docs.ranking(&wanted);
        // A cursor names the last hit of its page: it stays good when documents come and go behind it.
        let after = |last: &String| ranking.iter().position(|topic| topic == last).map(|index| index + 1);
        let why = "This cursor is of another query; leave it out to begin anew";
        let start = match &self.cursor {
            None => 0,
            Some(last) => after(last).ok_or_else(|| ToolError::new("invalid_cursor", why).at("/cursor"))?,
        };
        let page = &ranking[start..ranking.len().min(start + self.limit)];
        let is_more = start + page.len() < ranking.len();
        let next_cursor = page.last().filter(|_| is_more).map(|topic| (*topic).to_owned());
        Ok(Hits { hits: page.iter().map(|topic| docs.hit(topic, &wanted)).collect(), next_cursor })
    }
}

/// A document, or a page of it where it is long.
#[derive(Deserialize, JsonSchema)]
struct Document {
    /// The document's name, as search results have it.
    topic: String,
    /// Which page; the first when absent.
    #[schemars(range(min = 1))]
    page: Option<usize>,
}

impl Resource<Docs> for Document {
    const URI: &'static str = "bkend://docs/{topic}{?page}";
    const NAME: &'static str = "document";

    fn about(about: About) -> About {
        about.mime_type(MARKDOWN)
    }

    async fn read(self, docs: &Docs, _: &Call) -> Result<Contents, RequestError> {
        docs.page(&self.topic, self.page.unwrap_or(1))
    }

    async fn list(docs: &Docs, _: &Call) -> Result<Vec<ResourceDefinition>, RequestError> {
        let definition = |(topic, text): (&String, &String)| ResourceDefinition {
            title: Some(title(text).to_owned()),
            mime_type: Some(MARKDOWN.to_owned()),
            ..ResourceDefinition::new(uri(topic), topic)
        };
        Ok(docs.0.iter().map(definition).collect())
    }

    async fn complete(
        docs: &Docs,
        completing: Completing,
        _: &Call,
    ) -> Result<Option<Completion>, RequestError> {
        if completing.argument == "topic" {
            return Ok(Some(Completion::matching(&completing, docs.0.keys())));
        }
        let text = completing.others.get("topic").and_then(|topic| docs.0.get(topic));
        let count = text.map_or(0, |text| pages(text).len());
        Ok(Some(Completion::matching(&completing, (1..=count).map(|page| page.to_string()))))
    }
}

const MARKDOWN: &str = "text/markdown";

/// About as much as a model reads for one answer; a section that is longer stays in one piece.
const PAGE_BYTES: usize = 400;

/// Documents in Markdown, by topic.
struct Docs(BTreeMap<String, String>);

impl Docs {
    /// The topics that have one of the words: each word counts the more the rarer it is, and less with every repetition.
    fn ranking(&self, wanted: &BTreeSet<String>) -> Vec<&str> {
        let count = |text: &str, word: &str| words(text).filter(|known| known == word).count() as f64;
        let rarity = |word: &str| {
            let having = self.0.values().filter(|text| count(text, word) > 0.0).count();
            (1.0 + self.0.len() as f64 / having.max(1) as f64).ln()
        };
        let weights: Vec<(&str, f64)> = wanted.iter().map(|word| (word.as_str(), rarity(word))).collect();
        let score = |text: &str| -> f64 {
            let weigh = |(word, weight): &(&str, f64)| weight * count(text, word) / (count(text, word) + 1.0);
            weights.iter().map(weigh).sum()
        };
        let mut ranking: Vec<_> = self.0.iter().map(|(topic, text)| (score(text), topic.as_str())).collect();
        ranking.retain(|(score, _)| *score > 0.0);
        ranking.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        ranking.into_iter().map(|(_, topic)| topic).collect()
    }

    fn hit(&self, topic: &str, wanted: &BTreeSet<String>) -> Hit {
        let text = &self.0[topic];
        let snippet = text.lines().find(|line| words(line).any(|word| wanted.contains(&word)));
        Hit {
            topic: topic.to_owned(),
            title: title(text).to_owned(),
            snippet: snippet.unwrap_or_default().to_owned(),
            uri: uri(topic),
        }
    }

    /// A page of a document; pages count from 1.
    fn page(&self, topic: &str, number: usize) -> Result<Contents, RequestError> {
        let pages = pages(self.0.get(topic).ok_or_else(RequestError::not_found)?);
        let mut text = pages.get(number - 1).ok_or_else(RequestError::not_found)?.clone();
        if number < pages.len() {
            let (next, all) = (number + 1, pages.len());
            text.push_str(&format!("\n[Page {next} of {all}]({}?page={next})\n", uri(topic)));
        }
        Ok(Contents::text(text).fresh_for(Duration::from_secs(3600)).public())
    }
}

fn uri(topic: &str) -> String {
    format!("bkend://docs/{topic}")
}

fn title(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_start_matches("# ")
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// The pages of a document: as many sections on each as have room.
fn pages(text: &str) -> Vec<String> {
    let starts = text.match_indices("\n## ").map(|(index, _)| index + 1);
    let ends = starts.clone().chain([text.len()]);
    let mut pages: Vec<String> = Vec::new();
    for (start, end) in [0].into_iter().chain(starts).zip(ends) {
        let section = &text[start..end];
        match pages.last_mut().filter(|page| page.len() + section.len() <= PAGE_BYTES) {
            Some(page) => page.push_str(section),
            None => pages.push(section.to_owned()),
        }
    }
    pages
}

/// A server with four documents, one of which is long.
fn server() -> Server<Docs> {
    let login = "Send the address and the password to `/auth/login`. What comes back is a token that is good for an \
                 hour, and a refresh token that is good for a month.";
    let refresh = "Send the refresh token to `/auth/refresh` before the hour is over. The old refresh token is spent \
                   with that, so keep the new one in its place.";
    let logout = "Send the refresh token to `/auth/logout`. Tokens that are out already stay good to the end of their \
                  hour.";
    let documents = [
        (
            "auth",
            format!(
                "# Signing in\n\n## Login\n\n{login}\n\n## Refresh\n\n{refresh}\n\n## Logout\n\n{logout}\n"
            ),
        ),
        ("data", "# Tables\n\nA table has fields, and rows that hold values in them.\n".to_owned()),
        ("keys", "# API keys\n\nA key is a token that does not end. Keep it on the server.\n".to_owned()),
        ("storage", "# Files\n\nFiles lie in buckets, which are public or not.\n".to_owned()),
    ];
    let docs = Docs(documents.into_iter().map(|(topic, text)| (topic.to_owned(), text)).collect());
    Server::new("bkend", "1.0.0").over(docs).tool::<SearchDocs>().resource::<Document>()
}

#[tokio::test]
async fn documents_are_found_by_their_words_best_first() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(server(), revision).await;
        let search = async |query: &str, further: Value| {
            let mut arguments = json!({ "query": query });
            arguments.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
            client.call(SearchDocs::NAME, arguments).await
        };
        let key = json!({
            "topic": "keys",
            "title": "API keys",
            "snippet": "A key is a token that does not end. Keep it on the server.",
            "uri": "bkend://docs/keys",
        });
        let found = search("Token, server", json!({"limit": 1})).await;
        assert_eq!(found.structured(), &json!({"hits": [key], "next_cursor": "keys"}));
        let rest = search("Token, server", json!({"limit": 1, "cursor": "keys"})).await;
        assert_eq!(rest.structured()["hits"][0]["topic"], "auth");
        assert_eq!(rest.structured().get("next_cursor"), None);
        assert_eq!(search("elsewhere", json!({})).await.structured()["hits"], json!([]));

        let strange = search("token", json!({"cursor": "storage"})).await;
        assert_eq!(
            (strange.error_code().as_str(), strange.error_pointer().as_str()),
            ("invalid_cursor", "/cursor")
        );
    }
}

#[tokio::test]
async fn a_long_document_is_read_page_by_page_along_its_links() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(server(), revision).await;
        let (mut next, mut read) = (Some("bkend://docs/auth".to_owned()), Vec::new());
        while let Some(uri) = next {
            let reply = client.read(&uri).await;
            let contents = &reply.result()["contents"][0];
            // The same for everybody: a shared cache may keep it, where the revision knows of such.
            assert_eq!(reply.result()["cacheScope"] == "public", revision.is_modern());
            assert_eq!((&contents["uri"], &contents["mimeType"]), (&json!(uri), &json!("text/markdown")));
            let text = contents["text"].as_str().unwrap().to_owned();
            let link = text.rsplit_once("](").and_then(|(_, link)| link.strip_suffix(")\n"));
            next = link.map(str::to_owned);
            read.push(text);
        }
        assert_eq!(read.len(), 2);
        assert!(read[0].ends_with("\n[Page 2 of 2](bkend://docs/auth?page=2)\n"), "{}", read[0]);
        assert!(read[1].starts_with("## Logout\n"), "{}", read[1]);
    }
}

#[tokio::test]
async fn topics_and_pages_are_listed_completed_and_missed() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(server(), revision).await;
        let listed = client.list_resources().await;
        let keys = json!({
            "uri": "bkend://docs/keys", "name": "keys", "title": "API keys", "mimeType": "text/markdown",
        });
        assert_eq!((listed.len(), &listed[2]), (4, &keys));
        assert_eq!(client.list_templates().await[0]["uriTemplate"], Document::URI);
        assert_eq!(client.complete_resource(Document::URI, "topic", "s").await, ["storage"]);
        let of_auth = json!({
            "ref": {"type": "ref/resource", "uri": Document::URI},
            "argument": {"name": "page", "value": ""},
            "context": {"arguments": {"topic": "auth"}},
        });
        let pages = client.request("completion/complete", of_auth).await;
        assert_eq!(pages.result()["completion"]["values"], json!(["1", "2"]));
        let not_found = if revision.is_modern() { -32602 } else { -32002 };
        for uri in ["bkend://docs/none", "bkend://docs/auth?page=3"] {
            assert_eq!(client.read(uri).await.error()["code"], not_found);
        }
    }
}
