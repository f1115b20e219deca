//! `import_texts`: how it reports, and what is left when it is cancelled.

use std::{fs, future::pending, io, sync::Arc};

use async_trait::async_trait;
use own_pack::{Reading, drawer::Drawer, inbox::Inbox, pack, shelf_file::FileShelf};
use serde_json::{Value, json};
use tempfile::tempdir;
use toolpack::{
    PackOptions, Server,
    testing::{CallReply, Client},
};

use crate::support::server;

#[tokio::test]
async fn texts_are_imported_once_with_their_words() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("inbox")).unwrap();
    fs::write(folder.path().join("inbox/emma.txt"), "Emma Woodhouse, handsome,\n clever, and rich").unwrap();
    fs::write(folder.path().join("inbox/notes.md"), "not a text").unwrap();
    let client = Client::new(server(&folder)).await;

    let call = json!({"name": "import_texts", "arguments": {"topic": "novels"}});
    let mut import = client.start("tools/call", call);
    let mut last = Value::Null;
    while let Some(report) = import.notification().await {
        last = report["params"].clone();
    }
    assert_eq!((&last["progress"], &last["total"]), (&json!(1.0), &json!(1.0)));
    let reply = CallReply::from(import.await);
    assert_eq!(reply.structured()["items"][0]["title"], "emma");
    assert_eq!(reply.structured()["items"][0]["words"], 6);

    let again = client.call("import_texts", json!({"topic": "novels"})).await;
    assert_eq!(again.structured(), &json!({"items": []}));
}

/// An inbox whose second text never ends.
#[derive(Debug)]
struct Endless;

#[async_trait]
impl Inbox for Endless {
    async fn names(&self) -> io::Result<Vec<String>> {
        Ok(vec!["emma".to_owned(), "endless".to_owned()])
    }

    async fn words(&self, name: &str) -> io::Result<u32> {
        if name == "endless" { pending().await } else { Ok(160_000) }
    }
}

#[tokio::test]
async fn a_cancelled_import_leaves_nothing_behind() {
    let folder = tempdir().unwrap();
    let shelf = FileShelf::new(Drawer::open(folder.path()).unwrap());
    let reading = Reading::new(Arc::new(shelf), Arc::new(Endless));
    let client = Client::new(Server::new("test", "1").pack(pack(reading), PackOptions::new())).await;

    let call = json!({"name": "import_texts", "arguments": {"topic": "novels"}});
    let mut import = client.start("tools/call", call.clone());
    loop {
        let report = import.notification().await.unwrap();
        if report["params"]["message"] == "endless" {
            break;
        }
    }
    let busy = client.call("import_texts", json!({"topic": "novels"})).await;
    assert_eq!(busy.error_code(), "import_running");

    // This waits until the work has been dropped. Then its turn is over, and another may begin.
    import.cancel().await;
    let mut next = client.start("tools/call", call);
    assert_eq!(next.notification().await.unwrap()["params"]["message"], "emma");
    let listed = client.call("list_items", json!({})).await;
    assert_eq!(listed.structured()["items"], json!([]));
}
