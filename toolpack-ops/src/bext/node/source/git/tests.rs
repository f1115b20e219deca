//! Real repositories, as sources.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gix::ObjectId;
use gix::objs::tree::EntryKind;

use super::fixture::Fixture;
use crate::bext::engine::Runtime;
use crate::bext::node::source::scratch::Scratch;
use crate::bext::node::source::{Artifacts, Source, SourceLimits};
use crate::error::Error;

async fn open(path: &Path) -> Source {
    try_open(path).await.unwrap()
}

async fn try_open(path: &Path) -> Result<Source, Error> {
    Source::open(&path.to_str().unwrap().parse().unwrap(), Path::new("/nowhere")).await
}

async fn version_of(source: &Source, version: Option<&str>) -> Result<String, Error> {
    let version = version.map(|version| version.parse().unwrap());
    Ok(source.resolve(version.as_ref()).await?.version.as_str().to_owned())
}

async fn text_of(source: &Source, version: Option<&str>, root: &Path, file: &str) -> String {
    let version = version.map(|version| version.parse().unwrap());
    let resolved = source.resolve(version.as_ref()).await.unwrap();
    let artifacts = Artifacts::open(root.join("artifacts")).await.unwrap();
    let artifact = artifacts.make(source, &resolved).await.unwrap();
    fs::read_to_string(artifact.directory.join(file)).unwrap()
}

fn hex(id: ObjectId) -> String {
    id.to_hex_with_len(12).to_string()
}

#[tokio::test]
async fn versions_are_tags_branches_and_commits() {
    let root = Scratch::new();
    let git = Fixture::new(&root.path().join("app"));
    let first = git.commit(&[("index.html", "one")]);
    git.tag("v1.2.3", first);
    let second = git.commit(&[("index.html", "two")]);
    git.annotate("v1.10.0", second);
    git.tag("2.0.0-rc.1", second);
    let third = git.commit(&[("index.html", "three")]);
    git.tag("nightly", third);
    git.branch("feature/blue", first);

    let source = open(&root.path().join("app")).await;
    assert_eq!(version_of(&source, None).await.unwrap(), "v1.10.0");
    for (asked, found) in [
        ("1.2.3", "v1.2.3".to_owned()),
        ("v1.2.3", "v1.2.3".to_owned()),
        ("v2.0.0-rc.1", "2.0.0-rc.1".to_owned()),
        ("nightly", "nightly".to_owned()),
        ("main", hex(third)),
        ("feature/blue", hex(first)),
        (&third.to_string(), hex(third)),
        (&second.to_string()[..7].to_uppercase(), hex(second)),
    ] {
        assert_eq!(version_of(&source, Some(asked)).await.unwrap(), found, "{asked}");
    }
    let text = text_of(&source, Some("1.2.3"), root.path(), "index.html").await;
    assert_eq!(text, "one");
    assert_eq!(text_of(&source, Some("1.10.0"), root.path(), "index.html").await, "two");
    assert_eq!(text_of(&source, Some("main"), root.path(), "index.html").await, "three");

    let error = version_of(&source, Some("1.2.4")).await.unwrap_err();
    assert_eq!(error.code(), "version_not_found");
    assert_eq!(
        error.message(),
        "the source has no version 1.2.4; did you mean v1.2.3? it has v1.2.3, 2.0.0-rc.1, v1.10.0, feature/blue, main, nightly"
    );
    assert_eq!(version_of(&source, Some("0123456")).await.unwrap_err().code(), "version_not_found");
}

