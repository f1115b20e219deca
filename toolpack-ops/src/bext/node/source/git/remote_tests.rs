//! Remote repositories, behind a small server of git's protocol and behind a program in place of `ssh`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::*;
use crate::bext::engine::{AppSource, Version};
use crate::bext::node::source::git::Repository;
use crate::bext::node::source::git::fixture::Fixture;
use crate::bext::node::source::place::Place as Address;
use crate::bext::node::source::scratch::Scratch;
use crate::bext::node::source::{Artifacts, Source};

const LIMIT: Duration = Duration::from_secs(60);

/// The protocol's first version, as the server of a repository speaks it: enough of it to be fetched from.
struct UploadPack {
    directory: PathBuf,
}

impl UploadPack {
    fn open(&self) -> gix::Repository {
        gix::open_opts(&self.directory, gix::open::Options::isolated()).unwrap()
    }

    /// What there is.
    fn advertisement(&self) -> Vec<u8> {
        let repo = self.open();
        let mut lines = Vec::new();
        if let Ok(head) = repo.head_id() {
            lines
                .push(format!("{head} HEAD\0side-band-64k multi_ack_detailed symref=HEAD:refs/heads/main\n"));
        }
        for reference in repo.references().unwrap().all().unwrap() {
            let mut reference = reference.unwrap();
            let name = reference.name().as_bstr().to_string();
            let object = reference.target().id().to_owned();
            let peeled = reference.peel_to_id().unwrap().detach();
            lines.push(format!("{object} {name}\n"));
            if peeled != object {
                lines.push(format!("{peeled} {name}^{{}}\n"));
            }
        }
        if lines.is_empty() {
            lines.push(format!("{} capabilities^{{}}\0side-band-64k multi_ack_detailed\n", "0".repeat(40)));
        }
        let mut out = Vec::new();
        lines.iter().for_each(|text| line(&mut out, text.as_bytes()));
        out.extend_from_slice(b"0000");
        out
    }

    /// All there is, in one pack.
    fn pack(&self) -> Vec<u8> {
        let repo = self.open();
        let mut ids: Vec<_> = repo.objects.iter().unwrap().map(Result::unwrap).collect();
        ids.sort();
        ids.dedup();
        let mut pack = b"PACK\0\0\0\x02".to_vec();
        pack.extend_from_slice(&u32::try_from(ids.len()).unwrap().to_be_bytes());
        for id in ids {
            let object = repo.find_object(id).unwrap();
            let kind = match object.kind {
                gix::objs::Kind::Commit => 1,
                gix::objs::Kind::Tree => 2,
                gix::objs::Kind::Blob => 3,
                gix::objs::Kind::Tag => 4,
            };
            let mut rest = object.data.len();
            let mut byte = (kind << 4) | u8::try_from(rest & 15).unwrap();
            rest >>= 4;
            while rest > 0 {
                pack.push(byte | 128);
                byte = u8::try_from(rest & 127).unwrap();
                rest >>= 7;
            }
            pack.push(byte);
            let mut packer = ZlibEncoder::new(pack, Compression::fast());
            packer.write_all(&object.data).unwrap();
            pack = packer.finish().unwrap();
        }
        let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
        hasher.update(&pack);
        pack.extend_from_slice(hasher.try_finalize().unwrap().as_slice());

        let mut out = Vec::new();
        line(&mut out, b"NAK\n");
        for chunk in pack.chunks(60_000) {
            line(&mut out, &[b"\x01", chunk].concat());
        }
        out.extend_from_slice(b"0000");
        out
    }
}

fn line(out: &mut Vec<u8>, content: &[u8]) {
    out.extend_from_slice(format!("{:04x}", content.len() + 4).as_bytes());
    out.extend_from_slice(content);
}

