//! A repository with releases of an application, which is this very program.

use std::{error::Error, fs, path::Path};

use gix::{
    ObjectId, Repository as Git,
    actor::SignatureRef,
    objs::{
        Tree,
        tree::{Entry, EntryKind},
    },
    refs::transaction::PreviousValue,
};

use super::Health;

/// A repository on disk.
pub(super) struct Repository(Git);

impl Repository {
    /// Makes an empty one.
    pub(super) fn make(path: &Path) -> Result<Self, Box<dyn Error>> {
        fs::create_dir(path)?;
        Ok(Self(gix::init(path)?))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.workdir().unwrap_or_else(|| self.0.git_dir())
    }

    /// Commits a release, and tags it.
    pub(super) fn release(&self, version: &str, message: &str, health: Health) -> Result<(), Box<dyn Error>> {
        let program = std::env::current_exe()?;
        // What is one string in JSON is one in TOML.
        let program = serde_json::to_string(&program)?;
        let manifest = format!(
            "version = \"{version}\"\n\n[process]\ncommand = [{program}, \"demo-app\"]\n\n\
             [health]\npath = \"/health\"\ntimeout = \"{}\"\n",
            if health == Health::Bad { "1s" } else { "10s" }
        );
        let mut files = vec![("bext.app.toml", manifest), ("README.md", format!("# shop\n\n{message}.\n"))];
        if health == Health::Bad {
            files.push(("unhealthy", String::new()));
        }
        let mut entries = Vec::new();
        for (name, text) in files {
            fs::write(self.path().join(name), &text)?;
            let oid = self.0.write_blob(text)?.detach();
            entries.push(Entry { mode: EntryKind::Blob.into(), filename: name.into(), oid });
        }
        entries.sort();
        let tree = self.0.write_object(Tree { entries })?.detach();
        let parents: Vec<ObjectId> = self.0.head_id().map(|head| head.detach()).into_iter().collect();
        let who =
            SignatureRef { name: "Demo".into(), email: "demo@example.com".into(), time: "1767225600 +0000" };
        let commit = self.0.commit_as(who, who, "HEAD", message, tree, parents)?;
        self.0.tag_reference(format!("v{version}"), commit.detach(), PreviousValue::MustNotExist)?;
        Ok(())
    }
}