#[tokio::test]
async fn without_tags_that_read_as_versions_the_newest_is_what_head_is_at() {
    let root = Scratch::new();
    let git = Fixture::bare(&root.path().join("app.git"));
    let source = open(&root.path().join("app.git")).await;
    let error = version_of(&source, None).await.unwrap_err();
    assert_eq!(error.code(), "version_not_found");
    assert!(error.message().contains("no version yet"), "{error}");

    let commit = git.commit(&[("a", "1")]);
    git.tag("latest", commit);
    let next = git.commit(&[("a", "2")]);
    assert_eq!(version_of(&source, None).await.unwrap(), hex(next));
    // A pre-release counts as long as there is no release.
    git.tag("0.1.0-beta", commit);
    assert_eq!(version_of(&source, None).await.unwrap(), "0.1.0-beta");
    // A tag of something that is no commit is no version.
    git.tag("9.0.0", git.blob("text"));
    assert_eq!(version_of(&source, None).await.unwrap(), "0.1.0-beta");
    let error = version_of(&source, Some("9.0.0")).await.unwrap_err();
    assert_eq!(
        error.message(),
        "9.0.0 leads to no commit, and so is no version of the source; it has 0.1.0-beta, latest, main"
    );
}

#[tokio::test]
async fn of_two_tags_that_differ_in_their_v_the_one_that_was_asked_for_is_taken() {
    let root = Scratch::new();
    let git = Fixture::new(&root.path().join("app"));
    let first = git.commit(&[("index.html", "without")]);
    git.tag("1.3.0", first);
    git.tag("v1.2.0", first);
    let second = git.commit(&[("index.html", "with")]);
    git.tag("v1.3.0", second);
    git.tag("1.2.0", second);
    let source = open(&root.path().join("app")).await;
    for (asked, text) in [("1.3.0", "without"), ("v1.3.0", "with"), ("1.2.0", "with"), ("v1.2.0", "without")]
    {
        assert_eq!(version_of(&source, Some(asked)).await.unwrap(), asked);
        let made = root.path().join(asked);
        fs::create_dir(&made).unwrap();
        assert_eq!(text_of(&source, Some(asked), &made, "index.html").await, text, "{asked}");
    }
}

#[tokio::test]
async fn commits_that_begin_alike_are_not_guessed() {
    let root = Scratch::new();
    let git = Fixture::bare(&root.path().join("app.git"));
    let commit = git.commit(&[("a", "1")]);
    // Seven digits are too many to collide by chance; so the shortest that is looked up is looked up here.
    let digits = &commit.to_string()[..7];
    assert_eq!(super::by_digits(&git.repo, digits).unwrap(), Some(commit));
    let parent = git.repo.find_commit(commit).unwrap();
    let tree = parent.tree_id().unwrap().detach();
    let mut ids: Vec<String> = vec![commit.to_string()];
    let twin = (0..100_000).find_map(|number| {
        let other = git.repo.new_commit(number.to_string(), tree, [commit]).unwrap().id.to_string();
        let twin = ids.iter().find(|id| id[..4] == other[..4]).map(|id| id[..4].to_owned());
        ids.push(other);
        twin
    });
    let error = super::by_digits(&git.repo, &twin.unwrap()).unwrap_err();
    assert!(error.message().contains("several commits begin with"), "{error}");
}

