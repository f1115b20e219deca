//! Directories and archives as sources, and the artifacts that are made of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::scratch::Scratch;
use super::*;

/// A place for a source and for artifacts.
struct Place {
    root: Scratch,
}

impl Place {
    fn new() -> Self {
        let root = Scratch::new();
        fs::create_dir(root.path().join("app")).unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path("app").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    async fn source(&self) -> Source {
        open(&self.path("app")).await.unwrap()
    }

    async fn artifacts(&self) -> Artifacts {
        Artifacts::open(self.path("artifacts")).await.unwrap()
    }

    fn kept(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("artifacts")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

async fn open(path: &Path) -> Result<Source, Error> {
    Source::open(&path.to_str().unwrap().parse().unwrap(), Path::new("/nowhere")).await
}

async fn make(source: &Source, artifacts: &Artifacts) -> Result<Artifact, Error> {
    artifacts.make(source, &source.resolve(None).await?).await
}

#[tokio::test]
async fn a_directory_becomes_an_artifact() {
    let place = Place::new();
    place.write("index.html", "hello");
    place.write("css/a/b.css", "body {}");
    place.write("bin/run", "#!/bin/sh");
    fs::set_permissions(place.path("app/bin/run"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink("../index.html", place.path("app/css/link.html")).unwrap();
    place.write(".bext/state", "of a node");
    fs::create_dir(place.path("app/empty")).unwrap();

    let (source, artifacts) = (place.source().await, place.artifacts().await);
    assert_eq!(source.runtime().await.unwrap(), Runtime::Static);
    let resolved = source.resolve(None).await.unwrap();
    let artifact = artifacts.make(&source, &resolved).await.unwrap();
    assert_eq!(resolved.version.as_str(), format!("content-{}", &artifact.id.0[..12]));
    assert_eq!(artifact.id.0.len(), 64);

    let file = |name: &str| artifact.directory.join(name);
    assert_eq!(fs::read_to_string(file("index.html")).unwrap(), "hello");
    assert_eq!(fs::read_to_string(file("css/link.html")).unwrap(), "hello");
    let mode = |name: &str| fs::symlink_metadata(file(name)).unwrap().permissions().mode();
    assert_eq!((mode("css/link.html"), mode("bin/run")), (0o100_444, 0o100_555));
    assert_eq!((mode("css") & 0o7777, mode("") & 0o7777), (0o555, 0o555));
    assert!(!file(".bext").exists() && !file("empty").exists());

    // The same content is the same artifact, wherever it comes from and whenever.
    let again = make(&source, &artifacts).await.unwrap();
    assert_eq!((again.id.clone(), again.directory), (artifact.id.clone(), artifact.directory.clone()));
    assert_eq!(place.kept(), [artifact.id.0.as_str()]);
    let got = artifacts.get(&artifact.id).await.unwrap().unwrap();
    assert_eq!((got.directory, got.manifest), (artifact.directory, artifact.manifest));
    for unknown in ["0".repeat(64), "../app".to_owned(), String::new()] {
        assert!(artifacts.get(&ArtifactId(unknown)).await.unwrap().is_none());
    }
}

/// Artifacts are found again by this hash, so it stays as it is.
#[tokio::test]
async fn the_hash_is_of_paths_modes_and_content() {
    let place = Place::new();
    place.write("a/b", "one");
    place.write("run", "two");
    fs::set_permissions(place.path("app/run"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"toolpack artifact 1\n");
    for (path, executable, text) in [("a/b", 0, "one"), ("run", 1, "two")] {
        hasher.update(&(path.len() as u64).to_le_bytes());
        hasher.update(path.as_bytes());
        hasher.update(&[executable]);
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(blake3::hash(text.as_bytes()).as_bytes());
    }
    let artifact = make(&place.source().await, &place.artifacts().await).await.unwrap();
    assert_eq!(artifact.id.0, hasher.finalize().to_hex().to_string());
}

#[tokio::test]
async fn other_content_is_another_artifact() {
    let place = Place::new();
    let artifacts = place.artifacts().await;
    let mut ids = std::collections::HashSet::new();
    let mut next = async || {
        let artifact = make(&place.source().await, &artifacts).await.unwrap();
        assert!(ids.insert(artifact.id.clone()), "{:?}", artifact.id);
    };
    place.write("ab", "c");
    next().await;
    place.write("ab", "");
    next().await;
    fs::rename(place.path("app/ab"), place.path("app/abc")).unwrap();
    next().await;
    fs::set_permissions(place.path("app/abc"), fs::Permissions::from_mode(0o755)).unwrap();
    next().await;
    place.write("x", "");
    next().await;
}

#[tokio::test]
async fn the_version_is_that_of_the_manifest() {
    let place = Place::new();
    place.write("bext.app.toml", "version = \"1.2.4\"\n[process]\ncommand = [\"python3\", \"server.py\"]");
    let source = place.source().await;
    assert_eq!(source.runtime().await.unwrap(), Runtime::Process);
    for asked in [None, Some("1.2.4"), Some("v1.2.4")] {
        let asked = asked.map(|asked| asked.parse().unwrap());
        assert_eq!(source.resolve(asked.as_ref()).await.unwrap().version.as_str(), "1.2.4");
    }
    let error = source.resolve(Some(&"1.2.3".parse().unwrap())).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, "version_not_found"));
    assert_eq!(error.message(), "the source has no version 1.2.3; did you mean 1.2.4? it has 1.2.4");
}

#[tokio::test]
async fn a_site_is_where_it_is_said_or_found() {
    let place = Place::new();
    let artifacts = place.artifacts().await;
    let site = async || {
        let artifact = make(&place.source().await, &artifacts).await.unwrap();
        artifact.site_directory().strip_prefix(&artifact.directory).unwrap().to_str().unwrap().to_owned()
    };
    place.write("a.txt", "a");
    assert_eq!(site().await, "");
    place.write("dist/a.txt", "a");
    assert_eq!(site().await, "dist");
    place.write("public/a.txt", "a");
    assert_eq!(site().await, "public");
    place.write("web/out/a.txt", "a");
    place.write("bext.app.toml", "[static]\ndir = \"web/out/\"");
    assert_eq!(site().await, "web/out");
    place.write("bext.app.toml", "[static]\ndir = \".\"");
    assert_eq!(site().await, "");
    place.write("bext.app.toml", "[static]\ndir = \"missing\"");
    let error = make(&place.source().await, &artifacts).await.unwrap_err();
    assert_eq!(error.code(), "manifest_invalid");
}

#[tokio::test]
async fn a_directory_that_is_no_source_is_refused() {
    let place = Place::new();
    let error = |path: PathBuf| async move { open(&path).await.unwrap_err() };
    assert_eq!(error(place.path("missing")).await.code(), "source_not_found");
    fs::write(place.path("app.zip"), "PK").unwrap();
    assert_eq!(error(place.path("app.zip")).await.code(), "source_invalid");
    assert_eq!(
        make(&place.source().await, &place.artifacts().await).await.unwrap_err().message(),
        "the source has no files"
    );

    let refused = async |said: &str| {
        let error = make(&place.source().await, &place.artifacts().await).await.unwrap_err();
        assert_eq!(error.code(), "source_invalid", "{error}");
        assert!(error.message().contains(said), "{said}: {error}");
        assert!(!error.message().contains(place.root.path().to_str().unwrap()), "{error}");
    };
    for (target, said) in [
        ("/etc/passwd", "leads out of the source"),
        ("../artifacts", "leads out of the source"),
        ("missing", "no file of the source"),
        (".", "no file of the source"),
        ("link", "in a circle"),
    ] {
        symlink(target, place.path("app/link")).unwrap();
        refused(said).await;
        fs::remove_file(place.path("app/link")).unwrap();
    }
    let pipe = place.path("app/pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    refused("pipe is neither a file nor a directory").await;
    fs::remove_file(pipe).unwrap();
    // A link to what is never part of a release is no way around that.
    place.write(".git-secret/x", "fine");
    place.write(".bext/key", "secret");
    symlink(".bext/key", place.path("app/link")).unwrap();
    refused("no file of the source").await;
    fs::remove_file(place.path("app/link")).unwrap();
    place.write("data/node.lock", "");
    place.write("data/instances.toml", "");
    refused("data holds the data of a node").await;
    assert_eq!(error(PathBuf::from("/")).await.code(), "source_invalid");
}

#[tokio::test]
async fn nothing_of_the_data_of_a_node_is_a_source_and_nothing_that_holds_it() {
    let place = Place::new();
    place.write("index.html", "hello");
    place.write("deep/down/data/node.lock", "");
    place.write("deep/down/data/instances.toml", "");
    let data = place.path("app/deep/down/data");
    for within in ["", "audit", "keys", "instances", "instances/local/apps"] {
        let path = data.join(within);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("x"), "").unwrap();
        let error = open(&path).await.unwrap_err();
        assert_eq!(error.code(), "source_invalid", "{within}: {error}");
        assert!(error.message().contains("data of a node"), "{within}: {error}");
    }
    // By another name, too.
    symlink(data.join("audit"), place.path("link")).unwrap();
    assert_eq!(open(&place.path("link")).await.unwrap_err().code(), "source_invalid");
    // What is above is looked at when the app is added, and again with each release.
    let source = place.source().await;
    let error = source.runtime().await.unwrap_err();
    assert_eq!(
        (error.code(), error.message().contains("deep/down/data holds")),
        ("source_invalid", true),
        "{error}"
    );
    assert_eq!(make(&source, &place.artifacts().await).await.unwrap_err().code(), "source_invalid");
    // Where it is left out of each release, it does no harm.
    fs::rename(place.path("app/deep"), place.path("app/.bext-data")).unwrap();
    assert_eq!(source.runtime().await.unwrap(), Runtime::Static);
    make(&source, &place.artifacts().await).await.unwrap();
}

#[cfg(not(feature = "bext-git"))]
#[tokio::test]
async fn without_git_its_repositories_are_not_read() {
    let place = Place::new();
    place.write(".git/HEAD", "ref: refs/heads/main");
    for text in [place.path("app").to_str().unwrap(), "https://host/app.git", "git@host:app.git"] {
        let error = Source::open(&text.parse().unwrap(), Path::new("/nowhere")).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, "source_unsupported"), "{text}");
    }
}

#[tokio::test]
async fn a_source_has_limits() {
    let place = Place::new();
    for number in 0..10 {
        place.write(&format!("d{number}/f"), "0123456789");
    }
    let address: AppSource = place.path("app").to_str().unwrap().parse().unwrap();
    let all = SourceLimits::default();
    for (limits, said) in [
        (SourceLimits { files: 9, ..all }, "more than 9 "),
        (SourceLimits { bytes: 99, ..all }, "more than 99 bytes"),
        (SourceLimits { path_bytes: 3, ..all }, "longer than 3 bytes"),
        (SourceLimits { depth: 1, ..all }, "deeper than 1"),
    ] {
        let source = Source::open_with(&address, Path::new("/nowhere"), limits).await.unwrap();
        let error = source.resolve(None).await.unwrap_err();
        assert_eq!(error.code(), "source_invalid");
        assert!(error.message().contains(said), "{said}: {error}");
    }
    let exact = SourceLimits { files: 11, bytes: 100, path_bytes: 4, depth: 2, ..all };
    Source::open_with(&address, Path::new("/nowhere"), exact).await.unwrap().resolve(None).await.unwrap();
}

#[tokio::test]
async fn a_source_that_changes_meanwhile_is_not_deployed_as_what_it_was() {
    let place = Place::new();
    place.write("a", "1");
    let (source, artifacts) = (place.source().await, place.artifacts().await);
    let resolved = source.resolve(None).await.unwrap();
    place.write("a", "2");
    let error = artifacts.make(&source, &resolved).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "source_changed"));
    assert!(place.kept().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn makers_of_the_same_artifact_agree() {
    let place = Place::new();
    for number in 0..50 {
        place.write(&format!("d{}/f{number}", number % 5), vec![b'x'; number * 100]);
    }
    let (source, artifacts) = (Arc::new(place.source().await), place.artifacts().await);
    let resolved = Arc::new(source.resolve(None).await.unwrap());
    let makers: Vec<_> = (0..8)
        .map(|_| {
            let (source, resolved, artifacts) = (source.clone(), resolved.clone(), artifacts.clone());
            tokio::spawn(async move { artifacts.make(&source, &resolved).await.unwrap() })
        })
        .collect();
    for maker in makers {
        assert_eq!(maker.await.unwrap().id, *resolved.content().unwrap());
    }
    assert_eq!(place.kept(), [resolved.content().unwrap().0.clone()]);
}

/// Says how long it takes; how long it may is another machine's business.
#[tokio::test]
#[allow(clippy::print_stderr, reason = "for whoever asks for it with --nocapture")]
async fn many_files_become_an_artifact() {
    let place = Place::new();
    for number in 0..1000 {
        place.write(&format!("d{}/f{number}", number % 100), vec![b'x'; 1000 + number % 7]);
    }
    let (source, artifacts) = (place.source().await, place.artifacts().await);
    let begin = std::time::Instant::now();
    let resolved = source.resolve(None).await.unwrap();
    let hashed = begin.elapsed();
    let artifact = artifacts.make(&source, &resolved).await.unwrap();
    let made = begin.elapsed() - hashed;
    assert!(artifacts.get(&artifact.id).await.unwrap().is_some());
    assert_eq!(fs::read_dir(artifact.directory.join("d42")).unwrap().count(), 10);
    eprintln!("1000 files: hashed in {hashed:?}, made in {made:?}");
}

#[tokio::test]
async fn what_nobody_needs_is_removed_and_what_is_in_use_is_not() {
    let place = Place::new();
    let artifacts = place.artifacts().await;
    let mut made = Vec::new();
    for text in ["1", "2", "3"] {
        place.write("dir/a", text);
        made.push(make(&place.source().await, &artifacts).await.unwrap());
    }
    let ids: Vec<_> = made.iter().map(|artifact| artifact.id.clone()).collect();
    artifacts.keep_only(&[]).await.unwrap();
    assert_eq!(place.kept().len(), 3, "all are held");
    made.remove(0);
    made.remove(0);
    // The last one is held, the second is to be kept, the first goes.
    artifacts.keep_only(&ids[1..2]).await.unwrap();
    let mut kept = [ids[1].0.clone(), ids[2].0.clone()];
    kept.sort();
    assert_eq!(place.kept(), kept);
    assert!(artifacts.get(&ids[0]).await.unwrap().is_none());
    drop(made);
    artifacts.keep_only(&[]).await.unwrap();
    assert!(place.kept().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_just_made_is_not_removed_before_it_is_used() {
    let place = Place::new();
    place.write("dir/a", "1");
    let (source, artifacts) = (place.source().await, place.artifacts().await);
    let resolved = source.resolve(None).await.unwrap();
    let is_done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let remover = tokio::spawn({
        let (artifacts, is_done) = (artifacts.clone(), is_done.clone());
        async move {
            while !is_done.load(std::sync::atomic::Ordering::SeqCst) {
                artifacts.keep_only(&[]).await.unwrap();
            }
        }
    });
    for _ in 0..50 {
        let artifact = artifacts.make(&source, &resolved).await.unwrap();
        assert_eq!(fs::read_to_string(artifact.directory.join("dir/a")).unwrap(), "1");
        // Others may let go of theirs while this one is held.
        drop(artifacts.make(&source, &resolved).await.unwrap());
        assert_eq!(fs::read_to_string(artifact.directory.join("dir/a")).unwrap(), "1");
    }
    is_done.store(true, std::sync::atomic::Ordering::SeqCst);
    remover.await.unwrap();
    artifacts.keep_only(&[]).await.unwrap();
    assert!(place.kept().is_empty());
}

#[tokio::test]
async fn an_artifact_that_is_not_whole_is_made_anew() {
    let place = Place::new();
    place.write("dir/a", "1");
    place.write("dir/b", "2");
    let (source, artifacts) = (place.source().await, place.artifacts().await);
    let artifact = make(&source, &artifacts).await.unwrap();
    fs::set_permissions(artifact.directory.join("dir"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(artifact.directory.join("dir/b")).unwrap();
    assert!(artifacts.get(&artifact.id).await.unwrap().is_none());
    let again = make(&source, &artifacts).await.unwrap();
    assert_eq!(again.id, artifact.id);
    assert_eq!(fs::read_to_string(again.directory.join("dir/b")).unwrap(), "2");
    assert_eq!(place.kept(), [again.id.0.as_str()]);
}

#[tokio::test]
async fn what_an_earlier_process_left_is_removed() {
    let place = Place::new();
    place.write("a", "1");
    let artifact = make(&place.source().await, &place.artifacts().await).await.unwrap();
    for left in [".new-abc/unpacked/dir", ".old-abc/files/dir"] {
        let left = place.path("artifacts").join(left);
        fs::create_dir_all(&left).unwrap();
        File::create(left.join("f")).unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o555)).unwrap();
    }
    let artifacts = place.artifacts().await;
    assert_eq!(place.kept(), [artifact.id.0.as_str()]);
    assert!(artifacts.get(&artifact.id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maker_that_nobody_waits_for_leaves_nothing() {
    let place = Place::new();
    for number in 0..600 {
        place.write(&format!("d{}/f{number}", number % 50), "text");
    }
    let (source, artifacts) = (place.source().await, place.artifacts().await);
    let resolved = source.resolve(None).await.unwrap();
    let maker = tokio::spawn({
        let (source, artifacts) = (source.clone(), artifacts.clone());
        async move { artifacts.make(&source, &resolved).await.map(drop) }
    });
    until(|| !place.kept().is_empty()).await;
    maker.abort();
    assert!(maker.await.unwrap_err().is_cancelled());
    until(|| place.kept().is_empty()).await;
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let limit = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while !is_so() {
        assert!(tokio::time::Instant::now() < limit, "it did not become so");
        tokio::task::yield_now().await;
    }
}
