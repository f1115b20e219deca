//! A sentence for people before the data, in every form of result that the revisions know.
//!
//! bext says what it did in one sentence, `Deployed v1.2.4 in 3.2s`, before the JSON that programs read: a
//! [`Reply`]. Beside it stand the other answers that a tool may give: data alone, [`Text`] alone, and [`Content`] of
//! pictures, links and whole files. The tests look at each of them as it goes over the wire.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use mcp_core::{
    Annotations, Block, Call, Content, Reply, ResourceContents, ResourceDefinition, Revision, Server, Text,
    Tool, ToolError, testing::Client,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// Deploys a release to an instance; the release before stays live unless the new one is healthy.
#[derive(Deserialize, JsonSchema)]
struct Deploy {
    /// Instance to deploy to, such as `shop`.
    instance: String,
    /// Release to deploy, such as `v1.2.4`.
    release: String,
}

/// What a deployment did.
#[derive(Serialize, JsonSchema)]
struct Deployment {
    /// The release that is live now.
    live: String,
    /// The one that was live before; absent if none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// How long it took, in milliseconds.
    took_ms: u64,
}

impl Tool<Fleet> for Deploy {
    const NAME: &'static str = "deploy";
    const ANNOTATIONS: Annotations = Annotations::destructive().idempotent();
    type Output = Reply<Deployment>;

    async fn call(self, fleet: &Fleet, _: &Call) -> Result<Reply<Deployment>, ToolError> {
        let begun = Instant::now();
        let release = fleet.release(&self.release)?;
        sleep(release.startup).await;
        if !release.is_healthy {
            let why =
                format!("{} is not healthy after {}; what was live still is", self.release, seconds(begun));
            return Err(ToolError::new("unhealthy", why).at("/release").caused_by("GET /health: 502"));
        }
        let before = fleet.live.lock().unwrap().insert(self.instance, self.release.clone());
        let sentence = format!("Deployed {} in {}", self.release, seconds(begun));
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Reply::new(sentence, Deployment { live: self.release, before, took_ms }))
    }
}

/// Says which release is live on each instance.
#[derive(Deserialize, JsonSchema)]
struct Status {}

/// What is live where.
#[derive(Serialize, JsonSchema)]
struct Live {
    /// The release by the instance's name.
    live: BTreeMap<String, String>,
}

impl Tool<Fleet> for Status {
    const NAME: &'static str = "status";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Live;

    async fn call(self, fleet: &Fleet, _: &Call) -> Result<Live, ToolError> {
        Ok(Live { live: fleet.live.lock().unwrap().clone() })
    }
}

/// Says what is new in a release.
#[derive(Deserialize, JsonSchema)]
struct Notes {
    /// Release to tell of, such as `v1.2.4`.
    release: String,
}

impl Tool<Fleet> for Notes {
    const NAME: &'static str = "release_notes";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, fleet: &Fleet, _: &Call) -> Result<Text, ToolError> {
        Ok(Text::new(fleet.release(&self.release)?.notes))
    }
}

/// Reports how long each release takes to start: a picture, the numbers behind it, and where the log is.
#[derive(Deserialize, JsonSchema)]
struct Report {}

impl Tool<Fleet> for Report {
    const NAME: &'static str = "startup_report";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Content;

    async fn call(self, fleet: &Fleet, _: &Call) -> Result<Content, ToolError> {
        let line = |(name, release): (&&str, &Release)| format!("{name},{}\n", release.startup.as_millis());
        let table: String = fleet.releases.iter().map(line).collect();
        Ok(Content(vec![
            Block::text("Startup times"),
            Block::image(fleet.bars(), "image/svg+xml"),
            Block::resource(ResourceContents::text("bext://startup.csv", "text/csv", table)),
            Block::link(ResourceDefinition::new("bext://log/startup", "startup_log")),
        ]))
    }
}

fn seconds(begun: Instant) -> String {
    format!("{:.1}s", begun.elapsed().as_secs_f64())
}

/// What can be deployed, and what is live.
struct Fleet {
    releases: BTreeMap<&'static str, Release>,
    live: Mutex<BTreeMap<String, String>>,
}

struct Release {
    startup: Duration,
    is_healthy: bool,
    notes: &'static str,
}

impl Fleet {
    fn release(&self, name: &str) -> Result<&Release, ToolError> {
        let unknown =
            || ToolError::unknown("release_not_found", "release", name, self.releases.keys().copied());
        self.releases.get(name).ok_or_else(|| unknown().at("/release"))
    }