/// A server of one repository, at `/app.git`; others are missing, private or silent.
struct Server {
    address: SocketAddr,
    haves: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    _task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(directory: &Path) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pack = Arc::new(UploadPack { directory: directory.to_owned() });
        let (haves, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, asked) = (haves.clone(), requests.clone());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (pack, haves, asked) = (pack.clone(), counted.clone(), asked.clone());
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(|request| {
                        asked.fetch_add(1, Ordering::SeqCst);
                        answer(request, pack.clone(), haves.clone())
                    });
                    let stream = hyper_util::rt::TokioIo::new(stream);
                    let _ =
                        hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
                });
            }
        });
        Self { address, haves, requests, _task: task }
    }

    fn source(&self, name: &str) -> AppSource {
        format!("http://{}/{name}", self.address).parse().unwrap()
    }
}

async fn answer(
    request: Request<Incoming>,
    pack: Arc<UploadPack>,
    haves: Arc<AtomicUsize>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let with = |kind: &str, body: Vec<u8>| {
        let kind = format!("application/x-git-upload-pack-{kind}");
        Ok(Response::builder().header("content-type", kind).body(Full::from(body)).unwrap())
    };
    let status = |status: StatusCode| Response::builder().status(status);
    match request.uri().path() {
        "/app.git/info/refs" => {
            let mut body = Vec::new();
            line(&mut body, b"# service=git-upload-pack\n");
            body.extend_from_slice(b"0000");
            body.extend(pack.advertisement());
            with("advertisement", body)
        }
        "/app.git/git-upload-pack" => {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body = String::from_utf8_lossy(&body);
            haves.fetch_add(body.matches("have ").count(), Ordering::SeqCst);
            with("result", if body.contains("done") { pack.pack() } else { b"0008NAK\n".to_vec() })
        }
        path if path.starts_with("/private.git") => {
            let response = status(StatusCode::UNAUTHORIZED).header("www-authenticate", "Basic realm=\"x\"");
            Ok(response.body(Full::default()).unwrap())
        }
        path if path.starts_with("/broken.git") => {
            Ok(status(StatusCode::INTERNAL_SERVER_ERROR).body(Full::default()).unwrap())
        }
        path if path.starts_with("/silent.git") => std::future::pending().await,
        _ => Ok(status(StatusCode::NOT_FOUND).body(Full::default()).unwrap()),
    }
}

struct Place {
    root: Scratch,
    git: Fixture,
}

impl Place {
    fn new() -> Self {
        let root = Scratch::new();
        let git = Fixture::bare(&root.path().join("app.git"));
        Self { root, git }
    }

