//! A long operation: it reports its steps, and is undone where it is cancelled.

use std::sync::{Arc, Mutex};

use mcp_core::{
    Annotations, Call, Revision, Server, Tool, ToolError,
    testing::{Client, Options},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Semaphore;

/// What a workspace consists of, in the order in which it is made.
const PARTS: [&str; 5] = ["namespace", "network", "storage", "gateway", "dashboard"];

/// A cluster in which parts of workspaces are made and taken away.
#[derive(Debug)]
struct Cluster {
    parts: Mutex<Vec<String>>,
    /// Making a part takes its time: in these tests, until there is a permit.
    pace: Semaphore,
}

impl Cluster {
    async fn make(&self, workspace: &str, part: &str) -> Result<(), ToolError> {
        let pace = self.pace.acquire().await;
        pace.map_err(|error| ToolError::new("unavailable", "the cluster is gone").caused_by(error))?.forget();
        self.parts.lock().unwrap().push(format!("{workspace}/{part}"));
        Ok(())
    }

    /// Takes a workspace away, whatever there is of it.
    fn take_away(&self, workspace: &str) {
        let prefix = format!("{workspace}/");
        self.parts.lock().unwrap().retain(|part| !part.starts_with(&prefix));
    }
}

/// Takes back what was made, unless it was finished: after an error, and where the work is dropped at an await because
/// the client cancelled.
struct Attempt<'a> {
    cluster: &'a Cluster,
    workspace: &'a str,
    is_finished: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            self.cluster.take_away(self.workspace);
        }
    }
}

/// Makes a workspace, part by part. Cancelling takes back what was made by then.
#[derive(Deserialize, JsonSchema)]
struct CreateWorkspace {
    /// Its name, such as `acme`.
    name: String,
}

/// A workspace that is there.
#[derive(Serialize, JsonSchema)]
struct Workspace {
    /// Its name.
    name: String,
    /// Its parts, in the order in which they were made.
    parts: Vec<&'static str>,
}

impl Tool<Cluster> for CreateWorkspace {
    const NAME: &'static str = "mctl_create_workspace";
    const ANNOTATIONS: Annotations = Annotations::write();
    type Output = Workspace;

    async fn call(self, cluster: &Cluster, call: &Call) -> Result<Workspace, ToolError> {
        let mut attempt = Attempt { cluster, workspace: &self.name, is_finished: false };
        let total = Some(PARTS.len() as f64);
        for (done, part) in PARTS.iter().enumerate() {
            call.progress(done as f64, total, format!("making the {part}"));
            cluster.make(&self.name, part).await?;
        }
        call.progress(PARTS.len() as f64, total, "done");
        attempt.is_finished = true;
        drop(attempt);
        Ok(Workspace { name: self.name, parts: PARTS.to_vec() })
    }
}

fn cluster() -> (Arc<Cluster>, Server<Cluster>) {
    let cluster = Cluster { parts: Mutex::default(), pace: Semaphore::new(0) };
    let cluster = Arc::new(cluster);
    (Arc::clone(&cluster), Server::new("mctl", "1.0.0").over(cluster).tool::<CreateWorkspace>())
}

const ERAS: [Revision; 2] = [Revision::V2025_11_25, Revision::V2026_07_28];

#[tokio::test]
async fn each_step_is_reported_with_how_many_there_are() {
    for revision in ERAS {
        let (cluster, server) = cluster();
        cluster.pace.add_permits(PARTS.len());
        let client = Client::with(server, Options::new().revision(revision)).await;
        let reply = client.call("mctl_create_workspace", json!({"name": "acme"})).await;
        assert_eq!(reply.structured()["parts"], json!(PARTS));
        let reports: Vec<_> = reply
            .reply()
            .notifications()
            .iter()
            .map(|report| (report["params"]["progress"].as_f64(), report["params"]["total"].as_f64()))
            .collect();
        let expected: Vec<_> = (0..=5_u8).map(|done| (Some(f64::from(done)), Some(5.0))).collect();
        assert_eq!(reports, expected);
    }
}

#[tokio::test]
async fn what_is_cancelled_at_the_third_step_is_undone() {
    for revision in ERAS {
        let (cluster, server) = cluster();
        let client = Client::with(server, Options::new().revision(revision)).await;
        let params = json!({"name": "mctl_create_workspace", "arguments": {"name": "acme"}});
        let mut call = client.start("tools/call", params);
        cluster.pace.add_permits(2);
        // The third report says that the third step has begun, and two parts are there.
        for step in 0..3 {
            assert_eq!(call.notification().await.unwrap()["params"]["progress"], json!(f64::from(step)));
        }
        assert_eq!(*cluster.parts.lock().unwrap(), ["acme/namespace", "acme/network"]);
        call.cancel().await;
        assert!(cluster.parts.lock().unwrap().is_empty());
        // And the name is free again.
        cluster.pace.add_permits(PARTS.len());
        assert!(!client.call("mctl_create_workspace", json!({"name": "acme"})).await.is_error());
        assert_eq!(cluster.parts.lock().unwrap().len(), 5);
    }
}

#[tokio::test]
async fn what_fails_half_way_is_undone_too() {
    let (cluster, server) = cluster();
    let client = Client::new(server).await;
    let params = json!({"name": "mctl_create_workspace", "arguments": {"name": "acme"}});
    let mut call = client.start("tools/call", params);
    cluster.pace.add_permits(1);
    for _ in 0..2 {
        call.notification().await;
    }
    cluster.pace.close();
    let reply = call.answer().await;
    assert_eq!(reply.result()["_meta"]["toolpack/error"]["code"], "unavailable");
    assert!(cluster.parts.lock().unwrap().is_empty());
}
