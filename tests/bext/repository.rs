//! A repository with releases of an application, made without git.

use std::{fs, path::Path};

use gix::{
    ObjectId,
    actor::SignatureRef,
    objs::{
        Tree,
        tree::{Entry, EntryKind},
    },
    refs::transaction::PreviousValue,
};
use serde_json::json;

use crate::support::process::example;

/// A repository in a new directory.
pub(super) struct Repository(gix::Repository);

impl Repository {
    pub(super) fn make(path: &Path) -> Self {
        fs::create_dir(path).unwrap();
        Self(gix::init(path).unwrap())
    }

    pub(super) fn path(&self) -> &str {
        self.0.workdir().unwrap().to_str().unwrap()
    }

    /// Commits and tags a release of the companion's own application.
    pub(super) fn release(&self, version: &str, is_healthy: bool) {
        let program = json!(example("bext-companion"));
        let mut files = vec![(
            "bext.app.toml",
            format!(
                "version = \"{version}\"\n[process]\ncommand = [{program}, \"demo-app\"]\n[health]\npath = \
                 \"/health\"\ntimeout = \"{}\"\n",
                if is_healthy { "20s" } else { "1s" }
            ),
        )];
        if !is_healthy {
            files.push(("unhealthy", String::new()));
        }
        let entries = files.into_iter().map(|(name, text)| {
            let oid = self.0.write_blob(text).unwrap().detach();
            Entry { mode: EntryKind::Blob.into(), filename: name.into(), oid }
        });
        let mut entries: Vec<Entry> = entries.collect();
        entries.sort();
        let tree = self.0.write_object(Tree { entries }).unwrap().detach();
        let parents: Vec<ObjectId> = self.0.head_id().map(|head| head.detach()).into_iter().collect();
        let who =
            SignatureRef { name: "Test".into(), email: "test@example.com".into(), time: "1767225600 +0000" };
        let commit = self.0.commit_as(who, who, "HEAD", version, tree, parents).unwrap();
        self.0.tag_reference(format!("v{version}"), commit.detach(), PreviousValue::MustNotExist).unwrap();
    }
}