#[tokio::test]
async fn only_what_is_committed_counts() {
    let root = Scratch::new();
    let app = root.path().join("app");
    let git = Fixture::new(&app);
    git.commit(&[("index.html", "committed"), ("docs/a.txt", "a"), (".gitattributes", "* filter=x")]);
    fs::write(app.join("index.html"), "dirty").unwrap();
    fs::write(app.join(".env"), "SECRET=1").unwrap();
    // What a configuration would run, were it read.
    let config = app.join(".git/config");
    let mut text = fs::read_to_string(&config).unwrap();
    let (ran, hooks) = (root.path().join("ran"), app.join(".git/hooks"));
    let run = format!("touch {}", ran.display());
    text.push_str(&format!(
        "[core]\n fsmonitor = {run}\n[filter \"x\"]\n smudge = {run}\n required = true\n"
    ));
    fs::write(config, text).unwrap();
    fs::create_dir_all(&hooks).unwrap();
    for hook in ["post-checkout", "post-index-change", "reference-transaction"] {
        fs::write(hooks.join(hook), format!("#!/bin/sh\n{run}\n")).unwrap();
        fs::set_permissions(hooks.join(hook), fs::Permissions::from_mode(0o755)).unwrap();
    }

    let source = open(&app).await;
    let artifacts = Artifacts::open(root.path().join("artifacts")).await.unwrap();
    let artifact = artifacts.make(&source, &source.resolve(None).await.unwrap()).await.unwrap();
    assert_eq!(fs::read_to_string(artifact.directory.join("index.html")).unwrap(), "committed");
    assert!(!artifact.directory.join(".env").exists() && !artifact.directory.join(".git").exists());
    // `file://` is the same place.
    let address = format!("file://{}", app.display()).parse().unwrap();
    let same = Source::open(&address, Path::new("/nowhere")).await.unwrap();
    assert_eq!(artifacts.make(&same, &same.resolve(None).await.unwrap()).await.unwrap().id, artifact.id);
    assert!(!ran.exists(), "something that lies in the repository ran");
}

#[tokio::test]
async fn kinds_of_entries_become_files() {
    let root = Scratch::new();
    let git = Fixture::bare(&root.path().join("app.git"));
    git.commit_of(&[
        ("run.sh", EntryKind::BlobExecutable, git.blob("#!/bin/sh")),
        ("docs/link", EntryKind::Link, git.blob("../run.sh")),
        ("library", EntryKind::Commit, ObjectId::null(gix::hash::Kind::Sha1)),
        ("big.bin", EntryKind::Blob, git.blob("version https://git-lfs.github.com/spec/v1")),
        ("bext.app.toml", EntryKind::Blob, git.blob("[process]\ncommand = [\"./run.sh\"]")),
    ]);
    let source = open(&root.path().join("app.git")).await;
    assert_eq!(source.runtime().await.unwrap(), Runtime::Process);
    let artifacts = Artifacts::open(root.path().join("artifacts")).await.unwrap();
    let artifact = artifacts.make(&source, &source.resolve(None).await.unwrap()).await.unwrap();
    let mode = |name: &str| fs::symlink_metadata(artifact.directory.join(name)).unwrap().permissions().mode();
    assert_eq!(
        (mode("run.sh") & 0o7777, mode("big.bin") & 0o7777, mode("docs") & 0o7777),
        (0o555, 0o444, 0o555)
    );
    // A copy, and no link any more.
    assert_eq!(mode("docs/link"), mode("run.sh"));
    assert!(!artifact.directory.join("library").exists());
    assert_eq!(artifact.manifest.command.as_ref().unwrap(), &["./run.sh"]);
}