    fn copies(&self) -> PathBuf {
        self.root.path().join("copies")
    }

    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.copies()).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    async fn server(&self) -> Server {
        Server::start(&self.root.path().join("app.git")).await
    }

    async fn newest(&self, source: &AppSource) -> Result<String, Error> {
        let source = Source::open(source, &self.copies()).await?;
        Ok(source.resolve(None).await?.version.as_str().to_owned())
    }

    /// One behind a program in place of `ssh`.
    fn behind(&self, script: &str) -> Arc<Remote> {
        let program = self.root.path().join("ssh");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let place = Address::of(&"git@host:team/app.git".parse().unwrap()).unwrap();
        Arc::new(Remote { ssh: program, ..Remote::new(place, &self.copies(), LIMIT) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_fetched_over_http_and_again() {
    let place = Place::new();
    let first = place.git.commit(&[("index.html", "one")]);
    place.git.annotate("v1.0.0", first);
    let server = place.server().await;
    let address = server.source("app.git");

    let source = Source::open(&address, &place.copies()).await.unwrap();
    let asked = server.requests.load(Ordering::SeqCst);
    let resolved = source.resolve(None).await.unwrap();
    assert_eq!(resolved.version.as_str(), "v1.0.0");
    assert_eq!(server.requests.load(Ordering::SeqCst), asked, "it was fetched a moment ago");
    let artifacts = Artifacts::open(place.root.path().join("artifacts")).await.unwrap();
    let artifact = artifacts.make(&source, &resolved).await.unwrap();
    assert_eq!(fs::read_to_string(artifact.directory.join("index.html")).unwrap(), "one");

    // A tag that is new, one that is gone, and a branch that stands where one was before.
    let second = place.git.commit(&[("index.html", "two")]);
    place.git.tag("v1.1.0", second);
    place.git.tag("nightly/1", second);
    assert_eq!(place.newest(&address).await.unwrap(), "v1.1.0");
    assert!(server.haves.load(Ordering::SeqCst) > 0, "what is here already is said");
    for gone in ["refs/tags/v1.1.0", "refs/tags/nightly/1"] {
        place.git.repo.find_reference(gone).unwrap().delete().unwrap();
    }
    place.git.tag("nightly", second);
    let source = Source::open(&address, &place.copies()).await.unwrap();
    let version = |text: &str| text.parse::<Version>().unwrap();
    assert_eq!(source.resolve(None).await.unwrap().version.as_str(), "v1.0.0");
    assert_eq!(source.resolve(Some(&version("nightly"))).await.unwrap().version.as_str(), "nightly");
    let main = source.resolve(Some(&version("main"))).await.unwrap();
    assert_eq!(main.version.as_str(), second.to_hex_with_len(12).to_string());
    assert_eq!(source.resolve(Some(&version(&first.to_string()))).await.unwrap().version.as_str().len(), 12);
    assert!(source.resolve(Some(&version("v1.1.0"))).await.is_err());
    let left = place.left();
    assert_eq!(left.len(), 2, "one copy and its lock: {left:?}");

    Source::keep_copies(&place.copies(), &[server.source("other.git"), address.clone()]).await.unwrap();
    assert_eq!(place.left().len(), 2);
    let copy = Remote::new(Address::of(&address).unwrap(), &place.copies(), LIMIT).copy;
    let turn = Turn::try_take(&copy).unwrap().unwrap();
    Source::keep_copies(&place.copies(), &[]).await.unwrap();
    assert!(copy.exists(), "it is being fetched");
    drop(turn);
    Source::keep_copies(&place.copies(), &[]).await.unwrap();
    assert!(!copy.exists());
    assert_eq!(place.newest(&address).await.unwrap(), "v1.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_without_commits_has_no_version() {
    let place = Place::new();
    let server = place.server().await;
    let error = place.newest(&server.source("app.git")).await.unwrap_err();
    assert_eq!(error.code(), "version_not_found", "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_over_http_is_told_apart() {
    let place = Place::new();
    let server = place.server().await;
    let address = server.address.to_string();
    for (name, kind, code) in [
        ("missing.git", ErrorKind::InvalidInput, "source_not_found"),
        ("private.git", ErrorKind::PermissionDenied, "source_denied"),
        ("broken.git", ErrorKind::Unavailable, "source_unreachable"),
    ] {
        let error = place.newest(&server.source(name)).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, code), "{error:?}");
        assert!(!error.message().contains(&address), "{error}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = place.newest(&format!("https://{closed}/app.git").parse().unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "source_unreachable", "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_given_up() {
    let place = Place::new();
    let server = place.server().await;
    let address = Address::of(&server.source("silent.git")).unwrap();
    let remote = Arc::new(Remote::new(address, &place.copies(), Duration::from_millis(300)));
    let error = remote.refs().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TimedOut, "source_timeout"), "{error:?}");
    // The work ends too, and gives its turn back.
    let copy = remote.copy.clone();
    task::run(move |stop| Turn::wait(&copy, stop).map(drop)).await.unwrap();
    assert!(!place.left().iter().any(|name| name.ends_with(".fetching")), "{:?}", place.left());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_was_killed_is_begun_anew() {
    let place = Place::new();
    let commit = place.git.commit(&[("a", "1")]);
    place.git.tag("v1.0.0", commit);
    let server = place.server().await;
    let address = server.source("app.git");
    place.newest(&address).await.unwrap();
    let copy = Remote::new(Address::of(&address).unwrap(), &place.copies(), LIMIT).copy;
    // As the process left it.
    File::create(copy.join("packed-refs.lock")).unwrap();
    File::create(copy.with_extension("fetching")).unwrap();
    place.git.tag("v1.0.1", commit);
    assert_eq!(place.newest(&address).await.unwrap(), "v1.0.1");
    // One that is no repository any more.
    fs::remove_dir_all(copy.join("objects")).unwrap();
    fs::remove_file(copy.join("HEAD")).unwrap();
    assert_eq!(place.newest(&address).await.unwrap(), "v1.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_may_want_the_same_repository() {
    let place = Place::new();
    let commit = place.git.commit(&[("a", "1")]);
    place.git.tag("v1.0.0", commit);
    let server = place.server().await;
    let copies = place.copies();
    let wanting: Vec<_> = (0..6)
        .map(|_| {
            let (address, copies) = (server.source("app.git"), copies.clone());
            tokio::spawn(async move {
                let source = Source::open(&address, &copies).await?;
                source.resolve(None).await
            })
        })
        .collect();
    for one in wanting {
        assert_eq!(one.await.unwrap().unwrap().version.as_str(), "v1.0.0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_fetched_over_ssh() {
    let place = Place::new();
    let commit = place.git.commit(&[("index.html", "hello")]);
    place.git.annotate("v1.0.0", commit);
    let pack = UploadPack { directory: place.root.path().join("app.git") };
    let spoken = place.root.path().join("spoken");
    fs::write(&spoken, [pack.advertisement(), pack.pack()].concat()).unwrap();
    let asked = place.root.path().join("asked");
    let mut script = String::new();
    writeln!(script, "for word; do echo \"$word\"; done > {}", asked.display()).unwrap();
    writeln!(
        script,
        "env | grep -E '^(GIT_TERMINAL_PROMPT|SSH_ASKPASS_REQUIRE)=' | sort >> {}",
        asked.display()
    )
    .unwrap();
    writeln!(script, "cat {}; exec cat > /dev/null", spoken.display()).unwrap();
    let remote = place.behind(&script);
    let repository = Arc::new(Repository { directory: remote.copy.clone(), remote: Some(remote) });
    let (version, found) = repository.resolve(None).await.unwrap();
    assert_eq!((version.as_str(), found), ("v1.0.0", commit));
    let asked = fs::read_to_string(asked).unwrap();
    assert!(asked.contains("-oBatchMode=yes\n"), "{asked}");
    assert!(asked.contains("\n--\ngit@host\ngit-upload-pack 'team/app.git'\n"), "{asked}");
    assert!(asked.ends_with("GIT_TERMINAL_PROMPT=0\nSSH_ASKPASS_REQUIRE=never\n"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_over_ssh_is_told_apart() {
    let place = Place::new();
    for (said, code) in [
        ("git@host: Permission denied (publickey).", "source_denied"),
        ("Host key verification failed.", "source_denied"),
        ("fatal: '/secret/x' does not appear to be a git repository", "source_not_found"),
        ("ssh: Could not resolve hostname host", "source_unreachable"),
    ] {
        let remote = place.behind(&format!("echo \"{said}\" >&2; exit 255"));
        let error = remote.refs().await.unwrap_err();
        assert_eq!(error.code(), code, "{error:?}");
        assert!(!error.message().contains("host:") && !error.message().contains("/secret"), "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(said), "{cause}");
    }
    let remote = place.behind("");
    fs::remove_file(&remote.ssh).unwrap();
    assert_eq!(remote.refs().await.unwrap_err().code(), "source_unsupported");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ssh_that_hangs_is_killed_with_what_it_started() {
    let place = Place::new();
    let pids = place.root.path().join("pids");
    let script = format!("sleep 600 & echo $! $$ > {0}.new; mv {0}.new {0}; wait", pids.display());
    let remote = place.behind(&script);
    let copy = remote.copy.clone();
    let fetch = tokio::spawn(async move { remote.refs().await.map(drop) });
    while !pids.exists() {
        tokio::task::yield_now().await;
    }
    fetch.abort();
    assert!(fetch.await.unwrap_err().is_cancelled());
    // The turn is given back when the work has ended.
    task::run(move |stop| Turn::wait(&copy, stop).map(drop)).await.unwrap();
    let limit = Instant::now() + Duration::from_secs(30);
    for pid in fs::read_to_string(pids).unwrap().split_whitespace() {
        let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
        // Whoever inherits it may not have taken note of its end yet; a zombie runs no more.
        let runs = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
            rustix::process::test_kill_process(pid).is_ok() && !stat.contains(") Z")
        };
        while runs() {
            assert!(Instant::now() < limit, "{pid:?} still runs");
            tokio::task::yield_now().await;
        }
    }
}
