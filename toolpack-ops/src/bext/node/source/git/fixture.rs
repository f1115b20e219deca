//! Repositories for tests, made without the program git: blobs, a tree of them, a commit of that, and tags.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::path::Path;

use gix::ObjectId;
use gix::objs::tree::EntryKind;
use gix::refs::transaction::PreviousValue;

/// A repository with one branch, `main`.
pub(crate) struct Fixture {
    pub(crate) repo: gix::Repository,
}

impl Fixture {
    /// A new one, with a working copy in this directory, in which nothing lies.
    pub(crate) fn new(directory: &Path) -> Self {
        Self::made(directory, gix::create::Kind::WithWorktree)
    }

    /// A new one without a working copy.
    pub(crate) fn bare(directory: &Path) -> Self {
        Self::made(directory, gix::create::Kind::Bare)
    }

    fn made(directory: &Path, kind: gix::create::Kind) -> Self {
        // Nothing of the machine: neither its configuration nor its environment.
        let options = gix::open::Options::isolated().config_overrides([
            "user.name=Demo",
            "user.email=demo@localhost",
            "init.defaultBranch=main",
        ]);
        let made =
            gix::ThreadSafeRepository::init_opts(directory, kind, gix::create::Options::default(), options);
        Self { repo: made.unwrap().into() }
    }

    /// Commits these files and no others on `main`.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> ObjectId {
        let entries: Vec<_> =
            files.iter().map(|(path, text)| (*path, EntryKind::Blob, self.blob(text))).collect();
        self.commit_of(&entries)
    }

    /// Commits entries of any kind on `main`.
    pub(crate) fn commit_of(&self, entries: &[(&str, EntryKind, ObjectId)]) -> ObjectId {
        let mut tree = self.repo.edit_tree(self.repo.empty_tree().id).unwrap();
        for (path, kind, id) in entries {
            tree.upsert(*path, *kind, *id).unwrap();
        }
        let tree = tree.write().unwrap().detach();
        let parent = self.repo.head_id().ok().map(gix::Id::detach);
        self.repo.commit("refs/heads/main", "a version", tree, parent).unwrap().detach()
    }

    pub(crate) fn blob(&self, text: &str) -> ObjectId {
        self.repo.write_blob(text).unwrap().detach()
    }

    /// Has a light tag lead to a commit, wherever it led before.
    pub(crate) fn tag(&self, name: &str, commit: ObjectId) {
        self.repo.tag_reference(name, commit, PreviousValue::Any).unwrap();
    }

    /// Has an annotated tag lead to a commit.
    pub(crate) fn annotate(&self, name: &str, commit: ObjectId) {
        let tagger = self.repo.committer().unwrap().unwrap();
        let kind = gix::objs::Kind::Commit;
        self.repo.tag(name, commit, kind, Some(tagger), "a release", PreviousValue::Any).unwrap();
    }

    pub(crate) fn branch(&self, name: &str, commit: ObjectId) {
        let name = format!("refs/heads/{name}");
        self.repo.reference(name, commit, PreviousValue::Any, "a branch").unwrap();
    }
}