#[tokio::test]
async fn trees_made_to_harm_are_refused() {
    let root = Scratch::new();
    let git = Fixture::bare(&root.path().join("app.git"));
    let artifacts = Artifacts::open(root.path().join("artifacts")).await.unwrap();
    let limits = SourceLimits { files: 200, object_bytes: 10, ..SourceLimits::default() };
    let address = root.path().join("app.git").to_str().unwrap().parse().unwrap();
    let source = Source::open_with(&address, Path::new("/nowhere"), limits).await.unwrap();
    let tree = |entries: Vec<(&str, EntryKind, ObjectId)>| {
        let entries = entries.into_iter().map(|(name, kind, oid)| gix::objs::tree::Entry {
            mode: kind.into(),
            filename: name.into(),
            oid,
        });
        git.repo.write_object(gix::objs::Tree { entries: entries.collect() }).unwrap().detach()
    };
    let text = git.blob("text");
    let mut bomb = tree(vec![("x", EntryKind::Blob, text)]);
    let mut hollow = tree(vec![]);
    for _ in 0..12 {
        bomb = tree(["a", "b", "c", "d"].map(|name| (name, EntryKind::Tree, bomb)).to_vec());
        hollow = tree(["a", "b", "c", "d"].map(|name| (name, EntryKind::Tree, hollow)).to_vec());
    }
    let mut deep = text;
    for level in 0..80 {
        let kind = if level == 0 { EntryKind::Blob } else { EntryKind::Tree };
        deep = tree(vec![("d", kind, deep)]);
    }
    for (root, said) in [
        (
            tree(vec![("..", EntryKind::Tree, tree(vec![("x", EntryKind::Blob, text)]))]),
            "not one within the source",
        ),
        (tree(vec![("../../evil", EntryKind::Blob, text)]), "not one within the source"),
        (tree(vec![("/etc", EntryKind::Blob, text)]), "not one within the source"),
        (tree(vec![("a\nb", EntryKind::Blob, text)]), "control character"),
        (tree(vec![("a", EntryKind::Blob, text), ("a", EntryKind::Blob, text)]), "has a twice"),
        (tree(vec![("a", EntryKind::Link, git.blob("/etc"))]), "leads out of the source"),
        (tree(vec![("a", EntryKind::Link, git.blob("../x"))]), "leads out of the source"),
        (tree(vec![("a", EntryKind::Link, git.blob("a"))]), "in a circle"),
        (tree(vec![("a", EntryKind::Blob, git.blob("more than ten bytes"))]), "more than 10 bytes"),
        (bomb, "more than 200 "),
        (hollow, "more than 200 directories"),
        (deep, "deeper than 64"),
        (tree(vec![]), "has no files"),
        (tree(vec![(".GIT", EntryKind::Blob, text), (".bext-state", EntryKind::Blob, text)]), "has no files"),
    ] {
        let commit = git.repo.new_commit("evil", root, None::<ObjectId>).unwrap().id;
        let version = commit.to_string().parse().unwrap();
        let resolved = source.resolve(Some(&version)).await.unwrap();
        let error = artifacts.make(&source, &resolved).await.unwrap_err();
        assert_eq!(error.code(), "source_invalid", "{error}");
        assert!(error.message().contains(said), "{said}: {error}");
    }
    assert_eq!(fs::read_dir(root.path().join("artifacts")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_repository_has_many_forms() {
    let root = Scratch::new();
    // Bare, without an ending of its name.
    let git = Fixture::bare(&root.path().join("bare"));
    let commit = git.commit(&[("a", "1")]);
    assert_eq!(version_of(&open(&root.path().join("bare")).await, None).await.unwrap(), hex(commit));
    // A working copy whose data is elsewhere, as that of a submodule.
    let elsewhere = root.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join(".git"), format!("gitdir: {}\n", root.path().join("bare").display())).unwrap();
    assert_eq!(version_of(&open(&elsewhere).await, None).await.unwrap(), hex(commit));
    // A link to one, and the data of a working copy.
    std::os::unix::fs::symlink("bare", root.path().join("link")).unwrap();
    assert_eq!(version_of(&open(&root.path().join("link")).await, None).await.unwrap(), hex(commit));
    let git = Fixture::new(&root.path().join("work"));
    let commit = git.commit(&[("a", "2")]);
    assert_eq!(version_of(&open(&root.path().join("work/.git")).await, None).await.unwrap(), hex(commit));
    // A directory within a working copy is a directory.
    fs::create_dir(root.path().join("work/site")).unwrap();
    fs::write(root.path().join("work/site/a"), "3").unwrap();
    let version = version_of(&open(&root.path().join("work/site")).await, None).await.unwrap();
    assert!(version.starts_with("content-"), "{version}");
}

#[tokio::test]
async fn a_repository_that_is_broken_is_refused() {
    let root = Scratch::new();
    let app = root.path().join("app");
    fs::create_dir_all(app.join(".git")).unwrap();
    let error = try_open(&app).await.unwrap_err();
    assert_eq!(error.code(), "source_invalid");
    assert!(!error.message().contains(root.path().to_str().unwrap()), "{error}");
}