    /// A picture of one bar a release, a pixel for every tenth of a second.
    fn bars(&self) -> String {
        let bar = |(index, release): (usize, &Release)| {
            format!(r#"<rect y="{}" width="{}" height="8"/>"#, index * 10, release.startup.as_millis() / 100)
        };
        let bars: String = self.releases.values().enumerate().map(bar).collect();
        format!(r#"<svg xmlns="http://www.w3.org/2000/svg">{bars}</svg>"#)
    }
}

/// A server with a release that works, and one that does not.
fn server() -> Server<Fleet> {
    let release =
        |startup, is_healthy, notes| Release { startup: Duration::from_millis(startup), is_healthy, notes };
    let releases = BTreeMap::from([
        ("v1.2.3", release(1100, true, "Faster search.")),
        ("v1.2.4", release(3200, true, "Carts keep for a week.")),
        ("v2.0.0", release(500, false, "Everything is new.")),
    ]);
    let fleet = Fleet { releases, live: Mutex::default() };
    let server = Server::new("bext", "1.0.0").over(fleet);
    server.tool::<Deploy>().tool::<Status>().tool::<Notes>().tool::<Report>()
}

/// A result as this revision has it: the newest says in each that it is complete, and by which server.
fn on_the_wire(revision: Revision, mut result: Value) -> Value {
    if revision.is_modern() {
        result["resultType"] = json!("complete");
        result["_meta"]["io.modelcontextprotocol/serverInfo"] = json!({"name": "bext", "version": "1.0.0"});
    }
    result
}

#[tokio::test(start_paused = true)]
async fn the_sentence_comes_first_and_then_the_data_as_text_and_as_it_is() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(server(), revision).await;
        let deploy = async |release: &str| {
            let arguments = json!({"instance": "shop", "release": release});
            client.call(Deploy::NAME, arguments).await.result().clone()
        };
        let first = json!({
            "content": [
                {"type": "text", "text": "Deployed v1.2.3 in 1.1s"},
                {"type": "text", "text": r#"{"live":"v1.2.3","took_ms":1100}"#},
            ],
            "structuredContent": {"live": "v1.2.3", "took_ms": 1100},
        });
        assert_eq!(deploy("v1.2.3").await, on_the_wire(revision, first));
        let second = json!({
            "content": [
                {"type": "text", "text": "Deployed v1.2.4 in 3.2s"},
                {"type": "text", "text": r#"{"live":"v1.2.4","before":"v1.2.3","took_ms":3200}"#},
            ],
            "structuredContent": {"live": "v1.2.4", "before": "v1.2.3", "took_ms": 3200},
        });
        assert_eq!(deploy("v1.2.4").await, on_the_wire(revision, second));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_a_sentence_alone_and_keeps_its_cause_to_itself() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(server(), revision).await;
        let failed = client.call(Deploy::NAME, json!({"instance": "shop", "release": "v2.0.0"})).await;
        let text = "v2.0.0 is not healthy after 0.5s; what was live still is [unhealthy]";
        let result = json!({
            "content": [{"type": "text", "text": text}],
            "isError": true,
            "_meta": {"toolpack/error": {"code": "unhealthy", "retry": "never", "pointer": "/release"}},
        });
        assert_eq!(failed.result(), &on_the_wire(revision, result));
        let unknown = client.call(Deploy::NAME, json!({"instance": "shop", "release": "v1.2.5"})).await;
        assert_eq!(
            unknown.text(),
            "There is no release `v1.2.5`; did you mean `v1.2.3`? [release_not_found]"
        );
        assert_eq!(client.call(Status::NAME, json!({})).await.structured(), &json!({"live": {}}));
    }
}

#[tokio::test]
async fn data_alone_has_its_mirror_and_text_and_pictures_have_no_data() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(server(), revision).await;
        let result = async |tool: &str, arguments: Value| client.call(tool, arguments).await.result().clone();
        let status = json!({
            "content": [{"type": "text", "text": r#"{"live":{}}"#}],
            "structuredContent": {"live": {}},
        });
        assert_eq!(result(Status::NAME, json!({})).await, on_the_wire(revision, status));
        let notes = json!({"content": [{"type": "text", "text": "Faster search."}]});
        assert_eq!(result(Notes::NAME, json!({"release": "v1.2.3"})).await, on_the_wire(revision, notes));

        let mut report = result(Report::NAME, json!({})).await;
        // The picture in base64.
        let picture = report["content"][1]["data"].take();
        assert!(picture.as_str().unwrap().starts_with("PHN2ZyB4bWxucz0i"), "{picture}");
        let csv = "v1.2.3,1100\nv1.2.4,3200\nv2.0.0,500\n";
        let blocks = json!({"content": [
            {"type": "text", "text": "Startup times"},
            {"type": "image", "data": null, "mimeType": "image/svg+xml"},
            {"type": "resource", "resource": {"uri": "bext://startup.csv", "mimeType": "text/csv", "text": csv}},
            {"type": "resource_link", "uri": "bext://log/startup", "name": "startup_log"},
        ]});
        assert_eq!(report, on_the_wire(revision, blocks));
    }
}

#[tokio::test]
async fn tools_that_answer_with_data_list_its_schema_and_others_none() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(server(), revision).await;
        let listed = client.list_tools().await;
        let output =
            |name: &str| listed.iter().find(|tool| tool["name"] == name).unwrap().get("outputSchema");
        let deployment = json!({
            "type": "object",
            "properties": {
                "live": {"type": "string", "description": "The release that is live now."},
                "before": {
                    "type": "string",
                    "description": "The one that was live before; absent if none was.",
                },
                "took_ms": {"type": "integer", "minimum": 0, "description": "How long it took, in milliseconds."},
            },
            "required": ["live", "took_ms"],
        });
        assert_eq!(output(Deploy::NAME), Some(&deployment));
        assert_eq!(output(Status::NAME).unwrap()["required"], json!(["live"]));
        assert_eq!((output(Notes::NAME), output(Report::NAME)), (None, None));
    }
}
